//! Plans of clusters: what is as declared stays, defaults hold, and what is unknown stays unknown.

use atlas_engine::docker::Node;

use super::*;
use crate::resources::planning;

fn text(text: &str) -> Value {
    Value::string(text)
}

fn config() -> Value {
    let mut config = Cluster.schema().empty();
    config.set("name", text("ledger"));
    config.set("regions", Value::List(vec![text("us-east")]));
    config
}

fn with(name: &str, value: Value) -> Value {
    let mut changed = config();
    changed.set(name, value);
    changed
}

async fn planned(config: &Value, prior: &Value) -> Planned {
    planning::planned(&Cluster, Configured::unconnected(), config, prior).await
}

/// A cluster that serves, with the settings that are declared.
fn world(planned: &Value) -> Observed {
    let mut observed = Observed::default();
    observed.view = View::Live(Topology::default());
    observed.containers = vec![Node::default()];
    observed.settings = texts_by_key(planned.get("settings"));
    observed
}

async fn applied(config: &Value) -> Value {
    let created = planned(config, &Value::Null).await.state;
    state(&world(&created), &created)
}

fn attributes() -> Vec<(&'static str, Value)> {
    let settings = Value::Map([("kv.rangefeed.enabled".to_owned(), text("on"))].into());
    vec![
        ("settings", settings),
        ("certificates", text("/certificates")),
        ("license_version", Value::int(2)),
        ("force_destroy", Value::Bool(true)),
    ]
}

#[tokio::test]
async fn what_is_as_declared_is_planned_as_it_is_also_where_it_is_told_in_another_way() {
    let mut all = vec![config()];
    all.extend(
        attributes()
            .into_iter()
            .map(|(name, value)| with(name, value)),
    );
    for config in all {
        let prior = applied(&config).await;
        let mut told = world(&prior);
        for value in told.settings.values_mut() {
            "t".clone_into(value);
        }
        let read = state(&told, &prior);
        let again = planned(&config, &read).await;
        assert_eq!(again.state, prior, "{config:?}");
        assert!(again.requires_replace.is_empty(), "{config:?}");
    }
}

#[tokio::test]
async fn an_attribute_that_is_taken_out_has_its_default_and_replaces_nothing() {
    for (name, value) in attributes() {
        let prior = applied(&with(name, value)).await;
        let plan = planned(&config(), &prior).await;
        assert!(plan.requires_replace.is_empty(), "{name}");
        let default = planned(&config(), &Value::Null).await.state;
        assert_eq!(plan.state.get(name), default.get(name), "{name}");
        let after = state(&world(&plan.state), &plan.state);
        assert_eq!(planned(&config(), &after).await.state, after, "{name}");
    }
}

#[tokio::test]
async fn what_is_unknown_is_refused_by_nobody() {
    let settings = Value::Map([("kv.rangefeed.enabled".to_owned(), Value::Unknown)].into());
    let table = [
        ("regions", Value::Unknown),
        ("regions", Value::List(vec![Value::Unknown])),
        ("certificates", Value::Unknown),
        ("settings", Value::Unknown),
        ("settings", settings),
        ("license", Value::Unknown),
        ("license_version", Value::Unknown),
        ("force_destroy", Value::Unknown),
    ];
    for (name, value) in table {
        let config = with(name, value);
        let refused = Cluster.validate(&config).await;
        assert!(!refused.has_errors(), "{name}: {refused:?}");
        let prior = applied(&super::tests::config()).await;
        let plan = planned(&config, &prior).await;
        assert!(
            !plan.state.get(name).is_known() || name == "license",
            "{name}"
        );
        assert!(plan.requires_replace.is_empty(), "{name}");
        let declared = ["force_destroy", "license"].contains(&name);
        assert_eq!(plan.state.get("nodes").is_unknown(), !declared, "{name}");
    }
}

#[tokio::test]
async fn another_name_is_another_cluster() {
    let prior = applied(&config()).await;
    let plan = planned(&with("name", text("books")), &prior).await;
    assert_eq!(plan.requires_replace, [AttributePath::of("name")]);
}

#[tokio::test]
async fn a_state_of_an_older_schema_needs_no_change() {
    let prior = applied(&config()).await;
    let mut older = prior.clone();
    for name in COMPUTED
        .iter()
        .chain(&["force_destroy", "has_license", "id"])
    {
        older.set(name, Value::Null);
    }
    let read = state(&world(&prior), &older);
    assert_eq!(read, prior);
    assert_eq!(planned(&config(), &read).await.state, read);
}

#[tokio::test]
async fn what_was_changed_by_hand_is_shown() {
    let config = with("settings", attributes().remove(0).1);
    let prior = applied(&config).await;
    let mut observed = world(&prior);
    observed
        .settings
        .insert("kv.rangefeed.enabled".into(), "f".into());
    let read = state(&observed, &prior);
    assert_ne!(read.get("settings"), prior.get("settings"));
    let plan = planned(&config, &read).await;
    assert!(plan.state.get("nodes").is_unknown());
    let mut drifted = prior.clone();
    drifted.set(
        "drift",
        Value::List(vec![text("wait for all nodes of ledger")]),
    );
    let plan = planned(&config, &drifted).await;
    assert_eq!(*plan.state.get("drift"), Value::List(Vec::new()));
    assert!(plan.state.get("nodes").is_unknown());
}

#[test]
fn what_has_neither_container_nor_volume_is_gone() {
    assert!(state(&Observed::default(), &config()).is_null());
}
