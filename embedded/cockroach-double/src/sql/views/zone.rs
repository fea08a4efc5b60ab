//! SHOW ZONE CONFIGURATION.

use super::definitions::quoted;
use crate::catalog::Catalog;
use crate::ddl::no_database;
use crate::error::SqlError;
use crate::placement;
use crate::sql::relation::Relation;
use crate::sql::value::Datum;

pub(super) fn zone(catalog: &Catalog, target: &str) -> Result<Relation, SqlError> {
    let (kind, name) = target.split_once(' ').unwrap_or(("RANGE", target));
    let own = catalog.zones.get(target);
    let mut fields: Vec<(String, String)> = vec![
        ("range_min_bytes".to_owned(), "134217728".to_owned()),
        ("range_max_bytes".to_owned(), "536870912".to_owned()),
        ("gc.ttlseconds".to_owned(), "14400".to_owned()),
    ];
    let system = matches!(name, "system" | "meta" | "liveness");
    let database = match kind {
        "DATABASE" => Some(
            catalog
                .databases
                .get(name)
                .ok_or_else(|| no_database(name))?,
        ),
        _ => None,
    };
    let regional = database.and_then(placement::zone);
    let shown = if own.is_some() || regional.is_some() {
        target.to_owned()
    } else {
        "RANGE default".to_owned()
    };
    match &regional {
        Some(zone) => fields.extend(zone.fields().into_iter().map(|(k, v)| (k.to_owned(), v))),
        None => fields.extend([
            (
                "num_replicas".to_owned(),
                if system { "5" } else { "3" }.to_owned(),
            ),
            ("constraints".to_owned(), "'[]'".to_owned()),
            ("lease_preferences".to_owned(), "'[]'".to_owned()),
        ]),
    }
    let inherited = if own.is_none() && regional.is_none() {
        catalog.zones.get("RANGE default")
    } else {
        own
    };
    for (field, value) in inherited.into_iter().flatten() {
        let value = if value.parse::<i64>().is_ok() {
            value.clone()
        } else {
            format!("'{value}'")
        };
        match fields.iter_mut().find(|(known, _)| known == field) {
            Some((_, known)) => *known = value,
            None => fields.push((field.clone(), value)),
        }
    }
    let shown = match shown.split_once(' ') {
        Some((kind, name)) => format!("{kind} {}", quoted(name)),
        None => shown,
    };
    let fields: Vec<String> = fields.iter().map(|(k, v)| format!("\t{k} = {v}")).collect();
    let sql = format!("ALTER {shown} CONFIGURE ZONE USING\n{}", fields.join(",\n"));
    Ok(Relation::line([
        ("target", Datum::String(shown)),
        ("raw_config_sql", Datum::String(sql)),
    ]))
}
