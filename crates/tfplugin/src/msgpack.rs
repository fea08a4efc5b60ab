//! Values as MessagePack, the form of the wire: unknown is extension 0 (12 where it is refined), null is
//! nil, numbers are integers, floats or decimal text, objects are maps with all attributes, a dynamic
//! value is a pair of its type's JSON and itself.

use std::collections::BTreeMap;
use std::io::Cursor;

use rmp::Marker;
use rmp::decode::{self as read, RmpRead as _};
use rmp::encode as write;

use crate::types::Type;
use crate::value::{Number, Value};

/// Encodes a value of this type. Missing attributes become null.
pub(crate) fn encode(value: &Value, kind: &Type) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, value, kind);
    bytes
}

fn length(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Writing into memory does not fail, so results of single writes are dropped.
#[allow(
    clippy::match_same_arms,
    reason = "null is one thing, a misfit another"
)]
fn put(bytes: &mut Vec<u8>, value: &Value, kind: &Type) {
    match (value, kind) {
        (Value::Null, _) => drop(write::write_nil(bytes)),
        (Value::Unknown, _) => bytes.extend([0xd4, 0x00, 0x00]),
        (Value::Dynamic(inner), Type::Dynamic) => {
            drop(write::write_array_len(bytes, 2));
            drop(write::write_bin(bytes, &inner.0.to_bytes()));
            put(bytes, &inner.1, &inner.0);
        }
        (Value::Bool(value), _) => drop(write::write_bool(bytes, *value)),
        (Value::Number(number), _) => put_number(bytes, number),
        (Value::String(text), _) => drop(write::write_str(bytes, text)),
        (Value::List(elements), Type::List(kind) | Type::Set(kind)) => {
            drop(write::write_array_len(bytes, length(elements.len())));
            for element in elements {
                put(bytes, element, kind);
            }
        }
        (Value::List(elements), Type::Tuple(kinds)) => {
            drop(write::write_array_len(bytes, length(kinds.len())));
            for (position, kind) in kinds.iter().enumerate() {
                put(bytes, elements.get(position).unwrap_or(&Value::Null), kind);
            }
        }
        (Value::Map(elements), Type::Map(kind)) => {
            drop(write::write_map_len(bytes, length(elements.len())));
            for (key, element) in elements {
                drop(write::write_str(bytes, key));
                put(bytes, element, kind);
            }
        }
        (Value::Map(attributes), Type::Object(kinds)) => {
            drop(write::write_map_len(bytes, length(kinds.len())));
            for (name, kind) in kinds {
                drop(write::write_str(bytes, name));
                put(bytes, attributes.get(name).unwrap_or(&Value::Null), kind);
            }
        }
        // A value that does not fit its type: Terraform will say so.
        (Value::List(_) | Value::Map(_) | Value::Dynamic(_), _) => drop(write::write_nil(bytes)),
    }
}

fn put_number(bytes: &mut Vec<u8>, number: &Number) {
    let text = number.to_string();
    if let Ok(integer) = text.parse::<i64>() {
        drop(write::write_sint(bytes, integer));
    } else if let Ok(integer) = text.parse::<u64>() {
        drop(write::write_uint(bytes, integer));
    } else if let Some(float) = number
        .as_f64()
        .filter(|float| Number::from_f64(*float).is_some_and(|back| back.to_string() == text))
    {
        drop(write::write_f64(bytes, float));
    } else {
        drop(write::write_str(bytes, &text));
    }
}

/// Decodes a value of this type.
pub(crate) fn decode(bytes: &[u8], kind: &Type) -> Result<Value, String> {
    let mut cursor = Cursor::new(bytes);
    let value = get(&mut cursor, kind, 0)?;
    if usize::try_from(cursor.position()) == Ok(bytes.len()) {
        Ok(value)
    } else {
        Err("there is more after the value".to_owned())
    }
}

type Input<'a> = Cursor<&'a [u8]>;

/// Nobody nests deeper than this; a hostile message must not exhaust the stack.
const DEEPEST: usize = 128;

fn peek(input: &Input<'_>) -> Result<Marker, String> {
    let position = usize::try_from(input.position()).unwrap_or(usize::MAX);
    let byte = input
        .get_ref()
        .get(position)
        .ok_or("the value ends early")?;
    Ok(Marker::from_u8(*byte))
}

fn get(input: &mut Input<'_>, kind: &Type, depth: usize) -> Result<Value, String> {
    if depth > DEEPEST {
        return Err("the value is nested too deeply".to_owned());
    }
    match peek(input)? {
        Marker::Null => {
            read::read_nil(input).map_err(text)?;
            return Ok(Value::Null);
        }
        Marker::FixExt1
        | Marker::FixExt2
        | Marker::FixExt4
        | Marker::FixExt8
        | Marker::FixExt16
        | Marker::Ext8
        | Marker::Ext16
        | Marker::Ext32 => {
            let meta = read::read_ext_meta(input).map_err(text)?;
            skip(input, meta.size)?;
            return if matches!(meta.typeid, 0 | 12) {
                Ok(Value::Unknown)
            } else {
                Err(format!("extension {} is not known", meta.typeid))
            };
        }
        _ => {}
    }
    match kind {
        Type::Bool => read::read_bool(input).map(Value::Bool).map_err(text),
        Type::String => string(input).map(Value::String),
        Type::Number => number(input).map(Value::Number),
        Type::Dynamic => {
            if read::read_array_len(input).map_err(text)? != 2 {
                return Err("a dynamic value is a pair".to_owned());
            }
            let bytes = binary(input)?;
            let json = serde_json::from_slice(&bytes).map_err(text)?;
            let kind = Type::from_json(&json).ok_or("a dynamic value has no valid type")?;
            let value = get(input, &kind, depth + 1)?;
            Ok(Value::Dynamic(Box::new((kind, value))))
        }
        Type::List(kind) | Type::Set(kind) => {
            let count = read::read_array_len(input).map_err(text)?;
            (0..count)
                .map(|_| get(input, kind, depth + 1))
                .collect::<Result<_, _>>()
                .map(Value::List)
        }
        Type::Tuple(kinds) => {
            if read::read_array_len(input).map_err(text)? != length(kinds.len()) {
                return Err("a tuple has another length".to_owned());
            }
            kinds
                .iter()
                .map(|kind| get(input, kind, depth + 1))
                .collect::<Result<_, _>>()
                .map(Value::List)
        }
        Type::Map(kind) => {
            let count = read::read_map_len(input).map_err(text)?;
            let entries = (0..count).map(|_| Ok((string(input)?, get(input, kind, depth + 1)?)));
            entries
                .collect::<Result<BTreeMap<_, _>, String>>()
                .map(Value::Map)
        }
        Type::Object(kinds) => {
            let count = read::read_map_len(input).map_err(text)?;
            let mut all: BTreeMap<String, Value> = kinds
                .keys()
                .map(|name| (name.clone(), Value::Null))
                .collect();
            for _ in 0..count {
                let name = string(input)?;
                let kind = kinds
                    .get(&name)
                    .ok_or(format!("there is no attribute {name:?}"))?;
                all.insert(name, get(input, kind, depth + 1)?);
            }
            Ok(Value::Map(all))
        }
    }
}

fn number(input: &mut Input<'_>) -> Result<Number, String> {
    match peek(input)? {
        Marker::F32 => finite(read::read_f32(input).map_err(text)?.into()),
        Marker::F64 => finite(read::read_f64(input).map_err(text)?),
        Marker::U64 => read::read_u64(input).map(Number::from).map_err(text),
        Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
            let digits = string(input)?;
            Number::from_text(&digits).ok_or("a text is not a number".to_owned())
        }
        _ => read::read_int::<i64, _>(input)
            .map(Number::from)
            .map_err(text),
    }
}

fn finite(float: f64) -> Result<Number, String> {
    Number::from_f64(float).ok_or("a number is infinite or none".to_owned())
}

fn string(input: &mut Input<'_>) -> Result<String, String> {
    let size = read::read_str_len(input).map_err(text)?;
    String::from_utf8(take(input, size)?).map_err(text)
}

fn binary(input: &mut Input<'_>) -> Result<Vec<u8>, String> {
    let size = match peek(input)? {
        Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => read::read_bin_len(input).map_err(text)?,
        _ => read::read_str_len(input).map_err(text)?,
    };
    take(input, size)
}

fn take(input: &mut Input<'_>, size: u32) -> Result<Vec<u8>, String> {
    let left = input.get_ref().len() as u64 - input.position();
    if u64::from(size) > left {
        return Err("the value ends early".to_owned());
    }
    let mut bytes = vec![0; size as usize];
    input.read_exact_buf(&mut bytes).map_err(text)?;
    Ok(bytes)
}

fn skip(input: &mut Input<'_>, size: u32) -> Result<(), String> {
    take(input, size).map(drop)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arbitrary::typed;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_encoded_reads_back((kind, value) in typed(3)) {
            prop_assert_eq!(decode(&encode(&value, &kind), &kind), Ok(value));
        }

        #[test]
        fn no_bytes_cause_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), (kind, _) in typed(2)) {
            let _ = decode(&bytes, &kind);
        }

        #[test]
        fn types_read_back_from_their_json((kind, _) in typed(3)) {
            prop_assert_eq!(Type::from_json(&kind.to_json()), Some(kind));
        }
    }

    #[test]
    fn a_refined_unknown_is_unknown() {
        let bytes = [0xc7, 0x03, 0x0c, 0x81, 0x01, 0xc2];
        assert_eq!(decode(&bytes, &Type::String), Ok(Value::Unknown));
    }

    #[test]
    fn what_is_no_finite_number_is_refused() {
        for float in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            let mut bytes = vec![0xcb];
            bytes.extend(float.to_be_bytes());
            assert!(decode(&bytes, &Type::Number).is_err(), "{float}");
        }
    }

    #[test]
    fn a_missing_attribute_is_null() {
        let kind = Type::object([("a", Type::String)]);
        assert_eq!(
            decode(&[0x80], &kind),
            Ok(Value::object([("a", Value::Null)]))
        );
    }
}
