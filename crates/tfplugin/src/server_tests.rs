//! The server with a provider of a few lines behind it, asked as the wire asks.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tonic::Request;

use crate::dynamic::{decode, encode};
use crate::proto::tfplugin6 as wire;
use crate::proto::tfplugin6::provider_server::Provider as _;
use crate::server::Server;
use crate::{
    Attribute, Diagnostics, EphemeralResource, Opened, Operation, Outcome, PlanRequest, Planned,
    Provider, Resource, Schema, Type, Value,
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
        Schema::new("")
    }

    async fn configure(&self, _config: &Value) -> Result<(), Diagnostics> {
        Ok(())
    }

    fn resources(&self) -> Vec<Box<dyn Resource<()>>> {
        vec![Box::new(Thing)]
    }

    fn ephemeral_resources(&self) -> Vec<Box<dyn EphemeralResource<()>>> {
        vec![Box::new(Lease(Arc::clone(&self.told)))]
    }
}

/// Its second version calls `title` what the first called `name`.
struct Thing;

#[async_trait]
impl Resource<()> for Thing {
    fn name(&self) -> &'static str {
        "small_thing"
    }

    fn schema(&self) -> Schema {
        let schema = Schema::new("").attribute("title", Attribute::required(Type::String, ""));
        Schema {
            version: 2,
            ..schema
        }
    }

    async fn plan(&self, _operation: &Operation<()>, request: PlanRequest) -> Planned {
        Planned {
            state: request.proposed,
            requires_replace: Vec::new(),
            diagnostics: Diagnostics::new(),
        }
    }

    /// Runs until it is stopped.
    async fn create(&self, operation: &Operation<()>, planned: Value, _config: &Value) -> Outcome {
        let waited =
            tokio::time::timeout(Duration::from_millis(200), operation.cancel.cancelled()).await;
        Outcome {
            state: if waited.is_ok() { Value::Null } else { planned },
            diagnostics: Diagnostics::new(),
        }
    }

    async fn read(&self, _operation: &Operation<()>, state: Value) -> Result<Value, Diagnostics> {
        Ok(state)
    }

    async fn update(
        &self,
        _operation: &Operation<()>,
        _prior: Value,
        planned: Value,
        _config: &Value,
    ) -> Outcome {
        Outcome {
            state: planned,
            diagnostics: Diagnostics::new(),
        }
    }

    async fn delete(&self, _operation: &Operation<()>, _prior: Value) -> Result<(), Diagnostics> {
        Ok(())
    }

    async fn import(&self, _operation: &Operation<()>, _id: &str) -> Result<Value, Diagnostics> {
        Ok(Value::Null)
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

struct Lease(Told);

#[async_trait]
impl EphemeralResource<()> for Lease {
    fn name(&self) -> &'static str {
        "small_lease"
    }

    fn schema(&self) -> Schema {
        Schema::new("").attribute("key", Attribute::computed(Type::String, ""))
    }

    async fn open(&self, _operation: &Operation<()>, config: Value) -> Result<Opened, Diagnostics> {
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
    let kind = Thing.schema().kind();
    encode(&Value::object([("title", Value::string(title))]), &kind)
}

async fn configure(server: &Server<Small>) {
    let request = wire::configure_provider::Request {
        config: encode(&Value::object([]), &Type::object([])),
        ..Default::default()
    };
    let answer = server.configure_provider(Request::new(request)).await;
    assert!(answer.unwrap().into_inner().diagnostics.is_empty());
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
