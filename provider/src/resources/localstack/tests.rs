use atlas_engine::docker::{Node, State};

use super::*;
use crate::resources::planning::{self, whole};

fn text(text: &str) -> Value {
    Value::string(text)
}

/// A server with a replicator, as a user declares it.
fn config() -> Value {
    let mut config = LocalStack.schema().empty();
    config.set("name", text("us"));
    config.set("network", text("cloud"));
    let regions = Value::List(vec![text("us-east-1")]);
    config.set("replicator", Value::object([("regions", regions)]));
    whole(&LocalStack.schema(), config)
}

fn with(name: &str, value: Value) -> Value {
    let mut changed = config();
    changed.set(name, value);
    changed
}

/// The world after `config` was applied on an image that keeps state, or does not.
fn world(config: &Value, keeps: Option<bool>) -> Observed {
    let configured = Configured::unconnected();
    let running = || Node {
        state: State {
            running: true,
            ..State::default()
        },
        ..Node::default()
    };
    let found = spec(config, &configured, &mut Reader::default()).unwrap();
    Observed {
        server: Some(running()),
        replicator: Some(running()),
        volume: Some("atlas-localstack-us".to_owned()),
        health: Some(server::Health::default()),
        address: Some([10, 0, 0, 2].into()),
        keeps,
        found: Some(found),
        ..Observed::default()
    }
}

async fn planned(config: &Value, prior: &Value) -> Planned {
    planning::planned(&LocalStack, Configured::unconnected(), config, prior).await
}

/// The state after `config` was applied.
async fn applied(config: &Value, keeps: Option<bool>) -> Value {
    let created = planned(config, &Value::Null).await.state;
    state(&world(config, keeps), &created)
}

#[tokio::test]
async fn what_is_as_declared_is_planned_as_it_is() {
    for keeps in [None, Some(true), Some(false)] {
        let prior = applied(&config(), keeps).await;
        let again = planned(&config(), &prior).await;
        assert_eq!(again.state, prior, "{keeps:?}");
        assert!(again.requires_replace.is_empty(), "{keeps:?}");
    }
}

#[tokio::test]
async fn variables_that_the_image_has_too_are_in_the_state_as_the_user_wrote_them() {
    let variables = Value::object([("PYTHONUNBUFFERED", text("1"))]);
    let config = with("environment", variables.clone());
    let prior = applied(&config, None).await;
    assert_eq!(*prior.get("environment"), variables);
    assert_eq!(planned(&config, &prior).await.state, prior);
}

#[tokio::test]
async fn what_needs_another_container_is_in_place_only_where_state_is_kept() {
    let table = [
        ("image", text("other:1")),
        ("services", Value::List(vec![text("s3")])),
        ("port", Value::int(4600)),
        ("network", text("other")),
        ("address", text("10.0.0.9")),
        ("environment", Value::object([("DEBUG", text("1"))])),
    ];
    for (name, value) in table {
        let changed = with(name, value);
        for (keeps, replaces) in [(None, false), (Some(true), false), (Some(false), true)] {
            let planned = planned(&changed, &applied(&config(), keeps).await).await;
            let expected: &[AttributePath] = &[AttributePath::of(name)];
            let expected = if replaces { expected } else { &[] };
            assert_eq!(planned.requires_replace, expected, "{name} {keeps:?}");
            let warned = planned.diagnostics.iter().count();
            assert_eq!(warned, usize::from(replaces), "{name} {keeps:?}");
        }
    }
}

#[tokio::test]
async fn a_change_of_the_replicator_never_replaces_the_server() {
    let mut replicator = config().get("replicator").clone();
    replicator.set("peers", Value::List(vec![text("http://eu:4566")]));
    let changed = with("replicator", replicator);
    for keeps in [None, Some(false)] {
        let planned = planned(&changed, &applied(&config(), keeps).await).await;
        assert!(planned.requires_replace.is_empty());
        assert!(planned.diagnostics.iter().next().is_none());
    }
}

#[tokio::test]
async fn consent_to_lose_what_it_holds_changes_nothing_else() {
    let prior = applied(&config(), None).await;
    let planned = planned(&with("force_destroy", Value::Bool(true)), &prior).await;
    let mut expected = prior.clone();
    expected.set("force_destroy", Value::Bool(true));
    assert_eq!(planned.state, expected);
    assert_eq!(prior.get("force_destroy").as_bool(), Some(false));
}

#[tokio::test]
async fn defaults_hold_again_where_the_user_takes_a_value_away() {
    let before = with("port", Value::int(4600));
    let prior = applied(&before, None).await;
    let planned = planned(&config(), &prior).await;
    assert_eq!(planned.state.get("port").as_i64(), Some(4566));
}

#[tokio::test]
async fn what_stands_still_is_told_as_drift_by_what_helps() {
    for (status, told) in [
        ("paused", "unpause atlas-localstack-us"),
        ("exited", "start atlas-localstack-us"),
    ] {
        let mut world = world(&config(), None);
        let server = world.server.as_mut().unwrap();
        server.state.running = false;
        status.clone_into(&mut server.state.status);
        world.health = None;
        let prior = applied(&config(), None).await;
        let read = state(&world, &prior);
        assert_eq!(*read.get("drift"), Value::List(vec![text(told)]));
        let planned = planned(&config(), &read).await;
        assert_ne!(planned.state, read);
        assert!(planned.requires_replace.is_empty());
    }
}
