//! Values made into the types that options have, or refused, as Ansible's `check_type_*` do.

use serde_json::{Map, Value};

use crate::python;
use crate::spec::Kind;

const TRUE: [&str; 6] = ["y", "yes", "on", "1", "true", "t"];
const FALSE: [&str; 6] = ["n", "no", "off", "0", "false", "f"];

/// `value` as a `kind`.
///
/// # Errors
/// The reason, in Ansible's words.
pub(crate) fn coerce(kind: Kind, value: &Value) -> Result<Value, String> {
    match kind {
        Kind::Str => Ok(Value::String(text(value))),
        Kind::Path => Ok(Value::String(expand_user(&expand_variables(&text(value))))),
        Kind::Raw => Ok(value.clone()),
        Kind::Bool => boolean(value),
        Kind::Int => integer(value),
        Kind::Float => float(value),
        Kind::List => list(value),
        Kind::Dict => dict(value),
    }
}

fn class(value: &Value) -> String {
    format!("<class '{}'>", python::type_name(value))
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        other => python::str(other),
    }
}

fn boolean(value: &Value) -> Result<Value, String> {
    let word = match value {
        Value::Bool(_) => return Ok(value.clone()),
        Value::String(text) => text.to_lowercase().trim().to_owned(),
        Value::Number(number) => match number.as_f64() {
            Some(1.0) => "1".to_owned(),
            Some(0.0) => "0".to_owned(),
            _ => String::new(),
        },
        other => return Err(format!("{} cannot be converted to a bool", class(other))),
    };
    if TRUE.contains(&word.as_str()) {
        return Ok(Value::Bool(true));
    }
    if FALSE.contains(&word.as_str()) {
        return Ok(Value::Bool(false));
    }
    let valid: Vec<String> = TRUE
        .iter()
        .chain(&FALSE)
        .map(|word| format!("'{word}'"))
        .collect();
    Err(format!(
        "The value '{}' is not a valid boolean. Valid booleans include: {}, 1, 0",
        python::str(value),
        valid.join(", ")
    ))
}

fn integer(value: &Value) -> Result<Value, String> {
    let refused = || format!("\"{}\" cannot be converted to an int", python::repr(value));
    match value {
        // For Python a boolean is an int.
        Value::Bool(_) => Ok(value.clone()),
        Value::Number(number) if !number.is_f64() => Ok(value.clone()),
        Value::Number(number) => number
            .as_f64()
            .and_then(whole)
            .map(Value::from)
            .ok_or_else(refused),
        Value::String(text) => {
            let digits = text.trim().replace('_', "");
            digits
                .parse::<i64>()
                .ok()
                .or_else(|| decimal(&digits).and_then(whole))
                .map(Value::from)
                .ok_or_else(refused)
        }
        _ => Err(refused()),
    }
}

/// Digits, a point, an exponent; not the words that Rust's parser also takes.
fn decimal(text: &str) -> Option<f64> {
    let numeric = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    if text.is_empty() || !text.chars().all(numeric) {
        return None;
    }
    text.parse().ok()
}

fn whole(float: f64) -> Option<i64> {
    // Beyond 2^53 a float does not say which whole number it was.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked on the line itself"
    )]
    (float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0).then_some(float as i64)
}

fn float(value: &Value) -> Result<Value, String> {
    let refused = || format!("{} cannot be converted to a float", class(value));
    match value {
        Value::Number(number) => number.as_f64().map(Value::from).ok_or_else(refused),
        Value::Bool(flag) => Ok(Value::from(f64::from(u8::from(*flag)))),
        Value::String(text) => decimal(&text.trim().replace('_', ""))
            .map(Value::from)
            .ok_or_else(refused),
        _ => Err(refused()),
    }
}

fn list(value: &Value) -> Result<Value, String> {
    match value {
        Value::Array(_) => Ok(value.clone()),
        Value::String(text) => Ok(text.split(',').map(Value::from).collect()),
        Value::Number(_) | Value::Bool(_) => Ok(Value::Array(vec![python::str(value).into()])),
        other => Err(format!("{} cannot be converted to a list", class(other))),
    }
}

/// `value` as a mapping.
pub(crate) fn dict(value: &Value) -> Result<Value, String> {
    match value {
        Value::Object(_) => Ok(value.clone()),
        Value::String(text) if text.starts_with('{') => {
            serde_json::from_str::<Map<String, Value>>(text)
                .map(Value::Object)
                .map_err(|_| "unable to evaluate string as dictionary".to_owned())
        }
        Value::String(text) if text.contains('=') => pairs(text),
        Value::String(_) => {
            Err("dictionary requested, could not parse JSON or key=value".to_owned())
        }
        other => Err(format!("{} cannot be converted to a dict", class(other))),
    }
}

/// `k1=v1, k2="v 2"`.
fn pairs(text: &str) -> Result<Value, String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut quote = None;
    let mut escaped = false;
    for c in text.trim().chars() {
        if escaped {
            field.push(c);
            escaped = false;
            continue;
        }
        match c {
            '\\' => escaped = true,
            '\'' | '"' if quote.is_none() => quote = Some(c),
            c if quote == Some(c) => quote = None,
            ',' | ' ' if quote.is_none() => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    let fields = fields.iter().filter(|field| !field.is_empty());
    fields
        .map(|field| {
            let (key, value) = field.split_once('=')?;
            Some((key.to_owned(), Value::from(value)))
        })
        .collect::<Option<Map<String, Value>>>()
        .map(Value::Object)
        .ok_or_else(|| {
            "unable to evaluate string in the \"key=value\" format as dictionary".to_owned()
        })
}

/// `$NAME` and `${NAME}`; what is not set stays as it is written.
fn expand_variables(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(position) = rest.find('$') {
        out.push_str(&rest[..position]);
        let after = &rest[position + 1..];
        let (name, length) = if let Some(inner) = after.strip_prefix('{') {
            inner
                .find('}')
                .map_or(("", 0), |end| (&inner[..end], end + 2))
        } else {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let end = after.find(|c| !word(c)).unwrap_or(after.len());
            (&after[..end], end)
        };
        match std::env::var(name).ok().filter(|_| !name.is_empty()) {
            Some(value) => out.push_str(&value),
            None => out.push_str(&rest[position..=position + length]),
        }
        rest = &after[length..];
    }
    out + rest
}

/// `~` and `~/…`. Other users' homes stay as they are written.
fn expand_user(text: &str) -> String {
    match (text.strip_prefix('~'), std::env::var("HOME")) {
        (Some(rest), Ok(home)) if rest.is_empty() || rest.starts_with('/') => {
            format!("{}{rest}", home.trim_end_matches('/'))
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_type_takes_what_ansible_lets_it_take() {
        for (kind, given, wanted) in [
            (Kind::Str, json!(true), json!("True")),
            (Kind::Int, json!("3"), json!(3)),
            (Kind::Int, json!(3.0), json!(3)),
            (Kind::Int, json!("1e3"), json!(1000)),
            (Kind::Bool, json!("Yes "), json!(true)),
            (Kind::Bool, json!(0.0), json!(false)),
            (Kind::List, json!("a, b"), json!(["a", " b"])),
            (Kind::List, json!(3), json!(["3"])),
            (
                Kind::Dict,
                json!("a=1, b='x y'"),
                json!({"a": "1", "b": "x y"}),
            ),
            (Kind::Dict, json!(r#"{"a": 1}"#), json!({"a": 1})),
            (
                Kind::Path,
                json!("/a/$nowhere_set/b"),
                json!("/a/$nowhere_set/b"),
            ),
        ] {
            assert_eq!(coerce(kind, &given), Ok(wanted), "{given} as {kind:?}");
        }
    }

    #[test]
    fn each_type_refuses_what_ansible_refuses() {
        for (kind, given) in [
            (Kind::Int, json!("3.5")),
            (Kind::Int, json!("inf")),
            (Kind::Int, json!("")),
            (Kind::Bool, json!("maybe")),
            (Kind::Bool, json!([])),
            (Kind::List, json!({})),
            (Kind::Dict, json!("a=1, b")),
            (Kind::Dict, json!([])),
        ] {
            assert!(coerce(kind, &given).is_err(), "{given} as {kind:?}");
        }
    }
}
