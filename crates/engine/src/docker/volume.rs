//! Named volumes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::{ListVolumesOptionsBuilder, RemoveVolumeOptionsBuilder};

use super::Docker;
use super::container::unix_second;
use crate::error::{Error, Result};
use crate::labels::Labels;
use crate::pace::Pace;

/// How long a volume that no container holds any more may be in use.
const RELEASE: Duration = Duration::from_secs(60);

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its labels.
    pub labels: Labels,
    /// The second at which it was created, in Unix time; 0 where that is not known.
    pub created_second: i32,
}

impl Docker {
    /// Creates a volume; an existing one of this name is left as it is.
    pub async fn ensure_volume(&self, name: &str, labels: &Labels) -> Result<()> {
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            driver: Some("local".to_owned()),
            labels: Some(labels.clone().into_iter().collect()),
            ..Default::default()
        };
        self.api()
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
            .api()
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
        Ok(self.volume(name).await?.is_some())
    }

    /// The volume of this name; `None` where there is none.
    pub async fn volume(&self, name: &str) -> Result<Option<Volume>> {
        let found = self.api().inspect_volume(name).await;
        let found = self.unless_gone("inspect volume", name, found)?;
        Ok(found.map(|found| Volume {
            labels: found.labels.into_iter().collect(),
            created_second: found
                .created_at
                .as_deref()
                .and_then(unix_second)
                .unwrap_or(0),
        }))
    }

    /// Removes a volume; one that is gone already is as good.
    pub async fn remove_volume(&self, name: &str) -> Result<()> {
        let options = RemoveVolumeOptionsBuilder::default().force(true).build();
        let mut pace = Pace::new();
        let started = Instant::now();
        loop {
            let done = self.api().remove_volume(name, Some(options.clone())).await;
            let done = self.unless_gone("remove volume", name, done).map(drop);
            // A container that is being removed holds it for a while after it is listed no more.
            let is_held = matches!(&done, Err(Error::Docker { status: 409, .. }));
            let may_be_freed = is_held && self.containers_with(name).await?.is_empty();
            if !may_be_freed || started.elapsed() > RELEASE {
                return done;
            }
            pace.pause().await;
        }
    }
}
