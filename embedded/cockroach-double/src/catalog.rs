//! What the cluster knows of itself: nodes, settings, databases, tables, users and zones.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::locality::Locality;
use crate::sql::value::Ty;

/// Whether a node takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Membership {
    /// It does.
    Active,
    /// It gives up its replicas.
    Decommissioning,
    /// It has left for good.
    Decommissioned,
}

impl Membership {
    /// As `node status --decommission` prints it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Decommissioning => "decommissioning",
            Self::Decommissioned => "decommissioned",
        }
    }
}

/// What a node tells of itself when it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeFacts {
    /// The identity of its store.
    pub(crate) store: Uuid,
    /// What peers dial.
    pub(crate) address: String,
    /// Addresses for the peers of a locality's tier.
    pub(crate) locality_addresses: Vec<(String, String)>,
    /// What clients dial.
    pub(crate) sql_address: String,
    /// The address of the HTTP listener.
    pub(crate) http_address: String,
    /// Where it is.
    pub(crate) locality: Locality,
    /// Its attributes.
    pub(crate) attrs: String,
    /// Its version.
    pub(crate) build: String,
    /// When it started, in microseconds.
    pub(crate) started_at: i64,
    /// Its tolerance of clock offsets, in milliseconds.
    pub(crate) max_offset: u64,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Node {
    /// What it told last.
    pub(crate) facts: NodeFacts,
    /// Whether it takes part.
    pub(crate) membership: Membership,
    /// Whether it is being drained.
    pub(crate) draining: bool,
}

/// A database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Database {
    /// Its id.
    pub(crate) id: u32,
    /// Who owns it.
    pub(crate) owner: String,
    /// Its primary region, if it is a multi-region database.
    pub(crate) primary: Option<String>,
    /// All of its regions.
    pub(crate) regions: BTreeSet<String>,
    /// Its secondary region.
    pub(crate) secondary: Option<String>,
    /// Whether it survives the loss of a region.
    pub(crate) survive_region: bool,
    /// Whether replicas stay in the primary region.
    pub(crate) restricted: bool,
    /// Privileges by user.
    pub(crate) grants: BTreeMap<String, BTreeSet<String>>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Column {
    /// Its name.
    pub(crate) name: String,
    /// Its type.
    pub(crate) ty: Ty,
    /// The longest text, or a decimal's precision.
    pub(crate) width: Option<u64>,
    /// A decimal's scale.
    pub(crate) scale: Option<u32>,
    /// Whether NULL is refused.
    pub(crate) not_null: bool,
    /// The expression of its default.
    pub(crate) default: Option<String>,
    /// Whether `*` leaves it out.
    pub(crate) hidden: bool,
}

/// An index besides the primary one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Index {
    /// The space of its keys.
    pub(crate) id: u32,
    /// Its name.
    pub(crate) name: String,
    /// Its columns.
    pub(crate) columns: Vec<usize>,
    /// Whether it refuses duplicates.
    pub(crate) unique: bool,
}

/// A check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Check {
    /// Its name.
    pub(crate) name: String,
    /// Its expression.
    pub(crate) expr: String,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Table {
    /// Its id, which is the space of its keys.
    pub(crate) id: u32,
    /// Its database.
    pub(crate) database: String,
    /// Its name.
    pub(crate) name: String,
    /// Its owner.
    pub(crate) owner: String,
    /// Its columns.
    pub(crate) columns: Vec<Column>,
    /// The columns of its primary key.
    pub(crate) primary_key: Vec<usize>,
    /// The name of that.
    pub(crate) primary_name: String,
    /// Its other indexes.
    pub(crate) indexes: Vec<Index>,
    /// Its checks.
    pub(crate) checks: Vec<Check>,
    /// Privileges by user.
    pub(crate) grants: BTreeMap<String, BTreeSet<String>>,
}

impl Table {
    /// The position of a column.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct User {
    /// Whether it may log in.
    pub(crate) login: bool,
    /// Salt and hash of its password.
    pub(crate) password: Option<String>,
    /// Whether it is a member of `admin`.
    pub(crate) admin: bool,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Catalog {
    /// The cluster's identity, once it is initialised.
    pub(crate) cluster_id: Uuid,
    /// The last id of a database, table or index.
    pub(crate) last_id: u32,
    /// The last id of a node.
    pub(crate) last_node: u64,
    /// Nodes, those that left included.
    pub(crate) nodes: BTreeMap<u64, Node>,
    /// Settings that were set.
    pub(crate) settings: BTreeMap<String, String>,
    /// Databases by name.
    pub(crate) databases: BTreeMap<String, Database>,
    /// Tables by id.
    pub(crate) tables: BTreeMap<u32, Table>,
    /// Users by name.
    pub(crate) users: BTreeMap<String, User>,
    /// Fields of zones that were set, by target.
    pub(crate) zones: BTreeMap<String, BTreeMap<String, String>>,
}

impl Default for Catalog {
    fn default() -> Self {
        let root = User {
            login: true,
            password: None,
            admin: true,
        };
        let database = |id| Database {
            id,
            owner: "root".to_owned(),
            primary: None,
            regions: BTreeSet::new(),
            secondary: None,
            survive_region: false,
            restricted: false,
            grants: BTreeMap::new(),
        };
        let mut defaultdb = database(100);
        defaultdb
            .grants
            .insert("public".to_owned(), BTreeSet::from(["CONNECT".to_owned()]));
        let mut postgres = defaultdb.clone();
        postgres.id = 102;
        let mut system = database(1);
        "node".clone_into(&mut system.owner);
        Self {
            cluster_id: Uuid::nil(),
            last_id: 103,
            last_node: 0,
            nodes: BTreeMap::new(),
            settings: BTreeMap::new(),
            databases: BTreeMap::from([
                ("defaultdb".to_owned(), defaultdb),
                ("postgres".to_owned(), postgres),
                ("system".to_owned(), system),
            ]),
            tables: BTreeMap::new(),
            users: BTreeMap::from([("root".to_owned(), root)]),
            zones: BTreeMap::new(),
        }
    }
}

impl Catalog {
    /// A table by its names.
    pub(crate) fn table(&self, database: &str, name: &str) -> Option<&Table> {
        self.tables
            .values()
            .find(|t| t.database == database && t.name == name)
    }

    /// The next id of a database, table or index.
    pub(crate) fn next_id(&mut self) -> u32 {
        self.last_id += 1;
        self.last_id
    }

    /// The cluster's regions with their zones: those of nodes that have not left.
    pub(crate) fn regions(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut regions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in self
            .nodes
            .values()
            .filter(|n| n.membership != Membership::Decommissioned)
        {
            if let Some(region) = node.facts.locality.region() {
                let zones = regions.entry(region.to_owned()).or_default();
                zones.extend(node.facts.locality.tier("zone").map(str::to_owned));
            }
        }
        regions
    }

    /// Whether a user is an administrator.
    pub(crate) fn is_admin(&self, user: &str) -> bool {
        user == "node" || self.users.get(user).is_some_and(|u| u.admin)
    }

    /// Whether a user may do something with a database.
    pub(crate) fn may(&self, user: &str, database: &str, privilege: &str) -> bool {
        let granted = |who: &str, db: &Database| {
            db.grants
                .get(who)
                .is_some_and(|p| p.contains(privilege) || p.contains("ALL"))
        };
        self.is_admin(user)
            || self
                .databases
                .get(database)
                .is_some_and(|db| db.owner == user || granted(user, db) || granted("public", db))
    }

    /// Whether a user may do something with a table.
    pub(crate) fn may_on_table(&self, user: &str, table: &Table, privilege: &str) -> bool {
        let granted = |who: &str| {
            table
                .grants
                .get(who)
                .is_some_and(|p| p.contains(privilege) || p.contains("ALL"))
        };
        self.is_admin(user) || table.owner == user || granted(user) || granted("public")
    }
}
