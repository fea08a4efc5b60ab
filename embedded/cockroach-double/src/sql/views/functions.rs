//! Functions about the session and the cluster.

use super::View;
use crate::error::SqlError;
use crate::sql::value::Datum;
use crate::state::State;

/// What `version()` says.
fn version() -> String {
    format!(
        "CockroachDB-double {} (Atlas test double of CockroachDB, not CockroachDB; follows {})",
        crate::node::build(),
        crate::node::version()
    )
}

/// A function about the session or cluster, if there is one of this name.
pub(crate) fn function(
    view: &View,
    state: &State,
    name: &str,
    args: usize,
    now: i64,
) -> Result<Option<Datum>, SqlError> {
    let value = match (name, args) {
        ("version", 0) => Datum::text(version()),
        ("now" | "current_timestamp" | "transaction_timestamp", 0) => Datum::Timestamp(now),
        ("statement_timestamp" | "clock_timestamp", 0) => {
            Datum::Timestamp(chrono::Utc::now().timestamp_micros())
        }
        ("cluster_logical_timestamp", 0) => {
            Datum::Decimal(rust_decimal::Decimal::from(state.applied))
        }
        ("gateway_region", 0) => match view.locality.region() {
            Some(region) => Datum::text(region),
            None => {
                return Err(SqlError::new(
                    "42704",
                    "no region set on the locality flag on this node",
                ));
            }
        },
        ("current_user" | "session_user", 0) => Datum::text(&view.user),
        ("current_database" | "current_catalog", 0) => Datum::text(&view.database),
        ("current_schema", 0) => Datum::text("public"),
        ("crdb_internal.cluster_id", 0) => Datum::Uuid(view.cluster),
        ("crdb_internal.node_id", 0) => Datum::Int(i64::try_from(view.node).unwrap_or(0)),
        ("crdb_internal.node_executable_version" | "crdb_internal.executable_version", 0) => {
            Datum::text("25.4")
        }
        ("crdb_internal.validate_multi_region_zone_configs", 0) => {
            let zone = state
                .catalog
                .zones
                .get(&format!("DATABASE {}", view.database));
            let regional = state
                .catalog
                .databases
                .get(&view.database)
                .is_some_and(|db| db.primary.is_some());
            let changed = zone.and_then(|zone| zone.keys().find(|field| !field.starts_with("gc.")));
            if let Some(field) = changed.filter(|_| regional) {
                return Err(SqlError::new(
                    "42P17",
                    format!(
                        "attempting to update zone configuration for database \"{}\" which contains modified field \"{field}\"",
                        view.database
                    ),
                ));
            }
            Datum::Bool(true)
        }
        _ => return Ok(None),
    };
    Ok(Some(value))
}
