//! LocalStack servers and their replicators.

use super::Row;
use super::container::{restart, row};
use crate::facts::{Answer, Facts, Server};
use crate::world::Cloud;

use atlas_engine::localstack::server::{container_name, replicator_name};

/// The rows of each region that has a cloud side.
pub(super) fn rows(facts: &Facts) -> Vec<(&str, Vec<Row>)> {
    let regions = facts.world.regions.iter();
    let regions = regions.filter_map(|(name, region)| Some((name, region.cloud.as_ref()?)));
    regions
        .map(|(name, cloud)| (name.as_str(), of_region(facts, name, cloud)))
        .collect()
}

fn of_region(facts: &Facts, region: &str, cloud: &Cloud) -> Vec<Row> {
    let name = container_name(&cloud.server);
    let server = match facts.servers.get(region) {
        Some(Answer::Known(server)) => server,
        Some(Answer::Unknown(why)) => return vec![Row::unknown("LocalStack", &name, why)],
        None => return Vec::new(),
    };
    if let Some(other) = served_by(facts, region, cloud) {
        let detail = format!("{} is served by {}", cloud.region, container_name(other));
        return vec![Row::well("LocalStack", &name, detail)];
    }
    let own = row("LocalStack", &name, server.container.as_ref(), |_| {
        serving(server, &name)
    });
    let mut rows = vec![own];
    // One that was made without a replicator has no port for it either.
    if cloud.metrics_port.is_some() || server.replicator.is_some() {
        let name = replicator_name(&cloud.server);
        rows.push(row(
            "replicator",
            &name,
            server.replicator.as_ref(),
            |_| match &server.copies {
                Answer::Known(None) => Row::well("replicator", &name, "copies"),
                Answer::Known(Some(said)) => {
                    Row::down("replicator", &name, format!("runs, and says: {said}"))
                        .remedy(restart(&name))
                }
                Answer::Unknown(why) => Row::unknown("replicator", &name, format!("runs; {why}")),
            },
        ));
    }
    rows
}

fn serving(server: &Server, name: &str) -> Row {
    let Some(version) = &server.version else {
        return Row::down("LocalStack", name, "runs, and does not answer").remedy(restart(name));
    };
    if !server.broken.is_empty() {
        let detail = format!("in error: {}", server.broken.join(", "));
        return Row::down("LocalStack", name, detail).remedy(restart(name));
    }
    if !server.differs.is_empty() {
        return Row::differs("LocalStack", name, server.differs.join("; "))
            .remedy("make plan shows the whole, make world sets it right");
    }
    Row::well("LocalStack", name, format!("answers, version {version}"))
}

/// The server of another region that serves this one too: a LocalStack that can replicate only within itself serves all.
pub(super) fn served_by<'a>(facts: &'a Facts, region: &str, cloud: &Cloud) -> Option<&'a str> {
    let here = facts.servers.get(region)?.known()?;
    if here.container.is_some() || here.replicator.is_some() {
        return None;
    }
    facts.servers.iter().find_map(|(other, server)| {
        let found = server.known()?;
        let serves = found.container.is_some() && found.regions.contains(&cloud.region);
        let other = facts.world.regions.get(other)?.cloud.as_ref()?;
        serves.then_some(other.server.as_str())
    })
}
