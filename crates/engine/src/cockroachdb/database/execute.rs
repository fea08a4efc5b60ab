//! Makes, changes and removes databases.

use super::observe::{Observed, observe, regions, serving};
use super::plan::plan;
use super::spec::Spec;
use crate::begun::{self, Begun, Kind};
use crate::cockroachdb::command::Shell;
use crate::cockroachdb::topology::View;
use crate::cockroachdb::{names, turn};
use crate::context::Context;
use crate::error::{Error, Existing, Problem, Remedy, Result, refuse};
use crate::path::FieldPath;

/// The mark of a database that is being created, on the daemon of its cluster's containers.
fn begun(cluster: &str, name: &str) -> Begun {
    let name = format!("{cluster}.{}", names::in_volumes(name));
    Begun::new(Kind::CockroachDatabase, name)
}

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
                Remedy::CreateDatabaseRegion {
                    name: region.clone(),
                    known: known.clone(),
                },
            )
        })
        .collect();
    refuse(missing)?;
    Ok(observed)
}

/// Makes the database, or finishes what an interrupted create left. Where it fails, its mark stays, and the next create goes
/// on from there.
///
/// # Errors
/// As [`apply`]; [`Error::Exists`] where there is a database of this name that no interrupted create of ours left.
pub async fn create(cx: &Context, spec: &Spec) -> Result<Observed> {
    let begun = begun(&spec.cluster, &spec.name);
    let _turn = begun::turn(cx, &begun).await?;
    let observed = admit(cx, spec).await?;
    if observed.exists && !begun::is_marked(cx, &begun).await? {
        return Err(Error::Exists {
            kind: "database",
            name: format!("{}/{}", spec.cluster, spec.name),
            detail: Existing::NotBegun,
            remedy: Remedy::ImportOrRename,
        });
    }
    bring_to(cx, spec, observed).await
}

/// Brings the database to what is wanted.
///
/// # Errors
/// As [`admit`]; what the cluster says.
pub async fn apply(cx: &Context, spec: &Spec) -> Result<Observed> {
    let observed = admit(cx, spec).await?;
    bring_to(cx, spec, observed).await
}

async fn bring_to(cx: &Context, spec: &Spec, observed: Observed) -> Result<Observed> {
    let shell = serving(&observed, &spec.cluster)?;
    let begun = begun(&spec.cluster, &spec.name);
    let plan = plan(spec, observed.exists, observed.shape.as_ref());
    cx.guard("changing a database of CockroachDB", async {
        let _turn = turn(cx, &spec.cluster).await?;
        if !observed.exists {
            begun::mark(cx, &begun).await?;
        }
        for step in &plan.steps {
            cx.tell(&step.summary(&spec.name));
            shell
                .sql(cx, step.operation(), &spec.name, &step.statement(spec))
                .await?;
        }
        Ok(())
    })
    .await?;
    let now = observe(cx, &spec.cluster, &spec.name).await?;
    // Whoever changes it has it: a create of it that was interrupted is over. Last of all, so that a kill leaves the mark.
    begun::end(cx, &begun).await;
    Ok(now)
}

/// Drops the database; one that is gone already is as good.
///
/// # Errors
/// [`Error::NotEmpty`] where it holds tables, and `force` is not said; what the cluster says.
pub async fn delete(cx: &Context, cluster: &str, name: &str, force: bool) -> Result<()> {
    let begun = begun(cluster, name);
    let _turn = begun::turn(cx, &begun).await?;
    remove(cx, cluster, name, force).await?;
    begun::clear(cx, &begun).await
}

/// Checks that the database can be dropped. Changes nothing.
///
/// # Errors
/// [`Error::NotEmpty`] where it holds tables, and `force` is not said; what the cluster says.
pub async fn admit_delete(cx: &Context, cluster: &str, name: &str, force: bool) -> Result<()> {
    let observed = observe(cx, cluster, name).await?;
    if is_left(&observed, force) {
        return Ok(());
    }
    let shell = serving(&observed, cluster)?;
    if !observed.exists || force {
        return Ok(());
    }
    let looking = refuse_loss(cx, shell, name);
    cx.guard("asking what the database holds", looking).await
}

/// Whether it goes with its cluster, of which no node runs.
fn is_left(observed: &Observed, force: bool) -> bool {
    force && matches!(observed.view, View::Silent(_)) && observed.shell.is_none()
}

async fn refuse_loss(cx: &Context, shell: &Shell, name: &str) -> Result<()> {
    let statement = format!("SHOW TABLES FROM {}", names::quoted(name));
    let tables = shell
        .sql(cx, "list the tables of", name, &statement)
        .await?;
    if tables.is_empty() {
        return Ok(());
    }
    let tables: Vec<&str> = tables
        .iter()
        .filter_map(|row| row.get("table_name").map(String::as_str))
        .collect();
    Err(Error::NotEmpty {
        kind: "database",
        name: name.to_owned(),
        what: format!("tables ({})", tables.join(", ")),
        remedy: Remedy::AllowLoss {
            field: FieldPath::of("force_destroy"),
            or: "Drop them first".to_owned(),
        },
    })
}

async fn remove(cx: &Context, cluster: &str, name: &str, force: bool) -> Result<()> {
    let observed = observe(cx, cluster, name).await?;
    if is_left(&observed, force) {
        cx.tell(&format!(
            "{name} was left in {cluster}, which has no running node"
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
            refuse_loss(cx, shell, name).await?;
        }
        cx.tell(&format!("drop database {name}"));
        let statement = format!("DROP DATABASE IF EXISTS {} CASCADE", names::quoted(name));
        shell.sql(cx, "drop database", name, &statement).await?;
        Ok(())
    })
    .await
}
