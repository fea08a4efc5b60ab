//! Objects that swap ports of the host in one run: each waits for what the other has.
//!
//! So who waits tells which port of which container it waits for, by a lock that is named after both. Who waits itself and
//! gives such a port up in the same run stops its container at once, and not only when its own port is free. Nothing is
//! stopped for a port that nobody waits for. Where the run does not come to its end, what was stopped is started again.
//!
//! Two whose containers must not be stopped ahead of time find each other by another lock, named after both containers, and
//! are refused.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::context::Context;
use crate::docker::{LOOK_AGAIN, Node, PortKey};
use crate::error::{Error, Problem, Result};
use crate::lock::{self, Lock};

/// Seconds that a container gets to end by itself.
const STOP: i32 = 10;

/// Who holds a port, and which.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Held {
    /// The id of the container.
    pub(crate) container: String,
    /// The port of the host.
    pub(crate) port: PortKey,
}

impl Held {
    /// The lock of who waits for it.
    fn wanted(&self) -> String {
        format!(
            "wanted-{}-{}-of-{}",
            self.port.port, self.port.protocol, self.container
        )
    }
}

/// The lock of a run that gives a port of the container `mine` up, and waits for one of `theirs`.
fn swapping(mine: &str, theirs: &str) -> String {
    format!("swap-{mine}-for-{theirs}")
}

/// What becomes of a port that a run gives up and another waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Its container is stopped at once: it is to be removed or made anew.
    Stop,
    /// Its container must not be stopped ahead of time: the swap is refused.
    Refuse,
}

/// A port that a run gives up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leaving {
    name: String,
    held: Held,
    way: Way,
}

/// The ports that a container publishes now and that it, or the one in its place, does not get again.
pub(crate) fn leaving(node: &Node, kept: impl Fn(&PortKey) -> bool, way: Way) -> Vec<Leaving> {
    if !node.state.running {
        return Vec::new();
    }
    let published = node.ports.iter().flat_map(|(inside, published)| {
        let ports = published.iter().filter_map(|one| one.port);
        ports.map(|port| PortKey {
            port,
            protocol: inside.protocol.clone(),
        })
    });
    let mut all: Vec<PortKey> = published.filter(|port| !kept(port)).collect();
    all.sort();
    all.dedup();
    let each = all.into_iter().map(|port| Leaving {
        name: node.name.clone(),
        held: Held {
            container: node.id.clone(),
            port,
        },
        way,
    });
    each.collect()
}

/// The part of one run in swaps.
#[derive(Debug, Default)]
pub(crate) struct Handover {
    leaving: Vec<Leaving>,
    told: BTreeMap<String, Lock>,
    freed: Freed,
}

/// Containers that were stopped ahead of time, by id: their names.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Freed(BTreeMap<String, String>);

impl Handover {
    /// The part of a run that gives these ports up.
    pub(crate) fn of(leaving: Vec<Leaving>) -> Self {
        Self {
            leaving,
            ..Self::default()
        }
    }

    /// Tells what is waited for, and gives up what others wait for.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a swap that cannot be; what Docker says.
    pub(crate) async fn pass_on(&mut self, cx: &Context, waits: &[(Held, Problem)]) -> Result<()> {
        let pairs: Vec<(&Leaving, &Held, &Problem)> = self
            .leaving
            .iter()
            .filter(|one| one.way == Way::Refuse)
            .flat_map(|one| {
                waits
                    .iter()
                    .map(move |(held, problem)| (one, held, problem))
            })
            .collect();
        let words = waits.iter().map(|(held, _)| held.wanted());
        let swaps = pairs
            .iter()
            .map(|(mine, theirs, _)| swapping(&mine.held.container, &theirs.container));
        tell(cx, &mut self.told, words.chain(swaps).collect()).await?;
        for (mine, theirs, problem) in pairs {
            let word = swapping(&theirs.container, &mine.held.container);
            if lock::is_held(cx, &word).await? {
                outlast(std::mem::take(&mut self.told));
                return Err(Error::Invalid(vec![impossible(problem, mine)]));
            }
        }
        for one in self.leaving.iter().filter(|one| one.way == Way::Stop) {
            let id = &one.held.container;
            if waits.is_empty()
                || self.freed.0.contains_key(id)
                || !lock::is_held(cx, &one.held.wanted()).await?
            {
                continue;
            }
            let port = one.held.port.port;
            cx.tell(&format!(
                "stopping {}: another container waits for its port {port}",
                one.name
            ));
            self.freed.0.insert(id.clone(), one.name.clone());
            cx.guard("stopping a container", cx.docker.stop_container(id, STOP))
                .await?;
        }
        Ok(())
    }

    /// What was stopped, when all ports are free.
    pub(crate) fn freed(self) -> Freed {
        self.freed
    }
}

/// Holds these locks and no others. Where another waits for the same, one word is enough.
async fn tell(
    cx: &Context,
    told: &mut BTreeMap<String, Lock>,
    words: BTreeSet<String>,
) -> Result<()> {
    told.retain(|word, _| words.contains(word));
    for word in words {
        if !told.contains_key(&word)
            && let Some(lock) = lock::try_take(cx, &word).await?
        {
            told.insert(word, lock);
        }
    }
    Ok(())
}

/// Who waits on the other side looks again after a while, and is to see that this one waited.
fn outlast(told: BTreeMap<String, Lock>) {
    tokio::spawn(async move {
        tokio::time::sleep(LOOK_AGAIN + Duration::from_secs(1)).await;
        drop(told);
    });
}

/// The problem of one side of a swap that cannot be.
fn impossible(problem: &Problem, mine: &Leaving) -> Problem {
    Problem::new(
        problem.path.clone(),
        format!(
            "{} In the same run it would get port {} of {}: such a swap would stop both too early.",
            problem.message, mine.held.port.port, mine.name
        ),
        "Use a port that is free now for one of them, and change it in a second run.",
    )
}

impl Freed {
    /// Starts what was stopped and is still there: the run has failed. What cannot be started is a warning, and drift.
    pub(crate) async fn restore(self, cx: &Context) {
        for (id, name) in self.0 {
            cx.tell(&format!("starting {name} again"));
            match cx.docker.start_container(&id).await {
                Err(error) if !error.is_of_ended_container() => cx.warn(
                    format!("Container {name} was stopped for a swap of ports and is not running"),
                    format!("Cannot start it again: {error}"),
                ),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::Published;
    use crate::path::FieldPath;

    fn node(ports: &[(u16, &str)]) -> Node {
        let mut node = Node {
            id: "0123".to_owned(),
            name: "k3d-a-serverlb".to_owned(),
            ..Node::default()
        };
        node.state.running = true;
        for (port, protocol) in ports {
            let inside = PortKey {
                port: 80,
                protocol: (*protocol).to_owned(),
            };
            let (_, published) = Published::locally(80, *port);
            node.ports.entry(inside).or_default().extend(published);
        }
        node
    }

    #[test]
    fn what_is_kept_is_not_given_up_and_a_container_that_does_not_run_has_nothing_to_give() {
        let mut node = node(&[(8080, "tcp"), (8081, "tcp"), (8080, "udp")]);
        let kept = |port: &PortKey| port.port == 8081;
        let found = leaving(&node, kept, Way::Stop);
        let ports: Vec<_> = found.iter().map(|one| one.held.port.clone()).collect();
        let udp = PortKey {
            port: 8080,
            protocol: "udp".to_owned(),
        };
        assert_eq!(ports, [PortKey::tcp(8080), udp]);
        node.state.running = false;
        assert!(leaving(&node, kept, Way::Stop).is_empty());
    }

    #[test]
    fn who_waits_for_a_port_of_a_container_meets_who_gives_up_that_one_and_nobody_else() {
        let node = node(&[(8080, "tcp")]);
        let given = &leaving(&node, |_| false, Way::Stop)[0].held;
        let lock = |port: PortKey, container: &str| {
            let container = container.to_owned();
            Held { container, port }.wanted()
        };
        assert_eq!(lock(PortKey::tcp(8080), "0123"), given.wanted());
        assert_ne!(lock(PortKey::tcp(8081), "0123"), given.wanted());
        assert_ne!(lock(PortKey::tcp(8080), "4567"), given.wanted());
    }

    #[test]
    fn a_swap_that_cannot_be_is_told_with_both_ports_and_the_way_out() {
        let waits = Problem::new(
            FieldPath::of("sql_ports"),
            "port 1 of 127.0.0.1 is taken by the container b.",
            "",
        );
        let given = &leaving(&node(&[(8080, "tcp")]), |_| false, Way::Refuse)[0];
        let text = impossible(&waits, given).to_string();
        for part in ["sql_ports", "port 1", "container b", "8080", "second run"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
