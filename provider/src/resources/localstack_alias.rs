//! `atlas_localstack_alias`: a bucket and queues in one region of an endpoint.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use atlas_engine::aws::{Account, Queue};
use atlas_engine::localstack::alias::{
    self, BucketSpec, DEFAULT_MAX_RECEIVE, DEFAULT_RETENTION, DEFAULT_VISIBILITY, Observed,
    QueueSpec, ReplicationSpec, Spec,
};
use atlas_engine::presence::Presence;
use atlas_engine::{Error, FieldPath, Result, Scope};
use tfplugin::{
    Attribute, AttributePath, Diagnostics, Nesting, Operation, Outcome, PlanRequest, Planned,
    Resource, Schema, Type, Value,
};

use crate::configured::Configured;
use crate::outcome::Subject;
use crate::timeouts;
use crate::translate::{Reader, push_at_attributes, text_list, text_map, texts, texts_by_key};

/// The resource.
pub(crate) struct Alias;

const SUBJECT: Subject = Subject { noun: "alias" };

/// Attributes that follow from the endpoint, the queue and the replication.
const COMPUTED: [&str; 9] = [
    "account_id",
    "queue_url",
    "queue_arn",
    "dead_letter_queue_url",
    "dead_letter_queue_arn",
    "events_queue_url",
    "events_queue_arn",
    "outbox_url",
    "outbox_arn",
];

/// What is given, then the environment, then what LocalStack takes for its default account.
fn account(value: &Value) -> Option<Account> {
    let key = |name: &str, variable: &str| {
        let given = value.get(name).as_str().map(str::to_owned);
        given
            .or_else(|| std::env::var(variable).ok().filter(|key| !key.is_empty()))
            .unwrap_or_else(|| "test".to_owned())
    };
    Some(Account {
        endpoint: value.get("endpoint").as_str()?.to_owned(),
        region: value.get("region").as_str()?.to_owned(),
        access_key: key("access_key", "AWS_ACCESS_KEY_ID"),
        secret_key: key("secret_key", "AWS_SECRET_ACCESS_KEY"),
    })
}

fn spec(value: &Value, reader: &mut Reader) -> Option<Spec> {
    if ["bucket", "queue", "replication"]
        .iter()
        .any(|name| !value.get(name).is_known())
    {
        return None;
    }
    let queue = value.get("queue");
    let replication = value.get("replication");
    Some(Spec {
        account: account(value)?,
        bucket: bucket(value.get("bucket"), reader)?,
        queue: match queue {
            Value::Map(_) => Some(self::queue(queue, reader)?),
            _ => None,
        },
        replication: match replication {
            Value::Map(_) => Some(self::replication(replication)?),
            _ => None,
        },
    })
}

fn bucket(value: &Value, reader: &mut Reader) -> Option<BucketSpec> {
    let mut days = |name: &str| {
        let path = FieldPath::of("bucket").name(name);
        reader.number(value.get(name), &path, "Give a whole number of days.")
    };
    let flag = |name: &str, default: bool| value.get(name).as_bool().unwrap_or(default);
    Some(BucketSpec {
        name: value.get("name").as_str()?.to_owned(),
        force_destroy: flag("force_destroy", false),
        versioning: flag("versioning", true),
        block_public_access: flag("block_public_access", true),
        expiration_days: days("expiration_days"),
        noncurrent_expiration_days: days("noncurrent_expiration_days"),
        tags: texts_by_key(value.get("tags")),
    })
}

fn queue(value: &Value, reader: &mut Reader) -> Option<QueueSpec> {
    let mut number = |name: &str, default: i32| {
        let path = FieldPath::of("queue").name(name);
        reader
            .number(value.get(name), &path, "Give a whole number.")
            .unwrap_or(default)
    };
    let flag = |name: &str| value.get(name).as_bool().unwrap_or(false);
    Some(QueueSpec {
        name: value.get("name").as_str()?.to_owned(),
        fifo: flag("fifo"),
        content_based_deduplication: flag("content_based_deduplication"),
        visibility_timeout: number("visibility_timeout", DEFAULT_VISIBILITY),
        retention: number("retention", DEFAULT_RETENTION),
        max_receive_count: number("max_receive_count", DEFAULT_MAX_RECEIVE),
        tags: texts_by_key(value.get("tags")),
    })
}

fn replication(value: &Value) -> Option<ReplicationSpec> {
    let text = |name: &str| value.get(name).as_str().map(str::to_owned);
    Some(ReplicationSpec {
        peer_region: text("peer_region")?,
        peer_bucket: text("peer_bucket")?,
        peer_queue: text("peer_queue"),
        peer_endpoint: text("peer_endpoint"),
        prefixes: texts(value.get("prefixes")),
        delete_markers: value.get("delete_markers").as_bool().unwrap_or(true),
        role_arn: text("role_arn"),
    })
}

fn specify(value: &Value) -> Result<Spec> {
    let mut reader = Reader::default();
    match spec(value, &mut reader) {
        Some(found) if reader.problems.is_empty() => Ok(found),
        _ => Err(Error::Invalid(reader.problems)),
    }
}

fn scope(operation: &Operation<Configured>, limit: Duration) -> Scope {
    Scope::default()
        .with_cancel(operation.cancel.clone())
        .with_timeout(limit)
}

async fn look(scope: &Scope, spec: &Spec) -> Result<Observed> {
    let queue = spec.queue.as_ref().map(|queue| queue.name.as_str());
    alias::observe(scope, &spec.account, &spec.bucket.name, queue).await
}

/// Null stays null, and an empty map an empty map.
fn tags(found: &BTreeMap<String, String>, before: &Value) -> Value {
    if found.is_empty() && before.entries().next().is_none() && before.is_known() {
        before.clone()
    } else {
        text_map(found)
    }
}

fn days(days: Option<i32>) -> Value {
    days.map_or(Value::Null, Value::int)
}

/// The state of an alias that is there; `asked` is what the state says was asked.
fn state(observed: &Observed, asked: &Spec, before: &Value) -> Value {
    let name = &asked.bucket.name;
    let Some(found) = observed.spec(&asked.account, name, Some(asked)) else {
        return Value::Null;
    };
    let mut state = before.clone();
    state.set(
        "id",
        Value::string(format!("{}/{name}", asked.account.region)),
    );
    state.set("region", Value::string(&found.account.region));
    state.set("account_id", Value::string(&observed.account_id));
    state.set("bucket_arn", Value::string(format!("arn:aws:s3:::{name}")));
    let bucket = &found.bucket;
    state.set(
        "bucket",
        Value::object([
            ("name", Value::string(&bucket.name)),
            ("force_destroy", Value::Bool(bucket.force_destroy)),
            ("versioning", Value::Bool(bucket.versioning)),
            (
                "block_public_access",
                Value::Bool(bucket.block_public_access),
            ),
            ("expiration_days", days(bucket.expiration_days)),
            (
                "noncurrent_expiration_days",
                days(bucket.noncurrent_expiration_days),
            ),
            ("tags", tags(&bucket.tags, before.get("bucket").get("tags"))),
        ]),
    );
    let queue = found.queue.as_ref().map_or(Value::Null, |queue| {
        Value::object([
            ("name", Value::string(&queue.name)),
            ("fifo", Value::Bool(queue.fifo)),
            (
                "content_based_deduplication",
                Value::Bool(queue.content_based_deduplication),
            ),
            ("visibility_timeout", Value::int(queue.visibility_timeout)),
            ("retention", Value::int(queue.retention)),
            ("max_receive_count", Value::int(queue.max_receive_count)),
            ("tags", tags(&queue.tags, before.get("queue").get("tags"))),
        ])
    });
    state.set("queue", queue);
    let replication = found.replication.as_ref().map_or(Value::Null, |one| {
        Value::object([
            ("peer_region", Value::string(&one.peer_region)),
            ("peer_bucket", Value::string(&one.peer_bucket)),
            ("peer_queue", Value::optional(one.peer_queue.as_ref())),
            ("peer_endpoint", Value::optional(one.peer_endpoint.as_ref())),
            ("prefixes", text_list(&one.prefixes)),
            ("delete_markers", Value::Bool(one.delete_markers)),
            ("role_arn", Value::optional(one.role_arn.as_ref())),
        ])
    });
    state.set("replication", replication);
    let outbox = observed.outbox(&found);
    for (url, arn, queue) in [
        ("queue_url", "queue_arn", observed.queue.as_ref()),
        (
            "dead_letter_queue_url",
            "dead_letter_queue_arn",
            observed.dead_letters.as_ref(),
        ),
        (
            "events_queue_url",
            "events_queue_arn",
            observed.events.as_ref(),
        ),
        ("outbox_url", "outbox_arn", outbox),
    ] {
        state.set(url, Value::optional(queue.map(|queue: &Queue| &queue.url)));
        state.set(arn, Value::optional(queue.map(|queue| &queue.arn)));
    }
    let drift = alias::plan(asked, observed).drift;
    state.set(
        "drift",
        Value::List(drift.into_iter().map(Value::string).collect()),
    );
    state
}

/// Values that have a default, where the user gives none.
fn fill_defaults(state: &mut Value, config: &Value) {
    let tables: [(&str, &[(&str, Value)]); 3] = [
        (
            "bucket",
            &[
                ("force_destroy", Value::Bool(false)),
                ("versioning", Value::Bool(true)),
                ("block_public_access", Value::Bool(true)),
            ],
        ),
        (
            "queue",
            &[
                ("fifo", Value::Bool(false)),
                ("content_based_deduplication", Value::Bool(false)),
                ("visibility_timeout", Value::int(DEFAULT_VISIBILITY)),
                ("retention", Value::int(DEFAULT_RETENTION)),
                ("max_receive_count", Value::int(DEFAULT_MAX_RECEIVE)),
            ],
        ),
        ("replication", &[("delete_markers", Value::Bool(true))]),
    ];
    for (name, defaults) in tables {
        let mut object = state.get(name).clone();
        for (field, value) in defaults {
            if config.get(name).get(field).is_null() {
                object.set(field, value.clone());
            }
        }
        state.set(name, object);
    }
}

#[async_trait]
impl Resource<Configured> for Alias {
    fn name(&self) -> &'static str {
        "atlas_localstack_alias"
    }

    fn schema(&self) -> Schema {
        let text = Type::String;
        Schema::new(
            "One region of a platform on an endpoint of AWS's kind: an audit bucket, a transaction queue with its \
             dead-letter queue, and what carries both to a peer region. The endpoint may be an `atlas_localstack` or any \
             other that speaks S3, SQS and STS. S3's own replication rules are set on the bucket; LocalStack stores \
             them and copies nothing: the replicator of `atlas_localstack` does.",
        )
        .attribute("region", Attribute::required(Type::String, "AWS's name of the region. Changing it makes another alias."))
        .attribute("endpoint", Attribute::required(Type::String, "URL of the endpoint. Changed in place: the same server may have moved; on another one, everything is made there and the old is left as it is. A server with a certificate of its own, as LocalStack has one for `localhost`, is trusted where the environment variable `SSL_CERT_FILE` names a file with that certificate."))
        .attribute("access_key", Attribute::optional(Type::String, "Default: `AWS_ACCESS_KEY_ID`, then `test`.").sensitive())
        .attribute("secret_key", Attribute::optional(Type::String, "Default: `AWS_SECRET_ACCESS_KEY`, then `test`.").sensitive())
        .attribute("bucket", Attribute::required(Type::String, "The audit bucket.").nested(Nesting::Single, [
            ("name", Attribute::required(Type::String, "Its name. Changing it makes another alias.")),
            ("force_destroy", Attribute::optional_computed(Type::Bool, "Whether what the bucket and the outbox hold may be lost with them. Default: false.")),
            ("versioning", Attribute::optional_computed(Type::Bool, "Whether versions are kept. Default: true.")),
            ("block_public_access", Attribute::optional_computed(Type::Bool, "Whether all public access is blocked. Default: true.")),
            ("expiration_days", Attribute::optional(Type::Number, "Days after which objects expire. Default: never.")),
            ("noncurrent_expiration_days", Attribute::optional(Type::Number, "Days after which versions that are no longer current expire. Default: never.")),
            ("tags", Attribute::optional(Type::map(Type::String), "Its tags.")),
        ]))
        .attribute("queue", Attribute::optional(Type::String, "The transaction queue. Its dead-letter queue is called `<name>-dlq`, before `.fifo`.").nested(Nesting::Single, [
            ("name", Attribute::required(Type::String, "Its name; that of a FIFO queue ends in `.fifo`. Changing it makes another alias.")),
            ("fifo", Attribute::optional_computed(Type::Bool, "Whether it keeps the order of groups. Changing it makes another alias. Default: false.")),
            ("content_based_deduplication", Attribute::optional_computed(Type::Bool, "Whether a message without deduplication id gets one from its content. Default: false.")),
            ("visibility_timeout", Attribute::optional_computed(Type::Number, "Seconds for which a received message is hidden from others. Default: 30.")),
            ("retention", Attribute::optional_computed(Type::Number, "Seconds after which a message expires. Default: 345600, four days.")),
            ("max_receive_count", Attribute::optional_computed(Type::Number, "How often a message is received before it goes to the dead-letter queue. Default: 5.")),
            ("tags", Attribute::optional(Type::map(Type::String), "Its tags.")),
        ]))
        .attribute("replication", Attribute::optional(Type::String, "What is carried to a peer. Makes the queue `<bucket>-events` with its dead-letter queue, which the bucket tells of every change.").nested(Nesting::Single, [
            ("peer_region", Attribute::required(Type::String, "The peer's region; another than this one.")),
            ("peer_bucket", Attribute::required(Type::String, "The peer's bucket. S3 wants it to exist, with versions; it is waited for ten seconds. LocalStack's published image looks for it on the same server only, the embedded one takes it to be elsewhere.")),
            ("peer_queue", Attribute::optional(Type::String, "The peer's transaction queue. Makes the outbox `<queue>-to-<peer_region>`: what is sent there is delivered to the peer's queue, at least once and in order of groups, whenever the peer can be reached.")),
            ("peer_endpoint", Attribute::optional(Type::String, "The peer's endpoint, for whoever reads this. Nothing is done with it: the replicator finds peers by its own `peers`.")),
            ("prefixes", Attribute::optional(Type::list(Type::String), "Beginnings of the keys that are replicated. Default: all.")),
            ("delete_markers", Attribute::optional_computed(Type::Bool, "Whether deletions are replicated. Default: true.")),
            ("role_arn", Attribute::optional(Type::String, "The IAM role that the rules name. Default: `<bucket>-replication` of the account; it is not made.")),
        ]))
        .attribute("id", Attribute::computed(text, "`<region>/<bucket>`."))
        .attribute("account_id", Attribute::computed(Type::String, "Number of the account."))
        .attribute("bucket_arn", Attribute::computed(Type::String, "ARN of the audit bucket."))
        .attribute("queue_url", Attribute::computed(Type::String, "URL of the transaction queue."))
        .attribute("queue_arn", Attribute::computed(Type::String, "ARN of the transaction queue."))
        .attribute("dead_letter_queue_url", Attribute::computed(Type::String, "URL of its dead-letter queue."))
        .attribute("dead_letter_queue_arn", Attribute::computed(Type::String, "ARN of its dead-letter queue."))
        .attribute("events_queue_url", Attribute::computed(Type::String, "URL of the queue of the bucket's events."))
        .attribute("events_queue_arn", Attribute::computed(Type::String, "ARN of the queue of the bucket's events."))
        .attribute("outbox_url", Attribute::computed(Type::String, "URL of the queue whose messages are delivered to the peer."))
        .attribute("outbox_arn", Attribute::computed(Type::String, "ARN of the queue whose messages are delivered to the peer."))
        .attribute("drift", Attribute::computed(Type::list(Type::String), "What was found to differ from what is declared and has no attribute, for instance a missing dead-letter queue. Empty after every apply."))
        .single("timeouts", timeouts::block())
    }

    async fn validate(&self, config: &Value) -> Diagnostics {
        let mut reader = Reader::default();
        let mut problems = timeouts::problems(config);
        // What is not known yet is no reason to leave the rest unchecked.
        let mut known = config.clone();
        for (name, stand_in) in [
            ("region", "us-east-1"),
            ("endpoint", "http://127.0.0.1:4566"),
        ] {
            if config.get(name).is_unknown() {
                known.set(name, Value::string(stand_in));
            }
        }
        let checked = spec(&known, &mut reader).map(|spec| spec.problems());
        problems.extend(checked.unwrap_or_default().into_iter().filter(|problem| {
            let peer = problem.path.to_string() == "replication.peer_region";
            !(peer && config.get("region").is_unknown())
        }));
        problems.extend(reader.problems);
        let mut found = Diagnostics::new();
        push_at_attributes(&mut found, &problems);
        found
    }

    async fn plan(&self, _operation: &Operation<Configured>, request: PlanRequest) -> Planned {
        let (config, prior) = (&request.config, &request.prior);
        let mut state = request.proposed;
        fill_defaults(&mut state, config);
        state.set("drift", Value::List(Vec::new()));
        let (region, bucket) = (config.get("region"), config.get("bucket").get("name"));
        if let (Some(region), Some(bucket)) = (region.as_str(), bucket.as_str()) {
            state.set("id", Value::string(format!("{region}/{bucket}")));
            state.set(
                "bucket_arn",
                Value::string(format!("arn:aws:s3:::{bucket}")),
            );
        } else {
            state.set("id", Value::Unknown);
            state.set("bucket_arn", Value::Unknown);
        }
        let mut requires_replace = Vec::new();
        if !prior.is_null() {
            if state.get("region") != prior.get("region") {
                requires_replace.push(AttributePath::of("region"));
            }
            for (object, field) in [("bucket", "name"), ("queue", "name"), ("queue", "fifo")] {
                let (before, after) = (prior.get(object), state.get(object));
                if !before.is_null() && !after.is_null() && before.get(field) != after.get(field) {
                    requires_replace.push(AttributePath::of(object).attribute(field));
                }
            }
        }
        let inputs = [
            "endpoint",
            "access_key",
            "secret_key",
            "queue",
            "replication",
            "drift",
        ];
        let moves = inputs.iter().any(|name| state.get(name) != prior.get(name));
        if prior.is_null() || moves || !requires_replace.is_empty() {
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

    async fn create(
        &self,
        operation: &Operation<Configured>,
        planned: Value,
        _config: &Value,
    ) -> Outcome {
        let scope = scope(operation, timeouts::of(&planned, "create"));
        let look = async {
            let spec = specify(&planned)?;
            let presence = alias::admit(&scope, &spec).await?;
            Ok((spec, presence))
        };
        let (spec, presence) = match look.await {
            Ok(looked) => looked,
            Err(error) => return SUBJECT.refused(&error),
        };
        let presence = match presence {
            // An endpoint that goes away on the way is refused like one that never answered.
            Presence::Absent => Presence::Partial,
            found => found,
        };
        let done = alias::apply(&scope, &spec).await;
        let done = done.map(|observed| state(&observed, &spec, &planned));
        SUBJECT.created(planned, presence, done)
    }

    async fn read(
        &self,
        operation: &Operation<Configured>,
        before: Value,
    ) -> Result<Value, Diagnostics> {
        let scope = scope(operation, timeouts::of(&before, "read"));
        let work = async {
            let asked = specify(&before)?;
            match look(&scope, &asked).await {
                Ok(observed) => Ok(state(&observed, &asked, &before)),
                // A server that is down is the server's to repair; the alias is looked at after that.
                Err(error) if alias::gives_no_answer(&error) => {
                    let mut unseen = before.clone();
                    let told = format!("{} gives no answer", asked.account.endpoint);
                    unseen.set("drift", Value::List(vec![Value::string(told)]));
                    Ok(unseen)
                }
                Err(error) => Err(error),
            }
        };
        work.await.map_err(|error: Error| SUBJECT.unread(&error))
    }

    async fn update(
        &self,
        operation: &Operation<Configured>,
        prior: Value,
        planned: Value,
        _config: &Value,
    ) -> Outcome {
        let scope = scope(operation, timeouts::of(&planned, "update"));
        let work = async {
            let spec = specify(&planned)?;
            if spec.queue.is_none() && !prior.get("queue").is_null() {
                let mut before = specify(&prior)?;
                before.account = spec.account.clone();
                before.bucket.force_destroy = spec.bucket.force_destroy;
                alias::remove_queue(&scope, &before).await?;
            }
            let observed = alias::apply(&scope, &spec).await?;
            Ok(state(&observed, &spec, &planned))
        };
        SUBJECT.changed(prior.clone(), &planned, work.await)
    }

    async fn delete(
        &self,
        operation: &Operation<Configured>,
        prior: Value,
    ) -> Result<(), Diagnostics> {
        let scope = scope(operation, timeouts::of(&prior, "delete"));
        let work = async { alias::delete(&scope, &specify(&prior)?).await };
        work.await.map_err(|error| SUBJECT.unremoved(&error))
    }

    async fn import(
        &self,
        operation: &Operation<Configured>,
        id: &str,
    ) -> Result<Value, Diagnostics> {
        let parts: Vec<&str> = id.split(',').collect();
        let (region, endpoint, bucket, queue) = match parts.as_slice() {
            [region, endpoint, bucket] => (region, endpoint, bucket, None),
            [region, endpoint, bucket, queue] => (region, endpoint, bucket, Some(*queue)),
            _ => {
                return Err(Diagnostics::error(
                    "The alias cannot be imported",
                    format!(
                        "{id:?} is not of the form region,endpoint,bucket or region,endpoint,bucket,queue."
                    ),
                ));
            }
        };
        let mut state = self.schema().empty();
        state.set("region", Value::string(*region));
        state.set("endpoint", Value::string(*endpoint));
        state.set("bucket", Value::object([("name", Value::string(*bucket))]));
        if let Some(queue) = queue {
            state.set("queue", Value::object([("name", Value::string(queue))]));
        }
        let scope = scope(operation, timeouts::of(&state, "read"));
        let work = async {
            let asked = specify(&state)?;
            let observed = look(&scope, &asked).await?;
            if observed.bucket.is_none() {
                return Err(Error::NotFound {
                    kind: "bucket",
                    name: (*bucket).to_owned(),
                    remedy: format!("`aws --endpoint-url {endpoint} s3 ls` lists them."),
                });
            }
            Ok(self::state(&observed, &asked, &state))
        };
        work.await.map_err(|error| SUBJECT.unimported(&error))
    }
}
