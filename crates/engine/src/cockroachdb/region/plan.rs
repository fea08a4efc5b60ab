//! What stands between a region as wanted and as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use super::observe::{Member, Observed};
use super::spec::{NodeSpec, Placement, Spec};
use crate::cockroachdb::certificates::{Certificate, Folder, Task};
use crate::cockroachdb::topology::{Membership, NodeStatus, View};
use crate::cockroachdb::{names, quorum};
use crate::difference::Difference;

/// One step. They are taken in this order, but for [`need`]; nodes that are made or started, at once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Renews what grows old in the folder of the cluster's authority.
    Renew(Task),
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
    /// Takes members out of the cluster, by id: their stores are lost, and other members are at their addresses, or will be
    /// after this change.
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
            Self::Renew(Task::RenewAuthority) => {
                format!("renew the certificate of {cluster}'s authority, with the same key")
            }
            Self::Renew(Task::RenewRoot) => {
                format!("renew root's client certificate of {cluster}")
            }
            Self::WipeNode(n) => {
                format!(
                    "remove {} and its volume, because it left the cluster",
                    name(n)
                )
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
            Self::RemakeNode(n) => format!("drain {} and recreate it on its volume", name(n)),
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

/// What a plan looks at besides a region: certificates grow old.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Around {
    /// The time.
    pub now: SystemTime,
    /// The folder with the cluster's authority.
    pub folder: Folder,
}

impl Around {
    /// Now, and on this machine. A folder that cannot be read is told by the change that needs it.
    pub fn now(spec: &Spec) -> Self {
        let folder = spec.certificates.as_deref().map(Folder::look);
        Self {
            now: SystemTime::now(),
            folder: folder.and_then(Result::ok).unwrap_or_default(),
        }
    }

    /// What the user has to see to, and how.
    pub fn warning(&self) -> Option<String> {
        self.folder.warning(self.now)
    }
}

/// Compares.
pub fn plan(spec: &Spec, observed: &Observed, around: &Around) -> Plan {
    if spec.placement == Placement::External {
        return of_external(spec, observed);
    }
    let tasks = around.folder.tasks(around.now);
    let renews_authority = tasks.contains(&Task::RenewAuthority);
    let mut steps: Vec<Step> = tasks.into_iter().map(Step::Renew).collect();
    let mut differences = Vec::new();
    let mut lost = lost_members(spec, observed);
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
        if let Some(status) = observed.status(number).filter(|_| !left) {
            if !is_here {
                // What comes back at its address is another member.
                lost.insert(status.id);
            } else if status.membership == Membership::Decommissioning {
                steps.push(Step::RecommissionNode(number));
            }
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
        if wanted.secure && (renews_authority || needs_certificate(spec, member, around)) {
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
    if !lost.is_empty() {
        steps.push(Step::ForgetMembers(lost.into_iter().collect()));
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
    let found = observed.live_elsewhere(topology);
    if found >= spec.nodes {
        return Plan::default();
    }
    Plan {
        steps: vec![Step::WaitForNodes(spec.nodes)],
        differences: vec![Difference::new("nodes", found, spec.nodes)],
    }
}

/// Dead members at the address of a live one: a node whose store was lost came back as another one.
fn lost_members(spec: &Spec, observed: &Observed) -> BTreeSet<u64> {
    let Some(topology) = observed.view.topology() else {
        return BTreeSet::new();
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

fn needs_certificate(spec: &Spec, member: &Member, around: &Around) -> bool {
    let Some(certificate) = &member.certificate else {
        return true;
    };
    let wanted = spec.host_names(&member.found);
    // Of the authority's certificate each node has a copy.
    let trust = around.folder.trust.as_str();
    let trusts_another = !trust.is_empty() && member.trust.as_deref() != Some(trust);
    trusts_another
        || certificate.is_due(around.now)
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
        (
            "addresses",
            told(found.address),
            // Where none is asked for, any will do.
            told(wanted.address.or(found.address)),
        ),
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
mod tests;
