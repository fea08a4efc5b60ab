//! `k3d_cluster_info`, `network_info`, `network_bridge_info` and `localstack_info`: look-ups.

use argspec::{Answer, Failure, Kind, Opt, Spec as Options};
use atlas_engine::localstack::server;
use atlas_engine::{bridge, k3d, labels};
use serde_json::Value;

use super::{cluster_view, localstack, network, network_bridge};
use crate::call::{Call, Docs, Module, Run, failure};

fn by_name(what: &str) -> Options {
    let text = format!(
        "The name of one {what}. Left out, all are returned.\nOne that does not exist gives an empty list."
    );
    Options::default().option("name", Opt::new(Kind::Str, &text))
}

fn answer(name: &str, found: Vec<Value>) -> Answer {
    let found = found.into_iter().filter(|one| !one.is_null());
    Answer::default().field(name, found.collect::<Vec<_>>())
}

pub(super) fn clusters() -> Module {
    Module {
        name: "k3d_cluster_info",
        docs: Docs {
            short: "Look up k3d clusters",
            description: &[
                "Reads k3d clusters back from Docker, whoever made them. Credentials are not returned.",
            ],
            examples: "
- name: Every cluster
  atlas.world.k3d_cluster_info:
  register: found

- name: One cluster
  atlas.world.k3d_cluster_info:
    name: dc-us
",
            returns: &[(
                "clusters",
                "list of dict",
                "Clusters as they are, with the attributes of the Terraform data source atlas_k3d_cluster.",
            )],
        },
        spec: || by_name("cluster"),
        looks_only: true,
        run: Run::Docker(|call| Box::pin(read_clusters(call))),
    }
}

async fn read_clusters(call: &Call) -> Result<Answer, Failure> {
    let fail = |error| failure(&error);
    let names = match call.params.text("name") {
        Some(name) => vec![name.to_owned()],
        None => k3d::list(&call.cx).await.map_err(fail)?,
    };
    let mut found = Vec::new();
    for name in names {
        let observed = k3d::observe(&call.cx, &name).await.map_err(fail)?;
        found.push(cluster_view::object(observed.as_ref()));
    }
    Ok(answer("clusters", found))
}

pub(super) fn networks() -> Module {
    Module {
        name: "network_info",
        docs: Docs {
            short: "Look up Docker networks",
            description: &["Reads Docker networks that have an IPv4 subnet."],
            examples: "
- name: One network
  atlas.world.network_info:
    name: atlas-us-east
",
            returns: &[(
                "networks",
                "list of dict",
                "Networks as they are, with the attributes of the Terraform resource atlas_network.",
            )],
        },
        spec: || by_name("network"),
        looks_only: true,
        run: Run::Docker(|call| Box::pin(read_networks(call))),
    }
}

async fn read_networks(call: &Call) -> Result<Answer, Failure> {
    let name = call.params.text("name");
    let all = call
        .cx
        .docker
        .networks(None)
        .await
        .map_err(|error| failure(&error))?;
    let wanted = all
        .iter()
        .filter(|one| one.subnet.is_some() && name.is_none_or(|name| name == one.name));
    Ok(answer(
        "networks",
        wanted.map(|one| network::object(Some(one))).collect(),
    ))
}

pub(super) fn bridges() -> Module {
    Module {
        name: "network_bridge_info",
        docs: Docs {
            short: "Look up bridges between k3d clusters",
            description: &["Reads bridges back: their clusters, and the address of every node."],
            examples: "
- name: Every bridge
  atlas.world.network_bridge_info:
",
            returns: &[(
                "bridges",
                "list of dict",
                "Bridges as they are, with the attributes of the Terraform resource atlas_network_bridge.",
            )],
        },
        spec: || by_name("bridge"),
        looks_only: true,
        run: Run::Docker(|call| Box::pin(read_bridges(call))),
    }
}

async fn read_bridges(call: &Call) -> Result<Answer, Failure> {
    let fail = |error| failure(&error);
    let names = if let Some(name) = call.params.text("name") {
        vec![name.to_owned()]
    } else {
        let label = Some(labels::ATLAS_BRIDGE);
        let all = call.cx.docker.networks(label).await.map_err(fail)?;
        let names = all
            .iter()
            .filter_map(|one| one.labels.get(labels::ATLAS_BRIDGE).cloned());
        names.collect()
    };
    let mut found = Vec::new();
    for name in names {
        let observed = bridge::observe(&call.cx, &name, &[]).await.map_err(fail)?;
        found.push(network_bridge::object(&name, &observed));
    }
    Ok(answer("bridges", found))
}

pub(super) fn servers() -> Module {
    Module {
        name: "localstack_info",
        docs: Docs {
            short: "Look up LocalStack servers",
            description: &[
                "Reads LocalStack servers back: their endpoints, and which services answer. Credentials and variables \
                 are not returned.",
            ],
            examples: "
- name: Every server
  atlas.world.localstack_info:
",
            returns: &[(
                "servers",
                "list of dict",
                "Servers as they are, with the attributes of the Terraform resource atlas_localstack but its credentials and variables.",
            )],
        },
        spec: || by_name("server"),
        looks_only: true,
        run: Run::Docker(|call| Box::pin(read_servers(call))),
    }
}

async fn read_servers(call: &Call) -> Result<Answer, Failure> {
    let fail = |error| failure(&error);
    let names = match call.params.text("name") {
        Some(name) => vec![name.to_owned()],
        None => server::list(&call.cx).await.map_err(fail)?,
    };
    let mut found = Vec::new();
    for name in names {
        let observed = server::observe(&call.cx, &name).await.map_err(fail)?;
        found.push(localstack::object(&observed));
    }
    Ok(answer("servers", found))
}
