//! Fixed addresses for Atlas's containers on a network. One place gives them out, to every kind of object and every
//! process that shares the daemon.
//!
//! Docker knows nothing of an address that a container was created with until that container starts, and gives addresses
//! of its own choice from the bottom of the subnet, or from the network's range. So who needs an address holds the
//! network's turn until the container that has it exists, what containers keep counts whether they run or not, and
//! addresses are given from the top, outside of Docker's range: containers of other programs do not meet them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::context::Context;
use crate::docker::{ContainerSpec, DockerNetwork, Node};
use crate::error::{Error, Remedy, Result};
use crate::labels;
use crate::lock::{self, Lock};

/// The turn to place containers on a network. It must be held until the containers that were given addresses exist.
pub(crate) struct Turn {
    network: DockerNetwork,
    holders: BTreeMap<Ipv4Addr, String>,
    _alone: Option<Lock>,
}

impl Turn {
    /// Waits for the turn of this network, and learns who holds which address.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no such network; what Docker says; the ends of time and patience.
    pub(crate) async fn take(cx: &Context, network: &str) -> Result<Self> {
        let found = look_up(cx, network).await?;
        if !is_chosen(&found) {
            return Ok(Self {
                network: found,
                holders: BTreeMap::new(),
                _alone: None,
            });
        }
        let short = found.id.get(..12).unwrap_or(&found.id);
        let alone = lock::take(cx, &format!("addresses-{short}")).await?;
        // Anew: somebody else may have had the turn until now.
        let (network, containers) = cx
            .guard("reading the addresses of a network", async {
                tokio::try_join!(look_up(cx, network), cx.docker.containers_on(network))
            })
            .await?;
        Ok(Self {
            holders: holders(&network, &containers),
            network,
            _alone: Some(alone),
        })
    }

    /// An address for this container: the one that it had before where that is free still, else the highest that is.
    /// `None` where the network allows none, and Docker gives one at each start.
    ///
    /// # Errors
    /// [`Error::Unexpected`] where the network is full.
    pub(crate) fn give(
        &mut self,
        container: &str,
        before: Option<Ipv4Addr>,
    ) -> Result<Option<Ipv4Addr>> {
        let Some(subnet) = self.network.subnet.filter(|_| is_chosen(&self.network)) else {
            return Ok(None);
        };
        let kept = before.filter(|address| {
            let others = self.holders.get(address);
            subnet.contains(address) && others.is_none_or(|holder| holder == container)
        });
        let address = kept.or_else(|| highest_free(&self.network, subnet, &self.holders));
        let Some(address) = address else {
            return Err(Error::Unexpected {
                what: format!("network {} ({subnet})", self.network.name),
                reason: "it has no free address left. Use a larger subnet".to_owned(),
            });
        };
        self.holders.insert(address, container.to_owned());
        Ok(Some(address))
    }

    /// Gives a container an address where its user asks for none; it is marked as Atlas's choice.
    ///
    /// # Errors
    /// As [`Turn::give`].
    pub(crate) fn place(
        &mut self,
        container: &mut ContainerSpec,
        before: Option<Ipv4Addr>,
    ) -> Result<()> {
        if container.address.is_some() {
            return Ok(());
        }
        container.address = self.give(&container.name, before)?;
        if container.address.is_some() {
            let label = labels::ATLAS_ADDRESS.to_owned();
            container
                .labels
                .insert(label, labels::ATLAS_ADDRESS_CHOSEN.to_owned());
        }
        Ok(())
    }

    /// Who else holds the address that this container was created with. It could not be started.
    pub(crate) fn rival(&self, container: &Node) -> Option<&str> {
        let address = container.static_addresses.get(&self.network.name)?;
        let holder = self.holders.get(address)?;
        (*holder != container.name).then_some(holder)
    }
}

/// The address of a container on a network that its user asked for: not one that Atlas chose.
pub(crate) fn asked(container: &Node, network: &str) -> Option<Ipv4Addr> {
    let chosen = container.label(labels::ATLAS_ADDRESS) == Some(labels::ATLAS_ADDRESS_CHOSEN);
    let fixed = container.static_addresses.get(network).copied();
    fixed.filter(|_| !chosen)
}

/// The fixed address of a container that is to be made anew.
pub(crate) fn fixed(container: Option<&Node>, network: &str) -> Option<Ipv4Addr> {
    container?.static_addresses.get(network).copied()
}

/// Who holds an address: endpoints, also those of which the container is gone, and containers that have one and do not run.
pub(super) fn holders(network: &DockerNetwork, containers: &[Node]) -> BTreeMap<Ipv4Addr, String> {
    let mut found = BTreeMap::new();
    for node in containers {
        let fixed = node.static_addresses.get(&network.name).copied();
        // A stopped one's address counts though Docker may have given it to another meanwhile: who runs has it.
        if let Some(address) = fixed {
            found.insert(address, node.name.clone());
        }
    }
    for node in containers {
        if let Some(address) = node.networks.get(&network.name).copied().flatten() {
            found.insert(address, node.name.clone());
        }
    }
    let endpoints = network.addresses.iter();
    found.extend(endpoints.map(|(name, address)| (*address, name.clone())));
    found
}

/// Whether the subnet was given by word, without which Docker refuses fixed addresses. Docker tells the gateway of a
/// subnet that it chose itself; where it tells none, somebody gave the subnet.
fn is_chosen(network: &DockerNetwork) -> bool {
    let ours = network.labels.contains_key(labels::ATLAS_MANAGED)
        && !network.labels.contains_key(labels::ATLAS_PROBE);
    // Its own first network has no fixed addresses at all.
    let is_default = network.name == "bridge";
    network.subnet.is_some() && !is_default && (ours || network.gateway.is_none())
}

/// The highest address that nobody holds and Docker would not give by itself; where there is none, the highest that
/// nobody holds.
fn highest_free(
    network: &DockerNetwork,
    subnet: Ipv4Net,
    holders: &BTreeMap<Ipv4Addr, String>,
) -> Option<Ipv4Addr> {
    // The gateway, and the address that k3d keeps for its tools container.
    let lowest: Vec<Ipv4Addr> = subnet.hosts().take(2).collect();
    let is_free = |address: &Ipv4Addr| {
        !lowest.contains(address)
            && !network.is_reserved(*address)
            && !holders.contains_key(address)
    };
    let Some(range) = network.ip_range else {
        return subnet.hosts().rev().find(is_free);
    };
    let mut outside = subnet.hosts().rev().filter(|one| !range.contains(one));
    let outside = outside.find(is_free);
    // Docker's gateway is the first of its range where nobody gave one.
    let mut inside = subnet.hosts().rev().filter(|one| range.contains(one));
    outside.or_else(|| inside.find(|one| is_free(one) && *one != range.network()))
}

async fn look_up(cx: &Context, network: &str) -> Result<DockerNetwork> {
    let found = cx
        .guard("looking up a network", cx.docker.network(network))
        .await?;
    found.ok_or_else(|| Error::NotFound {
        kind: "network",
        name: network.to_owned(),
        remedy: Remedy::CreateNetwork {
            name: network.to_owned(),
        },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn network(subnet: &str) -> DockerNetwork {
        let subnet: Ipv4Net = subnet.parse().unwrap();
        DockerNetwork {
            name: "n".to_owned(),
            subnet: Some(subnet),
            gateway: subnet.hosts().next(),
            labels: labels::labels([(labels::ATLAS_MANAGED, labels::ATLAS_MANAGED_VALUE)]),
            ..DockerNetwork::default()
        }
    }

    fn turn(network: DockerNetwork, containers: &[Node]) -> Turn {
        Turn {
            holders: holders(&network, containers),
            network,
            _alone: None,
        }
    }

    fn container(name: &str, fixed: Option<[u8; 4]>, present: Option<[u8; 4]>) -> Node {
        let on = |address: [u8; 4]| ("n".to_owned(), Ipv4Addr::from(address));
        Node {
            name: name.to_owned(),
            static_addresses: fixed.map(on).into_iter().collect(),
            networks: [("n".to_owned(), present.map(Ipv4Addr::from))].into(),
            ..Node::default()
        }
    }

    fn given(turn: &mut Turn, container: &str) -> [u8; 4] {
        turn.give(container, None).unwrap().unwrap().octets()
    }

    #[test]
    fn addresses_come_from_the_top_where_docker_gives_its_own_from_the_bottom() {
        let mut turn = turn(network("10.0.0.0/24"), &[]);
        assert_eq!(given(&mut turn, "a"), [10, 0, 0, 254]);
        assert_eq!(given(&mut turn, "b"), [10, 0, 0, 253]);
    }

    #[test]
    fn a_container_that_was_created_and_never_started_keeps_its_address() {
        let made = [container("half-made", Some([10, 0, 0, 254]), None)];
        let mut turn = turn(network("10.0.0.0/24"), &made);
        assert_eq!(given(&mut turn, "a"), [10, 0, 0, 253]);
    }

    #[test]
    fn an_endpoint_whose_container_is_gone_holds_its_address() {
        let mut left = network("10.0.0.0/24");
        left.addresses = [("gone".to_owned(), [10, 0, 0, 254].into())].into();
        let mut turn = turn(left, &[]);
        assert_eq!(given(&mut turn, "a"), [10, 0, 0, 253]);
    }

    #[test]
    fn dockers_own_range_and_reserved_addresses_are_left_alone_as_long_as_there_are_others() {
        let mut narrow = network("10.0.0.0/28");
        narrow.ip_range = "10.0.0.8/29".parse().ok();
        narrow.reserved = vec![[10, 0, 0, 7].into()];
        let mut turn = turn(narrow, &[]);
        let all: Vec<u8> = (0..10).map(|_| given(&mut turn, "a")[3]).collect();
        assert_eq!(all, [6, 5, 4, 3, 14, 13, 12, 11, 10, 9]);
    }

    #[test]
    fn a_container_that_is_made_anew_keeps_its_address_unless_another_has_it() {
        let others = [container("other", None, Some([10, 0, 0, 4]))];
        let mut turn = turn(network("10.0.0.0/24"), &others);
        let mut keep = |before: [u8; 4]| turn.give("a", Some(before.into())).unwrap();
        assert_eq!(keep([10, 0, 0, 3]), Some([10, 0, 0, 3].into()));
        assert_eq!(keep([10, 0, 0, 4]), Some([10, 0, 0, 254].into()));
        assert_eq!(keep([10, 9, 0, 4]), Some([10, 0, 0, 253].into()));
    }

    #[test]
    fn where_docker_chose_the_subnet_it_gives_the_addresses() {
        let mut foreign = network("10.0.0.0/24");
        foreign.labels.clear();
        assert_eq!(turn(foreign.clone(), &[]).give("a", None).unwrap(), None);
        // Without a gateway it was given by word.
        foreign.gateway = None;
        assert!(turn(foreign, &[]).give("a", None).unwrap().is_some());
    }

    #[test]
    fn a_full_network_is_told_with_its_subnet() {
        let mut turn = turn(network("10.0.0.0/29"), &[]);
        for _ in 0..4 {
            given(&mut turn, "a");
        }
        let told = turn.give("b", None).unwrap_err().to_string();
        assert!(
            told.contains("10.0.0.0/29") && told.contains("larger"),
            "{told}"
        );
    }

    #[test]
    fn who_was_created_with_an_address_that_another_took_is_known() {
        let half_made = container("half-made", Some([10, 0, 0, 3]), None);
        let running = container("running", None, Some([10, 0, 0, 3]));
        let found = turn(network("10.0.0.0/24"), &[half_made.clone(), running]);
        assert_eq!(found.rival(&half_made), Some("running"));
        let alone = turn(network("10.0.0.0/24"), std::slice::from_ref(&half_made));
        assert_eq!(alone.rival(&half_made), None);
    }

    #[test]
    fn what_atlas_chose_is_not_read_back_as_asked_for() {
        let mut node = container("a", Some([10, 0, 0, 3]), None);
        assert_eq!(asked(&node, "n"), Some([10, 0, 0, 3].into()));
        node.labels = labels::labels([(labels::ATLAS_ADDRESS, labels::ATLAS_ADDRESS_CHOSEN)]);
        assert_eq!(asked(&node, "n"), None);
    }

    proptest! {
        #[test]
        fn no_address_is_given_twice_or_outside_of_the_network(
            prefix in 24u8..30,
            range in proptest::option::of(0u8..4),
            held in proptest::collection::btree_set(0u8..=255, 0..40),
            wanted in 1usize..300,
        ) {
            let mut narrow = network(&format!("10.0.0.0/{prefix}"));
            narrow.ip_range = range.map(|part| {
                let step = 1u32 << (30 - prefix);
                let first = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 0)) + u32::from(part) * step);
                Ipv4Net::new(first, prefix + 2).unwrap()
            });
            let containers: Vec<Node> = held
                .iter()
                .map(|last| container(&format!("held-{last}"), Some([10, 0, 0, *last]), None))
                .collect();
            let subnet = narrow.subnet.unwrap();
            let mut turn = turn(narrow, &containers);
            let mut seen: std::collections::BTreeSet<Ipv4Addr> =
                held.iter().map(|last| Ipv4Addr::new(10, 0, 0, *last)).collect();
            for number in 0..wanted {
                let Ok(found) = turn.give(&format!("new-{number}"), None) else { break };
                let address = found.unwrap();
                prop_assert!(subnet.hosts().any(|host| host == address), "{address}");
                prop_assert!(!subnet.hosts().take(2).any(|host| host == address), "{address}");
                prop_assert!(seen.insert(address), "{address} twice");
            }
        }
    }
}
