//! Reads a cluster back.

use std::collections::{BTreeMap, BTreeSet};

use super::spec::LICENSE;
use crate::cockroachdb::command::{Row, Shell, Statement, elements, silence};
use crate::cockroachdb::names::{self, HTTP_PORT, SQL_PORT};
use crate::cockroachdb::quorum::{Range, Report, report};
use crate::cockroachdb::topology::{Topology, View};
use crate::cockroachdb::{containers, label, region};
use crate::context::Context;
use crate::docker::Node;
use crate::error::{Error, Result};
use crate::labels;

/// Where system ranges are, by the words of `CONFIGURE ZONE`.
pub(super) const SYSTEM: [&str; 5] = [
    "DATABASE system",
    "RANGE meta",
    "RANGE liveness",
    "RANGE system",
    "RANGE timeseries",
];

/// A cluster as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// What its nodes say.
    pub view: View,
    /// Its containers here, of all regions.
    pub containers: Vec<Node>,
    /// Names of its volumes here.
    pub volumes: Vec<String>,
    /// A node that answers for it.
    pub shell: Option<Shell>,
    /// Values of the settings that were asked for, as it tells them.
    pub settings: BTreeMap<String, String>,
    /// Whether it has a licence.
    pub has_license: bool,
    /// The licence, where it shows it.
    pub(super) license: Option<String>,
    /// Constraints of system ranges, by [`SYSTEM`].
    pub(super) zones: Zones,
    /// Which failures it survives.
    pub report: Report,
}

impl Observed {
    /// Whether nothing of it is left here.
    pub fn is_gone(&self) -> bool {
        self.containers.is_empty() && self.volumes.is_empty()
    }

    /// Names of the volumes that its nodes keep their data in.
    pub(super) fn stores(&self, cluster: &str) -> impl Iterator<Item = &String> {
        let emptied = names::emptied(cluster);
        self.volumes.iter().filter(move |name| **name != emptied)
    }

    /// Names of its regions: of its nodes, and of its containers here.
    pub fn regions(&self) -> BTreeSet<String> {
        let nodes = self.view.topology().into_iter();
        let nodes = nodes.flat_map(Topology::members);
        let told = nodes.filter_map(|node| node.tier("region"));
        let labels = self.containers.iter();
        let labels = labels.filter_map(|node| node.label(labels::ATLAS_COCKROACHDB_REGION));
        told.chain(labels).map(str::to_owned).collect()
    }

    /// Connection URLs for this machine, by region: of nodes with a published port. With TLS, a client adds its
    /// certificate.
    pub fn urls(&self) -> BTreeMap<String, Vec<String>> {
        self.published(SQL_PORT, |node, port| {
            let mode = if is_secure(node) {
                "verify-full"
            } else {
                "disable"
            };
            format!("postgresql://127.0.0.1:{port}/defaultdb?sslmode={mode}")
        })
    }

    /// URLs of the DB Console for this machine, by region.
    pub fn consoles(&self) -> BTreeMap<String, Vec<String>> {
        self.published(HTTP_PORT, |node, port| {
            let scheme = if is_secure(node) { "https" } else { "http" };
            format!("{scheme}://127.0.0.1:{port}")
        })
    }

    fn published(
        &self,
        inside: u16,
        url: impl Fn(&Node, u16) -> String,
    ) -> BTreeMap<String, Vec<String>> {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for node in &self.containers {
            let region = node.label(labels::ATLAS_COCKROACHDB_REGION);
            let port = node.published(inside);
            if let (Some(region), Some(port)) = (region, port) {
                let urls = all.entry(region.to_owned()).or_default();
                urls.push(url(node, port));
            }
        }
        all
    }
}

/// Whether a node speaks TLS.
pub fn is_secure(node: &Node) -> bool {
    !node.cmd.iter().any(|word| word == "--insecure")
}

/// The cluster of this name, with these settings.
///
/// # Errors
/// What Docker says. A cluster that gives no answer is part of what is observed.
pub async fn observe<'a>(
    cx: &Context,
    cluster: &str,
    settings: impl IntoIterator<Item = &'a String>,
) -> Result<Observed> {
    let settings: Vec<&String> = settings.into_iter().collect();
    let reading = Box::pin(read(cx, cluster, &settings));
    cx.guard("reading a cluster of CockroachDB", reading).await
}

/// What its nodes say, and one that answers for it.
pub(in super::super) async fn ask(cx: &Context, cluster: &str) -> Result<(View, Option<Shell>)> {
    let containers = containers(cx, cluster).await?;
    let told = region::ask(cx, containers.iter()).await?;
    if matches!(told.0, View::Absent) {
        // What nodes left is not nothing.
        let mut volumes = cx.docker.volumes(&[label(cluster)]).await?;
        volumes.retain(|name| *name != names::emptied(cluster));
        if !volumes.is_empty() {
            let reason = format!("no node of {cluster} runs here, but its volumes exist");
            return Ok((View::Silent(reason), None));
        }
    }
    Ok(told)
}

async fn read(cx: &Context, cluster: &str, settings: &[&String]) -> Result<Observed> {
    let label = [label(cluster)];
    let (containers, volumes) =
        tokio::try_join!(containers(cx, cluster), cx.docker.volumes(&label))?;
    let (view, shell) = region::ask(cx, containers.iter()).await?;
    let mut observed = Observed {
        view,
        containers,
        volumes,
        shell,
        ..Observed::default()
    };
    let (View::Live(topology), Some(shell)) = (&observed.view, &observed.shell) else {
        return Ok(observed);
    };
    // Without a quorum there is no SQL: what the nodes say is all there is.
    if !topology.members().any(|node| node.is_available) {
        return Ok(observed);
    }
    let told = tell(cx, shell, settings).await;
    // It has just lost its quorum, which its nodes do not tell at once.
    if let Some(message) = told.as_ref().err().and_then(silence) {
        observed.view = View::Silent(message.to_owned());
        return Ok(observed);
    }
    let mut told = told?;
    let license = told.settings.remove(LICENSE).filter(|key| !key.is_empty());
    observed.report = report(topology, &told.ranges);
    observed.has_license = license.is_some();
    observed.license = license;
    observed.settings = told.settings;
    observed.zones = told.zones;
    Ok(observed)
}

/// What a cluster says by SQL.
struct Told {
    zones: Zones,
    ranges: Vec<Range>,
    /// With the licence.
    settings: BTreeMap<String, String>,
}

async fn tell(cx: &Context, shell: &Shell, settings: &[&String]) -> Result<Told> {
    let license = LICENSE.to_owned();
    let names: Vec<&String> = settings.iter().copied().chain([&license]).collect();
    let mut statements = zone_statements();
    statements.push(range_statement());
    let before = statements.len();
    statements.extend(names.iter().map(|name| Statement {
        operation: "read cluster setting",
        object: name,
        text: format!("SHOW CLUSTER SETTING {name}"),
    }));
    let (mut rows, mut unknown) = (Vec::new(), BTreeSet::new());
    while rows.len() < statements.len() {
        let answers = shell.until_failure(cx, &statements[rows.len()..]).await?;
        rows.extend(answers.rows);
        match answers.failure {
            None => break,
            // A setting that it does not know has no value; to set it tells more.
            Some(error @ Error::Cockroach { .. })
                if rows.len() >= before && silence(&error).is_none() =>
            {
                unknown.insert(rows.len());
                rows.push(Vec::new());
            }
            Some(error) => return Err(error),
        }
    }
    let settings = (before..).zip(names);
    let settings = settings.filter(|(index, _)| !unknown.contains(index));
    // A table whose only cell is empty looks like one without rows.
    let cell = |index: usize| rows.get(index)?.first()?.values().next().cloned();
    Ok(Told {
        zones: read_zones(&rows),
        ranges: read_ranges(rows.get(before - 1).map_or(&[], Vec::as_slice)),
        settings: settings
            .map(|(index, name)| (name.clone(), cell(index).unwrap_or_default()))
            .collect(),
    })
}

/// Where the system ranges' replicas have to be.
pub(super) type Zones = BTreeMap<&'static str, String>;

fn zone_statements() -> Vec<Statement<'static>> {
    let each = SYSTEM.map(|target| Statement {
        operation: "read the zone of",
        object: target,
        text: format!("SHOW ZONE CONFIGURATION FROM {target}"),
    });
    each.into()
}

fn read_zones(answers: &[Vec<Row>]) -> Zones {
    let each = SYSTEM.into_iter().zip(answers);
    each.map(|(target, rows)| {
        let config = rows.first().and_then(|row| row.get("raw_config_sql"));
        let constraints = config.map(|config| constraints(config)).unwrap_or_default();
        (target, constraints)
    })
    .collect()
}

pub(super) async fn zones(cx: &Context, shell: &Shell) -> Result<Zones> {
    Ok(read_zones(&shell.all(cx, &zone_statements()).await?))
}

/// The constraints within a zone as `SHOW ZONE CONFIGURATION` prints it.
fn constraints(config: &str) -> String {
    let line = config
        .lines()
        .find_map(|line| line.trim().strip_prefix("constraints = "));
    let value = line.unwrap_or_default().trim_end_matches(',');
    value.trim_matches('\'').to_owned()
}

fn range_statement() -> Statement<'static> {
    Statement {
        operation: "read the ranges of",
        object: "the cluster",
        text: "SELECT range_id, voting_replicas FROM [SHOW CLUSTER RANGES]".to_owned(),
    }
}

fn read_ranges(rows: &[Row]) -> Vec<Range> {
    let ranges = rows.iter().map(|row| Range {
        id: row
            .get("range_id")
            .and_then(|id| id.parse().ok())
            .unwrap_or_default(),
        voters: row
            .get("voting_replicas")
            .map(|cell| elements(cell))
            .unwrap_or_default()
            .iter()
            .filter_map(|id| id.parse().ok())
            .collect(),
    });
    ranges.collect()
}

/// Tables of users, as `database.table`.
pub(in super::super) async fn tables(cx: &Context, shell: &Shell) -> Result<Vec<String>> {
    let databases = shell.sql(cx, "list", "databases", "SHOW DATABASES").await?;
    let databases: Vec<&String> = databases
        .iter()
        .filter_map(|row| row.get("database_name"))
        .filter(|name| *name != "system")
        .collect();
    let statements: Vec<Statement<'_>> = databases
        .iter()
        .map(|database| Statement {
            operation: "list the tables of",
            object: database,
            text: format!("SHOW TABLES FROM {}", names::quoted(database)),
        })
        .collect();
    let answers = shell.all(cx, &statements).await?;
    let tables = databases.iter().zip(&answers).flat_map(|(database, rows)| {
        let names = rows.iter().filter_map(|row| row.get("table_name"));
        names.map(move |name| format!("{database}.{name}"))
    });
    Ok(tables.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_are_found_among_other_fields() {
        let config = "ALTER DATABASE system CONFIGURE ZONE USING\n\trange_min_bytes = 134217728,\n\
                      \tconstraints = '{+region=a: 2, +region=b: 1}',\n\tlease_preferences = '[]'";
        assert_eq!(constraints(config), "{+region=a: 2, +region=b: 1}");
        assert_eq!(constraints("num_replicas = 5"), "");
    }
}
