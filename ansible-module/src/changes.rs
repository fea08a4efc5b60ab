//! What a module would do or has done, told in one way by all modules: `changed`, `actions`,
//! `differences`, `replace` and the diff.
//!
//! It is made from the engine's plan before anything happens, so a check run and the run itself tell the
//! same.

use argspec::{Answer, Diff, Failure};
use atlas_engine::Error;
use serde_json::{Map, Value, json};

use crate::call::{Call, failure};

/// One property that differs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    /// The option's name, or what else it is.
    pub(crate) name: String,
    /// What there is.
    pub(crate) before: Value,
    /// What is wanted.
    pub(crate) after: Value,
    /// Whether another object is needed for it.
    pub(crate) replaces: bool,
}

impl Change {
    /// Its name, with both values where they are short.
    fn told(&self) -> String {
        let short = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
            _ => None,
        };
        match (short(&self.before), short(&self.after)) {
            (Some(before), Some(after)) => format!("{} ({before}, not {after})", self.name),
            _ => self.name.clone(),
        }
    }
}

/// Everything that differs, and what is to be done about it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    title: String,
    properties: Vec<Change>,
    actions: Vec<String>,
    objects: Vec<(String, String, String)>,
    warnings: Vec<String>,
}

impl Changes {
    /// None yet, of a thing such as `cluster dc-us`.
    pub(crate) fn of(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            ..Self::default()
        }
    }

    /// A property that differs.
    pub(crate) fn property(
        &mut self,
        name: &str,
        before: impl Into<Value>,
        after: impl Into<Value>,
    ) {
        self.push(name, before.into(), after.into(), false);
    }

    /// A property that differs and for which the thing must be made anew.
    pub(crate) fn replacing(
        &mut self,
        name: &str,
        before: impl Into<Value>,
        after: impl Into<Value>,
    ) {
        self.push(name, before.into(), after.into(), true);
    }

    fn push(&mut self, name: &str, before: Value, after: Value, replaces: bool) {
        if before == after || self.is_told(name) {
            return;
        }
        self.properties.push(Change {
            name: name.to_owned(),
            before,
            after,
            replaces,
        });
    }

    /// Something that the thing is made of, as it is and as it is to be.
    pub(crate) fn object(&mut self, name: &str, before: &str, after: &str) {
        match self.objects.iter_mut().find(|(known, ..)| known == name) {
            Some((_, _, known)) => after.clone_into(known),
            None => self
                .objects
                .push((name.to_owned(), before.to_owned(), after.to_owned())),
        }
    }

    /// A step, as a sentence.
    pub(crate) fn action(&mut self, sentence: impl Into<String>) {
        self.actions.push(sentence.into());
    }

    /// What a user should know.
    pub(crate) fn warn(&mut self, sentence: impl Into<String>) {
        self.warnings.push(sentence.into());
    }

    /// What the world refuses ends a run. A check run tells it and goes on.
    pub(crate) fn admit<W, T>(
        &mut self,
        call: &Call<W>,
        admitted: Result<T, Error>,
    ) -> Result<Option<T>, Failure> {
        match admitted {
            Err(error) if call.check => {
                self.foretell(&error);
                Ok(None)
            }
            admitted => admitted.map(Some).map_err(|error| failure(&error)),
        }
    }

    /// What a run would fail with now, for a check run: an earlier task may have made what is missing, were it not a check
    /// run too.
    fn foretell(&mut self, error: &Error) {
        self.warn(format!(
            "A run would fail now. Check mode assumes that an earlier task removes the obstacle. {}",
            failure(error).msg
        ));
    }

    /// Whether a property is known to differ.
    pub(crate) fn is_told(&self, name: &str) -> bool {
        self.properties.iter().any(|known| known.name == name)
    }

    /// Whether there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// Names of the properties for which the thing must be made anew.
    pub(crate) fn replace(&self) -> Vec<&str> {
        let replacing = self.properties.iter().filter(|change| change.replaces);
        replacing.map(|change| change.name.as_str()).collect()
    }

    fn diff(&self) -> Diff {
        let mut before = Map::new();
        let mut after = Map::new();
        for change in &self.properties {
            // What is not there, or is to go, is not shown on that side.
            for (side, value) in [(&mut before, &change.before), (&mut after, &change.after)] {
                if !value.is_null() {
                    side.insert(change.name.clone(), value.clone());
                }
            }
        }
        if !self.objects.is_empty() {
            let side = |pick: fn(&(String, String, String)) -> &String| -> Map<String, Value> {
                let objects = self.objects.iter();
                objects
                    .map(|one| (one.0.clone(), pick(one).as_str().into()))
                    .collect()
            };
            before.insert("objects".to_owned(), side(|one| &one.1).into());
            after.insert("objects".to_owned(), side(|one| &one.2).into());
        }
        let replace = self.replace();
        Diff {
            before: before.into(),
            after: after.into(),
            before_header: self.title.clone(),
            after_header: if replace.is_empty() {
                self.title.clone()
            } else {
                format!(
                    "{} (recreated to change {})",
                    self.title,
                    replace.join(", ")
                )
            },
        }
    }

    /// The answer: `object` is the thing as it is now, under its name.
    pub(crate) fn answer<W>(self, call: &Call<W>, name: &str, object: Value) -> Answer {
        let diff = (call.diff && !self.is_empty()).then(|| self.diff());
        let differences: Vec<&str> = self
            .properties
            .iter()
            .map(|change| change.name.as_str())
            .collect();
        let answer = Answer {
            changed: !self.is_empty(),
            diff,
            warnings: self.warnings.clone(),
            ..Answer::default()
        };
        answer
            .field("differences", json!(differences))
            .field("replace", json!(self.replace()))
            .field("actions", json!(self.actions))
            .field(name, object)
    }

    /// The refusal to make a thing anew without consent.
    pub(crate) fn refusal(&self) -> Failure {
        let replacing = self.properties.iter().filter(|change| change.replaces);
        let told: Vec<String> = replacing.map(Change::told).collect();
        Failure::new(format!(
            "{} must be recreated to change {}. Keep the current values, or set recreate: on_change to allow it: its \
             data is lost then.",
            self.title,
            told.join(", ")
        ))
        .field("replace", json!(self.replace()))
        .field("actions", json!(self.actions))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_that_goes_and_comes_back_is_told_once() {
        let mut changes = Changes::of("cluster demo");
        changes.object("k3d-demo-agent-0", "running", "absent");
        changes.object("k3d-demo-agent-0", "absent", "running, recreated");
        let diff = changes.diff();
        assert_eq!(diff.before["objects"]["k3d-demo-agent-0"], "running");
        assert_eq!(
            diff.after["objects"]["k3d-demo-agent-0"],
            "running, recreated"
        );
    }

    #[test]
    fn what_is_not_there_is_not_shown() {
        let mut changes = Changes::of("network demo");
        changes.property("subnet", Value::Null, "10.0.0.0/24");
        let diff = changes.diff();
        assert_eq!(diff.before, json!({}));
        assert_eq!(diff.after, json!({"subnet": "10.0.0.0/24"}));
    }

    #[test]
    fn what_forces_replacement_is_said_in_the_diff_and_in_the_refusal() {
        let mut changes = Changes::of("cluster demo");
        changes.replacing("image", "a", "b");
        changes.property("agents", 1, 2);
        assert_eq!(changes.replace(), ["image"]);
        assert!(
            changes
                .diff()
                .after_header
                .ends_with("(recreated to change image)")
        );
        let msg = changes.refusal().msg;
        assert!(msg.contains("image (a, not b)"), "{msg}");
        assert!(msg.contains("recreate: on_change"), "{msg}");
    }
}
