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

/// What a bridge is looked at for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Create,
    Change,
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
    look(cx, spec, Purpose::Create).await
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
fn refused_takeover(spec: &Spec, found: Option<&Spec>, marked: bool) -> Option<Error> {
    let is_declared = |cluster| spec.clusters().any(|declared| declared == cluster);
    let refused = |detail| {
        Some(Error::Exists {
            kind: "bridge",
            name: spec.name.clone(),
            detail,
            remedy: Remedy::ImportOrRename,
        })
    };
    let Some(found) = found else {
        // Its network has no subnet.
        return refused(Existing::Differs);
    };
    if marked && found.subnet == spec.subnet && found.clusters().all(is_declared) {
        return None;
    }
    let clusters: Vec<&str> = found.clusters().collect();
    let clusters = match clusters.as_slice() {
        [] => "no clusters".to_owned(),
        [one] => format!("cluster {one}"),
        several => format!("clusters {}", several.join(", ")),
    };
    refused(Existing::Found(
        format!("with subnet {} ({clusters})", found.subnet).into(),
    ))
}

/// Checks the bridge. What is in the way and may be going is waited for, without the turn: bridges take it to go.
async fn look(cx: &Context, spec: &Spec, purpose: Purpose) -> Result<Admitted> {
    let mut patience = Patience::new(cx);
    loop {
        let admitted = look_now(cx, spec, purpose).await?;
        let existing = network::list(cx, None).await?;
        let found = in_the_way(spec, &admitted.observed, &existing);
        if found.is_empty() {
            return Ok(admitted);
        }
        drop(admitted);
        patience.wants_more(cx, found).await?;
    }
}

async fn look_now(cx: &Context, spec: &Spec, purpose: Purpose) -> Result<Admitted> {
    let lock = lock::take(cx, LOCK).await?;
    let observed = observe(cx, &spec.name, &names(spec)).await?;
    if purpose == Purpose::Create && observed.network.is_some() {
        let marked = begun::is_marked(cx, &begun(&spec.name)).await?;
        let found = spec_of(&spec.name, &observed);
        if let Some(error) = refused_takeover(spec, found.as_ref(), marked) {
            return Err(error);
        }
    }
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
            "Something changed during this run, for instance a node stopped or started. The next run repairs it: {}.",
            steps.join(", ")
        ));
    }
    if !details.is_empty() {
        let summary = format!("Bridge {} is not complete", spec.name);
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
    look(cx, spec, Purpose::Change).await?.carry_out(cx).await
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
                format!("The DNS of {server} still has the names of bridge {name}"),
                format!("Cannot remove them: {error}"),
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
        "The cluster itself works, and the plan of the bridge shows what is missing. {error}"
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
        if !cx
            .guard("looking up the members of a bridge", looking)
            .await?
        {
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
    use super::super::spec::Member;
    use super::*;

    fn bridge(subnet: &str, clusters: &[&str]) -> Spec {
        let member = |cluster: &&str| Member {
            cluster: (*cluster).to_owned(),
            cluster_cidr: None,
            service_cidr: None,
        };
        Spec {
            name: "world".to_owned(),
            subnet: subnet.parse().unwrap(),
            members: clusters.iter().map(member).collect(),
            dns: true,
            domain: "atlas.internal".to_owned(),
        }
    }

    #[test]
    fn a_create_names_the_bridge_that_it_does_not_take() {
        let found = bridge("10.80.0.0/24", &["dc-us", "dc-eu"]);
        let asked = bridge("10.81.0.0/24", &["a", "b"]);
        for marked in [false, true] {
            let told =
                refused_takeover(&asked, Some(&found), marked).map(|error| error.to_string());
            assert_eq!(
                told.as_deref(),
                Some(
                    "A bridge named \"world\" already exists with subnet 10.80.0.0/24 (clusters dc-us, dc-eu). \
                     Use what exists, or choose another name."
                )
            );
        }
        assert!(refused_takeover(&found, Some(&found), false).is_some());
        assert!(refused_takeover(&found, Some(&found), true).is_none());
        let without_a_member = bridge("10.80.0.0/24", &["dc-us"]);
        assert!(refused_takeover(&found, Some(&without_a_member), true).is_none());
    }
}
