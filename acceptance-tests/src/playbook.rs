//! Real Ansible with the repository's own playbooks, for a world of a sandbox's own.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::ansible::playbook_command;
use crate::command::{Finished, Run};
use crate::kubectl::Kubectl;
use crate::sandbox::Sandbox;
use crate::settings::{Settings, workspace};

/// For one playbook. Clusters and Argo CD from nothing take about a minute and a half.
const LIMIT: Duration = Duration::from_secs(600);

/// The counts of one host in a recap, by word.
pub type Recap = BTreeMap<String, u64>;

/// The playbooks of `orchestration/`, run on two regions whose names and networks are a sandbox's.
#[derive(Debug)]
pub struct Playbook {
    folder: PathBuf,
    clusters: [String; 2],
    server_ports: [u16; 2],
    database: String,
}

/// What a world has beside its clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parts {
    /// Argo CD.
    None,
    /// Argo CD and the cloud side.
    Cloud,
    /// Argo CD and the database.
    Database,
    /// Cloud side, database and an agent, and no Argo CD.
    AllKinds,
}

impl Parts {
    fn has_cloud(self) -> bool {
        matches!(self, Self::Cloud | Self::AllKinds)
    }

    fn has_database(self) -> bool {
        matches!(self, Self::Database | Self::AllKinds)
    }
}

impl Playbook {
    /// Describes the sandbox's world in a file of the form of `group_vars/all/world.yml`, and copies
    /// `gitops/`, so that a test can change it.
    pub fn new(sandbox: &Sandbox) -> Result<Self> {
        Self::describe(sandbox, Parts::None)
    }

    /// The same world with its cloud side: a server for each region, [`Playbook::server`].
    pub fn with_cloud(sandbox: &Sandbox) -> Result<Self> {
        Self::describe(sandbox, Parts::Cloud)
    }

    /// The same world with its database: two nodes in two regions and a witness, [`Playbook::node`].
    pub fn with_database(sandbox: &Sandbox) -> Result<Self> {
        Self::describe(sandbox, Parts::Database)
    }

    /// A world with everything but Argo CD: cloud side and database, and an agent in the first cluster.
    pub fn with_all_kinds(sandbox: &Sandbox) -> Result<Self> {
        Self::describe(sandbox, Parts::AllKinds)
    }

    fn describe(sandbox: &Sandbox, parts: Parts) -> Result<Self> {
        let folder = sandbox.path("playbook");
        let clusters = [sandbox.name("us"), sandbox.name("eu")];
        fs::create_dir_all(folder.join("state"))?;
        let server_ports = [sandbox.port(1)?, sandbox.port(3)?];
        let region = |n: usize, ports: Value| -> Result<Value> {
            let place = u8::try_from(n)?;
            let mut region = json!({
                "cluster": clusters[n],
                "network": (sandbox.name(["net-us", "net-eu"][n])),
                "nodes": sandbox.subnet(place),
                "pods": sandbox.pods(place),
                "services": sandbox.services(place),
                "agents": u8::from(parts == Parts::AllKinds && n == 0),
                "ports": ports,
            });
            if parts.has_cloud() {
                region["cloud"] = json!({
                    "region": (["us-east-1", "eu-central-1"][n]),
                    "server": clusters[n],
                    "port": server_ports[n],
                    "metrics_port": sandbox.port(2 + 2 * n)?,
                    "bucket": format!("audit-{}", clusters[n]),
                });
            }
            Ok(region)
        };
        let argocd = if parts == Parts::AllKinds {
            json!([])
        } else {
            json!([{"host_port": sandbox.port(0)?, "container_port": 30443}])
        };
        let mut shared = json!({
            "world_bridge": {"name": sandbox.name("world"), "subnet": sandbox.subnet(20)},
        });
        if parts.has_cloud() {
            shared["world_cloud"] = json!({
                "network": sandbox.name("cloud"),
                "subnet": sandbox.subnet(21),
                "queue": "transactions.fifo",
                "noncurrent_days": 30,
            });
        }
        // The group variables describe one, which null takes away.
        shared["world_cockroachdb"] = if parts.has_database() {
            database(sandbox)?
        } else {
            Value::Null
        };
        // Their order is the bridge's, and Terraform declares us first.
        let regions = [
            ("us-east", region(0, argocd)?),
            ("eu-central", region(1, json!([]))?),
        ];
        let regions = regions.map(|(name, region)| format!("  {name}:\n{}", yaml(&region, 2)));
        let world = format!("world_regions:\n{}{}", regions.concat(), yaml(&shared, 0));
        fs::write(folder.join("world.yml"), world)?;
        let gitops = Run::new("cp").arg("-r").arg(workspace().join("gitops"));
        gitops.arg(folder.join("gitops")).succeed()?;
        Ok(Self {
            folder,
            clusters,
            server_ports,
            database: sandbox.name("ledger"),
        })
    }

    /// The description of the world, which Terraform reads as well.
    pub fn world(&self) -> PathBuf {
        self.folder.join("world.yml")
    }

    /// Where kubeconfigs and the password are.
    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// The copy of `gitops/` that is given to Argo CD.
    pub fn gitops(&self) -> PathBuf {
        self.folder.join("gitops")
    }

    /// Names of the clusters: us, eu.
    pub fn clusters(&self) -> &[String; 2] {
        &self.clusters
    }

    /// The container of a region's LocalStack: 0 is us, 1 is eu.
    pub fn server(&self, region: usize) -> String {
        format!("atlas-localstack-{}", self.clusters[region])
    }

    /// The port on 127.0.0.1 that a region's LocalStack is published on.
    pub fn server_port(&self, region: usize) -> u16 {
        self.server_ports[region]
    }

    /// A region's bucket.
    pub fn bucket(&self, region: usize) -> String {
        format!("audit-{}", self.clusters[region])
    }

    /// The container of the replicator beside a region's LocalStack.
    pub fn replicator(&self, region: usize) -> String {
        format!("{}-replicator", self.server(region))
    }

    /// The container of a database's node.
    pub fn node(&self, region: &str, number: u32) -> String {
        format!("atlas-cockroachdb-{}-{region}-{number}", self.database)
    }

    /// kubectl for a cluster, by the kubeconfig that the playbook wrote.
    pub fn kubectl(&self, cluster: &str) -> Kubectl {
        Kubectl::with_kubeconfig(&self.state().join(format!("{cluster}.yaml")))
    }

    /// Runs a playbook; it must succeed. Returns the recap by host.
    pub fn run(&self, playbook: &str, words: &[&str]) -> Result<BTreeMap<String, Recap>> {
        let finished = self.command(playbook, words)?.succeed()?;
        recap(&finished)
    }

    /// Runs a playbook that must be refused; returns what it said.
    pub fn expect_refusal(&self, playbook: &str, words: &[&str]) -> Result<Finished> {
        let finished = self.command(playbook, words)?.finish()?;
        ensure!(finished.code != Some(0), "it was not refused\n{finished}");
        Ok(finished)
    }

    /// The same; nothing may have changed.
    pub fn expect_unchanged(&self, playbook: &str, words: &[&str]) -> Result<()> {
        let finished = self.command(playbook, words)?.succeed()?;
        let changed = recap(&finished)?
            .values()
            .any(|host| host.get("changed") != Some(&0));
        ensure!(!changed, "nothing should change\n{finished}");
        Ok(())
    }

    fn command(&self, playbook: &str, words: &[&str]) -> Result<Run> {
        let vars = json!({
            "argocd_git_folder": self.gitops(),
            "argocd_applicationsets": [self.gitops().join("applicationsets/smoke.yaml")],
        });
        Ok(playbook_command(playbook)?
            .args(["--extra-vars", &format!("@{}", self.world().display())])
            .args(["--extra-vars", &vars.to_string()])
            .args(words)
            .dir(&workspace().join("orchestration"))
            .limit(LIMIT)
            .env("ATLAS_STATE", self.state())
            .env("ATLAS_SERVER_PER_REGION", "true")
            .env("ATLAS_KUBECTL", &Settings::get()?.kubectl))
    }
}

/// A sandbox's `world_cockroachdb`.
fn database(sandbox: &Sandbox) -> Result<Value> {
    let subnet = sandbox.subnet(22);
    let (network, _) = subnet.rsplit_once('.').context("a subnet has dots")?;
    // From 5 on: the ports before are the clusters' and the cloud's.
    let mut place = 5;
    let mut port = || {
        place += 1;
        sandbox.port(place - 1)
    };
    let mut regions = serde_json::Map::new();
    for (name, hosts) in [
        ("us-east", 11..=12),
        ("eu-central", 21..=22),
        ("witness", 31..=31),
    ] {
        let hosts: Vec<u8> = hosts.collect();
        let zones = hosts.iter().map(|host| format!("{name}-{host}"));
        let addresses = hosts.iter().map(|host| format!("{network}.{host}"));
        let region = json!({
            "nodes": hosts.len(),
            "zones": zones.collect::<Vec<_>>(),
            "addresses": addresses.collect::<Vec<_>>(),
            "sql_ports": hosts.iter().map(|_| port()).collect::<Result<Vec<_>>>()?,
            "http_ports": hosts.iter().map(|_| port()).collect::<Result<Vec<_>>>()?,
        });
        regions.insert(name.to_owned(), region);
    }
    Ok(json!({
        "cluster": sandbox.name("ledger"),
        "network": sandbox.name("database"),
        "subnet": subnet,
        "database": "ledger",
        "primary_region": "us-east",
        "secondary_region": "eu-central",
        "survival_goal": "region",
        "cache": "64MiB",
        "max_sql_memory": "64MiB",
        "regions": regions,
    }))
}

/// Mappings as blocks, a key a line, because scripts read the description too; all else as JSON, which YAML is as well.
fn yaml(value: &Value, depth: usize) -> String {
    let lines = value.as_object().into_iter().flatten().map(|(key, value)| {
        let indent = "  ".repeat(depth);
        match value {
            Value::Object(_) => format!("{indent}{key}:\n{}", yaml(value, depth + 1)),
            Value::String(text) => format!("{indent}{key}: {text}\n"),
            other => format!("{indent}{key}: {other}\n"),
        }
    });
    lines.collect()
}

/// The last part of what Ansible prints: `host : ok=3 changed=0 …`.
fn recap(finished: &Finished) -> Result<BTreeMap<String, Recap>> {
    let (_, lines) = finished
        .stdout
        .split_once("PLAY RECAP")
        .with_context(|| format!("there is no recap\n{finished}"))?;
    let hosts = lines.lines().filter_map(|line| {
        let (host, counts) = line.split_once(" : ")?;
        let counts = counts.split_whitespace().filter_map(|count| {
            let (word, number) = count.split_once('=')?;
            Some((word.to_owned(), number.parse().ok()?))
        });
        Some((host.trim().to_owned(), counts.collect()))
    });
    Ok(hosts.collect())
}
