//! The place of a value within a resource.

use crate::proto::tfplugin6 as wire;

/// One step of an [`AttributePath`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// An attribute or block of an object.
    Attribute(String),
    /// An element of a map.
    Key(String),
    /// An element of a list, from 0.
    Index(usize),
}

/// A path from the resource's root. Empty: the resource itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttributePath(Vec<Step>);

impl AttributePath {
    /// The resource itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// A path of one attribute.
    pub fn of(name: &str) -> Self {
        Self::root().attribute(name)
    }

    /// One attribute deeper.
    #[must_use]
    pub fn attribute(mut self, name: &str) -> Self {
        self.0.push(Step::Attribute(name.to_owned()));
        self
    }

    /// One element of a list deeper.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Step::Index(index));
        self
    }

    /// One element of a map deeper.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.0.push(Step::Key(key.to_owned()));
        self
    }

    pub(crate) fn to_wire(&self) -> wire::AttributePath {
        use wire::attribute_path::{Step as WireStep, step::Selector};
        let steps = self.0.iter().map(|step| WireStep {
            selector: Some(match step {
                Step::Attribute(name) => Selector::AttributeName(name.clone()),
                Step::Key(key) => Selector::ElementKeyString(key.clone()),
                Step::Index(index) => {
                    Selector::ElementKeyInt(i64::try_from(*index).unwrap_or(i64::MAX))
                }
            }),
        });
        wire::AttributePath {
            steps: steps.collect(),
        }
    }
}
