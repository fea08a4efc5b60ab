//! Look-ups.

pub(crate) mod cluster;
pub(crate) mod clusters;
pub(crate) mod cockroachdb_survival;
pub(crate) mod docker;
