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
    // Without the value, which may be a secret.
    let wrong = || format!("a value is not of type {}", kind.to_json());
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

/// As Terraform writes it into the state file, where nothing is unknown.
#[cfg(test)]
pub(crate) fn encode(value: &Value) -> Json {
    match value {
        Value::Null | Value::Unknown => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Number(number) => serde_json::from_str(&number.to_string()).unwrap_or(Json::Null),
        Value::String(text) => Json::String(text.clone()),
        Value::List(all) => Json::Array(all.iter().map(encode).collect()),
        Value::Map(all) => {
            let pairs = all.iter().map(|(key, value)| (key.clone(), encode(value)));
            Json::Object(pairs.collect())
        }
        Value::Dynamic(inner) => {
            serde_json::json!({"type": inner.0.to_json(), "value": encode(&inner.1)})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arbitrary::typed;
    use proptest::prelude::*;

    #[test]
    fn a_refusal_does_not_tell_the_value() {
        let secret = serde_json::json!({"token": ["hunter2"]});
        let kind = Type::object([("token", Type::String)]);
        let text = decode(&secret, &kind).unwrap_err();
        assert!(
            text.contains("string") && !text.contains("hunter2"),
            "{text}"
        );
    }

    proptest! {
        #[test]
        fn what_the_state_file_holds_reads_back((kind, value) in typed(3)) {
            prop_assume!(value.is_known());
            // Through text, as it lies in the file.
            let text = encode(&value).to_string();
            let json: Json = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(decode(&json, &kind), Ok(value));
        }
    }
}
