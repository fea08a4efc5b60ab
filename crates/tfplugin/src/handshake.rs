//! The start of a plugin, as go-plugin does it: a secret that is none (the cookie says that Terraform and
//! not a person started us), versions, a line on standard output that says where we listen and which
//! certificate we have, and then a gRPC server until we are told to go.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::{Connected, TcpConnectInfo};
use tonic::{Request, Response, Status};

use crate::logging;
use crate::proto::health::health_check_response::ServingStatus;
use crate::proto::health::health_server::{Health, HealthServer};
use crate::proto::health::{HealthCheckRequest, HealthCheckResponse};
use crate::proto::plugin::grpc_controller_server::{GrpcController, GrpcControllerServer};
use crate::proto::plugin::grpc_stdio_server::{GrpcStdio, GrpcStdioServer};
use crate::proto::plugin::{Empty, StdioData};
use crate::proto::tfplugin6::provider_server::ProviderServer;
use crate::provider::Provider;
use crate::server::Server;
use crate::tls::Identity;

const COOKIE_NAME: &str = "TF_PLUGIN_MAGIC_COOKIE";
const COOKIE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";
/// The protocol's major version.
const PROTOCOL: &str = "6";
/// Terraform's own limit of a message.
const LARGEST_MESSAGE: usize = 256 << 20;
/// How long a client may take over its part of the TLS handshake.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// The pause after a connection that could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long running calls may take to end once the server is told to shut down.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);

/// Serves a provider until Terraform is done with it. `addresses` are its source addresses, one for each
/// registry that carries it, for the debugging mode: with `-debug` as the only argument it serves on a socket of its own without TLS, and prints
/// what to put into `TF_REATTACH_PROVIDERS`.
pub async fn serve<P: Provider>(addresses: &[&str], provider: P) -> ExitCode {
    let debug = std::env::args()
        .nth(1)
        .is_some_and(|word| word == "-debug" || word == "--debug");
    let result = if debug {
        serve_debug(addresses, provider).await
    } else {
        match Settings::from_env(|name| std::env::var(name).ok()) {
            Ok(settings) => serve_plugin(settings, provider).await,
            Err(reason) => Err(reason),
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            let _ = writeln!(io::stderr(), "{reason}");
            ExitCode::FAILURE
        }
    }
}

/// What Terraform asks for.
struct Settings {
    client_certificate: String,
    /// `None` is a Unix socket; else the lowest and highest port.
    tcp: Option<(u16, u16)>,
    socket_folder: Option<PathBuf>,
}

impl Settings {
    fn from_env(env: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        if env(COOKIE_NAME).as_deref() != Some(COOKIE) {
            return Err("This is a Terraform provider: it is started by Terraform, not by hand.\nPut it \
                        where Terraform finds it (see the documentation), then run `terraform init`.\nTo \
                        debug it, start it with -debug."
                .to_owned());
        }
        let versions = env("PLUGIN_PROTOCOL_VERSIONS").unwrap_or_default();
        if !versions.split(',').any(|version| version == PROTOCOL) {
            return Err(format!(
                "This provider speaks protocol {PROTOCOL}, and Terraform asked for {versions:?}. Use \
                 Terraform 1.0 or newer."
            ));
        }
        let client_certificate = env("PLUGIN_CLIENT_CERT").filter(|pem| !pem.is_empty()).ok_or(
            "PLUGIN_CLIENT_CERT is missing. This provider lets in nobody who cannot show a certificate.",
        )?;
        let port = |name: &str| env(name).and_then(|port| port.parse().ok());
        let tcp = env("ATLAS_PLUGIN_TRANSPORT").is_some_and(|transport| transport == "tcp");
        Ok(Self {
            client_certificate,
            tcp: tcp.then(|| {
                (
                    port("PLUGIN_MIN_PORT").unwrap_or(10_000),
                    port("PLUGIN_MAX_PORT").unwrap_or(25_000),
                )
            }),
            socket_folder: env("PLUGIN_UNIX_SOCKET_DIR")
                .filter(|dir| !dir.is_empty())
                .map(PathBuf::from),
        })
    }
}

async fn serve_plugin<P: Provider>(settings: Settings, provider: P) -> Result<(), String> {
    logging::start();
    let identity = Identity::new(&settings.client_certificate)?;
    let certificate =
        base64::engine::general_purpose::STANDARD_NO_PAD.encode(identity.certificate.as_ref());
    let acceptor = TlsAcceptor::from(Arc::clone(&identity.config));
    let stop = Stop::default();
    let (sender, incoming) = tokio::sync::mpsc::channel(16);
    // Kept until the end: dropping it removes the socket.
    let _folder = if let Some((lowest, highest)) = settings.tcp {
        let listener = bind_tcp(lowest, highest).await?;
        let at = listener.local_addr().map_err(|error| error.to_string())?;
        announce(&format!("1|{PROTOCOL}|tcp|{at}|grpc|{certificate}"))?;
        tokio::spawn(accept(acceptor, sender, stop.clone(), async move || {
            listener.accept().await.map(|(stream, _)| stream)
        }));
        None
    } else {
        let folder = socket_folder(settings.socket_folder)?;
        let path = folder.path().join("plugin");
        let listener = bind_unix(&path)?;
        announce(&format!(
            "1|{PROTOCOL}|unix|{}|grpc|{certificate}",
            path.display()
        ))?;
        tokio::spawn(accept(acceptor, sender, stop.clone(), async move || {
            listener.accept().await.map(|(stream, _)| stream)
        }));
        Some(folder)
    };
    let server = Server::new(provider, stop.operations.clone());
    run(server, ReceiverStream::new(incoming), stop).await
}

async fn serve_debug<P: Provider>(addresses: &[&str], provider: P) -> Result<(), String> {
    logging::start();
    let folder = socket_folder(None)?;
    let path = folder.path().join("plugin");
    let listener = bind_unix(&path)?;
    let here = serde_json::json!({
        "Protocol": "grpc",
        "ProtocolVersion": 6,
        "Pid": std::process::id(),
        "Test": true,
        "Addr": {"Network": "unix", "String": path},
    });
    let reattach: BTreeMap<&str, _> = addresses.iter().map(|one| (*one, &here)).collect();
    let reattach = serde_json::to_string(&reattach).map_err(|error| error.to_string())?;
    announce(&format!("TF_REATTACH_PROVIDERS='{reattach}'"))?;
    let stop = Stop::default();
    let (sender, incoming) = tokio::sync::mpsc::channel(16);
    let ending = stop.clone();
    tokio::spawn(async move {
        while !ending.shutdown.is_cancelled() {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let connection = Connection(Box::new(stream));
                    if sender.send(Ok(connection)).await.is_err() {
                        break;
                    }
                }
                Err(error) => {
                    tracing::warn!("a connection could not be accepted: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    });
    let shutdown = stop.shutdown.clone();
    tokio::spawn(async move {
        // A person's Ctrl-C, here and only here.
        if tokio::signal::ctrl_c().await.is_ok() {
            shutdown.cancel();
        }
    });
    // Terraform comes and goes; what stopped one run must not stop the next.
    let server = Server::new(provider, stop.operations.clone()).reconfigurable();
    run(server, ReceiverStream::new(incoming), stop).await
}

/// The two ways to be stopped.
#[derive(Clone, Default)]
struct Stop {
    /// Running operations should end.
    operations: CancellationToken,
    /// The process should end.
    shutdown: CancellationToken,
}

async fn run<P: Provider>(
    server: Server<P>,
    incoming: ReceiverStream<io::Result<Connection>>,
    stop: Stop,
) -> Result<(), String> {
    ignore_interrupts()?;
    let service = ProviderServer::new(server)
        .max_decoding_message_size(LARGEST_MESSAGE)
        .max_encoding_message_size(LARGEST_MESSAGE);
    let serving = tonic::transport::Server::builder()
        .add_service(service)
        .add_service(GrpcControllerServer::new(Controller(stop.clone())))
        .add_service(GrpcStdioServer::new(Stdio))
        .add_service(HealthServer::new(Serving))
        .serve_with_incoming_shutdown(incoming, stop.shutdown.clone().cancelled_owned());
    tokio::select! {
        ended = serving => ended.map_err(|error| format!("serving: {error}")),
        () = async {
            stop.shutdown.cancelled().await;
            tokio::time::sleep(SHUTDOWN_PATIENCE).await;
        } => Ok(()),
    }
}

/// Ctrl-C reaches every process of the terminal; it is Terraform that decides what it means, and tells us
/// by `StopProvider`.
fn ignore_interrupts() -> Result<(), String> {
    let kind = tokio::signal::unix::SignalKind::interrupt();
    let mut signals = tokio::signal::unix::signal(kind).map_err(|error| error.to_string())?;
    tokio::spawn(async move { while signals.recv().await.is_some() {} });
    Ok(())
}

/// Accepts connections; each gets its TLS handshake in a task of its own, so that one that stalls holds
/// up nobody.
async fn accept<S>(
    acceptor: TlsAcceptor,
    sender: tokio::sync::mpsc::Sender<io::Result<Connection>>,
    stop: Stop,
    next: impl AsyncFn() -> io::Result<S>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    loop {
        let accepted = tokio::select! {
            accepted = next() => accepted,
            () = stop.shutdown.cancelled() => return,
        };
        let stream = match accepted {
            Ok(stream) => stream,
            // Too many open files, for instance: it passes, and the next may be let in.
            Err(error) => {
                tracing::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (acceptor, sender) = (acceptor.clone(), sender.clone());
        tokio::spawn(async move {
            match tokio::time::timeout(HANDSHAKE_PATIENCE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => drop(sender.send(Ok(Connection(Box::new(stream)))).await),
                Ok(Err(error)) => tracing::warn!("a connection was refused: {error}"),
                Err(_) => tracing::warn!("a connection was refused: no handshake"),
            }
        });
    }
}

fn announce(line: &str) -> Result<(), String> {
    let mut out = io::stdout();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(|error| format!("standard output: {error}"))
}

fn socket_folder(parent: Option<PathBuf>) -> Result<tempfile::TempDir, String> {
    let parent = parent.unwrap_or_else(std::env::temp_dir);
    // Made with mode 0700.
    tempfile::Builder::new()
        .prefix("plugin-")
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir_in(&parent)
        .map_err(|error| format!("a folder in {}: {error}", parent.display()))
}

fn bind_unix(path: &std::path::Path) -> Result<UnixListener, String> {
    let listener =
        UnixListener::bind(path).map_err(|error| format!("{}: {error}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(listener)
}

async fn bind_tcp(lowest: u16, highest: u16) -> Result<TcpListener, String> {
    for port in lowest..=highest {
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            return Ok(listener);
        }
    }
    Err(format!("no port from {lowest} to {highest} is free"))
}

struct Controller(Stop);

#[tonic::async_trait]
impl GrpcController for Controller {
    async fn shutdown(&self, _request: Request<Empty>) -> Result<Response<Empty>, Status> {
        self.0.operations.cancel();
        self.0.shutdown.cancel();
        Ok(Response::new(Empty {}))
    }
}

struct Stdio;

#[tonic::async_trait]
impl GrpcStdio for Stdio {
    type StreamStdioStream = tokio_stream::Pending<Result<StdioData, Status>>;

    async fn stream_stdio(
        &self,
        _request: Request<()>,
    ) -> Result<Response<Self::StreamStdioStream>, Status> {
        // Nothing is ever written there: logs go to standard error.
        Ok(Response::new(tokio_stream::pending()))
    }
}

struct Serving;

#[tonic::async_trait]
impl Health for Serving {
    async fn check(
        &self,
        _request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(HealthCheckResponse {
            status: ServingStatus::Serving.into(),
        }))
    }
}

/// What tonic needs of a connection.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection of any transport, for tonic.
struct Connection(Box<dyn Stream>);

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        TcpConnectInfo {
            local_addr: None,
            remote_addr: None,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Result<Settings, String> {
        let all: BTreeMap<String, String> = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Settings::from_env(|name| all.get(name).cloned())
    }

    #[test]
    fn a_person_who_starts_it_is_told_what_it_is() {
        assert!(settings(&[]).is_err_and(|text| text.contains("started by Terraform")));
    }

    #[test]
    fn nobody_is_served_without_a_certificate_to_ask_for() {
        let env = [(COOKIE_NAME, COOKIE), ("PLUGIN_PROTOCOL_VERSIONS", "5,6")];
        assert!(settings(&env).is_err_and(|text| text.contains("PLUGIN_CLIENT_CERT")));
    }

    #[test]
    fn an_older_protocol_is_refused() {
        let env = [
            (COOKIE_NAME, COOKIE),
            ("PLUGIN_PROTOCOL_VERSIONS", "5"),
            ("PLUGIN_CLIENT_CERT", "x"),
        ];
        assert!(settings(&env).is_err_and(|text| text.contains("protocol 6")));
    }
}
