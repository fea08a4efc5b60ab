//! Between the values of `atlas_k3d_cluster` and the engine's specification, both ways.

use atlas_engine::k3d::{
    Credentials, Filtered, KubeApi, Observed, Pair, Port, Spec, Token, Volume, spec_of,
};
use atlas_engine::{FieldPath, labels, size};
use tfplugin::Value;

use crate::configured::Configured;
use crate::translate::{Reader, block, text_list, texts};

const PORTS: &str = "Use 1 to 65535.";

/// The specification that a configuration, plan or state describes, as far as that is known: what names nothing known, or
/// names nodes that are not known, is left out. `None` where the cluster's name is unknown.
pub(super) fn spec(value: &Value, configured: &Configured, reader: &mut Reader) -> Option<Spec> {
    let name = value.get("name").as_str()?;
    let text = |name: &str| value.get(name).as_str().map(str::to_owned);
    let image = text("image").unwrap_or_else(|| configured.node_image.clone());
    let mut spec = Spec::new(name, &image, &configured.load_balancer_image);
    spec.load_balancer_image_is_default = configured.load_balancer_image_is_default;
    let count = "Use a whole number that is not negative.";
    if let Some(servers) = reader.number(value.get("servers"), &FieldPath::of("servers"), count) {
        spec.servers = servers;
    }
    if let Some(agents) = reader.number(value.get("agents"), &FieldPath::of("agents"), count) {
        spec.agents = agents;
    }
    // A network of the cluster's own is computed under its usual name.
    spec.network = text("network").filter(|network| *network != format!("k3d-{name}"));
    if spec.network.is_none() {
        spec.subnet = reader.network(value.get("subnet"), &FieldPath::of("subnet"));
    }
    if let Some(net) = reader.network(value.get("cluster_cidr"), &FieldPath::of("cluster_cidr")) {
        spec.cluster_cidr = net;
    }
    if let Some(net) = reader.network(value.get("service_cidr"), &FieldPath::of("service_cidr")) {
        spec.service_cidr = net;
    }
    spec.token = text("token").or_else(|| text("token_wo")).map(Token::new);
    spec.kube_api = kube_api(block(value, "kube_api"), reader);
    spec.ports = items(value, "port", |one, path| port(one, path, reader));
    spec.volumes = items(value, "volume", |one, _| {
        let destination = one.get("destination").as_str()?.to_owned();
        let source = one.get("source");
        source.is_known().then(|| Volume {
            source: source.as_str().map(str::to_owned),
            destination,
        })
    });
    spec.env = items(value, "env", |one, _| pair(one));
    spec.labels = items(value, "label", |one, _| pair(one));
    k3s(block(value, "k3s"), &mut spec);
    let k3d = block(value, "k3d");
    let disabled = |name: &str| k3d.get(name).as_bool().unwrap_or(false);
    spec.load_balancer = !disabled("disable_load_balancer");
    spec.image_volume = !disabled("disable_image_volume");
    spec.host_ip_injection = !disabled("disable_host_ip_injection");
    let runtime = block(value, "runtime");
    spec.servers_memory = memory(runtime, "servers_memory", reader);
    spec.agents_memory = memory(runtime, "agents_memory", reader);
    Some(spec)
}

fn items<T>(
    value: &Value,
    name: &str,
    read: impl FnMut(&Value, &FieldPath) -> Option<T>,
) -> Vec<Filtered<T>> {
    items_at(value, &FieldPath::root(), name, read)
}

fn items_at<T>(
    value: &Value,
    at: &FieldPath,
    name: &str,
    mut read: impl FnMut(&Value, &FieldPath) -> Option<T>,
) -> Vec<Filtered<T>> {
    let all = value.get(name).elements().iter().enumerate();
    let read = all.filter_map(|(position, one)| {
        let path = at.clone().name(name).index(position);
        let filters = one.get("node_filters");
        filters.is_known().then_some(())?;
        Some(Filtered {
            value: read(one, &path)?,
            filters: texts(filters),
            path,
        })
    });
    read.collect()
}

fn pair(value: &Value) -> Option<Pair> {
    Some(Pair {
        key: value.get("key").as_str()?.to_owned(),
        value: value.get("value").as_str().unwrap_or_default().to_owned(),
    })
}

fn port(value: &Value, path: &FieldPath, reader: &mut Reader) -> Option<Port> {
    let mut number = |name: &str| reader.number(value.get(name), &path.clone().name(name), PORTS);
    let (container_port, host_port) = (number("container_port"), number("host_port"));
    Some(Port {
        host: reader.address(value.get("host"), &path.clone().name("host")),
        host_port,
        container_port: container_port?,
        protocol: value.get("protocol").as_str().unwrap_or("tcp").to_owned(),
    })
}

fn kube_api(value: &Value, reader: &mut Reader) -> KubeApi {
    let path = FieldPath::of("kube_api").index(0);
    let host_port: Option<u16> = reader.number(
        value.get("host_port"),
        &path.clone().name("host_port"),
        PORTS,
    );
    if host_port == Some(0) {
        reader.refuse(
            &path.clone().name("host_port"),
            "port 0 cannot be bound.",
            PORTS,
        );
    }
    KubeApi {
        host: value.get("host").as_str().map(str::to_owned),
        host_ip: reader.address(value.get("host_ip"), &path.name("host_ip")),
        host_port,
    }
}

fn k3s(value: &Value, spec: &mut Spec) {
    let path = FieldPath::of("k3s").index(0);
    for (name, filter) in [
        ("extra_server_args", "server:*"),
        ("extra_agent_args", "agent:*"),
    ] {
        let words = value.get(name).elements().iter();
        let words = words.map(|word| (word, vec![filter.to_owned()]));
        let path = path.clone().name(name);
        known_words(
            words,
            |position| path.clone().index(position),
            &mut spec.args,
        );
    }
    let path = path.name("extra_args");
    let items = value.get("extra_args").elements().iter();
    let words = items.map(|one| match one.get("node_filters") {
        filters if filters.is_known() => (one.get("arg"), texts(filters)),
        _ => (&Value::Unknown, Vec::new()),
    });
    known_words(
        words,
        |position| path.clone().index(position),
        &mut spec.args,
    );
    spec.node_labels = items_at(
        value,
        &FieldPath::of("k3s").index(0),
        "node_labels",
        |one, _| one.get("label").as_str().map(str::to_owned),
    );
}

/// Words with their filters, as far as they are known. What follows an unknown word may be its value.
fn known_words<'a>(
    words: impl Iterator<Item = (&'a Value, Vec<String>)>,
    path: impl Fn(usize) -> FieldPath,
    into: &mut Vec<Filtered<String>>,
) {
    let mut open = false;
    for (position, (word, filters)) in words.enumerate() {
        let Some(text) = word.as_str() else {
            open = true;
            continue;
        };
        if std::mem::take(&mut open) && !text.starts_with('-') {
            continue;
        }
        into.push(Filtered {
            value: text.to_owned(),
            filters,
            path: path(position),
        });
    }
}

fn memory(value: &Value, name: &str, reader: &mut Reader) -> Option<i64> {
    let path = FieldPath::of("runtime").index(0).name(name);
    size::parse(value.get(name).as_str()?, &path)
        .map_err(|problem| reader.problems.push(problem))
        .ok()
}

/// Writes what a user decides, read back from the world, into a state: in the user's spelling where that
/// says the same, canonically where it does not.
pub(super) fn decided(state: &mut Value, observed: &Observed, configured: &Configured) {
    let Some(found) = spec_of(observed) else {
        return;
    };
    let mut reader = Reader::default();
    let before = spec(state, configured, &mut reader);
    state.set("name", Value::string(&found.name));
    state.set("id", Value::string(&found.name));
    state.set("servers", Value::int(found.servers));
    state.set("agents", Value::int(found.agents));
    let same_image = before
        .as_ref()
        .is_some_and(|before| !state.get("image").is_null() && observed.same_image(&before.image));
    if !same_image {
        state.set("image", Value::string(&found.image));
    }
    state.set("network", Value::string(&observed.network_name));
    let subnet = observed.network.as_ref().and_then(|network| network.subnet);
    state.set("subnet", Value::optional(subnet.map(|net| net.to_string())));
    state.set(
        "cluster_cidr",
        Value::string(found.cluster_cidr.to_string()),
    );
    state.set(
        "service_cidr",
        Value::string(found.service_cidr.to_string()),
    );
    let changed = match &before {
        Some(before) => observed.changed_blocks(before),
        None => BLOCKS.to_vec(),
    };
    for name in changed {
        state.set(name, canonical(name, &found));
    }
    let token = observed.server().and_then(|node| node.label(labels::TOKEN));
    if !state.get("token").is_null()
        && let Some(token) = token
    {
        state.set("token", Value::string(token));
    }
}

/// Blocks that a user writes and the world is compared with.
pub(super) const BLOCKS: [&str; 8] = [
    "kube_api", "port", "volume", "env", "label", "k3s", "k3d", "runtime",
];

fn canonical(name: &str, found: &Spec) -> Value {
    let list = |values: Vec<Value>| Value::List(values);
    let pairs = |items: &[Filtered<Pair>]| {
        list(
            items
                .iter()
                .map(|item| {
                    Value::object([
                        ("key", Value::string(&item.value.key)),
                        ("value", Value::string(&item.value.value)),
                        ("node_filters", text_list(&item.filters)),
                    ])
                })
                .collect(),
        )
    };
    match name {
        "kube_api" => {
            let api = &found.kube_api;
            list(vec![Value::object([
                ("host", Value::optional(api.host.as_ref())),
                (
                    "host_ip",
                    Value::optional(api.host_ip.map(|ip| ip.to_string())),
                ),
                ("host_port", api.host_port.map_or(Value::Null, Value::int)),
            ])])
        }
        "port" => list(
            found
                .ports
                .iter()
                .map(|item| {
                    Value::object([
                        (
                            "host",
                            Value::optional(item.value.host.map(|host| host.to_string())),
                        ),
                        (
                            "host_port",
                            item.value.host_port.map_or(Value::Null, Value::int),
                        ),
                        ("container_port", Value::int(item.value.container_port)),
                        ("protocol", Value::string(&item.value.protocol)),
                        ("node_filters", text_list(&item.filters)),
                    ])
                })
                .collect(),
        ),
        "volume" => list(
            found
                .volumes
                .iter()
                .map(|item| {
                    Value::object([
                        ("source", Value::optional(item.value.source.as_ref())),
                        ("destination", Value::string(&item.value.destination)),
                        ("node_filters", text_list(&item.filters)),
                    ])
                })
                .collect(),
        ),
        "env" => pairs(&found.env),
        "label" => pairs(&found.labels),
        "k3s" => canonical_k3s(found),
        "k3d" => {
            let flags = [
                ("disable_load_balancer", !found.load_balancer),
                ("disable_image_volume", !found.image_volume),
                ("disable_host_ip_injection", !found.host_ip_injection),
            ];
            if flags.iter().all(|(_, set)| !set) {
                return list(Vec::new());
            }
            let flag = |set: bool| if set { Value::Bool(true) } else { Value::Null };
            list(vec![Value::object(
                flags.map(|(name, set)| (name, flag(set))),
            )])
        }
        _ => {
            let bytes = |bytes: Option<i64>| Value::optional(bytes.map(size::render));
            if found.servers_memory.is_none() && found.agents_memory.is_none() {
                return list(Vec::new());
            }
            list(vec![Value::object([
                ("servers_memory", bytes(found.servers_memory)),
                ("agents_memory", bytes(found.agents_memory)),
            ])])
        }
    }
}

fn canonical_k3s(found: &Spec) -> Value {
    if found.args.is_empty() && found.node_labels.is_empty() {
        return Value::List(Vec::new());
    }
    let of = |filter: &str| -> Vec<String> {
        let chosen = found.args.iter().filter(|item| item.filters == [filter]);
        chosen.map(|item| item.value.clone()).collect()
    };
    let rest = found
        .args
        .iter()
        .filter(|item| item.filters != ["server:*"] && item.filters != ["agent:*"]);
    let items = |name: &'static str, items: Vec<&Filtered<String>>| {
        Value::List(
            items
                .into_iter()
                .map(|item| {
                    Value::object([
                        (name, Value::string(&item.value)),
                        ("node_filters", text_list(&item.filters)),
                    ])
                })
                .collect(),
        )
    };
    Value::List(vec![Value::object([
        ("extra_server_args", text_list(&of("server:*"))),
        ("extra_agent_args", text_list(&of("agent:*"))),
        ("extra_args", items("arg", rest.collect())),
        (
            "node_labels",
            items("label", found.node_labels.iter().collect()),
        ),
    ])])
}

/// Writes what only the world knows into a state.
pub(crate) fn computed(state: &mut Value, observed: &Observed, credentials: Option<&Credentials>) {
    let nodes = observed.nodes.iter().map(|(role, node)| {
        let address = node.networks.get(&observed.network_name).copied().flatten();
        let fixed = node.static_addresses.get(&observed.network_name).copied();
        Value::object([
            ("name", Value::string(&node.name)),
            ("role", Value::string(role.as_str())),
            (
                "ip",
                Value::optional(address.or(fixed).map(|address| address.to_string())),
            ),
            ("state", Value::string(&node.state.status)),
        ])
    });
    state.set("nodes", Value::List(nodes.collect()));
    let Some(credentials) = credentials else {
        // Not written yet, or unreachable for the moment: what was known stays.
        for name in &super::COMPUTED[1..] {
            if !state.get(name).is_known() {
                state.set(name, Value::Null);
            }
        }
        return;
    };
    state.set("api_endpoint", Value::string(&credentials.endpoint));
    state.set(
        "kubeconfig_raw",
        Value::string(credentials.kubeconfig.to_yaml()),
    );
    state.set(
        "cluster_ca_certificate",
        Value::string(&credentials.cluster_ca_certificate),
    );
    state.set(
        "client_certificate",
        Value::string(&credentials.client_certificate),
    );
    state.set("client_key", Value::string(&credentials.client_key));
    super::cluster_kubeconfig::withhold(state);
}
