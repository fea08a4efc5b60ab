//! What may be asked of an alias.

use std::collections::BTreeMap;

use super::desired::OWN_TAGS;
use crate::aws::Account;
use crate::error::{Problem, Remedy};
use crate::localstack::server::spec::{region_problem, url_problem};
use crate::path::FieldPath;

/// Seconds for which a received message is hidden, where none are given: SQS's own.
pub const DEFAULT_VISIBILITY: i32 = 30;
/// Seconds after which a message expires, where none are given: SQS's own, four days.
pub const DEFAULT_RETENTION: i32 = 345_600;
/// How often a message is received before it is a dead letter, where nothing is said.
pub const DEFAULT_MAX_RECEIVE: i32 = 5;

/// What the dead-letter queue's name adds.
const LONGEST_QUEUE: usize = 80 - "-dlq".len();
/// What the events' dead-letter queue's name adds.
const LONGEST_REPLICATED_BUCKET: usize = 80 - "-events-dlq".len();

/// What a bucket or a queue may have, without Atlas's mark.
const MOST_TAGS: usize = 50 - 1;

/// An alias as a user wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Where, and as who.
    pub account: Account,
    /// The audit bucket.
    pub bucket: BucketSpec,
    /// The transaction queue.
    pub queue: Option<QueueSpec>,
    /// What is carried to a peer.
    pub replication: Option<ReplicationSpec>,
}

/// The audit bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketSpec {
    /// Its name.
    pub name: String,
    /// Whether what it and the queues hold may be lost with them.
    pub force_destroy: bool,
    /// Whether versions are kept.
    pub versioning: bool,
    /// Whether public access is blocked.
    pub block_public_access: bool,
    /// Days after which objects expire.
    pub expiration_days: Option<i32>,
    /// Days after which versions that are no longer current expire.
    pub noncurrent_expiration_days: Option<i32>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// The transaction queue, and its dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSpec {
    /// Its name; that of a FIFO queue ends in `.fifo`.
    pub name: String,
    /// Whether it keeps the order of groups.
    pub fifo: bool,
    /// Whether a message without deduplication id gets one from its content.
    pub content_based_deduplication: bool,
    /// Seconds for which a received message is hidden.
    pub visibility_timeout: i32,
    /// Seconds after which a message expires.
    pub retention: i32,
    /// How often a message is received before it is a dead letter.
    pub max_receive_count: i32,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// What is carried to a peer region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicationSpec {
    /// The peer's region.
    pub peer_region: String,
    /// The peer's bucket.
    pub peer_bucket: String,
    /// The peer's queue, to which messages in the outbox are delivered.
    pub peer_queue: Option<String>,
    /// The peer's endpoint.
    pub peer_endpoint: Option<String>,
    /// Beginnings of the keys that are replicated; none means all.
    pub prefixes: Vec<String>,
    /// Whether deletions are replicated.
    pub delete_markers: bool,
    /// The role that S3 would take on; `None` names one after the bucket.
    pub role_arn: Option<String>,
}

impl Spec {
    /// Everything that is wrong with it, without asking the world.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(region_problem(
            &self.account.region,
            &FieldPath::of("region"),
        ));
        problems.extend(url_problem(
            &self.account.endpoint,
            &FieldPath::of("endpoint"),
        ));
        for (name, value) in [
            ("access_key", &self.account.access_key),
            ("secret_key", &self.account.secret_key),
        ] {
            if value.is_empty() {
                problems.push(Problem::new(
                    FieldPath::of(name),
                    "it is empty.",
                    "Set a value, or leave it out.",
                ));
            }
        }
        problems.extend(self.bucket.problems());
        if let Some(queue) = &self.queue {
            problems.extend(queue.problems());
        }
        if let Some(replication) = &self.replication {
            problems.extend(self.replication_problems(replication));
        }
        problems
    }

    fn replication_problems(&self, replication: &ReplicationSpec) -> Vec<Problem> {
        let path = FieldPath::of("replication");
        let mut problems = Vec::new();
        problems.extend(region_problem(
            &replication.peer_region,
            &path.clone().name("peer_region"),
        ));
        if replication.peer_region == self.account.region {
            problems.push(Problem::new(
                path.clone().name("peer_region"),
                format!("{} is the alias's own region.", self.account.region),
                "Use another region: the loss of one region must not lose both copies.",
            ));
        }
        problems.extend(bucket_name_problem(
            &replication.peer_bucket,
            &path.clone().name("peer_bucket"),
        ));
        if replication.peer_bucket == self.bucket.name {
            problems.push(Problem::new(
                path.clone().name("peer_bucket"),
                format!("{:?} is the alias's own bucket.", self.bucket.name),
                "Use the peer's bucket: bucket names are not shared between regions.",
            ));
        }
        if let Some(endpoint) = &replication.peer_endpoint {
            problems.extend(url_problem(endpoint, &path.clone().name("peer_endpoint")));
        }
        if !self.bucket.versioning {
            problems.push(Problem::new(
                FieldPath::of("bucket").name("versioning"),
                "S3 replicates only buckets that have versioning.",
                Remedy::Set {
                    field: FieldPath::of("bucket").name("versioning"),
                    to: "true, or remove replication.",
                },
            ));
        }
        if self.bucket.name.len() > LONGEST_REPLICATED_BUCKET || self.bucket.name.contains('.') {
            problems.push(Problem::new(
                FieldPath::of("bucket").name("name"),
                format!(
                    "no event queue can be named after the bucket {:?}.",
                    self.bucket.name
                ),
                "With replication, use a bucket name without dots of at most 69 characters.",
            ));
        }
        for (position, prefix) in replication.prefixes.iter().enumerate() {
            let path = path.clone().name("prefixes").index(position);
            let covered = replication
                .prefixes
                .iter()
                .enumerate()
                .any(|(other, known)| other != position && prefix.starts_with(known.as_str()));
            if prefix.is_empty() {
                problems.push(Problem::new(
                    path,
                    "an empty prefix matches every key.",
                    "Leave prefixes out to replicate every key.",
                ));
            } else if covered {
                problems.push(Problem::new(
                    path,
                    format!("another prefix already covers {prefix:?}."),
                    "Remove one of the two.",
                ));
            }
        }
        if let Some(peer_queue) = &replication.peer_queue {
            let path = path.name("peer_queue");
            match &self.queue {
                None => problems.push(Problem::new(
                    path,
                    "peer_queue needs a queue.",
                    "Add queue, or remove peer_queue.",
                )),
                Some(queue) => {
                    problems.extend(queue_name_problem(peer_queue, &path));
                    if queue.fifo != is_fifo_name(peer_queue) {
                        problems.push(Problem::new(
                            path,
                            "one of the two queues is a FIFO queue and the other is not.",
                            "Use two FIFO queues, or two standard queues.",
                        ));
                    }
                }
            }
        }
        problems
    }
}

impl BucketSpec {
    fn problems(&self) -> Vec<Problem> {
        let path = FieldPath::of("bucket");
        let mut problems = Vec::new();
        problems.extend(bucket_name_problem(&self.name, &path.clone().name("name")));
        for (name, days) in [
            ("expiration_days", self.expiration_days),
            (
                "noncurrent_expiration_days",
                self.noncurrent_expiration_days,
            ),
        ] {
            if days.is_some_and(|days| days < 1) {
                problems.push(Problem::new(
                    path.clone().name(name),
                    "the value is less than one day.",
                    "Use 1 or more, or leave it out.",
                ));
            }
        }
        problems.extend(tag_problem(&self.tags, &path.name("tags")));
        problems
    }
}

/// How the names of FIFO queues end; SQS wants it in lower case.
const FIFO: &str = ".fifo";

/// Whether a queue's name is that of a FIFO queue.
pub fn is_fifo_name(name: &str) -> bool {
    name.ends_with(FIFO)
}

impl QueueSpec {
    fn problems(&self) -> Vec<Problem> {
        let path = FieldPath::of("queue");
        let mut problems = Vec::new();
        let name = path.clone().name("name");
        match (self.fifo, is_fifo_name(&self.name)) {
            (true, false) => problems.push(Problem::new(
                name,
                format!(
                    "the name of a FIFO queue must end in .fifo, but {:?} does not.",
                    self.name
                ),
                Remedy::Set {
                    field: FieldPath::of("queue").name("fifo"),
                    to: "false, or add the ending .fifo to the name.",
                },
            )),
            (false, true) => problems.push(Problem::new(
                name,
                format!(
                    "{:?} ends in .fifo, but the queue is not a FIFO queue.",
                    self.name
                ),
                Remedy::Set {
                    field: FieldPath::of("queue").name("fifo"),
                    to: "true, or use another name.",
                },
            )),
            _ => problems.extend(queue_name_problem(&self.name, &name)),
        }
        if self.content_based_deduplication && !self.fifo {
            problems.push(Problem::new(
                path.clone().name("content_based_deduplication"),
                "only FIFO queues support deduplication.",
                Remedy::Set {
                    field: FieldPath::of("queue").name("fifo"),
                    to: "true, or remove it.",
                },
            ));
        }
        for (field, value, least, most, unit) in [
            (
                "visibility_timeout",
                self.visibility_timeout,
                0,
                43_200,
                "seconds",
            ),
            ("retention", self.retention, 60, 1_209_600, "seconds"),
            (
                "max_receive_count",
                self.max_receive_count,
                1,
                1000,
                "times",
            ),
        ] {
            if !(least..=most).contains(&value) {
                problems.push(Problem::new(
                    path.clone().name(field),
                    format!("{value} {unit} is out of range for SQS."),
                    format!("Use {least} to {most}."),
                ));
            }
        }
        problems.extend(tag_problem(&self.tags, &path.name("tags")));
        problems
    }
}

/// The rules of `docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html`.
fn bucket_name_problem(name: &str, path: &FieldPath) -> Option<Problem> {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good = (3..=63).contains(&name.len())
        && name.chars().all(|c| edge(c) || c == '-' || c == '.')
        && name.starts_with(edge)
        && name.ends_with(edge)
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !name.starts_with("xn--")
        && !name.ends_with("-s3alias");
    (!good).then(|| {
        Problem::new(
            path.clone(),
            format!("{name:?} is not a valid bucket name."),
            "Use 3 to 63 lower-case letters, digits, dashes and single dots, with a letter or digit at both ends, and \
             no IP address.",
        )
    })
}

fn queue_name_problem(name: &str, path: &FieldPath) -> Option<Problem> {
    let base = name.strip_suffix(FIFO).unwrap_or(name);
    let good = !base.is_empty()
        && name.len() <= LONGEST_QUEUE
        && base
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    (!good).then(|| {
        Problem::new(
            path.clone(),
            format!("{name:?} is not a valid queue name."),
            "Use 1 to 76 letters, digits, dashes and underscores, including the ending .fifo: the dead-letter queue \
             needs room for its own.",
        )
    })
}

/// The rules of both services. They count characters, and a character of any language is one.
fn tag_problem(tags: &BTreeMap<String, String>, path: &FieldPath) -> Option<Problem> {
    if tags.len() > MOST_TAGS {
        return Some(Problem::new(
            path.clone(),
            format!("{} tags are too many.", tags.len()),
            format!("Use at most {MOST_TAGS}."),
        ));
    }
    if let Some(own) = OWN_TAGS.iter().find(|own| tags.contains_key(**own)) {
        return Some(Problem::new(
            path.clone(),
            format!("the tag {own:?} is reserved for Atlas."),
            "Remove it: Atlas sets it itself.",
        ));
    }
    let bad = tags.iter().find(|(key, value)| {
        let (long, longer) = (key.chars().count(), value.chars().count());
        key.is_empty() || long > 128 || longer > 256 || key.starts_with("aws:")
    });
    bad.map(|(key, _)| {
        Problem::new(
            path.clone(),
            format!("the tag {key:?} is not valid."),
            "Use keys of 1 to 128 characters that do not begin with aws:, and values of at most 256 characters.",
        )
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What makes a specification wrong.
    type Break = Box<dyn Fn(&mut Spec)>;

    pub(in super::super) fn spec() -> Spec {
        Spec {
            account: Account {
                endpoint: "http://127.0.0.1:4566".into(),
                region: "us-east-1".into(),
                access_key: "test".into(),
                secret_key: "sesame".into(),
            },
            bucket: BucketSpec {
                name: "audit-us".into(),
                force_destroy: false,
                versioning: true,
                block_public_access: true,
                expiration_days: Some(365),
                noncurrent_expiration_days: None,
                tags: BTreeMap::new(),
            },
            queue: Some(QueueSpec {
                name: "tx.fifo".into(),
                fifo: true,
                content_based_deduplication: true,
                visibility_timeout: 30,
                retention: 345_600,
                max_receive_count: 5,
                tags: BTreeMap::new(),
            }),
            replication: Some(ReplicationSpec {
                peer_region: "eu-central-1".into(),
                peer_bucket: "audit-eu".into(),
                peer_queue: Some("tx.fifo".into()),
                peer_endpoint: None,
                prefixes: vec!["ledger/".into()],
                delete_markers: true,
                role_arn: None,
            }),
        }
    }

    fn queue(change: fn(&mut QueueSpec)) -> impl Fn(&mut Spec) {
        move |spec| spec.queue.as_mut().map(change).unwrap_or_default()
    }

    fn replication(change: fn(&mut ReplicationSpec)) -> impl Fn(&mut Spec) {
        move |spec| spec.replication.as_mut().map(change).unwrap_or_default()
    }

    #[test]
    fn what_is_wrong_is_told_with_its_path() {
        let table: Vec<(&str, Break)> = vec![
            (
                "region",
                Box::new(|spec| spec.account.region = "here".into()),
            ),
            (
                "endpoint",
                Box::new(|spec| spec.account.endpoint = "localhost".into()),
            ),
            (
                "access_key",
                Box::new(|spec| spec.account.access_key.clear()),
            ),
            (
                "bucket.name",
                Box::new(|spec| spec.bucket.name = "Audit".into()),
            ),
            (
                "bucket.name",
                Box::new(|spec| spec.bucket.name = "au".into()),
            ),
            (
                "bucket.name",
                Box::new(|spec| spec.bucket.name = "a.b".into()),
            ),
            (
                "bucket.versioning",
                Box::new(|spec| spec.bucket.versioning = false),
            ),
            (
                "bucket.expiration_days",
                Box::new(|spec| spec.bucket.expiration_days = Some(0)),
            ),
            (
                "bucket.tags",
                Box::new(|spec| spec.bucket.tags = [("aws:x".into(), String::new())].into()),
            ),
            (
                "bucket.tags",
                Box::new(|spec| spec.bucket.tags = [("atlas:begun".into(), String::new())].into()),
            ),
            (
                "bucket.tags",
                Box::new(|spec| spec.bucket.tags = [("a".into(), "ü".repeat(257))].into()),
            ),
            (
                "queue.tags",
                Box::new(queue(|queue| {
                    queue.tags = (0..50).map(|n| (n.to_string(), String::new())).collect();
                })),
            ),
            (
                "queue.name",
                Box::new(queue(|queue| queue.name = "tx".into())),
            ),
            (
                "queue.retention",
                Box::new(queue(|queue| queue.retention = 59)),
            ),
            (
                "queue.max_receive_count",
                Box::new(queue(|queue| queue.max_receive_count = 0)),
            ),
            (
                "replication.peer_region",
                Box::new(replication(|one| one.peer_region = "us-east-1".into())),
            ),
            (
                "replication.peer_bucket",
                Box::new(replication(|one| one.peer_bucket = "audit-us".into())),
            ),
            (
                "replication.peer_queue",
                Box::new(replication(|one| one.peer_queue = Some("tx".into()))),
            ),
            (
                "replication.prefixes[1]",
                Box::new(replication(|one| one.prefixes.push("ledger/2026".into()))),
            ),
        ];
        assert_eq!(spec().problems(), []);
        for (path, change) in table {
            let mut bad = spec();
            change(&mut bad);
            let problems = bad.problems();
            assert_eq!(problems.len(), 1, "{path}: {problems:?}");
            assert_eq!(problems[0].path.to_string(), path);
        }
    }

    #[test]
    fn the_length_of_a_tag_is_counted_in_characters() {
        let mut spec = spec();
        spec.bucket.tags = [("ü".repeat(128), "ü".repeat(256))].into();
        assert_eq!(spec.problems(), []);
    }

    #[test]
    fn secrets_are_not_printed() {
        assert!(!format!("{:?}", spec()).contains("sesame"));
    }
}
