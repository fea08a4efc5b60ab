//! What may be asked of a database.

use std::collections::BTreeSet;
use std::fmt;

use crate::error::Problem;
use crate::path::FieldPath;

/// Names that `CockroachDB` keeps for itself.
const RESERVED: [&str; 1] = ["system"];

/// A database as a user wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// The cluster's name.
    pub cluster: String,
    /// The database's name.
    pub name: String,
    /// Where it lives, and what it survives.
    pub shape: Shape,
}

/// Where a database lives, and what it survives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The region where its leaders are.
    pub primary: String,
    /// All its regions, the primary one too.
    pub regions: BTreeSet<String>,
    /// The region that takes over from the primary one.
    pub secondary: Option<String>,
    /// What it survives.
    pub survival: Survival,
    /// Where its replicas may be.
    pub placement: Placement,
}

/// What a database survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Survival {
    /// The loss of a zone: its voters are in the primary region.
    #[default]
    Zone,
    /// The loss of a region: five voters, no majority of them in one region.
    Region,
}

impl fmt::Display for Survival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zone => "zone",
            Self::Region => "region",
        })
    }
}

/// Where a database's replicas may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Placement {
    /// Followers in all its regions.
    #[default]
    Default,
    /// Nothing outside of a table's home region.
    Restricted,
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::Restricted => "restricted",
        })
    }
}

impl Spec {
    /// Everything that is wrong with it, without asking the world.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.name.is_empty() || RESERVED.contains(&self.name.as_str()) {
            problems.push(Problem::new(
                FieldPath::of("name"),
                format!("{:?} is not a valid database name.", self.name),
                "Choose another.",
            ));
        }
        problems.extend(self.shape.problems());
        problems
    }
}

impl Shape {
    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !self.regions.contains(&self.primary) {
            problems.push(Problem::new(
                FieldPath::of("primary_region"),
                format!("{:?} is not one of the database's regions.", self.primary),
                "Add it to regions, or use one of them.",
            ));
        }
        if let Some(secondary) = &self.secondary {
            let message = if *secondary == self.primary {
                Some(format!("{secondary:?} is already the primary region."))
            } else if self.regions.contains(secondary) {
                None
            } else {
                Some(format!(
                    "{secondary:?} is not one of the database's regions."
                ))
            };
            problems.extend(message.map(|message| {
                Problem::new(
                    FieldPath::of("secondary_region"),
                    message,
                    "Use another of its regions: it takes over when the primary one is lost.",
                )
            }));
        }
        if self.survival == Survival::Region && self.regions.len() < 3 {
            problems.push(Problem::new(
                FieldPath::of("survival_goal"),
                format!(
                    "a database in {} cannot survive the loss of a region: with fewer than three regions one region \
                     holds half of the voters, and its loss leaves no majority.",
                    match self.regions.len() {
                        1 => "one region".to_owned(),
                        count => format!("{count} regions"),
                    }
                ),
                "Use at least three regions, or the survival goal zone.",
            ));
        }
        if self.survival == Survival::Region && self.placement == Placement::Restricted {
            problems.push(Problem::new(
                FieldPath::of("placement"),
                "a database that survives the loss of a region needs replicas in other regions, which restricted \
                 placement forbids.",
                "Use placement default, or the survival goal zone.",
            ));
        }
        problems
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn spec() -> Spec {
        Spec {
            cluster: "ledger".into(),
            name: "bank".into(),
            shape: Shape {
                primary: "us".into(),
                regions: ["us", "eu", "wit"].map(str::to_owned).into(),
                secondary: Some("eu".into()),
                survival: Survival::Region,
                placement: Placement::Default,
            },
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_path_and_reason() {
        type Break = fn(&mut Spec);
        let table: Vec<(&str, &str, Break)> = vec![
            ("name", "system", |spec| spec.name = "system".into()),
            ("primary_region", "not one of", |spec| {
                spec.shape.primary = "asia".into();
            }),
            ("secondary_region", "already", |spec| {
                spec.shape.secondary = Some("us".into());
            }),
            ("secondary_region", "not one of", |spec| {
                spec.shape.secondary = Some("asia".into());
            }),
            ("survival_goal", "no majority", |spec| {
                spec.shape.regions.remove("wit");
            }),
            ("placement", "forbids", |spec| {
                spec.shape.placement = Placement::Restricted;
            }),
        ];
        assert_eq!(spec().problems(), []);
        for (path, words, change) in table {
            let mut bad = spec();
            change(&mut bad);
            let problems = bad.problems();
            assert_eq!(problems.len(), 1, "{path}: {problems:?}");
            assert_eq!(problems[0].path.to_string(), path);
            assert!(problems[0].message.contains(words), "{problems:?}");
        }
    }
}
