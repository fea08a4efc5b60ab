//! `information_schema`.

use super::{View, tables_of};
use crate::catalog::Catalog;
use crate::sql::relation::Relation;
use crate::sql::value::Datum;
use crate::sql::value::Ty::{Int, String};

/// A view by its name.
pub(super) fn find(view: &View, catalog: &Catalog, name: &str) -> Option<Relation> {
    let tables = tables_of(catalog, &view.database);
    Some(match name {
        "tables" => Relation::of(
            tables,
            &[
                ("table_catalog", String, &|t| Datum::text(&t.database)),
                ("table_schema", String, &|_| Datum::text("public")),
                ("table_name", String, &|t| Datum::text(&t.name)),
                ("table_type", String, &|_| Datum::text("BASE TABLE")),
            ],
        ),
        "columns" => Relation::of(
            tables.flat_map(|t| t.columns.iter().enumerate().map(move |(n, c)| (t, n, c))),
            &[
                ("table_catalog", String, &|(t, ..)| Datum::text(&t.database)),
                ("table_schema", String, &|_| Datum::text("public")),
                ("table_name", String, &|(t, ..)| Datum::text(&t.name)),
                ("column_name", String, &|(.., c)| Datum::text(&c.name)),
                ("ordinal_position", Int, &|(_, n, _)| Datum::count(n + 1)),
                ("data_type", String, &|(.., c)| Datum::text(c.ty.name())),
                ("is_nullable", String, &|(.., c)| {
                    Datum::text(if c.not_null { "NO" } else { "YES" })
                }),
            ],
        ),
        _ => return None,
    })
}
