//! LocalStack servers and regional aliases: one file per theme.

mod data;
mod drift;
mod refusals;
mod tasks;

use acceptance_tests::{Aws, Sandbox};
use anyhow::Result;

/// A server and two aliases on it.
#[derive(Clone)]
struct Platform {
    name: String,
    network: String,
    subnet: String,
    port: u16,
    /// More lines of the server.
    server: String,
    force_destroy: bool,
    /// More of the American alias's bucket.
    bucket: String,
}

impl Platform {
    fn new(sandbox: &Sandbox) -> Result<Self> {
        Ok(Self {
            name: sandbox.name("ls"),
            network: sandbox.name("cloud"),
            subnet: sandbox.subnet(0),
            port: sandbox.port(0)?,
            server: String::new(),
            force_destroy: false,
            bucket: "tags = { purpose = \"audit\" }".to_owned(),
        })
    }

    fn hcl(&self) -> String {
        let Self {
            name,
            network,
            subnet,
            port,
            server,
            force_destroy,
            bucket,
        } = self;
        format!(
            r#"
resource "atlas_network" "n" {{
  name   = "{network}"
  subnet = "{subnet}"
}}
resource "atlas_localstack" "s" {{
  name    = "{name}"
  network = atlas_network.n.name
  port    = {port}
  {server}
}}
resource "atlas_localstack_alias" "us" {{
  region   = "us-east-1"
  endpoint = atlas_localstack.s.endpoint
  bucket = {{
    name                       = "{name}-us"
    force_destroy              = {force_destroy}
    expiration_days            = 365
    noncurrent_expiration_days = 30
    {bucket}
  }}
  queue = {{
    name                        = "{name}-tx.fifo"
    fifo                        = true
    content_based_deduplication = true
    tags                        = {{ purpose = "payments" }}
  }}
  replication = {{
    peer_region = "eu-central-1"
    peer_bucket = "{name}-eu"
    peer_queue  = "{name}-tx.fifo"
    prefixes    = ["ledger/", "audit/"]
  }}
}}
resource "atlas_localstack_alias" "eu" {{
  region      = "eu-central-1"
  endpoint    = atlas_localstack.s.endpoint
  bucket      = {{ name = "{name}-eu" }}
  queue       = {{ name = "{name}-tx.fifo", fifo = true }}
  replication = {{ peer_region = "us-east-1", peer_bucket = "{name}-us" }}
}}
"#
        )
    }

    fn container(&self) -> String {
        format!("atlas-localstack-{}", self.name)
    }

    fn aws(&self, region: &str) -> Aws {
        Aws::new(&self.container(), region)
    }

    /// A script for the American alias.
    fn script(&self, script: &str) -> Result<serde_json::Value> {
        let names = format!("B, Q = '{0}-us', '{0}-tx'\n", self.name);
        self.aws("us-east-1").run(&(names + script))
    }
}
