//! `localstack`: LocalStack servers.

use argspec::{Answer, Failure, Kind, Opt, Spec as Options};
use atlas_engine::localstack::server::{self, Content, Observed, Replicator, Spec};
use atlas_engine::obtainable::{self, Loss};
use atlas_engine::{FieldPath, error, images};
use serde_json::{Value, json};

use super::{recreate, state};
use crate::call::{Call, Docs, Module, Run, failure};
use crate::changes::Changes;
use crate::params::{Params, Reader};

pub(super) fn module() -> Module {
    Module {
        name: "localstack",
        docs: Docs {
            short: "LocalStack servers",
            description: &[
                "Creates, changes and removes a LocalStack server: a container on a Docker network, its volume, and \
                 on request a replicator beside it. The module ends when the server answers.",
                "An option that is left out is not compared. Where the server keeps its state, changes make another \
                 container on the same volume. Without O(persistence), and on an image that passes over it as \
                 LocalStack's community edition does, they make another server, and need O(recreate).",
            ],
            examples: include_str!("../../examples/localstack.yml"),
            returns: &[(
                "localstack",
                "dict",
                "The server as it is, with the attributes of the Terraform resource atlas_localstack but its credentials and variables; null where there is none.",
            )],
        },
        spec: options,
        looks_only: false,
        run: Run::Docker(|call| Box::pin(run(call))),
    }
}

fn options() -> Options {
    Options::default()
        .option("name", Opt::new(Kind::Str, "Its name. The container is called C(atlas-localstack-NAME).").required())
        .option("state", state(&["present", "absent"], "Whether the server exists. One that holds objects or messages, or does not say what it holds, is removed only with O(force_destroy)."))
        .option("force_destroy", Opt::new(Kind::Bool, "Whether objects in its buckets and messages in its queues may be lost with it. O(recreate) says so by itself.").or(false))
        .option("network", Opt::new(Kind::Str, "The Docker network that it is on. Needed to make it."))
        .option("image", Opt::new(Kind::Str, "Its image. For a new server it is the one that the environment variable E(ATLAS_LOCALSTACK_IMAGE) names, then C(docker.io/localstack/localstack:4.9.2)."))
        .option("services", Opt::list(Kind::Str, "Services that it runs, as the AWS command line names them. A new server runs s3, sqs, iam and sts."))
        .option("port", Opt::new(Kind::Int, "Port on 127.0.0.1. A new server has 4566."))
        .option("address", Opt::new(Kind::Str, "A fixed IPv4 address on the network."))
        .option("persistence", Opt::new(Kind::Bool, "Whether its state is kept in a volume. It is for a new server. Changing it makes another server."))
        .option("environment", Opt::new(Kind::Dict, "More variables. An empty mapping means none. They are compared, and never shown.").unshown())
        .option("replicator", Opt::new(Kind::Dict, "A container beside it that replicates objects and messages to other regions. An empty mapping means none.")
            .option("image", Opt::new(Kind::Str, "Its image. Left out, the environment variable E(ATLAS_REPLICATOR_IMAGE) decides, then C(atlas/replicator:1)."))
            .option("peers", Opt::list(Kind::Str, "Endpoints of the other regions, as containers on the network see them."))
            .option("regions", Opt::list(Kind::Str, "Regions whose queues it serves."))
            .option("metrics_port", Opt::new(Kind::Int, "Port on 127.0.0.1 for its metrics."))
            .option("access_key", Opt::new(Kind::Str, "Access key for its own endpoint and the peers'. Left out, it is C(test).").secret())
            .option("secret_key", Opt::new(Kind::Str, "The secret of it. Left out, it is C(test).").secret()))
        .option("recreate", recreate())
}

/// The server as it is, in the words of the Terraform resource.
pub(super) fn object(observed: &Observed) -> Value {
    let Some(found) = &observed.found else {
        return Value::Null;
    };
    let health = observed.health.clone().unwrap_or_default();
    json!({
        "name": found.name,
        "id": found.name,
        "network": found.network,
        "image": found.image,
        "services": found.services,
        "port": found.port,
        "address": found.address.or(observed.address).map(|address| address.to_string()),
        "persistence": found.persistence,
        "container": server::container_name(&found.name),
        "endpoint": server::endpoint(found.port),
        "internal_endpoint": server::internal_endpoint(&found.name),
        "version": observed.health.is_some().then_some(health.version.clone()),
        "running_services": health.running(),
        "volume": observed.volume,
        "keeps_state": observed.keeps.unwrap_or(found.persistence),
        "replicator": found.replicator.as_ref().map(|one| json!({
            "image": one.image,
            "peers": one.peers,
            "regions": one.regions,
            "metrics_port": one.metrics_port,
        })),
    })
}

/// What is asked for; what is not given is as it is.
fn specify(call: &Call, found: Option<&Spec>) -> Result<Spec, Failure> {
    let params = &call.params;
    let root = FieldPath::root();
    let mut reader = Reader::default();
    let ports = "Use a port from 1 to 65535.";
    let network = params.text("network").map(str::to_owned);
    let network = network.or_else(|| found.map(|found| found.network.clone()));
    if network.is_none() {
        let path = FieldPath::of("network");
        reader.refuse(
            &path,
            "the server does not exist, and network is not set.",
            "Set it.",
        );
    }
    let address = match reader.address(params, &root, "address") {
        Some(std::net::IpAddr::V4(address)) => Some(address),
        Some(_) => {
            let path = FieldPath::of("address");
            reader.refuse(
                &path,
                "it is not a valid IPv4 address.",
                "Use an address of the network.",
            );
            None
        }
        None => found.and_then(|found| found.address),
    };
    let port = reader.number(params, &root, "port", ports);
    let replicator = match params.inner("replicator") {
        None => found.and_then(|found| found.replicator.clone()),
        Some(given) if given.0.values().all(Value::is_null) => None,
        Some(given) => Some(read_replicator(&given, &mut reader)),
    };
    reader.finish()?;
    let text = |name: &str| params.text(name).map(str::to_owned);
    let spec = Spec {
        name: params.required("name"),
        network: network.unwrap_or_default(),
        image: text("image")
            .or_else(|| found.map(|found| found.image.clone()))
            .unwrap_or_else(images::localstack),
        services: params
            .texts("services")
            .map(|all| all.into_iter().collect())
            .or_else(|| found.map(|found| found.services.clone()))
            .unwrap_or_else(|| server::DEFAULT_SERVICES.map(str::to_owned).into()),
        port: port
            .or(found.map(|found| found.port))
            .unwrap_or(server::DEFAULT_PORT),
        address,
        persistence: params
            .flag("persistence")
            .or(found.map(|found| found.persistence))
            .unwrap_or(true),
        environment: params
            .text_map("environment")
            .or_else(|| found.map(|found| found.environment.clone()))
            .unwrap_or_default(),
        replicator,
    };
    error::refuse(spec.problems()).map_err(|error| failure(&error))?;
    Ok(spec)
}

fn read_replicator(given: &Params, reader: &mut Reader) -> Replicator {
    let path = FieldPath::of("replicator");
    let text = |name: &str, default: &str| given.text(name).unwrap_or(default).to_owned();
    Replicator {
        image: given
            .text("image")
            .map_or_else(images::replicator, str::to_owned),
        peers: given.texts("peers").unwrap_or_default(),
        regions: given.texts("regions").unwrap_or_default(),
        metrics_port: reader.number(given, &path, "metrics_port", "Use a port from 1 to 65535."),
        access_key: text("access_key", "test"),
        secret_key: text("secret_key", "test"),
    }
}

async fn run(call: &Call) -> Result<Answer, Failure> {
    let fail = |error| failure(&error);
    let name = call.params.required("name");
    let observed = server::observe(&call.cx, &name).await.map_err(fail)?;
    let mut changes = Changes::of(format!("LocalStack server {name}"));
    if call.params.text("state") == Some("absent") {
        if !observed.is_gone() {
            changes.property("state", "present", "absent");
            changes.action(format!("remove LocalStack server {name}"));
            let content = match call.params.flag("force_destroy") {
                Some(true) => Content::Goes,
                _ => Content::Stays,
            };
            changes.admit(call, server::admit_delete(&call.cx, &name, content).await)?;
            if !call.check {
                let removed = server::delete(&call.cx, &name, content).await;
                removed.map_err(fail)?;
                return Ok(changes.answer(call, "localstack", Value::Null));
            }
        }
        return Ok(changes.answer(call, "localstack", object(&observed)));
    }
    let spec = specify(call, observed.found.as_ref())?;
    changes.admit(call, server::admit(&call.cx, &spec).await)?;
    let plan = server::plan(&spec, &observed);
    if observed.found.is_none() {
        changes.property("state", "absent", "present");
        changes.property("network", Value::Null, spec.network.clone());
        changes.property("image", Value::Null, spec.image.clone());
        changes.property("port", Value::Null, spec.port);
    }
    for one in &plan.differences {
        let (before, after) = (one.before.clone(), one.after.clone());
        if one.replaces {
            changes.replacing(&one.field, before, after);
        } else {
            changes.property(&one.field, before, after);
        }
    }
    for step in &plan.steps {
        changes.action(step.summary(&name));
    }
    let policy = call.params.text("recreate").unwrap_or("never");
    let anew = !plan.replace().is_empty() || (policy == "always" && observed.found.is_some());
    if anew {
        if policy == "never" {
            return Err(changes.refusal());
        }
        changes.action(format!("recreate LocalStack server {name}"));
    }
    if let Some(before) = &observed.found {
        let images = server::images(&spec, before, anew);
        let admitted = obtainable::admit(&call.cx, Loss::of(anew), &images).await;
        changes.admit(call, admitted)?;
    }
    if call.check || changes.is_empty() {
        return Ok(changes.answer(call, "localstack", object(&observed)));
    }
    if anew {
        let removed = server::delete(&call.cx, &name, Content::Goes).await;
        removed.map_err(fail)?;
    }
    let made = server::apply(&call.cx, &spec).await.map_err(fail)?;
    Ok(changes.answer(call, "localstack", object(&made)))
}
