//! What was typed, and where the world's files are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// How the command is used.
pub(crate) const USAGE: &str = "atlas status [--json] [--world FILE] [--state FOLDER]

Tells how the world is: what runs where, addresses, files with credentials, what
the database survives, what is down and what to do about it.

  --json           as JSON
  --world FILE     the description of the world; default: ATLAS_WORLD, else
                   orchestration/group_vars/all/world.yml of this checkout
  --state FOLDER   what `make world` keeps; default: ATLAS_STATE, else
                   ATLAS_STATE_DIR, else .atlas of this checkout

Exit code: 0 all is well; 1 something is down or not as declared; 2 that could
not be found out, or no world runs here. Colours need a terminal, and no
NO_COLOR.";

/// Where the description is in a checkout.
const WORLD: &str = "orchestration/group_vars/all/world.yml";

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Tell how to use it.
    Help,
    /// Tell the version.
    Version,
    /// Tell how the world is.
    Status {
        /// As JSON.
        json: bool,
        /// The description, where one is named.
        world: Option<PathBuf>,
        /// The state's folder, where one is named.
        state: Option<PathBuf>,
    },
}

/// Reads the words after the program's name.
///
/// # Errors
/// A sentence about the first that makes no sense.
pub(crate) fn parse(words: &[String]) -> Result<Command, String> {
    let mut words = words.iter().map(String::as_str);
    match words.next() {
        None | Some("help" | "--help" | "-h") => return Ok(Command::Help),
        Some("--version" | "-V") => return Ok(Command::Version),
        Some("status") => {}
        Some(other) => return Err(format!("{other:?} is not a command of atlas.")),
    }
    let (mut json, mut world, mut state) = (false, None, None);
    while let Some(word) = words.next() {
        let (option, value) = match word.split_once('=') {
            Some((option, value)) => (option, Some(value.to_owned())),
            None => (word, None),
        };
        let mut path = || {
            let value = value.clone().or_else(|| words.next().map(str::to_owned));
            let value = value.ok_or_else(|| format!("{option} needs a path."))?;
            Ok::<_, String>(Some(PathBuf::from(value)))
        };
        match option {
            "--help" | "-h" => return Ok(Command::Help),
            "--json" => json = true,
            "--world" => world = path()?,
            "--state" => state = path()?,
            _ => return Err(format!("{word:?} is not an option of atlas status.")),
        }
    }
    Ok(Command::Status { json, world, state })
}

/// The description and the state's folder: what was named, else what the environment names, else what the checkout has
/// that `here` is in, or the program.
///
/// # Errors
/// A sentence, where there is no checkout.
pub(crate) fn places(
    world: Option<PathBuf>,
    state: Option<PathBuf>,
    environment: impl Fn(&str) -> Option<OsString>,
    here: &Path,
    program: Option<&Path>,
) -> Result<(PathBuf, PathBuf), String> {
    let variable = |name: &str| {
        let value = environment(name).filter(|value| !value.is_empty());
        value.map(PathBuf::from)
    };
    let world = world.or_else(|| variable("ATLAS_WORLD"));
    let state = state
        .or_else(|| variable("ATLAS_STATE"))
        .or_else(|| variable("ATLAS_STATE_DIR"));
    if let (Some(world), Some(state)) = (&world, &state) {
        return Ok((here.join(world), here.join(state)));
    }
    let folders = here
        .ancestors()
        .chain(program.into_iter().flat_map(Path::ancestors));
    let checkout = folders
        .into_iter()
        .find(|folder| folder.join(WORLD).is_file());
    let Some(checkout) = checkout else {
        return Err(format!(
            "there is no {WORLD} in {} or above it. Change to the checkout, or name the files with --world and --state.",
            here.display()
        ));
    };
    let world = world.map_or_else(|| checkout.join(WORLD), |world| here.join(world));
    let state = state.map_or_else(|| checkout.join(".atlas"), |state| here.join(state));
    Ok((world, state))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Command, String> {
        parse(
            &words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn options_are_read_in_both_spellings_and_others_are_named() {
        let both = [
            parsed(&["status", "--json", "--world", "w", "--state", "s"]),
            parsed(&["status", "--state=s", "--world=w", "--json"]),
        ];
        for read in both {
            let expected = Command::Status {
                json: true,
                world: Some("w".into()),
                state: Some("s".into()),
            };
            assert_eq!(read, Ok(expected));
        }
        assert_eq!(parsed(&[]), Ok(Command::Help));
        for (words, part) in [
            (&["promote"][..], "promote"),
            (&["status", "--jsn"], "--jsn"),
            (&["status", "--world"], "--world"),
        ] {
            assert!(parsed(words).unwrap_err().contains(part));
        }
    }

    #[test]
    fn places_are_named_or_the_checkouts() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let root = &std::fs::canonicalize(root).unwrap();
        let none = |_: &str| None;
        let found = places(None, None, none, &root.join("cli/src"), None).unwrap();
        assert_eq!(found, (root.join(WORLD), root.join(".atlas")));
        let by_program = places(
            None,
            None,
            none,
            Path::new("/"),
            Some(&root.join(".atlas/bin/atlas")),
        );
        assert_eq!(by_program, Ok(found));
        let set = |name: &str| (name == "ATLAS_STATE").then(|| OsString::from("/state"));
        let named = places(Some("w.yml".into()), None, set, Path::new("/here"), None);
        assert_eq!(named, Ok(("/here/w.yml".into(), "/state".into())));
        let error = places(None, None, none, Path::new("/"), None).unwrap_err();
        assert!(error.contains("--world"), "{error}");
    }
}
