//! Initializes, changes and removes a cluster.

use std::path::Path;
use std::time::Duration;

use super::observe::{Observed, SYSTEM, observe, tables, zones};
use super::plan::{Plan, Step, constraints, is_spread_otherwise, is_whole, plan};
use super::spec::{LICENSE, Spec};
use crate::begun::{self, Begun, Kind};
use crate::cockroachdb::command::{Shell, Statement, silence};
use crate::cockroachdb::stage::{SERVES, Stage, WAITS, stage};
use crate::cockroachdb::topology::{Membership, Topology, View};
use crate::cockroachdb::{certificates, containers, emptied, names, region, turn, user};
use crate::context::Context;
use crate::docker::Node;
use crate::error::{Error, Existing, Remedy, Result, refuse};
use crate::pace::Pace;
use crate::path::FieldPath;
use crate::ready;

/// How long a node may take to say that it waits for `init`; one whose store is part of a cluster says it never.
const SAYS: Duration = Duration::from_secs(30);
/// Seconds that a node gets to end when all data goes with it.
const STOP: i32 = 5;

/// How long a cluster that is to be made, and gives no answer, may take to say that its nodes wait for `init`.
const ANSWERS: Duration = Duration::from_secs(30);

/// The mark of a cluster that is being created. It is on the daemon of its containers, of which each cluster has one at
/// least: whatever runs elsewhere, its nodes here are asked for it.
fn begun(name: &str) -> Begun {
    Begun::new(Kind::CockroachCluster, name)
}

/// Checks that the cluster can be made or changed. Changes nothing. Returns what there is.
///
/// # Errors
/// [`Error::Invalid`]; [`Error::NotFound`] where it has no nodes here.
pub async fn admit(cx: &Context, spec: &Spec) -> Result<Observed> {
    refuse(spec.problems())?;
    let observed = observe(cx, &spec.name, spec.settings.keys().chain(&spec.reset)).await?;
    if observed.containers.is_empty() {
        return Err(Error::NotFound {
            kind: "node of the CockroachDB cluster",
            name: spec.name.clone(),
            remedy: "Create its regions first, at least one of them with placement docker.".into(),
        });
    }
    Ok(observed)
}

/// Makes the cluster of nodes that wait for it, or finishes what an interrupted create left. Where it fails, its mark stays,
/// and the next create goes on from there.
///
/// # Errors
/// As [`apply`]; [`Error::Exists`] where the cluster was initialized already, and by no interrupted create of ours.
pub async fn create(cx: &Context, spec: &Spec) -> Result<Observed> {
    let _turn = begun::turn(cx, &begun(&spec.name)).await?;
    let mut observed = admit(cx, spec).await?;
    if !begun::is_marked(cx, &begun(&spec.name)).await? {
        if matches!(observed.view, View::Silent(_)) {
            observed = told(cx, spec).await?;
        }
        if let View::Live(_) = observed.view {
            return Err(Error::Exists {
                kind: "cluster of CockroachDB",
                name: spec.name.clone(),
                detail: Existing::NotBegun,
                remedy: Remedy::ImportOrRename,
            });
        }
        begun::mark(cx, &begun(&spec.name)).await?;
    }
    bring_to(cx, spec, observed).await
}

/// A cluster that is to be made, when it says what it is.
async fn told(cx: &Context, spec: &Spec) -> Result<Observed> {
    let started = tokio::time::Instant::now();
    let mut pace = Pace::new();
    loop {
        let observed = admit(cx, spec).await?;
        match &observed.view {
            View::Silent(reason) if started.elapsed() > ANSWERS => {
                return Err(Error::Cockroach {
                    operation: "initialize cluster",
                    object: spec.name.clone(),
                    code: String::new(),
                    message: reason.clone(),
                    hint: Some(Box::new(Remedy::TryAgain {
                        why: "It may already be initialized and hold data. Start all its nodes"
                            .to_owned(),
                    })),
                });
            }
            View::Silent(_) => pace.pause().await,
            _ => return Ok(observed),
        }
    }
}

/// Brings the cluster to what is wanted, and waits until all its nodes serve.
///
/// # Errors
/// As [`admit`]; what the cluster says; [`Error::NodeFailed`] with a node's log where it ends;
/// [`Error::TimedOut`] naming the nodes that are missing.
pub async fn apply(cx: &Context, spec: &Spec) -> Result<Observed> {
    let observed = admit(cx, spec).await?;
    if matches!(observed.view, View::Uninitialized) {
        begun::mark(cx, &begun(&spec.name)).await?;
    }
    bring_to(cx, spec, observed).await
}

async fn bring_to(cx: &Context, spec: &Spec, observed: Observed) -> Result<Observed> {
    if observed.volumes.contains(&names::emptied(&spec.name)) {
        emptied::forget(cx, &spec.name).await?;
    }
    let work = Box::pin(bring_up(cx, spec, plan(spec, &observed)));
    cx.oversee("bringing up a cluster of CockroachDB", work)
        .await?;
    let now = Box::pin(observe(
        cx,
        &spec.name,
        spec.settings.keys().chain(&spec.reset),
    ))
    .await?;
    // Whoever changes it has it: a create of it that was interrupted is over. Last of all, so that a kill leaves the mark.
    begun::end(cx, &begun(&spec.name)).await;
    Ok(now)
}

async fn bring_up(cx: &Context, spec: &Spec, first: Plan) -> Result<()> {
    let _turn = turn(cx, &spec.name).await?;
    if first.steps.contains(&Step::Init) {
        init(cx, spec).await?;
    }
    if first.steps.contains(&Step::WaitForNodes) {
        cx.tell(&Step::WaitForNodes.summary(&spec.name));
        wait(cx, spec).await?;
    }
    // Only one that serves tells its settings.
    let now = observe(cx, &spec.name, spec.settings.keys().chain(&spec.reset)).await?;
    let Some(shell) = &now.shell else {
        return Ok(());
    };
    for step in plan(spec, &now).steps {
        cx.tell(&step.summary(&spec.name));
        carry_out(cx, spec, shell, &step).await?;
    }
    Ok(())
}

/// Once for a cluster: where any node took part already, the others join it, and another `init` would make two clusters.
async fn init(cx: &Context, spec: &Spec) -> Result<()> {
    let nodes = containers(cx, &spec.name).await?;
    if let Some(node) = nodes.iter().find(|node| !node.state.running) {
        return Err(Error::NodeFailed {
            node: node.name.clone(),
            reason: format!("is {} and may hold data of this cluster", node.state.status),
            hint: ": start it before the others are initialized without it",
            log: cx.docker.last_lines(&node.name).await,
        });
    }
    for node in &nodes {
        // One that is just starting says what it is in a moment.
        let says = ready::wait_for_any(cx, &[SERVES, WAITS], &node.name);
        let _ = tokio::time::timeout(SAYS, says).await;
        if stage(cx, node).await != Stage::Waits {
            // It serves, or it waits for others: either way it took part in a cluster.
            return Ok(());
        }
    }
    if let Some(node) = nodes.first() {
        cx.tell(&Step::Init.summary(&spec.name));
        Shell::of(node).init(cx).await?;
    }
    Ok(())
}

/// Waits until every container is a live member and every region has one.
async fn wait(cx: &Context, spec: &Spec) -> Result<()> {
    let mut missing = Vec::new();
    let mut pace = Pace::new();
    let waiting = async {
        loop {
            let nodes = containers(cx, &spec.name).await?;
            if let Some(node) = nodes.iter().find(|node| node.state.status == "exited") {
                return Err(Error::node_failed(
                    &node.name,
                    format!("ended with exit code {}", node.state.exit_code),
                    cx.docker.last_lines(&node.name).await,
                ));
            }
            let (view, _) = region::ask(cx, nodes.iter()).await?;
            if matches!(view, View::Uninitialized) {
                // Not all had come so far at the first look.
                init(cx, spec).await?;
            }
            let live = |name: &str| {
                let address = format!("{name}:{}", names::SQL_PORT);
                view.topology()
                    .and_then(|topology| topology.at(&address))
                    .is_some_and(|node| node.is_live || node.membership != Membership::Active)
            };
            missing = nodes
                .iter()
                .filter(|node| !live(&node.name))
                .map(|node| node.name.clone())
                .collect();
            let whole = view
                .topology()
                .is_some_and(|topology| is_whole(spec, topology));
            if missing.is_empty() && whole {
                return Ok(());
            }
            pace.pause().await;
        }
    };
    match cx
        .guard("waiting for all nodes to become live", waiting)
        .await
    {
        Err(Error::TimedOut {
            waiting_for, after, ..
        }) => {
            let mut log = format!("Missing: {}. ", missing.join(", "));
            if let Some(name) = missing.first() {
                let lines = cx.docker.last_lines(name).await;
                log = format!("{log}The last log lines of {name}:\n{lines}\n");
            }
            Err(Error::TimedOut {
                waiting_for,
                after,
                log,
            })
        }
        other => other,
    }
}

async fn carry_out(cx: &Context, spec: &Spec, shell: &Shell, step: &Step) -> Result<()> {
    let statements: Vec<(&'static str, &str, String)> = match step {
        Step::Init | Step::WaitForNodes => return Ok(()),
        Step::SpreadSystemRanges(constraints) => return spread(cx, shell, constraints).await,
        Step::Set(name, value) => vec![(
            "set cluster setting",
            name,
            format!("SET CLUSTER SETTING {name} = {}", names::text(value)),
        )],
        Step::Reset(name) => vec![(
            "reset cluster setting",
            name,
            format!("RESET CLUSTER SETTING {name}"),
        )],
        Step::SetLicense => {
            let key = names::text(spec.license.as_deref().unwrap_or_default());
            let statement = format!("SET CLUSTER SETTING {LICENSE} = {key}");
            vec![("set the licence of", spec.name.as_str(), statement)]
        }
        Step::ResetLicense => vec![(
            "reset the licence of",
            spec.name.as_str(),
            format!("RESET CLUSTER SETTING {LICENSE}"),
        )],
    };
    for (operation, object, statement) in statements {
        shell.sql(cx, operation, object, &statement).await?;
    }
    Ok(())
}

async fn spread(cx: &Context, shell: &Shell, constraints: &str) -> Result<()> {
    let constraints = names::text(constraints);
    let statements = SYSTEM.map(|target| Statement {
        operation: "configure the zone of",
        object: target,
        text: format!(
            "ALTER {target} CONFIGURE ZONE USING num_replicas = 5, constraints = {constraints}"
        ),
    });
    shell.all(cx, &statements).await.map(drop)
}

/// Spreads system ranges anew over these nodes, where they are spread: a region whose replicas are demanded cannot leave.
pub(in super::super) async fn respread(
    cx: &Context,
    shell: &Shell,
    topology: &Topology,
) -> Result<()> {
    let wanted = constraints(topology);
    let found = zones(cx, shell).await?;
    let are_spread = found
        .values()
        .all(|constraints| constraints.contains("+region"));
    if are_spread && is_spread_otherwise(&wanted, &found) {
        cx.tell(&format!("spread the system ranges: {wanted}"));
        spread(cx, shell, &wanted).await?;
    }
    Ok(())
}

/// Checks that the cluster can be removed. Changes nothing. Returns what there is.
///
/// # Errors
/// [`Error::NotEmpty`] where it holds tables, or gives no answer, and `force` is not said.
pub async fn admit_delete(cx: &Context, name: &str, force: bool) -> Result<Observed> {
    let observed = observe(cx, name, []).await?;
    if !force {
        let looking = refuse_loss(cx, name, &observed);
        cx.guard("asking what the cluster holds", looking).await?;
    }
    Ok(observed)
}

async fn refuse_loss(cx: &Context, name: &str, observed: &Observed) -> Result<()> {
    let refusal = |what: String| Error::NotEmpty {
        kind: "cluster of CockroachDB",
        name: name.to_owned(),
        what,
        remedy: Remedy::AllowLoss {
            field: FieldPath::of("force_destroy"),
            or: "Drop them first".to_owned(),
        },
    };
    let untold = || "possibly tables (it does not answer)".to_owned();
    let nodes: Vec<&Node> = observed.containers.iter().collect();
    // A store without a container may have had one that served.
    let may_hold = nodes.iter().any(|node| node.started_second() > 0)
        || observed.stores(name).count() > nodes.len();
    match (&observed.view, &observed.shell) {
        (View::Live(_), Some(shell)) => match tables(cx, shell).await {
            Ok(tables) if tables.is_empty() => Ok(()),
            Ok(tables) => Err(refusal(tables.join(", "))),
            Err(error) if silence(&error).is_some() => Err(refusal(untold())),
            Err(error) => Err(error),
        },
        (View::Silent(_) | View::Absent, _)
            if may_hold && !emptied::holds(cx, name, &nodes).await? =>
        {
            Err(refusal(untold()))
        }
        _ => Ok(()),
    }
}

/// Removes the cluster: all its containers and volumes here, of every region, and what Atlas made in the folder of its
/// authority, unless another cluster uses it.
///
/// # Errors
/// As [`admit_delete`]; what Docker says.
pub async fn delete(cx: &Context, spec: &Spec, force: bool) -> Result<()> {
    let _turn = begun::turn(cx, &begun(&spec.name)).await?;
    let observed = admit_delete(cx, &spec.name, force).await?;
    cx.guard("removing a cluster of CockroachDB", async {
        if !force {
            let nodes: Vec<&Node> = observed.containers.iter().collect();
            emptied::keep(cx, &spec.name, &nodes).await?;
        }
        cx.tell(&format!("remove all nodes of {}", spec.name));
        let removals = observed.containers.iter().map(|node| async {
            cx.docker.stop_container(&node.name, STOP).await?;
            cx.docker.remove_container(&node.name).await
        });
        futures_util::future::try_join_all(removals).await?;
        for volume in observed.stores(&spec.name) {
            cx.docker.remove_volume(volume).await?;
        }
        emptied::forget(cx, &spec.name).await?;
        begun::clear(cx, &begun(&spec.name)).await?;
        // What creates of its regions and databases left goes with it.
        for kind in [Kind::CockroachRegion, Kind::CockroachDatabase] {
            begun::clear_parts(cx, kind, &spec.name).await?;
        }
        match &spec.certificates {
            Some(folder) => forsake(cx, folder, &spec.name).await,
            None => Ok(()),
        }
    })
    .await
}

/// Removes what is in the folder for this cluster alone.
async fn forsake(cx: &Context, folder: &Path, cluster: &str) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    let user = user(cx, cluster).await?;
    let _alone = certificates::alone(cx, folder).await?;
    if let Some(why) = certificates::remove(folder, &user)? {
        cx.warn("The cluster's certificate authority was kept", why);
    }
    Ok(())
}
