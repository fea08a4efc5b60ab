//! Makes and removes networks.

use crate::context::Context;
use crate::docker::{DockerNetwork, NetworkSpec};
use crate::error::{Error, Result};
use crate::labels::{self, labels};

use super::plan::differences;
use super::spec::Spec;

/// Creates the network. One of the same name that is as wanted and ours is taken over: that is what
/// an interrupted run leaves.
///
/// # Errors
/// [`Error::Exists`] where a network of this name differs or is not ours.
pub async fn create(cx: &Context, spec: &Spec) -> Result<DockerNetwork> {
    crate::error::refuse(spec.problems())?;
    cx.guard("creating a network", async {
        if let Some(found) = cx.docker.network(&spec.name).await? {
            let ours = found.labels.contains_key(labels::ATLAS_MANAGED);
            if ours && differences(spec, &found).is_empty() {
                return Ok(found);
            }
            return Err(Error::Exists {
                kind: "network",
                name: spec.name.clone(),
                remedy: "Import it, choose another name, or remove it with `docker network rm`."
                    .to_owned(),
            });
        }
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
