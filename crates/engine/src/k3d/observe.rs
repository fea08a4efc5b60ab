//! Reads clusters back: containers, their network, the load balancer's configuration.

use std::collections::{BTreeMap, BTreeSet};

use super::loadbalancer::{self, Settings, Upstreams};
use super::{Role, image_volume, kubectl};
use crate::context::Context;
use crate::docker::{DockerNetwork, ImageDefaults, Node, Runtime};
use crate::error::Result;
use crate::labels;

/// A cluster as it is.
#[derive(Debug, Clone)]
pub struct Observed {
    /// Its name.
    pub name: String,
    /// Servers, agents and the load balancer, each by name.
    pub nodes: Vec<(Role, Node)>,
    /// The network that its nodes name.
    pub network: Option<DockerNetwork>,
    /// The name of that network, even where it is gone.
    pub network_name: String,
    /// Whether that network outlives the cluster.
    pub network_external: bool,
    /// Whether its volume for image tarballs exists.
    pub image_volume: bool,
    /// What the load balancer is told to forward.
    pub upstreams: Option<Upstreams>,
    /// What else it is told.
    pub settings: Settings,
    /// By image id; none of an image that is gone.
    pub image_defaults: BTreeMap<String, ImageDefaults>,
    /// The nodes that Kubernetes knows; `None` where it was not asked or did not answer.
    pub registered: Option<BTreeSet<String>>,
}

impl Observed {
    /// Its nodes of one role.
    pub fn of_role(&self, role: Role) -> impl Iterator<Item = &Node> {
        self.nodes
            .iter()
            .filter(move |(found, _)| *found == role)
            .map(|(_, node)| node)
    }

    /// Its nodes of one role without those that were added by their own names.
    pub fn numbered(&self, role: Role) -> impl Iterator<Item = &Node> {
        self.of_role(role)
            .filter(|node| node.label(labels::ATLAS_NODE).is_none())
    }

    /// A cluster of which there is nothing.
    pub fn empty(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            nodes: Vec::new(),
            network: None,
            network_name: super::network_name(name),
            network_external: false,
            image_volume: false,
            upstreams: None,
            settings: Settings::default(),
            image_defaults: BTreeMap::new(),
            registered: None,
        }
    }

    /// Whether Kubernetes has lost an agent that runs: somebody deleted its Node object, which a running agent does not make
    /// again.
    pub(super) fn has_lost(&self, agent: &Node) -> bool {
        let (Some(known), Some(server)) = (&self.registered, self.server()) else {
            return false;
        };
        // One that does not know its own node yet is just starting, and so may be its agents.
        agent.state.running
            && known.contains(&server.name)
            && !known.contains(&agent.name)
            && !kubectl::has_other_name(agent)
    }

    /// The first server.
    pub fn server(&self) -> Option<&Node> {
        self.of_role(Role::Server).next()
    }

    /// What its nodes have of their hosts, as an agent has it, or else the server.
    pub(super) fn runtime(&self) -> Runtime {
        let model = self.numbered(Role::Agent).next().or_else(|| self.server());
        model.map(|node| node.runtime.clone()).unwrap_or_default()
    }

    /// Whether Atlas made it.
    pub fn is_ours(&self) -> bool {
        self.nodes
            .iter()
            .any(|(_, node)| node.labels.contains_key(labels::ATLAS_MANAGED))
    }
}

/// The cluster of this name; `None` where nothing of it exists.
pub async fn observe(cx: &Context, name: &str) -> Result<Option<Observed>> {
    cx.guard("reading a cluster", read(cx, name)).await
}

/// Names of all clusters that k3d would list.
pub async fn list(cx: &Context) -> Result<Vec<String>> {
    cx.guard("listing clusters", async {
        let all = cx
            .docker
            .containers(&[format!("{}={}", labels::APP, labels::APP_VALUE)])
            .await?;
        let names: BTreeSet<String> = all
            .iter()
            .filter(|node| node.label(labels::ROLE).and_then(Role::parse).is_some())
            .filter_map(|node| node.label(labels::CLUSTER).map(str::to_owned))
            .collect();
        Ok(names.into_iter().collect())
    })
    .await
}

/// What a deletion that was interrupted left: the network that was made for the cluster, or volumes.
async fn remains(cx: &Context, name: &str) -> Result<Option<Observed>> {
    let network_name = super::network_name(name);
    let network = cx.docker.network(&network_name).await?.filter(|network| {
        network
            .labels
            .get(labels::CLUSTER_OF_NETWORK)
            .map(String::as_str)
            == Some(name)
    });
    let volumes = cx
        .docker
        .volumes(&[format!("{}={name}", labels::CLUSTER)])
        .await?;
    Ok(
        (network.is_some() || !volumes.is_empty()).then(|| Observed {
            network,
            image_volume: !volumes.is_empty(),
            ..Observed::empty(name)
        }),
    )
}

/// The nodes of the cluster of this name, each with its role; none where it has none.
pub(crate) async fn nodes(cx: &Context, name: &str) -> Result<Vec<(Role, Node)>> {
    let of_cluster = [
        format!("{}={}", labels::APP, labels::APP_VALUE),
        format!("{}={name}", labels::CLUSTER),
    ];
    let containers = cx.docker.containers(&of_cluster).await?;
    let with_role = |node: Node| Some((node.label(labels::ROLE).and_then(Role::parse)?, node));
    Ok(containers.into_iter().filter_map(with_role).collect())
}

/// What the first of these nodes that has such a label says in it.
fn told<'a>(nodes: &'a [(Role, Node)], label: &str) -> Option<&'a str> {
    nodes.iter().find_map(|(_, node)| node.label(label))
}

/// The name of the network that these nodes of a cluster name.
pub(crate) fn network_of(nodes: &[(Role, Node)], name: &str) -> String {
    told(nodes, labels::NETWORK).map_or_else(|| super::network_name(name), str::to_owned)
}

async fn read(cx: &Context, name: &str) -> Result<Option<Observed>> {
    let nodes = nodes(cx, name).await?;
    if nodes.is_empty() {
        return remains(cx, name).await;
    }
    let network_name = network_of(&nodes, name);
    let network_external = told(&nodes, labels::NETWORK_EXTERNAL) == Some("true");
    let volume = told(&nodes, labels::IMAGE_VOLUME);
    let volume = volume.map_or_else(|| image_volume(name), str::to_owned);
    let balancer = nodes.iter().find(|(role, _)| *role == Role::LoadBalancer);
    let values = async {
        match balancer {
            Some((_, node)) => cx.docker.get_file(&node.name, loadbalancer::PATH).await,
            None => Ok(None),
        }
    };
    let mut image_defaults = BTreeMap::new();
    for image in nodes.iter().map(|(_, node)| &node.image_id) {
        if !image_defaults.contains_key(image)
            && let Some(defaults) = cx.docker.image_defaults(image).await?
        {
            image_defaults.insert(image.clone(), defaults);
        }
    }
    let of_cluster = [format!("{}={name}", labels::CLUSTER)];
    let registered = async { Ok(registered(cx, &nodes).await) };
    let (network, values, volumes, registered) = tokio::try_join!(
        cx.docker.network(&network_name),
        values,
        cx.docker.volumes(&of_cluster),
        registered,
    )?;
    let (upstreams, settings) = values.as_deref().and_then(loadbalancer::parse).unzip();
    Ok(Some(Observed {
        name: name.to_owned(),
        upstreams,
        settings: settings.unwrap_or_default(),
        image_volume: volumes.contains(&volume),
        network,
        network_name,
        network_external,
        nodes,
        image_defaults,
        registered,
    }))
}

/// The nodes that Kubernetes knows, asked only where an agent could be missing among them.
async fn registered(cx: &Context, nodes: &[(Role, Node)]) -> Option<BTreeSet<String>> {
    let runs = |role: Role| {
        let mut found = nodes.iter();
        found.find(|(is, node)| *is == role && node.state.running)
    };
    let ((_, server), _) = runs(Role::Server).zip(runs(Role::Agent))?;
    kubectl::known_nodes(cx, &server.name).await
}
