//! What is planned for a bridge between two clusters, whole and broken.

use std::net::Ipv4Addr;

use super::*;
use crate::bridge::zones;
use crate::bridge::{Member, script, spec_of};

fn view(cluster: &str, pods: &str, services: &str) -> ClusterView {
    let node = |index: u8| NodeView {
        name: format!(
            "k3d-{cluster}-{}",
            if index == 0 {
                "server-0".to_owned()
            } else {
                format!("agent-{}", index - 1)
            }
        ),
        running: true,
        attached: false,
        address: None,
        pods: Some(format!("{}.{index}.0/24", &pods[..5]).parse().unwrap()),
        script: None,
        table: String::new(),
        rules: String::new(),
    };
    ClusterView {
        domain: zones::CLUSTER_DOMAIN.to_owned(),
        cluster_cidr: pods.parse().unwrap(),
        service_cidr: services.parse().unwrap(),
        gateway: Some(Ipv4Addr::new(172, 20, 0, 1)),
        server: Some(format!("k3d-{cluster}-server-0")),
        dns: Some("10.45.0.10".into()),
        stub_zones: None,
        other_zones: BTreeSet::new(),
        nodes: vec![node(0), node(1)],
    }
}

fn observed() -> Observed {
    Observed {
        clusters: BTreeMap::from([
            ("us".to_owned(), view("us", "10.44.0.0/16", "10.45.0.0/16")),
            ("eu".to_owned(), view("eu", "10.46.0.0/16", "10.47.0.0/16")),
        ]),
        ..Observed::default()
    }
}

fn spec() -> Spec {
    let member = |cluster: &str| Member {
        cluster: cluster.into(),
        cluster_cidr: None,
        service_cidr: None,
    };
    Spec {
        name: "world".into(),
        subnet: "172.31.0.0/24".parse().unwrap(),
        members: vec![member("us"), member("eu")],
        dns: true,
        domain: zones::DEFAULT_DOMAIN.to_owned(),
    }
}

#[test]
fn every_node_gets_its_own_address_and_routes_to_every_peer() {
    let plan = plan(&spec(), &observed()).unwrap();
    let addresses: BTreeSet<_> = plan
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Attach { address, .. } => Some(*address),
            _ => None,
        })
        .collect();
    assert_eq!(addresses.len(), 4);
    let script = plan
        .steps
        .iter()
        .find_map(|step| match step {
            Step::Route { node, script, .. } if node == "k3d-us-server-0" => Some(script.clone()),
            _ => None,
        })
        .unwrap();
    for net in [
        "10.46.0.0/24",
        "10.46.1.0/24",
        "10.46.0.0/16",
        "10.47.0.0/16",
    ] {
        assert!(
            script.contains(&format!("ip route replace {net} via ")),
            "{net} in {script}"
        );
    }
}

/// The world after a plan was carried out.
fn done(mut observed: Observed) -> Observed {
    let first = plan(&spec(), &observed).unwrap();
    observed.network = Some(crate::docker::DockerNetwork {
        name: network_name("world"),
        subnet: Some(spec().subnet),
        ..crate::docker::DockerNetwork::default()
    });
    for step in first.steps {
        for view in observed.clusters.values_mut() {
            for node in &mut view.nodes {
                match &step {
                    Step::Attach {
                        node: name,
                        address,
                    } if *name == node.name => {
                        node.attached = true;
                        node.address = Some(*address);
                    }
                    Step::Route {
                        node: name, script, ..
                    } if *name == node.name => {
                        node.script = Some(script.clone());
                        node.table = script
                            .lines()
                            .filter_map(|line| line.trim().strip_prefix("ip route replace "))
                            .map(|route| format!("{route} dev eth1\n"))
                            .collect();
                        node.rules = script
                            .lines()
                            .filter_map(|line| line.split_once("-t nat -I "))
                            .map(|(_, rule)| format!("-A {rule}\n"))
                            .collect();
                    }
                    _ => {}
                }
            }
            if let Step::Names { server, zones, .. } = &step
                && view.server.as_ref() == Some(server)
            {
                view.stub_zones.clone_from(zones);
            }
        }
    }
    observed
}

#[test]
fn what_was_done_needs_no_doing() {
    let done = done(observed());
    assert_eq!(plan(&spec(), &done).unwrap(), Plan::default());
}

/// A world in which everything is done and cluster `eu` gives no answer.
fn silent() -> Observed {
    let mut world = done(observed());
    world.recorded = vec!["us".to_owned(), "eu".to_owned()];
    let sick = world.clusters.get_mut("eu").unwrap();
    sick.server = None;
    sick.stub_zones = None;
    for node in &mut sick.nodes {
        node.pods = None;
    }
    world
}

#[test]
fn a_member_that_does_not_answer_changes_nothing_for_the_others_and_is_told_of() {
    let plan = plan(&spec(), &silent()).unwrap();
    assert!(plan.is_empty(), "{plan:?}");
    let told: Vec<String> = plan.left_out().collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("Cluster eu does not answer"), "{told:?}");
}

#[test]
fn a_member_without_dns_of_its_own_is_not_given_one_while_it_does_not_answer() {
    let mut world = observed();
    world.clusters.get_mut("eu").unwrap().dns = None;
    let mut world = done(world);
    world.recorded = vec!["us".to_owned(), "eu".to_owned()];
    let sick = world.clusters.get_mut("eu").unwrap();
    sick.server = None;
    sick.stub_zones = None;
    // k3s's rule, for when there is nobody to ask.
    sick.dns = Some("10.47.0.10".to_owned());
    assert!(plan(&spec(), &world).unwrap().is_empty());
}

type Break = fn(&mut Observed);

/// The ways to break a bridge, and what a plan says of each.
const BROKEN: [(&str, Break, &str); 9] = [
    (
        "a route deleted",
        |world| {
            let node = node(world, "us", 0);
            node.table = lines_without(&node.table, "10.46.0.0/24");
        },
        "routes of node k3d-us-server-0",
    ),
    (
        "the default route led elsewhere",
        |world| {
            let node = node(world, "us", 1);
            node.table = format!("default via 172.31.0.1 dev eth1\n{}", node.table);
        },
        "routes of node k3d-us-agent-0",
    ),
    (
        "a rule of translation deleted",
        |world| node(world, "us", 0).rules = "-P POSTROUTING ACCEPT\n".to_owned(),
        "routes of node k3d-us-server-0",
    ),
    (
        "a script deleted",
        |world| node(world, "us", 1).script = None,
        "routes of node k3d-us-agent-0",
    ),
    (
        "a script changed",
        |world| {
            let node = node(world, "us", 1);
            node.script = node.script.take().map(|script| script + "\n");
        },
        "routes of node k3d-us-agent-0",
    ),
    (
        "a node off the bridge",
        |world| {
            let node = node(world, "us", 0);
            (node.attached, node.address) = (false, None);
        },
        "node k3d-us-server-0 is not on the bridge",
    ),
    (
        "the names taken out of a DNS",
        |world| world.clusters.get_mut("us").unwrap().stub_zones = None,
        "the DNS of cluster us",
    ),
    (
        "the names in a DNS changed",
        |world| {
            let zones = &mut world.clusters.get_mut("us").unwrap().stub_zones;
            *zones = zones.take().map(|text| text.replace("10.45", "10.9"));
        },
        "the DNS of cluster us",
    ),
    (
        "the transit network removed",
        |world| {
            world.network = None;
            for node in world.clusters.values_mut().flat_map(|view| &mut view.nodes) {
                (node.attached, node.address) = (false, None);
            }
        },
        "network atlas-bridge-world is missing",
    ),
];

fn node<'a>(world: &'a mut Observed, cluster: &str, index: usize) -> &'a mut NodeView {
    &mut world.clusters.get_mut(cluster).unwrap().nodes[index]
}

fn lines_without(text: &str, part: &str) -> String {
    let kept = text.lines().filter(|line| !line.contains(part));
    kept.map(|line| format!("{line}\n")).collect()
}

#[test]
fn whatever_is_broken_is_foretold_and_mended() {
    for (way, broken, said) in BROKEN {
        let mut world = done(observed());
        broken(&mut world);
        let steps = plan(&spec(), &world).unwrap().steps;
        let told: Vec<String> = steps.iter().map(Step::summary).collect();
        assert!(told.iter().any(|one| one.contains(said)), "{way}: {told:?}");
        let mended = done(world);
        assert!(plan(&spec(), &mended).unwrap().is_empty(), "{way}");
    }
}

#[test]
fn whatever_is_broken_is_foretold_and_mended_beside_a_member_that_does_not_answer() {
    for (way, broken, said) in BROKEN {
        let mut world = silent();
        broken(&mut world);
        let steps = plan(&spec(), &world).unwrap().steps;
        let told: Vec<String> = steps.iter().map(Step::summary).collect();
        assert!(told.iter().any(|one| one.contains(said)), "{way}: {told:?}");
        let mended = done(world);
        let left = plan(&spec(), &mended).unwrap();
        assert!(left.steps.is_empty(), "{way}: {left:?}");
        assert_eq!(left.silent, ["eu"], "{way}");
    }
}

#[test]
fn a_route_deleted_beside_a_node_that_is_off_the_bridge_is_set_again() {
    let mut world = silent();
    let off = node(&mut world, "eu", 1);
    (off.attached, off.running, off.address) = (false, false, None);
    let table = &mut node(&mut world, "us", 0).table;
    *table = lines_without(table, "10.46.0.0/24");
    let steps = plan(&spec(), &world).unwrap().steps;
    let told: Vec<String> = steps.iter().map(Step::summary).collect();
    for said in [
        "node k3d-eu-agent-0 is not on the bridge",
        "routes of node k3d-us-server-0",
    ] {
        assert!(told.iter().any(|one| one.contains(said)), "{told:?}");
    }
    let mended = done(world);
    assert!(plan(&spec(), &mended).unwrap().steps.is_empty());
}

#[test]
fn names_of_a_release_without_domains_are_replaced_in_place() {
    let mut world = done(observed());
    for view in world.clusters.values_mut() {
        view.stub_zones = Some("eu:53 {\n    forward . 10.45.0.10\n}\n".to_owned());
    }
    let plan = plan(&spec(), &world).unwrap();
    assert!(plan.replace.is_empty());
    assert_eq!(plan.steps.len(), 2, "{plan:?}");
    for step in &plan.steps {
        assert!(
            matches!(step, Step::Names { zones: Some(text), .. } if text.contains("eu.atlas.internal:53 {")),
            "{step:?}"
        );
    }
    let found = spec_of("world", &world).unwrap();
    assert!(found.dns);
    assert_eq!(found.domain, zones::DEFAULT_DOMAIN);
}

#[test]
fn another_domain_changes_names_and_nothing_else_and_is_read_back() {
    let world = done(observed());
    let mut other = spec();
    other.domain = "k8s.example.com".to_owned();
    let steps = plan(&other, &world).unwrap().steps;
    let names = steps
        .iter()
        .filter(|step| matches!(step, Step::Names { .. }));
    assert_eq!(names.count(), 2);
    assert_eq!(steps.len(), 2, "{steps:?}");
    let mut moved = world;
    for (step, view) in steps.iter().zip(moved.clusters.values_mut()) {
        if let Step::Names { zones, .. } = step {
            view.stub_zones.clone_from(zones);
        }
    }
    let found = spec_of("world", &moved).unwrap();
    assert_eq!(found.domain, other.domain);
}

#[test]
fn a_zone_that_hides_a_members_own_domain_is_refused_at_the_domain() {
    let mut world = observed();
    world.clusters.get_mut("us").unwrap().domain = "eu.k8s.example".to_owned();
    let mut asked = spec();
    asked.domain = "k8s.example".to_owned();
    let text = plan(&asked, &world).unwrap_err().to_string();
    assert!(
        text.contains("domain") && text.contains("eu.k8s.example"),
        "{text}"
    );
    asked.dns = false;
    assert!(plan(&asked, &world).is_ok());
}

#[test]
fn a_member_made_anew_joins_again() {
    let mut world = done(observed());
    let anew = view("eu", "10.46.0.0/16", "10.47.0.0/16");
    world.clusters.insert("eu".into(), anew);
    world.recorded = vec!["us".to_owned(), "eu".to_owned()];
    let found = spec_of("world", &world).unwrap();
    assert_eq!(found.members.len(), 2);
    let steps = plan(&spec(), &world).unwrap().steps;
    let attached = steps
        .iter()
        .filter(|step| matches!(step, Step::Attach { node, .. } if node.starts_with("k3d-eu-")));
    assert_eq!(attached.count(), 2, "{steps:?}");
}

#[test]
fn a_member_that_is_gone_for_the_moment_is_not_forgotten() {
    let mut world = done(observed());
    world.clusters.remove("eu");
    world.recorded = vec!["us".to_owned(), "eu".to_owned()];
    let found = spec_of("world", &world).unwrap();
    let names: Vec<_> = found
        .members
        .iter()
        .map(|one| one.cluster.as_str())
        .collect();
    assert_eq!(names, ["us", "eu"]);
    let steps = plan(&found, &world).unwrap().steps;
    for step in &steps {
        if let Step::Route { script, .. } = step {
            assert_eq!(script::members(script).unwrap(), ["us", "eu"]);
        }
    }
}

#[test]
fn a_zone_that_another_bridge_defines_is_not_defined_twice() {
    let mut observed = observed();
    let us = observed.clusters.get_mut("us").unwrap();
    us.other_zones = BTreeSet::from(["us.atlas.internal".to_owned()]);
    let steps = plan(&spec(), &observed).unwrap().steps;
    let zones = steps.iter().find_map(|step| match step {
        Step::Names { cluster, zones, .. } if cluster == "us" => zones.as_deref(),
        _ => None,
    });
    let zones = zones::zones_of(zones.unwrap());
    let expected = ["docker.atlas.internal", "eu.atlas.internal"].map(str::to_owned);
    assert_eq!(zones, BTreeSet::from(expected));
}

#[test]
fn a_second_bridge_between_the_same_clusters_is_refused_with_its_name() {
    let mut observed = observed();
    let both = BTreeSet::from(["us".to_owned(), "eu".to_owned()]);
    observed.others.insert("old".to_owned(), both);
    let text = plan(&spec(), &observed).unwrap_err().to_string();
    for part in ["\"us\"", "\"eu\"", "\"old\"", "clusters[1]"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn clusters_that_overlap_in_the_world_are_refused() {
    let mut observed = observed();
    observed
        .clusters
        .insert("eu".into(), view("eu", "10.44.0.0/16", "10.47.0.0/16"));
    let text = plan(&spec(), &observed).unwrap_err().to_string();
    assert!(text.contains("\"us\"") && text.contains("\"eu\""), "{text}");
}
