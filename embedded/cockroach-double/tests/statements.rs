//! The SQL that the double accepts, and how it refuses the rest.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail by it"
)]

mod support;

use support::{Cluster, refused};
use tokio_postgres::{Client, SimpleQueryMessage};
use uuid::Uuid;

const REGIONS: &[&str] = &["region=us", "region=eu", "region=wit"];

/// Rows as text, cells joined by a bar.
async fn rows(client: &Client, sql: &str) -> Vec<String> {
    let messages = client
        .simple_query(sql)
        .await
        .unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(
                (0..row.len())
                    .map(|n| row.get(n).unwrap_or("NULL"))
                    .collect::<Vec<_>>()
                    .join("|"),
            ),
            _ => None,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_and_refusals() {
    let cluster = Cluster::ready(REGIONS);
    let client = cluster.client(1).await;
    regions(&client).await;
    tables(&client).await;
    transactions(&cluster).await;
    prepared(&client).await;
    retries(&cluster).await;
}

async fn regions(client: &Client) {
    let cases = [
        (
            "CREATE DATABASE d PRIMARY REGION mars",
            "42602",
            "region \"mars\" does not exist",
        ),
        (
            "CREATE DATABASE d REGIONS us",
            "42P12",
            "PRIMARY REGION must be specified if REGIONS are specified",
        ),
        (
            "CREATE DATABASE d PRIMARY REGION us SURVIVE REGION FAILURE",
            "22023",
            "at least 3 regions are required for surviving a region failure",
        ),
        (
            "ALTER DATABASE defaultdb ADD REGION us",
            "42P12",
            "cannot add region \"us\" to database defaultdb",
        ),
        (
            "ALTER DATABASE defaultdb SURVIVE REGION FAILURE",
            "42602",
            "database must have associated regions before a survival goal can be set",
        ),
        (
            "ALTER DATABASE defaultdb DROP REGION us",
            "42P12",
            "database has no regions to drop",
        ),
        (
            "ALTER DATABASE defaultdb SET SECONDARY REGION eu",
            "42P12",
            "database must be multi-region to support a secondary region",
        ),
        (
            "ALTER DATABASE defaultdb PLACEMENT RESTRICTED",
            "XCEXF",
            "PLACEMENT requires that the session setting enable_multiregion_placement_policy is enabled",
        ),
        (
            "ALTER DATABASE nowhere SURVIVE ZONE FAILURE",
            "3D000",
            "database \"nowhere\" does not exist",
        ),
        (
            "ALTER DATABASE d ADD SUPER REGION s VALUES us",
            "0A000",
            "unsupported by the double: this form of ALTER DATABASE",
        ),
    ];
    for (sql, code, message) in cases {
        assert_eq!(
            refused(client, sql).await,
            (code.to_owned(), message.to_owned()),
            "{sql}"
        );
    }
    client.batch_execute("CREATE DATABASE d; ALTER DATABASE d SET PRIMARY REGION us; ALTER DATABASE d ADD REGION eu").await.unwrap();
    let cases = [
        (
            "ALTER DATABASE d SURVIVE REGION FAILURE",
            "22023",
            "at least 3 regions are required for surviving a region failure",
        ),
        (
            "ALTER DATABASE d ADD REGION eu",
            "42710",
            "region \"eu\" already added to database",
        ),
        (
            "ALTER DATABASE d PRIMARY REGION wit",
            "42602",
            "region \"wit\" has not been added to the database",
        ),
        (
            "ALTER DATABASE d DROP REGION us",
            "42P12",
            "cannot drop region \"us\"",
        ),
        (
            "ALTER DATABASE d DROP REGION wit",
            "42704",
            "region \"wit\" has not been added to the database",
        ),
        (
            "ALTER DATABASE d SET SECONDARY REGION us",
            "42P12",
            "the secondary region cannot be the same as the current primary region",
        ),
        (
            "ALTER DATABASE d DROP SECONDARY REGION",
            "42P02",
            "database d doesn't have a secondary region defined",
        ),
        (
            "ALTER DATABASE d CONFIGURE ZONE USING num_voters = 5",
            "42P17",
            "attempting to modify protected field \"num_voters\" of a multi-region zone configuration",
        ),
    ];
    for (sql, code, message) in cases {
        assert_eq!(
            refused(client, sql).await,
            (code.to_owned(), message.to_owned()),
            "{sql}"
        );
    }
    assert_eq!(
        rows(client, "SHOW SURVIVAL GOAL FROM DATABASE d").await,
        ["d|zone"]
    );
    client
        .batch_execute("ALTER DATABASE d ADD REGION IF NOT EXISTS eu; ALTER DATABASE d ADD REGION wit; ALTER DATABASE d SET SECONDARY REGION eu; ALTER DATABASE d SURVIVE REGION FAILURE")
        .await
        .unwrap();
    let cases = [
        ("ALTER DATABASE d DROP REGION wit", "22023"),
        ("ALTER DATABASE d DROP REGION eu", "42P12"),
        ("ALTER DATABASE d PRIMARY REGION eu", "42P12"),
        (
            "SET enable_multiregion_placement_policy = on; ALTER DATABASE d PLACEMENT RESTRICTED",
            "22023",
        ),
    ];
    for (sql, code) in cases {
        assert_eq!(refused(client, sql).await.0, code, "{sql}");
    }
    assert_eq!(
        rows(client, "SHOW REGIONS FROM DATABASE d").await,
        ["d|us|t|f|{}", "d|eu|f|t|{}", "d|wit|f|f|{}"]
    );
    assert_eq!(
        rows(client, "SELECT region FROM [SHOW REGIONS FROM CLUSTER]").await,
        ["eu", "us", "wit"]
    );
    let zone = rows(client, "SHOW ZONE CONFIGURATION FROM DATABASE d")
        .await
        .join("");
    assert!(
        zone.contains("voter_constraints = '{+region=eu: 2, +region=us: 2}'"),
        "{zone}"
    );
    assert!(
        zone.contains("lease_preferences = '[[+region=us], [+region=eu]]'"),
        "{zone}"
    );
    // The order in which regions can be left.
    client
        .batch_execute("ALTER DATABASE d SURVIVE ZONE FAILURE; ALTER DATABASE d DROP SECONDARY REGION; ALTER DATABASE d PRIMARY REGION eu; ALTER DATABASE d DROP REGION us; ALTER DATABASE d DROP REGION wit; ALTER DATABASE d DROP REGION eu")
        .await
        .unwrap();
    assert_eq!(
        rows(
            client,
            "SELECT database_name, survival_goal FROM [SHOW DATABASES] WHERE database_name = 'd'"
        )
        .await,
        ["d|NULL"]
    );
    let version = rows(client, "SELECT version()").await.join("");
    assert!(
        version.starts_with("CockroachDB-double") && version.contains("not CockroachDB"),
        "{version}"
    );
    assert_eq!(
        rows(
            client,
            "SELECT count(*) FROM crdb_internal.gossip_nodes WHERE is_live"
        )
        .await,
        ["3"]
    );
}

async fn tables(client: &Client) {
    client
        .batch_execute(
            "CREATE TABLE item (id INT PRIMARY KEY, name STRING(5) NOT NULL UNIQUE, price DECIMAL(6,2) CHECK (price >= 0), data JSONB, made TIMESTAMPTZ DEFAULT now());
             CREATE TABLE part (item INT, n INT, PRIMARY KEY (item, n));
             INSERT INTO item (id, name, price) VALUES (1, 'a', 1.005), (2, 'b', 2), (3, 'c', NULL);
             INSERT INTO part VALUES (1, 1), (1, 2), (2, 1)",
        )
        .await
        .unwrap();
    let cases = [
        (
            "SELECT id, price FROM item ORDER BY price DESC, id",
            vec!["2|2.00", "1|1.01", "3|NULL"],
        ),
        (
            "SELECT i.name, count(p.n) FROM item i LEFT JOIN part p ON p.item = i.id GROUP BY i.name ORDER BY i.name",
            vec!["a|2", "b|1", "c|0"],
        ),
        (
            "SELECT name FROM item JOIN part ON part.item = item.id AND part.n = 2",
            vec!["a"],
        ),
        (
            "SELECT sum(n), max(n), min(n), count(DISTINCT item) FROM part",
            vec!["4|2|1|2"],
        ),
        (
            "SELECT item FROM part GROUP BY item HAVING count(*) > 1",
            vec!["1"],
        ),
        (
            "SELECT name FROM item WHERE id IN (SELECT item FROM part) ORDER BY 1 LIMIT 1 OFFSET 1",
            vec!["b"],
        ),
        (
            "WITH p AS (SELECT item, count(*) AS n FROM part GROUP BY item) SELECT sum(n) FROM p",
            vec!["3"],
        ),
        (
            "SELECT DISTINCT item FROM part ORDER BY item",
            vec!["1", "2"],
        ),
        ("SELECT 1 UNION ALL SELECT 2", vec!["1", "2"]),
        (
            "SELECT 7 / 2, 7 % 2, 'a' || 'b', NULL IS NULL",
            vec!["3.5|1|ab|t"],
        ),
        (
            "INSERT INTO item (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING name, price",
            vec!["x|1.01"],
        ),
        (
            "INSERT INTO item (id, name) VALUES (1, 'y') ON CONFLICT DO NOTHING RETURNING name",
            vec![],
        ),
        (
            "UPSERT INTO item (id, name, data) VALUES (4, 'd', '{\"k\": 1}') RETURNING data",
            vec!["{\"k\":1}"],
        ),
        (
            "UPDATE item SET price = price * 2 WHERE id <= 2 RETURNING price",
            vec!["2.02", "4.00"],
        ),
        (
            "DELETE FROM part WHERE item = 1 RETURNING n",
            vec!["1", "2"],
        ),
        (
            "SELECT coalesce(price, 0) FROM item WHERE id = 3",
            vec!["0"],
        ),
        (
            "SELECT EXISTS (SELECT 1 FROM part), CASE WHEN 1 > 2 THEN 'no' ELSE 'yes' END",
            vec!["t|yes"],
        ),
    ];
    for (sql, expected) in cases {
        assert_eq!(rows(client, sql).await, expected, "{sql}");
    }
    let cases = [
        ("INSERT INTO item (id, name) VALUES (2, 'z')", "23505"),
        ("INSERT INTO item (id, name) VALUES (9, 'b')", "23505"),
        ("INSERT INTO item (id) VALUES (9)", "23502"),
        (
            "INSERT INTO item (id, name, price) VALUES (9, 'z', -1)",
            "23514",
        ),
        (
            "INSERT INTO item (id, name) VALUES (9, 'too long')",
            "22001",
        ),
        (
            "INSERT INTO item (id, name, price) VALUES (9, 'z', 99999)",
            "22003",
        ),
        ("INSERT INTO item (id, name) VALUES ('x', 'z')", "22P02"),
        ("SELECT nothing FROM item", "42703"),
        ("SELECT * FROM nothing", "42P01"),
        ("SELECT id FROM item WHERE name = 1", "22023"),
        ("SELECT name, count(*) FROM item", "42803"),
        ("SELECT 1 / 0", "22012"),
        ("SELECT pg_advisory_lock(1)", "42883"),
        ("SELECT id, row_number() OVER () FROM item", "0A000"),
        ("ALTER TABLE item ADD COLUMN more INT", "0A000"),
        ("CREATE TABLE other (id INT REFERENCES item (id))", "0A000"),
        ("COPY item FROM STDIN", "0A000"),
        ("SET nonsense = 1", "42704"),
        ("SET CLUSTER SETTING kv.nonsense = 1", "42704"),
        ("SELEC 1", "42601"),
    ];
    for (sql, code) in cases {
        assert_eq!(refused(client, sql).await.0, code, "{sql}");
    }
    // What fails leaves nothing behind.
    assert_eq!(rows(client, "SELECT count(*) FROM item").await, ["4"]);
}

async fn transactions(cluster: &Cluster) {
    let (a, b) = (cluster.client(0).await, cluster.client(2).await);
    a.batch_execute(
        "CREATE TABLE n (id INT PRIMARY KEY, v INT NOT NULL); INSERT INTO n VALUES (1, 0), (2, 0)",
    )
    .await
    .unwrap();
    // Of two that read what the other writes, one has to try again.
    a.batch_execute("BEGIN; SELECT v FROM n WHERE id = 1")
        .await
        .unwrap();
    b.batch_execute("BEGIN; SELECT v FROM n WHERE id = 2")
        .await
        .unwrap();
    a.batch_execute("UPDATE n SET v = 1 WHERE id = 2")
        .await
        .unwrap();
    b.batch_execute("UPDATE n SET v = 1 WHERE id = 1")
        .await
        .unwrap();
    a.batch_execute("COMMIT").await.unwrap();
    let (code, message) = refused(&b, "COMMIT").await;
    assert_eq!(code, "40001");
    assert!(message.starts_with("restart transaction: "), "{message}");
    assert_eq!(rows(&b, "SHOW transaction_status").await, ["NoTxn"]);
    assert_eq!(rows(&b, "SELECT v FROM n ORDER BY id").await, ["0", "1"]);
    // Rows that others do not touch are nobody's conflict.
    a.batch_execute("BEGIN; UPDATE n SET v = 5 WHERE id = 1")
        .await
        .unwrap();
    b.batch_execute("BEGIN; UPDATE n SET v = 6 WHERE id = 2; COMMIT")
        .await
        .unwrap();
    a.batch_execute("COMMIT").await.unwrap();
    assert_eq!(rows(&b, "SELECT v FROM n ORDER BY id").await, ["5", "6"]);
    // A failure fails the whole transaction.
    assert_eq!(
        refused(&a, "BEGIN; UPDATE n SET v = 7; SELECT 1 / 0")
            .await
            .0,
        "22012"
    );
    assert_eq!(refused(&a, "SELECT 1").await.0, "25P02");
    a.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(rows(&a, "SELECT v FROM n ORDER BY id").await, ["5", "6"]);
    a.batch_execute("BEGIN; SAVEPOINT s; UPDATE n SET v = 8; ROLLBACK TO SAVEPOINT s; UPDATE n SET v = 9 WHERE id = 1; RELEASE SAVEPOINT s; COMMIT").await.unwrap();
    assert_eq!(rows(&a, "SELECT v FROM n ORDER BY id").await, ["9", "6"]);
    assert_eq!(
        refused(&a, "BEGIN READ ONLY; UPDATE n SET v = 1").await.0,
        "25006"
    );
    a.batch_execute("ROLLBACK").await.unwrap();
    // Statements sent together are one transaction.
    assert_eq!(
        refused(
            &a,
            "UPDATE n SET v = 0 WHERE id = 1; INSERT INTO n VALUES (2, 0)"
        )
        .await
        .0,
        "23505"
    );
    assert_eq!(rows(&a, "SELECT v FROM n WHERE id = 1").await, ["9"]);
}

async fn prepared(client: &Client) {
    client
        .batch_execute(
            "CREATE TABLE typed (id UUID PRIMARY KEY, n INT8 NOT NULL, s STRING, b BOOL, f FLOAT8)",
        )
        .await
        .unwrap();
    let id = Uuid::from_u128(7).to_string();
    let insert = client
        .prepare("INSERT INTO typed (id, n, s, b, f) VALUES ($1::STRING::UUID, $2, $3, $4, $5)")
        .await
        .unwrap();
    let none: Option<bool> = None;
    assert_eq!(
        client
            .execute(&insert, &[&id, &7_i64, &"seven", &none, &0.5_f64])
            .await
            .unwrap(),
        1
    );
    let row = client
        .query_one(
            "SELECT n, s, b, f, id::STRING FROM typed WHERE n = $1 AND s LIKE $2 LIMIT $3",
            &[&7_i64, &"sev%", &1_i64],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 7);
    assert_eq!(row.get::<_, &str>(1), "seven");
    assert_eq!(row.get::<_, Option<bool>>(2), None);
    assert!((row.get::<_, f64>(3) - 0.5).abs() < 1e-9);
    assert_eq!(row.get::<_, String>(4), id);
    let shown = client.query("SHOW REGIONS", &[]).await.unwrap();
    let regions: Vec<&str> = shown.iter().map(|row| row.get(0)).collect();
    assert_eq!(regions, ["eu", "us", "wit"]);
    let zones: Vec<String> = shown[0].get("zones");
    assert!(zones.is_empty());
    let error = client
        .query("SELECT nothing FROM typed", &[])
        .await
        .unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42703");
}

async fn retries(cluster: &Cluster) {
    let client = cluster.client(0).await;
    client
        .batch_execute("SET inject_retry_errors_enabled = true; BEGIN; SAVEPOINT cockroach_restart")
        .await
        .unwrap();
    let mut failed = 0;
    while let Err(error) = client
        .batch_execute("UPDATE n SET v = v + 1 WHERE id = 1; RELEASE SAVEPOINT cockroach_restart")
        .await
    {
        assert!(support::must_retry(&error), "{error}");
        failed += 1;
        assert!(failed < 10);
        client
            .batch_execute("ROLLBACK TO SAVEPOINT cockroach_restart")
            .await
            .unwrap();
    }
    assert_eq!(failed, 3);
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(rows(&client, "SELECT v FROM n WHERE id = 1").await, ["10"]);
}
