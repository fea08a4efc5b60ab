//! Writes and removes a file of the user's: behind its links, with its owner, group and mode.
//!
//! A new file is renamed over the old one, so that nobody reads half of one. Where that cannot be, as of a file
//! that is mounted by itself, or would part what belongs together, as other names of one file, it is written in
//! place.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use rustix::io::Errno;
use tempfile::NamedTempFile;

use super::place::{behind_links, folder_of, is_missing, no_file, private_mode};

/// What puts a new file into the place of an old one.
type Rename = fn(NamedTempFile, &Path) -> io::Result<()>;

fn rename(new: NamedTempFile, old: &Path) -> io::Result<()> {
    new.persist(old).map(drop).map_err(|error| error.error)
}

/// Writes the file, which others can read no longer.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    write_by(path, text, rename)
}

fn write_by(path: &Path, text: &str, rename: Rename) -> io::Result<()> {
    let file = behind_links(path)?;
    let about = match fs::metadata(&file) {
        Ok(about) => Some(about),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let Some(about) = about else {
        fs::create_dir_all(folder_of(&file))?;
        return rename(prepared(&file, text, None)?, &file);
    };
    if let Some(reason) = no_file(&about) {
        return Err(io::Error::other(reason));
    }
    if about.permissions().mode() & 0o200 == 0 {
        return Err(Errno::ACCESS.into());
    }
    if is_of_one_name(&file, &about) {
        match prepared(&file, text, Some(&about)).and_then(|new| rename(new, &file)) {
            Err(error) if is_denied(&error) => {}
            done => return done,
        }
    }
    write_in_place(&file, &about, text)
}

/// Takes others' rights from the file.
pub(super) fn close(path: &Path) -> io::Result<()> {
    let file = behind_links(path)?;
    let mode = private_mode(Some(fs::metadata(&file)?.permissions().mode()));
    fs::set_permissions(&file, Permissions::from_mode(mode))
}

/// Removes the file; where only its content can go, leaves it empty.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let file = behind_links(path)?;
    let about = match fs::metadata(&file) {
        Ok(about) => about,
        Err(error) if is_missing(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    if is_of_one_name(&file, &about) {
        match fs::remove_file(&file) {
            Err(error) if is_denied(&error) => {}
            done => return done,
        }
    }
    write_in_place(&file, &about, "")
}

/// Whether a file may become another one: it has no other names, which would keep the old one, and no list of
/// rights, which the new one would lack.
fn is_of_one_name(file: &Path, about: &Metadata) -> bool {
    let rights = "system.posix_acl_access";
    about.nlink() == 1 && rustix::fs::getxattr(file, rights, &mut [0_u8; 0][..]).is_err()
}

/// Whether an error of replacing a file is one that writing in place does not meet: the folder cannot be changed, the
/// file is a mount of its own, or the new one cannot be given the old one's owner.
fn is_denied(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::ResourceBusy
            | ErrorKind::CrossesDevices
    )
}

/// A new file beside an old one, with its owner, group and mode.
fn prepared(file: &Path, text: &str, old: Option<&Metadata>) -> io::Result<NamedTempFile> {
    let mut new = tempfile::Builder::new()
        .prefix(".kubeconfig-")
        .tempfile_in(folder_of(file))?;
    let about = new.as_file().metadata()?;
    if let Some(old) = old
        && (old.uid(), old.gid()) != (about.uid(), about.gid())
    {
        fchown(new.as_file(), Some(old.uid()), Some(old.gid()))?;
    }
    // After the owner, whose change takes some rights away.
    let mode = private_mode(old.map(|old| old.permissions().mode()));
    new.as_file()
        .set_permissions(Permissions::from_mode(mode))?;
    new.write_all(text.as_bytes())?;
    new.as_file().sync_all()?;
    Ok(new)
}

fn write_in_place(path: &Path, about: &Metadata, text: &str) -> io::Result<()> {
    let mut file = File::options().write(true).open(path)?;
    let before = about.permissions().mode() & 0o7777;
    let mode = private_mode(Some(before));
    // Before there are keys in it.
    if mode != before {
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    file.write_all(text.as_bytes())?;
    let end = file.stream_position()?;
    file.set_len(end)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    fn folder_with(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn names(folder: &Path) -> Vec<String> {
        let found = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = found
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_keeps_its_mode_and_is_closed_to_others() {
        for (before, after) in [(0o600, 0o600), (0o640, 0o640), (0o644, 0o600)] {
            let (folder, path) = folder_with("old, and longer", before);
            write(&path, "new").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "new");
            assert_eq!(mode(&path), after, "{before:o}");
            assert_eq!(names(folder.path()), ["config"]);
        }
    }

    #[test]
    fn a_file_of_another_user_stays_that_users_own() {
        let (_folder, path) = folder_with("old", 0o640);
        if !rustix::process::geteuid().is_root() {
            return;
        }
        std::os::unix::fs::chown(&path, Some(1234), Some(2345)).unwrap();
        write(&path, "new").unwrap();
        let about = fs::metadata(&path).unwrap();
        assert_eq!((about.uid(), about.gid(), mode(&path)), (1234, 2345, 0o640));
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn links_are_written_through_also_where_they_dangle() {
        let (folder, path) = folder_with("old", 0o600);
        let (link, again) = (folder.path().join("link"), folder.path().join("again"));
        symlink("config", &link).unwrap();
        symlink(&link, &again).unwrap();
        write(&again, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        let dangling = folder.path().join("dangling");
        symlink("deep/target", &dangling).unwrap();
        write(&dangling, "made").unwrap();
        for link in [&link, &again, &dangling] {
            assert!(fs::symlink_metadata(link).unwrap().is_symlink());
        }
        let target = folder.path().join("deep/target");
        assert_eq!(
            (fs::read_to_string(&target).unwrap().as_str(), mode(&target)),
            ("made", 0o600)
        );
        remove(&dangling).unwrap();
        assert!(!target.exists() && fs::symlink_metadata(&dangling).is_ok());
    }

    #[test]
    fn other_names_of_a_file_stay_names_of_it() {
        let (folder, path) = folder_with("old, and longer", 0o644);
        let other = folder.path().join("other");
        fs::hard_link(&path, &other).unwrap();
        write(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "new");
        assert_eq!(mode(&other), 0o600);
        // No key is left under the other name.
        remove(&path).unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "");
    }

    #[test]
    fn what_cannot_be_replaced_is_written_in_place() {
        let busy: Rename = |_, _| Err(Errno::BUSY.into());
        let read_only: Rename = |_, _| Err(Errno::ROFS.into());
        let denied: Rename = |_, _| Err(Errno::ACCESS.into());
        for rename in [busy, read_only, denied] {
            let (folder, path) = folder_with("old, and longer", 0o644);
            let before = fs::metadata(&path).unwrap().ino();
            write_by(&path, "new", rename).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "new");
            assert_eq!(fs::metadata(&path).unwrap().ino(), before);
            assert_eq!(mode(&path), 0o600);
            assert_eq!(names(folder.path()), ["config"]);
        }
        let full: Rename = |_, _| Err(Errno::NOSPC.into());
        let (_folder, path) = folder_with("old", 0o600);
        assert!(write_by(&path, "new", full).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    }

    #[test]
    fn a_file_that_is_mounted_by_itself_is_written_in_place() {
        let (folder, path) = folder_with("old, and longer", 0o600);
        let mount = |args: &[&str]| {
            let run = std::process::Command::new(args[0])
                .args(&args[1..])
                .output();
            run.is_ok_and(|run| run.status.success())
        };
        let place = path.to_str().unwrap();
        let source = folder.path().join("source");
        fs::write(&source, "old").unwrap();
        if !mount(&["mount", "--bind", source.to_str().unwrap(), place]) {
            return;
        }
        let written = write(&path, "new");
        let said = fs::read_to_string(&source);
        let removed = remove(&path);
        let left = fs::read_to_string(&source);
        assert!(mount(&["umount", place]));
        written.unwrap();
        removed.unwrap();
        assert_eq!(
            (said.unwrap().as_str(), left.unwrap().as_str()),
            ("new", "")
        );
    }

    /// What `work` comes to for a user without any privilege.
    fn as_nobody<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let run = scope.spawn(|| {
                // Of this thread alone.
                if rustix::process::geteuid().is_root() {
                    let (user, group) = (
                        rustix::fs::Uid::from_raw(NOBODY),
                        rustix::fs::Gid::from_raw(NOBODY),
                    );
                    rustix::thread::set_thread_groups(&[]).unwrap();
                    rustix::thread::set_thread_res_gid(group, group, group).unwrap();
                    rustix::thread::set_thread_res_uid(user, user, user).unwrap();
                }
                work()
            });
            run.join().unwrap()
        })
    }

    const NOBODY: u32 = 65534;

    #[test]
    fn what_the_user_has_no_right_on_is_found_beforehand_and_nothing_more_is_needed_than_it_takes()
    {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        // Owner and mode of the file, the folder's mode, and what is in the way.
        let table = [
            (NOBODY, 0o600, 0o777, None),
            (NOBODY, 0o600, 0o755, None),
            (0, 0o600, 0o777, Some("ermission denied")),
            (0, 0o644, 0o777, Some("accessible to everybody")),
            (0, 0o646, 0o777, Some("accessible to everybody")),
        ];
        for (owner, mode, folder_mode, wanted) in table {
            let (folder, path) = folder_with("old, and longer", mode);
            std::os::unix::fs::chown(&path, Some(owner), Some(owner)).unwrap();
            fs::set_permissions(folder.path(), Permissions::from_mode(folder_mode)).unwrap();
            let (found, written) = as_nobody(|| {
                let found = super::super::place::obstacle(&path);
                let written = found.is_none().then(|| write(&path, "new"));
                (found, written)
            });
            if let Some(part) = wanted {
                let found = found.unwrap_or_default();
                assert!(found.contains(part), "{owner} {mode:o}: {found}");
            } else {
                assert_eq!(found, None);
                written.unwrap().unwrap();
                assert_eq!(fs::read_to_string(&path).unwrap(), "new");
            }
            assert_eq!(fs::metadata(&path).unwrap().uid(), owner);
        }
        let closed = tempfile::tempdir().unwrap();
        fs::set_permissions(closed.path(), Permissions::from_mode(0o755)).unwrap();
        let found = as_nobody(|| super::super::place::obstacle(&closed.path().join("a/b")));
        assert!(found.unwrap().contains("cannot create a file in"));
    }

    #[test]
    fn a_protected_file_and_a_folder_are_left_alone() {
        let (folder, path) = folder_with("old", 0o400);
        assert!(write(&path, "new").is_err());
        assert_eq!(
            (fs::read_to_string(&path).unwrap().as_str(), mode(&path)),
            ("old", 0o400)
        );
        let told = write(folder.path(), "new").unwrap_err().to_string();
        assert!(told.contains("is a folder"), "{told}");
    }
}
