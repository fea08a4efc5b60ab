//! Commands, statements, views, functions, endpoints and signals.

/// A command, statement or endpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// Its kind: `command`, `statement`, `view`, `function` or `endpoint`.
    pub(crate) kind: &'static str,
    /// How it is written.
    pub(crate) text: &'static str,
    /// The page of the documentation.
    pub(crate) page: &'static str,
}

const fn entry(kind: &'static str, text: &'static str, page: &'static str) -> Entry {
    Entry { kind, text, page }
}

/// Everything that is accepted besides flags.
pub(crate) const ENTRIES: &[Entry] = &[
    entry("command", "start", "cockroach-start"),
    entry("command", "init", "cockroach-init"),
    entry("command", "node status", "cockroach-node"),
    entry("command", "node drain", "cockroach-node"),
    entry("command", "node decommission", "cockroach-node"),
    entry("command", "node recommission", "cockroach-node"),
    entry("command", "cert create-ca", "cockroach-cert"),
    entry("command", "cert create-node", "cockroach-cert"),
    entry("command", "cert create-client", "cockroach-cert"),
    entry("command", "cert list", "cockroach-cert"),
    entry("command", "sql", "cockroach-sql"),
    entry("command", "version", "cockroach-version"),
    entry(
        "statement",
        "CREATE DATABASE [IF NOT EXISTS] d [PRIMARY REGION a] [REGIONS b, c] [SURVIVE …] [PLACEMENT …] [SECONDARY REGION b]",
        "create-database",
    ),
    entry(
        "statement",
        "DROP DATABASE [IF EXISTS] d [CASCADE | RESTRICT]",
        "drop-database",
    ),
    entry(
        "statement",
        "ALTER DATABASE d [SET] PRIMARY REGION a",
        "alter-database",
    ),
    entry(
        "statement",
        "ALTER DATABASE d ADD REGION [IF NOT EXISTS] a",
        "alter-database",
    ),
    entry(
        "statement",
        "ALTER DATABASE d DROP REGION [IF EXISTS] a",
        "alter-database",
    ),
    entry(
        "statement",
        "ALTER DATABASE d SURVIVE {ZONE | REGION} FAILURE",
        "alter-database",
    ),
    entry(
        "statement",
        "ALTER DATABASE d SET SECONDARY REGION a",
        "alter-database",
    ),
    entry(
        "statement",
        "ALTER DATABASE d DROP SECONDARY REGION [IF EXISTS]",
        "alter-database",
    ),
    entry("statement", "ALTER DATABASE d OWNER TO u", "alter-database"),
    entry(
        "statement",
        "ALTER DATABASE d PLACEMENT {DEFAULT | RESTRICTED}",
        "alter-database",
    ),
    entry(
        "statement",
        "ALTER {DATABASE | RANGE} x CONFIGURE ZONE {USING … | DISCARD}",
        "configure-zone",
    ),
    entry(
        "statement",
        "CREATE TABLE [IF NOT EXISTS] t (…) [LOCALITY REGIONAL BY TABLE IN PRIMARY REGION]",
        "create-table",
    ),
    entry("statement", "DROP TABLE [IF EXISTS] t", "drop-table"),
    entry(
        "statement",
        "CREATE [UNIQUE] INDEX [IF NOT EXISTS] [name] ON t (…)",
        "create-index",
    ),
    entry(
        "statement",
        "CREATE {USER | ROLE} [IF NOT EXISTS] u [WITH] [LOGIN] [PASSWORD …]",
        "create-user",
    ),
    entry(
        "statement",
        "ALTER {USER | ROLE} u [WITH] PASSWORD …",
        "alter-user",
    ),
    entry("statement", "DROP {USER | ROLE} [IF EXISTS] u", "drop-user"),
    entry(
        "statement",
        "GRANT … ON {DATABASE | TABLE} … TO u; GRANT admin TO u",
        "grant",
    ),
    entry(
        "statement",
        "REVOKE … ON {DATABASE | TABLE} … FROM u; REVOKE admin FROM u",
        "revoke",
    ),
    entry(
        "statement",
        "INSERT … [ON CONFLICT … DO NOTHING | DO UPDATE SET …] [RETURNING …]",
        "insert",
    ),
    entry("statement", "UPSERT … [RETURNING …]", "upsert"),
    entry(
        "statement",
        "UPDATE … SET … [WHERE …] [RETURNING …]",
        "update",
    ),
    entry(
        "statement",
        "DELETE FROM … [WHERE …] [RETURNING …]",
        "delete",
    ),
    entry(
        "statement",
        "SELECT … FROM … [JOIN …] [WHERE …] [GROUP BY …] [HAVING …] [ORDER BY …] [LIMIT …] [OFFSET …]",
        "select-clause",
    ),
    entry("statement", "SELECT … FOR UPDATE", "select-for-update"),
    entry("statement", "WITH … SELECT …", "common-table-expressions"),
    entry("statement", "VALUES …", "selection-queries"),
    entry(
        "statement",
        "BEGIN [TRANSACTION] [ISOLATION LEVEL SERIALIZABLE] [READ ONLY | READ WRITE]",
        "begin-transaction",
    ),
    entry("statement", "COMMIT", "commit-transaction"),
    entry(
        "statement",
        "ROLLBACK [TO SAVEPOINT s]",
        "rollback-transaction",
    ),
    entry("statement", "SAVEPOINT s", "savepoint"),
    entry("statement", "RELEASE [SAVEPOINT] s", "release-savepoint"),
    entry(
        "statement",
        "SET v = …; SET TIME ZONE UTC; SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE; RESET v; USE d; DISCARD ALL",
        "set-vars",
    ),
    entry(
        "statement",
        "SHOW v; SHOW ALL; SHOW TIME ZONE; SHOW TRANSACTION ISOLATION LEVEL",
        "show-vars",
    ),
    entry(
        "statement",
        "SET CLUSTER SETTING s = …; RESET CLUSTER SETTING s",
        "set-cluster-setting",
    ),
    entry(
        "statement",
        "SHOW CLUSTER SETTING s; SHOW [ALL | PUBLIC] CLUSTER SETTINGS",
        "show-cluster-setting",
    ),
    entry(
        "statement",
        "SHOW REGIONS [FROM {CLUSTER | DATABASE [d] | ALL DATABASES}]",
        "show-regions",
    ),
    entry("statement", "SHOW DATABASES", "show-databases"),
    entry("statement", "SHOW TABLES [FROM d]", "show-tables"),
    entry("statement", "SHOW COLUMNS FROM t", "show-columns"),
    entry(
        "statement",
        "SHOW SURVIVAL GOAL FROM DATABASE [d]",
        "show-survival-goal",
    ),
    entry(
        "statement",
        "SHOW CREATE DATABASE d; SHOW CREATE [TABLE] t",
        "show-create",
    ),
    entry(
        "statement",
        "SHOW ZONE CONFIGURATION FROM {DATABASE | RANGE} x",
        "show-zone-configurations",
    ),
    entry("statement", "SHOW {USERS | ROLES}", "show-users"),
    entry("statement", "SHOW GRANTS ON DATABASE d", "show-grants"),
    entry("statement", "SHOW LOCALITY", "show-locality"),
    entry(
        "statement",
        "SHOW RANGES FROM {DATABASE d | TABLE t} [WITH DETAILS]; SHOW CLUSTER RANGES",
        "show-ranges",
    ),
    entry("view", "crdb_internal.gossip_nodes", "crdb-internal"),
    entry("view", "crdb_internal.gossip_liveness", "crdb-internal"),
    entry("view", "crdb_internal.kv_node_status", "crdb-internal"),
    entry("view", "crdb_internal.kv_node_liveness", "crdb-internal"),
    entry("view", "crdb_internal.kv_store_status", "crdb-internal"),
    entry("view", "crdb_internal.ranges", "crdb-internal"),
    entry("view", "crdb_internal.ranges_no_leases", "crdb-internal"),
    entry("view", "crdb_internal.regions", "crdb-internal"),
    entry("view", "crdb_internal.cluster_settings", "crdb-internal"),
    entry("view", "information_schema.tables", "information-schema"),
    entry("view", "information_schema.columns", "information-schema"),
    entry(
        "function",
        "version(), now(), current_timestamp, transaction_timestamp(), statement_timestamp(), clock_timestamp(), gen_random_uuid(), uuid_v4(), unique_rowid(), gateway_region(), current_user, session_user, current_database(), current_catalog, current_schema(), cluster_logical_timestamp()",
        "functions-and-operators",
    ),
    entry(
        "function",
        "crdb_internal.cluster_id(), crdb_internal.node_id(), crdb_internal.node_executable_version(), crdb_internal.executable_version(), crdb_internal.validate_multi_region_zone_configs()",
        "functions-and-operators",
    ),
    entry(
        "function",
        "coalesce, ifnull, nullif, abs, greatest, least, length, char_length, lower, upper, concat, round, mod, generate_series",
        "functions-and-operators",
    ),
    entry(
        "function",
        "count, sum, min, max, avg, bool_and, every, bool_or",
        "functions-and-operators",
    ),
    entry(
        "endpoint",
        "GET /health, GET /health?ready=1",
        "monitoring-and-alerting",
    ),
    entry("endpoint", "GET /_status/vars", "monitoring-and-alerting"),
    entry("endpoint", "GET /_status/nodes", "monitoring-and-alerting"),
    entry(
        "endpoint",
        "POST /_status/critical_nodes",
        "monitoring-and-alerting",
    ),
    entry("signal", "SIGTERM, SIGINT", "node-shutdown"),
    entry("signal", "SIGHUP", "rotate-certificates"),
];
