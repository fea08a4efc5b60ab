//! `start`: checks its flags and runs a node.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use tracing_subscriber::EnvFilter;

use super::flags::{Flags, is_size};
use super::{PORT, address, block, identity};
use crate::error::CliError;
use crate::locality::Locality;
use crate::node::{self, Config};

/// Runs `start`.
pub(crate) fn run(flags: &Flags) -> Result<i32, CliError> {
    super::none(flags)?;
    let config = config(flags)?;
    let identity = identity(flags, "node")?;
    let filter = EnvFilter::try_from_env("ATLAS_DOUBLE_LOG")
        .unwrap_or_else(|_| EnvFilter::new("info,openraft=off,pgwire=error"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    tracing::info!(
        "Atlas test double of CockroachDB (not CockroachDB) {}",
        node::build()
    );
    block(node::start(config, identity))?
}

fn config(flags: &Flags) -> Result<Config, CliError> {
    let join: Vec<String> = flags
        .all("join")
        .iter()
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .filter(|host| !host.is_empty())
        .map(|host| address(host, PORT))
        .collect();
    if join.is_empty() {
        return Err(CliError::new("no --join flags provided to 'cockroach start'")
            .hint("Consider using 'cockroach init' or 'cockroach start-single-node' instead (the double has no start-single-node)"));
    }
    for size in ["cache", "max-sql-memory"] {
        if let Some(text) = flags.get(size).filter(|text| !is_size(text)) {
            return Err(CliError::flag(format!(
                "invalid argument {text:?} for \"--{size}\" flag: could not parse size"
            )));
        }
    }
    let locality = match flags.get("locality") {
        Some(text) => Locality::parse(text).map_err(|words| {
            CliError::flag(format!(
                "invalid argument {text:?} for \"--locality\" flag: {words}"
            ))
        })?,
        None => Locality::default(),
    };
    let locality_addresses = locality_addresses(flags)?;
    let given = |name: &str, port: u16| {
        let text = flags.get(name)?;
        // Nothing before the colon means all interfaces.
        Some(address(if text.is_empty() { ":0" } else { text }, port))
    };
    let bindable = |text: &str| match text.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => text.to_owned(),
    };
    let hostname = || {
        std::fs::read_to_string("/proc/sys/kernel/hostname")
            .map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
    };
    // What is bound everywhere is told by the machine's name.
    let told = |bound: &str| match bound.rsplit_once(':') {
        Some(("0.0.0.0" | "[::]" | "", port)) => format!("{}:{port}", hostname()),
        _ => bound.to_owned(),
    };
    let port_of = |text: &str| {
        text.rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok())
            .unwrap_or(PORT)
    };
    let listen = bindable(&given("listen-addr", PORT).unwrap_or_else(|| format!(":{PORT}")));
    let advertise = given("advertise-addr", port_of(&listen)).unwrap_or_else(|| told(&listen));
    let sql = given("sql-addr", PORT).map(|text| bindable(&text));
    let advertise_sql = given("advertise-sql-addr", sql.as_deref().map_or(PORT, port_of))
        .unwrap_or_else(|| match &sql {
            Some(bound) => {
                let host = advertise
                    .rsplit_once(':')
                    .map_or("localhost", |(host, _)| host);
                match bound.rsplit_once(':') {
                    Some(("0.0.0.0" | "[::]" | "", port)) => format!("{host}:{port}"),
                    _ => bound.clone(),
                }
            }
            None => advertise.clone(),
        });
    let http = match given("http-addr", 8080) {
        Some(text) => bindable(&text),
        None => format!(
            "{}:8080",
            listen.rsplit_once(':').map_or("0.0.0.0", |(host, _)| host)
        ),
    };
    let advertise_http = given("advertise-http-addr", port_of(&http)).unwrap_or_else(|| {
        let host = advertise
            .rsplit_once(':')
            .map_or("localhost", |(host, _)| host);
        match http.rsplit_once(':') {
            Some(("0.0.0.0" | "[::]" | "", port)) => format!("{host}:{port}"),
            _ => http.clone(),
        }
    });
    let max_offset = flags
        .duration("max-offset")?
        .map_or(500, |d| u64::try_from(d.as_millis()).unwrap_or(500));
    if let Some(name) = flags.get("cluster-name") {
        let fine = !name.is_empty()
            && name.len() <= 256
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !name.ends_with('-');
        if !fine {
            return Err(CliError::flag(format!(
                "invalid argument {name:?} for \"--cluster-name\" flag: cluster name must contain only lowercase letters, digits and dashes, and begin with a letter"
            )));
        }
    }
    Ok(Config {
        join,
        listen,
        advertise,
        sql,
        advertise_sql,
        http,
        advertise_http,
        locality_addresses,
        locality,
        attrs: flags.get("attrs").unwrap_or_default().to_owned(),
        store: store(flags)?,
        cluster_name: flags.get("cluster-name").map(str::to_owned),
        any_cluster_name: flags.is("disable-cluster-name-verification"),
        max_offset,
        pid_file: flags.get("pid-file").map(PathBuf::from),
        url_file: flags.get("listening-url-file").map(PathBuf::from),
    })
}

fn locality_addresses(flags: &Flags) -> Result<Vec<(String, String)>, CliError> {
    let mut addresses = Vec::new();
    for list in flags.all("locality-advertise-addr") {
        for item in list.split(',') {
            let Some((tier, host)) = item.split_once('@') else {
                return Err(CliError::flag(format!(
                    "invalid argument {item:?} for \"--locality-advertise-addr\" flag: expected tier=value@address"
                )));
            };
            addresses.push((tier.to_owned(), address(host, PORT)));
        }
    }
    Ok(addresses)
}

fn store(flags: &Flags) -> Result<PathBuf, CliError> {
    let stores = flags.all("store");
    let text = match stores.as_slice() {
        [] => return Ok(PathBuf::from("cockroach-data")),
        [one] => one,
        _ => {
            return Err(CliError::new(
                "unsupported by the double: more than one --store",
            ));
        }
    };
    let wrong = |words: &str| {
        CliError::flag(format!(
            "invalid argument {text:?} for \"--store\" flag: {words}"
        ))
    };
    if !text.contains('=') {
        return Ok(PathBuf::from(text));
    }
    let mut path = None;
    for field in text.split(',') {
        let Some((key, value)) = field.split_once('=') else {
            return Err(wrong(&format!("field {field:?} has no value")));
        };
        match key {
            "path" => path = Some(PathBuf::from(value)),
            "size" | "ballast-size" if is_size(value) => (),
            "size" | "ballast-size" => return Err(wrong(&format!("{value:?} is no size"))),
            "attrs" => (),
            "type" if value == "mem" => {
                return Err(CliError::new("unsupported by the double: --store=type=mem")
                    .hint("the double keeps its data on disk"));
            }
            _ => return Err(wrong(&format!("{key} is not a valid store field"))),
        }
    }
    path.ok_or_else(|| wrong("no path specified"))
}
