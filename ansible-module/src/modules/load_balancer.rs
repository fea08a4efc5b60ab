//! `load_balancer`: what a cluster publishes through its load balancer.

use argspec::{Answer, Failure, Kind, Opt, Spec as Options};
use atlas_engine::k3d::{self, Filtered, Port};
use serde_json::{Value, json};

use super::cluster::{Converged, converge};
use super::cluster_options::{ports, read_ports};
use super::cluster_view::{self, object};
use super::state;
use crate::call::{Call, Docs, Module, Run, failure};
use crate::changes::Changes;
use crate::params::Reader;

pub(super) fn module() -> Module {
    Module {
        name: "load_balancer",
        docs: Docs {
            short: "Published ports of k3d clusters",
            description: &[
                "Publishes ports of a cluster through its load balancer, which is recreated for that. The nodes keep \
                 running.",
                "In check mode a cluster that does not exist yet is assumed to be created by an earlier task.",
            ],
            examples: include_str!("../../examples/load_balancer.yml"),
            returns: &[
                ("cluster", "dict", "The cluster as it is."),
                ("ports", "list of dict", "All ports that it publishes."),
            ],
        },
        spec: options,
        looks_only: false,
        run: Run::Docker(|call| Box::pin(run(call))),
    }
}

fn options() -> Options {
    Options::default()
        .option(
            "cluster",
            Opt::new(Kind::Str, "The cluster's name.").required(),
        )
        .option(
            "state",
            state(
                &["present", "absent"],
                "V(absent) takes the listed ports back, or all where none is listed.",
            ),
        )
        .option("ports", ports("Published ports."))
        .option(
            "purge",
            Opt::new(
                Kind::Bool,
                "Whether ports that are not listed are taken back.",
            )
            .or(true),
        )
        .required_if("state", "present", &["ports"])
}

/// Ports of single nodes are the cluster's own business.
fn is_direct(port: &Filtered<Port>) -> bool {
    port.filters
        .iter()
        .any(|filter| filter.ends_with(":direct"))
}

fn same(a: &Port, b: &Port) -> bool {
    a.container_port == b.container_port && a.protocol == b.protocol && a.host_port == b.host_port
}

async fn run(call: &Call) -> Result<Answer, Failure> {
    let name = call.params.required("cluster");
    let observed = Box::pin(k3d::observe(&call.cx, &name))
        .await
        .map_err(|error| failure(&error))?;
    let mut reader = Reader::default();
    let listed = read_ports(&call.params, &mut reader);
    for port in listed.iter().flatten().filter(|port| is_direct(port)) {
        let path = port.path.clone().name("node_filters");
        reader.refuse(
            &path,
            "a direct port does not go through the load balancer.",
            "Set it in k3d_cluster.",
        );
    }
    reader.finish()?;
    let Some((observed, mut spec)) =
        observed.and_then(|found| Some((found.clone(), k3d::spec_of(&found)?)))
    else {
        return absent_cluster(call, &name);
    };
    let listed = listed.unwrap_or_default();
    let unlisted = |port: &Filtered<Port>| !listed.iter().any(|one| same(&one.value, &port.value));
    if call.params.text("state") == Some("absent") {
        spec.ports
            .retain(|port| is_direct(port) || (!listed.is_empty() && unlisted(port)));
    } else {
        let purge = call.params.flag("purge").unwrap_or(true);
        spec.ports
            .retain(|port| is_direct(port) || (!purge && unlisted(port)));
        spec.ports.extend(listed);
    }
    let spelled = k3d::spelled(&spec, Some(&observed)).map_err(|error| failure(&error))?;
    let published = cluster_view::ports(&spelled);
    let (changes, observed) = match converge(call, &spec, Some(observed), None).await? {
        Converged::Told(changes, observed) => (changes, observed),
        Converged::Done(changes, observed) => (changes, Some(observed)),
    };
    let answer = changes.answer(call, "cluster", object(observed.as_ref()));
    Ok(answer.field("ports", published))
}

fn absent_cluster(call: &Call, name: &str) -> Result<Answer, Failure> {
    if !call.check {
        return Err(Failure::new(format!(
            "There is no cluster {name}. Create it first, for instance with k3d_cluster."
        )));
    }
    let mut changes = Changes::of(format!("cluster {name}"));
    changes.warn(format!(
        "Cluster {name} does not exist yet. Check mode assumes that an earlier task creates it"
    ));
    changes.action("publish ports");
    Ok(changes
        .answer(call, "cluster", Value::Null)
        .field("ports", json!([])))
}
