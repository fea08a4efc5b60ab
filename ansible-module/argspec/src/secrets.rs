//! What must not be shown. Ansible knows no argument spec of a binary module: hiding is the module's
//! own duty.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::python;

pub(crate) const WHOLE: &str = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER";
const PART: &str = "********";
/// The fewest characters of a text that is hidden wherever it stands. To hide `1` in every address, port and version tells
/// what it is, and takes away what the user asked for.
const TELLTALE: usize = 4;

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

    /// What is hidden.
    pub fn texts(&self) -> &BTreeSet<String> {
        &self.0
    }

    /// The text without secrets. Very short ones are hidden only where they are all of it.
    pub fn hide_in(&self, text: &str) -> String {
        if self.0.contains(text) {
            return WHOLE.to_owned();
        }
        let is_long = |secret: &&String| secret.chars().count() >= TELLTALE;
        // Longer ones first: one may be part of another.
        let mut all: Vec<&String> = self.0.iter().filter(is_long).collect();
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
                let is_short = text.chars().count() < TELLTALE;
                if is_short || self.hide_in(&text) == text {
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
        secrets.add(&json!({"a": "abcd", "b": ["abcdef", 4242, true, ""]}));
        let shown = secrets.hide(
            json!({"msg": "x abcdef y abcd", "token": "abcd", "n": 14242, "t": true, "k": ["4242"]}),
        );
        assert_eq!(
            shown,
            json!({"msg": "x ******** y ********", "token": WHOLE, "n": WHOLE, "t": true, "k": [WHOLE]})
        );
    }

    #[test]
    fn a_very_short_secret_hides_nothing_but_itself() {
        let mut secrets = Secrets::default();
        secrets.add(&json!(["1", 7]));
        let told =
            json!({"endpoint": "http://127.0.0.1:4571", "port": 1, "count": 7, "token": "1"});
        let shown = secrets.hide(told);
        assert_eq!(
            shown,
            json!({"endpoint": "http://127.0.0.1:4571", "port": 1, "count": 7, "token": WHOLE})
        );
    }
}
