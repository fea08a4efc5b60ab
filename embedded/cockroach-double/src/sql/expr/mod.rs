//! Expressions, compiled against the columns in scope, and their evaluation.

mod aggregates;
mod functions;
mod operators;

use std::cmp::Ordering;

use super::value::{Datum, Real, Ty};
use crate::error::SqlError;
use functions::{call, like};
use operators::{binary, out_of_range};

pub(crate) use aggregates::{Agg, aggregate};
pub(crate) use functions::Func;
pub(crate) use operators::{Op, compare};

type Result<T> = std::result::Result<T, SqlError>;

/// A compiled expression.
#[derive(Debug, Clone)]
pub(crate) enum Ex {
    /// A value.
    Const(Datum),
    /// A column in scope.
    Col(usize),
    /// The result of an aggregate.
    Agg(usize),
    /// NOT.
    Not(Box<Ex>),
    /// Unary minus.
    Neg(Box<Ex>),
    /// An operator.
    Binary(Op, Box<Ex>, Box<Ex>),
    /// IS NULL, or IS NOT NULL.
    IsNull(Box<Ex>, bool),
    /// IS TRUE or IS FALSE, or the opposite.
    Is(Box<Ex>, bool, bool),
    /// IN a list, or NOT IN.
    In(Box<Ex>, Vec<Ex>, bool),
    /// LIKE: negated, any case.
    Like(Box<Ex>, Box<Ex>, bool, bool),
    /// CASE.
    Case(Vec<(Ex, Ex)>, Box<Ex>),
    /// CAST.
    Cast(Box<Ex>, Ty),
    /// A function.
    Call(Func, Vec<Ex>),
}

impl Ex {
    /// Whether it needs no row.
    pub(crate) fn is_constant(&self) -> bool {
        let mut constant = true;
        self.walk(&mut |ex| {
            if matches!(
                ex,
                Self::Col(_) | Self::Agg(_) | Self::Call(Func::NewUuid | Func::RowId, _)
            ) {
                constant = false;
            }
        });
        constant
    }

    /// The columns that it needs.
    pub(crate) fn columns(&self) -> Vec<usize> {
        let mut columns = Vec::new();
        self.walk(&mut |ex| {
            if let Self::Col(n) = ex {
                columns.push(*n);
            }
        });
        columns
    }

    fn walk(&self, see: &mut impl FnMut(&Self)) {
        see(self);
        match self {
            Self::Const(_) | Self::Col(_) | Self::Agg(_) => (),
            Self::Not(a)
            | Self::Neg(a)
            | Self::IsNull(a, _)
            | Self::Is(a, ..)
            | Self::Cast(a, _) => a.walk(see),
            Self::Binary(_, a, b) | Self::Like(a, b, ..) => {
                a.walk(see);
                b.walk(see);
            }
            Self::In(a, list, _) => {
                a.walk(see);
                for ex in list {
                    ex.walk(see);
                }
            }
            Self::Case(arms, last) => {
                for (condition, result) in arms {
                    condition.walk(see);
                    result.walk(see);
                }
                last.walk(see);
            }
            Self::Call(_, args) => args.iter().for_each(|ex| ex.walk(see)),
        }
    }

    /// The parts that AND joins.
    pub(crate) fn conjuncts(self) -> Vec<Self> {
        match self {
            Self::Binary(Op::And, a, b) => {
                let mut parts = a.conjuncts();
                parts.extend(b.conjuncts());
                parts
            }
            other => vec![other],
        }
    }

    /// Evaluates it for a row.
    pub(crate) fn eval(&self, row: &[Datum], aggregates: &[Datum]) -> Result<Datum> {
        let sub = |ex: &Self| ex.eval(row, aggregates);
        Ok(match self {
            Self::Const(value) => value.clone(),
            Self::Col(n) => row.get(*n).cloned().unwrap_or(Datum::Null),
            Self::Agg(n) => aggregates.get(*n).cloned().unwrap_or(Datum::Null),
            Self::Not(a) => match sub(a)? {
                Datum::Bool(b) => Datum::Bool(!b),
                _ => Datum::Null,
            },
            Self::Neg(a) => match sub(a)? {
                Datum::Int(n) => Datum::Int(n.checked_neg().ok_or_else(out_of_range)?),
                Datum::Decimal(n) => Datum::Decimal(-n),
                Datum::Float(n) => Datum::Float(Real(-n.0)),
                _ => Datum::Null,
            },
            Self::Binary(Op::And, a, b) => match sub(a)? {
                Datum::Bool(false) => Datum::Bool(false),
                first => match (first, sub(b)?) {
                    (_, Datum::Bool(false)) => Datum::Bool(false),
                    (Datum::Bool(true), Datum::Bool(true)) => Datum::Bool(true),
                    _ => Datum::Null,
                },
            },
            Self::Binary(Op::Or, a, b) => match sub(a)? {
                Datum::Bool(true) => Datum::Bool(true),
                first => match (first, sub(b)?) {
                    (_, Datum::Bool(true)) => Datum::Bool(true),
                    (Datum::Bool(false), Datum::Bool(false)) => Datum::Bool(false),
                    _ => Datum::Null,
                },
            },
            Self::Binary(op, a, b) => binary(*op, &sub(a)?, &sub(b)?)?,
            Self::IsNull(a, yes) => Datum::Bool(sub(a)?.is_null() == *yes),
            Self::Is(a, truth, negated) => {
                Datum::Bool((sub(a)? == Datum::Bool(*truth)) != *negated)
            }
            Self::In(a, list, negated) => {
                let value = sub(a)?;
                if value.is_null() {
                    return Ok(Datum::Null);
                }
                let mut unknown = false;
                for item in list {
                    match compare(&value, &sub(item)?) {
                        Some(Ordering::Equal) => return Ok(Datum::Bool(!negated)),
                        None => unknown = true,
                        _ => (),
                    }
                }
                if unknown {
                    Datum::Null
                } else {
                    Datum::Bool(*negated)
                }
            }
            Self::Like(a, b, negated, any_case) => match (sub(a)?, sub(b)?) {
                (Datum::String(text), Datum::String(pattern)) => {
                    let found = if *any_case {
                        like(&text.to_lowercase(), &pattern.to_lowercase())
                    } else {
                        like(&text, &pattern)
                    };
                    Datum::Bool(found != *negated)
                }
                _ => Datum::Null,
            },
            Self::Case(arms, last) => {
                for (condition, result) in arms {
                    if sub(condition)? == Datum::Bool(true) {
                        return sub(result);
                    }
                }
                sub(last)?
            }
            Self::Cast(a, ty) => sub(a)?.cast(*ty)?,
            Self::Call(func, args) => {
                let args = args.iter().map(sub).collect::<Result<Vec<_>>>()?;
                call(*func, args)?
            }
        })
    }
}
