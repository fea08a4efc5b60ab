//! Plans of regions: what is as declared stays, defaults hold, and what is unknown stays unknown.

use std::collections::BTreeSet;

use atlas_engine::cockroachdb::region::Member;
use atlas_engine::cockroachdb::topology::{Membership, NodeStatus, Topology, View};
use atlas_engine::docker::{Node, State};

use super::*;
use crate::resources::planning;

fn text(text: &str) -> Value {
    Value::string(text)
}

fn list(texts: &[&str]) -> Value {
    Value::List(texts.iter().map(|one| text(one)).collect())
}

/// A region of two nodes without TLS, so that nothing hangs on a folder.
fn config() -> Value {
    let mut config = Region.schema().empty();
    for (name, value) in [
        ("cluster", text("ledger")),
        ("name", text("us-east")),
        ("regions", list(&["us-east", "witness"])),
        ("nodes", Value::int(2)),
        ("network", text("net")),
        ("insecure", Value::Bool(true)),
    ] {
        config.set(name, value);
    }
    config
}

fn with<const N: usize>(changes: [(&str, Value); N]) -> Value {
    let mut config = config();
    for (name, value) in changes {
        config.set(name, value);
    }
    config
}

/// The provider, as its configuration says; which daemon is meant is not known, so that nobody is asked.
fn provider(images: Value) -> Configured {
    use tfplugin::Provider as _;
    let mut config = crate::provider::Atlas.schema().empty();
    config.set("docker_host", Value::Unknown);
    config.set("images", images);
    Configured::new(&config)
}

async fn planned_by(configured: Configured, config: &Value, prior: &Value) -> Planned {
    planning::planned(&Region, configured, config, prior).await
}

async fn planned(config: &Value, prior: &Value) -> Planned {
    planned_by(provider(Value::Null), config, prior).await
}

/// A change by hand.
type Break = fn(&mut region::NodeSpec);

/// The world after a plan was carried out; where no address was asked for, nodes have one all the same.
fn world(planned: &Value) -> Observed {
    let configured = provider(Value::Null);
    let made = spec(planned, &configured, &mut Reader::default()).unwrap();
    let member = |number: u32| Member {
        found: made.node(number),
        container: Node {
            name: names::node(&made.cluster, &made.name, number),
            state: State {
                running: true,
                ..State::default()
            },
            ..Node::default()
        },
        certificate: None,
        trust: None,
        joins: false,
    };
    let status = |number: u32| NodeStatus {
        id: number.into(),
        address: names::address(&made.cluster, &made.name, number),
        build: "v1".into(),
        updated_at: String::new(),
        locality: vec![("region".into(), made.name.clone())],
        is_live: true,
        is_available: true,
        ranges_unavailable: 0,
        ranges_underreplicated: 0,
        membership: Membership::Active,
        is_draining: false,
    };
    let is_here = made.placement == Placement::Docker;
    let here = 1..=if is_here { made.nodes } else { 0 };
    Observed {
        cluster: made.cluster.clone(),
        region: made.name.clone(),
        members: here.clone().map(member).collect(),
        volumes: here.collect(),
        view: View::Live(Topology {
            nodes: (1..=made.nodes).map(status).collect(),
        }),
        ..Observed::default()
    }
}

/// The state after a configuration was applied and read back.
async fn applied(config: &Value) -> Value {
    let created = planned(config, &Value::Null).await.state;
    let observed = world(&created);
    let mut state = state(&observed, &state(&observed, &created));
    let declared = spec(&state, &provider(Value::Null), &mut Reader::default());
    state.set("drift", list_of(&drift(&declared.unwrap(), &observed)));
    state
}

fn changed(before: &Value, after: &Value) -> BTreeSet<String> {
    let names = before.entries().map(|(name, _)| name);
    let differs = names.filter(|name| before.get(name) != after.get(name));
    differs.cloned().collect()
}

/// Every attribute with a value, one at a time.
fn attributes() -> Vec<(&'static str, Value)> {
    vec![
        ("join", list(&["db.example:26257"])),
        ("placement", text("docker")),
        ("version", text("v25.4.11")),
        ("image", text("cockroach:v1")),
        ("zones", list(&["a", "b"])),
        ("addresses", list(&["10.0.0.11"])),
        ("sql_ports", Value::List(vec![Value::int(26257)])),
        ("http_ports", Value::List(vec![Value::int(8080)])),
        ("cache", text("64MiB")),
        ("max_sql_memory", text(".25")),
        ("memory", text("1g")),
        ("cpus", Number::from_f64(1.5).map(Value::Number).unwrap()),
        ("certificate_days", Value::int(30)),
        ("host_names", list(&["db.example"])),
    ]
}

#[tokio::test]
async fn what_is_as_declared_is_planned_as_it_is() {
    let mut all = vec![config(), with([("placement", text("external"))])];
    all.extend(attributes().into_iter().map(|one| with([one])));
    for config in all {
        let prior = applied(&config).await;
        let again = planned(&config, &prior).await;
        assert_eq!(again.state, prior, "{config:?}");
        assert!(again.requires_replace.is_empty(), "{config:?}");
    }
}

#[tokio::test]
async fn an_attribute_that_is_taken_out_has_its_default_and_replaces_nothing() {
    for (name, value) in attributes() {
        let prior = applied(&with([(name, value)])).await;
        let plan = planned(&config(), &prior).await;
        assert!(plan.requires_replace.is_empty(), "{name}");
        let default = planned(&config(), &Value::Null).await.state;
        assert_eq!(plan.state.get(name), default.get(name), "{name}");
        let after = state(&world(&plan.state), &plan.state);
        let again = planned(&config(), &after).await;
        assert_eq!(again.state, after, "{name}");
    }
}

#[tokio::test]
async fn what_is_unknown_is_refused_by_nobody_and_makes_what_hangs_on_it_unknown() {
    let schema = Region.schema();
    for (name, attribute) in schema.block.attributes() {
        if !attribute.is_required() && !attribute.is_optional() {
            continue;
        }
        let mut config = with([(name, Value::Unknown)]);
        if name == "insecure" {
            // It may be that it is insecure, and it may be that it is not.
            config.set("certificates", text("/certificates"));
        }
        let refused = Region.validate(&config).await;
        assert!(!refused.has_errors(), "{name}: {refused:?}");
        let prior = applied(&super::tests::config()).await;
        let plan = planned(&config, &prior).await;
        assert!(!plan.diagnostics.has_errors(), "{name}");
        assert!(plan.state.get(name).is_unknown(), "{name}");
        for computed in COMPUTED {
            assert!(plan.state.get(computed).is_unknown(), "{name}: {computed}");
        }
        assert_eq!(
            !plan.requires_replace.is_empty(),
            ["cluster", "name"].contains(&name.as_str()),
            "{name}"
        );
    }
}

#[tokio::test]
async fn an_image_that_the_provider_does_not_know_yet_is_unknown() {
    let images = || Value::object([("cockroachdb", Value::Unknown)]);
    for (given, is_known) in [
        (config(), false),
        (with([("version", text("v25.4.11"))]), false),
        (with([("image", text("cockroach:v1"))]), true),
    ] {
        let prior = applied(&given).await;
        for prior in [&Value::Null, &prior] {
            let plan = planned_by(provider(images()), &given, prior).await;
            assert_eq!(plan.state.get("image").is_known(), is_known, "{given:?}");
        }
    }
}

#[tokio::test]
async fn another_region_is_made_for_another_name_network_placement_or_security_alone() {
    let prior = applied(&config()).await;
    for (name, value) in [
        ("cluster", text("books")),
        ("name", text("us-west")),
        ("network", text("other")),
        ("placement", text("external")),
        ("insecure", Value::Bool(false)),
    ] {
        let mut config = with([(name, value)]);
        if name == "insecure" {
            config.set("certificates", text("/no/such/folder"));
        }
        let plan = planned(&config, &prior).await;
        let paths = plan.requires_replace;
        assert_eq!(paths, [AttributePath::of(name)], "{name}");
    }
    for one in attributes() {
        let plan = planned(&with([one.clone()]), &prior).await;
        assert!(plan.requires_replace.is_empty(), "{one:?}");
    }
}

#[tokio::test]
async fn a_state_of_an_older_schema_needs_no_change() {
    let prior = applied(&with([
        ("insecure", Value::Null),
        ("placement", text("external")),
    ]))
    .await;
    let mut older = prior.clone();
    for name in ["insecure", "drift", "containers", "volumes", "node_ids"] {
        older.set(name, Value::Null);
    }
    let mut read = state(&world(&prior), &older);
    read.set("drift", Value::List(Vec::new()));
    assert_eq!(changed(&read, &prior), BTreeSet::new());
}

#[tokio::test]
async fn what_differs_in_a_container_is_shown() {
    let config = with([
        ("zones", list(&["a", "b"])),
        ("cpus", Value::int(2)),
        ("memory", text("1024m")),
        ("addresses", list(&["10.0.0.11"])),
    ]);
    let prior = applied(&config).await;
    let table: [(&str, Break); 8] = [
        ("zones", |found| found.zone = Some("c".into())),
        ("cpus", |found| found.resources.nano_cpus = None),
        ("memory", |found| found.resources.memory = None),
        ("addresses", |found| {
            found.address = Some([10, 0, 0, 12].into());
        }),
        ("cache", |found| found.resources.cache = Some("1MiB".into())),
        ("sql_ports", |found| found.sql_port = Some(1)),
        ("image", |found| found.image = "other:v1".into()),
        ("network", |found| found.network = "other".into()),
    ];
    for (name, change) in table {
        let mut observed = world(&prior);
        change(&mut observed.members[0].found);
        let read = state(&observed, &prior);
        assert_eq!(changed(&prior, &read), [name.to_owned()].into(), "{name}");
    }
    // An address that nobody asked for is nobody's to change.
    let mut observed = world(&prior);
    observed.members[1].found.address = Some([10, 0, 0, 99].into());
    assert_eq!(state(&observed, &prior), prior);
}

#[tokio::test]
async fn a_drain_that_nobody_goes_on_with_is_shown_though_no_attribute_differs() {
    let prior = applied(&config()).await;
    let declared = spec(&prior, &provider(Value::Null), &mut Reader::default()).unwrap();
    let mut observed = world(&prior);
    let View::Live(topology) = &mut observed.view else {
        panic!("it serves")
    };
    topology.nodes[1].is_draining = true;
    let shown = drift(&declared, &observed);
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert!(
        shown[0].starts_with("drain atlas-cockroachdb-ledger-us-east-2"),
        "{shown:?}"
    );
}

#[tokio::test]
async fn an_external_region_is_what_runs_elsewhere() {
    let config = with([("placement", text("external"))]);
    let prior = applied(&config).await;
    let mut observed = world(&applied(&super::tests::config()).await);
    observed.view = world(&prior).view;
    // Containers of ours have its name, and are no part of it.
    let read = state(&observed, &prior);
    assert_eq!(*read.get("nodes"), Value::int(0));
    assert_eq!(*read.get("containers"), Value::List(Vec::new()));
    assert!(
        Region
            .delete(&planning::operation(provider(Value::Null)), prior)
            .await
            .is_ok()
    );
}
