//! Variables of a session.

use std::collections::BTreeMap;
use std::time::Duration;

use super::transaction::Mode;
use super::{Output, Result, Session};
use crate::cli::flags::go_duration;
use crate::ddl::no_database;
use crate::error::SqlError;
use crate::node::{Node, build};

/// Variables that may be set, with their defaults.
pub(super) const VARIABLES: &[(&str, &str)] = &[
    ("application_name", ""),
    ("autocommit_before_ddl", "on"),
    ("bytea_output", "hex"),
    ("client_encoding", "UTF8"),
    ("client_min_messages", "notice"),
    ("database", "defaultdb"),
    ("datestyle", "ISO, MDY"),
    ("default_transaction_isolation", "serializable"),
    ("enable_multiregion_placement_policy", "off"),
    ("extra_float_digits", "1"),
    ("idle_in_transaction_session_timeout", "0"),
    ("inject_retry_errors_enabled", "off"),
    ("intervalstyle", "postgres"),
    ("lock_timeout", "0"),
    ("override_multi_region_zone_config", "off"),
    ("search_path", "\"$user\", public"),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "0"),
    ("timezone", "UTC"),
];

/// Variables that only show something.
const READ_ONLY: &[&str] = &[
    "crdb_version",
    "integer_datetimes",
    "is_superuser",
    "node_id",
    "server_encoding",
    "server_version",
    "server_version_num",
    "session_user",
    "transaction_isolation",
    "transaction_status",
];

/// What a session says that the server is.
pub(crate) fn server_variables(node: &Node) -> BTreeMap<String, String> {
    let id = node.id().unwrap_or_default();
    let pairs = [
        ("server_version", "13.0.0".to_owned()),
        ("server_version_num", "130000".to_owned()),
        ("server_encoding", "UTF8".to_owned()),
        ("integer_datetimes", "on".to_owned()),
        ("transaction_isolation", "serializable".to_owned()),
        (
            "crdb_version",
            format!(
                "Atlas test double of CockroachDB (not CockroachDB) {}",
                build()
            ),
        ),
        ("node_id", id.to_string()),
    ];
    pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
}

pub(super) fn is_on(value: &str) -> bool {
    matches!(
        value.to_lowercase().as_str(),
        "on" | "true" | "1" | "yes" | "t"
    )
}

/// A time in milliseconds, or with a unit.
pub(super) fn timeout(text: &str) -> Option<Duration> {
    match text.parse::<u64>() {
        Ok(millis) => Some(Duration::from_millis(millis)),
        Err(_) => go_duration(text),
    }
}

impl Session {
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let wrong = || {
            SqlError::new(
                "22023",
                format!("invalid value for parameter \"{name}\": \"{value}\""),
            )
        };
        if READ_ONLY.contains(&name) {
            return Err(SqlError::new(
                "55P02",
                format!("parameter \"{name}\" cannot be changed"),
            ));
        }
        let Some((_, default)) = VARIABLES.iter().find(|(known, _)| *known == name) else {
            return Err(SqlError::new(
                "42704",
                format!("unrecognized configuration parameter \"{name}\""),
            )
            .hint("the double knows some variables only: SHOW ALL lists them"));
        };
        let value = match name {
            "client_encoding"
                if !matches!(
                    value.to_lowercase().replace('-', "").as_str(),
                    "utf8" | "unicode"
                ) =>
            {
                return Err(SqlError::new(
                    "0A000",
                    format!("unimplemented client encoding: \"{value}\""),
                ));
            }
            "client_encoding" => "UTF8".to_owned(),
            "timezone"
                if !matches!(
                    value.to_lowercase().as_str(),
                    "utc" | "gmt" | "etc/utc" | "0" | "z"
                ) =>
            {
                return Err(SqlError::unsupported(format!(
                    "the time zone {value}: all times are UTC"
                )));
            }
            "timezone" => "UTC".to_owned(),
            "default_transaction_isolation" if !value.eq_ignore_ascii_case("serializable") => {
                return Err(SqlError::unsupported(format!(
                    "the isolation level {value}: everything is serializable"
                )));
            }
            "statement_timeout" | "lock_timeout" | "idle_in_transaction_session_timeout" => {
                if timeout(value).is_none() {
                    return Err(wrong());
                }
                value.to_owned()
            }
            _ if matches!(*default, "on" | "off") => {
                if !is_on(value)
                    && !matches!(
                        value.to_lowercase().as_str(),
                        "off" | "false" | "0" | "no" | "f"
                    )
                {
                    return Err(wrong());
                }
                if is_on(value) { "on" } else { "off" }.to_owned()
            }
            _ => value.to_owned(),
        };
        self.variables.insert(name.to_owned(), value);
        Ok(())
    }

    /// SET and USE.
    pub(super) async fn set_variable(&mut self, name: &str, value: &str) -> Result<Output> {
        if name == "database" && !value.is_empty() {
            let local = self.node.local();
            let known = local.is_some_and(|state| state.catalog.databases.contains_key(value));
            // This node may be behind the others.
            if !known
                && !self
                    .node
                    .read()
                    .await?
                    .catalog
                    .databases
                    .contains_key(value)
            {
                return Err(no_database(value));
            }
        }
        self.set(name, value)?;
        Ok(Output::Tag("SET".to_owned(), None))
    }

    /// RESET.
    pub(super) fn reset(&mut self, name: &str) -> Result<Output> {
        let value = self.defaults.get(name).cloned().unwrap_or_default();
        self.set(name, &value)?;
        Ok(Output::Tag("RESET".to_owned(), None))
    }

    /// DISCARD ALL.
    pub(super) fn discard(&mut self) -> Result<Output> {
        if !matches!(self.mode, Mode::Idle) {
            return Err(SqlError::new(
                "25001",
                "DISCARD ALL cannot run inside a transaction block",
            ));
        }
        self.variables = self.defaults.clone();
        Ok(Output::Tag("DISCARD".to_owned(), None))
    }
}
