//! What may be asked of a bridge.

use ipnet::Ipv4Net;

use super::observe::Observed;
use super::zones;
use crate::cidr;
use crate::error::{Problem, Remedy};
use crate::network::name_problem;
use crate::path::FieldPath;

/// A cluster on the bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The cluster's name.
    pub cluster: String,
    /// Its network for pods, where that is known before the cluster exists.
    pub cluster_cidr: Option<Ipv4Net>,
    /// Its network for Services, where that is known before the cluster exists.
    pub service_cidr: Option<Ipv4Net>,
}

/// A bridge as a user wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Its name.
    pub name: String,
    /// The transit network.
    pub subnet: Ipv4Net,
    /// Two or more clusters.
    pub members: Vec<Member>,
    /// Whether members resolve each other's names.
    pub dns: bool,
    /// Below which domain those lie.
    pub domain: String,
}

impl Spec {
    /// The members' names, in the order in which they are declared.
    pub fn clusters(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.cluster.as_str())
    }

    /// Everything that is wrong with it, without asking the world.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(name_problem(&self.name, &FieldPath::of("name")));
        if self.subnet.prefix_len() > 28 {
            problems.push(Problem::new(
                FieldPath::of("subnet"),
                format!("{} is too small: it has no room for nodes.", self.subnet),
                "Use a prefix of /28 or shorter.",
            ));
        }
        if self.members.len() < 2 {
            problems.push(Problem::new(
                FieldPath::of("clusters"),
                "a bridge needs at least two clusters.",
                "Add another cluster.",
            ));
        }
        problems.extend(zones::domain_problem(
            &self.domain,
            &FieldPath::of("domain"),
        ));
        let mut known: Vec<(String, Ipv4Net)> =
            vec![("the bridge's subnet".to_owned(), self.subnet)];
        for (position, member) in self.members.iter().enumerate() {
            let path = FieldPath::of("clusters").index(position);
            let reserved = zones::member_problem(&member.cluster, &path.clone().name("name"));
            problems.extend(reserved.filter(|_| self.dns));
            if self.members[..position]
                .iter()
                .any(|other| other.cluster == member.cluster)
            {
                problems.push(Problem::new(
                    path.clone().name("name"),
                    format!("{:?} is listed twice.", member.cluster),
                    "List each cluster once.",
                ));
            }
            for (what, net) in [
                ("pods", member.cluster_cidr),
                ("Services", member.service_cidr),
            ] {
                let Some(net) = net else { continue };
                for (owner, other) in &known {
                    if cidr::overlap(net, *other) {
                        problems.push(Problem::new(
                            path.clone(),
                            format!(
                                "{net} (the {what} of {:?}) overlaps {other} ({owner}).",
                                member.cluster
                            ),
                            Remedy::SeparateNetworks,
                        ));
                    }
                }
                known.push((format!("the {what} of {:?}", member.cluster), net));
            }
        }
        problems
    }

    /// The same with the networks of clusters that exist, as they are.
    #[must_use]
    pub(super) fn informed(&self, observed: &Observed) -> Self {
        let mut spec = self.clone();
        for member in &mut spec.members {
            if let Some(view) = observed.clusters.get(&member.cluster) {
                member.cluster_cidr = Some(view.cluster_cidr);
                member.service_cidr = Some(view.service_cidr);
            }
        }
        spec
    }
}

/// The specification that an existing bridge follows: the members as they were declared, those that do not
/// exist at the moment too, then others that are on its network. `None` where its network is gone.
pub fn spec_of(name: &str, observed: &Observed) -> Option<Spec> {
    let network = observed.network.as_ref()?;
    let on_it = observed.clusters.iter().filter(|(name, view)| {
        !observed.recorded.contains(name) && view.nodes.iter().any(|node| node.attached)
    });
    let told = || {
        let views = observed.clusters.values();
        views.filter_map(|view| view.stub_zones.as_deref())
    };
    let members = observed
        .recorded
        .iter()
        .chain(on_it.map(|(cluster, _)| cluster));
    Some(Spec {
        name: name.to_owned(),
        subnet: network.subnet?,
        members: members
            .map(|cluster| {
                let view = observed.clusters.get(cluster);
                Member {
                    cluster: cluster.clone(),
                    cluster_cidr: view.map(|view| view.cluster_cidr),
                    service_cidr: view.map(|view| view.service_cidr),
                }
            })
            .collect(),
        dns: observed.names_pending.is_some() || told().next().is_some(),
        domain: told()
            .find_map(zones::domain_of)
            .or(observed.names_pending.as_deref())
            .unwrap_or(zones::DEFAULT_DOMAIN)
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(cluster: &str, pods: &str, services: &str) -> Member {
        Member {
            cluster: cluster.into(),
            cluster_cidr: Some(pods.parse().unwrap()),
            service_cidr: Some(services.parse().unwrap()),
        }
    }

    fn spec(members: Vec<Member>) -> Spec {
        Spec {
            name: "b".into(),
            subnet: "172.31.0.0/24".parse().unwrap(),
            members,
            dns: true,
            domain: zones::DEFAULT_DOMAIN.into(),
        }
    }

    #[test]
    fn an_overlap_is_refused_with_both_names_and_the_path() {
        let problems = spec(vec![
            member("dc-us", "10.44.0.0/16", "10.45.0.0/16"),
            member("dc-eu", "10.44.0.0/16", "10.47.0.0/16"),
        ])
        .problems();
        let text = problems[0].to_string();
        for part in ["clusters[1]", "dc-us", "dc-eu"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(problems.len(), 1);
    }

    #[test]
    fn one_cluster_makes_no_bridge() {
        assert_eq!(
            spec(vec![member("a", "10.44.0.0/16", "10.45.0.0/16")])
                .problems()
                .len(),
            1
        );
    }

    #[test]
    fn a_member_called_as_the_zone_of_containers_is_refused_unless_there_are_no_names() {
        let mut spec = spec(vec![
            member("us", "10.44.0.0/16", "10.45.0.0/16"),
            member("docker", "10.46.0.0/16", "10.47.0.0/16"),
        ]);
        let problems = spec.problems();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].path.to_string(), "clusters[1].name");
        spec.dns = false;
        assert!(spec.problems().is_empty());
    }

    #[test]
    fn a_domain_is_refused_at_its_attribute() {
        let mut spec = spec(vec![
            member("us", "10.44.0.0/16", "10.45.0.0/16"),
            member("eu", "10.46.0.0/16", "10.47.0.0/16"),
        ]);
        spec.domain = "local".into();
        let problems = spec.problems();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].path.to_string(), "domain");
    }
}
