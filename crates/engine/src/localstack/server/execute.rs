//! Makes, changes and removes servers.

use super::observe::{METRICS_PORT, Observed, observe};
use super::plan::{Plan, Step, plan};
use super::spec::{
    DEFAULT_PORT, DYNAMIC_URLS, Replicator, Spec, container_name, internal_endpoint,
    replicator_name, unserved_name,
};
use super::{content, serving};
use crate::begun::{self, Begun};
use crate::context::Context;
use crate::docker::{ContainerSpec, Node, PortKey, Published, Runtime};
use crate::error::{Error, Existing, Remedy, Result, refuse};
use crate::handover::{self, Freed, Way};
use crate::labels::{self, Labels, labels};
use crate::lock::Lock;
use crate::network::address::{self, Turn};
use crate::network::place::{self, Wanted};
use crate::network::{self, Hindrance};
use crate::path::FieldPath;
use crate::presence::Presence;
use crate::{ports, ready};

/// Seconds that LocalStack gets to end by itself.
const STOP: i32 = 10;
/// What the replicator says when it serves.
const REPLICATOR_READY: &str = "atlas-replicator ready";

/// Checks that the server can be made or changed as things are: the network is there, ports are free, and what has the name
/// is Atlas's own. Changes nothing. Returns what there is.
///
/// # Errors
/// [`Error::Invalid`]; [`Error::Exists`] where somebody else's container has the name.
pub async fn admit(cx: &Context, spec: &Spec) -> Result<Observed> {
    let observed = look(cx, spec).await?;
    let found = hindrances(cx, spec).await?;
    refuse(found.into_iter().map(|one| one.problem).collect())?;
    Ok(observed)
}

/// What there is, where it is Atlas's own.
async fn look(cx: &Context, spec: &Spec) -> Result<Observed> {
    refuse(spec.problems())?;
    let observed = observe(cx, &spec.name).await?;
    if !observed.is_ours(&spec.name) {
        return Err(Error::Exists {
            kind: "container",
            name: container_name(&spec.name),
            detail: Existing::Differs,
            remedy: "Atlas did not create it. Choose another name.".into(),
        });
    }
    Ok(observed)
}

/// What of the network and of the machine's ports is in the way.
async fn hindrances(cx: &Context, spec: &Spec) -> Result<Vec<Hindrance>> {
    cx.guard("checking the machine", async {
        let address = spec.address.map(|address| Wanted {
            path: FieldPath::of("address"),
            address,
            container: container_name(&spec.name),
        });
        let problems = place::problems(cx, &spec.network, address).await?;
        let mut found: Vec<Hindrance> = problems.into_iter().map(Hindrance::lasting).collect();
        let names = [container_name(&spec.name), replicator_name(&spec.name)];
        let own = |node: &Node, _| names.contains(&node.name);
        found.extend(ports::hindrances(cx, wanted_ports(spec), own).await?);
        Ok(found)
    })
    .await
}

fn wanted_ports(spec: &Spec) -> impl Iterator<Item = (FieldPath, u16)> {
    let metrics = spec.replicator.as_ref().and_then(|one| one.metrics_port);
    let metrics = metrics.map(|port| (FieldPath::of("replicator").name("metrics_port"), port));
    [(FieldPath::of("port"), spec.port)]
        .into_iter()
        .chain(metrics)
}

/// Waits for what may be going, and gives up what the plan does not keep. Returns what was stopped for that.
async fn until_free(cx: &Context, spec: &Spec, observed: &Observed, plan: &Plan) -> Result<Freed> {
    let going = [
        (Step::RemoveServer, &observed.server),
        (Step::RemoveReplicator, &observed.replicator),
    ];
    let going = going
        .into_iter()
        .filter(|(step, _)| plan.steps.contains(step));
    let kept = |port: &PortKey| wanted_ports(spec).any(|(_, one)| PortKey::tcp(one) == *port);
    let leaving = going
        .filter_map(|(_, node)| node.as_ref())
        .flat_map(|node| handover::leaving(node, kept, Way::Stop));
    network::until_free(cx, leaving.collect(), || hindrances(cx, spec)).await
}

/// A server of which everything was checked and nothing changed. Nobody else creates or removes one of this name as long
/// as it is held.
pub struct Admitted {
    spec: Spec,
    observed: Observed,
    plan: Plan,
    _turn: Lock,
}

/// The mark of a server that is being created.
pub fn begun(name: &str) -> Begun {
    Begun::new(begun::Kind::LocalStack, name)
}

/// The same as [`admit`] for a server that is to be made, or that an interrupted create left.
///
/// # Errors
/// As [`admit`]; [`Error::Exists`] too where there is one of this name, in whole or in part, that no interrupted create
/// left, or one that differs by more than can be changed.
pub async fn admit_new(cx: &Context, spec: &Spec) -> Result<Admitted> {
    let turn = begun::turn(cx, &begun(&spec.name)).await?;
    let observed = look(cx, spec).await?;
    let plan = plan(spec, &observed);
    if observed.exists() {
        let exists = |detail| Error::Exists {
            kind: "LocalStack server",
            name: spec.name.clone(),
            detail,
            remedy: Remedy::ImportOrRename,
        };
        if !begun::is_marked(cx, &begun(&spec.name)).await? {
            return Err(exists(Existing::NotBegun));
        }
        if !plan.replace().is_empty() {
            return Err(exists(Existing::Differs));
        }
    }
    drop(until_free(cx, spec, &observed, &plan).await?);
    Ok(Admitted {
        spec: spec.clone(),
        observed,
        plan,
        _turn: turn,
    })
}

impl Admitted {
    /// Whether an interrupted create left something of it.
    pub fn presence(&self) -> Presence {
        Presence::of(self.observed.exists())
    }

    /// Makes it, or finishes it, and waits until it serves.
    ///
    /// # Errors
    /// As [`apply`].
    pub async fn make(self, cx: &Context) -> Result<Observed> {
        bring_up(cx, &self.spec, &self.observed, &self.plan).await
    }
}

/// Brings the server to what is wanted, and waits until it serves.
///
/// # Errors
/// As [`admit`]; [`Error::NeedsReplacement`] where what is in it would be lost; what Docker says;
/// [`Error::NodeFailed`] with the container's log where it ends instead of serving.
pub async fn apply(cx: &Context, spec: &Spec) -> Result<Observed> {
    let _turn = begun::turn(cx, &begun(&spec.name)).await?;
    let observed = look(cx, spec).await?;
    let plan = plan(spec, &observed);
    if !plan.replace().is_empty() {
        return Err(Error::NeedsReplacement {
            kind: "LocalStack server",
            name: spec.name.clone(),
            fields: plan.replace().into_iter().map(str::to_owned).collect(),
        });
    }
    let freed = until_free(cx, spec, &observed, &plan).await?;
    let done = bring_up(cx, spec, &observed, &plan).await;
    if done.is_err() {
        freed.restore(cx).await;
    }
    done
}

async fn bring_up(cx: &Context, spec: &Spec, observed: &Observed, plan: &Plan) -> Result<Observed> {
    let starts = |steps: &[Step]| plan.steps.iter().any(|step| steps.contains(step));
    let started = starts(&[Step::CreateServer, Step::StartServer]);
    cx.oversee("bringing up LocalStack", async {
        // First of all: an image that cannot be had leaves the world as it was.
        for step in &plan.steps {
            match (step, &spec.replicator) {
                (Step::CreateServer, _) => cx.docker.ensure_image(&spec.image).await?,
                (Step::CreateReplicator, Some(one)) => cx.docker.ensure_image(&one.image).await?,
                _ => {}
            }
        }
        if !observed.exists() {
            begun::mark(cx, &begun(&spec.name)).await?;
        }
        for step in &plan.steps {
            cx.tell(&step.summary(&spec.name));
            carry_out(cx, spec, observed, *step, started).await?;
        }
        serving::wait(cx, &container_name(&spec.name), started).await?;
        cx.docker.remove_volume(&unserved_name(&spec.name)).await?;
        if starts(&[Step::CreateReplicator, Step::StartReplicator]) {
            ready::wait(cx, REPLICATOR_READY, &replicator_name(&spec.name)).await?;
        }
        Ok(())
    })
    .await?;
    let now = observe(cx, &spec.name).await?;
    // Whoever changes it has it: an interrupted create of it is over. Last of all, so that a kill leaves the mark.
    begun::end(cx, &begun(&spec.name)).await;
    Ok(now)
}

async fn carry_out(
    cx: &Context,
    spec: &Spec,
    observed: &Observed,
    step: Step,
    started: bool,
) -> Result<()> {
    let (server, replicator) = (container_name(&spec.name), replicator_name(&spec.name));
    match step {
        Step::RemoveReplicator => stop_and_remove(cx, &replicator).await,
        Step::RemoveServer => stop_and_remove(cx, &server).await,
        Step::CreateServer => {
            if spec.persistence {
                if observed.volume.is_none() {
                    keep_unserved(cx, &spec.name).await?;
                }
                let own = own_labels(spec, "server");
                cx.docker.ensure_volume(&server, &own).await?;
            }
            create(cx, server_container(spec), observed.server.as_ref()).await?;
            cx.docker.start_container(&server).await
        }
        Step::StartServer => cx.docker.start_container(&server).await,
        Step::UnpauseServer => cx.docker.unpause_container(&server).await,
        Step::CreateReplicator => {
            // It looks for its work when it starts.
            serving::wait(cx, &server, started).await?;
            if let Some(one) = &spec.replicator {
                let container = replicator_container(spec, one);
                create(cx, container, observed.replicator.as_ref()).await?;
            }
            cx.docker.start_container(&replicator).await
        }
        Step::StartReplicator => cx.docker.start_container(&replicator).await,
        Step::UnpauseReplicator => cx.docker.unpause_container(&replicator).await,
    }
}

/// Creates a container at the address of the one `before` it, where that is free.
async fn create(cx: &Context, mut container: ContainerSpec, before: Option<&Node>) -> Result<()> {
    let mut turn = Turn::take(cx, &container.network).await?;
    let before = address::fixed(before, &container.network);
    turn.place(&mut container, before)?;
    cx.docker.create_container(&container).await
}

/// Stops before it removes: what is under way comes to an end.
async fn stop_and_remove(cx: &Context, name: &str) -> Result<()> {
    cx.docker.stop_container(name, STOP).await?;
    cx.docker.remove_container(name).await
}

/// Notes that no server has answered yet on the volume, which holds nothing.
async fn keep_unserved(cx: &Context, name: &str) -> Result<()> {
    let own = labels([
        (labels::ATLAS_MANAGED, labels::ATLAS_MANAGED_VALUE),
        (labels::ATLAS_LOCALSTACK, name),
    ]);
    cx.docker.ensure_volume(&unserved_name(name), &own).await
}

/// What becomes of objects and messages in a server that is to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// They are a reason not to.
    Stays,
    /// They go with it.
    Goes,
}

/// Removes the server with its volume and its replicator; what is gone already is as good.
///
/// # Errors
/// As [`admit_delete`] where its content is to stay; what Docker says.
pub async fn delete(cx: &Context, name: &str, content: Content) -> Result<()> {
    let _turn = begun::turn(cx, &begun(name)).await?;
    let observed = admit_delete(cx, name, content).await?;
    cx.guard("removing a LocalStack server", async {
        cx.tell(&format!("removing LocalStack server {name}"));
        if observed.replicator.is_some() {
            stop_and_remove(cx, &replicator_name(name)).await?;
        }
        cx.docker.remove_container(&container_name(name)).await?;
        if let Some(volume) = &observed.volume {
            // A run that is killed here leaves a volume that nobody could be asked of.
            keep_unserved(cx, name).await?;
            cx.docker.remove_volume(volume).await?;
        }
        cx.docker.remove_volume(&unserved_name(name)).await?;
        begun::clear(cx, &begun(name)).await
    })
    .await
}

/// Checks that the server can be removed. Changes nothing. Returns what there is.
///
/// # Errors
/// [`Error::Exists`] where somebody else's container has the name; [`Error::NotEmpty`] where its content is to stay and
/// it holds objects or messages, or does not say what it holds.
pub async fn admit_delete(cx: &Context, name: &str, content: Content) -> Result<Observed> {
    let observed = observe(cx, name).await?;
    if !observed.is_ours(name) {
        return Err(Error::Exists {
            kind: "container",
            name: container_name(name),
            detail: Existing::Differs,
            remedy: "Atlas did not create it and leaves it alone.".into(),
        });
    }
    if content == Content::Stays {
        cx.guard(
            "asking what the server holds",
            content::refuse_to_lose(cx, name, &observed),
        )
        .await?;
    }
    Ok(observed)
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
        env.push(DYNAMIC_URLS.to_owned());
    }
    env.extend(
        spec.environment
            .iter()
            .map(|(key, value)| format!("{key}={value}")),
    );
    let given: Vec<&String> = spec.environment.keys().collect();
    let mut all = own_labels(spec, "server");
    all.insert(
        labels::ATLAS_LOCALSTACK_ENVIRONMENT.to_owned(),
        serde_json::json!(given).to_string(),
    );
    let name = container_name(&spec.name);
    ContainerSpec {
        image: spec.image.clone(),
        entrypoint: None,
        cmd: Vec::new(),
        env,
        labels: all,
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
        runtime: Runtime::default(),
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
        runtime: Runtime::default(),
        is_node: false,
    }
}
