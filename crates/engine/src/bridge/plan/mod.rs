//! What stands between a bridge as wanted and as it is. Pure: no I/O.

mod names;
mod room;
mod step;
#[cfg(test)]
mod tests;
mod ways;

use std::collections::{BTreeMap, BTreeSet};

use self::names::{collisions, names};
use self::room::connected_already;
use self::ways::{addresses, routes};
use super::network_name;
use super::observe::{ClusterView, NodeView, Observed};
use super::recall::recalled;
use super::spec::Spec;
use crate::error::Result;

pub use self::room::in_the_way;
pub use self::step::Step;

/// What has to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Attributes that cannot be changed in place.
    pub replace: Vec<&'static str>,
    /// What can, in order.
    pub steps: Vec<Step>,
    /// Members whose Kubernetes API does not answer. What the others know of them stays; what they know cannot be seen.
    pub silent: Vec<String>,
}

impl Plan {
    /// What is left undone because somebody gives no answer: sentences, with what to do.
    pub fn left_out(&self) -> impl Iterator<Item = String> {
        self.silent.iter().map(|cluster| {
            format!(
                "Cluster {cluster} does not answer. Its DNS cannot be changed, and its new nodes are reached through \
                 its other nodes. What is missing is repaired once its Kubernetes API answers."
            )
        })
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.replace.is_empty() && self.steps.is_empty()
    }
}

/// Compares what is wanted with what is. Members that do not exist yet are left out.
///
/// # Errors
/// [`crate::Error::Invalid`] where networks overlap, another bridge connects the members, or the specification makes no
/// sense.
pub fn plan(spec: &Spec, observed: &Observed) -> Result<Plan> {
    crate::error::refuse(spec.problems())?;
    crate::error::refuse(connected_already(spec, observed))?;
    plan_with_room(spec, observed)
}

/// The same, as if what is [`in_the_way`] were gone.
///
/// # Errors
/// [`crate::Error::Invalid`] where members' networks overlap or the specification makes no sense.
pub fn plan_with_room(spec: &Spec, observed: &Observed) -> Result<Plan> {
    crate::error::refuse(spec.problems())?;
    let spec = spec.informed(observed);
    crate::error::refuse(spec.problems())?;
    crate::error::refuse(collisions(&spec, observed).into_iter().collect())?;
    let observed = &recalled(observed);
    let mut plan = Plan::default();
    match &observed.network {
        None => plan.steps.push(Step::CreateNetwork {
            network: network_name(&spec.name),
        }),
        Some(network) if network.subnet != Some(spec.subnet) => plan.replace.push("subnet"),
        Some(_) => {}
    }
    let declared: Vec<&str> = spec
        .members
        .iter()
        .map(|member| member.cluster.as_str())
        .collect();
    let wanted: BTreeSet<&str> = declared.iter().copied().collect();
    let members: BTreeMap<&String, &ClusterView> = observed
        .clusters
        .iter()
        .filter(|(name, _)| wanted.contains(name.as_str()))
        .collect();
    let addresses = addresses(&spec, observed, &members)?;
    let silent = members.iter().filter(|(_, view)| view.server.is_none());
    plan.silent = silent.map(|(name, _)| (*name).clone()).collect();
    // Where a node is to be attached that is not there, or anew.
    let attaching = |node: &NodeView| {
        let address = addresses.get(&node.name).copied();
        address.filter(|address| {
            !node.attached || node.address != Some(*address) || observed.network.is_none()
        })
    };
    for (name, view) in &members {
        for node in &view.nodes {
            if let Some(address) = attaching(node) {
                plan.steps.push(Step::Attach {
                    node: node.name.clone(),
                    address,
                });
            }
        }
        for node in &view.nodes {
            let routes = routes(name, view, &members, &addresses);
            let script = routes.script(&spec.name, &declared);
            let set = node.script.as_ref() == Some(&script)
                && (!node.running || routes.are_set(&node.table, &node.rules));
            // Its routes go with the interface that it had there.
            if !set || !node.attached || attaching(node).is_some() {
                plan.steps.push(Step::Route {
                    node: node.name.clone(),
                    running: node.running,
                    script,
                });
            }
        }
    }
    for (_, view) in observed
        .clusters
        .iter()
        .filter(|(name, _)| !wanted.contains(name.as_str()))
    {
        let leaving = view
            .nodes
            .iter()
            .filter(|node| node.attached || node.script.is_some());
        plan.steps.extend(leaving.map(|node| Step::Leave {
            node: node.name.clone(),
            running: node.running,
        }));
    }
    plan.steps.extend(names(&spec, observed, &members));
    Ok(plan)
}
