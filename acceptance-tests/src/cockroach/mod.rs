//! A CockroachDB of several regions, as its clients see it: a port of 127.0.0.1 for each node, and a folder of
//! certificates. Nothing here knows how the cluster was made (`by_docker.rs` does), nor whether it is
//! CockroachDB or the test double.

mod by_docker;
mod client;
mod nemesis;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

pub use client::{Client, Failure, Step};
pub use nemesis::{Fault, Kind, Nemesis};

/// The database of the tests: it survives the loss of a region.
const DATABASE: &str = "bank";
/// What a connection may take to be made.
const CONNECTING: Duration = Duration::from_secs(3);

/// A node.
#[derive(Debug, Clone)]
pub struct Node {
    /// The region that its locality names.
    pub region: String,
    /// Its container.
    pub container: String,
    /// Where it takes SQL, on 127.0.0.1.
    pub port: u16,
    /// Its address in the network between the nodes.
    pub address: String,
}

/// A cluster.
pub struct Cluster {
    /// Its nodes, ordered by region.
    pub nodes: Vec<Node>,
    /// The Docker network by which nodes of different regions reach each other.
    pub network: String,
    /// Carries out the clients' calls.
    pub runtime: Runtime,
    tls: MakeRustlsConnect,
}

/// A connection to a node. Dropping it cuts it off, whatever is under way.
pub(crate) struct Session {
    client: tokio_postgres::Client,
    connection: AbortHandle,
}

impl Cluster {
    /// One that serves already. `certificates` holds `ca.crt`, `client.root.crt` and `client.root.key`.
    pub fn new(nodes: Vec<Node>, network: String, certificates: &Path) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        Ok(Self {
            nodes,
            network,
            runtime,
            tls: tls(certificates)
                .with_context(|| format!("certificates in {}", certificates.display()))?,
        })
    }

    /// Its regions, each once.
    pub fn regions(&self) -> Vec<&str> {
        let mut regions: Vec<&str> = self.nodes.iter().map(|node| &*node.region).collect();
        regions.dedup();
        regions
    }

    /// Which nodes are in a region.
    pub fn nodes_of(&self, region: &str) -> Vec<usize> {
        (0..self.nodes.len())
            .filter(|n| self.nodes[*n].region == region)
            .collect()
    }

    /// A client in a region: it reaches the nodes there and no others.
    pub fn client(&self, region: &str) -> Client<'_> {
        Client::new(self, self.nodes_of(region))
    }

    /// A client of one node.
    pub fn client_of(&self, node: usize) -> Client<'_> {
        Client::new(self, vec![node])
    }

    /// Executes statements that need no transaction around them, through the first node.
    pub fn execute(&self, sql: &str) -> Result<()> {
        self.runtime.block_on(async {
            let session = self.connect(0).await?;
            session
                .client
                .batch_execute(sql)
                .await
                .map_err(|error| anyhow::anyhow!("{sql}: {}", told(&error)))
        })
    }

    /// The rows of a statement as text, asked of a node.
    pub fn rows(&self, node: usize, sql: &str) -> Result<Vec<Vec<String>>> {
        let messages = self.runtime.block_on(async {
            let session = self.connect(node).await?;
            let asked = session.client.simple_query(sql);
            tokio::time::timeout(Duration::from_secs(10), asked)
                .await
                .with_context(|| format!("{sql}: no answer"))?
                .map_err(|error| anyhow::anyhow!("{sql}: {}", told(&error)))
        })?;
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        Ok(rows
            .map(|row| {
                let cells = (0..row.len()).map(|n| row.get(n).unwrap_or("NULL").to_owned());
                cells.collect()
            })
            .collect())
    }

    /// What the server says that it is.
    pub fn version(&self) -> Result<String> {
        let rows = self.rows(0, "SELECT version()")?;
        Ok(rows.concat().concat())
    }

    /// Waits until every node takes connections and reads what is current.
    pub fn expect_all_serve(&self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        for (n, node) in self.nodes.iter().enumerate() {
            loop {
                let asked = self.rows(n, &format!("SELECT count(*) FROM {DATABASE}.account"));
                match asked {
                    Ok(_) => break,
                    Err(error) if Instant::now() > deadline => {
                        return Err(error).with_context(|| {
                            format!(
                                "{} does not serve after {} s",
                                node.container,
                                limit.as_secs()
                            )
                        });
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(100)),
                }
            }
        }
        Ok(())
    }

    /// Waits until every range of the database has five voters.
    pub fn expect_five_voters(&self, limit: Duration) -> Result<()> {
        let sql = format!("SELECT voting_replicas FROM [SHOW RANGES FROM DATABASE {DATABASE}]");
        crate::sandbox::eventually(limit, || {
            let ranges = self.rows(0, &sql)?.concat();
            let short = ranges.iter().find(|voters| voters.split(',').count() != 5);
            match short {
                None if ranges.is_empty() => bail!("there are no ranges yet"),
                None => Ok(()),
                Some(voters) => bail!("the voters of a range are {voters}"),
            }
        })
    }

    async fn connect(&self, node: usize) -> Result<Session> {
        let node = &self.nodes[node];
        let connecting = async {
            let (client, connection) = tokio_postgres::Config::new()
                .host("127.0.0.1")
                .port(node.port)
                .user("root")
                .dbname(DATABASE)
                .application_name("bank")
                .ssl_mode(SslMode::Require)
                .connect(self.tls.clone())
                .await
                .map_err(|error| anyhow::anyhow!("{}", told(&error)))?;
            // How a conversation ends is seen by the client's calls.
            let connection = tokio::spawn(async move { drop(connection.await) }).abort_handle();
            anyhow::Ok(Session { client, connection })
        };
        tokio::time::timeout(CONNECTING, connecting)
            .await
            .with_context(|| format!("no answer within {} s", CONNECTING.as_secs()))
            .and_then(|connected| connected)
            .with_context(|| format!("connecting to {}", node.container))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// The error with its SQLSTATE, which the library's own words leave out.
fn told(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => format!("{} {}", said.code().code(), said.message()),
        None => match std::error::Error::source(error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}

/// Presents root's certificate, and trusts the cluster's own authority alone.
fn tls(certificates: &Path) -> Result<MakeRustlsConnect> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(certificates.join("ca.crt"))? {
        roots.add(certificate?)?;
    }
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_file_iter(certificates.join("client.root.crt"))?
            .collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(certificates.join("client.root.key"))?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?;
    Ok(MakeRustlsConnect::new(config))
}
