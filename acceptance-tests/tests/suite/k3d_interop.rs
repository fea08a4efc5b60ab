//! Terraform and the k3d command line take turns on one cluster.

use std::fs;
use std::time::Duration;

use acceptance_tests::{Cluster, Docker, K3dVersion, Kubectl, Sandbox, Settings, eventually};
use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// k3d looks for the cluster in the default kubeconfig, which Atlas leaves alone unless it is asked to
/// write there; in a test there is none.
const ALLOWED: &[&str] = &[
    "Failed to remove cluster details from default kubeconfig",
    "failed to get default kubeconfig file",
];

#[test]
fn k3d_5_8_3_leads_what_terraform_made() -> Result<()> {
    k3d_leads_what_terraform_made(K3dVersion::V5_8_3)
}

#[test]
fn k3d_5_9_0_leads_what_terraform_made() -> Result<()> {
    k3d_leads_what_terraform_made(K3dVersion::V5_9_0)
}

fn k3d_leads_what_terraform_made(version: K3dVersion) -> Result<()> {
    let sandbox = Sandbox::open()?;
    let (terraform, k3d, docker) = (
        sandbox.terraform()?,
        sandbox.k3d(version)?,
        sandbox.docker(),
    );
    let name = sandbox.name("ours");
    let address = "atlas_k3d_cluster.ours";
    terraform.apply(&Cluster::new(&sandbox, "ours", 0).with("agents = 1").hcl())?;
    let nodes = ["server-0", "agent-0"].map(|ending| format!("k3d-{name}-{ending}"));

    let listed = k3d.listed(&name)?.context("k3d does not list it")?;
    for (key, count) in [
        ("serversRunning", 1),
        ("serversCount", 1),
        ("agentsRunning", 1),
        ("agentsCount", 1),
    ] {
        ensure!(
            listed[key].as_u64() == Some(count),
            "{key} is not {count}: {listed}"
        );
    }
    ensure!(listed["hasLoadbalancer"] == true, "{listed}");
    let shown = k3d.run(&["node", "list"])?;
    for line in ["server-0", "agent-0", "serverlb"] {
        ensure!(
            shown.stdout.contains(&format!("k3d-{name}-{line}")),
            "{shown}"
        );
    }
    let written = k3d.run(&["kubeconfig", "write", &name])?;
    let kubectl = Kubectl::with_kubeconfig(written.text().as_ref());
    kubectl.expect_ready(&nodes)?;

    k3d.run_allowing(&["cluster", "stop", &name], ALLOWED)?;
    terraform.expect_changes()?.expect(address, &["update"])?;
    k3d.run_allowing(&["cluster", "start", &name], ALLOWED)?;
    terraform
        .expect_no_changes()
        .context("k3d stopped and started the cluster")?;
    // k3d waits for the nodes' processes, not for Kubernetes.
    eventually(Duration::from_secs(60), || kubectl.expect_ready(&nodes))?;

    k3d.run_allowing(&["cluster", "delete", &name], ALLOWED)?;
    let left = docker.objects(&sandbox.prefix())?;
    ensure!(left.is_empty(), "k3d left of ours\n{left}");
    terraform.expect_changes()?.expect(address, &["create"])?;
    Ok(())
}

/// The load balancer's image under another name, which goes when this does.
struct OtherImage(String);

impl OtherImage {
    fn tag(sandbox: &Sandbox) -> Result<Self> {
        let name = format!("{}balancer:other", sandbox.prefix());
        let image = &Settings::get()?.loadbalancer_image;
        sandbox.docker().run(&["tag", image, &name])?;
        Ok(Self(name))
    }
}

impl Drop for OtherImage {
    fn drop(&mut self) {
        drop(Docker::new().run(&["rmi", "--force", &self.0]));
    }
}

/// A registry that nobody needs.
const REGISTRIES: &str = "mirrors:\n  registry.example:\n    endpoint: [\"http://127.0.0.1:1\"]\n";

/// Both agents of a cluster have the same limits and registries, and Kubernetes knows how much memory they have, whatever
/// the machine has. (The k3d CLI divides by 1000 where it says kB.)
fn expect_siblings(docker: Docker, cluster: &str) -> Result<()> {
    let agents = [0, 1].map(|index| format!("k3d-{cluster}-agent-{index}"));
    let has = |agent: &str| -> Result<([Option<Value>; 2], String)> {
        let container = docker.container(agent)?;
        let of_host = ["/HostConfig/Ulimits", "/HostConfig/PidMode"];
        let of_host = of_host.map(|pointer| container.at(pointer).cloned());
        let registries = docker.exec(agent, &["cat", "/etc/rancher/k3s/registries.yaml"])?;
        Ok((of_host, registries))
    };
    let (theirs, ours) = (has(&agents[0])?, has(&agents[1])?);
    ensure!(theirs == ours, "k3d's has {theirs:?}, Atlas's {ours:?}");
    let limited = ours.0[0].as_ref().is_some_and(|all| !all.is_null());
    ensure!(limited && ours.1.contains("registry.example"), "{ours:?}");
    let capacity = ["-o", "jsonpath={.items[*].status.capacity.memory}"];
    let nodes = ["get", "node", &agents[0], &agents[1]];
    let seen = Kubectl::in_cluster(cluster).run(&[&nodes[..], &capacity].concat())?;
    ensure!(seen == "1073741Ki 1Gi", "Kubernetes sees {seen}");
    Ok(())
}

#[test]
fn terraform_takes_over_what_k3d_made() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let (terraform, docker) = (sandbox.terraform()?, sandbox.docker());
    // Theirs has another load balancer than Atlas would choose, and keeps it.
    let image = OtherImage::tag(&sandbox)?;
    let k3d = sandbox.k3d(K3dVersion::V5_8_3)?.loadbalancer(&image.0);
    let (name, port) = (sandbox.name("theirs"), sandbox.port(0)?);
    let published = format!("127.0.0.1:{port}:30080@loadbalancer");
    let registries = sandbox.path("registries.yaml");
    fs::write(&registries, REGISTRIES)?;
    let registries = registries.display().to_string();
    k3d.create(
        &name,
        &[
            "--agents",
            "1",
            "--port",
            &published,
            "--registry-config",
            &registries,
            "--runtime-ulimit",
            "core=0:0",
            "--agents-memory",
            "1g",
        ],
    )?;
    let server = docker.container(&format!("k3d-{name}-server-0"))?;

    // Only what the user asked k3d for, said in HCL: the plan after the import is empty.
    let config = |agents: u32| {
        format!(
            "resource \"atlas_k3d_cluster\" \"theirs\" {{
  name   = \"{name}\"
  agents = {agents}
  runtime {{
    agents_memory = \"1g\"
  }}
  port {{
    host           = \"127.0.0.1\"
    host_port      = {port}
    container_port = 30080
    node_filters   = [\"loadbalancer\"]
  }}
}}
data \"atlas_k3d_cluster\" \"found\" {{
  name = \"{name}\"
}}
"
        )
    };
    terraform.import(&config(1), "atlas_k3d_cluster.theirs", &name)?;
    terraform.apply(&config(1))?;
    let found = terraform.attributes("data.atlas_k3d_cluster.found")?;
    let managed = terraform.attributes("atlas_k3d_cluster.theirs")?;
    ensure!(
        found["nodes"] == managed["nodes"],
        "the data source sees {found}, the resource {managed}"
    );

    let balancer = docker.container(&format!("k3d-{name}-serverlb"))?;
    ensure!(
        balancer
            .at("/Config/Image")
            .and_then(|image| image.as_str())
            == Some(image.0.as_str()),
        "the load balancer was replaced"
    );

    // An agent that Terraform adds is like the one that k3d made. This takes about fifteen seconds.
    terraform.apply(&config(2))?;
    expect_siblings(docker, &name)?;

    // From here on it is Terraform's: changed in place, and removed without a trace.
    terraform.apply(&config(0))?;
    let kubectl = Kubectl::in_cluster(&name);
    kubectl.expect_ready(&[format!("k3d-{name}-server-0")])?;
    let now = docker.container(&format!("k3d-{name}-server-0"))?;
    ensure!(now.id() == server.id(), "the server was replaced");
    terraform.destroy()?;
    Ok(())
}
