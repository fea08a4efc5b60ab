//! Queries: WITH, set operations, ORDER BY, LIMIT.

use std::cmp::Ordering;

use sqlparser::ast::{
    self, Expr, LimitClause, OrderByKind, OrderBySort, SetExpr, SetOperator, SetQuantifier,
};

use super::from::rename;
use super::select::by_position;
use super::{Exec, InScope, distinct};
use crate::error::SqlError;
use crate::sql::expr::{Ex, compare};
use crate::sql::names::ident;
use crate::sql::relation::{Field, Relation};
use crate::sql::value::{Datum, Ty};

type Result<T> = std::result::Result<T, SqlError>;

impl Exec<'_> {
    /// Runs a query.
    pub(crate) fn query(&mut self, query: &ast::Query) -> Result<Relation> {
        if query.fetch.is_some()
            || query.for_clause.is_some()
            || !query.pipe_operators.is_empty()
            || query.settings.is_some()
            || query.format_clause.is_some()
        {
            return Err(SqlError::unsupported("this clause of a query"));
        }
        if query.locks.iter().any(|lock| lock.nonblock.is_some()) {
            return Err(SqlError::unsupported(
                "FOR UPDATE with NOWAIT or SKIP LOCKED",
            ));
        }
        let depth = self.named.len();
        if let Some(with) = &query.with {
            if with.recursive {
                return Err(SqlError::unsupported("WITH RECURSIVE"));
            }
            for cte in &with.cte_tables {
                let mut relation = self.query(&cte.query)?;
                rename(&mut relation, &cte.alias);
                self.named.push((ident(&cte.alias.name), relation));
            }
        }
        let result = self.ordered(query);
        self.named.truncate(depth);
        result
    }

    fn ordered(&mut self, query: &ast::Query) -> Result<Relation> {
        let order: &[ast::OrderByExpr] = match &query.order_by {
            None => &[],
            Some(ast::OrderBy {
                kind: OrderByKind::Expressions(order),
                interpolate: None,
            }) => order,
            Some(_) => return Err(SqlError::unsupported("this ORDER BY")),
        };
        let (mut relation, keys) = match query.body.as_ref() {
            SetExpr::Select(select) => self.select(select, order)?,
            body => {
                let relation = self.set(body)?;
                let scope: Vec<InScope> = relation.fields.iter().map(InScope::of).collect();
                let keys = self.order_keys(order, &scope, &relation)?;
                (relation, keys)
            }
        };
        if !order.is_empty() && !self.describe {
            let directions: Vec<(bool, Option<bool>)> = order
                .iter()
                .map(|item| {
                    (
                        matches!(item.options.sort, Some(OrderBySort::Desc)),
                        item.options.nulls_first,
                    )
                })
                .collect();
            let mut pairs: Vec<(Vec<Datum>, Vec<Datum>)> =
                keys.into_iter().zip(relation.rows).collect();
            pairs.sort_by(|(a, _), (b, _)| {
                for ((a, b), (descending, nulls_first)) in a.iter().zip(b).zip(&directions) {
                    let order = match (a.is_null(), b.is_null(), nulls_first) {
                        (true, false, Some(first)) => {
                            if *first {
                                Ordering::Less
                            } else {
                                Ordering::Greater
                            }
                        }
                        (false, true, Some(first)) => {
                            if *first {
                                Ordering::Greater
                            } else {
                                Ordering::Less
                            }
                        }
                        _ => {
                            let order = compare(a, b).unwrap_or_else(|| a.cmp(b));
                            if *descending { order.reverse() } else { order }
                        }
                    };
                    if order != Ordering::Equal {
                        return order;
                    }
                }
                Ordering::Equal
            });
            relation.rows = pairs.into_iter().map(|(_, row)| row).collect();
        }
        match &query.limit_clause {
            None => (),
            Some(LimitClause::LimitOffset {
                limit,
                offset,
                limit_by,
            }) if limit_by.is_empty() => {
                if let Some(offset) = offset {
                    let skip = self.amount(&offset.value)?.unwrap_or(0);
                    relation.rows.drain(..skip.min(relation.rows.len()));
                }
                if let Some(limit) = limit
                    && let Some(limit) = self.amount(limit)?
                {
                    relation.rows.truncate(limit);
                }
            }
            Some(_) => return Err(SqlError::unsupported("this LIMIT")),
        }
        Ok(relation)
    }

    fn amount(&mut self, expr: &Expr) -> Result<Option<usize>> {
        let (ex, _) = self.compile(expr, &[], Ty::Int)?;
        match ex.eval(&[], &[])? {
            Datum::Int(n) if n >= 0 => Ok(Some(usize::try_from(n).unwrap_or(usize::MAX))),
            Datum::Null => Ok(None),
            _ => Err(SqlError::new("2201W", "negative value for LIMIT")),
        }
    }

    fn set(&mut self, body: &SetExpr) -> Result<Relation> {
        match body {
            SetExpr::Select(select) => Ok(self.select(select, &[])?.0),
            SetExpr::Query(query) => self.query(query),
            SetExpr::Values(values) => {
                let mut relation = Relation::default();
                for row in &values.rows {
                    let mut out = Vec::new();
                    for (n, expr) in row.content.iter().enumerate() {
                        let want = relation.fields.get(n).map_or(Ty::Unknown, |field| field.ty);
                        let (ex, ty) = self.compile(expr, &[], want)?;
                        out.push(ex.eval(&[], &[])?);
                        match relation.fields.get_mut(n) {
                            Some(field) if field.ty == Ty::Unknown => field.ty = ty,
                            Some(_) => (),
                            None => relation.fields.push(Field {
                                name: format!("column{}", n + 1),
                                ty,
                            }),
                        }
                    }
                    if out.len() != relation.fields.len() {
                        return Err(SqlError::new(
                            "42601",
                            "VALUES lists must all be the same length",
                        ));
                    }
                    relation.rows.push(out);
                }
                Ok(relation)
            }
            SetExpr::SetOperation {
                left,
                op,
                set_quantifier,
                right,
            } => {
                let mut left = self.set(left)?;
                let right = self.set(right)?;
                if left.fields.len() != right.fields.len() {
                    return Err(SqlError::new(
                        "42601",
                        format!(
                            "each {op} query must have the same number of columns: {} vs {}",
                            left.fields.len(),
                            right.fields.len()
                        ),
                    ));
                }
                for (a, b) in left.fields.iter_mut().zip(&right.fields) {
                    if a.ty == Ty::Unknown {
                        a.ty = b.ty;
                    } else if b.ty != Ty::Unknown && a.ty != b.ty {
                        return Err(SqlError::new(
                            "42804",
                            format!(
                                "{op} types {} and {} cannot be matched",
                                a.ty.name(),
                                b.ty.name()
                            ),
                        ));
                    }
                }
                let all = match set_quantifier {
                    SetQuantifier::All => true,
                    SetQuantifier::Distinct | SetQuantifier::None => false,
                    _ => return Err(SqlError::unsupported("this set operation")),
                };
                match (op, all) {
                    (SetOperator::Union, _) => left.rows.extend(right.rows),
                    (SetOperator::Except, false) => {
                        left.rows.retain(|row| !right.rows.contains(row));
                    }
                    (SetOperator::Intersect, false) => {
                        left.rows.retain(|row| right.rows.contains(row));
                    }
                    _ => return Err(SqlError::unsupported(format!("{op} ALL"))),
                }
                if !all {
                    distinct(&mut left.rows);
                }
                Ok(left)
            }
            _ => Err(SqlError::unsupported("this form of a query")),
        }
    }

    fn order_keys(
        &mut self,
        order: &[ast::OrderByExpr],
        scope: &[InScope],
        relation: &Relation,
    ) -> Result<Vec<Vec<Datum>>> {
        let mut keys = Vec::new();
        for item in order {
            keys.push(match by_position(&item.expr, scope.len()) {
                Some(n) => Ex::Col(n),
                None => self.compile(&item.expr, scope, Ty::Unknown)?.0,
            });
        }
        let all = relation
            .rows
            .iter()
            .map(|row| keys.iter().map(|ex| ex.eval(row, &[])).collect());
        all.collect()
    }
}
