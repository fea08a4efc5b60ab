//! What Terraform is told of an operation that ended, and what it remembers of the object.

use atlas_engine::presence::Presence;
use atlas_engine::{Error, Result};
use tfplugin::{AttributePath, Diagnostics, Outcome, Value};

use crate::translate::diagnostics;

/// A kind of resource, as messages speak of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject {
    /// "bridge", for instance.
    pub(crate) noun: &'static str,
    /// The attribute by which a user knows one.
    pub(crate) named_by: &'static str,
}

impl Subject {
    /// A create that was refused before anything was made: there is nothing to remember.
    pub(crate) fn refused(self, error: &Error) -> Outcome {
        Outcome {
            state: Value::Null,
            diagnostics: diagnostics(&format!("The {} cannot be created", self.noun), error),
        }
    }

    /// A create that was not. `presence` is what had been there before it; `done` is the state that it came to.
    pub(crate) fn created(
        self,
        planned: Value,
        presence: Presence,
        done: Result<Value>,
    ) -> Outcome {
        let mut found = match presence {
            Presence::Whole => self.taken_over(&planned),
            Presence::Absent | Presence::Partial => Diagnostics::new(),
        };
        let state = match done {
            Ok(state) => state,
            Err(error) => {
                found.extend(self.failed("created", &error, &planned));
                if presence == Presence::Absent && error.changed_nothing() {
                    Value::Null
                } else {
                    half_made(planned)
                }
            }
        };
        Outcome {
            state,
            diagnostics: found,
        }
    }

    /// The end of a change. Where it failed, the next refresh sees how far it came.
    pub(crate) fn changed(self, prior: Value, planned: &Value, done: Result<Value>) -> Outcome {
        match done {
            Ok(state) => Outcome {
                state,
                diagnostics: Diagnostics::new(),
            },
            Err(error) => Outcome {
                state: prior,
                diagnostics: self.failed("changed", &error, planned),
            },
        }
    }

    /// Why nothing can be told of one.
    pub(crate) fn unread(self, error: &Error) -> Diagnostics {
        diagnostics(&format!("The {} cannot be read", self.noun), error)
    }

    /// Why one is still there.
    pub(crate) fn unremoved(self, error: &Error) -> Diagnostics {
        diagnostics(&format!("The {} cannot be removed", self.noun), error)
    }

    /// Why one is not taken into the state.
    pub(crate) fn unimported(self, error: &Error) -> Diagnostics {
        diagnostics(&format!("The {} cannot be imported", self.noun), error)
    }

    /// What a user is told where `create` finds just what it should make: an interrupted run may have made it, or another
    /// state may own it.
    pub(crate) fn taken_over(self, planned: &Value) -> Diagnostics {
        let name = planned.get(self.named_by).as_str().unwrap_or_default();
        let mut found = Diagnostics::new();
        found.push_warning(
            AttributePath::root(),
            format!("The {} {name} was there already", self.noun),
            "Atlas made it before, and it is as declared, so this state takes it over. If another state \
             owns it, remove it from one of the two (`terraform state rm`): else each destroys what the \
             other keeps.",
        );
        found
    }

    /// An error, at the attribute that is to blame where that can be told.
    fn failed(self, done: &str, error: &Error, planned: &Value) -> Diagnostics {
        let summary = format!("The {} could not be {done}", self.noun);
        match error {
            Error::ImageMissing { image, .. } if planned.get("image").as_str() == Some(image) => {
                let mut found = Diagnostics::new();
                found.push_error(AttributePath::of("image"), summary, error.to_string());
                found
            }
            other => diagnostics(&summary, other),
        }
    }
}

/// The best known state of something that failed half-way: unknown values become null.
pub(crate) fn half_made(mut state: Value) -> Value {
    if let Value::Map(attributes) = &mut state {
        for value in attributes.values_mut().filter(|value| !value.is_known()) {
            *value = Value::Null;
        }
    }
    state
}

#[cfg(test)]
mod tests {
    use atlas_engine::FieldPath;

    use super::*;

    const SUBJECT: Subject = Subject {
        noun: "thing",
        named_by: "name",
    };

    fn planned() -> Value {
        Value::object([("name", Value::string("a")), ("id", Value::Unknown)])
    }

    fn refusal() -> Error {
        Error::invalid(FieldPath::of("name"), "it is bad.", "Give another.")
    }

    #[test]
    fn what_was_there_before_a_create_that_did_nothing_is_remembered() {
        let after = |presence| SUBJECT.created(planned(), presence, Err(refusal())).state;
        assert!(after(Presence::Absent).is_null());
        for presence in [Presence::Partial, Presence::Whole] {
            let state = after(presence);
            assert_eq!(state.get("name").as_str(), Some("a"), "{presence:?}");
            assert!(state.get("id").is_null(), "{presence:?}");
        }
    }

    #[test]
    fn what_a_create_may_have_made_is_remembered() {
        let error = Error::Cancelled {
            during: "making it".to_owned(),
        };
        let state = SUBJECT
            .created(planned(), Presence::Absent, Err(error))
            .state;
        assert_eq!(state.get("name").as_str(), Some("a"));
    }

    #[test]
    fn a_change_that_failed_leaves_the_state_before_it() {
        let prior = Value::object([("name", Value::string("b"))]);
        let outcome = SUBJECT.changed(prior.clone(), &planned(), Err(refusal()));
        assert_eq!(outcome.state, prior);
    }
}
