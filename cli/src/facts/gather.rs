//! Asks all at once, each question with a time limit of its own, by the engine's observers. What gives no answer leaves
//! the rest as it is.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use atlas_engine::docker::{self, Docker, DockerConfig, Node};
use atlas_engine::error::hint_of_log;
use atlas_engine::{Context, Error, Result};

use super::{Answer, Container, Facts, cloud, clusters, database, look_for_files};
use crate::world::World;

/// How long one question may take.
pub(super) const LIMIT: Duration = Duration::from_secs(5);

/// Everything that can be learnt of this world.
///
/// # Errors
/// A sentence, where there is nobody to ask.
pub(crate) async fn gather(world: World, state: &Path) -> Result<Facts, String> {
    let config = DockerConfig::default();
    let connecting = tokio::time::timeout(LIMIT, Docker::connect(&config)).await;
    let docker = match connecting {
        Ok(connected) => connected.map_err(|error| unreachable(&error))?,
        Err(_) => {
            return Err(format!(
                "the Docker daemon gave no answer within {} s. Check that it runs: docker version",
                LIMIT.as_secs()
            ));
        }
    };
    let host = docker.other_machine();
    let host = host.unwrap_or_else(|| "127.0.0.1".to_owned());
    let cx = &Context::new(docker).with_timeout(LIMIT);
    let (clusters, servers, bridge, database, missing_networks) = tokio::join!(
        clusters::all(cx, &world),
        cloud::all(cx, &world, &host),
        clusters::bridge(cx, &world),
        database::look(cx, &world),
        ask(missing_networks(cx, &world)),
    );
    let files = look_for_files(&world, state);
    Ok(Facts {
        host,
        clusters,
        bridge,
        servers,
        database,
        missing_networks,
        files,
        has_roles: state.join("cloud.tfstate").exists(),
        world,
    })
}

/// Why nobody can be asked, in this command's words.
fn unreachable(error: &Error) -> String {
    match error {
        Error::Connect { endpoint, reason } => format!(
            "cannot connect to the Docker daemon at {endpoint}: {reason}. Start Docker, or set DOCKER_HOST to the \
             daemon that runs the world"
        ),
        other => other.to_string(),
    }
}

/// An answer within the limit, or why there is none.
pub(super) async fn ask<T>(question: impl Future<Output = Result<T>>) -> Answer<T> {
    match tokio::time::timeout(LIMIT, Box::pin(question)).await {
        Ok(Ok(answer)) => Answer::Known(answer),
        Ok(Err(Error::TimedOut { .. })) | Err(_) => {
            Answer::Unknown(format!("no answer within {} s", LIMIT.as_secs()))
        }
        Ok(Err(error)) => {
            let told = error.to_string();
            let line = told.lines().next().unwrap_or_default();
            Answer::Unknown(line.to_owned())
        }
    }
}

async fn missing_networks(cx: &Context, world: &World) -> Result<BTreeSet<String>> {
    let found = atlas_engine::network::list(cx, None).await?;
    let is_missing = |name: &&str| found.iter().all(|network| network.name != *name);
    Ok(world
        .networks()
        .filter(is_missing)
        .map(str::to_owned)
        .collect())
}

/// A container, with what its log advises where it ended.
pub(super) async fn container(cx: &Context, node: &Node, role: &str, port: u16) -> Container {
    let hint = if node.state.running || node.state.status == "created" {
        None
    } else {
        let log = tokio::time::timeout(LIMIT, docker::last_lines(cx, &node.name)).await;
        log.ok()
            .and_then(Result::ok)
            .and_then(|log| hint_of_log(&log))
    };
    Container {
        name: node.name.clone(),
        role: role.to_owned(),
        image: node.image.clone(),
        status: node.state.status.clone(),
        running: node.state.running,
        exit_code: node.state.exit_code,
        restarts: node.state.restarts,
        hint: hint.map(str::to_owned),
        has_other_name: atlas_engine::k3d::has_other_name(node),
        port: node.published(port),
    }
}
