//! `atlas_localstack`: a LocalStack server.

use std::net::IpAddr;

use async_trait::async_trait;
use atlas_engine::localstack::server::{self, Content, Observed, Replicator, Spec};
use atlas_engine::obtainable::Loss;
use atlas_engine::{Error, FieldPath, Result};
use tfplugin::{
    Attribute, AttributePath, Diagnostics, Nesting, Operation, Outcome, PlanRequest, Planned,
    Resource, Schema, Type, Value,
};

use super::going::{gone_for_nothing, known_images};
use crate::configured::Configured;
use crate::outcome::Subject;
use crate::timeouts;
use crate::translate::{Reader, push_problems, text_list, text_map, texts, texts_by_key};

/// The resource.
pub(crate) struct LocalStack;

const SUBJECT: Subject = Subject {
    noun: "LocalStack server",
};

/// The credentials that LocalStack takes for its default account.
const KEY: &str = "test";

fn default_services() -> Vec<Value> {
    let mut names = server::DEFAULT_SERVICES;
    names.sort_unstable();
    names.into_iter().map(Value::string).collect()
}

fn spec(value: &Value, configured: &Configured, reader: &mut Reader) -> Option<Spec> {
    let port_form = "Use a port from 1 to 65535.";
    let address = match reader.address(value.get("address"), &FieldPath::of("address")) {
        Some(IpAddr::V4(address)) => Some(address),
        Some(IpAddr::V6(_)) => {
            let path = FieldPath::of("address");
            reader.refuse(
                &path,
                "it is not a valid IPv4 address.",
                "Use an address of the network.",
            );
            None
        }
        None => None,
    };
    let port = match value.get("port") {
        Value::Null | Value::Unknown => server::DEFAULT_PORT,
        given => reader.number(given, &FieldPath::of("port"), port_form)?,
    };
    let services = value.get("services");
    let services = match services {
        Value::List(_) => texts(services).into_iter().collect(),
        _ => server::DEFAULT_SERVICES.map(str::to_owned).into(),
    };
    let replicator = match value.get("replicator") {
        Value::Unknown => return None,
        Value::Map(_) => Some(replicator(value.get("replicator"), configured, reader)?),
        _ => None,
    };
    Some(Spec {
        name: value.get("name").as_str()?.to_owned(),
        network: value.get("network").as_str()?.to_owned(),
        image: value
            .get("image")
            .as_str()
            .unwrap_or(&configured.localstack_image)
            .to_owned(),
        services,
        port,
        address,
        persistence: value.get("persistence").as_bool().unwrap_or(true),
        environment: texts_by_key(value.get("environment")),
        replicator,
    })
}

fn replicator(value: &Value, configured: &Configured, reader: &mut Reader) -> Option<Replicator> {
    if !value.get("peers").is_known() || !value.get("regions").is_known() {
        return None;
    }
    let text = |name: &str, default: &str| value.get(name).as_str().unwrap_or(default).to_owned();
    let path = FieldPath::of("replicator").name("metrics_port");
    let form = "Use a port from 1 to 65535.";
    Some(Replicator {
        image: text("image", &configured.replicator_image),
        peers: texts(value.get("peers")),
        regions: texts(value.get("regions")),
        metrics_port: reader.number(value.get("metrics_port"), &path, form),
        access_key: text("access_key", KEY),
        secret_key: text("secret_key", KEY),
    })
}

fn specify(value: &Value, configured: &Configured) -> Result<Spec> {
    let mut reader = Reader::default();
    let found = spec(value, configured, &mut reader);
    match found {
        Some(found) if reader.problems.is_empty() => Ok(found),
        _ => Err(Error::Invalid(reader.problems)),
    }
}

/// A null that the user left stays null where the world says the default.
fn or_null(before: &Value, default: &str, found: &str) -> Value {
    if before.is_null() && found == default {
        Value::Null
    } else {
        Value::string(found)
    }
}

fn replicator_state(found: &Replicator, before: &Value) -> Value {
    let peers = if found.peers.is_empty() && !before.get("peers").is_null() {
        Value::List(Vec::new())
    } else {
        text_list(&found.peers)
    };
    Value::object([
        ("image", Value::string(&found.image)),
        ("peers", peers),
        (
            "regions",
            Value::List(found.regions.iter().map(Value::string).collect()),
        ),
        (
            "metrics_port",
            found.metrics_port.map_or(Value::Null, Value::int),
        ),
        (
            "access_key",
            or_null(before.get("access_key"), KEY, &found.access_key),
        ),
        (
            "secret_key",
            or_null(before.get("secret_key"), KEY, &found.secret_key),
        ),
    ])
}

/// The state of a server that is there.
fn state(observed: &Observed, before: &Value) -> Value {
    let mut state = before.clone();
    let Some(found) = &observed.found else {
        let Some(name) = before.get("name").as_str().filter(|_| !observed.is_gone()) else {
            return Value::Null;
        };
        // Its volume, for instance, after a destroy that was killed: what is forgotten would stay.
        let missing = format!("{} is not there", server::container_name(name));
        state.set("drift", Value::List(vec![Value::string(missing)]));
        return state;
    };
    let endpoint = server::endpoint(found.port);
    for (name, value) in [
        ("name", Value::string(&found.name)),
        ("id", Value::string(&found.name)),
        ("network", Value::string(&found.network)),
        ("image", Value::string(&found.image)),
        (
            "services",
            Value::List(found.services.iter().map(Value::string).collect()),
        ),
        ("port", Value::int(found.port)),
        ("persistence", Value::Bool(found.persistence)),
        (
            "container",
            Value::string(server::container_name(&found.name)),
        ),
        ("endpoint", Value::string(endpoint)),
        (
            "internal_endpoint",
            Value::string(server::internal_endpoint(&found.name)),
        ),
        ("volume", Value::optional(observed.volume.as_ref())),
    ] {
        state.set(name, value);
    }
    let known = before.get("keeps_state").as_bool().unwrap_or(true);
    let keeps = observed.keeps.unwrap_or(known);
    state.set("keeps_state", Value::Bool(keeps));
    let force_destroy = before.get("force_destroy").as_bool().unwrap_or(false);
    state.set("force_destroy", Value::Bool(force_destroy));
    // One that is stopped has no address now, and gets one again.
    let address = found.address.or(observed.address);
    if let Some(address) = address {
        state.set("address", Value::string(address.to_string()));
    } else if !state.get("address").is_known() {
        state.set("address", Value::Null);
    }
    let environment = text_map(&found.environment);
    if !(environment.is_null() && before.get("environment").entries().next().is_none()) {
        state.set("environment", environment);
    }
    let replicator = found.replicator.as_ref();
    state.set(
        "replicator",
        replicator.map_or(Value::Null, |one| {
            replicator_state(one, before.get("replicator"))
        }),
    );
    if let Some(health) = &observed.health {
        state.set("version", Value::string(&health.version));
        let running = health.running();
        state.set(
            "running_services",
            Value::List(running.iter().map(Value::string).collect()),
        );
    } else {
        for name in ["version", "running_services"] {
            if !state.get(name).is_known() {
                state.set(name, Value::Null);
            }
        }
    }
    let mut drift: Vec<String> = server::plan(found, observed)
        .steps
        .into_iter()
        .filter(|step| step.resumes())
        .map(|step| step.summary(&found.name))
        .collect();
    if drift.is_empty() && observed.health.is_none() {
        drift.push(format!(
            "{} does not answer",
            server::container_name(&found.name)
        ));
    }
    state.set(
        "drift",
        Value::List(drift.into_iter().map(Value::string).collect()),
    );
    state
}

/// What only the server has told, and no attribute of the configuration says.
fn warn_of_loss(diagnostics: &mut Diagnostics, name: &str) {
    diagnostics.push_warning(
        AttributePath::root(),
        format!("LocalStack server {name} does not keep its state"),
        "Its image ignores persistence: its buckets and queues are lost with its container, so a change that needs \
         another container replaces the server. A server that holds something is not removed unless force_destroy has \
         been applied before.",
    );
}

/// When a change that needs another container needs another server too.
const WITHOUT_STATE: &str = "where the server does not keep its state (`keeps_state`)";

#[async_trait]
impl Resource<Configured> for LocalStack {
    fn name(&self) -> &'static str {
        "atlas_localstack"
    }

    fn schema(&self) -> Schema {
        Schema::new(
            "A LocalStack server as a container: AWS-compatible services on one port. Its state is kept in a volume, \
             as far as the image can (`atlas/localstack`, the embedded one, keeps S3, SQS and IAM; the published one \
             needs an account for that). Where its state is kept (`keeps_state`), changes recreate the container on \
             the same volume; where it is not, they force replacement. A server that holds objects or messages is not \
             removed without `force_destroy`.",
        )
        .attribute("name", Attribute::required(Type::String, "Its name: the container is called `atlas-localstack-<name>`.").forces_replacement())
        .attribute("network", Attribute::required(Type::String, "The Docker network that it is on. Containers there reach it by its container's name.").forces_replacement_where(WITHOUT_STATE))
        .attribute("image", Attribute::optional_computed(Type::String, "Default: `images.localstack` of the provider, then `ATLAS_LOCALSTACK_IMAGE`, then `docker.io/localstack/localstack:4.9.2`, the last that needs no account.").forces_replacement_where(WITHOUT_STATE))
        .attribute("services", Attribute::optional_computed(Type::set(Type::String), "Services that it runs, as the AWS command line names them. Default: `s3`, `sqs`, `iam`, `sts`.").forces_replacement_where(WITHOUT_STATE))
        .attribute("port", Attribute::defaulted(Type::Number, Value::int(server::DEFAULT_PORT), "Port on 127.0.0.1.").forces_replacement_where(WITHOUT_STATE))
        .attribute("address", Attribute::optional_computed(Type::String, "A fixed IPv4 address on the network. Default: one that Atlas chooses and keeps, if the network's subnet was set explicitly, as `atlas_network` does; else Docker's choice, which may change at every start.").forces_replacement_where(WITHOUT_STATE))
        .attribute("persistence", Attribute::defaulted(Type::Bool, Value::Bool(true), "Whether its state is kept in a volume.").forces_replacement())
        .attribute("force_destroy", Attribute::defaulted(Type::Bool, Value::Bool(false), "Whether objects in its buckets and messages in its queues may be lost with it. Without it, the server is asked what it holds before it is removed, in LocalStack's default account and in that of the replicator's `access_key`; one with a volume that does not run or does not answer is not removed either, as nobody knows what it holds: apply first, which brings it up again."))
        .attribute("environment", Attribute::optional(Type::map(Type::String), "More variables, for instance `DEBUG`. Compared, and never shown.").sensitive().forces_replacement_where(WITHOUT_STATE))
        .attribute("replicator", Attribute::optional(Type::String, "A container beside it that replicates objects and messages to other regions, as aliases on this server declare it.").nested(Nesting::Single, [
            ("image", Attribute::optional_computed(Type::String, "Default: `images.replicator` of the provider, then `ATLAS_REPLICATOR_IMAGE`, then `atlas/replicator:1`.")),
            ("peers", Attribute::optional(Type::list(Type::String), "Endpoints of the other regions as containers on the network see them, for instance `http://atlas-localstack-eu:4566`.")),
            ("regions", Attribute::required(Type::list(Type::String), "Regions whose queues it serves, for instance `us-east-1`.")),
            ("metrics_port", Attribute::optional(Type::Number, "Port on 127.0.0.1 for `/metrics` and `/healthz`. Default: none.")),
            ("access_key", Attribute::optional(Type::String, "Access key for its own endpoint and the peers'. Default: `test`.").sensitive()),
            ("secret_key", Attribute::optional(Type::String, "The secret of it. Default: `test`.").sensitive()),
        ]))
        .attribute("id", Attribute::computed(Type::String, "The same as `name`."))
        .attribute("container", Attribute::computed(Type::String, "The container's name."))
        .attribute("endpoint", Attribute::computed(Type::String, "Its URL for this machine."))
        .attribute("internal_endpoint", Attribute::computed(Type::String, "Its URL for containers on the network."))
        .attribute("version", Attribute::computed(Type::String, "LocalStack's version."))
        .attribute("running_services", Attribute::computed(Type::list(Type::String), "Services that answer, as its health endpoint says."))
        .attribute("volume", Attribute::computed(Type::String, "The volume with its state."))
        .attribute("keeps_state", Attribute::computed(Type::Bool, "Whether what it holds outlives its container: with `persistence`, and not on an image that says it keeps nothing, as LocalStack's community edition does."))
        .attribute("drift", Attribute::computed(Type::list(Type::String), "Differences from the configuration that no attribute shows, for instance a stopped container. Empty after every apply."))
        .single("timeouts", timeouts::block())
    }

    async fn validate(&self, config: &Value) -> Diagnostics {
        let configured = Configured::unconnected();
        let mut reader = Reader::default();
        let mut problems = timeouts::problems(config);
        if let Some(spec) = spec(config, &configured, &mut reader) {
            let known = |name: &str| config.get(name).is_known();
            problems.extend(spec.problems().into_iter().filter(|problem| {
                let field = problem.path.to_string();
                known(field.split(['.', '[']).next().unwrap_or_default())
            }));
        }
        problems.extend(reader.problems);
        let mut found = Diagnostics::new();
        push_problems(&mut found, &problems);
        found
    }

    async fn plan(&self, operation: &Operation<Configured>, request: PlanRequest) -> Planned {
        let configured = &operation.data;
        let (config, prior) = (&request.config, &request.prior);
        let mut state = request.proposed;
        let defaults = [
            (
                "image",
                configured.planned_image("localstack", &configured.localstack_image),
            ),
            ("services", Value::List(default_services())),
        ];
        for (name, value) in defaults {
            if config.get(name).is_null() {
                state.set(name, value);
            }
        }
        let mut replicator = state.get("replicator").clone();
        if config.get("replicator").get("image").is_null() {
            let image = configured.planned_image("replicator", &configured.replicator_image);
            replicator.set("image", image);
            state.set("replicator", replicator);
        }
        state.set("id", config.get("name").clone());
        state.set("drift", Value::List(Vec::new()));
        let mut diagnostics = Diagnostics::new();
        let mut requires_replace = Vec::new();
        // A stopped container is no difference between two specifications.
        let mut changes = prior.is_null() || prior.get("drift") != state.get("drift");
        // Whether an image that is not known yet is another one, nobody can say.
        changes |=
            state.get("image").is_unknown() || state.get("replicator").get("image").is_unknown();
        if !prior.is_null() {
            if state.get("name") != prior.get("name") {
                requires_replace.push(AttributePath::of("name"));
            }
            if config.get("address").is_null() {
                state.set("address", prior.get("address").clone());
            }
            let mut reader = Reader::default();
            let mut before = prior.clone();
            if config.get("address").is_null() {
                // Whichever Docker gave.
                before.set("address", Value::Null);
            }
            let mut asked = state.clone();
            asked.set("address", config.get("address").clone());
            let specs = (
                spec(&asked, configured, &mut reader),
                spec(&before, configured, &mut reader),
            );
            if let (Some(asked), Some(before)) = specs {
                let keeps = prior.get("keeps_state").as_bool().unwrap_or(true);
                let differences = server::differences(&asked, &before, keeps);
                changes |= !differences.is_empty();
                let is_replaced =
                    !requires_replace.is_empty() || differences.iter().any(|one| one.replaces);
                if is_replaced && !keeps && asked.persistence && before.persistence {
                    warn_of_loss(&mut diagnostics, &before.name);
                }
                let images = server::images(&asked, &before, is_replaced);
                let images = known_images(&state, images);
                let refused = gone_for_nothing(operation, &state, Loss::of(is_replaced), &images);
                diagnostics.extend(refused.await);
                for one in differences {
                    let field = one.field.split('.').next().unwrap_or_default();
                    let path = AttributePath::of(field);
                    if one.replaces && !requires_replace.contains(&path) {
                        requires_replace.push(path);
                    }
                }
            } else {
                changes = true;
            }
            changes |= !requires_replace.is_empty();
        }
        if changes {
            let name = config.get("name");
            let named = |make: fn(&str) -> String| match name.as_str() {
                Some(name) => Value::string(make(name)),
                None => Value::Unknown,
            };
            state.set("container", named(server::container_name));
            state.set("internal_endpoint", named(server::internal_endpoint));
            for name in ["version", "running_services", "volume"] {
                state.set(name, Value::Unknown);
            }
            let decides = ["image", "persistence"];
            let is_same = decides
                .iter()
                .all(|name| state.get(name) == prior.get(name));
            if !is_same || prior.get("keeps_state").is_null() {
                state.set("keeps_state", Value::Unknown);
            }
            // Known only when it serves there: what is planned with it waits until then.
            if prior.is_null()
                || state.get("port") != prior.get("port")
                || !requires_replace.is_empty()
            {
                state.set("endpoint", Value::Unknown);
            }
            if config.get("address").is_null() {
                state.set("address", Value::Unknown);
            }
        }
        Planned {
            state,
            requires_replace,
            diagnostics,
        }
    }

    async fn create(
        &self,
        operation: &Operation<Configured>,
        planned: Value,
        _config: &Value,
    ) -> Outcome {
        let look = async {
            let spec = specify(&planned, &operation.data)?;
            let cx = timeouts::limit(operation.data.context(operation).await?, &planned, "create");
            let admitted = server::admit_new(&cx, &spec).await?;
            Ok((cx, spec.name, admitted))
        };
        let (cx, name, admitted) = match look.await {
            Ok(looked) => looked,
            Err(error) => return SUBJECT.refused(&error),
        };
        let presence = admitted.presence();
        let done = admitted.make(&cx).await;
        let done = done.map(|observed| state(&observed, &planned));
        let begun = server::begun(&name);
        SUBJECT.ended(&cx, &begun, planned, presence, done).await
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
        let work = async {
            let cx = timeouts::limit(operation.data.context(operation).await?, &before, "read");
            let observed = server::observe(&cx, name).await?;
            Ok(state(&observed, &before))
        };
        work.await.map_err(|error: Error| SUBJECT.unread(&error))
    }

    async fn update(
        &self,
        operation: &Operation<Configured>,
        prior: Value,
        planned: Value,
        config: &Value,
    ) -> Outcome {
        let work = async {
            let mut asked = planned.clone();
            asked.set("address", config.get("address").clone());
            let spec = specify(&asked, &operation.data)?;
            let cx = timeouts::limit(operation.data.context(operation).await?, &planned, "update");
            Ok(state(&server::apply(&cx, &spec).await?, &planned))
        };
        SUBJECT.changed(prior, &planned, work.await)
    }

    async fn delete(
        &self,
        operation: &Operation<Configured>,
        prior: Value,
    ) -> Result<(), Diagnostics> {
        let work = async {
            let cx = timeouts::limit(operation.data.context(operation).await?, &prior, "delete");
            let content = match prior.get("force_destroy").as_bool() {
                Some(true) => Content::Goes,
                _ => Content::Stays,
            };
            let name = prior.get("name").as_str().unwrap_or_default();
            server::delete(&cx, name, content).await
        };
        work.await.map_err(|error| SUBJECT.unremoved(&error))
    }

    async fn import(
        &self,
        operation: &Operation<Configured>,
        id: &str,
    ) -> Result<Value, Diagnostics> {
        let work = async {
            let cx = operation.data.context(operation).await?;
            let observed = server::observe(&cx, id).await?;
            if observed.found.is_none() || !observed.is_ours(id) {
                return Err(Error::NotFound {
                    kind: "LocalStack server",
                    name: id.to_owned(),
                    remedy: "`docker ps -a --filter label=k3d.x.atlas.localstack.role=server` lists them."
                        .into(),
                });
            }
            Ok(state(&observed, &self.schema().empty()))
        };
        work.await.map_err(|error| SUBJECT.unimported(&error))
    }
}

#[cfg(test)]
mod tests;
