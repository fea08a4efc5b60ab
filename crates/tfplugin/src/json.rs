//! Values as JSON, the form of the state file.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::types::Type;
use crate::value::{Number, Value};

/// Reads a value of this type.
pub(crate) fn decode(json: &Json, kind: &Type) -> Result<Value, String> {
    if json.is_null() {
        return Ok(Value::Null);
    }
    let wrong = || format!("{json} is not of type {}", kind.to_json());
    match kind {
        Type::Bool => json.as_bool().map(Value::Bool).ok_or_else(wrong),
        Type::Number => {
            let text = json
                .as_str()
                .map_or_else(|| json.to_string(), str::to_owned);
            Number::from_text(&text)
                .map(Value::Number)
                .ok_or_else(wrong)
        }
        Type::String => json.as_str().map(Value::string).ok_or_else(wrong),
        Type::Dynamic => {
            let inner = json
                .get("type")
                .and_then(Type::from_json)
                .ok_or_else(wrong)?;
            let value = decode(json.get("value").ok_or_else(wrong)?, &inner)?;
            Ok(Value::Dynamic(Box::new((inner, value))))
        }
        Type::List(element) | Type::Set(element) => {
            let all = json.as_array().ok_or_else(wrong)?.iter();
            all.map(|item| decode(item, element))
                .collect::<Result<_, _>>()
                .map(Value::List)
        }
        Type::Tuple(kinds) => {
            let all = json
                .as_array()
                .filter(|all| all.len() == kinds.len())
                .ok_or_else(wrong)?;
            let all = all.iter().zip(kinds).map(|(item, kind)| decode(item, kind));
            all.collect::<Result<_, _>>().map(Value::List)
        }
        Type::Map(element) => {
            let all = json.as_object().ok_or_else(wrong)?.iter();
            let all = all.map(|(key, item)| Ok((key.clone(), decode(item, element)?)));
            all.collect::<Result<BTreeMap<_, _>, String>>()
                .map(Value::Map)
        }
        Type::Object(kinds) => {
            let found = json.as_object().ok_or_else(wrong)?;
            // Attributes that the schema no longer has are dropped, new ones are null.
            let all = kinds.iter().map(|(name, kind)| {
                Ok((
                    name.clone(),
                    decode(found.get(name).unwrap_or(&Json::Null), kind)?,
                ))
            });
            all.collect::<Result<BTreeMap<_, _>, String>>()
                .map(Value::Map)
        }
    }
}
