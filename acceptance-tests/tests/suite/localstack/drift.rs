//! What was changed behind Terraform's back is seen and mended, of a server and two aliases.

use acceptance_tests::{Face, Faces, Sandbox, Settings, Terraform};
use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::Platform;

const SERVER: &str = "atlas_localstack.s";
const US: &str = "atlas_localstack_alias.us";
const EU: &str = "atlas_localstack_alias.eu";

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

    // A module foretells and mends the same.
    let ansible = sandbox.ansible()?;
    let faces = Faces {
        terraform: &terraform,
        address: SERVER,
        ansible: &ansible,
        module: "localstack",
        arguments: json!({"name": platform.name, "network": platform.network, "port": platform.port}),
    };
    docker.run(&["pause", &container])?;
    faces.expect_mended(&["update"], Face::Module)?;

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
