//! What stands between a server as wanted and as it is.

use super::observe::Observed;
use super::spec::{Spec, container_name, replicator_name};
use crate::docker::Node;
use crate::localstack::Difference;
use crate::path::FieldPath;

/// One step. They are taken in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Removes the replicator's container.
    RemoveReplicator,
    /// Stops and removes the server's container; its volume stays.
    RemoveServer,
    /// Creates and starts the server's container.
    CreateServer,
    /// Starts the server's container.
    StartServer,
    /// Lets the server's container go on.
    UnpauseServer,
    /// Creates and starts the replicator's container.
    CreateReplicator,
    /// Starts the replicator's container.
    StartReplicator,
    /// Lets the replicator's container go on.
    UnpauseReplicator,
}

impl Step {
    /// The step as a sentence.
    pub fn summary(self, name: &str) -> String {
        let (server, replicator) = (container_name(name), replicator_name(name));
        match self {
            Self::RemoveReplicator => format!("remove {replicator}"),
            Self::RemoveServer => format!("remove {server}, keeping its volume"),
            Self::CreateServer => format!("create {server}"),
            Self::StartServer => format!("start {server}"),
            Self::UnpauseServer => format!("unpause {server}"),
            Self::CreateReplicator => format!("create {replicator}"),
            Self::StartReplicator => format!("start {replicator}"),
            Self::UnpauseReplicator => format!("unpause {replicator}"),
        }
    }

    /// Whether it sets going a container that is there.
    pub fn resumes(self) -> bool {
        matches!(
            self,
            Self::StartServer
                | Self::UnpauseServer
                | Self::StartReplicator
                | Self::UnpauseReplicator
        )
    }
}

/// Everything that is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// In order.
    pub steps: Vec<Step>,
    /// Attributes that differ.
    pub differences: Vec<Difference>,
}

impl Plan {
    /// Attributes for which the server must be replaced, with all that is in it.
    pub fn replace(&self) -> Vec<&str> {
        Difference::replacing(&self.differences)
    }
}

/// The images of containers that go and come back, each with the field that decides it; `before` is what there is.
pub fn images<'a>(spec: &'a Spec, before: &Spec, is_replaced: bool) -> Vec<(FieldPath, &'a str)> {
    let mut all = Vec::new();
    if is_replaced || spec.image != before.image {
        all.push((FieldPath::of("image"), spec.image.as_str()));
    }
    if let Some(one) = &spec.replicator
        && (is_replaced
            || before
                .replicator
                .as_ref()
                .is_some_and(|known| known.image != one.image))
    {
        let field = FieldPath::of("replicator").name("image");
        all.push((field, one.image.as_str()));
    }
    all
}

/// Compares. What is in a server that keeps nothing is lost with its container: there, what would need another container
/// forces replacement.
pub fn plan(spec: &Spec, observed: &Observed) -> Plan {
    let (Some(server), Some(found)) = (&observed.server, &observed.found) else {
        let mut steps = vec![Step::CreateServer];
        if observed.replicator.is_some() {
            steps.push(Step::RemoveReplicator);
        }
        if spec.replicator.is_some() {
            steps.push(Step::CreateReplicator);
        }
        steps.sort();
        return Plan {
            steps,
            differences: Vec::new(),
        };
    };
    let mut differences = of_container(spec, found, observed.keeps != Some(false));
    let mut steps = Vec::new();
    let remade = !differences.is_empty();
    if remade {
        steps.extend([Step::RemoveServer, Step::CreateServer]);
    } else {
        steps.extend(resuming(server, Step::StartServer, Step::UnpauseServer));
    }
    let of_replicator = of_replicator(spec, found);
    match (&spec.replicator, &observed.replicator) {
        (Some(_), None) => steps.push(Step::CreateReplicator),
        (None, Some(_)) => steps.push(Step::RemoveReplicator),
        (Some(_), Some(_)) if !of_replicator.is_empty() => {
            steps.extend([Step::RemoveReplicator, Step::CreateReplicator]);
        }
        // With a new address or network of the server it is found by name, as before.
        (Some(_), Some(beside)) => {
            let resume = resuming(beside, Step::StartReplicator, Step::UnpauseReplicator);
            steps.extend(resume);
        }
        (None, None) => {}
    }
    differences.extend(of_replicator);
    steps.sort();
    Plan { steps, differences }
}

/// What a container that is there needs in order to run.
fn resuming(container: &Node, start: Step, unpause: Step) -> Option<Step> {
    match container.state.status.as_str() {
        "paused" => Some(unpause),
        _ if container.state.running => None,
        _ => Some(start),
    }
}

/// Attributes that differ between two specifications of one server. `keeps` says whether its image keeps state.
pub fn differences(spec: &Spec, found: &Spec, keeps: bool) -> Vec<Difference> {
    let mut all = of_container(spec, found, keeps);
    all.extend(of_replicator(spec, found));
    all
}

fn of_container(spec: &Spec, found: &Spec, keeps: bool) -> Vec<Difference> {
    let keeps = spec.persistence && found.persistence && keeps;
    let mut all = of_server(spec, found);
    for one in &mut all {
        one.replaces = !keeps;
    }
    all
}

fn of_server(spec: &Spec, found: &Spec) -> Vec<Difference> {
    let mut all = Vec::new();
    let mut compare = |field: &str, before: String, after: String| {
        if before != after {
            all.push(Difference::new(field, before, after));
        }
    };
    let list = |spec: &Spec| spec.services.iter().cloned().collect::<Vec<_>>().join(", ");
    let address = |spec: &Spec| spec.address.map(|one| one.to_string()).unwrap_or_default();
    compare("network", found.network.clone(), spec.network.clone());
    compare("image", found.image.clone(), spec.image.clone());
    compare("services", list(found), list(spec));
    compare("port", found.port.to_string(), spec.port.to_string());
    // Without a fixed address, whichever Docker gives is right.
    compare("address", address(found), address(spec));
    compare(
        "persistence",
        found.persistence.to_string(),
        spec.persistence.to_string(),
    );
    // Values may be secret.
    let mut names: Vec<&String> = found.environment.keys().collect();
    names.extend(spec.environment.keys());
    names.sort();
    names.dedup();
    for name in names {
        let (before, after) = (found.environment.get(name), spec.environment.get(name));
        if before != after {
            let told = |one: Option<&String>| if one.is_some() { "set" } else { "not set" };
            let after = match (before, after) {
                (Some(_), Some(_)) => "another value",
                _ => told(after),
            };
            all.push(Difference::new(
                &format!("environment.{name}"),
                told(before),
                after,
            ));
        }
    }
    all
}

fn of_replicator(spec: &Spec, found: &Spec) -> Vec<Difference> {
    let (before, after) = match (&found.replicator, &spec.replicator) {
        (Some(before), Some(after)) => (before, after),
        (None, Some(_)) => return vec![Difference::new("replicator", "absent", "present")],
        (Some(_), None) => return vec![Difference::new("replicator", "present", "absent")],
        (None, None) => return Vec::new(),
    };
    let mut all = Vec::new();
    let port = |port: Option<u16>| port.map(|port| port.to_string()).unwrap_or_default();
    let pairs = [
        ("image", before.image.clone(), after.image.clone()),
        ("peers", before.peers.join(", "), after.peers.join(", ")),
        (
            "regions",
            before.regions.join(", "),
            after.regions.join(", "),
        ),
        (
            "metrics_port",
            port(before.metrics_port),
            port(after.metrics_port),
        ),
    ];
    for (field, before, after) in pairs {
        if before != after {
            all.push(Difference::new(
                &format!("replicator.{field}"),
                before,
                after,
            ));
        }
    }
    for (field, differs) in [
        ("access_key", before.access_key != after.access_key),
        ("secret_key", before.secret_key != after.secret_key),
    ] {
        if differs {
            let field = format!("replicator.{field}");
            all.push(Difference::new(&field, "set", "another value"));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// What the world has instead.
    type Change = fn(&mut Spec);
    use crate::docker::{Node, State};

    #[test]
    fn the_images_of_what_goes_and_comes_back_are_needed() {
        let table: Vec<(Change, bool, &[&str])> = vec![
            (|_| {}, false, &[]),
            (|_| {}, true, &["image", "replicator.image"]),
            (|one| one.image = "other".into(), false, &["image"]),
            (
                |one| one.replicator.as_mut().unwrap().image = "other".into(),
                false,
                &["replicator.image"],
            ),
            // A replicator that is new is made beside what stays.
            (|one| one.replicator = None, false, &[]),
        ];
        for (change, is_replaced, wanted) in table {
            let (asked, mut before) = (spec(), spec());
            change(&mut before);
            let found = images(&asked, &before, is_replaced);
            let fields: Vec<String> = found.iter().map(|(field, _)| field.to_string()).collect();
            assert_eq!(fields, wanted);
        }
    }
    use crate::localstack::server::spec::Replicator;

    fn spec() -> Spec {
        Spec {
            name: "us".into(),
            network: "net".into(),
            image: "localstack:1".into(),
            services: ["s3".to_owned()].into(),
            port: 4566,
            address: None,
            persistence: true,
            environment: BTreeMap::new(),
            replicator: Some(Replicator {
                image: "replicator:1".into(),
                peers: Vec::new(),
                regions: vec!["us-east-1".into()],
                metrics_port: None,
                access_key: "test".into(),
                secret_key: "sesame".into(),
            }),
        }
    }

    fn running() -> Node {
        Node {
            state: State {
                running: true,
                ..State::default()
            },
            ..Node::default()
        }
    }

    fn observed(found: Spec) -> Observed {
        Observed {
            server: Some(running()),
            replicator: found.replicator.is_some().then(running),
            found: Some(found),
            ..Observed::default()
        }
    }

    #[test]
    fn what_is_as_wanted_needs_no_step() {
        assert_eq!(plan(&spec(), &observed(spec())), Plan::default());
    }

    #[test]
    fn each_attribute_is_told_alone_and_remakes_the_container_on_its_volume() {
        let table: Vec<(&str, Change)> = vec![
            ("network", |spec| spec.network = "other".into()),
            ("image", |spec| spec.image = "localstack:2".into()),
            ("services", |spec| spec.services = ["sqs".to_owned()].into()),
            ("port", |spec| spec.port = 4567),
            ("address", |spec| spec.address = Some([10, 0, 0, 9].into())),
            ("environment.DEBUG", |spec| {
                spec.environment.insert("DEBUG".into(), "1".into());
            }),
        ];
        for (field, change) in table {
            let mut wanted = spec();
            change(&mut wanted);
            let plan = plan(&wanted, &observed(spec()));
            let fields: Vec<&str> = plan
                .differences
                .iter()
                .map(|one| one.field.as_str())
                .collect();
            assert_eq!(fields, [field]);
            assert!(plan.replace().is_empty(), "{field}");
            assert_eq!(
                plan.steps,
                [Step::RemoveServer, Step::CreateServer],
                "{field}"
            );
        }
    }

    #[test]
    fn on_an_image_that_keeps_nothing_another_container_is_another_server() {
        let mut wanted = spec();
        wanted.environment.insert("DEBUG".into(), "1".into());
        let mut world = observed(spec());
        for (keeps, replace) in [
            (Some(true), Vec::new()),
            (None, Vec::new()),
            (Some(false), vec!["environment.DEBUG"]),
        ] {
            world.keeps = keeps;
            assert_eq!(plan(&wanted, &world).replace(), replace, "{keeps:?}");
        }
    }

    #[test]
    fn what_is_there_and_does_not_run_is_set_going_by_what_helps() {
        let stopped = |status: &str| {
            let mut node = running();
            node.state.running = false;
            status.clone_into(&mut node.state.status);
            node
        };
        let table: Vec<(&str, [Step; 2])> = vec![
            ("exited", [Step::StartServer, Step::StartReplicator]),
            ("created", [Step::StartServer, Step::StartReplicator]),
            ("paused", [Step::UnpauseServer, Step::UnpauseReplicator]),
        ];
        for (status, steps) in table {
            let mut world = observed(spec());
            world.server = Some(stopped(status));
            world.replicator = Some(stopped(status));
            assert_eq!(plan(&spec(), &world).steps, steps, "{status}");
            assert!(steps.iter().all(|step| step.resumes()));
        }
    }

    #[test]
    fn without_persistence_another_container_is_another_server() {
        let mut found = spec();
        found.persistence = false;
        let mut wanted = found.clone();
        wanted.port = 4567;
        assert_eq!(plan(&wanted, &observed(found)).replace(), ["port"]);
    }

    #[test]
    fn a_change_of_the_replicator_leaves_the_server_alone() {
        let mut wanted = spec();
        if let Some(replicator) = &mut wanted.replicator {
            replicator.peers.push("http://eu:4566".into());
        }
        let changed = plan(&wanted, &observed(spec()));
        assert_eq!(
            changed.steps,
            [Step::RemoveReplicator, Step::CreateReplicator]
        );
        wanted.replicator = None;
        assert_eq!(
            plan(&wanted, &observed(spec())).steps,
            [Step::RemoveReplicator]
        );
    }

    #[test]
    fn values_of_variables_and_keys_are_not_told() {
        let mut wanted = spec();
        wanted.environment.insert("TOKEN".into(), "sesame".into());
        if let Some(one) = &mut wanted.replicator {
            one.access_key = "sesame-id".into();
            one.secret_key = "sesame-key".into();
        }
        let plan = plan(&wanted, &observed(spec()));
        let fields: Vec<&str> = plan
            .differences
            .iter()
            .map(|one| one.field.as_str())
            .collect();
        let told = [
            "environment.TOKEN",
            "replicator.access_key",
            "replicator.secret_key",
        ];
        assert_eq!(fields, told);
        assert!(!format!("{plan:?}").contains("sesame"), "{plan:?}");
    }
}
