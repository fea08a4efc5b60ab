//! Expressions of the parser become expressions that can be evaluated, with their types.

use sqlparser::ast::{self, Expr, UnaryOperator, Value};

use super::{Exec, InScope, no_column};
use crate::error::SqlError;
use crate::sql::expr::{Ex, Op};
use crate::sql::names::ident;
use crate::sql::relation::Relation;
use crate::sql::types::column_type;
use crate::sql::value::{Datum, Ty};
use crate::sql::views::View;

type Result<T> = std::result::Result<T, SqlError>;

impl Exec<'_> {
    pub(super) fn condition(&mut self, expr: &Expr, scope: &[InScope], clause: &str) -> Result<Ex> {
        let (ex, ty) = self.compile(expr, scope, Ty::Bool)?;
        if ty != Ty::Bool && ty != Ty::Unknown {
            return Err(SqlError::new(
                "42804",
                format!(
                    "argument of {clause} must be type bool, not type {}",
                    ty.name()
                ),
            ));
        }
        Ok(ex)
    }

    pub(super) fn compile(&mut self, expr: &Expr, scope: &[InScope], want: Ty) -> Result<(Ex, Ty)> {
        match expr {
            Expr::Nested(inner) => self.compile(inner, scope, want),
            Expr::Identifier(name) => resolve(scope, None, &ident(name), self.view, self.txn.now),
            Expr::CompoundIdentifier(parts) => {
                let parts: Vec<String> = parts.iter().map(ident).collect();
                match parts.as_slice() {
                    [.., table, name] => resolve(scope, Some(table), name, self.view, self.txn.now),
                    _ => Err(SqlError::unsupported("this name")),
                }
            }
            Expr::Value(value) => self.literal(&value.value, want),
            Expr::TypedString(typed) => {
                let ty = column_type(&typed.data_type)?.0;
                let text = match &typed.value.value {
                    Value::SingleQuotedString(text) => text.clone(),
                    other => return Err(SqlError::unsupported(format!("the literal {other}"))),
                };
                Ok((Ex::Const(Datum::String(text).cast(ty)?), ty))
            }
            Expr::Cast {
                expr, data_type, ..
            } => {
                let ty = column_type(data_type)?.0;
                let (ex, from) =
                    self.compile(expr, scope, if is_open(expr) { ty } else { Ty::Unknown })?;
                if from == ty {
                    return Ok((ex, ty));
                }
                Ok((folded(Ex::Cast(Box::new(ex), ty))?, ty))
            }
            Expr::UnaryOp {
                op: UnaryOperator::Not,
                expr,
            } => Ok((
                Ex::Not(Box::new(self.condition(expr, scope, "NOT")?)),
                Ty::Bool,
            )),
            Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr,
            } => {
                let (ex, ty) = self.compile(expr, scope, want)?;
                Ok((folded(Ex::Neg(Box::new(ex)))?, ty))
            }
            Expr::UnaryOp {
                op: UnaryOperator::Plus,
                expr,
            } => self.compile(expr, scope, want),
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right, scope, want),
            Expr::IsDistinctFrom(a, b) => self.operate(Op::Distinct, a, b, scope, Ty::Unknown),
            Expr::IsNotDistinctFrom(a, b) => self.operate(Op::Same, a, b, scope, Ty::Unknown),
            Expr::IsNull(inner) | Expr::IsNotNull(inner) => {
                let (ex, _) = self.compile(inner, scope, Ty::Unknown)?;
                Ok((
                    Ex::IsNull(Box::new(ex), matches!(expr, Expr::IsNull(_))),
                    Ty::Bool,
                ))
            }
            Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner) => {
                let ex = self.condition(inner, scope, "IS")?;
                let truth = matches!(expr, Expr::IsTrue(_) | Expr::IsNotTrue(_));
                let negated = matches!(expr, Expr::IsNotTrue(_) | Expr::IsNotFalse(_));
                Ok((Ex::Is(Box::new(ex), truth, negated), Ty::Bool))
            }
            Expr::Between {
                expr,
                negated,
                low,
                high,
            } => {
                let (low, _) = self.operate(Op::Ge, expr, low, scope, Ty::Unknown)?;
                let (high, _) = self.operate(Op::Le, expr, high, scope, Ty::Unknown)?;
                let both = Ex::Binary(Op::And, Box::new(low), Box::new(high));
                Ok((
                    if *negated {
                        Ex::Not(Box::new(both))
                    } else {
                        both
                    },
                    Ty::Bool,
                ))
            }
            Expr::In {
                expr,
                target,
                negated,
                ..
            } => self.within(expr, target, *negated, scope),
            Expr::AnyOp { .. } | Expr::AllOp { .. } => {
                Err(SqlError::unsupported("ANY and ALL: use IN"))
            }
            Expr::Like {
                negated,
                expr,
                pattern,
                escape_char: None,
                any: false,
            } => self.like(expr, pattern, *negated, false, scope),
            Expr::ILike {
                negated,
                expr,
                pattern,
                escape_char: None,
                any: false,
            } => self.like(expr, pattern, *negated, true, scope),
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => {
                let mut arms = Vec::new();
                let mut ty = want;
                for arm in conditions {
                    let condition = match operand {
                        Some(operand) => {
                            self.operate(Op::Eq, operand, &arm.condition, scope, Ty::Unknown)?
                                .0
                        }
                        None => self.condition(&arm.condition, scope, "CASE")?,
                    };
                    let (result, found) = self.compile(&arm.result, scope, ty)?;
                    if ty == Ty::Unknown {
                        ty = found;
                    }
                    arms.push((condition, result));
                }
                let last = match else_result {
                    Some(last) => self.compile(last, scope, ty)?.0,
                    None => Ex::Const(Datum::Null),
                };
                Ok((Ex::Case(arms, Box::new(last)), ty))
            }
            Expr::Subquery(query) => {
                let relation = self.apart(query)?;
                if relation.fields.len() != 1 {
                    return Err(SqlError::new(
                        "42601",
                        format!(
                            "subquery must return only one column, found {}",
                            relation.fields.len()
                        ),
                    ));
                }
                if relation.rows.len() > 1 {
                    return Err(SqlError::new(
                        "21000",
                        "more than one row returned by a subquery used as an expression",
                    ));
                }
                let ty = relation
                    .fields
                    .first()
                    .map_or(Ty::Unknown, |field| field.ty);
                let value = relation
                    .rows
                    .into_iter()
                    .flatten()
                    .next()
                    .unwrap_or(Datum::Null);
                Ok((Ex::Const(value), ty))
            }
            Expr::Exists { subquery, negated } => {
                let relation = self.apart(subquery)?;
                Ok((
                    Ex::Const(Datum::Bool(relation.rows.is_empty() == *negated)),
                    Ty::Bool,
                ))
            }
            Expr::Function(function) => self.function(function, scope, want),
            other => Err(SqlError::unsupported(format!("the expression {other}"))),
        }
    }

    /// A query within an expression; it must not need the rows around it.
    pub(super) fn apart(&mut self, query: &ast::Query) -> Result<Relation> {
        let outer = self.aggregates.take();
        let result = self.query(query);
        self.aggregates = outer;
        result
    }

    fn literal(&mut self, value: &Value, want: Ty) -> Result<(Ex, Ty)> {
        let done = |value: Datum| {
            let ty = value.ty();
            Ok((Ex::Const(value), ty))
        };
        match value {
            Value::Null => Ok((Ex::Const(Datum::Null), want)),
            Value::Boolean(b) => done(Datum::Bool(*b)),
            Value::Number(text, _) => match want {
                Ty::Decimal | Ty::Float => done(Datum::String(text.clone()).cast(want)?),
                _ if text.contains(['.', 'e', 'E']) => {
                    done(Datum::String(text.clone()).cast(Ty::Decimal)?)
                }
                _ => done(Datum::Int(text.parse().map_err(|_| {
                    SqlError::new(
                        "22003",
                        format!("numeric constant out of int64 range: {text}"),
                    )
                })?)),
            },
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => match want {
                Ty::Unknown | Ty::String | Ty::Strings => done(Datum::String(text.clone())),
                ty => done(Datum::String(text.clone()).cast(ty)?),
            },
            Value::Placeholder(name) => {
                let n: usize = name
                    .trim_start_matches('$')
                    .parse()
                    .ok()
                    .filter(|n| (1..=65_535).contains(n))
                    .ok_or_else(|| SqlError::new("42601", format!("invalid placeholder {name}")))?;
                if self.types.len() < n {
                    self.types.resize(n, Ty::Unknown);
                }
                if let Some(known) = self.types.get_mut(n - 1)
                    && *known == Ty::Unknown
                {
                    *known = want;
                }
                let ty = self.types.get(n - 1).copied().unwrap_or(Ty::Unknown);
                match self.params.get(n - 1) {
                    Some(value) => Ok((Ex::Const(value.clone()), ty)),
                    None if self.describe => Ok((Ex::Const(Datum::Null), ty)),
                    None => Err(SqlError::new(
                        "42P02",
                        format!("no value provided for placeholder: ${n}"),
                    )),
                }
            }
            other => Err(SqlError::unsupported(format!("the literal {other}"))),
        }
    }
}

fn resolve(
    scope: &[InScope],
    table: Option<&str>,
    name: &str,
    view: &View,
    now: i64,
) -> Result<(Ex, Ty)> {
    let mut found = scope
        .iter()
        .enumerate()
        .filter(|(_, c)| c.name == name && table.is_none_or(|t| c.table == t));
    match (found.next(), found.next()) {
        (Some((n, column)), None) => Ok((Ex::Col(n), column.ty)),
        (Some(_), Some(_)) => Err(SqlError::new(
            "42702",
            format!("column reference \"{name}\" is ambiguous"),
        )),
        (None, _) if table.is_none() => match name {
            "current_user" | "session_user" => Ok((Ex::Const(Datum::text(&view.user)), Ty::String)),
            "current_timestamp" => Ok((Ex::Const(Datum::Timestamp(now)), Ty::Timestamptz)),
            "current_database" | "current_catalog" => {
                Ok((Ex::Const(Datum::text(&view.database)), Ty::String))
            }
            _ => Err(no_column(name)),
        },
        (None, _) => {
            let table = table.unwrap_or_default();
            if scope.iter().any(|c| c.table == table) {
                return Err(no_column(&format!("{table}.{name}")));
            }
            Err(SqlError::new(
                "42P01",
                format!("no data source matches prefix: {table} in this context"),
            ))
        }
    }
}

/// Whether an expression takes its type from what is beside it.
pub(super) fn is_open(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_open(inner),
        Expr::UnaryOp {
            op: UnaryOperator::Minus | UnaryOperator::Plus,
            expr,
        } => is_open(expr),
        Expr::Value(value) => matches!(
            value.value,
            Value::Placeholder(_) | Value::SingleQuotedString(_) | Value::Null | Value::Number(..)
        ),
        _ => false,
    }
}

/// An expression without columns is worth what it will be worth for every row.
pub(super) fn folded(ex: Ex) -> Result<Ex> {
    Ok(if ex.is_constant() {
        Ex::Const(ex.eval(&[], &[])?)
    } else {
        ex
    })
}
