use super::super::plan::plan;
use super::super::spec::tests::spec;
use super::*;
use crate::aws::Bucket;
use crate::localstack::alias::Step;

const BUCKET: &str = "audit-us";

fn queue(name: &str, tags: &[(&str, &str)]) -> Queue {
    let tags = tags.iter();
    Queue {
        url: format!("http://queue/{name}"),
        arn: format!("arn:aws:sqs:us-east-1:000000000000:{name}"),
        tags: tags
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        ..Queue::default()
    }
}

/// A queue that sends its dead letters to the queue of this name.
fn leading(mut queue: Queue, to: &str) -> Queue {
    let arn = format!("arn:aws:sqs:us-east-1:000000000000:{to}");
    queue.attributes.dead_letters = Some((arn, 5));
    queue
}

fn bucket(tags: &[(&str, &str)]) -> Bucket {
    let tags = tags.iter();
    Bucket {
        tags: tags
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        ..Bucket::default()
    }
}

/// What is refused of this world, in order.
fn refused(mut observed: Observed) -> Vec<String> {
    observed.take_marks();
    let foreign = observed.foreign(&spec()).into_iter();
    foreign.map(|(_, name)| name).collect()
}

#[test]
fn what_nobody_made_for_the_alias_is_told_apart() {
    let ours = [(MARK, BUCKET)];
    let with = |bucket, queue: Option<Queue>| Observed {
        bucket,
        queue,
        ..Observed::default()
    };
    let table = [
        ("nothing is there", with(None, None), vec![]),
        (
            "theirs",
            with(Some(bucket(&[("a", "b")])), None),
            vec![BUCKET],
        ),
        ("ours", with(Some(bucket(&ours)), None), vec![]),
        (
            "another alias's",
            with(
                Some(bucket(&ours)),
                Some(queue("tx.fifo", &[(MARK, "audit-eu")])),
            ),
            vec!["tx.fifo"],
        ),
        (
            "their queue",
            with(Some(bucket(&ours)), Some(queue("tx.fifo", &[]))),
            vec!["tx.fifo"],
        ),
        (
            "tags of the bucket were set by somebody else",
            with(Some(bucket(&[])), Some(queue("tx.fifo", &ours))),
            vec![],
        ),
        (
            "both theirs, and what stands beside",
            Observed {
                dead_letters: Some(queue("tx-dlq.fifo", &[])),
                events: Some(queue("audit-us-events", &[])),
                ..with(Some(bucket(&[])), Some(queue("tx.fifo", &[])))
            },
            vec![BUCKET, "audit-us-events", "tx.fifo", "tx-dlq.fifo"],
        ),
        (
            "a create that began before there were marks",
            Observed {
                begun: Some("tx.fifo".into()),
                dead_letters: Some(queue("tx-dlq.fifo", &[])),
                ..with(Some(bucket(&[])), None)
            },
            vec![],
        ),
        (
            "an alias from before there were marks",
            Observed {
                events: Some(leading(
                    queue("audit-us-events", &[(PEER_REGION, "eu-central-1")]),
                    "audit-us-events-dlq",
                )),
                event_dead_letters: Some(queue("audit-us-events-dlq", &[])),
                dead_letters: Some(queue("tx-dlq.fifo", &[])),
                outboxes: [(
                    "tx-to-eu-central-1.fifo".into(),
                    queue("tx-to-eu-central-1.fifo", &[(FORWARD_TO, "arn")]),
                )]
                .into(),
                ..with(
                    Some(bucket(&[])),
                    Some(leading(queue("tx.fifo", &[]), "tx-dlq.fifo")),
                )
            },
            vec![],
        ),
        (
            "the same without an outbox",
            Observed {
                events: Some(queue("audit-us-events", &[(PEER_REGION, "eu-central-1")])),
                dead_letters: Some(queue("tx-dlq.fifo", &[])),
                ..with(
                    Some(bucket(&[])),
                    Some(leading(queue("tx.fifo", &[]), "tx-dlq.fifo")),
                )
            },
            vec![],
        ),
    ];
    for (what, observed, wanted) in table {
        assert_eq!(refused(observed), wanted, "{what}");
    }
}

#[test]
fn what_a_state_names_is_taken_over_and_what_it_does_not_is_refused() {
    let observed = Observed {
        bucket: Some(bucket(&[])),
        queue: Some(queue("tx.fifo", &[])),
        ..Observed::default()
    };
    assert!(observed.admit_foreign(&spec(), Some(&spec())).is_ok());
    let mut before = spec();
    before.queue = None;
    let error = observed.admit_foreign(&spec(), Some(&before)).unwrap_err();
    let told = error.to_string();
    assert!(
        told.contains("queue named \"tx.fifo\" already exists"),
        "{told}"
    );
    let told = observed.admit_foreign(&spec(), None).unwrap_err();
    let told = told.to_string();
    assert!(
        told.contains("bucket named \"audit-us\" already exists"),
        "{told}"
    );
}

#[test]
fn what_was_taken_over_is_marked_once_and_users_never_see_it() {
    let mut wanted = spec();
    (wanted.queue, wanted.replication) = (None, None);
    let mut observed = Observed {
        bucket: Some(bucket(&[("a", "b")])),
        ..Observed::default()
    };
    wanted.bucket.tags = [("a".to_owned(), "b".to_owned())].into();
    let found = observed.bucket.as_mut().unwrap();
    found.region = wanted.account.region.clone();
    (found.versioning, found.block_public_access) = (true, true);
    found.lifecycle.expiration_days = wanted.bucket.expiration_days;
    observed.take_marks();
    let first = plan(&wanted, &observed);
    assert_eq!(first.steps, [Step::BucketTags]);
    assert!(first.drift[0].contains(MARK), "{:?}", first.drift);
    assert!(first.differences.is_empty());

    observed.bucket.as_mut().unwrap().tags = marked(&wanted.bucket.tags, BUCKET);
    observed.take_marks();
    assert_eq!(
        plan(&wanted, &observed),
        super::super::plan::Plan::default()
    );
    assert_eq!(observed.bucket.unwrap().tags, wanted.bucket.tags);
}
