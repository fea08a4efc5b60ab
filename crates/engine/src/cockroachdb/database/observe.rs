//! Reads a database back.

use super::spec::{Placement, Shape, Survival};
use crate::cockroachdb::command::{Answers, Row, Shell, Statement, elements, silence};
use crate::cockroachdb::topology::View;
use crate::cockroachdb::{cluster, names};
use crate::context::Context;
use crate::error::{Error, Remedy, Result};

/// A database as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// What its cluster says.
    pub view: View,
    /// A node that answers for it.
    pub shell: Option<Shell>,
    /// Whether it exists.
    pub exists: bool,
    /// Where it lives; `None` where it is no multi-region database.
    pub shape: Option<Shape>,
    /// Its owner.
    pub owner: Option<String>,
}

/// The database of this name.
///
/// # Errors
/// What Docker and the cluster say. A cluster that gives no answer is part of what is observed.
pub async fn observe(cx: &Context, cluster: &str, name: &str) -> Result<Observed> {
    let asking = cluster::ask(cx, cluster);
    let (view, shell) = cx.guard("reading a cluster of CockroachDB", asking).await?;
    let mut observed = Observed {
        view,
        shell,
        ..Observed::default()
    };
    let (View::Live(_), Some(shell)) = (&observed.view, &observed.shell) else {
        return Ok(observed);
    };
    let read = cx.guard("reading a database of CockroachDB", async {
        let statements = [
            Statement {
                operation: "list",
                object: "databases",
                text: "SHOW DATABASES".to_owned(),
            },
            Statement {
                operation: "read database",
                object: name,
                text: format!("SHOW CREATE DATABASE {}", names::quoted(name)),
            },
        ];
        // The second fails where there is none of that name.
        let Answers { rows, failure } = shell.until_failure(cx, &statements).await?;
        let mut rows = rows.into_iter();
        let Some(databases) = rows.next() else {
            return failure.map_or(Ok(()), Err);
        };
        let found = databases
            .iter()
            .find(|row| row.get("database_name").is_some_and(|found| found == name));
        let Some(found) = found else {
            return Ok(());
        };
        observed.exists = true;
        observed.owner = cell(found, "owner");
        let Some(primary) = cell(found, "primary_region") else {
            return Ok(());
        };
        let Some(created) = rows.next() else {
            return failure.map_or(Ok(()), Err);
        };
        let restricted = created
            .iter()
            .flat_map(|row| row.values())
            .any(|text| text.contains("PLACEMENT RESTRICTED"));
        observed.shape = Some(Shape {
            primary,
            regions: elements(found.get("regions").map_or("", String::as_str))
                .into_iter()
                .collect(),
            secondary: cell(found, "secondary_region"),
            survival: match cell(found, "survival_goal").as_deref() {
                Some("region") => Survival::Region,
                _ => Survival::Zone,
            },
            placement: if restricted {
                Placement::Restricted
            } else {
                Placement::Default
            },
        });
        Ok(())
    });
    let read = read.await;
    if let Some(message) = read.as_ref().err().and_then(silence) {
        observed.view = View::Silent(message.to_owned());
        return Ok(observed);
    }
    read?;
    Ok(observed)
}

/// A cell that has something in it.
fn cell(row: &Row, column: &str) -> Option<String> {
    let text = row.get(column)?;
    (!text.is_empty() && text != "NULL").then(|| text.clone())
}

/// Names of the databases that place replicas in a region.
pub(in super::super) async fn using(
    cx: &Context,
    shell: &Shell,
    region: &str,
) -> Result<Vec<String>> {
    let databases = shell.sql(cx, "list", "databases", "SHOW DATABASES").await?;
    let uses = |row: &&Row| {
        let regions = row.get("regions").map_or("", String::as_str);
        elements(regions).iter().any(|found| found == region)
    };
    Ok(databases
        .iter()
        .filter(uses)
        .filter_map(|row| cell(row, "database_name"))
        .collect())
}

/// Names of the regions that the cluster's nodes are in.
pub(super) async fn regions(cx: &Context, shell: &Shell) -> Result<Vec<String>> {
    let rows = shell
        .sql(cx, "list", "regions", "SHOW REGIONS FROM CLUSTER")
        .await?;
    Ok(rows.iter().filter_map(|row| cell(row, "region")).collect())
}

/// The shell of a database whose cluster serves.
pub(super) fn serving<'a>(observed: &'a Observed, cluster: &str) -> Result<&'a Shell> {
    let make = || Remedy::CreateDatabaseCluster {
        name: cluster.to_owned(),
    };
    let (reason, hint) = match (&observed.view, &observed.shell) {
        (View::Live(_), Some(shell)) => return Ok(shell),
        (View::Silent(reason), _) => (
            reason.as_str(),
            "Start its nodes: without a majority of the voters of each range it cannot read or write.".into(),
        ),
        (View::Uninitialized, _) => ("its nodes are waiting to be initialized", make()),
        _ => ("none of its nodes runs here", make()),
    };
    Err(Error::Cockroach {
        operation: "ask cluster",
        object: cluster.to_owned(),
        code: String::new(),
        message: reason.to_owned(),
        hint: Some(Box::new(hint)),
    })
}
