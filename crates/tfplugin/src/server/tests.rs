//! The server with a provider of a few lines behind it, asked as the wire asks.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tonic::Request;

use super::Server;
use crate::dynamic::{decode, encode};
use crate::private::Private;
use crate::proto::tfplugin6 as wire;
use crate::proto::tfplugin6::provider_server::Provider as _;
use crate::{
    Attribute, AttributePath, DataSource, Diagnostics, EphemeralResource, Opened, Operation,
    Outcome, PlanRequest, Planned, PrivateKey, Provider, Resource, Schema, Type, Value, Warnings,
};

type Told = Arc<Mutex<Vec<String>>>;

/// A provider that writes down what it is told.
#[derive(Clone, Default)]
struct Small {
    told: Told,
}

#[async_trait]
impl Provider for Small {
    type Data = ();

    fn schema(&self) -> Schema {
        Schema::new("").attribute("hosts", Attribute::optional(Type::list(Type::String), ""))
    }

    async fn configure(&self, _config: &Value, warnings: &Warnings) -> Result<(), Diagnostics> {
        warnings.push(AttributePath::root(), "configure", "");
        Ok(())
    }

    fn resources(&self) -> Vec<Box<dyn Resource<()>>> {
        vec![Box::new(Thing)]
    }

    fn data_sources(&self) -> Vec<Box<dyn DataSource<()>>> {
        vec![Box::new(Look)]
    }

    fn ephemeral_resources(&self) -> Vec<Box<dyn EphemeralResource<()>>> {
        vec![Box::new(Lease(Arc::clone(&self.told)))]
    }
}

/// The calls that an object went through, in its private state.
const CALLS: PrivateKey<Vec<String>> = PrivateKey::new("calls");

/// Warns of a call, and keeps it in the object's private state.
fn note(operation: &Operation<()>, call: &str) {
    operation.warn(call, "");
    let mut calls = operation.private.get(CALLS).unwrap_or_default();
    calls.push(call.to_owned());
    operation.private.set(CALLS, &calls);
}

/// Its second version calls `title` what the first called `name`.
struct Thing;

#[async_trait]
impl Resource<()> for Thing {
    fn name(&self) -> &'static str {
        "small_thing"
    }

    fn schema(&self) -> Schema {
        let schema = Schema::new("")
            .attribute("title", Attribute::required(Type::String, ""))
            .attribute(
                "size",
                Attribute::defaulted(Type::Number, Value::int(1), ""),
            )
            .attribute("mark", Attribute::computed(Type::String, ""));
        Schema {
            version: 2,
            ..schema
        }
    }

    async fn plan(&self, operation: &Operation<()>, request: PlanRequest) -> Planned {
        note(operation, "plan");
        Planned {
            state: request.proposed,
            requires_replace: Vec::new(),
            diagnostics: Diagnostics::new(),
        }
    }

    /// Runs until it is stopped.
    async fn create(&self, operation: &Operation<()>, planned: Value, _config: &Value) -> Outcome {
        note(operation, "create");
        let waited =
            tokio::time::timeout(Duration::from_millis(200), operation.cancel.cancelled()).await;
        Outcome {
            state: if waited.is_ok() { Value::Null } else { planned },
            diagnostics: Diagnostics::new(),
        }
    }

    async fn read(&self, operation: &Operation<()>, state: Value) -> Result<Value, Diagnostics> {
        note(operation, "read");
        match state.get("title").as_str() {
            Some("unreadable") => Err(Diagnostics::error("It cannot be read", "")),
            _ => Ok(state),
        }
    }

    async fn update(
        &self,
        operation: &Operation<()>,
        _prior: Value,
        planned: Value,
        _config: &Value,
    ) -> Outcome {
        note(operation, "update");
        let mut state = planned;
        if state.get("title").as_str() == Some("busy") {
            // Somebody else is at work on it.
            state.set("mark", Value::string("another"));
        }
        Outcome {
            state,
            diagnostics: Diagnostics::new(),
        }
    }

    async fn plan_delete(&self, operation: &Operation<()>, _prior: &Value) -> Diagnostics {
        note(operation, "plan_delete");
        Diagnostics::new()
    }

    async fn delete(&self, operation: &Operation<()>, _prior: Value) -> Result<(), Diagnostics> {
        note(operation, "delete");
        Ok(())
    }

    async fn import(&self, operation: &Operation<()>, id: &str) -> Result<Value, Diagnostics> {
        note(operation, "import");
        Ok(Value::object([("title", Value::string(id))]))
    }

    fn upgrade(
        &self,
        version: i64,
        state: serde_json::Value,
    ) -> Result<serde_json::Value, Diagnostics> {
        match version {
            1 => Ok(json!({"title": state["name"]})),
            other => Err(Diagnostics::error("Too old", format!("version {other}"))),
        }
    }
}

struct Look;

#[async_trait]
impl DataSource<()> for Look {
    fn name(&self) -> &'static str {
        "small_look"
    }

    fn schema(&self) -> Schema {
        Schema::new("")
            .attribute("key", Attribute::required(Type::String, ""))
            .attribute("found", Attribute::computed(Type::String, ""))
    }

    async fn validate(&self, _config: &Value) -> Diagnostics {
        Diagnostics::error("its author's refusal", "")
    }

    async fn read(&self, _operation: &Operation<()>, config: Value) -> Result<Value, Diagnostics> {
        Ok(config)
    }
}

struct Lease(Told);

#[async_trait]
impl EphemeralResource<()> for Lease {
    fn name(&self) -> &'static str {
        "small_lease"
    }

    fn schema(&self) -> Schema {
        Schema::new("").attribute("key", Attribute::computed(Type::String, ""))
    }

    async fn open(&self, operation: &Operation<()>, config: Value) -> Result<Opened, Diagnostics> {
        operation.warn("open", "");
        let mut result = config;
        result.set("key", Value::string("open"));
        Ok(Opened {
            result,
            renew_at: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(60)),
            private: b"lease 7".to_vec(),
        })
    }

    async fn renew(
        &self,
        _operation: &Operation<()>,
        private: &[u8],
    ) -> Result<Option<SystemTime>, Diagnostics> {
        let text = String::from_utf8_lossy(private).into_owned();
        self.0.lock().unwrap().push(format!("renew {text}"));
        Ok(Some(SystemTime::UNIX_EPOCH + Duration::from_secs(120)))
    }

    async fn close(&self, _operation: &Operation<()>, private: &[u8]) -> Result<(), Diagnostics> {
        let text = String::from_utf8_lossy(private).into_owned();
        self.0.lock().unwrap().push(format!("close {text}"));
        Ok(())
    }
}

fn thing(title: &str) -> Option<wire::DynamicValue> {
    thing_of([("title", Value::string(title))])
}

/// With these attributes; the others are null.
fn thing_of<const N: usize>(given: [(&str, Value); N]) -> Option<wire::DynamicValue> {
    let mut value = Thing.schema().empty();
    for (name, one) in given {
        value.set(name, one);
    }
    encode(&value, &Thing.schema().kind())
}

fn hosts(value: Value) -> Option<wire::DynamicValue> {
    let schema = Small::default().schema();
    encode(&Value::object([("hosts", value)]), &schema.kind())
}

async fn configure(server: &Server<Small>) {
    let request = wire::configure_provider::Request {
        config: hosts(Value::Null),
        ..Default::default()
    };
    let answer = server.configure_provider(Request::new(request)).await;
    assert_eq!(
        told(&answer.unwrap().into_inner().diagnostics),
        ["configure"]
    );
}

/// The summaries.
fn told(diagnostics: &[wire::Diagnostic]) -> Vec<&str> {
    diagnostics.iter().map(|one| one.summary.as_str()).collect()
}

/// Whether a creation runs to its end.
async fn creates(server: &Server<Small>) -> bool {
    let kind = Thing.schema().kind();
    let request = wire::apply_resource_change::Request {
        type_name: "small_thing".to_owned(),
        prior_state: encode(&Value::Null, &kind),
        planned_state: thing("a"),
        config: thing("a"),
        ..Default::default()
    };
    let answer = server.apply_resource_change(Request::new(request)).await;
    let state = decode(answer.unwrap().into_inner().new_state, &kind).unwrap();
    !state.is_null()
}

async fn stop(server: &Server<Small>) {
    let request = wire::stop_provider::Request {};
    server.stop_provider(Request::new(request)).await.unwrap();
}

#[tokio::test]
async fn a_stopped_provider_stays_stopped_unless_it_serves_several_runs() {
    let usual = Server::new(Small::default(), CancellationToken::new());
    configure(&usual).await;
    assert!(creates(&usual).await);
    stop(&usual).await;
    configure(&usual).await;
    assert!(
        !creates(&usual).await,
        "a late configuration undid the stop"
    );

    let ending = CancellationToken::new();
    let debugged = Server::new(Small::default(), ending.clone()).reconfigurable();
    configure(&debugged).await;
    stop(&debugged).await;
    assert!(!creates(&debugged).await);
    configure(&debugged).await;
    assert!(creates(&debugged).await, "the next run is stopped as well");
    ending.cancel();
    assert!(!creates(&debugged).await, "it goes on while it should end");
}

#[tokio::test]
async fn state_of_an_older_version_is_upgraded_and_what_is_older_still_is_refused() {
    let server = Server::new(Small::default(), CancellationToken::new());
    for (version, upgraded) in [(1, true), (2, false), (0, false)] {
        let stored = json!({"name": "old", "title": "new"});
        let request = wire::upgrade_resource_state::Request {
            type_name: "small_thing".to_owned(),
            version,
            raw_state: Some(wire::RawState {
                json: serde_json::to_vec(&stored).unwrap(),
                ..Default::default()
            }),
        };
        let answer = server.upgrade_resource_state(Request::new(request)).await;
        let answer = answer.unwrap().into_inner();
        if version == 0 {
            assert_eq!(answer.diagnostics[0].summary, "Too old");
            continue;
        }
        let state = decode(answer.upgraded_state, &Thing.schema().kind()).unwrap();
        let expected = if upgraded { "old" } else { "new" };
        assert_eq!(state.get("title").as_str(), Some(expected), "{version}");
    }
}

#[tokio::test]
async fn an_ephemeral_resource_is_renewed_and_closed_with_what_it_left() {
    let small = Small::default();
    let server = Server::new(small.clone(), CancellationToken::new());
    configure(&server).await;
    let kind = Lease(Told::default()).schema().kind();
    let request = wire::open_ephemeral_resource::Request {
        type_name: "small_lease".to_owned(),
        config: encode(&Value::object([("key", Value::Null)]), &kind),
        ..Default::default()
    };
    let opened = server.open_ephemeral_resource(Request::new(request)).await;
    let opened = opened.unwrap().into_inner();
    assert_eq!(told(&opened.diagnostics), ["open"]);
    assert_eq!(opened.renew_at.map(|time| time.seconds), Some(60));
    let result = decode(opened.result, &kind).unwrap();
    assert_eq!(result.get("key").as_str(), Some("open"));

    let request = wire::renew_ephemeral_resource::Request {
        type_name: "small_lease".to_owned(),
        private: opened.private.clone(),
    };
    let renewed = server.renew_ephemeral_resource(Request::new(request)).await;
    let renewed = renewed.unwrap().into_inner();
    assert_eq!(renewed.renew_at.map(|time| time.seconds), Some(120));

    let request = wire::close_ephemeral_resource::Request {
        type_name: "small_lease".to_owned(),
        private: opened.private,
    };
    let closed = server.close_ephemeral_resource(Request::new(request)).await;
    assert!(closed.unwrap().into_inner().diagnostics.is_empty());
    assert_eq!(
        *small.told.lock().unwrap(),
        ["renew lease 7", "close lease 7"]
    );
}

async fn reads(
    server: &Server<Small>,
    title: &str,
    private: Vec<u8>,
) -> wire::read_resource::Response {
    let request = wire::read_resource::Request {
        type_name: "small_thing".to_owned(),
        current_state: thing(title),
        private,
        ..Default::default()
    };
    let answer = server.read_resource(Request::new(request)).await;
    answer.unwrap().into_inner()
}

async fn plans(
    server: &Server<Small>,
    proposed: Option<wire::DynamicValue>,
    prior_private: Vec<u8>,
) -> wire::plan_resource_change::Response {
    let request = wire::plan_resource_change::Request {
        type_name: "small_thing".to_owned(),
        prior_state: thing("a"),
        config: proposed.clone(),
        proposed_new_state: proposed,
        prior_private,
        ..Default::default()
    };
    let answer = server.plan_resource_change(Request::new(request)).await;
    answer.unwrap().into_inner()
}

async fn applies(
    server: &Server<Small>,
    planned: Option<wire::DynamicValue>,
    planned_private: Vec<u8>,
) -> wire::apply_resource_change::Response {
    let request = wire::apply_resource_change::Request {
        type_name: "small_thing".to_owned(),
        prior_state: thing("a"),
        config: planned.clone(),
        planned_state: planned,
        planned_private,
        ..Default::default()
    };
    let answer = server.apply_resource_change(Request::new(request)).await;
    answer.unwrap().into_inner()
}

#[tokio::test]
async fn every_call_may_warn_and_hands_on_what_the_object_keeps() {
    let server = Server::new(Small::default(), CancellationToken::new());
    configure(&server).await;
    let request = wire::import_resource_state::Request {
        type_name: "small_thing".to_owned(),
        id: "a".to_owned(),
        ..Default::default()
    };
    let imported = server.import_resource_state(Request::new(request)).await;
    let mut imported = imported.unwrap().into_inner();
    assert_eq!(told(&imported.diagnostics), ["import"]);
    let private = imported.imported_resources.remove(0).private;
    let read = reads(&server, "a", private).await;
    assert_eq!(told(&read.diagnostics), ["read"]);
    let planned = plans(&server, thing("b"), read.private.clone()).await;
    assert_eq!(told(&planned.diagnostics), ["plan"]);
    let applied = applies(&server, thing("b"), planned.planned_private).await;
    assert_eq!(told(&applied.diagnostics), ["update"]);
    let kept = Private::from_wire(&applied.private).get(CALLS);
    let expected = ["import", "read", "plan", "update"].map(str::to_owned);
    assert_eq!(kept, Some(expected.to_vec()));

    let none = encode(&Value::Null, &Thing.schema().kind());
    let planned = plans(&server, none.clone(), read.private).await;
    assert_eq!(told(&planned.diagnostics), ["plan_delete"]);
    let deleted = applies(&server, none, planned.planned_private).await;
    assert_eq!(told(&deleted.diagnostics), ["delete"]);
}

#[tokio::test]
async fn what_was_warned_of_is_told_of_a_call_that_fails_too() {
    let server = Server::new(Small::default(), CancellationToken::new());
    configure(&server).await;
    let read = reads(&server, "unreadable", Vec::new()).await;
    assert_eq!(told(&read.diagnostics), ["read", "It cannot be read"]);
}

#[tokio::test]
async fn a_provider_that_is_not_configured_says_so_and_keeps_what_is_private() {
    let server = Server::new(Small::default(), CancellationToken::new());
    let read = reads(&server, "a", b"anything".to_vec()).await;
    assert_eq!(told(&read.diagnostics), ["The provider is not configured"]);
    assert_eq!(read.private, b"anything");
}

/// The first message's summary, and the attribute that it is about.
fn refusal(diagnostics: &[wire::Diagnostic]) -> (&str, String) {
    let first = &diagnostics[0];
    assert_eq!(first.severity, i32::from(wire::diagnostic::Severity::Error));
    (first.summary.as_str(), format!("{:?}", first.attribute))
}

fn at(path: &AttributePath) -> String {
    format!("{:?}", Some(path.to_wire()))
}

#[tokio::test]
async fn what_a_schema_forbids_is_refused_by_every_call_that_brings_a_configuration() {
    let server = Server::new(Small::default(), CancellationToken::new());
    configure(&server).await;
    let title = at(&AttributePath::of("title"));
    let untitled = || thing_of([("title", Value::Null)]);

    let request = wire::validate_resource_config::Request {
        type_name: "small_thing".to_owned(),
        config: untitled(),
        ..Default::default()
    };
    let answer = server.validate_resource_config(Request::new(request)).await;
    let found = answer.unwrap().into_inner().diagnostics;
    assert_eq!(refusal(&found), ("title has no value", title.clone()));
    // Known only now: neither author is asked.
    let found = plans(&server, untitled(), Vec::new()).await.diagnostics;
    assert_eq!(refusal(&found), ("title has no value", title.clone()));
    assert_eq!(found.len(), 1, "{found:?}");
    let applied = applies(&server, untitled(), Vec::new()).await;
    assert_eq!(refusal(&applied.diagnostics), ("title has no value", title));
    assert_eq!(applied.diagnostics.len(), 1, "{:?}", applied.diagnostics);
    let kept = decode(applied.new_state, &Thing.schema().kind()).unwrap();
    assert_eq!(kept.get("title").as_str(), Some("a"), "the state before");

    let kind = Look.schema().kind();
    let look = encode(
        &Value::object([("key", Value::Null), ("found", Value::Null)]),
        &kind,
    );
    let request = wire::validate_data_resource_config::Request {
        type_name: "small_look".to_owned(),
        config: look.clone(),
    };
    let answer = server
        .validate_data_resource_config(Request::new(request))
        .await;
    let found = answer.unwrap().into_inner().diagnostics;
    assert_eq!(told(&found), ["key has no value", "its author's refusal"]);
    let request = wire::read_data_source::Request {
        type_name: "small_look".to_owned(),
        config: look,
        ..Default::default()
    };
    let answer = server
        .read_data_source(Request::new(request))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(told(&answer.diagnostics), ["key has no value"]);
    assert!(answer.state.is_none());

    let kind = Lease(Told::default()).schema().kind();
    let lease = encode(&Value::object([("key", Value::string("mine"))]), &kind);
    let request = wire::validate_ephemeral_resource_config::Request {
        type_name: "small_lease".to_owned(),
        config: lease.clone(),
    };
    let answer = server
        .validate_ephemeral_resource_config(Request::new(request))
        .await;
    assert_eq!(
        told(&answer.unwrap().into_inner().diagnostics),
        ["key cannot be set"]
    );
    let request = wire::open_ephemeral_resource::Request {
        type_name: "small_lease".to_owned(),
        config: lease,
        ..Default::default()
    };
    let answer = server.open_ephemeral_resource(Request::new(request)).await;
    assert_eq!(
        told(&answer.unwrap().into_inner().diagnostics),
        ["key cannot be set"]
    );

    let wrong = || hosts(Value::List(vec![Value::Null]));
    let expected = (
        "hosts[0] is an element without value",
        at(&AttributePath::of("hosts").index(0)),
    );
    let request = wire::validate_provider_config::Request { config: wrong() };
    let answer = server.validate_provider_config(Request::new(request)).await;
    assert_eq!(
        refusal(&answer.unwrap().into_inner().diagnostics),
        expected.clone()
    );
    let request = wire::configure_provider::Request {
        config: wrong(),
        ..Default::default()
    };
    let answer = server.configure_provider(Request::new(request)).await;
    assert_eq!(refusal(&answer.unwrap().into_inner().diagnostics), expected);
}

#[tokio::test]
async fn a_default_holds_in_every_plan() {
    let server = Server::new(Small::default(), CancellationToken::new());
    configure(&server).await;
    let kind = Thing.schema().kind();
    // Terraform proposes the value of the state before where the configuration has none any more.
    let request = wire::plan_resource_change::Request {
        type_name: "small_thing".to_owned(),
        prior_state: thing_of([("title", Value::string("a")), ("size", Value::int(5))]),
        proposed_new_state: thing_of([("title", Value::string("a")), ("size", Value::int(5))]),
        config: thing("a"),
        ..Default::default()
    };
    let answer = server.plan_resource_change(Request::new(request)).await;
    let planned = decode(answer.unwrap().into_inner().planned_state, &kind).unwrap();
    assert_eq!(planned.get("size").as_i64(), Some(1));
}

#[tokio::test]
async fn what_changed_during_the_apply_is_a_warning_and_no_inconsistent_result() {
    let server = Server::new(Small::default(), CancellationToken::new());
    configure(&server).await;
    let request = wire::apply_resource_change::Request {
        type_name: "small_thing".to_owned(),
        prior_state: thing("a"),
        config: thing("busy"),
        planned_state: thing_of([
            ("title", Value::string("busy")),
            ("size", Value::int(1)),
            ("mark", Value::string("one")),
        ]),
        ..Default::default()
    };
    let answer = server.apply_resource_change(Request::new(request)).await;
    let applied = answer.unwrap().into_inner();
    assert_eq!(
        told(&applied.diagnostics),
        ["update", "mark is not as planned any more"]
    );
    let state = decode(applied.new_state, &Thing.schema().kind()).unwrap();
    assert_eq!(state.get("mark").as_str(), Some("one"));
}
