//! Values and their types.

use std::cmp::Ordering;
use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::SqlError;

/// The types of the subset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Ty {
    /// Not known: NULL, or a placeholder without context.
    Unknown,
    /// BOOL.
    Bool,
    /// INT8.
    Int,
    /// DECIMAL.
    Decimal,
    /// FLOAT8.
    Float,
    /// STRING.
    String,
    /// UUID.
    Uuid,
    /// TIMESTAMPTZ.
    Timestamptz,
    /// JSONB, kept as text.
    Json,
    /// STRING[], in outputs only.
    Strings,
}

impl Ty {
    /// The name as the vendor writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Decimal => "decimal",
            Self::Float => "float",
            Self::String => "string",
            Self::Uuid => "uuid",
            Self::Timestamptz => "timestamptz",
            Self::Json => "jsonb",
            Self::Strings => "string[]",
        }
    }

    /// The name in definitions of tables.
    pub(crate) fn sql(self) -> String {
        match self {
            Self::Int => "INT8".to_owned(),
            Self::Float => "FLOAT8".to_owned(),
            other => other.name().to_uppercase(),
        }
    }
}

/// A float with a total order.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Real(pub(crate) f64);

impl PartialEq for Real {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Real {}
impl PartialOrd for Real {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Real {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Datum {
    /// NULL; first in orders, as the vendor sorts it.
    #[serde(rename = "n")]
    Null,
    /// BOOL.
    #[serde(rename = "b")]
    Bool(bool),
    /// INT8.
    #[serde(rename = "i")]
    Int(i64),
    /// DECIMAL.
    #[serde(rename = "d")]
    Decimal(#[serde(with = "rust_decimal::serde::str")] Decimal),
    /// FLOAT8.
    #[serde(rename = "f")]
    Float(Real),
    /// STRING.
    #[serde(rename = "s")]
    String(String),
    /// UUID.
    #[serde(rename = "u")]
    Uuid(Uuid),
    /// TIMESTAMPTZ in microseconds since 1970.
    #[serde(rename = "t")]
    Timestamp(i64),
    /// JSONB as normalised text.
    #[serde(rename = "j")]
    Json(String),
    /// STRING[].
    #[serde(rename = "a")]
    Strings(Vec<String>),
}

impl Datum {
    /// A string.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::String(text.into())
    }

    /// A string, or NULL.
    pub(crate) fn maybe(text: Option<impl Into<String>>) -> Self {
        text.map_or(Self::Null, |text| Self::String(text.into()))
    }

    /// A count.
    pub(crate) fn count(n: usize) -> Self {
        Self::Int(i64::try_from(n).unwrap_or(i64::MAX))
    }

    /// The type.
    pub(crate) fn ty(&self) -> Ty {
        match self {
            Self::Null => Ty::Unknown,
            Self::Bool(_) => Ty::Bool,
            Self::Int(_) => Ty::Int,
            Self::Decimal(_) => Ty::Decimal,
            Self::Float(_) => Ty::Float,
            Self::String(_) => Ty::String,
            Self::Uuid(_) => Ty::Uuid,
            Self::Timestamp(_) => Ty::Timestamptz,
            Self::Json(_) => Ty::Json,
            Self::Strings(_) => Ty::Strings,
        }
    }

    /// Whether it is NULL.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The value in another type, as a cast makes it.
    pub(crate) fn cast(self, to: Ty) -> Result<Self, SqlError> {
        let from = self.ty();
        if from == to || from == Ty::Unknown || to == Ty::Unknown {
            return Ok(self);
        }
        let invalid = |text: &str| {
            SqlError::new(
                "22P02",
                format!("could not parse {text:?} as type {}", to.name()),
            )
        };
        let impossible = || {
            SqlError::new(
                "42846",
                format!("invalid cast: {} -> {}", from.name(), to.name()),
            )
        };
        Ok(match (self, to) {
            (Self::String(text), Ty::Strings) => {
                return Err(SqlError::unsupported(format!("an array from {text:?}")));
            }
            (Self::String(text), _) => Self::parse(&text, to).ok_or_else(|| invalid(&text))?,
            (value, Ty::String) => Self::String(value.to_string()),
            (Self::Int(n), Ty::Decimal) => Self::Decimal(n.into()),
            #[expect(clippy::cast_precision_loss, reason = "as SQL's cast does")]
            (Self::Int(n), Ty::Float) => Self::Float(Real(n as f64)),
            (Self::Int(n), Ty::Bool) => Self::Bool(n != 0),
            (Self::Bool(b), Ty::Int) => Self::Int(b.into()),
            (Self::Decimal(n), Ty::Int) => {
                let n: Result<i64, _> = n.round().try_into();
                Self::Int(n.map_err(|_| SqlError::new("22003", "integer out of range"))?)
            }
            (Self::Decimal(n), Ty::Float) => {
                Self::Float(Real(n.to_string().parse().map_err(|_| impossible())?))
            }
            (Self::Float(n), Ty::Decimal) => {
                Self::Decimal(n.0.to_string().parse().map_err(|_| impossible())?)
            }
            #[expect(clippy::cast_possible_truncation, reason = "checked against the range")]
            (Self::Float(n), Ty::Int) if n.0.abs() < 9.2e18 => Self::Int(n.0.round() as i64),
            (Self::Float(_), Ty::Int) => {
                return Err(SqlError::new("22003", "integer out of range"));
            }
            _ => return Err(impossible()),
        })
    }

    /// Reads a value of a type from text.
    pub(crate) fn parse(text: &str, ty: Ty) -> Option<Self> {
        let trimmed = text.trim();
        Some(match ty {
            Ty::Unknown | Ty::String => Self::String(text.to_owned()),
            Ty::Bool => match trimmed.to_ascii_lowercase().as_str() {
                "t" | "true" | "yes" | "on" | "1" => Self::Bool(true),
                "f" | "false" | "no" | "off" | "0" => Self::Bool(false),
                _ => return None,
            },
            Ty::Int => Self::Int(trimmed.parse().ok()?),
            Ty::Decimal => Self::Decimal(
                trimmed
                    .parse()
                    .or_else(|_| Decimal::from_scientific(trimmed))
                    .ok()?,
            ),
            Ty::Float => Self::Float(Real(trimmed.parse().ok()?)),
            Ty::Uuid => Self::Uuid(trimmed.parse().ok()?),
            Ty::Timestamptz => Self::Timestamp(parse_timestamp(trimmed)?),
            Ty::Json => {
                let value: serde_json::Value = serde_json::from_str(text).ok()?;
                Self::Json(value.to_string())
            }
            Ty::Strings => return None,
        })
    }

    /// The value as a literal in a key that is told to a user.
    pub(crate) fn literal(&self) -> String {
        match self {
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Decimal(_) | Self::Float(_) => {
                self.to_string()
            }
            _ => format!("'{}'", self.to_string().replace('\'', "''")),
        }
    }
}

fn parse_timestamp(text: &str) -> Option<i64> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.timestamp_micros());
    }
    for format in ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"] {
        if let Ok(at) = DateTime::parse_from_str(text, format) {
            return Some(at.timestamp_micros());
        }
    }
    for format in ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"] {
        if let Ok(at) = NaiveDateTime::parse_from_str(text, format) {
            return Some(at.and_utc().timestamp_micros());
        }
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros())
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Int(n) => write!(f, "{n}"),
            Self::Decimal(n) => write!(f, "{n}"),
            Self::Float(n) => write!(f, "{}", n.0),
            Self::String(text) | Self::Json(text) => f.write_str(text),
            Self::Uuid(id) => write!(f, "{id}"),
            Self::Timestamp(micros) => {
                let at = DateTime::<Utc>::from_timestamp_micros(*micros).unwrap_or_default();
                write!(f, "{}", at.format("%Y-%m-%d %H:%M:%S%.6f+00"))
            }
            Self::Strings(items) => {
                let quoted = |item: &String| {
                    let misread = |c: char| c.is_whitespace() || "{},\"\\".contains(c);
                    if item.is_empty()
                        || item.eq_ignore_ascii_case("null")
                        || item.contains(misread)
                    {
                        format!("\"{}\"", item.replace('\\', "\\\\").replace('"', "\\\""))
                    } else {
                        item.clone()
                    }
                };
                write!(
                    f,
                    "{{{}}}",
                    items.iter().map(quoted).collect::<Vec<_>>().join(",")
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_of_an_array_are_quoted_where_they_could_be_misread() {
        let items = ["us-east", "region=us", "a,b", "say \"hi\"", "", "null"];
        let array = Datum::Strings(items.iter().map(|item| (*item).to_owned()).collect());
        assert_eq!(
            array.to_string(),
            r#"{us-east,region=us,"a,b","say \"hi\"","","null"}"#
        );
    }
}
