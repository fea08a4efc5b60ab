//! Makes and removes networks.

use crate::context::Context;
use crate::docker::{DockerNetwork, NetworkSpec};
use crate::error::{Error, Result};
use crate::labels::{self, labels};

use super::plan::differences;
use super::spec::Spec;

/// Looks for a network of this name that is as wanted and ours: that is what an interrupted run leaves.
///
/// # Errors
/// [`Error::Exists`] where a network of this name differs or is not ours; [`Error::Invalid`]. Nothing was
/// changed.
pub async fn admit(cx: &Context, spec: &Spec) -> Result<Option<DockerNetwork>> {
    crate::error::refuse(spec.problems())?;
    let found = cx
        .guard("looking up a network", cx.docker.network(&spec.name))
        .await?;
    let Some(found) = found else { return Ok(None) };
    let ours = found.labels.contains_key(labels::ATLAS_MANAGED);
    if ours && differences(spec, &found).is_empty() {
        return Ok(Some(found));
    }
    Err(Error::Exists {
        kind: "network",
        name: spec.name.clone(),
        remedy: "Import it, choose another name, or remove it with `docker network rm`.".to_owned(),
    })
}

/// Creates the network, or takes over what [`admit`] finds.
///
/// # Errors
/// As [`admit`], and what Docker says.
pub async fn create(cx: &Context, spec: &Spec) -> Result<DockerNetwork> {
    match admit(cx, spec).await? {
        Some(found) => Ok(found),
        None => make(cx, spec).await,
    }
}

/// Creates the network, of which there must be none.
pub async fn make(cx: &Context, spec: &Spec) -> Result<DockerNetwork> {
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
    cx.guard("removing a network", async {
        cx.tell(&format!("removing network {name}"));
        cx.docker.remove_network(name).await
    })
    .await
}
