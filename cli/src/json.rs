//! A view for programs.

use serde_json::{Value, json};

use crate::status::View;

/// The version of the shape: raised when something is taken out of it or means something else.
const VERSION: u32 = 1;

/// The whole object.
pub(crate) fn render(view: &View) -> Value {
    let mut object = json!({
        "version": VERSION,
        "exit_code": view.exit_code(),
        "world": view.health.is_some(),
    });
    if let (Some(object), Ok(Value::Object(parts))) =
        (object.as_object_mut(), serde_json::to_value(view))
    {
        object.extend(parts);
    }
    object
}

/// What is told where nothing could be asked.
pub(crate) fn failed(reason: &str) -> Value {
    json!({"version": VERSION, "exit_code": 2, "world": null, "health": null, "error": reason})
}
