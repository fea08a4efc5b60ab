//! Where what answers, and what can be typed to use it.

use atlas_engine::cockroachdb::names;
use serde::Serialize;

use super::cloud::served_by;
use super::clusters::kubeconfig;
use crate::facts::{Answer, Facts};

/// Where something answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Address {
    /// What.
    pub(crate) of: String,
    /// A URL.
    pub(crate) url: String,
}

/// Lines for a shell that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Commands {
    /// What they are for.
    pub(crate) to: String,
    /// Lines, in order.
    pub(crate) lines: Vec<String>,
}

/// Addresses on this machine of what runs.
pub(super) fn addresses(facts: &Facts) -> Vec<Address> {
    let mut all = Vec::new();
    let mut add = |of: String, url: String| all.push(Address { of, url });
    for (name, region) in &facts.world.regions {
        let cluster = facts.clusters.get(name).and_then(Answer::known);
        if let Some(url) = cluster.and_then(|cluster| cluster.endpoint.clone()) {
            add(format!("Kubernetes API of {}", region.cluster), url);
        }
    }
    if let Some((_, port)) = facts.world.argocd() {
        add(
            "Argo CD, user admin".to_owned(),
            format!("https://{}:{port}", facts.host),
        );
    }
    for (name, region) in &facts.world.regions {
        let Some(cloud) = &region.cloud else { continue };
        let server = facts.servers.get(name).and_then(Answer::known);
        if let Some(url) = server.and_then(|server| server.endpoint.clone()) {
            add(format!("LocalStack {}", cloud.region), url);
        }
        if let Some(port) = cloud
            .metrics_port
            .filter(|_| server.is_some_and(|one| one.replicator.is_some()))
        {
            let of = format!("metrics of replicator {}", cloud.server);
            add(of, format!("http://{}:{port}/metrics", facts.host));
        }
    }
    for (region, port) in database_ports(facts) {
        add(
            format!("database in {region}"),
            format!("{}:{port}", facts.host),
        );
    }
    // The double has none.
    let database = facts.database.iter().filter(|database| !database.is_double);
    for (region, urls) in database.flat_map(|database| &database.consoles) {
        let url = urls.first().cloned().unwrap_or_default();
        add(format!("DB Console in {region}"), url);
    }
    all
}

/// The first node of each region of the database, with its port for SQL.
fn database_ports(facts: &Facts) -> Vec<(&str, u16)> {
    let (Some(declared), Some(database)) = (&facts.world.cockroachdb, &facts.database) else {
        return Vec::new();
    };
    let containers = database.containers.known();
    let regions = declared.regions.keys();
    regions
        .filter_map(|region| {
            let first = names::node(&declared.cluster, region, 1);
            let mut containers = containers.into_iter().flatten();
            let node = containers.find(|one| one.name == first)?;
            Some((region.as_str(), node.port?))
        })
        .collect()
}

/// What can be typed.
pub(super) fn commands(facts: &Facts) -> Vec<Commands> {
    let mut all = Vec::new();
    let mut add = |to: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            let to = to.to_owned();
            all.push(Commands { to, lines });
        }
    };
    let regions = facts.world.regions.values();
    let nodes = regions.map(|region| {
        format!(
            "kubectl --kubeconfig {} get nodes",
            kubeconfig(facts, region)
        )
    });
    add("Kubernetes", nodes.collect());
    add("LocalStack", localstack(facts));
    add("the database", database(facts));
    all
}

fn localstack(facts: &Facts) -> Vec<String> {
    let regions = facts.world.regions.iter();
    let lines = regions.filter_map(|(name, region)| {
        let cloud = region.cloud.as_ref()?;
        let other = served_by(facts, name, cloud);
        let of_server = |server: &str| {
            let mut regions = facts.world.regions.iter();
            regions.find(|(_, one)| one.cloud.as_ref().is_some_and(|one| one.server == server))
        };
        let name = other.and_then(of_server).map_or(name, |(name, _)| name);
        let endpoint = facts.servers.get(name)?.known()?.endpoint.as_ref()?;
        Some(format!(
            "aws --region {} --endpoint-url {endpoint} s3 ls",
            cloud.region
        ))
    });
    let lines: Vec<String> = lines.collect();
    // It takes any, and the command line insists on some.
    let credentials = "export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test".to_owned();
    let credentials = (!lines.is_empty()).then_some(credentials);
    credentials.into_iter().chain(lines).collect()
}

fn database(facts: &Facts) -> Vec<String> {
    let (Some(declared), Some(database)) = (&facts.world.cockroachdb, &facts.database) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    let ports = database_ports(facts);
    if database.is_secure && !ports.is_empty() {
        let path = |name: &str| {
            let mut files = facts.files.iter();
            let file = files.find(|file| file.path.ends_with(name));
            file.map_or(name.to_owned(), |file| file.path.display().to_string())
        };
        for (variable, name) in [
            ("PGSSLROOTCERT", "ca.crt"),
            ("PGSSLCERT", "client.root.crt"),
            ("PGSSLKEY", "client.root.key"),
        ] {
            lines.push(format!("export {variable}={}", path(name)));
        }
    }
    let mode = if database.is_secure {
        "verify-full"
    } else {
        "disable"
    };
    let name = &declared.database;
    lines.extend(ports.iter().map(|(_, port)| {
        format!(
            "psql 'postgresql://root@{}:{port}/{name}?sslmode={mode}'",
            facts.host
        )
    }));
    lines
}

/// What one should know.
pub(super) fn notes(facts: &Facts) -> Vec<String> {
    let mut notes = Vec::new();
    if facts
        .database
        .as_ref()
        .is_some_and(|database| database.is_double)
    {
        notes.push(
            "A test double of CockroachDB runs here, because its image cannot be had. It is for tests, and not for data."
                .to_owned(),
        );
    }
    if !facts.servers.is_empty() && !facts.has_roles {
        notes.push(
            "The cloud side has no IAM roles: Terraform got hashicorp/aws neither from a mirror nor from its registry, so \
             the playbook made the rest. Name a filesystem mirror that has it in ATLAS_TERRAFORM_MIRROR, then make world."
                .to_owned(),
        );
    }
    if let Some(bridge) = facts.bridge.as_ref().and_then(Answer::known) {
        notes.push(format!(
            "Names reach across: <service>.<namespace>.svc.<cluster>.{} resolves in every cluster.",
            bridge.domain
        ));
    }
    notes
}
