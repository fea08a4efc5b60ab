//! Bad input is refused before anything changes, and the error points at the line to correct.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixListener;

use acceptance_tests::{Cluster, Sandbox, Terraform};
use anyhow::{Context, Result, ensure};

/// A configuration, the code that the error must point at, and what it must say.
struct Case {
    what: &'static str,
    config: String,
    code: &'static str,
    parts: Vec<String>,
}

impl Case {
    fn new(
        what: &'static str,
        config: impl Into<String>,
        code: &'static str,
        parts: &[&str],
    ) -> Self {
        let parts = parts.iter().map(|&part| part.to_owned()).collect();
        Self {
            what,
            config: config.into(),
            code,
            parts,
        }
    }

    fn check(&self, sandbox: &Sandbox, terraform: &Terraform) -> Result<()> {
        let said = terraform.expect_plan_error(&self.config);
        let parts: Vec<&str> = self.parts.iter().map(String::as_str).collect();
        said.and_then(|said| said.expect_at(self.code, &parts))
            .with_context(|| self.what.to_owned())?;
        let made = sandbox.docker().objects(&sandbox.prefix())?;
        ensure!(made.is_empty(), "{}: made nonetheless\n{made}", self.what);
        Ok(())
    }
}

fn check_all(sandbox: &Sandbox, cases: &[Case]) -> Result<()> {
    let terraform = sandbox.terraform()?;
    let failed: Vec<String> = cases
        .iter()
        .filter_map(|case| case.check(sandbox, &terraform).err())
        .map(|error| format!("{error:#}"))
        .collect();
    ensure!(
        failed.is_empty(),
        "{} of {} cases:\n\n{}",
        failed.len(),
        cases.len(),
        failed.join("\n\n")
    );
    Ok(())
}

#[test]
fn bad_networks_are_refused_at_the_line() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let network = |lines: &str| format!("resource \"atlas_network\" \"n\" {{\n{lines}\n}}\n");
    let good = format!("  name = \"{}\"\n", sandbox.name("n"));
    let subnet = format!("  subnet = \"{}\"\n", sandbox.subnet(0));
    check_all(
        &sandbox,
        &[
            Case::new(
                "a name with a slash",
                network(&format!("  name = \"a/b\"\n{subnet}")),
                "name",
                &["a/b"],
            ),
            Case::new(
                "no network at all",
                network(&format!("{good}  subnet = \"somewhere\"")),
                "subnet = \"somewhere\"",
                &["somewhere", "172.28.0.0/16"],
            ),
            Case::new(
                "host bits",
                network(&format!("{good}  subnet = \"10.1.2.3/16\"")),
                "subnet",
                &["10.1.2.3/16", "10.1.0.0/16"],
            ),
            Case::new(
                "too small",
                network(&format!("{good}  subnet = \"10.9.9.0/31\"")),
                "subnet",
                &["/31"],
            ),
            Case::new(
                "a gateway elsewhere",
                network(&format!("{good}{subnet}  gateway = \"10.1.2.3\"")),
                "gateway",
                &["10.1.2.3"],
            ),
            Case::new(
                "a label of k3d's",
                network(&format!(
                    "{good}{subnet}  labels = {{ \"k3d.cluster\" = \"x\" }}"
                )),
                "labels",
                &["k3d.cluster"],
            ),
        ],
    )
}

#[test]
fn bad_clusters_are_refused_at_the_line() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let cluster = |lines: &str| Cluster::new(&sandbox, "v", 0).with(lines).hcl();
    let named =
        |name: &str| format!("resource \"atlas_k3d_cluster\" \"v\" {{\n  name = \"{name}\"\n}}\n");
    let port = |lines: &str| {
        cluster(&format!(
            "port {{\n    container_port = 80\n    {lines}\n  }}"
        ))
    };
    check_all(
        &sandbox,
        &[
            Case::new(
                "an underscore in a name",
                named("dc_us"),
                "name",
                &["dc_us"],
            ),
            Case::new("a name too long", named(&"a".repeat(33)), "name", &["32"]),
            Case::new(
                "no server",
                cluster("servers = 0"),
                "servers = 0",
                &["server"],
            ),
            Case::new(
                "three servers",
                cluster("servers = 3"),
                "servers = 3",
                &["server"],
            ),
            Case::new(
                "fewer agents than none",
                cluster("agents = -1"),
                "agents = -1",
                &["agents"],
            ),
            Case::new(
                "too many agents",
                cluster("agents = 101"),
                "agents = 101",
                &["100"],
            ),
            Case::new(
                "an unknown node filter",
                port("node_filters = [\"worker:0\"]"),
                "node_filters",
                &["worker:0"],
            ),
            Case::new(
                "a node that the cluster has not",
                port("node_filters = [\"agent:3\"]"),
                "node_filters",
                &["agent:3"],
            ),
            Case::new(
                "a port too high",
                port("host_port = 70000"),
                "host_port = 70000",
                &["65535"],
            ),
            Case::new(
                "an odd protocol",
                port("protocol = \"icmp\""),
                "protocol",
                &["icmp", "tcp"],
            ),
            Case::new(
                "pods that are Services as well",
                format!(
                    "resource \"atlas_k3d_cluster\" \"v\" {{\n  name = \"{}\"\n  cluster_cidr = \"10.1.0.0/16\"\n  \
                     service_cidr = \"10.1.128.0/17\"\n}}\n",
                    sandbox.name("v")
                ),
                "_cidr",
                &["10.1.0.0/16", "10.1.128.0/17", "overlap"],
            ),
            Case::new(
                "an argument that belongs to an attribute",
                cluster("k3s {\n    extra_server_args = [\"--cluster-cidr=10.0.0.0/8\"]\n  }"),
                "extra_server_args",
                &["--cluster-cidr", "cluster_cidr"],
            ),
        ],
    )
}

#[test]
fn what_the_machine_has_already_is_refused_at_the_line() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let (terraform, docker) = (sandbox.terraform()?, sandbox.docker());
    let other = sandbox.name("other");
    docker.run(&["network", "create", "--subnet", &sandbox.subnet(3), &other])?;
    let network = format!(
        "resource \"atlas_network\" \"n\" {{\n  name   = \"{}\"\n  subnet = \"{}\"\n}}\n",
        sandbox.name("n"),
        sandbox.subnet(3)
    );
    terraform
        .expect_plan_error(&network)?
        .expect_at("subnet", &[&sandbox.subnet(3), &other, "overlap"])?;
    let cluster = Cluster::new(&sandbox, "v", 3).hcl();
    terraform
        .expect_plan_error(&cluster)?
        .expect_at("subnet", &[&sandbox.subnet(3), &other, "overlap"])?;

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let taken = listener.local_addr()?.port();
    for (block, inner) in [
        ("port", "container_port = 80"),
        ("kube_api", "host_ip = \"127.0.0.1\""),
    ] {
        let block = format!("{block} {{\n    host_port = {taken}\n    {inner}\n  }}");
        let config = Cluster::new(&sandbox, "v", 0).with(block).hcl();
        let said = terraform.expect_plan_error(&config)?;
        said.expect_at(
            &format!("host_port = {taken}"),
            &[&taken.to_string(), "already used"],
        )?;
    }

    let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let taken = socket.local_addr()?.port();
    let block = format!(
        "port {{\n    host_port = {taken}\n    container_port = 53\n    protocol = \"udp\"\n  }}"
    );
    terraform
        .expect_plan_error(&Cluster::new(&sandbox, "v", 0).with(block).hcl())?
        .expect_at(&format!("host_port = {taken}"), &["already used"])?;

    // A network by name: its subnet counts as the nodes'; one that there is not is told at the line.
    let on_network = |network: &str, pods: &str| {
        format!(
            "resource \"atlas_k3d_cluster\" \"v\" {{\n  name = \"{}\"\n  network = \"{network}\"\n  \
             cluster_cidr = \"{pods}\"\n  service_cidr = \"{}\"\n}}\n",
            sandbox.name("v"),
            sandbox.services(0),
        )
    };
    terraform
        .expect_plan_error(&on_network(&other, &sandbox.subnet(3)))?
        .expect_at("cluster_cidr", &[&sandbox.subnet(3), &other, "overlap"])?;
    let nowhere = sandbox.name("nowhere");
    terraform
        .expect_apply_error(&on_network(&nowhere, &sandbox.pods(0)))?
        .expect_at("network = ", &[&nowhere, "atlas_network"])?;

    let made = docker.objects(&sandbox.prefix())?;
    ensure!(
        made.containers.is_empty() && made.networks.len() == 1,
        "made nonetheless\n{made}"
    );
    Ok(())
}

#[test]
fn a_bridge_of_clusters_that_overlap_is_refused_naming_both() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = sandbox.terraform()?;
    let cluster = |label: &str, n: u8| {
        format!(
            "resource \"atlas_k3d_cluster\" \"{label}\" {{
  name         = \"{}\"
  subnet       = \"{}\"
  cluster_cidr = \"{}\"
  service_cidr = \"{}\"
}}
",
            sandbox.name(label),
            sandbox.subnet(n),
            sandbox.pods(0),
            sandbox.services(n),
        )
    };
    let bridge = |clusters: &str| {
        format!(
            "resource \"atlas_network_bridge\" \"b\" {{
  name     = \"{}\"
  subnet   = \"{}\"
  clusters = {clusters}
}}
",
            sandbox.name("b"),
            sandbox.subnet(20)
        )
    };
    let both = "[atlas_k3d_cluster.us, atlas_k3d_cluster.eu]";
    let config = cluster("us", 0) + &cluster("eu", 1) + &bridge(both);
    let said = terraform.expect_plan_error(&config)?;
    said.expect_at(
        "clusters",
        &[&sandbox.name("us"), &sandbox.name("eu"), "overlap"],
    )?;

    let alone = cluster("us", 0) + &bridge("[atlas_k3d_cluster.us]");
    terraform
        .expect_plan_error(&alone)?
        .expect_at("clusters", &["two"])?;
    let made = sandbox.docker().objects(&sandbox.prefix())?;
    ensure!(made.is_empty(), "made nonetheless\n{made}");
    Ok(())
}

#[test]
fn a_missing_image_is_told_before_anything_is_made() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = sandbox.terraform()?;
    let image = "localhost:9/atlas/no-such-image:0";
    let config = Cluster::new(&sandbox, "v", 0)
        .with(format!("image = \"{image}\""))
        .hcl();
    terraform
        .expect_apply_error(&config)?
        .expect_at("image =", &[image, "pull"])?;
    let made = sandbox.docker().objects(&sandbox.prefix())?;
    ensure!(made.is_empty(), "made nonetheless\n{made}");
    Ok(())
}

#[test]
fn no_docker_daemon_names_the_socket_that_was_tried() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let mut terraform = sandbox.terraform()?;
    let resource = Cluster::new(&sandbox, "v", 0).hcl();
    let socket = format!("unix://{}", sandbox.path("nobody.sock").display());
    let configured = format!("provider \"atlas\" {{\n  docker_host = \"{socket}\"\n}}\n{resource}");
    terraform
        .expect_plan_error(&configured)?
        .expect(&[&socket, "docker"])?;
    terraform.set_docker_host(Some(socket.clone()));
    terraform
        .expect_plan_error(&resource)?
        .expect(&[&socket, "docker"])?;
    Ok(())
}

#[test]
fn a_daemon_too_old_is_told_with_both_versions() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let mut terraform = sandbox.terraform()?;
    let socket = sandbox.path("old.sock");
    let listener = UnixListener::bind(&socket)?;
    // Ends with the test's process: it only ever waits.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let body = r#"{"Version":"1.12.6","ApiVersion":"1.24","MinAPIVersion":"1.12"}"#;
                let Ok(reader) = stream.try_clone() else {
                    return;
                };
                for line in BufReader::new(reader).lines().map_while(Result::ok) {
                    if line.is_empty() {
                        let length = body.len();
                        let head = "HTTP/1.1 200 OK\r\nApi-Version: 1.24\r\nContent-Type: application/json";
                        drop(write!(
                            stream,
                            "{head}\r\nContent-Length: {length}\r\n\r\n{body}"
                        ));
                    }
                }
            });
        }
    });
    terraform.set_docker_host(Some(format!("unix://{}", socket.display())));
    terraform
        .expect_plan_error(&Cluster::new(&sandbox, "v", 0).hcl())?
        .expect(&["1.24", "1.41"])?;
    Ok(())
}
