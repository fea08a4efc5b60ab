//! Images where a user names none: the published ones, unless the environment says otherwise.

/// Servers and agents: k3s, as published.
const NODE: (&str, &str) = ("ATLAS_NODE_IMAGE", "docker.io/rancher/k3s:v1.33.4-k3s1");
/// Load balancers: k3d's own, as published.
const LOAD_BALANCER: (&str, &str) = ("ATLAS_LOADBALANCER_IMAGE", "ghcr.io/k3d-io/k3d-proxy:5.8.3");

/// Of servers and agents: `ATLAS_NODE_IMAGE`, then k3s.
pub fn node() -> String {
    choose(NODE)
}

/// Of load balancers: `ATLAS_LOADBALANCER_IMAGE`, then k3d's.
pub fn load_balancer() -> String {
    choose(LOAD_BALANCER)
}

fn choose((variable, published): (&str, &str)) -> String {
    std::env::var(variable)
        .ok()
        .filter(|image| !image.is_empty())
        .unwrap_or_else(|| published.to_owned())
}
