//! Whether a container's place on a network can be had.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::address::holders;
use crate::context::Context;
use crate::docker::DockerNetwork;
use crate::error::{Problem, Remedy, Result};
use crate::path::FieldPath;

/// A container's fixed address, and the attribute that asks for it.
pub(crate) struct Wanted {
    /// The attribute.
    pub(crate) path: FieldPath,
    /// The address.
    pub(crate) address: Ipv4Addr,
    /// The container that is to have it.
    pub(crate) container: String,
}

/// What is wrong with a network that containers are to be on, and with their addresses on it.
///
/// # Errors
/// What Docker says.
pub(crate) async fn problems(
    cx: &Context,
    network: &str,
    wanted: impl IntoIterator<Item = Wanted>,
) -> Result<Vec<Problem>> {
    let Some(found) = cx.docker.network(network).await? else {
        return Ok(vec![Problem::new(
            FieldPath::of("network"),
            format!("there is no network {network:?}."),
            Remedy::CreateNetwork {
                name: network.to_owned(),
            },
        )]);
    };
    let wanted: Vec<Wanted> = wanted.into_iter().collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let holders = holders(&found, &cx.docker.containers_on(network).await?);
    let problem = |one: Wanted| {
        Some(Problem::new(
            one.path,
            objection(&found, &holders, one.address, &one.container)?,
            "Use a free address of the network, or leave it out.",
        ))
    };
    Ok(wanted.into_iter().filter_map(problem).collect())
}

/// Why a container cannot have this address.
fn objection(
    network: &DockerNetwork,
    holders: &BTreeMap<Ipv4Addr, String>,
    address: Ipv4Addr,
    container: &str,
) -> Option<String> {
    let name = &network.name;
    let is_host = network
        .subnet
        .is_some_and(|subnet| subnet.hosts().any(|host| host == address));
    if !is_host {
        return Some(format!(
            "{address} is not a host address of the network {name:?}."
        ));
    }
    if network.gateway == Some(address) {
        return Some(format!("{address} is the gateway of the network {name:?}."));
    }
    if network.reserved.contains(&address) {
        return Some(format!("{address} is reserved in the network {name:?}."));
    }
    let holder = holders
        .get(&address)
        .filter(|holder| *holder != container)?;
    Some(format!("{address} is already used by {holder}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::Node;

    #[test]
    fn an_address_is_a_free_host_of_the_network_or_the_containers_own() {
        let network = DockerNetwork {
            name: "n".to_owned(),
            subnet: "10.0.0.0/24".parse().ok(),
            gateway: Some([10, 0, 0, 1].into()),
            reserved: vec![[10, 0, 0, 2].into()],
            addresses: [("other".to_owned(), [10, 0, 0, 7].into())].into(),
            ..DockerNetwork::default()
        };
        let stopped = Node {
            name: "stopped".to_owned(),
            static_addresses: [("n".to_owned(), [10, 0, 0, 8].into())].into(),
            ..Node::default()
        };
        let holders = holders(&network, &[stopped]);
        let objection = |address: [u8; 4], container: &str| {
            super::objection(&network, &holders, address.into(), container)
        };
        for (address, words) in [
            ([10, 0, 0, 6], None),
            ([10, 0, 1, 6], Some("not a host address")),
            ([10, 0, 0, 255], Some("not a host address")),
            ([10, 0, 0, 1], Some("gateway")),
            ([10, 0, 0, 2], Some("reserved")),
            ([10, 0, 0, 7], Some("already used by other")),
            ([10, 0, 0, 8], Some("already used by stopped")),
        ] {
            let said = objection(address, "own");
            let expected = said.as_deref().zip(words);
            assert_eq!(said.is_some(), words.is_some(), "{address:?}: {said:?}");
            assert!(expected.is_none_or(|(said, words)| said.contains(words)));
        }
        assert_eq!(objection([10, 0, 0, 7], "other"), None);
        assert_eq!(objection([10, 0, 0, 8], "stopped"), None);
    }
}
