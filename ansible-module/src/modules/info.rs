//! `k3d_cluster_info`, `network_info`, `network_bridge_info`, `localstack_info` and `cockroachdb_info`: look-ups.

use std::collections::{BTreeMap, BTreeSet};

use argspec::{Answer, Failure, Kind, Opt, Spec as Options};
use atlas_engine::cockroachdb::quorum::Kind as Loss;
use atlas_engine::cockroachdb::region::Placement;
use atlas_engine::cockroachdb::topology::View;
use atlas_engine::cockroachdb::{cluster, region};
use atlas_engine::localstack::server;
use atlas_engine::network::list;
use atlas_engine::{bridge, k3d, labels};
use serde_json::{Value, json};

use super::{
    cluster_view, cockroachdb_cluster, cockroachdb_region, localstack, network, network_bridge,
};
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
            examples: include_str!("../../examples/k3d_cluster_info.yml"),
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
            examples: include_str!("../../examples/network_info.yml"),
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
    let all = list(&call.cx, None)
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
            examples: include_str!("../../examples/network_bridge_info.yml"),
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
        let all = list(&call.cx, label).await.map_err(fail)?;
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
            examples: include_str!("../../examples/localstack_info.yml"),
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

pub(super) fn cockroachdb() -> Module {
    Module {
        name: "cockroachdb_info",
        docs: Docs {
            short: "Look up CockroachDB clusters and what they survive",
            description: &[
                "Reads clusters of CockroachDB back: their regions, their nodes as the cluster tells them, and which \
                 failures they survive as they are. For the last one every range's voters are counted where they are now.",
                "A cluster that does not answer is told as such, with the reason, and fails nothing.",
            ],
            examples: include_str!("../../examples/cockroachdb_info.yml"),
            returns: &[(
                "clusters",
                "list of dict",
                "Clusters as they are, with the attributes of the Terraform resource atlas_cockroachdb_cluster but its settings; \
                 C(regions), with the attributes of atlas_cockroachdb_region; C(answer), which is live, uninitialized, silent or \
                 absent, and its C(reason); C(survives_node), C(survives_zone) and C(survives_region); and C(losses) of nodes, \
                 zones and regions, each with C(survived), C(margin) and C(lost_ranges), as the Terraform data source \
                 atlas_cockroachdb_survival tells them.",
            )],
        },
        spec: || by_name("cluster"),
        looks_only: true,
        run: Run::Docker(|call| Box::pin(read_cockroachdb(call))),
    }
}

async fn read_cockroachdb(call: &Call) -> Result<Answer, Failure> {
    let fail = |error| failure(&error);
    let name = call.params.text("name");
    let mut regions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (cluster, region) in region::list(&call.cx).await.map_err(fail)? {
        if name.is_none_or(|name| name == cluster) {
            regions.entry(cluster).or_default().insert(region);
        }
    }
    let mut found = Vec::new();
    for (name, regions) in regions {
        let observed = cluster::observe(&call.cx, &name, []).await.map_err(fail)?;
        let mut members = Vec::new();
        for region in regions {
            let region = region::observe(&call.cx, &name, &region).await;
            let region = region.map_err(fail)?;
            members.push(cockroachdb_region::object(&region, Placement::Docker));
        }
        found.push(survey(&name, &observed, members));
    }
    Ok(answer("clusters", found))
}

/// A cluster with its regions, and what it survives.
fn survey(name: &str, observed: &cluster::Observed, regions: Vec<Value>) -> Value {
    let mut told = cockroachdb_cluster::object(name, observed);
    let Value::Object(fields) = &mut told else {
        return told;
    };
    let (answer, reason) = match &observed.view {
        View::Live(_) => ("live", None),
        View::Uninitialized => ("uninitialized", None),
        View::Absent => ("absent", None),
        View::Silent(reason) => ("silent", Some(reason)),
    };
    fields.remove("settings");
    fields.insert("regions".to_owned(), regions.into());
    fields.insert("answer".to_owned(), answer.into());
    fields.insert("reason".to_owned(), json!(reason));
    let mut losses = serde_json::Map::new();
    for (kind, one, all) in [
        (Loss::Node, "survives_node", "nodes"),
        (Loss::Zone, "survives_zone", "zones"),
        (Loss::Region, "survives_region", "regions"),
    ] {
        fields.insert(one.to_owned(), observed.report.survives(kind).into());
        let of_kind = cockroachdb_cluster::losses(observed, kind);
        losses.insert(all.to_owned(), of_kind.into());
    }
    fields.insert("losses".to_owned(), losses.into());
    told
}
