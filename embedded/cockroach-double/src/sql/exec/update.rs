//! UPDATE and DELETE.

use sqlparser::ast::{self, Expr, TableFactor};

use super::write::{assignable, fit, table_scope};
use super::{Done, Exec, InScope, holds, no_column};
use crate::catalog::Table;
use crate::error::SqlError;
use crate::sql::expr::Ex;
use crate::sql::names::{ident, name_parts};
use crate::sql::value::{Datum, Ty};
use crate::state::Row;

type Result<T> = std::result::Result<T, SqlError>;

impl Exec<'_> {
    /// UPDATE.
    pub(crate) fn update(&mut self, update: &ast::Update) -> Result<Done> {
        self.may_write()?;
        if update.from.is_some()
            || !update.table.joins.is_empty()
            || !update.order_by.is_empty()
            || update.limit.is_some()
        {
            return Err(SqlError::unsupported("UPDATE with FROM, ORDER BY or LIMIT"));
        }
        let (table, alias) = self.target(&update.table.relation, "UPDATE")?;
        let scope = table_scope(&table, &alias);
        let condition = match &update.selection {
            Some(expr) => self.condition(expr, &scope, "WHERE")?.conjuncts(),
            None => Vec::new(),
        };
        let sets = self.assignments(&update.assignments, &table, &scope)?;
        let returning = self.returning(update.returning.as_deref(), &table, &alias)?;
        if self.describe {
            return Ok(Done::Count(
                "UPDATE",
                0,
                returning.map(|(relation, _)| relation),
            ));
        }
        let mut written = Vec::new();
        for old in self.matching(&table, &condition)? {
            let mut new = old.to_vec();
            for (column, ex) in &sets {
                if let Some(cell) = new.get_mut(*column) {
                    *cell = ex.eval(&old, &[])?;
                }
            }
            let new = fit(&table, new)?;
            self.write(&table, Some(&old), Some(new.clone()))?;
            written.push(new);
        }
        Self::finish("UPDATE", written, returning)
    }

    /// DELETE.
    pub(crate) fn delete(&mut self, delete: &ast::Delete) -> Result<Done> {
        self.may_write()?;
        let from = match &delete.from {
            ast::FromTable::WithFromKeyword(from) | ast::FromTable::WithoutKeyword(from) => from,
        };
        let [one] = from.as_slice() else {
            return Err(SqlError::unsupported("DELETE from several tables"));
        };
        if delete.using.is_some()
            || !one.joins.is_empty()
            || !delete.order_by.is_empty()
            || delete.limit.is_some()
        {
            return Err(SqlError::unsupported(
                "DELETE with USING, ORDER BY or LIMIT",
            ));
        }
        let (table, alias) = self.target(&one.relation, "DELETE")?;
        let scope = table_scope(&table, &alias);
        let condition = match &delete.selection {
            Some(expr) => self.condition(expr, &scope, "WHERE")?.conjuncts(),
            None => Vec::new(),
        };
        let returning = self.returning(delete.returning.as_deref(), &table, &alias)?;
        if self.describe {
            return Ok(Done::Count(
                "DELETE",
                0,
                returning.map(|(relation, _)| relation),
            ));
        }
        let mut gone = Vec::new();
        for old in self.matching(&table, &condition)? {
            self.write(&table, Some(&old), None)?;
            gone.push(old.to_vec());
        }
        Self::finish("DELETE", gone, returning)
    }

    fn target(&mut self, factor: &TableFactor, privilege: &str) -> Result<(Table, String)> {
        let TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } = factor
        else {
            return Err(SqlError::unsupported(
                "a change of something else than a table",
            ));
        };
        let table = self.find_table(name, privilege)?;
        let alias = alias
            .as_ref()
            .map_or_else(|| table.name.clone(), |alias| ident(&alias.name));
        Ok((table, alias))
    }

    fn matching(&mut self, table: &Table, conditions: &[Ex]) -> Result<Vec<Row>> {
        let mut kept = Vec::new();
        for row in self.read(table, conditions) {
            if holds(conditions, &row)? {
                kept.push(row);
            }
        }
        Ok(kept)
    }

    pub(super) fn assignments(
        &mut self,
        list: &[ast::Assignment],
        table: &Table,
        scope: &[InScope],
    ) -> Result<Vec<(usize, Ex)>> {
        let mut sets = Vec::new();
        for assignment in list {
            let ast::AssignmentTarget::ColumnName(name) = &assignment.target else {
                return Err(SqlError::unsupported("SET of several columns at once"));
            };
            let name = name_parts(name)?.join(".");
            let column = table.column(&name).ok_or_else(|| no_column(&name))?;
            let ty = table.columns.get(column).map_or(Ty::Unknown, |c| c.ty);
            if sets.iter().any(|(known, _)| *known == column) {
                return Err(SqlError::new(
                    "42601",
                    format!("multiple assignments to the same column \"{name}\""),
                ));
            }
            if matches!(&assignment.value, Expr::Identifier(name) if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("default"))
            {
                let default = table.columns.get(column).and_then(|c| c.default.clone());
                let value = match default {
                    Some(text) => self.default(&text, ty)?,
                    None => Datum::Null,
                };
                sets.push((column, Ex::Const(value)));
                continue;
            }
            let (ex, found) = self.compile(&assignment.value, scope, ty)?;
            assignable(found, ty, table, Some(column))?;
            sets.push((column, ex));
        }
        Ok(sets)
    }
}
