//! Terraform's values as a specification.

use atlas_engine::aws::Account;
use atlas_engine::localstack::alias::{
    BucketSpec, DEFAULT_MAX_RECEIVE, DEFAULT_RETENTION, DEFAULT_VISIBILITY, QueueSpec,
    ReplicationSpec, Spec,
};
use atlas_engine::{Error, FieldPath, Result};
use tfplugin::Value;

use crate::translate::{Reader, texts, texts_by_key};

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

/// What is asked for; `None` where something that decides is unknown.
pub(super) fn spec(value: &Value, reader: &mut Reader) -> Option<Spec> {
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
        reader.number(value.get(name), &path, "Use a whole number of days.")
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
            .number(value.get(name), &path, "Use a whole number.")
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

/// The same of values that are all known.
pub(super) fn specify(value: &Value) -> Result<Spec> {
    let mut reader = Reader::default();
    match spec(value, &mut reader) {
        Some(found) if reader.problems.is_empty() => Ok(found),
        _ => Err(Error::Invalid(reader.problems)),
    }
}
