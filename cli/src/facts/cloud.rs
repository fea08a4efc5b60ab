//! LocalStack servers and the replicators beside them.

use std::collections::BTreeMap;

use atlas_engine::localstack::server;
use atlas_engine::{Context, localstack};
use futures_util::future::join_all;

use super::gather::{LIMIT, ask, container};
use super::{Answer, Server, http};
use crate::world::{Cloud, World};

/// The server of each region that has a cloud side.
pub(super) async fn all(
    cx: &Context,
    world: &World,
    host: &str,
) -> BTreeMap<String, Answer<Server>> {
    let network = world.cloud.as_ref().map(|cloud| cloud.network.as_str());
    let regions = world.regions.iter();
    let regions = regions.filter_map(|(name, region)| Some((name, region.cloud.as_ref()?)));
    let looks = regions.map(|(name, cloud)| async move {
        // The server may give no answer while its replicator does.
        let (found, copies) = tokio::join!(
            ask(server::observe(cx, &cloud.server)),
            copies(host, cloud.metrics_port)
        );
        let server = match found {
            Answer::Known(found) => Answer::Known(read(cx, cloud, network, &found, copies).await),
            Answer::Unknown(why) => Answer::Unknown(why),
        };
        (name.clone(), server)
    });
    join_all(looks).await.into_iter().collect()
}

async fn read(
    cx: &Context,
    cloud: &Cloud,
    network: Option<&str>,
    observed: &server::Observed,
    copies: Answer<Option<String>>,
) -> Server {
    let seen = |node| async move {
        match node {
            Some(node) => Some(container(cx, node, "", server::DEFAULT_PORT).await),
            None => None,
        }
    };
    let (own, replicator) = tokio::join!(
        seen(observed.server.as_ref()),
        seen(observed.replicator.as_ref())
    );
    let health = observed.health.as_ref();
    let services = health.into_iter().flat_map(|health| &health.services);
    let broken = services.filter(|(_, state)| *state == "error");
    let replicates = observed
        .found
        .as_ref()
        .and_then(|found| found.replicator.as_ref());
    Server {
        container: own,
        replicator,
        regions: replicates
            .map(|one| one.regions.clone())
            .unwrap_or_default(),
        endpoint: observed
            .found
            .as_ref()
            .map(|found| server::endpoint(found.port)),
        version: health.map(|health| health.version.clone()),
        broken: broken.map(|(name, _)| name.clone()).collect(),
        differs: differs(cloud, network, observed),
        copies,
    }
}

/// What differs from the description; what that does not say is as it is.
fn differs(cloud: &Cloud, network: Option<&str>, observed: &server::Observed) -> Vec<String> {
    let Some(found) = &observed.found else {
        return Vec::new();
    };
    let mut spec = found.clone();
    spec.port = cloud.port;
    if let Some(network) = network {
        network.clone_into(&mut spec.network);
    }
    if let (Some(replicator), Some(port)) = (&mut spec.replicator, cloud.metrics_port) {
        replicator.metrics_port = Some(port);
    }
    let all = server::differences(&spec, found, observed.keeps != Some(false));
    let told = |one: &localstack::Difference| {
        format!(
            "{} is {} and should be {}",
            one.field, one.before, one.after
        )
    };
    all.iter().map(told).collect()
}

/// What the replicator on this port says of itself.
async fn copies(host: &str, port: Option<u16>) -> Answer<Option<String>> {
    let Some(port) = port else {
        return Answer::Unknown("no port is published for it".to_owned());
    };
    match http::get(host, port, "/healthz", LIMIT).await {
        Ok((200, _)) => Answer::Known(None),
        Ok((status, line)) if line.is_empty() => Answer::Known(Some(format!("status {status}"))),
        Ok((_, line)) => Answer::Known(Some(line)),
        Err(why) => Answer::Unknown(why),
    }
}
