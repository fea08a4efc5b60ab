//! What stands between a network as wanted and as it is. A Docker network cannot be changed: every
//! difference means another network.

use crate::docker::DockerNetwork;
use crate::error::Problem;
use crate::labels;
use crate::path::FieldPath;

use super::spec::Spec;

/// One attribute that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The attribute's name.
    pub field: &'static str,
    /// What Docker has.
    pub before: String,
    /// What is wanted.
    pub after: String,
}

/// All attributes that differ; each forces replacement.
pub fn differences(spec: &Spec, observed: &DockerNetwork) -> Vec<Difference> {
    let text = |value: Option<&dyn ToString>| value.map(ToString::to_string).unwrap_or_default();
    let mut found = Vec::new();
    if observed.subnet != Some(spec.subnet) {
        found.push(Difference {
            field: "subnet",
            before: text(observed.subnet.as_ref().map(|s| s as &dyn ToString)),
            after: spec.subnet.to_string(),
        });
    }
    // Docker tells none where nobody gave one, and has its usual.
    let is_usual = spec.gateway.is_none() && observed.gateway.is_none();
    if observed.gateway != spec.gateway() && !is_usual {
        found.push(Difference {
            field: "gateway",
            before: text(observed.gateway.as_ref().map(|g| g as &dyn ToString)),
            after: text(spec.gateway().as_ref().map(|g| g as &dyn ToString)),
        });
    }
    let own = user_labels(observed);
    if own != spec.labels {
        found.push(Difference {
            field: "labels",
            before: format!("{own:?}"),
            after: format!("{:?}", spec.labels),
        });
    }
    found
}

/// Refuses to make a network anew that is in use: Docker removes none with containers on it, and what is on it is not
/// made anew with it.
pub fn refuse_use(observed: &DockerNetwork, path: &FieldPath) -> Option<Problem> {
    let users = observed.users();
    (!users.is_empty()).then(|| {
        Problem::new(
            path.clone(),
            format!(
                "the network {} must be replaced for this, but {} uses it.",
                observed.name,
                users.join(", ")
            ),
            "Change its name too: then everything that refers to it moves to the new network in the same plan.",
        )
    })
}

/// A network's labels without k3d's and ours.
pub fn user_labels(observed: &DockerNetwork) -> labels::Labels {
    let own = |key: &String| key != labels::APP && !key.starts_with("k3d");
    observed
        .labels
        .iter()
        .filter(|(key, _)| own(key))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network() -> DockerNetwork {
        DockerNetwork {
            name: "n".to_owned(),
            subnet: "10.0.0.0/24".parse().ok(),
            gateway: Some([10, 0, 0, 1].into()),
            labels: labels::labels([("owner", "us"), (labels::ATLAS_MANAGED, "v1")]),
            ..DockerNetwork::default()
        }
    }

    fn spec() -> Spec {
        Spec {
            name: "n".to_owned(),
            subnet: "10.0.0.0/24".parse().unwrap(),
            gateway: None,
            labels: labels::labels([("owner", "us")]),
        }
    }

    #[test]
    fn each_way_in_which_a_network_can_be_another_is_a_difference_at_its_attribute() {
        type Change = fn(&mut DockerNetwork);
        let table: [(&str, Change); 5] = [
            ("subnet", |n| n.subnet = "10.0.0.0/25".parse().ok()),
            ("subnet", |n| n.subnet = None),
            ("gateway", |n| n.gateway = Some([10, 0, 0, 9].into())),
            ("labels", |n| n.labels.clear()),
            ("labels", |n| drop(n.labels.insert("b".into(), "c".into()))),
        ];
        assert_eq!(differences(&spec(), &network()), []);
        let untold = DockerNetwork {
            gateway: None,
            ..network()
        };
        assert_eq!(differences(&spec(), &untold), []);
        for (field, change) in table {
            let mut found = network();
            change(&mut found);
            let fields: Vec<_> = differences(&spec(), &found)
                .into_iter()
                .map(|one| one.field)
                .collect();
            assert_eq!(fields, [field]);
        }
    }

    #[test]
    fn a_network_in_use_is_not_made_anew_and_its_users_are_named() {
        let path = FieldPath::of("labels");
        let mut found = network();
        assert_eq!(refuse_use(&found, &path), None);
        for (name, last) in [("k3d-a-server-0", 3), ("db", 4)] {
            let address = std::net::Ipv4Addr::new(10, 0, 0, last);
            found.addresses.insert(name.to_owned(), address);
        }
        let text = refuse_use(&found, &path).unwrap().to_string();
        assert!(
            text.contains("labels: ") && text.contains("db, k3d-a-server-0"),
            "{text}"
        );
    }
}
