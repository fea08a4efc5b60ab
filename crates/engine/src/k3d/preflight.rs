//! What only the world can refuse, asked before anything is changed: networks that overlap, ports that
//! are taken.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use super::desired::{api_host_ip, desired};
use super::observe::Observed;
use super::spec::Spec;
use crate::context::Context;
use crate::docker::Published;
use crate::error::{Error, Problem, Result, refuse};
use crate::network::refuse_overlap;
use crate::path::FieldPath;

/// Refuses what would fail later: an overlapping subnet or a taken port.
pub async fn preflight(cx: &Context, spec: &Spec, observed: Option<&Observed>) -> Result<()> {
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
        problems.extend(taken_ports(cx, spec, observed).await?);
        refuse(problems)
    })
    .await
}

async fn taken_ports(
    cx: &Context,
    spec: &Spec,
    observed: Option<&Observed>,
) -> Result<Vec<Problem>> {
    let mut wanted: Vec<(IpAddr, u16, FieldPath)> = Vec::new();
    if let (Some(port), None) = (spec.kube_api.host_port, observed) {
        wanted.push((
            api_host_ip(spec),
            port,
            FieldPath::of("kube_api").index(0).name("host_port"),
        ));
    }
    for item in &spec.ports {
        if let (Some(port), "tcp") = (item.value.host_port, item.value.protocol.as_str()) {
            let address = item.value.host.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
            wanted.push((address, port, item.path.clone().name("host_port")));
        }
    }
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for (address, port, path) in &wanted {
        if !seen.insert((*address, *port)) {
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
            node.ports
                .values()
                .flatten()
                .any(|published| covers(published, address, port))
        });
        let own = holder.is_some_and(|holder| {
            observed
                .is_some_and(|observed| observed.nodes.iter().any(|(_, node)| node.id == holder.id))
        });
        let taken = match holder {
            _ if own => continue,
            Some(holder) => Some(format!("the container {}", holder.name)),
            None if cx.docker.is_local() && is_bound(address, port) => {
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

fn is_bound(address: IpAddr, port: u16) -> bool {
    TcpListener::bind(SocketAddr::new(address, port))
        .is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
}
