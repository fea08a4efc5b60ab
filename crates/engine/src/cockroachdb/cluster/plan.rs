//! What stands between a cluster as wanted and as it is.

use std::collections::BTreeMap;

use super::observe::{Observed, SYSTEM};
use super::spec::{LICENSE, Spec};
use crate::cockroachdb::topology::{Membership, NodeStatus, Topology, View};
use crate::difference::Difference;

/// Replicas of every system range: the vendor's default, and as many as survive a region with two of its nodes.
const SYSTEM_REPLICAS: usize = 5;

/// One step. They are taken in this order.
#[derive(Clone, PartialEq, Eq)]
pub enum Step {
    /// Makes one cluster of all nodes.
    Init,
    /// Waits until every node is a live member, and every region has one.
    WaitForNodes,
    /// Spreads system ranges over regions.
    SpreadSystemRanges(String),
    /// Sets a cluster setting.
    Set(String, String),
    /// Gives a cluster setting its default back.
    Reset(String),
    /// Sets the licence.
    SetLicense,
    /// Takes the licence away.
    ResetLicense,
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.summary("cluster"))
    }
}

impl Step {
    /// The step as a sentence.
    pub fn summary(&self, cluster: &str) -> String {
        match self {
            Self::Init => format!("initialize {cluster}"),
            Self::WaitForNodes => format!("wait for all nodes of {cluster}"),
            Self::SpreadSystemRanges(constraints) => {
                format!("spread the system ranges of {cluster}: {constraints}")
            }
            Self::Set(name, value) => format!("set {name} = {value}"),
            Self::Reset(name) => format!("reset {name}"),
            Self::SetLicense => "set the licence".to_owned(),
            Self::ResetLicense => "remove the licence".to_owned(),
        }
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

/// Compares.
pub fn plan(spec: &Spec, observed: &Observed) -> Plan {
    let mut plan = Plan::default();
    match &observed.view {
        View::Live(topology) => {
            if !is_whole(spec, topology) {
                plan.steps.push(Step::WaitForNodes);
            }
        }
        View::Uninitialized | View::Absent => {
            plan.steps.extend([Step::Init, Step::WaitForNodes]);
        }
        View::Silent(_) => plan.steps.push(Step::WaitForNodes),
    }
    if let Some(topology) = observed.view.topology() {
        plan.steps.extend(spread(topology, observed));
    }
    for (name, value) in &spec.settings {
        let found = observed.settings.get(name);
        if found.is_none_or(|found| !is_same(found, value)) {
            plan.steps.push(Step::Set(name.clone(), value.clone()));
            let before = found.map(String::as_str).unwrap_or_default();
            let field = format!("settings.{name}");
            plan.differences
                .push(Difference::new(&field, before, value));
        }
    }
    for name in spec
        .reset
        .iter()
        .filter(|name| !spec.settings.contains_key(*name))
    {
        plan.steps.push(Step::Reset(name.clone()));
        let before = observed.settings.get(name).cloned().unwrap_or_default();
        let field = format!("settings.{name}");
        plan.differences
            .push(Difference::new(&field, before, "the default"));
    }
    match (&spec.license, &observed.license) {
        (Some(wanted), found) if found.as_ref() != Some(wanted) => {
            plan.steps.push(Step::SetLicense);
            let before = if found.is_some() { "set" } else { "not set" };
            plan.differences
                .push(Difference::new("license", before, "another value"));
        }
        (None, Some(_)) if spec.reset.contains(LICENSE) => {
            plan.steps.push(Step::ResetLicense);
            plan.differences
                .push(Difference::new("license", "set", "not set"));
        }
        _ => {}
    }
    plan
}

/// Whether every member is live, and every region has a member.
pub(super) fn is_whole(spec: &Spec, topology: &Topology) -> bool {
    let live = topology
        .members()
        .all(|node| node.is_live || node.membership != Membership::Active);
    live && spec
        .regions
        .iter()
        .all(|region| topology.in_region(region).next().is_some())
}

/// Without constraints three of five system replicas may be in one region, and the cluster is lost with it.
fn spread(topology: &Topology, observed: &Observed) -> Option<Step> {
    let wanted = constraints(topology);
    is_spread_otherwise(&wanted, &observed.zones).then_some(Step::SpreadSystemRanges(wanted))
}

/// Whether any system range has other constraints than these.
pub(super) fn is_spread_otherwise(wanted: &str, zones: &BTreeMap<&'static str, String>) -> bool {
    SYSTEM.iter().any(|target| {
        let found = zones.get(target).map(String::as_str).unwrap_or_default();
        squeezed(found) != squeezed(wanted)
    })
}

/// One replica for each region, and a second where there are nodes for it, as far as five go. No constraints for less than
/// three regions, of which one holds half of the replicas in any case, and for more than five.
pub(super) fn constraints(topology: &Topology) -> String {
    let mut nodes: BTreeMap<&str, usize> = BTreeMap::new();
    let active = |node: &&NodeStatus| node.membership == Membership::Active;
    for region in topology
        .members()
        .filter(active)
        .filter_map(|node| node.tier("region"))
    {
        *nodes.entry(region).or_default() += 1;
    }
    if nodes.len() < 3 || nodes.len() > SYSTEM_REPLICAS {
        return "[]".to_owned();
    }
    let mut left = SYSTEM_REPLICAS - nodes.len();
    let shares = nodes.iter().map(|(region, count)| {
        let second = left > 0 && *count > 1;
        left -= usize::from(second);
        format!("+region={region}: {}", 1 + usize::from(second))
    });
    let shares: Vec<String> = shares.collect();
    format!("{{{}}}", shares.join(", "))
}

/// Without what may be written in several ways: no constraints are `[]`, or nothing at all.
fn squeezed(text: &str) -> String {
    let text: String = text
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '"')
        .collect();
    if text == "[]" {
        return String::new();
    }
    // Regions come in any order.
    let shares = text.trim_start_matches('{').trim_end_matches('}');
    let mut shares: Vec<&str> = shares.split(',').collect();
    shares.sort_unstable();
    shares.join(",")
}

/// Whether a setting's value is this: it tells `true` as `t`, and durations, numbers and sizes in its own form.
pub fn is_same(found: &str, wanted: &str) -> bool {
    let plain = |text: &str| match text.trim() {
        "t" | "on" | "yes" => "true".to_owned(),
        "f" | "off" | "no" => "false".to_owned(),
        other => match (seconds(other), other.parse::<f64>()) {
            (Some(seconds), _) => format!("{seconds} s"),
            (None, Ok(number)) => number.to_string(),
            // A size as in 64 MiB.
            (None, Err(_)) if other.starts_with(|c: char| c.is_ascii_digit()) => {
                other.replace(' ', "")
            }
            (None, Err(_)) => other.to_owned(),
        },
    };
    plain(found) == plain(wanted)
}

/// A duration as `00:05:00`, `5m0s` or `300s`, in seconds.
fn seconds(text: &str) -> Option<f64> {
    let clock: Vec<&str> = text.split(':').collect();
    if let [hours, minutes, rest] = clock[..] {
        let number = |part: &str| part.parse::<f64>().ok();
        return Some(number(hours)? * 3600.0 + number(minutes)? * 60.0 + number(rest)?);
    }
    if !text.ends_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let parsed = humantime::parse_duration(text).ok()?;
    Some(parsed.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology(regions: &[&str]) -> Topology {
        let node = |(id, region): (usize, &&str)| NodeStatus {
            id: id as u64 + 1,
            address: format!("n{id}:26257"),
            build: "v1".into(),
            updated_at: String::new(),
            locality: vec![("region".into(), (*region).into())],
            is_live: true,
            is_available: true,
            ranges_unavailable: 0,
            ranges_underreplicated: 0,
            membership: Membership::Active,
            is_draining: false,
        };
        Topology {
            nodes: regions.iter().enumerate().map(node).collect(),
        }
    }

    fn spec() -> Spec {
        Spec {
            name: "ledger".into(),
            regions: ["a", "b", "c"].map(str::to_owned).into(),
            settings: [("kv.rangefeed.enabled".to_owned(), "true".to_owned())].into(),
            ..Spec::default()
        }
    }

    fn observed() -> Observed {
        let topology = topology(&["a", "a", "b", "b", "c"]);
        let wanted = constraints(&topology);
        Observed {
            view: View::Live(topology),
            settings: [("kv.rangefeed.enabled".to_owned(), "t".to_owned())].into(),
            zones: SYSTEM.map(|target| (target, wanted.clone())).into(),
            ..Observed::default()
        }
    }

    #[test]
    fn what_is_as_wanted_needs_no_step() {
        assert_eq!(plan(&spec(), &observed()), Plan::default());
    }

    #[test]
    fn nodes_that_wait_are_initialized_once() {
        let there = Observed {
            view: View::Uninitialized,
            ..Observed::default()
        };
        let steps = plan(&spec(), &there).steps;
        assert_eq!(steps[..2], [Step::Init, Step::WaitForNodes]);
    }

    #[test]
    fn no_region_gets_a_majority_of_system_ranges() {
        for (regions, expected) in [
            (
                &["a", "a", "b", "b", "c"][..],
                "{+region=a: 2, +region=b: 2, +region=c: 1}",
            ),
            (
                &["a", "b", "c"],
                "{+region=a: 1, +region=b: 1, +region=c: 1}",
            ),
            (
                &["a", "b", "b", "b", "c", "c"],
                "{+region=a: 1, +region=b: 2, +region=c: 2}",
            ),
            (&["a", "a", "a", "b", "b"], "[]"),
        ] {
            assert_eq!(constraints(&topology(regions)), expected, "{regions:?}");
        }
    }

    #[test]
    fn a_changed_setting_is_told_with_its_values() {
        let mut there = observed();
        there
            .settings
            .insert("kv.rangefeed.enabled".into(), "f".into());
        let plan = plan(&spec(), &there);
        assert_eq!(
            plan.steps,
            [Step::Set("kv.rangefeed.enabled".into(), "true".into())]
        );
        assert_eq!(plan.differences[0].before, "f");
    }

    #[test]
    fn values_are_compared_by_what_they_mean() {
        for (found, wanted, same) in [
            ("00:05:00", "5m", true),
            ("5m0s", "300s", true),
            ("00:05:00", "6m", false),
            ("t", "on", true),
            ("1", "true", false),
            ("1", "1.0", true),
            ("1", "1s", false),
            ("64 MiB", "64MiB", true),
            ("text", "text", true),
            ("a text", "atext", false),
        ] {
            assert_eq!(is_same(found, wanted), same, "{found} {wanted}");
        }
    }

    #[test]
    fn a_licence_is_never_told() {
        let mut wanted = spec();
        wanted.license = Some("crl-0-sesame".into());
        let plan = plan(&wanted, &observed());
        assert_eq!(plan.steps, [Step::SetLicense]);
        assert!(!format!("{plan:?}").contains("sesame"));
    }

    #[test]
    fn regions_come_in_any_order() {
        let zones: BTreeMap<_, _> = SYSTEM
            .map(|target| (target, "{+region=dc2: 1, +region=dc10: 2}".to_owned()))
            .into();
        assert!(!is_spread_otherwise(
            "{+region=dc10: 2, +region=dc2: 1}",
            &zones
        ));
        assert!(is_spread_otherwise(
            "{+region=dc10: 1, +region=dc2: 2}",
            &zones
        ));
    }
}
