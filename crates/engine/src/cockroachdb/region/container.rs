//! The container of a node.

use super::spec::{NodeSpec, Spec};
use crate::cockroachdb::names::{self, CERTIFICATES, HTTP_PORT, SQL_PORT, STORE};
use crate::docker::{ContainerSpec, Published, Runtime};
use crate::labels::{self, Labels, labels};

/// What the containers and volumes of a region carry.
pub(super) fn own_labels(spec: &Spec, number: u32) -> Labels {
    labels([
        (labels::ATLAS_MANAGED, labels::ATLAS_MANAGED_VALUE),
        (labels::ATLAS_COCKROACHDB, &spec.cluster),
        (labels::ATLAS_COCKROACHDB_REGION, &spec.name),
        (labels::ATLAS_COCKROACHDB_NODE, &number.to_string()),
        (labels::ATLAS_COCKROACHDB_NETWORK, &spec.network),
    ])
}

/// A node's container. Flags are repeated at every start: only the list of `--join` is remembered in a store.
pub(super) fn container(spec: &Spec, node: &NodeSpec) -> ContainerSpec {
    let name = names::node(&spec.cluster, &spec.name, node.number);
    let zone = node.zone.as_ref().map(|zone| format!(",zone={zone}"));
    let mut cmd = vec![
        "start".to_owned(),
        format!("--cluster-name={}", spec.cluster),
        format!(
            "--join={}",
            names::join(&spec.cluster, &spec.regions, &spec.join).join(",")
        ),
        format!("--listen-addr=:{SQL_PORT}"),
        format!("--advertise-addr={name}:{SQL_PORT}"),
        format!("--http-addr=:{HTTP_PORT}"),
        format!(
            "--locality=region={}{}",
            spec.name,
            zone.unwrap_or_default()
        ),
        format!("--store=path={STORE}"),
        if node.secure {
            format!("--certs-dir={CERTIFICATES}")
        } else {
            "--insecure".to_owned()
        },
    ];
    let sizes = [
        ("cache", &node.resources.cache),
        ("max-sql-memory", &node.resources.max_sql_memory),
    ];
    for (flag, size) in sizes {
        cmd.extend(size.as_ref().map(|size| format!("--{flag}={size}")));
    }
    let published = [(SQL_PORT, node.sql_port), (HTTP_PORT, node.http_port)];
    let ports = published
        .into_iter()
        .filter_map(|(inside, outside)| Some(Published::locally(inside, outside?)))
        .collect();
    ContainerSpec {
        image: node.image.clone(),
        entrypoint: None,
        cmd,
        env: Vec::new(),
        labels: own_labels(spec, node.number),
        binds: vec![format!("{name}:{STORE}")],
        ports,
        network: node.network.clone(),
        address: node.address,
        extra_hosts: Vec::new(),
        memory: node.resources.memory,
        nano_cpus: node.resources.nano_cpus,
        runtime: Runtime::default(),
        is_node: false,
        name,
    }
}

#[cfg(test)]
mod tests {
    use super::super::spec::tests::spec;
    use super::*;
    use crate::docker::PortKey;

    #[test]
    fn a_node_is_started_with_its_place_and_its_peers() {
        let spec = spec();
        let made = container(&spec, &spec.node(2));
        assert_eq!(made.name, "atlas-cockroachdb-ledger-us-east-2");
        for word in [
            "--cluster-name=ledger",
            "--locality=region=us-east,zone=b",
            "--advertise-addr=atlas-cockroachdb-ledger-us-east-2:26257",
            "--cache=128MiB",
            "--certs-dir=/cockroach/cockroach-certs",
        ] {
            assert!(
                made.cmd.iter().any(|found| found == word),
                "{word}: {:?}",
                made.cmd
            );
        }
        assert_eq!(made.ports[&PortKey::tcp(SQL_PORT)][0].port, Some(26258));
        assert!(!made.ports.contains_key(&PortKey::tcp(HTTP_PORT)));
    }
}
