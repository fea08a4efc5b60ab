//! The certificates of a running node, which it reads anew when it is told to.

use std::sync::{Arc, RwLock};

use tokio_rustls::TlsAcceptor;

use super::Identity;
use crate::error::CliError;

/// What a node presents and whom it trusts, until it is read anew.
pub(crate) struct Live {
    now: RwLock<Arc<Loaded>>,
}

/// What was made of the files that were read last. Connections keep what they began with.
pub(crate) struct Loaded {
    /// Certificates and key.
    pub(crate) identity: Identity,
    /// Accepts nodes and the command line, with a certificate.
    pub(crate) rpc: TlsAcceptor,
    /// Accepts clients of SQL, with a certificate or without.
    pub(crate) sql: TlsAcceptor,
    /// Accepts clients of HTTP.
    pub(crate) http: TlsAcceptor,
}

impl Loaded {
    fn new(identity: Identity) -> Result<Arc<Self>, CliError> {
        Ok(Arc::new(Self {
            rpc: TlsAcceptor::from(Arc::new(identity.server(true)?)),
            sql: TlsAcceptor::from(Arc::new(identity.server(false)?)),
            http: TlsAcceptor::from(Arc::new(identity.web_server()?)),
            identity,
        }))
    }
}

impl Live {
    /// Of certificates that were read.
    pub(crate) fn new(identity: Identity) -> Result<Arc<Self>, CliError> {
        let now = RwLock::new(Loaded::new(identity)?);
        Ok(Arc::new(Self { now }))
    }

    /// What new connections begin with.
    pub(crate) fn now(&self) -> Arc<Loaded> {
        // Nobody panics while holding the lock; the value is whole in any case.
        let now = self
            .now
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        now.clone()
    }

    /// Reads the folder anew; when anything is wrong with it, what was there stays in use.
    pub(crate) fn reload(&self) -> Result<(), CliError> {
        let dir = self.now().identity.dir.clone();
        let loaded = Loaded::new(Identity::load(&dir, "node")?)?;
        let mut now = self
            .now
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *now = loaded;
        Ok(())
    }
}
