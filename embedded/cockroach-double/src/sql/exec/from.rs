//! FROM: tables, views, subqueries and joins become a scope of columns and sources of rows.

use sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, JoinConstraint, JoinOperator, TableFactor,
};

use super::{Exec, InScope, no_column};
use crate::catalog::Table;
use crate::error::SqlError;
use crate::sql::expr::{Ex, Op};
use crate::sql::names::{ident, name_parts};
use crate::sql::relation::{Field, Relation};
use crate::sql::value::{Datum, Ty};
use crate::sql::views;

type Result<T> = std::result::Result<T, SqlError>;

/// What a name in FROM stands for.
pub(super) enum Source {
    Table(Table),
    Rows(Vec<Vec<Datum>>),
}

/// An item of FROM.
pub(super) struct From {
    pub(super) source: Source,
    pub(super) width: usize,
    pub(super) left: bool,
    pub(super) on: Vec<Ex>,
}

impl Exec<'_> {
    pub(super) fn from(
        &mut self,
        tables: &[ast::TableWithJoins],
    ) -> Result<(Vec<InScope>, Vec<From>)> {
        let mut scope = Vec::new();
        let mut from = Vec::new();
        for table in tables {
            self.factor(&table.relation, false, &mut scope, &mut from)?;
            for join in &table.joins {
                let (left, constraint) = match &join.join_operator {
                    JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => {
                        (false, constraint)
                    }
                    JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                        (true, constraint)
                    }
                    JoinOperator::CrossJoin(constraint) => (false, constraint),
                    _ => return Err(SqlError::unsupported("this kind of JOIN")),
                };
                let before = scope.len();
                self.factor(&join.relation, left, &mut scope, &mut from)?;
                let on = match constraint {
                    JoinConstraint::On(expr) => self.condition(expr, &scope, "ON")?.conjuncts(),
                    JoinConstraint::None => Vec::new(),
                    JoinConstraint::Using(names) => {
                        let mut on = Vec::new();
                        for name in names {
                            let name = name_parts(name)?.join(".");
                            let find =
                                |scope: &[InScope]| scope.iter().position(|c| c.name == name);
                            let a = find(scope.get(..before).unwrap_or_default());
                            let b = find(scope.get(before..).unwrap_or_default());
                            let (Some(a), Some(b)) = (a, b) else {
                                return Err(no_column(&name));
                            };
                            if let Some(column) = scope.get_mut(before + b) {
                                column.hidden = true;
                                column.name.push_str(" (used)");
                            }
                            on.push(Ex::Binary(
                                Op::Eq,
                                Box::new(Ex::Col(a)),
                                Box::new(Ex::Col(before + b)),
                            ));
                        }
                        on
                    }
                    _ => return Err(SqlError::unsupported("NATURAL JOIN")),
                };
                if let Some(last) = from.last_mut() {
                    last.on = on;
                }
            }
        }
        Ok((scope, from))
    }

    fn factor(
        &mut self,
        factor: &TableFactor,
        left: bool,
        scope: &mut Vec<InScope>,
        from: &mut Vec<From>,
    ) -> Result<()> {
        let (columns, source, default_name, alias) = match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                ..
            } => {
                let parts = name_parts(name)?;
                let last = parts.last().cloned().unwrap_or_default();
                let named = self
                    .named
                    .iter()
                    .rev()
                    .find(|(known, _)| parts.len() == 1 && *known == last);
                if let Some((_, relation)) = named {
                    (
                        relation.fields.clone(),
                        Source::Rows(relation.rows.clone()),
                        last,
                        alias,
                    )
                } else if let Some(relation) = views::find(self.view, &self.txn.base, &parts)? {
                    (relation.fields, Source::Rows(relation.rows), last, alias)
                } else {
                    let table = self.find_table(name, "SELECT")?;
                    let fields = table
                        .columns
                        .iter()
                        .map(|c| Field {
                            name: c.name.clone(),
                            ty: c.ty,
                        })
                        .collect();
                    (fields, Source::Table(table), last, alias)
                }
            }
            TableFactor::Table {
                name,
                alias,
                args: Some(args),
                ..
            } => {
                let (fields, rows) = self.series(name, &args.args)?;
                (
                    fields,
                    Source::Rows(rows),
                    "generate_series".to_owned(),
                    alias,
                )
            }
            TableFactor::Function {
                name,
                args,
                alias,
                lateral: false,
                ..
            } => {
                let (fields, rows) = self.series(name, args)?;
                (
                    fields,
                    Source::Rows(rows),
                    "generate_series".to_owned(),
                    alias,
                )
            }
            TableFactor::Derived {
                lateral: false,
                subquery,
                alias,
                ..
            } => {
                let relation = self.query(subquery)?;
                (
                    relation.fields,
                    Source::Rows(relation.rows),
                    String::new(),
                    alias,
                )
            }
            _ => return Err(SqlError::unsupported("this item of FROM")),
        };
        let mut columns = Relation {
            fields: columns,
            rows: Vec::new(),
        };
        if let Some(alias) = alias {
            rename(&mut columns, alias);
            if default_name == "generate_series"
                && alias.columns.is_empty()
                && let Some(field) = columns.fields.first_mut()
            {
                field.name = ident(&alias.name);
            }
        }
        let name = alias
            .as_ref()
            .map_or(default_name, |alias| ident(&alias.name));
        if !name.is_empty() && scope.iter().any(|c| c.table == name) {
            return Err(SqlError::new(
                "42712",
                format!("source name \"{name}\" specified more than once (missing AS clause)"),
            ));
        }
        let hidden = |n: usize| match &source {
            Source::Table(table) => table.columns.get(n).is_some_and(|c| c.hidden),
            Source::Rows(_) => false,
        };
        for (n, field) in columns.fields.iter().enumerate() {
            scope.push(InScope {
                table: name.clone(),
                hidden: hidden(n),
                ..InScope::of(field)
            });
        }
        from.push(From {
            width: columns.fields.len(),
            source,
            left,
            on: Vec::new(),
        });
        Ok(())
    }

    fn series(
        &mut self,
        name: &ast::ObjectName,
        args: &[FunctionArg],
    ) -> Result<(Vec<Field>, Vec<Vec<Datum>>)> {
        if name_parts(name)?.join(".") != "generate_series" {
            return Err(SqlError::unsupported(format!("the table function {name}")));
        }
        let mut bounds = Vec::new();
        for arg in args {
            let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg else {
                return Err(SqlError::unsupported("named arguments"));
            };
            match self.compile(expr, &[], Ty::Int)?.0.eval(&[], &[])? {
                Datum::Int(n) => bounds.push(n),
                _ if self.describe => bounds.push(0),
                _ => return Err(SqlError::new("22023", "generate_series takes integers")),
            }
        }
        let (first, last, step) = match bounds.as_slice() {
            [first, last] => (*first, *last, 1),
            [first, last, step] if *step > 0 => (*first, *last, *step),
            _ => return Err(SqlError::unsupported("this generate_series")),
        };
        let step = usize::try_from(step).unwrap_or(1);
        let rows = (first..=last)
            .step_by(step)
            .map(|n| vec![Datum::Int(n)])
            .collect();
        Ok((
            vec![Field {
                name: "generate_series".to_owned(),
                ty: Ty::Int,
            }],
            rows,
        ))
    }
}

pub(super) fn rename(relation: &mut Relation, alias: &ast::TableAlias) {
    for (field, column) in relation.fields.iter_mut().zip(&alias.columns) {
        field.name = ident(&column.name);
    }
}
