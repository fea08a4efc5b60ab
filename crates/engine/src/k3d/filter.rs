//! k3d's node filters: `GROUP[:SUBSET][:SUFFIX]`, for instance `agent:0,2`, `servers:*:proxy` or
//! `loadbalancer`. The older spelling `agent[0]` is understood too.

use std::collections::BTreeSet;

use super::Role;
use crate::error::Problem;
use crate::path::FieldPath;

/// Whether a port goes through the load balancer or straight to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suffix {
    /// Through the load balancer.
    Proxy,
    /// Published by the node itself.
    Direct,
}

/// A node by its place.
pub(super) type NodeRef = (Role, u32);

/// A parsed filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFilter {
    roles: Vec<Role>,
    subset: Subset,
    /// Only ports have one.
    pub suffix: Option<Suffix>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Subset {
    All,
    Indexes(Vec<u32>),
    Range(u32, Option<u32>),
}

const FORM: &str = "Use server:<index>, agent:<index> (an index is 0, 0,2, 1-3 or *), servers:*, agents:*, \
                    loadbalancer or all; a port may add :proxy or :direct.";

impl NodeFilter {
    /// Parses one filter.
    pub fn parse(text: &str, path: &FieldPath) -> Result<Self, Problem> {
        let bad = |why: String| Problem::new(path.clone(), why, FORM);
        // `agent[0]` is `agent:0`.
        let text_now = text.replace('[', ":").replace(']', "");
        let mut parts = text_now.split(':');
        let group = parts.next().unwrap_or_default();
        let mut rest: Vec<&str> = parts.collect();
        let suffix = match rest.last() {
            Some(&"proxy") => Some(Suffix::Proxy),
            Some(&"direct") => Some(Suffix::Direct),
            _ => None,
        };
        if suffix.is_some() {
            rest.pop();
        }
        let subset = match rest.as_slice() {
            [] => None,
            [one] => Some(
                subset(one).ok_or_else(|| bad(format!("{text:?} has an invalid node number.")))?,
            ),
            _ => return Err(bad(format!("{text:?} has too many parts."))),
        };
        let roles = match group {
            "server" | "servers" => vec![Role::Server],
            "agent" | "agents" => vec![Role::Agent],
            "loadbalancer" => vec![Role::LoadBalancer],
            "all" => vec![Role::Server, Role::Agent, Role::LoadBalancer],
            _ => return Err(bad(format!("{text:?} is not a valid node filter."))),
        };
        if subset.is_none() && matches!(group, "server" | "agent") {
            return Err(bad(format!("{text:?} does not say which {group} to use.")));
        }
        Ok(Self {
            roles,
            subset: subset.unwrap_or(Subset::All),
            suffix,
        })
    }

    /// The nodes it names in a cluster of this size.
    pub fn nodes(
        &self,
        servers: u32,
        agents: u32,
        path: &FieldPath,
    ) -> Result<BTreeSet<NodeRef>, Problem> {
        let mut found = BTreeSet::new();
        for &role in &self.roles {
            let count = match role {
                Role::Server => servers,
                Role::Agent => agents,
                Role::LoadBalancer => 1,
            };
            let missing = |index: u32| {
                let have = match count {
                    0 => format!("the cluster has no {}", role.as_str()),
                    _ => format!("the last {} is {}", role.as_str(), count - 1),
                };
                Problem::new(
                    path.clone(),
                    format!("there is no {}:{index}: {have}.", role.as_str()),
                    "Name a node that the cluster has.",
                )
            };
            // Bounds are compared before a range is walked: it may be as long as numbers go.
            let wanted: Vec<u32> = match &self.subset {
                Subset::All => (0..count).collect(),
                Subset::Indexes(indexes) => indexes.clone(),
                Subset::Range(from, _) if *from >= count => return Err(missing(*from)),
                Subset::Range(_, Some(to)) if *to >= count => return Err(missing(*to)),
                Subset::Range(from, Some(to)) => (*from..=*to).collect(),
                Subset::Range(from, None) => (*from..count).collect(),
            };
            for index in wanted {
                if index >= count {
                    return Err(missing(index));
                }
                found.insert((role, index));
            }
        }
        Ok(found)
    }

    /// Whether it is the load balancer alone, which for a port means all nodes through it.
    pub fn is_load_balancer(&self) -> bool {
        self.roles == [Role::LoadBalancer]
    }
}

fn subset(text: &str) -> Option<Subset> {
    if text == "*" {
        return Some(Subset::All);
    }
    if let Some((from, to)) = text.split_once('-') {
        let from = if from.is_empty() {
            0
        } else {
            from.parse().ok()?
        };
        let to = if to.is_empty() {
            None
        } else {
            Some(to.parse().ok()?)
        };
        return to
            .is_none_or(|to| to >= from)
            .then_some(Subset::Range(from, to));
    }
    text.split(',')
        .map(|index| index.parse().ok())
        .collect::<Option<Vec<u32>>>()
        .map(Subset::Indexes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(text: &str) -> Result<Vec<String>, Problem> {
        let path = FieldPath::of("f");
        let found = NodeFilter::parse(text, &path)?.nodes(1, 3, &path)?;
        Ok(found
            .into_iter()
            .map(|(role, index)| format!("{}{index}", role.as_str()))
            .collect())
    }

    #[test]
    fn filters_name_the_nodes_that_k3d_would_take() {
        for (text, expected) in [
            ("server:0", vec!["server0"]),
            ("agent:0,2", vec!["agent0", "agent2"]),
            ("agents:1-", vec!["agent1", "agent2"]),
            ("agents:-1:direct", vec!["agent0", "agent1"]),
            ("agent[*]", vec!["agent0", "agent1", "agent2"]),
            ("servers:*:proxy", vec!["server0"]),
            ("loadbalancer", vec!["loadbalancer0"]),
            (
                "all",
                vec!["server0", "agent0", "agent1", "agent2", "loadbalancer0"],
            ),
        ] {
            assert_eq!(nodes(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_k3d_refuses_is_refused() {
        for text in [
            "server",
            "agent",
            "node:0",
            "agent:x",
            "agent:7",
            "agent:0:1:2",
            "agent:2-1",
            "agent:0-4294967295",
            "agent:1-4294967295",
            "agent:4294967295-",
            "agent:4294967295",
            "agent:4294967296-",
            "",
        ] {
            assert!(nodes(text).is_err(), "{text}");
        }
    }
}
