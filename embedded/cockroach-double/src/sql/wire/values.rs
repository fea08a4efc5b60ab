//! Values and types as the protocol has them, as text and in binary.

use std::fmt::Write as _;

use bytes::{BufMut as _, Bytes, BytesMut};
use pgwire::api::Type;
use pgwire::error::PgWireResult;
use pgwire::messages::data::DataRow;
use rust_decimal::Decimal;

use crate::error::SqlError;
use crate::sql::value::{Datum, Real, Ty};

pub(super) fn pg_type(ty: Ty) -> Type {
    match ty {
        Ty::Bool => Type::BOOL,
        Ty::Int => Type::INT8,
        Ty::Decimal => Type::NUMERIC,
        Ty::Float => Type::FLOAT8,
        Ty::String | Ty::Unknown => Type::TEXT,
        Ty::Uuid => Type::UUID,
        Ty::Timestamptz => Type::TIMESTAMPTZ,
        Ty::Json => Type::JSONB,
        Ty::Strings => Type::TEXT_ARRAY,
    }
}

pub(super) fn ty_of(ty: &Type) -> Result<Ty, SqlError> {
    Ok(match *ty {
        Type::BOOL => Ty::Bool,
        Type::INT8 => Ty::Int,
        Type::NUMERIC => Ty::Decimal,
        Type::FLOAT8 => Ty::Float,
        Type::TEXT | Type::VARCHAR | Type::NAME | Type::BPCHAR => Ty::String,
        Type::UUID => Ty::Uuid,
        Type::TIMESTAMPTZ => Ty::Timestamptz,
        Type::JSON | Type::JSONB => Ty::Json,
        Type::UNKNOWN => Ty::Unknown,
        _ => {
            return Err(SqlError::unsupported(format!(
                "placeholders of type {}",
                ty.name()
            )));
        }
    })
}

/// Microseconds from 1970 to 2000, from when the protocol counts.
const EPOCH: i64 = 946_684_800_000_000;

#[expect(
    clippy::unnecessary_wraps,
    reason = "an item of the stream that the library takes"
)]
pub(super) fn encode_row(row: &[Datum], types: &[Ty], binary: &[bool]) -> PgWireResult<DataRow> {
    let mut data = BytesMut::new();
    for (n, value) in row.iter().enumerate() {
        if value.is_null() {
            data.put_i32(-1);
            continue;
        }
        let mut cell = BytesMut::new();
        if binary.get(n).copied().unwrap_or(false) {
            let ty = types.get(n).copied().unwrap_or(Ty::Unknown);
            let value = value.clone().cast(ty).unwrap_or_else(|_| value.clone());
            encode(&value, &mut cell);
        } else {
            match value {
                Datum::Bool(b) => cell.put_slice(if *b { b"t" } else { b"f" }),
                other => cell.put_slice(other.to_string().as_bytes()),
            }
        }
        data.put_i32(i32::try_from(cell.len()).unwrap_or(i32::MAX));
        data.extend_from_slice(&cell);
    }
    Ok(DataRow::new(
        data,
        i16::try_from(row.len()).unwrap_or(i16::MAX),
    ))
}

fn encode(value: &Datum, out: &mut BytesMut) {
    match value {
        Datum::Null => (),
        Datum::Bool(b) => out.put_u8(u8::from(*b)),
        Datum::Int(n) => out.put_i64(*n),
        Datum::Float(n) => out.put_f64(n.0),
        Datum::Decimal(n) => encode_numeric(n, out),
        Datum::String(text) => out.put_slice(text.as_bytes()),
        Datum::Uuid(id) => out.put_slice(id.as_bytes()),
        Datum::Timestamp(micros) => out.put_i64(micros - EPOCH),
        Datum::Json(text) => {
            out.put_u8(1);
            out.put_slice(text.as_bytes());
        }
        Datum::Strings(items) => {
            let length = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
            out.put_i32(i32::from(!items.is_empty()));
            out.put_i32(0);
            out.put_u32(Type::TEXT.oid());
            if !items.is_empty() {
                out.put_i32(length(items.len()));
                out.put_i32(1);
            }
            for item in items {
                out.put_i32(length(item.len()));
                out.put_slice(item.as_bytes());
            }
        }
    }
}

/// Groups of four decimal digits, as the protocol has numbers.
fn encode_numeric(number: &Decimal, out: &mut BytesMut) {
    let text = number.abs().to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let whole = if whole == "0" { "" } else { whole };
    let mut digits = "0".repeat((4 - whole.len() % 4) % 4) + whole;
    let weight = i16::try_from(digits.len() / 4).unwrap_or(0) - 1;
    digits.push_str(fraction);
    digits.push_str(&"0".repeat((4 - digits.len() % 4) % 4));
    let mut groups: Vec<i16> = digits
        .as_bytes()
        .chunks(4)
        .map(|g| g.iter().fold(0, |sum, c| sum * 10 + i16::from(c - b'0')))
        .collect();
    let mut weight = weight;
    while groups.first() == Some(&0) {
        groups.remove(0);
        weight -= 1;
    }
    while groups.last() == Some(&0) {
        groups.pop();
    }
    out.put_i16(i16::try_from(groups.len()).unwrap_or(0));
    out.put_i16(if groups.is_empty() { 0 } else { weight });
    out.put_u16(if number.is_sign_negative() && !number.is_zero() {
        0x4000
    } else {
        0
    });
    out.put_u16(u16::try_from(number.scale()).unwrap_or(0));
    for group in groups {
        out.put_i16(group);
    }
}

pub(super) fn decode(bytes: &Bytes, ty: Ty, binary: bool) -> Result<Datum, SqlError> {
    let wrong = || {
        SqlError::new(
            "22P03",
            format!("could not read a value of type {}", ty.name()),
        )
    };
    let text = || {
        std::str::from_utf8(bytes).map_err(|_| SqlError::new("22021", "invalid UTF-8 in a value"))
    };
    if !binary {
        let text = text()?;
        return Datum::parse(text, ty).ok_or_else(|| {
            SqlError::new(
                "22P02",
                format!("could not parse {text:?} as type {}", ty.name()),
            )
        });
    }
    let long = || <[u8; 8]>::try_from(bytes.as_ref()).map_err(|_| wrong());
    Ok(match ty {
        Ty::Bool => Datum::Bool(bytes.first().ok_or_else(wrong)? != &0),
        Ty::Int => match bytes.len() {
            2 => Datum::Int(
                i16::from_be_bytes(bytes.as_ref().try_into().map_err(|_| wrong())?).into(),
            ),
            4 => Datum::Int(
                i32::from_be_bytes(bytes.as_ref().try_into().map_err(|_| wrong())?).into(),
            ),
            _ => Datum::Int(i64::from_be_bytes(long()?)),
        },
        Ty::Float => Datum::Float(Real(f64::from_be_bytes(long()?))),
        Ty::Timestamptz => Datum::Timestamp(
            i64::from_be_bytes(long()?)
                .checked_add(EPOCH)
                .ok_or_else(wrong)?,
        ),
        Ty::Uuid => Datum::Uuid(uuid::Uuid::from_slice(bytes).map_err(|_| wrong())?),
        Ty::Decimal => decode_numeric(bytes).ok_or_else(wrong)?,
        Ty::Json => {
            let rest = bytes
                .get(1..)
                .filter(|_| bytes.first() == Some(&1))
                .unwrap_or(bytes);
            let text = std::str::from_utf8(rest).map_err(|_| wrong())?;
            Datum::parse(text, Ty::Json).ok_or_else(wrong)?
        }
        Ty::String | Ty::Unknown => Datum::text(text()?),
        Ty::Strings => return Err(SqlError::unsupported("arrays as values")),
    })
}

fn decode_numeric(bytes: &[u8]) -> Option<Datum> {
    let word = |n: usize| -> Option<i16> {
        Some(i16::from_be_bytes(
            bytes.get(n * 2..n * 2 + 2)?.try_into().ok()?,
        ))
    };
    let (count, weight, sign, scale) = (word(0)?, word(1)?, word(2)?, word(3)?);
    if sign != 0 && sign != 0x4000 {
        return None; // NaN and infinities
    }
    let mut text = if sign == 0 {
        String::new()
    } else {
        "-".to_owned()
    };
    let group = |position: i16| -> Option<i16> {
        let n = weight - position;
        if n < 0 || n >= count {
            Some(0)
        } else {
            word(4 + usize::try_from(n).ok()?)
        }
    };
    for position in (0..=weight.max(0)).rev() {
        let _ = write!(text, "{:04}", group(position)?);
    }
    if scale > 0 {
        let mut fraction = String::new();
        for position in 1..=(scale + 3) / 4 {
            let _ = write!(fraction, "{:04}", group(-position)?);
        }
        text.push('.');
        text.push_str(fraction.get(..usize::try_from(scale).ok()?)?);
    }
    text.parse().ok().map(Datum::Decimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_the_wire() {
        for text in [
            "0",
            "1",
            "-1",
            "12345.6789",
            "0.0001",
            "100000000",
            "-0.5",
            "99999.00",
            "123456789012345678.12",
        ] {
            let number: Decimal = text.parse().unwrap();
            let mut out = BytesMut::new();
            encode_numeric(&number, &mut out);
            assert_eq!(decode_numeric(&out), Some(Datum::Decimal(number)), "{text}");
        }
    }
}
