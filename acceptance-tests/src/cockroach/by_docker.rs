//! Makes the cluster of the tests by Docker's command line and the image's own: certificates, containers, `init`,
//! and the database that survives the loss of a region.
//!
//! Every region has a network of its own, on which the ports of its nodes are published. Nodes reach those of other
//! regions by one more network, which is internal. So a region that is cut off is still reached by its clients,
//! and its nodes still reach each other.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{Cluster, DATABASE, Node};
use crate::docker::Docker;
use crate::sandbox::{Sandbox, eventually};
use crate::settings::Settings;

/// The smallest topology that loses nothing with a region: five voters, at most two in one of them.
const REGIONS: [(&str, usize); 3] = [("us-east", 2), ("eu-central", 2), ("witness", 1)];
const PROGRAM: &str = "/cockroach/cockroach";
/// What the cluster gets for each step of its making.
const PATIENCE: Duration = Duration::from_secs(120);

impl Cluster {
    /// Three regions in a sandbox, all nodes ready, with the database `bank`.
    pub fn create(sandbox: &Sandbox) -> Result<Self> {
        let image = &Settings::get()?.cockroachdb_image;
        let docker = Docker::new();
        let network = sandbox.name("wan");
        let subnet = sandbox.subnet(0);
        docker.run(&[
            "network",
            "create",
            "--internal",
            "--subnet",
            &subnet,
            &network,
        ])?;
        let places = places(sandbox)?;
        let certificates = sandbox.path("certificates");
        make_certificates(sandbox, image, &places, &certificates)?;
        let joins = places.iter().map(|place| format!("{}:26257", place.wan));
        let join = joins.collect::<Vec<_>>().join(",");
        for (n, (region, _)) in REGIONS.iter().enumerate() {
            let subnet = sandbox.subnet(place_number(n + 1));
            docker.run(&[
                "network",
                "create",
                "--subnet",
                &subnet,
                &sandbox.name(region),
            ])?;
        }
        for place in &places {
            place.start(sandbox, image, &network, &join)?;
        }
        initialise(&places[0].container)?;
        let nodes = places.into_iter().map(Place::into_node).collect();
        let cluster = Self::new(nodes, network, &certificates)?;
        cluster.make_database()?;
        Ok(cluster)
    }

    fn make_database(&self) -> Result<()> {
        let regions: Vec<String> = REGIONS
            .iter()
            .map(|(name, _)| format!("\"{name}\""))
            .collect();
        let sql = format!(
            "CREATE DATABASE IF NOT EXISTS {DATABASE} PRIMARY REGION {} REGIONS {} SURVIVE REGION FAILURE SECONDARY REGION {}",
            regions[0],
            regions.join(", "),
            regions[1],
        );
        // Not before a node of each region has joined.
        eventually(PATIENCE, || self.execute(&sql))
    }
}

/// Where a node goes.
struct Place {
    region: &'static str,
    zone: usize,
    container: String,
    port: u16,
    wan: String,
    lan: String,
}

fn place_number(n: usize) -> u8 {
    u8::try_from(n).unwrap_or(u8::MAX)
}

fn places(sandbox: &Sandbox) -> Result<Vec<Place>> {
    let host = |subnet: String, number: usize| {
        let (network, _) = subnet.rsplit_once('.').unwrap_or_default();
        format!("{network}.{number}")
    };
    let mut places = Vec::new();
    for (n, (region, count)) in REGIONS.into_iter().enumerate() {
        for zone in 1..=count {
            let number = places.len();
            places.push(Place {
                region,
                zone,
                container: sandbox.name(&format!("{region}-{zone}")),
                port: sandbox.port(number)?,
                wan: host(sandbox.subnet(0), 11 + number),
                lan: host(sandbox.subnet(place_number(n + 1)), 11 + number),
            });
        }
    }
    Ok(places)
}

impl Place {
    fn start(&self, sandbox: &Sandbox, image: &str, wan: &str, join: &str) -> Result<()> {
        let docker = Docker::new();
        let (name, lan) = (&*self.container, sandbox.name(self.region));
        let publish = format!("127.0.0.1:{}:26257", self.port);
        let data = format!("{name}:/cockroach/cockroach-data");
        let certificates = format!("{}:/certs:ro", sandbox.name("certs"));
        let mut arguments = vec!["create", "--name", name, "--hostname", name];
        arguments.extend(["--network", &lan, "--ip", &self.lan, "--publish", &publish]);
        arguments.extend(["--volume", &data, "--volume", &certificates, image]);
        let region = format!("region={}", self.region);
        let flags = [
            "--certs-dir=/certs".to_owned(),
            "--store=/cockroach/cockroach-data".to_owned(),
            format!("--locality={region},zone={}-{}", self.region, self.zone),
            format!("--advertise-addr={}:26257", self.wan),
            format!("--locality-advertise-addr={region}@{}:26257", self.lan),
            format!("--join={join}"),
            "--cache=128MiB".to_owned(),
            "--max-sql-memory=128MiB".to_owned(),
        ];
        arguments.push("start");
        arguments.extend(flags.iter().map(String::as_str));
        docker.run(&arguments)?;
        docker.run(&["network", "connect", "--ip", &self.wan, wan, name])?;
        docker.run(&["start", name]).map(drop)
    }

    fn into_node(self) -> Node {
        Node {
            region: self.region.to_owned(),
            container: self.container,
            port: self.port,
            address: self.wan,
        }
    }
}

/// Certificates in a volume for the nodes, and root's in a folder for the clients here. The authority's key stays in
/// the container that made them, which no node shares.
fn make_certificates(
    sandbox: &Sandbox,
    image: &str,
    places: &[Place],
    folder: &Path,
) -> Result<()> {
    let volume = sandbox.name("certs");
    let addresses = places.iter().flat_map(|place| [&*place.wan, &*place.lan]);
    let addresses = addresses.collect::<Vec<_>>().join(" ");
    let keep = "--certs-dir=/certs --ca-key=/ca.key";
    let script = format!(
        "{PROGRAM} cert create-ca {keep} && {PROGRAM} cert create-node localhost 127.0.0.1 {addresses} {keep} && {PROGRAM} cert create-client root {keep}"
    );
    let mount = format!("{volume}:/certs");
    let mut arguments = vec!["run", "--name", &volume, "--volume", &mount];
    arguments.extend(["--entrypoint", "/bin/sh", image, "-c", &script]);
    let docker = Docker::new();
    docker.run(&arguments)?;
    std::fs::create_dir_all(folder)?;
    for file in ["ca.crt", "client.root.crt", "client.root.key"] {
        let from = format!("{volume}:/certs/{file}");
        let to = folder.join(file);
        let to = to.to_str().context("the sandbox's folder is not UTF-8")?;
        docker.run(&["cp", &from, to])?;
    }
    docker.run(&["rm", &volume]).map(drop)
}

fn initialise(container: &str) -> Result<()> {
    let command = [
        PROGRAM,
        "init",
        "--certs-dir=/certs",
        "--host=127.0.0.1:26257",
    ];
    eventually(PATIENCE, || match Docker::new().exec(container, &command) {
        Ok(_) => Ok(()),
        Err(error) if error.to_string().contains("has already been initialized") => Ok(()),
        Err(error) => bail!(error),
    })
}
