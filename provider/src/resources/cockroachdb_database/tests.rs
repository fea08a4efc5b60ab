//! Plans of databases: what is as declared stays, defaults hold, and what is unknown stays unknown.

use atlas_engine::cockroachdb::topology::Topology;

use super::*;
use crate::resources::planning;

fn text(text: &str) -> Value {
    Value::string(text)
}

fn set(texts: &[&str]) -> Value {
    Value::List(texts.iter().map(|one| text(one)).collect())
}

fn config() -> Value {
    let mut config = Database.schema().empty();
    config.set("cluster", text("ledger"));
    config.set("name", text("bank"));
    config.set("primary_region", text("us"));
    config
}

fn with<const N: usize>(changes: [(&str, Value); N]) -> Value {
    let mut config = config();
    for (name, value) in changes {
        config.set(name, value);
    }
    config
}

/// One that uses every attribute.
fn full() -> Value {
    with([
        ("regions", set(&["eu", "us", "wit"])),
        ("secondary_region", text("eu")),
        ("survival_goal", text("region")),
        ("placement", text("default")),
        ("force_destroy", Value::Bool(true)),
    ])
}

async fn planned(config: &Value, prior: &Value) -> Planned {
    planning::planned(&Database, Configured::unconnected(), config, prior).await
}

/// A change by hand.
type Break = fn(&mut Shape);

fn world(planned: &Value) -> Observed {
    Observed {
        view: View::Live(Topology::default()),
        exists: true,
        shape: Some(specify(planned).unwrap().shape),
        owner: Some("root".to_owned()),
        ..Observed::default()
    }
}

async fn applied(config: &Value) -> Value {
    let created = planned(config, &Value::Null).await.state;
    state(&world(&created), &created)
}

#[tokio::test]
async fn what_is_as_declared_is_planned_as_it_is() {
    for config in [config(), full()] {
        let prior = applied(&config).await;
        let again = planned(&config, &prior).await;
        assert_eq!(again.state, prior);
        assert!(again.requires_replace.is_empty());
        assert_eq!(again.diagnostics.iter().count(), 0);
    }
}

#[tokio::test]
async fn an_attribute_that_is_taken_out_has_its_default() {
    let prior = applied(&full()).await;
    let plan = planned(&config(), &prior).await;
    for (name, default) in [
        ("regions", set(&["us"])),
        ("secondary_region", Value::Null),
        ("survival_goal", text("zone")),
        ("placement", text("default")),
        ("force_destroy", Value::Bool(false)),
    ] {
        assert_eq!(*plan.state.get(name), default, "{name}");
    }
    assert!(plan.requires_replace.is_empty());
    // Less is survived, which is told.
    assert_eq!(plan.diagnostics.iter().count(), 1);
    let after = state(&world(&plan.state), &plan.state);
    assert_eq!(planned(&config(), &after).await.state, after);
}

#[tokio::test]
async fn what_is_unknown_is_refused_by_nobody_and_stays_unknown() {
    let schema = Database.schema();
    for (name, attribute) in schema.block.attributes() {
        if !attribute.is_required() && !attribute.is_optional() {
            continue;
        }
        let config = with([(name, Value::Unknown)]);
        let refused = Database.validate(&config).await;
        assert!(!refused.has_errors(), "{name}: {refused:?}");
        let prior = applied(&super::tests::config()).await;
        for prior in [&Value::Null, &prior] {
            let plan = planned(&config, prior).await;
            assert!(plan.state.get(name).is_unknown(), "{name}");
            if name == "primary_region" {
                assert!(plan.state.get("regions").is_unknown());
            }
            let moves = !prior.is_null() && ["cluster", "name"].contains(&name.as_str());
            assert_eq!(!plan.requires_replace.is_empty(), moves, "{name}");
        }
    }
}

#[tokio::test]
async fn another_cluster_or_name_is_another_database_and_nothing_else_is() {
    let prior = applied(&full()).await;
    for name in ["cluster", "name"] {
        let mut changed = full();
        changed.set(name, text("other"));
        let plan = planned(&changed, &prior).await;
        assert_eq!(plan.requires_replace, [AttributePath::of(name)]);
    }
    for (name, value) in [
        ("primary_region", text("wit")),
        ("secondary_region", text("wit")),
        ("survival_goal", text("zone")),
    ] {
        let mut changed = full();
        changed.set(name, value);
        assert!(
            planned(&changed, &prior).await.requires_replace.is_empty(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_state_of_an_older_schema_needs_no_change() {
    let prior = applied(&config()).await;
    let mut older = prior.clone();
    for name in ["force_destroy", "placement", "survival_goal", "owner", "id"] {
        older.set(name, Value::Null);
    }
    let read = state(&world(&prior), &older);
    assert_eq!(read, prior);
    assert_eq!(planned(&config(), &read).await.state, read);
}

#[tokio::test]
async fn what_was_changed_by_hand_is_shown_and_a_silent_cluster_changes_nothing() {
    let prior = applied(&full()).await;
    let table: [(&str, Break); 4] = [
        ("primary_region", |shape| shape.primary = "wit".into()),
        ("secondary_region", |shape| shape.secondary = None),
        ("survival_goal", |shape| shape.survival = Survival::Zone),
        ("placement", |shape| shape.placement = Placement::Restricted),
    ];
    for (name, change) in table {
        let mut observed = world(&prior);
        change(observed.shape.as_mut().unwrap());
        let read = state(&observed, &prior);
        assert_ne!(read.get(name), prior.get(name), "{name}");
        let plan = planned(&full(), &read).await;
        assert_eq!(plan.state.get(name), prior.get(name), "{name}");
    }
    let mut dropped = world(&prior);
    dropped.exists = false;
    assert!(state(&dropped, &prior).is_null());
    dropped.view = View::Silent("no quorum".to_owned());
    assert_eq!(state(&dropped, &prior), prior);
}
