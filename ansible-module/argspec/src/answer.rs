//! The result of a module: one JSON object on standard output.

use serde_json::{Map, Value, json};

use crate::secrets::Secrets;

/// Before and after, by property.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Diff {
    /// What there was.
    pub before: Value,
    /// What there is, or would be in check mode.
    pub after: Value,
    /// A title of the first.
    pub before_header: String,
    /// A title of the second.
    pub after_header: String,
}

/// What a module has to say.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// Whether something was, or in check mode would be, changed.
    pub changed: bool,
    /// A sentence.
    pub msg: Option<String>,
    /// Before and after, by property.
    pub diff: Option<Diff>,
    /// What a user should know.
    pub warnings: Vec<String>,
    /// Whatever else there is to tell, by key.
    pub fields: Map<String, Value>,
}

impl Answer {
    /// Adds a field.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }
}

/// A module that could not do what it was asked.
#[derive(Debug, Clone, Default)]
pub struct Failure {
    /// What failed, why, and what to do next.
    pub msg: String,
    /// Whatever else there is to tell, by key.
    pub fields: Map<String, Value>,
}

impl Failure {
    /// A failure with a message alone.
    pub fn new(msg: impl Into<String>) -> Self {
        Self {
            msg: msg.into(),
            fields: Map::new(),
        }
    }

    /// Adds a field.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }
}

/// The JSON object to print, without secrets. `params` are the validated arguments.
pub(crate) fn render(
    outcome: Result<Answer, Failure>,
    params: Option<&Map<String, Value>>,
    secrets: &Secrets,
) -> Value {
    let mut all = match outcome {
        Ok(answer) => {
            let mut all = answer.fields;
            all.insert("changed".to_owned(), answer.changed.into());
            if let Some(msg) = answer.msg {
                all.insert("msg".to_owned(), msg.into());
            }
            if let Some(diff) = answer.diff {
                let diff = json!({
                    "before": diff.before,
                    "after": diff.after,
                    "before_header": diff.before_header,
                    "after_header": diff.after_header,
                });
                all.insert("diff".to_owned(), diff);
            }
            if !answer.warnings.is_empty() {
                all.insert("warnings".to_owned(), answer.warnings.into());
            }
            all
        }
        Err(failure) => {
            let mut all = failure.fields;
            all.insert("failed".to_owned(), true.into());
            all.insert("changed".to_owned(), false.into());
            all.insert("msg".to_owned(), failure.msg.into());
            all
        }
    };
    if let Some(params) = params {
        all.insert("invocation".to_owned(), json!({"module_args": params}));
    }
    secrets.hide(Value::Object(all))
}

impl Answer {
    /// See [`crate::Answer`]: the printed form of an outcome.
    pub fn print(
        outcome: Result<Self, Failure>,
        params: Option<&Map<String, Value>>,
        secrets: &Secrets,
    ) -> String {
        render(outcome, params, secrets).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_no_secret_not_even_in_its_message() {
        let mut secrets = Secrets::default();
        secrets.add(&json!("hush-hush"));
        let params = json!({"token": "hush-hush"});
        let printed = Answer::print(
            Err(Failure::new("refused hush-hush")),
            params.as_object(),
            &secrets,
        );
        assert!(!printed.contains("hush-hush"), "{printed}");
        assert!(printed.contains(r#""failed":true"#), "{printed}");
    }
}
