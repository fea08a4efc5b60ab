//! From k3d's `values.yaml` to nginx's configuration.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

#[derive(Deserialize)]
struct Values {
    #[serde(default)]
    ports: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    settings: Settings,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Settings {
    worker_connections: Option<u32>,
    default_proxy_timeout: Option<u32>,
}

/// Renders the configuration.
pub(crate) fn render(values: &str) -> Result<String> {
    let values: Values = serde_yaml_ng::from_str(values).context("values.yaml")?;
    let connections = values.settings.worker_connections.unwrap_or(1024);
    let timeout = values.settings.default_proxy_timeout.unwrap_or(600);
    let mut text = format!(
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\nerror_log stderr notice;\n\
         worker_processes auto;\npid /run/nginx.pid;\n\nevents {{\n  worker_connections {connections};\n}}\n\n\
         stream {{\n"
    );
    for (key, nodes) in &values.ports {
        let (port, protocol) = key
            .split_once('.')
            .context("a port is written PORT.PROTOCOL")?;
        let port: u16 = port.parse().with_context(|| format!("port {key:?}"))?;
        let udp = match protocol {
            "tcp" => "",
            "udp" => " udp",
            _ => bail!("port {key:?} is neither tcp nor udp"),
        };
        if nodes.is_empty() {
            continue;
        }
        let _ = writeln!(text, "  upstream {port}_{protocol} {{");
        for node in nodes {
            let _ = writeln!(
                text,
                "    server {node}:{port} max_fails=1 fail_timeout=10s;"
            );
        }
        let _ = write!(
            text,
            "  }}\n  server {{\n    listen {port}{udp};\n    proxy_pass {port}_{protocol};\n    \
             proxy_timeout {timeout};\n    proxy_connect_timeout 2s;\n  }}\n"
        );
    }
    text.push_str("}\n");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_has_its_upstream() {
        let text = render(
            "ports:\n  6443.tcp:\n  - a\n  53.udp: [a, b]\nsettings:\n  workerConnections: 8\n",
        )
        .unwrap();
        for part in [
            "worker_connections 8;",
            "upstream 6443_tcp {\n    server a:6443 max_fails=1",
            "listen 6443;",
            "server b:53 max_fails=1",
            "listen 53 udp;",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for values in ["ports: {x.tcp: [a]}", "ports: {80.sctp: [a]}", "ports: 3"] {
            assert!(render(values).is_err(), "{values}");
        }
    }
}
