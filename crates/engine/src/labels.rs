//! Labels on containers, networks and volumes.
//!
//! The names and values are k3d's own (its `pkg/types`), because they are all that k3d reads back.
//! k3d drops every label that does not begin with `k3d` when it copies a node, hence the prefix of
//! ours.

use std::collections::BTreeMap;

/// Labels in a stable order.
pub type Labels = BTreeMap<String, String>;

/// Marks everything that k3d may see; its value is [`APP_VALUE`].
pub const APP: &str = "app";
/// The value of [`APP`].
pub const APP_VALUE: &str = "k3d";
/// The k3d version whose shape is followed.
pub const VERSION: &str = "k3d.version";
/// The shape we write. Informational: k3d never reads it.
pub const VERSION_VALUE: &str = "v5.8.3";
/// `server`, `agent` or `loadbalancer`.
pub const ROLE: &str = "k3d.role";
/// The cluster's name.
pub const CLUSTER: &str = "k3d.cluster";
/// The cluster network's name.
pub const NETWORK: &str = "k3d.cluster.network";
/// The cluster network's id.
pub const NETWORK_ID: &str = "k3d.cluster.network.id";
/// The cluster network's subnet.
pub const NETWORK_IPRANGE: &str = "k3d.cluster.network.iprange";
/// `true` where the network outlives the cluster.
pub const NETWORK_EXTERNAL: &str = "k3d.cluster.network.external";
/// The volume for image tarballs.
pub const IMAGE_VOLUME: &str = "k3d.cluster.imageVolume";
/// The join token. A secret.
pub const TOKEN: &str = "k3d.cluster.token";
/// Where nodes join: the first server.
pub const URL: &str = "k3d.cluster.url";
/// The load balancer's container, empty without one.
pub const LOADBALANCER: &str = "k3d.server.loadbalancer";
/// The address to which the Kubernetes API is published.
pub const API_HOST_IP: &str = "k3d.server.api.hostIP";
/// The host name of the Kubernetes API in kubeconfigs.
pub const API_HOST: &str = "k3d.server.api.host";
/// The port to which the Kubernetes API is published.
pub const API_PORT: &str = "k3d.server.api.port";
/// Further names of hosts in nodes, as JSON.
pub const HOST_ALIASES: &str = "k3d.cluster.start.hostaliases";
/// A node's fixed address in the cluster network.
pub const STATIC_IP: &str = "k3d.node.staticIP";

/// Everything of our own begins so.
pub const ATLAS_PREFIX: &str = "k3d.x.atlas.";
/// On what Atlas made; its value is the version of this shape.
pub const ATLAS_MANAGED: &str = "k3d.x.atlas.managed";
/// The value of [`ATLAS_MANAGED`].
pub const ATLAS_MANAGED_VALUE: &str = "v1";
/// On a network that was made for one cluster and goes with it: the cluster's name.
pub const CLUSTER_OF_NETWORK: &str = "k3d.x.atlas.cluster";
/// On a network that was made only to learn which subnet Docker finds free.
pub const ATLAS_PROBE: &str = "k3d.x.atlas.probe";
/// On an agent that was added by its own name and is not one of the cluster's numbered agents: that name.
pub const ATLAS_NODE: &str = "k3d.x.atlas.node";
/// On a container: who chose its fixed address. Without it the user asked for that address.
pub const ATLAS_ADDRESS: &str = "k3d.x.atlas.address";
/// The value of [`ATLAS_ADDRESS`] where Atlas did.
pub const ATLAS_ADDRESS_CHOSEN: &str = "chosen";
/// On a cluster's server: whether nodes name the host, as it was asked when the cluster was made.
pub const ATLAS_HOST_ALIAS: &str = "k3d.x.atlas.host-alias";
/// On the transit network of a bridge: the bridge's name.
pub const ATLAS_BRIDGE: &str = "k3d.x.atlas.bridge";

/// On the same: the clusters it was made for, with commas between. Who is a member now is written on the
/// members' nodes; this is for when none of them is left.
pub const ATLAS_BRIDGE_MEMBERS: &str = "k3d.x.atlas.bridge.members";

/// On the same: whether it was made with names.
pub const ATLAS_BRIDGE_DNS: &str = "k3d.x.atlas.bridge.dns";

/// On the same: below which domain those were to lie. Where they lie now, the members' DNS says.
pub const ATLAS_BRIDGE_DOMAIN: &str = "k3d.x.atlas.bridge.domain";

/// On the containers and the volume of a LocalStack server: its name. They carry none of k3d's labels.
pub const ATLAS_LOCALSTACK: &str = "k3d.x.atlas.localstack";

/// On the same containers: `server` or `replicator`.
pub const ATLAS_LOCALSTACK_ROLE: &str = "k3d.x.atlas.localstack.role";

/// On the server: the network that it was made for; it may be on others as well.
pub const ATLAS_LOCALSTACK_NETWORK: &str = "k3d.x.atlas.localstack.network";

/// On the server: names of the variables that the user gave, as a list in JSON. The image may have some of them with the
/// same value, so the container's own environment does not tell.
pub const ATLAS_LOCALSTACK_ENVIRONMENT: &str = "k3d.x.atlas.localstack.environment";

/// On the containers and volumes of `CockroachDB` nodes: the cluster's name. They carry none of k3d's labels.
pub const ATLAS_COCKROACHDB: &str = "k3d.x.atlas.cockroachdb";

/// On the same: the region's name.
pub const ATLAS_COCKROACHDB_REGION: &str = "k3d.x.atlas.cockroachdb.region";

/// On the same: the node's number within its region, from 1.
pub const ATLAS_COCKROACHDB_NODE: &str = "k3d.x.atlas.cockroachdb.node";

/// On the containers: that the node's store was made with it, and was not there before.
pub const ATLAS_COCKROACHDB_NEW_STORE: &str = "k3d.x.atlas.cockroachdb.new-store";

/// On the containers: the network that the node was made for; it may be on others as well.
pub const ATLAS_COCKROACHDB_NETWORK: &str = "k3d.x.atlas.cockroachdb.network";

/// On a volume with nothing in it: in which second the last of a cluster's nodes had been started when that was found to
/// hold nothing, as Unix seconds.
pub const ATLAS_COCKROACHDB_EMPTIED: &str = "k3d.x.atlas.cockroachdb.emptied";

/// On the mark of a create that has begun: the kind of what it makes.
pub const ATLAS_BEGUN: &str = "k3d.x.atlas.begun";

/// Builds labels from pairs.
pub fn labels<const N: usize>(pairs: [(&str, &str); N]) -> Labels {
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
