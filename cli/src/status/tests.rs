//! Tables of facts, and the rows that they make.

use std::collections::{BTreeMap, BTreeSet};

use atlas_engine::cockroachdb::names;
use atlas_engine::k3d::{Health, Workload};
use atlas_engine::localstack::server::{container_name, replicator_name};

use super::*;
use crate::facts::{Bridge, Cluster, Container, Database, Declared, Member, Nodes, Server};
use crate::world::World;

const WORLD: &str = "
world_regions:
  us-east:
    {cluster: dc-us, network: atlas-us-east, services: 10.64.64.0/18, pods: 10.64.128.0/17, agents: 1,
     ports: [{host_port: 30443, container_port: 30443}],
     cloud: {region: us-east-1, server: us-east, port: 4566, metrics_port: 9565}}
  eu-central:
    {cluster: dc-eu, network: atlas-eu-central, services: 10.65.64.0/18, pods: 10.65.128.0/17,
     cloud: {region: eu-central-1, server: eu-central, port: 4567, metrics_port: 9566}}
world_bridge: {name: world, subnet: 10.80.0.0/24}
world_cloud: {network: atlas-cloud}
world_cockroachdb:
  {cluster: ledger, network: atlas-cockroachdb, database: ledger, primary_region: us-east, survival_goal: region,
   regions: {us-east: {nodes: 2}, eu-central: {nodes: 2}, witness: {nodes: 1}}}
";

fn running(name: &str, role: &str, port: Option<u16>) -> Container {
    Container {
        name: name.to_owned(),
        role: role.to_owned(),
        image: "image:1".to_owned(),
        status: "running".to_owned(),
        running: true,
        port,
        ..Container::default()
    }
}

fn cluster(name: &str, agents: u32, port: u16) -> Cluster {
    let node = |role: &str| running(&format!("k3d-{name}-{role}-0"), role, None);
    let mut containers = vec![node("server")];
    if agents > 0 {
        containers.push(node("agent"));
    }
    let ready = containers.iter().map(|node| (node.name.clone(), None));
    let workload = |namespace: &str, name: &str| Workload {
        kind: "deployment".to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        wanted: 1,
        ready: 1,
    };
    let kubernetes = Health {
        nodes: ready.collect(),
        workloads: vec![
            workload("kube-system", "coredns"),
            workload("argocd", "argocd-server"),
        ],
    };
    containers.push(running(
        &format!("k3d-{name}-serverlb"),
        "loadbalancer",
        Some(port),
    ));
    Cluster {
        containers,
        endpoint: Some(format!("https://127.0.0.1:{port}")),
        missing: Vec::new(),
        differs: Vec::new(),
        kubernetes: Answer::Known(kubernetes),
    }
}

fn server(name: &str, region: &str, port: u16) -> Server {
    Server {
        container: Some(running(&container_name(name), "", Some(port))),
        replicator: Some(running(&replicator_name(name), "", None)),
        regions: vec![region.to_owned()],
        endpoint: Some(format!("http://127.0.0.1:{port}")),
        version: Some("4.9.2".to_owned()),
        broken: Vec::new(),
        differs: Vec::new(),
        copies: Answer::Known(None),
    }
}

/// A world in which all is well.
pub(crate) fn facts() -> Facts {
    let world: World = serde_yaml_ng::from_str(WORLD).unwrap();
    let voters = [
        ("us-east", 1),
        ("us-east", 2),
        ("eu-central", 1),
        ("eu-central", 2),
        ("witness", 1),
    ];
    let nodes: Vec<Container> = (26257..)
        .zip(voters)
        .map(|(port, (region, number))| {
            running(&names::node("ledger", region, number), "", Some(port))
        })
        .collect();
    let member = |node: &Container| {
        let member = Member {
            is_live: true,
            is_draining: false,
            is_leaving: false,
        };
        (node.name.clone(), member)
    };
    let files = crate::facts::look_for_files(&world, "/nowhere/.atlas".as_ref());
    Facts {
        host: "127.0.0.1".to_owned(),
        clusters: BTreeMap::from([
            (
                "us-east".to_owned(),
                Answer::Known(cluster("dc-us", 1, 6550)),
            ),
            (
                "eu-central".to_owned(),
                Answer::Known(cluster("dc-eu", 0, 6551)),
            ),
        ]),
        bridge: Some(Answer::Known(Bridge {
            exists: true,
            members: vec!["dc-us".to_owned(), "dc-eu".to_owned()],
            domain: "atlas.internal".to_owned(),
            differs: Vec::new(),
            silent: Vec::new(),
        })),
        servers: BTreeMap::from([
            (
                "us-east".to_owned(),
                Answer::Known(server("us-east", "us-east-1", 4566)),
            ),
            (
                "eu-central".to_owned(),
                Answer::Known(server("eu-central", "eu-central-1", 4567)),
            ),
        ]),
        database: Some(Database {
            cluster: Answer::Known(Nodes::Live {
                nodes: nodes.iter().map(member).collect(),
                survives: Some(Survives {
                    node: true,
                    zone: true,
                    region: true,
                    not: Vec::new(),
                }),
            }),
            declared: Answer::Known(Declared {
                exists: true,
                differs: Vec::new(),
            }),
            consoles: BTreeMap::from([(
                "us-east".to_owned(),
                vec!["https://127.0.0.1:8081".to_owned()],
            )]),
            is_double: false,
            is_secure: true,
            containers: Answer::Known(nodes),
        }),
        missing_networks: Answer::Known(BTreeSet::new()),
        files: files
            .into_iter()
            .map(|file| File {
                exists: true,
                ..file
            })
            .collect(),
        has_roles: true,
        world,
    }
}

/// The same with this change.
fn with(change: impl FnOnce(&mut Facts)) -> View {
    let mut facts = facts();
    change(&mut facts);
    view(&facts)
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "a look-up gives an option of a reference"
)]
fn known<T>(answer: Option<&mut Answer<T>>) -> &mut T {
    match answer {
        Some(Answer::Known(answer)) => answer,
        _ => panic!("it is known in the facts of a world that is well"),
    }
}

/// A change of the facts of a world that is well.
type Change<'a> = &'a dyn Fn(&mut Facts);

fn us(facts: &mut Facts) -> &mut Cluster {
    known(facts.clusters.get_mut("us-east"))
}

fn localstack(facts: &mut Facts) -> &mut Server {
    known(facts.servers.get_mut("us-east"))
}

fn database(facts: &mut Facts) -> &mut Database {
    facts.database.as_mut().unwrap()
}

/// Every container of a world.
fn containers(facts: &mut Facts) -> Vec<&mut Container> {
    let clusters = facts
        .clusters
        .values_mut()
        .flat_map(|one| &mut known(Some(one)).containers);
    let servers = facts.servers.values_mut().flat_map(|one| {
        let server = known(Some(one));
        [&mut server.container, &mut server.replicator]
            .into_iter()
            .flatten()
    });
    let nodes = facts.database.as_mut().unwrap();
    let nodes = known(Some(&mut nodes.containers)).iter_mut();
    clusters.chain(servers).chain(nodes).collect()
}

fn row<'a>(view: &'a View, name: &str) -> &'a Row {
    let found = view
        .rows()
        .find(|row| row.name == name || (row.name.is_empty() && row.kind == name));
    found.unwrap_or_else(|| panic!("no row {name} in {:#?}", view.groups))
}

#[test]
fn all_is_well() {
    let view = view(&facts());
    let unwell: Vec<&Row> = view.rows().filter(|row| row.state != State::Well).collect();
    assert!(unwell.is_empty(), "{unwell:#?}");
    assert_eq!((view.health, view.exit_code()), (Some(State::Well), 0));
    assert!(view.rows().all(|row| row.remedy.is_none()));
    let groups: Vec<&str> = view
        .groups
        .iter()
        .map(|group| group.name.as_str())
        .collect();
    assert_eq!(groups, ["us-east", "eu-central", "witness", EVERYWHERE]);
    // Every container is one row.
    for container in containers(&mut facts()) {
        assert_eq!(
            view.rows().filter(|row| row.name == container.name).count(),
            1,
            "{}",
            container.name
        );
    }
}

#[test]
fn each_kind_of_container_that_stopped_is_named_with_its_remedy() {
    let count = containers(&mut facts()).len();
    assert_eq!(count, 14);
    for index in 0..count {
        let mut name = String::new();
        let view = with(|facts| {
            let container = containers(facts).swap_remove(index);
            container.running = false;
            container.status = "exited".to_owned();
            container.exit_code = 137;
            name.clone_from(&container.name);
        });
        let row = row(&view, &name);
        assert_eq!((row.state, view.exit_code()), (State::Down, 1), "{name}");
        assert_eq!(row.detail, "stopped (exit code 137)", "{name}");
        assert_eq!(
            row.remedy.as_deref(),
            Some("make world starts it again"),
            "{name}"
        );
    }
}

#[test]
fn docker_states_have_their_own_words() {
    for (status, detail, remedy) in [
        ("paused", "paused", "lets it go on"),
        ("created", "never started", "make world starts it"),
        (
            "restarting",
            "again and again (exit code 1, started 4 times)",
            "make logs CONTAINER=k3d-dc-us-agent-0",
        ),
        ("removing", "being removed", "makes it again"),
    ] {
        let view = with(|facts| {
            let agent = &mut us(facts).containers[1];
            agent.running = false;
            agent.status = status.to_owned();
            (agent.exit_code, agent.restarts) = (1, 4);
        });
        let row = row(&view, "k3d-dc-us-agent-0");
        assert_eq!((row.kind, row.state), ("agent", State::Down));
        assert!(row.detail.contains(detail), "{status}: {}", row.detail);
        assert!(
            row.remedy.as_ref().unwrap().contains(remedy),
            "{status}: {row:?}"
        );
    }
}

#[test]
fn what_a_log_says_comes_before_starting_again() {
    let view = with(|facts| {
        let agent = &mut us(facts).containers[1];
        (agent.running, agent.status) = (false, "exited".to_owned());
        let hint = atlas_engine::error::hint_of_log("Too many open files (os error 24)");
        agent.hint = hint.map(str::to_owned);
    });
    let remedy = row(&view, "k3d-dc-us-agent-0").remedy.clone().unwrap();
    assert!(
        remedy.contains("sysctl -w fs.inotify.max_user_instances"),
        "{remedy}"
    );
    assert!(remedy.ends_with("then make world"), "{remedy}");
}

#[test]
fn what_is_missing_is_made_again() {
    let table: [(&str, Change); 8] = [
        ("dc-us", &|facts| us(facts).containers.clear()),
        ("k3d-dc-us-agent-1", &|facts| {
            us(facts).missing.push("k3d-dc-us-agent-1".to_owned());
        }),
        ("atlas-localstack-us-east", &|facts| {
            localstack(facts).container = None;
        }),
        ("atlas-localstack-us-east-replicator", &|facts| {
            localstack(facts).replicator = None;
        }),
        ("atlas-cockroachdb-ledger-witness-1", &|facts| {
            known(Some(&mut database(facts).containers)).pop();
        }),
        ("world", &|facts| {
            known(facts.bridge.as_mut()).exists = false;
        }),
        ("ledger", &|facts| {
            known(Some(&mut database(facts).declared)).exists = false;
        }),
        ("atlas-cloud", &|facts| {
            facts.missing_networks = Answer::Known(["atlas-cloud".to_owned()].into());
        }),
    ];
    for (name, change) in table {
        let view = with(change);
        let row = row(&view, name);
        assert_eq!(
            (row.state, row.detail.as_str()),
            (State::Down, "missing"),
            "{name}"
        );
        assert_eq!(
            row.remedy.as_deref(),
            Some("make world makes it again"),
            "{name}"
        );
        assert_eq!(view.exit_code(), 1);
    }
}

#[test]
fn what_runs_and_does_not_do_what_it_is_for_is_down_with_a_remedy() {
    fn live(facts: &mut Facts) -> (&mut BTreeMap<String, Member>, &mut Option<Survives>) {
        match known(Some(&mut database(facts).cluster)) {
            Nodes::Live { nodes, survives } => (nodes, survives),
            _ => panic!("it serves"),
        }
    }
    fn health(facts: &mut Facts) -> &mut Health {
        known(Some(&mut us(facts).kubernetes))
    }
    const SERVER: &str = "k3d-dc-us-server-0";
    const NODE: &str = "atlas-cockroachdb-ledger-us-east-1";
    let table: [(&str, &str, &str, Change); 12] = [
        (
            SERVER,
            "not Ready: kubelet",
            "docker restart k3d-dc-us-server-0",
            &|facts| {
                health(facts)
                    .nodes
                    .insert(SERVER.to_owned(), Some("kubelet".to_owned()));
            },
        ),
        (SERVER, "does not know it", "join again", &|facts| {
            health(facts).nodes.remove(SERVER);
        }),
        (
            "dc-us",
            "0 of 1 Pods of deployment kube-system/coredns",
            "describe deployment coredns",
            &|facts| {
                health(facts).workloads[0].ready = 0;
            },
        ),
        (
            "Argo CD",
            "0 of 1 Pods",
            "/nowhere/.atlas/dc-us.yaml -n argocd",
            &|facts| {
                health(facts).workloads[1].ready = 0;
            },
        ),
        ("Argo CD", "not deployed", "make world", &|facts| {
            health(facts).workloads.pop();
        }),
        (
            "atlas-localstack-us-east",
            "does not answer",
            "docker restart",
            &|facts| localstack(facts).version = None,
        ),
        (
            "atlas-localstack-us-east",
            "in error: sqs",
            "make logs",
            &|facts| {
                localstack(facts).broken.push("sqs".to_owned());
            },
        ),
        (
            "atlas-localstack-us-east-replicator",
            "says: no server",
            "make logs",
            &|facts| {
                localstack(facts).copies = Answer::Known(Some("no server".to_owned()));
            },
        ),
        (NODE, "calls it dead", "docker restart", &|facts| {
            live(facts).0.get_mut(NODE).unwrap().is_live = false;
        }),
        (NODE, "does not count it", "join", &|facts| {
            live(facts).0.remove(NODE);
        }),
        ("ledger", "too few of its nodes", "ask again", &|facts| {
            *live(facts).1 = None;
        }),
        ("ledger", "wait for init", "initializes", &|facts| {
            database(facts).cluster = Answer::Known(Nodes::Uninitialized);
        }),
    ];
    for (name, detail, remedy, change) in table {
        let view = with(change);
        let row = row(&view, name);
        assert_eq!(row.state, State::Down, "{row:?}");
        assert!(row.detail.contains(detail), "{row:?}");
        assert!(row.remedy.as_ref().unwrap().contains(remedy), "{row:?}");
        assert_eq!(view.exit_code(), 1);
    }
}

#[test]
fn what_is_not_as_declared_is_told() {
    let told = || "port is 1 and should be 2".to_owned();
    let table: [(&str, Change); 4] = [
        ("dc-us", &|facts| us(facts).differs.push(told())),
        ("world", &|facts| {
            known(facts.bridge.as_mut()).differs.push(told());
        }),
        ("atlas-localstack-us-east", &|facts| {
            localstack(facts).differs.push(told());
        }),
        ("ledger", &|facts| {
            known(Some(&mut database(facts).declared))
                .differs
                .push(told());
        }),
    ];
    for (name, change) in table {
        let view = with(change);
        let row = row(&view, name);
        assert_eq!(
            (row.state, &row.detail),
            (State::Differs, &told()),
            "{name}"
        );
        assert!(
            row.remedy.as_ref().unwrap().contains("make world"),
            "{name}"
        );
        assert_eq!(view.exit_code(), 1);
    }
    let view = with(|facts| facts.files[0].exists = false);
    let row = row(&view, "/nowhere/.atlas/dc-us.yaml");
    assert_eq!((row.kind, row.state), ("file", State::Differs));
}

#[test]
fn what_could_not_be_asked_is_unknown_and_not_well() {
    fn silence<T>() -> Answer<T> {
        Answer::Unknown("no answer within 5 s".to_owned())
    }
    let table: [(&[&str], Change); 7] = [
        (&["dc-us", "Argo CD"], &|facts| {
            facts.clusters.insert("us-east".to_owned(), silence());
        }),
        (
            &[
                "dc-us",
                "Argo CD",
                "k3d-dc-us-server-0",
                "k3d-dc-us-agent-0",
            ],
            &|facts| {
                us(facts).kubernetes = silence();
            },
        ),
        (&["world"], &|facts| facts.bridge = Some(silence())),
        (&["world"], &|facts| {
            known(facts.bridge.as_mut()).silent.push("dc-us".to_owned());
        }),
        (&["atlas-localstack-us-east"], &|facts| {
            facts.servers.insert("us-east".to_owned(), silence());
        }),
        (&["atlas-localstack-us-east-replicator"], &|facts| {
            localstack(facts).copies = silence();
        }),
        (
            &[
                "ledger",
                "atlas-cockroachdb-ledger-us-east-1",
                "atlas-cockroachdb-ledger-witness-1",
            ],
            &|facts| {
                database(facts).cluster = silence();
            },
        ),
    ];
    for (names, change) in table {
        let view = with(change);
        for name in names {
            assert_eq!(row(&view, name).state, State::Unknown, "{name}");
        }
        assert_eq!(
            (view.health, view.exit_code()),
            (Some(State::Unknown), 2),
            "{names:?}"
        );
    }
}

#[test]
fn what_is_down_counts_more_than_what_is_unknown() {
    let view = with(|facts| {
        facts.bridge = Some(Answer::Unknown("no answer".to_owned()));
        localstack(facts).container = None;
    });
    assert_eq!(view.exit_code(), 1);
}

#[test]
fn a_database_that_survives_less_than_declared_says_whose_loss_it_would_not_survive() {
    let less = |facts: &mut Facts| {
        let cluster = &mut database(facts).cluster;
        if let Answer::Known(Nodes::Live { survives, .. }) = cluster {
            *survives = Some(Survives {
                node: true,
                zone: true,
                region: false,
                not: vec!["us-east".to_owned()],
            });
        }
    };
    let view = with(less);
    let told = row(&view, "ledger");
    assert_eq!(told.state, State::Differs);
    assert_eq!(
        told.detail,
        "survives the loss of any node or zone; would not survive the loss of us-east"
    );
    assert!(told.remedy.as_ref().unwrap().contains("ask again"));
    let view = with(|facts| {
        less(facts);
        known(Some(&mut database(facts).containers))[4].running = false;
    });
    let remedy = row(&view, "ledger").remedy.clone();
    assert_eq!(
        remedy.as_deref(),
        Some("make world starts its nodes that are down")
    );
}

#[test]
fn one_server_may_serve_both_regions() {
    let view = with(|facts| {
        localstack(facts).regions.push("eu-central-1".to_owned());
        let other = known(facts.servers.get_mut("eu-central"));
        (
            other.container,
            other.replicator,
            other.endpoint,
            other.version,
        ) = (None, None, None, None);
    });
    assert_eq!(view.exit_code(), 0, "{:#?}", view.groups);
    let row = row(&view, "atlas-localstack-eu-central");
    assert_eq!(
        row.detail,
        "eu-central-1 is served by atlas-localstack-us-east"
    );
    let lines: Vec<&String> = view
        .commands
        .iter()
        .flat_map(|commands| &commands.lines)
        .collect();
    let line = "aws --region eu-central-1 --endpoint-url http://127.0.0.1:4566 s3 ls".to_owned();
    assert!(lines.contains(&&line), "{lines:#?}");
}

#[test]
fn a_double_and_missing_roles_are_told() {
    let told = |view: &View, word: &str| view.notes.iter().any(|note| note.contains(word));
    let well = view(&facts());
    assert!(!told(&well, "double") && !told(&well, "IAM"));
    let view = with(|facts| {
        facts.has_roles = false;
        database(facts).is_double = true;
    });
    assert!(told(&view, "not for data") && told(&view, "ATLAS_TERRAFORM_MIRROR"));
    assert_eq!(view.exit_code(), 0);
}

/// A world of which there is nothing.
fn nothing(facts: &mut Facts) {
    for cluster in facts.clusters.values_mut() {
        known(Some(cluster)).containers.clear();
    }
    for server in facts.servers.values_mut() {
        let server = known(Some(server));
        (server.container, server.replicator) = (None, None);
    }
    known(Some(&mut database(facts).containers)).clear();
}

#[test]
fn where_nothing_is_there_no_world_runs() {
    let view = with(nothing);
    assert_eq!((view.health, view.exit_code()), (None, 2));
    assert_eq!(
        crate::text::render(&view, false),
        "No world runs here. make world brings it up.\n"
    );
    // What could not be asked may be there.
    let view = with(|facts| {
        nothing(facts);
        facts.clusters.insert(
            "us-east".to_owned(),
            Answer::Unknown("no answer".to_owned()),
        );
    });
    assert_eq!(view.exit_code(), 1);
}

#[test]
fn a_description_without_database_cloud_or_bridge_has_no_rows_for_them() {
    let view = with(|facts| {
        facts.world.cockroachdb = None;
        facts.world.bridge = None;
        facts.world.cloud = None;
        (facts.database, facts.bridge) = (None, None);
        for region in facts.world.regions.values_mut() {
            region.cloud = None;
        }
        facts.servers.clear();
    });
    assert_eq!(view.exit_code(), 0);
    let kinds: BTreeSet<&str> = view.rows().map(|row| row.kind).collect();
    assert_eq!(
        kinds,
        ["cluster", "server", "agent", "load balancer", "Argo CD"].into()
    );
}

#[test]
fn text_is_as_reviewed_and_80_columns_wide() {
    let well = crate::text::render(&view(&facts()), false);
    let ill = with(|facts| {
        let agent = &mut us(facts).containers[1];
        (agent.running, agent.status, agent.exit_code) = (false, "exited".to_owned(), 137);
        let hint = atlas_engine::error::hint_of_log("inotify_init: too many open files");
        agent.hint = hint.map(str::to_owned);
        facts.bridge = Some(Answer::Unknown("no answer within 5 s".to_owned()));
        localstack(facts)
            .differs
            .push("port is 4599 and should be 4566".to_owned());
        database(facts).is_double = true;
    });
    let ill = crate::text::render(&ill, false);
    for (name, text) in [("well", &well), ("ill", &ill)] {
        for line in text.lines() {
            let words = line.split_whitespace().count();
            assert!(line.chars().count() <= 80 || words < 5, "{name}: {line}");
        }
        assert!(!text.contains('\x1b'), "{name}");
        let file = format!(
            "{}/src/status/snapshots/{name}.txt",
            env!("CARGO_MANIFEST_DIR")
        );
        if std::env::var_os("ATLAS_UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(&file, text).unwrap();
        }
        let reviewed = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(
            *text, reviewed,
            "{file} differs; rewrite it with ATLAS_UPDATE_SNAPSHOTS=1"
        );
    }
    assert!(crate::text::render(&view(&facts()), true).contains("\x1b[32m✓\x1b[0m"));
}

#[test]
fn json_has_the_shape_that_others_read() {
    let view = with(|facts| {
        let agent = &mut us(facts).containers[1];
        (agent.running, agent.status) = (false, "exited".to_owned());
    });
    let json = crate::json::render(&view);
    let keys: Vec<&str> = json
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let expected = [
        "addresses",
        "commands",
        "exit_code",
        "files",
        "groups",
        "health",
        "notes",
        "survives",
        "version",
        "world",
    ];
    assert_eq!(
        keys.iter().copied().collect::<BTreeSet<_>>(),
        expected.into()
    );
    assert_eq!(
        (&json["version"], &json["exit_code"], &json["health"]),
        (&1.into(), &1.into(), &"down".into())
    );
    let agent = serde_json::json!({
        "kind": "agent", "name": "k3d-dc-us-agent-0", "state": "down",
        "detail": "stopped (exit code 0)", "remedy": "make world starts it again",
    });
    let rows = json["groups"][0]["rows"].as_array().unwrap();
    assert!(rows.contains(&agent), "{rows:#?}");
    assert_eq!(
        json["survives"],
        serde_json::json!({"node": true, "zone": true, "region": true, "not": []})
    );
    assert_eq!(
        json["files"][0],
        serde_json::json!({
            "what": "kubeconfig of dc-us", "path": "/nowhere/.atlas/dc-us.yaml", "exists": true,
        })
    );
    assert_eq!(
        json["addresses"][0],
        serde_json::json!({"of": "Kubernetes API of dc-us", "url": "https://127.0.0.1:6550"})
    );
    let absent = crate::json::render(&with(nothing));
    assert_eq!(
        (&absent["world"], &absent["health"], &absent["exit_code"]),
        (&false.into(), &serde_json::Value::Null, &2.into())
    );
    let failed = crate::json::failed("no Docker");
    assert_eq!(
        (&failed["error"], &failed["exit_code"]),
        (&"no Docker".into(), &2.into())
    );
}
