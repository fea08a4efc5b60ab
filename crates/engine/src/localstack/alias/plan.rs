//! What stands between an alias as wanted and as it is.

use std::collections::BTreeMap;

use super::desired::{self, Desired, Role};
use super::mark::MARK;
use super::observe::Observed;
use super::spec::Spec;
use crate::aws::{Queue, Replication};
use crate::localstack::Difference;

/// One step. They are taken in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Creates the bucket.
    CreateBucket,
    /// Has versions kept, or no longer.
    Versioning(bool),
    /// Blocks public access, or no longer.
    PublicAccessBlock(bool),
    /// Sets what expires.
    Lifecycle,
    /// Sets the bucket's tags.
    BucketTags,
    /// Creates a queue.
    CreateQueue(String),
    /// Sets the attributes of a queue.
    SetQueue(String),
    /// Sets the tags of a queue.
    QueueTags(String),
    /// Sets the bucket's replication.
    Replication(bool),
    /// Sets the bucket's notifications.
    Events(bool),
    /// Removes a queue.
    DeleteQueue(String),
    /// Sets the bucket's tags where a create set others to say that it has begun, and is so its end.
    EndCreate,
}

impl Step {
    /// The step as a sentence.
    pub fn summary(&self, bucket: &str) -> String {
        let turn = |on: &bool| if *on { "set" } else { "remove" };
        match self {
            Self::CreateBucket => format!("create bucket {bucket}"),
            Self::Versioning(true) => format!("enable versioning of bucket {bucket}"),
            Self::Versioning(false) => format!("suspend versioning of bucket {bucket}"),
            Self::PublicAccessBlock(true) => format!("block public access to bucket {bucket}"),
            Self::PublicAccessBlock(false) => format!("allow public access to bucket {bucket}"),
            Self::Lifecycle => format!("set the lifecycle of bucket {bucket}"),
            Self::BucketTags => format!("tag bucket {bucket}"),
            Self::CreateQueue(name) => format!("create queue {name}"),
            Self::SetQueue(name) => format!("change queue {name}"),
            Self::QueueTags(name) => format!("tag queue {name}"),
            Self::Replication(on) => format!("{} the replication of bucket {bucket}", turn(on)),
            Self::Events(on) => format!("{} the notifications of bucket {bucket}", turn(on)),
            Self::DeleteQueue(name) => format!("delete queue {name}"),
            Self::EndCreate => format!("tag bucket {bucket} as declared"),
        }
    }
}

/// Everything that is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// In order.
    pub steps: Vec<Step>,
    /// Attributes that differ.
    pub differences: Vec<Difference>,
    /// What differs and has no attribute, as sentences.
    pub drift: Vec<String>,
}

impl Plan {
    /// Attributes for which the alias must be replaced.
    pub fn replace(&self) -> Vec<&str> {
        Difference::replacing(&self.differences)
    }

    #[expect(clippy::needless_pass_by_value, reason = "numbers and texts alike")]
    fn differ(&mut self, field: &str, before: impl ToString, after: impl ToString) -> bool {
        let (before, after) = (before.to_string(), after.to_string());
        let differs = before != after;
        if differs {
            self.differences.push(Difference::new(field, before, after));
        }
        differs
    }
}

/// Compares.
pub fn plan(spec: &Spec, observed: &Observed) -> Plan {
    let mut plan = Plan::default();
    of_bucket(spec, observed, &mut plan);
    of_queues(spec, observed, &mut plan);
    of_replication(spec, observed, &mut plan);
    if observed.begun.is_some() {
        plan.drift.push(format!(
            "a create of bucket {} was interrupted",
            spec.bucket.name
        ));
    }
    if observed.begun.is_some() || observed.bucket.is_none() {
        plan.steps.retain(|step| *step != Step::BucketTags);
        plan.steps.push(Step::EndCreate);
    }
    plan
}

fn of_bucket(spec: &Spec, observed: &Observed, plan: &mut Plan) {
    let wanted = &spec.bucket;
    let Some(found) = &observed.bucket else {
        plan.steps.push(Step::CreateBucket);
        if wanted.versioning {
            plan.steps.push(Step::Versioning(true));
        }
        plan.steps
            .push(Step::PublicAccessBlock(wanted.block_public_access));
        if wanted.expiration_days.is_some() || wanted.noncurrent_expiration_days.is_some() {
            plan.steps.push(Step::Lifecycle);
        }
        return;
    };
    if plan.differ("region", &found.region, &spec.account.region)
        && let Some(last) = plan.differences.last_mut()
    {
        last.replaces = true;
    }
    if plan.differ("bucket.versioning", found.versioning, wanted.versioning) {
        plan.steps.push(Step::Versioning(wanted.versioning));
    }
    let (before, after) = (found.block_public_access, wanted.block_public_access);
    if plan.differ("bucket.block_public_access", before, after) {
        plan.steps.push(Step::PublicAccessBlock(after));
    }
    let days = |days: Option<i32>| days.map(|days| days.to_string()).unwrap_or_default();
    let (before, after) = (found.lifecycle.expiration_days, wanted.expiration_days);
    let current = plan.differ("bucket.expiration_days", days(before), days(after));
    let (before, after) = (
        found.lifecycle.noncurrent_days,
        wanted.noncurrent_expiration_days,
    );
    let noncurrent = plan.differ(
        "bucket.noncurrent_expiration_days",
        days(before),
        days(after),
    );
    if found.lifecycle.differs {
        plan.drift.push(format!(
            "the rule atlas of the lifecycle of bucket {} has more than is declared",
            wanted.name
        ));
    }
    if current || noncurrent || found.lifecycle.differs {
        plan.steps.push(Step::Lifecycle);
    }
    let (before, after) = (format!("{:?}", found.tags), format!("{:?}", wanted.tags));
    let differs = plan.differ("bucket.tags", before, after);
    let is_foreign = !observed.is_own_bucket(&wanted.name);
    if is_foreign {
        plan.drift.push(format!(
            "bucket {} does not carry the tag {MARK}, which says that it is an alias's",
            wanted.name
        ));
    }
    if differs || is_foreign {
        plan.steps.push(Step::BucketTags);
    }
}

fn of_queues(spec: &Spec, observed: &Observed, plan: &mut Plan) {
    for wanted in desired::queues(spec, &observed.account_id) {
        let found = match wanted.role {
            Role::DeadLetters => observed.dead_letters.as_ref(),
            Role::Transactions => observed.queue.as_ref(),
            Role::EventDeadLetters => observed.event_dead_letters.as_ref(),
            Role::Events => observed.events.as_ref(),
            Role::Outbox => observed.outboxes.get(&wanted.name),
        };
        match found {
            None => {
                if observed.bucket.is_some() {
                    plan.drift.push(format!("queue {} is missing", wanted.name));
                }
                plan.steps.push(Step::CreateQueue(wanted.name));
            }
            Some(found) => {
                let is_own = observed.is_own_queue(wanted.role, found, &spec.bucket.name);
                of_queue(&wanted, found, is_own, plan);
            }
        }
    }
}

fn of_queue(wanted: &Desired, found: &Queue, is_own: bool, plan: &mut Plan) {
    let mut retags = !is_own;
    if !is_own {
        plan.drift.push(format!(
            "queue {} does not carry the tag {MARK}, which says that it is the alias's",
            wanted.name
        ));
    }
    let (before, after) = (&found.attributes, &wanted.attributes);
    let same_policy = match (&before.policy, &after.policy) {
        (Some(before), Some(after)) => {
            let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
            parse(before) == parse(after)
        }
        (before, after) => before == after,
    };
    let mut changes = !same_policy;
    if wanted.role == Role::Transactions {
        if plan.differ("queue.fifo", before.fifo, after.fifo)
            && let Some(last) = plan.differences.last_mut()
        {
            last.replaces = true;
        }
        for (field, before, after) in [
            (
                "queue.content_based_deduplication",
                before.content_based_deduplication.to_string(),
                after.content_based_deduplication.to_string(),
            ),
            (
                "queue.visibility_timeout",
                before.visibility_timeout.to_string(),
                after.visibility_timeout.to_string(),
            ),
            (
                "queue.retention",
                before.retention.to_string(),
                after.retention.to_string(),
            ),
            (
                "queue.max_receive_count",
                count(before.dead_letters.as_ref()),
                count(after.dead_letters.as_ref()),
            ),
        ] {
            changes |= plan.differ(field, before, after);
        }
        let target = |one: &Option<(String, i32)>| one.as_ref().map(|(arn, _)| arn.clone());
        let (before, after) = (target(&before.dead_letters), target(&after.dead_letters));
        if before.is_some() && before != after {
            changes = true;
            plan.drift.push(format!(
                "queue {} sends its dead letters to another queue",
                wanted.name
            ));
        }
        if !same_policy {
            plan.drift.push(format!(
                "the policy of queue {} is not declared",
                wanted.name
            ));
        }
        let (before, after) = (format!("{:?}", found.tags), format!("{:?}", wanted.tags));
        retags |= plan.differ("queue.tags", before, after);
    } else {
        changes |= before.content_based_deduplication != after.content_based_deduplication
            || before.visibility_timeout != after.visibility_timeout
            || before.retention != after.retention
            || before.dead_letters != after.dead_letters;
        if changes {
            plan.drift
                .push(format!("queue {} has other settings", wanted.name));
        }
        let region = |tags: &BTreeMap<String, String>| {
            tags.get(desired::PEER_REGION).cloned().unwrap_or_default()
        };
        let moved = wanted.role == Role::Events
            && plan.differ(
                "replication.peer_region",
                region(&found.tags),
                region(&wanted.tags),
            );
        let differs = found.tags != wanted.tags;
        if differs && !moved {
            plan.drift
                .push(format!("queue {} has other tags", wanted.name));
        }
        retags |= moved || differs;
    }
    if retags {
        plan.steps.push(Step::QueueTags(wanted.name.clone()));
    }
    if changes {
        plan.steps.push(Step::SetQueue(wanted.name.clone()));
    }
}

fn count(dead_letters: Option<&(String, i32)>) -> String {
    dead_letters.map_or(0, |(_, count)| *count).to_string()
}

fn of_replication(spec: &Spec, observed: &Observed, plan: &mut Plan) {
    let found = observed.bucket.as_ref();
    let before = found.and_then(|bucket| bucket.replication.clone());
    let after = desired::replication(spec, &observed.account_id);
    match (&before, &after) {
        (None, None) => {}
        (Some(before), Some(after)) => {
            if of_rules(before, after, plan) {
                plan.steps.push(Step::Replication(true));
            }
        }
        (before, after) => {
            let told = |there: bool| if there { "present" } else { "absent" };
            if observed.bucket.is_some() {
                plan.differ("replication", told(before.is_some()), told(after.is_some()));
            }
            plan.steps.push(Step::Replication(after.is_some()));
        }
    }
    let bucket = &spec.bucket.name;
    let events = desired::own_arn(spec, &observed.account_id, &desired::events_name(bucket));
    let told = found.and_then(|bucket| bucket.events.as_deref());
    match (&spec.replication, told) {
        (Some(_), Some(told)) if told == events => {}
        (Some(_), _) => {
            if found.is_some() && before.is_some() {
                plan.drift.push(format!(
                    "bucket {bucket} does not send all events to its queue"
                ));
            }
            plan.steps.push(Step::Events(true));
        }
        (None, Some(_)) => plan.steps.push(Step::Events(false)),
        (None, None) => {}
    }
    // What replication needed, and what delivered to another region than now.
    let wanted = desired::queues(spec, &observed.account_id);
    let mut surplus: Vec<String> = observed.outboxes.keys().cloned().collect();
    if observed.events.is_some() {
        surplus.push(desired::events_name(bucket));
    }
    if observed.event_dead_letters.is_some() {
        surplus.push(desired::event_dead_letter_name(bucket));
    }
    for name in surplus {
        if !wanted.iter().any(|one| one.name == name) {
            plan.drift.push(format!("queue {name} is not declared"));
            plan.steps.push(Step::DeleteQueue(name));
        }
    }
}

fn of_rules(before: &Replication, after: &Replication, plan: &mut Plan) -> bool {
    let mut differs = before.has_more;
    if before.has_more {
        plan.drift
            .push("the bucket's replication has rules that are not declared".to_owned());
    }
    for (field, before, after) in [
        (
            "peer_bucket",
            before.peer_bucket.clone(),
            after.peer_bucket.clone(),
        ),
        (
            "prefixes",
            before.prefixes.join(", "),
            after.prefixes.join(", "),
        ),
        (
            "delete_markers",
            before.delete_markers.to_string(),
            after.delete_markers.to_string(),
        ),
        ("role_arn", before.role_arn.clone(), after.role_arn.clone()),
    ] {
        differs |= plan.differ(&format!("replication.{field}"), before, after);
    }
    differs
}

#[cfg(test)]
mod tests {
    use super::super::mark::Marks;
    use super::super::spec::tests::spec;
    use super::*;

    /// What the world has instead.
    type Change = fn(&mut Observed);
    use crate::aws::{Bucket, Lifecycle};

    const ACCOUNT: &str = "000000000000";

    /// The world as it is after `spec` was applied.
    fn world(spec: &Spec) -> Observed {
        let queue = |role: Role| {
            let all = desired::queues(spec, ACCOUNT);
            let one = all.into_iter().find(|one| one.role == role)?;
            Some(Queue {
                url: format!("http://queue/{}", one.name),
                arn: desired::own_arn(spec, ACCOUNT, &one.name),
                attributes: one.attributes,
                tags: one.tags,
                messages: 0,
            })
        };
        Observed {
            account_id: ACCOUNT.into(),
            bucket: Some(Bucket {
                region: spec.account.region.clone(),
                versioning: spec.bucket.versioning,
                block_public_access: spec.bucket.block_public_access,
                lifecycle: Lifecycle {
                    expiration_days: spec.bucket.expiration_days,
                    noncurrent_days: spec.bucket.noncurrent_expiration_days,
                    differs: false,
                },
                tags: spec.bucket.tags.clone(),
                replication: desired::replication(spec, ACCOUNT),
                events: spec.replication.as_ref().map(|_| {
                    desired::own_arn(spec, ACCOUNT, &desired::events_name(&spec.bucket.name))
                }),
            }),
            queue: queue(Role::Transactions),
            dead_letters: queue(Role::DeadLetters),
            events: queue(Role::Events),
            event_dead_letters: queue(Role::EventDeadLetters),
            begun: None,
            outboxes: queue(Role::Outbox)
                .map(|queue| (queue.arn.rsplit(':').next().unwrap().to_owned(), queue))
                .into_iter()
                .collect(),
            marks: Marks {
                bucket: Some(spec.bucket.name.clone()),
                queues: desired::queues(spec, ACCOUNT)
                    .into_iter()
                    .map(|one| (one.name, spec.bucket.name.clone()))
                    .collect(),
            },
        }
    }

    #[test]
    fn what_is_as_wanted_needs_no_step() {
        assert_eq!(plan(&spec(), &world(&spec())), Plan::default());
    }

    #[test]
    fn what_is_there_reads_back_as_what_was_asked() {
        let asked = spec();
        let found = world(&asked).spec(&asked.account, &asked.bucket.name, Some(&asked));
        assert_eq!(found, Some(asked));
    }

    #[test]
    fn each_attribute_is_told_alone_and_set_alone() {
        let table: Vec<(&str, Step, Change)> = vec![
            ("bucket.versioning", Step::Versioning(true), |world| {
                world.bucket.as_mut().unwrap().versioning = false;
            }),
            (
                "bucket.block_public_access",
                Step::PublicAccessBlock(true),
                |world| {
                    world.bucket.as_mut().unwrap().block_public_access = false;
                },
            ),
            ("bucket.expiration_days", Step::Lifecycle, |world| {
                world.bucket.as_mut().unwrap().lifecycle.expiration_days = None;
            }),
            ("bucket.tags", Step::BucketTags, |world| {
                world
                    .bucket
                    .as_mut()
                    .unwrap()
                    .tags
                    .insert("a".into(), "b".into());
            }),
            (
                "queue.visibility_timeout",
                Step::SetQueue("tx.fifo".into()),
                |world| {
                    world.queue.as_mut().unwrap().attributes.visibility_timeout = 7;
                },
            ),
            (
                "queue.max_receive_count",
                Step::SetQueue("tx.fifo".into()),
                |world| {
                    world.queue.as_mut().unwrap().attributes.dead_letters = None;
                },
            ),
            ("queue.tags", Step::QueueTags("tx.fifo".into()), |world| {
                world
                    .queue
                    .as_mut()
                    .unwrap()
                    .tags
                    .insert("a".into(), "b".into());
            }),
            (
                "replication.delete_markers",
                Step::Replication(true),
                |world| {
                    let bucket = world.bucket.as_mut().unwrap();
                    bucket.replication.as_mut().unwrap().delete_markers = false;
                },
            ),
        ];
        for (field, step, change) in table {
            let mut changed = world(&spec());
            change(&mut changed);
            let plan = plan(&spec(), &changed);
            let fields: Vec<&str> = plan
                .differences
                .iter()
                .map(|one| one.field.as_str())
                .collect();
            assert_eq!(fields, [field]);
            assert_eq!(plan.steps, [step]);
            assert!(plan.drift.is_empty(), "{field}: {:?}", plan.drift);
        }
    }

    #[test]
    fn what_has_no_attribute_is_told_as_a_sentence() {
        let table: Vec<(&str, Change)> = vec![
            ("queue audit-us-events is missing", |world| {
                world.events = None;
            }),
            ("queue tx-dlq.fifo has other settings", |world| {
                world.dead_letters.as_mut().unwrap().attributes.retention = 60;
            }),
            (
                "bucket audit-us does not send all events to its queue",
                |world| {
                    world.bucket.as_mut().unwrap().events = None;
                },
            ),
        ];
        for (sentence, change) in table {
            let mut changed = world(&spec());
            change(&mut changed);
            let plan = plan(&spec(), &changed);
            assert_eq!(plan.drift, [sentence]);
            assert!(
                plan.differences.is_empty() && plan.steps.len() == 1,
                "{plan:?}"
            );
        }
    }

    #[test]
    fn a_new_alias_is_tagged_as_declared_last_of_all() {
        let mut wanted = spec();
        wanted.bucket.tags.insert("a".into(), "b".into());
        let absent = Observed {
            account_id: ACCOUNT.into(),
            ..Observed::default()
        };
        let steps = plan(&wanted, &absent).steps;
        assert_eq!(steps.first(), Some(&Step::CreateBucket));
        assert_eq!(steps.last(), Some(&Step::EndCreate));
        assert!(!steps.contains(&Step::BucketTags), "{steps:?}");
    }

    #[test]
    fn a_create_that_did_not_end_is_told_and_ended_by_the_next() {
        let mut found = world(&spec());
        found.begun = Some("tx.fifo".into());
        let plan = plan(&spec(), &found);
        assert_eq!(plan.steps, [Step::EndCreate]);
        assert_eq!(plan.drift.len(), 1, "{:?}", plan.drift);
    }

    #[test]
    fn without_replication_its_queues_go() {
        let mut wanted = spec();
        wanted.replication = None;
        let steps = plan(&wanted, &world(&spec())).steps;
        for name in [
            "tx-to-eu-central-1.fifo",
            "audit-us-events",
            "audit-us-events-dlq",
        ] {
            assert!(steps.contains(&Step::DeleteQueue(name.into())), "{steps:?}");
        }
        assert!(steps.contains(&Step::Replication(false)) && steps.contains(&Step::Events(false)));
    }
}
