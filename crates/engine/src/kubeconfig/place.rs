//! Which file a path means, and whether it can be written, found out before anything depends on it.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

/// As many links as Linux follows.
const MOST_LINKS: usize = 40;

/// The files that `KUBECONFIG` names, by kubectl's rules, else `~/.kube/config`. Empty entries are ignored,
/// and so are repeated ones.
pub(super) fn usual(variable: Option<&OsStr>, home: Option<&Path>) -> Option<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for path in variable.into_iter().flat_map(std::env::split_paths) {
        if !path.as_os_str().is_empty() && !paths.contains(&path) {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        let home = home.filter(|home| !home.as_os_str().is_empty())?;
        paths.push(home.join(".kube/config"));
    }
    Some(paths)
}

/// The file itself, behind links, be it there or not.
pub(super) fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut found = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::symlink_metadata(&found) {
            Ok(about) if about.is_symlink() => {
                let target = fs::read_link(&found)?;
                found = folder_of(&found).join(target);
            }
            _ => return Ok(found),
        }
    }
    Err(io::Error::from(rustix::io::Errno::LOOP))
}

/// The folder in which a file is.
pub(super) fn folder_of(file: &Path) -> &Path {
    let folder = file.parent();
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Whether others than its owner and its group have a right on a file of this mode.
pub(super) fn is_exposed(mode: u32) -> bool {
    mode & 0o007 != 0
}

/// The mode of a file with keys: what its owner chose, never more than that, and nothing for others. One that was
/// open to all was chosen for no group in particular.
pub(super) fn private_mode(before: Option<u32>) -> u32 {
    match before {
        None => 0o600,
        Some(mode) if is_exposed(mode) => mode & 0o700,
        Some(mode) => mode & 0o770,
    }
}

/// Why the file cannot be read and written, or made where it is missing, and what to do about it.
pub(super) fn obstacle(path: &Path) -> Option<String> {
    let file = match behind_links(path) {
        Ok(file) => file,
        Err(error) => return Some(format!("its link is broken: {error}")),
    };
    match fs::metadata(&file) {
        Ok(about) => obstacle_in_file(&file, &about),
        Err(error) if is_missing(&error) => obstacle_above(&file),
        Err(error) => Some(error.to_string()),
    }
}

/// Whether an error says that there is no such file, also where a folder of its path is none.
pub(super) fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn obstacle_in_file(file: &Path, about: &Metadata) -> Option<String> {
    if let Some(reason) = no_file(about) {
        return Some(reason);
    }
    let mode = about.permissions().mode() & 0o7777;
    if mode & 0o200 == 0 {
        return Some(format!(
            "it is write-protected (mode {mode:04o}). Run `chmod u+w`, or name another file"
        ));
    }
    let user = rustix::process::geteuid().as_raw();
    if is_exposed(mode) && user != 0 && user != about.uid() {
        return Some(format!(
            "it is accessible to everybody (mode {mode:04o}), so Atlas writes no keys to it. Its owner can run `chmod \
             o=`; or name another file"
        ));
    }
    let denied = denied(file, Access::READ_OK | Access::WRITE_OK)?;
    Some(format!("{denied}. Name another file"))
}

/// Why something that is there is no file to read.
pub(super) fn no_file(about: &Metadata) -> Option<String> {
    let kind = about.file_type();
    if kind.is_dir() {
        Some("it is a folder. Name a file, which may be inside it".to_owned())
    } else if kind.is_file() {
        None
    } else if kind.is_char_device() || kind.is_block_device() {
        Some("it is a device. Name a file".to_owned())
    } else {
        Some("it is not a regular file. Name another".to_owned())
    }
}

/// The same of a file that is yet to be made: the folders of its path that are missing are made too.
fn obstacle_above(file: &Path) -> Option<String> {
    let mut folder = folder_of(file);
    loop {
        match fs::metadata(folder) {
            Ok(about) if about.is_dir() => {
                let denied = denied(folder, Access::WRITE_OK | Access::EXEC_OK)?;
                let folder = folder.display();
                return Some(format!(
                    "cannot create a file in {folder}: {denied}. Name a file elsewhere"
                ));
            }
            Ok(_) => {
                return Some(format!(
                    "{} is a file, not a folder. Name a file elsewhere",
                    folder.display()
                ));
            }
            Err(_) if fs::symlink_metadata(folder).is_ok_and(|about| about.is_symlink()) => {
                return Some(format!(
                    "{} is a link to a folder that does not exist. Create that folder",
                    folder.display()
                ));
            }
            Err(error) if is_missing(&error) && folder != folder_of(folder) => {
                folder = folder_of(folder);
            }
            Err(error) => return Some(format!("{}: {error}", folder.display())),
        }
    }
}

/// Why this user lacks these rights.
fn denied(path: &Path, rights: Access) -> Option<String> {
    let denied = accessat(CWD, path, rights, AtFlags::EACCESS).err()?;
    Some(io::Error::from(denied).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_usual_files_are_those_that_kubectl_uses() {
        let table: [(Option<&str>, &[&str]); 7] = [
            (None, &["/home/me/.kube/config"]),
            (Some(""), &["/home/me/.kube/config"]),
            (Some(":"), &["/home/me/.kube/config"]),
            (Some("/a"), &["/a"]),
            (Some(":/a"), &["/a"]),
            (Some("/a:/b:"), &["/a", "/b"]),
            (Some("/a::/b:/a"), &["/a", "/b"]),
        ];
        for (variable, wanted) in table {
            let found = usual(variable.map(OsStr::new), Some(Path::new("/home/me")));
            let wanted: Vec<PathBuf> = wanted.iter().map(PathBuf::from).collect();
            assert_eq!(found, Some(wanted), "{variable:?}");
        }
        assert_eq!(usual(Some(OsStr::new(":")), None), None);
        assert_eq!(usual(None, Some(Path::new(""))), None);
    }

    #[test]
    fn a_mode_is_never_widened_and_nothing_is_left_to_others() {
        let table = [
            (None, 0o600),
            (Some(0o600), 0o600),
            (Some(0o640), 0o640),
            (Some(0o660), 0o660),
            (Some(0o700), 0o700),
            (Some(0o644), 0o600),
            (Some(0o664), 0o600),
            (Some(0o606), 0o600),
            (Some(0o4755), 0o700),
        ];
        for (before, after) in table {
            assert_eq!(private_mode(before), after, "{before:?}");
            assert!(before.is_none_or(|before| after & !before == 0));
        }
    }

    #[test]
    fn what_cannot_be_written_is_found_beforehand() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        fs::write(at("file"), "").unwrap();
        fs::write(at("protected"), "").unwrap();
        fs::set_permissions(at("protected"), fs::Permissions::from_mode(0o400)).unwrap();
        symlink("loop", at("loop")).unwrap();
        symlink("deep/made/later", at("dangling")).unwrap();
        symlink("file/x", at("under")).unwrap();
        symlink("gone", at("gone-folder")).unwrap();
        symlink("protected", at("to-protected")).unwrap();
        symlink("folder", at("to-folder")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        let table = [
            ("file", None),
            ("missing", None),
            ("a/b/c", None),
            ("dangling", None),
            ("folder", Some("is a folder")),
            ("to-folder", Some("is a folder")),
            ("file/x", Some("is a file, not a folder")),
            ("file/x/y/z", Some("is a file, not a folder")),
            ("under", Some("is a file, not a folder")),
            ("protected", Some("write-protected (mode 0400)")),
            ("to-protected", Some("write-protected (mode 0400)")),
            ("loop", Some("link is broken")),
            (
                "gone-folder/x",
                Some("link to a folder that does not exist"),
            ),
            ("socket", Some("not a regular file")),
        ];
        for (name, wanted) in table {
            let found = obstacle(&at(name));
            match wanted {
                None => assert_eq!(found, None, "{name}"),
                Some(part) => {
                    let found = found.unwrap_or_default();
                    assert!(found.contains(part), "{name}: {found}");
                }
            }
        }
        assert!(
            obstacle(Path::new("/dev/null"))
                .unwrap()
                .contains("a device")
        );
        assert_eq!(
            fs::read_dir(root.path()).unwrap().count(),
            10,
            "it changes nothing"
        );
    }
}
