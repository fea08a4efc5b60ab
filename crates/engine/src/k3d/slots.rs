//! Which agent stands in which place: by the number in its name where that is k3d's, where there is room otherwise.
//!
//! `k3d node create` calls agents as it likes, and `k3d node delete` leaves gaps.

use std::collections::BTreeMap;

use super::observe::Observed;
use super::{Role, node_name};
use crate::docker::Node;

/// The agents of a cluster that is to have so many.
pub(super) struct Slots<'a> {
    /// Those that stay, by place.
    pub(super) kept: BTreeMap<u32, &'a Node>,
    /// Those for which there is no place: the last ones.
    pub(super) surplus: Vec<&'a Node>,
}

/// The number in a node's name, where that is k3d's own.
pub(super) fn index_of(cluster: &str, role: Role, name: &str) -> Option<u32> {
    let prefix = format!("k3d-{cluster}-{}-", role.as_str());
    let index: u32 = name.strip_prefix(&prefix)?.parse().ok()?;
    (node_name(cluster, role, index) == name).then_some(index)
}

/// Whether a node is held against the specification: not so an agent that `k3d node create` made.
pub(super) fn is_compared(observed: &Observed, role: Role, node: &Node) -> bool {
    role != Role::Agent || index_of(&observed.name, role, &node.name).is_some()
}

/// Gives the cluster's own agents their places; those that were added by their own names have none.
pub(super) fn agents(observed: &Observed, wanted: u32) -> Slots<'_> {
    let number = |node: &Node| index_of(&observed.name, Role::Agent, &node.name);
    let mut all: Vec<&Node> = observed.numbered(Role::Agent).collect();
    all.sort_by_key(|node| (number(node).is_none(), number(node), node.name.clone()));
    let surplus = all.split_off(all.len().min(wanted as usize));
    let (named, others): (Vec<&Node>, Vec<&Node>) = all
        .into_iter()
        .partition(|node| number(node).is_some_and(|number| number < wanted));
    let mut kept: BTreeMap<u32, &Node> = named
        .into_iter()
        .filter_map(|node| Some((number(node)?, node)))
        .collect();
    let free: Vec<u32> = (0..wanted)
        .filter(|slot| !kept.contains_key(slot))
        .collect();
    kept.extend(free.into_iter().zip(others));
    Slots { kept, surplus }
}

/// How many agents there would be if none were missing before the last one.
pub(super) fn with_gaps(observed: &Observed) -> u32 {
    let agents = || observed.numbered(Role::Agent);
    let numbers = agents().filter_map(|node| index_of(&observed.name, Role::Agent, &node.name));
    let last = numbers.max().map_or(0, |number| number.saturating_add(1));
    last.max(u32::try_from(agents().count()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_have_the_places_of_their_numbers_and_others_fill_the_gaps() {
        for (names, wanted, kept, surplus) in [
            (vec!["0", "1"], 2, vec![(0, "0"), (1, "1")], vec![]),
            (vec!["0", "1", "2"], 1, vec![(0, "0")], vec!["1", "2"]),
            (vec!["1"], 2, vec![(1, "1")], vec![]),
            (vec!["1"], 1, vec![(0, "1")], vec![]),
            (vec!["0", "x"], 2, vec![(0, "0"), (1, "x")], vec![]),
            (vec!["x", "2"], 2, vec![(0, "2"), (1, "x")], vec![]),
            (vec!["x"], 0, vec![], vec!["x"]),
        ] {
            let name = |short: &str| match short {
                "x" => "k3d-x-0".to_owned(),
                number => format!("k3d-demo-agent-{number}"),
            };
            let node = |short: &&str| {
                let node = Node {
                    name: name(short),
                    ..Node::default()
                };
                (Role::Agent, node)
            };
            let observed = Observed {
                nodes: names.iter().map(node).collect(),
                ..Observed::empty("demo")
            };
            let slots = agents(&observed, wanted);
            let found: Vec<_> = slots
                .kept
                .iter()
                .map(|(slot, node)| (*slot, node.name.clone()))
                .collect();
            let expected: Vec<_> = kept.iter().map(|(slot, one)| (*slot, name(one))).collect();
            assert_eq!(found, expected, "{names:?} {wanted}");
            let found: Vec<_> = slots.surplus.iter().map(|node| node.name.clone()).collect();
            let expected: Vec<_> = surplus.iter().map(|one| name(one)).collect();
            assert_eq!(found, expected, "{names:?} {wanted}");
        }
    }
}
