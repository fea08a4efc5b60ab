//! Bridge networks and who is on them.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use bollard::models::{
    EndpointIpamConfig, EndpointSettings, Ipam, IpamConfig, NetworkConnectRequest,
    NetworkCreateRequest, NetworkDisconnectRequest,
};
use bollard::query_parameters::{InspectNetworkOptions, ListNetworksOptionsBuilder};
use ipnet::Ipv4Net;

use super::{Docker, hint};
use crate::error::{Error, Result};
use crate::labels::Labels;

/// A network to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSpec {
    /// Its name.
    pub name: String,
    /// Its subnet; `None` lets Docker choose, which rules out static addresses.
    pub subnet: Option<Ipv4Net>,
    /// Its gateway; `None` is the subnet's first host.
    pub gateway: Option<Ipv4Addr>,
    /// Its labels.
    pub labels: Labels,
}

/// A network as Docker has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DockerNetwork {
    /// Its name.
    pub name: String,
    /// 64 hexadecimal digits.
    pub id: String,
    /// The driver, `bridge` for ours.
    pub driver: String,
    /// Its IPv4 subnet, where it has one.
    pub subnet: Option<Ipv4Net>,
    /// Its gateway, where it tells one.
    pub gateway: Option<Ipv4Addr>,
    /// The part of the subnet from which Docker takes the addresses that it chooses; `None` is the whole subnet.
    pub ip_range: Option<Ipv4Net>,
    /// Addresses that Docker gives to nobody, beside the gateway's.
    pub reserved: Vec<Ipv4Addr>,
    /// Its labels.
    pub labels: Labels,
    /// Addresses in use by running containers, by container name. Empty in listings.
    pub addresses: HashMap<String, Ipv4Addr>,
}

impl DockerNetwork {
    /// The container that runs at this address.
    pub(crate) fn holder(&self, address: Ipv4Addr) -> Option<&str> {
        let mut endpoints = self.addresses.iter();
        let found = endpoints.find(|(_, held)| **held == address);
        found.map(|(holder, _)| holder.as_str())
    }

    /// Names of the containers that are on it and run.
    pub fn users(&self) -> Vec<String> {
        let mut names: Vec<String> = self.addresses.keys().cloned().collect();
        names.sort();
        names
    }

    /// Whether no container may have this address.
    pub(crate) fn is_reserved(&self, address: Ipv4Addr) -> bool {
        self.gateway == Some(address) || self.reserved.contains(&address)
    }
}

impl Docker {
    /// Creates a bridge network with k3d's option of masquerading. Returns its id: Docker before 25 takes a name twice.
    pub async fn create_network(&self, spec: &NetworkSpec) -> Result<String> {
        let ipam = spec.subnet.map(|subnet| Ipam {
            config: Some(vec![IpamConfig {
                subnet: Some(subnet.to_string()),
                gateway: Some(
                    spec.gateway
                        .or_else(|| subnet.hosts().next())
                        .map(|address| address.to_string())
                        .unwrap_or_default(),
                ),
                ..Default::default()
            }]),
            ..Default::default()
        });
        let request = NetworkCreateRequest {
            name: spec.name.clone(),
            driver: Some("bridge".to_owned()),
            ipam,
            options: Some(HashMap::from([(
                "com.docker.network.bridge.enable_ip_masquerade".to_owned(),
                "true".to_owned(),
            )])),
            labels: Some(spec.labels.clone().into_iter().collect()),
            ..Default::default()
        };
        self.api()
            .create_network(request)
            .await
            .map(|made| made.id)
            .map_err(|error| self.failed("create network", &spec.name, error))
    }

    /// One network by name; `None` where there is none.
    pub async fn network(&self, name: &str) -> Result<Option<DockerNetwork>> {
        let found = self
            .api()
            .inspect_network(name, None::<InspectNetworkOptions>)
            .await;
        let found = self.unless_gone("inspect network", name, found)?;
        // Docker also looks up by prefix of the id.
        let Some(found) = found.filter(|found| found.name.as_deref() == Some(name)) else {
            return Ok(None);
        };
        let containers = found.containers.unwrap_or_default();
        let addresses = containers.into_values().filter_map(|endpoint| {
            let address = endpoint.ipv4_address?;
            let address = address.split('/').next()?.parse().ok()?;
            Some((endpoint.name?, address))
        });
        let addresses = addresses.collect();
        Ok(Some(DockerNetwork {
            name: name.to_owned(),
            id: found.id.unwrap_or_default(),
            driver: found.driver.unwrap_or_default(),
            labels: found.labels.unwrap_or_default().into_iter().collect(),
            addresses,
            ..addressing(found.ipam)
        }))
    }

    /// All networks, or those with a label (`key` or `key=value`).
    pub async fn networks(&self, label: Option<&str>) -> Result<Vec<DockerNetwork>> {
        let filters: HashMap<String, Vec<String>> = label
            .map(|label| ("label".to_owned(), vec![label.to_owned()]))
            .into_iter()
            .collect();
        let options = ListNetworksOptionsBuilder::default()
            .filters(&filters)
            .build();
        let listed = self
            .api()
            .list_networks(Some(options))
            .await
            .map_err(|error| self.failed("list", "networks", error))?;
        let networks = listed.into_iter().map(|found| DockerNetwork {
            name: found.name.unwrap_or_default(),
            id: found.id.unwrap_or_default(),
            driver: found.driver.unwrap_or_default(),
            labels: found.labels.unwrap_or_default().into_iter().collect(),
            ..addressing(found.ipam)
        });
        Ok(networks.collect())
    }

    /// Removes a network; one that is gone already is as good.
    pub async fn remove_network(&self, name: &str) -> Result<()> {
        let done = self.api().remove_network(name).await;
        self.unless_gone("remove network", name, done).map(drop)
    }

    /// Attaches a container to a network, at a fixed address where one is given.
    pub async fn attach(
        &self,
        network: &str,
        container: &str,
        address: Option<Ipv4Addr>,
    ) -> Result<()> {
        let request = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config: Some(endpoint(address)),
        };
        let attached = self.api().connect_network(network, request).await;
        let mut error = match attached {
            Ok(()) => return Ok(()),
            Err(error) => self.failed("attach to a network container", container, error),
        };
        if let (true, Some(address)) = (error.says(hint::TAKEN), address)
            && let Ok(Some(found)) = self.network(network).await
            && let (Some(rival), Error::Docker { hint, .. }) = (found.holder(address), &mut error)
        {
            *hint = hint::taken_address(container, address, network, rival);
        }
        Err(error)
    }

    /// Detaches a container from a network; one that is not on it is as good.
    pub async fn detach(&self, network: &str, container: &str) -> Result<()> {
        let request = NetworkDisconnectRequest {
            container: container.to_owned(),
            force: Some(true),
        };
        match self.api().disconnect_network(network, request).await {
            Ok(()) => Ok(()),
            Err(error) => {
                let error = self.failed("detach from a network container", container, error);
                let gone = error.is_not_found()
                    || ["is not connected", "marked for removal"]
                        .iter()
                        .any(|words| error.to_string().contains(words));
                if gone { Ok(()) } else { Err(error) }
            }
        }
    }
}

/// Endpoint settings with a fixed address, or with Docker's choice.
pub(super) fn endpoint(address: Option<Ipv4Addr>) -> EndpointSettings {
    EndpointSettings {
        ipam_config: address.map(|address| EndpointIpamConfig {
            ipv4_address: Some(address.to_string()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// A network of which only the IPv4 addressing is known.
fn addressing(ipam: Option<Ipam>) -> DockerNetwork {
    let configs = ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let found = configs.into_iter().find_map(|config| {
        let subnet: Ipv4Net = config.subnet.as_deref()?.parse().ok()?;
        let reserved = config.auxiliary_addresses.unwrap_or_default();
        Some(DockerNetwork {
            subnet: Some(subnet),
            gateway: config.gateway.and_then(|gateway| gateway.parse().ok()),
            ip_range: config.ip_range.and_then(|range| range.parse().ok()),
            reserved: reserved
                .values()
                .filter_map(|one| one.parse().ok())
                .collect(),
            ..DockerNetwork::default()
        })
    });
    found.unwrap_or_default()
}
