//! Images: is it there, and if not, can it be had.

use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt as _;

use std::collections::BTreeSet;

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

impl Docker {
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
                reason: "the pull ended without it".to_owned(),
            }),
        }
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
