//! What is planned for which difference: the table that decides whether a cluster is destroyed.

use super::*;
use crate::docker::{Devices, ImageDefaults, Runtime, Ulimit};
use crate::labels;
use crate::path::FieldPath;

fn item<T>(value: T, filters: &[&str]) -> Filtered<T> {
    Filtered {
        value,
        filters: filters.iter().map(|&one| one.to_owned()).collect(),
        path: FieldPath::of("item").index(0),
    }
}

fn pair(key: &str, value: &str, filters: &[&str]) -> Filtered<Pair> {
    let (key, value) = (key.to_owned(), value.to_owned());
    item(Pair { key, value }, filters)
}

fn port(host_port: u16, filters: &[&str]) -> Filtered<Port> {
    let port = Port {
        host: None,
        host_port: Some(host_port),
        container_port: 80,
        protocol: "tcp".to_owned(),
    };
    item(port, filters)
}

fn volume(source: &str, filters: &[&str]) -> Filtered<Volume> {
    let volume = Volume {
        source: Some(source.to_owned()),
        destination: "/data".to_owned(),
    };
    item(volume, filters)
}

fn word(word: &str, filters: &[&str]) -> Filtered<String> {
    item(word.to_owned(), filters)
}

/// Two agents and a port to all nodes.
fn spec() -> Spec {
    Spec {
        agents: 2,
        ports: vec![port(8080, &[])],
        ..Spec::new("demo", "node:1", "lb:1")
    }
}

fn fields(plan: &Plan) -> Vec<&'static str> {
    plan.replace.iter().map(|one| one.field).collect()
}

/// Steps in short: `-agent-0` goes, `+agent-0` comes, `^agent-0` starts, `~agent-0` is put back on the network.
fn steps(plan: &Plan) -> Vec<String> {
    let short = |name: &str| name.trim_start_matches("k3d-demo-").to_owned();
    let steps = plan.steps.iter();
    steps
        .map(|step| match step {
            Step::CreateNetwork { network } => format!("network {network}"),
            Step::Reattach { node } => format!("~{}", short(node)),
            Step::RemoveNode { node, .. } => format!("-{}", short(node)),
            Step::CreateNode { node, .. } => format!("+{}", short(node)),
            Step::StartNode { node, .. } => format!("^{}", short(node)),
            Step::RejoinNode { node } => format!("={}", short(node)),
            Step::StopNode { node } => format!("v{}", short(node)),
            Step::Forward => "forward".to_owned(),
        })
        .collect()
}

fn made(spec: &Spec) -> Observed {
    Imagined::default().apply(spec, None).unwrap()
}

type Change = fn(&mut Spec);

#[test]
fn what_concerns_the_server_makes_another_cluster() {
    let cases: [(&str, Change, &[&str]); 24] = [
        ("nothing", |_| {}, &[]),
        ("image", |s| s.image = "node:2".into(), &["image"]),
        (
            "the image by another name",
            |s| s.image = "docker.io/library/node:1".into(),
            &[],
        ),
        (
            "network",
            |s| s.network = Some("shared".into()),
            &["network"],
        ),
        (
            "subnet",
            |s| s.subnet = "10.9.0.0/24".parse().ok(),
            &["subnet"],
        ),
        (
            "the subnet that is there",
            |s| s.subnet = "172.30.0.0/16".parse().ok(),
            &[],
        ),
        (
            "pods",
            |s| s.cluster_cidr = "10.9.0.0/16".parse().unwrap(),
            &["cluster_cidr"],
        ),
        (
            "services",
            |s| s.service_cidr = "10.9.0.0/16".parse().unwrap(),
            &["service_cidr"],
        ),
        (
            "token",
            |s| s.token = Some(Token::new("other".into())),
            &["token"],
        ),
        (
            "the token that is there",
            |s| s.token = Some(Token::new("chosen".into())),
            &[],
        ),
        (
            "name of the API",
            |s| s.kube_api.host = Some("kube.example".into()),
            &["kube_api"],
        ),
        (
            "address of the API",
            |s| s.kube_api.host_ip = "0.0.0.0".parse().ok(),
            &["kube_api"],
        ),
        (
            "port of the API",
            |s| s.kube_api.host_port = Some(1),
            &["kube_api"],
        ),
        (
            "argument",
            |s| s.args.push(word("--debug", &["server:*"])),
            &["k3s"],
        ),
        (
            "name in the certificate",
            |s| s.args.push(word("--tls-san=kube.example", &["server:*"])),
            &["k3s"],
        ),
        (
            "a name that the certificate has anyhow",
            |s| s.args.push(word("--tls-san=127.0.0.1", &["server:*"])),
            &[],
        ),
        (
            "node label",
            |s| s.node_labels.push(word("a=b", &["server:0"])),
            &["k3s"],
        ),
        (
            "volume",
            |s| s.volumes.push(volume("/x", &["server:0"])),
            &["volume"],
        ),
        ("variable", |s| s.env.push(pair("A", "1", &[])), &["env"]),
        ("label", |s| s.labels.push(pair("a", "1", &[])), &["label"]),
        (
            "port of its own",
            |s| s.ports.push(port(9090, &["server:0:direct"])),
            &["port"],
        ),
        ("memory", |s| s.servers_memory = Some(1 << 30), &["runtime"]),
        ("host alias", |s| s.host_ip_injection = false, &["k3d"]),
        ("image volume", |s| s.image_volume = false, &["k3d"]),
    ];
    let there = made(&spec());
    for (what, change, expected) in cases {
        let mut wanted = spec();
        change(&mut wanted);
        let plan = plan(&wanted, Some(&there)).unwrap();
        assert_eq!(fields(&plan), expected, "{what}");
    }
}

#[test]
fn agents_and_the_load_balancer_change_in_place() {
    let cases: [(&str, Change, &[&str]); 13] = [
        ("nothing", |_| {}, &[]),
        ("one agent more", |s| s.agents = 3, &["+agent-2", "forward"]),
        ("one agent less", |s| s.agents = 1, &["-agent-1", "forward"]),
        (
            "no agent",
            |s| s.agents = 0,
            &["-agent-0", "-agent-1", "forward"],
        ),
        (
            "another port",
            |s| s.ports.push(port(9090, &["loadbalancer"])),
            &["-serverlb", "+serverlb"],
        ),
        (
            "other targets",
            |s| s.ports[0].filters = vec!["server:0".into()],
            &["forward"],
        ),
        ("no port", |s| s.ports.clear(), &["-serverlb", "+serverlb"]),
        (
            "another load balancer",
            |s| s.load_balancer_image = "lb:2".into(),
            &["-serverlb", "+serverlb"],
        ),
        (
            "another load balancer for new clusters",
            |s| {
                s.load_balancer_image = "lb:2".into();
                s.load_balancer_image_is_default = true;
            },
            &[],
        ),
        (
            "an argument of one agent",
            |s| s.args.push(word("--debug", &["agent:1"])),
            &["-agent-1", "+agent-1"],
        ),
        (
            "memory of agents",
            |s| s.agents_memory = Some(1 << 30),
            &["-agent-0", "-agent-1", "+agent-0", "+agent-1"],
        ),
        (
            "a port of an agent's own",
            |s| s.ports.push(port(9090, &["agent:0:direct"])),
            &["-agent-0", "+agent-0"],
        ),
        (
            "a volume of the load balancer",
            |s| s.volumes.push(volume("/x", &["loadbalancer"])),
            &["-serverlb", "+serverlb"],
        ),
    ];
    let there = made(&spec());
    for (what, change, expected) in cases {
        let mut wanted = spec();
        change(&mut wanted);
        let first = plan(&wanted, Some(&there)).unwrap();
        assert_eq!(fields(&first), [""; 0], "{what}");
        assert_eq!(steps(&first), expected, "{what}");
        let after = Imagined::default().apply(&wanted, Some(&there)).unwrap();
        let second = plan(&wanted, Some(&after)).unwrap();
        assert!(second.is_empty(), "{what}: {second:?}");
    }
}

#[test]
fn what_broke_is_mended_around_the_server() {
    type Break = fn(&mut Observed);
    let cases: [(&str, Break, &[&str]); 9] = [
        ("nothing", |_| {}, &[]),
        (
            "an agent stopped",
            |o| o.nodes[0].1.state.running = false,
            &["^agent-0"],
        ),
        ("an agent gone", |o| drop(o.nodes.remove(0)), &["+agent-0"]),
        (
            "an agent off the network",
            |o| o.nodes[1].1.networks.clear(),
            &["~agent-1"],
        ),
        (
            "the server stopped",
            |o| o.nodes[2].1.state.running = false,
            &["^server-0"],
        ),
        (
            "the load balancer gone",
            |o| {
                o.nodes.remove(3);
                o.upstreams = None;
            },
            &["+serverlb"],
        ),
        (
            "the load balancer told otherwise",
            |o| o.upstreams = Some(std::collections::BTreeMap::new()),
            &["forward"],
        ),
        (
            "the network gone",
            |o| {
                o.network = None;
                o.nodes
                    .iter_mut()
                    .for_each(|(_, node)| node.networks.clear());
            },
            &[
                "network k3d-demo",
                "~agent-0",
                "~agent-1",
                "~server-0",
                "~serverlb",
            ],
        ),
        (
            "the server gone",
            |o| drop(o.nodes.remove(2)),
            &[
                "-agent-0",
                "-agent-1",
                "-serverlb",
                "+server-0",
                "+agent-0",
                "+agent-1",
                "+serverlb",
            ],
        ),
    ];
    for (what, breakage, expected) in cases {
        let mut there = made(&spec());
        breakage(&mut there);
        let plan = plan(&spec(), Some(&there)).unwrap();
        assert_eq!(fields(&plan), [""; 0], "{what}");
        assert_eq!(steps(&plan), expected, "{what}");
    }
}

#[test]
fn an_agent_that_the_k3d_cli_added_takes_a_free_place() {
    let mut there = made(&spec());
    let mut copy = there.nodes.remove(0).1;
    copy.name = "k3d-extra-0".to_owned();
    there.nodes.push((Role::Agent, copy));
    let steps = steps(&plan(&spec(), Some(&there)).unwrap());
    assert_eq!(steps, ["forward"], "it stands for agent-0");
    let (_, desired) = read::desired_here(&spec(), Some(&there)).unwrap();
    let page = &desired.upstreams[&"80/tcp".parse().unwrap()];
    assert!(page.contains("k3d-extra-0") && !page.contains("k3d-demo-agent-0"));
}

/// `made_by_k3d` as it is imported, with the same said in the specification.
fn imported(world: &Imagined, agents: u32, args: &[(Role, &str)]) -> (Observed, Spec) {
    let there = world.made_by_k3d("demo", agents, args);
    let spec = spec_of(&there).unwrap();
    let plan = plan(&spec, Some(&there)).unwrap();
    assert!(plan.is_empty(), "{plan:?}");
    (there, spec)
}

#[test]
fn a_cluster_of_the_k3d_cli_gets_a_port_and_an_agent_and_keeps_its_server() {
    for hidden_gateways in [false, true] {
        let world = Imagined {
            hidden_gateways,
            ..Imagined::default()
        };
        let (there, mut wanted) = imported(&world, 1, &[]);
        let changes: [Change; 2] = [|s| s.ports.push(port(8080, &[])), |s| s.agents += 1];
        let mut now = there;
        for change in changes {
            change(&mut wanted);
            let first = plan(&wanted, Some(&now)).unwrap();
            assert_eq!(fields(&first), [""; 0]);
            now = world.apply(&wanted, Some(&now)).unwrap();
            let second = plan(&wanted, Some(&now)).unwrap();
            assert!(second.is_empty(), "{second:?}");
            assert_eq!(now.changed_blocks(&wanted), [""; 0]);
            assert!(spec_of(&now).unwrap().host_ip_injection);
        }
    }
}

#[test]
fn the_load_balancers_settings_outlive_its_container() {
    let world = Imagined::default();
    let (mut there, mut wanted) = imported(&world, 0, &[]);
    let theirs = b"settings: {workerConnections: 1024, defaultProxyTimeout: 3600}";
    there.settings = loadbalancer::parse(theirs).unwrap().1;
    wanted.ports.push(port(8080, &[]));
    let after = world.apply(&wanted, Some(&there)).unwrap();
    assert_eq!(after.settings, there.settings);
    assert!(plan(&wanted, Some(&after)).unwrap().is_empty());
}

#[test]
fn new_agents_know_the_hosts_that_the_k3d_cli_was_told() {
    let world = Imagined::default();
    let (mut there, mut wanted) = imported(&world, 0, &[]);
    let told = r#"[{"ip":"1.2.3.4","hostnames":["a.b"]}]"#;
    for (_, node) in &mut there.nodes {
        let key = labels::HOST_ALIASES.to_owned();
        node.labels.insert(key, told.to_owned());
    }
    wanted.agents = 1;
    let after = world.apply(&wanted, Some(&there)).unwrap();
    let agent = after.of_role(Role::Agent).next().unwrap();
    assert_eq!(agent.label(labels::HOST_ALIASES), Some(told));
    assert_eq!(
        agent.extra_hosts,
        ["host.k3d.internal:172.30.0.1", "a.b:1.2.3.4"]
    );
}

#[test]
fn a_network_without_a_known_gateway_is_no_reason_for_another_cluster() {
    let world = Imagined {
        hidden_gateways: true,
        ..Imagined::default()
    };
    for host_ip_injection in [true, false] {
        let wanted = Spec {
            network: Some("theirs".to_owned()),
            host_ip_injection,
            ..spec()
        };
        let mut there = world.apply(&wanted, None).unwrap();
        assert!(plan(&wanted, Some(&there)).unwrap().is_empty());
        assert_eq!(
            spec_of(&there).unwrap().host_ip_injection,
            host_ip_injection
        );
        // A cluster of a version of Atlas that did not note what was asked.
        for (_, node) in &mut there.nodes {
            node.labels.remove(labels::ATLAS_HOST_ALIAS);
        }
        assert!(plan(&wanted, Some(&there)).unwrap().is_empty());
    }
}

#[test]
fn a_host_alias_of_a_version_that_noted_nothing_is_read_from_the_servers_hosts() {
    for host_ip_injection in [true, false] {
        let wanted = Spec {
            host_ip_injection,
            ..spec()
        };
        let mut there = made(&wanted);
        for (_, node) in &mut there.nodes {
            node.labels.remove(labels::ATLAS_HOST_ALIAS);
        }
        assert!(plan(&wanted, Some(&there)).unwrap().is_empty());
        let other = Spec {
            host_ip_injection: !host_ip_injection,
            ..wanted
        };
        assert_eq!(fields(&plan(&other, Some(&there)).unwrap()), ["k3d"]);
    }
}

/// An image that says something by itself.
fn talking() -> Imagined {
    Imagined {
        image: ImageDefaults {
            env: ["PATH=/bin", "UNBUFFERED=1"].map(str::to_owned).into(),
            labels: [("made".to_owned(), "there".to_owned())].into(),
        },
        ..Imagined::default()
    }
}

#[test]
fn what_the_image_says_too_makes_no_difference() {
    let world = talking();
    let said = Spec {
        env: vec![pair("UNBUFFERED", "1", &[])],
        labels: vec![pair("made", "there", &[])],
        ..spec()
    };
    for (made_with, asked) in [(&said, &said), (&said, &spec()), (&spec(), &said)] {
        let there = world.apply(made_with, None).unwrap();
        let plan = plan(asked, Some(&there)).unwrap();
        assert!(plan.is_empty(), "{plan:?}");
        assert_eq!(there.changed_blocks(asked), [""; 0]);
    }
    let there = world.apply(&said, None).unwrap();
    let other = Spec {
        env: vec![pair("UNBUFFERED", "2", &[])],
        ..said
    };
    assert_eq!(fields(&plan(&other, Some(&there)).unwrap()), ["env"]);
}

#[test]
fn an_image_that_is_gone_is_no_reason_for_another_cluster() {
    let wanted = Spec {
        env: vec![pair("A", "1", &[])],
        labels: vec![pair("a", "1", &[])],
        ..spec()
    };
    let mut there = talking().apply(&wanted, None).unwrap();
    there.image_defaults.clear();
    let first = plan(&wanted, Some(&there)).unwrap();
    assert!(first.is_empty(), "{first:?}");
    let other = Spec {
        env: vec![pair("A", "2", &[])],
        ..wanted
    };
    assert_eq!(fields(&plan(&other, Some(&there)).unwrap()), ["env"]);
}

#[test]
fn names_in_the_certificate_are_read_back_and_reach_it() {
    let words = ["--tls-san=kube.x.example", "--tls-san", "kube.x.example"];
    for given in [&words[..1], &words[1..]] {
        let args = given.iter().map(|one| word(one, &["server:*"])).collect();
        let wanted = Spec { args, ..spec() };
        let there = made(&wanted);
        let plan = plan(&wanted, Some(&there)).unwrap();
        assert!(plan.is_empty(), "{given:?}: {plan:?}");
        let cmd = there.server().unwrap().cmd.join(" ");
        for san in ["kube.x.example", "127.0.0.1", "k3d-demo-serverlb"] {
            assert!(cmd.contains(&format!("--tls-san {san}")), "{cmd}");
        }
        let (_, read) = imported(
            &Imagined::default(),
            1,
            &given
                .iter()
                .map(|word| (Role::Server, *word))
                .collect::<Vec<_>>(),
        );
        assert_eq!(read.args.len(), 1, "{:?}", read.args);
        assert_eq!(read.args[0].value, words[0]);
    }
}

#[test]
fn new_agents_have_of_their_hosts_what_the_k3d_cli_gave_to_the_others() {
    let world = Imagined::default();
    let given = Runtime {
        ulimits: vec![Ulimit {
            name: "nofile".to_owned(),
            soft: 1024,
            hard: 4096,
        }],
        pid_mode: Some("host".to_owned()),
        devices: vec![Devices {
            count: -1,
            capabilities: vec![vec!["gpu".to_owned()]],
            ..Devices::default()
        }],
    };
    // Of another agent, or else of the server.
    for agents in [0, 1] {
        let (mut there, mut wanted) = imported(&world, agents, &[]);
        for (role, node) in &mut there.nodes {
            if *role != Role::LoadBalancer {
                node.runtime = given.clone();
            }
        }
        assert!(plan(&wanted, Some(&there)).unwrap().is_empty());
        wanted.agents = agents + 1;
        wanted.ports = vec![port(8080, &["loadbalancer"])];
        let after = world.apply(&wanted, Some(&there)).unwrap();
        assert!(plan(&wanted, Some(&after)).unwrap().is_empty());
        for agent in after.of_role(Role::Agent) {
            assert_eq!(agent.runtime, given, "{}", agent.name);
        }
        // It is no node of Kubernetes.
        let balancer = after.of_role(Role::LoadBalancer).next().unwrap();
        assert_eq!(balancer.runtime, Runtime::default());
    }
}

#[test]
fn k3ds_own_mounts_are_no_wish_and_a_users_that_look_like_them_are() {
    let world = Imagined::default();
    let (mut there, _) = imported(&world, 1, &[]);
    let config = "/home/u/.config/k3d";
    for (role, node) in &mut there.nodes {
        if *role != Role::LoadBalancer {
            let name = &node.name;
            node.memory = 1 << 30;
            node.binds.extend([
                format!("{config}/.{name}/meminfo:/proc/meminfo:ro"),
                format!("{config}/.{name}/edac:/sys/devices/system/edac:ro"),
            ]);
        }
    }
    let read = spec_of(&there).unwrap();
    assert!(read.volumes.is_empty(), "{:?}", read.volumes);
    assert_eq!(read.agents_memory, Some(1 << 30));
    assert!(plan(&read, Some(&there)).unwrap().is_empty());
    let wanted = Spec {
        volumes: vec![volume("/data/edac", &[])],
        ..spec()
    };
    assert!(plan(&wanted, Some(&made(&wanted))).unwrap().is_empty());
}

#[test]
fn no_step_tells_a_secret() {
    let wanted = Spec {
        args: vec![word("--token-x=hunter2", &["agent:*"])],
        env: vec![pair("PASSWORD", "hunter2", &["agent:*"])],
        ..spec()
    };
    let plan = plan(&wanted, Some(&made(&spec()))).unwrap();
    let told: Vec<String> = plan.steps.iter().map(Step::summary).collect();
    assert!(
        !told.is_empty() && !told.join("\n").contains("hunter2"),
        "{told:?}"
    );
}
