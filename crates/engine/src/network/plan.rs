//! What stands between a network as wanted and as it is. A Docker network cannot be changed: every
//! difference means another network.

use crate::docker::DockerNetwork;
use crate::labels;

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
    if observed.gateway != spec.gateway() {
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
