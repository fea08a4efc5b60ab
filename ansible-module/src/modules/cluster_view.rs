//! Clusters as playbooks see them: the object that is returned, and what a specification says, by option.

use atlas_engine::k3d::{Filtered, Observed, Pair, Spec, Step, shown_argument, spec_of};
use atlas_engine::size;
use serde_json::{Map, Value, json};

use crate::changes::Changes;

/// The cluster as it is, in the words of the Terraform data source; null where there is none.
pub(super) fn object(observed: Option<&Observed>) -> Value {
    let found = observed.and_then(|observed| Some((observed, spec_of(observed)?)));
    let Some((observed, spec)) = found else {
        return Value::Null;
    };
    let subnet = observed.network.as_ref().and_then(|network| network.subnet);
    let nodes = observed.nodes.iter().map(|(role, node)| {
        let address = node.networks.get(&observed.network_name).copied().flatten();
        let fixed = node.static_addresses.get(&observed.network_name).copied();
        json!({
            "name": node.name,
            "role": role.as_str(),
            "ip": address.or(fixed).map(|address| address.to_string()),
            "state": node.state.status,
        })
    });
    json!({
        "name": spec.name,
        "servers": spec.servers,
        "agents": spec.agents,
        "image": spec.image,
        "network": observed.network_name,
        "subnet": subnet.map(|net| net.to_string()),
        "cluster_cidr": spec.cluster_cidr.to_string(),
        "service_cidr": spec.service_cidr.to_string(),
        "api_endpoint": spec.kube_api.endpoint(),
        "nodes": nodes.collect::<Vec<_>>(),
    })
}

/// The ports that a specification publishes, in the form of the option.
pub(super) fn ports(spec: &Spec) -> Value {
    let ports = spec.ports.iter().map(|item| {
        let port = &item.value;
        said(json!({
            "host": port.host.map_or_else(|| "127.0.0.1".to_owned(), |host| host.to_string()),
            "host_port": port.host_port,
            "container_port": port.container_port,
            "protocol": port.protocol,
            "node_filters": item.filters,
        }))
    });
    ports.collect()
}

/// An object without what says nothing: null, empty lists and objects.
fn said(value: Value) -> Value {
    let Value::Object(entries) = value else {
        return value;
    };
    let empty = |value: &Value| {
        value.is_null() || *value == json!([]) || value.as_object().is_some_and(Map::is_empty)
    };
    let entries = entries.into_iter();
    Value::Object(entries.filter(|(_, value)| !empty(value)).collect())
}

/// What a specification says, by option, in the spelling of [`atlas_engine::k3d::spelled`]. No secret is
/// part of it, and nothing that says nothing.
pub(super) fn view(spec: &Spec) -> Map<String, Value> {
    let api = &spec.kube_api;
    let volumes = spec.volumes.iter().map(|item| {
        said(json!({
            "source": item.value.source,
            "destination": item.value.destination,
            "node_filters": item.filters,
        }))
    });
    let all = json!({
        "servers": spec.servers,
        "agents": spec.agents,
        "image": spec.image,
        "load_balancer_image": spec.load_balancer.then_some(&spec.load_balancer_image),
        "network": spec.network_name(),
        "subnet": spec.subnet.map(|net| net.to_string()),
        "cluster_cidr": spec.cluster_cidr.to_string(),
        "service_cidr": spec.service_cidr.to_string(),
        "kube_api": said(json!({
            "host": api.host,
            "host_ip": api.host_ip.map(|ip| ip.to_string()),
            "host_port": api.host_port,
        })),
        "ports": ports(spec),
        "volumes": volumes.collect::<Vec<_>>(),
        "env": names(&spec.env),
        "labels": pairs(&spec.labels),
        "k3s_args": filtered("arg", &spec.args, shown_argument),
        "node_labels": filtered("label", &spec.node_labels, str::to_owned),
        "servers_memory": spec.servers_memory.map(size::render),
        "agents_memory": spec.agents_memory.map(size::render),
        "disable_load_balancer": (!spec.load_balancer).then_some(true),
        "disable_image_volume": (!spec.image_volume).then_some(true),
        "disable_host_ip_injection": (!spec.host_ip_injection).then_some(true),
    });
    match said(all) {
        Value::Object(all) => all,
        _ => Map::new(),
    }
}

fn pairs(items: &[Filtered<Pair>]) -> Vec<Value> {
    let items = items.iter();
    let shown = items.map(|item| {
        let Pair { key, value } = &item.value;
        said(json!({"key": key, "value": value, "node_filters": item.filters}))
    });
    shown.collect()
}

/// Names alone: a variable may hold a secret.
fn names(items: &[Filtered<Pair>]) -> Vec<Value> {
    let items = items.iter();
    items
        .map(|item| said(json!({"key": item.value.key, "node_filters": item.filters})))
        .collect()
}

fn filtered(name: &str, items: &[Filtered<String>], shown: impl Fn(&str) -> String) -> Vec<Value> {
    let items = items.iter();
    items
        .map(|item| said(json!({name: shown(&item.value), "node_filters": item.filters})))
        .collect()
}

/// The options that the engine's attribute or block stands for.
pub(super) fn options_of(field: &str) -> &'static [&'static str] {
    match field {
        "servers" => &["servers"],
        "image" => &["image"],
        "network" => &["network"],
        "subnet" => &["subnet"],
        "cluster_cidr" => &["cluster_cidr"],
        "service_cidr" => &["service_cidr"],
        "kube_api" => &["kube_api"],
        "port" => &["ports"],
        "volume" => &["volumes"],
        "env" => &["env"],
        "label" => &["labels"],
        "k3s" => &["k3s_args", "node_labels"],
        "k3d" => &[
            "disable_load_balancer",
            "disable_image_volume",
            "disable_host_ip_injection",
        ],
        "runtime" => &["servers_memory", "agents_memory"],
        _ => &[],
    }
}

/// A step as what changes about which object.
pub(super) fn tell(step: &Step, observed: Option<&Observed>, changes: &mut Changes) {
    let status = |name: &str| {
        let nodes = observed
            .map(|observed| observed.nodes.as_slice())
            .unwrap_or_default();
        let found = nodes.iter().find(|(_, node)| node.name == name);
        found.map_or("absent", |(_, node)| node.state.status.as_str())
    };
    let action = match step {
        Step::CreateNetwork { network } => {
            let there = observed.is_some_and(|observed| observed.network.is_some());
            if there && observed.is_some_and(|observed| observed.network_name == *network) {
                changes.object(network, "present", "present, recreated");
            } else {
                changes.object(network, "absent", "present");
            }
            format!("create network {network}")
        }
        Step::Reattach { node } => {
            changes.object(&format!("{node} (network)"), "not attached", "attached");
            format!("put {node} back on the cluster's network")
        }
        Step::RemoveNode { node, reason } => {
            changes.object(node, status(node), "absent");
            format!("remove {node}: {reason}")
        }
        Step::CreateNode { node, .. } => {
            match status(node) {
                "absent" => changes.object(node, "absent", "running"),
                before => changes.object(node, before, "running, recreated"),
            }
            format!("create {node}")
        }
        Step::StartNode { node, status, .. } => {
            changes.object(node, status, "running");
            format!("start {node}")
        }
        Step::RejoinNode { node } => {
            changes.object(node, "unknown to Kubernetes", "running");
            format!("restart {node}")
        }
        Step::StopNode { node } => {
            changes.object(node, "running", "exited");
            format!("stop {node}")
        }
        Step::Forward => {
            let (before, after) = ("forwards to other nodes", "forwards as declared");
            changes.object("load balancer", before, after);
            "have the load balancer forward as declared".to_owned()
        }
    };
    changes.action(action);
}

#[cfg(test)]
mod tests {
    use super::*;
    use atlas_engine::FieldPath;

    #[test]
    fn no_argument_that_may_be_a_secret_is_shown() {
        let mut spec = Spec::new("demo", "node:1", "lb:1");
        for word in ["--debug", "--etcd-s3-secret-key=hunter2"] {
            spec.args.push(Filtered {
                value: word.to_owned(),
                filters: Vec::new(),
                path: FieldPath::of("k3s_args"),
            });
        }
        let shown = view(&spec)["k3s_args"].to_string();
        assert!(
            shown.contains("--debug") && shown.contains("--etcd-s3-secret-key"),
            "{shown}"
        );
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
