//! Ranges: one per table and index, and those of the system; all of them are the one Raft group.

use super::{View, id};
use crate::catalog::Catalog;
use crate::sql::relation::{Relation, Told};
use crate::sql::value::Datum;
use crate::sql::value::Ty::{Int, String as Text, Strings};

/// A range.
struct Range {
    number: usize,
    database: String,
    table: String,
    key: String,
}

fn all(catalog: &Catalog) -> impl Iterator<Item = Range> {
    let range = |database: &str, table: &str, key: String| Range {
        number: 0,
        database: database.to_owned(),
        table: table.to_owned(),
        key,
    };
    let mut ranges: Vec<Range> = ["meta", "liveness", "system", "timeseries", "tenants"]
        .iter()
        .map(|name| range("system", "", format!("/{name}")))
        .collect();
    for table in catalog.tables.values() {
        let own = format!("/Table/{}", table.id);
        let indexes = table.indexes.iter();
        let indexes = indexes.map(|index| format!("/Table/{}/{}", table.id, index.id));
        let keys = std::iter::once(own).chain(indexes);
        ranges.extend(keys.map(|key| range(&table.database, &table.name, key)));
    }
    (1..)
        .zip(ranges)
        .map(|(number, range)| Range { number, ..range })
}

/// Where all ranges are.
struct Placed {
    replicas: Datum,
    localities: Datum,
    voters: Datum,
    non_voters: Datum,
    lease_holder: Datum,
    lease_locality: Datum,
}

impl Placed {
    fn new(view: &View) -> Self {
        let locality = |id: &u64| {
            view.nodes
                .iter()
                .find(|row| row.id == *id)
                .map_or_else(String::new, |row| row.facts.locality.to_string())
        };
        let braces = |ids: &[u64]| Datum::Strings(ids.iter().map(u64::to_string).collect());
        let mut replicas: Vec<u64> = [view.voters.as_slice(), &view.non_voters].concat();
        replicas.sort_unstable();
        Self {
            localities: Datum::Strings(replicas.iter().map(locality).collect()),
            replicas: braces(&replicas),
            voters: braces(&view.voters),
            non_voters: braces(&view.non_voters),
            lease_holder: view.leader.map_or(Datum::Null, id),
            lease_locality: Datum::maybe(view.leader.map(|leader| locality(&leader))),
        }
    }
}

/// `crdb_internal.ranges`, or `ranges_no_leases`.
pub(super) fn internal(view: &View, catalog: &Catalog, leases: bool) -> Relation {
    let placed = Placed::new(view);
    let mut columns: Vec<Told<'_, (Range, &Placed)>> = vec![
        ("range_id", Int, &|(range, _)| Datum::count(range.number)),
        ("start_pretty", Text, &|(range, _)| Datum::text(&range.key)),
        ("database_name", Text, &|(range, _)| {
            Datum::text(&range.database)
        }),
        ("table_name", Text, &|(range, _)| Datum::text(&range.table)),
        ("replicas", Strings, &|(_, placed)| placed.replicas.clone()),
        ("replica_localities", Strings, &|(_, placed)| {
            placed.localities.clone()
        }),
        ("voting_replicas", Strings, &|(_, placed)| {
            placed.voters.clone()
        }),
        ("non_voting_replicas", Strings, &|(_, placed)| {
            placed.non_voters.clone()
        }),
    ];
    if leases {
        columns.push(("lease_holder", Int, &|(_, placed)| {
            placed.lease_holder.clone()
        }));
    }
    Relation::of(all(catalog).map(|range| (range, &placed)), &columns)
}

/// SHOW RANGES, and SHOW CLUSTER RANGES without a database.
pub(super) fn show(
    view: &View,
    catalog: &Catalog,
    database: Option<&str>,
    table: Option<&str>,
    details: bool,
) -> Relation {
    let placed = Placed::new(view);
    let mut columns: Vec<Told<'_, (Range, &Placed)>> = vec![
        ("start_key", Text, &|(range, _)| Datum::text(&range.key)),
        ("end_key", Text, &|(range, _)| {
            Datum::text(format!("{}/Max", range.key))
        }),
        ("range_id", Int, &|(range, _)| Datum::count(range.number)),
        ("replicas", Strings, &|(_, placed)| placed.replicas.clone()),
        ("replica_localities", Strings, &|(_, placed)| {
            placed.localities.clone()
        }),
        ("voting_replicas", Strings, &|(_, placed)| {
            placed.voters.clone()
        }),
        ("non_voting_replicas", Strings, &|(_, placed)| {
            placed.non_voters.clone()
        }),
    ];
    if details {
        columns.push(("lease_holder", Int, &|(_, placed)| {
            placed.lease_holder.clone()
        }));
        columns.push(("lease_holder_locality", Text, &|(_, placed)| {
            placed.lease_locality.clone()
        }));
    }
    let wanted = |range: &Range| {
        database.is_none_or(|wanted| wanted == range.database)
            && table.is_none_or(|wanted| wanted == range.table)
    };
    let wanted = all(catalog).filter(wanted);
    Relation::of(wanted.map(|range| (range, &placed)), &columns)
}
