//! What stands between regions as wanted and as they are.

use super::super::spec::tests::spec;
use super::*;
use crate::cockroachdb::certificates::{Authority, DAY};
use crate::cockroachdb::topology::Topology;
use crate::docker::{Node, State};

fn certificate(spec: &Spec) -> Certificate {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::ensure(folder.path(), "ledger").unwrap();
    let mut names: BTreeSet<String> = BTreeSet::new();
    for number in 1..=8 {
        names.extend(spec.host_names(&spec.node(number)));
    }
    let pair = authority.node(&names, spec.certificate_days).unwrap();
    Certificate::parse(pair.certificate.as_bytes()).unwrap()
}

fn status(spec: &Spec, number: u32, membership: Membership) -> NodeStatus {
    NodeStatus {
        id: u64::from(number),
        address: names::address(&spec.cluster, &spec.name, number),
        build: "v1".into(),
        updated_at: String::new(),
        locality: vec![("region".into(), spec.name.clone())],
        is_live: true,
        is_available: true,
        ranges_unavailable: 0,
        ranges_underreplicated: 0,
        membership,
        is_draining: false,
    }
}

/// Now, with a folder in which all is well.
fn around() -> Around {
    Around {
        now: SystemTime::now(),
        folder: Folder::default(),
    }
}

fn observed(spec: &Spec) -> Observed {
    let certificate = certificate(spec);
    let member = |number| Member {
        found: spec.node(number),
        container: Node {
            state: State {
                running: true,
                ..State::default()
            },
            ..Node::default()
        },
        certificate: Some(certificate.clone()),
        trust: None,
        joins: false,
    };
    let statuses = (1..=spec.nodes).map(|n| status(spec, n, Membership::Active));
    Observed {
        cluster: spec.cluster.clone(),
        region: spec.name.clone(),
        members: (1..=spec.nodes).map(member).collect(),
        volumes: (1..=spec.nodes).collect(),
        view: View::Live(Topology {
            nodes: statuses.collect(),
        }),
        ..Observed::default()
    }
}

fn steps(spec: &Spec, observed: &Observed) -> Vec<Step> {
    plan(spec, observed, &around()).steps
}

#[test]
fn what_is_as_wanted_needs_no_step() {
    let spec = spec();
    let plan = plan(&spec, &observed(&spec), &around());
    assert_eq!(plan, Plan::default());
}

#[test]
fn nodes_are_added_and_the_highest_are_removed() {
    let spec = spec();
    let there = observed(&spec);
    let mut more = spec.clone();
    more.nodes = 3;
    assert_eq!(steps(&more, &there), [Step::CreateNode(3)]);
    let mut fewer = spec.clone();
    fewer.nodes = 1;
    fewer.addresses.truncate(1);
    assert_eq!(steps(&fewer, &there), [Step::RemoveNodes(vec![2])]);
}

#[test]
fn a_node_whose_container_is_gone_comes_back_on_its_volume() {
    let spec = spec();
    let mut there = observed(&spec);
    there.members.pop();
    assert_eq!(steps(&spec, &there), [Step::CreateNode(2)]);
}

#[test]
fn a_removal_that_was_interrupted_goes_on() {
    let mut spec = spec();
    let there = observed(&spec);
    spec.nodes = 1;
    spec.addresses.truncate(1);
    // Nothing is left but what the cluster remembers, or nothing but the volume.
    let mut only_known = there.clone();
    only_known.members.pop();
    only_known.volumes.remove(&2);
    let mut only_volume = there;
    only_volume.members.pop();
    only_volume.view = View::Live(Topology {
        nodes: vec![
            status(&spec, 1, Membership::Active),
            status(&spec, 2, Membership::Decommissioned),
        ],
    });
    for observed in [only_known, only_volume] {
        assert_eq!(steps(&spec, &observed), [Step::RemoveNodes(vec![2])]);
    }
}

#[test]
fn a_node_that_is_wanted_again_is_taken_back_or_made_anew() {
    let spec = spec();
    for (membership, expected) in [
        (Membership::Decommissioning, vec![Step::RecommissionNode(2)]),
        (
            Membership::Decommissioned,
            vec![Step::WipeNode(2), Step::CreateNode(2)],
        ),
    ] {
        let mut there = observed(&spec);
        there.view = View::Live(Topology {
            nodes: vec![
                status(&spec, 1, Membership::Active),
                status(&spec, 2, membership),
            ],
        });
        assert_eq!(steps(&spec, &there), expected);
    }
}

#[test]
fn certificates_are_renewed_in_place() {
    let spec = spec();
    let there = observed(&spec);
    let both = [Step::RenewCertificate(1), Step::RenewCertificate(2)];
    let mut late = around();
    late.now += DAY * 300;
    assert_eq!(plan(&spec, &there, &late).steps, both);
    let mut other = spec.clone();
    other.certificate_days = 30;
    assert_eq!(steps(&other, &there), both);
    let mut other = spec.clone();
    other.host_names.insert("db.example".into());
    assert_eq!(steps(&other, &there), both);
}

#[test]
fn each_attribute_is_told_alone_and_remakes_nodes_on_their_volumes() {
    type Change = fn(&mut Spec);
    let table: Vec<(&str, Change)> = vec![
        ("image", |spec| spec.image = "cockroach:v2".into()),
        ("zones", |spec| spec.zones = vec!["c".into()]),
        ("sql_ports", |spec| spec.sql_ports = vec![26300, 26301]),
        ("http_ports", |spec| spec.http_ports = Vec::new()),
        ("cache", |spec| spec.resources.cache = None),
        ("memory", |spec| spec.resources.memory = Some(1 << 30)),
        ("addresses", |spec| {
            spec.addresses[1] = [10, 0, 0, 99].into();
        }),
    ];
    let spec = spec();
    for (field, change) in table {
        let mut wanted = spec.clone();
        change(&mut wanted);
        let plan = plan(&wanted, &observed(&spec), &around());
        let fields: Vec<_> = plan.differences.iter().map(|one| &one.field).collect();
        assert_eq!(fields, [field]);
        assert!(plan.replace().is_empty(), "{field}");
        let remade = |step: &Step| matches!(step, Step::RemakeNode(_));
        assert!(plan.steps.iter().all(remade), "{field}: {:?}", plan.steps);
    }
}

#[test]
fn where_no_address_is_asked_for_any_will_do() {
    let spec = spec();
    let mut wanted = spec.clone();
    wanted.addresses.clear();
    let plan = plan(&wanted, &observed(&spec), &around());
    assert_eq!(plan, Plan::default());
    assert_eq!(differences(&wanted, &spec), []);
}

#[test]
fn what_grows_old_in_the_folder_is_renewed_and_nodes_get_the_authoritys_new_certificate() {
    let spec = spec();
    let mut there = observed(&spec);
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::ensure(folder.path(), "ledger").unwrap();
    for member in &mut there.members {
        member.trust = Some(authority.certificate.clone());
    }
    let at = |days: u32| Around {
        now: SystemTime::now() + DAY * days,
        folder: Folder::look(folder.path()).unwrap(),
    };
    assert_eq!(plan(&spec, &there, &at(0)), Plan::default());
    let renewed = plan(&spec, &there, &at(3400)).steps;
    let both = [Task::RenewAuthority, Task::RenewRoot].map(Step::Renew);
    assert_eq!(renewed[..2], both);
    assert_eq!(renewed[2..], [1, 2].map(Step::RenewCertificate));
    // Another region has renewed it meanwhile.
    there.members[1].trust = Some("the one before".to_owned());
    let steps = plan(&spec, &there, &at(0)).steps;
    assert_eq!(steps, [Step::RenewCertificate(2)]);
    there.members[1].trust = None;
    let steps = plan(&spec, &there, &at(0)).steps;
    assert_eq!(steps, [Step::RenewCertificate(2)]);
}

#[test]
fn a_node_whose_store_is_lost_comes_back_as_another_member_and_the_lost_one_is_forgotten() {
    let spec = spec();
    for membership in [Membership::Active, Membership::Decommissioning] {
        let mut there = observed(&spec);
        there.members.pop();
        there.volumes.remove(&2);
        if let View::Live(topology) = &mut there.view {
            topology.nodes[1].membership = membership;
        }
        let expected = [Step::CreateNode(2), Step::ForgetMembers(vec![2])];
        assert_eq!(steps(&spec, &there), expected);
    }
}

#[test]
fn nodes_do_not_move_to_another_network_one_by_one() {
    let spec = spec();
    let mut wanted = spec.clone();
    wanted.network = "other".into();
    let plan = plan(&wanted, &observed(&spec), &around());
    assert_eq!(plan.replace(), ["network"]);
}

#[test]
fn a_member_whose_store_is_lost_is_forgotten_when_its_heir_lives() {
    let spec = spec();
    let mut there = observed(&spec);
    let mut lost = status(&spec, 2, Membership::Active);
    lost.is_live = false;
    let mut heir = status(&spec, 2, Membership::Active);
    heir.id = 9;
    let first = status(&spec, 1, Membership::Active);
    let mut view = |heir: &NodeStatus| {
        let nodes = vec![first.clone(), lost.clone(), heir.clone()];
        there.view = View::Live(Topology { nodes });
        steps(&spec, &there)
    };
    assert_eq!(view(&heir), [Step::ForgetMembers(vec![2])]);
    heir.is_live = false;
    assert_eq!(view(&heir), []);
}

#[test]
fn a_node_that_is_about_to_join_is_not_its_predecessor_that_left() {
    let spec = spec();
    let mut there = observed(&spec);
    if let View::Live(topology) = &mut there.view {
        topology.nodes[1].membership = Membership::Decommissioned;
    }
    let wiped = [Step::WipeNode(2), Step::CreateNode(2)];
    assert_eq!(steps(&spec, &there), wiped);
    there.members[1].joins = true;
    assert_eq!(steps(&spec, &there), [Step::AwaitNode(2)]);
    there.members[1].container.state.running = false;
    assert_eq!(steps(&spec, &there), [Step::StartNode(2)]);
}

#[test]
fn nodes_that_are_down_or_drain_are_remade_before_those_that_wait_for_them() {
    let mut spec = spec();
    spec.nodes = 3;
    let mut there = observed(&spec);
    there.members[2].container.state.running = false;
    if let View::Live(topology) = &mut there.view {
        topology.nodes[1].is_draining = true;
    }
    spec.image = "cockroach:v2".into();
    assert_eq!(steps(&spec, &there), [3, 2, 1].map(Step::RemakeNode));
    // One that goes and drains already is waited for by those that stay.
    let mut fewer = spec.clone();
    fewer.nodes = 1;
    there.members[2].container.state.running = true;
    let first = [Step::RemoveNodes(vec![2, 3]), Step::RemakeNode(1)];
    assert_eq!(steps(&fewer, &there), first);
}

#[test]
fn a_drain_that_nobody_goes_on_with_is_taken_back() {
    let spec = spec();
    let mut there = observed(&spec);
    if let View::Live(topology) = &mut there.view {
        topology.nodes[1].is_draining = true;
    }
    assert_eq!(steps(&spec, &there), [Step::RemakeNode(2)]);
}

#[test]
fn a_cluster_does_not_change_between_secure_and_insecure() {
    let spec = spec();
    let mut wanted = spec.clone();
    wanted.certificates = None;
    let plan = plan(&wanted, &observed(&spec), &around());
    assert_eq!(plan.replace(), ["insecure"]);
}

#[test]
fn fewer_nodes_are_warned_of_where_the_cluster_survives_less() {
    let spec = spec();
    let mut there = observed(&spec);
    let View::Live(topology) = &mut there.view else {
        unreachable!("it serves")
    };
    for (id, region) in [(3, "eu-central"), (4, "eu-central"), (5, "witness")] {
        topology.nodes.push(NodeStatus {
            locality: vec![("region".into(), region.into())],
            ..status(&spec, id, Membership::Active)
        });
    }
    let told = warning(&there, 1).unwrap_or_default();
    assert!(
        told.contains("us-east: 1") && told.contains("no region"),
        "{told}"
    );
    assert_eq!(warning(&there, 2), None);
    assert_eq!(warning(&Observed::default(), 0), None);
}

#[test]
fn nodes_elsewhere_are_waited_for() {
    let mut spec = spec();
    let mut there = observed(&spec);
    spec.placement = Placement::External;
    // Those in containers of ours are not elsewhere.
    assert_eq!(steps(&spec, &there), [Step::WaitForNodes(2)]);
    there.members.clear();
    assert_eq!(steps(&spec, &there), []);
    spec.nodes = 3;
    assert_eq!(steps(&spec, &there), [Step::WaitForNodes(3)]);
    there.view = View::Uninitialized;
    assert_eq!(steps(&spec, &there), []);
}
