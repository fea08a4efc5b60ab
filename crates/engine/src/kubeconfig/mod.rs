//! Kubeconfig files: a cluster's own, and its entries in the user's.
//!
//! A user's file is rewritten only where it must change, in its own form, with its owner and mode, and behind
//! its links. What lies beside a cluster never fails it: whether the file can be written is found out before anything
//! is made ([`Files::check`]), and where it fails after that, the user is warned ([`Files::keep`]).

mod content;
mod edit;
mod place;
#[cfg(test)]
mod tests;
mod turn;
mod write;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use crate::context::Scope;
use crate::error::{Error, Result};
use crate::local_path;
use crate::path::FieldPath;

pub use content::Kubeconfig;

/// The files that are read as one kubeconfig, in kubectl's order: the first that says something decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files(Vec<PathBuf>);

/// What is asked for beside a cluster: files with its entries, and whether it is to be their current context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Where the entries go.
    pub files: Files,
    /// Whether to switch to the cluster.
    pub switch: bool,
}

impl Kept {
    /// What the options at `field` ask for: a file, or the usual ones. `None` where they ask for neither.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a path that makes no sense, and for a switch in no file; no home folder.
    pub fn asked(
        field: &FieldPath,
        path: Option<&str>,
        usual: bool,
        switch: bool,
    ) -> Result<Option<Self>> {
        let files = match path {
            Some(path) => Files::at(path, &field.clone().name("path"))?,
            None if usual => Files::usual()?,
            None if switch => {
                return Err(Error::invalid(
                    field.clone().name("switch_current_context"),
                    "there is no file whose context could be switched.",
                    "Set path or update_default_kubeconfig as well.",
                ));
            }
            None => return Ok(None),
        };
        Ok(Some(Self { files, switch }))
    }
}

/// What a merge would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The file with the cluster's entries, or the one that is to have them.
    pub path: PathBuf,
    /// The cluster's entries: whether there are some, other ones. `None` where they are as they should be.
    pub entries: Option<bool>,
    /// The current context before (empty for none) and after; `None` where it stays.
    pub context: Option<(String, String)>,
    /// The file's mode before and after, where everybody has a right on it.
    pub mode: Option<(u32, u32)>,
}

/// A file as it is.
struct Looked {
    path: PathBuf,
    /// `None` where there is no file.
    text: Option<String>,
    config: Kubeconfig,
    mode: u32,
}

impl Looked {
    fn is_exposed(&self) -> bool {
        self.text.is_some() && place::is_exposed(self.mode)
    }
}

/// The files as they would be with a cluster's entries, in the same order.
struct Merged {
    /// The one that has the entries.
    home: usize,
    files: Vec<Kubeconfig>,
}

impl Files {
    /// The one file of this path.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `field` for a path that makes no sense.
    pub fn at(path: &str, field: &FieldPath) -> Result<Self> {
        let found = local_path::expand(path, field);
        let found = found.map_err(|problem| Error::Invalid(vec![problem]))?;
        if path.ends_with('/') {
            return Err(Error::invalid(
                field.clone(),
                format!("{path:?} is a folder."),
                "Name a file, which may be inside it.",
            ));
        }
        Ok(Self(vec![found]))
    }

    /// The user's usual ones: those of `KUBECONFIG`, else `~/.kube/config`.
    ///
    /// # Errors
    /// No home folder.
    pub fn usual() -> Result<Self> {
        let variable = std::env::var_os("KUBECONFIG");
        let home = std::env::home_dir();
        let found = place::usual(variable.as_deref(), home.as_deref());
        found.map(Self).ok_or_else(|| Error::Kubeconfig {
            path: "~/.kube/config".into(),
            reason: "this user has no home folder. Set HOME, or name a file".to_owned(),
        })
    }

    /// The file with a cluster's entries, or the one that is to have them.
    pub fn file(&self, cluster: &str) -> Result<PathBuf> {
        let looked = self.look()?;
        Ok(looked[home(&looked, cluster)].path.clone())
    }

    /// Whether a merge can be written, found out without writing. Without a `config`, that of a cluster which is yet
    /// to be made.
    ///
    /// # Errors
    /// [`Error::Kubeconfig`] with what is in the way.
    pub fn check(&self, cluster: &str, config: Option<&Kubeconfig>, switch: bool) -> Result<()> {
        // First of all: a file where a folder is needed reads as missing.
        for path in &self.0 {
            if let Ok(about) = fs::metadata(path)
                && let Some(reason) = place::no_file(&about)
            {
                return Err(failed(path, &reason));
            }
        }
        let looked = self.look()?;
        let merged = merged(&looked, cluster, config, switch);
        for (file, after) in looked.iter().zip(&merged.files) {
            let closes = file.is_exposed() && after.names(cluster);
            if (file.config != *after || closes)
                && let Some(reason) = place::obstacle(&file.path)
            {
                return Err(failed(&file.path, &reason));
            }
        }
        Ok(())
    }

    /// What a merge would change. Without a `config`, what it would for a cluster that is yet to be made.
    pub fn difference(
        &self,
        cluster: &str,
        config: Option<&Kubeconfig>,
        switch: bool,
    ) -> Result<Difference> {
        let looked = self.look()?;
        let merged = merged(&looked, cluster, config, switch);
        let home = &looked[merged.home];
        let current = current(looked.iter().map(|file| &file.config));
        let switched = self::current(&merged.files);
        let exposed = looked.iter().zip(&merged.files);
        let exposed = exposed
            .filter(|(file, after)| file.is_exposed() && after.names(cluster))
            .map(|(file, _)| (file.mode, place::private_mode(Some(file.mode))))
            .next();
        Ok(Difference {
            path: home.path.clone(),
            entries: (!same_entries(&home.config, &merged.files[merged.home]))
                .then(|| home.config.names(cluster)),
            context: (current != switched).then(|| (current.to_owned(), switched.to_owned())),
            mode: exposed,
        })
    }

    /// What differs from the cluster's entries, as a sentence without full stop. A context that the user switched away
    /// from is the user's decision, and no drift.
    pub fn drift(&self, cluster: &str, config: &Kubeconfig) -> Option<String> {
        let differs = match self.difference(cluster, Some(config), false) {
            Ok(differs) => differs,
            Err(error) => return Some(error.to_string()),
        };
        let path = differs.path.display();
        match (differs.entries, differs.mode) {
            (Some(_), _) => Some(format!("{path} does not have the cluster's entries")),
            (None, Some((mode, _))) => Some(format!(
                "{path}, which has the cluster's keys, is accessible to everybody (mode {mode:04o})"
            )),
            (None, None) => None,
        }
    }

    /// Merges a cluster's entries into the files, making one where there is none.
    ///
    /// # Errors
    /// [`Error::Kubeconfig`]; the time limit and cancellation of `scope` while somebody else has the turn.
    pub async fn merge(
        &self,
        scope: &Scope,
        cluster: &str,
        config: &Kubeconfig,
        switch: bool,
    ) -> Result<()> {
        loop {
            let looked = self.look()?;
            let target = &looked[home(&looked, cluster)].path;
            if !needs_merge(&looked, cluster, config, switch) {
                return Ok(());
            }
            // There is no turn at a file without folder.
            let folder = place::behind_links(target).and_then(|file| {
                let of_link = place::folder_of(target);
                fs::create_dir_all(of_link).and(fs::create_dir_all(place::folder_of(&file)))
            });
            folder.map_err(|error| failed(target, &error))?;
            let turn = turn::take(scope, &self.0).await?;
            let looked = self.look()?;
            let merged = merged(&looked, cluster, Some(config), switch);
            // Where another file has the entries by now.
            if !turn.is_at(&looked[merged.home].path) {
                continue;
            }
            for (file, after) in looked.iter().zip(&merged.files) {
                let done = if file.config != *after {
                    let text = file.text.as_deref().unwrap_or_default();
                    let text = edit::rewrite(text, &file.config, after);
                    write::write(&file.path, &text)
                } else if file.is_exposed() && after.names(cluster) {
                    write::close(&file.path)
                } else {
                    Ok(())
                };
                done.map_err(|error| failed(&file.path, &error))?;
            }
            return Ok(());
        }
    }

    /// Merges a cluster's entries into the files. What fails is a warning, because the cluster works without: a later
    /// run finds the difference and tries again.
    pub async fn keep(&self, scope: &Scope, cluster: &str, config: &Kubeconfig, switch: bool) {
        if let Err(error) = self.merge(scope, cluster, config, switch).await {
            scope.warn(
                format!("Cluster {cluster} exists, but its kubeconfig file is not as declared"),
                format!("{error}. The next run writes it again."),
            );
        }
    }

    /// The files with any entry of a cluster.
    pub fn holding(&self, cluster: &str) -> Result<Vec<PathBuf>> {
        let looked = self.look()?;
        let holding = looked.into_iter().filter(|file| file.config.names(cluster));
        Ok(holding.map(|file| file.path).collect())
    }

    /// Takes a cluster's entries out of the files; one that holds nothing else is removed.
    ///
    /// # Errors
    /// As [`Files::merge`].
    pub async fn remove(&self, scope: &Scope, cluster: &str) -> Result<()> {
        if self.holding(cluster)?.is_empty() {
            return Ok(());
        }
        let _turn = turn::take(scope, &self.0).await?;
        for file in self.look()? {
            let mut after = file.config.clone();
            after.drop_cluster(cluster);
            let Some(text) = file.text.filter(|_| after != file.config) else {
                continue;
            };
            let done = if after.holds_nothing() && !edit::has_comments(&text) {
                write::remove(&file.path)
            } else {
                let text = edit::rewrite(&text, &file.config, &after);
                write::write(&file.path, &text)
            };
            done.map_err(|error| failed(&file.path, &error))?;
        }
        Ok(())
    }

    /// Takes the entries of a cluster out of files that are to have them no longer. What fails is a warning: what they
    /// belong to has changed already.
    pub async fn forget(&self, scope: &Scope, cluster: &str) {
        if let Err(error) = self.remove(scope, cluster).await {
            scope.warn(
                format!("The entries of cluster {cluster} were left in its kubeconfig file"),
                format!(
                    "{error}. To remove them by hand: `kubectl config delete-context k3d-{cluster}`, and the same with \
                     `delete-cluster k3d-{cluster}` and `delete-user admin@k3d-{cluster}`."
                ),
            );
        }
    }

    fn look(&self) -> Result<Vec<Looked>> {
        self.0.iter().map(|path| look(path)).collect()
    }
}

fn look(path: &Path) -> Result<Looked> {
    let missing = Looked {
        path: path.to_owned(),
        text: None,
        config: Kubeconfig::empty(),
        mode: 0,
    };
    // Before it is opened: to open a pipe waits for who writes into it.
    let about = match fs::metadata(path) {
        Ok(about) => about,
        Err(error) if place::is_missing(&error) => return Ok(missing),
        Err(error) => return Err(failed(path, &error)),
    };
    if let Some(reason) = place::no_file(&about) {
        return Err(failed(path, &reason));
    }
    let bytes = fs::read(path).map_err(|error| failed(path, &error))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| failed(path, &"it is not a kubeconfig: it is not UTF-8"))?;
    Ok(Looked {
        config: Kubeconfig::parse(&text).map_err(|reason| failed(path, &reason))?,
        text: Some(text),
        mode: about.permissions().mode() & 0o7777,
        ..missing
    })
}

fn failed(path: &Path, reason: &dyn fmt::Display) -> Error {
    Error::Kubeconfig {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

/// The file of a cluster's entries: the one that has some, else the usual one.
fn home(files: &[Looked], cluster: &str) -> usize {
    let holder = files.iter().position(|file| file.config.names(cluster));
    holder.unwrap_or_else(|| usual(files))
}

/// Where kubectl writes what is in no file yet: the first that is there, else the last.
fn usual(files: &[Looked]) -> usize {
    let first = files.iter().position(|file| file.text.is_some());
    first.unwrap_or(files.len().saturating_sub(1))
}

/// The current context of files that are read as one.
fn current<'a>(files: impl IntoIterator<Item = &'a Kubeconfig>) -> &'a str {
    let mut names = files.into_iter().map(Kubeconfig::current_context);
    names.find(|name| !name.is_empty()).unwrap_or_default()
}

/// The files with a cluster's entries. The current context changes where `switch` says so, and where there was no
/// context at all. Files whose current context was removed wait for their user's choice, as they do after kubectl
/// removed it.
fn merged(files: &[Looked], cluster: &str, config: Option<&Kubeconfig>, switch: bool) -> Merged {
    let unknown = Kubeconfig::unknown(cluster);
    let config = config.unwrap_or(&unknown);
    let home = home(files, cluster);
    let mut after: Vec<Kubeconfig> = files.iter().map(|file| file.config.clone()).collect();
    after[home].merge(config);
    let before = current(files.iter().map(|file| &file.config));
    let first = before.is_empty()
        && files
            .iter()
            .all(|file| file.config.list("contexts").is_empty());
    if (switch || first) && before != config.current_context() {
        after[usual(files)].set_current_context(config.current_context());
    }
    Merged { home, files: after }
}

fn needs_merge(files: &[Looked], cluster: &str, config: &Kubeconfig, switch: bool) -> bool {
    let merged = merged(files, cluster, Some(config), switch);
    let mut pairs = files.iter().zip(&merged.files);
    pairs.any(|(file, after)| file.config != *after || (file.is_exposed() && after.names(cluster)))
}

fn same_entries(one: &Kubeconfig, other: &Kubeconfig) -> bool {
    let mut lists = content::LISTS.iter();
    lists.all(|(list, _)| one.list(list) == other.list(list))
}
