//! Tables: who may use them, and the rows of theirs that conditions can hold for.

use sqlparser::ast;

use super::Exec;
use crate::catalog::Table;
use crate::ddl::{no_database, no_table};
use crate::error::SqlError;
use crate::sql::expr::{Ex, Op};
use crate::sql::names::name_parts;
use crate::sql::parse;
use crate::sql::value::{Datum, Ty};
use crate::state::{Key, Row};

type Result<T> = std::result::Result<T, SqlError>;

impl Exec<'_> {
    pub(super) fn find_table(&mut self, name: &ast::ObjectName, privilege: &str) -> Result<Table> {
        let parts = name_parts(name)?;
        let (database, table) = parse::table_name(&parts, &self.view.database)?;
        let catalog = self.txn.base.catalog.clone();
        let Some(table) = catalog.table(&database, &table) else {
            if !catalog.databases.contains_key(&database) && parts.len() > 1 {
                return Err(no_table(&parts.join(".")));
            }
            if !catalog.databases.contains_key(&database) {
                return Err(no_database(&database));
            }
            return Err(no_table(&parts.join(".")));
        };
        if !catalog.may_on_table(&self.view.user, table, privilege) {
            return Err(SqlError::new(
                "42501",
                format!(
                    "user {} does not have {privilege} privilege on relation {}",
                    self.view.user, table.name
                ),
            ));
        }
        if !self.describe {
            self.txn.looked_at(Key::definition(table.id));
        }
        Ok(table.clone())
    }

    /// The rows of a table that can fulfil conditions on its columns, read by key where that is told.
    pub(super) fn read(&mut self, table: &Table, conditions: &[Ex]) -> Vec<Row> {
        if self.describe {
            return Vec::new();
        }
        let equal = |column: usize| -> Option<Vec<Datum>> {
            conditions.iter().find_map(|condition| match condition {
                Ex::Binary(Op::Eq, a, b) => match (a.as_ref(), b.as_ref()) {
                    (Ex::Col(n), value) | (value, Ex::Col(n))
                        if *n == column && value.is_constant() =>
                    {
                        value.eval(&[], &[]).ok().map(|value| vec![value])
                    }
                    _ => None,
                },
                Ex::In(a, list, false) if matches!(a.as_ref(), Ex::Col(n) if *n == column) => list
                    .iter()
                    .map(|item| {
                        item.is_constant()
                            .then(|| item.eval(&[], &[]).ok())
                            .flatten()
                    })
                    .collect(),
                _ => None,
            })
        };
        // All beginnings of keys that the conditions allow, as long as possible.
        let beginnings = |space: u32, columns: &[usize]| -> Vec<Key> {
            let mut keys = vec![Key::all(space)];
            for column in columns {
                let Some(values) = equal(*column) else { break };
                let ty = table.columns.get(*column).map_or(Ty::Unknown, |c| c.ty);
                let mut longer = Vec::new();
                for key in &keys {
                    for value in &values {
                        let Ok(value) = value.clone().cast(ty) else {
                            continue;
                        };
                        let mut key = key.clone();
                        key.columns.push(value);
                        if !longer.contains(&key) {
                            longer.push(key);
                        }
                    }
                }
                keys = longer;
            }
            keys
        };
        let primary = beginnings(table.id, &table.primary_key);
        let told = |keys: &[Key]| keys.iter().all(|key| !key.columns.is_empty());
        if told(&primary) {
            return primary
                .iter()
                .flat_map(|key| self.txn.scan(key))
                .map(|(_, row)| row)
                .collect();
        }
        for index in &table.indexes {
            let keys = beginnings(index.id, &index.columns);
            if told(&keys) {
                let entries: Vec<Row> = keys
                    .iter()
                    .flat_map(|key| self.txn.scan(key))
                    .map(|(_, entry)| entry)
                    .collect();
                let rows = entries.iter().filter_map(|entry| {
                    self.txn.get(&Key {
                        space: table.id,
                        columns: entry.to_vec(),
                    })
                });
                return rows.collect();
            }
        }
        self.txn
            .scan(&Key::all(table.id))
            .into_iter()
            .map(|(_, row)| row)
            .collect()
    }
}
