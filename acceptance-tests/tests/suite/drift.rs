//! What someone did to a cluster behind Terraform's back is seen by the next plan and repaired by
//! the next apply.

use acceptance_tests::{Cluster, Docker, Kubectl, Sandbox, Terraform};
use anyhow::{Context, Result, ensure};

const ADDRESS: &str = "atlas_k3d_cluster.d";

struct Drifting {
    sandbox: Sandbox,
    terraform: Terraform,
    name: String,
}

impl Drifting {
    fn create() -> Result<Self> {
        let sandbox = Sandbox::open()?;
        let (terraform, name) = (sandbox.terraform()?, sandbox.name("d"));
        terraform.apply(&Cluster::new(&sandbox, "d", 0).with("agents = 1").hcl())?;
        Ok(Self {
            sandbox,
            terraform,
            name,
        })
    }

    fn docker(&self) -> Docker {
        self.sandbox.docker()
    }

    fn node(&self, ending: &str) -> String {
        format!("k3d-{}-{ending}", self.name)
    }

    /// The plan sees it, the apply repairs it, and the cluster works; the server is the same still
    /// unless it is what went.
    fn expect_repair(&self, what: &str, actions: &[&str]) -> Result<()> {
        let same = actions == ["update"];
        let server = self.docker().find(&self.node("server-0"))?;
        self.terraform
            .expect_changes()
            .and_then(|plan| plan.expect(ADDRESS, actions))
            .and_then(|()| self.terraform.repair().map(drop))
            .and_then(|()| self.expect_whole())
            .with_context(|| format!("drift: {what}"))?;
        if let (true, Some(before)) = (same, server) {
            let now = self.docker().container(&self.node("server-0"))?;
            ensure!(
                now.id() == before.id(),
                "drift: {what}: the server was replaced"
            );
        }
        Ok(())
    }

    fn expect_whole(&self) -> Result<()> {
        for ending in ["server-0", "agent-0", "serverlb"] {
            let running = self.docker().container(&self.node(ending))?.is_running();
            ensure!(running, "{ending} does not run");
        }
        let raw = self.terraform.attributes(ADDRESS)?["kubeconfig_raw"].clone();
        let file = self.sandbox.path("kubeconfig.yaml");
        std::fs::write(&file, raw.as_str().unwrap_or_default())?;
        // Through the load balancer, as a user would.
        Kubectl::with_kubeconfig(&file).expect_ready(&[self.node("server-0"), self.node("agent-0")])
    }
}

#[test]
fn drift_is_seen_and_repaired() -> Result<()> {
    let cluster = Drifting::create()?;
    let docker = cluster.docker();

    docker.run(&["rm", "--force", "--volumes", &cluster.node("serverlb")])?;
    cluster.expect_repair("load balancer removed", &["update"])?;

    docker.run(&["rm", "--force", "--volumes", &cluster.node("agent-0")])?;
    cluster.expect_repair("agent removed", &["update"])?;

    docker.run(&["kill", &cluster.node("server-0")])?;
    cluster.expect_repair("server stopped", &["update"])?;

    let everything = docker.objects(&cluster.sandbox.prefix())?;
    docker.remove_all(&cluster.sandbox.prefix())?;
    cluster.expect_repair("cluster deleted", &["create"])?;
    let again = docker.objects(&cluster.sandbox.prefix())?;
    ensure!(
        again == everything,
        "it came back as\n{again}and was\n{everything}"
    );

    cluster.terraform.destroy()?;
    Ok(())
}

#[test]
fn a_deleted_network_is_made_again_with_the_same_addresses() -> Result<()> {
    let cluster = Drifting::create()?;
    let docker = cluster.docker();
    let network = format!("k3d-{}", cluster.name);
    let nodes = ["server-0", "agent-0", "serverlb"].map(|ending| cluster.node(ending));
    let addresses = || -> Result<Vec<Option<String>>> {
        let address =
            |node: &String| Ok(docker.container(node)?.address(&network).map(str::to_owned));
        nodes.iter().map(address).collect()
    };
    let before = addresses()?;
    for node in &nodes {
        docker.run(&["network", "disconnect", "--force", &network, node])?;
    }
    docker.run(&["network", "rm", &network])?;
    cluster.expect_repair("network deleted", &["update"])?;
    let after = addresses()?;
    ensure!(
        after == before,
        "addresses were {before:?} and are {after:?}"
    );
    cluster.terraform.destroy()?;
    Ok(())
}
