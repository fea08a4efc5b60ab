//! `atlas_k3d_cluster`: plans and applies through the engine.

use std::path::PathBuf;

use async_trait::async_trait;
use atlas_engine::k3d::{self, Credentials, Observed, Spec};
use atlas_engine::{Context, Error, Result, kubeconfig};
use tfplugin::{
    AttributePath, Diagnostics, Operation, Outcome, PlanRequest, Planned, Resource, Schema, Value,
};

use super::cluster_schema::{self, COMPUTED};
use super::cluster_spec::{computed, decided, spec};
use crate::configured::Configured;
use crate::import::ImportId;
use crate::outcome::Subject;
use crate::timeouts;
use crate::translate::{Reader, block, diagnostics, push_problems};

/// The resource.
pub(crate) struct Cluster;

const SUBJECT: Subject = Subject { noun: "cluster" };

/// Blocks that a user writes and the world is compared with.
const BLOCKS: [&str; 8] = [
    "kube_api", "port", "volume", "env", "label", "k3s", "k3d", "runtime",
];

/// The specification of a value, or everything that is wrong with it.
fn specify(value: &Value, configured: &Configured) -> Result<Spec> {
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

/// The kubeconfig file that is to be kept, and whether to switch to the cluster in it.
fn kubeconfig_file(value: &Value) -> Result<Option<(PathBuf, bool)>> {
    let options = block(value, "kubeconfig");
    let switch = options
        .get("switch_current_context")
        .as_bool()
        .unwrap_or(false);
    if let Some(path) = options.get("path").as_str() {
        return Ok(Some((path.into(), switch)));
    }
    if options.get("update_default_kubeconfig").as_bool() == Some(true) {
        return Ok(Some((kubeconfig::default_path()?, switch)));
    }
    Ok(None)
}

/// What of the file differs from what is declared.
fn kubeconfig_drift(value: &Value, credentials: Option<&Credentials>) -> Result<Option<String>> {
    match (kubeconfig_file(value)?, credentials) {
        // A context that the user switched away from is the user's decision, not drift.
        (Some((path, _)), Some(found))
            if !kubeconfig::is_merged(&path, &found.kubeconfig, false)? =>
        {
            Ok(Some(format!(
                "{} does not have the cluster's entries",
                path.display()
            )))
        }
        _ => Ok(None),
    }
}

fn drift(summaries: Vec<String>) -> Value {
    Value::List(summaries.into_iter().map(Value::string).collect())
}

/// A cluster's complete state. `state` holds what the user decided.
async fn complete(cx: &Context, mut state: Value, observed: &Observed) -> Result<Value> {
    let found = k3d::credentials(cx, observed).await?;
    computed(&mut state, observed, found.as_ref());
    if !state.get("subnet").is_known() {
        let subnet = observed.network.as_ref().and_then(|network| network.subnet);
        state.set("subnet", Value::optional(subnet.map(|net| net.to_string())));
    }
    for (name, value) in [("network", &observed.network_name), ("id", &observed.name)] {
        if !state.get(name).is_known() {
            state.set(name, Value::string(value));
        }
    }
    state.set("drift", Value::List(Vec::new()));
    if let (Some((path, switch)), Some(found)) = (kubeconfig_file(&state)?, &found) {
        kubeconfig::merge_into(&path, &found.kubeconfig, switch)?;
    }
    Ok(state)
}

/// Values that have a default, where the user gives none.
fn fill_defaults(state: &mut Value, config: &Value, configured: &Configured) {
    let defaults = [
        ("servers", Value::int(1)),
        ("agents", Value::int(0)),
        ("image", Value::string(&configured.node_image)),
        ("cluster_cidr", Value::string(k3d::DEFAULT_CLUSTER_CIDR)),
        ("service_cidr", Value::string(k3d::DEFAULT_SERVICE_CIDR)),
    ];
    for (name, value) in defaults {
        if config.get(name).is_null() {
            state.set(name, value);
        }
    }
    state.set("id", config.get("name").clone());
    if config.get("network").is_null()
        && let Some(name) = config.get("name").as_str()
    {
        state.set("network", Value::string(k3d::network_name(name)));
    }
}

impl Cluster {
    async fn plan_create(
        &self,
        operation: &Operation<Configured>,
        request: PlanRequest,
    ) -> Planned {
        let configured = &operation.data;
        let mut state = request.proposed;
        fill_defaults(&mut state, &request.config, configured);
        self.schema().mark_computed_unknown(&mut state);
        state.set("drift", Value::List(Vec::new()));
        let mut found = Diagnostics::new();
        // What is not known yet is checked when it is: at apply.
        if request.config.is_known() && configured.is_decided() {
            let work = async {
                let spec = specify(&with_secrets(&state, &request.config), configured)?;
                let cx = configured.context(operation).await?;
                let existing = k3d::observe(&cx, &spec.name).await?;
                k3d::preflight(
                    &cx,
                    &spec,
                    existing.as_ref().filter(|one| !one.nodes.is_empty()),
                )
                .await
            };
            if let Err(error) = work.await {
                found = diagnostics("The cluster cannot be planned", &error);
            }
        }
        Planned {
            state,
            requires_replace: Vec::new(),
            diagnostics: found,
        }
    }

    async fn plan_update(
        &self,
        operation: &Operation<Configured>,
        request: PlanRequest,
    ) -> Result<Planned> {
        let configured = &operation.data;
        let mut state = request.proposed;
        if !configured.is_decided() {
            return Ok(blind_update(state, &request.prior));
        }
        let name = request
            .prior
            .get("name")
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let cx = timeouts::limit(configured.context(operation).await?, &state, "read");
        let observed = k3d::observe(&cx, &name).await?;
        if let Some(observed) = &observed
            && request.config.is_known()
        {
            // A block that says what is there keeps what was filled in for it; one that says
            // something else stands as it is written.
            let mut asked = state.clone();
            for block in BLOCKS {
                asked.set(block, request.config.get(block).clone());
            }
            let asked = specify(&with_secrets(&asked, &request.config), configured)?;
            for block in observed.changed_blocks(&asked) {
                state.set(block, request.config.get(block).clone());
            }
        }
        let spec = specify(&with_secrets(&state, &request.config), configured)?;
        let mut requires_replace: Vec<AttributePath> = Vec::new();
        let mut push = |name: &str| {
            let path = AttributePath::of(name);
            if !requires_replace.contains(&path) {
                requires_replace.push(path);
            }
        };
        for name in ["name", "token_wo_version"] {
            if state.get(name) != request.prior.get(name) {
                push(name);
            }
        }
        let plan = k3d::plan(&spec, observed.as_ref())?;
        for replace in &plan.replace {
            if request.config.get(replace.field).is_known() {
                push(replace.field);
            }
        }
        if requires_replace.is_empty() {
            k3d::preflight(&cx, &spec, observed.as_ref()).await?;
        }
        let rebuilt = plan.steps.iter().any(|step| {
            matches!(
                step,
                k3d::Step::CreateNode {
                    role: k3d::Role::Server,
                    ..
                }
            )
        });
        if rebuilt || !requires_replace.is_empty() {
            for name in COMPUTED {
                state.set(name, Value::Unknown);
            }
        } else if !plan.steps.is_empty() {
            state.set("nodes", Value::Unknown);
        }
        if !requires_replace.is_empty() && request.config.get("subnet").is_null() {
            state.set("subnet", Value::Unknown);
        }
        state.set("drift", Value::List(Vec::new()));
        Ok(Planned {
            state,
            requires_replace,
            diagnostics: Diagnostics::new(),
        })
    }
}

/// A change that is planned without a look at the world: what follows from it is not known.
fn blind_update(mut state: Value, prior: &Value) -> Planned {
    let mut requires_replace = Vec::new();
    for name in ["name", "token_wo_version"] {
        if state.get(name) != prior.get(name) {
            requires_replace.push(AttributePath::of(name));
        }
    }
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
fn with_secrets(state: &Value, config: &Value) -> Value {
    let mut all = state.clone();
    all.set("token_wo", config.get("token_wo").clone());
    all
}

#[async_trait]
impl Resource<Configured> for Cluster {
    fn name(&self) -> &'static str {
        "atlas_k3d_cluster"
    }

    fn schema(&self) -> Schema {
        cluster_schema::schema()
    }

    async fn validate(&self, config: &Value) -> Diagnostics {
        let mut problems = timeouts::problems(config);
        let configured = Configured::unconnected();
        let mut reader = Reader::default();
        if let Some(spec) = spec(config, &configured, &mut reader) {
            // Counts decide which filters are right: without them only their form is checked.
            if config.get("agents").is_known() && config.get("servers").is_known() {
                problems.extend(k3d::problems(&spec));
            }
        }
        if !config.get("token").is_null() && !config.get("token_wo").is_null() {
            reader.refuse(
                &atlas_engine::FieldPath::of("token_wo"),
                "token and token_wo exclude each other.",
                "Set one of them.",
            );
        }
        problems.extend(reader.problems);
        let mut found = Diagnostics::new();
        push_problems(&mut found, &problems);
        found
    }

    async fn plan(&self, operation: &Operation<Configured>, request: PlanRequest) -> Planned {
        if request.prior.is_null() {
            return self.plan_create(operation, request).await;
        }
        let fallback = request.proposed.clone();
        self.plan_update(operation, request)
            .await
            .unwrap_or_else(|error| Planned {
                state: fallback,
                requires_replace: Vec::new(),
                diagnostics: diagnostics("The cluster cannot be planned", &error),
            })
    }

    async fn create(
        &self,
        operation: &Operation<Configured>,
        planned: Value,
        config: &Value,
    ) -> Outcome {
        let look = async {
            let spec = specify(&with_secrets(&planned, config), &operation.data)?;
            let cx = timeouts::limit(operation.data.context(operation).await?, &planned, "create");
            let admitted = k3d::admit(&cx, &spec).await?;
            Ok((cx, k3d::begun(&spec.name), admitted))
        };
        let (cx, begun, admitted) = match look.await {
            Ok(admitted) => admitted,
            Err(error) => return SUBJECT.refused(&error),
        };
        let presence = admitted.presence();
        let work = async { complete(&cx, planned.clone(), &admitted.make(&cx).await?).await };
        let done = work.await;
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
            let Some(observed) = k3d::observe(&cx, name).await? else {
                return Ok(Value::Null);
            };
            let mut state = before.clone();
            decided(&mut state, &observed, &operation.data);
            // What differs is told of what was declared, not of what was just read.
            let declared = if before.get("image").is_null() {
                &state
            } else {
                &before
            };
            let spec = specify(declared, &operation.data)?;
            let plan = k3d::plan(&spec, Some(&observed))?;
            let mut summaries: Vec<String> = plan.steps.iter().map(k3d::Step::summary).collect();
            let found = k3d::credentials(&cx, &observed).await?;
            summaries.extend(kubeconfig_drift(&state, found.as_ref())?);
            computed(&mut state, &observed, found.as_ref());
            state.set("drift", drift(summaries));
            Ok(state)
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
            let spec = specify(&with_secrets(&planned, config), &operation.data)?;
            let cx = timeouts::limit(operation.data.context(operation).await?, &planned, "update");
            let observed = k3d::update(&cx, &spec).await?;
            // A file that is no longer wanted loses the entries.
            if let Some((path, _)) = kubeconfig_file(&prior)?
                && kubeconfig_file(&planned)?.is_none_or(|(now, _)| now != path)
            {
                kubeconfig::remove_from(&path, &spec.name)?;
            }
            complete(&cx, planned.clone(), &observed).await
        };
        SUBJECT.changed(prior.clone(), &planned, work.await)
    }

    async fn delete(
        &self,
        operation: &Operation<Configured>,
        prior: Value,
    ) -> Result<(), Diagnostics> {
        let work = async {
            let name = prior.get("name").as_str().unwrap_or_default();
            let cx = timeouts::limit(operation.data.context(operation).await?, &prior, "delete");
            k3d::delete(&cx, name).await?;
            match kubeconfig_file(&prior)? {
                Some((path, _)) => kubeconfig::remove_from(&path, name),
                None => Ok(()),
            }
        };
        work.await.map_err(|error| SUBJECT.unremoved(&error))
    }

    async fn import(
        &self,
        operation: &Operation<Configured>,
        id: &str,
    ) -> Result<Value, Diagnostics> {
        let work = async {
            let ImportId { name, path } = ImportId::parse(id, "NAME", "kubeconfig")?;
            let cx = operation.data.context(operation).await?;
            let observed = k3d::observe(&cx, name)
                .await?
                .filter(|one| !one.nodes.is_empty());
            let observed = observed.ok_or_else(|| Error::NotFound {
                kind: "cluster",
                name: name.to_owned(),
                remedy: "`k3d cluster list` lists them.".to_owned(),
            })?;
            let mut state = self.schema().empty();
            state.set("name", Value::string(name));
            if let Some(path) = path {
                let kept = Value::object([
                    ("path", Value::string(path)),
                    ("update_default_kubeconfig", Value::Null),
                    ("switch_current_context", Value::Null),
                ]);
                state.set("kubeconfig", Value::List(vec![kept]));
            }
            decided(&mut state, &observed, &operation.data);
            state.set("drift", Value::List(Vec::new()));
            Ok(state)
        };
        work.await
            .map_err(|error: Error| SUBJECT.unimported(&error))
    }
}
