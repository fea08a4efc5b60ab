//! Images: is it there, and if not, can it be had.

use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt as _;

use std::collections::BTreeSet;
use std::time::Duration;

use super::Docker;
use crate::error::{Error, Result};

/// What an image gives to every container made of it, to be told from what the user gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageDefaults {
    /// `KEY=value`.
    pub env: BTreeSet<String>,
    /// Labels.
    pub labels: BTreeSet<(String, String)>,
}

/// How long a registry may take to say whether it has an image.
const TO_SAY: Duration = Duration::from_secs(10);

/// Whether an image can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Obtainable {
    /// The daemon has it, or its registry does.
    Yes,
    /// Its registry refuses it, for this reason.
    No(String),
    /// Nobody could be asked, for this reason.
    Unknown(String),
}

impl Docker {
    /// Whether the daemon has an image, or could pull it as [`Self::ensure_image`] would.
    pub(crate) async fn obtainable(&self, image: &str) -> Result<Obtainable> {
        if self.image_id(image).await?.is_some() {
            return Ok(Obtainable::Yes);
        }
        let api = self.api();
        let asked = api.inspect_registry_image(image, None);
        Ok(match tokio::time::timeout(TO_SAY, asked).await {
            Ok(Ok(_)) => Obtainable::Yes,
            Ok(Err(bollard::errors::Error::DockerResponseServerError {
                status_code,
                message,
            })) => judge(status_code, message),
            Ok(Err(error)) => Obtainable::Unknown(super::plain(&error)),
            Err(_) => Obtainable::Unknown(format!(
                "its registry did not answer within {} s",
                TO_SAY.as_secs()
            )),
        })
    }

    /// The id of an image in the daemon; `None` where it has none.
    pub async fn image_id(&self, image: &str) -> Result<Option<String>> {
        let found = self.api().inspect_image(image).await;
        let found = self.unless_gone("look up image", image, found)?;
        Ok(found.and_then(|found| found.id))
    }

    /// The environment and labels that an image gives to its containers; `None` where it is gone.
    pub async fn image_defaults(&self, image: &str) -> Result<Option<ImageDefaults>> {
        let found = self.api().inspect_image(image).await;
        let found = self.unless_gone("look up image", image, found)?;
        Ok(found.map(|found| {
            let config = found.config.unwrap_or_default();
            ImageDefaults {
                env: config.env.unwrap_or_default().into_iter().collect(),
                labels: config.labels.unwrap_or_default().into_iter().collect(),
            }
        }))
    }

    /// Pulls an image which the daemon lacks.
    ///
    /// # Errors
    /// [`Error::ImageMissing`] with the end of the pull.
    pub async fn ensure_image(&self, image: &str) -> Result<()> {
        if self.image_id(image).await?.is_some() {
            return Ok(());
        }
        let (name, tag) = split_tag(image);
        let mut options = CreateImageOptionsBuilder::default().from_image(name);
        if let Some(tag) = tag {
            options = options.tag(tag);
        }
        let mut stream = std::pin::pin!(self.api().create_image(Some(options.build()), None, None));
        while let Some(update) = stream.next().await {
            let reason = match update {
                Ok(update) => update.error_detail.and_then(|detail| detail.message),
                Err(error) => Some(super::plain(&error)),
            };
            if let Some(reason) = reason {
                return Err(Error::ImageMissing {
                    image: image.to_owned(),
                    reason,
                });
            }
        }
        match self.image_id(image).await? {
            Some(_) => Ok(()),
            None => Err(Error::ImageMissing {
                image: image.to_owned(),
                reason: "the pull ended without the image".to_owned(),
            }),
        }
    }
}

/// What a daemon's refusal to tell of an image says of it. A registry that has none of the name says "denied", too.
fn judge(status: u16, message: String) -> Obtainable {
    match status {
        400 | 401 | 403 | 404 => Obtainable::No(message),
        _ => Obtainable::Unknown(message),
    }
}

/// A reference without its tag, and the tag (`latest` where neither tag nor digest is given).
fn split_tag(image: &str) -> (&str, Option<&str>) {
    if image.contains('@') {
        return (image, None);
    }
    let after_slash = image.rfind('/').map_or(0, |slash| slash + 1);
    match image[after_slash..].rfind(':') {
        Some(colon) => (
            &image[..after_slash + colon],
            Some(&image[after_slash + colon + 1..]),
        ),
        None => (image, Some("latest")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_registry_refuses_is_told_from_one_that_cannot_be_asked() {
        for (status, is_sure) in [(400, true), (401, true), (403, true), (404, true)]
            .into_iter()
            .chain([(429, false), (500, false), (503, false)])
        {
            let found = judge(status, "so".to_owned());
            assert_eq!(
                found == Obtainable::No("so".to_owned()),
                is_sure,
                "{status}"
            );
        }
    }

    #[test]
    fn references_split_at_the_tag_and_not_at_the_port() {
        let table = [
            ("atlas/node:v1", ("atlas/node", Some("v1"))),
            (
                "localhost:5000/node",
                ("localhost:5000/node", Some("latest")),
            ),
            ("localhost:5000/node:a", ("localhost:5000/node", Some("a"))),
            ("node@sha256:00", ("node@sha256:00", None)),
        ];
        for (image, expected) in table {
            assert_eq!(split_tag(image), expected, "{image}");
        }
    }
}
