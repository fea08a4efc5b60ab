//! `atlas_cockroachdb_database`: a database that lives in several regions.

use std::collections::BTreeSet;

use async_trait::async_trait;
use atlas_engine::cockroachdb::database::{self, Observed, Placement, Shape, Spec, Survival};
use atlas_engine::cockroachdb::topology::View;
use atlas_engine::presence::Presence;
use atlas_engine::{Error, FieldPath, Result};
use tfplugin::{
    Attribute, AttributePath, Diagnostics, Operation, Outcome, PlanRequest, Planned, Resource,
    Schema, Type, Value,
};

use crate::configured::Configured;
use crate::outcome::Subject;
use crate::timeouts;
use crate::translate::{Reader, push_problems, texts};

/// The resource.
pub(crate) struct Database;

const SUBJECT: Subject = Subject { noun: "database" };

fn spec(value: &Value, reader: &mut Reader) -> Option<Spec> {
    let regions = value.get("regions");
    let undecided = ["survival_goal", "placement", "secondary_region"]
        .iter()
        .any(|name| value.get(name).is_unknown());
    if undecided || !regions.is_known() || !regions.elements().iter().all(Value::is_known) {
        return None;
    }
    let text = |name: &str| value.get(name).as_str();
    let survival = match text("survival_goal") {
        None | Some("zone") => Survival::Zone,
        Some("region") => Survival::Region,
        Some(other) => {
            let path = FieldPath::of("survival_goal");
            reader.refuse(
                &path,
                format!("{other:?} is not a valid survival goal."),
                "Use zone or region.",
            );
            return None;
        }
    };
    let placement = match text("placement") {
        None | Some("default") => Placement::Default,
        Some("restricted") => Placement::Restricted,
        Some(other) => {
            let path = FieldPath::of("placement");
            reader.refuse(
                &path,
                format!("{other:?} is not a valid placement."),
                "Use default or restricted.",
            );
            return None;
        }
    };
    let primary = text("primary_region")?.to_owned();
    let mut all: BTreeSet<String> = texts(regions).into_iter().collect();
    if regions.is_null() {
        all.insert(primary.clone());
    }
    Some(Spec {
        cluster: text("cluster")?.to_owned(),
        name: text("name")?.to_owned(),
        shape: Shape {
            primary,
            regions: all,
            secondary: text("secondary_region").map(str::to_owned),
            survival,
            placement,
        },
    })
}

fn specify(value: &Value) -> Result<Spec> {
    let mut reader = Reader::default();
    match spec(value, &mut reader) {
        Some(found) if reader.problems.is_empty() => Ok(found),
        _ => Err(Error::Invalid(reader.problems)),
    }
}

/// The state of a database; null where it is not there. One whose cluster gives no answer is as it was.
fn state(observed: &Observed, before: &Value) -> Value {
    let mut state = before.clone();
    if state.get("force_destroy").is_null() {
        state.set("force_destroy", Value::Bool(false));
    }
    if !matches!(observed.view, View::Live(_)) {
        return state;
    }
    if !observed.exists {
        return Value::Null;
    }
    let id = match (before.get("cluster").as_str(), before.get("name").as_str()) {
        (Some(cluster), Some(name)) => Value::string(format!("{cluster}/{name}")),
        _ => Value::Null,
    };
    state.set("id", id);
    state.set("owner", Value::optional(observed.owner.clone()));
    let shape = observed.shape.clone();
    let (regions, primary) = match &shape {
        Some(shape) => (
            Value::List(shape.regions.iter().map(Value::string).collect()),
            Value::string(&shape.primary),
        ),
        None => (Value::List(Vec::new()), Value::string("")),
    };
    state.set("regions", regions);
    state.set("primary_region", primary);
    let shape = shape.as_ref();
    state.set(
        "secondary_region",
        Value::optional(shape.and_then(|shape| shape.secondary.clone())),
    );
    let goal = shape.map_or_else(String::new, |shape| shape.survival.to_string());
    state.set("survival_goal", Value::string(goal));
    let placement = shape.map_or_else(String::new, |shape| shape.placement.to_string());
    state.set("placement", Value::string(placement));
    state
}

#[async_trait]
impl Resource<Configured> for Database {
    fn name(&self) -> &'static str {
        "atlas_cockroachdb_database"
    }

    fn schema(&self) -> Schema {
        Schema::new(
            "A multi-region database. Regions are added, made primary or secondary and dropped in an order that \
             CockroachDB allows at every step. A database that already exists is imported and never taken over. While \
             it holds tables it is only destroyed with `force_destroy`.",
        )
        .attribute("cluster", Attribute::required(Type::String, "The cluster's name.").forces_replacement())
        .attribute("name", Attribute::required(Type::String, "Its name.").forces_replacement())
        .attribute("primary_region", Attribute::required(Type::String, "The region where its leaders are."))
        .attribute("regions", Attribute::optional_computed(Type::set(Type::String), "All its regions, the primary one too. Default: the primary one."))
        .attribute("secondary_region", Attribute::optional(Type::String, "The region that takes over when the primary one is lost. With two voters in each, a third region with one node is enough to decide."))
        .attribute("survival_goal", Attribute::optional_computed(Type::String, "`zone` (default): voters are in the primary region. `region`: five voters, no three of them in one region; needs at least three regions."))
        .attribute("placement", Attribute::optional_computed(Type::String, "`default`, or `restricted`: no replicas outside of tables' home regions."))
        .attribute("force_destroy", Attribute::defaulted(Type::Bool, Value::Bool(false), "Whether destroying the database may destroy tables."))
        .attribute("id", Attribute::computed(Type::String, "`<cluster>/<name>`."))
        .attribute("owner", Attribute::computed(Type::String, "The role that owns it."))
        .single("timeouts", timeouts::block())
    }

    async fn validate(&self, config: &Value) -> Diagnostics {
        let mut reader = Reader::default();
        let mut problems = timeouts::problems(config);
        if let Some(spec) = spec(config, &mut reader) {
            problems.extend(spec.problems());
        }
        problems.extend(reader.problems);
        let mut found = Diagnostics::new();
        push_problems(&mut found, &problems);
        found
    }

    async fn plan(&self, _operation: &Operation<Configured>, request: PlanRequest) -> Planned {
        let (config, prior) = (&request.config, &request.prior);
        let mut state = request.proposed;
        for (name, default) in [("survival_goal", "zone"), ("placement", "default")] {
            if config.get(name).is_null() {
                state.set(name, Value::string(default));
            }
        }
        if config.get("regions").is_null() {
            let primary = config.get("primary_region").clone();
            let regions = if primary.is_known() {
                Value::List(vec![primary])
            } else {
                Value::Unknown
            };
            state.set("regions", regions);
        }
        let id = match (config.get("cluster").as_str(), config.get("name").as_str()) {
            (Some(cluster), Some(name)) => Value::string(format!("{cluster}/{name}")),
            _ => Value::Unknown,
        };
        state.set("id", id);
        let mut found = Diagnostics::new();
        let mut requires_replace = Vec::new();
        if prior.is_null() {
            state.set("owner", Value::Unknown);
        } else {
            for name in ["cluster", "name"] {
                if state.get(name) != prior.get(name) {
                    requires_replace.push(AttributePath::of(name));
                }
            }
            let mut reader = Reader::default();
            let specs = (spec(&state, &mut reader), spec(prior, &mut reader));
            if let (Some(asked), Some(before)) = specs
                && let Some(text) = database::warning(&asked.shape, &before.shape)
            {
                let path = AttributePath::of("survival_goal");
                found.push_warning(path, "The database will survive fewer failures", text);
            }
        }
        Planned {
            state,
            requires_replace,
            diagnostics: found,
        }
    }

    async fn create(
        &self,
        operation: &Operation<Configured>,
        planned: Value,
        _config: &Value,
    ) -> Outcome {
        let done = async {
            let spec = specify(&planned)?;
            let cx = timeouts::limit(operation.data.context(operation).await?, &planned, "create");
            Ok(state(&database::create(&cx, &spec).await?, &planned))
        };
        match done.await {
            // One statement makes it, and its mark lets the next create go on. Remembered, it would be dropped first.
            Err(error) => SUBJECT.refused(&error),
            done => SUBJECT.created(planned, Presence::Absent, done),
        }
    }

    async fn read(
        &self,
        operation: &Operation<Configured>,
        before: Value,
    ) -> Result<Value, Diagnostics> {
        let names = (before.get("cluster").as_str(), before.get("name").as_str());
        let (Some(cluster), Some(name)) = names else {
            return Ok(Value::Null);
        };
        if !operation.data.is_decided() {
            return Ok(before);
        }
        let work = async {
            let cx = timeouts::limit(operation.data.context(operation).await?, &before, "read");
            let observed = database::observe(&cx, cluster, name).await?;
            if matches!(observed.view, View::Absent) {
                // Its cluster is gone, and it with that.
                return Ok(Value::Null);
            }
            Ok(state(&observed, &before))
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
        let done = async {
            let spec = specify(&planned)?;
            let cx = timeouts::limit(operation.data.context(operation).await?, &planned, "update");
            Ok(state(&database::apply(&cx, &spec).await?, &planned))
        };
        let done = done.await;
        SUBJECT.changed(prior, &planned, done)
    }

    async fn delete(
        &self,
        operation: &Operation<Configured>,
        prior: Value,
    ) -> Result<(), Diagnostics> {
        let work = async {
            let cx = timeouts::limit(operation.data.context(operation).await?, &prior, "delete");
            let text = |name: &str| prior.get(name).as_str().unwrap_or_default();
            let force = prior.get("force_destroy").as_bool().unwrap_or(false);
            database::delete(&cx, text("cluster"), text("name"), force).await
        };
        work.await.map_err(|error| SUBJECT.unremoved(&error))
    }

    async fn import(
        &self,
        operation: &Operation<Configured>,
        id: &str,
    ) -> Result<Value, Diagnostics> {
        let work = async {
            let missing = || Error::NotFound {
                kind: "database",
                name: id.to_owned(),
                remedy: "Use <cluster>/<database>, with a cluster that is running.".into(),
            };
            let (cluster, name) = id.split_once('/').ok_or_else(missing)?;
            let cx = operation.data.context(operation).await?;
            let observed = database::observe(&cx, cluster, name).await?;
            if !observed.exists {
                return Err(missing());
            }
            let mut before = self.schema().empty();
            before.set("cluster", Value::string(cluster));
            before.set("name", Value::string(name));
            before.set("force_destroy", Value::Bool(false));
            Ok(state(&observed, &before))
        };
        work.await.map_err(|error| SUBJECT.unimported(&error))
    }
}

#[cfg(test)]
mod tests;
