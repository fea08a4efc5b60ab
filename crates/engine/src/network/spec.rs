//! What may be asked of a network.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::room::overlapping;
use crate::docker::DockerNetwork;
use crate::error::Problem;
use crate::labels::Labels;
use crate::path::FieldPath;

/// A network as a user wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Docker's name for it.
    pub name: String,
    /// Its subnet.
    pub subnet: Ipv4Net,
    /// Its gateway; `None` is the first host of the subnet.
    pub gateway: Option<Ipv4Addr>,
    /// Labels of the user's own.
    pub labels: Labels,
}

impl Spec {
    /// Everything that is wrong with it, without asking the world.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(name_problem(&self.name, &FieldPath::of("name")));
        if self.subnet.prefix_len() > 29 {
            problems.push(Problem::new(
                FieldPath::of("subnet"),
                format!("{} is too small: it has no room for nodes.", self.subnet),
                "Use a prefix of /29 or shorter.",
            ));
        }
        if let Some(gateway) = self.gateway
            && !self.subnet.hosts().any(|host| host == gateway)
        {
            problems.push(Problem::new(
                FieldPath::of("gateway"),
                format!("{gateway} is not a host address of {}.", self.subnet),
                "Leave it out, or use an address of the subnet.",
            ));
        }
        for key in self.labels.keys() {
            if key == "app" || key.starts_with("k3d.") {
                problems.push(Problem::new(
                    FieldPath::of("labels"),
                    format!("the label {key:?} is reserved for k3d."),
                    "Choose a key other than app that does not begin with k3d.",
                ));
            }
        }
        problems
    }

    /// The gateway that the network has or gets.
    pub fn gateway(&self) -> Option<Ipv4Addr> {
        self.gateway.or_else(|| self.subnet.hosts().next())
    }
}

/// What Docker would refuse in a network's name.
pub fn name_problem(name: &str, path: &FieldPath) -> Option<Problem> {
    let mut characters = name.chars();
    let first = characters.next().is_some_and(|c| c.is_ascii_alphanumeric());
    let rest = characters.all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    let reserved = ["bridge", "host", "none", "default"].contains(&name);
    (!first || !rest || reserved || name.len() > 63).then(|| {
        Problem::new(
            path.clone(),
            format!("{name:?} is not a valid network name."),
            "Use 1 to 63 letters, digits, dots, dashes or underscores, beginning with a letter or \
             digit, and none of Docker's own names (bridge, host, none).",
        )
    })
}

/// Refuses a subnet that another Docker network has already, whoever made that.
pub fn refuse_overlap(
    subnet: Ipv4Net,
    own_name: &str,
    path: &FieldPath,
    existing: &[DockerNetwork],
) -> Option<Problem> {
    let found = overlapping(subnet, own_name, path, existing);
    found.into_iter().next().map(|one| one.problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_docker_refuses_are_refused_first() {
        for (name, good) in [
            ("a", true),
            ("k3d-dc_us.1", true),
            ("", false),
            ("-a", false),
            ("a/b", false),
            ("host", false),
        ] {
            assert_eq!(
                name_problem(name, &FieldPath::of("name")).is_none(),
                good,
                "{name}"
            );
        }
    }

    #[test]
    fn an_overlap_names_both_networks() {
        let other = DockerNetwork {
            name: "old".into(),
            subnet: Some("10.1.0.0/16".parse().unwrap()),
            ..DockerNetwork::default()
        };
        let subnet = "10.1.2.0/24".parse().unwrap();
        let found = refuse_overlap(
            subnet,
            "new",
            &FieldPath::of("subnet"),
            std::slice::from_ref(&other),
        );
        let text = found.unwrap().to_string();
        assert!(
            text.contains("10.1.2.0/24") && text.contains("old"),
            "{text}"
        );
        assert!(refuse_overlap(subnet, "old", &FieldPath::of("subnet"), &[other]).is_none());
    }
}
