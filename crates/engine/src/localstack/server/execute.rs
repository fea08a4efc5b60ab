//! Makes, changes and removes servers.

use super::observe::{METRICS_PORT, Observed, observe};
use super::plan::{Step, plan};
use super::spec::{
    DEFAULT_PORT, Replicator, Spec, container_name, internal_endpoint, replicator_name,
};
use crate::context::Context;
use crate::docker::{ContainerSpec, Node, Published};
use crate::error::{Error, Result, refuse};
use crate::labels::{self, Labels, labels};
use crate::network::place::{self, Wanted};
use crate::path::FieldPath;
use crate::presence::Presence;
use crate::{ports, ready};

/// Seconds that LocalStack gets to end by itself.
const STOP: i32 = 10;
/// What LocalStack says when it serves, in lower case.
const READY: &str = "ready.";
/// What the replicator says when it serves.
const REPLICATOR_READY: &str = "atlas-replicator ready";

/// Checks that the server can be made or changed: the network is there, ports are free, and what has the name is
/// Atlas's own. Changes nothing. Returns what there is.
///
/// # Errors
/// [`Error::Invalid`]; [`Error::Exists`] where somebody else's container has the name.
pub async fn admit(cx: &Context, spec: &Spec) -> Result<Observed> {
    refuse(spec.problems())?;
    let observed = observe(cx, &spec.name).await?;
    if !observed.is_ours(&spec.name) {
        return Err(Error::Exists {
            kind: "container",
            name: container_name(&spec.name),
            detail: crate::error::Existing::Differs,
            remedy: "Atlas did not make it: choose another name, or remove it with `docker rm -f`."
                .to_owned(),
        });
    }
    cx.guard("checking the machine", async {
        let address = spec.address.map(|address| Wanted {
            path: FieldPath::of("address"),
            address,
            container: container_name(&spec.name),
        });
        let mut problems = place::problems(cx, &spec.network, address).await?;
        let metrics = spec.replicator.as_ref().and_then(|one| one.metrics_port);
        let metrics = metrics.map(|port| (FieldPath::of("replicator").name("metrics_port"), port));
        let wanted = [(FieldPath::of("port"), spec.port)];
        let names = [container_name(&spec.name), replicator_name(&spec.name)];
        let own = |node: &Node, _| names.contains(&node.name);
        problems.extend(ports::problems(cx, wanted.into_iter().chain(metrics), own).await?);
        refuse(problems)
    })
    .await?;
    Ok(observed)
}

/// The same for a server that is to be made. One that is there already is taken over where it is as wanted, which is
/// what an interrupted run leaves.
///
/// # Errors
/// As [`admit`]; [`Error::Exists`] too where a server of this name differs.
pub async fn admit_new(cx: &Context, spec: &Spec) -> Result<Presence> {
    let observed = admit(cx, spec).await?;
    let plan = plan(spec, &observed);
    if plan
        .differences
        .iter()
        .any(|one| !one.field.starts_with("replicator"))
    {
        return Err(Error::Exists {
            kind: "LocalStack server",
            name: spec.name.clone(),
            detail: crate::error::Existing::Differs,
            remedy: "Import it, choose another name, or remove it first.".to_owned(),
        });
    }
    Ok(Presence::of(
        observed.server.is_some(),
        plan.steps.is_empty(),
    ))
}

/// Brings the server to what is wanted, and waits until it serves.
///
/// # Errors
/// As [`admit`]; [`Error::NeedsReplacement`] where what is in it would be lost; what Docker says;
/// [`Error::NodeFailed`] with the container's log where it ends instead of serving.
pub async fn apply(cx: &Context, spec: &Spec) -> Result<Observed> {
    let observed = admit(cx, spec).await?;
    let plan = plan(spec, &observed);
    if !plan.replace().is_empty() {
        return Err(Error::NeedsReplacement {
            kind: "LocalStack server",
            name: spec.name.clone(),
            fields: plan.replace().into_iter().map(str::to_owned).collect(),
        });
    }
    cx.oversee("bringing up LocalStack", async {
        // First of all: an image that cannot be had leaves the world as it was.
        for step in &plan.steps {
            match (step, &spec.replicator) {
                (Step::CreateServer, _) => cx.docker.ensure_image(&spec.image).await?,
                (Step::CreateReplicator, Some(one)) => cx.docker.ensure_image(&one.image).await?,
                _ => {}
            }
        }
        for step in &plan.steps {
            cx.tell(&step.summary(&spec.name));
            carry_out(cx, spec, *step).await?;
        }
        ready::wait(cx, READY, &container_name(&spec.name)).await?;
        if spec.replicator.is_some() {
            ready::wait(cx, REPLICATOR_READY, &replicator_name(&spec.name)).await?;
        }
        Ok(())
    })
    .await?;
    observe(cx, &spec.name).await
}

async fn carry_out(cx: &Context, spec: &Spec, step: Step) -> Result<()> {
    let (server, replicator) = (container_name(&spec.name), replicator_name(&spec.name));
    match step {
        Step::RemoveReplicator => stop_and_remove(cx, &replicator).await,
        Step::RemoveServer => stop_and_remove(cx, &server).await,
        Step::CreateServer => {
            if spec.persistence {
                let own = own_labels(spec, "server");
                cx.docker.ensure_volume(&server, &own).await?;
            }
            cx.docker.create_container(&server_container(spec)).await?;
            cx.docker.start_container(&server).await
        }
        Step::StartServer => cx.docker.start_container(&server).await,
        Step::CreateReplicator => {
            // It looks for its work when it starts.
            ready::wait(cx, READY, &server).await?;
            if let Some(one) = &spec.replicator {
                let container = replicator_container(spec, one);
                cx.docker.create_container(&container).await?;
            }
            cx.docker.start_container(&replicator).await
        }
        Step::StartReplicator => cx.docker.start_container(&replicator).await,
    }
}

/// Stops before it removes: what is under way comes to an end.
async fn stop_and_remove(cx: &Context, name: &str) -> Result<()> {
    cx.docker.stop_container(name, STOP).await?;
    cx.docker.remove_container(name).await
}

/// Removes the server with its volume and its replicator; what is gone already is as good.
///
/// # Errors
/// What Docker says; [`Error::Exists`] where somebody else's container has the name.
pub async fn delete(cx: &Context, name: &str) -> Result<()> {
    let observed = observe(cx, name).await?;
    if !observed.is_ours(name) {
        return Err(Error::Exists {
            kind: "container",
            name: container_name(name),
            detail: crate::error::Existing::Differs,
            remedy: "Atlas did not make it, and leaves it alone.".to_owned(),
        });
    }
    cx.guard("removing a LocalStack server", async {
        cx.tell(&format!("removing LocalStack server {name}"));
        if observed.replicator.is_some() {
            stop_and_remove(cx, &replicator_name(name)).await?;
        }
        cx.docker.remove_container(&container_name(name)).await?;
        if let Some(volume) = &observed.volume {
            cx.docker.remove_volume(volume).await?;
        }
        Ok(())
    })
    .await
}

fn own_labels(spec: &Spec, role: &str) -> Labels {
    labels([
        (labels::ATLAS_MANAGED, labels::ATLAS_MANAGED_VALUE),
        (labels::ATLAS_LOCALSTACK, &spec.name),
        (labels::ATLAS_LOCALSTACK_ROLE, role),
        (labels::ATLAS_LOCALSTACK_NETWORK, &spec.network),
    ])
}

fn server_container(spec: &Spec) -> ContainerSpec {
    let services: Vec<&str> = spec.services.iter().map(String::as_str).collect();
    let mut env = vec![
        format!("SERVICES={}", services.join(",")),
        format!("PERSISTENCE={}", u8::from(spec.persistence)),
    ];
    if !spec.environment.contains_key("SQS_ENDPOINT_STRATEGY") {
        // URLs of queues then carry the host by which the server was asked.
        env.push("SQS_ENDPOINT_STRATEGY=dynamic".to_owned());
    }
    env.extend(
        spec.environment
            .iter()
            .map(|(key, value)| format!("{key}={value}")),
    );
    let name = container_name(&spec.name);
    ContainerSpec {
        image: spec.image.clone(),
        entrypoint: None,
        cmd: Vec::new(),
        env,
        labels: own_labels(spec, "server"),
        binds: spec
            .persistence
            .then(|| format!("{name}:/var/lib/localstack"))
            .into_iter()
            .collect(),
        ports: [Published::locally(DEFAULT_PORT, spec.port)].into(),
        network: spec.network.clone(),
        address: spec.address,
        extra_hosts: Vec::new(),
        memory: None,
        nano_cpus: None,
        is_node: false,
        name,
    }
}

fn replicator_container(spec: &Spec, one: &Replicator) -> ContainerSpec {
    ContainerSpec {
        name: replicator_name(&spec.name),
        image: one.image.clone(),
        entrypoint: None,
        cmd: Vec::new(),
        env: vec![
            format!(
                "ATLAS_REPLICATOR_ENDPOINT={}",
                internal_endpoint(&spec.name)
            ),
            format!("ATLAS_REPLICATOR_PEERS={}", one.peers.join(",")),
            format!("ATLAS_REPLICATOR_REGIONS={}", one.regions.join(",")),
            format!("ATLAS_REPLICATOR_LISTEN=0.0.0.0:{METRICS_PORT}"),
            format!("AWS_ACCESS_KEY_ID={}", one.access_key),
            format!("AWS_SECRET_ACCESS_KEY={}", one.secret_key),
        ],
        labels: own_labels(spec, "replicator"),
        binds: Vec::new(),
        ports: one
            .metrics_port
            .map(|port| Published::locally(METRICS_PORT, port))
            .into_iter()
            .collect(),
        network: spec.network.clone(),
        address: None,
        extra_hosts: Vec::new(),
        memory: None,
        nano_cpus: None,
        is_node: false,
    }
}
