//! The modules `localstack` and `localstack_alias`.

use acceptance_tests::{Ansible, Sandbox, Settings};
use anyhow::{Result, ensure};
use serde_json::json;

use super::Platform;

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
    let warned = changed["warnings"].to_string();
    ensure!(
        warned.contains("no replicator serves us-east-1") && warned.contains("module localstack"),
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

    expect_nothing_adopted_unasked(&ansible, &platform, &alias(json!({})))?;
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

/// What somebody else made is taken over by word alone.
fn expect_nothing_adopted_unasked(
    ansible: &Ansible,
    platform: &Platform,
    ours: &serde_json::Value,
) -> Result<()> {
    let theirs = format!("{}-theirs", platform.name);
    platform.script(&format!(
        "s3.create_bucket(Bucket='{theirs}')
sqs.create_queue(QueueName='their-queue')"
    ))?;
    let mut alias = ours.clone();
    alias["bucket"] = json!({"name": theirs});
    let mut queue = ours.clone();
    queue["queue"] = json!({"name": "their-queue"});
    for (arguments, part) in [(&alias, &*theirs), (&queue, "their-queue")] {
        for check in [true, false] {
            let task = json!({"atlas.world.localstack_alias": arguments, "check_mode": check});
            let failed = ansible.play(&[task])?;
            let said = failed.finished.output();
            ensure!(
                failed.finished.code != Some(0)
                    && said.contains(part)
                    && said.contains("already exists")
                    && said.contains("adopt: true"),
                "{arguments} (check mode: {check}): {said}"
            );
        }
    }
    alias["adopt"] = json!(true);
    let done = ansible.converge(&[("localstack_alias", alias.clone())])?;
    ensure!(done[0]["alias"]["bucket"]["tags"] == json!({}), "{done:?}");
    // From then on it is ours.
    alias["adopt"] = json!(false);
    let again = ansible.succeed(&[json!({"atlas.world.localstack_alias": alias})])?;
    ensure!(again[0]["changed"] == false, "{again:?}");
    alias["state"] = json!("absent");
    ansible.converge(&[("localstack_alias", alias)])?;
    platform
        .script("sqs.delete_queue(QueueUrl=url('their-queue'))")
        .map(drop)
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
            "cannot connect",
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
                && warned.contains("A run would fail")
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
