//! The life of an `atlas_k3d_cluster`.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use acceptance_tests::{Cluster, Docker, Finished, Kubectl, Sandbox, Settings};
use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::web;

/// The port of every node at which the test's page is.
const NODE_PORT: u16 = 30080;
const ADDRESS: &str = "atlas_k3d_cluster.a";

/// One cluster through everything that can happen to it in place.
struct Life {
    sandbox: Sandbox,
    name: String,
    port: u16,
}

impl Life {
    fn begin() -> Result<Self> {
        let sandbox = Sandbox::open()?;
        let (name, port) = (sandbox.name("a"), sandbox.port(0)?);
        Ok(Self {
            sandbox,
            name,
            port,
        })
    }

    fn kubeconfig(&self) -> std::path::PathBuf {
        self.sandbox.path("kubeconfig.yaml")
    }

    fn config(&self, agents: u32, with_port: bool) -> String {
        let port = format!(
            "port {{\n    host_port = {}\n    container_port = {NODE_PORT}\n  }}",
            self.port
        );
        let kubeconfig = format!(
            "kubeconfig {{\n    path = \"{}\"\n  }}",
            self.kubeconfig().display()
        );
        let cluster = Cluster::new(&self.sandbox, "a", 0)
            .with(format!("agents = {agents}"))
            .with(kubeconfig);
        if with_port {
            cluster.with(port).hcl()
        } else {
            cluster.hcl()
        }
    }

    fn nodes(&self, agents: u32) -> Vec<String> {
        let agents = (0..agents).map(|n| format!("k3d-{}-agent-{n}", self.name));
        std::iter::once(self.server()).chain(agents).collect()
    }

    fn server(&self) -> String {
        format!("k3d-{}-server-0", self.name)
    }
}

#[test]
fn a_cluster_lives_and_changes_in_place() -> Result<()> {
    let life = Life::begin()?;
    let (terraform, docker) = (life.sandbox.terraform()?, life.sandbox.docker());
    terraform.apply(&life.config(0, false))?;
    let server = docker.container(&life.server())?;
    let kubectl = Kubectl::with_kubeconfig(&life.kubeconfig());
    kubectl.expect_ready(&life.nodes(0))?;
    expect_private(&life.kubeconfig())?;
    expect_state(&terraform.attributes(ADDRESS)?, &life, 1)?;
    // Nothing goes for an image that is not to be had.
    let image = "localhost:9/atlas/none:1";
    let typo = Cluster::new(&life.sandbox, "a", 0).with(format!("image = \"{image}\""));
    terraform
        .expect_plan_error(&typo.hcl())?
        .expect_at("image =", &[image, "Nothing is removed"])?;
    let page = web::pod("web", "hello", None)? + &web::service("web", Some(NODE_PORT));
    Kubectl::in_cluster(&life.name).apply(&page)?;

    // Two agents and a port at once, around a server that stays what it is.
    let plan = terraform.plan(&life.config(2, true))?;
    plan.expect(ADDRESS, &["update"])?;
    terraform.apply(&life.config(2, true))?;
    kubectl.expect_ready(&life.nodes(2))?;
    expect_same(docker, &server)?;
    expect_state(&terraform.attributes(ADDRESS)?, &life, 3)?;
    web::expect_page_here(life.port, "hello")?;

    // Pods know the host by k3d's name for it, without a bridge too.
    let gateway = server.at(&format!(
        "/NetworkSettings/Networks/k3d-{}/Gateway",
        life.name
    ));
    let gateway = gateway.and_then(Value::as_str).context("no gateway")?;
    let inside = Kubectl::in_cluster(&life.name);
    web::resolve_from_pod(&inside, "web", "host.k3d.internal", gateway)?;

    // Back to one agent and no port: Kubernetes knows nothing of the one that went.
    terraform.apply(&life.config(1, false))?;
    kubectl.expect_ready(&life.nodes(1))?;
    expect_same(docker, &server)?;
    ensure!(
        docker
            .find(&format!("k3d-{}-agent-1", life.name))?
            .is_none(),
        "agent-1 is still there"
    );
    TcpListener::bind((Ipv4Addr::LOCALHOST, life.port)).context("the port is still taken")?;

    look_up(&life)?;
    terraform.destroy()?;
    // The file may stay for other clusters; of this one it knows nothing.
    let rest = fs::read_to_string(life.kubeconfig()).unwrap_or_default();
    ensure!(
        !rest.contains(&life.name),
        "the kubeconfig still names the cluster:\n{rest}"
    );
    Ok(())
}

/// Reads the cluster from a configuration that does not own it.
fn look_up(life: &Life) -> Result<()> {
    let other = life.sandbox.another_terraform("reader")?;
    let found = format!(
        "data \"atlas_k3d_cluster\" \"found\" {{\n  name = \"{}\"\n  store_credentials = false\n}}\ndata \"atlas_k3d_clusters\" \"all\" {{}}\n",
        life.name
    );
    other.apply(&found)?;
    let cluster = other.attributes("data.atlas_k3d_cluster.found")?;
    let nodes = cluster["nodes"]
        .as_array()
        .context("the data source has no nodes")?;
    ensure!(nodes.len() >= 2, "{cluster}");
    ensure!(
        cluster["cluster_cidr"] == life.sandbox.pods(0).as_str(),
        "{cluster}"
    );
    ensure!(
        !other.state_file()?.contains("PRIVATE KEY"),
        "the data source stores a key"
    );
    let all = other.attributes("data.atlas_k3d_clusters.all")?;
    ensure!(
        all.to_string().contains(&format!("\"{}\"", life.name)),
        "{all}"
    );

    if Settings::get()?.is_opentofu() {
        // OpenTofu has ephemeral resources from 1.11 on.
        return Ok(());
    }
    let ephemeral = life.sandbox.another_terraform("ephemeral")?;
    let config = |condition: &str| {
        format!(
            "ephemeral \"atlas_kubeconfig\" \"k\" {{
  cluster = \"{}\"
  lifecycle {{
    postcondition {{
      condition     = {condition}
      error_message = \"the ephemeral kubeconfig was opened\"
    }}
  }}
}}
resource \"terraform_data\" \"state\" {{
  input = \"so that there is a state\"
}}
",
            life.name
        )
    };
    // A condition that fails proves that the other one was looked at.
    ephemeral
        .expect_plan_error(&config("self.host == \"\""))?
        .expect(&["was opened"])?;
    let usable = "strcontains(self.raw, self.host) && strcontains(self.client_key, \"PRIVATE KEY\") && \
                  strcontains(self.client_certificate, \"CERTIFICATE\") && \
                  strcontains(self.cluster_ca_certificate, \"CERTIFICATE\")";
    ephemeral.apply(&config(usable))?;
    let state = ephemeral.state_file()?;
    for secret in ["PRIVATE KEY", "client-key-data", "CERTIFICATE"] {
        ensure!(
            !state.contains(secret),
            "the state holds {secret:?}:\n{state}"
        );
    }
    Ok(())
}

fn expect_same(docker: Docker, before: &acceptance_tests::Container) -> Result<()> {
    let now = docker.container(
        before
            .at("/Name")
            .and_then(Value::as_str)
            .unwrap_or_default(),
    )?;
    ensure!(now.id() == before.id(), "the server was replaced");
    ensure!(
        now.started_at() == before.started_at(),
        "the server was restarted"
    );
    Ok(())
}

fn expect_private(file: &Path) -> Result<()> {
    let mode = fs::metadata(file)
        .with_context(|| file.display().to_string())?
        .permissions()
        .mode();
    ensure!(
        mode & 0o777 == 0o600,
        "the kubeconfig's mode is {:o}, not 600",
        mode & 0o777
    );
    Ok(())
}

/// What the state promises to other configurations.
fn expect_state(state: &Value, life: &Life, kubernetes_nodes: usize) -> Result<()> {
    ensure!(state["id"] == life.name.as_str(), "{state}");
    let nodes = state["nodes"].as_array().context("no nodes in the state")?;
    let of_kubernetes: Vec<&Value> = nodes
        .iter()
        .filter(|node| node["role"] == "server" || node["role"] == "agent")
        .collect();
    ensure!(of_kubernetes.len() == kubernetes_nodes, "{nodes:?}");
    for node in nodes {
        ensure!(node["state"] == "running", "{node}");
        ensure!(
            node["ip"].as_str().is_some_and(|ip| ip.starts_with("10.")),
            "{node}"
        );
    }
    let endpoint = state["api_endpoint"].as_str().unwrap_or_default();
    ensure!(
        endpoint.starts_with("https://127.0.0.1:"),
        "api_endpoint is {endpoint:?}"
    );
    let raw = state["kubeconfig_raw"].as_str().unwrap_or_default();
    ensure!(
        raw.contains(endpoint) && raw.contains(&format!("k3d-{}", life.name)),
        "the kubeconfig is odd"
    );
    for part in ["cluster_ca_certificate", "client_certificate", "client_key"] {
        ensure!(
            state[part]
                .as_str()
                .is_some_and(|pem| pem.contains("-----BEGIN")),
            "{part} is no PEM"
        );
    }
    Ok(())
}

const TOKEN: &str = "a-token-of-the-users-own";

const OTHER_KUBECONFIG: &str = "apiVersion: v1
kind: Config
clusters: [{name: other, cluster: {server: 'https://127.0.0.1:1'}}]
users: [{name: other, user: {}}]
contexts: [{name: other, context: {cluster: other, user: other}}]
current-context: other
";

/// The provider's own lines are in Terraform's log, at their level, and no secret is.
fn expect_logs(applied: &Finished, cluster: &str) -> Result<()> {
    let log = &applied.stderr;
    let told = log
        .lines()
        .find(|line| line.contains(&format!("starting k3d-{cluster}-server-0")));
    let told = told.context("the log does not tell of the server's start")?;
    ensure!(
        told.contains("[INFO]") && told.contains("provider.terraform-provider-atlas"),
        "the line is no entry of Terraform's log: {told}"
    );
    for secret in [TOKEN, "PRIVATE KEY", "client-key-data"] {
        ensure!(!log.contains(secret), "the log holds {secret:?}");
    }
    Ok(())
}

#[test]
fn arguments_reach_the_nodes_that_their_filters_name() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let (terraform, docker) = (sandbox.terraform()?, sandbox.docker());
    let name = sandbox.name("args");
    let mounted = sandbox.path("mounted");
    fs::create_dir_all(&mounted)?;
    fs::write(mounted.join("file"), "from the host")?;
    let (server, network) = (format!("k3d-{name}-server-0"), sandbox.name("shared"));
    // OpenTofu has write-only attributes from 1.11 on.
    let write_only = !Settings::get()?.is_opentofu();
    let token = if write_only {
        format!("token_wo = \"{TOKEN}\"\n  token_wo_version = 1")
    } else {
        format!("token = \"{TOKEN}\"")
    };
    let config = format!(
        "resource \"atlas_network\" \"shared\" {{
  name   = \"{network}\"
  subnet = \"{subnet}\"
}}
resource \"atlas_k3d_cluster\" \"args\" {{
  name         = \"{name}\"
  network      = atlas_network.shared.name
  cluster_cidr = \"{pods}\"
  service_cidr = \"{services}\"
  {token}
  env {{
    key          = \"COLOUR\"
    value        = \"green\"
    node_filters = [\"server:0\"]
  }}
  label {{
    key          = \"team\"
    value        = \"atlas\"
    node_filters = [\"server:*\"]
  }}
  volume {{
    source       = {mounted:?}
    destination  = \"/mounted\"
    node_filters = [\"server:0\"]
  }}
  k3s {{
    extra_args {{
      arg          = \"--kube-apiserver-arg=v=1\"
      node_filters = [\"server:0\"]
    }}
    node_labels {{
      label        = \"zone=one\"
      node_filters = [\"server:0\"]
    }}
  }}
  k3d {{
    disable_load_balancer = true
  }}
  kubeconfig {{
    update_default_kubeconfig = true
    switch_current_context    = true
  }}
}}
",
        subnet = sandbox.subnet(0),
        pods = sandbox.pods(0),
        services = sandbox.services(0),
    );
    let default = terraform.folder().join("home/kubeconfig");
    fs::write(&default, OTHER_KUBECONFIG)?;
    terraform.write(&config)?;
    // Of several files, kubectl writes to the first that is there.
    let missing = sandbox.path("missing");
    let applied = terraform
        .command("apply")?
        .arg("-auto-approve")
        .env("TF_LOG", "TRACE")
        .env(
            "KUBECONFIG",
            format!(":{}:{}", missing.display(), default.display()),
        )
        .succeed()?;
    terraform.expect_no_changes()?;
    expect_logs(&applied, &name)?;
    // Merged beside what was there, and switched to.
    expect_private(&default)?;
    ensure!(!missing.exists(), "a file was made that nobody asked for");
    let current =
        Kubectl::with_kubeconfig(&default).run(&["config", "get-contexts", "-o", "name"])?;
    ensure!(
        current.lines().collect::<Vec<_>>() == [format!("k3d-{name}"), "other".to_owned()],
        "contexts are {current}"
    );
    let current = Kubectl::with_kubeconfig(&default).run(&["config", "current-context"])?;
    ensure!(current == format!("k3d-{name}"), "it is at {current}");

    let container = docker.container(&server)?;
    ensure!(
        container.label("k3d.cluster.token") == Some(TOKEN),
        "the cluster has another token"
    );
    if write_only {
        ensure!(
            !terraform.state_file()?.contains(TOKEN),
            "the state holds the write-only token"
        );
    }
    ensure!(
        container.label("team") == Some("atlas"),
        "the label is not there"
    );
    ensure!(
        docker.exec(&server, &["cat", "/mounted/file"])? == "from the host",
        "not mounted"
    );
    ensure!(
        docker.exec(&server, &["printenv", "COLOUR"])? == "green",
        "not in the environment"
    );
    ensure!(
        docker.find(&format!("k3d-{name}-serverlb"))?.is_none(),
        "there is a load balancer"
    );
    let nodes = Kubectl::in_cluster(&name).json(&["get", "nodes", "-l", "zone=one"])?;
    ensure!(
        nodes["items"]
            .as_array()
            .is_some_and(|items| items.len() == 1),
        "the node has no label"
    );

    // Without a load balancer the server itself is published; the network is another resource's.
    let raw = terraform.attributes("atlas_k3d_cluster.args")?["kubeconfig_raw"].clone();
    let file = sandbox.path("args.yaml");
    fs::write(&file, raw.as_str().unwrap_or_default())?;
    Kubectl::with_kubeconfig(&file).expect_ready(&[server])?;
    ensure!(
        terraform.state_file()?.contains("PRIVATE KEY"),
        "the state holds no key"
    );
    let config = config.replace(&token, &format!("{token}\n  store_credentials = false"));
    terraform
        .plan(&config)?
        .expect("atlas_k3d_cluster.args", &["update"])?;
    terraform.apply(&config)?;
    ensure!(
        !terraform.state_file()?.contains("PRIVATE KEY"),
        "the state holds a key"
    );
    let replaced = config.replace("COLOUR", "HUE");
    terraform
        .plan(&replaced)?
        .expect("atlas_k3d_cluster.args", &["delete", "create"])?;
    terraform.destroy()?;
    Ok(())
}
