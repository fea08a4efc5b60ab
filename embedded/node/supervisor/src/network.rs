//! The pod network: a bridge per node, and on every node a route to each other node's pods (what
//! flannel calls host-gw). Nothing is encapsulated, so pod addresses are seen as they are.
//!
//! Masquerading is a chain at the end of iptables' nat POSTROUTING and not the CNI plugin's own, so
//! that whoever connects two clusters can put an exception before it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::kube::{Watch, kubectl};
use crate::{logs, node};

const CNI_CONFIG: &str = "/etc/cni/net.d/10-atlas.conflist";
const CHAIN: &str = "ATLAS-MASQUERADE";

/// Prepares the network namespace.
pub(crate) fn prepare(pods: &str) -> Result<()> {
    for (key, value) in [
        ("net/ipv4/ip_forward", "1"),
        // Answers between pods of one node must pass through the translation of Services.
        ("net/bridge/bridge-nf-call-iptables", "1"),
    ] {
        let path = format!("/proc/sys/{key}");
        if Path::new(&path).exists()
            && let Err(error) = std::fs::write(&path, value)
        {
            logs::warn(&format!("{path}: {error}"));
        }
    }
    // Making the chain fails where it is there already, which is as good.
    let _ = iptables(&["-N", CHAIN]);
    iptables(&["-F", CHAIN])?;
    iptables(&["-A", CHAIN, "-d", pods, "-j", "RETURN"])?;
    iptables(&["-A", CHAIN, "-d", "224.0.0.0/4", "-j", "RETURN"])?;
    iptables(&["-A", CHAIN, "-j", "MASQUERADE"])?;
    let jump = ["POSTROUTING", "-s", pods, "-j", CHAIN];
    if iptables(&[&["-C"], &jump[..]].concat()).is_err() {
        iptables(&[&["-A"], &jump[..]].concat())?;
    }
    Ok(())
}

fn iptables(args: &[&str]) -> Result<()> {
    let output = Command::new("iptables")
        .args(["-w", "-t", "nat"])
        .args(args)
        .output()?;
    if !output.status.success() {
        bail!(
            "iptables {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

/// Follows the cluster's nodes for ever: configures this node's pods and routes to the others'.
pub(crate) fn follow_nodes(kubeconfig: &Path, own: &str) {
    let kubeconfig = kubeconfig.to_owned();
    let own = own.to_owned();
    std::thread::spawn(move || {
        loop {
            if let Err(error) = follow(&kubeconfig, &own) {
                logs::warn(&format!("following the cluster's nodes: {error:#}"));
            }
            // The watch ends now and then, and at once while the API server is away.
            std::thread::sleep(Duration::from_secs(1));
        }
    });
}

fn follow(kubeconfig: &Path, own: &str) -> Result<()> {
    let columns = r#"{.metadata.name}{" "}{.spec.podCIDR}{" "}{.status.addresses[?(@.type=="InternalIP")].address}{"\n"}"#;
    let output = format!("jsonpath={columns}");
    let mut command = kubectl(kubeconfig);
    for line in Watch::start(command.args(["get", "nodes", "--watch", "-o", &output]))? {
        let line = line?;
        let mut columns = line.split(' ');
        let (name, pods, address) = (columns.next(), columns.next(), columns.next());
        let (Some(name), Some(pods), Some(address)) = (name, pods, address) else {
            continue;
        };
        if pods.is_empty() {
            continue;
        }
        if name == own {
            configure(pods)?;
        } else if !address.is_empty() {
            route(pods, address);
        }
    }
    Ok(())
}

fn configure(pods: &str) -> Result<()> {
    let text = conflist(pods);
    if std::fs::read_to_string(CNI_CONFIG).is_ok_and(|found| found == text) {
        return Ok(());
    }
    logs::info(&format!("Pods of this node are in {pods}"));
    node::write(CNI_CONFIG, &text, 0o644)
}

fn route(pods: &str, address: &str) {
    let done = Command::new("ip")
        .args(["route", "replace", pods, "via", address])
        .output();
    match done {
        Ok(output) if output.status.success() => {}
        // A node that left, or one that is not on this network: Kubernetes will tell.
        _ => logs::warn(&format!("no route to the pods {pods} via {address}")),
    }
}

fn conflist(pods: &str) -> String {
    let value = serde_json::json!({
        "cniVersion": "0.4.0",
        "name": "atlas",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": true,
                "hairpinMode": true,
                "ipMasq": false,
                "ipam": {
                    "type": "host-local",
                    "dataDir": "/var/lib/cni/networks",
                    "ranges": [[{"subnet": pods}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    });
    format!("{value:#}\n")
}
