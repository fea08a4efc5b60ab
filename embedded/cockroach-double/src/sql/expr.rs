//! Expressions, compiled against the columns in scope, and their evaluation.

use std::cmp::Ordering;

use rust_decimal::Decimal;
use rust_decimal::prelude::*;

use super::value::{Datum, Real, Ty};
use crate::error::SqlError;

type Result<T> = std::result::Result<T, SqlError>;

/// An operator of two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    /// +
    Add,
    /// -
    Sub,
    /// *
    Mul,
    /// /
    Div,
    /// %
    Mod,
    /// ||
    Concat,
    /// =
    Eq,
    /// !=
    Ne,
    /// <
    Lt,
    /// <=
    Le,
    /// >
    Gt,
    /// >=
    Ge,
    /// AND
    And,
    /// OR
    Or,
    /// IS DISTINCT FROM
    Distinct,
    /// IS NOT DISTINCT FROM
    Same,
}

impl Op {
    /// As it is written.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Concat => "||",
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::And => "AND",
            Self::Or => "OR",
            Self::Distinct => "IS DISTINCT FROM",
            Self::Same => "IS NOT DISTINCT FROM",
        }
    }

    /// Whether it compares.
    pub(crate) fn compares(self) -> bool {
        matches!(
            self,
            Self::Eq
                | Self::Ne
                | Self::Lt
                | Self::Le
                | Self::Gt
                | Self::Ge
                | Self::Distinct
                | Self::Same
        )
    }
}

/// A function of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Func {
    /// The first that is not NULL.
    Coalesce,
    /// NULL when both are alike.
    NullIf,
    /// Absolute value.
    Abs,
    /// The greatest.
    Greatest,
    /// The least.
    Least,
    /// Characters.
    Length,
    /// Lower case.
    Lower,
    /// Upper case.
    Upper,
    /// All texts in a row.
    Concat,
    /// Rounded.
    Round,
    /// A new UUID.
    NewUuid,
    /// A new row id.
    RowId,
}

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

fn out_of_range() -> SqlError {
    SqlError::new("22003", "integer out of range")
}

/// A new id of a row: the time and a random part.
pub(crate) fn unique_rowid() -> i64 {
    let micros = chrono::Utc::now().timestamp_micros() / 10;
    let random = uuid::Uuid::new_v4().as_u128() & 0x7fff;
    (micros << 15) | i64::try_from(random).unwrap_or(0)
}

fn call(func: Func, args: Vec<Datum>) -> Result<Datum> {
    let first = || args.first().cloned().unwrap_or(Datum::Null);
    Ok(match func {
        Func::Coalesce => args
            .into_iter()
            .find(|value| !value.is_null())
            .unwrap_or(Datum::Null),
        Func::NullIf => {
            let same = args
                .first()
                .zip(args.get(1))
                .and_then(|(a, b)| compare(a, b));
            if same == Some(Ordering::Equal) {
                Datum::Null
            } else {
                first()
            }
        }
        Func::Abs => match first() {
            Datum::Int(n) => Datum::Int(n.checked_abs().ok_or_else(out_of_range)?),
            Datum::Decimal(n) => Datum::Decimal(n.abs()),
            Datum::Float(n) => Datum::Float(Real(n.0.abs())),
            _ => Datum::Null,
        },
        Func::Greatest | Func::Least => {
            let wanted = if func == Func::Greatest {
                Ordering::Greater
            } else {
                Ordering::Less
            };
            args.into_iter()
                .filter(|v| !v.is_null())
                .fold(Datum::Null, |best, value| {
                    if best.is_null() || compare(&value, &best) == Some(wanted) {
                        value
                    } else {
                        best
                    }
                })
        }
        Func::Length => match first() {
            Datum::String(text) => Datum::count(text.chars().count()),
            _ => Datum::Null,
        },
        Func::Lower => match first() {
            Datum::String(text) => Datum::String(text.to_lowercase()),
            _ => Datum::Null,
        },
        Func::Upper => match first() {
            Datum::String(text) => Datum::String(text.to_uppercase()),
            _ => Datum::Null,
        },
        Func::Concat => Datum::String(
            args.iter()
                .filter(|value| !value.is_null())
                .map(ToString::to_string)
                .collect(),
        ),
        Func::Round => {
            let places = match args.get(1) {
                Some(Datum::Int(n)) => u32::try_from(*n).unwrap_or(0),
                _ => 0,
            };
            match first() {
                Datum::Decimal(n) => Datum::Decimal(
                    n.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero),
                ),
                Datum::Float(n) if places == 0 => Datum::Float(Real(n.0.round_ties_even())),
                other => other,
            }
        }
        Func::NewUuid => Datum::Uuid(uuid::Uuid::new_v4()),
        Func::RowId => Datum::Int(unique_rowid()),
    })
}

fn number(value: &Datum) -> Option<Decimal> {
    match value {
        Datum::Int(n) => Some((*n).into()),
        Datum::Decimal(n) => Some(*n),
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "as SQL's floats do")]
fn real(value: &Datum) -> Option<f64> {
    match value {
        Datum::Int(n) => Some(*n as f64),
        Datum::Decimal(n) => n.to_f64(),
        Datum::Float(n) => Some(n.0),
        _ => None,
    }
}

/// Compares two values; `None` when either is NULL.
pub(crate) fn compare(a: &Datum, b: &Datum) -> Option<Ordering> {
    if a.is_null() || b.is_null() {
        return None;
    }
    if a.ty() == b.ty() {
        return Some(a.cmp(b));
    }
    match (number(a), number(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => real(a)?.partial_cmp(&real(b)?),
    }
}

fn binary(op: Op, a: &Datum, b: &Datum) -> Result<Datum> {
    match op {
        Op::Same => {
            return Ok(Datum::Bool(
                a.is_null() && b.is_null() || compare(a, b) == Some(Ordering::Equal),
            ));
        }
        Op::Distinct => {
            return Ok(Datum::Bool(
                !(a.is_null() && b.is_null() || compare(a, b) == Some(Ordering::Equal)),
            ));
        }
        _ => (),
    }
    if a.is_null() || b.is_null() {
        return Ok(Datum::Null);
    }
    if op.compares() {
        let order = compare(a, b);
        return Ok(order.map_or(Datum::Null, |order| {
            Datum::Bool(match op {
                Op::Eq => order == Ordering::Equal,
                Op::Ne => order != Ordering::Equal,
                Op::Lt => order == Ordering::Less,
                Op::Le => order != Ordering::Greater,
                Op::Gt => order == Ordering::Greater,
                _ => order != Ordering::Less,
            })
        }));
    }
    if op == Op::Concat {
        return Ok(Datum::String(format!("{a}{b}")));
    }
    arithmetic(op, a, b)
}

fn arithmetic(op: Op, a: &Datum, b: &Datum) -> Result<Datum> {
    let by_zero = || SqlError::new("22012", "division by zero");
    if let (Datum::Int(x), Datum::Int(y)) = (a, b)
        && op != Op::Div
    {
        let result = match op {
            Op::Add => x.checked_add(*y),
            Op::Sub => x.checked_sub(*y),
            Op::Mul => x.checked_mul(*y),
            _ if *y == 0 => return Err(by_zero()),
            _ => x.checked_rem(*y),
        };
        return result.map(Datum::Int).ok_or_else(out_of_range);
    }
    if let (Some(x), Some(y)) = (number(a), number(b)) {
        if y.is_zero() && matches!(op, Op::Div | Op::Mod) {
            return Err(by_zero());
        }
        let result = match op {
            Op::Add => x.checked_add(y),
            Op::Sub => x.checked_sub(y),
            Op::Mul => x.checked_mul(y),
            Op::Div => x.checked_div(y).map(|n| n.normalize()),
            _ => x.checked_rem(y),
        };
        return result.map(Datum::Decimal).ok_or_else(|| {
            SqlError::new("22003", "decimal out of range: the double keeps 28 digits")
        });
    }
    let (Some(x), Some(y)) = (real(a), real(b)) else {
        return Err(SqlError::new(
            "22023",
            format!(
                "unsupported binary operator: <{}> {} <{}>",
                a.ty().name(),
                op.sign(),
                b.ty().name()
            ),
        ));
    };
    if y == 0.0 && matches!(op, Op::Div | Op::Mod) {
        return Err(by_zero());
    }
    Ok(Datum::Float(Real(match op {
        Op::Add => x + y,
        Op::Sub => x - y,
        Op::Mul => x * y,
        Op::Div => x / y,
        _ => x % y,
    })))
}

fn like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) =
        (text.chars().collect(), pattern.chars().collect());
    like_at(&text, &pattern)
}

fn like_at(text: &[char], pattern: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('%', rest)) => {
            (0..=text.len()).any(|n| like_at(text.get(n..).unwrap_or_default(), rest))
        }
        Some(('\\', rest)) if !rest.is_empty() => {
            text.first() == rest.first()
                && like_at(
                    text.get(1..).unwrap_or_default(),
                    rest.get(1..).unwrap_or_default(),
                )
        }
        Some((c, rest)) => match text.split_first() {
            Some((first, text)) => (*c == '_' || c == first) && like_at(text, rest),
            None => false,
        },
    }
}

/// An aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Agg {
    /// count(*)
    CountRows,
    /// count(x)
    Count,
    /// sum(x)
    Sum,
    /// min(x)
    Min,
    /// max(x)
    Max,
    /// avg(x)
    Avg,
    /// bool_and(x)
    And,
    /// bool_or(x)
    Or,
}

/// The result of an aggregate over values.
pub(crate) fn aggregate(agg: Agg, values: &[Datum]) -> Result<Datum> {
    if agg == Agg::CountRows {
        return Ok(Datum::count(values.len()));
    }
    let present: Vec<&Datum> = values.iter().filter(|value| !value.is_null()).collect();
    if agg == Agg::Count {
        return Ok(Datum::count(present.len()));
    }
    let Some(first) = present.first() else {
        return Ok(Datum::Null);
    };
    let sum = || -> Result<Datum> {
        // The sum of integers is a decimal, as the vendor's is.
        let zero = match first {
            Datum::Float(_) => Datum::Float(Real(0.0)),
            _ => Datum::Decimal(Decimal::ZERO),
        };
        present
            .iter()
            .try_fold(zero, |sum, value| arithmetic(Op::Add, &sum, value))
    };
    Ok(match agg {
        Agg::Sum => sum()?,
        Agg::Avg => arithmetic(Op::Div, &sum()?, &Datum::count(present.len()))?,
        Agg::Min => present
            .iter()
            .min()
            .map_or(Datum::Null, |value| (**value).clone()),
        Agg::Max => present
            .iter()
            .max()
            .map_or(Datum::Null, |value| (**value).clone()),
        Agg::And => Datum::Bool(present.iter().all(|value| **value == Datum::Bool(true))),
        _ => Datum::Bool(present.iter().any(|value| **value == Datum::Bool(true))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_and_overflow_is_an_error() {
        let decimal = |text: &str| Datum::Decimal(text.parse().unwrap());
        assert_eq!(
            binary(Op::Add, &decimal("0.1"), &decimal("0.2")).unwrap(),
            decimal("0.3")
        );
        assert_eq!(
            binary(Op::Div, &Datum::Int(1), &Datum::Int(4)).unwrap(),
            decimal("0.25")
        );
        assert_eq!(
            binary(Op::Add, &Datum::Int(i64::MAX), &Datum::Int(1))
                .unwrap_err()
                .code,
            "22003"
        );
        assert_eq!(
            binary(Op::Div, &Datum::Int(1), &Datum::Int(0))
                .unwrap_err()
                .code,
            "22012"
        );
    }

    #[test]
    fn null_is_neither_equal_nor_different() {
        assert_eq!(
            binary(Op::Eq, &Datum::Null, &Datum::Int(1)).unwrap(),
            Datum::Null
        );
        assert_eq!(
            binary(Op::Same, &Datum::Null, &Datum::Null).unwrap(),
            Datum::Bool(true)
        );
    }

    #[test]
    fn patterns_match_as_sql_says() {
        assert!(like("us-east", "us-%") && like("abc", "a_c") && !like("abc", "a_"));
    }
}
