//! Faults, by Docker alone: a node or a whole region is killed, stopped in its tracks, or cut from the other
//! regions. Never more than one region at a time, and each is healed before the next.

use std::fmt;

use anyhow::Result;

use super::Cluster;
use crate::dice::Dice;
use crate::docker::Docker;

/// What happens to nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// SIGKILL; healed by a start.
    Kill,
    /// All of its processes stand still, its connections stay open; healed by going on.
    Pause,
    /// It loses the network between the nodes at once, without a word to its peers. It runs on, and where its
    /// port is on another network clients still reach it. Healed by the same address.
    Cut,
}

/// Something that happens to some nodes at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What happens.
    pub kind: Kind,
    /// To whom.
    pub nodes: Vec<usize>,
    /// The same in words.
    pub told: String,
}

/// Gives out faults, in an order that is random and has each kind, of a node and of a region, once before it has
/// one of them again.
#[derive(Debug)]
pub struct Nemesis {
    dice: Dice,
    round: Vec<(Kind, bool)>,
}

impl Nemesis {
    /// With these dice.
    pub fn new(dice: Dice) -> Self {
        Self {
            dice,
            round: Vec::new(),
        }
    }

    /// The next fault.
    pub fn next(&mut self, cluster: &Cluster) -> Fault {
        if self.round.is_empty() {
            let kinds = [Kind::Kill, Kind::Pause, Kind::Cut];
            self.round = kinds
                .into_iter()
                .flat_map(|kind| [(kind, false), (kind, true)])
                .collect();
            self.dice.shuffle(&mut self.round);
        }
        let (kind, whole) = self.round.pop().unwrap_or((Kind::Kill, false));
        if whole {
            let region = *self.dice.pick(&cluster.regions());
            return Fault::of_regions(cluster, kind, &[region]);
        }
        let all: Vec<usize> = (0..cluster.nodes.len()).collect();
        let node = *self.dice.pick(&all);
        Fault {
            kind,
            nodes: vec![node],
            told: format!("{kind} {}", cluster.nodes[node].container),
        }
    }
}

impl Fault {
    /// Of whole regions.
    pub fn of_regions(cluster: &Cluster, kind: Kind, regions: &[&str]) -> Self {
        let nodes = regions.iter().flat_map(|region| cluster.nodes_of(region));
        Self {
            kind,
            nodes: nodes.collect(),
            told: format!("{kind} region {}", regions.join(" and ")),
        }
    }

    /// The regions that have a node which it leaves alone.
    pub fn survivors<'c>(&self, cluster: &'c Cluster) -> Vec<&'c str> {
        let mut regions = cluster.regions();
        regions.retain(|region| {
            let mut own = cluster.nodes_of(region).into_iter();
            own.any(|node| !self.nodes.contains(&node))
        });
        regions
    }

    /// Makes it happen.
    pub fn inject(&self, cluster: &Cluster) -> Result<()> {
        match self.kind {
            Kind::Kill => self.to_all(cluster, &["kill", "--signal", "KILL"]),
            Kind::Pause => self.to_all(cluster, &["pause"]),
            Kind::Cut => self.each(cluster, |docker, container, _| {
                docker.run(&["network", "disconnect", &cluster.network, container])
            }),
        }
    }

    /// Ends it.
    pub fn heal(&self, cluster: &Cluster) -> Result<()> {
        match self.kind {
            Kind::Kill => self.to_all(cluster, &["start"]),
            Kind::Pause => self.to_all(cluster, &["unpause"]),
            Kind::Cut => self.each(cluster, |docker, container, address| {
                let (connect, network) = (["network", "connect", "--ip"], &*cluster.network);
                docker.run(&[&connect[..], &[address, network, container]].concat())
            }),
        }
    }

    /// One command for all nodes, so that they go together.
    fn to_all(&self, cluster: &Cluster, command: &[&str]) -> Result<()> {
        let containers = self.nodes.iter().map(|n| &*cluster.nodes[*n].container);
        let arguments: Vec<&str> = command.iter().copied().chain(containers).collect();
        Docker::new().run(&arguments).map(drop)
    }

    fn each<T>(
        &self,
        cluster: &Cluster,
        act: impl Fn(Docker, &str, &str) -> Result<T>,
    ) -> Result<()> {
        for n in &self.nodes {
            let node = &cluster.nodes[*n];
            act(Docker::new(), &node.container, &node.address)?;
        }
        Ok(())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Cut => "cut",
        })
    }
}
