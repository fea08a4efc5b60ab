//! Paths on this machine, as a user writes them: both faces read them by the same rules.

use std::path::PathBuf;

use crate::error::Problem;
use crate::path::FieldPath;

/// The path that `text` means: `~` is this user's home folder, as in a shell.
///
/// # Errors
/// What no shell would leave as it is: a folder called `~bob` or `$HOME` is never meant.
pub fn expand(text: &str, at: &FieldPath) -> Result<PathBuf, Problem> {
    expanded(text, std::env::home_dir())
        .map_err(|(message, remedy)| Problem::new(at.clone(), message, remedy))
}

/// The same, with the home folder; what is wrong, and what would be right.
pub(crate) fn expanded(
    text: &str,
    home: Option<PathBuf>,
) -> Result<PathBuf, (String, &'static str)> {
    if text.is_empty() || text.contains('\0') {
        return Err(("The path is empty.".to_owned(), "Name a file or folder."));
    }
    if text.starts_with('$') {
        return Err((
            format!("{text:?} begins with a variable, which is not expanded here."),
            "Write the path in full, begin it with ~/, or with ./ if that is its name.",
        ));
    }
    let Some(rest) = text.strip_prefix('~') else {
        return Ok(text.into());
    };
    let below = rest.trim_start_matches('/');
    if !rest.is_empty() && below.len() == rest.len() {
        return Err((
            format!("{text:?} names another user's home folder, which is not supported."),
            "Write the path in full, or begin it with ./ if that is its name.",
        ));
    }
    let home = home.filter(|home| !home.as_os_str().is_empty());
    let home = home.ok_or_else(|| {
        (
            format!("{text:?} needs a home folder, but this user has none."),
            "Set HOME, or write the path in full.",
        )
    })?;
    Ok(if below.is_empty() {
        home
    } else {
        home.join(below)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_is_this_users_home_and_nothing_else_is_guessed() {
        let table = [
            ("/etc/x", Some("/etc/x")),
            ("x/y.yaml", Some("x/y.yaml")),
            ("~", Some("/home/me")),
            ("~/", Some("/home/me")),
            ("~/.kube/x.yaml", Some("/home/me/.kube/x.yaml")),
            ("~//x", Some("/home/me/x")),
            ("./~/x", Some("./~/x")),
            ("a~b", Some("a~b")),
            ("~bob/x", None),
            ("$HOME/x", None),
            ("${HOME}/x", None),
            ("", None),
            ("a\0b", None),
        ];
        for (text, wanted) in table {
            let found = expanded(text, Some("/home/me".into())).ok();
            assert_eq!(found, wanted.map(PathBuf::from), "{text}");
        }
    }

    #[test]
    fn without_a_home_only_a_tilde_is_refused() {
        for home in [None, Some(PathBuf::new())] {
            assert!(expanded("~/x", home.clone()).is_err());
            assert_eq!(expanded("/x", home).ok(), Some("/x".into()));
        }
    }
}
