//! Turns at kubeconfig files: with other runs of Atlas, and with kubectl.
//!
//! kubectl changes `config` while it holds a file `config.lock` that it made and nobody else could, and gives up at
//! once where there is one. Such a file outlives its maker. Ours says whose it is and is locked by the system, so that
//! the next of us sees whether its maker is gone. Among us a lock on the folder decides, which ends with its holder.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::place::{behind_links, folder_of};
use crate::context::Scope;
use crate::error::{Error, Result};

/// How often a turn is tried that somebody else has: they take milliseconds.
const RETRY: Duration = Duration::from_millis(20);
/// How long somebody else may hold a file before it is taken for left behind.
const PATIENCE: Duration = Duration::from_secs(30);
/// What our lock files begin with.
const OURS: &str = "atlas";

/// The turn at some files, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    marks: Vec<Mark>,
    folders: Vec<File>,
    files: Vec<PathBuf>,
}

impl Turn {
    /// Whether it is the turn at this file: there was a folder to lock.
    pub(super) fn is_at(&self, file: &Path) -> bool {
        self.files.iter().any(|known| known == file)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // While the folders are still locked.
        self.marks.clear();
    }
}

/// A lock file as kubectl makes them.
#[derive(Debug)]
struct Mark {
    path: PathBuf,
    /// The system's lock on it.
    #[allow(dead_code, reason = "holding it is all")]
    held: File,
}

impl Drop for Mark {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!("removing {}: {error}", self.path.display());
        }
    }
}

/// Waits for the turn at all of these files whose folders exist.
///
/// # Errors
/// The time limit and cancellation of `scope`; a lock file that stays.
pub(super) async fn take(scope: &Scope, files: &[PathBuf]) -> Result<Turn> {
    take_within(scope, files, PATIENCE).await
}

async fn take_within(scope: &Scope, files: &[PathBuf], patience: Duration) -> Result<Turn> {
    let waiting = async {
        let start = Instant::now();
        loop {
            match attempt(files) {
                Ok(turn) => return Ok(turn),
                Err((file, Attempt::Failed(error))) => {
                    return Err(Error::Kubeconfig {
                        path: file,
                        reason: error.to_string(),
                    });
                }
                Err((file, Attempt::Held(by))) if start.elapsed() >= patience => {
                    return Err(Error::Kubeconfig {
                        path: file,
                        reason: by.told(),
                    });
                }
                Err((_, Attempt::Held(_))) => tokio::time::sleep(RETRY).await,
            }
        }
    };
    scope
        .guard("waiting for the lock of a kubeconfig file", waiting)
        .await
}

/// Why it is not our turn.
#[derive(Debug)]
enum Attempt {
    Held(Holder),
    Failed(io::Error),
}

/// Who has the turn.
#[derive(Debug)]
enum Holder {
    Atlas,
    Kubectl(PathBuf),
}

impl Holder {
    fn told(&self) -> String {
        match self {
            Self::Atlas => {
                "another run of Atlas has locked it. Wait until that run ends".to_owned()
            }
            Self::Kubectl(mark) => format!(
                "kubectl has locked it by {mark}. If no kubectl is running, remove that file",
                mark = mark.display()
            ),
        }
    }
}

impl From<io::Error> for Attempt {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// All at once or none, so that two who want several never wait for each other.
fn attempt(files: &[PathBuf]) -> Result<Turn, (PathBuf, Attempt)> {
    let mut turn = Turn {
        marks: Vec::new(),
        folders: Vec::new(),
        files: Vec::new(),
    };
    let mut known = Vec::new();
    for file in files {
        let told = |attempt| (file.clone(), attempt);
        let target = behind_links(file).map_err(|error| told(error.into()))?;
        let folder = folder_of(&target);
        let Ok(folder) = fs::canonicalize(folder) else {
            continue;
        };
        if !known.contains(&folder) {
            turn.folders.extend(lock_folder(&folder).map_err(told)?);
            known.push(folder);
        }
        turn.marks.extend(mark(file).map_err(told)?);
        turn.files.push(file.clone());
    }
    Ok(turn)
}

/// `None` where the file system knows no locks, or this user may not look into the folder.
fn lock_folder(folder: &Path) -> Result<Option<File>, Attempt> {
    let Ok(held) = File::open(folder) else {
        return Ok(None);
    };
    match held.try_lock() {
        Ok(()) => Ok(Some(held)),
        Err(TryLockError::WouldBlock) => Err(Attempt::Held(Holder::Atlas)),
        Err(TryLockError::Error(error)) => {
            tracing::debug!("locking {}: {error}", folder.display());
            Ok(None)
        }
    }
}

/// kubectl's lock file. `None` where none can be made: there kubectl cannot change the file either.
fn mark(file: &Path) -> Result<Option<Mark>, Attempt> {
    let mut path = file.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    for _ in 0..2 {
        let made = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        match made {
            Ok(mut held) => {
                // What it says comes last: who reads it finds it locked.
                held.lock()?;
                write!(held, "{OURS} {}", std::process::id())?;
                return Ok(Some(Mark { path, held }));
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => match who(&path) {
                Some(holder) => return Err(Attempt::Held(holder)),
                None => match fs::remove_file(&path) {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
                    _ => {}
                },
            },
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::PermissionDenied
                        | ErrorKind::ReadOnlyFilesystem
                        | ErrorKind::NotFound
                        | ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(Attempt::Held(Holder::Atlas))
}

/// Who holds a lock file; `None` where that was one of us who is gone.
fn who(path: &Path) -> Option<Holder> {
    let mut said = String::new();
    let read = File::open(path).and_then(|mut file| {
        file.read_to_string(&mut said)?;
        Ok(file)
    });
    match read {
        Ok(file) if said.starts_with(OURS) => match file.try_lock() {
            Ok(()) => None,
            Err(_) => Some(Holder::Atlas),
        },
        _ => Some(Holder::Kubectl(path.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (file, mark) = (
            folder.path().join("config"),
            folder.path().join("config.lock"),
        );
        (folder, file, mark)
    }

    async fn try_once(file: &Path) -> Result<Turn> {
        take_within(&Scope::default(), &[file.to_owned()], Duration::ZERO).await
    }

    #[tokio::test]
    async fn one_has_the_turn_at_a_time_and_kubectl_sees_it() {
        let (folder, file, mark) = file();
        let turn = try_once(&file).await.unwrap();
        assert!(mark.exists() && turn.is_at(&file));
        let told = try_once(&file).await.unwrap_err().to_string();
        assert!(told.contains("another run of Atlas"), "{told}");
        drop(turn);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        try_once(&file).await.unwrap();
    }

    #[tokio::test]
    async fn the_turn_is_kubectls_while_its_lock_file_is_there() {
        let (_folder, file, mark) = file();
        File::options()
            .write(true)
            .create_new(true)
            .mode(0o0)
            .open(&mark)
            .unwrap();
        let told = try_once(&file).await.unwrap_err().to_string();
        assert!(
            told.contains("remove that file") && told.contains("config.lock"),
            "{told}"
        );
        assert!(mark.exists());
        fs::remove_file(&mark).unwrap();
        try_once(&file).await.unwrap();
    }

    #[tokio::test]
    async fn what_a_killed_run_left_holds_up_nobody() {
        let (_folder, file, mark) = file();
        fs::write(&mark, "atlas 1").unwrap();
        drop(try_once(&file).await.unwrap());
        assert!(!mark.exists());
    }

    #[tokio::test]
    async fn waiting_ends_with_the_time_limit_and_when_the_user_stops_it() {
        let (_folder, file, mark) = file();
        fs::write(&mark, "").unwrap();
        let files = [file];
        let late = Scope::default().with_timeout(Duration::from_millis(30));
        let told = take(&late, &files).await.unwrap_err();
        assert!(matches!(told, Error::TimedOut { .. }), "{told}");
        let stopped = Scope::default();
        let (told, ()) = tokio::join!(take(&stopped, &files), async {
            tokio::task::yield_now().await;
            stopped.cancel.cancel();
        });
        assert!(matches!(told, Err(Error::Cancelled { .. })), "{told:?}");
    }

    #[tokio::test]
    async fn several_files_in_one_folder_are_one_turn() {
        let (folder, first, _) = file();
        let second = folder.path().join("second");
        let missing = folder.path().join("none/config");
        let files = [first.clone(), second.clone(), missing.clone()];
        let turn = take(&Scope::default(), &files).await.unwrap();
        assert!(turn.is_at(&first) && turn.is_at(&second) && !turn.is_at(&missing));
        assert!(try_once(&second).await.is_err());
    }
}
