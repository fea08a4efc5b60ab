//! SELECT: projection, grouping and aggregates.

use std::collections::BTreeMap;

use sqlparser::ast::{self, Expr, GroupByExpr, SelectItem, Value};

use super::{Aggregate, Exec, InScope, distinct};
use crate::error::SqlError;
use crate::sql::expr::{Ex, aggregate};
use crate::sql::names::{ident, name_parts};
use crate::sql::relation::{Field, Relation};
use crate::sql::types::column_type;
use crate::sql::value::{Datum, Ty};

type Result<T> = std::result::Result<T, SqlError>;

/// An item of a projection.
pub(super) struct Item {
    pub(super) name: String,
    pub(super) expr: Expr,
}

/// What a SELECT puts out of the rows of FROM.
#[derive(Default)]
struct Projected {
    fields: Vec<Field>,
    outputs: Vec<Ex>,
    /// What rows are grouped by.
    groups: Vec<Ex>,
    having: Option<Ex>,
    /// What lines are ordered by.
    keys: Vec<Ex>,
    aggregates: Vec<Aggregate>,
}

/// What was put out.
#[derive(Default)]
struct Lines {
    /// Whether each line comes once.
    unique: bool,
    rows: Vec<Vec<Datum>>,
    keys: Vec<Vec<Datum>>,
}

impl Projected {
    fn is_grouped(&self) -> bool {
        !self.aggregates.is_empty() || !self.groups.is_empty() || self.having.is_some()
    }

    /// Outside of aggregates, a grouped SELECT may only name what it is grouped by.
    fn check_groups(&self, scope: &[InScope]) -> Result<()> {
        let named = |column: usize| {
            let is = |ex: &Ex| matches!(ex, Ex::Col(n) if *n == column);
            self.groups.iter().any(is)
        };
        let expressions = self.groups.iter().any(|ex| !matches!(ex, Ex::Col(_)));
        if !self.is_grouped() || expressions {
            return Ok(());
        }
        let all = self.outputs.iter().chain(&self.keys).chain(&self.having);
        match all.flat_map(Ex::columns).find(|column| !named(*column)) {
            None => Ok(()),
            Some(column) => {
                let name = scope.get(column).map_or("?", |c| c.name.as_str());
                Err(SqlError::new(
                    "42803",
                    format!(
                        "column \"{name}\" must appear in the GROUP BY clause or be used in an aggregate function"
                    ),
                ))
            }
        }
    }

    fn emit(&self, row: &[Datum], totals: &[Datum], lines: &mut Lines) -> Result<()> {
        let line = all(&self.outputs, row, totals)?;
        if lines.unique && lines.rows.contains(&line) {
            return Ok(());
        }
        lines.rows.push(line);
        lines.keys.push(all(&self.keys, row, totals)?);
        Ok(())
    }

    fn emit_groups(&self, rows: Vec<Vec<Datum>>, width: usize, lines: &mut Lines) -> Result<()> {
        let mut sets: BTreeMap<Vec<Datum>, Vec<Vec<Datum>>> = BTreeMap::new();
        if self.groups.is_empty() {
            sets.insert(Vec::new(), Vec::new());
        }
        for row in rows {
            sets.entry(all(&self.groups, &row, &[])?)
                .or_default()
                .push(row);
        }
        for set in sets.into_values() {
            let totals = self.totals(&set)?;
            let none = vec![Datum::Null; width];
            let row = set.first().unwrap_or(&none);
            if let Some(having) = &self.having
                && having.eval(row, &totals)? != Datum::Bool(true)
            {
                continue;
            }
            self.emit(row, &totals, lines)?;
        }
        Ok(())
    }

    /// The aggregates of a group.
    fn totals(&self, set: &[Vec<Datum>]) -> Result<Vec<Datum>> {
        let total = |(agg, argument, each_once): &Aggregate| {
            let mut values = match argument {
                Some(ex) => set
                    .iter()
                    .map(|row| ex.eval(row, &[]))
                    .collect::<Result<Vec<_>>>()?,
                None => vec![Datum::Null; set.len()],
            };
            if *each_once {
                distinct(&mut values);
            }
            aggregate(*agg, &values)
        };
        self.aggregates.iter().map(total).collect()
    }
}

fn all(expressions: &[Ex], row: &[Datum], totals: &[Datum]) -> Result<Vec<Datum>> {
    expressions.iter().map(|ex| ex.eval(row, totals)).collect()
}

impl Exec<'_> {
    /// Runs a SELECT; with the rows come the values that they are ordered by.
    pub(super) fn select(
        &mut self,
        select: &ast::Select,
        order: &[ast::OrderByExpr],
    ) -> Result<(Relation, Vec<Vec<Datum>>)> {
        if select.top.is_some()
            || select.into.is_some()
            || !select.lateral_views.is_empty()
            || select.prewhere.is_some()
            || !select.connect_by.is_empty()
            || !select.named_window.is_empty()
            || select.qualify.is_some()
            || select.exclude.is_some()
        {
            return Err(SqlError::unsupported("this clause of SELECT"));
        }
        let unique = match &select.distinct {
            None | Some(ast::Distinct::All) => false,
            Some(ast::Distinct::Distinct) => true,
            Some(ast::Distinct::On(_)) => return Err(SqlError::unsupported("DISTINCT ON")),
        };
        let (scope, from) = self.from(&select.from)?;
        let outer = self.aggregates.take();
        let condition = match &select.selection {
            Some(expr) => self.condition(expr, &scope, "WHERE")?.conjuncts(),
            None => Vec::new(),
        };
        let mut projected = self.project(select, order, &scope)?;
        projected.aggregates = std::mem::replace(&mut self.aggregates, outer).unwrap_or_default();
        projected.check_groups(&scope)?;
        if self.describe {
            let relation = Relation {
                fields: projected.fields,
                rows: Vec::new(),
            };
            return Ok((relation, Vec::new()));
        }
        let rows = self.join(from, &condition)?;
        let mut lines = Lines {
            unique,
            ..Lines::default()
        };
        if projected.is_grouped() {
            projected.emit_groups(rows, scope.len(), &mut lines)?;
        } else {
            for row in rows {
                projected.emit(&row, &[], &mut lines)?;
            }
        }
        let relation = Relation {
            fields: projected.fields,
            rows: lines.rows,
        };
        Ok((relation, lines.keys))
    }

    /// Compiles what a SELECT puts out; the aggregates in it are left in `self.aggregates`.
    fn project(
        &mut self,
        select: &ast::Select,
        order: &[ast::OrderByExpr],
        scope: &[InScope],
    ) -> Result<Projected> {
        let groups: &[Expr] = match &select.group_by {
            GroupByExpr::Expressions(groups, modifiers) if modifiers.is_empty() => groups,
            _ => return Err(SqlError::unsupported("this GROUP BY")),
        };
        let items = Self::projection(&select.projection, scope)?;
        let mut projected = Projected::default();
        for group in groups {
            // A number or an alias names a column of the result.
            let named = by_position(group, items.len()).or_else(|| by_alias(group, &items, scope));
            let expr = named
                .and_then(|n| items.get(n))
                .map_or(group, |item| &item.expr);
            let (ex, _) = self.compile(expr, scope, Ty::Unknown)?;
            projected.groups.push(ex);
        }
        self.aggregates = Some(Vec::new());
        for item in &items {
            let (ex, ty) = self.compile(&item.expr, scope, Ty::Unknown)?;
            projected.outputs.push(ex);
            projected.fields.push(Field {
                name: item.name.clone(),
                ty,
            });
        }
        if let Some(expr) = &select.having {
            projected.having = Some(self.condition(expr, scope, "HAVING")?);
        }
        for item in order {
            let named =
                by_position(&item.expr, items.len()).or_else(|| by_name(&item.expr, &items));
            let expr = named
                .and_then(|n| items.get(n))
                .map_or(&item.expr, |found| &found.expr);
            let (ex, _) = self.compile(expr, scope, Ty::Unknown)?;
            projected.keys.push(ex);
        }
        Ok(projected)
    }

    pub(super) fn projection(projection: &[SelectItem], scope: &[InScope]) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        let column = |c: &InScope| Item {
            name: c.name.clone(),
            expr: if c.table.is_empty() {
                Expr::Identifier(quoted(&c.name))
            } else {
                Expr::CompoundIdentifier(vec![quoted(&c.table), quoted(&c.name)])
            },
        };
        for item in projection {
            match item {
                SelectItem::Wildcard(_) => {
                    if scope.is_empty() {
                        return Err(SqlError::new(
                            "42602",
                            "cannot use \"*\" without a FROM clause",
                        ));
                    }
                    items.extend(scope.iter().filter(|c| !c.hidden).map(column));
                }
                SelectItem::QualifiedWildcard(
                    ast::SelectItemQualifiedWildcardKind::ObjectName(name),
                    _,
                ) => {
                    let parts = name_parts(name)?;
                    let table = parts.last().cloned().unwrap_or_default();
                    let before = items.len();
                    items.extend(
                        scope
                            .iter()
                            .filter(|c| c.table == table && !c.hidden)
                            .map(column),
                    );
                    if items.len() == before {
                        return Err(SqlError::new(
                            "42P01",
                            format!("no data source matches pattern: {table}.*"),
                        ));
                    }
                }
                SelectItem::UnnamedExpr(expr) => {
                    items.push(Item {
                        name: label(expr),
                        expr: expr.clone(),
                    });
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    items.push(Item {
                        name: ident(alias),
                        expr: expr.clone(),
                    });
                }
                _ => return Err(SqlError::unsupported("this item of SELECT")),
            }
        }
        Ok(items)
    }
}

fn quoted(name: &str) -> ast::Ident {
    ast::Ident::with_quote('"', name)
}

pub(super) fn by_position(expr: &Expr, width: usize) -> Option<usize> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => text
                .parse::<usize>()
                .ok()
                .filter(|n| (1..=width).contains(n))
                .map(|n| n - 1),
            _ => None,
        },
        _ => None,
    }
}

fn by_name(expr: &Expr, items: &[Item]) -> Option<usize> {
    match expr {
        Expr::Identifier(name) => items.iter().position(|item| item.name == ident(name)),
        _ => None,
    }
}

/// An alias of the result, where no column in scope has the name.
fn by_alias(expr: &Expr, items: &[Item], scope: &[InScope]) -> Option<usize> {
    match expr {
        Expr::Identifier(name) if scope.iter().any(|c| c.name == ident(name)) => None,
        other => by_name(other, items),
    }
}

/// The name of a column without an alias.
fn label(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(name) => ident(name),
        Expr::CompoundIdentifier(parts) => parts.last().map_or_else(String::new, ident),
        Expr::Function(function) => name_parts(&function.name)
            .ok()
            .and_then(|parts| parts.last().cloned())
            .unwrap_or_else(|| "?column?".to_owned()),
        Expr::Cast {
            expr, data_type, ..
        } => match label(expr).as_str() {
            "?column?" => column_type(data_type)
                .map_or_else(|_| "?column?".to_owned(), |(ty, ..)| ty.name().to_owned()),
            other => other.to_owned(),
        },
        Expr::Nested(inner) => label(inner),
        Expr::Exists { .. } => "exists".to_owned(),
        Expr::Case { .. } => "case".to_owned(),
        _ => "?column?".to_owned(),
    }
}
