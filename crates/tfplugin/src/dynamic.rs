//! Values in messages: MessagePack or JSON, by the type that both sides know.

use tonic::Status;

use crate::proto::tfplugin6 as wire;
use crate::types::Type;
use crate::value::Value;
use crate::{json, msgpack};

/// What a message holds; no value is null.
pub(crate) fn decode(value: Option<wire::DynamicValue>, kind: &Type) -> Result<Value, Status> {
    let Some(value) = value else {
        return Ok(Value::Null);
    };
    let decoded = if value.json.is_empty() {
        if value.msgpack.is_empty() {
            return Ok(Value::Null);
        }
        msgpack::decode(&value.msgpack, kind)
    } else {
        serde_json::from_slice(&value.json)
            .map_err(|error| error.to_string())
            .and_then(|found| json::decode(&found, kind))
    };
    decoded.map_err(|reason| {
        Status::invalid_argument(format!("a value does not follow the schema: {reason}"))
    })
}

/// As a message holds it.
#[allow(clippy::unnecessary_wraps, reason = "messages hold values as optional")]
pub(crate) fn encode(value: &Value, kind: &Type) -> Option<wire::DynamicValue> {
    Some(wire::DynamicValue {
        msgpack: msgpack::encode(value, kind),
        json: Vec::new(),
    })
}
