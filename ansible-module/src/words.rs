//! What is to be done about a failure, in the words of those who write playbooks.

use atlas_engine::path::Segment::{Index, Name};
use atlas_engine::{FieldPath, Remedy, Words};

/// Ansible's words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Yaml;

impl Words for Yaml {
    fn remedy(&self, remedy: &Remedy) -> String {
        match remedy {
            Remedy::Text(text) | Remedy::MakeRoom { how: text } => text.clone(),
            Remedy::CreateNetwork { .. } => {
                "Create it first (with the module network, or `docker network create --subnet …`).".to_owned()
            }
            Remedy::UseOwnNetwork => {
                "Name a network of your own; the module network makes one.".to_owned()
            }
            Remedy::CreateCluster { .. } => {
                "Create it first, with the module k3d_cluster. `k3d cluster list` lists the existing clusters.".to_owned()
            }
            Remedy::CreateDatabaseCluster { .. } => {
                "Create the cluster first, with the module cockroachdb_cluster.".to_owned()
            }
            Remedy::CreateDatabaseRegion { known, .. } => format!(
                "Create it first, with the module cockroachdb_region, or use one of {}.",
                known.join(", ")
            ),
            Remedy::CreateDependency => "Create that first, in an earlier task.".to_owned(),
            Remedy::ImportOrRename => "Choose another name.".to_owned(),
            Remedy::TryAgain { why } => format!("{why}. Run the task again."),
            Remedy::AddReplicator { server, region } => format!(
                "Give the server {server} a replicator with regions: [{region}] and the peer's endpoint in peers, with the \
                 module localstack."
            ),
            Remedy::Adopt => {
                "Set adopt: true to take it over with what it holds, or choose another name.".to_owned()
            }
            Remedy::RaiseTimeout => {
                "Raise wait_timeout if the machine is slow. The next run continues from here.".to_owned()
            }
            Remedy::GoOn => {
                "What was created is kept. The next run continues from here.".to_owned()
            }
            Remedy::Use { field } => format!("Use the option {} instead.", self.field(field)),
            Remedy::Set { field, to } => format!("Set {}: {to}", self.field(field)),
            Remedy::Unset { field, or } => format!("{or}, or leave {} out.", self.field(field)),
            Remedy::AllowLoss { field, or } => format!("{or}, or set {}: true.", self.field(field)),
            Remedy::RemoveObject { kind, or } => {
                format!("{or}. To remove the {kind}, set state: absent.")
            }
            Remedy::SeparateNetworks => "Use separate networks for each cluster on a bridge.".to_owned(),
        }
    }

    /// Blocks that Terraform has are options here, and some of what stands in them stands beside them.
    fn field(&self, path: &FieldPath) -> String {
        let segments = path.segments();
        let (first, rest) = match segments {
            [Name(block), Index(_), rest @ ..] if is_flattened(block) => (FieldPath::root(), rest),
            [Name(block), rest @ ..] if is_flattened(block) => (FieldPath::root(), rest),
            [Name(block), Index(0), rest @ ..] if block == "kube_api" => {
                (FieldPath::of(block), rest)
            }
            // A playbook lists names, where Terraform lists objects.
            [Name(block), Index(at), Name(name), rest @ ..]
                if block == "clusters" && name == "name" =>
            {
                (FieldPath::of(block).index(*at), rest)
            }
            [Name(block), Index(at), rest @ ..] => (FieldPath::of(plural(block)).index(*at), rest),
            _ => (FieldPath::root(), segments),
        };
        let whole = rest.iter().fold(first, |path, segment| match segment {
            Name(name) => path.name(name),
            Index(index) => path.index(*index),
        });
        whole.to_string()
    }
}

/// Blocks whose attributes are options of the module itself.
fn is_flattened(block: &str) -> bool {
    ["k3s", "k3d", "runtime"].contains(&block)
}

/// Terraform names a repeated block in the singular, a playbook a list in the plural.
fn plural(block: &str) -> &str {
    match block {
        "port" => "ports",
        "volume" => "volumes",
        "label" => "labels",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use atlas_engine::Error;
    use atlas_engine::error::Existing;

    use super::*;

    /// What only Terraform has.
    const FOREIGN: [&str; 14] = [
        "apply",
        "applies",
        "attribute",
        "resource",
        "block",
        "import",
        "taint",
        "tainted",
        "destroy",
        "HCL",
        "Terraform",
        "terraform",
        "plan",
        "timeouts",
    ];

    #[test]
    fn no_remedy_speaks_of_terraform() {
        for remedy in Remedy::samples() {
            let told = Yaml.remedy(&remedy);
            let words: Vec<&str> = told
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .collect();
            for foreign in FOREIGN {
                let found = words.contains(&foreign)
                    || words.contains(&format!("{foreign}s").as_str())
                    || words.iter().any(|word| word.starts_with("atlas_"))
                    || told.contains(" = ");
                assert!(!found, "{foreign:?} in: {told}");
            }
            assert!(told.ends_with('.'), "{told}");
        }
    }

    /// As the provider's table of mistakes, for what this face says otherwise.
    #[test]
    fn mistakes_are_told_in_options_and_modules() {
        let exists = Error::Exists {
            kind: "bridge",
            name: "world".to_owned(),
            detail: Existing::Found("with subnet 10.80.0.0/24 (clusters dc-us, dc-eu)".into()),
            remedy: Remedy::ImportOrRename,
        };
        let no_network = Error::invalid(
            FieldPath::of("network"),
            "there is no Docker network \"shop\".",
            Remedy::CreateNetwork {
                name: "shop".to_owned(),
            },
        );
        let taken = FieldPath::of("port").index(0).name("host_port");
        let taken = Error::invalid(
            taken,
            "port 8080 of 127.0.0.1 is already used by the container web.",
            Remedy::MakeRoom {
                how: "Choose another port.".to_owned(),
            },
        );
        let cidr = atlas_engine::cidr::parse("172.28.0.0", &FieldPath::of("subnet"));
        let rows = [
            (
                exists.told(&Yaml),
                "A bridge named \"world\" already exists with subnet 10.80.0.0/24 (clusters dc-us, dc-eu). Choose \
                 another name.",
            ),
            (
                no_network.told(&Yaml),
                "network: there is no Docker network \"shop\". Create it first (with the module network, or `docker \
                 network create --subnet …`).",
            ),
            (
                taken.told(&Yaml),
                "ports[0].host_port: port 8080 of 127.0.0.1 is already used by the container web. Choose another port.",
            ),
            (
                cidr.unwrap_err().told(&Yaml),
                "subnet: \"172.28.0.0\" is not an IPv4 network. Use address/prefix, for instance 172.28.0.0/16.",
            ),
        ];
        for (told, expected) in rows {
            assert_eq!(told, expected);
        }
    }

    #[test]
    fn fields_are_spelled_as_options() {
        let of = FieldPath::of;
        for (path, option) in [
            (
                of("kube_api").index(0).name("host_port"),
                "kube_api.host_port",
            ),
            (of("kube_api").name("host_port"), "kube_api.host_port"),
            (of("k3s").name("node_labels"), "node_labels"),
            (
                of("k3s").index(0).name("node_labels").index(2),
                "node_labels[2]",
            ),
            (
                of("k3d").name("disable_load_balancer"),
                "disable_load_balancer",
            ),
            (of("clusters").index(12).name("name"), "clusters[12]"),
            (of("port").index(1).name("host_port"), "ports[1].host_port"),
            (of("ports").index(1).name("name"), "ports[1].name"),
            (of("port"), "port"),
            (of("bucket").name("name"), "bucket.name"),
            (of("name"), "name"),
            (FieldPath::root(), ""),
        ] {
            assert_eq!(Yaml.field(&path), option);
        }
    }
}
