//! Zones: what may be configured by hand.

use std::collections::BTreeMap;

use super::{Done, Result, admin, done, no_database};
use crate::catalog::Catalog;
use crate::error::SqlError;
use crate::placement;

/// The fields of a zone that the regions of a database decide.
pub(super) const PROTECTED: &[&str] = &[
    "num_replicas",
    "num_voters",
    "constraints",
    "voter_constraints",
    "lease_preferences",
];

/// The protected field of a multi-region database that was changed by hand.
pub(super) fn modified(catalog: &Catalog, name: &str) -> Option<&'static str> {
    catalog.databases.get(name)?.primary.as_ref()?;
    let zone = catalog.zones.get(&format!("DATABASE {name}"))?;
    PROTECTED
        .iter()
        .find(|field| zone.contains_key(**field))
        .copied()
}

pub(super) fn configure(
    catalog: &mut Catalog,
    target: String,
    fields: Option<BTreeMap<String, String>>,
    override_zone: bool,
    user: &str,
) -> Result<Done> {
    admin(catalog, user, "configure zones")?;
    let regional = match target.split_once(' ') {
        Some(("DATABASE", name)) => catalog
            .databases
            .get(name)
            .ok_or_else(|| no_database(name))?
            .primary
            .is_some(),
        Some((_, "default" | "meta" | "liveness" | "system" | "timeseries" | "tenants")) => false,
        _ => {
            return Err(SqlError::new(
                "42704",
                format!("{} is not a built-in zone", target.replace("RANGE ", "")),
            )
            .detail("built-in zones: default, liveness, meta, system, tenants, timeseries"));
        }
    };
    let Some(fields) = fields else {
        catalog.zones.remove(&target);
        return Ok(done("CONFIGURE ZONE 1"));
    };
    for (field, value) in &fields {
        let known = PROTECTED.contains(&field.as_str())
            || matches!(
                field.as_str(),
                "gc.ttlseconds" | "range_min_bytes" | "range_max_bytes" | "global_reads"
            );
        if !known {
            return Err(SqlError::new(
                "22023",
                format!("unsupported zone config parameter: \"{field}\""),
            ));
        }
        if regional && !override_zone && PROTECTED.contains(&field.as_str()) {
            return Err(SqlError::new(
                "42P17",
                format!("attempting to modify protected field \"{field}\" of a multi-region zone configuration"),
            )
            .hint("to override this error, SET override_multi_region_zone_config = true and reissue the command"));
        }
        if matches!(field.as_str(), "num_replicas" | "num_voters") {
            let number = value.parse::<usize>().ok().filter(|n| *n >= 1 && *n != 2);
            if number.is_none() {
                return Err(SqlError::new(
                    "22023",
                    format!(
                        "could not validate zone config: {field} = {value}: at least 3 replicas are required for multi-replica configurations"
                    ),
                ));
            }
        }
        if field.ends_with("constraints") {
            let regions = catalog.regions();
            for region in placement::constraint_counts(value).keys() {
                if !regions.contains_key(region) {
                    return Err(SqlError::new(
                        "22023",
                        format!(
                            "constraint \"+region={region}\" matches no existing nodes within the cluster - did you enter it correctly?"
                        ),
                    ));
                }
            }
        }
    }
    catalog.zones.entry(target).or_default().extend(fields);
    Ok(done("CONFIGURE ZONE 1"))
}
