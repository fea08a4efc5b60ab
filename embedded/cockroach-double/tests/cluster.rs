//! The double's nodes as processes: how a cluster begins, what it survives, and what stops it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail by it"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rust_decimal::Decimal;
use support::{Cluster, cockroach, loopback, must_retry, refused, said, wait};
use uuid::Uuid;

const THREE: &[&str] = &["region=us", "region=eu", "region=wit"];
const FIVE: &[&str] = &[
    "region=us,zone=a",
    "region=eu,zone=a",
    "region=wit",
    "region=us,zone=b",
    "region=eu,zone=b",
];
const SURVIVING: &str = "CREATE DATABASE bank PRIMARY REGION us REGIONS us, eu, wit SURVIVE REGION FAILURE SECONDARY REGION eu";
/// How long a request waits for a quorum in tests, in place of a minute.
const IMPATIENT: &str =
    "SET CLUSTER SETTING kv.replica_circuit_breaker.slow_replication_threshold = '2s'";

#[test]
fn a_cluster_is_initialised_once() {
    let cluster = Cluster::start(THREE);
    let waiting = cluster.nodes[1].http("/health?ready=1");
    assert_eq!(waiting.0, 503);
    assert!(
        waiting
            .1
            .contains("node is waiting for cluster initialization"),
        "{}",
        waiting.1
    );
    assert_eq!(cluster.nodes[1].http("/health"), (200, "{}".to_owned()));
    // By SQL, a node takes a client's connection and lets it wait.
    let command = |timeout: &str, args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cockroach-double"));
        command.args(args).args(["--insecure", "--host"]);
        command.arg(cluster.nodes[1].address());
        command.env("COCKROACH_CONNECT_TIMEOUT", timeout);
        command.stdout(std::process::Stdio::piped());
        command
    };
    let status = command("1", &["node", "status"]).output().unwrap();
    assert!(
        said(&status).contains("ERROR: cannot dial server"),
        "{}",
        said(&status)
    );
    let unsure = cluster.command(1, &["node", "drain", "1"]);
    assert!(
        said(&unsure).contains("node waiting for init"),
        "{}",
        said(&unsure)
    );
    let early = [
        vec!["node", "status", "--format=csv"],
        vec!["sql", "-e", "SELECT 1 AS one"],
    ]
    .map(|args| command("0", &args).spawn().unwrap());

    let first = cluster.command(1, &["init"]);
    assert_eq!(
        (said(&first).as_str(), first.status.code()),
        ("Cluster successfully initialized\n", Some(0))
    );
    for n in 0..3 {
        wait("the node has joined", || cluster.nodes[n].ready());
        let again = cluster.command(n, &["init"]);
        assert!(
            said(&again).contains("cluster has already been initialized"),
            "{}",
            said(&again)
        );
        assert_eq!(again.status.code(), Some(1));
    }
    for (client, told) in early.into_iter().zip(["id,address", "one\n1\n"]) {
        let output = client.wait_with_output().unwrap();
        assert!(said(&output).contains(told), "{}", said(&output));
    }

    let status = said(&cluster.command(2, &["node", "status", "--format=csv"]));
    let lines: Vec<&str> = status.lines().collect();
    assert_eq!(
        lines[0],
        "id,address,sql_address,build,started_at,updated_at,locality,attrs,is_available,is_live"
    );
    assert_eq!(lines.len(), 4, "{status}");
    assert!(
        status.contains("-double,"),
        "a build that says what it is: {status}"
    );
}

#[test]
fn flags_are_the_published_ones() {
    let cases: &[(&[&str], i32, &str)] = &[
        (
            &["start", "--insecure", "--join=a", "--nonsense"],
            4,
            "unknown flag: --nonsense",
        ),
        (
            &["start", "--insecure"],
            1,
            "no --join flags provided to 'cockroach start'",
        ),
        (
            &["start", "--insecure", "--certs-dir=x", "--join=a"],
            4,
            "--insecure and --certs-dir",
        ),
        (
            &["start", "--insecure", "--join=a", "--locality=us"],
            4,
            "key=value",
        ),
        (
            &["start", "--insecure", "--join=a", "--cache=lots"],
            4,
            "--cache",
        ),
        (
            &[
                "start",
                "--insecure",
                "--join=a",
                "--store=type=mem,size=1GiB",
            ],
            1,
            "unsupported by the double",
        ),
        (
            &["start", "--join=a", "--certs-dir=/nowhere"],
            1,
            "cannot load certificates",
        ),
        (
            &["start-single-node", "--insecure"],
            1,
            "unsupported by the double",
        ),
        (
            &["node", "decommission", "--insecure"],
            1,
            "no node ID specified",
        ),
        (
            &["node", "status", "--insecure", "--cluster-name=x"],
            4,
            "unknown flag: --cluster-name",
        ),
        (
            &["node", "drain", "1", "--insecure", "--timeout=5s"],
            4,
            "unknown flag: --timeout",
        ),
        (
            &["init", "--insecure", "--host=127.0.0.1:1"],
            1,
            "failed to connect to 127.0.0.1:1",
        ),
    ];
    for (args, code, words) in cases {
        let output = cockroach(args);
        assert_eq!(
            output.status.code(),
            Some(*code),
            "{args:?}: {}",
            said(&output)
        );
        assert!(said(&output).contains(words), "{args:?}: {}", said(&output));
    }
    let version = said(&cockroach(&["version"]));
    assert!(version.contains("not CockroachDB"), "{version}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minority_neither_writes_nor_reads_and_recovers_by_itself() {
    let mut cluster = Cluster::ready(THREE);
    let client = cluster.client(1).await;
    client.batch_execute(IMPATIENT).await.unwrap();
    client
        .batch_execute("CREATE TABLE kept (id INT PRIMARY KEY); INSERT INTO kept VALUES (1)")
        .await
        .unwrap();

    cluster.nodes[0].kill();
    cluster.nodes[2].kill();
    client
        .batch_execute("SET statement_timeout = '300ms'")
        .await
        .unwrap();
    assert_eq!(
        refused(&client, "INSERT INTO kept VALUES (2)").await.0,
        "57014"
    );
    client
        .batch_execute("SET statement_timeout = 0")
        .await
        .unwrap();
    let (code, message) = refused(&client, "INSERT INTO kept VALUES (2)").await;
    assert!(code == "58C00" || code == "40003", "{code}: {message}");
    assert!(message.contains("lost quorum"), "{message}");
    let (code, _) = refused(&client, "SELECT * FROM kept").await;
    assert_eq!(code, "58C00");
    let ready = cluster.nodes[1].http("/health?ready=1");
    assert_eq!(ready.0, 503);
    assert!(ready.1.contains("node is not healthy"), "{}", ready.1);
    assert_eq!(cluster.nodes[1].http("/health").0, 200);
    assert!(cluster.metric(1, "ranges_unavailable").unwrap() > 0);
    let status = said(&cluster.command(1, &["node", "status", "--format=csv", "--timeout=5s"]));
    let own = status
        .lines()
        .find(|line| line.contains(&cluster.nodes[1].address()))
        .unwrap();
    assert!(own.ends_with("false,true"), "up, but of no quorum: {own}");

    cluster.run(0);
    wait("quorum is back", || cluster.nodes[1].ready());
    let rows = client
        .query("SELECT id FROM kept WHERE id = 1", &[])
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);
    client
        .execute("INSERT INTO kept VALUES (3)", &[])
        .await
        .unwrap();
    assert_eq!(cluster.metric(1, "ranges_unavailable"), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_write_is_lost_when_any_node_is_killed() {
    let mut cluster = Cluster::ready(THREE);
    let client = cluster.client(0).await;
    client
        .batch_execute("CREATE TABLE log (id UUID PRIMARY KEY, n INT NOT NULL)")
        .await
        .unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let urls: Vec<u16> = cluster.nodes.iter().map(|node| node.rpc).collect();
    let written = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..3)
        .map(|w| {
            let (stop, urls, written) = (stop.clone(), urls.clone(), written.clone());
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                let mut n = 0_usize;
                while !stop.load(Ordering::Relaxed) {
                    // Through another gateway whenever one is gone.
                    let port = urls[(w + n) % urls.len()];
                    n += 1;
                    let url = format!(
                        "host={} port={port} user=root dbname=defaultdb connect_timeout=1",
                        loopback()
                    );
                    let Ok((client, connection)) =
                        tokio_postgres::connect(&url, tokio_postgres::NoTls).await
                    else {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        continue;
                    };
                    tokio::spawn(connection);
                    loop {
                        let id = Uuid::new_v4();
                        let sql = format!("INSERT INTO log VALUES ('{id}', {n})");
                        match client.batch_execute(&sql).await {
                            Ok(()) => {
                                acknowledged.push(id);
                                written.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(_) => break,
                        }
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                }
                acknowledged
            })
        })
        .collect();
    let some_more = |when: &str| {
        let before = written.load(Ordering::Relaxed);
        tokio::task::block_in_place(|| wait(when, || written.load(Ordering::Relaxed) > before + 9));
    };
    for n in [0, 1, 2, 0] {
        some_more("writes while every node is there");
        cluster.nodes[n].kill();
        some_more("writes without the killed node");
        cluster.run(n);
        let node = &cluster.nodes[n];
        tokio::task::block_in_place(|| wait("the killed node is back", || node.ready()));
    }
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    assert!(
        acknowledged.len() > 50,
        "too few writes to tell: {}",
        acknowledged.len()
    );
    // All at once: what was acknowledged is on disk, on a majority.
    for node in &mut cluster.nodes {
        node.kill();
    }
    for n in 0..3 {
        cluster.run(n);
    }
    tokio::task::block_in_place(|| cluster.all_ready());
    let client = cluster.client(2).await;
    let rows = client
        .query("SELECT id::STRING FROM log", &[])
        .await
        .unwrap();
    let found: std::collections::BTreeSet<Uuid> = rows
        .iter()
        .map(|row| row.get::<_, String>(0).parse().unwrap())
        .collect();
    let lost = acknowledged.iter().filter(|id| !found.contains(id)).count();
    assert_eq!(lost, 0, "of {} acknowledged", acknowledged.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn transfers_through_all_gateways_keep_the_sum() {
    let cluster = Cluster::ready(THREE);
    let client = cluster.client(0).await;
    client.batch_execute(SURVIVING).await.unwrap();
    client
        .batch_execute(
            "SET database = bank;
             CREATE TABLE account (id INT PRIMARY KEY, balance DECIMAL(19,2) NOT NULL CHECK (balance >= 0));
             CREATE TABLE transfer (id UUID PRIMARY KEY, source INT NOT NULL, target INT NOT NULL, amount DECIMAL(19,2) NOT NULL CHECK (amount > 0), created_at TIMESTAMPTZ NOT NULL DEFAULT now());
             INSERT INTO account SELECT n, 100 FROM generate_series(1, 4) AS n",
        )
        .await
        .unwrap();
    let retries = Arc::new(AtomicUsize::new(0));
    let mut work = Vec::new();
    for w in 0..6_i64 {
        let client = cluster.client(usize::try_from(w).unwrap() % 3).await;
        client.batch_execute("SET database = bank").await.unwrap();
        let retries = retries.clone();
        work.push(tokio::spawn(async move {
            let mut client = client;
            let mut done = 0_i64;
            while done < 12 {
                match transfer(&mut client, (w + done) % 4 + 1, (w + done * 3 + 1) % 4 + 1).await {
                    Ok(()) => done += 1,
                    Err(error) if must_retry(&error) => {
                        retries.fetch_add(1, Ordering::Relaxed);
                        let pause = u64::from(Uuid::new_v4().as_bytes()[0]) / 8;
                        tokio::time::sleep(Duration::from_millis(pause)).await;
                    }
                    Err(error) => panic!("{error:?}"),
                }
            }
        }));
    }
    // Whoever reads meanwhile sees whole transfers only.
    for n in 0..20 {
        let reader = cluster.client(n % 3).await;
        let row = reader
            .query_one("SELECT sum(balance), count(*) FROM bank.account", &[])
            .await
            .unwrap();
        assert_eq!(row.get::<_, i64>(1), 4);
        assert_eq!(
            text(&reader, "SELECT sum(balance) FROM bank.account").await,
            "400.00"
        );
    }
    for task in work {
        task.await.unwrap();
    }
    assert!(
        retries.load(Ordering::Relaxed) > 0,
        "clients that collide are told 40001"
    );
    assert_eq!(
        text(&client, "SELECT sum(balance) FROM account").await,
        "400.00"
    );
    let moved = text(&client, "SELECT count(*) FROM transfer")
        .await
        .parse::<i64>()
        .unwrap();
    assert!(moved > 0 && moved <= 72, "{moved}");
    // What moved is what the balances say.
    let row = client
        .query_one("SELECT count(*) FROM account a WHERE a.balance < 0", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 0);
}

/// A transfer as the ledger makes it; one without cover is rolled back and counts as done.
async fn transfer(
    client: &mut tokio_postgres::Client,
    from: i64,
    to: i64,
) -> Result<(), tokio_postgres::Error> {
    if from == to {
        return Ok(());
    }
    let amount = Decimal::new(1050, 2);
    let transaction = client.transaction().await?;
    let balance = transaction
        .query(
            "SELECT id, balance::STRING FROM account WHERE id IN ($1, $2) ORDER BY id FOR UPDATE",
            &[&from, &to],
        )
        .await?;
    let covered = balance.iter().any(|row| {
        row.get::<_, i64>(0) == from
            && row.get::<_, String>(1).parse::<Decimal>().unwrap() >= amount
    });
    if !covered {
        return transaction.rollback().await;
    }
    transaction
        .execute(
            "UPDATE account SET balance = balance - 10.50 WHERE id = $1",
            &[&from],
        )
        .await?;
    transaction
        .execute(
            "UPDATE account SET balance = balance + 10.50 WHERE id = $1",
            &[&to],
        )
        .await?;
    transaction
        .execute(
            "INSERT INTO transfer (id, source, target, amount) VALUES (gen_random_uuid(), $1, $2, 10.50) ON CONFLICT (id) DO NOTHING",
            &[&from, &to],
        )
        .await?;
    transaction.commit().await
}

/// The first value of the first row, as text.
async fn text(client: &tokio_postgres::Client, sql: &str) -> String {
    let messages = client.simple_query(sql).await.unwrap();
    messages
        .iter()
        .find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
        .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loss_of_a_region_is_survived_with_two_two_one() {
    let mut cluster = Cluster::ready(FIVE);
    let client = cluster.client(2).await;
    client.batch_execute(SURVIVING).await.unwrap();
    client
        .batch_execute("CREATE TABLE bank.kept (id INT PRIMARY KEY)")
        .await
        .unwrap();
    cluster.replicated(5);
    // The leader goes where the database's primary region is.
    wait_for(
        &client,
        "SELECT lease_holder_locality FROM [SHOW RANGES FROM DATABASE bank WITH DETAILS]",
        |found| found.starts_with("region=us"),
    )
    .await;
    let report = support::http(cluster.nodes[0].http, "POST", "/_status/critical_nodes");
    assert_eq!(report.0, 200);
    assert!(
        report.1.contains("\"criticalNodes\":[]"),
        "no node is critical: {}",
        report.1
    );

    cluster.nodes[0].kill();
    cluster.nodes[3].kill();
    let begun = Instant::now();
    while client
        .batch_execute("UPSERT INTO bank.kept VALUES (1)")
        .await
        .is_err()
    {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "no write within 20 s"
        );
    }
    println!("writes again after {:?}", begun.elapsed());
    let report = support::http(cluster.nodes[1].http, "POST", "/_status/critical_nodes");
    assert!(
        report.1.matches("nodeId").count() >= 3,
        "every voter that is left is critical: {}",
        report.1
    );

    client.batch_execute(IMPATIENT).await.unwrap();
    cluster.nodes[1].kill();
    let (code, message) = refused(&client, "UPSERT INTO bank.kept VALUES (2)").await;
    assert!(code == "58C00" || code == "40003", "{code}: {message}");
}

async fn wait_for(client: &tokio_postgres::Client, sql: &str, fine: impl Fn(&str) -> bool) {
    let begun = Instant::now();
    loop {
        let messages = client.simple_query(sql).await;
        let found = messages.ok().and_then(|messages| {
            messages.iter().find_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            })
        });
        if found.as_deref().is_some_and(&fine) {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "not within 20 s: {sql} is {found:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn a_node_whose_clock_is_away_from_the_others_ends_and_they_do_not() {
    let mut cluster = Cluster::ready(THREE);
    let fourth = cluster.prepare("region=us");
    cluster.nodes[fourth].skew = "450ms";
    cluster.run(fourth);
    assert_eq!(cluster.nodes[fourth].ended(), 7);
    let log = cluster.nodes[fourth].log();
    assert!(
        log.contains("clock synchronization error: this node is more than 500ms away"),
        "{log}"
    );
    cluster.nodes[fourth].skew = "350ms";
    cluster.run(fourth);
    for node in &cluster.nodes {
        wait("every node is ready", || node.ready());
    }
}

#[test]
fn a_change_of_voters_is_finished_though_its_leader_is_killed() {
    let mut cluster = Cluster::ready(FIVE);
    for (round, voters) in [5, 3, 5, 3, 5, 3].into_iter().enumerate() {
        let told = |n: usize| cluster.nodes[n].log().matches("voters change").count();
        let before: Vec<usize> = (0..5).map(told).collect();
        let sql = format!("ALTER RANGE default CONFIGURE ZONE USING num_replicas = {voters};");
        // The leader of the round before may just have been lost, and with it the answer (40003).
        wait("the number of voters is set", || {
            cluster.sql(round % 5, &[], &sql).status.success()
        });
        let mut leader = None;
        wait("the change begins", || {
            leader = (0..5).find(|n| told(*n) > before[*n]);
            leader.is_some()
        });
        let leader = leader.unwrap();
        // At another moment of the change each time.
        std::thread::sleep(Duration::from_micros(700 * u64::try_from(round).unwrap()));
        cluster.nodes[leader].kill();
        cluster.run(leader);
        wait("there are as many voters as are wanted", || {
            let sql = "SELECT voting_replicas FROM [SHOW CLUSTER RANGES] LIMIT 1;";
            let shown = said(&cluster.sql((leader + 1) % 5, &["--format=csv"], sql));
            shown
                .lines()
                .nth(1)
                .is_some_and(|line| line.split(',').count() == voters)
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_a_wiped_store_is_another_one_and_votes_for_nobody_else() {
    let mut cluster = Cluster::ready(THREE);
    let client = cluster.client(0).await;
    client.batch_execute(IMPATIENT).await.unwrap();
    client
        .batch_execute("CREATE TABLE kept (id INT PRIMARY KEY)")
        .await
        .unwrap();
    cluster.nodes[1].kill();
    std::fs::remove_dir_all(&cluster.nodes[1].folder).unwrap();
    cluster.run(1);
    wait("the node is back as another one", || {
        let status = said(&cluster.command(0, &["node", "status", "--format=csv"]));
        status
            .lines()
            .any(|line| line.starts_with("4,") && line.ends_with(",true"))
    });
    client
        .batch_execute("INSERT INTO kept VALUES (1)")
        .await
        .unwrap();
    // It is at the address of a voter that is gone, whose vote is not its own.
    cluster.nodes[2].kill();
    let (code, message) = refused(&client, "INSERT INTO kept VALUES (2)").await;
    assert!(code == "58C00" || code == "40003", "{code}: {message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_drained_and_decommissioned_or_refused() {
    let mut cluster = Cluster::ready(THREE);
    let blocked = cluster.command(0, &["node", "decommission", "2"]);
    assert_eq!(blocked.status.code(), Some(1));
    for words in [
        "ranges blocking decommission detected",
        "likely not enough nodes in cluster",
        "ERROR: Cannot decommission nodes.",
        "Failed running \"decommission\"",
    ] {
        assert!(said(&blocked).contains(words), "{}", said(&blocked));
    }

    let n = cluster.prepare("region=us");
    cluster.run(n);
    let new = &cluster.nodes[n];
    wait("the new node is ready", || new.ready());
    let client = cluster.client(n).await;
    client
        .batch_execute("CREATE TABLE kept (id INT PRIMARY KEY); INSERT INTO kept VALUES (1)")
        .await
        .unwrap();
    let one = text(
        &client,
        "SELECT node_id FROM crdb_internal.gossip_nodes ORDER BY node_id LIMIT 1",
    )
    .await;
    assert_eq!(one, "1");

    let gone = cluster.command(n, &["node", "decommission", "1"]);
    assert!(gone.status.success(), "{}", said(&gone));
    assert!(said(&gone).contains("No more data reported on target nodes. Please verify cluster health before removing the nodes."), "{}", said(&gone));
    let plain = said(&cluster.command(n, &["node", "status", "--format=csv"]));
    assert_eq!(
        plain.lines().count(),
        4,
        "a node that left is not shown: {plain}"
    );
    let all = said(&cluster.command(n, &["node", "status", "--decommission", "--format=csv"]));
    assert!(
        all.lines()
            .any(|line| line.starts_with("1,") && line.contains("decommissioned")),
        "{all}"
    );
    let back = cluster.command(n, &["node", "recommission", "1"]);
    assert!(!back.status.success());

    // A drain makes a node unready, refuses new clients, and ends the process when asked to.
    let drained = cluster.command(1, &["node", "drain", "--self"]);
    assert!(
        said(&drained).contains("remaining: 0 (complete)\nok"),
        "{}",
        said(&drained)
    );
    let health = cluster.nodes[1].http("/health?ready=1");
    assert_eq!(health.0, 503);
    assert!(health.1.contains("node is shutting down"), "{}", health.1);
    let refused = cluster.command(1, &["sql", "-e", "SELECT 1"]);
    assert!(
        said(&refused).contains("server is not accepting clients, try another node"),
        "{}",
        said(&refused)
    );
    assert_eq!(cluster.nodes[1].terminate(), 0);
    cluster.run(1);
    let node = &cluster.nodes[1];
    wait("the node serves again", || node.ready());
    assert_eq!(
        text(&cluster.client(1).await, "SELECT id FROM kept").await,
        "1"
    );
}
