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

/// `CockroachDB`'s long-term line, as published.
const COCKROACHDB: (&str, &str) = (
    "ATLAS_COCKROACHDB_IMAGE",
    "docker.io/cockroachdb/cockroach:v25.4.11",
);

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

/// Of `CockroachDB` nodes: `ATLAS_COCKROACHDB_IMAGE`, then `CockroachDB`'s.
pub fn cockroachdb() -> String {
    choose(COCKROACHDB)
}

/// The same image with another version as its tag.
pub fn with_version(image: &str, version: &str) -> String {
    // A colon before the last slash belongs to the registry's port.
    let name = match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    };
    format!("{}:{version}", name.split('@').next().unwrap_or(name))
}

fn choose((variable, published): (&str, &str)) -> String {
    std::env::var(variable)
        .ok()
        .filter(|image| !image.is_empty())
        .unwrap_or_else(|| published.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_takes_the_place_of_the_tag() {
        for (image, expected) in [
            ("cockroachdb/cockroach:v1", "cockroachdb/cockroach:v2"),
            ("host:5000/cockroach", "host:5000/cockroach:v2"),
            ("host:5000/cockroach:v1", "host:5000/cockroach:v2"),
            ("cockroach@sha256:00", "cockroach:v2"),
        ] {
            assert_eq!(with_version(image, "v2"), expected);
        }
    }
}
