//! `cockroachdb_database`: a database that lives in several regions.

use std::collections::BTreeSet;

use argspec::{Answer, Failure, Kind, Opt, Spec as Options};
use atlas_engine::cockroachdb::database::{self, Observed, Placement, Shape, Spec, Survival};
use atlas_engine::cockroachdb::topology::View;
use atlas_engine::{FieldPath, error};
use serde_json::{Value, json};

use super::state;
use crate::call::{Call, Docs, Module, Run, failure};
use crate::changes::Changes;
use crate::params::{Params, Reader};

pub(super) fn module() -> Module {
    Module {
        name: "cockroachdb_database",
        docs: Docs {
            short: "Multi-region databases of CockroachDB",
            description: &[
                "Creates, changes and removes a database that lives in several regions. Regions are added, made \
                 primary or secondary and dropped in an order that CockroachDB allows at every step.",
                "An option that is left out is not compared. In check mode a cluster that does not exist yet is \
                 assumed to be created by an earlier task.",
            ],
            examples: include_str!("../../examples/cockroachdb_database.yml"),
            returns: &[(
                "database",
                "dict",
                "The database as it is, with the attributes of the Terraform resource atlas_cockroachdb_database; null where there is none.",
            )],
        },
        spec: options,
        looks_only: false,
        run: Run::Docker(|call| Box::pin(run(call))),
    }
}

fn options() -> Options {
    Options::default()
        .option("cluster", Opt::new(Kind::Str, "The cluster's name.").required())
        .option("name", Opt::new(Kind::Str, "Its name.").required())
        .option("state", state(&["present", "absent"], "Whether the database exists. While it holds tables it is removed only with O(force_destroy)."))
        .option("primary_region", Opt::new(Kind::Str, "The region where its leaders are. Needed to make the database."))
        .option("regions", Opt::list(Kind::Str, "All its regions, the primary one too. A new database has the primary one alone."))
        .option("secondary_region", Opt::new(Kind::Str, "The region that takes over when the primary one is lost. An empty text means none."))
        .option("survival_goal", Opt::new(Kind::Str, "V(zone) keeps all voters in the primary region. V(region) is five voters, no three of them in one region, and needs at least three regions. A new database survives a zone.").choices(&["zone", "region"]))
        .option("placement", Opt::new(Kind::Str, "V(restricted) keeps replicas within tables' home regions. A new database has V(default).").choices(&["default", "restricted"]))
        .option("force_destroy", Opt::new(Kind::Bool, "Whether removing the database may remove tables.").or(false))
}

/// The database as it is, in the words of the Terraform resource.
fn object(cluster: &str, name: &str, observed: &Observed) -> Value {
    if !observed.exists {
        return Value::Null;
    }
    let shape = observed.shape.as_ref();
    json!({
        "cluster": cluster,
        "name": name,
        "id": format!("{cluster}/{name}"),
        "owner": observed.owner,
        "primary_region": shape.map(|shape| &shape.primary),
        "regions": shape.map(|shape| &shape.regions),
        "secondary_region": shape.and_then(|shape| shape.secondary.as_ref()),
        "survival_goal": shape.map(|shape| shape.survival.to_string()),
        "placement": shape.map(|shape| shape.placement.to_string()),
    })
}

/// What is asked for; what is not given is as it is.
fn specify(params: &Params, found: Option<&Shape>) -> Result<Spec, Failure> {
    let mut reader = Reader::default();
    let text = |name: &str| params.text(name).map(str::to_owned);
    let primary = text("primary_region").or_else(|| found.map(|found| found.primary.clone()));
    if primary.is_none() {
        reader.refuse(
            &FieldPath::of("primary_region"),
            "the database has no region yet, and primary_region is not set.",
            "Set it to the region of its leaseholders.",
        );
    }
    reader.finish()?;
    let primary = primary.unwrap_or_default();
    let regions: BTreeSet<String> = match (params.texts("regions"), found) {
        (Some(given), _) => given.into_iter().collect(),
        (None, Some(found)) => found.regions.clone(),
        (None, None) => [primary.clone()].into(),
    };
    let shape = Shape {
        primary,
        regions,
        secondary: match params.text("secondary_region") {
            Some(given) => (!given.is_empty()).then(|| given.to_owned()),
            None => found.and_then(|found| found.secondary.clone()),
        },
        survival: match params.text("survival_goal") {
            Some("region") => Survival::Region,
            Some(_) => Survival::Zone,
            None => found.map(|found| found.survival).unwrap_or_default(),
        },
        placement: match params.text("placement") {
            Some("restricted") => Placement::Restricted,
            Some(_) => Placement::Default,
            None => found.map(|found| found.placement).unwrap_or_default(),
        },
    };
    let spec = Spec {
        cluster: params.required("cluster"),
        name: params.required("name"),
        shape,
    };
    error::refuse(spec.problems()).map_err(|error| failure(&error))?;
    Ok(spec)
}

/// What a new database is made with.
fn describe(shape: &Shape, changes: &mut Changes) {
    changes.property("state", "absent", "present");
    for (name, value) in [
        ("primary_region", json!(shape.primary)),
        ("regions", json!(shape.regions)),
        ("secondary_region", json!(shape.secondary)),
        ("survival_goal", json!(shape.survival.to_string())),
        ("placement", json!(shape.placement.to_string())),
    ] {
        changes.property(name, Value::Null, value);
    }
}

async fn run(call: &Call) -> Result<Answer, Failure> {
    let fail = |error| failure(&error);
    let params = &call.params;
    let (cluster, name) = (params.required("cluster"), params.required("name"));
    let observed = database::observe(&call.cx, &cluster, &name)
        .await
        .map_err(fail)?;
    let mut changes = Changes::of(format!("database {cluster}/{name}"));
    let now = |observed: &Observed| object(&cluster, &name, observed);
    if params.text("state") == Some("absent") {
        // Without a cluster there is no database; one that gives no answer may have it.
        let may_be = observed.exists || matches!(observed.view, View::Silent(_));
        if may_be {
            changes.property("state", "present", "absent");
            changes.action(format!("drop database {name}"));
            let force = params.flag("force_destroy").unwrap_or(false);
            let admitted = database::admit_delete(&call.cx, &cluster, &name, force).await;
            changes.admit(call, admitted)?;
            if !call.check {
                let dropped = database::delete(&call.cx, &cluster, &name, force).await;
                dropped.map_err(fail)?;
                return Ok(changes.answer(call, "database", Value::Null));
            }
        }
        return Ok(changes.answer(call, "database", now(&observed)));
    }
    let spec = specify(params, observed.shape.as_ref())?;
    changes.admit(call, database::admit(&call.cx, &spec).await)?;
    let plan = database::plan(&spec, observed.exists, observed.shape.as_ref());
    if !observed.exists {
        describe(&spec.shape, &mut changes);
    }
    for one in &plan.differences {
        changes.property(&one.field, one.before.clone(), one.after.clone());
    }
    for step in &plan.steps {
        changes.action(step.summary(&name));
    }
    if let Some(text) = observed
        .shape
        .as_ref()
        .and_then(|found| database::warning(&spec.shape, found))
    {
        changes.warn(text);
    }
    if call.check || changes.is_empty() {
        return Ok(changes.answer(call, "database", now(&observed)));
    }
    let made = database::apply(&call.cx, &spec).await.map_err(fail)?;
    Ok(changes.answer(call, "database", now(&made)))
}
