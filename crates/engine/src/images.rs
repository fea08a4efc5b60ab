//! Images where a user names none: the published ones, unless the environment says otherwise.

/// Servers and agents: k3s, as published.
const NODE: (&str, &str) = ("ATLAS_NODE_IMAGE", "docker.io/rancher/k3s:v1.33.4-k3s1");
/// Load balancers: k3d's own, as published.
const LOAD_BALANCER: (&str, &str) = ("ATLAS_LOADBALANCER_IMAGE", "ghcr.io/k3d-io/k3d-proxy:5.8.3");
/// LocalStack's last published version before an account is needed for it.
const LOCALSTACK: (&str, &str) = (
    "ATLAS_LOCALSTACK_IMAGE",
    "docker.io/localstack/localstack:4.9.2",
);
/// The replicator beside LocalStack; it is built from this repository.
const REPLICATOR: (&str, &str) = ("ATLAS_REPLICATOR_IMAGE", "atlas/replicator:1");

/// Of servers and agents: `ATLAS_NODE_IMAGE`, then k3s.
pub fn node() -> String {
    choose(NODE)
}

/// Of load balancers: `ATLAS_LOADBALANCER_IMAGE`, then k3d's.
pub fn load_balancer() -> String {
    choose(LOAD_BALANCER)
}

/// Of LocalStack servers: `ATLAS_LOCALSTACK_IMAGE`, then LocalStack's.
pub fn localstack() -> String {
    choose(LOCALSTACK)
}

/// Of replicators: `ATLAS_REPLICATOR_IMAGE`, then the one that `scripts/images.sh` builds.
pub fn replicator() -> String {
    choose(REPLICATOR)
}

fn choose((variable, published): (&str, &str)) -> String {
    std::env::var(variable)
        .ok()
        .filter(|image| !image.is_empty())
        .unwrap_or_else(|| published.to_owned())
}
