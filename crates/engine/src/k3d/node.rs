//! Agents that are added to a cluster by their own names, beside those it counts, as `k3d node create`
//! adds them: the container of node `NAME` is `k3d-NAME-0`.
//!
//! A label keeps them apart, so that a cluster that is declared with two agents keeps its two and leaves
//! these alone. They go with the cluster.

use std::collections::BTreeSet;

use super::compare::same_image;
use super::desired::DesiredNode;
use super::observe::Observed;
use super::plan::{Plan, Step, reason};
use super::read::user_part;
use super::{NodeArgs, Role, args, checks};
use crate::docker::Node;
use crate::error::{Error, Problem, Result, refuse};
use crate::labels;
use crate::path::FieldPath;

/// An agent as a user wants it. What is `None` is as the node has it, or as the cluster's other agents
/// have it where there is no such node yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSpec {
    /// The cluster's name.
    pub cluster: String,
    /// Its own name, RFC 1123.
    pub name: String,
    /// Its image.
    pub image: Option<String>,
    /// Memory limit in bytes, 0 for none.
    pub memory: Option<i64>,
    /// Further arguments of k3s.
    pub args: Option<Vec<String>>,
    /// Kubernetes node labels, `key=value`.
    pub node_labels: Option<BTreeSet<String>>,
}

impl NodeSpec {
    /// Everything that is wrong with it, without asking the world.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let edges = !self.name.starts_with('-') && !self.name.ends_with('-');
        if !(1..=32).contains(&self.name.len()) || !self.name.chars().all(inner) || !edges {
            problems.push(Problem::new(
                FieldPath::of("name"),
                format!("{:?} is not a valid node name.", self.name),
                "Use 1 to 32 lower-case letters, digits and dashes, beginning and ending with a letter or \
                 digit.",
            ));
        }
        let numbered = format!("{}-agent", self.cluster);
        if self.name == numbered || self.name == format!("{}-server", self.cluster) {
            problems.push(Problem::new(
                FieldPath::of("name"),
                format!("{:?} is reserved for the cluster's own nodes.", self.name),
                "Choose another name, or change the cluster's number of agents.",
            ));
        }
        for (position, label) in self.node_labels.iter().flatten().enumerate() {
            let path = FieldPath::of("node_labels").index(position);
            problems.extend(checks::node_label(label).map(|fault| checks::at(path, fault)));
        }
        let words: Vec<&str> = self.args.iter().flatten().map(String::as_str).collect();
        let misplaced = args::misplaced(&words);
        for (position, word) in words.iter().enumerate() {
            let path = FieldPath::of("k3s_args").index(position);
            let stray = misplaced.contains(&position).then(checks::misplaced);
            let fault = checks::argument(word).or(stray);
            problems.extend(fault.map(|fault| checks::at(path, fault)));
        }
        problems
    }
}

/// The container of an agent that was added by its own name.
pub fn node_container(name: &str) -> String {
    format!("k3d-{name}-0")
}

fn find<'a>(name: &str, observed: &'a Observed) -> Option<&'a Node> {
    let container = node_container(name);
    let mut agents = observed.of_role(Role::Agent);
    agents.find(|node| node.name == container)
}

fn wanted(spec: &NodeSpec, observed: &Observed) -> DesiredNode {
    let model = find(&spec.name, observed).or_else(|| observed.numbered(Role::Agent).next());
    let mut node = match (model, observed.server()) {
        (Some(model), _) => user_part(observed, Role::Agent, model),
        (None, server) => DesiredNode {
            image: server
                .map(|server| server.image.clone())
                .unwrap_or_default(),
            ..DesiredNode::of(Role::Agent)
        },
    };
    node.name = node_container(&spec.name);
    node.ports.clear();
    if let Some(image) = &spec.image {
        node.image.clone_from(image);
    }
    if let Some(memory) = spec.memory {
        node.memory = memory;
    }
    if let Some(args) = &spec.args {
        let read = NodeArgs::read(args.iter().map(String::as_str));
        node.args.extra = read.extra;
    }
    if let Some(node_labels) = &spec.node_labels {
        node.args.node_labels.clone_from(node_labels);
    }
    node
}

/// The node as it is to be made, with the label that keeps it apart.
pub(super) fn labelled(spec: &NodeSpec, observed: &Observed) -> DesiredNode {
    let mut node = wanted(spec, observed);
    node.labels
        .insert(labels::ATLAS_NODE.to_owned(), spec.name.clone());
    node
}

/// The agent as it is, if it is there, and as it is wanted, with nothing left open.
pub fn node_specs(spec: &NodeSpec, observed: &Observed) -> (Option<NodeSpec>, NodeSpec) {
    let whole = |node: DesiredNode| NodeSpec {
        image: Some(node.image),
        memory: Some(node.memory),
        args: Some(node.args.words()),
        node_labels: Some(node.args.node_labels),
        ..spec.clone()
    };
    let found = find(&spec.name, observed);
    let mut after = wanted(spec, observed);
    if let Some(found) = found.filter(|found| same_image(&found.image, &after.image)) {
        after.image.clone_from(&found.image);
    }
    let before = found.map(|node| whole(user_part(observed, Role::Agent, node)));
    (before, whole(after))
}

/// Compares an agent as wanted with what is. Pure.
///
/// # Errors
/// [`Error::Invalid`] where the specification makes no sense; [`Error::Exists`] where the container
/// belongs to another cluster's numbered nodes.
pub fn plan_node(spec: &NodeSpec, observed: &Observed) -> Result<Plan> {
    refuse(spec.problems())?;
    let want = wanted(spec, observed);
    let create = Step::CreateNode {
        node: want.name.clone(),
        role: Role::Agent,
    };
    let mut plan = Plan::default();
    let Some(node) = find(&spec.name, observed) else {
        plan.steps.push(create);
        return Ok(plan);
    };
    if node.label(labels::ATLAS_NODE).is_none() {
        return Err(Error::Exists {
            kind: "node",
            name: node.name.clone(),
            detail: crate::error::Existing::Differs,
            remedy: "Atlas did not create it. Choose another name.".into(),
        });
    }
    if let Some(reason) = reason(observed, &want, node) {
        plan.steps.push(Step::RemoveNode {
            node: node.name.clone(),
            reason,
        });
        plan.steps.push(create);
    } else if !node.state.running {
        plan.steps.push(Step::StartNode {
            node: node.name.clone(),
            role: Role::Agent,
            status: node.state.status.clone(),
        });
    } else if observed.has_lost(node) {
        let node = node.name.clone();
        plan.steps.push(Step::RejoinNode { node });
    }
    Ok(plan)
}

/// What must be done so that there is no agent of this name.
pub fn plan_delete(name: &str, observed: &Observed) -> Plan {
    let steps = find(name, observed).map(|node| Step::RemoveNode {
        node: node.name.clone(),
        reason: "it is not declared".to_owned(),
    });
    Plan {
        steps: steps.into_iter().collect(),
        ..Plan::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::State;
    use crate::labels::labels as of;

    fn spec() -> NodeSpec {
        NodeSpec {
            cluster: "demo".into(),
            name: "big".into(),
            image: None,
            memory: None,
            args: None,
            node_labels: None,
        }
    }

    fn observed(added: bool) -> Observed {
        let node = |name: &str, role: Role, own: Option<&str>| {
            let mut all = of([]);
            if let Some(own) = own {
                all.insert(labels::ATLAS_NODE.to_owned(), own.to_owned());
            }
            let state = State {
                running: true,
                ..State::default()
            };
            let node = Node {
                name: name.to_owned(),
                image: "node:1".to_owned(),
                cmd: vec![role.as_str().to_owned()],
                labels: all,
                state,
                ..Node::default()
            };
            (role, node)
        };
        let mut nodes = vec![node("k3d-demo-server-0", Role::Server, None)];
        if added {
            nodes.push(node("k3d-big-0", Role::Agent, Some("big")));
        }
        Observed {
            nodes,
            ..Observed::empty("demo")
        }
    }

    #[test]
    fn a_missing_node_is_made_and_one_that_is_there_is_left_alone() {
        let create = plan_node(&spec(), &observed(false)).unwrap();
        assert_eq!(create.steps.len(), 1, "{create:?}");
        assert!(plan_node(&spec(), &observed(true)).unwrap().is_empty());
    }

    #[test]
    fn a_change_makes_the_node_anew() {
        let spec = NodeSpec {
            memory: Some(1 << 30),
            ..spec()
        };
        let steps = plan_node(&spec, &observed(true)).unwrap().steps;
        assert!(
            matches!(
                steps.as_slice(),
                [Step::RemoveNode { .. }, Step::CreateNode { .. }]
            ),
            "{steps:?}"
        );
    }

    #[test]
    fn added_nodes_do_not_count_as_the_clusters_agents() {
        let observed = observed(true);
        assert_eq!(super::super::spec_of(&observed).unwrap().agents, 0);
        let spec = crate::k3d::Spec::new("demo", "node:1", "lb:1");
        let steps = crate::k3d::plan(&spec, Some(&observed)).unwrap().steps;
        assert!(
            !steps
                .iter()
                .any(|step| step.node() == "k3d-big-0" && matches!(step, Step::RemoveNode { .. })),
            "{steps:?}"
        );
    }
}
