//! What a specification comes to: the queues with all their attributes, and the replication of the bucket.

use std::collections::BTreeMap;

use super::mark::MARK;
use super::spec::{QueueSpec, Spec};
use crate::aws::{QueueAttributes, Replication};

/// The longest that SQS keeps a message: 14 days, in seconds.
const LONGEST: i32 = 1_209_600;
/// Seconds for which the replicator has an event to itself; it asks for more where an object is large.
const EVENT_VISIBILITY: i32 = 60;
/// How often an event is tried before it is a dead letter.
const EVENT_TRIES: i32 = 5;
/// Where the replicator delivers what is put into a queue with this tag.
pub(super) const FORWARD_TO: &str = "atlas:forward-to";

/// On the queue of a bucket's events: the region that the bucket is replicated to, which S3's rules do not name.
pub(super) const PEER_REGION: &str = "atlas:peer-region";

/// A tag on the bucket, from its making until all of the alias is made: the transaction queue of the create that has begun. A
/// bucket without it was made by somebody else, or is whole.
pub const BEGUN: &str = "atlas:begun";

/// The tags that are Atlas's own.
pub(super) const OWN_TAGS: [&str; 4] = [BEGUN, MARK, FORWARD_TO, PEER_REGION];

/// The value of [`BEGUN`].
pub(super) fn begun(spec: &Spec) -> BTreeMap<String, String> {
    let queue = spec.queue.as_ref().map(|queue| queue.name.clone());
    BTreeMap::from([(BEGUN.to_owned(), queue.unwrap_or_default())])
}

/// What a queue is for. The order is that of their making: dead letters are named by the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    DeadLetters,
    Transactions,
    EventDeadLetters,
    Events,
    Outbox,
}

/// A queue as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Desired {
    pub(super) role: Role,
    pub(super) name: String,
    pub(super) attributes: QueueAttributes,
    pub(super) tags: BTreeMap<String, String>,
}

/// A queue's name with something before `.fifo`.
fn extended(name: &str, ending: &str) -> String {
    match name.strip_suffix(".fifo") {
        Some(base) => format!("{base}{ending}.fifo"),
        None => format!("{name}{ending}"),
    }
}

pub(super) fn dead_letter_name(queue: &str) -> String {
    extended(queue, "-dlq")
}

pub(super) fn events_name(bucket: &str) -> String {
    format!("{bucket}-events")
}

pub(super) fn event_dead_letter_name(bucket: &str) -> String {
    format!("{bucket}-events-dlq")
}

pub(super) fn outbox_name(queue: &str, peer_region: &str) -> String {
    extended(queue, &format!("-to-{peer_region}"))
}

/// How the names of all outboxes of a queue begin.
pub(super) fn outbox_beginning(queue: &str) -> String {
    format!("{}-to-", queue.strip_suffix(".fifo").unwrap_or(queue))
}

fn queue_arn(region: &str, account: &str, queue: &str) -> String {
    format!("arn:aws:sqs:{region}:{account}:{queue}")
}

/// The ARN of one of the alias's own queues.
pub(super) fn own_arn(spec: &Spec, account: &str, queue: &str) -> String {
    queue_arn(&spec.account.region, account, queue)
}

/// A queue that an alias tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum QueueKind {
    /// The transaction queue.
    Transactions,
    /// Its dead letters.
    DeadLetters,
    /// The bucket's events.
    Events,
    /// What is delivered to the peer.
    Outbox,
}

/// The names of those that an alias has.
pub fn queue_names(spec: &Spec) -> BTreeMap<QueueKind, String> {
    // No name hangs on the account's number.
    let named = queues(spec, "").into_iter().filter_map(|one| {
        let kind = match one.role {
            Role::Transactions => QueueKind::Transactions,
            Role::DeadLetters => QueueKind::DeadLetters,
            Role::Events => QueueKind::Events,
            Role::Outbox => QueueKind::Outbox,
            Role::EventDeadLetters => return None,
        };
        Some((kind, one.name))
    });
    named.collect()
}

/// All queues, in the order of their making.
pub(super) fn queues(spec: &Spec, account: &str) -> Vec<Desired> {
    let mut all = Vec::new();
    if let Some(queue) = &spec.queue {
        all.extend(of_transactions(spec, queue, account));
    }
    let replication = spec.replication.as_ref();
    if let Some(replication) = replication {
        all.extend(of_events(spec, &replication.peer_region, account));
    }
    if let (Some(queue), Some(replication)) = (&spec.queue, replication)
        && let Some(peer_queue) = &replication.peer_queue
    {
        let target = queue_arn(&replication.peer_region, account, peer_queue);
        all.push(Desired {
            role: Role::Outbox,
            name: outbox_name(&queue.name, &replication.peer_region),
            attributes: QueueAttributes {
                fifo: queue.fifo,
                content_based_deduplication: queue.content_based_deduplication,
                visibility_timeout: 30,
                retention: LONGEST,
                // It waits for the peer as long as that takes.
                dead_letters: None,
                policy: None,
            },
            tags: BTreeMap::from([(FORWARD_TO.to_owned(), target)]),
        });
    }
    all
}

fn of_transactions(spec: &Spec, queue: &QueueSpec, account: &str) -> [Desired; 2] {
    let dead_letters = dead_letter_name(&queue.name);
    [
        Desired {
            role: Role::DeadLetters,
            attributes: QueueAttributes {
                fifo: queue.fifo,
                visibility_timeout: 30,
                retention: LONGEST,
                ..QueueAttributes::default()
            },
            name: dead_letters.clone(),
            tags: BTreeMap::new(),
        },
        Desired {
            role: Role::Transactions,
            name: queue.name.clone(),
            attributes: QueueAttributes {
                fifo: queue.fifo,
                content_based_deduplication: queue.content_based_deduplication,
                visibility_timeout: queue.visibility_timeout,
                retention: queue.retention,
                dead_letters: Some((
                    own_arn(spec, account, &dead_letters),
                    queue.max_receive_count,
                )),
                policy: None,
            },
            tags: queue.tags.clone(),
        },
    ]
}

fn of_events(spec: &Spec, peer_region: &str, account: &str) -> [Desired; 2] {
    let bucket = &spec.bucket.name;
    let (events, dead_letters) = (events_name(bucket), event_dead_letter_name(bucket));
    // S3 may send for this bucket, and nobody else.
    let policy = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "events-of-the-bucket",
            "Effect": "Allow",
            "Principal": { "Service": "s3.amazonaws.com" },
            "Action": "sqs:SendMessage",
            "Resource": own_arn(spec, account, &events),
            "Condition": {
                "ArnEquals": { "aws:SourceArn": format!("arn:aws:s3:::{bucket}") },
                "StringEquals": { "aws:SourceAccount": account },
            },
        }],
    });
    [
        Desired {
            role: Role::EventDeadLetters,
            attributes: QueueAttributes {
                visibility_timeout: 30,
                retention: LONGEST,
                ..QueueAttributes::default()
            },
            name: dead_letters.clone(),
            tags: BTreeMap::new(),
        },
        Desired {
            role: Role::Events,
            name: events,
            attributes: QueueAttributes {
                visibility_timeout: EVENT_VISIBILITY,
                retention: LONGEST,
                dead_letters: Some((own_arn(spec, account, &dead_letters), EVENT_TRIES)),
                policy: Some(policy.to_string()),
                ..QueueAttributes::default()
            },
            tags: BTreeMap::from([(PEER_REGION.to_owned(), peer_region.to_owned())]),
        },
    ]
}

/// The bucket's replication.
pub(super) fn replication(spec: &Spec, account: &str) -> Option<Replication> {
    let wanted = spec.replication.as_ref()?;
    Some(Replication {
        peer_bucket: wanted.peer_bucket.clone(),
        prefixes: wanted.prefixes.clone(),
        delete_markers: wanted.delete_markers,
        role_arn: wanted
            .role_arn
            .clone()
            .unwrap_or_else(|| default_role(account, &spec.bucket.name)),
        has_more: false,
    })
}

/// The role that a bucket's replication names where none is given.
pub(super) fn default_role(account: &str, bucket: &str) -> String {
    format!("arn:aws:iam::{account}:role/{bucket}-replication")
}

#[cfg(test)]
mod tests {
    use super::super::spec::tests::spec;
    use super::*;

    #[test]
    fn queues_are_named_after_the_bucket_and_the_queue() {
        let names: Vec<String> = queues(&spec(), "000000000000")
            .into_iter()
            .map(|one| one.name)
            .collect();
        assert_eq!(
            names,
            [
                "tx-dlq.fifo",
                "tx.fifo",
                "audit-us-events-dlq",
                "audit-us-events",
                "tx-to-eu-central-1.fifo",
            ]
        );
    }

    #[test]
    fn an_outbox_names_the_peers_queue() {
        let all = queues(&spec(), "000000000000");
        let outbox = all.iter().find(|one| one.role == Role::Outbox).unwrap();
        assert_eq!(
            outbox.tags[FORWARD_TO],
            "arn:aws:sqs:eu-central-1:000000000000:tx.fifo"
        );
    }
}
