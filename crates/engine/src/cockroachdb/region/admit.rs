//! What is checked before a region is made or changed.

use std::time::SystemTime;

use super::observe::{Observed, observe};
use super::plan::plan;
use super::spec::{Placement, Spec};
use crate::cockroachdb::certificates::Authority;
use crate::cockroachdb::names;
use crate::context::Context;
use crate::docker::Node;
use crate::error::{Error, Problem, Result, refuse};
use crate::labels;
use crate::network::place::{self, Wanted};
use crate::path::FieldPath;
use crate::ports;
use crate::presence::Presence;

/// Checks that the region can be made or changed: the network is there, addresses and ports are free, and the folder
/// holds the authority of the nodes that are there. Changes nothing. Returns what there is.
///
/// # Errors
/// [`Error::Invalid`]; [`Error::Certificate`]; [`Error::Exists`] where somebody else's container has a node's name.
pub async fn admit(cx: &Context, spec: &Spec) -> Result<Observed> {
    refuse(spec.problems())?;
    let observed = observe(cx, &spec.cluster, &spec.name).await?;
    let mut problems: Vec<Problem> = authority_problem(cx, spec, &observed)
        .await?
        .into_iter()
        .collect();
    if spec.placement == Placement::External {
        refuse(problems)?;
        return Ok(observed);
    }
    cx.guard("checking the machine", async {
        for number in 1..=spec.nodes {
            strangers(cx, spec, &observed, number).await?;
        }
        problems.extend(place::problems(cx, &spec.network, addresses(spec)).await?);
        // The node that keeps it. One that passes it on to another would have to give it up first.
        let own = |holder: &Node, port: u16| {
            (1..=spec.nodes).any(|number| {
                let node = spec.node(number);
                let keeps = [node.sql_port, node.http_port].contains(&Some(port));
                keeps && holder.name == names::node(&spec.cluster, &spec.name, number)
            })
        };
        problems.extend(ports::problems(cx, wanted_ports(spec), own).await?);
        refuse(problems)
    })
    .await?;
    Ok(observed)
}

/// The same for a region that is to be made. One that is there already is taken over where it is as wanted, which is
/// what an interrupted run leaves.
///
/// # Errors
/// As [`admit`]; [`Error::Exists`] too where a region of this name differs.
pub async fn admit_new(cx: &Context, spec: &Spec) -> Result<Presence> {
    let observed = admit(cx, spec).await?;
    let plan = plan(spec, &observed, SystemTime::now());
    let interrupted = |field: &str| field == "nodes";
    if plan
        .differences
        .iter()
        .any(|one| !interrupted(&one.field) && spec.placement == Placement::Docker)
    {
        return Err(Error::Exists {
            kind: "region of CockroachDB",
            name: format!("{}/{}", spec.cluster, spec.name),
            detail: crate::error::Existing::Differs,
            remedy: "Import it, choose another name, or remove it first.".to_owned(),
        });
    }
    Ok(Presence::of(!observed.is_gone(), plan.steps.is_empty()))
}

/// Nodes with certificates of another authority do not take ours, and would lose each other one by one.
async fn authority_problem(
    cx: &Context,
    spec: &Spec,
    observed: &Observed,
) -> Result<Option<Problem>> {
    let Some(folder) = &spec.certificates else {
        return Ok(None);
    };
    let authority = Authority::open(folder)?;
    let reading = Box::pin(observed.certificates(cx));
    let found = cx.guard("reading nodes' certificates", reading).await?;
    let foreign = found.iter().any(|certificate| {
        !authority
            .as_ref()
            .is_some_and(|authority| certificate.is_signed_by(&authority.about))
    });
    Ok(foreign.then(|| {
        Problem::new(
            FieldPath::of("certificates"),
            format!(
                "nodes of {} have certificates of another authority than the one in {}.",
                spec.cluster,
                folder.display()
            ),
            "Name the folder with the cluster's own ca.crt and ca.key.",
        )
    }))
}

/// Somebody else's container or volume under a node's name.
async fn strangers(cx: &Context, spec: &Spec, observed: &Observed, number: u32) -> Result<()> {
    let name = names::node(&spec.cluster, &spec.name, number);
    // Also one of its own that is being removed, or was made in this moment.
    let is_own = |node: &Node| {
        node.label(labels::ATLAS_COCKROACHDB) == Some(spec.cluster.as_str())
            && node.label(labels::ATLAS_COCKROACHDB_REGION) == Some(spec.name.as_str())
    };
    let (kind, remove) = if observed.member(number).is_some() {
        return Ok(());
    } else if let Some(found) = cx.docker.container(&name).await? {
        if is_own(&found) {
            return Ok(());
        }
        ("container", "docker rm -f")
    } else if !observed.volumes.contains(&number) && cx.docker.has_volume(&name).await? {
        ("volume", "docker volume rm")
    } else {
        return Ok(());
    };
    Err(Error::Exists {
        kind,
        name,
        detail: crate::error::Existing::Differs,
        remedy: format!(
            "It is not of this region: choose another name, or remove it with `{remove}` if nobody needs it."
        ),
    })
}

fn addresses(spec: &Spec) -> impl Iterator<Item = Wanted> {
    (1..).zip(&spec.addresses).map(|(number, address)| Wanted {
        path: FieldPath::of("addresses").index(number - 1),
        address: *address,
        container: names::node(
            &spec.cluster,
            &spec.name,
            u32::try_from(number).unwrap_or(u32::MAX),
        ),
    })
}

fn wanted_ports(spec: &Spec) -> impl Iterator<Item = (FieldPath, u16)> {
    let lists = [
        ("sql_ports", &spec.sql_ports),
        ("http_ports", &spec.http_ports),
    ];
    lists.into_iter().flat_map(|(name, ports)| {
        let each = ports.iter().enumerate();
        each.map(move |(index, port)| (FieldPath::of(name).index(index), *port))
    })
}
