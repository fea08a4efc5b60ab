//! Joins what FROM names, from left to right.

use std::collections::HashMap;

use super::from::{From, Source};
use super::{Exec, holds};
use crate::error::SqlError;
use crate::sql::expr::{Ex, Op};
use crate::sql::value::Datum;

type Result<T> = std::result::Result<T, SqlError>;

impl Exec<'_> {
    /// Joins what FROM names, from left to right, and keeps what fulfils the conditions.
    pub(super) fn join(&mut self, from: Vec<From>, conditions: &[Ex]) -> Result<Vec<Vec<Datum>>> {
        let mut rows: Vec<Vec<Datum>> = vec![Vec::new()];
        let mut offset = 0;
        for item in from {
            let end = offset + item.width;
            // What can be told by this table alone narrows what is read of it.
            let own = |ex: &&Ex| {
                let columns = ex.columns();
                !columns.is_empty() && columns.iter().all(|n| (offset..end).contains(n))
            };
            let mut alone: Vec<Ex> = item
                .on
                .iter()
                .filter(own)
                .map(|ex| shifted(ex, offset))
                .collect();
            if !item.left {
                alone.extend(conditions.iter().filter(own).map(|ex| shifted(ex, offset)));
            }
            // Equalities with what is to the left find rows by key.
            let pairs: Vec<(Ex, usize)> = item
                .on
                .iter()
                .chain(if item.left { &[] } else { conditions })
                .filter_map(|ex| match ex {
                    Ex::Binary(Op::Eq, a, b) => match (a.as_ref(), b.as_ref()) {
                        (Ex::Col(n), other) | (other, Ex::Col(n))
                            if (offset..end).contains(n)
                                && !other.columns().is_empty()
                                && other.columns().iter().all(|n| *n < offset) =>
                        {
                            Some((other.clone(), n - offset))
                        }
                        _ => None,
                    },
                    _ => None,
                })
                .collect();
            let by_key = match &item.source {
                Source::Table(table) => pairs
                    .iter()
                    .any(|(_, column)| table.primary_key.first() == Some(column)),
                Source::Rows(_) => false,
            };
            let mut whole: Vec<Vec<Datum>> = Vec::new();
            let mut hashed: HashMap<String, Vec<usize>> = HashMap::new();
            if !by_key {
                let found: Vec<Vec<Datum>> = match &item.source {
                    Source::Table(table) => self
                        .read(table, &alone)
                        .iter()
                        .map(|row| row.to_vec())
                        .collect(),
                    Source::Rows(rows) => rows.clone(),
                };
                for row in found {
                    if holds(&alone, &row)? {
                        whole.push(row);
                    }
                }
                if let Some((_, column)) = pairs.first() {
                    for (n, row) in whole.iter().enumerate() {
                        if let Some(value) = row.get(*column) {
                            hashed.entry(hash(value)).or_default().push(n);
                        }
                    }
                }
            }
            let mut joined = Vec::new();
            for before in rows {
                let candidates: Vec<Vec<Datum>> =
                    if by_key && let Source::Table(table) = &item.source {
                        let mut narrow = alone.clone();
                        for (other, column) in &pairs {
                            let value = Ex::Const(other.eval(&before, &[])?);
                            narrow.push(Ex::Binary(
                                Op::Eq,
                                Box::new(Ex::Col(*column)),
                                Box::new(value),
                            ));
                        }
                        let found = self.read(table, &narrow);
                        found.iter().map(|row| row.to_vec()).collect()
                    } else if let Some((other, _)) = pairs.first() {
                        let value = other.eval(&before, &[])?;
                        let found = hashed
                            .get(&hash(&value))
                            .map(Vec::as_slice)
                            .unwrap_or_default();
                        found
                            .iter()
                            .filter_map(|n| whole.get(*n))
                            .cloned()
                            .collect()
                    } else {
                        whole.clone()
                    };
                let mut any = false;
                for candidate in candidates {
                    let mut row = before.clone();
                    row.extend(candidate);
                    if holds(&item.on, &row)? {
                        any = true;
                        joined.push(row);
                    }
                }
                if !any && item.left {
                    let mut row = before;
                    row.extend(std::iter::repeat_n(Datum::Null, item.width));
                    joined.push(row);
                }
            }
            rows = joined;
            offset = end;
        }
        let mut kept = Vec::new();
        for row in rows {
            if holds(conditions, &row)? {
                kept.push(row);
            }
        }
        Ok(kept)
    }
}

/// The same for values that are numerically alike.
fn hash(value: &Datum) -> String {
    match value {
        Datum::Decimal(n) => n.normalize().to_string(),
        other => other.to_string(),
    }
}

/// Column numbers counted from a table's own first.
fn shifted(ex: &Ex, by: usize) -> Ex {
    let sub = |ex: &Ex| Box::new(shifted(ex, by));
    match ex {
        Ex::Col(n) => Ex::Col(n.saturating_sub(by)),
        Ex::Const(_) | Ex::Agg(_) => ex.clone(),
        Ex::Not(a) => Ex::Not(sub(a)),
        Ex::Neg(a) => Ex::Neg(sub(a)),
        Ex::Binary(op, a, b) => Ex::Binary(*op, sub(a), sub(b)),
        Ex::IsNull(a, yes) => Ex::IsNull(sub(a), *yes),
        Ex::Is(a, truth, negated) => Ex::Is(sub(a), *truth, *negated),
        Ex::In(a, list, negated) => Ex::In(
            sub(a),
            list.iter().map(|ex| shifted(ex, by)).collect(),
            *negated,
        ),
        Ex::Like(a, b, negated, any_case) => Ex::Like(sub(a), sub(b), *negated, *any_case),
        Ex::Case(arms, last) => Ex::Case(
            arms.iter()
                .map(|(c, r)| (shifted(c, by), shifted(r, by)))
                .collect(),
            sub(last),
        ),
        Ex::Cast(a, ty) => Ex::Cast(sub(a), *ty),
        Ex::Call(func, args) => Ex::Call(*func, args.iter().map(|ex| shifted(ex, by)).collect()),
    }
}
