//! LocalStack servers and regional aliases: their life, what is found to differ, and what is refused.

mod data;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use acceptance_tests::{Ansible, Aws, Run, Sandbox, Settings, Terraform, eventually};
use anyhow::{Context, Result, ensure};
use serde_json::json;

const SERVER: &str = "atlas_localstack.s";
const US: &str = "atlas_localstack_alias.us";
const EU: &str = "atlas_localstack_alias.eu";

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

/// Changes behind Terraform's back: what the plan must show, and how it is done. An empty path is what has no
/// attribute of its own.
const DRIFTS: [(&str, &str); 17] = [
    (
        "bucket.versioning",
        "s3.put_bucket_versioning(Bucket=B, VersioningConfiguration={'Status': 'Suspended'})",
    ),
    (
        "bucket.block_public_access",
        "s3.delete_public_access_block(Bucket=B)",
    ),
    (
        "bucket.tags.purpose",
        "s3.put_bucket_tagging(Bucket=B, Tagging={'TagSet': [{'Key': 'purpose', 'Value': 'x'}]})",
    ),
    (
        "bucket.expiration_days",
        "rules = s3.get_bucket_lifecycle_configuration(Bucket=B)['Rules']
rules[0]['Expiration'] = {'Days': 7}
s3.put_bucket_lifecycle_configuration(Bucket=B, LifecycleConfiguration={'Rules': rules})",
    ),
    (
        "bucket.noncurrent_expiration_days",
        "rules = s3.get_bucket_lifecycle_configuration(Bucket=B)['Rules']
rules[0]['NoncurrentVersionExpiration'] = {'NoncurrentDays': 7}
s3.put_bucket_lifecycle_configuration(Bucket=B, LifecycleConfiguration={'Rules': rules})",
    ),
    (
        "queue.visibility_timeout",
        "sqs.set_queue_attributes(QueueUrl=url(Q + '.fifo'), Attributes={'VisibilityTimeout': '7'})",
    ),
    (
        "queue.retention",
        "sqs.set_queue_attributes(QueueUrl=url(Q + '.fifo'), Attributes={'MessageRetentionPeriod': '600'})",
    ),
    (
        "queue.content_based_deduplication",
        "sqs.set_queue_attributes(QueueUrl=url(Q + '.fifo'), Attributes={'ContentBasedDeduplication': 'false'})",
    ),
    (
        "queue.max_receive_count",
        "sqs.set_queue_attributes(QueueUrl=url(Q + '.fifo'), Attributes={'RedrivePolicy': ''})",
    ),
    (
        "queue.tags.more",
        "sqs.tag_queue(QueueUrl=url(Q + '.fifo'), Tags={'more': '1'})",
    ),
    ("replication", "s3.delete_bucket_replication(Bucket=B)"),
    (
        "replication.delete_markers",
        "r = s3.get_bucket_replication(Bucket=B)['ReplicationConfiguration']
for rule in r['Rules']: rule['DeleteMarkerReplication']['Status'] = 'Disabled'
s3.put_bucket_replication(Bucket=B, ReplicationConfiguration=r)",
    ),
    (
        "replication.prefixes",
        "r = s3.get_bucket_replication(Bucket=B)['ReplicationConfiguration']
r['Rules'] = r['Rules'][:1]
s3.put_bucket_replication(Bucket=B, ReplicationConfiguration=r)",
    ),
    (
        "drift",
        "s3.put_bucket_notification_configuration(Bucket=B, NotificationConfiguration={})",
    ),
    ("drift", "sqs.delete_queue(QueueUrl=url(Q + '-dlq.fifo'))"),
    (
        "replication.peer_queue",
        "sqs.delete_queue(QueueUrl=url(Q + '-to-eu-central-1.fifo'))",
    ),
    // With a rule of somebody else, which is no difference, and stays.
    (
        "bucket.expiration_days",
        "rules = s3.get_bucket_lifecycle_configuration(Bucket=B)['Rules']
rules[0]['Expiration'] = {'Days': 7}
rules.append({'ID': 'theirs', 'Status': 'Enabled', 'Filter': {'Prefix': 'logs/'}, 'Expiration': {'Days': 3}})
s3.put_bucket_lifecycle_configuration(Bucket=B, LifecycleConfiguration={'Rules': rules})",
    ),
];

/// One drift: seen alone by the plan, and repaired by the apply.
fn expect_repaired(
    platform: &Platform,
    terraform: &Terraform,
    path: &str,
    script: &str,
) -> Result<()> {
    platform.script(script)?;
    let plan = terraform.plan_json()?;
    plan.expect(US, &["update"])?;
    let mut changed = plan.changed(US);
    // The sentence beside an attribute, where a whole queue is missing.
    if path != "drift" {
        changed.retain(|path| path != "drift");
    }
    ensure!(changed == [path], "the plan shows {changed:?}\n{plan}");
    plan.expect(EU, &["no-op"])?;
    terraform
        .command("apply")?
        .args(["-auto-approve", "planned"])
        .succeed()?;
    Ok(())
}

#[test]
fn a_server_and_two_aliases_live_and_every_drift_is_seen_and_repaired() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = sandbox.terraform()?;
    let mut platform = Platform::new(&sandbox)?;
    terraform.apply(&platform.hcl())?;

    let server = terraform.attributes(SERVER)?;
    ensure!(server["version"] == "4.9.2", "{server}");
    ensure!(
        server["running_services"] == json!(["iam", "s3", "sqs", "sts"]),
        "{server}"
    );
    let before = [terraform.attributes(US)?, terraform.attributes(EU)?];
    ensure!(before[0]["account_id"] == "000000000000", "{}", before[0]);

    // The bucket tells its queue, the outbox names the peer's queue.
    let seen = platform.script(
        "s3.put_object(Bucket=B, Key='ledger/1', Body=b'1')
for _ in range(10):
    got = sqs.receive_message(QueueUrl=url(B + '-events'), WaitTimeSeconds=2).get('Messages', [])
    keys = [r['s3']['object']['key'] for m in got for r in json.loads(m['Body']).get('Records', [])]
    if keys: break
say([keys, sqs.list_queue_tags(QueueUrl=url(Q + '-to-eu-central-1.fifo'))['Tags']['atlas:forward-to']])",
    )?;
    let peer = format!(
        "arn:aws:sqs:eu-central-1:000000000000:{}-tx.fifo",
        platform.name
    );
    ensure!(seen == json!([["ledger/1"], peer]), "{seen}");

    let failed: Vec<String> = DRIFTS
        .iter()
        .filter_map(|(path, script)| {
            let repaired = expect_repaired(&platform, &terraform, path, script);
            repaired.err().map(|error| format!("{path}: {error:#}"))
        })
        .collect();
    ensure!(failed.is_empty(), "{}", failed.join("\n\n"));
    terraform.expect_no_changes()?;
    let rules = platform.script(
        "say([rule['ID'] for rule in s3.get_bucket_lifecycle_configuration(Bucket=B)['Rules']])",
    )?;
    ensure!(rules == json!(["theirs", "atlas"]), "{rules}");

    // Imported, they are what they were before.
    let ids = [
        (SERVER, platform.name.clone()),
        (
            US,
            format!(
                "us-east-1,http://127.0.0.1:{0},{1}-us,{1}-tx.fifo",
                platform.port, platform.name
            ),
        ),
        (
            EU,
            format!(
                "eu-central-1,http://127.0.0.1:{0},{1}-eu,{1}-tx.fifo",
                platform.port, platform.name
            ),
        ),
    ];
    for (address, id) in ids {
        terraform.forget(address)?;
        terraform.import(&platform.hcl(), address, &id)?;
    }
    let after = [terraform.attributes(US)?, terraform.attributes(EU)?];
    ensure!(after == before, "imported: {after:?}\nbefore: {before:?}");

    // However its container is broken, the server is set going or made again, with its data. Without its container it is
    // not gone: there is its volume.
    let docker = sandbox.docker();
    let container = platform.container();
    let breaks = [
        vec!["stop", "--time", "1", &container],
        vec!["pause", &container],
        vec!["network", "disconnect", &platform.network, &container],
        vec!["rm", "--force", &container],
    ];
    for broken in &breaks {
        docker.run(broken)?;
        terraform.expect_changes()?.expect(SERVER, &["update"])?;
        terraform
            .repair()
            .with_context(|| format!("after docker {broken:?}"))?;
    }

    // One that somebody made anew elsewhere is brought back, with its data.
    remake_elsewhere(&platform, &sandbox)?;
    let plan = terraform.plan_json()?;
    plan.expect(SERVER, &["update"])?;
    let mut changed = plan.changed(SERVER);
    changed.retain(|path| path != "drift");
    ensure!(
        changed == ["network", "port"],
        "the plan shows {changed:?}\n{plan}"
    );
    terraform.repair()?;
    docker.run(&["network", "rm", &sandbox.name("elsewhere")])?;

    // So is one that is changed.
    platform.server = "environment = { ATLAS_TEST = \"1\" }\n  services = [\"s3\", \"sqs\", \"iam\", \"sts\", \"sns\"]".to_owned();
    platform.bucket.clear();
    terraform
        .plan(&platform.hcl())?
        .expect(SERVER, &["update"])?;
    terraform.apply(&platform.hcl())?;
    let body =
        platform.script("say(s3.get_object(Bucket=B, Key='ledger/1')['Body'].read().decode())")?;
    ensure!(body == "1", "the object is {body}");

    // What holds data stays, unless that is said.
    let refused = terraform
        .command("destroy")?
        .arg("-auto-approve")
        .finish()?;
    let said = refused.output();
    ensure!(
        refused.code == Some(1) && said.contains("force_destroy"),
        "{said}"
    );
    platform.force_destroy = true;
    terraform.apply(&platform.hcl())?;
    terraform.destroy()?;
    Ok(())
}

/// The same server by hand, on another network and another port.
fn remake_elsewhere(platform: &Platform, sandbox: &Sandbox) -> Result<()> {
    let docker = sandbox.docker();
    let container = platform.container();
    let labels = docker.container(&container)?;
    let labels = labels.at("/Config/Labels").and_then(|all| all.as_object());
    let labels: Vec<String> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    let elsewhere = sandbox.name("elsewhere");
    docker.run(&[
        "network",
        "create",
        "--subnet",
        &sandbox.subnet(1),
        &elsewhere,
    ])?;
    docker.run(&["rm", "--force", &container])?;
    let (volume, port) = (
        format!("{container}:/var/lib/localstack"),
        format!("127.0.0.1:{}:4566", sandbox.port(1)?),
    );
    let mut words = vec![
        "run",
        "--detach",
        "--name",
        &container,
        "--network",
        &elsewhere,
    ];
    words.extend(["--volume", &volume, "--publish", &port]);
    words.extend(["--env", "SERVICES=iam,s3,sqs,sts", "--env", "PERSISTENCE=1"]);
    words.extend(["--env", "SQS_ENDPOINT_STRATEGY=dynamic"]);
    for label in &labels {
        words.extend(["--label", label]);
    }
    words.push(&Settings::get()?.localstack_image);
    docker.run(&words).map(drop)
}

/// Every step is foretold by a check run, and has nothing to do a second time.
#[test]
fn a_server_and_an_alias_live_as_their_tasks_say() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let ansible = sandbox.ansible()?;
    let platform = Platform::new(&sandbox)?;
    let (name, image) = (&platform.name, &Settings::get()?.localstack_image);
    let endpoint = format!("http://127.0.0.1:{}", platform.port);
    let bucket = format!("{name}-us");
    let network = json!({"name": platform.network, "subnet": platform.subnet});
    ansible.converge(&[
        ("network", network),
        (
            "localstack",
            json!({"name": name, "network": platform.network, "image": image, "port": platform.port}),
        ),
    ])?;
    let alias = |more: serde_json::Value| {
        let mut all =
            json!({"region": "us-east-1", "endpoint": endpoint, "bucket": {"name": bucket}});
        for (key, value) in more.as_object().into_iter().flatten() {
            all[key] = value.clone();
        }
        all
    };
    let replication = json!({"peer_region": "eu-central-1", "peer_bucket": format!("{name}-eu")});
    let done = ansible.converge(&[
        (
            "localstack_alias",
            alias(json!({"queue": {"name": "tx.fifo"}})),
        ),
        (
            "localstack_alias",
            alias(json!({
                "queue": {"name": "tx.fifo", "visibility_timeout": 60},
                "replication": replication,
            })),
        ),
    ])?;
    let changed = &done[1];
    ensure!(
        changed["differences"] == json!(["queue.visibility_timeout", "replication"]),
        "{changed}"
    );
    ensure!(
        changed["alias"]["account_id"] == "000000000000",
        "{changed}"
    );

    let told = ansible.succeed(&[json!({"atlas.world.localstack_info": {"name": name}})])?;
    ensure!(told[0]["servers"][0]["version"] == "4.9.2", "{told:?}");

    // A container that was paused goes on. No value of a variable hides a part of the result.
    let docker = sandbox.docker();
    docker.run(&["pause", &platform.container()])?;
    let server = |more: serde_json::Value| {
        let mut all = json!({"name": name});
        for (key, value) in more.as_object().into_iter().flatten() {
            all[key] = value.clone();
        }
        all
    };
    let done = ansible.converge(&[
        ("localstack", server(json!({}))),
        ("localstack", server(json!({"environment": {"DEBUG": "1"}}))),
    ])?;
    let resumed = done[0]["actions"].to_string();
    ensure!(resumed.contains("unpause"), "{resumed}");
    ensure!(
        done[1]["localstack"]["endpoint"] == endpoint.as_str()
            && done[1]["localstack"]["port"] == platform.port,
        "{}",
        done[1]
    );

    expect_refusals_foretold(&ansible, &platform, &endpoint)?;
    ansible.converge(&[
        (
            "localstack_alias",
            alias(json!({"state": "absent", "queue": {"name": "tx.fifo"}})),
        ),
        ("localstack", json!({"name": name, "state": "absent"})),
        (
            "network",
            json!({"name": platform.network, "state": "absent"}),
        ),
    ])?;
    let left = sandbox.docker().objects(&sandbox.prefix())?;
    ensure!(left.is_empty(), "there is left:\n{left}");
    Ok(())
}

/// What a run would be refused is told by a check run: an earlier task may mend it, so that one goes on.
fn expect_refusals_foretold(ansible: &Ansible, platform: &Platform, endpoint: &str) -> Result<()> {
    platform.script(
        "s3.put_object(Bucket=B, Key='k', Body=b'1')
sqs.send_message(QueueUrl=url('tx.fifo'), MessageBody='paid', MessageGroupId='a', MessageDeduplicationId='a')",
    )?;
    let name = &platform.name;
    let alias = |more: serde_json::Value| {
        let mut all = json!({"region": "us-east-1", "endpoint": endpoint,
            "bucket": {"name": format!("{name}-us")}, "queue": {"name": "tx.fifo"}});
        for (key, value) in more.as_object().into_iter().flatten() {
            all[key] = value.clone();
        }
        json!({"atlas.world.localstack_alias": all})
    };
    let server = |arguments: serde_json::Value| json!({"atlas.world.localstack": arguments});
    let foretold = [
        (
            server(json!({"name": name, "state": "absent"})),
            "objects in bucket",
        ),
        (
            server(json!({"name": format!("{name}2"), "network": "atlas-is-not-there"})),
            "there is no network",
        ),
        (alias(json!({"state": "absent"})), "queue tx.fifo holds"),
        (
            alias(json!({"endpoint": "http://127.0.0.1:1"})),
            "no answer",
        ),
    ];
    let tasks = foretold.iter().map(|(task, _)| {
        let mut task = task.clone();
        task["check_mode"] = json!(true);
        task
    });
    let told = ansible.succeed(&tasks.collect::<Vec<_>>())?;
    for ((task, part), result) in foretold.iter().zip(&told) {
        let warned = result["warnings"].to_string();
        ensure!(
            result["changed"] == true
                && warned.contains("a run would fail")
                && warned.contains(part),
            "{task}: {result}"
        );
    }
    // The run itself says the same, and with consent it does it.
    let failed = ansible.play(&[foretold[0].0.clone()])?;
    let said = failed.finished.output();
    ensure!(
        failed.finished.code != Some(0) && said.contains("objects in bucket"),
        "{said}"
    );
    platform
        .script(
            "s3.delete_object(Bucket=B, Key='k')
for one in s3.list_object_versions(Bucket=B).get('Versions', []) + s3.list_object_versions(Bucket=B).get('DeleteMarkers', []):
    s3.delete_object(Bucket=B, Key='k', VersionId=one['VersionId'])
sqs.purge_queue(QueueUrl=url('tx.fifo'))",
        )
        .map(drop)
}

/// An alias, with one line another.
fn alias(endpoint: &str, region: &str, more: &str) -> String {
    format!(
        "resource \"atlas_localstack_alias\" \"us\" {{\n  region = \"{region}\"\n  endpoint = \"{endpoint}\"\n{more}\n}}\n"
    )
}

#[test]
fn bad_servers_and_aliases_are_refused_at_the_line() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = sandbox.terraform()?;
    let here = "http://127.0.0.1:1";
    let server = |more: &str| {
        format!(
            "resource \"atlas_localstack\" \"s\" {{\n  name = \"x\"\n  network = \"n\"\n{more}\n}}\n"
        )
    };
    let us = |more: &str| alias(here, "us-east-1", more);
    let table = [
        (
            "a bucket's name",
            us("  bucket = { name = \"Audit\" }"),
            "bucket",
            vec!["Audit", "small letters"],
        ),
        (
            "FIFO without its ending",
            us("  bucket = { name = \"audit\" }\n  queue = { name = \"tx\", fifo = true }"),
            "queue",
            vec!["queue.name", ".fifo"],
        ),
        (
            "the ending without FIFO",
            us("  bucket = { name = \"audit\" }\n  queue = { name = \"tx.fifo\" }"),
            "queue",
            vec!["queue.name", "fifo = true"],
        ),
        (
            "a peer in the same region",
            us(
                "  bucket = { name = \"audit\" }\n  replication = { peer_region = \"us-east-1\", peer_bucket = \"other\" }",
            ),
            "replication",
            vec!["replication.peer_region", "another region"],
        ),
        (
            "replication without versions",
            us(
                "  bucket = { name = \"audit\", versioning = false }\n  replication = { peer_region = \"eu-west-1\", peer_bucket = \"other\" }",
            ),
            "bucket",
            vec!["bucket.versioning"],
        ),
        (
            "no region",
            alias(here, "Frankfurt", "  bucket = { name = \"audit\" }"),
            "region",
            vec!["Frankfurt", "eu-central-1"],
        ),
        (
            "no URL",
            alias("localhost", "us-east-1", "  bucket = { name = \"audit\" }"),
            "endpoint",
            vec!["localhost", "http://127.0.0.1:4566"],
        ),
        (
            "a variable of ours",
            server("  environment = { SERVICES = \"s3\" }"),
            "environment",
            vec!["SERVICES", "services"],
        ),
        (
            "no services",
            server("  services = []"),
            "services",
            vec!["services"],
        ),
        (
            "a port",
            server("  port = 70000"),
            "port",
            vec!["70000", "65535"],
        ),
        (
            "a peer without scheme",
            server("  replicator = { regions = [\"us-east-1\"], peers = [\"eu:4566\"] }"),
            "replicator",
            vec!["replicator.peers[0]", "http://"],
        ),
    ];
    let failed: Vec<String> = table
        .iter()
        .filter_map(|(what, config, code, parts)| {
            let said = terraform.expect_plan_error(config);
            let checked = said.and_then(|said| said.expect_at(code, parts));
            checked.err().map(|error| format!("{what}: {error:#}"))
        })
        .collect();
    ensure!(failed.is_empty(), "{}", failed.join("\n\n"));

    // Only the world can refuse these.
    let network = server("").replace("\"n\"", &format!("\"{}\"", sandbox.name("none")));
    terraform
        .expect_apply_error(&network)?
        .expect_at("network", &["there is no network"])?;
    let config = us("  bucket = { name = \"audit\" }");
    terraform
        .expect_apply_error(&config)?
        .expect_at("endpoint", &["127.0.0.1:1", "no answer"])?;
    let endpoint = refusing_endpoint()?;
    let config = alias(
        &endpoint,
        "us-east-1",
        "  bucket = { name = \"audit\" }\n  access_key = \"wrong\"\n  secret_key = \"sesame-9\"",
    );
    let said = terraform.expect_apply_error(&config)?;
    said.expect_at("access_key", &["InvalidClientTokenId", "secret_key"])?;
    ensure!(
        !said.to_string().contains("sesame-9"),
        "a secret is told:\n{said}"
    );
    ensure!(
        terraform.addresses()?.is_empty(),
        "something is in the state"
    );
    Ok(())
}

/// A server's own certificate is refused until the user names it, which they are told.
#[test]
fn an_endpoint_with_a_certificate_of_its_own_is_used_once_that_is_trusted() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = sandbox.terraform()?;
    let docker = sandbox.docker();
    let (container, port) = (sandbox.name("tls"), sandbox.port(0)?);
    let publish = format!("127.0.0.1:{port}:4566");
    let image = &Settings::get()?.localstack_image;
    docker.run(&[
        "run",
        "--detach",
        "--name",
        &container,
        "--publish",
        &publish,
        "--env",
        "SERVICES=s3,sqs,sts",
        image,
    ])?;
    let certificate = sandbox.path("certificate.pem");
    let found = eventually(Duration::from_secs(60), || {
        docker.exec(
            &container,
            &[
                "sh",
                "-c",
                "openssl s_client -connect 127.0.0.1:4566 </dev/null | openssl x509",
            ],
        )
    })?;
    std::fs::write(&certificate, found)?;

    let config = alias(
        &format!("https://localhost:{port}"),
        "us-east-1",
        "  bucket = { name = \"audit\" }",
    );
    terraform.expect_apply_error(&config)?.expect_at(
        "endpoint",
        &["certificate", "UnknownIssuer", "SSL_CERT_FILE"],
    )?;
    let trusting = |command: &str| -> Result<Run> {
        Ok(terraform
            .command(command)?
            .env("SSL_CERT_FILE", &certificate))
    };
    trusting("apply")?.arg("-auto-approve").succeed()?;
    let planned = trusting("plan")?.arg("-detailed-exitcode").succeed()?;
    ensure!(planned.stdout.contains("No changes"), "{planned}");
    Ok(())
}

/// Answers every request as AWS answers wrong credentials, which LocalStack never does. It ends with the test.
fn refusing_endpoint() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no port is free")?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut request = [0; 16 * 1024];
            let _ = stream.read(&mut request);
            let body = "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code>\
                        <Message>The security token included in the request is invalid.</Message></Error></ErrorResponse>";
            let _ = write!(
                stream,
                "HTTP/1.1 403 Forbidden\r\ncontent-type: text/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    Ok(endpoint)
}
