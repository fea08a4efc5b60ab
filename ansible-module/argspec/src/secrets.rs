//! What must not be shown. Ansible knows no argument spec of a binary module: hiding is the module's
//! own duty.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::python;

pub(crate) const WHOLE: &str = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER";
const PART: &str = "********";

/// Texts that are taken out of everything that is printed.
#[derive(Clone, Default)]
pub struct Secrets(BTreeSet<String>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

impl Secrets {
    /// Adds every text and number in a value.
    pub fn add(&mut self, value: &Value) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::String(text) if text.is_empty() => {}
            Value::String(_) | Value::Number(_) => {
                self.0.insert(python::str(value));
            }
            Value::Array(items) => items.iter().for_each(|item| self.add(item)),
            Value::Object(entries) => entries.values().for_each(|value| self.add(value)),
        }
    }

    /// The text without secrets.
    pub fn hide_in(&self, text: &str) -> String {
        if self.0.contains(text) {
            return WHOLE.to_owned();
        }
        // Longer ones first: one may be part of another.
        let mut all: Vec<&String> = self.0.iter().collect();
        all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        all.into_iter()
            .fold(text.to_owned(), |text, secret| text.replace(secret, PART))
    }

    /// The value without secrets. Keys stay as they are.
    #[must_use]
    pub fn hide(&self, value: Value) -> Value {
        match value {
            Value::Null | Value::Bool(_) => value,
            Value::String(text) => Value::String(self.hide_in(&text)),
            Value::Number(_) => {
                let text = python::str(&value);
                if self.hide_in(&text) == text {
                    value
                } else {
                    Value::from(WHOLE)
                }
            }
            Value::Array(items) => items.into_iter().map(|item| self.hide(item)).collect(),
            Value::Object(entries) => entries
                .into_iter()
                .map(|(key, value)| (key, self.hide(value)))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_is_hidden_wherever_it_stands() {
        let mut secrets = Secrets::default();
        secrets.add(&json!({"a": "abc", "b": ["abcdef", 42, true, ""]}));
        let shown = secrets.hide(
            json!({"msg": "x abcdef y abc", "token": "abc", "n": 142, "t": true, "k": ["42"]}),
        );
        assert_eq!(
            shown,
            json!({"msg": "x ******** y ********", "token": WHOLE, "n": WHOLE, "t": true, "k": [WHOLE]})
        );
    }
}
