//! What to do about a failure, as data: Terraform's users and Ansible's write down different things, so each face
//! words it. The engine names neither resources nor tasks.

use std::fmt;

use crate::path::FieldPath;

/// What to do about a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// Sentences that are right for everybody: they name no resource, no block, no attribute, no module and no task.
    Text(String),
    /// The Docker network of this name is to be made first.
    CreateNetwork {
        /// Its name.
        name: String,
    },
    /// A network of the user's own is to be used in place of Docker's.
    UseOwnNetwork,
    /// What is in the way of something new is to be moved. A run that only removes does not need it.
    MakeRoom {
        /// How, in sentences that are right for everybody.
        how: String,
    },
    /// The k3d cluster of this name is to be made first.
    CreateCluster {
        /// Its name.
        name: String,
    },
    /// The `CockroachDB` cluster of this name is to be made first.
    CreateDatabaseCluster {
        /// Its name.
        name: String,
    },
    /// The region of a `CockroachDB` cluster is to be made first, or another one named.
    CreateDatabaseRegion {
        /// Its name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// What everything else depends on is to be made first.
    CreateDependency,
    /// What exists is to be taken over, where the face can do that; else another name is to be chosen. It may be somebody's,
    /// so nobody is told to remove it.
    ImportOrRename,
    /// What exists is to be taken over by consent, or another name is to be chosen.
    Adopt,
    /// A LocalStack server is to have a replicator for a region.
    AddReplicator {
        /// The server's name.
        server: String,
        /// The region.
        region: String,
    },
    /// The same operation is to be tried again.
    TryAgain {
        /// Why that helps, as a clause without its full stop.
        why: String,
    },
    /// The operation was given too little time.
    RaiseTimeout,
    /// The operation was stopped: what it made is there.
    GoOn,
    /// Another field is for it.
    Use {
        /// That field.
        field: FieldPath,
    },
    /// A field is to have another value.
    Set {
        /// The field.
        field: FieldPath,
        /// Its value and the end of the sentence: "true, or give another name."
        to: &'static str,
    },
    /// A field is to be left out.
    Unset {
        /// The field.
        field: FieldPath,
        /// What may be done instead, as the sentence's beginning without a comma: "Name one node".
        or: String,
    },
    /// Loss of data is to be allowed.
    AllowLoss {
        /// The field that allows it.
        field: FieldPath,
        /// What may be done instead, as the sentence's beginning without a comma: "Empty it".
        or: String,
    },
    /// The object as a whole is to be removed.
    RemoveObject {
        /// What it is, for instance "region".
        kind: &'static str,
        /// What may be done instead, as the sentence's beginning without a comma: "Give 1 to 64".
        or: String,
    },
    /// Networks are to be chosen that do not overlap.
    SeparateNetworks,
}

impl Remedy {
    /// One of each kind, so that a face can show how it words them.
    pub fn samples() -> Vec<Self> {
        let field = || FieldPath::of("kube_api").index(0).name("host_port");
        let text = |text: &str| text.to_owned();
        vec![
            Self::Text(text("Choose another port.")),
            Self::CreateNetwork { name: text("net") },
            Self::UseOwnNetwork,
            Self::MakeRoom {
                how: text("Choose another port."),
            },
            Self::CreateCluster { name: text("dev") },
            Self::CreateDatabaseCluster { name: text("bank") },
            Self::CreateDatabaseRegion {
                name: text("us"),
                known: vec![text("eu"), text("witness")],
            },
            Self::CreateDependency,
            Self::ImportOrRename,
            Self::Adopt,
            Self::AddReplicator {
                server: text("us-east"),
                region: text("us-east-1"),
            },
            Self::TryAgain {
                why: text("It was removed right after it was created"),
            },
            Self::RaiseTimeout,
            Self::GoOn,
            Self::Use { field: field() },
            Self::Set {
                field: field(),
                to: "1, or leave it out.",
            },
            Self::Unset {
                field: field(),
                or: text("Name one node"),
            },
            Self::AllowLoss {
                field: FieldPath::of("force_destroy"),
                or: text("Drop them first"),
            },
            Self::AllowLoss {
                field: FieldPath::of("bucket").name("force_destroy"),
                or: text("Empty it"),
            },
            Self::RemoveObject {
                kind: "region",
                or: text("Use 1 to 64"),
            },
            Self::SeparateNetworks,
        ]
    }
}

impl From<&str> for Remedy {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Remedy {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Plain.remedy(self))
    }
}

/// How a face says things to its users.
pub trait Words {
    /// A remedy in whole sentences.
    fn remedy(&self, remedy: &Remedy) -> String;

    /// A field as users spell it.
    fn field(&self, path: &FieldPath) -> String {
        path.to_string()
    }
}

/// The engine's own words, for its logs and its tests.
#[derive(Debug, Clone, Copy)]
pub struct Plain;

impl Words for Plain {
    fn remedy(&self, remedy: &Remedy) -> String {
        match remedy {
            Remedy::Text(text) | Remedy::MakeRoom { how: text } => text.clone(),
            Remedy::CreateNetwork { name } => format!("Create the network {name} first."),
            Remedy::UseOwnNetwork => "Name a network of your own.".to_owned(),
            Remedy::CreateCluster { name } | Remedy::CreateDatabaseCluster { name } => {
                format!("Create the cluster {name} first.")
            }
            Remedy::CreateDatabaseRegion { name, known } => format!(
                "Create the region {name} first, or use one of {}.",
                known.join(", ")
            ),
            Remedy::CreateDependency => "Create that first.".to_owned(),
            Remedy::ImportOrRename => "Use what exists, or choose another name.".to_owned(),
            Remedy::TryAgain { why } => format!("{why}. Try again."),
            Remedy::AddReplicator { server, region } => format!(
                "Give LocalStack server {server} a replicator for {region}, with the peer's endpoint among its peers."
            ),
            Remedy::Adopt => "Consent to take it over, or choose another name.".to_owned(),
            Remedy::RaiseTimeout => {
                "Allow more time if the machine is slow. The next run continues from here."
                    .to_owned()
            }
            Remedy::GoOn => {
                "What was created is kept. The next run continues from here.".to_owned()
            }
            Remedy::Use { field } => format!("Use {field} instead."),
            Remedy::Set { field, to } => format!("Set {field} to {to}"),
            Remedy::Unset { field, or } => format!("{or}, or leave {field} out."),
            Remedy::AllowLoss { field, or } => format!("{or}, or allow the loss with {field}."),
            Remedy::RemoveObject { kind, or } => {
                format!("{or}. To remove the {kind}, remove all of it.")
            }
            Remedy::SeparateNetworks => "Use separate networks for each cluster.".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// What only one face's users write or read.
    const FACES_WORDS: [&str; 12] = [
        "terraform",
        " apply",
        "apply again",
        "attribute",
        "the resource",
        " its resource",
        "import it",
        "tainted",
        "the module",
        "the task",
        "playbook",
        "wait_timeout",
    ];

    /// The texts in Rust code: what stands in double quotes, outside of comments.
    fn literals(code: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut rest = code;
        while let Some(start) = rest.find(['"', '/', '\'']) {
            let (at, after) = (&rest[start..], &rest[start + 1..]);
            if at.starts_with("//") {
                rest = at.find('\n').map_or("", |end| &at[end..]);
            } else if let Some(end) = at.starts_with("'\"'").then_some(3) {
                rest = &at[end..];
            } else if at.starts_with('"') {
                let mut escaped = false;
                let end = after.find(|c| {
                    let ends = c == '"' && !escaped;
                    escaped = c == '\\' && !escaped;
                    ends
                });
                let end = end.unwrap_or(after.len());
                found.push(after[..end].to_owned());
                rest = after.get(end + 1..).unwrap_or_default();
            } else {
                rest = after;
            }
        }
        found
    }

    fn sources(folder: &Path) -> Vec<(String, String)> {
        let entries = fs::read_dir(folder).unwrap();
        let each = entries.flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() {
                return sources(&path);
            }
            let told = path.display().to_string();
            let is_source = path.extension().is_some_and(|ending| ending == "rs");
            let is_source = is_source && !told.ends_with("tests.rs");
            let text = fs::read_to_string(&path).unwrap_or_default();
            is_source.then_some((told, text)).into_iter().collect()
        });
        each.collect()
    }

    #[test]
    fn the_engine_speaks_no_faces_language() {
        let all = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
        let mut found = Vec::new();
        for (file, text) in all.iter().filter(|(file, _)| !file.ends_with("remedy.rs")) {
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            for literal in literals(code) {
                let lower = literal.to_lowercase();
                let names_a_resource = ["k3d_", "network", "localstack", "cockroachdb_"]
                    .iter()
                    .any(|kind| lower.contains(&format!("atlas_{kind}")));
                let spoken = FACES_WORDS.iter().any(|word| lower.contains(word));
                // One word is a name on some wire.
                if (spoken || names_a_resource) && literal.trim().contains(' ') {
                    found.push(format!("{file}: {literal}"));
                }
            }
        }
        assert!(all.len() > 50, "{} files", all.len());
        assert!(
            found.is_empty(),
            "say these by a remedy:\n{}",
            found.join("\n")
        );
    }

    #[test]
    fn texts_in_code_are_told_from_comments() {
        let code = r#"let a = "x \"y\""; // "no"
            let c = '"'; f(&'a str, "z");"#;
        assert_eq!(literals(code), [r#"x \"y\""#, "z"]);
    }

    /// Its kind by number. Who adds one adds a sample too.
    fn kind(remedy: &Remedy) -> usize {
        match remedy {
            Remedy::Text(_) => 0,
            Remedy::CreateNetwork { .. } => 1,
            Remedy::UseOwnNetwork => 2,
            Remedy::CreateCluster { .. } => 3,
            Remedy::CreateDatabaseCluster { .. } => 4,
            Remedy::CreateDatabaseRegion { .. } => 5,
            Remedy::CreateDependency => 6,
            Remedy::ImportOrRename => 7,
            Remedy::TryAgain { .. } => 8,
            Remedy::RaiseTimeout => 9,
            Remedy::GoOn => 10,
            Remedy::Use { .. } => 11,
            Remedy::Set { .. } => 12,
            Remedy::Unset { .. } => 13,
            Remedy::AllowLoss { .. } => 14,
            Remedy::RemoveObject { .. } => 15,
            Remedy::SeparateNetworks => 16,
            Remedy::MakeRoom { .. } => 17,
            Remedy::Adopt => 18,
            Remedy::AddReplicator { .. } => 19,
        }
    }

    #[test]
    fn every_kind_of_remedy_has_a_sample_in_whole_sentences() {
        let kinds: std::collections::BTreeSet<_> = Remedy::samples().iter().map(kind).collect();
        assert_eq!(kinds, (0..=19).collect());
        for remedy in Remedy::samples() {
            let told = remedy.to_string();
            assert!(told.ends_with('.'), "{told}");
            assert!(told.starts_with(char::is_uppercase), "{told}");
        }
    }
}
