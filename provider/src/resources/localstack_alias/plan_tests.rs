use tfplugin::Resource as _;

use super::super::Alias;
use super::*;
use crate::resources::planning::{proposed, whole};

const ENDPOINT: &str = "http://127.0.0.1:4566";

fn text(text: &str) -> Value {
    Value::string(text)
}

/// An alias with a queue and a peer, as a user declares it.
fn config() -> Value {
    let mut config = Alias.schema().empty();
    config.set("region", text("us-east-1"));
    config.set("endpoint", text(ENDPOINT));
    config.set("bucket", Value::object([("name", text("audit"))]));
    config.set("queue", Value::object([("name", text("tx"))]));
    let replication = [
        ("peer_region", text("eu-central-1")),
        ("peer_bucket", text("audit-eu")),
        ("peer_queue", text("tx")),
    ];
    config.set("replication", Value::object(replication));
    whole(&Alias.schema(), config)
}

/// The state after it was applied.
fn applied() -> Value {
    let mut state = planned(&config(), &Value::Null).state;
    state.set("account_id", text("000000000000"));
    for (name, url, arn) in [
        ("tx", "queue_url", "queue_arn"),
        ("tx-dlq", "dead_letter_queue_url", "dead_letter_queue_arn"),
        ("audit-events", "events_queue_url", "events_queue_arn"),
        ("tx-to-eu-central-1", "outbox_url", "outbox_arn"),
    ] {
        state.set(
            url,
            Value::string(format!("{ENDPOINT}/000000000000/{name}")),
        );
        let told = format!("arn:aws:sqs:us-east-1:000000000000:{name}");
        state.set(arn, Value::string(told));
    }
    state
}

fn planned(config: &Value, prior: &Value) -> Planned {
    plan(PlanRequest {
        proposed: proposed(&Alias.schema(), config, prior),
        config: config.clone(),
        prior: prior.clone(),
    })
}

/// Names of the attributes that are unknown in a plan.
fn unknown(planned: &Planned) -> Vec<&str> {
    let entries = planned.state.entries();
    let unknown = entries.filter(|(_, value)| value.is_unknown());
    unknown.map(|(name, _)| name.as_str()).collect()
}

#[test]
fn what_is_as_declared_is_planned_as_it_is() {
    let planned = planned(&config(), &applied());
    assert_eq!(planned.state, applied());
    assert!(planned.requires_replace.is_empty());
}

#[test]
fn a_new_alias_is_known_by_its_name_alone() {
    let planned = planned(&config(), &Value::Null);
    assert_eq!(planned.state.get("id").as_str(), Some("us-east-1/audit"));
    assert_eq!(unknown(&planned).len(), 9, "{:?}", unknown(&planned));
}

/// What was found to differ, and what is not known therefore.
type Drift = (fn(&mut Value), &'static [&'static str]);

#[test]
fn drift_makes_unknown_what_can_change_and_nothing_else() {
    let table: [Drift; 6] = [
        (
            |state| {
                state.set(
                    "drift",
                    Value::List(vec![text("queue tx-dlq is set otherwise")]),
                );
            },
            &[],
        ),
        (
            |state| {
                let mut bucket = state.get("bucket").clone();
                bucket.set("versioning", Value::Bool(false));
                state.set("bucket", bucket);
            },
            &[],
        ),
        (
            |state| {
                let mut queue = state.get("queue").clone();
                queue.set("visibility_timeout", Value::int(7));
                state.set("queue", queue);
            },
            &[],
        ),
        (|state| state.set("replication", Value::Null), &[]),
        // A queue that was deleted is another one when it is there again.
        (
            |state| {
                state.set("dead_letter_queue_url", Value::Null);
                state.set("dead_letter_queue_arn", Value::Null);
            },
            &["dead_letter_queue_arn", "dead_letter_queue_url"],
        ),
        (
            |state| {
                for name in ["queue", "queue_url", "queue_arn"] {
                    state.set(name, Value::Null);
                }
            },
            &["queue_arn", "queue_url"],
        ),
    ];
    for (place, (drift, expected)) in table.into_iter().enumerate() {
        let mut prior = applied();
        drift(&mut prior);
        let planned = planned(&config(), &prior);
        assert_eq!(unknown(&planned), expected, "row {place}");
        assert!(planned.requires_replace.is_empty(), "row {place}");
    }
}

#[test]
fn at_another_endpoint_everything_may_be_another() {
    let mut moved = config();
    moved.set("endpoint", Value::Unknown);
    let planned = planned(&moved, &applied());
    assert_eq!(unknown(&planned).len(), 10, "{:?}", unknown(&planned));
    assert!(planned.requires_replace.is_empty());
}

#[test]
fn without_a_queue_there_is_nothing_to_tell_of_it() {
    let mut alone = config();
    alone.set("queue", Value::Null);
    alone.set("replication", Value::Null);
    let planned = planned(&alone, &applied());
    assert_eq!(unknown(&planned), Vec::<&str>::new());
    for (_, url, arn) in QUEUES {
        assert!(planned.state.get(url).is_null() && planned.state.get(arn).is_null());
    }
}

#[test]
fn another_peer_makes_another_outbox() {
    let mut elsewhere = config();
    let mut replication = elsewhere.get("replication").clone();
    replication.set("peer_region", text("eu-west-1"));
    elsewhere.set("replication", replication);
    let planned = planned(&elsewhere, &applied());
    assert_eq!(unknown(&planned), ["outbox_arn", "outbox_url"]);
}

#[test]
fn what_is_not_known_yet_leaves_what_follows_from_it_unknown() {
    let mut later = config();
    let mut replication = later.get("replication").clone();
    replication.set("peer_queue", Value::Unknown);
    later.set("replication", replication);
    let planned = planned(&later, &applied());
    assert!(unknown(&planned).contains(&"outbox_arn"));
}

/// What is declared instead, and what forces another alias.
type Rename = (fn(&mut Value), AttributePath);

#[test]
fn another_name_is_another_alias() {
    let table: [Rename; 4] = [
        (
            |config| config.set("region", text("us-west-2")),
            AttributePath::of("region"),
        ),
        (
            |config| config.set("bucket", Value::object([("name", text("other"))])),
            AttributePath::of("bucket").attribute("name"),
        ),
        (
            |config| config.set("queue", Value::object([("name", text("other"))])),
            AttributePath::of("queue").attribute("name"),
        ),
        (
            |config| {
                let queue = [("name", text("tx")), ("fifo", Value::Bool(true))];
                config.set("queue", Value::object(queue));
            },
            AttributePath::of("queue").attribute("fifo"),
        ),
    ];
    for (change, path) in table {
        let mut other = config();
        change(&mut other);
        assert_eq!(planned(&other, &applied()).requires_replace, [path]);
    }
}

#[test]
fn defaults_hold_again_where_the_user_takes_a_value_away() {
    let mut before = config();
    let mut bucket = before.get("bucket").clone();
    bucket.set("versioning", Value::Bool(false));
    before.set("bucket", bucket);
    before.set("replication", Value::Null);
    let prior = planned(&before, &Value::Null).state;
    let planned = planned(&config(), &prior);
    assert_eq!(
        planned.state.get("bucket").get("versioning").as_bool(),
        Some(true)
    );
}
