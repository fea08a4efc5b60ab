//! The options of `k3d_cluster`, and the specification that they ask for.

use argspec::{Failure, Kind, Opt, Spec as Options};
use atlas_engine::k3d::{
    Filtered, KubeApi, Observed, Pair, Port, Spec, Token, Volume, network_name, spec_of,
};
use atlas_engine::{FieldPath, images};

use super::{recreate, state};
use crate::params::{Params, Reader};

const PORTS: &str = "Use 1 to 65535.";

fn filters() -> Opt {
    Opt::list(
        Kind::Str,
        "k3d's node filters, for instance V(server:0), V(agent:*), V(loadbalancer).",
    )
}

fn pairs(description: &str, value: Opt) -> Opt {
    let list = Opt::list(Kind::Dict, description);
    list.option(
        "key",
        Opt::new(Kind::Str, "Its name.").required().not_secret(),
    )
    .option("value", value)
    .option("node_filters", filters())
}

/// Published ports, which the load balancer's module has too.
pub(super) fn ports(description: &str) -> Opt {
    Opt::list(Kind::Dict, description)
        .option(
            "host",
            Opt::new(Kind::Str, "Address to bind. Left out, it is V(127.0.0.1)."),
        )
        .option(
            "host_port",
            Opt::new(
                Kind::Int,
                "Port to bind. Left out, Docker chooses one at every start.",
            ),
        )
        .option(
            "container_port",
            Opt::new(Kind::Int, "Port in the nodes.").required(),
        )
        .option(
            "protocol",
            Opt::new(Kind::Str, "Its protocol.")
                .choices(&["tcp", "udp"])
                .or("tcp"),
        )
        .option("node_filters", filters())
}

pub(super) fn options() -> Options {
    let text = |description: &str| Opt::new(Kind::Str, description);
    let flag = |description: &str| Opt::new(Kind::Bool, description);
    Options::default()
        .option("name", text("At most 32 lower-case letters, digits and dashes.").required())
        .option(
            "state",
            state(
                &["present", "started", "stopped", "absent"],
                "V(present) makes the cluster what is declared, and runs it. V(started) and V(stopped) start and \
                 stop a cluster that exists, and change nothing else. V(absent) removes it with its volumes.",
            ),
        )
        .option("servers", Opt::new(Kind::Int, "Number of servers, which is 1."))
        .option(
            "agents",
            Opt::new(
                Kind::Int,
                "Number of agents, changed in place. Agents of M(atlas.world.k3d_node) do not count. Left out, a \
                 new cluster has none.",
            ),
        )
        .option(
            "image",
            text(
                "Image of servers and agents. Left out, a new cluster has that of the environment variable \
                 E(ATLAS_NODE_IMAGE), or k3s as published.",
            ),
        )
        .option(
            "load_balancer_image",
            text(
                "Image of the load balancer. Left out, a new cluster has that of the environment variable \
                 E(ATLAS_LOADBALANCER_IMAGE), or k3d's as published.",
            ),
        )
        .option("network", text("An existing Docker network. Left out, a new cluster creates its own."))
        .option("subnet", text("Subnet of the cluster's own network. Left out, Docker finds one that is free."))
        .option("cluster_cidr", text("Network of pods. Left out, V(10.42.0.0/16)."))
        .option("service_cidr", text("Network of Services. Left out, V(10.43.0.0/16)."))
        .option("token", text("Join token. Left out, one is generated.").secret())
        .option(
            "kube_api",
            Opt::new(Kind::Dict, "Where the Kubernetes API is published.")
                .option("host", text("Host name in kubeconfigs. Left out, it is O(kube_api.host_ip)."))
                .option("host_ip", text("Address to bind. Left out, V(127.0.0.1)."))
                .option(
                    "host_port",
                    Opt::new(Kind::Int, "Port to bind. Left out, one that is free, chosen once."),
                ),
        )
        .option("ports", ports("Published ports. Through the load balancer they change in place."))
        .option(
            "volumes",
            Opt::list(Kind::Dict, "Mounts.")
                .option(
                    "source",
                    text(
                        "Absolute path of a folder on the machine that runs Docker, or the name of a volume. Left out, an \
                         anonymous volume.",
                    ),
                )
                .option(
                    "destination",
                    text("Absolute path in the nodes; C(:ro) and other options of a mount may follow it.")
                        .required(),
                )
                .option("node_filters", filters()),
        )
        .option(
            "env",
            pairs(
                "Environment of nodes. Values are compared and never shown.",
                text("Its value.").or("").unshown(),
            ),
        )
        .option("labels", pairs("Labels on containers.", text("Its value.").or("")))
        .option(
            "k3s_args",
            Opt::list(Kind::Dict, "Further arguments of k3s.")
                .option("arg", text("For instance V(--disable=traefik). A flag and its value are one word, or two elements.").required())
                .option("node_filters", filters()),
        )
        .option(
            "node_labels",
            Opt::list(Kind::Dict, "Kubernetes labels on nodes.")
                .option("label", text("Written C(key=value), as Kubernetes lets a node label itself.").required())
                .option("node_filters", filters()),
        )
        .option("servers_memory", text("Memory limit of each server, for instance V(1.5g). Kubernetes takes it for the node's memory."))
        .option("agents_memory", text("Memory limit of each agent, for instance V(512m). Kubernetes takes it for the node's memory."))
        .option("disable_load_balancer", flag("Publish the Kubernetes API on the server itself."))
        .option(
            "disable_image_volume",
            flag("Do not create the volume for image tarballs. The k3d CLI cannot start such a cluster."),
        )
        .option(
            "disable_host_ip_injection",
            flag("Do not resolve the host as C(host.k3d.internal) in nodes."),
        )
        .option(
            "kubeconfig",
            Opt::new(Kind::Dict, "A kubeconfig file to keep up to date, on the host of the module. A new one has mode 0600.")
                .option("path", Opt::new(Kind::Path, "The file."))
                .option(
                    "update_default_kubeconfig",
                    flag("Write to the file that kubectl would write to: of those in E(KUBECONFIG) the one with the cluster's entries, else the first that exists, else the last; without E(KUBECONFIG), C(~/.kube/config).").or(false),
                )
                .option(
                    "switch_current_context",
                    flag("Make this cluster the current context of that file.").or(false),
                ),
        )
        .option("recreate", recreate())
}

/// The specification that is asked for. What is not given is as it is in the world, or as usual where there
/// is no cluster yet.
///
/// # Errors
/// Values that make no sense.
pub(super) fn specify(params: &Params, observed: Option<&Observed>) -> Result<Spec, Failure> {
    let name = params.required("name");
    let mut spec = observed
        .and_then(spec_of)
        .unwrap_or_else(|| Spec::new(&name, &images::node(), &images::load_balancer()));
    let mut reader = Reader::default();
    let count = "Use a whole number that is not negative.";
    let root = FieldPath::root();
    let text = |name: &str| params.text(name).map(str::to_owned);
    set(
        &mut spec.servers,
        reader.number(params, &root, "servers", count),
    );
    set(
        &mut spec.agents,
        reader.number(params, &root, "agents", count),
    );
    set(&mut spec.image, text("image"));
    set(&mut spec.load_balancer_image, text("load_balancer_image"));
    if spec.load_balancer_image.is_empty() {
        // There is none to read it back from.
        spec.load_balancer_image = images::load_balancer();
    }
    if let Some(network) = text("network") {
        let own = network == network_name(&name);
        spec.network = (!own).then_some(network);
        if !own {
            spec.subnet = None;
        }
    }
    if let Some(subnet) = reader.network(params, "subnet") {
        spec.subnet = Some(subnet);
    }
    set(
        &mut spec.cluster_cidr,
        reader.network(params, "cluster_cidr"),
    );
    set(
        &mut spec.service_cidr,
        reader.network(params, "service_cidr"),
    );
    if let Some(token) = text("token") {
        spec.token = Some(Token::new(token));
    }
    if let Some(api) = params.inner("kube_api") {
        kube_api(&api, &mut spec.kube_api, &mut reader);
    }
    set(&mut spec.ports, read_ports(params, &mut reader));
    let volumes = filtered(params, "volumes", |one| Volume {
        source: one.text("source").map(str::to_owned),
        destination: one.required("destination"),
    });
    set(&mut spec.volumes, volumes);
    set(&mut spec.env, filtered(params, "env", pair));
    set(&mut spec.labels, filtered(params, "labels", pair));
    set(
        &mut spec.args,
        filtered(params, "k3s_args", |one| one.required("arg")),
    );
    let node_labels = filtered(params, "node_labels", |one| one.required("label"));
    set(&mut spec.node_labels, node_labels);
    for (name, into) in [
        ("servers_memory", &mut spec.servers_memory),
        ("agents_memory", &mut spec.agents_memory),
    ] {
        if let Some(bytes) = reader.size(params, name) {
            *into = Some(bytes);
        }
    }
    let on = |name: &str| params.flag(name).map(|disabled| !disabled);
    set(&mut spec.load_balancer, on("disable_load_balancer"));
    set(&mut spec.image_volume, on("disable_image_volume"));
    set(&mut spec.host_ip_injection, on("disable_host_ip_injection"));
    reader.finish()?;
    Ok(spec)
}

fn set<T>(into: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *into = given;
    }
}

fn kube_api(given: &Params, api: &mut KubeApi, reader: &mut Reader) {
    let path = FieldPath::of("kube_api");
    let host_ip = reader.address(given, &path, "host_ip");
    if host_ip.is_some() {
        // A name that only said the address before goes with it.
        api.host = None;
        api.host_ip = host_ip;
    }
    if let Some(host) = given.text("host") {
        api.host = Some(host.to_owned());
    }
    let port: Option<u16> = reader.number(given, &path, "host_port", PORTS);
    if port == Some(0) {
        reader.refuse(&path.name("host_port"), "port 0 cannot be bound.", PORTS);
    }
    api.host_port = port.or(api.host_port);
}

/// The published ports that are asked for; `None` where nothing is said of them.
pub(super) fn read_ports(params: &Params, reader: &mut Reader) -> Option<Vec<Filtered<Port>>> {
    let items = params.items("ports")?;
    let read = items.iter().enumerate().map(|(position, one)| {
        let path = FieldPath::of("ports").index(position);
        let port = Port {
            host: reader.address(one, &path, "host"),
            host_port: reader.number(one, &path, "host_port", PORTS),
            container_port: reader
                .number(one, &path, "container_port", PORTS)
                .unwrap_or(1),
            protocol: one.required("protocol"),
        };
        Filtered {
            value: port,
            filters: one.texts("node_filters").unwrap_or_default(),
            path,
        }
    });
    Some(read.collect())
}

fn filtered<T>(
    params: &Params,
    name: &str,
    read: impl Fn(&Params) -> T,
) -> Option<Vec<Filtered<T>>> {
    let items = params.items(name)?;
    let read = items.iter().enumerate().map(|(position, one)| Filtered {
        value: read(one),
        filters: one.texts("node_filters").unwrap_or_default(),
        path: FieldPath::of(name).index(position),
    });
    Some(read.collect())
}

fn pair(one: &Params) -> Pair {
    Pair {
        key: one.required("key"),
        value: one.required("value"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use atlas_engine::k3d::arbitrary::{specs, worlds};
    use atlas_engine::{k3d, size};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn params(given: &Value) -> Params {
        let found = argspec::validate(&options(), given.as_object().unwrap().clone());
        assert_eq!(found.problems, []);
        Params(found.params)
    }

    #[test]
    fn what_is_not_given_is_as_usual_for_a_new_cluster() {
        let spec = specify(&params(&json!({"name": "demo", "agents": "2"})), None).unwrap();
        assert_eq!(
            (spec.servers, spec.agents, spec.load_balancer),
            (1, 2, true)
        );
        assert!(spec.ports.is_empty() && spec.token.is_none());
    }

    #[test]
    fn ports_are_read_with_their_places() {
        let given = json!({"name": "demo", "ports": [{"container_port": 80, "host_port": 8080, "node_filters": "agent:0,agent:1"}]});
        let spec = specify(&params(&given), None).unwrap();
        let port = &spec.ports[0];
        assert_eq!(
            (port.value.container_port, port.value.host_port),
            (80, Some(8080))
        );
        assert_eq!(port.filters, ["agent:0", "agent:1"]);
        assert_eq!(port.path.to_string(), "ports[0]");
    }

    #[test]
    fn a_value_that_makes_no_sense_is_refused_at_its_place() {
        for (given, path) in [
            (
                json!({"name": "demo", "ports": [{"container_port": 70000}]}),
                "ports[0].container_port",
            ),
            (
                json!({"name": "demo", "kube_api": {"host_port": 0}}),
                "kube_api.host_port",
            ),
            (json!({"name": "demo", "subnet": "10.0.0.0/99"}), "subnet"),
            (
                json!({"name": "demo", "servers_memory": "much"}),
                "servers_memory",
            ),
            (json!({"name": "demo", "agents": -1}), "agents"),
        ] {
            let failure = specify(&params(&given), None).unwrap_err();
            assert_eq!(
                failure.fields["problems"][0]["path"], path,
                "{}",
                failure.msg
            );
        }
    }

    /// The options that ask for a specification.
    fn asking(spec: &Spec) -> Value {
        let filters = |filters: &[String]| json!(filters);
        let pairs = |items: &[Filtered<Pair>]| -> Value {
            let items = items.iter();
            let items = items.map(|item| json!({"key": item.value.key, "value": item.value.value, "node_filters": filters(&item.filters)}));
            items.collect()
        };
        let words = |name: &str, items: &[Filtered<String>]| -> Value {
            let items = items.iter();
            let items =
                items.map(|item| json!({name: item.value, "node_filters": filters(&item.filters)}));
            items.collect()
        };
        let ports = spec.ports.iter().map(|item| {
            let port = &item.value;
            json!({
                "host": port.host.map(|host| host.to_string()),
                "host_port": port.host_port,
                "container_port": port.container_port,
                "protocol": port.protocol,
                "node_filters": filters(&item.filters),
            })
        });
        let volumes = spec.volumes.iter().map(|item| {
            json!({
                "source": item.value.source,
                "destination": item.value.destination,
                "node_filters": filters(&item.filters),
            })
        });
        json!({
            "name": spec.name,
            "agents": spec.agents,
            "image": spec.image,
            "load_balancer_image": spec.load_balancer_image,
            "network": spec.network,
            "cluster_cidr": spec.cluster_cidr.to_string(),
            "service_cidr": spec.service_cidr.to_string(),
            "token": spec.token.as_ref().map(Token::reveal),
            "kube_api": {
                "host": spec.kube_api.host,
                "host_ip": spec.kube_api.host_ip.map(|ip| ip.to_string()),
                "host_port": spec.kube_api.host_port,
            },
            "ports": ports.collect::<Vec<_>>(),
            "volumes": volumes.collect::<Vec<_>>(),
            "env": pairs(&spec.env),
            "labels": pairs(&spec.labels),
            "k3s_args": words("arg", &spec.args),
            "node_labels": words("label", &spec.node_labels),
            "servers_memory": spec.servers_memory.map(size::render),
            "agents_memory": spec.agents_memory.map(size::render),
            "disable_load_balancer": !spec.load_balancer,
            "disable_image_volume": !spec.image_volume,
            "disable_host_ip_injection": !spec.host_ip_injection,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn what_a_task_asks_for_is_found_to_be_there(spec in specs(), world in worlds()) {
            let asked = specify(&params(&asking(&spec)), None).unwrap();
            let there = world.apply(&asked, None).unwrap();
            prop_assert!(k3d::plan(&spec, Some(&there)).unwrap().is_empty());
            let again = specify(&params(&asking(&spec)), Some(&there)).unwrap();
            prop_assert!(k3d::plan(&again, Some(&there)).unwrap().is_empty());
            // A task that says nothing compares nothing.
            let silent = specify(&params(&json!({"name": "demo"})), Some(&there)).unwrap();
            prop_assert!(k3d::plan(&silent, Some(&there)).unwrap().is_empty());
        }
    }
}
