//! How an agent joins with nothing but an address and the token.
//!
//! The cluster's token gives a bootstrap token (id and secret). With it the agent authenticates the
//! server before it trusts it: the public description of the cluster (`kube-public/cluster-info`,
//! which holds the authority's certificate) is fetched without trust, and its signature (a detached
//! JWS, HMAC-SHA256 keyed with the secret) is checked. Then the kubelet bootstraps its own certificate
//! as upstream documents it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::children::Children;
use crate::cli::Options;
use crate::kubelet::{self, Cluster, Identity};
use crate::node::{self, Node};
use crate::{containerd, kube, logs, network};

/// How long a server may take to come up before an agent gives up and is started again.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long a server that answers may take to sign for this token.
const SIGNING: Duration = Duration::from_secs(60);

/// A bootstrap token, `id.secret`, derived from the cluster's token.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BootstrapToken {
    id: String,
    secret: String,
}

impl BootstrapToken {
    /// The same for everybody who knows the cluster's token, and of no use to find it.
    pub(crate) fn derive(token: &str) -> Self {
        // A full k3s token is `K10<hash>::user:password`; only the password is the secret.
        let password = token.rsplit(':').next().unwrap_or(token);
        let digest = Sha256::digest(format!("atlas node bootstrap\n{password}"));
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            id: hex[..6].to_owned(),
            secret: hex[6..22].to_owned(),
        }
    }

    /// Whether this is the detached signature of `content` by this token.
    fn signed(&self, jws: &str, content: &str) -> bool {
        let mut parts = jws.split('.');
        let (Some(header), Some(""), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return false;
        };
        let (Ok(signature), Ok(mut mac)) = (
            URL_SAFE_NO_PAD.decode(signature),
            Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()),
        ) else {
            return false;
        };
        mac.update(format!("{header}.{}", URL_SAFE_NO_PAD.encode(content)).as_bytes());
        mac.verify_slice(&signature).is_ok()
    }
}

impl fmt::Display for BootstrapToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.id, self.secret)
    }
}

/// Runs an agent until it is stopped.
pub(crate) fn run(options: &Options) -> Result<()> {
    let (Some(url), Some(token)) = (&options.url, &options.token) else {
        bail!("an agent needs --server and --token");
    };
    let node = Node::of(options)?;
    let mut children = Children::default();
    containerd::start(&mut children)?;
    let importing = std::thread::spawn(containerd::import_images);
    let token = BootstrapToken::derive(token);
    let mut urls = vec![url.clone()];
    urls.extend(known_servers().into_iter().filter(|known| known != url));
    let Trusted { url, authority } = trust(&mut children, &urls, &token)?;
    let url = url.as_str();
    let bootstrap = node::data("agent/bootstrap.conf");
    node::write(
        &bootstrap,
        &bootstrap_config(url, &authority, &token),
        0o600,
    )?;
    let cluster = describe(&mut children, &bootstrap)?;
    network::prepare(&cluster.pods)?;
    importing
        .join()
        .map_err(|_| anyhow::anyhow!("importing images failed"))??;
    let kubeconfig = node::data("agent/kubelet.conf");
    point_at(&kubeconfig, url)?;
    let identity = Identity {
        kubeconfig: &kubeconfig,
        bootstrap: Some(&bootstrap),
        authority: &authority,
    };
    kubelet::start(&mut children, options, &node, &cluster, &identity)?;
    children.wait_for("the kubelet getting its certificate", PATIENCE, || {
        kubeconfig.exists()
    })?;
    children.wait_for("the node registering", PATIENCE, || {
        registered(&kubeconfig, &node.name)
    })?;
    logs::info(&format!("Successfully registered node {}", node.name));
    network::follow_nodes(&kubeconfig, &node.name);
    kubelet::start_proxy(&mut children, options, &node, &cluster, &kubeconfig)?;
    children.watch()
}

/// Whether the API knows a node of this name.
pub(crate) fn registered(kubeconfig: &Path, name: &str) -> bool {
    kube::output(kube::kubectl(kubeconfig).args([
        "get",
        "node",
        name,
        "-o",
        "name",
        "--request-timeout=2s",
    ]))
    .is_ok()
}

/// Where an agent keeps the addresses of servers that it has met.
fn known_servers_file() -> PathBuf {
    node::data("agent/etc/servers")
}

/// Servers of earlier runs. As with k3s, an agent that was a member once finds its way back without
/// the address it was given, which may be that of a load balancer that starts after it.
fn known_servers() -> Vec<String> {
    let text = std::fs::read_to_string(known_servers_file()).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// A server that has proved to know the token.
struct Trusted {
    url: String,
    /// The file of its authority's certificate.
    authority: PathBuf,
}

/// What a server tells everybody of its cluster, signed.
struct Description {
    certificate: String,
    server: Option<String>,
}

/// Authenticates the first server that answers.
fn trust(children: &mut Children, urls: &[String], token: &BootstrapToken) -> Result<Trusted> {
    let path = node::data("agent/server-ca.crt");
    let started = Instant::now();
    let mut answered: Option<Instant> = None;
    loop {
        for url in urls {
            match description(url, token) {
                Ok(Some(found)) => {
                    node::write(&path, &found.certificate, 0o644)?;
                    if let Some(server) = &found.server {
                        node::write(known_servers_file(), &format!("{server}\n"), 0o600)?;
                    }
                    return Ok(Trusted {
                        url: url.clone(),
                        authority: path,
                    });
                }
                Ok(None) => {
                    let since = *answered.get_or_insert_with(Instant::now);
                    if since.elapsed() > SIGNING {
                        bail!(
                            "the server at {url} does not accept the token: is it this cluster's \
                             token?"
                        );
                    }
                }
                Err(error) if started.elapsed() > PATIENCE => {
                    return Err(error.context(format!("no server answers at {}", urls.join(", "))));
                }
                Err(_) => {}
            }
            children.check()?;
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// The cluster's description, `None` where it is not signed with this token.
fn description(url: &str, token: &BootstrapToken) -> Result<Option<Description>> {
    // Not trusted: this is only read, and believed once its signature is checked.
    let text = kube::output(Command::new(node::program("kubectl")).args([
        "--kubeconfig=/dev/null",
        "--server",
        url,
        "--insecure-skip-tls-verify",
        // kubectl would ask for a name; the API server ignores this and takes us for nobody.
        "--username=nobody",
        "--password=nobody",
        "--request-timeout=3s",
        "get",
        // Raw: nobody may not even ask which kinds of objects there are.
        "--raw=/api/v1/namespaces/kube-public/configmaps/cluster-info",
    ]))?;
    let map: serde_json::Value = serde_json::from_str(&text)?;
    let data = |key: &str| map["data"][key].as_str();
    let (Some(description), Some(jws)) = (
        data("kubeconfig"),
        data(&format!("jws-kubeconfig-{}", token.id)),
    ) else {
        return Ok(None);
    };
    if !token.signed(jws, description) {
        return Ok(None);
    }
    let value = |key: &str| {
        let mut lines = description.lines();
        lines.find_map(|line| line.trim().strip_prefix(key).map(str::trim))
    };
    let encoded = value("certificate-authority-data:")
        .context("the cluster's description has no authority")?;
    let certificate = base64::engine::general_purpose::STANDARD.decode(encoded)?;
    Ok(Some(Description {
        certificate: String::from_utf8(certificate)?,
        server: value("server:").map(str::to_owned),
    }))
}

fn bootstrap_config(url: &str, authority: &Path, token: &BootstrapToken) -> String {
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: default\n  cluster:\n    server: {url}\n    \
         certificate-authority: {authority}\nusers:\n- name: default\n  user:\n    token: \
         \"{token}\"\ncontexts:\n- name: default\n  context:\n    cluster: default\n    user: \
         default\ncurrent-context: default\n",
        authority = authority.display(),
    )
}

/// A kubelet that got its certificate in an earlier run keeps the server's address of that time.
pub(crate) fn point_at(kubeconfig: &Path, url: &str) -> Result<()> {
    let Ok(text) = std::fs::read_to_string(kubeconfig) else {
        return Ok(());
    };
    let lines = text.lines().map(|line| match line.split_once("server: ") {
        Some((before, _)) => format!("{before}server: {url}"),
        None => line.to_owned(),
    });
    let text = lines.collect::<Vec<_>>().join("\n") + "\n";
    node::write(kubeconfig, &text, 0o600)
}

/// The map in which a server tells nodes what they must know.
pub(crate) const DESCRIPTION: &str = "atlas-cluster";

fn describe(children: &mut Children, bootstrap: &Path) -> Result<Cluster> {
    let mut found = None;
    children.wait_for("reading the cluster's description", SIGNING, || {
        let columns = "jsonpath={.data.pods} {.data.dns} {.data.domain}";
        let text = kube::output(kube::kubectl(bootstrap).args([
            "--namespace=kube-public",
            "--request-timeout=3s",
            "get",
            "configmap",
            DESCRIPTION,
            "-o",
            columns,
        ]));
        found = text.ok().and_then(|text| {
            let mut words = text.split_whitespace().map(str::to_owned);
            Some(Cluster {
                pods: words.next()?,
                dns: words.next()?,
                domain: words.next()?,
            })
        });
        found.is_some()
    })?;
    found.context("the cluster's description is incomplete")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bootstrap_token_has_kubernetes_form_and_follows_the_password() {
        let token = BootstrapToken::derive("secret").to_string();
        let (id, secret) = token.split_once('.').unwrap();
        assert_eq!((id.len(), secret.len()), (6, 16));
        assert_eq!(
            token,
            BootstrapToken::derive("K10abc::server:secret").to_string()
        );
        assert_ne!(token, BootstrapToken::derive("other").to_string());
    }

    #[test]
    fn a_description_signed_with_another_token_is_not_trusted() {
        let sign = |token: &BootstrapToken, content: &str| {
            let mut mac = Hmac::<Sha256>::new_from_slice(token.secret.as_bytes()).unwrap();
            let payload = URL_SAFE_NO_PAD.encode(content);
            mac.update(format!("HEADER.{payload}").as_bytes());
            format!(
                "HEADER..{}",
                URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
            )
        };
        let (right, wrong) = (BootstrapToken::derive("a"), BootstrapToken::derive("b"));
        assert!(right.signed(&sign(&right, "text"), "text"));
        assert!(!right.signed(&sign(&wrong, "text"), "text"));
        assert!(!right.signed(&sign(&right, "text"), "forged"));
        assert!(!right.signed("", "text"));
    }
}
