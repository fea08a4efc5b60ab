//! The arguments file: the user's arguments, and what Ansible itself has to say.

use std::path::Path;

use serde_json::{Map, Value};

/// What Ansible itself says, under keys that begin with `_ansible_`.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of Ansible's own"
)]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Internal {
    /// Nothing may be changed; what would change is told.
    pub check_mode: bool,
    /// The user wants to see differences.
    pub diff: bool,
    /// The task is not to be logged.
    pub no_log: bool,
    /// How many times `-v` was given.
    pub verbosity: u64,
    /// Unknown options are to be passed over.
    pub ignore_unknown_opts: bool,
}

/// One call of a module.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// What Ansible says.
    pub internal: Internal,
    /// What the user says, not yet validated.
    pub params: Map<String, Value>,
}

impl Invocation {
    /// Reads an arguments file.
    ///
    /// # Errors
    /// Why it cannot be read; never its content, which may hold secrets.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read(path).map_err(|error| {
            format!(
                "The arguments file {} cannot be read: {error}.",
                path.display()
            )
        })?;
        Self::parse(&text)
    }

    /// The same, from the file's content.
    ///
    /// # Errors
    /// Where it is no JSON object.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let all: Map<String, Value> = serde_json::from_slice(text).map_err(|error| {
            format!(
                "The arguments are not a JSON object (line {}, column {}).",
                error.line(),
                error.column()
            )
        })?;
        let mut internal = Internal::default();
        let mut params = Map::new();
        for (key, value) in all {
            let Some(name) = key.strip_prefix("_ansible_") else {
                params.insert(key, value);
                continue;
            };
            let flag = value.as_bool().unwrap_or_default();
            match name {
                "check_mode" => internal.check_mode = flag,
                "diff" => internal.diff = flag,
                "no_log" => internal.no_log = flag,
                "ignore_unknown_opts" => internal.ignore_unknown_opts = flag,
                "verbosity" => internal.verbosity = value.as_u64().unwrap_or_default(),
                _ => {}
            }
        }
        Ok(Self { internal, params })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ansibles_own_keys_are_kept_apart() {
        let text = br#"{"name": "dc-us", "_ansible_check_mode": true, "_ansible_verbosity": 3,
            "_ansible_something_new": [1]}"#;
        let read = Invocation::parse(text).unwrap();
        assert!(read.internal.check_mode && !read.internal.diff);
        assert_eq!(read.internal.verbosity, 3);
        assert_eq!(read.params.keys().collect::<Vec<_>>(), ["name"]);
    }

    #[test]
    fn a_broken_file_is_told_without_its_content() {
        let message = Invocation::parse(br#"{"token": "hidden-thing" "#).unwrap_err();
        assert!(!message.contains("hidden-thing"), "{message}");
    }
}
