//! What is in the way of a bridge: a network with its subnet, another bridge between its members. The same run may remove
//! either.

use crate::bridge::network_name;
use crate::bridge::observe::Observed;
use crate::bridge::spec::Spec;
use crate::docker::DockerNetwork;
use crate::error::Problem;
use crate::labels::{self, labels};
use crate::network::{Hindrance, overlapping};
use crate::path::FieldPath;

/// All that is in the way of the bridge, among these networks of the daemon.
pub fn in_the_way(spec: &Spec, observed: &Observed, networks: &[DockerNetwork]) -> Vec<Hindrance> {
    // Bridges are Atlas's.
    let ours = labels([(labels::ATLAS_MANAGED, labels::ATLAS_MANAGED_VALUE)]);
    let connected = connected_already(spec, observed).into_iter();
    let mut found: Vec<Hindrance> = connected
        .map(|problem| Hindrance::labelled(problem, &ours))
        .collect();
    if observed.network.is_none() {
        let path = FieldPath::of("subnet");
        let own = network_name(&spec.name);
        found.extend(overlapping(spec.subnet, &own, &path, networks));
    }
    found
}

/// Two clusters have one way to each other: a second bridge between them would take the first one's
/// routes over.
pub(super) fn connected_already(spec: &Spec, observed: &Observed) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (other, clusters) in &observed.others {
        let on_both = spec.members.iter().enumerate();
        let on_both: Vec<_> = on_both
            .filter(|(_, member)| clusters.contains(&member.cluster))
            .collect();
        if let [(_, one), (position, another), ..] = on_both.as_slice() {
            problems.push(Problem::new(
                FieldPath::of("clusters").index(*position),
                format!(
                    "{:?} and {:?} are already connected by the bridge {other:?}.",
                    one.cluster, another.cluster
                ),
                "Two bridges may share one cluster, but not two. Add the clusters to that bridge instead.",
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::bridge::{DEFAULT_DOMAIN, Member};
    use crate::labels::Labels;
    use crate::network::foresee;

    fn spec() -> Spec {
        let member = |cluster: &str| Member {
            cluster: cluster.to_owned(),
            cluster_cidr: None,
            service_cidr: None,
        };
        Spec {
            name: "new".to_owned(),
            subnet: "10.80.0.0/24".parse().unwrap(),
            members: ["us", "eu"].map(member).into(),
            dns: true,
            domain: DEFAULT_DOMAIN.to_owned(),
        }
    }

    fn network(name: &str, labels: Labels) -> DockerNetwork {
        DockerNetwork {
            name: name.to_owned(),
            subnet: "10.80.0.0/16".parse().ok(),
            labels,
            ..DockerNetwork::default()
        }
    }

    #[test]
    fn a_bridge_that_is_renamed_is_warned_of_and_waits_for_the_one_with_the_old_name() {
        let both = BTreeSet::from(["us".to_owned(), "eu".to_owned()]);
        let observed = Observed {
            others: [("old".to_owned(), both)].into(),
            ..Observed::default()
        };
        let ours = labels([(labels::ATLAS_MANAGED, labels::ATLAS_MANAGED_VALUE)]);
        let networks = [network("atlas-bridge-old", ours)];
        let told = foresee(in_the_way(&spec(), &observed, &networks)).unwrap();
        let text: Vec<String> = told.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 2, "{text:?}");
        for part in ["connected by the bridge \"old\"", "10.80.0.0/16"] {
            assert!(text.iter().any(|one| one.contains(part)), "{text:?}");
        }
    }

    #[test]
    fn a_network_of_somebody_elses_is_refused_in_the_plan() {
        let foreign = [network("foreign", Labels::new())];
        let found = in_the_way(&spec(), &Observed::default(), &foreign);
        let refused = foresee(found).unwrap_err().to_string();
        assert!(refused.contains("foreign"), "{refused}");
    }

    #[test]
    fn a_bridge_that_is_there_has_its_subnet_already() {
        let observed = Observed {
            network: Some(network("atlas-bridge-new", Labels::new())),
            ..Observed::default()
        };
        let foreign = [network("foreign", Labels::new())];
        assert_eq!(in_the_way(&spec(), &observed, &foreign), []);
    }
}
