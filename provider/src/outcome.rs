//! What Terraform is told of an operation that ended, and what it remembers of the object.

use atlas_engine::begun::{self, Begun};
use atlas_engine::presence::Presence;
use atlas_engine::{Context, Error, Result};
use tfplugin::{AttributePath, Diagnostics, Outcome, Value};

use crate::translate::{diagnostics, told};
use crate::words::Hcl;

/// A kind of resource, as messages speak of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject {
    /// "bridge", for instance.
    pub(crate) noun: &'static str,
}

impl Subject {
    /// A create that was refused before anything was made: there is nothing to remember.
    pub(crate) fn refused(self, error: &Error) -> Outcome {
        Outcome {
            state: Value::Null,
            diagnostics: diagnostics(&format!("The {} cannot be created", self.noun), error),
        }
    }

    /// The end of a create of what `begun` marks. A failed one either enters the state, as tainted, or leaves its mark for
    /// the next create: never both, so that a create beside the tainted one (`create_before_destroy`) does not take what is
    /// about to be destroyed.
    pub(crate) async fn ended(
        self,
        cx: &Context,
        begun: &Begun,
        planned: Value,
        presence: Presence,
        done: Result<Value>,
    ) -> Outcome {
        let failed = done.is_err();
        let outcome = self.created(planned, presence, done);
        if failed && !outcome.state.is_null() {
            begun::end(cx, begun).await;
        }
        outcome
    }

    /// The end of a create that nothing marks. `presence` is what had been there before it; `done` is the state that it came
    /// to.
    ///
    /// Terraform destroys what a failed create returns, so only what this one began is returned.
    pub(crate) fn created(
        self,
        planned: Value,
        presence: Presence,
        done: Result<Value>,
    ) -> Outcome {
        match done {
            Ok(state) => Outcome {
                state,
                diagnostics: Diagnostics::new(),
            },
            Err(error) => {
                let nothing_new = presence != Presence::Absent || error.changed_nothing();
                let words = if nothing_new { Hcl::Kept } else { Hcl::Tainted };
                Outcome {
                    diagnostics: self.failed("created", &error, &planned, words),
                    state: if nothing_new {
                        Value::Null
                    } else {
                        half_made(planned)
                    },
                }
            }
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
                diagnostics: self.failed("changed", &error, planned, Hcl::Kept),
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

    /// An error, at the attribute that is to blame where that can be told.
    fn failed(self, done: &str, error: &Error, planned: &Value, words: Hcl) -> Diagnostics {
        let summary = format!("The {} could not be {done}", self.noun);
        match error {
            Error::ImageMissing { image, .. } if planned.get("image").as_str() == Some(image) => {
                let mut found = Diagnostics::new();
                found.push_error(AttributePath::of("image"), summary, error.told(&words));
                found
            }
            other => told(&summary, other, words),
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

    const SUBJECT: Subject = Subject { noun: "thing" };

    fn planned() -> Value {
        Value::object([("name", Value::string("a")), ("id", Value::Unknown)])
    }

    fn refusal() -> Error {
        Error::invalid(FieldPath::of("name"), "it is bad.", "Give another.")
    }

    #[test]
    fn what_was_there_before_a_create_that_failed_is_not_tainted() {
        let late = || Error::Cancelled {
            during: "making it".to_owned(),
        };
        for error in [refusal(), late()] {
            let outcome = SUBJECT.created(planned(), Presence::Begun, Err(error));
            assert!(outcome.state.is_null());
        }
    }

    #[test]
    fn who_is_told_that_the_next_apply_goes_on_has_nothing_tainted() {
        let late = || Error::Cancelled {
            during: "making it".to_owned(),
        };
        for presence in [Presence::Absent, Presence::Begun] {
            let outcome = SUBJECT.created(planned(), presence, Err(late()));
            let told = format!("{:?}", outcome.diagnostics);
            assert_eq!(
                told.contains("continues"),
                outcome.state.is_null(),
                "{told}"
            );
            assert_eq!(
                told.contains("is tainted"),
                !outcome.state.is_null(),
                "{told}"
            );
        }
    }

    #[test]
    fn a_create_that_made_nothing_leaves_nothing_in_the_state() {
        let outcome = SUBJECT.created(planned(), Presence::Absent, Err(refusal()));
        assert!(outcome.state.is_null());
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
        assert!(state.get("id").is_null());
    }

    #[test]
    fn a_change_that_failed_leaves_the_state_before_it() {
        let prior = Value::object([("name", Value::string("b"))]);
        let outcome = SUBJECT.changed(prior.clone(), &planned(), Err(refusal()));
        assert_eq!(outcome.state, prior);
    }
}
