//! `atlas_localstack_alias`: a bucket and queues in one region of an endpoint.

mod plan;
mod spec;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use atlas_engine::aws::Queue;
use atlas_engine::localstack::alias::{self, Observed, QueueKind, Spec};
use atlas_engine::presence::Presence;
use atlas_engine::{Error, Result, Scope};
use tfplugin::{
    Attribute, AttributePath, Diagnostics, Nesting, Operation, Outcome, PlanRequest, Planned,
    Resource, Schema, Type, Value,
};

use self::spec::{spec, specify};
use crate::configured::{self, Configured};
use crate::outcome::Subject;
use crate::timeouts;
use crate::translate::{Reader, push_problems, text_list, text_map};
use crate::words::Hcl;

/// The resource.
pub(crate) struct Alias;

const SUBJECT: Subject = Subject { noun: "alias" };

/// The queues that an alias tells of, and the attributes that do.
const QUEUES: [(QueueKind, &str, &str); 4] = [
    (QueueKind::Transactions, "queue_url", "queue_arn"),
    (
        QueueKind::DeadLetters,
        "dead_letter_queue_url",
        "dead_letter_queue_arn",
    ),
    (QueueKind::Events, "events_queue_url", "events_queue_arn"),
    (QueueKind::Outbox, "outbox_url", "outbox_arn"),
];

fn scope(operation: &Operation<Configured>, limit: Duration) -> Scope {
    Scope::default()
        .with_warned(configured::warned(operation))
        .with_cancel(operation.cancel.clone())
        .with_timeout(limit)
}

/// How long Docker may take to say who replicates. An alias needs none, so whatever goes wrong is nobody's concern.
const TO_LOOK_AROUND: Duration = Duration::from_secs(5);

/// Warns where nobody carries what was just declared.
async fn tell_who_is_missing(operation: &Operation<Configured>, scope: &Scope, spec: &Spec) {
    if spec.replication.is_none() || !operation.data.is_decided() {
        return;
    }
    let look = async { alias::uncarried(&operation.data.context(operation).await?, spec).await };
    if let Ok(Ok(Some(problem))) = tokio::time::timeout(TO_LOOK_AROUND, look).await {
        let name = format!("{}/{}", spec.account.region, spec.bucket.name);
        scope.warn(
            format!("Nothing replicates alias {name}"),
            problem.told(&Hcl::Kept),
        );
    }
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
    for (kind, url, arn) in QUEUES {
        let queue = match kind {
            QueueKind::Transactions => observed.queue.as_ref(),
            QueueKind::DeadLetters => observed.dead_letters.as_ref(),
            QueueKind::Events => observed.events.as_ref(),
            QueueKind::Outbox => outbox,
        };
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

fn tell_what_is_left(diagnostics: &mut Diagnostics, spec: &Spec) {
    let (bucket, endpoint) = (&spec.bucket.name, &spec.account.endpoint);
    diagnostics.push_warning(
        AttributePath::root(),
        format!("The created parts of alias {bucket} are kept"),
        format!(
            "The bucket {bucket} at {endpoint} has the tag {} until the alias is complete. It is not in the state: \
             the next apply finds the tag and continues from there.",
            alias::BEGUN
        ),
    );
}

#[async_trait]
impl Resource<Configured> for Alias {
    fn name(&self) -> &'static str {
        "atlas_localstack_alias"
    }

    fn schema(&self) -> Schema {
        let text = Type::String;
        Schema::new(
            "One region of a platform on an AWS-compatible endpoint: an audit bucket, a transaction queue with its \
             dead-letter queue, and the replication of both to a peer region. The endpoint may be an `atlas_localstack` or any \
             other that speaks S3, SQS and STS. S3's own replication rules are set on the bucket; LocalStack stores \
             them and copies nothing: the replicator of `atlas_localstack` does. An existing bucket or queue is \
             not taken over: import it. What an alias has carries the tag `atlas:alias`, with the name of its bucket; the first \
             apply after an import writes it. While an alias is being made, its bucket carries the tag `atlas:begun`, by which an \
             apply goes on where one before it failed.",
        )
        .attribute("region", Attribute::required(Type::String, "AWS's name of the region.").forces_replacement())
        .attribute("endpoint", Attribute::required(Type::String, "URL of the endpoint. Changed in place: the same server may have moved; on another one, everything is made there and the old is left as it is. A server with a certificate of its own, as LocalStack has one for `localhost`, is trusted where the environment variable `SSL_CERT_FILE` names a file with that certificate."))
        .attribute("access_key", Attribute::optional(Type::String, "Default: `AWS_ACCESS_KEY_ID`, then `test`.").sensitive())
        .attribute("secret_key", Attribute::optional(Type::String, "Default: `AWS_SECRET_ACCESS_KEY`, then `test`.").sensitive())
        .attribute("bucket", Attribute::required(Type::String, "The audit bucket.").nested(Nesting::Single, [
            ("name", Attribute::required(Type::String, "Its name.").forces_replacement()),
            ("force_destroy", Attribute::optional_computed(Type::Bool, "Whether objects in the bucket, and messages in the transaction queue, its dead-letter queue and the outbox, may be lost with them. Default: false.")),
            ("versioning", Attribute::optional_computed(Type::Bool, "Whether versions are kept. Default: true.")),
            ("block_public_access", Attribute::optional_computed(Type::Bool, "Whether all public access is blocked. Default: true.")),
            ("expiration_days", Attribute::optional(Type::Number, "Days after which objects expire, by a rule called `atlas`. Other rules of the bucket's lifecycle are left as they are. Default: never.")),
            ("noncurrent_expiration_days", Attribute::optional(Type::Number, "Days after which versions that are no longer current expire. Default: never.")),
            ("tags", Attribute::optional(Type::map(Type::String), "Its tags.")),
        ]))
        .attribute("queue", Attribute::optional(Type::String, "The transaction queue. Its dead-letter queue is called `<name>-dlq`, before `.fifo`. Taken away, both are removed, which is refused while they hold messages, unless `bucket.force_destroy` is set.").nested(Nesting::Single, [
            ("name", Attribute::required(Type::String, "Its name; that of a FIFO queue ends in `.fifo`.").forces_replacement()),
            ("fifo", Attribute::optional_computed(Type::Bool, "Whether it keeps the order of groups. Default: false.").forces_replacement()),
            ("content_based_deduplication", Attribute::optional_computed(Type::Bool, "Whether a message without deduplication id gets one from its content. Default: false.")),
            ("visibility_timeout", Attribute::optional_computed(Type::Number, "Seconds for which a received message is hidden from others. Default: 30.")),
            ("retention", Attribute::optional_computed(Type::Number, "Seconds after which a message expires. Default: 345600, four days.")),
            ("max_receive_count", Attribute::optional_computed(Type::Number, "How often a message is received before it goes to the dead-letter queue. Default: 5.")),
            ("tags", Attribute::optional(Type::map(Type::String), "Its tags.")),
        ]))
        .attribute("replication", Attribute::optional(Type::String, "What is replicated to a peer. Makes the queue `<bucket>-events` with its dead-letter queue, which the bucket tells of every change.").nested(Nesting::Single, [
            ("peer_region", Attribute::required(Type::String, "The peer's region; another than this one.")),
            ("peer_bucket", Attribute::required(Type::String, "The peer's bucket. S3 wants it to exist, with versions; it is waited for ten seconds. LocalStack's published image looks for it on the same server only, the embedded one takes it to be elsewhere.")),
            ("peer_queue", Attribute::optional(Type::String, "The peer's transaction queue. Makes the outbox `<queue>-to-<peer_region>`: what is sent there is delivered to the peer's queue, at least once and in order of groups, whenever the peer can be reached.")),
            ("peer_endpoint", Attribute::optional(Type::String, "The peer's endpoint, for information only: the replicator uses its own `peers`.")),
            ("prefixes", Attribute::optional(Type::list(Type::String), "Prefixes of the keys that are replicated. Default: all.")),
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
        .attribute("drift", Attribute::computed(Type::list(Type::String), "Differences from the configuration that no attribute shows, for instance a missing dead-letter queue. Empty after every apply."))
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
        push_problems(&mut found, &problems);
        found
    }

    async fn plan(&self, _operation: &Operation<Configured>, request: PlanRequest) -> Planned {
        plan::plan(request)
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
            alias::admit(&scope, &spec).await?;
            Ok(spec)
        };
        let spec = match look.await {
            Ok(spec) => spec,
            Err(error) => return SUBJECT.refused(&error),
        };
        let done = alias::apply(&scope, &spec).await;
        let failed = done.is_err();
        if !failed {
            tell_who_is_missing(operation, &scope, &spec).await;
        }
        let done = done.map(|observed| state(&observed, &spec, &planned));
        // What is there may hold data soon after it was made, and Terraform destroys what a failed create returns.
        let mut outcome = SUBJECT.created(planned, Presence::Begun, done);
        if failed {
            tell_what_is_left(&mut outcome.diagnostics, &spec);
        }
        outcome
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
                    let told = format!("{} does not answer", asked.account.endpoint);
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
            // What the state names is the user's by word, an imported bucket for instance; a queue that comes with this change is
            // not.
            let known = specify(&prior)?;
            look(&scope, &spec)
                .await?
                .admit_foreign(&spec, Some(&known))?;
            let observed = alias::apply(&scope, &spec).await?;
            tell_who_is_missing(operation, &scope, &spec).await;
            let mut changed = state(&observed, &spec, &planned);
            // Other resources are changed with what was planned; what the endpoint tells otherwise is for the next read.
            for (_, url, _) in QUEUES {
                let told = planned.get(url);
                if told.is_known() && !told.is_null() {
                    changed.set(url, told.clone());
                }
            }
            Ok(changed)
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
                        "{id:?} is not a valid import id. Use region,endpoint,bucket or region,endpoint,bucket,queue."
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
                    remedy: format!("`aws --endpoint-url {endpoint} s3 ls` lists them.").into(),
                });
            }
            Ok(self::state(&observed, &asked, &state))
        };
        work.await.map_err(|error| SUBJECT.unimported(&error))
    }
}
