//! What is planned for an `atlas_k3d_cluster`, as far as it needs no look at the world. Pure: no I/O.

use atlas_engine::k3d::{self, Observed, Spec};
use atlas_engine::{Error, Result};
use tfplugin::{AttributePath, Diagnostics, PlanRequest, Planned, Value};

use super::cluster_schema::COMPUTED;
use super::cluster_spec::{BLOCKS, spec};
use crate::configured::Configured;
use crate::translate::Reader;

/// Attributes of which the world cannot tell whether they changed, and which only another cluster can change.
const REPLACING: [&str; 2] = ["name", "token_wo_version"];

/// What is filled in where a block leaves it out.
const FILLED_IN: [&str; 6] = [
    "host",
    "host_ip",
    "host_port",
    "node_filters",
    "protocol",
    "value",
];

/// The specification of a value, or everything that is wrong with it.
pub(super) fn specify(value: &Value, configured: &Configured) -> Result<Spec> {
    let mut reader = Reader::default();
    match spec(value, configured, &mut reader) {
        Some(spec) if reader.problems.is_empty() => Ok(spec),
        Some(_) => Err(Error::Invalid(reader.problems)),
        None => Err(Error::Unexpected {
            what: "the cluster's configuration".to_owned(),
            reason: "its name is not known".to_owned(),
        }),
    }
}

/// Values that have a default at every plan, where the user gives none.
fn fill_counts(state: &mut Value, config: &Value) {
    for (name, default) in [("servers", 1), ("agents", 0)] {
        if config.get(name).is_null() {
            state.set(name, Value::int(default));
        }
    }
    state.set("id", config.get("name").clone());
}

/// Values that are decided when a cluster is made, where the user gives none: a cluster that is there keeps its own.
pub(super) fn fill_defaults(state: &mut Value, config: &Value, configured: &Configured) {
    let defaults = [
        (
            "image",
            configured.planned_image("node", &configured.node_image),
        ),
        ("cluster_cidr", Value::string(k3d::DEFAULT_CLUSTER_CIDR)),
        ("service_cidr", Value::string(k3d::DEFAULT_SERVICE_CIDR)),
    ];
    for (name, value) in defaults {
        if config.get(name).is_null() {
            state.set(name, value);
        }
    }
    fill_counts(state, config);
    if config.get("network").is_null()
        && let Some(name) = config.get("name").as_str()
    {
        state.set("network", Value::string(k3d::network_name(name)));
    }
}

/// What a plan may say of a block whose configuration is not known whole: nothing of what is filled in.
fn open_block(block: &Value) -> Value {
    match block {
        Value::List(blocks) => Value::List(blocks.iter().map(open_block).collect()),
        Value::Map(attributes) => {
            let open = attributes.iter().map(|(name, value)| {
                let value = match value {
                    Value::Null if FILLED_IN.contains(&name.as_str()) => Value::Unknown,
                    value => open_block(value),
                };
                (name.clone(), value)
            });
            Value::Map(open.collect())
        }
        value => value.clone(),
    }
}

/// A plan as far as its configuration is known; the rest as it was.
fn as_far_as_known(state: &Value, config: &Value, prior: &Value) -> Value {
    let mut known = state.clone();
    for (name, value) in config.entries() {
        if !value.is_known() {
            known.set(name, prior.get(name).clone());
        }
    }
    known
}

/// A change of a cluster that was looked at, and the specification with its plan where all of it is known.
pub(super) fn planned_update(
    request: PlanRequest,
    configured: &Configured,
    observed: Option<&Observed>,
) -> Result<(Planned, Option<(Spec, k3d::Plan)>)> {
    let (config, prior) = (&request.config, &request.prior);
    let mut state = request.proposed;
    open_to_change(&mut state, config);
    if let Some(observed) = observed {
        // A block that says what is there keeps what was filled in for it; one that says
        // something else stands as it is written.
        let mut asked = state.clone();
        for block in BLOCKS {
            asked.set(block, config.get(block).clone());
        }
        let asked = as_far_as_known(&asked, config, prior);
        let changed = match specify(&with_secrets(&asked, config), configured) {
            Ok(asked) => observed.changed_blocks(&asked),
            Err(_) if !config.is_known() => Vec::new(),
            Err(error) => return Err(error),
        };
        for block in changed {
            if config.get(block).is_known() {
                state.set(block, config.get(block).clone());
            }
        }
    }
    let known = as_far_as_known(&state, config, prior);
    let planned = specify(&with_secrets(&known, config), configured)
        .and_then(|spec| Ok((k3d::plan(&spec, observed)?, spec)));
    let (plan, spec) = match planned {
        Ok((plan, spec)) => (plan, Some(spec)),
        // What hangs on something unknown is refused when that is known.
        Err(Error::Invalid(_)) if !config.is_known() => (k3d::Plan::default(), None),
        Err(error) => return Err(error),
    };
    let mut requires_replace: Vec<AttributePath> = Vec::new();
    let mut push = |name: &str| {
        let path = AttributePath::of(name);
        if !requires_replace.contains(&path) {
            requires_replace.push(path);
        }
    };
    for name in REPLACING {
        if state.get(name) != prior.get(name) {
            push(name);
        }
    }
    for replace in &plan.replace {
        if config.get(replace.field).is_known() {
            push(replace.field);
        }
    }
    let makes_a_server = |step: &k3d::Step| {
        let server = k3d::Role::Server;
        matches!(step, k3d::Step::CreateNode { role, .. } if *role == server)
    };
    if plan.steps.iter().any(makes_a_server) || !requires_replace.is_empty() {
        for name in COMPUTED {
            state.set(name, Value::Unknown);
        }
    } else if !plan.steps.is_empty() || !config.is_known() || configured.has_undecided_balancer() {
        state.set("nodes", Value::Unknown);
    }
    if !requires_replace.is_empty() && config.get("subnet").is_null() {
        state.set("subnet", Value::Unknown);
    }
    state.set("drift", Value::List(Vec::new()));
    let decided = spec.filter(|_| config.is_known()).map(|spec| (spec, plan));
    let planned = Planned {
        state,
        requires_replace,
        diagnostics: Diagnostics::new(),
    };
    Ok((planned, decided))
}

/// What a plan may say before the world is looked at.
fn open_to_change(state: &mut Value, config: &Value) {
    fill_counts(state, config);
    for block in BLOCKS {
        if !config.get(block).is_known() {
            state.set(block, open_block(config.get(block)));
        }
    }
}

/// A change that is planned without a look at the world: what follows from it is not known.
pub(super) fn blind_update(request: PlanRequest) -> Planned {
    let (mut state, prior) = (request.proposed, &request.prior);
    open_to_change(&mut state, &request.config);
    let changed = |name: &&str| state.get(name) != prior.get(name);
    let requires_replace = REPLACING.into_iter().filter(changed);
    let requires_replace = requires_replace.map(AttributePath::of).collect();
    state.set("drift", Value::List(Vec::new()));
    if state != *prior {
        for name in COMPUTED {
            state.set(name, Value::Unknown);
        }
    }
    Planned {
        state,
        requires_replace,
        diagnostics: Diagnostics::new(),
    }
}

/// A plan or state with the write-only values, which are in the configuration alone.
pub(super) fn with_secrets(state: &Value, config: &Value) -> Value {
    let mut all = state.clone();
    all.set("token_wo", config.get("token_wo").clone());
    all
}

#[cfg(test)]
mod tests {
    use super::super::cluster_schema::schema;
    use super::super::cluster_spec::decided;
    use super::*;
    use atlas_engine::k3d::arbitrary::{specs, worlds};
    use atlas_engine::k3d::{Imagined, Role};
    use proptest::prelude::*;

    fn configured() -> Configured {
        Configured::unconnected()
    }

    /// The configuration of a cluster of this name with more attributes.
    fn config<const N: usize>(attributes: [(&str, Value); N]) -> Value {
        let mut config = schema().empty();
        config.set("name", Value::string("demo"));
        for (name, value) in attributes {
            config.set(name, value);
        }
        config
    }

    /// The state after an apply of a configuration, and the cluster.
    fn applied(config: &Value) -> (Value, Observed) {
        let mut state = config.clone();
        fill_defaults(&mut state, config, &configured());
        let spec = specify(&state, &configured()).unwrap();
        let there = Imagined::default().apply(&spec, None).unwrap();
        decided(&mut state, &there, &configured());
        (state, there)
    }

    /// The plan of another configuration: what computed attributes it leaves out are as they were.
    fn planned(config: &Value, prior: &Value, there: &Observed) -> Planned {
        let mut proposed = config.clone();
        for name in [
            "agents",
            "servers",
            "image",
            "network",
            "subnet",
            "cluster_cidr",
            "service_cidr",
        ] {
            if config.get(name).is_null() {
                proposed.set(name, prior.get(name).clone());
            }
        }
        let request = PlanRequest {
            config: config.clone(),
            prior: prior.clone(),
            proposed,
        };
        let update = planned_update(request, &configured(), Some(there));
        let (planned, _) = update.unwrap();
        let schema = super::super::cluster_schema::schema();
        for path in &planned.requires_replace {
            let told = schema.block.tells_replacement_by(path);
            assert!(
                told,
                "{path} forces replacement, and its documentation must say so"
            );
        }
        planned
    }

    fn variable(filters: &[&str]) -> Value {
        Value::List(vec![Value::object([
            ("key", Value::string("A")),
            ("value", Value::string("1")),
            (
                "node_filters",
                Value::List(filters.iter().map(|one| Value::string(*one)).collect()),
            ),
        ])])
    }

    #[test]
    fn a_number_of_agents_that_is_taken_out_is_the_default_again() {
        let (prior, there) = applied(&config([("agents", Value::int(1))]));
        let plan = planned(&config([]), &prior, &there);
        assert_eq!(plan.state.get("agents"), &Value::int(0));
        assert!(plan.state.get("nodes").is_unknown());
        assert!(plan.requires_replace.is_empty());
    }

    #[test]
    fn what_another_cluster_would_be_needed_for_stays_as_it_is_when_it_is_taken_out() {
        let pods = ("cluster_cidr", Value::string("10.64.0.0/16"));
        let image = ("image", Value::string("node:7"));
        let (prior, there) = applied(&config([pods, image]));
        let plan = planned(&config([]), &prior, &there);
        assert!(plan.requires_replace.is_empty());
        assert_eq!(plan.state.get("image").as_str(), Some("node:7"));
    }

    #[test]
    fn an_unknown_number_of_agents_refuses_no_filter_and_stays_unknown() {
        let (prior, there) = applied(&config([]));
        let asked = config([("agents", Value::Unknown), ("env", variable(&["agent:1"]))]);
        let plan = planned(&asked, &prior, &there);
        assert!(plan.state.get("agents").is_unknown());
        assert!(plan.state.get("nodes").is_unknown());
        assert!(plan.requires_replace.is_empty());
    }

    #[test]
    fn what_is_known_beside_something_unknown_forces_replacement_already() {
        let (prior, there) = applied(&config([]));
        let asked = config([("agents", Value::Unknown), ("env", variable(&["server:0"]))]);
        let plan = planned(&asked, &prior, &there);
        assert_eq!(plan.requires_replace, [AttributePath::of("env")]);
    }

    #[test]
    fn what_a_block_fills_in_is_open_as_long_as_part_of_it_is_unknown() {
        let port = |host_port: Value| {
            Value::List(vec![Value::object([
                ("host", Value::Null),
                ("host_port", host_port),
                ("container_port", Value::int(80)),
                ("protocol", Value::Null),
                ("node_filters", Value::Null),
            ])])
        };
        let (prior, there) = applied(&config([("port", port(Value::int(8080)))]));
        let plan = planned(&config([("port", port(Value::Unknown))]), &prior, &there);
        let planned = &plan.state.get("port").elements()[0];
        assert!(planned.get("protocol").is_unknown());
        assert_eq!(planned.get("container_port"), &Value::int(80));
    }

    #[test]
    fn an_unknown_part_of_an_item_leaves_the_item_unchecked() {
        let item = |key: Value, filters: Value| {
            Value::List(vec![Value::object([
                ("key", key),
                ("value", Value::Unknown),
                ("node_filters", filters),
            ])])
        };
        for env in [
            item(Value::Unknown, Value::Null),
            item(Value::string("A"), Value::List(vec![Value::Unknown])),
        ] {
            let mut reader = Reader::default();
            let spec = spec(&config([("env", env)]), &configured(), &mut reader).unwrap();
            assert!(spec.env.is_empty() && reader.problems.is_empty());
        }
        let words = [Value::Unknown, Value::string("x"), Value::string("--y")];
        let k3s = Value::object([("extra_server_args", Value::List(words.to_vec()))]);
        let asked = config([("k3s", Value::List(vec![k3s]))]);
        let spec = spec(&asked, &configured(), &mut Reader::default()).unwrap();
        let words: Vec<_> = spec.args.iter().map(|item| item.value.as_str()).collect();
        assert_eq!(words, ["--y"]);
        assert_eq!(spec.args[0].path.to_string(), "k3s[0].extra_server_args[2]");
    }

    #[test]
    fn an_imported_cluster_of_the_k3d_cli_gets_an_agent_in_place() {
        let there = Imagined::default().made_by_k3d("demo", 1, &[(Role::Server, "--debug")]);
        let mut state = config([]);
        decided(&mut state, &there, &configured());
        let mut asked = state.clone();
        asked.set("agents", Value::int(2));
        let plan = planned(&asked, &state, &there);
        assert!(
            plan.requires_replace.is_empty(),
            "{:?}",
            plan.requires_replace
        );
        assert!(plan.state.get("nodes").is_unknown());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn a_state_that_is_imported_says_what_there_is(spec in specs(), world in worlds()) {
            let there = world.apply(&spec, None).unwrap();
            let mut state = config([]);
            decided(&mut state, &there, &configured());
            let asked = specify(&state, &configured()).unwrap();
            let plan = k3d::plan(&asked, Some(&there)).unwrap();
            prop_assert!(plan.is_empty(), "{:?}", plan);
            // Reading it again changes nothing.
            let mut again = state.clone();
            decided(&mut again, &there, &configured());
            prop_assert_eq!(again, state);
        }
    }
}
