//! What a change of an alias comes to, without asking anybody.

use atlas_engine::localstack::alias::{
    self, DEFAULT_MAX_RECEIVE, DEFAULT_RETENTION, DEFAULT_VISIBILITY,
};
use tfplugin::{AttributePath, Diagnostics, PlanRequest, Planned, Value};

use super::QUEUES;
use super::spec::spec;
use crate::translate::Reader;

/// Plans creation or change.
pub(super) fn plan(request: PlanRequest) -> Planned {
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
    if prior.is_null() || !requires_replace.is_empty() {
        state.set("account_id", Value::Unknown);
        for name in QUEUES.iter().flat_map(|(_, url, arn)| [url, arn]) {
            state.set(name, Value::Unknown);
        }
    } else {
        plan_computed(&mut state, prior);
    }
    Planned {
        state,
        requires_replace,
        diagnostics: Diagnostics::new(),
    }
}

/// What follows from the endpoint and from names stays known where those are as before: other resources are planned with
/// it.
fn plan_computed(state: &mut Value, prior: &Value) {
    let is_same = |name: &str| state.get(name) == prior.get(name);
    let same_place = ["endpoint", "access_key", "secret_key"]
        .into_iter()
        .all(is_same);
    let account = match prior.get("account_id").as_str().filter(|_| same_place) {
        Some(account) => Value::string(account),
        None => Value::Unknown,
    };
    let wanted = spec(state, &mut Reader::default());
    let queues = wanted.as_ref().map(alias::queue_names);
    for (kind, url, arn) in QUEUES {
        // The same queue as before, no queue as before, or one that is known when it is there.
        let (planned_url, planned_arn) = match queues.as_ref().map(|names| names.get(&kind)) {
            Some(None) => (Value::Null, Value::Null),
            Some(Some(name)) if is_queue(prior, arn, name) && same_place => {
                (prior.get(url).clone(), prior.get(arn).clone())
            }
            _ => (Value::Unknown, Value::Unknown),
        };
        state.set(url, planned_url);
        state.set(arn, planned_arn);
    }
    state.set("account_id", account);
}

/// Whether an attribute holds the ARN of the queue of this name.
fn is_queue(prior: &Value, arn: &str, name: &str) -> bool {
    let known = prior.get(arn).as_str().and_then(|arn| arn.rsplit_once(':'));
    known.is_some_and(|(_, known)| known == name)
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

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
