//! The load balancer's file `/etc/confd/values.yaml`: k3d-proxy renders nginx's configuration from
//! it and reloads when it changes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::docker::{File, PortKey};

/// Where the file is.
pub(crate) const PATH: &str = "/etc/confd/values.yaml";
/// nginx's `worker_connections` as k3d sets it at creation.
const WORKER_CONNECTIONS: u32 = 1024;

/// Node names by port.
pub(crate) type Upstreams = BTreeMap<PortKey, BTreeSet<String>>;

#[derive(Serialize, Deserialize)]
struct Values {
    #[serde(default)]
    ports: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    settings: Settings,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Settings {
    #[serde(default)]
    worker_connections: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    default_proxy_timeout: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The file for these upstreams.
pub(crate) fn file(upstreams: &Upstreams) -> File {
    let ports = upstreams.iter().map(|(key, nodes)| {
        (
            format!("{}.{}", key.port, key.protocol),
            nodes.iter().cloned().collect(),
        )
    });
    let values = Values {
        ports: ports.collect(),
        settings: Settings {
            worker_connections: WORKER_CONNECTIONS,
            default_proxy_timeout: 0,
        },
    };
    let text = serde_yaml_ng::to_string(&values).unwrap_or_default();
    File {
        path: PATH.to_owned(),
        content: text.into_bytes(),
        mode: 0o744,
    }
}

/// Reads the file back; `None` where it makes no sense.
pub(crate) fn parse(content: &[u8]) -> Option<Upstreams> {
    let values: Values = serde_yaml_ng::from_slice(content).ok()?;
    let ports = values.ports.into_iter().filter_map(|(key, nodes)| {
        let key = key.replace('.', "/").parse().ok()?;
        Some((key, nodes.into_iter().collect()))
    });
    Some(ports.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_the_one_k3d_writes_and_reads_back() {
        let upstreams: Upstreams = BTreeMap::from([(
            "6443/tcp".parse().unwrap(),
            BTreeSet::from(["k3d-demo-server-0".to_owned()]),
        )]);
        let file = file(&upstreams);
        let text = String::from_utf8(file.content.clone()).unwrap();
        assert_eq!(
            text,
            "ports:\n  6443.tcp:\n  - k3d-demo-server-0\nsettings:\n  workerConnections: 1024\n"
        );
        assert_eq!(parse(&file.content), Some(upstreams));
    }
}
