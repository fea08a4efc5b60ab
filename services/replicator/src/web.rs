//! `/metrics` and `/healthz`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// What the probes ask for.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    /// All metrics.
    pub metrics: Arc<Metrics>,
    /// Why it is not ready; empty when it is.
    pub unready: watch::Receiver<String>,
}

/// Serves until it is told to stop.
pub(crate) async fn serve(
    listen: SocketAddr,
    shown: Shown,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(listen).await?;
    // Who started it may wait for this line.
    tracing::info!("atlas-replicator ready on {listen}");
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        .with_state(shown);
    axum::serve(listener, router)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

async fn metrics(State(shown): State<Shown>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], shown.metrics.text())
}

async fn health(State(shown): State<Shown>) -> impl IntoResponse {
    let why = shown.unready.borrow().clone();
    if why.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"))
    }
}
