//! The place of a value within a resource.

use std::fmt;

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

    /// Its steps, from the root.
    pub fn steps(&self) -> &[Step] {
        &self.0
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

/// As a configuration spells it: `clusters[0].name`, `labels["a"]`.
impl fmt::Display for AttributePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Attribute(name) if position == 0 => write!(f, "{name}")?,
                Step::Attribute(name) => write!(f, ".{name}")?,
                Step::Key(key) => write!(f, "[{key:?}]")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl FromIterator<Step> for AttributePath {
    fn from_iter<T: IntoIterator<Item = Step>>(steps: T) -> Self {
        Self(steps.into_iter().collect())
    }
}
