//! Makes, changes and removes bridges.

use futures_util::future::{join_all, try_join_all};

use super::network_name;
use super::observe::{Observed, clusters_of, members, observe};
use super::plan::{Plan, Step, in_the_way, plan, plan_with_room};
use super::spec::{Spec, spec_of};
use super::work::{carry_out, leave, set_names};
use crate::begun::{self, Begun};
use crate::context::Context;
use crate::error::{Error, Existing, Remedy, Result};
use crate::labels;
use crate::lock::{self, Lock};
use crate::network::{self, Patience};
use crate::path::FieldPath;
use crate::presence::Presence;

/// The lock of all bridges: two that share a cluster share its DNS.
const LOCK: &str = "bridges";

/// The mark of a bridge that is being created.
pub fn begun(name: &str) -> Begun {
    Begun::new(begun::Kind::Bridge, name)
}

/// A bridge of which everything was checked and nothing changed. Other runs wait until it is dropped.
pub struct Admitted {
    spec: Spec,
    observed: Observed,
    todo: Plan,
    lock: Lock,
}

/// Checks all that can be checked before a bridge is made, or one that an interrupted create left behind is finished.
///
/// # Errors
/// [`Error::Exists`] where there is a bridge of this name that no interrupted create of Atlas left, or one with other
/// members: they would be taken off it. A member that does not exist, overlapping networks.
pub async fn admit(cx: &Context, spec: &Spec) -> Result<Admitted> {
    let admitted = look(cx, spec).await?;
    if admitted.observed.network.is_some() {
        let marked = begun::is_marked(cx, &begun(&spec.name)).await?;
        let undeclared = undeclared(spec, &admitted.observed);
        if let Some(error) = refused_takeover(&spec.name, &undeclared, marked) {
            return Err(error);
        }
    }
    Ok(admitted)
}

/// The clusters on a bridge that the specification does not name: they would leave it.
pub fn undeclared(spec: &Spec, observed: &Observed) -> Vec<String> {
    let Some(found) = spec_of(&spec.name, observed) else {
        return Vec::new();
    };
    let clusters = found.clusters().map(str::to_owned);
    clusters
        .filter(|name| !spec.clusters().any(|declared| declared == name))
        .collect()
}

/// Why a create leaves a bridge that is there as it is; `None` where an interrupted create left it.
fn refused_takeover(name: &str, undeclared: &[String], marked: bool) -> Option<Error> {
    let (detail, or) = match undeclared {
        [] if marked => return None,
        [] => (Existing::NotBegun, "remove it first".to_owned()),
        _ => (
            Existing::Differs,
            format!(
                "take those clusters off it that are not declared here ({})",
                undeclared.join(", ")
            ),
        ),
    };
    Some(Error::Exists {
        kind: "bridge",
        name: name.to_owned(),
        detail,
        remedy: Remedy::ImportOrRename { or },
    })
}

/// Checks the bridge. What is in the way and may be going is waited for, without the turn: bridges take it to go.
async fn look(cx: &Context, spec: &Spec) -> Result<Admitted> {
    let mut patience = Patience::new(cx);
    loop {
        let admitted = look_now(cx, spec).await?;
        let existing = network::list(cx, None).await?;
        let found = in_the_way(spec, &admitted.observed, &existing);
        if found.is_empty() {
            return Ok(admitted);
        }
        drop(admitted);
        patience.wants_more(cx, found).await?;
    }
}

async fn look_now(cx: &Context, spec: &Spec) -> Result<Admitted> {
    let lock = lock::take(cx, LOCK).await?;
    let observed = observe(cx, &spec.name, &names(spec)).await?;
    let todo = plan_with_room(spec, &observed)?;
    for (position, name) in names(spec).iter().enumerate() {
        if !observed.clusters.contains_key(name) {
            let path = FieldPath::of("clusters").index(position).name("name");
            return Err(Error::invalid(
                path,
                format!("there is no cluster {name:?}."),
                Remedy::CreateCluster { name: name.clone() },
            ));
        }
    }
    if !todo.replace.is_empty() {
        let fields = todo
            .replace
            .iter()
            .map(|field| (*field).to_owned())
            .collect();
        return Err(Error::NeedsReplacement {
            kind: "bridge",
            name: spec.name.clone(),
            fields,
        });
    }
    Ok(Admitted {
        spec: spec.clone(),
        observed,
        todo,
        lock,
    })
}

impl Admitted {
    /// Whether an interrupted create left something of it.
    pub fn presence(&self) -> Presence {
        Presence::of(self.observed.network.is_some())
    }

    /// Makes it, or finishes it.
    ///
    /// # Errors
    /// Whatever fails on the way.
    pub async fn make(self, cx: &Context) -> Result<Observed> {
        begun::mark(cx, &begun(&self.spec.name)).await?;
        self.carry_out(cx).await
    }

    async fn carry_out(self, cx: &Context) -> Result<Observed> {
        let Self {
            spec,
            observed,
            todo,
            lock,
        } = self;
        carry_out(cx, &spec, &todo).await?;
        let now = observe(cx, &spec.name, &names(&spec)).await?;
        // Whoever changes it has it: an interrupted create of it is over.
        begun::end(cx, &begun(&spec.name)).await;
        drop(lock);
        tell_what_is_left(cx, &spec, &now);
        let left = observed.clusters.keys();
        let left = left.filter(|name| !spec.clusters().any(|declared| declared == *name));
        on_other_bridges(cx, left).await?;
        Ok(now)
    }
}

/// Warns of what a run could not do, with the reason.
fn tell_what_is_left(cx: &Context, spec: &Spec, now: &Observed) {
    let Ok(left) = plan(spec, now) else {
        return;
    };
    let mut details: Vec<String> = left.left_out().collect();
    if !left.steps.is_empty() {
        let steps: Vec<String> = left.steps.iter().map(Step::summary).collect();
        details.push(format!(
            "Something changed while this run was under way, a node that stopped or started for instance, and is seen \
             and mended by the next one: {}.",
            steps.join(", ")
        ));
    }
    if !details.is_empty() {
        let summary = format!("Bridge {} could not be looked after in full", spec.name);
        cx.warn(summary, details.join(" "));
    }
}

fn names(spec: &Spec) -> Vec<String> {
    spec.clusters().map(str::to_owned).collect()
}

/// Makes the bridge, or finishes one that an interrupted create left.
///
/// # Errors
/// As [`admit`], and whatever fails on the way.
pub async fn create(cx: &Context, spec: &Spec) -> Result<Observed> {
    admit(cx, spec).await?.make(cx).await
}

/// Brings an existing bridge to what is wanted: members that are not named any more leave it.
///
/// # Errors
/// A member that does not exist, overlapping networks, a change that needs another bridge, and whatever fails on the way.
pub async fn apply(cx: &Context, spec: &Spec) -> Result<Observed> {
    look(cx, spec).await?.carry_out(cx).await
}

/// Takes routes, names and attachments back and removes the transit network.
pub async fn delete(cx: &Context, name: &str) -> Result<()> {
    let lock = lock::take(cx, LOCK).await?;
    let observed = observe(cx, name, &[]).await?;
    cx.tell(&format!("removing bridge {name}"));
    let views = || observed.clusters.values();
    let told = views()
        .filter(|view| view.stub_zones.is_some())
        .filter_map(|view| view.server.as_ref());
    let told = told.map(|server| async move {
        // Names that lead nowhere do less harm than a bridge that cannot be removed.
        if let Err(error) = set_names(cx, name, server, None).await {
            cx.warn(
                format!("The DNS of {server} keeps the names of bridge {name}"),
                format!("It could not be told that they are gone: {error}"),
            );
        }
    });
    join_all(told).await;
    let nodes = views().flat_map(|view| &view.nodes);
    let nodes = nodes.filter(|node| node.attached || node.script.is_some());
    try_join_all(nodes.map(|node| leave(cx, name, &node.name, node.running))).await?;
    cx.guard("removing the transit network", async {
        let transit = network_name(name);
        // Also nodes of clusters that have no server any more; what is not k3d's keeps the network.
        for node in cx.docker.containers_on(&transit).await? {
            if node.label(labels::CLUSTER).is_some() {
                cx.docker.detach(&transit, &node.name).await?;
            }
        }
        cx.docker.remove_network(&transit).await?;
        begun::clear(cx, &begun(name)).await
    })
    .await?;
    drop(lock);
    on_other_bridges(cx, observed.clusters.keys()).await
}

/// A zone that this bridge defined may be another's to define now.
async fn on_other_bridges(cx: &Context, clusters: impl Iterator<Item = &String>) -> Result<()> {
    for cluster in clusters {
        rejoin(cx, cluster).await?;
    }
    Ok(())
}

/// Puts a cluster's new nodes on every bridge that the cluster is on, and a cluster that was made anew on
/// every bridge that it was on. A cluster is well without its bridges: what fails there is warned of, and mended by the
/// next change of the bridge, whose plan shows it.
///
/// # Errors
/// That the user stopped it, or its time is up.
pub async fn rejoin(cx: &Context, cluster: &str) -> Result<()> {
    match rejoin_all(cx, cluster).await {
        Err(error @ (Error::Cancelled { .. } | Error::TimedOut { .. })) => Err(error),
        Err(error) => {
            warn_of(cx, cluster, "its bridges", &error);
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn warn_of(cx: &Context, cluster: &str, bridge: &str, error: &Error) {
    let summary = format!("Cluster {cluster} could not join {bridge}");
    let detail = format!(
        "The cluster itself is well, and the plan of the bridge shows what is missing. {error}"
    );
    cx.warn(summary, detail);
}

async fn rejoin_all(cx: &Context, cluster: &str) -> Result<()> {
    let bridges = network::list(cx, Some(labels::ATLAS_BRIDGE)).await?;
    if bridges.is_empty() {
        return Ok(());
    }
    let _lock = lock::take(cx, LOCK).await?;
    for network in bridges {
        let Some(name) = network.labels.get(labels::ATLAS_BRIDGE) else {
            continue;
        };
        // Looked at from outside first: what other clusters do is no business of this one.
        let looking = async {
            let attached = cx.docker.containers_on(&network.name).await?;
            if clusters_of(&attached).contains(cluster) {
                return Ok(true);
            }
            let members = members(cx, name, &network, &attached).await?;
            Ok(members.iter().any(|member| member == cluster))
        };
        if !cx.guard("looking who is on a bridge", looking).await? {
            continue;
        }
        let mut observed = observe(cx, name, &[cluster.to_owned()]).await?;
        // Others that are being made join by themselves, once they are whole.
        observed.clusters.retain(|other, view| {
            other == cluster || view.server.is_some() || view.nodes.iter().any(|node| node.attached)
        });
        let Some(spec) = spec_of(name, &observed).filter(|spec| spec.members.len() > 1) else {
            continue;
        };
        let joined = match plan(&spec, &observed) {
            Ok(todo) => carry_out(cx, &spec, &todo).await,
            Err(error) => Err(error),
        };
        match joined {
            Err(error @ (Error::Cancelled { .. } | Error::TimedOut { .. })) => return Err(error),
            Err(error) => warn_of(cx, cluster, &format!("bridge {name}"), &error),
            Ok(()) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_create_takes_only_a_bridge_that_an_interrupted_create_left() {
        assert!(refused_takeover("world", &[], true).is_none());
        let text = refused_takeover("world", &[], false).map(|error| error.to_string());
        let text = text.unwrap_or_default();
        for part in ["bridge world", "not begun by this create", "Take it over"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn members_that_would_be_taken_off_are_named_whoever_began_the_bridge() {
        let others = ["ap".to_owned(), "sa".to_owned()];
        for marked in [false, true] {
            let text = refused_takeover("world", &others, marked).map(|error| error.to_string());
            let text = text.unwrap_or_default();
            for part in ["bridge world", "ap, sa", "Take it over"] {
                assert!(text.contains(part), "{part} in {text}");
            }
        }
    }
}
