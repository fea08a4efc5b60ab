//! Makes and removes networks.

use ipnet::Ipv4Net;

use crate::begun::{self, Begun};
use crate::context::Context;
use crate::docker::{DockerNetwork, NetworkSpec};
use crate::error::{Error, Existing, Remedy, Result};
use crate::labels::{self, labels};
use crate::lock::Lock;
use crate::path::FieldPath;
use crate::presence::Presence;

use super::observe::list;
use super::plan::differences;
use super::remove::remove;
use super::room::{overlapping, until_free};
use super::spec::{Spec, refuse_overlap};

/// A network of which everything was checked and nothing made. Nobody else creates or removes one of this name as long as
/// it is held.
pub struct Admitted {
    spec: Spec,
    found: Option<DockerNetwork>,
    _turn: Lock,
}

/// The mark of a network that is being created.
pub fn begun(name: &str) -> Begun {
    Begun::new(begun::Kind::Network, name)
}

/// Checks all that can be checked before a network is made, or one that an interrupted create left is taken.
///
/// # Errors
/// [`Error::Exists`] where there is a network of this name that no interrupted create of Atlas left, or one that differs;
/// [`Error::Invalid`]. Nothing was changed.
pub async fn admit(cx: &Context, spec: &Spec) -> Result<Admitted> {
    crate::error::refuse(spec.problems())?;
    let turn = begun::turn(cx, &begun(&spec.name)).await?;
    let found = cx
        .guard("looking up a network", cx.docker.network(&spec.name))
        .await?;
    if let Some(found) = &found {
        let exists = |detail| Error::Exists {
            kind: "network",
            name: spec.name.clone(),
            detail,
            remedy: Remedy::ImportOrRename,
        };
        let ours = found.labels.contains_key(labels::ATLAS_MANAGED);
        if !ours || !differences(spec, found).is_empty() {
            return Err(exists(Existing::Differs));
        }
        if !begun::is_marked(cx, &begun(&spec.name)).await? {
            return Err(exists(Existing::NotBegun));
        }
    }
    if found.is_none() {
        let path = FieldPath::of("subnet");
        let look = async || {
            let existing = list(cx, None).await?;
            Ok::<_, Error>(overlapping(spec.subnet, &spec.name, &path, &existing))
        };
        drop(until_free(cx, Vec::new(), look).await?);
    }
    Ok(Admitted {
        spec: spec.clone(),
        found,
        _turn: turn,
    })
}

impl Admitted {
    /// Whether an interrupted create left it.
    pub fn presence(&self) -> Presence {
        Presence::of(self.found.is_some())
    }

    /// Makes it, or takes what an interrupted create left.
    ///
    /// # Errors
    /// What Docker says.
    pub async fn make(self, cx: &Context) -> Result<DockerNetwork> {
        let begun = begun(&self.spec.name);
        let made = if let Some(found) = self.found {
            found
        } else {
            begun::mark(cx, &begun).await?;
            let asked = ask(cx, &self.spec).await;
            let is_refused = asked.as_ref().is_err_and(Error::is_answer);
            let made = match asked {
                Ok(id) => look(cx, &self.spec, &id).await,
                Err(error) => Err(error),
            };
            if is_refused || matches!(made, Err(Error::Exists { .. })) {
                begun::end(cx, &begun).await;
            }
            made?
        };
        begun::end(cx, &begun).await;
        Ok(made)
    }
}

/// Creates the network, or takes what an interrupted create left.
///
/// # Errors
/// As [`admit`], and what Docker says.
pub async fn create(cx: &Context, spec: &Spec) -> Result<DockerNetwork> {
    admit(cx, spec).await?.make(cx).await
}

/// Asks Docker for the network, of which there must be none. Returns its id.
async fn ask(cx: &Context, spec: &Spec) -> Result<String> {
    cx.tell(&format!("creating network {} ({})", spec.name, spec.subnet));
    let mut all = spec.labels.clone();
    all.extend(labels([
        (labels::APP, labels::APP_VALUE),
        (labels::ATLAS_MANAGED, labels::ATLAS_MANAGED_VALUE),
    ]));
    let request = NetworkSpec {
        name: spec.name.clone(),
        subnet: Some(spec.subnet),
        gateway: spec.gateway,
        labels: all,
    };
    let asking = cx.docker.create_network(&request);
    match cx.guard("creating a network", asking).await {
        Err(error) if error.is_answer() => {
            Err(explained(cx, &spec.name, Some(spec.subnet), error).await)
        }
        asked => asked,
    }
}

/// The network that was made. One of the same name that somebody else made in the same moment has come first.
async fn look(cx: &Context, spec: &Spec, id: &str) -> Result<DockerNetwork> {
    cx.guard("reading a network", async {
        let all = cx.docker.networks(None).await?;
        if all.iter().any(|one| one.name == spec.name && one.id != id) {
            cx.docker.remove_network(id).await?;
            return Err(lost_race(&spec.name));
        }
        cx.docker
            .network(&spec.name)
            .await?
            .ok_or_else(|| Error::NotFound {
                kind: "network",
                name: spec.name.clone(),
                remedy: Remedy::TryAgain {
                    why: "It was removed right after it was created".to_owned(),
                },
            })
    })
    .await
}

fn lost_race(name: &str) -> Error {
    Error::Exists {
        kind: "network",
        name: name.to_owned(),
        detail: Existing::Meanwhile,
        remedy: Remedy::ImportOrRename,
    }
}

/// Docker tells who loses a race for a name that its subnet is taken, and nobody by whom.
pub(crate) async fn explained(
    cx: &Context,
    name: &str,
    subnet: Option<Ipv4Net>,
    error: Error,
) -> Error {
    let taken = error.says("overlaps") || error.says("already exists");
    let (true, Ok(existing)) = (taken, cx.docker.networks(None).await) else {
        return error;
    };
    told(name, subnet, &existing, error)
}

fn told(name: &str, subnet: Option<Ipv4Net>, existing: &[DockerNetwork], error: Error) -> Error {
    if existing.iter().any(|one| one.name == name) {
        return lost_race(name);
    }
    let path = FieldPath::of("subnet");
    let overlap = subnet.and_then(|subnet| refuse_overlap(subnet, name, &path, existing));
    overlap.map_or(error, |problem| Error::Invalid(vec![problem]))
}

/// Removes the network, when those have left it that are going too; one that is gone already is as good.
///
/// # Errors
/// [`Error::Docker`] with the names of those who stay on it.
pub async fn delete(cx: &Context, name: &str) -> Result<()> {
    let _turn = begun::turn(cx, &begun(name)).await?;
    cx.oversee("removing a network", async {
        cx.tell(&format!("removing network {name}"));
        remove(cx, name).await?;
        begun::clear(cx, &begun(name)).await
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlaps() -> Error {
        Error::Docker {
            operation: "create network",
            object: "n".to_owned(),
            status: 403,
            message: "Pool overlaps with other one on this address space".to_owned(),
            hint: String::new(),
        }
    }

    fn network(name: &str, subnet: &str) -> DockerNetwork {
        DockerNetwork {
            name: name.to_owned(),
            subnet: subnet.parse().ok(),
            ..DockerNetwork::default()
        }
    }

    #[test]
    fn who_loses_a_race_for_a_name_is_told_so_and_not_of_its_subnet() {
        let subnet = "10.0.0.0/24".parse().ok();
        let mine = [network("n", "10.0.0.0/24")];
        let error = told("n", subnet, &mine, overlaps());
        assert!(error.is_answer());
        let text = error.to_string();
        assert!(
            text.contains("same moment") && !text.contains("Pool"),
            "{text}"
        );
    }

    #[test]
    fn a_subnet_that_is_taken_is_told_with_who_has_it() {
        let subnet = "10.0.0.0/24".parse().ok();
        let other = [network("other", "10.0.0.0/16")];
        let text = told("n", subnet, &other, overlaps()).to_string();
        assert!(
            text.contains("other") && text.contains("10.0.0.0/16"),
            "{text}"
        );
        let text = told("n", subnet, &[], overlaps()).to_string();
        assert!(text.contains("Pool overlaps"), "{text}");
    }
}
