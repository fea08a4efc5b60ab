//! The load balancer's file `/etc/confd/values.yaml`: k3d-proxy renders nginx's configuration from
//! it and reloads when it changes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_yaml_ng::Value;

use crate::docker::{File, PortKey};

/// Where the file is.
pub(crate) const PATH: &str = "/etc/confd/values.yaml";
/// nginx's `worker_connections` as k3d sets it at creation.
const WORKER_CONNECTIONS: u32 = 1024;

/// Node names by port.
pub(crate) type Upstreams = BTreeMap<PortKey, BTreeSet<String>>;

/// What the file says besides ports. What another hand set there, for instance by `k3d cluster create
/// --lb-config-override settings.defaultProxyTimeout=3600`, is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Settings(BTreeMap<String, Value>);

impl Default for Settings {
    /// As k3d sets them at creation.
    fn default() -> Self {
        let connections = ("workerConnections".to_owned(), WORKER_CONNECTIONS.into());
        Self(BTreeMap::from([connections]))
    }
}

#[derive(Serialize, Deserialize)]
struct Values {
    #[serde(default)]
    ports: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    settings: Settings,
}

/// The file for these upstreams and settings.
pub(crate) fn file(upstreams: &Upstreams, settings: &Settings) -> File {
    let ports = upstreams.iter().map(|(key, nodes)| {
        (
            format!("{}.{}", key.port, key.protocol),
            nodes.iter().cloned().collect(),
        )
    });
    let values = Values {
        ports: ports.collect(),
        settings: settings.clone(),
    };
    let text = serde_yaml_ng::to_string(&values).unwrap_or_default();
    File {
        path: PATH.to_owned(),
        content: text.into_bytes(),
        mode: 0o744,
    }
}

/// Reads the file back; `None` where it makes no sense.
pub(crate) fn parse(content: &[u8]) -> Option<(Upstreams, Settings)> {
    let values: Values = serde_yaml_ng::from_slice(content).ok()?;
    let ports = values.ports.into_iter().filter_map(|(key, nodes)| {
        let key = key.replace('.', "/").parse().ok()?;
        Some((key, nodes.into_iter().collect()))
    });
    Some((ports.collect(), values.settings))
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
        let file = file(&upstreams, &Settings::default());
        let text = String::from_utf8(file.content.clone()).unwrap();
        assert_eq!(
            text,
            "ports:\n  6443.tcp:\n  - k3d-demo-server-0\nsettings:\n  workerConnections: 1024\n"
        );
        assert_eq!(parse(&file.content), Some((upstreams, Settings::default())));
    }

    #[test]
    fn settings_of_another_hand_are_written_back() {
        let theirs = b"ports:\n  6443.tcp: [k3d-demo-server-0]\nsettings:\n  defaultProxyTimeout: 3600\n  new: [a, 1]\n";
        let (upstreams, settings) = parse(theirs).unwrap();
        let ours = file(&upstreams, &settings);
        let text = String::from_utf8(ours.content.clone()).unwrap();
        assert!(text.contains("defaultProxyTimeout: 3600"), "{text}");
        assert_eq!(parse(&ours.content), Some((upstreams, settings)));
    }
}
