//! Flags.

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
/// Those that do not ask by SQL.
const RPC: &[&str] = &[
    "init",
    "node drain",
    "node decommission",
    "node recommission",
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
        "must be alike on all nodes; a node whose clock is 80 % of it away from half of the others ends",
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
        RPC,
        "cluster-name",
        true,
        "cockroach-init",
        "verified by the node",
    ),
    flag(
        RPC,
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
        &["node status"],
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
