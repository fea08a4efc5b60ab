//! `crdb_internal`.

use super::{View, id, ranges};
use crate::catalog::{Catalog, Membership};
use crate::rpc::StatusRow;
use crate::settings;
use crate::sql::relation::Relation;
use crate::sql::value::Datum;
use crate::sql::value::Ty::{Bool, Int, String, Strings, Timestamptz};

/// A view by its name.
pub(super) fn find(view: &View, catalog: &Catalog, name: &str) -> Option<Relation> {
    Some(match name {
        "gossip_nodes" => gossip_nodes(view),
        "gossip_liveness" | "kv_node_liveness" => liveness(view),
        "kv_node_status" => node_status(view),
        "kv_store_status" => store_status(view),
        "ranges" | "ranges_no_leases" => ranges::internal(view, catalog, name == "ranges"),
        "regions" => regions(catalog),
        "cluster_settings" => all_settings(catalog),
        _ => return None,
    })
}

fn present(view: &View) -> impl Iterator<Item = &StatusRow> {
    view.nodes
        .iter()
        .filter(|row| row.membership != Membership::Decommissioned)
}

fn leases(row: &StatusRow) -> Datum {
    id(if row.leads { row.replicas } else { 0 })
}

fn gossip_nodes(view: &View) -> Relation {
    Relation::of(
        present(view),
        &[
            ("node_id", Int, &|row| id(row.id)),
            ("network", String, &|_| Datum::text("tcp")),
            ("address", String, &|row| Datum::text(&row.facts.address)),
            ("advertise_address", String, &|row| {
                Datum::text(&row.facts.address)
            }),
            ("attrs", String, &|row| Datum::text(&row.facts.attrs)),
            ("locality", String, &|row| {
                Datum::text(row.facts.locality.to_string())
            }),
            ("cluster_name", String, &|_| Datum::text("")),
            ("server_version", String, &|_| Datum::text("25.4")),
            ("build_tag", String, &|row| Datum::text(&row.facts.build)),
            ("started_at", Timestamptz, &|row| {
                Datum::Timestamp(row.facts.started_at)
            }),
            ("is_live", Bool, &|row| Datum::Bool(row.live)),
            ("ranges", Int, &|row| id(row.replicas)),
            ("leases", Int, &|row| leases(row)),
            ("advertise_sql_address", String, &|row| {
                Datum::text(&row.facts.sql_address)
            }),
        ],
    )
}

fn liveness(view: &View) -> Relation {
    Relation::of(
        &view.nodes,
        &[
            ("node_id", Int, &|row| id(row.id)),
            ("epoch", Int, &|_| Datum::Int(1)),
            ("expiration", String, &|row| {
                Datum::text(format!("{}.000,0", row.updated_at))
            }),
            ("draining", Bool, &|row| Datum::Bool(row.draining)),
            ("decommissioning", Bool, &|row| {
                Datum::Bool(row.membership != Membership::Active)
            }),
            ("membership", String, &|row| {
                Datum::text(row.membership.name())
            }),
            ("updated_at", Timestamptz, &|row| {
                Datum::Timestamp(row.updated_at)
            }),
        ],
    )
}

fn node_status(view: &View) -> Relation {
    Relation::of(
        present(view),
        &[
            ("node_id", Int, &|row| id(row.id)),
            ("network", String, &|_| Datum::text("tcp")),
            ("address", String, &|row| Datum::text(&row.facts.address)),
            ("attrs", String, &|row| Datum::text(&row.facts.attrs)),
            ("locality", String, &|row| {
                Datum::text(row.facts.locality.to_string())
            }),
            ("server_version", String, &|_| Datum::text("25.4")),
            ("tag", String, &|row| Datum::text(&row.facts.build)),
            ("started_at", Timestamptz, &|row| {
                Datum::Timestamp(row.facts.started_at)
            }),
            ("updated_at", Timestamptz, &|row| {
                Datum::Timestamp(row.updated_at)
            }),
        ],
    )
}

fn store_status(view: &View) -> Relation {
    Relation::of(
        present(view),
        &[
            ("node_id", Int, &|row| id(row.id)),
            ("store_id", Int, &|row| id(row.id)),
            ("range_count", Int, &|row| id(row.replicas)),
            ("lease_count", Int, &|row| leases(row)),
        ],
    )
}

/// The regions of the cluster.
pub(super) fn regions(catalog: &Catalog) -> Relation {
    Relation::of(
        catalog.regions(),
        &[
            ("region", String, &|(region, _)| Datum::text(region)),
            ("zones", Strings, &|(_, zones)| {
                Datum::Strings(zones.iter().cloned().collect())
            }),
        ],
    )
}

/// All settings of the cluster.
pub(super) fn all_settings(catalog: &Catalog) -> Relation {
    let set = |name: &str| catalog.settings.get(name);
    Relation::of(
        settings::KNOWN,
        &[
            ("variable", String, &|(name, ..)| Datum::text(*name)),
            ("value", String, &|(name, _, default, _)| {
                let value = set(name).map_or(*default, |value| value.as_str());
                // A licence is a secret.
                let secret = *name == "enterprise.license" && !value.is_empty();
                Datum::text(if secret { "<redacted>" } else { value })
            }),
            ("setting_type", String, &|(_, kind, ..)| {
                Datum::text(kind.to_string())
            }),
            ("description", String, &|(.., about)| Datum::text(*about)),
            ("default_value", String, &|(_, _, default, _)| {
                Datum::text(*default)
            }),
            ("origin", String, &|(name, ..)| {
                Datum::text(if set(name).is_some() {
                    "override"
                } else {
                    "default"
                })
            }),
        ],
    )
}
