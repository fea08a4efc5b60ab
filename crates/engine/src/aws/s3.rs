//! Buckets, as far as an audit bucket needs them.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketLocationConstraint, BucketVersioningStatus,
    CreateBucketConfiguration, Delete, DeleteMarkerReplication, DeleteMarkerReplicationStatus,
    Destination, Event, ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter,
    NoncurrentVersionExpiration, NotificationConfiguration, ObjectIdentifier,
    PublicAccessBlockConfiguration, QueueConfiguration, ReplicationConfiguration, ReplicationRule,
    ReplicationRuleFilter, ReplicationRuleStatus, Tag, Tagging, VersioningConfiguration,
};

use super::{Aws, code_of};
use crate::error::{Error, Result};

/// The id of our rules and notifications.
const OURS: &str = "atlas";

/// How often rules are tried while S3 misses the peer's bucket or its versions.
const PEER_TRIES: u32 = 20;
/// The time between two tries.
const PEER_PAUSE: Duration = Duration::from_millis(500);

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

/// What expires in a bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lifecycle {
    /// Days after which objects expire.
    pub expiration_days: Option<i32>,
    /// Days after which versions that are no longer current expire.
    pub noncurrent_days: Option<i32>,
    /// Whether there are rules besides ours, or ours says more.
    pub has_more: bool,
}

/// What of a bucket is replicated, and whereto.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replication {
    /// The bucket that it is replicated to.
    pub peer_bucket: String,
    /// Beginnings of the keys that are replicated; none means all.
    pub prefixes: Vec<String>,
    /// Whether deletions are replicated.
    pub delete_markers: bool,
    /// The role that S3 would take on.
    pub role_arn: String,
    /// Whether there are rules of another kind.
    pub has_more: bool,
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

    async fn lifecycle(&self, name: &str) -> Result<Lifecycle> {
        let told = self.s3.get_bucket_lifecycle_configuration();
        let rules = match told.bucket(name).send().await {
            Ok(told) => told.rules.unwrap_or_default(),
            Err(error) if code_of(&error) == "NoSuchLifecycleConfiguration" => Vec::new(),
            Err(error) => return Err(self.failed("read the lifecycle of bucket", name, error)),
        };
        let mut found = Lifecycle::default();
        for rule in rules {
            let expiration = rule.expiration.as_ref();
            let noncurrent = rule.noncurrent_version_expiration.as_ref();
            let days = expiration.and_then(|one| one.days);
            let noncurrent_days = noncurrent.and_then(|one| one.noncurrent_days);
            let asked = lifecycle_rule(days, noncurrent_days);
            let says_more = asked.is_none_or(|asked| {
                asked.status != rule.status
                    || rule.transitions.is_some()
                    || rule.noncurrent_version_transitions.is_some()
                    || rule.abort_incomplete_multipart_upload.is_some()
                    || expiration.is_some_and(|one| {
                        one.date.is_some() || one.expired_object_delete_marker == Some(true)
                    })
                    || noncurrent.is_some_and(|one| one.newer_noncurrent_versions.is_some())
                    || rule.filter.as_ref().is_some_and(|filter| {
                        filter.prefix().is_some_and(|prefix| !prefix.is_empty())
                            || filter.tag().is_some()
                            || filter.and().is_some()
                            || filter.object_size_greater_than().is_some()
                            || filter.object_size_less_than().is_some()
                    })
            });
            if rule.id.as_deref() == Some(OURS) {
                found.expiration_days = days;
                found.noncurrent_days = noncurrent_days;
                found.has_more |= says_more;
            } else {
                found.has_more = true;
            }
        }
        Ok(found)
    }

    /// Sets what expires; no other rule stays.
    pub async fn set_lifecycle(
        &self,
        name: &str,
        days: Option<i32>,
        noncurrent: Option<i32>,
    ) -> Result<()> {
        let operation = "set the lifecycle of bucket";
        let Some(rule) = lifecycle_rule(days, noncurrent) else {
            let removed = self.s3.delete_bucket_lifecycle().bucket(name).send().await;
            return removed
                .map(drop)
                .map_err(|error| self.failed(operation, name, error));
        };
        let lifecycle = BucketLifecycleConfiguration::builder().rules(rule).build();
        let lifecycle = lifecycle.map_err(|error| odd(name, &error))?;
        self.s3
            .put_bucket_lifecycle_configuration()
            .bucket(name)
            .lifecycle_configuration(lifecycle)
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

    async fn replication(&self, name: &str) -> Result<Option<Replication>> {
        let told = match self.s3.get_bucket_replication().bucket(name).send().await {
            Ok(told) => told.replication_configuration,
            Err(error) if code_of(&error) == "ReplicationConfigurationNotFoundError" => None,
            Err(error) => return Err(self.failed("read the replication of bucket", name, error)),
        };
        Ok(told.and_then(read_replication))
    }

    /// Sets what is replicated, or that nothing is.
    pub async fn set_replication(&self, name: &str, wanted: Option<&Replication>) -> Result<()> {
        let operation = "set the replication of bucket";
        let Some(wanted) = wanted else {
            let removed = self
                .s3
                .delete_bucket_replication()
                .bucket(name)
                .send()
                .await;
            return removed
                .map(drop)
                .map_err(|error| self.failed(operation, name, error));
        };
        let everything = [String::new()];
        let prefixes = if wanted.prefixes.is_empty() {
            &everything[..]
        } else {
            &wanted.prefixes
        };
        let mut configuration = ReplicationConfiguration::builder().role(&wanted.role_arn);
        for (prefix, priority) in prefixes.iter().zip(1..) {
            let rule = replication_rule(wanted, prefix, priority);
            configuration = configuration.rules(rule.map_err(|error| odd(name, &error))?);
        }
        let configuration = configuration.build().map_err(|error| odd(name, &error))?;
        let mut tries = 1..PEER_TRIES;
        loop {
            let request = self.s3.put_bucket_replication().bucket(name);
            let request = request.replication_configuration(configuration.clone());
            match request.send().await {
                Ok(_) => return Ok(()),
                // The peer may be made at this moment; nothing tells when it is.
                Err(error) if code_of(&error) == "InvalidRequest" && tries.next().is_some() => {
                    tokio::time::sleep(PEER_PAUSE).await;
                }
                Err(error) => return Err(self.failed(operation, name, error)),
            }
        }
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
        remedy: "Empty it, or set force_destroy = true in bucket and apply before you destroy."
            .to_owned(),
    }
}

fn odd(name: &str, error: &dyn std::error::Error) -> Error {
    Error::Unexpected {
        what: format!("a request for bucket {name}"),
        reason: error.to_string(),
    }
}

/// Our rule; `None` where nothing is to expire.
fn lifecycle_rule(days: Option<i32>, noncurrent: Option<i32>) -> Option<LifecycleRule> {
    if days.is_none() && noncurrent.is_none() {
        return None;
    }
    let expiration = days.map(|days| LifecycleExpiration::builder().days(days).build());
    let noncurrent = noncurrent.map(|days| {
        NoncurrentVersionExpiration::builder()
            .noncurrent_days(days)
            .build()
    });
    LifecycleRule::builder()
        .id(OURS)
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .set_expiration(expiration)
        .set_noncurrent_version_expiration(noncurrent)
        .build()
        .ok()
}

fn replication_rule(
    wanted: &Replication,
    prefix: &str,
    priority: i32,
) -> Result<ReplicationRule, aws_sdk_s3::error::BuildError> {
    let deletions = if wanted.delete_markers {
        DeleteMarkerReplicationStatus::Enabled
    } else {
        DeleteMarkerReplicationStatus::Disabled
    };
    ReplicationRule::builder()
        .id(format!("{OURS}-{priority}"))
        .priority(priority)
        .status(ReplicationRuleStatus::Enabled)
        .filter(ReplicationRuleFilter::builder().prefix(prefix).build())
        .delete_marker_replication(DeleteMarkerReplication::builder().status(deletions).build())
        .destination(
            Destination::builder()
                .bucket(format!("arn:aws:s3:::{}", wanted.peer_bucket))
                .build()?,
        )
        .build()
}

/// What rules like ours say; rules of another kind are only counted.
fn read_replication(told: ReplicationConfiguration) -> Option<Replication> {
    let mut rules = told.rules;
    rules.sort_by_key(|rule| rule.priority);
    let target = |rule: &ReplicationRule| {
        let bucket = rule.destination.as_ref().map(|one| one.bucket.as_str());
        let bucket = bucket.unwrap_or_default();
        bucket.rsplit(':').next().unwrap_or_default().to_owned()
    };
    let deletes = |rule: &ReplicationRule| {
        rule.delete_marker_replication
            .as_ref()
            .and_then(|one| one.status.as_ref())
            == Some(&DeleteMarkerReplicationStatus::Enabled)
    };
    let first = rules.first()?;
    let (peer_bucket, delete_markers) = (target(first), deletes(first));
    let has_more = rules.iter().any(|rule| {
        rule.status != ReplicationRuleStatus::Enabled
            || target(rule) != peer_bucket
            || deletes(rule) != delete_markers
            || rule
                .filter
                .as_ref()
                .is_some_and(|filter| filter.tag().is_some() || filter.and().is_some())
    });
    let mut prefixes: Vec<String> = rules
        .iter()
        .map(|rule| {
            let filter = rule.filter.as_ref().and_then(ReplicationRuleFilter::prefix);
            filter.unwrap_or_default().to_owned()
        })
        .collect();
    if prefixes == [""] {
        prefixes.clear();
    }
    Some(Replication {
        peer_bucket,
        prefixes,
        delete_markers,
        role_arn: told.role,
        has_more,
    })
}
