//! `network`: a Docker bridge network with an explicit subnet.

use argspec::{Answer, Failure, Kind, Opt, Spec as Options};
use atlas_engine::docker::DockerNetwork;
use atlas_engine::network::{self, Spec};
use atlas_engine::{FieldPath, error};
use serde_json::{Value, json};

use super::{recreate, state};
use crate::call::{Call, Docs, Module, Run, failure};
use crate::changes::Changes;
use crate::params::Reader;

pub(super) fn module() -> Module {
    Module {
        name: "network",
        docs: Docs {
            short: "Docker bridge networks with an explicit subnet",
            description: &[
                "Creates, keeps and removes a Docker network with an explicit subnet, so that nodes on it can have \
                 fixed addresses.",
                "A network cannot be changed in place.",
            ],
            examples: include_str!("../../examples/network.yml"),
            returns: &[(
                "network",
                "dict",
                "The network as it is, with the attributes of the Terraform resource atlas_network; null where there is none.",
            )],
        },
        spec: options,
        looks_only: false,
        run: Run::Docker(|call| Box::pin(run(call))),
    }
}

fn options() -> Options {
    Options::default()
        .option(
            "name",
            Opt::new(Kind::Str, "Docker's name for it.").required(),
        )
        .option(
            "state",
            state(
                &["present", "absent"],
                "Whether the network exists. Removing one that is in use fails.",
            ),
        )
        .option(
            "subnet",
            Opt::new(
                Kind::Str,
                "IPv4 network in CIDR form. Needed to make the network.",
            ),
        )
        .option(
            "gateway",
            Opt::new(
                Kind::Str,
                "Address of the host on it. Left out, it is the first of the subnet.",
            ),
        )
        .option(
            "labels",
            Opt::new(Kind::Dict, "Docker labels. An empty mapping means none."),
        )
        .option("recreate", recreate())
}

/// The network as it is, in the words of the Terraform resource.
pub(super) fn object(found: Option<&DockerNetwork>) -> Value {
    found.map_or(Value::Null, |found| {
        json!({
            "name": found.name,
            "id": found.name,
            "network_id": found.id,
            "subnet": found.subnet.map(|net| net.to_string()),
            "gateway": found.gateway.map(|address| address.to_string()),
            "labels": network::user_labels(found),
        })
    })
}

/// What is asked for, by option.
fn view(spec: &Spec) -> [(&'static str, Value); 3] {
    let labels = (!spec.labels.is_empty()).then_some(&spec.labels);
    [
        ("subnet", spec.subnet.to_string().into()),
        ("gateway", json!(spec.gateway())),
        ("labels", json!(labels)),
    ]
}

/// What is asked for; what is not given is as it is.
fn specify(call: &Call, found: Option<&DockerNetwork>) -> Result<Spec, Failure> {
    let params = &call.params;
    let mut reader = Reader::default();
    let given = reader.network(params, "subnet");
    let subnet = given.or(found.and_then(|found| found.subnet));
    let gateway = match reader.address(params, &FieldPath::root(), "gateway") {
        Some(std::net::IpAddr::V4(gateway)) => Some(gateway),
        Some(_) => {
            let path = FieldPath::of("gateway");
            reader.refuse(
                &path,
                "the gateway is not a valid IPv4 address.",
                "Use an address of the subnet.",
            );
            None
        }
        None if given.is_none() => found.and_then(|found| found.gateway),
        None => None,
    };
    if subnet.is_none() && params.text("subnet").is_none() {
        let path = FieldPath::of("subnet");
        reader.refuse(
            &path,
            "the network does not exist, and subnet is not set.",
            "Set it, for instance 172.28.0.0/16.",
        );
    }
    reader.finish()?;
    let spec = Spec {
        name: params.required("name"),
        subnet: subnet.unwrap_or_default(),
        gateway,
        labels: params
            .text_map("labels")
            .or_else(|| found.map(network::user_labels))
            .unwrap_or_default(),
    };
    error::refuse(spec.problems()).map_err(|error| failure(&error))?;
    Ok(spec)
}

/// What Docker would refuse in a run, were the containers not gone until then.
fn warn_of_users(call: &Call, found: Option<&DockerNetwork>, changes: &mut Changes) {
    let Some(found) = found.filter(|found| call.check && !found.addresses.is_empty()) else {
        return;
    };
    let mut users: Vec<&str> = found.addresses.keys().map(String::as_str).collect();
    users.sort_unstable();
    changes.warn(format!(
        "Network {} is in use. Check mode assumes that an earlier task removes what is on it ({})",
        found.name,
        users.join(", ")
    ));
}

async fn run(call: &Call) -> Result<Answer, Failure> {
    let fail = |error| failure(&error);
    let name = call.params.required("name");
    let found = network::observe(&call.cx, &name).await.map_err(fail)?;
    let mut changes = Changes::of(format!("network {name}"));
    if call.params.text("state") == Some("absent") {
        if found.is_some() {
            changes.property("state", "present", "absent");
            changes.action(format!("remove network {name}"));
            warn_of_users(call, found.as_ref(), &mut changes);
            if !call.check {
                network::delete(&call.cx, &name).await.map_err(fail)?;
                return Ok(changes.answer(call, "network", Value::Null));
            }
        }
        return Ok(changes.answer(call, "network", object(found.as_ref())));
    }
    let spec = specify(call, found.as_ref())?;
    let differ = found
        .as_ref()
        .map(|found| network::differences(&spec, found));
    let policy = call.params.text("recreate").unwrap_or("never");
    let anew = match &differ {
        None => {
            changes.property("state", "absent", "present");
            for (name, value) in view(&spec) {
                changes.property(name, Value::Null, value);
            }
            changes.action(format!("create network {name} ({})", spec.subnet));
            true
        }
        Some(differ) => {
            let there = object(found.as_ref());
            for (name, value) in view(&spec) {
                if differ.iter().any(|one| one.field == name) {
                    changes.replacing(name, there[name].clone(), value);
                }
            }
            let anew = !differ.is_empty() || policy == "always";
            if anew {
                changes.action(format!("remove network {name}"));
                changes.action(format!("create network {name} ({})", spec.subnet));
            }
            anew
        }
    };
    if differ.is_some_and(|differ| !differ.is_empty()) && policy == "never" {
        return Err(changes.refusal());
    }
    if anew {
        let others = network::list(&call.cx, None).await.map_err(fail)?;
        let path = FieldPath::of("subnet");
        let overlap = network::refuse_overlap(spec.subnet, &name, &path, &others);
        changes.admit(call, error::refuse(overlap.into_iter().collect()))?;
    }
    if anew {
        warn_of_users(call, found.as_ref(), &mut changes);
    }
    if !anew || call.check {
        return Ok(changes.answer(call, "network", object(found.as_ref())));
    }
    if found.is_some() {
        network::delete(&call.cx, &name).await.map_err(fail)?;
    }
    let made = network::create(&call.cx, &spec).await.map_err(fail)?;
    Ok(changes.answer(call, "network", object(Some(&made))))
}
