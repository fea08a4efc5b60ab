//! Bridges between clusters: pods, Services and names of one are reached from the others.
//!
//! A bridge is a transit network on which every node of every member has a fixed address, and on every
//! node a script that sets the routes to the other members' pods and Services. The script lies where
//! k3d's entry point runs it at each start, so routes return by themselves when a node restarts. Nothing
//! is encapsulated and pod addresses are not translated.
//!
//! Names: `<service>.<namespace>.svc.<cluster>.<domain>` is answered by that cluster's own DNS, in every member,
//! the cluster itself included, so that a name means the same everywhere. `<container>.docker.<domain>` is
//! answered by Docker, for containers on the networks that the members' nodes are on. CoreDNS is told through
//! ConfigMap `kube-system/coredns-custom`, k3s's place for such additions.
//!
//! Who is a member is read from who is on the network, and from the scripts of the nodes that are: a
//! cluster that was made anew is on no network yet, and joins again. Two bridges may share one cluster; a
//! zone that both would define is defined by the one that came first.

mod execute;
mod observe;
mod plan;
mod recall;
mod script;
mod spec;
mod work;
mod zones;

pub use execute::{Admitted, admit, apply, begun, create, delete, rejoin, undeclared};
pub use observe::{ClusterView, NodeView, Observed, observe};
pub use plan::{Plan, Step, in_the_way, plan, plan_with_room};
pub use spec::{Member, Spec, spec_of};
pub use zones::DEFAULT_DOMAIN;

/// The transit network's name in Docker.
pub fn network_name(bridge: &str) -> String {
    format!("atlas-bridge-{bridge}")
}
