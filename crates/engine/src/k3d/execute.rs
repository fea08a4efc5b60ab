//! Carries a plan out. Whatever is interrupted here is finished by the next run, because every step
//! looks at what is there before it acts.

use std::net::IpAddr;

use futures_util::future::try_join_all;

use super::desired::Desired;
use super::dns;
use super::kubectl;
use super::node::{self, NodeSpec, plan_node};
use super::observe::{Observed, observe};
use super::plan::{Plan, plan, plan_power};
use super::preflight::until_free;
use super::read::{desired_here, spec_of};
use super::spec::Spec;
use super::work::Work;
use super::{Role, STOP_SECONDS};
use crate::begun::{self, Begun};
use crate::bridge;
use crate::context::Context;
use crate::docker::Node;
use crate::error::{Error, Existing, Remedy, Result};
use crate::labels;
use crate::lock::Lock;
use crate::network;
use crate::path::FieldPath;
use crate::presence::Presence;

/// A cluster of which everything was checked and nothing changed. Nobody else creates or removes one of this name as long
/// as it is held.
pub struct Admitted {
    spec: Spec,
    observed: Option<Observed>,
    plan: Plan,
    _turn: Lock,
}

/// The mark of a cluster that is being created.
pub fn begun(name: &str) -> Begun {
    Begun::new(begun::Kind::Cluster, name)
}

/// Checks all that can be checked before a cluster is made, or one that an interrupted create left behind is
/// finished.
///
/// # Errors
/// [`Error::Exists`] where there is a cluster of this name that no interrupted create of Atlas left, whole or in part, or
/// one that differs; [`Error::Invalid`].
pub async fn admit(cx: &Context, spec: &Spec) -> Result<Admitted> {
    let turn = begun::turn(cx, &begun(&spec.name)).await?;
    let observed = observe(cx, &spec.name)
        .await?
        .filter(|found| !found.nodes.is_empty());
    let plan = plan(spec, observed.as_ref())?;
    if let Some(found) = &observed {
        let exists = |detail| Error::Exists {
            kind: "cluster",
            name: spec.name.clone(),
            detail,
            remedy: Remedy::ImportOrRename,
        };
        if !found.is_ours() || !plan.replace.is_empty() {
            return Err(exists(Existing::Differs));
        }
        if !begun::is_marked(cx, &begun(&spec.name)).await? {
            return Err(exists(Existing::NotBegun));
        }
    }
    drop(until_free(cx, spec, observed.as_ref(), &plan).await?);
    if let (Some(name), None) = (&spec.network, &observed)
        && cx
            .guard("looking up a network", cx.docker.network(name))
            .await?
            .is_none()
    {
        return Err(Error::invalid(
            FieldPath::of("network"),
            format!("there is no Docker network {name:?}."),
            Remedy::CreateNetwork { name: name.clone() },
        ));
    }
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
        Presence::of(self.observed.is_some())
    }

    /// Makes it, or finishes it. Its mark stays until [`begun::end`], which is for who records that it is made.
    ///
    /// # Errors
    /// [`Error::ImageMissing`] before anything was made; whatever fails on the way.
    pub async fn make(&mut self, cx: &Context) -> Result<Observed> {
        apply(cx, &self.spec, self.observed.take(), &self.plan, true).await
    }
}

/// Creates the cluster, or finishes one that an interrupted run left behind.
///
/// # Errors
/// As [`admit`], and whatever fails on the way.
pub async fn create(cx: &Context, spec: &Spec) -> Result<Observed> {
    let mut admitted = admit(cx, spec).await?;
    let made = admitted.make(cx).await?;
    begun::end(cx, &begun(&spec.name)).await;
    Ok(made)
}

/// Brings an existing cluster to what is wanted, in place.
///
/// # Errors
/// [`Error::NeedsReplacement`] where that cannot be done in place; nothing was changed then.
pub async fn update(cx: &Context, spec: &Spec) -> Result<Observed> {
    let observed = observe(cx, &spec.name).await?;
    let plan = plan(spec, observed.as_ref())?;
    if !plan.replace.is_empty() {
        let mut fields: Vec<String> = plan
            .replace
            .iter()
            .map(|one| one.field.to_owned())
            .collect();
        fields.dedup();
        return Err(Error::NeedsReplacement {
            kind: "cluster",
            name: spec.name.clone(),
            fields,
        });
    }
    let freed = until_free(cx, spec, observed.as_ref(), &plan).await?;
    let changed = apply(cx, spec, observed, &plan, false).await;
    if changed.is_err() {
        freed.restore(cx).await;
        return changed;
    }
    // Whoever changes it has it: an interrupted create of it is over.
    begun::end(cx, &begun(&spec.name)).await;
    changed
}

/// Removes the cluster with its volumes and, unless it is someone else's, its network. What is gone
/// already is as good.
pub async fn delete(cx: &Context, name: &str) -> Result<()> {
    let _turn = begun::turn(cx, &begun(name)).await?;
    let Some(observed) = observe(cx, name).await? else {
        return begun::clear(cx, &begun(name)).await;
    };
    cx.tell(&format!("deleting cluster {name}"));
    cx.guard(&format!("deleting cluster {name}"), async {
        // Everything with the label goes, helpers that are no nodes included.
        let label = format!("{}={name}", labels::CLUSTER);
        let all = cx.docker.containers(std::slice::from_ref(&label)).await?;
        try_join_all(
            all.iter()
                .map(|node| cx.docker.remove_container(&node.name)),
        )
        .await?;
        let app = format!("{}={}", labels::APP, labels::APP_VALUE);
        for volume in cx.docker.volumes(&[app, label]).await? {
            cx.docker.remove_volume(&volume).await?;
        }
        if !observed.network_external && observed.network.is_some() {
            network::remove(cx, &observed.network_name).await?;
        }
        Ok(())
    })
    .await
}

/// Starts every node that is stopped and waits until it is ready.
///
/// # Errors
/// [`Error::NotFound`] where there is no such cluster.
pub async fn start(cx: &Context, name: &str) -> Result<Observed> {
    let observed = existing(cx, name).await?;
    let plan = plan_power(&observed, true);
    let spec = spec_of(&observed).ok_or_else(|| absent(name))?;
    let work = Work {
        cx,
        spec: &spec,
        desired: &desired_here(&spec, Some(&observed))
            .map(|(_, desired)| desired)
            .unwrap_or_default(),
        observed: Some(&observed),
        plan: &plan,
    };
    work.start(&[]).await?;
    bridge::rejoin(cx, name).await?;
    existing(cx, name).await
}

/// Waits until every node that runs is ready: a run that was interrupted may have started them and not
/// waited. Where all are, which is what one call tells, nothing is done.
///
/// # Errors
/// As while a cluster is made: the node that does not become ready, with the end of its log.
pub async fn settle(cx: &Context, observed: &Observed) -> Result<()> {
    let (Some(server), Some(spec)) = (observed.server(), spec_of(observed)) else {
        return Ok(());
    };
    let ready = kubectl::ready_nodes(cx, &server.name).await;
    let mut nodes = observed.nodes.iter();
    let known = |(role, node): &(Role, Node)| {
        *role == Role::LoadBalancer || !node.state.running || ready.contains(&node.name)
    };
    if nodes.all(known) {
        return Ok(());
    }
    let work = Work {
        cx,
        spec: &spec,
        desired: &Desired::default(),
        observed: Some(observed),
        plan: &Plan::default(),
    };
    work.start(&[]).await
}

/// Stops every node that runs. Data, addresses and ports stay.
///
/// # Errors
/// [`Error::NotFound`] where there is no such cluster.
pub async fn stop(cx: &Context, name: &str) -> Result<Observed> {
    let observed = existing(cx, name).await?;
    let plan = plan_power(&observed, false);
    let stops = plan.steps.iter().map(|step| async {
        cx.tell(&format!("stopping {}", step.node()));
        cx.docker.stop_container(step.node(), STOP_SECONDS).await
    });
    cx.guard("stopping a cluster", try_join_all(stops)).await?;
    existing(cx, name).await
}

/// Adds an agent by its own name, or brings it to what is wanted.
///
/// # Errors
/// [`Error::NotFound`] where there is no such cluster.
pub async fn apply_node(cx: &Context, spec: &NodeSpec) -> Result<Observed> {
    let observed = existing(cx, &spec.cluster).await?;
    let plan = plan_node(spec, &observed)?;
    let cluster = spec_of(&observed).ok_or_else(|| absent(&spec.cluster))?;
    let desired = Desired {
        nodes: vec![node::labelled(spec, &observed)],
        upstreams: observed.upstreams.clone().unwrap_or_default(),
        settings: observed.settings.clone(),
    };
    let mut work = Work {
        cx,
        spec: &cluster,
        desired: &desired,
        observed: Some(&observed),
        plan: &plan,
    };
    work.images().await?;
    work.run().await?;
    bridge::rejoin(cx, &spec.cluster).await?;
    existing(cx, &spec.cluster).await
}

/// Drains and removes an agent that was added by its own name; one that is gone is as good.
pub async fn delete_node(cx: &Context, cluster: &str, name: &str) -> Result<()> {
    let Some(observed) = observe(cx, cluster).await? else {
        return Ok(());
    };
    let plan = node::plan_delete(name, &observed);
    let spec = Spec::new(cluster, "", "");
    let work = Work {
        cx,
        spec: &spec,
        desired: &Desired::default(),
        observed: Some(&observed),
        plan: &plan,
    };
    work.remove_nodes().await
}

async fn existing(cx: &Context, name: &str) -> Result<Observed> {
    let observed = observe(cx, name).await?;
    let found = observed.filter(|found| found.server().is_some());
    found.ok_or_else(|| absent(name))
}

fn absent(name: &str) -> Error {
    Error::NotFound {
        kind: "cluster",
        name: name.to_owned(),
        remedy: "`k3d cluster list` lists them.".into(),
    }
}

async fn apply(
    cx: &Context,
    spec: &Spec,
    observed: Option<Observed>,
    plan: &Plan,
    creates: bool,
) -> Result<Observed> {
    let mut wanted = spec.clone();
    if observed
        .as_ref()
        .is_none_or(|found| found.server().is_none())
    {
        reach(&mut wanted, cx.docker.other_machine());
    }
    let (spec, desired) = desired_here(&wanted, observed.as_ref())?;
    let mut work = Work {
        cx,
        spec: &spec,
        desired: &desired,
        observed: observed.as_ref(),
        plan,
    };
    work.images().await?;
    if creates {
        begun::mark(cx, &begun(&spec.name)).await?;
    }
    work.run().await?;
    if spec.host_ip_injection && observed.as_ref().is_none_or(Observed::is_ours) {
        let server = super::node_name(&spec.name, Role::Server, 0);
        dns::name_host(cx, &server, &spec.network_name()).await;
    }
    bridge::rejoin(cx, &spec.name).await?;
    observe(cx, &spec.name)
        .await?
        .ok_or_else(|| Error::NotFound {
            kind: "cluster",
            name: spec.name.clone(),
            remedy: Remedy::TryAgain {
                why: "It was removed right after it was created".to_owned(),
            },
        })
}

/// A new cluster on the daemon of another machine is reached there, unless the user says where.
fn reach(spec: &mut Spec, machine: Option<String>) {
    let api = &mut spec.kube_api;
    let says_where = |ip: IpAddr| !ip.is_loopback() && !ip.is_unspecified();
    if api.host.is_none() && !api.host_ip.is_some_and(says_where) {
        api.host = machine;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubeconfigs_of_a_remote_daemons_clusters_name_its_machine_unless_the_user_says_where() {
        for (host, host_ip, expected) in [
            (None, None, Some("box")),
            (None, Some("0.0.0.0"), Some("box")),
            (None, Some("10.0.0.9"), None),
            (Some("api.example"), None, Some("api.example")),
        ] {
            let mut spec = Spec::new("demo", "node:1", "lb:1");
            spec.kube_api.host = host.map(str::to_owned);
            spec.kube_api.host_ip = host_ip.map(|ip: &str| ip.parse().unwrap());
            reach(&mut spec, Some("box".to_owned()));
            assert_eq!(
                spec.kube_api.host.as_deref(),
                expected,
                "{host:?} {host_ip:?}"
            );
            let names = crate::k3d::desired::own_tls_sans(&spec);
            assert!(
                expected.is_none_or(|host| names.contains(host)),
                "{names:?}"
            );
        }
        let mut here = Spec::new("demo", "node:1", "lb:1");
        reach(&mut here, None);
        assert_eq!(here.kube_api.host, None);
    }
}
