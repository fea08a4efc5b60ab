//! Buckets, as far as an audit bucket needs them.

use std::collections::BTreeMap;

use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, Delete, Event,
    NotificationConfiguration, ObjectIdentifier, PublicAccessBlockConfiguration,
    QueueConfiguration, Tag, Tagging, VersioningConfiguration,
};

use super::lifecycle::Lifecycle;
use super::replication::Replication;
use super::{Aws, code_of};
use crate::error::{Error, Remedy, Result};
use crate::path::FieldPath;

/// The id of our rules and notifications.
pub(super) const OURS: &str = "atlas";

/// A bucket as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bucket {
    /// The region it is in.
    pub region: String,
    /// Whether versions are kept now.
    pub versioning: bool,
    /// Whether all four ways of public access are blocked.
    pub block_public_access: bool,
    /// What expires.
    pub lifecycle: Lifecycle,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// What is replicated.
    pub replication: Option<Replication>,
    /// The queue that is told of objects that come and go.
    pub events: Option<String>,
}

impl Aws {
    /// One bucket; `None` where there is none of this name, or it is somebody else's.
    pub async fn bucket(&self, name: &str) -> Result<Option<Bucket>> {
        let location = match self.s3.get_bucket_location().bucket(name).send().await {
            Ok(told) => told.location_constraint,
            Err(error) if code_of(&error) == "NoSuchBucket" => return Ok(None),
            Err(error) => return Err(self.failed("look up bucket", name, error)),
        };
        let region = match location.as_ref().map(BucketLocationConstraint::as_str) {
            None | Some("") => "us-east-1",
            Some("EU") => "eu-west-1",
            Some(region) => region,
        };
        let (versioning, block, lifecycle, tags, replication, events) = tokio::try_join!(
            Box::pin(self.versioning(name)),
            Box::pin(self.public_access_block(name)),
            Box::pin(self.lifecycle(name)),
            Box::pin(self.bucket_tags(name)),
            Box::pin(self.replication(name)),
            Box::pin(self.events(name)),
        )?;
        Ok(Some(Bucket {
            region: region.to_owned(),
            versioning,
            block_public_access: block,
            lifecycle,
            tags,
            replication,
            events,
        }))
    }

    /// Creates a bucket in the client's region.
    pub async fn create_bucket(&self, name: &str) -> Result<()> {
        // The oldest region is not to be named.
        let place = (self.region != "us-east-1").then(|| {
            CreateBucketConfiguration::builder()
                .location_constraint(BucketLocationConstraint::from(self.region.as_str()))
                .build()
        });
        self.s3
            .create_bucket()
            .bucket(name)
            .set_create_bucket_configuration(place)
            .send()
            .await
            .map(drop)
            .map_err(|error| self.failed("create bucket", name, error))
    }

    /// Removes an empty bucket; one that is gone already is as good.
    ///
    /// # Errors
    /// [`Error::NotEmpty`].
    pub async fn delete_bucket(&self, name: &str) -> Result<()> {
        match self.s3.delete_bucket().bucket(name).send().await {
            Ok(_) => Ok(()),
            Err(error) => match code_of(&error) {
                "NoSuchBucket" => Ok(()),
                "BucketNotEmpty" => Err(not_empty(name)),
                _ => Err(self.failed("delete bucket", name, error)),
            },
        }
    }

    /// Whether a bucket holds an object, a version or a deletion.
    pub async fn bucket_holds_objects(&self, name: &str) -> Result<bool> {
        let listed = self.s3.list_object_versions().bucket(name).max_keys(1);
        let listed = listed
            .send()
            .await
            .map_err(|error| self.failed("list the objects of bucket", name, error))?;
        Ok(!listed.versions().is_empty() || !listed.delete_markers().is_empty())
    }

    /// Deletes everything in a bucket: objects, versions, deletions.
    pub async fn empty_bucket(&self, name: &str) -> Result<()> {
        loop {
            let listed = self
                .s3
                .list_object_versions()
                .bucket(name)
                .send()
                .await
                .map_err(|error| self.failed("list the objects of bucket", name, error))?;
            let versions = listed
                .versions()
                .iter()
                .map(|one| (one.key(), one.version_id()));
            let markers = listed
                .delete_markers()
                .iter()
                .map(|one| (one.key(), one.version_id()));
            let found: Vec<ObjectIdentifier> = versions
                .chain(markers)
                .filter_map(|(key, version)| {
                    let id = ObjectIdentifier::builder()
                        .key(key?)
                        .set_version_id(version.map(str::to_owned));
                    id.build().ok()
                })
                .collect();
            if found.is_empty() {
                return Ok(());
            }
            let delete = Delete::builder().set_objects(Some(found)).quiet(true);
            let delete = delete.build().map_err(|error| odd(name, &error))?;
            let done = self.s3.delete_objects().bucket(name).delete(delete);
            let done = done
                .send()
                .await
                .map_err(|error| self.failed("empty bucket", name, error))?;
            if let Some(first) = done.errors().first() {
                return Err(Error::Aws {
                    operation: "empty bucket",
                    object: name.to_owned(),
                    endpoint: self.endpoint.clone(),
                    message: format!(
                        "{} is not deleted: {}",
                        first.key().unwrap_or_default(),
                        first.message().unwrap_or_default()
                    ),
                    hint: String::new(),
                });
            }
        }
    }

    async fn versioning(&self, name: &str) -> Result<bool> {
        let told = self.s3.get_bucket_versioning().bucket(name).send().await;
        let told =
            told.map_err(|error| self.failed("read the versioning of bucket", name, error))?;
        Ok(told.status == Some(BucketVersioningStatus::Enabled))
    }

    /// Has versions kept, or no longer.
    pub async fn set_versioning(&self, name: &str, on: bool) -> Result<()> {
        let status = if on {
            BucketVersioningStatus::Enabled
        } else {
            BucketVersioningStatus::Suspended
        };
        let versioning = VersioningConfiguration::builder().status(status).build();
        self.s3
            .put_bucket_versioning()
            .bucket(name)
            .versioning_configuration(versioning)
            .send()
            .await
            .map(drop)
            .map_err(|error| self.failed("set the versioning of bucket", name, error))
    }

    async fn public_access_block(&self, name: &str) -> Result<bool> {
        match self.s3.get_public_access_block().bucket(name).send().await {
            Ok(told) => Ok(told.public_access_block_configuration.is_some_and(|block| {
                [
                    block.block_public_acls,
                    block.ignore_public_acls,
                    block.block_public_policy,
                    block.restrict_public_buckets,
                ]
                .iter()
                .all(|one| *one == Some(true))
            })),
            Err(error) if code_of(&error) == "NoSuchPublicAccessBlockConfiguration" => Ok(false),
            Err(error) => Err(self.failed("read the public access block of bucket", name, error)),
        }
    }

    /// Blocks all public access, or removes the block.
    pub async fn set_public_access_block(&self, name: &str, on: bool) -> Result<()> {
        let operation = "set the public access block of bucket";
        if !on {
            let removed = self
                .s3
                .delete_public_access_block()
                .bucket(name)
                .send()
                .await;
            return removed
                .map(drop)
                .map_err(|error| self.failed(operation, name, error));
        }
        let block = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(true)
            .build();
        self.s3
            .put_public_access_block()
            .bucket(name)
            .public_access_block_configuration(block)
            .send()
            .await
            .map(drop)
            .map_err(|error| self.failed(operation, name, error))
    }

    async fn bucket_tags(&self, name: &str) -> Result<BTreeMap<String, String>> {
        match self.s3.get_bucket_tagging().bucket(name).send().await {
            Ok(told) => Ok(told
                .tag_set
                .into_iter()
                .map(|tag| (tag.key, tag.value))
                .collect()),
            Err(error) if code_of(&error) == "NoSuchTagSet" => Ok(BTreeMap::new()),
            Err(error) => Err(self.failed("read the tags of bucket", name, error)),
        }
    }

    /// Sets all tags.
    pub async fn set_bucket_tags(&self, name: &str, tags: &BTreeMap<String, String>) -> Result<()> {
        let operation = "tag bucket";
        if tags.is_empty() {
            let removed = self.s3.delete_bucket_tagging().bucket(name).send().await;
            return removed
                .map(drop)
                .map_err(|error| self.failed(operation, name, error));
        }
        let set = tags
            .iter()
            .filter_map(|(key, value)| Tag::builder().key(key).value(value).build().ok())
            .collect();
        let tagging = Tagging::builder().set_tag_set(Some(set)).build();
        let tagging = tagging.map_err(|error| odd(name, &error))?;
        self.s3
            .put_bucket_tagging()
            .bucket(name)
            .tagging(tagging)
            .send()
            .await
            .map(drop)
            .map_err(|error| self.failed(operation, name, error))
    }

    /// The queue that our notification tells; `None` where there is none, or it tells of less than all.
    async fn events(&self, name: &str) -> Result<Option<String>> {
        let told = self.notifications(name).await?;
        let ours = told
            .queue_configurations()
            .iter()
            .find(|one| one.id() == Some(OURS) && one.filter().is_none());
        let mut found = ours.map(|one| one.events().to_vec()).unwrap_or_default();
        found.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        Ok(ours
            .filter(|_| found == all_events())
            .map(|one| one.queue_arn().to_owned()))
    }

    /// Has a queue told of all objects that come and go, or none. Notifications of others stay.
    pub async fn set_events(&self, name: &str, queue_arn: Option<&str>) -> Result<()> {
        let told = self.notifications(name).await?;
        let mut queues: Vec<QueueConfiguration> = told
            .queue_configurations()
            .iter()
            .filter(|one| one.id() != Some(OURS))
            .cloned()
            .collect();
        if let Some(queue_arn) = queue_arn {
            let ours = QueueConfiguration::builder()
                .id(OURS)
                .queue_arn(queue_arn)
                .set_events(Some(all_events()))
                .build();
            queues.push(ours.map_err(|error| odd(name, &error))?);
        }
        let wanted = NotificationConfiguration::builder()
            .set_queue_configurations(Some(queues))
            .set_topic_configurations(told.topic_configurations)
            .set_lambda_function_configurations(told.lambda_function_configurations)
            .set_event_bridge_configuration(told.event_bridge_configuration)
            .build();
        self.s3
            .put_bucket_notification_configuration()
            .bucket(name)
            .notification_configuration(wanted)
            .send()
            .await
            .map(drop)
            .map_err(|error| self.failed("set the notifications of bucket", name, error))
    }

    async fn notifications(&self, name: &str) -> Result<NotificationConfiguration> {
        let told = self.s3.get_bucket_notification_configuration();
        let told = told
            .bucket(name)
            .send()
            .await
            .map_err(|error| self.failed("read the notifications of bucket", name, error))?;
        Ok(NotificationConfiguration::builder()
            .set_queue_configurations(told.queue_configurations)
            .set_topic_configurations(told.topic_configurations)
            .set_lambda_function_configurations(told.lambda_function_configurations)
            .set_event_bridge_configuration(told.event_bridge_configuration)
            .build())
    }
}

/// In order of their names.
fn all_events() -> Vec<Event> {
    ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
        .map(Event::from)
        .into()
}

pub(crate) fn not_empty(name: &str) -> Error {
    Error::NotEmpty {
        kind: "bucket",
        name: name.to_owned(),
        what: "objects".to_owned(),
        remedy: Remedy::AllowLoss {
            field: FieldPath::of("bucket").name("force_destroy"),
            or: "Empty it".to_owned(),
        },
    }
}

/// A request that cannot even be put together.
pub(super) fn odd(name: &str, error: &dyn std::error::Error) -> Error {
    Error::Unexpected {
        what: format!("a request for bucket {name}"),
        reason: error.to_string(),
    }
}
