//! Takes nodes out of their cluster, and away.

use super::admit::begun;
use super::execute::{STOP, Work};
use super::observe::{Member, Observed, observe};
use super::plan::Step;
use super::spec::Spec;
use super::wait::ask_others;
use crate::begun as mark;
use crate::cockroachdb::stage::has_served;
use crate::cockroachdb::topology::{Membership, View};
use crate::cockroachdb::{cluster, database, emptied, names, turn};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::labels;

impl Work<'_> {
    /// Takes nodes out of the cluster, then away.
    pub(super) async fn remove(&self, numbers: &[u32]) -> Result<()> {
        let _turn = turn(self.cx, &self.spec.cluster).await?;
        self.leave(numbers).await?;
        for number in numbers {
            self.discard(*number).await?;
        }
        Ok(())
    }

    async fn leave(&self, numbers: &[u32]) -> Result<()> {
        let names: Vec<String> = numbers.iter().map(|number| self.name(*number)).collect();
        let (view, shell) = ask_others(self.cx, &self.spec.cluster, &names).await?;
        let (topology, shell) = match (view, shell) {
            (View::Live(topology), Some(shell)) => (topology, shell),
            // Nothing was ever in them.
            (View::Uninitialized, _) => return Ok(()),
            _ => return Err(silent(&self.spec.cluster, &self.spec.name)),
        };
        let address = |number: &u32| names::address(&self.spec.cluster, &self.spec.name, *number);
        let ids: Vec<u64> = numbers
            .iter()
            .filter_map(|number| topology.at(&address(number)))
            .filter(|node| node.membership != Membership::Decommissioned)
            .map(|node| node.id)
            .collect();
        if ids.is_empty() {
            return Ok(());
        }
        let mut after = topology;
        for node in after.nodes.iter_mut().filter(|node| ids.contains(&node.id)) {
            node.membership = Membership::Decommissioning;
        }
        cluster::respread(self.cx, &shell, &after).await?;
        shell.decommission(self.cx, &ids).await
    }

    /// Removes a node's container and volume.
    pub(super) async fn discard(&self, number: u32) -> Result<()> {
        let name = self.name(number);
        self.cx.docker.stop_container(&name, STOP).await?;
        self.cx.docker.remove_container(&name).await?;
        self.cx.docker.remove_volume(&name).await
    }
}

fn silent(cluster: &str, region: &str) -> Error {
    Error::NotEmpty {
        kind: "region of CockroachDB",
        name: format!("{cluster}/{region}"),
        what: "replicas that no other node can take now".to_owned(),
        remedy: "No other node of the cluster answers. Start the other regions first.".into(),
    }
}

/// Takes the region's nodes out of the cluster, and removes them with their volumes; what is gone already is as good.
///
/// # Errors
/// [`Error::NotEmpty`] where data would be lost: the last region of a cluster that holds tables, or one whose replicas
/// cannot go elsewhere. [`Error::Cockroach`] where a database still uses the region, or nodes cannot be decommissioned.
pub async fn delete(cx: &Context, cluster: &str, region: &str) -> Result<()> {
    let _turn = mark::turn(cx, &begun(cluster, region)).await?;
    remove(cx, cluster, region).await?;
    mark::clear(cx, &begun(cluster, region)).await
}

/// Removes what a create of the region left that failed, as [`delete`] does. What another create has finished since is that
/// one's, and stays.
///
/// # Errors
/// As [`delete`].
pub async fn delete_begun(cx: &Context, cluster: &str, region: &str) -> Result<()> {
    let _turn = mark::turn(cx, &begun(cluster, region)).await?;
    if !mark::is_marked(cx, &begun(cluster, region)).await? {
        cx.warn(
            format!("The region {cluster}/{region} was not removed"),
            "A failed create left it, and another run has finished it since then. It belongs to that run now.",
        );
        return Ok(());
    }
    remove(cx, cluster, region).await?;
    mark::clear(cx, &begun(cluster, region)).await
}

/// Checks that the region can be removed, as far as that can be told before its nodes are decommissioned. Changes nothing.
///
/// # Errors
/// As [`delete`].
pub async fn admit_delete(cx: &Context, cluster: &str, region: &str) -> Result<()> {
    let observed = observe(cx, cluster, region).await?;
    if observed.is_gone() {
        return Ok(());
    }
    let looking = async {
        refuse_users(cx, &observed).await?;
        holds_nothing(cx, &observed).await.map(drop)
    };
    cx.guard("asking what the region holds", looking).await
}

/// Refuses to remove a region that databases use.
async fn refuse_users(cx: &Context, observed: &Observed) -> Result<()> {
    let (View::Live(_), Some(shell)) = (&observed.view, &observed.shell) else {
        return Ok(());
    };
    let users = database::using(cx, shell, &observed.region).await?;
    if users.is_empty() {
        return Ok(());
    }
    Err(Error::NotEmpty {
        kind: "region of CockroachDB",
        name: format!("{}/{}", observed.cluster, observed.region),
        what: format!("replicas that databases place there ({})", users.join(", ")),
        remedy: "Drop the region from these databases first.".into(),
    })
}

/// Whether its nodes can be discarded, because they hold nothing.
async fn holds_nothing(cx: &Context, observed: &Observed) -> Result<bool> {
    if is_empty(cx, observed).await? {
        return Ok(true);
    }
    let serves = matches!(observed.view, View::Live(_));
    Ok(!serves && emptied::holds(cx, &observed.cluster, &observed.around()).await?)
}

async fn remove(cx: &Context, cluster: &str, region: &str) -> Result<()> {
    let observed = observe(cx, cluster, region).await?;
    if observed.is_gone() {
        return Ok(());
    }
    cx.oversee("removing a region of CockroachDB", async {
        let mut numbers: Vec<u32> = observed.volumes.iter().copied().collect();
        numbers.extend(observed.members.iter().map(|one| one.found.number));
        numbers.sort_unstable();
        numbers.dedup();
        let spec = Spec {
            cluster: cluster.to_owned(),
            name: region.to_owned(),
            ..Spec::default()
        };
        let work = Work {
            cx,
            spec: &spec,
            observed: &observed,
            authority: None,
        };
        cx.tell(&Step::RemoveNodes(numbers.clone()).summary(cluster, region));
        refuse_users(cx, &observed).await?;
        let nodes = observed.around();
        let is_last = observed.neighbours.is_empty();
        let serves = matches!(observed.view, View::Live(_));
        if holds_nothing(cx, &observed).await? {
            // Of other regions it says nothing.
            if is_last && serves {
                emptied::keep(cx, cluster, &nodes).await?;
            }
            for number in &numbers {
                work.discard(*number).await?;
            }
            if is_last {
                emptied::forget(cx, cluster).await?;
            }
            return Ok(());
        }
        work.remove(&numbers).await
    })
    .await
}

/// Whether nothing is lost with these nodes, though no other takes their replicas.
async fn is_empty(cx: &Context, observed: &Observed) -> Result<bool> {
    let never_started = |member: &Member| member.container.started_second() == 0;
    match (&observed.view, &observed.shell) {
        (View::Uninitialized, _) => Ok(true),
        (View::Silent(_) | View::Absent, _) if never_served(cx, observed).await => Ok(true),
        (View::Absent, _) => Ok(observed.neighbours.is_empty()
            && observed.members.iter().all(never_started)
            && observed.volumes.len() <= observed.members.len()),
        (View::Live(topology), Some(shell)) => {
            let elsewhere = topology
                .members()
                .any(|node| node.tier("region") != Some(observed.region.as_str()));
            if elsewhere {
                return Ok(false);
            }
            let tables = cluster::tables(cx, shell).await?;
            if tables.is_empty() {
                return Ok(true);
            }
            Err(Error::NotEmpty {
                kind: "region of CockroachDB",
                name: format!("{}/{}", observed.cluster, observed.region),
                what: format!("the only replicas of {}", tables.join(", ")),
                remedy: "Move or drop these tables first.".into(),
            })
        }
        _ => Ok(false),
    }
}

/// Whether no node here ever served, each on a store that was made with it: what ended before it was part of a cluster
/// holds nothing.
async fn never_served(cx: &Context, observed: &Observed) -> bool {
    if observed.members.is_empty() || observed.volumes.len() > observed.members.len() {
        return false;
    }
    for node in observed.members.iter().map(|member| &member.container) {
        let is_new = node.label(labels::ATLAS_COCKROACHDB_NEW_STORE).is_some();
        if !is_new || has_served(cx, node).await.unwrap_or(true) {
            return false;
        }
    }
    true
}
