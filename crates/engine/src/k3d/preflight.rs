//! What only the world can refuse, asked before anything is changed: networks that overlap, ports that
//! are taken.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use ipnet::Ipv4Net;

use super::desired::{api_host_ip, desired};
use super::observe::Observed;
use super::spec::Spec;
use crate::cidr;
use crate::context::Context;
use crate::docker::{PortKey, Published};
use crate::error::{Error, Problem, Result, refuse};
use crate::network::refuse_overlap;
use crate::path::FieldPath;

/// Refuses what would fail later: an overlapping subnet or a taken port.
pub async fn preflight(cx: &Context, spec: &Spec, observed: Option<&Observed>) -> Result<()> {
    check(cx, spec, observed, observed).await
}

/// The same for a cluster that is to go and be made anew: what it holds now is free then.
pub async fn preflight_anew(cx: &Context, spec: &Spec, going: &Observed) -> Result<()> {
    check(cx, spec, None, Some(going)).await
}

/// `observed` stays as far as it can; what `holder` holds is nobody else's.
async fn check(
    cx: &Context,
    spec: &Spec,
    observed: Option<&Observed>,
    holder: Option<&Observed>,
) -> Result<()> {
    desired(spec).map_err(Error::Invalid)?;
    cx.guard("checking the machine", async {
        let mut problems = Vec::new();
        if let (Some(subnet), None) = (spec.subnet, observed) {
            let networks = cx.docker.networks(None).await?;
            let own = spec.network_name();
            problems.extend(refuse_overlap(
                subnet,
                &own,
                &FieldPath::of("subnet"),
                &networks,
            ));
        }
        if let (Some(name), None) = (&spec.network, observed)
            && let Some(network) = cx.docker.network(name).await?
        {
            problems.extend(
                network
                    .subnet
                    .into_iter()
                    .flat_map(|net| around(spec, name, net)),
            );
        }
        problems.extend(taken_ports(cx, spec, observed, holder).await?);
        refuse(problems)
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
            "Nodes, pods and Services need networks of their own.",
        )
    });
    problems.collect()
}

async fn taken_ports(
    cx: &Context,
    spec: &Spec,
    observed: Option<&Observed>,
    own: Option<&Observed>,
) -> Result<Vec<Problem>> {
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
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for (address, port, path) in &wanted {
        if !seen.insert((*address, port.clone())) {
            problems.push(Problem::new(
                path.clone(),
                format!("port {port} of {address} is asked for twice."),
                "Give each its own.",
            ));
        }
    }
    if wanted.is_empty() {
        return Ok(problems);
    }
    let containers = cx.docker.running_containers().await?;
    for (address, port, path) in wanted {
        let holder = containers.iter().find(|node| {
            let same_protocol = node
                .ports
                .iter()
                .filter(|(key, _)| key.protocol == port.protocol);
            same_protocol
                .flat_map(|(_, published)| published)
                .any(|published| covers(published, address, port.port))
        });
        let own = holder.is_some_and(|holder| {
            own.is_some_and(|own| own.nodes.iter().any(|(_, node)| node.id == holder.id))
        });
        let taken = match holder {
            _ if own => continue,
            Some(holder) => Some(format!("the container {}", holder.name)),
            None if cx.docker.is_local() && is_bound(address, &port) => {
                Some("another program on this machine".to_owned())
            }
            None => None,
        };
        if let Some(holder) = taken {
            problems.push(Problem::new(
                path,
                format!("port {port} of {address} is taken by {holder}."),
                "Choose another port, or stop what uses it.",
            ));
        }
    }
    Ok(problems)
}

fn covers(published: &Published, address: IpAddr, port: u16) -> bool {
    let everywhere =
        |address: Option<IpAddr>| address.is_none_or(|address| address.is_unspecified());
    published.port == Some(port)
        && (everywhere(published.address)
            || everywhere(Some(address))
            || published.address == Some(address))
}

fn is_bound(address: IpAddr, port: &PortKey) -> bool {
    let place = SocketAddr::new(address, port.port);
    let bound = match port.protocol.as_str() {
        "udp" => UdpSocket::bind(place).map(drop),
        _ => TcpListener::bind(place).map(drop),
    };
    bound.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_taken_for_one_protocol_only() {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let taken = UdpSocket::bind((here, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let key = |protocol: &str| PortKey {
            port,
            protocol: protocol.to_owned(),
        };
        assert!(is_bound(here, &key("udp")));
        assert!(!is_bound(here, &key("tcp")));
    }

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
