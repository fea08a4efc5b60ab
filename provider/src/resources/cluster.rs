//! `atlas_k3d_cluster`: plans and applies through the engine.

use async_trait::async_trait;
use atlas_engine::begun;
use atlas_engine::k3d::{self, Observed};
use atlas_engine::obtainable::{self, Loss};
use atlas_engine::{Context, Error, FieldPath, Result};
use tfplugin::{Diagnostics, Operation, Outcome, PlanRequest, Planned, Resource, Schema, Value};

use super::cluster_plan::{blind_update, fill_defaults, planned_update, specify, with_secrets};
use super::cluster_spec::{computed, decided, spec};
use super::{cluster_kubeconfig, cluster_schema};
use crate::configured::Configured;
use crate::import::ImportId;
use crate::outcome::Subject;
use crate::seen::Seen;
use crate::timeouts;
use crate::translate::{Reader, diagnostics, push_passing, push_problems};

/// The resource.
pub(crate) struct Cluster;

const SUBJECT: Subject = Subject { noun: "cluster" };

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
    if let Some(found) = &found {
        cluster_kubeconfig::keep(cx, &state, found).await;
    }
    Ok(state)
}

/// The provider's own configuration decides that image.
fn of_balancer() -> FieldPath {
    FieldPath::of("images").name("loadbalancer")
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
                let existing = existing.as_ref().filter(|one| !one.nodes.is_empty());
                // One that is there is replaced.
                if existing.is_some() {
                    let images = k3d::images(&spec, &k3d::Plan::default(), true, of_balancer());
                    obtainable::admit(&cx, Loss::Whole, &images).await?;
                }
                k3d::foresee(&cx, &spec, existing).await
            };
            match work.await {
                Ok(in_the_way) => push_passing(&mut found, &in_the_way),
                Err(error) => found = diagnostics("The cluster cannot be planned", &error),
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
        if !configured.is_decided() {
            return Ok(blind_update(request));
        }
        let prior = request.prior.clone();
        let name = prior.get("name").as_str().unwrap_or_default();
        let cx = configured.context(operation).await?;
        let cx = timeouts::limit(cx, &request.proposed, "read");
        let observed = k3d::observe(&cx, name).await?;
        let observed = observed.as_ref();
        if let Err(changed) = Seen::of_cluster(observed).unchanged(operation, SUBJECT.noun) {
            return Ok(Planned {
                state: request.proposed,
                requires_replace: Vec::new(),
                diagnostics: changed,
            });
        }
        let (mut planned, decided) = planned_update(request, configured, observed)?;
        let told = &mut planned.diagnostics;
        if let Some((spec, plan)) = decided {
            let is_replaced = observed.is_some() && !planned.requires_replace.is_empty();
            let loss = Loss::of(is_replaced);
            let images = k3d::images(&spec, &plan, is_replaced, of_balancer());
            obtainable::admit(&cx, loss, &images).await?;
            if planned.requires_replace.is_empty() {
                push_passing(told, &k3d::foresee(&cx, &spec, observed).await?);
            }
        }
        let state = &planned.state;
        told.extend(cluster_kubeconfig::planned_change(&cx, observed, &prior, state).await);
        Ok(planned)
    }
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
            // Which nodes there are decides which filters are right.
            let counted = config.get("agents").is_known() && config.get("servers").is_known();
            problems.extend(
                k3d::problems(&spec).into_iter().filter(|problem| {
                    counted || !problem.path.to_string().contains("node_filters")
                }),
            );
        }
        if !config.get("token").is_null() && !config.get("token_wo").is_null() {
            reader.refuse(
                &atlas_engine::FieldPath::of("token_wo"),
                "token and token_wo cannot both be set.",
                "Set one of them.",
            );
        }
        problems.extend(reader.problems);
        problems.extend(cluster_kubeconfig::problems(config));
        let mut found = Diagnostics::new();
        push_problems(&mut found, &problems);
        found
    }

    async fn plan(&self, operation: &Operation<Configured>, request: PlanRequest) -> Planned {
        let prior = request.prior.clone();
        let mut planned = if prior.is_null() {
            let mut planned = self.plan_create(operation, request).await;
            let file = cluster_kubeconfig::planned_new(&planned.state);
            planned.diagnostics.extend(file);
            planned
        } else {
            let fallback = request.proposed.clone();
            let changed = self.plan_update(operation, request).await;
            changed.unwrap_or_else(|error| Planned {
                state: fallback,
                requires_replace: Vec::new(),
                diagnostics: diagnostics("The cluster cannot be planned", &error),
            })
        };
        cluster_kubeconfig::plan_credentials(&mut planned.state, &prior);
        planned
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
        let (cx, mark, mut admitted) = match look.await {
            Ok(admitted) => admitted,
            Err(error) => return SUBJECT.refused(&error),
        };
        let presence = admitted.presence();
        let work = async {
            let observed = admitted.make(&cx).await?;
            Seen::of_cluster(Some(&observed)).remember(operation);
            let state = complete(&cx, planned.clone(), &observed).await?;
            // Last of all: a provider that is killed leaves the cluster to the state or to the mark.
            begun::end(&cx, &mark).await;
            Ok(state)
        };
        let done = work.await;
        SUBJECT.ended(&cx, &mark, planned, presence, done).await
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
            Seen::of_cluster(Some(&observed)).remember(operation);
            let mut state = before.clone();
            decided(&mut state, &observed, &operation.data);
            // What differs is told of what was declared, not of what was just read.
            let declared = if before.get("image").is_null() {
                &state
            } else {
                &before
            };
            let plan = specify(declared, &operation.data)
                .and_then(|spec| k3d::plan(&spec, Some(&observed)));
            let steps = match plan {
                Ok(plan) => plan.steps,
                // A plan will tell; what is there can be read, and destroyed, all the same.
                Err(Error::Invalid(_)) => Vec::new(),
                Err(error) => return Err(error),
            };
            let mut summaries: Vec<String> = steps.iter().map(k3d::Step::summary).collect();
            let found = k3d::credentials(&cx, &observed).await?;
            summaries.extend(cluster_kubeconfig::drift(&state, found.as_ref()));
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
            cluster_kubeconfig::leave(&cx, &prior, Some(&planned)).await;
            Seen::of_cluster(Some(&observed)).remember(operation);
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
            cluster_kubeconfig::leave(&cx, &prior, None).await;
            Ok(())
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
                remedy: "`k3d cluster list` lists them.".into(),
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
