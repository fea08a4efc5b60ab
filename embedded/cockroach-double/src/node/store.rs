//! A node's store: who it is, on disk.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::CliError;
use crate::raft::machine::save;

/// What is written in a store.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ident {
    /// What this is.
    pub(crate) what: String,
    /// The store.
    pub(crate) store: Uuid,
    /// The cluster, once the node is part of one.
    pub(crate) cluster: Option<Uuid>,
    /// The node, once it has an id.
    pub(crate) node: Option<u64>,
    /// Whether this node made the cluster.
    pub(crate) founder: bool,
}

const WHAT: &str = "store of an Atlas test double of CockroachDB; CockroachDB cannot read it";

impl Ident {
    /// Reads a store, or makes it.
    pub(crate) fn open(folder: &Path) -> Result<Self, CliError> {
        let failed = |e: std::io::Error| {
            CliError::fatal(format!(
                "could not open the store {}: {e}",
                folder.display()
            ))
        };
        fs::create_dir_all(folder).map_err(failed)?;
        let file = folder.join("STORE_IDENT.json");
        if file.exists() {
            let bytes = fs::read(&file).map_err(failed)?;
            return serde_json::from_slice(&bytes).map_err(|e| failed(e.into()));
        }
        if folder.join("CURRENT").exists() || folder.join("STORAGE_MIN_VERSION").exists() {
            return Err(CliError::fatal(format!(
                "{} is a store of CockroachDB itself, which this test double cannot read",
                folder.display()
            ))
            .hint("give the double a store of its own with --store"));
        }
        let ident = Self {
            what: WHAT.to_owned(),
            store: Uuid::new_v4(),
            cluster: None,
            node: None,
            founder: false,
        };
        ident.save(folder)?;
        Ok(ident)
    }

    /// Writes it.
    pub(crate) fn save(&self, folder: &Path) -> Result<(), CliError> {
        let failed = |e: std::io::Error| {
            CliError::fatal(format!(
                "could not write to the store {}: {e}",
                folder.display()
            ))
        };
        let bytes = serde_json::to_vec_pretty(self).map_err(|e| failed(e.into()))?;
        save(&folder.join("STORE_IDENT.json"), &bytes).map_err(failed)
    }
}
