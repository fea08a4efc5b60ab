//! What stands between a cluster as wanted and as it is. Pure: no I/O.
//!
//! Servers hold the cluster's data, so whatever differs on one forces replacement, which needs the
//! user's consent. Agents and the load balancer hold none: they are made anew in place.

use std::collections::BTreeSet;

use super::Role;
use super::compare::{Replace, differing, forwards_elsewhere, replacements};
use super::desired::{Desired, DesiredNode};
use super::observe::Observed;
use super::read::desired_here;
use super::slots;
use super::spec::Spec;
use crate::docker::Node;
use crate::error::Result;
use crate::path::FieldPath;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make the cluster's network.
    CreateNetwork {
        /// Its name.
        network: String,
    },
    /// Put a node back on the cluster's network.
    Reattach {
        /// The container.
        node: String,
    },
    /// Remove a node, drained first if it is an agent that runs.
    RemoveNode {
        /// The container.
        node: String,
        /// Why.
        reason: String,
    },
    /// Make and start a node.
    CreateNode {
        /// The container.
        node: String,
        /// Its role.
        role: Role,
    },
    /// Start a node that is there but does not run.
    StartNode {
        /// The container.
        node: String,
        /// Its role.
        role: Role,
        /// Docker's word for its state.
        status: String,
    },
    /// Start an agent anew that runs and that Kubernetes does not know any more.
    RejoinNode {
        /// The container.
        node: String,
    },
    /// Stop a node that runs.
    StopNode {
        /// The container.
        node: String,
    },
    /// Tell the load balancer where to forward.
    Forward,
}

impl Step {
    /// A sentence for a person, in the present tense: what is wrong, or what will be done.
    pub fn summary(&self) -> String {
        match self {
            Self::CreateNetwork { network } => format!("network {network} is missing"),
            Self::Reattach { node } => format!("node {node} is not on the cluster's network"),
            Self::RemoveNode { node, reason } => format!("node {node} is removed: {reason}"),
            Self::CreateNode { node, .. } => format!("node {node} is missing"),
            Self::StartNode { node, status, .. } => format!("node {node} is {status}"),
            Self::RejoinNode { node } => format!("node {node} is not registered in Kubernetes"),
            Self::StopNode { node } => format!("node {node} is running"),
            Self::Forward => "the load balancer does not forward to the right nodes".to_owned(),
        }
    }
}

impl Step {
    /// What it is done to: a container, or the network; empty for forwarding.
    pub fn node(&self) -> &str {
        match self {
            Self::CreateNetwork { network } => network,
            Self::Reattach { node }
            | Self::RemoveNode { node, .. }
            | Self::CreateNode { node, .. }
            | Self::StartNode { node, .. }
            | Self::RejoinNode { node }
            | Self::StopNode { node } => node,
            Self::Forward => "",
        }
    }
}

/// What has to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Whether there is no cluster of this name yet.
    pub create: bool,
    /// What cannot be changed in place.
    pub replace: Vec<Replace>,
    /// What can, in order of stages: network, removals, creations, starts, forwarding.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        !self.create && self.replace.is_empty() && self.steps.is_empty()
    }
}

/// The images of nodes that go and come back, each with the field that decides it: all of them where the cluster is replaced.
pub fn images<'a>(
    spec: &'a Spec,
    plan: &Plan,
    is_replaced: bool,
    of_balancer: FieldPath,
) -> Vec<(FieldPath, &'a str)> {
    let goes = |node: &str| {
        let removed =
            |step: &Step| matches!(step, Step::RemoveNode { node: one, .. } if one == node);
        plan.steps.iter().any(removed)
    };
    let comes_back = |is_balancer: bool| {
        plan.steps.iter().any(|step| {
            matches!(step, Step::CreateNode { node, role }
                if (*role == Role::LoadBalancer) == is_balancer && goes(node))
        })
    };
    let mut all = Vec::new();
    if is_replaced || comes_back(false) {
        all.push((FieldPath::of("image"), spec.image.as_str()));
    }
    if (is_replaced && spec.load_balancer) || comes_back(true) {
        all.push((of_balancer, spec.load_balancer_image.as_str()));
    }
    all
}

/// What must be started or stopped, and nothing else, so that all nodes run or none does.
pub fn plan_power(observed: &Observed, running: bool) -> Plan {
    let nodes = observed.nodes.iter();
    let steps = nodes
        .filter(|(_, node)| node.state.running != running)
        .map(|(role, node)| {
            let (role, name) = (*role, node.name.clone());
            if running {
                Step::StartNode {
                    node: name,
                    role,
                    status: node.state.status.clone(),
                }
            } else {
                Step::StopNode { node: name }
            }
        });
    Plan {
        steps: steps.collect(),
        ..Plan::default()
    }
}

/// Compares what is wanted with what is.
///
/// # Errors
/// [`crate::Error::Invalid`] where the specification makes no sense.
pub fn plan(spec: &Spec, observed: Option<&Observed>) -> Result<Plan> {
    let (spec, desired) = desired_here(spec, observed)?;
    let Some(observed) = observed else {
        let own_network = spec.network.is_none().then(|| Step::CreateNetwork {
            network: spec.network_name(),
        });
        return Ok(Plan {
            create: true,
            replace: Vec::new(),
            steps: own_network.into_iter().chain(all_of(&desired)).collect(),
        });
    };
    let mut steps = Vec::new();
    if observed.network.is_none() {
        steps.push(Step::CreateNetwork {
            network: observed.network_name.clone(),
        });
    }
    let Some(server) = observed.server() else {
        // The data went with the server; what is left of the cluster is of no use to a new one.
        let left = observed.nodes.iter();
        steps.extend(
            left.map(|(_, node)| remove(node, "the cluster's server does not exist".to_owned())),
        );
        steps.extend(all_of(&desired));
        return Ok(Plan {
            steps,
            ..Plan::default()
        });
    };
    let mut work = Changes::default();
    work.agents(&spec, &desired, observed);
    work.balancer(&desired, observed);
    let stays = |node: &Node| !work.going.contains(&node.name);
    let staying = observed.nodes.iter().filter(|(_, node)| stays(node));
    let lost = staying.clone().filter(|(_, node)| {
        let network = observed.network.as_ref();
        network.is_none_or(|network| !node.networks.contains_key(&network.name))
    });
    let balanced = staying.clone().any(|(role, _)| *role == Role::LoadBalancer);
    // A file that makes no sense is written anew too.
    let forward = balanced
        && (observed.upstreams.is_none() || forwards_elsewhere(&desired, observed, &work.going));
    let lost: Vec<Step> = lost
        .map(|(_, node)| Step::Reattach {
            node: node.name.clone(),
        })
        .collect();
    let staying: Vec<&(Role, Node)> = staying.collect();
    steps.extend(work.removals);
    steps.extend(lost);
    steps.extend(work.creations);
    for (role, node) in staying {
        if !node.state.running {
            steps.push(Step::StartNode {
                node: node.name.clone(),
                role: *role,
                status: node.state.status.clone(),
            });
        }
        if *role == Role::Agent && observed.has_lost(node) {
            steps.push(Step::RejoinNode {
                node: node.name.clone(),
            });
        }
    }
    steps.extend(forward.then_some(Step::Forward));
    Ok(Plan {
        create: false,
        replace: replacements(&spec, &desired, observed, server),
        steps,
    })
}

fn remove(node: &Node, reason: String) -> Step {
    Step::RemoveNode {
        node: node.name.clone(),
        reason,
    }
}

fn create(node: &DesiredNode) -> Step {
    Step::CreateNode {
        node: node.name.clone(),
        role: node.role,
    }
}

fn all_of(desired: &Desired) -> impl Iterator<Item = Step> {
    desired.nodes.iter().map(create)
}

/// What an agent or the load balancer is to be made anew for, if anything.
pub(super) fn reason(observed: &Observed, want: &DesiredNode, node: &Node) -> Option<String> {
    let first = differing(observed, want, node).into_iter().next()?;
    Some(format!("it needs {}", first.wish()))
}

/// Nodes that go and come.
#[derive(Default)]
struct Changes {
    removals: Vec<Step>,
    creations: Vec<Step>,
    going: BTreeSet<String>,
}

impl Changes {
    fn remove(&mut self, node: &Node, reason: String) {
        self.going.insert(node.name.clone());
        self.removals.push(remove(node, reason));
    }

    fn agents(&mut self, spec: &Spec, desired: &Desired, observed: &Observed) {
        let slots = slots::agents(observed, spec.agents);
        for node in slots.surplus {
            self.remove(node, format!("{} agents are declared", spec.agents));
        }
        for (slot, want) in (0..).zip(desired.of_role(Role::Agent)) {
            let Some(node) = slots.kept.get(&slot) else {
                self.creations.push(create(want));
                continue;
            };
            if slots::is_compared(observed, Role::Agent, node)
                && let Some(reason) = reason(observed, want, node)
            {
                self.remove(node, reason);
                self.creations.push(create(want));
            }
        }
    }

    fn balancer(&mut self, desired: &Desired, observed: &Observed) {
        let Some(want) = desired.of_role(Role::LoadBalancer).next() else {
            return;
        };
        let Some(node) = observed.of_role(Role::LoadBalancer).next() else {
            self.creations.push(create(want));
            return;
        };
        if let Some(reason) = reason(observed, want, node) {
            self.remove(node, reason);
            self.creations.push(create(want));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Imagined;
    use super::*;

    #[test]
    fn only_what_runs_is_stopped_and_only_what_is_stopped_is_started() {
        let node = |name: &str, running: bool| {
            let node = Node {
                name: name.to_owned(),
                state: crate::docker::State {
                    running,
                    ..Default::default()
                },
                ..Default::default()
            };
            (Role::Agent, node)
        };
        let observed = Observed {
            nodes: vec![node("a", true), node("b", false)],
            ..Observed::empty("demo")
        };
        let names = |running| {
            let steps = plan_power(&observed, running).steps;
            steps
                .iter()
                .map(Step::node)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (names(true), names(false)),
            (vec!["b".to_owned()], vec!["a".to_owned()])
        );
    }

    /// A cluster of one server, one agent and a load balancer, just as Atlas made it.
    fn whole() -> (Spec, Observed) {
        let spec = Spec {
            agents: 1,
            ..Spec::new("demo", "node:1", "lb:1")
        };
        let mut observed = Imagined::default().apply(&spec, None).unwrap();
        let known = ["k3d-demo-server-0", "k3d-demo-agent-0"];
        observed.registered = Some(known.map(str::to_owned).into());
        (spec, observed)
    }

    #[test]
    fn the_images_of_what_goes_and_comes_back_are_needed() {
        let (spec, _) = whole();
        let goes = |node: &str| Step::RemoveNode {
            node: node.to_owned(),
            reason: String::new(),
        };
        let comes = |node: &str, role| Step::CreateNode {
            node: node.to_owned(),
            role,
        };
        let balancer = Role::LoadBalancer;
        let table = [
            (vec![], false, vec![]),
            (vec![], true, vec!["image", "lb"]),
            // What only comes is made beside what stays, and what only goes needs none.
            (vec![comes("a", Role::Agent)], false, vec![]),
            (vec![goes("a")], false, vec![]),
            (
                vec![goes("a"), comes("a", Role::Agent)],
                false,
                vec!["image"],
            ),
            (vec![goes("l"), comes("l", balancer)], false, vec!["lb"]),
        ];
        for (steps, is_replaced, wanted) in table {
            let plan = Plan {
                steps,
                ..Plan::default()
            };
            let found = images(&spec, &plan, is_replaced, FieldPath::of("lb"));
            let fields: Vec<String> = found.iter().map(|(field, _)| field.to_string()).collect();
            assert_eq!(fields, wanted, "{plan:?}");
        }
    }

    /// Each way in which somebody may break a cluster, and what the plan says of it.
    #[test]
    fn whatever_breaks_a_cluster_is_in_its_plan_and_asks_for_no_other_cluster() {
        type Break = fn(&mut Observed);
        fn node<'a>(observed: &'a mut Observed, name: &str) -> &'a mut Node {
            let mut nodes = observed.nodes.iter_mut();
            let found = nodes.find(|(_, node)| node.name == name);
            found.map(|(_, node)| node).unwrap()
        }
        let table: [(&str, Break, &[&str]); 10] = [
            ("nothing", |_| {}, &[]),
            (
                "an agent was removed",
                |o| o.nodes.retain(|(role, _)| *role != Role::Agent),
                &["node k3d-demo-agent-0 is missing"],
            ),
            (
                "an agent was paused",
                |o| {
                    let state = &mut node(o, "k3d-demo-agent-0").state;
                    state.running = false;
                    "paused".clone_into(&mut state.status);
                },
                &["node k3d-demo-agent-0 is paused"],
            ),
            (
                "an agent was taken off its network",
                |o| node(o, "k3d-demo-agent-0").networks.clear(),
                &["node k3d-demo-agent-0 is not on the cluster's network"],
            ),
            (
                "an agent's Node object was deleted",
                |o| o.registered = Some(["k3d-demo-server-0".to_owned()].into()),
                &["node k3d-demo-agent-0 is not registered in Kubernetes"],
            ),
            (
                "Kubernetes does not answer, or is just starting",
                |o| o.registered = Some(BTreeSet::new()),
                &[],
            ),
            (
                "the load balancer was removed",
                |o| o.nodes.retain(|(role, _)| *role != Role::LoadBalancer),
                &["node k3d-demo-serverlb is missing"],
            ),
            (
                "the load balancer's file was overwritten",
                |o| o.upstreams = None,
                &["the load balancer does not forward to the right nodes"],
            ),
            (
                "the load balancer's file names nobody",
                |o| o.upstreams = Some(std::collections::BTreeMap::new()),
                &["the load balancer does not forward to the right nodes"],
            ),
            (
                "the server was stopped",
                |o| {
                    let state = &mut node(o, "k3d-demo-server-0").state;
                    state.running = false;
                    "exited".clone_into(&mut state.status);
                },
                &["node k3d-demo-server-0 is exited"],
            ),
        ];
        for (what, breaks, expected) in table {
            let (spec, mut observed) = whole();
            breaks(&mut observed);
            let plan = plan(&spec, Some(&observed)).unwrap();
            assert_eq!(plan.replace, [], "{what}");
            let summary: Vec<_> = plan.steps.iter().map(Step::summary).collect();
            assert_eq!(summary, expected, "{what}");
        }
    }

    #[test]
    fn a_missing_cluster_is_made_whole() {
        let spec = Spec {
            agents: 1,
            ..Spec::new("demo", "node:1", "lb:1")
        };
        let plan = plan(&spec, None).unwrap();
        assert!(plan.create);
        let summary: Vec<_> = plan.steps.iter().map(Step::summary).collect();
        assert_eq!(
            summary,
            [
                "network k3d-demo is missing",
                "node k3d-demo-server-0 is missing",
                "node k3d-demo-agent-0 is missing",
                "node k3d-demo-serverlb is missing",
            ]
        );
    }
}
