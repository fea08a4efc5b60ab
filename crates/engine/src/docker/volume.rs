//! Named volumes.

use std::collections::HashMap;

use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::{ListVolumesOptionsBuilder, RemoveVolumeOptionsBuilder};

use super::Docker;
use crate::error::Result;
use crate::labels::Labels;

impl Docker {
    /// Creates a volume; an existing one of this name is left as it is.
    pub async fn ensure_volume(&self, name: &str, labels: &Labels) -> Result<()> {
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            driver: Some("local".to_owned()),
            labels: Some(labels.clone().into_iter().collect()),
            ..Default::default()
        };
        self.api
            .create_volume(request)
            .await
            .map(drop)
            .map_err(|error| self.failed("create volume", name, error))
    }

    /// Names of the volumes that carry all of these labels (`key=value`).
    pub async fn volumes(&self, labels: &[String]) -> Result<Vec<String>> {
        let filters = HashMap::from([("label".to_owned(), labels.to_vec())]);
        let options = ListVolumesOptionsBuilder::default()
            .filters(&filters)
            .build();
        let listed = self
            .api
            .list_volumes(Some(options))
            .await
            .map_err(|error| self.failed("list", "volumes", error))?;
        Ok(listed
            .volumes
            .unwrap_or_default()
            .into_iter()
            .map(|volume| volume.name)
            .collect())
    }

    /// Whether there is a volume of this name, whoever made it.
    pub async fn has_volume(&self, name: &str) -> Result<bool> {
        let found = self.api.inspect_volume(name).await;
        let found = self.unless_gone("inspect volume", name, found)?;
        Ok(found.is_some())
    }

    /// Removes a volume; one that is gone already is as good.
    pub async fn remove_volume(&self, name: &str) -> Result<()> {
        let options = RemoveVolumeOptionsBuilder::default().force(true).build();
        let done = self.api.remove_volume(name, Some(options)).await;
        self.unless_gone("remove volume", name, done).map(drop)
    }
}
