//! The schema of `atlas_k3d_cluster`. Names follow k3d and its community provider, so that a user moves
//! over by renaming the resource.

use tfplugin::{Attribute, Block, Nesting, Schema, Type};

use crate::timeouts;

/// Computed attributes that follow the cluster's nodes and credentials.
pub(crate) const COMPUTED: [&str; 6] = [
    "nodes",
    "api_endpoint",
    "kubeconfig_raw",
    "cluster_ca_certificate",
    "client_certificate",
    "client_key",
];

/// The `nodes` attribute, which the data source has too.
pub(crate) fn nodes_attribute() -> Attribute {
    Attribute::computed(Type::String, "The cluster's containers.").nested(
        Nesting::List,
        [
            (
                "name",
                Attribute::computed(Type::String, "The container's name."),
            ),
            (
                "role",
                Attribute::computed(Type::String, "`server`, `agent` or `loadbalancer`."),
            ),
            (
                "ip",
                Attribute::computed(Type::String, "Its address on the cluster's network."),
            ),
            (
                "state",
                Attribute::computed(
                    Type::String,
                    "Docker's name of its state, for instance `running`.",
                ),
            ),
        ],
    )
}

fn filters() -> Attribute {
    Attribute::optional_computed(
        Type::list(Type::String),
        "k3d's node filters, for instance `server:0`, `agent:*`, `loadbalancer`.",
    )
}

fn pairs(description: &str, value: Attribute) -> Block {
    Block::new(description)
        .attribute("key", Attribute::required(Type::String, "Its name."))
        .attribute("value", value)
        .attribute("node_filters", filters())
}

pub(super) fn schema() -> Schema {
    let text = |description: &str| Attribute::optional(Type::String, description);
    let flag = |description: &str| Attribute::optional(Type::Bool, description);
    let text_computed = |description: &str| Attribute::optional_computed(Type::String, description);
    let value = || text_computed("Its value; empty where it is left out.");
    Schema::new(
        "A k3d cluster: Kubernetes nodes in containers. The k3d CLI lists, stops, starts and deletes it \
         like its own, and a cluster that the k3d CLI made can be imported. Agents and ports change in \
         place. What changes the server, which holds the cluster's data, forces replacement.",
    )
    .attribute("name", Attribute::required(Type::String, "At most 32 lower-case letters, digits and dashes.").forces_replacement())
    .attribute("servers", Attribute::optional_computed(Type::Number, "Number of servers. Only 1 is supported. Default: 1.").forces_replacement())
    .attribute("agents", Attribute::optional_computed(Type::Number, "Number of agents, changed in place. Default: 0."))
    .attribute("image", text_computed("Image of servers and agents. Default: the provider's for a new cluster, then \
                                       the current one.").forces_replacement())
    .attribute("network", text_computed("An existing Docker network, for instance `atlas_network.us.name`. Default: a network of the cluster's own, `k3d-NAME`, for a new cluster, then the current one.").forces_replacement())
    .attribute("subnet", text_computed("Subnet of the cluster's own network, with room for all nodes. Default: a free one that Docker chooses for a new cluster, then the current one.").forces_replacement())
    .attribute("cluster_cidr", text_computed("Network of pods. Default: `10.42.0.0/16` for a new cluster, then the current one.").forces_replacement())
    .attribute("service_cidr", text_computed("Network of Services. Default: `10.43.0.0/16` for a new cluster, then the current one.").forces_replacement())
    .attribute("token", text("Join token. Default: a generated one. It is stored in the state; `token_wo` is not.").sensitive().forces_replacement())
    .attribute("token_wo", text("Join token that is never stored (Terraform 1.11 or newer).").sensitive().write_only())
    .attribute("token_wo_version", Attribute::optional(Type::Number, "Change it when `token_wo` changes: a write-only value cannot be compared.").forces_replacement())
    .attribute("store_credentials", super::store_credentials())
    .attribute("id", Attribute::computed(Type::String, "The same as `name`."))
    .attribute("nodes", nodes_attribute())
    .attribute("api_endpoint", Attribute::computed(Type::String, "URL of the Kubernetes API."))
    .attribute("kubeconfig_raw", Attribute::computed(Type::String, "A whole kubeconfig; null without `store_credentials`. The ephemeral resource `atlas_kubeconfig` gives the same without storing it.").sensitive())
    .attribute("cluster_ca_certificate", Attribute::computed(Type::String, "PEM.").sensitive())
    .attribute("client_certificate", Attribute::computed(Type::String, "PEM; null without `store_credentials`.").sensitive())
    .attribute("client_key", Attribute::computed(Type::String, "PEM; null without `store_credentials`.").sensitive())
    .attribute("drift", Attribute::computed(Type::list(Type::String), "Differences from the configuration, for instance a stopped node. Empty after every apply."))
    .list("kube_api", 1, Block::new("Where the Kubernetes API is published. Values that are left out are chosen for a \
                                     new cluster and then kept; an imported cluster keeps its own.").forces_replacement()
        .attribute("host", text_computed("Host name in kubeconfigs. Default: `host_ip`."))
        .attribute("host_ip", text_computed("Address to bind. Default: `127.0.0.1`."))
        .attribute("host_port", Attribute::optional_computed(Type::Number, "Port to bind. Default: one that is free, chosen once.")))
    .list("port", 0, Block::new("A published port. Through the load balancer and of agents it changes in place.").forces_replacement_where("where a server publishes it")
        .attribute("host", text_computed("Address to bind. Default: `127.0.0.1`."))
        .attribute("host_port", Attribute::optional_computed(Type::Number, "Port to bind. Default: Docker chooses at every start."))
        .attribute("container_port", Attribute::required(Type::Number, "Port in the nodes."))
        .attribute("protocol", text_computed("`tcp` (default) or `udp`."))
        .attribute("node_filters", filters()))
    .list("volume", 0, Block::new("A mount.").forces_replacement_where("where a server has it; agents are recreated")
        .attribute("source", text("Absolute path of a folder on the machine that runs Docker, or the name of a volume. Default: an anonymous volume."))
        .attribute("destination", Attribute::required(Type::String, "Absolute path in the nodes; `:ro` and other options of a mount may follow it."))
        .attribute("node_filters", filters()))
    .list("env", 0, pairs("An environment variable of nodes. Its value is never shown.", value().sensitive()).forces_replacement_where("where a server has it; agents are recreated"))
    .list("label", 0, pairs("A label on containers.", value()).forces_replacement_where("where a server has it; agents are recreated"))
    .list("k3s", 1, Block::new("Options of k3s itself.").forces_replacement_where("where it concerns a server; agents are recreated")
        .attribute("extra_server_args", Attribute::optional(Type::list(Type::String), "Arguments of all servers: `--flag=value`, or a flag and its value one after the other. No shell reads them."))
        .attribute("extra_agent_args", Attribute::optional(Type::list(Type::String), "Arguments of all agents, in the same form."))
        .list("extra_args", 0, Block::new("An argument of some nodes.")
            .attribute("arg", Attribute::required(Type::String, "For instance `--disable=traefik`."))
            .attribute("node_filters", filters()))
        .list("node_labels", 0, Block::new("A Kubernetes label on nodes.")
            .attribute("label", Attribute::required(Type::String, "`key=value`, as Kubernetes lets a node label itself."))
            .attribute("node_filters", filters())))
    .list("k3d", 1, Block::new("Options of the k3d layer.").forces_replacement()
        .attribute("disable_load_balancer", flag("Publish the Kubernetes API on the server itself."))
        .attribute("disable_image_volume", flag("Do not create the volume for image tarballs. The k3d CLI cannot start such a cluster."))
        .attribute("disable_host_ip_injection", flag("Do not resolve the host as `host.k3d.internal` in nodes.")))
    .list("kubeconfig", 1, super::cluster_kubeconfig::schema())
    .list("runtime", 1, Block::new("Options of containers.").forces_replacement_where("where it concerns a server; agents are recreated")
        .attribute("servers_memory", text("Memory limit of each server, for instance `1.5g`. Kubernetes takes it for the node's memory."))
        .attribute("agents_memory", text("Memory limit of each agent, for instance `512m`. Kubernetes takes it for the node's memory.")))
    .single("timeouts", timeouts::block())
}
