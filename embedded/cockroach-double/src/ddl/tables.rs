//! Tables and indexes.

use std::sync::Arc;

use super::{Ddl, Done, Result, done, no_database, no_table, noticed};
use crate::catalog::{Catalog, Index, Table};
use crate::error::SqlError;
use crate::sql::value::Datum;
use crate::state::{Key, Rows};

pub(super) fn create(
    catalog: &mut Catalog,
    mut table: Table,
    if_not_exists: bool,
    locality: bool,
    user: &str,
) -> Result<Done> {
    let Some(database) = catalog.databases.get(&table.database) else {
        return Err(no_database(&table.database));
    };
    if !catalog.may(user, &table.database, "CREATE") {
        return Err(SqlError::new(
            "42501",
            format!("user {user} does not have CREATE privilege on schema public"),
        ));
    }
    if locality && database.primary.is_none() {
        return Err(SqlError::new(
            "42P16",
            "cannot set LOCALITY on a table in a database that is not multi-region enabled",
        ));
    }
    if catalog.table(&table.database, &table.name).is_some() {
        let words = format!(
            "relation \"{}.public.{}\" already exists",
            table.database, table.name
        );
        return if if_not_exists {
            Ok(noticed(
                "CREATE TABLE",
                format!("relation \"{}\" already exists, skipping", table.name),
            ))
        } else {
            Err(SqlError::new("42P07", words))
        };
    }
    table.id = catalog.next_id();
    user.clone_into(&mut table.owner);
    for index in &mut table.indexes {
        index.id = catalog.next_id();
    }
    let id = table.id;
    catalog.tables.insert(id, table);
    Ok(Done {
        tables: vec![id],
        ..done("CREATE TABLE")
    })
}

pub(super) fn remove(catalog: &mut Catalog, rows: &mut Rows, table: &Table) {
    let spaces: Vec<u32> = std::iter::once(table.id)
        .chain(table.indexes.iter().map(|i| i.id))
        .collect();
    let keys: Vec<Key> = spaces
        .iter()
        .flat_map(|space| {
            rows.range(Key::all(*space)..Key::all(space + 1))
                .map(|(k, _)| k.clone())
        })
        .collect();
    for key in keys {
        rows.remove(&key);
    }
    catalog.tables.remove(&table.id);
}

pub(super) fn drop(
    catalog: &mut Catalog,
    rows: &mut Rows,
    database: &str,
    name: &str,
    if_exists: bool,
    user: &str,
) -> Result<Done> {
    let Some(table) = catalog.table(database, name).cloned() else {
        return if if_exists {
            Ok(done("DROP TABLE"))
        } else {
            Err(no_table(name))
        };
    };
    if !catalog.may_on_table(user, &table, "DROP") {
        return Err(SqlError::new(
            "42501",
            format!("user {user} does not have DROP privilege on relation {name}"),
        ));
    }
    remove(catalog, rows, &table);
    Ok(Done {
        tables: vec![table.id],
        ..done("DROP TABLE")
    })
}

pub(super) fn create_index(
    catalog: &mut Catalog,
    rows: &mut Rows,
    ddl: Ddl,
    user: &str,
) -> Result<Done> {
    let Ddl::CreateIndex {
        database,
        table,
        name,
        columns,
        unique,
        if_not_exists,
    } = ddl
    else {
        return Err(SqlError::new("XX000", "not a CREATE INDEX"));
    };
    let Some(mut table) = catalog.table(&database, &table).cloned() else {
        return Err(no_table(&table));
    };
    if !catalog.may_on_table(user, &table, "CREATE") {
        return Err(SqlError::new(
            "42501",
            format!(
                "user {user} does not have CREATE privilege on relation {}",
                table.name
            ),
        ));
    }
    let suffix = if unique { "key" } else { "idx" };
    let name = name.unwrap_or_else(|| format!("{}_{}_{suffix}", table.name, columns.join("_")));
    if table.indexes.iter().any(|index| index.name == name) {
        return if if_not_exists {
            Ok(noticed(
                "CREATE INDEX",
                format!("index \"{name}\" already exists, skipping"),
            ))
        } else {
            Err(SqlError::new(
                "42P07",
                format!("index with name \"{name}\" already exists"),
            ))
        };
    }
    let columns = columns
        .iter()
        .map(|column| {
            table.column(column).ok_or_else(|| {
                SqlError::new("42703", format!("column \"{column}\" does not exist"))
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let index = Index {
        id: catalog.next_id(),
        name,
        columns,
        unique,
    };
    let existing: Vec<_> = rows
        .range(Key::all(table.id)..Key::all(table.id + 1))
        .map(|(key, row)| (key.columns.clone(), row.clone()))
        .collect();
    for (primary, row) in existing {
        let Some(entry) = index_key(&index, &row, &primary) else {
            continue;
        };
        if index.unique && rows.contains_key(&entry) && !entry.columns.iter().any(Datum::is_null) {
            return Err(duplicate(&table, &index.name, &index.columns, &row));
        }
        rows.insert(entry, Arc::new(primary));
    }
    table.indexes.push(index);
    let id = table.id;
    catalog.tables.insert(id, table);
    Ok(Done {
        tables: vec![id],
        ..done("CREATE INDEX")
    })
}

/// The key of a row in an index: unique ones without NULL have no primary key in it.
pub(crate) fn index_key(index: &Index, row: &[Datum], primary: &[Datum]) -> Option<Key> {
    let mut columns = index
        .columns
        .iter()
        .map(|n| row.get(*n).cloned())
        .collect::<Option<Vec<_>>>()?;
    if !index.unique || columns.iter().any(Datum::is_null) {
        columns.extend(primary.iter().cloned());
    }
    Some(Key {
        space: index.id,
        columns,
    })
}

/// The error for a row that is there already.
pub(crate) fn duplicate(
    table: &Table,
    constraint: &str,
    columns: &[usize],
    row: &[Datum],
) -> SqlError {
    let names: Vec<&str> = columns
        .iter()
        .filter_map(|n| table.columns.get(*n))
        .map(|c| c.name.as_str())
        .collect();
    let values: Vec<String> = columns
        .iter()
        .filter_map(|n| row.get(*n))
        .map(Datum::literal)
        .collect();
    SqlError::new(
        "23505",
        format!("duplicate key value violates unique constraint \"{constraint}\""),
    )
    .detail(format!(
        "Key ({})=({}) already exists.",
        names.join(", "),
        values.join(", ")
    ))
}
