//! CockroachDB's regions, clusters and databases by Terraform: one file per theme.
//!
//! The image is that of `ATLAS_COCKROACHDB_IMAGE`: the test double, unless it names the published one.

mod drift;
mod external;
mod faults;
mod life;
mod refusals;

use acceptance_tests::{Finished, Sandbox, Terraform};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

const CLUSTER: &str = "atlas_cockroachdb_cluster.c";
const DATABASE: &str = "atlas_cockroachdb_database.d";
const US: &str = "atlas_cockroachdb_region.r[\"us-east\"]";
const EU: &str = "atlas_cockroachdb_region.r[\"eu-central\"]";

/// A cluster as a configuration.
#[derive(Clone)]
struct Ledger {
    name: String,
    network: String,
    subnet: String,
    ports: [u16; 2],
    /// Regions and their nodes.
    regions: Vec<(&'static str, u32)>,
    /// More lines of each region.
    region: String,
    /// More lines of the cluster.
    cluster: String,
    /// The lines of the database; empty for none.
    database: String,
    /// More of the configuration.
    more: String,
}

const SURVIVES_A_REGION: &str = r#"
  primary_region   = "us-east"
  secondary_region = "eu-central"
  regions          = ["us-east", "eu-central", "witness"]
  survival_goal    = "region"
"#;

impl Ledger {
    fn new(sandbox: &Sandbox) -> Result<Self> {
        Ok(Self {
            name: sandbox.name("db"),
            network: sandbox.name("db"),
            subnet: sandbox.subnet(0),
            ports: [sandbox.port(0)?, sandbox.port(1)?],
            regions: vec![("us-east", 2), ("eu-central", 2), ("witness", 1)],
            region: String::new(),
            cluster: "settings = { \"kv.rangefeed.enabled\" = \"true\" }".to_owned(),
            database: SURVIVES_A_REGION.to_owned(),
            more: String::new(),
        })
    }

    fn hcl(&self) -> String {
        let Self {
            name,
            network,
            subnet,
            ports: [sql, http],
            region,
            cluster,
            database,
            more,
            ..
        } = self;
        let nodes: Vec<String> = self
            .regions
            .iter()
            .map(|(region, nodes)| format!("{region} = {nodes}"))
            .collect();
        let nodes = nodes.join(", ");
        let mut hcl = format!(
            r#"
resource "atlas_network" "n" {{
  name   = "{network}"
  subnet = "{subnet}"
}}
resource "atlas_cockroachdb_region" "r" {{
  for_each     = {{ {nodes} }}
  cluster      = "{name}"
  name         = each.key
  regions      = ["us-east", "eu-central", "witness"]
  nodes        = each.value
  zones        = ["${{each.key}}-a", "${{each.key}}-b"]
  network      = atlas_network.n.name
  certificates = "${{path.root}}/certificates"
  cache        = "64MiB"
  sql_ports    = each.key == "us-east" ? [{sql}] : []
  http_ports   = each.key == "us-east" ? [{http}] : []
  {region}
  lifecycle {{
    create_before_destroy = true
  }}
}}
resource "atlas_cockroachdb_cluster" "c" {{
  name         = "{name}"
  regions      = [for region in atlas_cockroachdb_region.r : region.name]
  certificates = "${{path.root}}/certificates"
  {cluster}
}}
"#
        );
        if !database.is_empty() {
            hcl = format!(
                r#"{hcl}
resource "atlas_cockroachdb_database" "d" {{
  cluster = atlas_cockroachdb_cluster.c.name
  name    = "bank"
  {database}
}}
"#
            );
        }
        hcl + more
    }

    fn node(&self, region: &str, number: u32) -> String {
        format!("atlas-cockroachdb-{}-{region}-{number}", self.name)
    }
}

/// Runs a statement through a node, as root.
fn sql(sandbox: &Sandbox, node: &str, statement: &str) -> Result<Finished> {
    let host = format!("--host={node}:26257");
    sandbox.docker().run(&[
        "exec",
        node,
        "/cockroach/cockroach",
        "sql",
        &host,
        "--certs-dir=/cockroach/cockroach-certs",
        "--format=csv",
        "--execute",
        statement,
    ])
}

/// How many members each region has, as the cluster tells Terraform now.
fn members(terraform: &Terraform) -> Result<Value> {
    terraform.command("refresh")?.succeed()?;
    let cluster = terraform.attributes(CLUSTER)?;
    let nodes = cluster["nodes"].as_array().cloned().unwrap_or_default();
    let mut counts = serde_json::Map::new();
    for node in nodes {
        ensure!(node["live"] == true, "{node} is not live");
        let region = node["region"].as_str().unwrap_or_default().to_owned();
        let count = counts.get(&region).and_then(Value::as_u64).unwrap_or(0);
        counts.insert(region, json!(count + 1));
    }
    Ok(Value::Object(counts))
}
