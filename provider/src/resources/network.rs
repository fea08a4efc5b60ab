//! `atlas_network`: a Docker bridge network with an explicit subnet.

use std::collections::BTreeMap;

use async_trait::async_trait;
use atlas_engine::docker::DockerNetwork;
use atlas_engine::network::{self, Spec};
use atlas_engine::{Error, FieldPath, Problem, Result};
use tfplugin::{
    Attribute, AttributePath, Diagnostics, Operation, Outcome, PlanRequest, Planned, Resource,
    Schema, Type, Value,
};

use crate::configured::Configured;
use crate::outcome::Subject;
use crate::timeouts;
use crate::translate::{Reader, diagnostics, push_passing, push_problems, text_map};

/// The resource.
pub(crate) struct Network;

const SUBJECT: Subject = Subject { noun: "network" };

/// Attributes of which each forces another network.
const REPLACING: [&str; 4] = ["name", "subnet", "gateway", "labels"];

fn spec(value: &Value, reader: &mut Reader) -> Option<Spec> {
    let subnet = reader.network(value.get("subnet"), &FieldPath::of("subnet"));
    let gateway = reader.address(value.get("gateway"), &FieldPath::of("gateway"));
    let gateway = match gateway {
        Some(std::net::IpAddr::V4(gateway)) => Some(gateway),
        Some(_) => {
            reader.refuse(
                &FieldPath::of("gateway"),
                "the gateway is not a valid IPv4 address.",
                "Use an address of the subnet.",
            );
            None
        }
        None => None,
    };
    let labels: BTreeMap<String, String> = value
        .get("labels")
        .entries()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect();
    Some(Spec {
        name: value.get("name").as_str()?.to_owned(),
        subnet: subnet?,
        gateway,
        labels,
    })
}

fn state(found: &DockerNetwork, before: &Value) -> Value {
    let mut state = before.clone();
    state.set("name", Value::string(&found.name));
    state.set("id", Value::string(&found.name));
    state.set("network_id", Value::string(&found.id));
    state.set(
        "subnet",
        Value::optional(found.subnet.map(|net| net.to_string())),
    );
    state.set(
        "gateway",
        Value::optional(found.gateway.map(|address| address.to_string())),
    );
    let labels = text_map(&network::user_labels(found));
    // Null and an empty map both say "none".
    if !(labels.is_null() && before.get("labels").entries().next().is_none()) {
        state.set("labels", labels);
    }
    state
}

async fn existing(operation: &Operation<Configured>, name: &str) -> Result<Option<DockerNetwork>> {
    network::observe(&operation.data.context(operation).await?, name).await
}

/// What stands in the way of a network that is to be made, and what of that the same apply may remove.
async fn foresee(
    operation: &Operation<Configured>,
    prior: &Value,
    spec: &Spec,
    replaced_by: &[&str],
) -> Result<Vec<Problem>> {
    if !operation.data.is_decided() {
        return Ok(Vec::new());
    }
    let cx = operation.data.context(operation).await?;
    // The network that is to be replaced is gone before this one is made.
    let own = prior.get("name").as_str().unwrap_or(&spec.name);
    if own == spec.name
        && let Some(changed) = replaced_by.first()
        && let Some(there) = network::observe(&cx, own).await?
        && let Some(problem) = network::refuse_use(&there, &FieldPath::of(changed))
    {
        return Err(Error::Invalid(vec![problem]));
    }
    let others = network::list(&cx, None).await?;
    let path = FieldPath::of("subnet");
    network::foresee(network::overlapping(spec.subnet, own, &path, &others))
}

#[async_trait]
impl Resource<Configured> for Network {
    fn name(&self) -> &'static str {
        "atlas_network"
    }

    fn schema(&self) -> Schema {
        Schema::new(
            "A Docker bridge network with an explicit subnet, so that nodes on it can have fixed addresses.",
        )
        .attribute("name", Attribute::required(Type::String, "Docker's name for it.").forces_replacement())
        .attribute("subnet", Attribute::required(Type::String, "IPv4 network in CIDR form, for instance `172.28.0.0/16`.").forces_replacement())
        .attribute("gateway", Attribute::optional_computed(Type::String, "Address of the host on it. Default: the first of the subnet.").forces_replacement())
        .attribute("labels", Attribute::optional(Type::map(Type::String), "Docker labels.").forces_replacement())
        .attribute("id", Attribute::computed(Type::String, "The same as `name`."))
        .attribute("network_id", Attribute::computed(Type::String, "Docker's id, 64 hexadecimal digits."))
        .single("timeouts", timeouts::block())
    }

    async fn validate(&self, config: &Value) -> Diagnostics {
        let mut reader = Reader::default();
        let mut problems = timeouts::problems(config);
        problems.extend(
            spec(config, &mut reader)
                .map(|spec| spec.problems())
                .unwrap_or_default(),
        );
        problems.extend(reader.problems);
        let mut found = Diagnostics::new();
        push_problems(&mut found, &problems);
        found
    }

    async fn plan(&self, operation: &Operation<Configured>, request: PlanRequest) -> Planned {
        let mut state = request.proposed;
        let mut diagnostics_now = Diagnostics::new();
        let mut replaced_by = Vec::new();
        for name in REPLACING {
            let computed_later = name == "gateway" && request.config.get(name).is_null();
            if !request.prior.is_null()
                && !computed_later
                && state.get(name) != request.prior.get(name)
            {
                replaced_by.push(name);
            }
        }
        if request.prior.is_null() || !replaced_by.is_empty() {
            if request.config.get("gateway").is_null() {
                state.set("gateway", Value::Unknown);
            }
            state.set("network_id", Value::Unknown);
            state.set("id", request.config.get("name").clone());
            let mut reader = Reader::default();
            if let Some(spec) = spec(&request.config, &mut reader) {
                if request.config.get("gateway").is_null() {
                    state.set(
                        "gateway",
                        Value::optional(spec.gateway().map(|address| address.to_string())),
                    );
                }
                let look = foresee(operation, &request.prior, &spec, &replaced_by);
                match look.await {
                    Ok(in_the_way) => {
                        push_passing(&mut diagnostics_now, &in_the_way);
                    }
                    Err(error) => {
                        diagnostics_now
                            .extend(diagnostics("The network cannot be planned", &error));
                    }
                }
            }
        }
        Planned {
            state,
            requires_replace: replaced_by.into_iter().map(AttributePath::of).collect(),
            diagnostics: diagnostics_now,
        }
    }

    async fn create(
        &self,
        operation: &Operation<Configured>,
        planned: Value,
        _config: &Value,
    ) -> Outcome {
        let mut reader = Reader::default();
        let look = async {
            let Some(spec) = spec(&planned, &mut reader) else {
                return Err(Error::Invalid(std::mem::take(&mut reader.problems)));
            };
            let cx = timeouts::limit(operation.data.context(operation).await?, &planned, "create");
            let admitted = network::admit(&cx, &spec).await?;
            Ok((cx, spec.name, admitted))
        };
        let (cx, name, admitted) = match look.await {
            Ok(looked) => looked,
            Err(error) => return SUBJECT.refused(&error),
        };
        let presence = admitted.presence();
        match admitted.make(&cx).await {
            Err(error) if error.is_answer() => SUBJECT.refused(&error),
            done => {
                let done = done.map(|found| state(&found, &planned));
                let begun = network::begun(&name);
                SUBJECT.ended(&cx, &begun, planned, presence, done).await
            }
        }
    }

    async fn read(
        &self,
        operation: &Operation<Configured>,
        before: Value,
    ) -> Result<Value, Diagnostics> {
        let Some(name) = before.get("name").as_str() else {
            return Ok(Value::Null);
        };
        if !operation.data.is_decided() {
            return Ok(before);
        }
        match existing(operation, name).await {
            Ok(Some(found)) => Ok(state(&found, &before)),
            Ok(None) => Ok(Value::Null),
            Err(error) => Err(SUBJECT.unread(&error)),
        }
    }

    async fn update(
        &self,
        _operation: &Operation<Configured>,
        _prior: Value,
        planned: Value,
        _config: &Value,
    ) -> Outcome {
        // Only timeouts change in place.
        Outcome {
            state: planned,
            diagnostics: Diagnostics::new(),
        }
    }

    async fn delete(
        &self,
        operation: &Operation<Configured>,
        prior: Value,
    ) -> Result<(), Diagnostics> {
        let work = async {
            let cx = timeouts::limit(operation.data.context(operation).await?, &prior, "delete");
            network::delete(&cx, prior.get("name").as_str().unwrap_or_default()).await
        };
        work.await.map_err(|error| SUBJECT.unremoved(&error))
    }

    async fn import(
        &self,
        operation: &Operation<Configured>,
        id: &str,
    ) -> Result<Value, Diagnostics> {
        match existing(operation, id).await {
            Ok(Some(found)) => Ok(state(&found, &self.schema().empty())),
            Ok(None) => Err(Diagnostics::error(
                "There is no such network",
                format!("Docker has no network {id:?}; `docker network ls` lists them."),
            )),
            Err(error) => Err(SUBJECT.unimported(&error)),
        }
    }
}
