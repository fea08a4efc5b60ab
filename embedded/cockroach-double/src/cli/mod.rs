//! The command line, as published.

mod certs;
pub(crate) mod flags;
mod nodes;
mod sql;
mod start;
pub(crate) mod table;

use std::time::Duration;

use crate::error::CliError;
use crate::node;
use crate::rpc::{Credentials, Pool, Request, Response};
use crate::surface;
use crate::tls::{self, Identity};
use flags::Flags;

/// The port that SQL and RPC have by default.
pub(crate) const PORT: u16 = 26257;

/// Runs a command; the answer is the exit code.
pub(crate) fn run(words: &[String]) -> i32 {
    let (command, rest) = match words {
        [] => {
            eprintln!("{}", usage());
            return 0;
        }
        [first, second, rest @ ..]
            if matches!(first.as_str(), "node" | "cert" | "double") && !second.starts_with('-') =>
        {
            (format!("{first} {second}"), rest)
        }
        [first, rest @ ..] => (first.clone(), rest),
    };
    match dispatch(&command, rest) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ERROR: {error}");
            let last = command.rsplit(' ').next().unwrap_or_default();
            eprintln!("Failed running {last:?}");
            error.exit
        }
    }
}

fn dispatch(command: &str, rest: &[String]) -> Result<i32, CliError> {
    match command {
        "help" | "--help" | "-h" => print(&usage()),
        "double surface" => print(surface::markdown().trim_end()),
        "version" => {
            let flags = Flags::parse("version", rest)?;
            none(&flags)?;
            if flags.is("build-tag") {
                return print(&node::build());
            }
            print(&version())
        }
        "--version" => print(&version()),
        "start" => start::run(&Flags::parse("start", rest)?),
        "init" => {
            let flags = Flags::parse("init", rest)?;
            none(&flags)?;
            block(nodes::init(&flags))?
        }
        "node status" | "node drain" | "node decommission" | "node recommission" => {
            let flags = Flags::parse(command, rest)?;
            block(nodes::run(command, &flags))?
        }
        "cert create-ca" | "cert create-node" | "cert create-client" | "cert list" => {
            let flags = Flags::parse(command, rest)?;
            let what = command.strip_prefix("cert ").unwrap_or_default();
            let text = certs::run(what, &flags)?;
            if text.is_empty() {
                Ok(0)
            } else {
                print(text.trim_end())
            }
        }
        "sql" => {
            let flags = Flags::parse("sql", rest)?;
            none(&flags)?;
            block(sql::run(&flags))?
        }
        "start-single-node" | "demo" | "debug" | "import" | "workload" | "userfile" | "gen"
        | "statement-diag" | "auth-session" | "connect" | "convert-url" | "encode-uri"
        | "sqlfmt" | "nodelocal" | "node ls" | "double" | "node" | "cert" => Err(CliError::new(
            format!("unsupported by the double: {command}"),
        )
        .hint("`cockroach double surface` lists what it has")),
        other if other.starts_with('-') => Err(CliError::flag(format!(
            "unknown flag: {}",
            other.split('=').next().unwrap_or(other)
        ))),
        other => Err(CliError::new(format!(
            "unknown command {other:?} for \"cockroach\""
        ))),
    }
}

fn usage() -> String {
    let mut commands: Vec<&str> = surface::ENTRIES
        .iter()
        .filter(|entry| entry.kind == "command")
        .map(|entry| entry.text)
        .collect();
    commands.sort_unstable();
    format!(
        "A test double of CockroachDB's command line, of Project Atlas. It is not CockroachDB.\n\nUsage:\n  cockroach [command] (flags)\n\nCommands:\n  {}\n  double surface",
        commands.join("\n  ")
    )
}

fn version() -> String {
    format!(
        "Build Tag:        {}\n\
         Distribution:     Atlas test double of CockroachDB (not CockroachDB)\n\
         Platform:         {} {}\n\
         Build Type:       test double",
        node::build(),
        std::env::consts::OS,
        std::env::consts::ARCH,
    )
}

#[expect(clippy::print_stdout, reason = "what a command prints")]
#[expect(
    clippy::unnecessary_wraps,
    reason = "the last thing that a command does"
)]
fn print(text: &str) -> Result<i32, CliError> {
    println!("{text}");
    Ok(0)
}

/// Prints without an end of line.
#[expect(clippy::print_stdout, reason = "what a command prints")]
pub(crate) fn show(text: &str) {
    use std::io::Write as _;
    print!("{text}");
    let _ = std::io::stdout().flush();
}

fn none(flags: &Flags) -> Result<(), CliError> {
    match flags.arguments.first() {
        None => Ok(()),
        Some(argument) => Err(CliError::new(format!(
            "unknown command {argument:?} for \"cockroach\""
        ))),
    }
}

/// A runtime for a command.
fn block<T>(work: impl Future<Output = T>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 8)))
        .enable_all()
        .build()
        .map_err(|e| CliError::new(format!("could not start: {e}")))?;
    let result = runtime.block_on(work);
    // What still runs ends with the process.
    runtime.shutdown_background();
    Ok(result)
}

/// The identity that flags ask for: none when insecure.
pub(crate) fn identity(flags: &Flags, name: &str) -> Result<Option<Identity>, CliError> {
    if flags.is("insecure") {
        if flags.get("certs-dir").is_some() {
            return Err(
                CliError::flag("--insecure and --certs-dir cannot both be given")
                    .hint("a cluster is secure with certificates, or insecure without"),
            );
        }
        return Ok(None);
    }
    let dir = tls::certs_dir(flags.get("certs-dir"));
    Identity::load(&dir, name).map(Some)
}

/// An address with a port.
pub(crate) fn address(text: &str, port: u16) -> String {
    let has_port = text
        .rsplit_once(':')
        .is_some_and(|(host, _)| !host.contains(':') || host.ends_with(']'));
    if has_port {
        text.to_owned()
    } else {
        format!("{text}:{port}")
    }
}

/// A way to a node for the command line.
pub(crate) struct Line {
    pool: std::sync::Arc<Pool>,
    address: String,
}

impl Line {
    /// The way that flags tell.
    pub(crate) fn new(flags: &Flags) -> Result<Self, CliError> {
        // A client is root, or a node where there is no client's certificate.
        let identity =
            identity(flags, "client.root").or_else(|e| identity(flags, "node").map_err(|_| e))?;
        let host = flags.get("host").map(str::to_owned);
        let host = host
            .or_else(|| std::env::var("COCKROACH_HOST").ok())
            .unwrap_or_else(|| "localhost".to_owned());
        Ok(Self {
            pool: Pool::new(identity.map_or(Credentials::None, Credentials::Fixed)),
            address: address(&host, PORT),
        })
    }

    /// Sends a request.
    pub(crate) async fn call(
        &self,
        request: Request,
        patience: Duration,
    ) -> Result<Response, CliError> {
        match self.pool.call(&self.address, &request, patience).await {
            Ok(Response::Refused(words)) => Err(CliError::new(words)),
            Ok(Response::NotInitialized) => Err(CliError::new(
                "connection lost.\n\nrpc error: code = Unavailable desc = node waiting for init; the request is not available",
            )),
            Ok(response) => Ok(response),
            Err(error) => Err(cannot_dial(error)),
        }
    }
}

/// The words of a client that got no connection.
fn cannot_dial(words: impl std::fmt::Display) -> CliError {
    CliError::new(format!(
        "cannot dial server.\nIs the server running?\nIf the server is running, check --host client-side and --advertise server-side.\n\n{words}"
    ))
}

/// Seconds that a client of SQL waits for its connection where `COCKROACH_CONNECT_TIMEOUT` does not say.
const CONNECT_TIMEOUT: u64 = 15;

/// Waits for what makes a connection as long as clients of SQL do; 0 seconds are for ever.
async fn within_connect_timeout<T>(connecting: impl Future<Output = T>) -> Result<T, CliError> {
    let seconds = match std::env::var("COCKROACH_CONNECT_TIMEOUT") {
        Ok(text) => text
            .parse()
            .map_err(|_| CliError::new(format!("invalid connect_timeout: {text:?}")))?,
        Err(_) => CONNECT_TIMEOUT,
    };
    if seconds == 0 {
        return Ok(connecting.await);
    }
    tokio::time::timeout(Duration::from_secs(seconds), connecting)
        .await
        .map_err(|_| cannot_dial("timeout: context deadline exceeded"))
}
