//! What an import names: an object, and maybe the path on this machine that its configuration has and the world cannot
//! tell.

use atlas_engine::{Error, Result};

/// `NAME`, or `NAME,ATTRIBUTE=PATH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ImportId<'a> {
    /// The object.
    pub(crate) name: &'a str,
    /// The path. Without it, a configuration that has one is planned as a change.
    pub(crate) path: Option<&'a str>,
}

impl<'a> ImportId<'a> {
    /// Reads one. `name` says what the object is called by, and `attribute` is the one with the path.
    ///
    /// # Errors
    /// Where something else follows the name.
    pub(crate) fn parse(id: &'a str, name: &str, attribute: &str) -> Result<Self> {
        let (found, path) = match id.split_once(',') {
            None => (id, None),
            Some((found, rest)) => {
                let path = rest.strip_prefix(attribute);
                let path = path.and_then(|rest| rest.strip_prefix('='));
                match path.filter(|path| !path.is_empty()) {
                    Some(path) => (found, Some(path)),
                    None => return Err(strange(id, name, attribute)),
                }
            }
        };
        Ok(Self { name: found, path })
    }
}

fn strange(id: &str, name: &str, attribute: &str) -> Error {
    Error::Unexpected {
        what: format!("the import id {id:?}"),
        reason: format!(
            "it must be {name}, or {name},{attribute}=PATH if the configuration sets {attribute} to that path"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_names_an_object_and_maybe_its_path() {
        let read = |id| {
            let read = ImportId::parse(id, "NAME", "kubeconfig").ok();
            read.map(|one| (one.name, one.path))
        };
        assert_eq!(read("dc-us"), Some(("dc-us", None)));
        assert_eq!(
            read("dc-us,kubeconfig=/home/a,b.yaml"),
            Some(("dc-us", Some("/home/a,b.yaml")))
        );
        assert_eq!(read("dc-us,kubeconfig="), None);
        assert_eq!(read("dc-us,path=/x"), None);
    }
}
