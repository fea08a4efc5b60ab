//! How a world is: a pure function from facts to rows. A row is one thing that can be well or not, with the remedy where it
//! is not. Each file here makes the rows of one theme; another theme is another file, and a line in [`view`].

mod bridge;
mod cloud;
mod clusters;
mod container;
mod database;
#[cfg(test)]
mod tests;
mod uses;

use indexmap::IndexMap;
use serde::Serialize;

use crate::facts::{Answer, Facts, File, Survives};

pub(crate) use uses::{Address, Commands};

/// How one thing is, or all of them: the worst comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// As declared, and it answers.
    Well,
    /// It could not be asked.
    Unknown,
    /// It runs, and is not as declared.
    Differs,
    /// It does not run, or does not do what it is for.
    Down,
}

/// One thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Row {
    /// What it is: `server`, `replicator`, `bridge`, …
    pub(crate) kind: &'static str,
    /// Its name: the container's, where it is one.
    pub(crate) name: String,
    /// How it is.
    pub(crate) state: State,
    /// A sentence's worth of it, without full stop.
    pub(crate) detail: String,
    /// What to do, where it is not well.
    pub(crate) remedy: Option<String>,
}

impl Row {
    fn new(kind: &'static str, name: &str, state: State, detail: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            state,
            detail: detail.into(),
            remedy: None,
        }
    }

    fn well(kind: &'static str, name: &str, detail: impl Into<String>) -> Self {
        Self::new(kind, name, State::Well, detail)
    }

    fn unknown(kind: &'static str, name: &str, detail: impl Into<String>) -> Self {
        Self::new(kind, name, State::Unknown, detail)
    }

    fn differs(kind: &'static str, name: &str, detail: impl Into<String>) -> Self {
        Self::new(kind, name, State::Differs, detail)
    }

    fn down(kind: &'static str, name: &str, detail: impl Into<String>) -> Self {
        Self::new(kind, name, State::Down, detail)
    }

    fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

/// Rows that belong together: a region's, and those of what spans regions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Group {
    /// The region's name, or [`EVERYWHERE`].
    pub(crate) name: String,
    /// In the order in which they are told.
    pub(crate) rows: Vec<Row>,
}

/// The group of what is in no single region.
pub(crate) const EVERYWHERE: &str = "all regions";

/// How the world is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct View {
    /// The worst of all rows; `None` where there is no world.
    pub(crate) health: Option<State>,
    /// Regions in the order of the description, then [`EVERYWHERE`].
    pub(crate) groups: Vec<Group>,
    /// Which failures the database survives; `None` where that is not known.
    pub(crate) survives: Option<Survives>,
    /// Where what answers.
    pub(crate) addresses: Vec<Address>,
    /// Files of the world, those with credentials among them.
    pub(crate) files: Vec<File>,
    /// What can be typed.
    pub(crate) commands: Vec<Commands>,
    /// What one should know.
    pub(crate) notes: Vec<String>,
}

impl View {
    /// 0 where all is well, 1 where something is down or not as declared, 2 where that could not be found out.
    pub(crate) fn exit_code(&self) -> u8 {
        match self.health {
            Some(State::Well) => 0,
            Some(State::Differs | State::Down) => 1,
            Some(State::Unknown) | None => 2,
        }
    }

    /// All rows.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.groups.iter().flat_map(|group| &group.rows)
    }
}

/// What these facts come to.
pub(crate) fn view(facts: &Facts) -> View {
    if is_absent(facts) {
        return View {
            health: None,
            groups: Vec::new(),
            survives: None,
            addresses: Vec::new(),
            files: Vec::new(),
            commands: Vec::new(),
            notes: Vec::new(),
        };
    }
    let mut groups: IndexMap<&str, Vec<Row>> = IndexMap::new();
    for (region, rows) in clusters::rows(facts)
        .into_iter()
        .chain(cloud::rows(facts))
        .chain(database::rows(facts))
    {
        groups.entry(region).or_default().extend(rows);
    }
    let everywhere = groups.entry(EVERYWHERE).or_default();
    everywhere.extend(networks(facts));
    everywhere.extend(bridge::rows(facts));
    everywhere.extend(clusters::argocd(facts));
    everywhere.extend(database::of_all(facts));
    everywhere.extend(files(facts));
    let groups: Vec<Group> = groups
        .into_iter()
        .filter(|(_, rows)| !rows.is_empty())
        .map(|(name, rows)| Group {
            name: name.to_owned(),
            rows,
        })
        .collect();
    let rows = groups.iter().flat_map(|group| &group.rows);
    View {
        health: Some(rows.map(|row| row.state).max().unwrap_or(State::Well)),
        survives: database::survives(facts).cloned(),
        addresses: uses::addresses(facts),
        files: facts.files.clone(),
        commands: uses::commands(facts),
        notes: uses::notes(facts),
        groups,
    }
}

/// Whether nothing of a world is there, as far as that could be asked.
fn is_absent(facts: &Facts) -> bool {
    let mut clusters = facts.clusters.values();
    let mut servers = facts.servers.values();
    let no_cluster =
        clusters.all(|answer| answer.known().is_some_and(|one| one.containers.is_empty()));
    let no_server = servers.all(|answer| {
        let there =
            |one: &crate::facts::Server| one.container.is_some() || one.replicator.is_some();
        answer.known().is_some_and(|one| !there(one))
    });
    let no_database = facts.database.as_ref().is_none_or(|database| {
        let containers = database.containers.known();
        containers.is_some_and(Vec::is_empty)
    });
    no_cluster && no_server && no_database
}

/// Networks that are missing. Those that are there say nothing that their containers don't.
fn networks(facts: &Facts) -> Vec<Row> {
    match &facts.missing_networks {
        Answer::Known(missing) => {
            let rows = missing.iter();
            rows.map(|name| container::missing("network", name))
                .collect()
        }
        Answer::Unknown(why) => vec![Row::unknown("networks", "", why)],
    }
}

/// Files that are missing.
fn files(facts: &Facts) -> Vec<Row> {
    let missing = facts.files.iter().filter(|file| !file.exists);
    missing
        .map(|file| {
            Row::differs(
                "file",
                &file.path.display().to_string(),
                format!("missing: {}", file.what),
            )
            .remedy("make world writes it again")
        })
        .collect()
}
