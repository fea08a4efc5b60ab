//! Reads an alias back from its endpoint.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use super::desired::{
    BEGUN, FORWARD_TO, PEER_REGION, dead_letter_name, default_role, event_dead_letter_name,
    events_name, outbox_beginning,
};
use super::mark::Marks;
use super::spec::{BucketSpec, QueueSpec, ReplicationSpec, Spec};
use crate::aws::{Account, Aws, Bucket, Queue, name_of};
use crate::context::Scope;
use crate::error::{Error, Result};
use crate::path::FieldPath;

/// An alias as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// The number of the account.
    pub account_id: String,
    /// The audit bucket; `None` where there is none.
    pub bucket: Option<Bucket>,
    /// Where a create of it has begun and did not end: the name of that create's transaction queue, or nothing.
    pub begun: Option<String>,
    /// The transaction queue.
    pub queue: Option<Queue>,
    /// Its dead-letter queue.
    pub dead_letters: Option<Queue>,
    /// The queue of the bucket's events.
    pub events: Option<Queue>,
    /// Its dead-letter queue.
    pub event_dead_letters: Option<Queue>,
    /// Queues whose messages are delivered elsewhere, by name.
    pub outboxes: BTreeMap<String, Queue>,
    /// What says that they are an alias's; the tags above are without it.
    pub(super) marks: Marks,
}

/// Reads the bucket and, where one is named, the queue.
///
/// # Errors
/// [`crate::Error::Invalid`] where the endpoint does not answer or refuses the credentials.
pub async fn observe(
    scope: &Scope,
    account: &Account,
    bucket: &str,
    queue: Option<&str>,
) -> Result<Observed> {
    // Boxed here and below: the SDK's futures are large, and together more than a stack should hold.
    scope
        .guard("reading the alias", async {
            let aws = Aws::new(account);
            // First and alone: what is wrong with the endpoint or the credentials is told once.
            let account_id = Box::pin(aws.account_id()).await?;
            let (events, event_dead_letters) =
                (events_name(bucket), event_dead_letter_name(bucket));
            let (mut found, events, event_dead_letters, transactions) = tokio::try_join!(
                Box::pin(aws.bucket(bucket)),
                Box::pin(aws.queue(&events)),
                Box::pin(aws.queue(&event_dead_letters)),
                Box::pin(transactions(&aws, queue)),
            )?;
            let begun = found.as_mut().and_then(|found| found.tags.remove(BEGUN));
            let mut observed = Observed {
                account_id,
                bucket: found,
                begun,
                events,
                event_dead_letters,
                ..transactions
            };
            observed.take_marks();
            Ok(observed)
        })
        .await
}

/// Whether looking failed because nothing answers at the endpoint, and for no other reason.
pub fn gives_no_answer(error: &Error) -> bool {
    let endpoint = FieldPath::of("endpoint");
    matches!(error, Error::Invalid(problems) if problems.iter().all(|one| one.path == endpoint))
}

/// The transaction queue of this name with what belongs to it, and nothing else of an alias.
pub(super) async fn transactions(aws: &Aws, name: Option<&str>) -> Result<Observed> {
    let Some(name) = name else {
        return Ok(Observed::default());
    };
    let (beginning, dead_letters) = (outbox_beginning(name), dead_letter_name(name));
    let (queue, dead_letters, names) = tokio::try_join!(
        Box::pin(aws.queue(name)),
        Box::pin(aws.queue(&dead_letters)),
        Box::pin(aws.queue_names(&beginning)),
    )?;
    let outboxes = names.into_iter().map(|name| async move {
        Ok::<_, crate::Error>(Box::pin(aws.queue(&name)).await?.map(|queue| (name, queue)))
    });
    let outboxes = try_join_all(outboxes).await?.into_iter().flatten();
    Ok(Observed {
        queue,
        dead_letters,
        outboxes: outboxes
            .filter(|(_, queue)| queue.tags.contains_key(FORWARD_TO))
            .collect(),
        ..Observed::default()
    })
}

impl Observed {
    /// All queues, by name.
    pub(super) fn queues(&self) -> impl Iterator<Item = (&str, &Queue)> {
        let own = [
            &self.queue,
            &self.dead_letters,
            &self.events,
            &self.event_dead_letters,
        ];
        let own = own.into_iter().flatten().chain(self.outboxes.values());
        own.map(|queue| (name_of(queue), queue))
    }

    /// What is there, as a specification; `None` without a bucket. What the world does not tell is taken from
    /// `asked`, where somebody asked.
    pub fn spec(&self, account: &Account, bucket: &str, asked: Option<&Spec>) -> Option<Spec> {
        let found = self.bucket.as_ref()?;
        let queue = self.queue.as_ref().map(read_queue);
        Some(Spec {
            account: Account {
                region: found.region.clone(),
                ..account.clone()
            },
            bucket: BucketSpec {
                name: bucket.to_owned(),
                force_destroy: asked.is_some_and(|asked| asked.bucket.force_destroy),
                versioning: found.versioning,
                block_public_access: found.block_public_access,
                expiration_days: found.lifecycle.expiration_days,
                noncurrent_expiration_days: found.lifecycle.noncurrent_days,
                tags: found.tags.clone(),
            },
            queue,
            replication: self.read_replication(bucket, asked),
        })
    }

    fn read_replication(&self, bucket: &str, asked: Option<&Spec>) -> Option<ReplicationSpec> {
        let found = self.bucket.as_ref()?.replication.as_ref()?;
        let asked = asked.and_then(|asked| asked.replication.as_ref());
        let outbox = asked
            .and_then(|asked| {
                let ending = format!("-to-{}", asked.peer_region);
                self.outboxes.iter().find(|(name, _)| {
                    name.strip_suffix(".fifo")
                        .unwrap_or(name)
                        .ends_with(&ending)
                })
            })
            .or_else(|| self.outboxes.iter().next());
        let target = outbox.and_then(|(_, queue)| queue.tags.get(FORWARD_TO));
        let mut parts = target
            .map(|arn| arn.split(':').skip(3))
            .into_iter()
            .flatten();
        let (region, queue) = (parts.next(), parts.nth(1));
        Some(ReplicationSpec {
            peer_region: self
                .events
                .as_ref()
                .and_then(|queue| queue.tags.get(PEER_REGION).cloned())
                .or_else(|| region.map(str::to_owned))
                .or_else(|| asked.map(|asked| asked.peer_region.clone()))
                .unwrap_or_default(),
            peer_bucket: found.peer_bucket.clone(),
            peer_queue: queue.map(str::to_owned),
            peer_endpoint: asked.and_then(|asked| asked.peer_endpoint.clone()),
            prefixes: found.prefixes.clone(),
            delete_markers: found.delete_markers,
            role_arn: Some(found.role_arn.clone())
                .filter(|role| *role != default_role(&self.account_id, bucket)),
        })
    }

    /// The outbox of a specification, where it is there.
    pub fn outbox(&self, spec: &Spec) -> Option<&Queue> {
        let (queue, replication) = (spec.queue.as_ref()?, spec.replication.as_ref()?);
        let name = super::desired::outbox_name(&queue.name, &replication.peer_region);
        self.outboxes.get(&name)
    }
}

fn read_queue(queue: &Queue) -> QueueSpec {
    let attributes = &queue.attributes;
    QueueSpec {
        name: name_of(queue).to_owned(),
        fifo: attributes.fifo,
        content_based_deduplication: attributes.content_based_deduplication,
        visibility_timeout: attributes.visibility_timeout,
        retention: attributes.retention,
        max_receive_count: attributes
            .dead_letters
            .as_ref()
            .map_or(0, |(_, count)| *count),
        tags: queue.tags.clone(),
    }
}
