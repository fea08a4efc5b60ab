//! Writes rows: types, checks and indexes, and RETURNING.

use std::sync::Arc;

use sqlparser::ast::SelectItem;

use super::{Done, Exec, InScope};
use crate::catalog::{Column, Table};
use crate::ddl::{duplicate, index_key};
use crate::error::SqlError;
use crate::sql::expr::Ex;
use crate::sql::parse;
use crate::sql::relation::{Field, Relation};
use crate::sql::value::{Datum, Ty};
use crate::state::Key;

type Result<T> = std::result::Result<T, SqlError>;

impl Exec<'_> {
    pub(super) fn may_write(&self) -> Result<()> {
        if self.txn.read_only && !self.describe {
            return Err(SqlError::new(
                "25006",
                "cannot execute a write in a read-only transaction",
            ));
        }
        Ok(())
    }

    /// Writes a row in the place of another, or of none; or deletes one.
    pub(super) fn write(
        &mut self,
        table: &Table,
        old: Option<&[Datum]>,
        new: Option<Vec<Datum>>,
    ) -> Result<()> {
        if let Some(old) = old {
            let primary = primary_key(table, old);
            for index in &table.indexes {
                if let Some(key) = index_key(index, old, &primary) {
                    self.txn.put(key, None);
                }
            }
            self.txn.put(
                Key {
                    space: table.id,
                    columns: primary,
                },
                None,
            );
        }
        let Some(new) = new else { return Ok(()) };
        for check in &table.checks {
            let expr = parse::expression(&check.expr)?;
            let scope = table_scope(table, &table.name);
            let condition = self.condition(&expr, &scope, "CHECK")?;
            if condition.eval(&new, &[])? == Datum::Bool(false) {
                return Err(SqlError::new(
                    "23514",
                    format!("failed to satisfy CHECK constraint ({})", check.expr),
                ));
            }
        }
        let primary = primary_key(table, &new);
        let key = Key {
            space: table.id,
            columns: primary.clone(),
        };
        if self.txn.get(&key).is_some() {
            return Err(duplicate(
                table,
                &table.primary_name,
                &table.primary_key,
                &new,
            ));
        }
        for index in &table.indexes {
            let Some(entry) = index_key(index, &new, &primary) else {
                continue;
            };
            if index.unique && self.txn.get(&entry).is_some() {
                return Err(duplicate(table, &index.name, &index.columns, &new));
            }
            self.txn.put(entry, Some(Arc::new(primary.clone())));
        }
        self.txn.put(key, Some(Arc::new(new)));
        Ok(())
    }

    pub(super) fn returning(
        &mut self,
        items: Option<&[SelectItem]>,
        table: &Table,
        alias: &str,
    ) -> Result<Option<(Relation, Vec<Ex>)>> {
        let Some(items) = items else { return Ok(None) };
        let scope = table_scope(table, alias);
        let mut relation = Relation::default();
        let mut outputs = Vec::new();
        for item in Self::projection(items, &scope)? {
            let (ex, ty) = self.compile(&item.expr, &scope, Ty::Unknown)?;
            outputs.push(ex);
            relation.fields.push(Field {
                name: item.name,
                ty,
            });
        }
        Ok(Some((relation, outputs)))
    }

    pub(super) fn finish(
        tag: &'static str,
        rows: Vec<Vec<Datum>>,
        returning: Option<(Relation, Vec<Ex>)>,
    ) -> Result<Done> {
        let count = rows.len();
        let Some((mut relation, outputs)) = returning else {
            return Ok(Done::Count(tag, count, None));
        };
        for row in rows {
            let line = outputs
                .iter()
                .map(|ex| ex.eval(&row, &[]))
                .collect::<Result<Vec<_>>>()?;
            relation.rows.push(line);
        }
        Ok(Done::Count(tag, count, Some(relation)))
    }
}

/// The columns of a table, in scope.
pub(super) fn table_scope(table: &Table, alias: &str) -> Vec<InScope> {
    table
        .columns
        .iter()
        .map(|c| InScope {
            table: alias.to_owned(),
            name: c.name.clone(),
            ty: c.ty,
            hidden: c.hidden,
        })
        .collect()
}

pub(super) fn primary_key(table: &Table, row: &[Datum]) -> Vec<Datum> {
    table
        .primary_key
        .iter()
        .map(|n| row.get(*n).cloned().unwrap_or(Datum::Null))
        .collect()
}

/// Whether a value of a type may go into a column.
pub(super) fn assignable(from: Ty, to: Ty, table: &Table, column: Option<usize>) -> Result<()> {
    let numeric = |ty: Ty| matches!(ty, Ty::Int | Ty::Decimal | Ty::Float);
    let text = |ty: Ty| matches!(ty, Ty::String | Ty::Json);
    if from == to
        || from == Ty::Unknown
        || to == Ty::Unknown
        || numeric(from) && numeric(to)
        || text(from) && to == Ty::Json
    {
        return Ok(());
    }
    let name = column
        .and_then(|n| table.columns.get(n))
        .map_or("?", |c| c.name.as_str());
    Err(SqlError::new(
        "42804",
        format!(
            "value type {} doesn't match type {} of column \"{name}\"",
            from.name(),
            to.name()
        ),
    ))
}

/// Makes a row's values those of its columns: types, lengths, scales, NULL.
pub(super) fn fit(table: &Table, row: Vec<Datum>) -> Result<Vec<Datum>> {
    row.into_iter()
        .zip(&table.columns)
        .map(|(value, column)| fit_value(value, column))
        .collect()
}

fn fit_value(value: Datum, column: &Column) -> Result<Datum> {
    if value.is_null() {
        return if column.not_null {
            Err(SqlError::new(
                "23502",
                format!(
                    "null value in column \"{}\" violates not-null constraint",
                    column.name
                ),
            ))
        } else {
            Ok(value)
        };
    }
    let value = value.cast(column.ty)?;
    match (&value, column.width) {
        (Datum::String(text), Some(width)) if text.chars().count() as u64 > width => Err(
            SqlError::new("22001", format!("value too long for type STRING({width})")),
        ),
        (Datum::Decimal(number), Some(precision)) => {
            let scale = column.scale.unwrap_or(0);
            let strategy = rust_decimal::RoundingStrategy::MidpointAwayFromZero;
            let mut rounded = number.round_dp_with_strategy(scale, strategy);
            rounded.rescale(scale);
            let whole = rounded.trunc().abs().to_string();
            let digits = if whole == "0" { 0 } else { whole.len() as u64 };
            if digits + u64::from(scale) > precision {
                return Err(SqlError::new(
                    "22003",
                    format!(
                        "value with precision {}, scale {scale} must round to an absolute value less than 10^{}",
                        precision,
                        precision.saturating_sub(u64::from(scale))
                    ),
                ));
            }
            Ok(Datum::Decimal(rounded))
        }
        (Datum::Int(n), Some(bits)) => {
            let most = 1_i64 << (bits - 1).min(62);
            if bits < 64 && !(-most..most).contains(n) {
                return Err(SqlError::new(
                    "22003",
                    format!("integer out of range for type int{}", bits / 8),
                ));
            }
            Ok(value)
        }
        _ => Ok(value),
    }
}
