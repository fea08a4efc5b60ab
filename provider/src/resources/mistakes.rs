//! The mistakes that new users make, and what they are told: the place, what is wrong, what would be right. Read this table
//! when a text changes; it is compared word for word.

use tfplugin::{Resource, Value};

use super::planning::whole;
use super::{
    bridge, cluster, cockroachdb_cluster, cockroachdb_database, cockroachdb_region, localstack,
    localstack_alias, network,
};
use crate::configured::Configured;

type Attributes<'a> = &'a [(&'a str, Value)];

fn text(text: &str) -> Value {
    Value::string(text)
}

fn list(all: &[&str]) -> Value {
    Value::List(all.iter().map(|one| text(one)).collect())
}

fn block<const N: usize>(attributes: [(&str, Value); N]) -> Value {
    Value::List(vec![Value::object(attributes)])
}

/// What validation says of a configuration: place and text of each error.
async fn told(
    resource: &impl Resource<Configured>,
    usual: Attributes<'_>,
    changes: Attributes<'_>,
) -> String {
    let schema = resource.schema();
    let mut config = schema.empty();
    for (name, value) in usual.iter().chain(changes) {
        config.set(name, value.clone());
    }
    let found = resource.validate(&whole(&schema, config)).await;
    let errors = found.iter().map(|one| {
        let place = one.path.to_string();
        assert!(
            one.detail.starts_with(&format!("{place}: ")),
            "{}",
            one.detail
        );
        assert_eq!(one.summary, format!("Invalid {place}"));
        one.detail.clone()
    });
    errors.collect::<Vec<_>>().join("\n")
}

/// Compares all rows before it fails, so that one run shows every text that changed.
fn compare(rows: &[(String, &str)]) {
    let wrong = rows.iter().filter(|(told, expected)| told != expected);
    let wrong: Vec<String> = wrong
        .map(|(told, expected)| format!("expected: {expected}\ntold:     {told}"))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
}

#[tokio::test]
async fn mistakes_in_clusters() {
    let usual = [("name", text("dev"))];
    let port = |attributes: Attributes| {
        let mut port = Value::object([("container_port", Value::int(80))]);
        for (name, value) in attributes {
            port.set(name, value.clone());
        }
        Value::List(vec![port])
    };
    let two_ports = |host_port: i64| {
        let port = Value::object([
            ("container_port", Value::int(80)),
            ("host_port", Value::int(host_port)),
            ("node_filters", list(&["loadbalancer"])),
        ]);
        Value::List(vec![port.clone(), port])
    };
    let rows: Vec<(Vec<(&str, Value)>, &str)> = vec![
        (
            vec![("name", text("Dev"))],
            "name: \"Dev\" is not a valid cluster name. Use 1 to 32 lower-case letters, digits \
                 and dashes, beginning and ending with a letter or digit.",
        ),
        (
            vec![("name", text(&"a".repeat(33)))],
            "name: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" is not a valid cluster name. Use 1 to 32 \
                 lower-case letters, digits and dashes, beginning and ending with a letter or digit.",
        ),
        (
            vec![("servers", Value::int(3))],
            "servers: 3 servers are not supported. Set servers = 1; agents can be any number.",
        ),
        (
            vec![("subnet", text("172.28.0.0"))],
            "subnet: \"172.28.0.0\" is not an IPv4 network. Use address/prefix, for instance \
                 172.28.0.0/16.",
        ),
        (
            vec![("subnet", text("172.28.0.1/16"))],
            "subnet: 172.28.0.1/16 has host bits set. Did you mean 172.28.0.0/16?",
        ),
        (
            vec![("subnet", text("172.28.0.0/29")), ("agents", Value::int(9))],
            "subnet: 172.28.0.0/29 has room for 4 nodes, but the cluster has 11. Use a larger \
                 subnet. Its first two addresses are reserved for the gateway and for k3d's tools.",
        ),
        (
            vec![("network", text("bridge"))],
            "network: \"bridge\" is one of Docker's own networks, where nodes have no names and \
                 no fixed addresses. Name a network of your own, or leave it out to create one.",
        ),
        (
            vec![
                ("cluster_cidr", text("10.42.0.0/16")),
                ("service_cidr", text("10.42.128.0/20")),
            ],
            "service_cidr: 10.42.128.0/20 overlaps 10.42.0.0/16 (cluster_cidr). Use separate \
                 networks for nodes, pods and Services.",
        ),
        (
            vec![("port", port(&[("node_filters", list(&["master:0"]))]))],
            "port[0].node_filters[0]: \"master:0\" is not a valid node filter. Use \
                 server:<index>, agent:<index> (an index is 0, 0,2, 1-3 or *), servers:*, agents:*, \
                 loadbalancer or all; a port may add :proxy or :direct.",
        ),
        (
            vec![("port", port(&[("node_filters", list(&["agent:5"]))]))],
            "port[0].node_filters[0]: there is no agent:5: the cluster has no agent. Name a node \
                 that the cluster has.",
        ),
        (
            vec![("port", port(&[("host_port", Value::int(70_000))]))],
            "port[0].host_port: 70000 is out of range. Use 1 to 65535.",
        ),
        (
            vec![("port", port(&[("protocol", text("http"))]))],
            "port[0].protocol: \"http\" is not a valid protocol. Use tcp or udp.",
        ),
        (
            vec![("port", two_ports(8080))],
            "port[1]: the same port is published twice. Remove one of the two.",
        ),
        (
            vec![(
                "volume",
                block([("source", text("./data")), ("destination", text("/data"))]),
            )],
            "volume[0].source: \"./data\" is neither an absolute path nor the name of a volume. \
                 Use an absolute path on the machine that runs Docker, or the name of a volume.",
        ),
        (
            vec![("volume", block([("destination", text("data"))]))],
            "volume[0].destination: \"data\" is not an absolute path. Use the path inside the \
                 node, beginning with a slash.",
        ),
        (
            vec![(
                "env",
                block([("key", text("K3S_TOKEN")), ("value", text("x"))]),
            )],
            "env[0].key: K3S_TOKEN is set by Atlas. Use the attribute token instead.",
        ),
        (
            vec![("runtime", Value::object([("agents_memory", text("lots"))]))],
            "runtime[0].agents_memory: \"lots\" is not a valid size. Use a size such as 512m, \
                 1.5g or 2g.",
        ),
        (
            vec![("timeouts", Value::object([("create", text("10 minuten"))]))],
            "timeouts.create: \"10 minuten\" is not a valid duration. Use a duration such as 90s, \
                 10m or 1h30m.",
        ),
    ];
    let mut all = Vec::new();
    for (changes, expected) in rows {
        all.push((told(&cluster::Cluster, &usual, &changes).await, expected));
    }
    compare(&all);
}

#[tokio::test]
async fn mistakes_in_networks_and_bridges() {
    let networks = [
        (
            vec![("name", text("bridge"))],
            "name: \"bridge\" is not a valid network name. Use 1 to 63 letters, digits, dots, \
                 dashes or underscores, beginning with a letter or digit, and none of Docker's own \
                 names (bridge, host, none).",
        ),
        (
            vec![("subnet", text("172.28.0.0/31"))],
            "subnet: 172.28.0.0/31 is too small: it has no room for nodes. Use a prefix of /29 or \
                 shorter.",
        ),
        (
            vec![("gateway", text("172.29.0.1"))],
            "gateway: 172.29.0.1 is not a host address of 172.28.0.0/16. Leave it out, or use an \
                 address of the subnet.",
        ),
    ];
    let usual = [("name", text("shop")), ("subnet", text("172.28.0.0/16"))];
    let mut all = Vec::new();
    for (changes, expected) in networks {
        all.push((told(&network::Network, &usual, &changes).await, expected));
    }
    let member = |name: &str, pods: &str| {
        Value::object([
            ("name", text(name)),
            ("cluster_cidr", text(pods)),
            ("service_cidr", Value::Null),
        ])
    };
    let bare = || Value::object([("name", text("us"))]);
    let clusters = |all: &[Value]| ("clusters", Value::List(all.to_vec()));
    let (us, eu) = (member("us", "10.1.0.0/16"), member("eu", "10.2.0.0/16"));
    let usual = [
        ("name", text("world")),
        ("subnet", text("10.80.0.0/24")),
        ("dns", Value::Bool(true)),
        ("domain", text("atlas.internal")),
        clusters(&[us.clone(), eu]),
    ];
    let bridges = [
        (
            vec![clusters(std::slice::from_ref(&us))],
            "clusters: a bridge needs at least two clusters. Add another cluster.",
        ),
        (
            vec![clusters(&[bare(), bare()])],
            "clusters[1].name: \"us\" is listed twice. List each cluster once.",
        ),
        (
            vec![clusters(&[us, member("eu", "10.1.0.0/16")])],
            "clusters[1]: 10.1.0.0/16 (the pods of \"eu\") overlaps 10.1.0.0/16 (the pods of \
                 \"us\"). Use separate networks for each cluster on a bridge; the function \
                 region_cidrs makes them.",
        ),
        (
            vec![("domain", text("internal"))],
            "domain: \"internal\" is a single label, which may hide other names. Use two labels \
                 or more, for instance atlas.internal, or a domain of your own.",
        ),
    ];
    for (changes, expected) in bridges {
        all.push((told(&bridge::Bridge, &usual, &changes).await, expected));
    }
    compare(&all);
}

#[tokio::test]
async fn mistakes_in_the_cloud() {
    let usual = [
        ("name", text("us")),
        ("network", text("shop")),
        ("port", Value::int(4566)),
    ];
    let servers = [
        (
            vec![("name", text("US"))],
            "name: \"US\" cannot be part of a host name. Use 1 to 30 lower-case letters, digits \
                 and dashes, with a letter or digit at both ends.",
        ),
        (
            vec![("port", Value::int(99_999))],
            "port: 99999 is out of range. Use a port from 1 to 65535.",
        ),
        (
            vec![("services", list(&["s3 bucket"]))],
            "services: \"s3 bucket\" is not a valid service name. Use the AWS CLI's names, for \
                 instance s3 or sqs.",
        ),
    ];
    let mut all = Vec::new();
    for (changes, expected) in servers {
        all.push((
            told(&localstack::LocalStack, &usual, &changes).await,
            expected,
        ));
    }
    let named = |name: &str| Value::object([("name", text(name))]);
    let to = |region: &str, bucket: &str| {
        Value::object([("peer_region", text(region)), ("peer_bucket", text(bucket))])
    };
    let fifo =
        |name: &str, fifo: bool| Value::object([("name", text(name)), ("fifo", Value::Bool(fifo))]);
    let usual = [
        ("region", text("us-east-1")),
        ("endpoint", text("http://127.0.0.1:4566")),
        ("bucket", named("audit")),
        ("queue", named("tx")),
    ];
    let aliases = [
        (
            vec![("replication", to("us-east-1", "audit-2"))],
            "replication.peer_region: us-east-1 is the alias's own region. Use another region: \
                 the loss of one region must not lose both copies.",
        ),
        (
            vec![("replication", to("eu-central-1", "audit"))],
            "replication.peer_bucket: \"audit\" is the alias's own bucket. Use the peer's bucket: \
                 bucket names are not shared between regions.",
        ),
        (
            vec![("queue", fifo("tx", true))],
            "queue.name: the name of a FIFO queue must end in .fifo, but \"tx\" does not. Set \
                 queue.fifo = false, or add the ending .fifo to the name.",
        ),
        (
            vec![("queue", fifo("tx.fifo", false))],
            "queue.name: \"tx.fifo\" ends in .fifo, but the queue is not a FIFO queue. Set \
                 queue.fifo = true, or use another name.",
        ),
        (
            vec![("bucket", named("Audit"))],
            "bucket.name: \"Audit\" is not a valid bucket name. Use 3 to 63 lower-case letters, \
                 digits, dashes and single dots, with a letter or digit at both ends, and no IP \
                 address.",
        ),
        (
            vec![("endpoint", text("localhost:4566"))],
            "endpoint: \"localhost:4566\" is not a valid endpoint. Use scheme, host and port, for \
                 instance http://127.0.0.1:4566.",
        ),
        (
            vec![("region", text("US East"))],
            "region: \"US East\" is not a valid region. Use AWS's name, for instance us-east-1 or \
                 eu-central-1.",
        ),
    ];
    for (changes, expected) in aliases {
        all.push((
            told(&localstack_alias::Alias, &usual, &changes).await,
            expected,
        ));
    }
    compare(&all);
}

#[tokio::test]
async fn mistakes_in_databases() {
    let usual = [
        ("cluster", text("bank")),
        ("name", text("us")),
        ("regions", list(&["us", "eu"])),
        ("nodes", Value::int(1)),
        ("network", text("shop")),
        ("certificates", text("/tmp/certificates")),
        ("placement", text("docker")),
    ];
    let regions = [
        (
            vec![("nodes", Value::int(0))],
            "nodes: 0 nodes are not supported. Use 1 to 64. To remove the region, remove its \
                 resource.",
        ),
        (
            vec![("name", text("asia"))],
            "regions: \"asia\" is not one of the cluster's regions. List all regions of the \
                 cluster, this one too, in the same order everywhere.",
        ),
        (
            vec![("certificates", Value::Null)],
            "certificates: nodes need certificates, but the folder for them is not set. Set it to \
                 a permanent folder, or set insecure = true for a cluster without access control.",
        ),
        (
            vec![("memory", text("lots"))],
            "memory: \"lots\" is not a valid size. Use a size such as 512m, 1.5g or 2g.",
        ),
        (
            vec![("cache", text("lots"))],
            "cache: \"lots\" is not a valid size. Use a size such as 128MiB, or a fraction of the \
                 machine's memory such as .25.",
        ),
        (
            vec![("sql_ports", Value::List(vec![Value::int(99_999)]))],
            "sql_ports[0]: 99999 is out of range. Use ports from 1 to 65535.",
        ),
    ];
    let mut all = Vec::new();
    for (changes, expected) in regions {
        all.push((
            told(&cockroachdb_region::Region, &usual, &changes).await,
            expected,
        ));
    }
    let usual = [
        ("cluster", text("bank")),
        ("name", text("ledger")),
        ("primary_region", text("us")),
        ("regions", list(&["us", "eu"])),
    ];
    let databases = [
        (
            vec![("survival_goal", text("continent"))],
            "survival_goal: \"continent\" is not a valid survival goal. Use zone or region.",
        ),
        (
            vec![("survival_goal", text("region"))],
            "survival_goal: a database in 2 regions cannot survive the loss of a region: with \
                 fewer than three regions one region holds half of the voters, and its loss leaves no \
                 majority. Use at least three regions, or the survival goal zone.",
        ),
        (
            vec![("primary_region", text("asia"))],
            "primary_region: \"asia\" is not one of the database's regions. Add it to regions, or \
                 use one of them.",
        ),
        (
            vec![("secondary_region", text("us"))],
            "secondary_region: \"us\" is already the primary region. Use another of its regions: \
                 it takes over when the primary one is lost.",
        ),
    ];
    for (changes, expected) in databases {
        all.push((
            told(&cockroachdb_database::Database, &usual, &changes).await,
            expected,
        ));
    }
    let changes = [("name", text("bank")), ("regions", Value::List(Vec::new()))];
    all.push((
        told(&cockroachdb_cluster::Cluster, &changes, &[]).await,
        "regions: the cluster has no regions. List the regions whose nodes form the cluster.",
    ));
    compare(&all);
}

/// What only the world can tell.
#[test]
fn mistakes_that_show_when_the_world_is_asked() {
    use atlas_engine::error::Existing;
    use atlas_engine::{Error, FieldPath, Remedy};

    use crate::words::Hcl;

    let exists = |kind, name: &str, detail| Error::Exists {
        kind,
        name: name.to_owned(),
        detail,
        remedy: Remedy::ImportOrRename,
    };
    let rows = [
        (
            exists("cluster", "dev", Existing::NotBegun),
            "A cluster named \"dev\" already exists, and this run did not create it. Import it or \
                 choose another name.",
        ),
        (
            exists("cluster", "dev", Existing::Differs),
            "A cluster named \"dev\" already exists and differs from what is declared. Import it \
                 or choose another name.",
        ),
        (
            exists(
                "bridge",
                "world",
                Existing::Found("with subnet 10.80.0.0/24 (clusters dc-us, dc-eu)".into()),
            ),
            "A bridge named \"world\" already exists with subnet 10.80.0.0/24 (clusters dc-us, \
                 dc-eu). Import it or choose another name.",
        ),
        (
            Error::ImageMissing {
                image: "rancher/k3s:nope".to_owned(),
                reason: "manifest unknown".to_owned(),
            },
            "image rancher/k3s:nope is not present in Docker and could not be pulled: manifest \
                 unknown. Check the name, run `docker pull rancher/k3s:nope` yourself, or use another \
                 image",
        ),
        (
            Error::NotFound {
                kind: "cluster",
                name: "dev".to_owned(),
                remedy: Remedy::CreateCluster {
                    name: "dev".to_owned(),
                },
            },
            "there is no cluster dev. Create it first: refer to the attribute `name` of its \
                 resource. `k3d cluster list` lists the existing clusters.",
        ),
        (
            Error::invalid(
                FieldPath::of("network"),
                "there is no Docker network \"shop\".",
                Remedy::CreateNetwork {
                    name: "shop".to_owned(),
                },
            ),
            "network: there is no Docker network \"shop\". Create it first (atlas_network, or \
                 `docker network create --subnet …`).",
        ),
        (
            Error::NeedsReplacement {
                kind: "bridge",
                name: "world".to_owned(),
                fields: vec!["subnet".to_owned()],
            },
            "bridge world must be replaced to change subnet",
        ),
        (
            Error::TimedOut {
                waiting_for: "waiting for k3d-dev-server-0 to become ready".to_owned(),
                after: std::time::Duration::from_secs(60),
                log: String::new(),
            },
            "timed out after 60 s: waiting for k3d-dev-server-0 to become ready. Raise the limit \
                 in the block timeouts if the machine is slow; the next apply continues from here.",
        ),
    ];
    let all = rows.map(|(error, expected)| (error.told(&Hcl::Kept), expected));
    compare(&all);
}
