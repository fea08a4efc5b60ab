//! Carries objects and messages between the regions of an AWS-compatible cloud. One runs beside each
//! server; it finds by itself what there is to do, and keeps nothing. `README.md` says what is promised.

mod bucket;
mod carry;
mod cloud;
mod consume;
mod context;
mod decide;
mod discovery;
mod event;
mod failure;
mod forward;
mod limits;
mod metrics;
mod queue;
mod rules;
mod settings;
mod stamp;
mod supervise;
mod sweep;
mod web;

use std::sync::Arc;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::cloud::Cloud;
use crate::context::Context;
use crate::discovery::Discovery;
use crate::limits::Limits;
use crate::settings::Settings;

#[tokio::main]
async fn main() -> Result<()> {
    let filter = EnvFilter::try_from_env("ATLAS_REPLICATOR_LOG")
        .unwrap_or_else(|_| EnvFilter::new("warn,atlas_replicator=info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    let settings = Settings::read(|name| std::env::var(name).ok())?;
    tracing::info!("{settings:?}");

    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: what has begun is ended");
        told.cancel();
    });

    let context = Context::new(Limits::new(settings.objects, settings.buffer), stop.clone());
    let (unready, watched) = watch::channel("not started yet".to_owned());
    let shown = web::Shown {
        metrics: Arc::clone(&context.metrics),
        unready: watched,
    };
    let peers = settings
        .peers
        .iter()
        .map(|peer| Cloud::new(peer, &settings))
        .collect();
    let discovery = Discovery::new(
        Cloud::new(&settings.endpoint, &settings),
        peers,
        settings.regions.clone(),
    );
    let web = web::serve(settings.listen, shown, stop.clone());
    let work = async {
        supervise::run(context, &settings, discovery, unready).await;
        Ok(())
    };
    tokio::try_join!(
        async {
            web.await
                .with_context(|| format!("listening on {}", settings.listen))
        },
        work
    )?;
    tracing::info!("stopped");
    Ok(())
}
