//! Clusters of real processes on loopback, in a folder of their own.

#![allow(dead_code)] // each suite uses what it needs

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

/// The interval of Raft's ticks in tests: ten times as fast as the vendor's.
pub(crate) const TICK: &str = "50ms";

/// The double's command line.
pub(crate) fn cockroach(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cockroach-double"))
        .args(args)
        .output()
        .unwrap()
}

/// The double's command line, with something on its standard input.
pub(crate) fn piped(args: &[&str], input: &str) -> Output {
    let mut process = Command::new(env!("CARGO_BIN_EXE_cockroach-double"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that has stopped reading says why.
    let _ = process.stdin.take().unwrap().write_all(input.as_bytes());
    process.wait_with_output().unwrap()
}

/// What a command printed, both ways.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The loopback address of this process' clusters. No other process that runs has it: a port that is free
/// there stays free until its node binds it, which one chosen by the system on 127.0.0.1 does not.
pub(crate) fn loopback() -> Ipv4Addr {
    let [_, a, b, c] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 0x40 | a, b, c)
}

/// A port for a listener on [`loopback`], below those that the system gives to clients.
fn next_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(10_000);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Waits until something holds.
pub(crate) fn wait(what: &str, holds: impl FnMut() -> bool) {
    wait_or(what, holds, String::new);
}

/// The same, with what is told if it never does.
fn wait_or(what: &str, mut holds: impl FnMut() -> bool, told: impl Fn() -> String) {
    let begun = Instant::now();
    while !holds() {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "not within 20 s: {what}\n{}",
            told()
        );
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// A node.
pub(crate) struct Node {
    pub(crate) locality: String,
    pub(crate) rpc: u16,
    pub(crate) http: u16,
    pub(crate) folder: PathBuf,
    /// How far its clock is ahead.
    pub(crate) skew: &'static str,
    process: Option<Child>,
}

/// Some of them.
pub(crate) struct Cluster {
    pub(crate) folder: TempDir,
    pub(crate) nodes: Vec<Node>,
    pub(crate) certs: Option<PathBuf>,
    pub(crate) extra: Vec<String>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            node.kill();
        }
    }
}

impl Node {
    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// SIGTERM, and how the process ended.
    pub(crate) fn terminate(&mut self) -> i32 {
        let mut process = self.process.take().unwrap();
        let id = process.id().to_string();
        assert!(Command::new("kill").arg(&id).status().unwrap().success());
        process.wait().unwrap().code().unwrap()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.as_ref().unwrap().id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.unwrap().success());
    }

    pub(crate) fn address(&self) -> String {
        format!("{}:{}", loopback(), self.rpc)
    }

    /// How its process ended by itself.
    pub(crate) fn ended(&mut self) -> i32 {
        let mut process = self.process.take().unwrap();
        process.wait().unwrap().code().unwrap()
    }

    /// What the node has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.with_extension("err")).unwrap_or_default()
    }

    /// Its state, and what it logged last.
    fn told(&self) -> String {
        let (status, body) = self.http("/health?ready=1");
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        format!(
            "{}: {status} {body}\n{}\n",
            self.address(),
            lines[lines.len().saturating_sub(20)..].join("\n")
        )
    }

    /// An answer over HTTP: its status and body.
    pub(crate) fn http(&self, path: &str) -> (u16, String) {
        http(self.http, "GET", path)
    }

    pub(crate) fn ready(&self) -> bool {
        self.http("/health?ready=1").0 == 200
    }
}

/// Sends a request without a body.
pub(crate) fn http(port: u16, method: &str, path: &str) -> (u16, String) {
    let Ok(mut stream) = TcpStream::connect((loopback(), port)) else {
        return (0, String::new());
    };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or(0);
    let body = answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned())
        .unwrap_or_default();
    (status, body)
}

impl Cluster {
    /// Nodes in these localities, started, but not initialised.
    pub(crate) fn start(localities: &[&str]) -> Self {
        Self::start_with(localities, None, &[])
    }

    pub(crate) fn start_with(localities: &[&str], certs: Option<PathBuf>, extra: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let extra = extra.iter().map(|flag| (*flag).to_owned()).collect();
        let mut cluster = Self {
            folder,
            nodes: Vec::new(),
            certs,
            extra,
        };
        for locality in localities {
            cluster.prepare(locality);
        }
        for n in 0..cluster.nodes.len() {
            cluster.run(n);
        }
        cluster
    }

    /// The same, initialised, and every node ready.
    pub(crate) fn ready(localities: &[&str]) -> Self {
        let cluster = Self::start(localities);
        let output = cluster.command(0, &["init"]);
        assert!(output.status.success(), "{}", said(&output));
        cluster.all_ready();
        cluster
    }

    pub(crate) fn all_ready(&self) {
        wait_or(
            "every node is ready",
            || self.nodes.iter().all(Node::ready),
            || self.nodes.iter().map(Node::told).collect(),
        );
        self.replicated(self.nodes.len().min(3));
    }

    /// Waits until so many nodes vote.
    pub(crate) fn replicated(&self, voters: usize) {
        wait("voters are placed", || {
            self.nodes
                .iter()
                .filter(|node| node.process.is_some())
                .any(|node| {
                    let output = cockroach(&[
                        "sql",
                        "--insecure",
                        "--host",
                        &node.address(),
                        "-e",
                        "SELECT voting_replicas FROM [SHOW CLUSTER RANGES]",
                    ]);
                    let text = said(&output);
                    self.certs.is_some()
                        || text
                            .lines()
                            .nth(1)
                            .is_some_and(|line| line.split(',').count() >= voters)
                })
        });
    }

    /// A node that is not started yet.
    pub(crate) fn prepare(&mut self, locality: &str) -> usize {
        let n = self.nodes.len();
        let folder = self.folder.path().join(format!("n{}", n + 1));
        self.nodes.push(Node {
            locality: locality.to_owned(),
            rpc: next_port(),
            http: next_port(),
            folder,
            skew: "",
            process: None,
        });
        n
    }

    /// Starts a node, also again.
    pub(crate) fn run(&mut self, n: usize) {
        let join: Vec<String> = self.nodes.iter().take(3).map(Node::address).collect();
        let security = match &self.certs {
            Some(certs) => format!("--certs-dir={}", certs.display()),
            None => "--insecure".to_owned(),
        };
        let node = &mut self.nodes[n];
        let append = |extension: &str| {
            std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(node.folder.with_extension(extension))
                .unwrap()
        };
        let process = Command::new(env!("CARGO_BIN_EXE_cockroach-double"))
            .arg("start")
            .arg(security)
            .arg(format!("--listen-addr={}", node.address()))
            .arg(format!("--http-addr={}:{}", loopback(), node.http))
            .arg(format!("--store={}", node.folder.display()))
            .arg(format!("--join={}", join.join(",")))
            .arg(format!("--locality={}", node.locality))
            .args(&self.extra)
            .env("COCKROACH_RAFT_TICK_INTERVAL", TICK)
            .env("ATLAS_DOUBLE_CLOCK_SKEW", node.skew)
            .stdout(Stdio::from(append("out")))
            .stderr(Stdio::from(append("err")))
            .spawn()
            .unwrap();
        let process = node.process.insert(process);
        wait("the node listens, or has ended", || {
            TcpStream::connect((loopback(), node.http)).is_ok()
                || process.try_wait().unwrap().is_some()
        });
    }

    /// A command that asks a node.
    pub(crate) fn command(&self, n: usize, args: &[&str]) -> Output {
        let line = self.line(n, args);
        cockroach(&line.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// `sql` of statements on the standard input.
    pub(crate) fn sql(&self, n: usize, args: &[&str], input: &str) -> Output {
        let line = self.line(n, &[&["sql"], args].concat());
        piped(&line.iter().map(String::as_str).collect::<Vec<_>>(), input)
    }

    fn line(&self, n: usize, args: &[&str]) -> Vec<String> {
        let security = match &self.certs {
            Some(certs) => format!("--certs-dir={}", certs.display()),
            None => "--insecure".to_owned(),
        };
        let mut line: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        line.extend([format!("--host={}", self.nodes[n].address()), security]);
        line
    }

    /// A client of a node, as root.
    pub(crate) async fn client(&self, n: usize) -> Client {
        let url = format!(
            "host={} port={} user=root dbname=defaultdb connect_timeout=5",
            loopback(),
            self.nodes[n].rpc
        );
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// A value of `/_status/vars`.
    pub(crate) fn metric(&self, n: usize, name: &str) -> Option<u64> {
        let (_, text) = self.nodes[n].http("/_status/vars");
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name}{{")))?;
        line.rsplit_once(' ')?.1.parse().ok()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A CA and certificates of a node on [`loopback`] and of root.
pub(crate) fn certificates(folder: &Path) -> PathBuf {
    let certs = folder.join("certs");
    let dir = format!("--certs-dir={}", certs.display());
    let key = format!("--ca-key={}", folder.join("ca.key").display());
    let here = loopback().to_string();
    for args in [
        vec!["cert", "create-ca", &dir, &key],
        vec!["cert", "create-node", "localhost", &here, &dir, &key],
        vec!["cert", "create-client", "root", &dir, &key],
    ] {
        let output = cockroach(&args);
        assert!(output.status.success(), "{args:?}: {}", said(&output));
    }
    certs
}

/// The SQLSTATE and message of a statement that must fail.
pub(crate) async fn refused(client: &Client, sql: &str) -> (String, String) {
    match client.simple_query(sql).await {
        Ok(_) => panic!("{sql} was accepted"),
        Err(error) => {
            let db = error
                .as_db_error()
                .unwrap_or_else(|| panic!("{sql}: {error}"));
            (db.code().code().to_owned(), db.message().to_owned())
        }
    }
}

/// Whether a transaction has to be tried again.
pub(crate) fn must_retry(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::T_R_SERIALIZATION_FAILURE)
}
