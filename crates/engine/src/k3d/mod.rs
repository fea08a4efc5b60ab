//! k3d clusters: Kubernetes nodes in containers, in the shape that the k3d CLI gives them.
//!
//! k3d keeps no state: what it knows of a cluster it reads from containers, networks, volumes and
//! their labels (k3d's `pkg/runtimes/docker`). A cluster made here is therefore one of k3d's own in
//! every respect, and one that k3d made can be read here.
//!
//! What differs from `k3d cluster create`, each for a reason: every node has a fixed address (a
//! changed one breaks a cluster after a restart of Docker), the API and all ports are published on
//! 127.0.0.1 unless asked, nodes start concurrently, and a node is not drained when it stops.

#[cfg(any(test, feature = "imagined"))]
pub mod arbitrary;
mod args;
mod checks;
mod compare;
mod desired;
pub(crate) mod dns;
mod entrypoint;
mod execute;
mod filter;
mod health;
#[cfg(any(test, feature = "imagined"))]
mod imagined;
mod kubectl;
mod loadbalancer;
mod network;
mod node;
mod observe;
mod plan;
#[cfg(test)]
mod plan_tests;
mod preflight;
mod publish;
mod read;
mod ready;
#[cfg(test)]
mod roundtrip;
mod shape;
mod slots;
mod spec;
mod spell;
mod work;

pub use args::shown as shown_argument;
pub use compare::Replace;
pub use execute::{
    Admitted, admit, apply_node, begun, create, delete, delete_node, settle, start, stop, update,
};
pub use filter::NodeFilter;
pub use health::{Health, Workload, has_other_name, health};
#[cfg(any(test, feature = "imagined"))]
pub use imagined::Imagined;
pub use kubectl::{Credentials, credentials};
pub use node::{NodeSpec, node_container, node_specs, plan_delete as plan_delete_node, plan_node};
pub use observe::{Observed, list, observe};
pub use plan::{Plan, Step, images, plan, plan_power};
pub use preflight::{foresee, preflight, preflight_anew};
pub use read::{spec_of, spelled};
pub use spec::{Filtered, KubeApi, Pair, Port, Spec, Token, Volume};

pub(crate) use args::NodeArgs;
pub(crate) use kubectl::kubectl;
pub(crate) use observe::{network_of, nodes};

/// Everything that is wrong with a specification, without asking the world.
pub fn problems(spec: &Spec) -> Vec<crate::Problem> {
    desired::desired(spec).err().unwrap_or_default()
}

/// k3s's default for pods.
pub const DEFAULT_CLUSTER_CIDR: &str = "10.42.0.0/16";
/// k3s's default for Services.
pub const DEFAULT_SERVICE_CIDR: &str = "10.43.0.0/16";
/// Where a server and the load balancer listen for the Kubernetes API.
pub const API_PORT: u16 = 6443;

/// Docker kills a node that has not ended by itself after these.
const STOP_SECONDS: i32 = 10;

/// What a node is for, as k3d's label says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Runs the control plane.
    Server,
    /// Runs workloads only.
    Agent,
    /// Forwards published ports to nodes.
    LoadBalancer,
}

impl Role {
    /// k3d's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Agent => "agent",
            Self::LoadBalancer => "loadbalancer",
        }
    }

    /// The role of k3d's word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Server, Self::Agent, Self::LoadBalancer]
            .into_iter()
            .find(|role| role.as_str() == text)
    }
}

/// `k3d-NAME-server-0`, `k3d-NAME-agent-0`, `k3d-NAME-serverlb`.
pub fn node_name(cluster: &str, role: Role, index: u32) -> String {
    match role {
        Role::LoadBalancer => format!("k3d-{cluster}-serverlb"),
        _ => format!("k3d-{cluster}-{}-{index}", role.as_str()),
    }
}

/// The network of a cluster that has its own.
pub fn network_name(cluster: &str) -> String {
    format!("k3d-{cluster}")
}

/// The volume for image tarballs.
pub fn image_volume(cluster: &str) -> String {
    format!("k3d-{cluster}-images")
}
