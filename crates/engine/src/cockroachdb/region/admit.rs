//! What is checked before a region is made or changed.

use super::execute::carry_out;
use super::observe::{Observed, observe};
use super::plan::{Around, plan};
use super::spec::{Placement, Spec};
use crate::begun::{self, Begun};
use crate::cockroachdb::certificates::Authority;
use crate::cockroachdb::names;
use crate::context::Context;
use crate::docker::{Node, PortKey};
use crate::error::{Error, Existing, Problem, Remedy, Result, refuse};
use crate::handover::{self, Way};
use crate::labels;
use crate::lock::Lock;
use crate::network::place::{self, Wanted};
use crate::network::{self, Hindrance};
use crate::path::FieldPath;
use crate::ports;
use crate::presence::Presence;

/// Checks that the region can be made or changed as things are: the network is there, addresses and ports are free, and the
/// folder holds the authority of the nodes that are there. Changes nothing. Returns what there is.
///
/// # Errors
/// [`Error::Invalid`]; [`Error::Certificate`]; [`Error::Exists`] where somebody else's container has a node's name.
pub async fn admit(cx: &Context, spec: &Spec) -> Result<Observed> {
    refuse(spec.problems())?;
    let observed = observe(cx, &spec.cluster, &spec.name).await?;
    let found = hindrances(cx, spec, &observed).await?;
    refuse(found.into_iter().map(|one| one.problem).collect())?;
    Ok(observed)
}

/// The same before a change: a port whose container may be going is waited for.
pub(super) async fn admit_change(cx: &Context, spec: &Spec) -> Result<Observed> {
    refuse(spec.problems())?;
    let observed = observe(cx, &spec.cluster, &spec.name).await?;
    until_free(cx, spec, &observed).await?;
    Ok(observed)
}

/// A node stops when the cluster can do without it, and not for a port.
async fn until_free(cx: &Context, spec: &Spec, observed: &Observed) -> Result<()> {
    let kept = |port: &PortKey| wanted_ports(spec).any(|(_, one)| PortKey::tcp(one) == *port);
    let nodes = observed.members.iter().map(|member| &member.container);
    let leaving = nodes.flat_map(|node| handover::leaving(node, kept, Way::Refuse));
    let look = || hindrances(cx, spec, observed);
    network::until_free(cx, leaving.collect(), look)
        .await
        .map(drop)
}

async fn hindrances(cx: &Context, spec: &Spec, observed: &Observed) -> Result<Vec<Hindrance>> {
    let authority = authority_problem(cx, spec, observed).await?;
    let mut found: Vec<Hindrance> = authority.into_iter().map(Hindrance::lasting).collect();
    if spec.placement == Placement::External {
        return Ok(found);
    }
    cx.guard("checking the machine", async {
        for number in 1..=spec.nodes {
            strangers(cx, spec, observed, number).await?;
        }
        let places = place::problems(cx, &spec.network, addresses(spec)).await?;
        found.extend(places.into_iter().map(Hindrance::lasting));
        // The node that keeps it.
        let own = |holder: &Node, port: u16| {
            (1..=spec.nodes).any(|number| {
                let node = spec.node(number);
                let keeps = [node.sql_port, node.http_port].contains(&Some(port));
                keeps && holder.name == names::node(&spec.cluster, &spec.name, number)
            })
        };
        // One that passes it on to another of the region would have to give it up first.
        let passes_on = |one: &Hindrance| {
            let mut members = observed.members.iter();
            members.any(|member| one.is_held_by(&member.container))
        };
        let taken = ports::hindrances(cx, wanted_ports(spec), own).await?;
        found.extend(taken.into_iter().map(|one| {
            if passes_on(&one) {
                Hindrance::lasting(one.problem)
            } else {
                one
            }
        }));
        Ok(found)
    })
    .await
}

/// A region of which everything was checked and nothing changed. Nobody else creates or removes it as long as it is held.
pub struct Admitted {
    spec: Spec,
    observed: Observed,
    _turn: Lock,
}

/// The mark of a region that is being created.
pub(super) fn begun(cluster: &str, region: &str) -> Begun {
    Begun::new(begun::Kind::CockroachRegion, format!("{cluster}.{region}"))
}

/// The same for a region that is to be made, or that an interrupted create left. Nodes that run elsewhere are nobody's to
/// take: they are counted.
///
/// # Errors
/// As [`admit`]; [`Error::Exists`] too where there is anything of a region of this name that no interrupted create of ours
/// left, or what one left needs another region.
pub async fn admit_new(cx: &Context, spec: &Spec) -> Result<Admitted> {
    refuse(spec.problems())?;
    let turn = begun::turn(cx, &begun(&spec.cluster, &spec.name)).await?;
    let observed = observe(cx, &spec.cluster, &spec.name).await?;
    if spec.placement == Placement::Docker && !observed.is_gone() {
        let exists = |detail| Error::Exists {
            kind: "region of CockroachDB",
            name: format!("{}/{}", spec.cluster, spec.name),
            detail,
            remedy: Remedy::ImportOrRename,
        };
        if !begun::is_marked(cx, &begun(&spec.cluster, &spec.name)).await? {
            return Err(exists(Existing::NotBegun));
        }
        if !plan(spec, &observed, &Around::now(spec))
            .replace()
            .is_empty()
        {
            return Err(exists(Existing::Differs));
        }
    }
    until_free(cx, spec, &observed).await?;
    Ok(Admitted {
        spec: spec.clone(),
        observed,
        _turn: turn,
    })
}

impl Admitted {
    /// Whether an interrupted create left something of it.
    pub fn presence(&self) -> Presence {
        Presence::of(self.spec.placement == Placement::Docker && !self.observed.is_gone())
    }

    /// Makes it, or finishes it.
    ///
    /// # Errors
    /// As [`super::apply`].
    pub async fn make(self, cx: &Context) -> Result<Observed> {
        carry_out(cx, &self.spec, self.observed).await
    }
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
    let kind = if observed.member(number).is_some() {
        return Ok(());
    } else if let Some(found) = cx.docker.container(&name).await? {
        if is_own(&found) {
            return Ok(());
        }
        "container"
    } else if !observed.volumes.contains(&number) && cx.docker.has_volume(&name).await? {
        "volume"
    } else {
        return Ok(());
    };
    Err(Error::Exists {
        kind,
        name,
        detail: crate::error::Existing::Differs,
        remedy: "It is not part of this region. Choose another name for the region or the cluster."
            .into(),
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
