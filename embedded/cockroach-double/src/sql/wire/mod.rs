//! SQL over PostgreSQL's protocol.

mod auth;
mod queries;
mod values;

use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};

use pgwire::api::auth::StartupHandler;
use pgwire::api::cancel::{CancelHandler, DefaultCancelHandler};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use pgwire::api::{ConnectionManager, PgWireServerHandlers};
use pgwire::error::{ErrorInfo, PgWireError};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsAcceptor;

use super::session::Session;
use crate::error::SqlError;
use crate::node::{Node, Phase};

static CONNECTIONS: LazyLock<Arc<ConnectionManager>> =
    LazyLock::new(|| Arc::new(ConnectionManager::new()));

/// How long a client that came too late has to hear it.
const REFUSAL: std::time::Duration = std::time::Duration::from_secs(5);

/// Serves one connection.
pub(crate) async fn serve(node: Arc<Node>, stream: TcpStream, tls: Option<TlsAcceptor>) {
    let mut phase = node.phase();
    node.counters.connections.fetch_add(1, Ordering::Relaxed);
    let handler = Arc::new(Handler {
        node: node.clone(),
        session: Arc::default(),
    });
    let conversation = pgwire::tokio::process_socket(stream, tls, Handlers(handler));
    // How a conversation ends is the client's business.
    if *phase.borrow() >= Phase::Closing {
        // It is told that it came too late.
        let _ = tokio::time::timeout(REFUSAL, conversation).await;
    } else {
        tokio::select! {
            _ = conversation => (),
            _ = phase.wait_for(|phase| *phase >= Phase::Closed) => (),
        }
    }
    node.counters.connections.fetch_sub(1, Ordering::Relaxed);
}

struct Handlers(Arc<Handler>);

impl PgWireServerHandlers for Handlers {
    fn simple_query_handler(&self) -> Arc<impl SimpleQueryHandler> {
        self.0.clone()
    }

    fn extended_query_handler(&self) -> Arc<impl ExtendedQueryHandler> {
        self.0.clone()
    }

    fn startup_handler(&self) -> Arc<impl StartupHandler> {
        self.0.clone()
    }

    fn cancel_handler(&self) -> Arc<impl CancelHandler> {
        Arc::new(DefaultCancelHandler::new(CONNECTIONS.clone()))
    }
}

struct Handler {
    node: Arc<Node>,
    session: Arc<Mutex<Option<Session>>>,
}

fn info(severity: &str, error: SqlError) -> ErrorInfo {
    let mut info = ErrorInfo::new(severity.to_owned(), error.code, error.message);
    info.hint = error.hint;
    info.detail = error.detail;
    info
}

fn wire_error(error: SqlError) -> PgWireError {
    PgWireError::UserError(Box::new(info("ERROR", error)))
}

fn fatal(code: &str, message: impl Into<String>) -> PgWireError {
    PgWireError::UserError(Box::new(info("FATAL", SqlError::new(code, message))))
}
