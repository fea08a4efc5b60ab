//! What only the world can refuse, asked before anything is changed: networks that overlap, ports that
//! are taken.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;

use super::desired::{api_host_ip, desired};
use super::observe::Observed;
use super::plan::{Plan, Step};
use super::spec::Spec;
use crate::cidr;
use crate::context::Context;
use crate::docker::{Node, PortKey};
use crate::error::{Error, Problem, Result, refuse};
use crate::handover::{self, Freed, Leaving, Way};
use crate::labels;
use crate::network::{self, Hindrance, overlapping};
use crate::path::FieldPath;
use crate::ports;

/// Refuses what would fail later: an overlapping subnet or a taken port.
pub async fn preflight(cx: &Context, spec: &Spec, observed: Option<&Observed>) -> Result<()> {
    let found = hindrances(cx, spec, observed, observed).await?;
    refuse(found.into_iter().map(|one| one.problem).collect())
}

/// The same for a plan, beside which others are planned that may free what is taken: that is returned.
pub async fn foresee(
    cx: &Context,
    spec: &Spec,
    observed: Option<&Observed>,
) -> Result<Vec<Problem>> {
    network::foresee(hindrances(cx, spec, observed, observed).await?)
}

/// The same when it comes to making: what may be going is waited for, and what the plan gives up is there for who waits
/// for it. Returns what was stopped for that.
pub(super) async fn until_free(
    cx: &Context,
    spec: &Spec,
    observed: Option<&Observed>,
    plan: &Plan,
) -> Result<Freed> {
    let leaving = leaving(spec, observed, plan);
    network::until_free(cx, leaving, || hindrances(cx, spec, observed, observed)).await
}

/// The ports that nodes publish which the plan removes or makes anew, and that are not asked for any more.
fn leaving(spec: &Spec, observed: Option<&Observed>, plan: &Plan) -> Vec<Leaving> {
    let Some(observed) = observed else {
        return Vec::new();
    };
    let api = observed
        .server()
        .and_then(|server| server.label(labels::API_PORT)?.parse().ok());
    let kept = |port: &PortKey| {
        let asked = |(number, protocol): (Option<u16>, &str)| {
            number == Some(port.port) && protocol == port.protocol
        };
        let ports = spec.ports.iter().map(|item| &item.value);
        let mut all = ports.map(|one| (one.host_port, one.protocol.as_str()));
        all.any(asked) || asked((api, "tcp")) || asked((spec.kube_api.host_port, "tcp"))
    };
    let goes = |node: &Node| {
        let mut steps = plan.steps.iter();
        steps.any(|step| matches!(step, Step::RemoveNode { node: name, .. } if *name == node.name))
    };
    let going = observed.nodes.iter().filter(|(_, node)| goes(node));
    going
        .flat_map(|(_, node)| handover::leaving(node, kept, Way::Stop))
        .collect()
}

/// The same for a cluster that is to go and be made anew: what it holds now is free then.
pub async fn preflight_anew(cx: &Context, spec: &Spec, going: &Observed) -> Result<()> {
    let found = hindrances(cx, spec, None, Some(going)).await?;
    refuse(found.into_iter().map(|one| one.problem).collect())
}

/// `observed` stays as far as it can; what `holder` holds is nobody else's.
async fn hindrances(
    cx: &Context,
    spec: &Spec,
    observed: Option<&Observed>,
    holder: Option<&Observed>,
) -> Result<Vec<Hindrance>> {
    desired(spec).map_err(Error::Invalid)?;
    cx.guard("checking the machine", async {
        let mut found = Vec::new();
        if let (Some(subnet), None) = (spec.subnet, observed) {
            let networks = cx.docker.networks(None).await?;
            let (own, path) = (spec.network_name(), FieldPath::of("subnet"));
            found.extend(overlapping(subnet, &own, &path, &networks));
        }
        if let (Some(name), None) = (&spec.network, observed)
            && let Some(network) = cx.docker.network(name).await?
            && let Some(net) = network.subnet
        {
            let around = around(spec, name, net).into_iter();
            found.extend(around.map(Hindrance::lasting));
        }
        found.extend(taken_ports(cx, spec, observed, holder).await?);
        Ok(found)
    })
    .await
}

/// What of the cluster overlaps the subnet of the network that its nodes are to be on.
fn around(spec: &Spec, network: &str, subnet: Ipv4Net) -> Vec<Problem> {
    let of_cluster = [
        ("cluster_cidr", spec.cluster_cidr),
        ("service_cidr", spec.service_cidr),
    ];
    let overlapping = of_cluster
        .into_iter()
        .filter(|(_, net)| cidr::overlap(*net, subnet));
    let problems = overlapping.map(|(field, net)| {
        Problem::new(
            FieldPath::of(field),
            format!("{net} overlaps {subnet} of the network {network:?}."),
            "Use separate networks for nodes, pods and Services.",
        )
    });
    problems.collect()
}

async fn taken_ports(
    cx: &Context,
    spec: &Spec,
    observed: Option<&Observed>,
    own: Option<&Observed>,
) -> Result<Vec<Hindrance>> {
    let mut wanted: Vec<(IpAddr, PortKey, FieldPath)> = Vec::new();
    let key = |port: u16, protocol: &str| PortKey {
        port,
        protocol: protocol.to_owned(),
    };
    if let (Some(port), None) = (spec.kube_api.host_port, observed) {
        wanted.push((
            api_host_ip(spec),
            key(port, "tcp"),
            FieldPath::of("kube_api").index(0).name("host_port"),
        ));
    }
    for item in &spec.ports {
        if let Some(port) = item.value.host_port {
            let address = item.value.host.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
            let port = key(port, &item.value.protocol);
            wanted.push((address, port, item.path.clone().name("host_port")));
        }
    }
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for (address, port, path) in &wanted {
        if !seen.insert((*address, port.clone())) {
            found.push(Hindrance::lasting(Problem::new(
                path.clone(),
                format!("port {port} of {address} is published twice."),
                "Use a different port for each.",
            )));
        }
    }
    if wanted.is_empty() {
        return Ok(found);
    }
    let containers = cx.docker.running_containers().await?;
    for (address, port, path) in wanted {
        let is_own = |node: &Node| {
            own.is_some_and(|own| own.nodes.iter().any(|(_, known)| known.id == node.id))
        };
        let taken = ports::holder(cx, &containers, is_own, address, &port);
        found.extend(taken.map(|holder| holder.hindrance(path, address, &port)));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_overlaps_pods_or_services_is_told_with_its_name() {
        let spec = Spec {
            network: Some("shared".into()),
            ..Spec::new("demo", "node:1", "lb:1")
        };
        let problems = around(&spec, "shared", "10.42.7.0/24".parse().unwrap());
        let text = problems[0].to_string();
        assert_eq!(problems.len(), 1);
        for part in ["cluster_cidr", "10.42.7.0/24", "shared"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(around(&spec, "shared", "10.9.0.0/24".parse().unwrap()).is_empty());
    }
}
