//! Whether anybody carries what an alias replicates: LocalStack stores S3's rules and copies nothing.

use super::spec::Spec;
use crate::context::Context;
use crate::docker::Node;
use crate::error::{Problem, Remedy, Result};
use crate::labels;
use crate::localstack::server::{DEFAULT_PORT, container_name};
use crate::path::FieldPath;

/// What is to be told of an alias with a replication that nobody carries. Where its endpoint is not one of this Docker's
/// LocalStack servers, nothing is: AWS carries by itself, and who carries elsewhere is not known here.
///
/// # Errors
/// What Docker says.
pub async fn uncarried(cx: &Context, spec: &Spec) -> Result<Option<Problem>> {
    if spec.replication.is_none() {
        return Ok(None);
    }
    cx.guard("looking for a replicator", async {
        let found = cx
            .docker
            .containers(&[labels::ATLAS_LOCALSTACK_ROLE.to_owned()])
            .await?;
        let is_here = cx.docker.is_local();
        Ok(judge(spec, &found, is_here))
    })
    .await
}

/// The same, of all containers of LocalStack servers. Whether Docker is on this machine decides whose 127.0.0.1 it is.
fn judge(spec: &Spec, containers: &[Node], is_here: bool) -> Option<Problem> {
    let replication = spec.replication.as_ref()?;
    let role = |node: &Node, role| node.label(labels::ATLAS_LOCALSTACK_ROLE) == Some(role);
    let endpoint = spec.account.endpoint.as_str();
    let server = containers
        .iter()
        .filter(|node| role(node, "server"))
        .find(|node| is_at(node, endpoint, is_here))?
        .label(labels::ATLAS_LOCALSTACK)?;
    let region = &spec.account.region;
    let carries = |node: &Node| {
        let regions = node.env_value("ATLAS_REPLICATOR_REGIONS");
        role(node, "replicator")
            && node.label(labels::ATLAS_LOCALSTACK) == Some(server)
            && regions.is_some_and(|regions| regions.split(',').any(|one| one == region))
    };
    if containers.iter().any(carries) {
        return None;
    }
    Some(Problem::new(
        FieldPath::of("replication"),
        format!(
            "nothing carries alias {region}/{} to {}: no replicator serves {region} at LocalStack server {server}.",
            spec.bucket.name, replication.peer_region
        ),
        Remedy::AddReplicator {
            server: server.to_owned(),
            region: region.clone(),
        },
    ))
}

/// Whether a server answers at this URL: on its port of this machine, or by its name or address on a network.
fn is_at(server: &Node, endpoint: &str, is_here: bool) -> bool {
    let authority = endpoint
        .split_once("://")
        .map_or(endpoint, |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or_default();
    let Some((host, port)) = authority.rsplit_once(':') else {
        return false;
    };
    let Ok(port) = port.parse::<u16>() else {
        return false;
    };
    let loopback = ["127.0.0.1", "localhost", "localhost.localstack.cloud"];
    if loopback.contains(&host) {
        return is_here && server.published(DEFAULT_PORT) == Some(port);
    }
    let name = server.label(labels::ATLAS_LOCALSTACK).map(container_name);
    let mut addresses = server.networks.values().flatten();
    port == DEFAULT_PORT
        && (name.as_deref() == Some(host) || addresses.any(|address| address.to_string() == host))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::spec::tests::spec;
    use super::*;
    use crate::docker::{PortKey, Published};

    fn container(role: &str, server: &str) -> Node {
        Node {
            name: container_name(server),
            labels: [
                (labels::ATLAS_LOCALSTACK, server),
                (labels::ATLAS_LOCALSTACK_ROLE, role),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
            ..Node::default()
        }
    }

    fn server(name: &str, port: u16) -> Node {
        let published = Published {
            address: None,
            port: Some(port),
        };
        Node {
            ports: BTreeMap::from([(PortKey::tcp(DEFAULT_PORT), vec![published])]),
            networks: BTreeMap::from([("n".to_owned(), Some([10, 1, 0, 9].into()))]),
            ..container("server", name)
        }
    }

    fn replicator(name: &str, regions: &str) -> Node {
        Node {
            env: vec![format!("ATLAS_REPLICATOR_REGIONS={regions}")],
            ..container("replicator", name)
        }
    }

    #[test]
    fn who_has_no_replicator_is_told_where_the_server_is_known() {
        let here = "http://127.0.0.1:4566";
        let bare = vec![server("us-east", 4566)];
        let with = |regions| vec![server("us-east", 4566), replicator("us-east", regions)];
        let table = [
            (here, bare.clone(), true, true),
            ("http://localhost:4566/", bare.clone(), true, true),
            (
                "http://atlas-localstack-us-east:4566",
                bare.clone(),
                false,
                true,
            ),
            ("http://10.1.0.9:4566", bare.clone(), false, true),
            // Another machine's, another server, or not LocalStack's.
            (here, bare.clone(), false, false),
            ("http://127.0.0.1:4567", bare.clone(), true, false),
            ("https://s3.amazonaws.com", bare, true, false),
            (here, vec![], true, false),
            // Served, by another region, by another server's.
            (here, with("eu-west-1,us-east-1"), true, false),
            (here, with("eu-west-1"), true, true),
            (
                here,
                vec![server("us-east", 4566), replicator("eu", "us-east-1")],
                true,
                true,
            ),
        ];
        for (endpoint, containers, is_here, is_told) in table {
            let mut asked = spec();
            asked.account.endpoint = endpoint.to_owned();
            let told = judge(&asked, &containers, is_here).map(|one| one.message);
            assert_eq!(told.is_some(), is_told, "{endpoint}: {told:?}");
            if let Some(told) = told {
                let parts = ["us-east-1/audit-us", "eu-central-1", "server us-east"];
                assert!(parts.iter().all(|part| told.contains(part)), "{told}");
            }
            asked.replication = None;
            assert_eq!(judge(&asked, &containers, is_here), None);
        }
    }
}
