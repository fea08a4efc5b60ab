//! Kubeconfig files: a cluster's own, and merging it into the user's.
//!
//! A user's file is rewritten only where it must change, by writing a new file of mode 0600 beside it
//! and renaming it over the (symlink-resolved) target, so that nobody ever reads half of one.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_yaml_ng::{Mapping, Value};

use crate::error::{Error, Result};
use crate::k3d::Credentials;

/// A kubeconfig. Keeps what it does not know; does not print.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kubeconfig {
    #[serde(rename = "apiVersion", default = "v1")]
    api_version: String,
    #[serde(default = "config")]
    kind: String,
    #[serde(default)]
    clusters: Vec<Mapping>,
    #[serde(default)]
    users: Vec<Mapping>,
    #[serde(default)]
    contexts: Vec<Mapping>,
    #[serde(rename = "current-context", default)]
    current_context: String,
    #[serde(flatten)]
    rest: Mapping,
}

fn v1() -> String {
    "v1".to_owned()
}

fn config() -> String {
    "Config".to_owned()
}

impl fmt::Debug for Kubeconfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kubeconfig({})", self.current_context)
    }
}

impl Kubeconfig {
    fn empty() -> Self {
        Self {
            api_version: v1(),
            kind: config(),
            clusters: Vec::new(),
            users: Vec::new(),
            contexts: Vec::new(),
            current_context: String::new(),
            rest: Mapping::new(),
        }
    }

    /// That of a cluster whose entries nobody knows yet: they equal no others.
    fn unknown(cluster: &str) -> Self {
        let name = format!("k3d-{cluster}");
        let entry = |name: &str, key: &str| vec![named(name, key, Mapping::new())];
        Self {
            clusters: entry(&name, "cluster"),
            users: entry(&format!("admin@{name}"), "user"),
            contexts: entry(&name, "context"),
            current_context: name,
            ..Self::empty()
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::empty());
        }
        // The parser's message could quote a key: only the place is told.
        serde_yaml_ng::from_str(text).map_err(|error| match error.location() {
            Some(place) => format!("is no kubeconfig (line {})", place.line()),
            None => "is no kubeconfig".to_owned(),
        })
    }

    /// The kubeconfig that a server wrote (one cluster, user and context named `default`), with
    /// k3d's names and the endpoint that is published.
    pub(crate) fn of_node(
        bytes: &[u8],
        cluster: &str,
        endpoint: &str,
    ) -> Result<Credentials, String> {
        let found = Self::parse(&String::from_utf8_lossy(bytes))?;
        let name = format!("k3d-{cluster}");
        let user = format!("admin@{name}");
        let entry = |items: &[Mapping], key: &str| {
            items
                .first()
                .and_then(|item| item.get(key))
                .and_then(Value::as_mapping)
                .cloned()
        };
        let mut cluster_entry = entry(&found.clusters, "cluster").ok_or("it has no cluster")?;
        let user_entry = entry(&found.users, "user").ok_or("it has no user")?;
        cluster_entry.insert("server".into(), endpoint.into());
        let pem = |item: &Mapping, key: &str| -> Result<String, String> {
            let data = item
                .get(key)
                .and_then(Value::as_str)
                .ok_or(format!("it has no {key}"))?;
            decode(data).ok_or(format!("{key} is not base64"))
        };
        let credentials = (
            pem(&cluster_entry, "certificate-authority-data")?,
            pem(&user_entry, "client-certificate-data")?,
            pem(&user_entry, "client-key-data")?,
        );
        let mut context = Mapping::new();
        context.insert("cluster".into(), name.clone().into());
        context.insert("user".into(), user.clone().into());
        let kubeconfig = Self {
            clusters: vec![named(&name, "cluster", cluster_entry)],
            users: vec![named(&user, "user", user_entry)],
            contexts: vec![named(&name, "context", context)],
            current_context: name,
            ..Self::empty()
        };
        Ok(Credentials {
            kubeconfig,
            endpoint: endpoint.to_owned(),
            cluster_ca_certificate: credentials.0,
            client_certificate: credentials.1,
            client_key: credentials.2,
        })
    }

    /// The file's text.
    pub fn to_yaml(&self) -> String {
        serde_yaml_ng::to_string(self).unwrap_or_default()
    }

    /// Takes over all entries of `other`, replacing those of the same name. The current context
    /// changes where `switch` says so, and in a file that had no context at all. A file whose current
    /// context was removed waits for its user's choice, as it does after kubectl removed it.
    fn merge(&mut self, other: &Self, switch: bool) {
        let first = self.contexts.is_empty() && self.current_context.is_empty();
        for (mine, theirs) in [
            (&mut self.clusters, &other.clusters),
            (&mut self.users, &other.users),
            (&mut self.contexts, &other.contexts),
        ] {
            for item in theirs {
                match mine
                    .iter_mut()
                    .find(|known| name_of(known) == name_of(item))
                {
                    Some(known) => known.clone_from(item),
                    None => mine.push(item.clone()),
                }
            }
        }
        if switch || first {
            self.current_context.clone_from(&other.current_context);
        }
    }

    /// Drops a cluster's three entries.
    fn drop_cluster(&mut self, cluster: &str) {
        let name = format!("k3d-{cluster}");
        let user = format!("admin@{name}");
        self.clusters.retain(|item| name_of(item) != Some(&name));
        self.users.retain(|item| name_of(item) != Some(&user));
        self.contexts.retain(|item| name_of(item) != Some(&name));
        if self.current_context == name {
            self.current_context.clear();
        }
    }

    fn is_empty(&self) -> bool {
        self.clusters.is_empty() && self.users.is_empty() && self.contexts.is_empty()
    }
}

fn named(name: &str, key: &str, value: Mapping) -> Mapping {
    let mut item = Mapping::new();
    item.insert("name".into(), name.into());
    item.insert(key.into(), value.into());
    item
}

fn name_of(item: &Mapping) -> Option<&str> {
    item.get("name").and_then(Value::as_str)
}

fn decode(text: &str) -> Option<String> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text.trim())
        .ok()?;
    String::from_utf8(bytes).ok()
}

/// The user's default file: the single entry of `KUBECONFIG`, else `~/.kube/config`.
///
/// # Errors
/// Several entries, or no home folder.
pub fn default_path() -> Result<PathBuf> {
    if let Some(value) = std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty()) {
        let mut paths = std::env::split_paths(&value);
        let first = paths.next().unwrap_or_default();
        if paths.next().is_some() {
            return Err(Error::Kubeconfig {
                path: value.into(),
                reason: "KUBECONFIG names several files; set kubeconfig.path to the one to write"
                    .to_owned(),
            });
        }
        return Ok(first);
    }
    let home = std::env::var_os("HOME").ok_or_else(|| Error::Kubeconfig {
        path: "~/.kube/config".into(),
        reason: "HOME is not set; set kubeconfig.path".to_owned(),
    })?;
    Ok(PathBuf::from(home).join(".kube/config"))
}

/// Whether the file holds exactly this cluster's entries, and switched to it where asked.
pub fn is_merged(path: &Path, config: &Kubeconfig, switch: bool) -> Result<bool> {
    let (before, after) = merged(path, config, switch)?;
    Ok(before == after)
}

/// The file as it is, and as it would be with a cluster's entries.
fn merged(path: &Path, config: &Kubeconfig, switch: bool) -> Result<(Kubeconfig, Kubeconfig)> {
    let before = read(path)?.unwrap_or_else(Kubeconfig::empty);
    let mut after = before.clone();
    after.merge(config, switch);
    Ok((before, after))
}

/// What a merge would change in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The cluster's entries: whether there are some, other ones. `None` where they are as they should be.
    pub entries: Option<bool>,
    /// The current context before (empty for none) and after; `None` where it stays.
    pub context: Option<(String, String)>,
}

/// What [`merge_into`] would change. Without a `config`, what it would change for a cluster that is yet to
/// be made.
pub fn difference(
    path: &Path,
    cluster: &str,
    config: Option<&Kubeconfig>,
    switch: bool,
) -> Result<Difference> {
    let unknown = Kubeconfig::unknown(cluster);
    let config = config.unwrap_or(&unknown);
    let (before, after) = merged(path, config, switch)?;
    let of = |found: &Kubeconfig| {
        let (clusters, users) = (found.clusters.clone(), found.users.clone());
        (clusters, users, found.contexts.clone())
    };
    let known = |item: &Mapping| {
        let mut own = config.clusters.iter();
        own.any(|one| name_of(one) == name_of(item))
    };
    let (old, new) = (&before.current_context, &after.current_context);
    Ok(Difference {
        entries: (of(&before) != of(&after)).then(|| before.clusters.iter().any(known)),
        context: (old != new).then(|| (old.clone(), new.clone())),
    })
}

/// Merges a cluster's entries into the file, making it where it is missing.
pub fn merge_into(path: &Path, config: &Kubeconfig, switch: bool) -> Result<()> {
    let _alone = alone(path)?;
    let (before, after) = merged(path, config, switch)?;
    if after == before {
        Ok(())
    } else {
        write(path, &after)
    }
}

/// Whether the file holds any entry of this cluster.
pub fn names_cluster(path: &Path, cluster: &str) -> Result<bool> {
    let Some(found) = read(path)? else {
        return Ok(false);
    };
    let mut without = found.clone();
    without.drop_cluster(cluster);
    Ok(without != found)
}

/// Takes a cluster's entries out of the file; a file that holds nothing else is removed.
pub fn remove_from(path: &Path, cluster: &str) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let _alone = alone(path)?;
    let Some(mut config) = read(path)? else {
        return Ok(());
    };
    let before = config.clone();
    config.drop_cluster(cluster);
    if config == before {
        Ok(())
    } else if config.is_empty() {
        fs::remove_file(path).map_err(|error| failed(path, &error))
    } else {
        write(path, &config)
    }
}

fn read(path: &Path) -> Result<Option<Kubeconfig>> {
    match fs::read_to_string(path) {
        Ok(text) => Kubeconfig::parse(&text)
            .map(Some)
            .map_err(|reason| Error::Kubeconfig {
                path: path.to_owned(),
                reason,
            }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, &error)),
    }
}

/// The file itself, behind links, and its folder.
fn place(path: &Path) -> (PathBuf, PathBuf) {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = target
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).to_owned();
    (target, folder)
}

/// Waits until nobody else of ours changes the file. The lock is on its folder: a file would be left
/// behind, and one named as kubectl's own locks are would stop kubectl.
fn alone(path: &Path) -> Result<fs::File> {
    let (_, folder) = place(path);
    let attempt = || -> std::io::Result<fs::File> {
        fs::create_dir_all(&folder)?;
        let held = fs::File::open(&folder)?;
        held.lock()?;
        Ok(held)
    };
    attempt().map_err(|error| failed(path, &error))
}

fn write(path: &Path, config: &Kubeconfig) -> Result<()> {
    let (target, folder) = place(path);
    let attempt = || -> std::io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(".kubeconfig-")
            .tempfile_in(&folder)?;
        file.as_file()
            .set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(config.to_yaml().as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&target).map_err(|error| error.error)?;
        Ok(())
    };
    attempt().map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::Kubeconfig {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// base64 of `PEM`.
    const NODE: &str = "apiVersion: v1\nkind: Config\nclusters:\n- name: default\n  cluster:\n    \
        server: https://127.0.0.1:6443\n    certificate-authority-data: UEVN\nusers:\n- name: default\n  \
        user:\n    client-certificate-data: UEVN\n    client-key-data: UEVN\ncontexts:\n- name: default\n  \
        context:\n    cluster: default\n    user: default\ncurrent-context: default\n";

    fn config(cluster: &str) -> Kubeconfig {
        Kubeconfig::of_node(NODE.as_bytes(), cluster, "https://127.0.0.1:7443")
            .unwrap()
            .kubeconfig
    }

    #[test]
    fn a_nodes_kubeconfig_gets_k3ds_names_and_the_published_endpoint() {
        let text = config("demo").to_yaml();
        for part in [
            "name: k3d-demo",
            "user: admin@k3d-demo",
            "server: https://127.0.0.1:7443",
            "current-context: k3d-demo",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn merging_keeps_what_is_there_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/config");
        merge_into(&path, &config("one"), true).unwrap();
        merge_into(&path, &config("two"), false).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("k3d-one") && text.contains("k3d-two"));
        assert!(text.contains("current-context: k3d-one"));
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(is_merged(&path, &config("two"), false).unwrap());
        assert!(!is_merged(&path, &config("two"), true).unwrap());
    }

    #[test]
    fn a_merge_is_told_by_what_it_would_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let told = |name: &str, switch| {
            let config = config(name);
            let known = difference(&path, name, Some(&config), switch).unwrap();
            if known.entries.is_some() {
                let foretold = difference(&path, name, None, switch).unwrap();
                assert_eq!(known, foretold, "{name}");
            }
            known
        };
        let context = |before: &str, after: &str| Some((before.to_owned(), after.to_owned()));
        let first = told("one", false);
        assert_eq!(
            (first.entries, first.context),
            (Some(false), context("", "k3d-one"))
        );
        merge_into(&path, &config("one"), false).unwrap();
        assert_eq!(
            told("one", true),
            Difference {
                entries: None,
                context: None
            }
        );
        assert_eq!(
            told("two", false),
            Difference {
                entries: Some(false),
                context: None
            }
        );
        merge_into(&path, &config("two"), false).unwrap();
        let switched = told("two", true);
        assert_eq!(
            (switched.entries, switched.context),
            (None, context("k3d-one", "k3d-two"))
        );
        let text = fs::read_to_string(&path).unwrap().replace("7443", "7444");
        fs::write(&path, text).unwrap();
        assert_eq!(told("two", false).entries, Some(true));
    }

    #[test]
    fn removing_the_last_cluster_removes_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        merge_into(&path, &config("one"), true).unwrap();
        merge_into(&path, &config("two"), true).unwrap();
        remove_from(&path, "two").unwrap();
        assert!(!fs::read_to_string(&path).unwrap().contains("k3d-two"));
        remove_from(&path, "one").unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn removing_the_current_cluster_changes_nothing_for_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        merge_into(&path, &config("one"), true).unwrap();
        merge_into(&path, &config("two"), true).unwrap();
        remove_from(&path, "two").unwrap();
        assert!(is_merged(&path, &config("one"), false).unwrap());
        assert!(!is_merged(&path, &config("one"), true).unwrap());
    }

    #[test]
    fn many_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let names: Vec<String> = (0..16).map(|number| format!("c{number}")).collect();
        std::thread::scope(|scope| {
            for name in &names {
                let path = &path;
                scope.spawn(move || merge_into(path, &config(name), false).unwrap());
            }
        });
        for name in &names {
            assert!(is_merged(&path, &config(name), false).unwrap(), "{name}");
        }
        std::thread::scope(|scope| {
            for name in &names[1..] {
                let path = &path;
                scope.spawn(move || remove_from(path, name).unwrap());
            }
        });
        assert!(is_merged(&path, &config("c0"), false).unwrap());
        assert!(!is_merged(&path, &config("c7"), false).unwrap());
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn a_broken_file_is_refused_without_quoting_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        fs::write(&path, "users: {secret-key: [").unwrap();
        let text = merge_into(&path, &config("one"), true)
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("is no kubeconfig") && !text.contains("secret-key"),
            "{text}"
        );
    }
}
