//! The way from a database as it is to one as wanted, in an order that `CockroachDB` allows at every step.

use super::spec::{Placement, Shape, Spec, Survival};
use crate::cockroachdb::names::quoted;
use crate::difference::Difference;

/// One step, a statement. They are taken in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Creates the database in its regions.
    Create,
    /// Takes back the restriction of placement.
    AllowFollowers,
    /// Adds a region.
    AddRegion(String),
    /// Leaves the database without a secondary region.
    DropSecondary,
    /// Makes a region the primary one.
    SetPrimary(String),
    /// Sets the survival goal.
    Survive(Survival),
    /// Makes a region the secondary one.
    SetSecondary(String),
    /// Drops a region.
    DropRegion(String),
    /// Restricts placement.
    RestrictPlacement,
}

impl Step {
    /// The step as a sentence.
    pub fn summary(&self, database: &str) -> String {
        match self {
            Self::Create => format!("create database {database}"),
            Self::AllowFollowers => format!("set the placement of {database} to default"),
            Self::AddRegion(region) => format!("add region {region} to {database}"),
            Self::DropSecondary => format!("drop the secondary region of {database}"),
            Self::SetPrimary(region) => format!("set the primary region of {database} to {region}"),
            Self::Survive(goal) => format!("set the survival goal of {database} to {goal}"),
            Self::SetSecondary(region) => {
                format!("set the secondary region of {database} to {region}")
            }
            Self::DropRegion(region) => format!("drop region {region} from {database}"),
            Self::RestrictPlacement => format!("set the placement of {database} to restricted"),
        }
    }

    /// What it is in errors: "add region", for instance.
    pub(super) fn operation(&self) -> &'static str {
        match self {
            Self::Create => "create database",
            Self::AddRegion(_) => "add a region to database",
            Self::DropRegion(_) => "drop a region from database",
            Self::DropSecondary | Self::SetSecondary(_) => "set the secondary region of database",
            Self::SetPrimary(_) => "set the primary region of database",
            Self::Survive(_) => "set the survival goal of database",
            Self::AllowFollowers | Self::RestrictPlacement => "set the placement of database",
        }
    }

    /// The statement.
    pub(super) fn statement(&self, spec: &Spec) -> String {
        let database = quoted(&spec.name);
        let alter = |rest: String| format!("ALTER DATABASE {database} {rest}");
        match self {
            Self::Create => create(&database, &spec.shape),
            Self::AllowFollowers => policy(&alter("PLACEMENT DEFAULT".to_owned())),
            Self::RestrictPlacement => policy(&alter("PLACEMENT RESTRICTED".to_owned())),
            Self::AddRegion(region) => {
                alter(format!("ADD REGION IF NOT EXISTS {}", quoted(region)))
            }
            Self::DropRegion(region) => alter(format!("DROP REGION IF EXISTS {}", quoted(region))),
            Self::DropSecondary => alter("DROP SECONDARY REGION IF EXISTS".to_owned()),
            Self::SetPrimary(region) => alter(format!("SET PRIMARY REGION {}", quoted(region))),
            Self::SetSecondary(region) => alter(format!("SET SECONDARY REGION {}", quoted(region))),
            Self::Survive(Survival::Zone) => alter("SURVIVE ZONE FAILURE".to_owned()),
            Self::Survive(Survival::Region) => alter("SURVIVE REGION FAILURE".to_owned()),
        }
    }
}

/// Placement is behind a session's setting.
fn policy(statement: &str) -> String {
    format!("SET enable_multiregion_placement_policy = on; {statement}")
}

fn create(database: &str, shape: &Shape) -> String {
    let others: Vec<String> = shape
        .regions
        .iter()
        .filter(|region| **region != shape.primary)
        .map(|region| quoted(region))
        .collect();
    let mut statement = format!(
        "CREATE DATABASE IF NOT EXISTS {database} PRIMARY REGION {}",
        quoted(&shape.primary)
    );
    if !others.is_empty() {
        statement = format!("{statement} REGIONS {}", others.join(", "));
    }
    // The grammar has the clauses in this order and no other.
    statement += match shape.survival {
        Survival::Zone => " SURVIVE ZONE FAILURE",
        Survival::Region => " SURVIVE REGION FAILURE",
    };
    if shape.placement == Placement::Restricted {
        statement += " PLACEMENT RESTRICTED";
    }
    if let Some(secondary) = &shape.secondary {
        statement = format!("{statement} SECONDARY REGION {}", quoted(secondary));
    }
    match shape.placement {
        Placement::Default => statement,
        Placement::Restricted => policy(&statement),
    }
}

/// Everything that is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// In order.
    pub steps: Vec<Step>,
    /// Attributes that differ.
    pub differences: Vec<Difference>,
}

/// Compares; `found` is `None` where the database is in no region yet, `exists` says whether it is there at all.
pub fn plan(spec: &Spec, exists: bool, found: Option<&Shape>) -> Plan {
    let wanted = &spec.shape;
    let Some(found) = found else {
        if !exists {
            return Plan {
                steps: vec![Step::Create],
                differences: Vec::new(),
            };
        }
        // It becomes one with its first region.
        let bare = Shape {
            primary: wanted.primary.clone(),
            regions: [wanted.primary.clone()].into(),
            secondary: None,
            survival: Survival::Zone,
            placement: Placement::Default,
        };
        let mut steps = vec![Step::SetPrimary(wanted.primary.clone())];
        steps.extend(way(wanted, &bare));
        let none = Difference::new("primary_region", "none", &wanted.primary);
        let mut differences = vec![none];
        differences.extend(differences_of(wanted, &bare));
        return Plan { steps, differences };
    };
    Plan {
        steps: way(wanted, found),
        differences: differences_of(wanted, found),
    }
}

fn way(wanted: &Shape, found: &Shape) -> Vec<Step> {
    let mut steps = Vec::new();
    // Restricted placement rules out surviving a region.
    if found.placement == Placement::Restricted && wanted.placement == Placement::Default {
        steps.push(Step::AllowFollowers);
    }
    // Before anything is taken away, so that there are never fewer regions than the goal needs.
    let added = wanted.regions.difference(&found.regions).cloned();
    steps.extend(added.map(Step::AddRegion));
    let keeps_secondary = found.secondary == wanted.secondary;
    let in_the_way = |secondary: &String| {
        wanted.secondary.is_none()
            || *secondary == wanted.primary
            || !wanted.regions.contains(secondary)
    };
    let mut secondary = found.secondary.clone();
    if !keeps_secondary && found.secondary.as_ref().is_some_and(in_the_way) {
        steps.push(Step::DropSecondary);
        secondary = None;
    }
    // The region that was primary may become secondary only after it is not primary any more.
    if found.primary != wanted.primary {
        steps.push(Step::SetPrimary(wanted.primary.clone()));
    }
    if found.survival != wanted.survival {
        steps.push(Step::Survive(wanted.survival));
    }
    if let Some(next) = &wanted.secondary
        && secondary.as_ref() != Some(next)
    {
        steps.push(Step::SetSecondary(next.clone()));
    }
    let dropped = found.regions.difference(&wanted.regions).cloned();
    steps.extend(dropped.map(Step::DropRegion));
    if found.placement == Placement::Default && wanted.placement == Placement::Restricted {
        steps.push(Step::RestrictPlacement);
    }
    steps
}

fn differences_of(wanted: &Shape, found: &Shape) -> Vec<Difference> {
    let list = |shape: &Shape| shape.regions.iter().cloned().collect::<Vec<_>>().join(", ");
    let secondary = |shape: &Shape| shape.secondary.clone().unwrap_or_default();
    let pairs = [
        (
            "primary_region",
            found.primary.clone(),
            wanted.primary.clone(),
        ),
        ("regions", list(found), list(wanted)),
        ("secondary_region", secondary(found), secondary(wanted)),
        (
            "survival_goal",
            found.survival.to_string(),
            wanted.survival.to_string(),
        ),
        (
            "placement",
            found.placement.to_string(),
            wanted.placement.to_string(),
        ),
    ];
    pairs
        .into_iter()
        .filter(|(_, before, after)| before != after)
        .map(|(field, before, after)| Difference::new(field, before, after))
        .collect()
}

/// What is said where a change lowers what a database survives; `None` where it does not.
pub fn warning(wanted: &Shape, found: &Shape) -> Option<String> {
    if wanted.survival < found.survival {
        return Some(
            "It survives the loss of a region now and will not afterwards: all its voters move to the primary region, \
             and the database stops without that region."
                .to_owned(),
        );
    }
    let takes_over =
        |shape: &Shape| shape.survival == Survival::Region && shape.secondary.is_some();
    (takes_over(found) && !takes_over(wanted)).then(|| {
        "Without a secondary region two voters may be in the region that has only one node to spare; which region takes over is \
         then the cluster's choice."
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::spec::tests::spec;
    use super::*;

    #[test]
    fn a_new_database_is_made_by_one_statement() {
        let spec = spec();
        let plan = plan(&spec, false, None);
        assert_eq!(plan.steps, [Step::Create]);
        assert_eq!(
            plan.steps[0].statement(&spec),
            "CREATE DATABASE IF NOT EXISTS \"bank\" PRIMARY REGION \"us\" REGIONS \"eu\", \"wit\" SURVIVE REGION FAILURE \
             SECONDARY REGION \"eu\""
        );
    }

    #[test]
    fn what_is_as_wanted_needs_no_step() {
        let spec = spec();
        assert_eq!(plan(&spec, true, Some(&spec.shape)), Plan::default());
    }

    #[test]
    fn primary_and_secondary_change_places() {
        let spec = spec();
        let mut found = spec.shape.clone();
        found.primary = "eu".into();
        found.secondary = Some("us".into());
        assert_eq!(
            plan(&spec, true, Some(&found)).steps,
            [
                Step::DropSecondary,
                Step::SetPrimary("us".into()),
                Step::SetSecondary("eu".into())
            ]
        );
    }

    #[test]
    fn a_lower_goal_is_warned_of() {
        let spec = spec();
        let mut lower = spec.shape.clone();
        lower.survival = Survival::Zone;
        assert!(warning(&lower, &spec.shape).is_some());
        assert_eq!(warning(&spec.shape, &lower), None);
        lower.survival = Survival::Region;
        lower.secondary = None;
        assert!(warning(&lower, &spec.shape).is_some());
    }

    /// The vendor's rules, as its errors tell them.
    fn take(step: &Step, shape: &mut Shape) -> Result<(), String> {
        match step {
            Step::Create => return Err("it exists".to_owned()),
            Step::AllowFollowers => shape.placement = Placement::Default,
            Step::RestrictPlacement => {
                if shape.survival == Survival::Region {
                    return Err("a region-survivable database cannot be restricted".to_owned());
                }
                shape.placement = Placement::Restricted;
            }
            Step::AddRegion(region) => {
                if !shape.regions.insert(region.clone()) {
                    return Err(format!("region {region} already added"));
                }
            }
            Step::DropSecondary => {
                if shape.secondary.take().is_none() {
                    return Err("no secondary region defined".to_owned());
                }
            }
            Step::SetPrimary(region) => {
                if !shape.regions.contains(region) {
                    return Err(format!("region {region} has not been added"));
                }
                if shape.secondary.as_ref() == Some(region) {
                    return Err(format!("region {region} is currently the secondary region"));
                }
                shape.primary.clone_from(region);
            }
            Step::SetSecondary(region) => {
                if !shape.regions.contains(region) || *region == shape.primary {
                    return Err(format!("region {region} cannot be secondary"));
                }
                shape.secondary = Some(region.clone());
            }
            Step::Survive(goal) => {
                if *goal == Survival::Region
                    && (shape.regions.len() < 3 || shape.placement == Placement::Restricted)
                {
                    return Err("at least 3 regions are required".to_owned());
                }
                shape.survival = *goal;
            }
            Step::DropRegion(region) => {
                if shape.primary == *region || shape.secondary.as_ref() == Some(region) {
                    return Err(format!("cannot drop region {region}"));
                }
                if shape.survival == Survival::Region && shape.regions.len() <= 3 {
                    return Err("at least 3 regions are required".to_owned());
                }
                shape.regions.remove(region);
            }
        }
        Ok(())
    }

    fn shapes() -> impl Strategy<Value = Shape> {
        let names = ["a", "b", "c", "d", "e"];
        let some = proptest::sample::subsequence(names.to_vec(), 1..=5);
        (some, any::<(u8, u8, bool, bool)>()).prop_map(
            |(regions, (first, second, region, restricted))| {
                let at = |n: u8| regions[usize::from(n) % regions.len()].to_owned();
                let primary = at(first);
                let secondary = (second < 200)
                    .then(|| at(second))
                    .filter(|one| *one != primary);
                let survival = if region && regions.len() >= 3 {
                    Survival::Region
                } else {
                    Survival::Zone
                };
                Shape {
                    placement: if restricted && survival == Survival::Zone {
                        Placement::Restricted
                    } else {
                        Placement::Default
                    },
                    regions: regions.iter().map(|name| (*name).to_owned()).collect(),
                    primary,
                    secondary,
                    survival,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn every_change_is_a_way_that_cockroachdb_allows(found in shapes(), wanted in shapes()) {
            let spec = Spec { cluster: "c".into(), name: "d".into(), shape: wanted.clone() };
            prop_assert_eq!(spec.problems(), []);
            let plan = plan(&spec, true, Some(&found));
            let mut shape = found.clone();
            for step in &plan.steps {
                if let Err(refusal) = take(step, &mut shape) {
                    return Err(TestCaseError::fail(format!(
                        "{step:?} of {:?}: {refusal}; from {found:?} to {wanted:?}",
                        plan.steps
                    )));
                }
            }
            prop_assert_eq!(&shape, &wanted);
            prop_assert_eq!(plan.differences.is_empty(), found == wanted);
        }
    }
}
