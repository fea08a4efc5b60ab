//! What of a bucket is replicated.

use std::time::Duration;

use aws_sdk_s3::types::{
    DeleteMarkerReplication, DeleteMarkerReplicationStatus, Destination, ReplicationConfiguration,
    ReplicationRule, ReplicationRuleFilter, ReplicationRuleStatus,
};

use super::s3::{OURS, odd};
use super::{Aws, code_of};
use crate::error::Result;

/// How often rules are tried while S3 misses the peer's bucket or its versions.
const PEER_TRIES: u32 = 20;
/// The time between two tries.
const PEER_PAUSE: Duration = Duration::from_millis(500);

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
    pub(super) async fn replication(&self, name: &str) -> Result<Option<Replication>> {
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
