//! INSERT and UPSERT, and what happens where a row is there already.

use std::cmp::Ordering;

use sqlparser::ast::{self, Expr, SetExpr};

use super::write::{assignable, fit, primary_key, table_scope};
use super::{Done, Exec, no_column, no_column_of};
use crate::catalog::Table;
use crate::ddl::{duplicate, index_key};
use crate::error::SqlError;
use crate::sql::expr::Ex;
use crate::sql::names::{ident, name_parts};
use crate::sql::parse;
use crate::sql::value::{Datum, Ty};
use crate::state::{Key, Row};

type Result<T> = std::result::Result<T, SqlError>;

/// What happens when a row is there already.
enum Conflict {
    Fail,
    Nothing(Option<Vec<usize>>),
    Update(Option<Vec<usize>>, Vec<(usize, Ex)>, Option<Ex>),
}

impl Exec<'_> {
    /// INSERT and UPSERT.
    pub(crate) fn insert(&mut self, insert: &ast::Insert, upsert: bool) -> Result<Done> {
        self.may_write()?;
        let ast::TableObject::TableName(name) = &insert.table else {
            return Err(SqlError::unsupported(
                "INSERT into something else than a table",
            ));
        };
        let table = self.find_table(name, "INSERT")?;
        let alias = table.name.clone();
        let targets: Vec<usize> = if insert.columns.is_empty() {
            (0..table.columns.len())
                .filter(|n| table.columns.get(*n).is_some_and(|c| !c.hidden))
                .collect()
        } else {
            let mut targets = Vec::new();
            for column in &insert.columns {
                let name = name_parts(column)?.join(".");
                targets.push(
                    table
                        .column(&name)
                        .ok_or_else(|| no_column_of(&name, &table))?,
                );
            }
            targets
        };
        let given = self.insert_rows(insert, &table, &targets)?;
        let conflict = self.conflict(insert, &table, upsert, &targets)?;
        let returning = self.returning(insert.returning.as_deref(), &table, &alias)?;
        if self.describe {
            return Ok(Done::Count(
                "INSERT",
                0,
                returning.map(|(relation, _)| relation),
            ));
        }
        let mut written = Vec::new();
        for given in given {
            let mut row = vec![Datum::Null; table.columns.len()];
            for (n, column) in table.columns.iter().enumerate() {
                let value = match targets.iter().position(|target| *target == n) {
                    Some(position) => given.get(position).cloned().flatten(),
                    None => None,
                };
                let value = match (value, &column.default) {
                    (Some(value), _) => value,
                    (None, Some(default)) => self.default(default, column.ty)?,
                    (None, None) => Datum::Null,
                };
                if let Some(cell) = row.get_mut(n) {
                    *cell = value;
                }
            }
            let row = fit(&table, row)?;
            let clash = self.clash(&table, &row, &conflict);
            match (clash, &conflict) {
                (None, _) => {
                    self.write(&table, None, Some(row.clone()))?;
                    written.push(row);
                }
                (Some(_), Conflict::Nothing(_)) => (),
                (Some(old), Conflict::Update(_, sets, condition)) => {
                    let mut both = old.to_vec();
                    both.extend(row.iter().cloned());
                    if let Some(condition) = condition
                        && condition.eval(&both, &[])? != Datum::Bool(true)
                    {
                        continue;
                    }
                    let mut new = old.to_vec();
                    for (column, ex) in sets {
                        if let Some(cell) = new.get_mut(*column) {
                            *cell = ex.eval(&both, &[])?;
                        }
                    }
                    let new = fit(&table, new)?;
                    self.write(&table, Some(&old), Some(new.clone()))?;
                    written.push(new);
                }
                (Some(_), Conflict::Fail) => {
                    return Err(duplicate(
                        &table,
                        &table.primary_name,
                        &table.primary_key,
                        &row,
                    ));
                }
            }
        }
        Self::finish("INSERT", written, returning)
    }

    /// The values of an INSERT: `None` is DEFAULT.
    fn insert_rows(
        &mut self,
        insert: &ast::Insert,
        table: &Table,
        targets: &[usize],
    ) -> Result<Vec<Vec<Option<Datum>>>> {
        let ty = |n: usize| {
            targets
                .get(n)
                .and_then(|t| table.columns.get(*t))
                .map_or(Ty::Unknown, |c| c.ty)
        };
        let Some(source) = &insert.source else {
            return Ok(vec![Vec::new()]); // DEFAULT VALUES
        };
        let mut rows = Vec::new();
        if let SetExpr::Values(values) = source.body.as_ref()
            && source.with.is_none()
            && source.order_by.is_none()
            && source.limit_clause.is_none()
        {
            for row in &values.rows {
                check_width(row.content.len(), targets.len())?;
                let mut out = Vec::new();
                for (n, expr) in row.content.iter().enumerate() {
                    if matches!(expr, Expr::Identifier(name) if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("default"))
                    {
                        out.push(None);
                        continue;
                    }
                    let (ex, found) = self.compile(expr, &[], ty(n))?;
                    assignable(found, ty(n), table, targets.get(n).copied())?;
                    out.push(Some(ex.eval(&[], &[])?));
                }
                rows.push(out);
            }
            return Ok(rows);
        }
        let relation = self.query(source)?;
        check_width(relation.fields.len(), targets.len())?;
        for (n, field) in relation.fields.iter().enumerate() {
            assignable(field.ty, ty(n), table, targets.get(n).copied())?;
        }
        rows.extend(
            relation
                .rows
                .into_iter()
                .map(|row| row.into_iter().map(Some).collect()),
        );
        Ok(rows)
    }

    pub(super) fn default(&mut self, text: &str, ty: Ty) -> Result<Datum> {
        let expr = parse::expression(text)?;
        self.compile(&expr, &[], ty)?.0.eval(&[], &[])
    }

    fn conflict(
        &mut self,
        insert: &ast::Insert,
        table: &Table,
        upsert: bool,
        targets: &[usize],
    ) -> Result<Conflict> {
        let scope = || {
            let mut scope = table_scope(table, &table.name);
            scope.extend(table_scope(table, "excluded"));
            scope
        };
        let width = table.columns.len();
        if upsert {
            if insert.on.is_some() {
                return Err(SqlError::new("42601", "UPSERT takes no ON CONFLICT"));
            }
            let sets = targets.iter().map(|n| (*n, Ex::Col(width + n))).collect();
            return Ok(Conflict::Update(
                Some(table.primary_key.clone()),
                sets,
                None,
            ));
        }
        let on = match &insert.on {
            None => return Ok(Conflict::Fail),
            Some(ast::OnInsert::OnConflict(on)) => on,
            Some(_) => return Err(SqlError::unsupported("ON DUPLICATE KEY")),
        };
        let target = match &on.conflict_target {
            None => None,
            Some(ast::ConflictTarget::Columns {
                columns,
                predicate: None,
            }) => {
                let mut wanted = Vec::new();
                for column in columns {
                    let name = ident(column);
                    wanted.push(table.column(&name).ok_or_else(|| no_column(&name))?);
                }
                wanted.sort_unstable();
                let sorted = |columns: &[usize]| {
                    let mut columns = columns.to_vec();
                    columns.sort_unstable();
                    columns
                };
                let fits = sorted(&table.primary_key) == wanted
                    || table
                        .indexes
                        .iter()
                        .any(|i| i.unique && sorted(&i.columns) == wanted);
                if !fits {
                    return Err(SqlError::new(
                        "42P10",
                        "there is no unique or exclusion constraint matching the ON CONFLICT specification",
                    ));
                }
                Some(wanted)
            }
            Some(_) => return Err(SqlError::unsupported("this target of ON CONFLICT")),
        };
        match &on.action {
            ast::OnConflictAction::DoNothing => Ok(Conflict::Nothing(target)),
            ast::OnConflictAction::DoUpdate(update) => {
                let scope = scope();
                let sets = self.assignments(&update.assignments, table, &scope)?;
                let condition = match &update.selection {
                    Some(expr) => Some(self.condition(expr, &scope, "WHERE")?),
                    None => None,
                };
                Ok(Conflict::Update(target, sets, condition))
            }
        }
    }

    /// The row that a new one would clash with, of those that the conflict is about.
    fn clash(&mut self, table: &Table, row: &[Datum], conflict: &Conflict) -> Option<Row> {
        let about = match conflict {
            Conflict::Fail => return None, // found when it is written
            Conflict::Nothing(target) | Conflict::Update(target, ..) => target,
        };
        let concerns = |columns: &[usize]| {
            let mut sorted = columns.to_vec();
            sorted.sort_unstable();
            about.as_ref().is_none_or(|about| {
                let mut about = about.clone();
                about.sort_unstable();
                about == sorted
            })
        };
        let primary = primary_key(table, row);
        if concerns(&table.primary_key)
            && let Some(found) = self.txn.get(&Key {
                space: table.id,
                columns: primary.clone(),
            })
        {
            return Some(found);
        }
        for index in table
            .indexes
            .iter()
            .filter(|index| index.unique && concerns(&index.columns))
        {
            let Some(key) = index_key(index, row, &primary) else {
                continue;
            };
            if let Some(entry) = self.txn.get(&key) {
                return self.txn.get(&Key {
                    space: table.id,
                    columns: entry.to_vec(),
                });
            }
        }
        None
    }
}

fn check_width(given: usize, wanted: usize) -> Result<()> {
    match given.cmp(&wanted) {
        Ordering::Greater => Err(SqlError::new(
            "42601",
            format!(
                "INSERT has more expressions than target columns, {given} expressions for {wanted} targets"
            ),
        )),
        Ordering::Less => Err(SqlError::new(
            "42601",
            format!(
                "INSERT has more target columns than expressions, {given} expressions for {wanted} targets"
            ),
        )),
        Ordering::Equal => Ok(()),
    }
}
