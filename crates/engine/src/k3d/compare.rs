//! Where a cluster differs from what it must be: node by node, and in what only another cluster can change.

use std::collections::BTreeSet;

use super::Role;
use super::desired::{Desired, DesiredNode, api_host, api_host_ip};
use super::observe::Observed;
use super::read::{desired_here, host_alias, kube_api, user_part};
use super::slots;
use super::spec::Spec;
use crate::docker::{ImageDefaults, Node};
use crate::labels;

/// What of a node can differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aspect {
    Image,
    Ports,
    Arguments,
    Environment,
    Labels,
    Volumes,
    Memory,
}

impl Aspect {
    /// What a node is to have of it, in a sentence.
    pub(super) fn wish(self) -> &'static str {
        match self {
            Self::Image => "another image",
            Self::Ports => "other ports",
            Self::Arguments => "other arguments of k3s",
            Self::Environment => "another environment",
            Self::Labels => "other labels",
            Self::Volumes => "other volumes",
            Self::Memory => "another memory limit",
        }
    }

    /// The attribute or block that says it.
    fn field(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Ports => "port",
            Self::Arguments => "k3s",
            Self::Environment => "env",
            Self::Labels => "label",
            Self::Volumes => "volume",
            Self::Memory => "runtime",
        }
    }
}

/// An attribute that cannot be changed in place. Values are not part of it: they may be secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replace {
    /// The attribute or block.
    pub field: &'static str,
}

/// Everything in which a node differs. What the image says by itself counts for neither side, so it makes no
/// difference whether the user says it too.
pub(super) fn differing(observed: &Observed, want: &DesiredNode, node: &Node) -> Vec<Aspect> {
    let have = user_part(observed, want.role, node);
    let image = observed.image_defaults.get(&node.image_id);
    let arguments = want.role != Role::LoadBalancer
        && (
            &want.args.extra,
            &want.args.tls_sans,
            &want.args.node_labels,
        ) != (
            &have.args.extra,
            &have.args.tls_sans,
            &have.args.node_labels,
        );
    let checks = [
        (Aspect::Image, !same_image(&want.image, &have.image)),
        (Aspect::Ports, want.ports != have.ports),
        (Aspect::Arguments, arguments),
        (Aspect::Environment, !same_env(want, &have, node, image)),
        (Aspect::Labels, !same_labels(want, &have, node, image)),
        (Aspect::Volumes, want.binds != have.binds),
        (Aspect::Memory, want.memory != have.memory),
    ];
    let differing = checks.into_iter().filter(|(_, differs)| *differs);
    differing.map(|(aspect, _)| aspect).collect()
}

fn same_env(
    want: &DesiredNode,
    have: &DesiredNode,
    node: &Node,
    image: Option<&ImageDefaults>,
) -> bool {
    let Some(image) = image else {
        // What the image said is not to be known any more; what is wanted has to be there.
        let mut wanted = want.env.iter();
        return wanted.all(|(key, value)| node.env_value(key) == Some(value));
    };
    let given = |(key, value): &(&String, &String)| !image.env.contains(&format!("{key}={value}"));
    want.env.iter().filter(given).eq(have.env.iter())
}

fn same_labels(
    want: &DesiredNode,
    have: &DesiredNode,
    node: &Node,
    image: Option<&ImageDefaults>,
) -> bool {
    let Some(image) = image else {
        let mut wanted = want.labels.iter();
        return wanted.all(|(key, value)| node.labels.get(key) == Some(value));
    };
    let given = |(key, value): &(&String, &String)| {
        !image.labels.contains(&((*key).clone(), (*value).clone()))
    };
    want.labels.iter().filter(given).eq(have.labels.iter())
}

/// What can only be changed by another cluster: whatever differs on the server, which holds the data.
pub(super) fn replacements(
    spec: &Spec,
    desired: &Desired,
    observed: &Observed,
    server: &Node,
) -> Vec<Replace> {
    let Some(want) = desired.of_role(Role::Server).next() else {
        return Vec::new();
    };
    let differs: Vec<&'static str> = differing(observed, want, server)
        .into_iter()
        .map(Aspect::field)
        .collect();
    let have = user_part(observed, Role::Server, server);
    let subnet = observed.network.as_ref().map(|network| network.subnet);
    let token = server
        .label(labels::TOKEN)
        .or_else(|| server.env_value("K3S_TOKEN"));
    let there = kube_api(observed);
    let there_host = there.host.or(there.host_ip.map(|ip| ip.to_string()));
    let api = &spec.kube_api;
    let balanced = server.label(labels::LOADBALANCER).is_some();
    let volume = server.label(labels::IMAGE_VOLUME).is_some();
    let checks = [
        (
            "servers",
            observed.of_role(Role::Server).count() != spec.servers as usize,
        ),
        ("image", differs.contains(&"image")),
        ("network", observed.network_name != spec.network_name()),
        (
            "subnet",
            spec.subnet.is_some() && subnet.is_some_and(|there| there != spec.subnet),
        ),
        (
            "cluster_cidr",
            have.args.cluster_cidr != want.args.cluster_cidr,
        ),
        (
            "service_cidr",
            have.args.service_cidr != want.args.service_cidr,
        ),
        (
            "token",
            spec.token
                .as_ref()
                .is_some_and(|wanted| Some(wanted.reveal()) != token),
        ),
        (
            "kube_api",
            there_host.is_some_and(|there| there != api_host(spec))
                || there
                    .host_ip
                    .is_some_and(|there| there != api_host_ip(spec))
                || api.host_port.is_some() && there.host_port != api.host_port,
        ),
        ("k3s", differs.contains(&"k3s")),
        ("volume", differs.contains(&"volume")),
        ("env", differs.contains(&"env")),
        ("label", differs.contains(&"label")),
        ("port", differs.contains(&"port")),
        ("runtime", differs.contains(&"runtime")),
        (
            "k3d",
            balanced != spec.load_balancer
                || volume != spec.image_volume
                || host_alias(observed).is_some_and(|there| there != spec.host_ip_injection),
        ),
    ];
    let differing = checks.into_iter().filter(|(_, differs)| *differs);
    differing.map(|(field, _)| Replace { field }).collect()
}

/// Whether the load balancer forwards elsewhere than it must, nodes in `going` left out of account.
pub(super) fn forwards_elsewhere(
    desired: &Desired,
    observed: &Observed,
    going: &BTreeSet<String>,
) -> bool {
    let Some(found) = &observed.upstreams else {
        return false;
    };
    let known: BTreeSet<&String> = desired.nodes.iter().map(|node| &node.name).collect();
    let there = |name: &String| observed.nodes.iter().any(|(_, node)| node.name == *name);
    let mut found = found.clone();
    for names in found.values_mut() {
        // Nodes that were added by their own names are none of its business.
        names.retain(|name| known.contains(name) || !there(name) || going.contains(name));
    }
    found != desired.upstreams
}

/// The blocks of a specification.
const BLOCKS: [&str; 8] = [
    "kube_api", "port", "volume", "env", "label", "k3s", "k3d", "runtime",
];

impl Observed {
    /// Whether the servers run this image.
    pub fn same_image(&self, image: &str) -> bool {
        self.server()
            .is_some_and(|server| same_image(&server.image, image))
    }

    /// The blocks (`kube_api`, `port`, `volume`, `env`, `label`, `k3s`, `k3d`, `runtime`) in which the
    /// cluster differs from a specification, whatever its number of agents. None where the
    /// specification cannot be resolved for the agents that are there.
    pub fn changed_blocks(&self, spec: &Spec) -> Vec<&'static str> {
        let Some(server) = self.server() else {
            return Vec::new();
        };
        let spec = Spec {
            agents: slots::with_gaps(self),
            ..spec.clone()
        };
        let Ok((spec, desired)) = desired_here(&spec, Some(self)) else {
            return Vec::new();
        };
        let mut changed: BTreeSet<&'static str> = replacements(&spec, &desired, self, server)
            .iter()
            .map(|one| one.field)
            .collect();
        for (_, node) in &self.nodes {
            if let Some(want) = desired.nodes.iter().find(|want| want.name == node.name)
                && slots::is_compared(self, want.role, node)
            {
                changed.extend(differing(self, want, node).into_iter().map(Aspect::field));
            }
        }
        if forwards_elsewhere(&desired, self, &BTreeSet::new()) {
            changed.insert("port");
        }
        BLOCKS
            .into_iter()
            .filter(|block| changed.contains(block))
            .collect()
    }
}

/// Whether two references name the same image: Docker's default registry and tag may be left out.
/// An id says nothing about the name (the k3d CLI copies nodes by id), so it is taken as the same.
pub(crate) fn same_image(a: &str, b: &str) -> bool {
    a.starts_with("sha256:") || b.starts_with("sha256:") || canonical(a) == canonical(b)
}

fn canonical(image: &str) -> String {
    let image = image.strip_prefix("docker.io/").unwrap_or(image);
    let image = image.strip_prefix("library/").unwrap_or(image);
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains(':') || name.contains('@') {
        image.to_owned()
    } else {
        format!("{image}:latest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_compare_by_what_they_name() {
        for (a, b, same) in [
            ("docker.io/rancher/k3s:v1", "rancher/k3s:v1", true),
            ("nginx", "docker.io/library/nginx:latest", true),
            ("rancher/k3s:v1", "rancher/k3s:v2", false),
            ("sha256:00", "rancher/k3s:v2", true),
        ] {
            assert_eq!(same_image(a, b), same, "{a} {b}");
        }
    }
}
