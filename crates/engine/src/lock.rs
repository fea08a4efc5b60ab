//! Locks between processes: Terraform runs one provider for every alias, and two of them may come to the
//! same bridge at once. A lock is a file in a folder of this user's own; it ends with its holder, however
//! that ends.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::context::Context;
use crate::error::{Error, Result};

/// How often a lock that somebody else holds is tried. To wait for it in a thread would keep the process
/// from ending when the user stops it.
const RETRY: Duration = Duration::from_millis(50);

/// Held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock(#[allow(dead_code, reason = "holding it is all")] File);

/// Waits for the lock of this name.
pub(crate) async fn take(cx: &Context, name: &str) -> Result<Lock> {
    take_in(cx, &folder(), name).await
}

async fn take_in(cx: &Context, folder: &Path, name: &str) -> Result<Lock> {
    let file = open(folder, name).map_err(|reason| Error::Unexpected {
        what: format!("the lock {}", folder.join(name).display()),
        reason,
    })?;
    let waiting = async {
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(fs::TryLockError::WouldBlock) => tokio::time::sleep(RETRY).await,
                Err(fs::TryLockError::Error(error)) => {
                    return Err(Error::Unexpected {
                        what: format!("the lock {}", folder.join(name).display()),
                        reason: error.to_string(),
                    });
                }
            }
        }
    };
    cx.guard("waiting for another run of Atlas", waiting)
        .await?;
    Ok(Lock(file))
}

/// The runtime folder, which the system keeps private; else one in the temporary folder.
fn folder() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
        Some(runtime) if runtime.is_dir() => runtime.join("atlas"),
        _ => std::env::temp_dir().join(format!("atlas-{}", user())),
    }
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn open(folder: &Path, name: &str) -> Result<File, String> {
    let text = |error: std::io::Error| error.to_string();
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(text(error)),
        _ => {}
    }
    // Anyone may have made it in the temporary folder before: neither theirs nor a link is taken.
    let found = fs::symlink_metadata(folder).map_err(text)?;
    if !found.is_dir() || found.uid() != user() {
        return Err(format!(
            "{} is not a folder of this user's own; remove it",
            folder.display()
        ));
    }
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join(name))
        .map_err(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_a_link_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path(), &link).unwrap();
        assert!(open(&link, "x").is_err());
    }

    #[test]
    fn one_holds_it_at_a_time_and_dropping_it_gives_it_back() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("locks");
        let first = open(&place, "x").unwrap();
        first.lock().unwrap();
        let second = open(&place, "x").unwrap();
        assert!(second.try_lock().is_err());
        drop(first);
        assert!(second.try_lock().is_ok());
    }
}
