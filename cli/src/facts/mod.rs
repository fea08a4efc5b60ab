//! What is known of a world at one moment: what should be there, and what Docker and the servers said. Plain data, so
//! that what `status` makes of it can be tested without any of them.

pub(crate) mod cloud;
pub(crate) mod clusters;
pub(crate) mod database;
mod files;
mod gather;
mod http;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use atlas_engine::k3d;

use crate::world::World;

pub(crate) use files::look as look_for_files;
pub(crate) use gather::gather;

/// What was said, or why nothing was.
#[derive(Debug, Clone)]
pub(crate) enum Answer<T> {
    /// It was said.
    Known(T),
    /// It could not be asked, or there was no answer in time.
    Unknown(String),
}

impl<T> Answer<T> {
    /// The answer, where there is one.
    pub(crate) fn known(&self) -> Option<&T> {
        match self {
            Self::Known(answer) => Some(answer),
            Self::Unknown(_) => None,
        }
    }
}

/// Everything.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// What should be there.
    pub(crate) world: World,
    /// The host on which published ports are reached.
    pub(crate) host: String,
    /// By region.
    pub(crate) clusters: BTreeMap<String, Answer<Cluster>>,
    /// The bridge; `None` where none is declared.
    pub(crate) bridge: Option<Answer<Bridge>>,
    /// By region.
    pub(crate) servers: BTreeMap<String, Answer<Server>>,
    /// The database; `None` where none is declared.
    pub(crate) database: Option<Database>,
    /// The declared networks of Docker that are missing.
    pub(crate) missing_networks: Answer<BTreeSet<String>>,
    /// What is in the state's folder.
    pub(crate) files: Vec<File>,
    /// Whether Terraform made the cloud side here; without that there are no IAM roles.
    pub(crate) has_roles: bool,
}

/// A container as Docker has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Container {
    pub(crate) name: String,
    /// `server`, `agent`, `loadbalancer`; empty for what is no node of a cluster.
    pub(crate) role: String,
    pub(crate) image: String,
    /// Docker's word: `running`, `exited`, `paused`, …
    pub(crate) status: String,
    pub(crate) running: bool,
    pub(crate) exit_code: i64,
    pub(crate) restarts: i64,
    /// What to do, where the log of one that ended shows why.
    pub(crate) hint: Option<String>,
    /// By Kubernetes' name of it other than this one's: it cannot be found there.
    pub(crate) has_other_name: bool,
    /// Port of this machine for SQL or for the server's own protocol.
    pub(crate) port: Option<u16>,
}

/// A k3d cluster.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    pub(crate) containers: Vec<Container>,
    /// Where its Kubernetes API is published.
    pub(crate) endpoint: Option<String>,
    /// Nodes that should be there and are not.
    pub(crate) missing: Vec<String>,
    /// What differs from the description, in sentences.
    pub(crate) differs: Vec<String>,
    /// What its Kubernetes says.
    pub(crate) kubernetes: Answer<k3d::Health>,
}

/// A bridge.
#[derive(Debug, Clone)]
pub(crate) struct Bridge {
    /// Whether its network is there.
    pub(crate) exists: bool,
    /// Its members.
    pub(crate) members: Vec<String>,
    /// Below which its names lie.
    pub(crate) domain: String,
    /// What differs, in sentences.
    pub(crate) differs: Vec<String>,
    /// Members whose Kubernetes gave no answer.
    pub(crate) silent: Vec<String>,
}

/// A LocalStack server.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) container: Option<Container>,
    pub(crate) replicator: Option<Container>,
    /// The regions that its replicator serves, by AWS's names.
    pub(crate) regions: Vec<String>,
    pub(crate) endpoint: Option<String>,
    /// Its version; `None` where it gives no answer.
    pub(crate) version: Option<String>,
    /// Services that are in error.
    pub(crate) broken: Vec<String>,
    /// What differs, in sentences.
    pub(crate) differs: Vec<String>,
    /// What its replicator says of itself: `None` where it is healthy, else its words.
    pub(crate) copies: Answer<Option<String>>,
}

/// The database and the cluster it is in.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    /// The containers of its nodes.
    pub(crate) containers: Answer<Vec<Container>>,
    /// What its nodes say.
    pub(crate) cluster: Answer<Nodes>,
    /// What is declared in it.
    pub(crate) declared: Answer<Declared>,
    /// URLs of the DB Console, by region.
    pub(crate) consoles: BTreeMap<String, Vec<String>>,
    /// Whether it is the test double.
    pub(crate) is_double: bool,
    /// Whether its nodes speak TLS.
    pub(crate) is_secure: bool,
}

/// What a cluster of CockroachDB says of its nodes.
#[derive(Debug, Clone)]
pub(crate) enum Nodes {
    /// None of it runs.
    Absent,
    /// They wait for `init`.
    Uninitialized,
    /// They run and give no answer.
    Silent(String),
    /// By container: how each is.
    Live {
        /// What each says.
        nodes: BTreeMap<String, Member>,
        /// What is survived; `None` where no node is part of a quorum.
        survives: Option<Survives>,
    },
}

/// A node of CockroachDB that its cluster counts.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) is_live: bool,
    pub(crate) is_draining: bool,
    /// Whether it is to leave, or left.
    pub(crate) is_leaving: bool,
}

/// Which failures a database survives, counted from where its voters are now.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Survives {
    /// Any one node.
    pub(crate) node: bool,
    /// Any one zone.
    pub(crate) zone: bool,
    /// Any one region.
    pub(crate) region: bool,
    /// The nodes, zones and regions whose loss would stop something.
    pub(crate) not: Vec<String>,
}

/// A database as its cluster has it.
#[derive(Debug, Clone)]
pub(crate) struct Declared {
    pub(crate) exists: bool,
    /// What differs, in sentences.
    pub(crate) differs: Vec<String>,
}

/// A file that belongs to the world.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct File {
    /// What it is.
    pub(crate) what: String,
    /// Where.
    pub(crate) path: PathBuf,
    /// Whether it is there.
    pub(crate) exists: bool,
}
