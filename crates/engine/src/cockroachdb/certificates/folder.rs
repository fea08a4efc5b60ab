//! A folder with an authority: what in it Atlas made, which clusters use it, and what in it grows old.
//!
//! A file in it notes the first two, because the folder may be the user's, and clusters may share it. What was made before
//! that was noted counts as the user's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::authority::{AUTHORITY, AUTHORITY_KEY, ROOT, ROOT_KEY, make_folder};
use super::{Certificate, read, unreadable, write};
use crate::context::Context;
use crate::error::Result;

/// Where it is noted.
const NOTES: &str = ".atlas-cockroachdb.json";
/// For whoever opens that.
const ABOUT: &str = "Written by Atlas. When the last of these clusters is destroyed, Atlas removes the files that it made, \
                     where they are still its own.";
/// How often a folder that somebody else changes is tried.
const RETRY: Duration = Duration::from_millis(50);

/// What is noted of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Notes {
    about: String,
    /// Files that Atlas made, with what tells that they are still these: a certificate's serial number, and the identifier
    /// of a key.
    made: BTreeMap<String, String>,
    /// The clusters that use it.
    clusters: BTreeSet<String>,
}

impl Notes {
    /// Those of a folder. What cannot be understood says nothing, so that nothing is removed because of it.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let text = read(&folder.join(NOTES))?;
        let parsed = text.and_then(|text| serde_json::from_str(&text).ok());
        Ok(parsed.unwrap_or_default())
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let notes = Self {
            about: ABOUT.to_owned(),
            ..self.clone()
        };
        let text = serde_json::to_string_pretty(&notes);
        let path = folder.join(NOTES);
        let text = text.map_err(|error| unreadable(&path, &error.to_string()))?;
        write(&path, &(text + "\n"))
    }

    /// Notes that Atlas makes this certificate; of a key, the certificate of it.
    pub(super) fn note(&mut self, file: &str, certificate: &str) {
        if let Some(about) = Certificate::parse(certificate.as_bytes()) {
            self.made.insert(file.to_owned(), mark(file, &about));
        }
    }

    /// Whether Atlas made this file, of which this is the certificate.
    pub(super) fn has_made(&self, file: &str, certificate: &Certificate) -> bool {
        self.made.get(file) == Some(&mark(file, certificate))
    }

    /// Notes a cluster; `false` where it is noted already.
    pub(super) fn add_user(&mut self, cluster: &str) -> bool {
        self.clusters.insert(cluster.to_owned())
    }
}

/// What tells a file from another of its name.
fn mark(file: &str, certificate: &Certificate) -> String {
    if file == AUTHORITY_KEY {
        let bytes = certificate.subject_key.iter();
        bytes.map(|byte| format!("{byte:02x}")).collect()
    } else {
        certificate.serial.clone()
    }
}

/// What is to be done in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    /// Makes the authority's certificate anew, with the same key.
    RenewAuthority,
    /// Makes root's client certificate anew.
    RenewRoot,
}

/// What is in a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folder {
    /// The text of the authority's certificate, which nodes have as it is; empty where there is none.
    pub(in super::super) trust: String,
    authority: Option<Certificate>,
    root: Option<Certificate>,
    has_key: bool,
    has_root_key: bool,
    is_ours: bool,
}

impl Folder {
    /// Looks into one.
    ///
    /// # Errors
    /// [`crate::Error::Certificate`] where a file cannot be read.
    pub fn look(folder: &Path) -> Result<Self> {
        let trust = read(&folder.join(AUTHORITY))?.unwrap_or_default();
        let authority = Certificate::parse(trust.as_bytes());
        let root = read(&folder.join(ROOT))?;
        let notes = Notes::read(folder)?;
        let made = |one: &Certificate| notes.has_made(AUTHORITY, one);
        Ok(Self {
            is_ours: authority.as_ref().is_some_and(made),
            trust,
            authority,
            root: root.and_then(|pem| Certificate::parse(pem.as_bytes())),
            has_key: folder.join(AUTHORITY_KEY).exists(),
            has_root_key: folder.join(ROOT_KEY).exists(),
        })
    }

    /// What is to be done in it. Without the authority's key nothing can be.
    pub fn tasks(&self, now: SystemTime) -> Vec<Task> {
        let (Some(authority), true) = (&self.authority, self.has_key) else {
            return Vec::new();
        };
        let mut tasks = Vec::new();
        if self.is_ours && authority.ends_soon(now) {
            tasks.push(Task::RenewAuthority);
        }
        let good = |root: &Certificate| !root.is_due(now) && root.is_signed_by(authority);
        if !self.root.as_ref().is_some_and(good) || !self.has_root_key {
            tasks.push(Task::RenewRoot);
        }
        tasks
    }

    /// What the user has to see to, and how.
    pub fn warning(&self, now: SystemTime) -> Option<String> {
        let authority = self.authority.as_ref()?;
        if authority.ends_soon(now) && !(self.is_ours && self.has_key) {
            return Some(format!(
                "{AUTHORITY} is valid for {} days more, and so are all certificates that it signed. Atlas did not \
                 make it, or its key is not here. Make a new certificate of the same key, for instance by `openssl \
                 x509 -in {AUTHORITY} -signkey {AUTHORITY_KEY} -days 3650 -out new.crt`, and replace {AUTHORITY} with \
                 it. Atlas gives it to the nodes in its next run, without a restart. Clients need the new file too.",
                authority.days_left(now)
            ));
        }
        let root = self.root.as_ref().filter(|root| root.is_due(now))?;
        (!self.has_key).then(|| {
            format!(
                "{ROOT} is valid for {} days more, and cannot be renewed, because {AUTHORITY_KEY} is not beside it. Put it \
                 there before Atlas runs next.",
                root.days_left(now)
            )
        })
    }
}

/// Held until it is dropped: nobody else changes the folder. Made if it is not there.
pub(in super::super) struct Alone(#[expect(dead_code, reason = "holding it is all")] File);

/// Waits until nobody else changes the folder: clusters of several daemons may share it.
pub(in super::super) async fn alone(cx: &Context, folder: &Path) -> Result<Alone> {
    make_folder(folder)?;
    let failed = |error: std::io::Error| unreadable(folder, &format!("cannot lock it: {error}"));
    let file = File::open(folder).map_err(failed)?;
    let waiting = async {
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(RETRY).await,
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
    };
    cx.guard("waiting for another run of Atlas", waiting)
        .await?;
    Ok(Alone(file))
}

/// Removes what Atlas made in a folder, and the folder where nothing else is in it; all of it stays while another cluster
/// than this one uses it. Where what signs certificates stays, returns why.
pub(in super::super) fn remove(folder: &Path, user: &str) -> Result<Option<String>> {
    let mut notes = Notes::read(folder)?;
    notes.clusters.remove(user);
    if !notes.clusters.is_empty() {
        let others: Vec<&str> = notes.clusters.iter().map(String::as_str).collect();
        notes.write(folder)?;
        return Ok(Some(format!(
            "The certificates in {} are also used by {}.",
            folder.display(),
            others.join(", ")
        )));
    }
    let certificate = |name: &str| -> Result<Option<Certificate>> {
        let pem = read(&folder.join(name))?;
        Ok(pem.and_then(|pem| Certificate::parse(pem.as_bytes())))
    };
    let (authority, root) = (certificate(AUTHORITY)?, certificate(ROOT)?);
    // A certificate that is gone already was removed by a run that was killed.
    let ours = |file: &str, found: &Option<Certificate>| match found {
        Some(found) => notes.has_made(file, found),
        None => notes.made.contains_key(file),
    };
    // Without its certificate a key is not taken for an authority that lost its own.
    for (name, is_ours) in [
        (ROOT_KEY, ours(ROOT, &root)),
        (ROOT, ours(ROOT, &root)),
        (AUTHORITY, ours(AUTHORITY, &authority)),
        (AUTHORITY_KEY, ours(AUTHORITY_KEY, &authority)),
        (NOTES, true),
    ] {
        if is_ours {
            remove_file(&folder.join(name))?;
        }
    }
    // Other files keep it.
    let _ = fs::remove_dir(folder);
    let stays = folder.join(AUTHORITY_KEY).exists();
    Ok(stays.then(|| {
        format!(
            "Atlas did not create the authority in {} and leaves it there.",
            folder.display()
        )
    }))
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(unreadable(path, &format!("cannot remove it: {error}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::authority::tests::bring;
    use super::super::{AUTHORITY_DAYS, Authority, CLIENT_DAYS, DAY};
    use super::*;

    fn files(folder: &Path) -> Vec<String> {
        let Ok(listed) = fs::read_dir(folder) else {
            return Vec::new();
        };
        let names = listed.map(|one| one.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn what_atlas_made_goes_with_the_last_cluster_that_uses_it() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("certs");
        Authority::ensure(&folder, "a").unwrap();
        Authority::ensure(&folder, "b").unwrap();
        let before = files(&folder);
        let told = remove(&folder, "a").unwrap().unwrap();
        assert!(told.ends_with("also used by b."), "{told}");
        assert_eq!(files(&folder), before);
        assert_eq!(remove(&folder, "b").unwrap(), None);
        assert!(!folder.exists());
        // One that is gone is as good.
        assert_eq!(remove(&folder, "b").unwrap(), None);
    }

    #[test]
    fn what_the_user_brought_stays() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("certs");
        bring(&folder, 3000);
        Authority::ensure(&folder, "a").unwrap();
        let told = remove(&folder, "a").unwrap().unwrap();
        assert!(told.contains("did not create the authority"), "{told}");
        assert_eq!(files(&folder), [AUTHORITY, AUTHORITY_KEY]);

        // The key alone is brought, too; and a file of somebody else keeps the folder.
        fs::remove_file(folder.join(AUTHORITY)).unwrap();
        fs::write(folder.join("client.teller.crt"), "x").unwrap();
        Authority::ensure(&folder, "a").unwrap();
        remove(&folder, "a").unwrap();
        assert_eq!(files(&folder), [AUTHORITY_KEY, "client.teller.crt"]);
    }

    #[test]
    fn what_was_put_in_the_place_of_ours_stays() {
        let folder = tempfile::tempdir().unwrap();
        Authority::ensure(folder.path(), "a").unwrap();
        bring(folder.path(), 3000);
        remove(folder.path(), "a").unwrap();
        assert_eq!(files(folder.path()), [AUTHORITY, AUTHORITY_KEY]);
    }

    #[test]
    fn what_was_made_before_it_was_noted_stays() {
        let folder = tempfile::tempdir().unwrap();
        Authority::ensure(folder.path(), "a").unwrap();
        for notes in ["", "{\"made\": 7}"] {
            fs::write(folder.path().join(NOTES), notes).unwrap();
            assert!(remove(folder.path(), "a").unwrap().is_some());
            assert_eq!(files(folder.path()).len(), 4, "{notes:?}");
        }
    }

    #[test]
    fn a_removal_that_was_killed_goes_on() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("certs");
        for gone in [
            &[ROOT_KEY, ROOT][..],
            &[ROOT_KEY, ROOT, AUTHORITY],
            &[ROOT_KEY, ROOT, AUTHORITY, AUTHORITY_KEY],
        ] {
            Authority::ensure(&folder, "a").unwrap();
            for name in gone {
                fs::remove_file(folder.join(name)).unwrap();
            }
            assert_eq!(remove(&folder, "a").unwrap(), None);
            assert!(!folder.exists(), "{gone:?}");
        }
    }

    #[test]
    fn what_grows_old_is_renewed_ahead_of_its_end() {
        let folder = tempfile::tempdir().unwrap();
        Authority::ensure(folder.path(), "a").unwrap();
        let look = || Folder::look(folder.path()).unwrap();
        let now = SystemTime::now();
        let of_root = now + DAY * (CLIENT_DAYS * 2 / 3 + 1);
        let of_authority = now + DAY * (AUTHORITY_DAYS - 364);
        assert_eq!(look().tasks(now), []);
        assert_eq!(look().tasks(of_root), [Task::RenewRoot]);
        let both = [Task::RenewAuthority, Task::RenewRoot];
        assert_eq!(look().tasks(of_authority), both);
        assert_eq!(look().warning(of_authority), None);
        for name in [ROOT, ROOT_KEY] {
            fs::remove_file(folder.path().join(name)).unwrap();
            assert_eq!(look().tasks(now), [Task::RenewRoot], "{name}");
            Authority::ensure(folder.path(), "a").unwrap();
            assert_eq!(look().tasks(now), [], "{name}");
        }
        // Without the key nothing can be renewed, which is for the user to know.
        fs::remove_file(folder.path().join(AUTHORITY_KEY)).unwrap();
        assert_eq!(look().tasks(of_root), []);
        let told = look().warning(of_root).unwrap_or_default();
        assert!(told.contains("client.root.crt"), "{told}");
        assert_eq!(look().warning(now), None);
        assert_eq!(Folder::default().tasks(of_authority), []);
    }

    #[test]
    fn an_authority_that_was_brought_is_warned_of_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        bring(folder.path(), 90);
        Authority::ensure(folder.path(), "a").unwrap();
        let found = Folder::look(folder.path()).unwrap();
        let now = SystemTime::now();
        assert_eq!(found.warning(now + DAY * 50), None);
        let told = found.warning(now + DAY * 70).unwrap_or_default();
        assert!(
            told.contains("19 days") && told.contains("openssl x509"),
            "{told}"
        );
        assert_eq!(found.tasks(now + DAY * 70), []);
    }
}
