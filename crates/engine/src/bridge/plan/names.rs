//! By which names members know each other.

use std::collections::BTreeMap;

use super::step::Step;
use crate::bridge::observe::{ClusterView, Observed};
use crate::bridge::spec::Spec;
use crate::bridge::zones::{self, Peer};
use crate::error::Problem;
use crate::path::FieldPath;

/// Where the bridge's zones and names that its members know already would hide each other.
pub(super) fn collisions(spec: &Spec, observed: &Observed) -> Option<Problem> {
    if !spec.dns {
        return None;
    }
    let clusters = || spec.members.iter().map(|member| member.cluster.as_str());
    let views = || clusters().filter_map(|cluster| observed.clusters.get(cluster));
    let elsewhere = views().flat_map(|view| view.other_zones.iter().cloned());
    let kubernetes = views().map(|view| view.domain.clone());
    zones::collision(
        &spec.domain,
        clusters(),
        &elsewhere.collect(),
        &kubernetes.collect(),
        &FieldPath::of("domain"),
    )
}

/// What the members' DNS has to be told.
pub(super) fn names(
    spec: &Spec,
    observed: &Observed,
    members: &BTreeMap<&String, &ClusterView>,
) -> Vec<Step> {
    let peers = members.iter().filter_map(|(name, view)| {
        Some(Peer {
            cluster: (*name).clone(),
            dns: view.dns.clone()?,
            cluster_domain: view.domain.clone(),
        })
    });
    let peers: Vec<Peer> = peers.collect();
    let mut steps = Vec::new();
    for (name, view) in &observed.clusters {
        let Some(server) = view.server.clone() else {
            continue;
        };
        // CoreDNS refuses a zone that is defined twice: what another bridge told it stands.
        let wanted = (spec.dns && members.contains_key(name))
            .then(|| zones::blocks(&spec.domain, &peers, &view.other_zones))
            .flatten();
        if view.stub_zones != wanted {
            steps.push(Step::Names {
                cluster: name.clone(),
                server,
                zones: wanted,
            });
        }
    }
    steps
}
