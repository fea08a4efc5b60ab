//! What the double accepts, and the vendor's page that each of it follows.
//!
//! The parser of flags reads this table, and `cockroach double surface` prints it, so that nothing can
//! be accepted without a page being named.

/// The version of the documentation that the double follows.
pub(crate) const DOCS: &str = "https://www.cockroachlabs.com/docs/v25.4/";

/// A flag of one or more commands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flag {
    /// The commands that take it.
    pub(crate) commands: &'static [&'static str],
    /// The long name.
    pub(crate) name: &'static str,
    /// The letter, where there is one.
    pub(crate) short: Option<char>,
    /// Whether a value follows.
    pub(crate) value: bool,
    /// The page of the documentation.
    pub(crate) page: &'static str,
    /// What the double does with it.
    pub(crate) note: &'static str,
}

const fn flag(
    commands: &'static [&'static str],
    name: &'static str,
    value: bool,
    page: &'static str,
    note: &'static str,
) -> Flag {
    Flag {
        commands,
        name,
        short: None,
        value,
        page,
        note,
    }
}

const START: &[&str] = &["start"];
const CLIENT: &[&str] = &[
    "init",
    "node status",
    "node drain",
    "node decommission",
    "node recommission",
    "sql",
];
const NODE: &[&str] = &[
    "node status",
    "node drain",
    "node decommission",
    "node recommission",
];
const CERT: &[&str] = &[
    "cert create-ca",
    "cert create-node",
    "cert create-client",
    "cert list",
];
const CREATE: &[&str] = &["cert create-ca", "cert create-node", "cert create-client"];
const SIGN: &[&str] = &["cert create-node", "cert create-client"];

/// Every flag that is accepted.
pub(crate) const FLAGS: &[Flag] = &[
    flag(
        START,
        "join",
        true,
        "cockroach-start",
        "may be repeated; addresses are tried in turn",
    ),
    flag(
        START,
        "listen-addr",
        true,
        "cockroach-start",
        "port 26257 by default",
    ),
    flag(
        START,
        "advertise-addr",
        true,
        "cockroach-start",
        "what peers dial",
    ),
    flag(
        START,
        "sql-addr",
        true,
        "cockroach-start",
        "a listener of its own for SQL",
    ),
    flag(
        START,
        "advertise-sql-addr",
        true,
        "cockroach-start",
        "shown by `node status`",
    ),
    flag(
        START,
        "http-addr",
        true,
        "cockroach-start",
        "port 8080 by default",
    ),
    flag(
        START,
        "advertise-http-addr",
        true,
        "cockroach-start",
        "kept in the node's descriptor",
    ),
    flag(START, "locality", true, "cockroach-start", "ordered tiers"),
    flag(
        START,
        "locality-advertise-addr",
        true,
        "cockroach-start",
        "address for one locality's peers",
    ),
    Flag {
        commands: START,
        name: "store",
        short: Some('s'),
        value: true,
        page: "cockroach-start",
        note: "one store, on disk; `path`, `size`, `attrs`, `ballast-size`",
    },
    flag(START, "cache", true, "cockroach-start", "checked, not used"),
    flag(
        START,
        "max-sql-memory",
        true,
        "cockroach-start",
        "checked, not used",
    ),
    flag(
        START,
        "max-offset",
        true,
        "cockroach-start",
        "must be alike on all nodes",
    ),
    flag(
        START,
        "attrs",
        true,
        "cockroach-start",
        "shown by `node status`",
    ),
    flag(
        START,
        "logtostderr",
        false,
        "cockroach-start",
        "logs always go there",
    ),
    flag(
        START,
        "pid-file",
        true,
        "cockroach-start",
        "written when the node serves",
    ),
    flag(
        START,
        "listening-url-file",
        true,
        "cockroach-start",
        "written when the node serves",
    ),
    flag(
        START,
        "certs-dir",
        true,
        "cockroach-start",
        "CA, node and client certificates",
    ),
    flag(
        START,
        "insecure",
        false,
        "cockroach-start",
        "no TLS, no authentication",
    ),
    flag(
        START,
        "cluster-name",
        true,
        "cockroach-start",
        "verified between nodes",
    ),
    flag(
        START,
        "disable-cluster-name-verification",
        false,
        "cockroach-start",
        "the name is not verified",
    ),
    flag(CLIENT, "host", true, "cockroach-node", "a node's address"),
    flag(
        CLIENT,
        "certs-dir",
        true,
        "cockroach-node",
        "the client's certificate of root",
    ),
    flag(CLIENT, "insecure", false, "cockroach-node", "no TLS"),
    flag(
        CLIENT,
        "cluster-name",
        true,
        "cockroach-init",
        "verified by the node",
    ),
    flag(
        CLIENT,
        "disable-cluster-name-verification",
        false,
        "cockroach-init",
        "the name is not verified",
    ),
    flag(
        NODE,
        "format",
        true,
        "cockroach-node",
        "tsv, csv, table, records",
    ),
    flag(
        NODE,
        "timeout",
        true,
        "cockroach-node",
        "how long to wait for the node",
    ),
    flag(
        &["node status"],
        "ranges",
        false,
        "cockroach-node",
        "more columns",
    ),
    flag(
        &["node status"],
        "stats",
        false,
        "cockroach-node",
        "more columns",
    ),
    flag(
        &["node status"],
        "decommission",
        false,
        "cockroach-node",
        "more columns, and nodes that left",
    ),
    flag(
        &["node status"],
        "all",
        false,
        "cockroach-node",
        "all of these columns",
    ),
    flag(
        &["node drain", "node decommission", "node recommission"],
        "self",
        false,
        "cockroach-node",
        "the node that is asked",
    ),
    flag(
        &["node drain"],
        "drain-wait",
        true,
        "cockroach-node",
        "10m by default",
    ),
    flag(
        &["node drain"],
        "shutdown",
        false,
        "cockroach-node",
        "the process ends after the drain",
    ),
    flag(
        &["node decommission"],
        "wait",
        true,
        "cockroach-node",
        "all or none",
    ),
    flag(
        &["node decommission"],
        "checks",
        true,
        "cockroach-node",
        "enabled, strict or skip",
    ),
    flag(
        &["node decommission"],
        "dry-run",
        false,
        "cockroach-node",
        "checks only",
    ),
    flag(
        &["sql"],
        "format",
        true,
        "cockroach-sql",
        "tsv, csv, table, records",
    ),
    Flag {
        commands: &["sql"],
        name: "execute",
        short: Some('e'),
        value: true,
        page: "cockroach-sql",
        note: "may be repeated; without it, the standard input is read, each statement with its semicolon; there is no interactive shell",
    },
    Flag {
        commands: &["sql"],
        name: "database",
        short: Some('d'),
        value: true,
        page: "cockroach-sql",
        note: "the session's database",
    },
    Flag {
        commands: &["sql"],
        name: "user",
        short: Some('u'),
        value: true,
        page: "cockroach-sql",
        note: "root by default",
    },
    flag(
        &["sql"],
        "url",
        true,
        "cockroach-sql",
        "a connection URL in place of the other flags",
    ),
    flag(
        CERT,
        "certs-dir",
        true,
        "cockroach-cert",
        "where certificates are",
    ),
    flag(CREATE, "ca-key", true, "cockroach-cert", "the CA's key"),
    flag(
        CREATE,
        "lifetime",
        true,
        "cockroach-cert",
        "43830h for nodes and clients, 87840h for the CA",
    ),
    flag(
        CREATE,
        "key-size",
        true,
        "cockroach-cert",
        "checked, not used: keys are ECDSA P-256",
    ),
    flag(
        CREATE,
        "overwrite",
        false,
        "cockroach-cert",
        "files may be replaced",
    ),
    flag(
        &["cert create-ca"],
        "allow-ca-key-reuse",
        false,
        "cockroach-cert",
        "an existing key is used again",
    ),
    flag(
        SIGN,
        "also-generate-pkcs8-key",
        false,
        "cockroach-cert",
        "DER beside the PEM",
    ),
    flag(
        &["version"],
        "build-tag",
        false,
        "cockroach-version",
        "the tag alone",
    ),
];

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

/// The table, in Markdown.
pub(crate) fn markdown() -> String {
    use std::fmt::Write as _;
    let mut out = String::from(
        "# What the double accepts\n\nPrinted by `cockroach double surface`. Pages are those of \
         CockroachDB's documentation, v25.4.\n\n## Commands, statements, views, endpoints and signals\n\n| kind | what | page |\n|---|---|---|\n",
    );
    for Entry { kind, text, page } in ENTRIES {
        let text = text.replace('|', "\\|");
        let _ = writeln!(out, "| {kind} | `{text}` | [{page}]({DOCS}{page}) |");
    }
    out.push_str(
        "\n## Flags\n\n| flag | commands | what the double does | page |\n|---|---|---|---|\n",
    );
    for Flag {
        commands,
        name,
        short,
        page,
        note,
        ..
    } in FLAGS
    {
        let short = short.map_or(String::new(), |c| format!(", `-{c}`"));
        let commands = commands.join(", ");
        let _ = writeln!(
            out,
            "| `--{name}`{short} | {commands} | {note} | [{page}]({DOCS}{page}) |"
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_beside_the_code_is_what_the_code_accepts() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/SURFACE.md");
        let written = std::fs::read_to_string(file).unwrap();
        assert!(
            written == markdown(),
            "SURFACE.md is not what `cockroach double surface` prints"
        );
    }
}
