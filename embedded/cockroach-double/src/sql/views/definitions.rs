//! Databases and tables as the statements that would make them.

use std::fmt::Write as _;

use crate::catalog::{Catalog, Column, Database, Table};
use crate::sql::value::Ty;

/// A name, with quotes where it needs them.
pub(super) fn quoted(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

pub(super) fn create_database(name: &str, db: &Database) -> String {
    let mut text = format!("CREATE DATABASE {}", quoted(name));
    if let Some(primary) = &db.primary {
        let regions: Vec<String> = db
            .regions
            .iter()
            .map(|region| format!("\"{region}\""))
            .collect();
        let regions = regions.join(", ");
        let _ = write!(text, " PRIMARY REGION \"{primary}\" REGIONS = {regions}");
        text.push_str(if db.survive_region {
            " SURVIVE REGION FAILURE"
        } else {
            " SURVIVE ZONE FAILURE"
        });
        if db.restricted {
            text.push_str(" PLACEMENT RESTRICTED");
        }
        if let Some(secondary) = &db.secondary {
            let _ = write!(text, " SECONDARY REGION \"{secondary}\"");
        }
    }
    text
}

pub(super) fn column_sql(column: &Column) -> String {
    match (column.ty, column.width, column.scale) {
        (Ty::Decimal, Some(precision), Some(scale)) => format!("DECIMAL({precision},{scale})"),
        (Ty::String, Some(width), _) => format!("STRING({width})"),
        (Ty::Int, Some(bits), _) => format!("INT{}", bits / 8),
        (ty, ..) => ty.sql(),
    }
}

pub(super) fn create_table(catalog: &Catalog, table: &Table) -> String {
    let names = |columns: &[usize]| {
        let names: Vec<String> = columns
            .iter()
            .filter_map(|n| table.columns.get(*n))
            .map(|c| format!("{} ASC", quoted(&c.name)))
            .collect();
        names.join(", ")
    };
    let mut lines: Vec<String> = table
        .columns
        .iter()
        .map(|c| {
            let hidden = if c.hidden { " NOT VISIBLE" } else { "" };
            let null = if c.not_null { "NOT NULL" } else { "NULL" };
            let default = c
                .default
                .as_ref()
                .map(|d| format!(" DEFAULT {d}"))
                .unwrap_or_default();
            format!(
                "{} {}{hidden} {null}{default}",
                quoted(&c.name),
                column_sql(c)
            )
        })
        .collect();
    lines.push(format!(
        "CONSTRAINT {} PRIMARY KEY ({})",
        quoted(&table.primary_name),
        names(&table.primary_key)
    ));
    for index in &table.indexes {
        let unique = if index.unique { "UNIQUE " } else { "" };
        lines.push(format!(
            "{unique}INDEX {} ({})",
            quoted(&index.name),
            names(&index.columns)
        ));
    }
    for check in &table.checks {
        lines.push(format!(
            "CONSTRAINT {} CHECK ({})",
            quoted(&check.name),
            check.expr
        ));
    }
    let locality = catalog
        .databases
        .get(&table.database)
        .and_then(|db| db.primary.as_ref());
    let locality = if locality.is_some() {
        " LOCALITY REGIONAL BY TABLE IN PRIMARY REGION"
    } else {
        ""
    };
    format!(
        "CREATE TABLE public.{} (\n\t{}\n){locality}",
        quoted(&table.name),
        lines.join(",\n\t")
    )
}
