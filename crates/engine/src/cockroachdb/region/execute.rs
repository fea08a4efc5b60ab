//! Makes, changes and removes a region's nodes.

use futures_util::future::try_join_all;

use super::admit::{admit_change, begun};
use super::container::{container, own_labels};
use super::observe::{Member, Observed, observe};
use super::plan::{Around, Plan, Step, plan};
use super::spec::{Placement, Spec};
use super::wait::{ask_others, until_count, until_dead, until_free, until_member, until_whole};
use crate::begun as mark;
use crate::cockroachdb::certificates::{Authority, DAY};
use crate::cockroachdb::names::{self, CERTIFICATES};
use crate::cockroachdb::stage::{SERVES, WAITS};
use crate::cockroachdb::topology::View;
use crate::cockroachdb::{certificates, cluster, emptied, turn, user};
use crate::context::Context;
use crate::docker::File;
use crate::error::{Error, Result};
use crate::network::address::{self, Turn};
use crate::{labels, ready};

/// Seconds that a node gets to drain and end by itself; the vendor's operator gives as many.
pub(super) const STOP: i32 = 300;

/// Brings the region to what is wanted.
///
/// Where the cluster serves already, it waits until new nodes are part of it. Before that, nodes are started, and the
/// cluster's `init` waits for them.
///
/// # Errors
/// As [`super::admit`]; [`Error::NeedsReplacement`]; what Docker and the cluster say; [`Error::NodeFailed`] with a node's log
/// where it ends instead of serving.
pub async fn apply(cx: &Context, spec: &Spec) -> Result<Observed> {
    let observed = admit_change(cx, spec).await?;
    carry_out(cx, spec, observed).await
}

/// The same for what was admitted.
pub(super) async fn carry_out(cx: &Context, spec: &Spec, observed: Observed) -> Result<Observed> {
    let plan = plan(spec, &observed, &Around::now(spec));
    if !plan.replace().is_empty() {
        return Err(Error::NeedsReplacement {
            kind: "region of CockroachDB",
            name: format!("{}/{}", spec.cluster, spec.name),
            fields: plan.replace().into_iter().map(str::to_owned).collect(),
        });
    }
    cx.oversee("bringing up a region of CockroachDB", async {
        // First of all: an image that cannot be had leaves the world as it was.
        let makes = |step: &Step| matches!(step, Step::CreateNode(_) | Step::RemakeNode(_));
        if plan.steps.iter().any(makes) {
            cx.docker.ensure_image(&spec.image).await?;
        }
        if !plan.steps.is_empty() {
            // It is to be filled.
            emptied::forget(cx, &spec.cluster).await?;
        }
        if observed.is_gone() && spec.placement == Placement::Docker {
            mark::mark(cx, &begun(&spec.cluster, &spec.name)).await?;
        }
        let work = Work {
            cx,
            spec,
            observed: &observed,
            authority: authority(cx, spec).await?,
        };
        work.carry_out(&plan).await
    })
    .await?;
    let now = observe(cx, &spec.cluster, &spec.name).await?;
    // Whoever changes it has it: a create of it that was interrupted is over. Last of all, so that a kill leaves the mark.
    mark::end(cx, &begun(&spec.cluster, &spec.name)).await;
    Ok(now)
}

/// The cluster's authority, made where there is none. Regions are made at the same time, by several processes.
async fn authority(cx: &Context, spec: &Spec) -> Result<Option<Authority>> {
    let Some(folder) = &spec.certificates else {
        return Ok(None);
    };
    let _alone = certificates::alone(cx, folder).await?;
    Authority::ensure(folder, &user(cx, &spec.cluster).await?).map(Some)
}

/// What is under way.
pub(super) struct Work<'a> {
    pub(super) cx: &'a Context,
    pub(super) spec: &'a Spec,
    pub(super) observed: &'a Observed,
    pub(super) authority: Option<Authority>,
}

impl Work<'_> {
    async fn carry_out(&self, plan: &Plan) -> Result<()> {
        let tell = |step: &Step| {
            let spec = self.spec;
            self.cx.tell(&step.summary(&spec.cluster, &spec.name));
        };
        for step in &plan.steps {
            match step {
                // With the authority, before everything else.
                Step::Renew(_) => tell(step),
                Step::WipeNode(number) => {
                    tell(step);
                    self.discard(*number).await?;
                }
                Step::RecommissionNode(number) => {
                    tell(step);
                    self.recommission(*number).await?;
                }
                Step::RenewCertificate(number) => {
                    tell(step);
                    self.renew(*number).await?;
                }
                _ => {}
            }
        }
        let starting = plan.steps.iter().filter_map(|step| match step {
            Step::CreateNode(number) | Step::StartNode(number) | Step::AwaitNode(number) => {
                tell(step);
                Some(self.start(*number, matches!(step, Step::CreateNode(_))))
            }
            _ => None,
        });
        try_join_all(starting).await?;
        let joined = |step: &Step| {
            use Step::{AwaitNode, CreateNode, RecommissionNode};
            matches!(step, CreateNode(_) | AwaitNode(_) | RecommissionNode(_))
        };
        if matches!(self.observed.view, View::Live(_)) && plan.steps.iter().any(joined) {
            self.spread().await?;
        }
        for step in &plan.steps {
            match step {
                Step::WaitForNodes(count) => {
                    tell(step);
                    until_count(self.cx, self.observed, &self.spec.regions, *count).await?;
                }
                Step::ForgetMembers(ids) => {
                    tell(step);
                    self.forget(ids).await?;
                }
                Step::RemakeNode(number) => {
                    tell(step);
                    self.remake(*number).await?;
                }
                Step::RemoveNodes(numbers) => {
                    tell(step);
                    self.remove(numbers).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn name(&self, number: u32) -> String {
        names::node(&self.spec.cluster, &self.spec.name, number)
    }

    async fn runs(&self, number: u32) -> Result<bool> {
        let container = self.cx.docker.container(&self.name(number)).await?;
        Ok(container.is_some_and(|container| container.state.running))
    }

    async fn create(&self, number: u32) -> Result<()> {
        let name = self.name(number);
        let node = self.spec.node(number);
        // One that is made anew, or that an earlier run began to remove.
        let before = self.cx.docker.container(&name).await?;
        let before = address::fixed(before.as_ref(), &node.network);
        self.cx.docker.remove_container(&name).await?;
        let is_new = !self.cx.docker.has_volume(&name).await?;
        let volume_labels = own_labels(self.spec, number);
        self.cx.docker.ensure_volume(&name, &volume_labels).await?;
        let mut made = container(self.spec, &node);
        if is_new {
            let label = labels::ATLAS_COCKROACHDB_NEW_STORE.to_owned();
            made.labels.insert(label, "true".to_owned());
        }
        let mut turn = Turn::take(self.cx, &node.network).await?;
        turn.place(&mut made, before)?;
        self.cx.docker.create_container(&made).await?;
        drop(turn);
        self.furnish(number).await
    }

    /// Puts a new certificate, root's and the authority's into a node's container.
    async fn furnish(&self, number: u32) -> Result<()> {
        let Some(authority) = &self.authority else {
            return Ok(());
        };
        let names = self.spec.host_names(&self.spec.node(number));
        let node = authority.node(&names, self.spec.certificate_days)?;
        // Its own, which is renewed with the node's: the folder's may be older.
        let root = authority.client("root", DAY * self.spec.certificate_days)?;
        let file = |name: &str, text: &str, mode: u32| File {
            path: format!("{CERTIFICATES}/{name}"),
            content: text.as_bytes().to_vec(),
            mode,
        };
        let files = [
            file("ca.crt", &authority.certificate, 0o644),
            file("client.root.crt", &root.certificate, 0o644),
            file("client.root.key", &root.key, 0o600),
            file("node.key", &node.key, 0o600),
            // The one that is looked at comes last: where it is new, all are.
            file("node.crt", &node.certificate, 0o644),
        ];
        self.cx.docker.put_files(&self.name(number), &files).await
    }

    async fn renew(&self, number: u32) -> Result<()> {
        self.furnish(number).await?;
        let runs = |member: &Member| member.container.state.running;
        if self.observed.member(number).is_some_and(runs) {
            // Documented: a node reads its certificates again.
            let name = self.name(number);
            let told = self.cx.docker.signal_container(&name, "SIGHUP").await;
            if told.is_err() && self.runs(number).await? {
                return told;
            }
        }
        Ok(())
    }

    /// Starts a node, and waits as far as it can come without its cluster.
    async fn start(&self, number: u32, is_new: bool) -> Result<()> {
        let name = self.name(number);
        if is_new {
            self.create(number).await?;
        }
        let paused = self
            .observed
            .member(number)
            .is_some_and(|member| member.container.state.status == "paused");
        if paused {
            self.cx.docker.unpause_container(&name).await?;
        } else {
            self.cx.docker.start_container(&name).await?;
        }
        match self.observed.view {
            View::Live(_) => {
                ready::wait(self.cx, SERVES, &name).await?;
                until_member(self.cx, &self.spec.cluster, &name).await
            }
            // On a store that took part already it needs the others, whom somebody else may start.
            _ if self.observed.volumes.contains(&number) || !is_new => {
                ready::wait(self.cx, "", &name).await
            }
            _ => ready::wait_for_any(self.cx, &[SERVES, WAITS], &name).await,
        }
    }

    /// Members that are gone for good give up what they held.
    async fn forget(&self, ids: &[u64]) -> Result<()> {
        match until_dead(self.cx, &self.spec.cluster, ids).await? {
            Some((_turn, shell, left)) if !left.is_empty() => {
                shell.decommission(self.cx, &left).await
            }
            _ => Ok(()),
        }
    }

    /// A region with a second node may hold a second replica of system ranges.
    async fn spread(&self) -> Result<()> {
        let _turn = turn(self.cx, &self.spec.cluster).await?;
        match ask_others(self.cx, &self.spec.cluster, &[]).await? {
            (View::Live(topology), Some(shell)) => {
                cluster::respread(self.cx, &shell, &topology).await
            }
            _ => Ok(()),
        }
    }

    async fn recommission(&self, number: u32) -> Result<()> {
        let _turn = turn(self.cx, &self.spec.cluster).await?;
        match (self.observed.status(number), &self.observed.shell) {
            (Some(status), Some(shell)) => shell.recommission(self.cx, status.id).await,
            _ => Ok(()),
        }
    }

    /// One node of a rolling change: no other node of the cluster is changed meanwhile.
    async fn remake(&self, number: u32) -> Result<()> {
        let (cx, name) = (self.cx, self.name(number));
        loop {
            if !self.runs(number).await? {
                // It holds up nothing, and whoever is to go may wait for it. The cluster may take it for live yet.
                return self.remake_container(number).await;
            }
            // One that an earlier run told to stop may end at any time.
            let serves = matches!(self.observed.view, View::Live(_));
            let free = tokio::select! {
                free = until_free(cx, &self.spec.cluster, &name, serves) => free,
                ended = cx.docker.until_ended(&name) => {
                    ended?;
                    continue;
                }
            };
            let (_turn, shell) = match free {
                Err(_) if !self.runs(number).await? => continue,
                free => free?,
            };
            cx.docker.stop_container(&name, STOP).await?;
            self.remake_container(number).await?;
            return match shell {
                Some(shell) => until_whole(cx, &shell, &name).await,
                None => Ok(()),
            };
        }
    }

    /// Makes the container of a node anew on its volume, and waits as far as it can come.
    async fn remake_container(&self, number: u32) -> Result<()> {
        let (cx, name) = (self.cx, self.name(number));
        self.create(number).await?;
        cx.docker.start_container(&name).await?;
        let line = match self.observed.view {
            View::Live(_) => SERVES,
            _ => "",
        };
        ready::wait(cx, line, &name).await
    }
}
