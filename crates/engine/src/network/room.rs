//! What is in the way of something that is to be made, and may be going.
//!
//! Where names of objects change, or subnets and ports move on by one, the same run removes what is in the way, at the same
//! time or a moment before. Nobody can see that in a plan: what Atlas or k3d made and what therefore may go is a warning
//! there. When it comes to making, it is waited for.

use std::future::Future;
use std::time::{Duration, Instant};

use ipnet::Ipv4Net;

use crate::cidr;
use crate::context::Context;
use crate::docker::{Departures, DockerNetwork, Node};
use crate::error::{Error, Problem, Remedy, Result};
use crate::handover::{Freed, Handover, Held, Leaving};
use crate::labels::{self, Labels};
use crate::path::FieldPath;

/// How long something is waited for that may be going.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is kept of an operation's time to say what was in the way.
pub(super) const TO_TELL: Duration = Duration::from_secs(2);

/// Something in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hindrance {
    /// What it stands in the way of, and what to do where it stays.
    pub problem: Problem,
    /// Whether the same run may remove it.
    pub may_go: bool,
    /// The port that it holds, where it is a container.
    pub(crate) held: Option<Held>,
}

impl Hindrance {
    /// Something that this run does not remove.
    pub(crate) fn lasting(problem: Problem) -> Self {
        Self {
            problem,
            may_go: false,
            held: None,
        }
    }

    /// Something that carries these labels.
    pub(crate) fn labelled(problem: Problem, labels: &Labels) -> Self {
        Self {
            problem,
            may_go: may_go(labels),
            held: None,
        }
    }

    /// Whether this container holds it.
    pub(crate) fn is_held_by(&self, node: &Node) -> bool {
        self.held
            .as_ref()
            .is_some_and(|held| held.container == node.id)
    }

    /// The same of a container that holds a port.
    pub(crate) fn holding(self, held: Held) -> Self {
        Self {
            held: Some(held),
            ..self
        }
    }
}

/// Whether something with these labels is Atlas's or k3d's, and so the same run may remove it.
fn may_go(labels: &Labels) -> bool {
    labels.keys().any(|key| key.starts_with("k3d."))
        || labels.get(labels::APP).map(String::as_str) == Some(labels::APP_VALUE)
}

/// What is refused in a plan, and what is only told because the same run may remove what is in the way.
///
/// # Errors
/// [`Error::Invalid`] with all of it, where something is in the way that this run does not remove.
pub fn foresee(found: Vec<Hindrance>) -> Result<Vec<Problem>> {
    let lasting = found.iter().any(|one| !one.may_go);
    let mut problems: Vec<Problem> = found.into_iter().map(|one| one.problem).collect();
    if !lasting {
        return Ok(problems);
    }
    for problem in &mut problems {
        if let Remedy::Text(how) = &problem.remedy {
            problem.remedy = Remedy::MakeRoom { how: how.clone() };
        }
    }
    Err(Error::Invalid(problems))
}

/// Waiting for what is in the way and may be going.
pub(crate) struct Patience {
    departures: Departures,
    until: Instant,
    is_told: bool,
    handover: Handover,
}

/// Looks until nothing is in the way. The run gives up the ports of `leaving`: see [`Handover`]. Returns what was stopped
/// for that, to be started again where the run fails after all.
///
/// # Errors
/// As [`Patience::wants_more`], and those of a look. What was stopped runs again.
pub(crate) async fn until_free<F>(
    cx: &Context,
    leaving: Vec<Leaving>,
    look: impl Fn() -> F,
) -> Result<Freed>
where
    F: Future<Output = Result<Vec<Hindrance>>>,
{
    let mut patience = Patience {
        handover: Handover::of(leaving),
        ..Patience::new(cx)
    };
    loop {
        let waited = match look().await {
            Ok(found) => patience.wants_more(cx, found).await,
            Err(error) => Err(error),
        };
        match waited {
            Ok(true) => {}
            Ok(false) => return Ok(patience.handover.freed()),
            Err(error) => {
                patience.handover.freed().restore(cx).await;
                return Err(error);
            }
        }
    }
}

impl Patience {
    /// Begins to wait.
    pub(crate) fn new(cx: &Context) -> Self {
        let left = cx.remaining().map(|left| left.saturating_sub(TO_TELL));
        Self {
            departures: cx.docker.departures(),
            until: Instant::now() + left.unwrap_or(PATIENCE).min(PATIENCE),
            is_told: false,
            handover: Handover::default(),
        }
    }

    /// Takes what a look has found. `false` where nothing is in the way; `true` when it is time to look again.
    ///
    /// # Errors
    /// [`Error::Invalid`] with what stays: at once where something is not Atlas's. The user stopped it.
    pub(crate) async fn wants_more(&mut self, cx: &Context, found: Vec<Hindrance>) -> Result<bool> {
        if found.is_empty() {
            return Ok(false);
        }
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() || found.iter().any(|one| !one.may_go) {
            let problems = found.into_iter().map(|one| one.problem).collect();
            return Err(Error::Invalid(problems));
        }
        if !self.is_told {
            cx.tell(&format!(
                "waiting, because it may be removed: {}",
                found[0].problem.message
            ));
            self.is_told = true;
        }
        let waits = found
            .into_iter()
            .filter_map(|one| Some((one.held?, one.problem)));
        self.handover
            .pass_on(cx, &waits.collect::<Vec<_>>())
            .await?;
        let next = async {
            let _ = tokio::time::timeout(left, self.departures.next()).await;
            Ok(true)
        };
        cx.guard("waiting for what is in the way", next).await
    }
}

/// The networks whose subnets overlap another, each as a problem of the attribute that asks for that.
pub fn overlapping(
    subnet: Ipv4Net,
    own_name: &str,
    path: &FieldPath,
    existing: &[DockerNetwork],
) -> Vec<Hindrance> {
    let others = existing.iter().filter(|network| network.name != own_name);
    let found = others.filter_map(|network| {
        let other = network.subnet?;
        cidr::overlap(subnet, other).then(|| {
            let problem = Problem::new(
                path.clone(),
                format!(
                    "{subnet} overlaps {other} of the Docker network {:?}.",
                    network.name
                ),
                "Choose a subnet that no Docker network uses (`docker network ls` lists them).",
            );
            Hindrance::labelled(problem, &network.labels)
        })
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(name: &str, subnet: &str, labels: Labels) -> DockerNetwork {
        DockerNetwork {
            name: name.to_owned(),
            subnet: subnet.parse().ok(),
            labels,
            ..DockerNetwork::default()
        }
    }

    fn ours() -> Labels {
        labels::labels([(labels::ATLAS_MANAGED, labels::ATLAS_MANAGED_VALUE)])
    }

    fn found(existing: &[DockerNetwork]) -> Vec<Hindrance> {
        let subnet = "10.1.0.0/24".parse().unwrap();
        overlapping(subnet, "new", &FieldPath::of("subnet"), existing)
    }

    #[test]
    fn a_network_that_the_same_run_may_remove_is_no_reason_to_refuse_a_plan() {
        let of_k3d = labels::labels([(labels::APP, labels::APP_VALUE)]);
        for labels in [ours(), of_k3d] {
            let old = network("old", "10.1.0.0/16", labels);
            let told = foresee(found(&[old])).unwrap();
            let text = told[0].to_string();
            assert!(
                text.contains("10.1.0.0/24") && text.contains("old"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_network_of_somebody_elses_is_refused_in_the_plan_with_all_others() {
        let old = network("old", "10.1.0.0/16", ours());
        let foreign = network("foreign", "10.1.0.0/25", Labels::new());
        let refused = foresee(found(&[old, foreign])).unwrap_err().to_string();
        for name in ["old", "foreign"] {
            assert!(refused.contains(name), "{refused}");
        }
    }

    #[test]
    fn the_network_itself_and_those_beside_it_are_not_in_the_way() {
        let own = network("new", "10.1.0.0/24", ours());
        let beside = network("beside", "10.1.1.0/24", Labels::new());
        assert_eq!(found(&[own, beside]), []);
    }
}
