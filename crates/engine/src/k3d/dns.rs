//! What a cluster's CoreDNS is told beside what k3s tells it: server blocks in ConfigMap
//! `kube-system/coredns-custom`, k3s's place for such additions. Its other keys are the user's.

use std::net::Ipv4Addr;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::network;

use super::kubectl;

/// The ConfigMap that CoreDNS reads additions from.
pub(crate) const CUSTOM: &str = "coredns-custom";

const NAMESPACE: &str = "--namespace=kube-system";
const DEPLOYMENT: &str = "deployment/coredns";
/// How long a cluster may take to answer one question.
const PATIENCE: &str = "--request-timeout=8s";

/// Sets one key, or takes it away, and waits until CoreDNS answers with what it was told: Kubernetes alone would take
/// minutes to pass a changed ConfigMap on.
pub(crate) async fn tell(
    cx: &Context,
    server: &str,
    key: &str,
    blocks: Option<&str>,
) -> Result<()> {
    set(cx, server, key, blocks).await?;
    kubectl(cx, server, &["rollout", "restart", DEPLOYMENT, NAMESPACE]).await?;
    let wait = ["rollout", "status", DEPLOYMENT, NAMESPACE, "--timeout=180s"];
    kubectl(cx, server, &wait).await.map(drop)
}

async fn set(cx: &Context, server: &str, key: &str, blocks: Option<&str>) -> Result<()> {
    let patch = serde_json::json!({"data": {key: blocks}}).to_string();
    if custom(cx, server, "name").await?.is_empty() {
        match kubectl(cx, server, &["create", "configmap", CUSTOM, NAMESPACE]).await {
            // Somebody else's addition came first.
            Err(Error::Exec { output, .. }) if output.contains("AlreadyExists") => {}
            other => drop(other?),
        }
    }
    let change = [
        "patch",
        "configmap",
        CUSTOM,
        NAMESPACE,
        PATIENCE,
        "--type=merge",
        "-p",
        &patch,
    ];
    kubectl(cx, server, &change).await.map(drop)
}

/// What there is of the ConfigMap, in one of kubectl's forms of output; empty where there is none.
async fn custom(cx: &Context, server: &str, form: &str) -> Result<String> {
    let question = [
        "get",
        "configmap",
        CUSTOM,
        NAMESPACE,
        "--ignore-not-found",
        PATIENCE,
        "-o",
        form,
    ];
    let answer = kubectl(cx, server, &question).await?;
    Ok(answer.trim().to_owned())
}

/// The key of the host's name.
const HOST_KEY: &str = "k3d-host.server";
/// The host's name, which k3d's users expect in nodes and pods alike.
const HOST: &str = "host.k3d.internal";

/// The server block that knows the host as the network's gateway. It is a zone of its own: what k3d writes into CoreDNS's
/// `NodeHosts`, k3s takes away at its next start.
fn host_block(gateway: Ipv4Addr) -> String {
    format!("{HOST}:53 {{\n    errors\n    hosts {{\n        {gateway} {HOST}\n    }}\n}}\n")
}

/// Has pods know the host by its name. A cluster that cannot be told works without it, so the user is warned.
pub(super) async fn name_host(cx: &Context, server: &str, network: &str) {
    let done = async {
        let network = network::observe(cx, network).await?;
        let Some(gateway) = network.and_then(|network| network.gateway) else {
            return Ok(());
        };
        let wanted = host_block(gateway);
        let path = format!("jsonpath={{.data.{}}}", HOST_KEY.replace('.', "\\."));
        if custom(cx, server, &path).await? == wanted.trim() {
            return Ok(());
        }
        set(cx, server, HOST_KEY, Some(&wanted)).await?;
        // It may be disabled, and nobody waits for one that starts.
        let deployed = [
            "get",
            DEPLOYMENT,
            NAMESPACE,
            "--ignore-not-found",
            "-o",
            "name",
        ];
        if kubectl(cx, server, &deployed).await?.trim().is_empty() {
            return Ok(());
        }
        kubectl(cx, server, &["rollout", "restart", DEPLOYMENT, NAMESPACE])
            .await
            .map(drop)
    };
    if let Err(error) = done.await {
        cx.warn(
            format!("Pods do not resolve {HOST}"),
            format!("Cannot change the DNS of {server}: {error}. The next change of the cluster repeats this."),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_known_by_its_name_alone_and_hides_nothing_beside_it() {
        let block = host_block("172.20.0.1".parse().unwrap());
        assert!(block.starts_with("host.k3d.internal:53 {\n"), "{block}");
        assert!(block.contains("172.20.0.1 host.k3d.internal\n"), "{block}");
        let (opened, closed) = (block.matches('{').count(), block.matches('}').count());
        assert_eq!((opened, closed), (2, 2));
    }
}
