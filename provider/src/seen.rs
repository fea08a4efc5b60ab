//! How an object looked when it was last read, kept in its private state.
//!
//! Terraform plans twice: when it shows the plan, and again right before it applies, with the state of the first time. Where
//! the object was changed in between, the second plan would differ from the first, and Terraform would call that a bug of the
//! provider. So each look that a plan is made upon is compared with the one that the state is from.

use atlas_engine::bridge;
use atlas_engine::k3d::Observed;
use serde::{Deserialize, Serialize};
use tfplugin::{AttributePath, Diagnostics, Operation, PrivateKey};

use crate::configured::Configured;

/// A look at an object: all that decides what a plan would do with it, part by part, and nothing that changes by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen(Vec<String>);

const SEEN: PrivateKey<Seen> = PrivateKey::new("seen");

impl FromIterator<String> for Seen {
    fn from_iter<T: IntoIterator<Item = String>>(parts: T) -> Self {
        let mut parts: Vec<String> = parts.into_iter().collect();
        parts.sort();
        Self(parts)
    }
}

impl Seen {
    /// A look at a k3d cluster. Addresses are not in it: Docker gives others at every start.
    pub(crate) fn of_cluster(observed: Option<&Observed>) -> Self {
        let Some(observed) = observed else {
            return Self::default();
        };
        let nodes = observed.nodes.iter().map(|(_, node)| {
            let id = node.id.get(..12).unwrap_or(&node.id);
            let place = if node.networks.contains_key(&observed.network_name) {
                "on"
            } else {
                "off"
            };
            let (name, state, network) = (&node.name, &node.state.status, &observed.network_name);
            format!("{name} ({state}, container {id}, {place} network {network})")
        });
        nodes.collect()
    }

    /// A look at a bridge: its network alone. Nodes join and leave in the same apply, when their clusters change before it,
    /// and the plan is the same with them and without.
    pub(crate) fn of_bridge(observed: &bridge::Observed) -> Self {
        let network = observed.network.iter();
        let told = network.map(|network| {
            let id = network.id.get(..12).unwrap_or(&network.id);
            let subnet = network.subnet.map(|net| net.to_string());
            let subnet = subnet.unwrap_or_else(|| "none".to_owned());
            format!("network {} (id {id}, subnet {subnet})", network.name)
        });
        told.collect()
    }

    /// Keeps it with the state that it is handed over with.
    pub(crate) fn remember(&self, operation: &Operation<Configured>) {
        operation.private.set(SEEN, self);
    }

    /// What an object that is not as the state says is planned with: nothing. An object that nobody has read since this was
    /// first kept is taken as it is.
    pub(crate) fn unchanged(
        &self,
        operation: &Operation<Configured>,
        noun: &str,
    ) -> Result<(), Diagnostics> {
        match operation.private.get(SEEN) {
            Some(before) => self.same_as(&before, noun),
            None => Ok(()),
        }
    }

    fn same_as(&self, before: &Self, noun: &str) -> Result<(), Diagnostics> {
        let gone = before.0.iter().filter(|part| !self.0.contains(part));
        let new = self.0.iter().filter(|part| !before.0.contains(part));
        let told: Vec<String> = gone
            .map(|part| format!("it had {part}"))
            .chain(new.map(|part| format!("it has {part}")))
            .collect();
        if told.is_empty() {
            return Ok(());
        }
        let mut found = Diagnostics::new();
        found.push_error(
            AttributePath::root(),
            format!("The {noun} has changed since the plan"),
            format!(
                "It was changed outside of this apply after the last refresh: {}. Nothing was changed now. Plan \
                 again, without -refresh=false.",
                told.join("; ")
            ),
        );
        Err(found)
    }
}

#[cfg(test)]
mod tests {
    use atlas_engine::docker::DockerNetwork;

    use super::*;

    #[test]
    fn a_bridge_is_another_by_its_network_and_not_by_who_is_on_it() {
        let observed = |id: &str, subnet: &str| {
            let mut found = bridge::Observed::default();
            found.network = Some(DockerNetwork {
                name: "atlas-bridge-b".to_owned(),
                id: id.to_owned(),
                subnet: subnet.parse().ok(),
                ..DockerNetwork::default()
            });
            found
        };
        let before = Seen::of_bridge(&observed("1", "10.0.0.0/24"));
        let mut more = observed("1", "10.0.0.0/24");
        more.recorded.push("us".to_owned());
        assert_eq!(Seen::of_bridge(&more).same_as(&before, "bridge"), Ok(()));
        for other in [
            observed("2", "10.0.0.0/24"),
            observed("1", "10.0.1.0/24"),
            bridge::Observed::default(),
        ] {
            let changed = Seen::of_bridge(&other).same_as(&before, "bridge");
            assert!(changed.is_err(), "{other:?}");
        }
    }

    fn seen(parts: &[&str]) -> Seen {
        parts.iter().map(|part| (*part).to_owned()).collect()
    }

    #[test]
    fn an_object_that_is_as_it_was_read_is_planned_in_whatever_order_it_is_listed() {
        let before = seen(&["node a, running", "node b, running"]);
        let now = seen(&["node b, running", "node a, running"]);
        assert_eq!(now.same_as(&before, "thing"), Ok(()));
    }

    #[test]
    fn an_object_that_changed_is_not_planned_and_both_sides_are_told() {
        let before = seen(&["node a, running", "node b, running"]);
        let now = seen(&["node a, exited", "node b, running"]);
        let refused = now.same_as(&before, "thing").unwrap_err();
        let told: Vec<_> = refused.iter().collect();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].summary, "The thing has changed since the plan");
        for part in [
            "it had node a, running",
            "it has node a, exited",
            "Plan again",
        ] {
            assert!(told[0].detail.contains(part), "{}", told[0].detail);
        }
        assert!(!told[0].detail.contains("node b"), "{}", told[0].detail);
    }
}
