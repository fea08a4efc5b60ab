//! Which failures a cluster survives, as pure functions.
//!
//! A range serves while a majority of its voters is live. [`report`] counts the voters where they are now;
//! [`forecast`] says what a number of nodes in each region allows at best, for plans.

use std::collections::{BTreeMap, BTreeSet};

use super::topology::{NodeStatus, Topology};

/// A range and the nodes that vote on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// Its id.
    pub id: u64,
    /// Ids of nodes.
    pub voters: Vec<u64>,
}

/// What may fail together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One node.
    Node,
    /// All nodes of one zone of one region.
    Zone,
    /// All nodes of one region.
    Region,
}

/// A failure, and what is left after it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Failure {
    /// What fails.
    pub kind: Kind,
    /// Its name: `n3`, `us-east/a`, `us-east`.
    pub name: String,
    /// Whether every range keeps a majority.
    pub is_survived: bool,
    /// How many more voters the worst range could lose then; negative where it has lost its majority.
    pub margin: i64,
    /// Ranges that would be without a majority.
    pub lost_ranges: Vec<u64>,
}

/// Failures, nodes first, then zones, then regions.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// One for each node, zone and region.
    pub failures: Vec<Failure>,
}

impl Report {
    /// Whether every failure of this kind is survived; `false` where there is none to tell of.
    pub fn survives(&self, kind: Kind) -> bool {
        let mut all = self
            .failures
            .iter()
            .filter(|one| one.kind == kind)
            .peekable();
        all.peek().is_some() && all.all(|one| one.is_survived)
    }
}

/// Counts, for each node, zone and region, what its loss leaves. Nodes that are down already are lost with each.
pub fn report(topology: &Topology, ranges: &[Range]) -> Report {
    let mut domains: BTreeMap<(Kind, String), BTreeSet<u64>> = BTreeMap::new();
    for node in topology.members() {
        for domain in domains_of(node) {
            domains.entry(domain).or_default().insert(node.id);
        }
    }
    let live: BTreeSet<u64> = topology
        .members()
        .filter(|node| node.is_live)
        .map(|node| node.id)
        .collect();
    let failures = domains.into_iter().map(|((kind, name), lost)| {
        let margin = |range: &Range| {
            let left = range
                .voters
                .iter()
                .filter(|id| live.contains(id) && !lost.contains(id));
            let majority = range.voters.len() / 2 + 1;
            signed(left.count()) - signed(majority)
        };
        let lost_ranges: Vec<u64> = ranges
            .iter()
            .filter(|range| margin(range) < 0)
            .map(|range| range.id)
            .collect();
        Failure {
            kind,
            name,
            is_survived: lost_ranges.is_empty() && !ranges.is_empty(),
            margin: ranges.iter().map(margin).min().unwrap_or_default(),
            lost_ranges,
        }
    });
    Report {
        failures: failures.collect(),
    }
}

fn domains_of(node: &NodeStatus) -> Vec<(Kind, String)> {
    let mut all = vec![(Kind::Node, format!("n{}", node.id))];
    if let Some(region) = node.tier("region") {
        if let Some(zone) = node.tier("zone") {
            all.push((Kind::Zone, format!("{region}/{zone}")));
        }
        all.push((Kind::Region, region.to_owned()));
    }
    all
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// What a number of nodes in each region can survive at best: `Region` above `Node` above nothing.
///
/// Five voters survive a region where no region has to hold three of them; three voters on three nodes survive a node.
pub fn forecast(nodes: &BTreeMap<String, u32>) -> Option<Kind> {
    let spread: u32 = nodes.values().map(|count| (*count).min(2)).sum();
    let all: u32 = nodes.values().sum();
    let regions = nodes.values().filter(|count| **count > 0).count();
    if regions >= 3 && spread >= 5 {
        Some(Kind::Region)
    } else if all >= 3 {
        Some(Kind::Node)
    } else {
        None
    }
}

/// What is said where a change of the nodes lowers what can be survived; `None` where it does not.
pub fn warning(before: &BTreeMap<String, u32>, after: &BTreeMap<String, u32>) -> Option<String> {
    let (was, is) = (forecast(before), forecast(after));
    if is >= was {
        return None;
    }
    let told = |kind: Option<Kind>| match kind {
        Some(Kind::Region) => "the loss of any region",
        Some(_) => "the loss of any one node, and of no region",
        None => "no failure at all",
    };
    let list = |nodes: &BTreeMap<String, u32>| {
        let all: Vec<String> = nodes
            .iter()
            .filter(|(_, count)| **count > 0)
            .map(|(region, count)| format!("{region}: {count}"))
            .collect();
        all.join(", ")
    };
    Some(format!(
        "With nodes {} the cluster can survive {}; with {} it could survive {}. Surviving a region takes five voters, no \
         three of them in one region: two nodes in two regions and one in a third are the least.",
        list(after),
        told(is),
        list(before),
        told(was)
    ))
}

#[cfg(test)]
mod tests {
    use super::super::topology::Membership;
    use super::*;
    use proptest::prelude::*;

    fn topology(nodes: &[(&str, &str, bool)]) -> Topology {
        let node = |(index, (region, zone, is_live)): (usize, &(&str, &str, bool))| NodeStatus {
            id: index as u64 + 1,
            address: String::new(),
            build: String::new(),
            updated_at: String::new(),
            locality: vec![
                ("region".into(), (*region).into()),
                ("zone".into(), (*zone).into()),
            ],
            is_live: *is_live,
            is_available: *is_live,
            ranges_unavailable: 0,
            ranges_underreplicated: 0,
            membership: Membership::Active,
            is_draining: false,
        };
        Topology {
            nodes: nodes.iter().enumerate().map(node).collect(),
        }
    }

    const FIVE: [(&str, &str, bool); 5] = [
        ("us", "a", true),
        ("us", "b", true),
        ("eu", "a", true),
        ("eu", "b", true),
        ("wit", "a", true),
    ];

    fn of<'a>(report: &'a Report, name: &str) -> &'a Failure {
        report.failures.iter().find(|one| one.name == name).unwrap()
    }

    #[test]
    fn two_two_and_one_survive_any_region_with_nothing_to_spare() {
        let ranges = [Range {
            id: 7,
            voters: vec![1, 2, 3, 4, 5],
        }];
        let report = report(&topology(&FIVE), &ranges);
        assert!(report.survives(Kind::Region) && report.survives(Kind::Node));
        assert_eq!(of(&report, "us").margin, 0);
        assert_eq!(of(&report, "wit").margin, 1);
        assert_eq!(of(&report, "us/a").margin, 1);
    }

    #[test]
    fn a_dead_node_counts_with_every_failure() {
        let mut nodes = FIVE;
        nodes[4].2 = false;
        let ranges = [Range {
            id: 7,
            voters: vec![1, 2, 3, 4, 5],
        }];
        let report = report(&topology(&nodes), &ranges);
        assert!(!report.survives(Kind::Region));
        assert_eq!(of(&report, "eu").lost_ranges, [7]);
        assert_eq!(of(&report, "eu").margin, -1);
    }

    #[test]
    fn the_worst_range_decides() {
        let ranges = [
            Range {
                id: 1,
                voters: vec![1, 2, 3, 4, 5],
            },
            Range {
                id: 2,
                voters: vec![1, 2, 3],
            },
        ];
        let report = report(&topology(&FIVE), &ranges);
        assert_eq!(of(&report, "us").lost_ranges, [2]);
        assert!(report.survives(Kind::Node));
    }

    #[test]
    fn without_ranges_nothing_is_said_to_survive() {
        assert!(!report(&topology(&FIVE), &[]).survives(Kind::Node));
        assert!(!Report::default().survives(Kind::Node));
    }

    #[test]
    fn a_change_that_lowers_it_is_told() {
        let nodes = |all: &[(&str, u32)]| -> BTreeMap<String, u32> {
            all.iter()
                .map(|(region, n)| ((*region).to_owned(), *n))
                .collect()
        };
        let full = nodes(&[("us", 2), ("eu", 2), ("wit", 1)]);
        assert_eq!(forecast(&full), Some(Kind::Region));
        assert_eq!(
            warning(&full, &nodes(&[("us", 3), ("eu", 2), ("wit", 1)])),
            None
        );
        let told = warning(&full, &nodes(&[("us", 2), ("eu", 1), ("wit", 1)])).unwrap();
        assert!(told.contains("no region"), "{told}");
        assert_eq!(forecast(&nodes(&[("us", 9), ("eu", 9)])), Some(Kind::Node));
        assert_eq!(forecast(&nodes(&[("us", 1), ("eu", 1)])), None);
    }

    proptest! {
        /// A forecast of "region" can be kept: voters can be placed so that the report says the same.
        #[test]
        fn what_is_forecast_can_be_placed(us in 0_u32..4, eu in 0_u32..4, wit in 0_u32..4) {
            let counts = [("us", us), ("eu", eu), ("wit", wit)];
            let nodes: Vec<(&str, &str, bool)> = counts
                .iter()
                .flat_map(|(region, n)| (0..*n).map(|_| (*region, "a", true)))
                .collect();
            let map: BTreeMap<String, u32> =
                counts.iter().map(|(region, n)| ((*region).to_owned(), *n)).collect();
            let topology = topology(&nodes);
            let best = (0_u32..1 << nodes.len())
                .filter(|set| set.count_ones() == 5)
                .any(|set| {
                    let voters = (0..nodes.len()).filter(|n| set & (1 << n) != 0);
                    let range = Range { id: 1, voters: voters.map(|n| n as u64 + 1).collect() };
                    report(&topology, &[range]).survives(Kind::Region)
                });
            prop_assert_eq!(forecast(&map) == Some(Kind::Region), best);
        }
    }
}
