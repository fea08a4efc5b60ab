//! What someone did to a cluster behind Terraform's back is seen by the next plan and repaired by
//! the next apply.

use acceptance_tests::{Cluster, Docker, Face, Faces, Kubectl, Sandbox, Terraform};
use anyhow::{Context, Result, ensure};
use serde_json::json;

const ADDRESS: &str = "atlas_k3d_cluster.d";
/// A port that the load balancer publishes.
const PORT: u16 = 30080;

struct Drifting {
    sandbox: Sandbox,
    terraform: Terraform,
    name: String,
    port: u16,
}

impl Drifting {
    fn create() -> Result<Self> {
        let sandbox = Sandbox::open()?;
        let (terraform, name) = (sandbox.terraform()?, sandbox.name("d"));
        let port = sandbox.port(0)?;
        let published =
            format!("port {{\n    host_port = {port}\n    container_port = {PORT}\n  }}");
        let cluster = Cluster::new(&sandbox, "d", 0).with("agents = 1");
        terraform.apply(&cluster.with(published).hcl())?;
        Ok(Self {
            sandbox,
            terraform,
            name,
            port,
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

    expect_both_faces_mend(&cluster)?;
    expect_stale_plans_refused(&cluster)?;

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

/// A plan that was saved is not applied to a cluster that changed meanwhile, though it is as declared now. It takes about ten
/// seconds.
fn expect_stale_plans_refused(cluster: &Drifting) -> Result<()> {
    let docker = cluster.docker();
    docker.run(&["kill", &cluster.node("agent-0")])?;
    cluster
        .terraform
        .plan_json()?
        .expect(ADDRESS, &["update"])?;
    let ansible = cluster.sandbox.ansible()?;
    let wanted = json!({"name": cluster.name, "agents": 1});
    ansible.succeed(&[json!({"name": "mend", "atlas.world.k3d_cluster": wanted})])?;
    cluster.terraform.expect_stale_plan("cluster")?;
    cluster.terraform.expect_no_changes()?;
    cluster.expect_whole()
}

/// What somebody does to a cluster.
type Break<'a> = &'a dyn Fn() -> Result<()>;

/// Ways to break a cluster that runs, each met by `terraform plan` and by a module alike. It shares the cluster of the test
/// above and takes about a minute.
fn expect_both_faces_mend(cluster: &Drifting) -> Result<()> {
    let (docker, ansible) = (cluster.docker(), cluster.sandbox.ansible()?);
    let (server, agent) = (cluster.node("server-0"), cluster.node("agent-0"));
    let balancer = cluster.node("serverlb");
    let faces = |module, arguments| Faces {
        terraform: &cluster.terraform,
        address: ADDRESS,
        ansible: &ansible,
        module,
        arguments,
    };
    let nodes = faces("k3d_cluster", json!({"name": cluster.name, "agents": 1}));
    let ports = json!([{"host_port": cluster.port, "container_port": PORT}]);
    let published = faces(
        "load_balancer",
        json!({"cluster": cluster.name, "ports": ports}),
    );
    let before = docker.container(&server)?.started_at().to_owned();

    let pause = || docker.run(&["pause", &agent]).map(drop);
    let forget = || {
        Kubectl::in_cluster(&cluster.name)
            .run(&["delete", "node", &agent])
            .map(drop)
    };
    let write = |text: &str| {
        let script = format!("printf '{text}' > /etc/confd/values.yaml");
        docker.exec(&balancer, &["sh", "-c", &script]).map(drop)
    };
    let misdirect = || write(&format!("ports:\\n  6443.tcp: [{server}]\\n"));
    let spoil = || write("no: [yaml");
    let remove = || {
        docker
            .run(&["rm", "--force", "--volumes", &balancer])
            .map(drop)
    };
    let table: [(&str, Break<'_>, &Faces<'_>, Face); 7] = [
        ("agent paused", &pause, &nodes, Face::Module),
        ("Node object deleted", &forget, &nodes, Face::Terraform),
        ("Node object deleted", &forget, &nodes, Face::Module),
        (
            "load balancer misdirected",
            &misdirect,
            &published,
            Face::Module,
        ),
        (
            "load balancer's file spoilt",
            &spoil,
            &published,
            Face::Terraform,
        ),
        ("load balancer removed", &remove, &published, Face::Module),
        ("agent paused", &pause, &nodes, Face::Terraform),
    ];
    for (what, breaks, faces, by) in table {
        breaks()
            .and_then(|()| faces.expect_mended(&["update"], by))
            .and_then(|_| cluster.expect_whole())
            .with_context(|| format!("{what}, to be mended by {by:?}"))?;
    }
    ensure!(
        docker.container(&server)?.started_at() == before,
        "the server was started anew"
    );
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
