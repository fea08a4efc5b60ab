//! `localstack_alias`: a bucket and queues in one region of an endpoint.

use std::time::Duration;

use argspec::{Answer, Failure, Kind, Opt, Spec as Options};
use atlas_engine::aws::{Account, Queue};
use atlas_engine::docker::Docker;
use atlas_engine::localstack::alias::{
    self, BucketSpec, DEFAULT_MAX_RECEIVE, DEFAULT_RETENTION, DEFAULT_VISIBILITY, Observed,
    QueueSpec, ReplicationSpec, Spec,
};
use atlas_engine::{Context, FieldPath, Scope, error};
use serde_json::{Value, json};

use super::state;
use crate::call::{Call, Docs, Module, Run, failure};
use crate::changes::Changes;
use crate::params::{Params, Reader};
use crate::run::docker_config;
use crate::words::Yaml;

pub(super) fn module() -> Module {
    Module {
        name: "localstack_alias",
        docs: Docs {
            short: "Audit buckets and transaction queues in a region",
            description: &[
                "Creates, changes and removes an audit bucket and a transaction queue in one region of an \
                 AWS-compatible endpoint, and the replication of both to a peer region. The endpoint may be LocalStack or any other \
                 that speaks S3, SQS and STS.",
                "An option that is left out is not compared. No option recreates an alias: another region, another \
                 bucket or another queue is another alias. What belongs to an alias carries the tag C(atlas:alias), \
                 with the name of its bucket. A bucket or queue of the name that is there without it is refused, in check \
                 mode too, unless O(adopt) consents. Rules of others in the bucket's lifecycle are left alone.",
            ],
            examples: include_str!("../../examples/localstack_alias.yml"),
            returns: &[(
                "alias",
                "dict",
                "The alias as it is, with the attributes of the Terraform resource atlas_localstack_alias but its credentials; null where there is none.",
            )],
        },
        spec: options,
        looks_only: false,
        run: Run::Anywhere(|call| Box::pin(run(call))),
    }
}

fn options() -> Options {
    Options::default()
        .option("region", Opt::new(Kind::Str, "AWS's name of the region.").required())
        .option("endpoint", Opt::new(Kind::Str, "URL of the endpoint.").required())
        .option("state", state(&["present", "absent"], "Whether the alias exists. One whose bucket holds objects, or whose queues hold messages, is removed only with O(bucket.force_destroy)."))
        .option("adopt", Opt::new(Kind::Bool, "Whether a bucket or queue that somebody else made is taken over with what it holds, and brought to what is asked.").or(false))
        .option("access_key", Opt::new(Kind::Str, "The access key's id. Left out, the environment variable E(AWS_ACCESS_KEY_ID) decides, then it is C(test).").secret())
        .option("secret_key", Opt::new(Kind::Str, "The access key's secret. Left out, the environment variable E(AWS_SECRET_ACCESS_KEY) decides, then it is C(test).").secret())
        .option("bucket", Opt::new(Kind::Dict, "The audit bucket.").required()
            .option("name", Opt::new(Kind::Str, "Its name.").required())
            .option("force_destroy", Opt::new(Kind::Bool, "Whether objects in the bucket, and messages in the transaction queue, its dead-letter queue and the outbox, may be lost with them.").or(false))
            .option("versioning", Opt::new(Kind::Bool, "Whether versions are kept. They are in a new bucket."))
            .option("block_public_access", Opt::new(Kind::Bool, "Whether all public access is blocked. It is for a new bucket."))
            .option("expiration_days", Opt::new(Kind::Int, "Days after which objects expire. 0 means never."))
            .option("noncurrent_expiration_days", Opt::new(Kind::Int, "Days after which versions that are no longer current expire. 0 means never."))
            .option("tags", Opt::new(Kind::Dict, "Its tags. An empty mapping means none.")))
        .option("queue", Opt::new(Kind::Dict, "The transaction queue, with a dead-letter queue beside it.")
            .option("name", Opt::new(Kind::Str, "Its name; that of a FIFO queue ends in C(.fifo).").required())
            .option("fifo", Opt::new(Kind::Bool, "Whether it keeps the order of groups. Left out, the name decides."))
            .option("content_based_deduplication", Opt::new(Kind::Bool, "Whether a message without deduplication id gets one from its content."))
            .option("visibility_timeout", Opt::new(Kind::Int, "Seconds for which a received message is hidden from others. A new queue has 30."))
            .option("retention", Opt::new(Kind::Int, "Seconds after which a message expires. A new queue has 345600."))
            .option("max_receive_count", Opt::new(Kind::Int, "How often a message is received before it is a dead letter. A new queue has 5."))
            .option("tags", Opt::new(Kind::Dict, "Its tags. An empty mapping means none.")))
        .option("replication", Opt::new(Kind::Dict, "What is replicated to a peer. An empty mapping means nothing.")
            .option("peer_region", Opt::new(Kind::Str, "The peer's region."))
            .option("peer_bucket", Opt::new(Kind::Str, "The peer's bucket."))
            .option("peer_queue", Opt::new(Kind::Str, "The peer's transaction queue, to which messages in the outbox are delivered."))
            .option("peer_endpoint", Opt::new(Kind::Str, "The peer's endpoint, for information only."))
            .option("prefixes", Opt::list(Kind::Str, "Prefixes of the keys that are replicated. An empty list means all."))
            .option("delete_markers", Opt::new(Kind::Bool, "Whether deletions are replicated.").or(true))
            .option("role_arn", Opt::new(Kind::Str, "The IAM role that the rules name.")))
}

fn account(params: &Params) -> Account {
    let key = |name: &str, variable: &str| {
        let given = params.text(name).map(str::to_owned);
        given
            .or_else(|| std::env::var(variable).ok().filter(|key| !key.is_empty()))
            .unwrap_or_else(|| "test".to_owned())
    };
    Account {
        endpoint: params.required("endpoint"),
        region: params.required("region"),
        access_key: key("access_key", "AWS_ACCESS_KEY_ID"),
        secret_key: key("secret_key", "AWS_SECRET_ACCESS_KEY"),
    }
}

/// What is asked for; what is not given is as it is.
fn specify(params: &Params, account: &Account, found: Option<&Spec>) -> Result<Spec, Failure> {
    let mut reader = Reader::default();
    let spec = Spec {
        account: account.clone(),
        bucket: bucket(
            &params.inner("bucket").unwrap_or_default(),
            found.map(|found| &found.bucket),
            &mut reader,
        ),
        queue: match params.inner("queue") {
            Some(given) => Some(queue(
                &given,
                found.and_then(|found| found.queue.as_ref()),
                &mut reader,
            )),
            None => found.and_then(|found| found.queue.clone()),
        },
        replication: match params.inner("replication") {
            Some(given)
                if given.text("peer_region").is_none() && given.text("peer_bucket").is_none() =>
            {
                None
            }
            Some(given) => Some(replication(&given)),
            None => found.and_then(|found| found.replication.clone()),
        },
    };
    reader.finish()?;
    error::refuse(spec.problems()).map_err(|error| failure(&error))?;
    Ok(spec)
}

fn bucket(given: &Params, found: Option<&BucketSpec>, reader: &mut Reader) -> BucketSpec {
    let path = FieldPath::of("bucket");
    let mut days = |name: &str, found: Option<i32>| {
        let form = "Use a whole number of days.";
        match reader.number(given, &path, name, form) {
            Some(0) => None,
            Some(days) => Some(days),
            None => found,
        }
    };
    BucketSpec {
        name: given.required("name"),
        force_destroy: given.flag("force_destroy").unwrap_or(false),
        versioning: given
            .flag("versioning")
            .or(found.map(|found| found.versioning))
            .unwrap_or(true),
        block_public_access: given
            .flag("block_public_access")
            .or(found.map(|found| found.block_public_access))
            .unwrap_or(true),
        expiration_days: days("expiration_days", found.and_then(|one| one.expiration_days)),
        noncurrent_expiration_days: days(
            "noncurrent_expiration_days",
            found.and_then(|one| one.noncurrent_expiration_days),
        ),
        tags: given
            .text_map("tags")
            .or_else(|| found.map(|found| found.tags.clone()))
            .unwrap_or_default(),
    }
}

fn queue(given: &Params, found: Option<&QueueSpec>, reader: &mut Reader) -> QueueSpec {
    let path = FieldPath::of("queue");
    let name = given.required("name");
    let mut number = |field: &str, found: Option<i32>, default: i32| {
        reader
            .number(given, &path, field, "Use a whole number.")
            .or(found)
            .unwrap_or(default)
    };
    QueueSpec {
        fifo: given
            .flag("fifo")
            .unwrap_or_else(|| alias::is_fifo_name(&name)),
        content_based_deduplication: given
            .flag("content_based_deduplication")
            .or(found.map(|found| found.content_based_deduplication))
            .unwrap_or(false),
        visibility_timeout: number(
            "visibility_timeout",
            found.map(|found| found.visibility_timeout),
            DEFAULT_VISIBILITY,
        ),
        retention: number(
            "retention",
            found.map(|found| found.retention),
            DEFAULT_RETENTION,
        ),
        max_receive_count: number(
            "max_receive_count",
            // Somebody else's queue may have no dead letters.
            found
                .map(|found| found.max_receive_count)
                .filter(|count| *count > 0),
            DEFAULT_MAX_RECEIVE,
        ),
        tags: given
            .text_map("tags")
            .or_else(|| found.map(|found| found.tags.clone()))
            .unwrap_or_default(),
        name,
    }
}

fn replication(given: &Params) -> ReplicationSpec {
    let text = |name: &str| given.text(name).map(str::to_owned);
    ReplicationSpec {
        peer_region: given.required("peer_region"),
        peer_bucket: given.required("peer_bucket"),
        peer_queue: text("peer_queue"),
        peer_endpoint: text("peer_endpoint"),
        prefixes: given.texts("prefixes").unwrap_or_default(),
        delete_markers: given.flag("delete_markers").unwrap_or(true),
        role_arn: text("role_arn"),
    }
}

/// The alias as it is, in the words of the Terraform resource.
fn object(observed: &Observed, account: &Account, name: &str, asked: Option<&Spec>) -> Value {
    let Some(found) = observed.spec(account, name, asked) else {
        return Value::Null;
    };
    let outbox = observed.outbox(&found);
    let url = |queue: Option<&Queue>| queue.map(|queue| queue.url.clone());
    let arn = |queue: Option<&Queue>| queue.map(|queue| queue.arn.clone());
    json!({
        "id": format!("{}/{name}", account.region),
        "region": found.account.region,
        "endpoint": account.endpoint,
        "account_id": observed.account_id,
        "bucket": {
            "name": found.bucket.name,
            "versioning": found.bucket.versioning,
            "block_public_access": found.bucket.block_public_access,
            "expiration_days": found.bucket.expiration_days,
            "noncurrent_expiration_days": found.bucket.noncurrent_expiration_days,
            "tags": found.bucket.tags,
        },
        "queue": found.queue.as_ref().map(|queue| json!({
            "name": queue.name,
            "fifo": queue.fifo,
            "content_based_deduplication": queue.content_based_deduplication,
            "visibility_timeout": queue.visibility_timeout,
            "retention": queue.retention,
            "max_receive_count": queue.max_receive_count,
            "tags": queue.tags,
        })),
        "replication": found.replication.as_ref().map(|one| json!({
            "peer_region": one.peer_region,
            "peer_bucket": one.peer_bucket,
            "peer_queue": one.peer_queue,
            "peer_endpoint": one.peer_endpoint,
            "prefixes": one.prefixes,
            "delete_markers": one.delete_markers,
            "role_arn": one.role_arn,
        })),
        "bucket_arn": format!("arn:aws:s3:::{name}"),
        "queue_url": url(observed.queue.as_ref()),
        "queue_arn": arn(observed.queue.as_ref()),
        "dead_letter_queue_url": url(observed.dead_letters.as_ref()),
        "dead_letter_queue_arn": arn(observed.dead_letters.as_ref()),
        "events_queue_url": url(observed.events.as_ref()),
        "events_queue_arn": arn(observed.events.as_ref()),
        "outbox_url": url(outbox),
        "outbox_arn": arn(outbox),
    })
}

/// How long Docker may take to say who replicates. An alias needs none, so whatever goes wrong is nobody's concern.
const TO_LOOK_AROUND: Duration = Duration::from_secs(5);

/// Warns where nobody carries what is declared. In a check run the server may be an earlier task's.
async fn tell_who_is_missing(call: &Call<Scope>, spec: &Spec, changes: &mut Changes) {
    if spec.replication.is_none() {
        return;
    }
    let look = async {
        let config = docker_config(&call.params).ok()?;
        let docker = Docker::connect(&config).await.ok()?;
        let cx = Context::within(docker, call.cx.clone());
        alias::uncarried(&cx, spec).await.ok()?
    };
    if let Ok(Some(problem)) = tokio::time::timeout(TO_LOOK_AROUND, look).await {
        changes.warn(problem.told(&Yaml));
    }
}

async fn run(call: &Call<Scope>) -> Result<Answer, Failure> {
    let fail = |error| failure(&error);
    let params = &call.params;
    let account = account(params);
    let name = params.inner("bucket").unwrap_or_default().required("name");
    let queue = params.inner("queue").map(|queue| queue.required("name"));
    let title = format!("alias {}/{name}", account.region);
    let mut changes = Changes::of(title.clone());
    // In a check run the server may be an earlier task's, which made nothing.
    let observed = match alias::observe(&call.cx, &account, &name, queue.as_deref()).await {
        Err(error) if !alias::gives_no_answer(&error) => return Err(fail(error)),
        looked => changes.admit(call, looked)?.unwrap_or_default(),
    };
    let found = observed.spec(&account, &name, None);
    if params.text("state") == Some("absent") {
        if found.is_some() || observed.queue.is_some() || observed.events.is_some() {
            changes.property("state", "present", "absent");
            changes.action(format!("remove {title}"));
            let spec = specify(params, &account, found.as_ref())?;
            changes.admit(call, alias::admit_delete(&call.cx, &spec).await)?;
            if !call.check {
                alias::delete(&call.cx, &spec).await.map_err(fail)?;
                return Ok(changes.answer(call, "alias", Value::Null));
            }
        }
        return Ok(changes.answer(call, "alias", object(&observed, &account, &name, None)));
    }
    let spec = specify(params, &account, found.as_ref())?;
    // No earlier task can mend this, so a check run is refused as a run is.
    if call.params.flag("adopt") != Some(true) {
        observed.admit_foreign(&spec, None).map_err(fail)?;
    }
    let plan = alias::plan(&spec, &observed);
    if found.is_none() {
        changes.property("state", "absent", "present");
    }
    for one in &plan.differences {
        let (before, after) = (one.before.clone(), one.after.clone());
        if one.replaces {
            changes.replacing(&one.field, before, after);
        } else {
            changes.property(&one.field, before, after);
        }
    }
    for step in &plan.steps {
        changes.action(step.summary(&name));
    }
    if !plan.replace().is_empty() {
        return Err(Failure::new(format!(
            "{title} cannot be changed in place: {} differ. Keep the current values, or use another name.",
            plan.replace().join(", ")
        )));
    }
    if call.check || changes.is_empty() {
        if !call.check {
            tell_who_is_missing(call, &spec, &mut changes).await;
        }
        let now = object(&observed, &account, &name, Some(&spec));
        return Ok(changes.answer(call, "alias", now));
    }
    let made = alias::apply(&call.cx, &spec).await.map_err(fail)?;
    tell_who_is_missing(call, &spec, &mut changes).await;
    let now = object(&made, &account, &name, Some(&spec));
    Ok(changes.answer(call, "alias", now))
}
