//! A web server in a cluster, and the fetching of its page: what "reachable" means in these tests.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use acceptance_tests::{Kubectl, Settings, eventually};
use anyhow::{Context, Result, ensure};

/// How long Kubernetes may take for what follows by itself: endpoints, DNS records, rules.
const SETTLE: Duration = Duration::from_secs(30);

/// A pod that serves `page`, on this node if one is named.
pub(crate) fn pod(name: &str, page: &str, node: Option<&str>) -> Result<String> {
    let image = &Settings::get()?.test_image;
    let place = node.map_or(String::new(), |node| format!("  nodeName: {node}\n"));
    Ok(format!(
        "apiVersion: v1
kind: Pod
metadata:
  name: {name}
  labels: {{app: {name}}}
spec:
  terminationGracePeriodSeconds: 0
{place}  containers:
  - name: web
    image: {image}
    imagePullPolicy: IfNotPresent
    command: [sh, -c, 'mkdir /www && echo {page} >/www/index.html && exec httpd -f -p 8080 -h /www']
    readinessProbe:
      tcpSocket: {{port: 8080}}
      periodSeconds: 1
"
    ))
}

/// A Service before that pod, on this port of every node if one is given.
pub(crate) fn service(name: &str, node_port: Option<u16>) -> String {
    let (kind, port) = match node_port {
        Some(port) => ("NodePort", format!(", nodePort: {port}")),
        None => ("ClusterIP", String::new()),
    };
    format!(
        "---
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  type: {kind}
  selector: {{app: {name}}}
  ports:
  - {{port: 80, targetPort: 8080{port}}}
"
    )
}

/// The address of a Service.
pub(crate) fn cluster_ip(kubectl: &Kubectl, name: &str) -> Result<String> {
    kubectl.run(&["get", "service", name, "-o", "jsonpath={.spec.clusterIP}"])
}

/// Has `pod` fetch `http://HOST/` until it gets `page`.
pub(crate) fn fetch_from_pod(kubectl: &Kubectl, pod: &str, host: &str, page: &str) -> Result<()> {
    let url = format!("http://{host}/");
    eventually(SETTLE, || {
        let got = kubectl.exec(pod, &["timeout", "5", "wget", "-q", "-O", "-", &url])?;
        ensure!(got.trim() == page, "{url} gave {got:?}, not {page:?}");
        Ok(())
    })
    .with_context(|| format!("pod {pod} could not fetch {url}"))
}

/// Has `pod` look a name up until it is told this address.
pub(crate) fn resolve_from_pod(
    kubectl: &Kubectl,
    pod: &str,
    name: &str,
    address: &str,
) -> Result<()> {
    eventually(SETTLE, || {
        let got = kubectl.exec(pod, &["timeout", "8", "nslookup", name])?;
        let told = got
            .lines()
            .any(|line| line.trim_end().ends_with(&format!(" {address}")));
        ensure!(told, "{name} is {got:?}, not {address}");
        Ok(())
    })
    .with_context(|| format!("pod {pod} could not look up {name}"))
}

/// Fetches `http://127.0.0.1:PORT/` once.
pub(crate) fn fetch_from_here(port: u16) -> Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(3))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    Ok(body.trim().to_owned())
}

/// Fetches `http://127.0.0.1:PORT/` until it gets `page`.
pub(crate) fn expect_page_here(port: u16, page: &str) -> Result<()> {
    eventually(SETTLE, || {
        let got = fetch_from_here(port)?;
        ensure!(got == page, "port {port} gave {got:?}, not {page:?}");
        Ok(())
    })
}
