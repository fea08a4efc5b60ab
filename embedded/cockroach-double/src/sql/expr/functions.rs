//! Functions of one row, and LIKE.

use std::cmp::Ordering;

use rust_decimal::prelude::*;

use super::operators::out_of_range;
use super::{Result, compare};
use crate::sql::value::{Datum, Real};

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

/// A new id of a row: the time and a random part.
fn unique_rowid() -> i64 {
    let micros = chrono::Utc::now().timestamp_micros() / 10;
    let random = uuid::Uuid::new_v4().as_u128() & 0x7fff;
    (micros << 15) | i64::try_from(random).unwrap_or(0)
}

pub(super) fn call(func: Func, args: Vec<Datum>) -> Result<Datum> {
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

pub(super) fn like(text: &str, pattern: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_sql_says() {
        assert!(like("us-east", "us-%") && like("abc", "a_c") && !like("abc", "a_"));
    }
}
