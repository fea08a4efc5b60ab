//! What SQL shows of the cluster: `SHOW`, `crdb_internal`, `information_schema`, and functions about them.

mod definitions;
mod functions;
mod internal;
mod ranges;
mod schema;
mod show;
mod zone;

use std::collections::BTreeMap;

use uuid::Uuid;

use super::relation::Relation;
use super::value::Datum;
use crate::catalog::{Catalog, Table};
use crate::error::SqlError;
use crate::locality::Locality;
use crate::rpc::StatusRow;
use crate::state::State;

pub(crate) use functions::function;
pub(crate) use show::show;

/// What a session can see besides the state.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    /// Who asks.
    pub(crate) user: String,
    /// The session's database.
    pub(crate) database: String,
    /// The gateway.
    pub(crate) node: u64,
    /// The cluster.
    pub(crate) cluster: Uuid,
    /// Where the gateway is.
    pub(crate) locality: Locality,
    /// All nodes.
    pub(crate) nodes: Vec<StatusRow>,
    /// Who votes.
    pub(crate) voters: Vec<u64>,
    /// Who holds the log without voting.
    pub(crate) non_voters: Vec<u64>,
    /// Who leads.
    pub(crate) leader: Option<u64>,
    /// The session's variables.
    pub(crate) variables: BTreeMap<String, String>,
}

/// A view by its name.
pub(crate) fn find(
    view: &View,
    state: &State,
    parts: &[String],
) -> Result<Option<Relation>, SqlError> {
    let [.., schema, name] = parts else {
        return Ok(None);
    };
    let catalog = &state.catalog;
    let found = match schema.as_str() {
        "crdb_internal" => internal::find(view, catalog, name),
        "information_schema" => schema::find(view, catalog, name),
        "pg_catalog" => None,
        "system" => return Err(SqlError::unsupported(format!("the table system.{name}"))),
        _ => return Ok(None),
    };
    let Some(relation) = found else {
        return Err(SqlError::unsupported(format!("the view {schema}.{name}")));
    };
    if schema == "crdb_internal" && name != "regions" && !catalog.is_admin(&view.user) {
        return Err(SqlError::new(
            "42501",
            format!(
                "user {} does not have VIEWCLUSTERMETADATA system privilege",
                view.user
            ),
        ));
    }
    Ok(Some(relation))
}

fn id(n: u64) -> Datum {
    Datum::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

fn tables_of<'a>(catalog: &'a Catalog, database: &'a str) -> impl Iterator<Item = &'a Table> {
    catalog
        .tables
        .values()
        .filter(move |table| table.database == database)
}
