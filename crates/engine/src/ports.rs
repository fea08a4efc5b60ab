//! Who holds a port of the host.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use crate::context::Context;
use crate::docker::{Node, PortKey, Published};
use crate::error::{Problem, Result};
use crate::handover::Held;
use crate::network::Hindrance;
use crate::path::FieldPath;

/// What holds ports that are to be published on 127.0.0.1, each with the attribute that asks for it. `own` tells whether a
/// container may have such a port already.
///
/// # Errors
/// What Docker says.
pub(crate) async fn hindrances(
    cx: &Context,
    wanted: impl IntoIterator<Item = (FieldPath, u16)>,
    own: impl Fn(&Node, u16) -> bool,
) -> Result<Vec<Hindrance>> {
    let running = cx.docker.running_containers().await?;
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let found = wanted.into_iter().filter_map(|(path, port)| {
        let own = |node: &Node| own(node, port);
        let holder = holder(cx, &running, own, here, &PortKey::tcp(port))?;
        Some(holder.hindrance(path, here, &PortKey::tcp(port)))
    });
    Ok(found.collect())
}

/// What holds a port.
pub(crate) enum Holder<'a> {
    /// A container.
    Container(&'a Node),
    /// A program on this machine.
    Program,
}

impl Holder<'_> {
    /// As something in the way of who asks for the port at `path`.
    pub(crate) fn hindrance(&self, path: FieldPath, address: IpAddr, port: &PortKey) -> Hindrance {
        let problem = |holder: &str| {
            Problem::new(
                path,
                format!(
                    "port {} of {address} is already used by {holder}.",
                    port.port
                ),
                "Choose another port.",
            )
        };
        match self {
            Self::Container(node) => {
                let problem = problem(&format!("the container {}", node.name));
                Hindrance::labelled(problem, &node.labels).holding(Held {
                    container: node.id.clone(),
                    port: port.clone(),
                })
            }
            Self::Program => Hindrance::lasting(problem("another program on this machine")),
        }
    }
}

/// What holds a port of an address; `None` where nothing does, or a container that is `own`.
pub(crate) fn holder<'a>(
    cx: &Context,
    running: &'a [Node],
    own: impl Fn(&Node) -> bool,
    address: IpAddr,
    port: &PortKey,
) -> Option<Holder<'a>> {
    let container = running.iter().find(|node| {
        let same_protocol = node
            .ports
            .iter()
            .filter(|(key, _)| key.protocol == port.protocol);
        same_protocol
            .flat_map(|(_, published)| published)
            .any(|published| covers(published, address, port.port))
    });
    match container {
        Some(node) if own(node) => None,
        Some(node) => Some(Holder::Container(node)),
        None if cx.docker.is_local() && is_bound(address, port) => Some(Holder::Program),
        None => None,
    }
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
    use std::net::Ipv4Addr;

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
    fn a_port_of_atlass_own_containers_may_become_free_and_one_of_others_not() {
        let mut node = Node {
            name: "k3d-old-serverlb".to_owned(),
            ..Node::default()
        };
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let found = |node: &Node| {
            Holder::Container(node).hindrance(FieldPath::of("port"), here, &PortKey::tcp(8080))
        };
        assert!(!found(&node).may_go);
        node.labels = crate::labels::labels([(crate::labels::CLUSTER, "old")]);
        let found = found(&node);
        assert!(found.may_go && found.problem.message.contains("k3d-old-serverlb"));
        assert!(
            !Holder::Program
                .hindrance(FieldPath::of("port"), here, &PortKey::tcp(1))
                .may_go
        );
    }
}
