//! What stands between a region as wanted and as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use super::observe::{Member, Observed};
use super::spec::{NodeSpec, Placement, Spec};
use crate::cockroachdb::certificates::Certificate;
use crate::cockroachdb::topology::{Membership, NodeStatus, View};
use crate::cockroachdb::{names, quorum};
use crate::difference::Difference;

/// One step. They are taken in this order, but for [`need`]; nodes that are made or started, at once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Removes container and volume of a node that left the cluster: its store cannot come back.
    WipeNode(u32),
    /// Takes a node back that was to leave.
    RecommissionNode(u32),
    /// Puts a new certificate into a node, which takes it without a restart.
    RenewCertificate(u32),
    /// Creates and starts a node, on the volume that is there or on a new one.
    CreateNode(u32),
    /// Starts a node.
    StartNode(u32),
    /// Waits for a node that was started on a new store.
    AwaitNode(u32),
    /// Waits until enough nodes elsewhere are part of the cluster.
    WaitForNodes(u32),
    /// Takes members out of the cluster, by id: their stores are lost, and other members are at their addresses.
    ForgetMembers(Vec<u64>),
    /// Drains a node, makes its container anew on the same volume, and waits until all ranges are replicated.
    RemakeNode(u32),
    /// Moves all replicas away from these nodes, takes them out of the cluster, and removes container and volume.
    RemoveNodes(Vec<u32>),
}

impl Step {
    /// The step as a sentence.
    pub fn summary(&self, cluster: &str, region: &str) -> String {
        let name = |number: &u32| names::node(cluster, region, *number);
        match self {
            Self::WipeNode(n) => {
                format!("remove {} and its volume, as it left the cluster", name(n))
            }
            Self::RecommissionNode(n) => format!("recommission {}", name(n)),
            Self::RenewCertificate(n) => format!("renew the certificate of {}", name(n)),
            Self::CreateNode(n) => format!("create {}", name(n)),
            Self::StartNode(n) => format!("start {}", name(n)),
            Self::AwaitNode(n) => format!("wait for {} to join {cluster}", name(n)),
            Self::WaitForNodes(n) => format!("wait for {n} nodes of {region} to join {cluster}"),
            Self::ForgetMembers(ids) => {
                let ids: Vec<String> = ids.iter().map(|id| format!("n{id}")).collect();
                format!("decommission {}, whose store is lost", ids.join(", "))
            }
            Self::RemakeNode(n) => format!("drain {}, and make it anew on its volume", name(n)),
            Self::RemoveNodes(all) => {
                let all: Vec<String> = all.iter().map(name).collect();
                format!("drain, decommission and remove {}", all.join(", "))
            }
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

impl Plan {
    /// Attributes for which the region must be replaced, with all that is in it.
    pub fn replace(&self) -> Vec<&str> {
        Difference::replacing(&self.differences)
    }
}

/// Compares, at this time: certificates grow old.
pub fn plan(spec: &Spec, observed: &Observed, now: SystemTime) -> Plan {
    if spec.placement == Placement::External {
        return of_external(spec, observed);
    }
    let mut steps = Vec::new();
    let mut differences = Vec::new();
    for number in 1..=spec.nodes {
        let wanted = spec.node(number);
        let left = observed
            .status(number)
            .is_some_and(|status| status.membership == Membership::Decommissioned);
        let is_here = observed.member(number).is_some() || observed.volumes.contains(&number);
        let joins = observed.member(number).is_some_and(|member| member.joins);
        if left && is_here && !joins {
            steps.extend([Step::WipeNode(number), Step::CreateNode(number)]);
            continue;
        }
        let leaving = observed
            .status(number)
            .is_some_and(|status| status.membership == Membership::Decommissioning);
        if leaving {
            steps.push(Step::RecommissionNode(number));
        }
        let Some(member) = observed.member(number) else {
            steps.push(Step::CreateNode(number));
            continue;
        };
        let of_node = of_node(&wanted, &member.found);
        let differs = !of_node.is_empty();
        for one in of_node {
            if !differences
                .iter()
                .any(|known: &Difference| known.field == one.field)
            {
                differences.push(one);
            }
        }
        if differs {
            steps.push(Step::RemakeNode(number));
            continue;
        }
        if wanted.secure && needs_certificate(spec, member, now) {
            steps.push(Step::RenewCertificate(number));
            if let Some(days) = member.certificate.as_ref().map(Certificate::days)
                && days != u64::from(spec.certificate_days)
                && !differences
                    .iter()
                    .any(|known| known.field == "certificate_days")
            {
                differences.push(Difference::new(
                    "certificate_days",
                    days,
                    spec.certificate_days,
                ));
            }
        }
        let drains = observed
            .status(number)
            .is_some_and(|status| status.is_live && status.is_draining);
        if !member.container.state.running {
            steps.push(Step::StartNode(number));
        } else if joins {
            steps.push(Step::AwaitNode(number));
        } else if drains {
            // Only a restart takes a drain back that nobody goes on with.
            steps.push(Step::RemakeNode(number));
        }
    }
    let lost = lost_members(spec, observed);
    if !lost.is_empty() {
        steps.push(Step::ForgetMembers(lost));
    }
    let surplus = surplus(spec, observed);
    let found = found_nodes(observed);
    if !observed.is_gone() && found != spec.nodes {
        differences.push(Difference::new("nodes", found, spec.nodes));
    }
    if !surplus.is_empty() {
        steps.push(Step::RemoveNodes(surplus));
    }
    steps.sort();
    steps.sort_by_key(|step| need(step, observed));
    Plan { steps, differences }
}

/// Among the steps that wait for the cluster, those that mend it come first, as the others wait for that.
fn need(step: &Step, observed: &Observed) -> u8 {
    let is_down = |number: u32| {
        let runs = |member: &Member| member.container.state.running;
        let status = observed.status(number);
        !observed.member(number).is_some_and(runs) || status.is_some_and(|status| !status.is_live)
    };
    let drains = |number: u32| {
        let status = observed.status(number);
        status.is_some_and(|status| status.is_draining)
    };
    match step {
        Step::RemakeNode(number) if is_down(*number) => 1,
        Step::RemoveNodes(all) if all.iter().any(|n| is_down(*n) || drains(*n)) => 2,
        Step::RemakeNode(number) if drains(*number) => 3,
        Step::RemakeNode(_) => 4,
        Step::RemoveNodes(_) => 5,
        _ => 0,
    }
}

/// How many nodes there are: containers, and members of the cluster that have none.
fn found_nodes(observed: &Observed) -> u32 {
    let highest = observed.members.iter().map(|one| one.found.number).max();
    highest.unwrap_or_default()
}

fn of_external(spec: &Spec, observed: &Observed) -> Plan {
    // Before its `init` the cluster counts nobody; that is what the cluster waits for.
    let View::Live(topology) = &observed.view else {
        return Plan::default();
    };
    let live = topology
        .in_region(&spec.name)
        .filter(|node| node.is_live && node.membership == Membership::Active);
    let found = u32::try_from(live.count()).unwrap_or(u32::MAX);
    if found >= spec.nodes {
        return Plan::default();
    }
    Plan {
        steps: vec![Step::WaitForNodes(spec.nodes)],
        differences: vec![Difference::new("nodes", found, spec.nodes)],
    }
}

/// Dead members at the address of a live one: a node whose store was lost came back as another one.
fn lost_members(spec: &Spec, observed: &Observed) -> Vec<u64> {
    let Some(topology) = observed.view.topology() else {
        return Vec::new();
    };
    let addresses = (1..=spec.nodes).map(|n| names::address(&spec.cluster, &spec.name, n));
    let lost = addresses.flat_map(|address| {
        let heir = topology.at(&address).filter(|node| node.is_live);
        let others = topology.members().filter(move |node| {
            let is_other = |heir: &NodeStatus| heir.id != node.id && heir.address == node.address;
            !node.is_live && heir.is_some_and(is_other)
        });
        others.map(|node| node.id)
    });
    lost.collect()
}

/// Nodes above the wanted number: in a container, a volume or the cluster's memory.
fn surplus(spec: &Spec, observed: &Observed) -> Vec<u32> {
    let prefix = names::node(&spec.cluster, &spec.name, 0);
    let prefix = prefix.trim_end_matches('0');
    let known = observed.view.topology().into_iter().flat_map(|topology| {
        topology.members().filter_map(|node| {
            let (host, _) = node.address.rsplit_once(':')?;
            host.strip_prefix(prefix)?.parse().ok()
        })
    });
    let mut all: BTreeSet<u32> = known.collect();
    all.extend(observed.members.iter().map(|one| one.found.number));
    all.extend(&observed.volumes);
    all.into_iter()
        .filter(|number| *number > spec.nodes)
        .collect()
}

fn needs_certificate(spec: &Spec, member: &Member, now: SystemTime) -> bool {
    let Some(certificate) = &member.certificate else {
        return true;
    };
    let wanted = spec.host_names(&member.found);
    certificate.is_due(now)
        || certificate.days() != u64::from(spec.certificate_days)
        || !wanted.is_subset(&certificate.names)
}

/// Attributes that differ between two specifications of one region. What goes by node is compared by node.
pub fn differences(spec: &Spec, found: &Spec) -> Vec<Difference> {
    let mut all = Vec::new();
    let both = spec.nodes.min(found.nodes);
    for number in 1..=both {
        for one in of_node(&spec.node(number), &found.node(number)) {
            if !all
                .iter()
                .any(|known: &Difference| known.field == one.field)
            {
                all.push(one);
            }
        }
    }
    if spec.nodes != found.nodes {
        all.push(Difference::new("nodes", found.nodes, spec.nodes));
    }
    if spec.certificate_days != found.certificate_days {
        all.push(Difference::new(
            "certificate_days",
            found.certificate_days,
            spec.certificate_days,
        ));
    }
    all
}

/// What is said where the cluster survives less with so many nodes in this region; `None` where it does not, or gives no
/// answer.
pub fn warning(observed: &Observed, nodes: u32) -> Option<String> {
    let mut before: BTreeMap<String, u32> = BTreeMap::new();
    for node in observed.view.topology()?.members() {
        if let Some(region) = node.tier("region") {
            *before.entry(region.to_owned()).or_default() += 1;
        }
    }
    let mut after = before.clone();
    after.insert(observed.region.clone(), nodes);
    quorum::warning(&before, &after)
}

fn of_node(wanted: &NodeSpec, found: &NodeSpec) -> Vec<Difference> {
    fn told<T: ToString>(value: Option<T>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    let size = |memory: Option<i64>| memory.map(crate::size::render).unwrap_or_default();
    let (before, after) = (&found.resources, &wanted.resources);
    let pairs = [
        ("image", found.image.clone(), wanted.image.clone()),
        ("network", found.network.clone(), wanted.network.clone()),
        (
            "zones",
            told(found.zone.as_ref()),
            told(wanted.zone.as_ref()),
        ),
        ("sql_ports", told(found.sql_port), told(wanted.sql_port)),
        ("http_ports", told(found.http_port), told(wanted.http_port)),
        ("addresses", told(found.address), told(wanted.address)),
        (
            "cache",
            told(before.cache.as_ref()),
            told(after.cache.as_ref()),
        ),
        (
            "max_sql_memory",
            told(before.max_sql_memory.as_ref()),
            told(after.max_sql_memory.as_ref()),
        ),
        ("memory", size(before.memory), size(after.memory)),
        ("cpus", told(before.nano_cpus), told(after.nano_cpus)),
    ];
    let mut all: Vec<Difference> = pairs
        .into_iter()
        .filter(|(_, before, after)| before != after)
        .map(|(field, before, after)| {
            let mut one = Difference::new(field, before, after);
            // Moved one by one, nodes would find the others no more.
            one.replaces = field == "network";
            one
        })
        .collect();
    if wanted.secure != found.secure {
        // Nodes with and without TLS do not speak to each other.
        let mut one = Difference::new("insecure", !found.secure, !wanted.secure);
        one.replaces = true;
        all.push(one);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::spec::tests::spec;
    use super::*;
    use crate::cockroachdb::certificates::Authority;
    use crate::cockroachdb::topology::Topology;
    use crate::docker::{Node, State};

    fn certificate(spec: &Spec) -> Certificate {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::ensure(folder.path()).unwrap();
        let mut names: BTreeSet<String> = BTreeSet::new();
        for number in 1..=8 {
            names.extend(spec.host_names(&spec.node(number)));
        }
        let pair = authority.node(&names, spec.certificate_days).unwrap();
        Certificate::parse(pair.certificate.as_bytes()).unwrap()
    }

    fn status(spec: &Spec, number: u32, membership: Membership) -> NodeStatus {
        NodeStatus {
            id: u64::from(number),
            address: names::address(&spec.cluster, &spec.name, number),
            build: "v1".into(),
            updated_at: String::new(),
            locality: vec![("region".into(), spec.name.clone())],
            is_live: true,
            is_available: true,
            ranges_unavailable: 0,
            ranges_underreplicated: 0,
            membership,
            is_draining: false,
        }
    }

    fn observed(spec: &Spec) -> Observed {
        let certificate = certificate(spec);
        let member = |number| Member {
            found: spec.node(number),
            container: Node {
                state: State {
                    running: true,
                    ..State::default()
                },
                ..Node::default()
            },
            certificate: Some(certificate.clone()),
            joins: false,
        };
        let statuses = (1..=spec.nodes).map(|n| status(spec, n, Membership::Active));
        Observed {
            cluster: spec.cluster.clone(),
            region: spec.name.clone(),
            members: (1..=spec.nodes).map(member).collect(),
            volumes: (1..=spec.nodes).collect(),
            view: View::Live(Topology {
                nodes: statuses.collect(),
            }),
            ..Observed::default()
        }
    }

    fn steps(spec: &Spec, observed: &Observed) -> Vec<Step> {
        plan(spec, observed, SystemTime::now()).steps
    }

    #[test]
    fn what_is_as_wanted_needs_no_step() {
        let spec = spec();
        let plan = plan(&spec, &observed(&spec), SystemTime::now());
        assert_eq!(plan, Plan::default());
    }

    #[test]
    fn nodes_are_added_and_the_highest_are_removed() {
        let spec = spec();
        let there = observed(&spec);
        let mut more = spec.clone();
        more.nodes = 3;
        assert_eq!(steps(&more, &there), [Step::CreateNode(3)]);
        let mut fewer = spec.clone();
        fewer.nodes = 1;
        fewer.addresses.truncate(1);
        assert_eq!(steps(&fewer, &there), [Step::RemoveNodes(vec![2])]);
    }

    #[test]
    fn a_node_whose_container_is_gone_comes_back_on_its_volume() {
        let spec = spec();
        let mut there = observed(&spec);
        there.members.pop();
        assert_eq!(steps(&spec, &there), [Step::CreateNode(2)]);
    }

    #[test]
    fn a_removal_that_was_interrupted_goes_on() {
        let mut spec = spec();
        let there = observed(&spec);
        spec.nodes = 1;
        spec.addresses.truncate(1);
        // Nothing is left but what the cluster remembers, or nothing but the volume.
        let mut only_known = there.clone();
        only_known.members.pop();
        only_known.volumes.remove(&2);
        let mut only_volume = there;
        only_volume.members.pop();
        only_volume.view = View::Live(Topology {
            nodes: vec![
                status(&spec, 1, Membership::Active),
                status(&spec, 2, Membership::Decommissioned),
            ],
        });
        for observed in [only_known, only_volume] {
            assert_eq!(steps(&spec, &observed), [Step::RemoveNodes(vec![2])]);
        }
    }

    #[test]
    fn a_node_that_is_wanted_again_is_taken_back_or_made_anew() {
        let spec = spec();
        for (membership, expected) in [
            (Membership::Decommissioning, vec![Step::RecommissionNode(2)]),
            (
                Membership::Decommissioned,
                vec![Step::WipeNode(2), Step::CreateNode(2)],
            ),
        ] {
            let mut there = observed(&spec);
            there.view = View::Live(Topology {
                nodes: vec![
                    status(&spec, 1, Membership::Active),
                    status(&spec, 2, membership),
                ],
            });
            assert_eq!(steps(&spec, &there), expected);
        }
    }

    #[test]
    fn certificates_are_renewed_in_place() {
        let spec = spec();
        let there = observed(&spec);
        let both = [Step::RenewCertificate(1), Step::RenewCertificate(2)];
        let late = SystemTime::now() + std::time::Duration::from_secs(300 * 86_400);
        assert_eq!(plan(&spec, &there, late).steps, both);
        let mut other = spec.clone();
        other.certificate_days = 30;
        assert_eq!(steps(&other, &there), both);
        let mut other = spec.clone();
        other.host_names.insert("db.example".into());
        assert_eq!(steps(&other, &there), both);
    }

    #[test]
    fn each_attribute_is_told_alone_and_remakes_nodes_on_their_volumes() {
        type Change = fn(&mut Spec);
        let table: Vec<(&str, Change)> = vec![
            ("image", |spec| spec.image = "cockroach:v2".into()),
            ("zones", |spec| spec.zones = vec!["c".into()]),
            ("sql_ports", |spec| spec.sql_ports = vec![26300, 26301]),
            ("http_ports", |spec| spec.http_ports = Vec::new()),
            ("cache", |spec| spec.resources.cache = None),
            ("memory", |spec| spec.resources.memory = Some(1 << 30)),
        ];
        let spec = spec();
        for (field, change) in table {
            let mut wanted = spec.clone();
            change(&mut wanted);
            let plan = plan(&wanted, &observed(&spec), SystemTime::now());
            let fields: Vec<_> = plan.differences.iter().map(|one| &one.field).collect();
            assert_eq!(fields, [field]);
            assert!(plan.replace().is_empty(), "{field}");
            let remade = |step: &Step| matches!(step, Step::RemakeNode(_));
            assert!(plan.steps.iter().all(remade), "{field}: {:?}", plan.steps);
        }
    }

    #[test]
    fn nodes_do_not_move_to_another_network_one_by_one() {
        let spec = spec();
        let mut wanted = spec.clone();
        wanted.network = "other".into();
        let plan = plan(&wanted, &observed(&spec), SystemTime::now());
        assert_eq!(plan.replace(), ["network"]);
    }

    #[test]
    fn a_member_whose_store_is_lost_is_forgotten_when_its_heir_lives() {
        let spec = spec();
        let mut there = observed(&spec);
        let mut lost = status(&spec, 2, Membership::Active);
        lost.is_live = false;
        let mut heir = status(&spec, 2, Membership::Active);
        heir.id = 9;
        let first = status(&spec, 1, Membership::Active);
        let mut view = |heir: &NodeStatus| {
            let nodes = vec![first.clone(), lost.clone(), heir.clone()];
            there.view = View::Live(Topology { nodes });
            steps(&spec, &there)
        };
        assert_eq!(view(&heir), [Step::ForgetMembers(vec![2])]);
        heir.is_live = false;
        assert_eq!(view(&heir), []);
    }

    #[test]
    fn a_node_that_is_about_to_join_is_not_its_predecessor_that_left() {
        let spec = spec();
        let mut there = observed(&spec);
        if let View::Live(topology) = &mut there.view {
            topology.nodes[1].membership = Membership::Decommissioned;
        }
        let wiped = [Step::WipeNode(2), Step::CreateNode(2)];
        assert_eq!(steps(&spec, &there), wiped);
        there.members[1].joins = true;
        assert_eq!(steps(&spec, &there), [Step::AwaitNode(2)]);
        there.members[1].container.state.running = false;
        assert_eq!(steps(&spec, &there), [Step::StartNode(2)]);
    }

    #[test]
    fn nodes_that_are_down_or_drain_are_remade_before_those_that_wait_for_them() {
        let mut spec = spec();
        spec.nodes = 3;
        let mut there = observed(&spec);
        there.members[2].container.state.running = false;
        if let View::Live(topology) = &mut there.view {
            topology.nodes[1].is_draining = true;
        }
        spec.image = "cockroach:v2".into();
        assert_eq!(steps(&spec, &there), [3, 2, 1].map(Step::RemakeNode));
        // One that goes and drains already is waited for by those that stay.
        let mut fewer = spec.clone();
        fewer.nodes = 1;
        there.members[2].container.state.running = true;
        let first = [Step::RemoveNodes(vec![2, 3]), Step::RemakeNode(1)];
        assert_eq!(steps(&fewer, &there), first);
    }

    #[test]
    fn a_drain_that_nobody_goes_on_with_is_taken_back() {
        let spec = spec();
        let mut there = observed(&spec);
        if let View::Live(topology) = &mut there.view {
            topology.nodes[1].is_draining = true;
        }
        assert_eq!(steps(&spec, &there), [Step::RemakeNode(2)]);
    }

    #[test]
    fn a_cluster_does_not_change_between_secure_and_insecure() {
        let spec = spec();
        let mut wanted = spec.clone();
        wanted.certificates = None;
        let plan = plan(&wanted, &observed(&spec), SystemTime::now());
        assert_eq!(plan.replace(), ["insecure"]);
    }

    #[test]
    fn fewer_nodes_are_warned_of_where_the_cluster_survives_less() {
        let spec = spec();
        let mut there = observed(&spec);
        let View::Live(topology) = &mut there.view else {
            unreachable!("it serves")
        };
        for (id, region) in [(3, "eu-central"), (4, "eu-central"), (5, "witness")] {
            topology.nodes.push(NodeStatus {
                locality: vec![("region".into(), region.into())],
                ..status(&spec, id, Membership::Active)
            });
        }
        let told = warning(&there, 1).unwrap_or_default();
        assert!(
            told.contains("us-east: 1") && told.contains("no region"),
            "{told}"
        );
        assert_eq!(warning(&there, 2), None);
        assert_eq!(warning(&Observed::default(), 0), None);
    }

    #[test]
    fn nodes_elsewhere_are_waited_for() {
        let mut spec = spec();
        let mut there = observed(&spec);
        spec.placement = Placement::External;
        assert_eq!(steps(&spec, &there), []);
        spec.nodes = 3;
        assert_eq!(steps(&spec, &there), [Step::WaitForNodes(3)]);
        there.view = View::Uninitialized;
        assert_eq!(steps(&spec, &there), []);
    }
}
