//! Aggregates.

use rust_decimal::Decimal;

use super::operators::arithmetic;
use super::{Op, Result};
use crate::sql::value::{Datum, Real};

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
