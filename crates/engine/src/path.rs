//! Where in a user's input a problem lies.
//!
//! Terraform and Ansible both point at the attribute; they only spell paths differently.

use std::fmt;

/// One step of a [`FieldPath`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// An attribute or block by name.
    Name(String),
    /// An element of a list, counted from 0.
    Index(usize),
}

/// The way from a resource's root to one value, for instance `port[0].container_port`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldPath(Vec<Segment>);

impl FieldPath {
    /// The path of the resource itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// A path of one attribute.
    pub fn of(name: &str) -> Self {
        Self::root().name(name)
    }

    /// This path, one attribute deeper.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.0.push(Segment::Name(name.to_owned()));
        self
    }

    /// This path, at one element of the list.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Segment::Index(index));
        self
    }

    /// The steps in order.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Name(name) if position == 0 => write!(f, "{name}")?,
                Segment::Name(name) => write!(f, ".{name}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_users_write_it() {
        let path = FieldPath::of("port").index(2).name("node_filters").index(0);
        assert_eq!(path.to_string(), "port[2].node_filters[0]");
    }
}
