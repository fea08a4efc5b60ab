//! Makes, changes and removes databases.

use super::observe::{Observed, observe, regions, serving};
use super::plan::plan;
use super::spec::Spec;
use crate::cockroachdb::topology::View;
use crate::cockroachdb::{names, turn};
use crate::context::Context;
use crate::error::{Error, Problem, Result, refuse};
use crate::path::FieldPath;

/// Checks that the database can be made or changed: its regions have nodes. Changes nothing. Returns what there is.
///
/// # Errors
/// [`Error::Invalid`]; [`Error::Cockroach`] where the cluster gives no answer.
pub async fn admit(cx: &Context, spec: &Spec) -> Result<Observed> {
    refuse(spec.problems())?;
    let observed = observe(cx, &spec.cluster, &spec.name).await?;
    let shell = serving(&observed, &spec.cluster)?;
    let known = regions(cx, shell).await?;
    let missing: Vec<Problem> = spec
        .shape
        .regions
        .iter()
        .filter(|region| !known.contains(region))
        .map(|region| {
            Problem::new(
                FieldPath::of("regions"),
                format!("no node of {} is in the region {region:?}.", spec.cluster),
                format!(
                    "Make an atlas_cockroachdb_region of this name first, or name one of {}.",
                    known.join(", ")
                ),
            )
        })
        .collect();
    refuse(missing)?;
    Ok(observed)
}

/// Brings the database to what is wanted.
///
/// # Errors
/// As [`admit`]; what the cluster says.
pub async fn apply(cx: &Context, spec: &Spec) -> Result<Observed> {
    let observed = admit(cx, spec).await?;
    let shell = serving(&observed, &spec.cluster)?;
    let plan = plan(spec, observed.exists, observed.shape.as_ref());
    cx.guard("changing a database of CockroachDB", async {
        let _turn = turn(cx, &spec.cluster).await?;
        for step in &plan.steps {
            cx.tell(&step.summary(&spec.name));
            shell
                .sql(cx, step.operation(), &spec.name, &step.statement(spec))
                .await?;
        }
        Ok(())
    })
    .await?;
    observe(cx, &spec.cluster, &spec.name).await
}

/// Drops the database; one that is gone already is as good.
///
/// # Errors
/// [`Error::NotEmpty`] where it holds tables, and `force` is not said; what the cluster says.
pub async fn delete(cx: &Context, cluster: &str, name: &str, force: bool) -> Result<()> {
    let observed = observe(cx, cluster, name).await?;
    if force && matches!(observed.view, View::Silent(_)) && observed.shell.is_none() {
        cx.tell(&format!(
            "{name} is left to {cluster}, of which no node runs"
        ));
        return Ok(());
    }
    let shell = serving(&observed, cluster)?;
    if !observed.exists {
        return Ok(());
    }
    cx.guard("removing a database of CockroachDB", async {
        let _turn = turn(cx, cluster).await?;
        if !force {
            let statement = format!("SHOW TABLES FROM {}", names::quoted(name));
            let tables = shell
                .sql(cx, "list the tables of", name, &statement)
                .await?;
            if !tables.is_empty() {
                let tables: Vec<&str> = tables
                    .iter()
                    .filter_map(|row| row.get("table_name").map(String::as_str))
                    .collect();
                return Err(Error::NotEmpty {
                    kind: "database",
                    name: name.to_owned(),
                    what: format!("tables ({})", tables.join(", ")),
                    remedy: "Drop them first, or set force_destroy.".to_owned(),
                });
            }
        }
        cx.tell(&format!("drop database {name}"));
        let statement = format!("DROP DATABASE IF EXISTS {} CASCADE", names::quoted(name));
        shell.sql(cx, "drop database", name, &statement).await?;
        Ok(())
    })
    .await
}
