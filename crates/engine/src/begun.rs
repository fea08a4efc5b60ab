//! The mark of a create that has begun and whose end nobody has recorded.
//!
//! A create may finish what an interrupted create of Atlas left, and nothing else: an object that merely looks as wanted
//! may hold somebody's data, be in another state, or be the one that Terraform is about to destroy
//! (`create_before_destroy`). So a create writes a mark before it makes the first thing and removes it at its end; what
//! stands beside a mark was begun and never handed over. A mark is removed:
//!
//! - by the create, when it has succeeded;
//! - by who records that the create failed (Terraform keeps the object as tainted: from then on the state owns it);
//! - with the object.
//!
//! It stays where the process was killed. It is an empty volume of Docker: no file of ours, seen by every user of the
//! daemon, removed like anything else.

use crate::context::Context;
use crate::error::Result;
use crate::labels::{self, Labels, labels};
use crate::lock::{self, Lock};

/// A kind of object that a create makes in several steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A Docker network.
    Network,
    /// A k3d cluster.
    Cluster,
    /// A bridge between networks.
    Bridge,
    /// A LocalStack server.
    LocalStack,
    /// The nodes of a region of CockroachDB.
    CockroachRegion,
    /// A cluster of CockroachDB.
    CockroachCluster,
    /// A database in one.
    CockroachDatabase,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Cluster => "cluster",
            Self::Bridge => "bridge",
            Self::LocalStack => "localstack",
            Self::CockroachRegion => "cockroachdb-region",
            Self::CockroachCluster => "cockroachdb-cluster",
            Self::CockroachDatabase => "cockroachdb-database",
        }
    }
}

/// One object that a create makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    kind: Kind,
    name: String,
}

impl Begun {
    /// The object of this kind and name. Parts of a name are joined by dots.
    pub fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
        }
    }

    /// The volume's name. It ends with the object's, so that who knows that finds it.
    fn volume(&self) -> String {
        format!("atlas-begun-{}-{}", self.kind.name(), self.name)
    }

    fn labels(&self) -> Labels {
        let mut all = labels([
            (labels::ATLAS_MANAGED, labels::ATLAS_MANAGED_VALUE),
            (labels::ATLAS_BEGUN, self.kind.name()),
        ]);
        if self.kind == Kind::Cluster {
            // The k3d CLI removes it with the cluster.
            all.extend(labels([
                (labels::APP, labels::APP_VALUE),
                (labels::CLUSTER, &self.name),
            ]));
        }
        all
    }
}

/// Waits for the turn to create or remove this object: two creates of one name come one after the other, and the second
/// finds what the first has made.
pub(crate) async fn turn(cx: &Context, object: &Begun) -> Result<Lock> {
    lock::take(cx, &object.volume()).await
}

/// Whether a create has begun the object and not ended.
pub(crate) async fn is_marked(cx: &Context, object: &Begun) -> Result<bool> {
    cx.guard(
        "looking for what an interrupted run left",
        cx.docker.has_volume(&object.volume()),
    )
    .await
}

/// Marks the object. To be called when all is checked, before the first thing is made.
pub(crate) async fn mark(cx: &Context, object: &Begun) -> Result<()> {
    cx.guard(
        "marking what is to be created",
        cx.docker.ensure_volume(&object.volume(), &object.labels()),
    )
    .await
}

/// Removes the mark; one that is gone already is as good.
///
/// # Errors
/// What Docker says.
pub async fn clear(cx: &Context, object: &Begun) -> Result<()> {
    cx.guard("removing a mark", remove(cx, object)).await
}

async fn remove(cx: &Context, object: &Begun) -> Result<()> {
    cx.docker.remove_volume(&object.volume()).await
}

/// Removes the mark at the end of a create or a change: the last step before the end is told, so that a kill leaves the mark.
/// Nothing is failed for a mark that stays: that is a warning. Who stops the operation at its end does not stop this.
pub async fn end(cx: &Context, object: &Begun) {
    if let Err(error) = remove(cx, object).await {
        let (kind, name, volume) = (object.kind.name(), &object.name, object.volume());
        cx.warn(
            format!("The mark of the create of {kind} {name} could not be removed"),
            format!(
                "The create has ended, but its mark, the volume {volume}, could not be removed: {error}. Remove it \
                 with `docker volume rm {volume}`. While it exists, a create of the same name takes over what it \
                 finds."
            ),
        );
    }
}

/// Removes the marks of everything of a kind that is part of `whole`, which goes itself.
///
/// # Errors
/// What Docker says.
pub(crate) async fn clear_parts(cx: &Context, kind: Kind, whole: &str) -> Result<()> {
    let label = format!("{}={}", labels::ATLAS_BEGUN, kind.name());
    let parts = Begun::new(kind, format!("{whole}.")).volume();
    for volume in cx.docker.volumes(&[label]).await? {
        if volume.starts_with(&parts) {
            cx.docker.remove_volume(&volume).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_one_name_and_two_kinds_are_two() {
        let kinds = [
            Kind::Network,
            Kind::Cluster,
            Kind::Bridge,
            Kind::LocalStack,
            Kind::CockroachRegion,
            Kind::CockroachCluster,
            Kind::CockroachDatabase,
        ];
        let names: std::collections::BTreeSet<String> = kinds
            .iter()
            .map(|kind| Begun::new(*kind, "a").volume())
            .collect();
        assert_eq!(names.len(), kinds.len());
    }

    #[test]
    fn k3d_removes_a_clusters_mark_with_the_cluster() {
        let found = Begun::new(Kind::Cluster, "dc").labels();
        assert_eq!(found[labels::APP], labels::APP_VALUE);
        assert_eq!(found[labels::CLUSTER], "dc");
        let other = Begun::new(Kind::Network, "dc").labels();
        assert!(!other.contains_key(labels::CLUSTER));
    }
}
