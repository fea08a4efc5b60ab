//! Makes and removes networks.

use crate::begun::{self, Begun};
use crate::context::Context;
use crate::docker::{DockerNetwork, NetworkSpec};
use crate::error::{Error, Existing, Result};
use crate::labels::{self, labels};
use crate::lock::Lock;
use crate::presence::Presence;

use super::plan::differences;
use super::spec::Spec;

/// A network of which everything was checked and nothing made. Nobody else creates or removes one of this name as long as
/// it is held.
pub struct Admitted {
    spec: Spec,
    found: Option<DockerNetwork>,
    _turn: Lock,
}

/// The mark of a network that is being created.
pub fn begun(name: &str) -> Begun {
    Begun::new(begun::Kind::Network, name)
}

/// Checks all that can be checked before a network is made, or one that an interrupted create left is taken.
///
/// # Errors
/// [`Error::Exists`] where there is a network of this name that no interrupted create of Atlas left, or one that differs;
/// [`Error::Invalid`]. Nothing was changed.
pub async fn admit(cx: &Context, spec: &Spec) -> Result<Admitted> {
    crate::error::refuse(spec.problems())?;
    let turn = begun::turn(cx, &begun(&spec.name)).await?;
    let found = cx
        .guard("looking up a network", cx.docker.network(&spec.name))
        .await?;
    if let Some(found) = &found {
        let exists = |detail| Error::Exists {
            kind: "network",
            name: spec.name.clone(),
            detail,
            remedy: "Import it, choose another name, or remove it with `docker network rm`.".into(),
        };
        let ours = found.labels.contains_key(labels::ATLAS_MANAGED);
        if !ours || !differences(spec, found).is_empty() {
            return Err(exists(Existing::Differs));
        }
        if !begun::is_marked(cx, &begun(&spec.name)).await? {
            return Err(exists(Existing::NotBegun));
        }
    }
    Ok(Admitted {
        spec: spec.clone(),
        found,
        _turn: turn,
    })
}

impl Admitted {
    /// How much of it is there already.
    pub fn presence(&self) -> Presence {
        Presence::of(self.found.is_some(), true)
    }

    /// Makes it, or takes what an interrupted create left.
    ///
    /// # Errors
    /// What Docker says.
    pub async fn make(self, cx: &Context) -> Result<DockerNetwork> {
        let begun = begun(&self.spec.name);
        let made = match self.found {
            Some(found) => found,
            None => {
                begun::mark(cx, &begun).await?;
                match make(cx, &self.spec).await {
                    Ok(made) => made,
                    Err(error) => {
                        if error.is_answer() {
                            begun::clear(cx, &begun).await?;
                        }
                        return Err(error);
                    }
                }
            }
        };
        begun::clear(cx, &begun).await?;
        Ok(made)
    }
}

/// Creates the network, or takes what an interrupted create left.
///
/// # Errors
/// As [`admit`], and what Docker says.
pub async fn create(cx: &Context, spec: &Spec) -> Result<DockerNetwork> {
    admit(cx, spec).await?.make(cx).await
}

/// Creates the network, of which there must be none.
async fn make(cx: &Context, spec: &Spec) -> Result<DockerNetwork> {
    cx.guard("creating a network", async {
        cx.tell(&format!("creating network {} ({})", spec.name, spec.subnet));
        let mut all = spec.labels.clone();
        all.extend(labels([
            (labels::APP, labels::APP_VALUE),
            (labels::ATLAS_MANAGED, labels::ATLAS_MANAGED_VALUE),
        ]));
        let request = NetworkSpec {
            name: spec.name.clone(),
            subnet: Some(spec.subnet),
            gateway: spec.gateway,
            labels: all,
        };
        cx.docker.create_network(&request).await?;
        cx.docker
            .network(&spec.name)
            .await?
            .ok_or_else(|| Error::NotFound {
                kind: "network",
                name: spec.name.clone(),
                remedy: "Something removed it right after it was created; apply again.".to_owned(),
            })
    })
    .await
}

/// Removes the network; one that is gone already is as good.
pub async fn delete(cx: &Context, name: &str) -> Result<()> {
    let _turn = begun::turn(cx, &begun(name)).await?;
    cx.guard("removing a network", async {
        cx.tell(&format!("removing network {name}"));
        cx.docker.remove_network(name).await?;
        begun::clear(cx, &begun(name)).await
    })
    .await
}
