//! What is to be done about a failure, in the words of those who write HCL.

use atlas_engine::{FieldPath, Remedy, Words};

/// Terraform's words, which depend on what becomes of the object where an operation ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hcl {
    /// It stays as it is.
    Kept,
    /// A create returns it, and Terraform marks it as tainted.
    Tainted,
}

impl Hcl {
    /// What the next apply does.
    fn next(self) -> &'static str {
        match self {
            Self::Kept => "the next apply continues from here",
            Self::Tainted => {
                "what was created is tainted: the next apply destroys it and creates it again, unless you keep \
                 it with `terraform untaint`"
            }
        }
    }
}

impl Words for Hcl {
    fn remedy(&self, remedy: &Remedy) -> String {
        match remedy {
            Remedy::Text(text) => text.clone(),
            Remedy::MakeRoom { how } => {
                format!("{how} `terraform destroy` also plans what is new, unless -refresh=false is set.")
            }
            Remedy::CreateNetwork { .. } => {
                "Create it first (atlas_network, or `docker network create --subnet …`).".to_owned()
            }
            Remedy::UseOwnNetwork => {
                "Name a network of your own, for instance an atlas_network.".to_owned()
            }
            Remedy::CreateCluster { .. } => {
                "Create it first: refer to the attribute `name` of its resource. `k3d cluster list` lists the \
                 existing clusters."
                    .to_owned()
            }
            Remedy::CreateDatabaseCluster { .. } => {
                "Create the cluster first, with an atlas_cockroachdb_cluster.".to_owned()
            }
            Remedy::CreateDatabaseRegion { known, .. } => format!(
                "Create an atlas_cockroachdb_region of this name first, or use one of {}.",
                known.join(", ")
            ),
            Remedy::CreateDependency => {
                "Create that first, for instance with `terraform apply -target=…`.".to_owned()
            }
            Remedy::ImportOrRename => "Import it or choose another name.".to_owned(),
            Remedy::TryAgain { why } => format!("{why}. Apply again."),
            Remedy::AddReplicator { server, region } => format!(
                "Give the atlas_localstack named {server} a replicator = {{ regions = [\"{region}\"], peers = [...] }}, with \
                 the peer's internal_endpoint in peers."
            ),
            Remedy::Adopt => "Import the object with it, or choose another name.".to_owned(),
            Remedy::RaiseTimeout => format!(
                "Raise the limit in the block timeouts if the machine is slow; {}.",
                self.next()
            ),
            Remedy::GoOn => format!("What was created is kept; {}.", self.next()),
            Remedy::Use { field } => format!("Use the attribute {} instead.", self.field(field)),
            Remedy::Set { field, to } => format!("Set {} = {to}", self.field(field)),
            Remedy::Unset { field, or } => format!("{or}, or remove {}.", self.field(field)),
            Remedy::AllowLoss { field, or } => format!(
                "{or}, or set {} and apply before you destroy.",
                allowing(field)
            ),
            Remedy::RemoveObject { kind, or } => {
                format!("{or}. To remove the {kind}, remove its resource.")
            }
            Remedy::SeparateNetworks => {
                "Use separate networks for each cluster on a bridge; the function region_cidrs makes them."
                    .to_owned()
            }
        }
    }
}

/// `name = true`, and where that stands.
fn allowing(field: &FieldPath) -> String {
    let path = field.to_string();
    match path.rsplit_once('.') {
        Some((place, name)) => format!("{name} = true in {place}"),
        None => format!("{path} = true"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What only playbooks have.
    const FOREIGN: [&str; 11] = [
        "module",
        "task",
        "playbook",
        "role",
        "option",
        "state:",
        "absent",
        "wait_timeout",
        "recreate",
        "run",
        ": true",
    ];

    #[test]
    fn no_remedy_speaks_of_playbooks() {
        let samples = Remedy::samples().into_iter();
        for told in samples.flat_map(|one| [Hcl::Kept, Hcl::Tainted].map(|hcl| hcl.remedy(&one))) {
            let words: Vec<&str> = told.split(|c: char| !c.is_alphanumeric()).collect();
            for foreign in FOREIGN {
                let found = if foreign.contains(':') {
                    told.contains(foreign)
                } else {
                    words.contains(&foreign) || words.contains(&format!("{foreign}s").as_str())
                };
                assert!(!found, "{foreign:?} in: {told}");
            }
            assert!(told.ends_with('.'), "{told}");
        }
    }

    #[test]
    fn what_allows_a_loss_says_in_which_block_it_stands() {
        let field = FieldPath::of("bucket").name("force_destroy");
        assert_eq!(allowing(&field), "force_destroy = true in bucket");
        assert_eq!(
            allowing(&FieldPath::of("force_destroy")),
            "force_destroy = true"
        );
    }
}
