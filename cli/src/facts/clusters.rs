//! k3d clusters, and the bridge between them.

use std::collections::BTreeMap;

use atlas_engine::bridge;
use atlas_engine::k3d::{self, Filtered, Step};
use atlas_engine::{Context, FieldPath, Result};
use futures_util::future::join_all;

use super::gather::{ask, container};
use super::{Answer, Bridge, Cluster};
use crate::world::{Region, World};

/// The cluster of each region.
pub(super) async fn all(cx: &Context, world: &World) -> BTreeMap<String, Answer<Cluster>> {
    let looks = world.regions.iter().map(|(name, region)| async move {
        let found = ask(k3d::observe(cx, &region.cluster)).await;
        let cluster = match found {
            Answer::Known(found) => Answer::Known(cluster(cx, region, found).await),
            Answer::Unknown(why) => Answer::Unknown(why),
        };
        (name.clone(), cluster)
    });
    join_all(looks).await.into_iter().collect()
}

async fn cluster(cx: &Context, region: &Region, found: Option<k3d::Observed>) -> Cluster {
    let Some(observed) = found else {
        return Cluster {
            containers: Vec::new(),
            endpoint: None,
            missing: Vec::new(),
            differs: Vec::new(),
            kubernetes: Answer::Unknown("there is no cluster".to_owned()),
        };
    };
    let containers = observed.nodes.iter();
    let containers =
        containers.map(|(role, node)| container(cx, node, role.as_str(), k3d::API_PORT));
    let (containers, kubernetes) =
        tokio::join!(join_all(containers), ask(k3d::health(cx, &observed)));
    let endpoint = k3d::spec_of(&observed).and_then(|spec| spec.kube_api.endpoint());
    let (missing, differs) = compare(region, &observed);
    Cluster {
        containers,
        endpoint,
        missing,
        differs,
        kubernetes,
    }
}

/// What the engine would do for what the description says: nodes that it would make, and what else it would change. What
/// the description does not say is as it is.
fn compare(region: &Region, observed: &k3d::Observed) -> (Vec<String>, Vec<String>) {
    let Some(mut spec) = k3d::spec_of(observed) else {
        let server = k3d::node_name(&region.cluster, k3d::Role::Server, 0);
        return (vec![server], Vec::new());
    };
    spec.agents = region.agents;
    spec.network = Some(region.network.clone());
    spec.subnet = None;
    spec.cluster_cidr = region.pods;
    spec.service_cidr = region.services;
    let ports = region.ports.iter().enumerate();
    spec.ports = ports
        .map(|(index, port)| Filtered {
            value: k3d::Port {
                host: None,
                host_port: Some(port.host_port),
                container_port: port.container_port,
                protocol: "tcp".to_owned(),
            },
            filters: Vec::new(),
            path: FieldPath::of("ports").index(index),
        })
        .collect();
    let plan = match k3d::plan(&spec, Some(observed)) {
        Ok(plan) => plan,
        Err(error) => return (Vec::new(), vec![error.to_string()]),
    };
    let replaced = plan
        .replace
        .iter()
        .map(|replace| format!("{} differs", replace.field));
    let (mut missing, mut differs) = (Vec::new(), replaced.collect::<Vec<_>>());
    for step in &plan.steps {
        match step {
            Step::CreateNode { node, .. }
                if observed.nodes.iter().all(|(_, one)| one.name != *node) =>
            {
                missing.push(node.clone());
            }
            // One that does not run has a row of its own.
            Step::StartNode { .. } | Step::CreateNode { .. } => {}
            step => differs.push(step.summary()),
        }
    }
    (missing, differs)
}

/// The bridge, where one is declared.
pub(super) async fn bridge(cx: &Context, world: &World) -> Option<Answer<Bridge>> {
    let declared = world.bridge.as_ref()?;
    Some(ask(look(cx, world, &declared.name, declared.subnet)).await)
}

async fn look(cx: &Context, world: &World, name: &str, subnet: ipnet::Ipv4Net) -> Result<Bridge> {
    let members: Vec<bridge::Member> = world
        .regions
        .values()
        .map(|region| bridge::Member {
            cluster: region.cluster.clone(),
            cluster_cidr: Some(region.pods),
            service_cidr: Some(region.services),
        })
        .collect();
    let names: Vec<String> = members
        .iter()
        .map(|member| member.cluster.clone())
        .collect();
    let observed = bridge::observe(cx, name, &names).await?;
    let found = bridge::spec_of(name, &observed);
    let domain = found
        .as_ref()
        .map_or(bridge::DEFAULT_DOMAIN, |spec| &spec.domain);
    let spec = bridge::Spec {
        name: name.to_owned(),
        subnet,
        members,
        dns: true,
        domain: domain.to_owned(),
    };
    let mut told = Bridge {
        exists: observed.network.is_some(),
        members: found
            .iter()
            .flat_map(bridge::Spec::clusters)
            .map(str::to_owned)
            .collect(),
        domain: domain.to_owned(),
        differs: Vec::new(),
        silent: Vec::new(),
    };
    match bridge::plan(&spec, &observed) {
        Ok(plan) => {
            let replaced = plan.replace.iter().map(|field| format!("{field} differs"));
            let steps = plan.steps.iter().map(bridge::Step::summary);
            told.differs = replaced.chain(steps).collect();
            told.silent = plan.silent;
        }
        Err(error) => told.differs.push(error.to_string()),
    }
    Ok(told)
}
