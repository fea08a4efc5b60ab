//! The description of the world, as far as it says what should be there. Terraform and Ansible read the same file
//! (`orchestration/group_vars/all/world.yml`), so what `status` compares with is what they make.

use std::path::Path;

use indexmap::IndexMap;
use ipnet::Ipv4Net;
use serde::Deserialize;

/// Argo CD's port in its cluster's nodes; the region that publishes it is Argo CD's.
const ARGOCD_PORT: u16 = 30443;

/// The whole description.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct World {
    /// By name, in the file's order.
    #[serde(rename = "world_regions", default)]
    pub(crate) regions: IndexMap<String, Region>,
    #[serde(rename = "world_bridge")]
    pub(crate) bridge: Option<Bridge>,
    #[serde(rename = "world_cloud")]
    pub(crate) cloud: Option<Network>,
    #[serde(rename = "world_cockroachdb")]
    pub(crate) cockroachdb: Option<Cockroachdb>,
}

/// A region with a cluster.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Region {
    pub(crate) cluster: String,
    pub(crate) network: String,
    pub(crate) services: Ipv4Net,
    pub(crate) pods: Ipv4Net,
    #[serde(default)]
    pub(crate) agents: u32,
    #[serde(default)]
    pub(crate) ports: Vec<Port>,
    pub(crate) cloud: Option<Cloud>,
}

/// A published port of a cluster.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Port {
    pub(crate) host_port: u16,
    pub(crate) container_port: u16,
}

/// A region's cloud side.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Cloud {
    /// AWS's name of the region.
    pub(crate) region: String,
    pub(crate) server: String,
    pub(crate) port: u16,
    pub(crate) metrics_port: Option<u16>,
}

/// The bridge between the clusters.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Bridge {
    pub(crate) name: String,
    pub(crate) subnet: Ipv4Net,
}

/// What the cloud sides share.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Network {
    pub(crate) network: String,
}

/// The database.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Cockroachdb {
    pub(crate) cluster: String,
    pub(crate) network: String,
    pub(crate) database: String,
    pub(crate) primary_region: String,
    pub(crate) secondary_region: Option<String>,
    pub(crate) survival_goal: Option<String>,
    pub(crate) regions: IndexMap<String, Voters>,
}

/// The database's nodes in one region.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Voters {
    pub(crate) nodes: u32,
}

impl World {
    /// Reads a description.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        serde_yaml_ng::from_str(&text)
            .map_err(|error| format!("{} does not describe a world: {error}", file.display()))
    }

    /// The region that Argo CD runs in, and the host's port for it.
    pub(crate) fn argocd(&self) -> Option<(&str, u16)> {
        self.regions.iter().find_map(|(name, region)| {
            let mut ports = region.ports.iter();
            let port = ports.find(|port| port.container_port == ARGOCD_PORT)?;
            Some((name.as_str(), port.host_port))
        })
    }

    /// All networks of Docker that it names.
    pub(crate) fn networks(&self) -> impl Iterator<Item = &str> {
        let regions = self.regions.values();
        let of_regions = regions.map(|region| region.network.as_str());
        let cloud = self.cloud.iter().map(|cloud| cloud.network.as_str());
        let database = self.cockroachdb.iter();
        of_regions
            .chain(cloud)
            .chain(database.map(|database| database.network.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repositorys_own_description_is_understood() {
        let file = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../orchestration/group_vars/all/world.yml"
        );
        let world = World::read(Path::new(file)).unwrap();
        assert_eq!(world.argocd().map(|(region, _)| region), Some("us-east"));
        assert_eq!(world.networks().count(), 4);
        assert!(world.cockroachdb.is_some_and(|one| one.regions.len() == 3));
    }

    #[test]
    fn a_file_that_describes_none_is_named() {
        let error = World::read(Path::new("/nowhere/world.yml")).unwrap_err();
        assert!(error.contains("/nowhere/world.yml"), "{error}");
    }
}
