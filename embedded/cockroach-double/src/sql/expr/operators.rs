//! Operators of two values: comparison and arithmetic.

use std::cmp::Ordering;

use rust_decimal::Decimal;
use rust_decimal::prelude::*;

use super::Result;
use crate::error::SqlError;
use crate::sql::value::{Datum, Real};

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

pub(super) fn out_of_range() -> SqlError {
    SqlError::new("22003", "integer out of range")
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

pub(super) fn binary(op: Op, a: &Datum, b: &Datum) -> Result<Datum> {
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

pub(super) fn arithmetic(op: Op, a: &Datum, b: &Datum) -> Result<Datum> {
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
}
