//! Cluster settings: those that are known, their types and defaults. Others are refused.

use std::time::Duration;

use crate::cli::flags::go_duration;
use crate::error::SqlError;

/// A setting: name, type (`b`, `i`, `d`, `f`, `s`, `z`), default, description.
pub(crate) const KNOWN: &[(&str, char, &str, &str)] = &[
    ("cluster.organization", 's', "", "organization name"),
    (
        "diagnostics.reporting.enabled",
        'b',
        "true",
        "enable reporting diagnostic metrics; the double reports nothing",
    ),
    (
        "enterprise.license",
        's',
        "",
        "the encoded cluster license; the double keeps it and looks no further",
    ),
    (
        "kv.range.backpressure_range_size_multiplier",
        'f',
        "2",
        "kept, not used",
    ),
    ("kv.rangefeed.enabled", 'b', "false", "kept, not used"),
    (
        "kv.replica_circuit_breaker.slow_replication_threshold",
        'd',
        "1m0s",
        "duration after which slow proposals trip the per-Replica circuit breaker",
    ),
    (
        "kv.transaction.write_pipelining.enabled",
        'b',
        "true",
        "kept, not used",
    ),
    (
        "server.shutdown.connections.timeout",
        'd',
        "0s",
        "the maximum amount of time a server waits for all SQL connections to be closed",
    ),
    (
        "server.shutdown.initial_wait",
        'd',
        "0s",
        "the amount of time a server waits in an unready state before proceeding with a drain",
    ),
    (
        "server.shutdown.lease_transfer_iteration.timeout",
        'd',
        "5s",
        "kept, not used",
    ),
    (
        "server.shutdown.transactions.timeout",
        'd',
        "10s",
        "the timeout for waiting for active transactions to finish during a drain",
    ),
    (
        "server.time_until_store_dead",
        'd',
        "5m0s",
        "the time after which a store is considered dead",
    ),
    (
        "sql.defaults.idle_in_transaction_session_timeout",
        'd',
        "0s",
        "kept, not used",
    ),
    (
        "sql.defaults.primary_region",
        's',
        "",
        "primary region of new databases",
    ),
    (
        "sql.multiregion.drop_primary_region.enabled",
        'b',
        "true",
        "allows dropping the PRIMARY REGION of a database if it is the last region",
    ),
    (
        "sql.stats.automatic_collection.enabled",
        'b',
        "true",
        "kept, not used",
    ),
    (
        "sql.txn.read_committed_isolation.enabled",
        'b',
        "true",
        "kept, not used: everything is serializable",
    ),
    (
        "version",
        's',
        "25.4",
        "set the active cluster version in the format '<major>.<minor>'",
    ),
];

/// A setting's default.
pub(crate) fn default(name: &str) -> Option<&'static str> {
    KNOWN
        .iter()
        .find(|known| known.0 == name)
        .map(|known| known.2)
}

/// A duration as a setting has it.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    go_duration(text)
}

/// Checks a value, and writes it as the vendor shows it.
pub(crate) fn check(name: &str, value: &str) -> Result<String, SqlError> {
    let Some((_, kind, ..)) = KNOWN.iter().find(|known| known.0 == name) else {
        return Err(
            SqlError::new("42704", format!("unknown cluster setting '{name}'"))
                .hint("the double knows some settings only: SHOW CLUSTER SETTINGS lists them"),
        );
    };
    let wrong = |kind: &str| {
        SqlError::new(
            "22023",
            format!("invalid value for cluster setting {name}: {value:?} is no {kind}"),
        )
    };
    Ok(match kind {
        'b' => match value.to_ascii_lowercase().as_str() {
            "true" | "t" | "on" | "1" | "yes" => "true".to_owned(),
            "false" | "f" | "off" | "0" | "no" => "false".to_owned(),
            _ => return Err(wrong("bool")),
        },
        'd' => {
            let duration = go_duration(value)
                .or_else(|| spelled(value))
                .ok_or_else(|| wrong("duration"))?;
            if name == "server.time_until_store_dead" && duration < Duration::from_secs(75) {
                return Err(SqlError::new(
                    "22023",
                    "cannot set server.time_until_store_dead to less than 1m15s",
                ));
            }
            written(duration)
        }
        'f' => value
            .parse::<f64>()
            .map_err(|_| wrong("float"))?
            .to_string(),
        'i' => value.parse::<i64>().map_err(|_| wrong("int"))?.to_string(),
        _ => value.to_owned(),
    })
}

/// A duration in words or as a clock, as intervals may be.
fn spelled(text: &str) -> Option<Duration> {
    let words: Vec<&str> = text.split_whitespace().collect();
    if let [clock] = words.as_slice()
        && clock.contains(':')
    {
        let mut seconds = 0.0;
        for part in clock.split(':') {
            seconds = seconds * 60.0 + part.parse::<f64>().ok()?;
        }
        return Some(Duration::from_secs_f64(seconds));
    }
    let mut total = 0.0;
    for pair in words.chunks(2) {
        let [number, unit] = pair else { return None };
        let number: f64 = number.parse().ok()?;
        total += number
            * match unit.trim_end_matches('s') {
                "second" | "sec" => 1.0,
                "minute" | "min" => 60.0,
                "hour" => 3600.0,
                "millisecond" => 0.001,
                _ => return None,
            };
    }
    (!words.is_empty()).then(|| Duration::from_secs_f64(total))
}

/// A duration as Go writes it.
fn written(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if duration < Duration::from_secs(1) && !duration.is_zero() {
        return format!("{}ms", duration.as_millis());
    }
    let fraction = duration.subsec_millis();
    let rest = if fraction == 0 {
        format!("{}s", seconds % 60)
    } else {
        format!("{}.{:03}s", seconds % 60, fraction)
            .replace("00s", "s")
            .replace("0s", "s")
    };
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => rest,
        (0, minutes) => format!("{minutes}m{rest}"),
        (hours, minutes) => format!("{hours}h{minutes}m{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_writes_them() {
        let name = "server.shutdown.initial_wait";
        for (given, shown) in [
            ("90s", "1m30s"),
            ("250ms", "250ms"),
            ("00:00:08", "8s"),
            ("2 minutes", "2m0s"),
            ("10s", "10s"),
            ("1.5s", "1.5s"),
        ] {
            assert_eq!(check(name, given).unwrap(), shown);
        }
    }

    #[test]
    fn unknown_settings_are_refused() {
        assert_eq!(check("kv.nonsense", "1").unwrap_err().code, "42704");
    }
}
