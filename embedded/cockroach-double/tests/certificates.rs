//! Secure clusters: whose certificates are accepted, and how they are replaced while nodes run.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail by it"
)]

mod support;

use std::path::Path;
use std::sync::Arc;

use support::{Cluster, certificates, cockroach, loopback, refused, said, wait};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use x509_parser::prelude::{FromDer as _, X509Certificate};

const THREE: &[&str] = &["region=us", "region=eu", "region=wit"];

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_verified_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let certs = certificates(folder.path());
    let cluster = Cluster::start_with(THREE, Some(certs.clone()), &["--cluster-name=atlas"]);
    let unnamed = cluster.command(0, &["init"]);
    assert!(
        said(&unnamed).contains("peer node expects cluster name \"atlas\""),
        "{}",
        said(&unnamed)
    );
    let init = cluster.command(0, &["init", "--cluster-name=atlas"]);
    assert!(init.status.success(), "{}", said(&init));
    let sql = |args: &[&str]| {
        let mut all = vec!["sql"];
        all.extend(args);
        cluster.command(1, &all)
    };
    wait("the second node serves", || {
        sql(&["-e", "SELECT 1"]).status.success()
    });

    // Without TLS, with another CA, and with a key that others may read.
    let host = format!("--host={}", cluster.nodes[0].address());
    let plain = cockroach(&["node", "status", "--insecure", &host]);
    assert!(said(&plain).contains("requires TLS"), "{}", said(&plain));
    let plain = cockroach(&["sql", "--insecure", &host, "-e", "SELECT 1"]);
    assert!(
        said(&plain).contains("node is running secure mode, SSL connection required"),
        "{}",
        said(&plain)
    );
    let other = tempfile::tempdir().unwrap();
    let strangers = certificates(other.path());
    let strange = cockroach(&[
        "node",
        "status",
        &host,
        &format!("--certs-dir={}", strangers.display()),
    ]);
    for words in [
        "certificate signed by unknown authority",
        &strangers.join("ca.crt").display().to_string(),
    ] {
        assert!(said(&strange).contains(words), "{}", said(&strange));
    }
    assert!(!strange.status.success());

    // A user without a certificate has a password, which is told to nobody.
    let made = sql(&["-e", "CREATE USER teller PASSWORD 'correct horse'"]);
    assert!(made.status.success(), "{}", said(&made));
    let url = |password: &str| {
        format!(
            "host={} port={} user=teller password='{password}' dbname=defaultdb sslmode=require",
            loopback(),
            cluster.nodes[1].rpc
        )
    };
    assert!(
        connect(&url("wrong"), &certs)
            .await
            .unwrap_err()
            .contains("password authentication failed for user teller")
    );
    let teller = connect(&url("correct horse"), &certs).await.unwrap();
    let (code, _) = refused(&teller, "CREATE DATABASE theirs").await;
    assert_eq!(code, "42501");
    for node in &cluster.nodes {
        assert!(
            !node.log().contains("correct horse"),
            "a password is in a log"
        );
    }
}

/// TLS that trusts the folder's authority and shows no certificate.
fn trusting(certs: &Path) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(certs.join("ca.crt")).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// A client of SQL that trusts the authority and has no certificate.
async fn connect(url: &str, certs: &Path) -> Result<tokio_postgres::Client, String> {
    let tls = tokio_postgres_rustls::MakeRustlsConnect::new(trusting(certs));
    match tokio_postgres::connect(url, tls).await {
        Ok((client, connection)) => {
            tokio::spawn(connection);
            Ok(client)
        }
        Err(error) => Err(error
            .as_db_error()
            .map_or_else(|| error.to_string(), |db| db.message().to_owned())),
    }
}

/// The serial number and the end of validity of a certificate.
fn about(der: &[u8]) -> (String, i64) {
    let (_, certificate) = X509Certificate::from_der(der).unwrap();
    let ends = certificate.validity().not_after.timestamp();
    (certificate.raw_serial_as_string(), ends)
}

/// What is in `node.crt`.
fn on_disk(certs: &Path) -> (String, i64) {
    about(&CertificateDer::from_pem_file(certs.join("node.crt")).unwrap())
}

/// What a listener presents; SQL asks for TLS first.
async fn presented(port: u16, sql: bool, certs: &Path) -> (String, i64) {
    let mut stream = TcpStream::connect((loopback(), port)).await.unwrap();
    if sql {
        let request = [0, 0, 0, 8, 4, 210, 22, 47];
        stream.write_all(&request).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'S');
    }
    let connector = tokio_rustls::TlsConnector::from(Arc::new(trusting(certs)));
    let name = ServerName::try_from("localhost").unwrap();
    let stream = connector.connect(name, stream).await.unwrap();
    about(&stream.get_ref().1.peer_certificates().unwrap()[0])
}

/// What the listeners of a node present: RPC, SQL, HTTP.
async fn all_presented(cluster: &Cluster, n: usize, certs: &Path) -> [(String, i64); 3] {
    let node = &cluster.nodes[n];
    [
        presented(node.rpc, false, certs).await,
        presented(node.rpc, true, certs).await,
        presented(node.http, false, certs).await,
    ]
}

fn cert(folder: &Path, args: &[&str]) {
    let dir = format!("--certs-dir={}", folder.join("certs").display());
    let key = format!("--ca-key={}", folder.join("ca.key").display());
    let mut all = vec!["cert"];
    all.extend(args);
    all.extend([dir.as_str(), key.as_str(), "--overwrite"]);
    let output = cockroach(&all);
    assert!(output.status.success(), "{args:?}: {}", said(&output));
}

/// Has nodes read their certificates anew, and waits until the log tells how that went.
fn reload(cluster: &Cluster, nodes: &[usize], outcome: &str) {
    for n in nodes {
        let node = &cluster.nodes[*n];
        let before = node.log().matches(outcome).count();
        node.signal("HUP");
        wait(outcome, || node.log().matches(outcome).count() > before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_has_a_node_read_its_certificates_anew() {
    let folder = tempfile::tempdir().unwrap();
    let certs = certificates(folder.path());
    let cluster = Cluster::start_with(&["region=us"], Some(certs.clone()), &[]);
    let init = cluster.command(0, &["init"]);
    assert!(init.status.success(), "{}", said(&init));
    let old = on_disk(&certs);
    assert_eq!(
        all_presented(&cluster, 0, &certs).await,
        [(); 3].map(|()| old.clone())
    );

    // New files alone change nothing: whoever uploads them is not done yet.
    cert(
        folder.path(),
        &[
            "create-node",
            "localhost",
            &loopback().to_string(),
            "--lifetime=200h",
        ],
    );
    let new = on_disk(&certs);
    assert!(new.0 != old.0 && new.1 < old.1, "{new:?}");
    assert_eq!(
        all_presented(&cluster, 0, &certs).await,
        [(); 3].map(|()| old.clone())
    );
    reload(&cluster, &[0], "successfully reloaded certificates");
    assert_eq!(
        all_presented(&cluster, 0, &certs).await,
        [(); 3].map(|()| new.clone())
    );

    // What cannot be used leaves the node with what it has.
    std::fs::rename(certs.join("node.key"), certs.join("away")).unwrap();
    reload(&cluster, &[0], "could not reload certificates");
    assert_eq!(
        all_presented(&cluster, 0, &certs).await,
        [(); 3].map(|()| new.clone())
    );
    let status = cluster.command(0, &["node", "status"]);
    assert!(status.status.success(), "{}", said(&status));
}

#[test]
fn an_authority_is_replaced_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let certs = certificates(folder.path());
    let mut cluster = Cluster::start_with(THREE, Some(certs.clone()), &[]);
    let init = cluster.command(0, &["init"]);
    assert!(init.status.success(), "{}", said(&init));
    let serves = |cluster: &Cluster, n: usize| {
        wait("the node serves", || {
            let asked = cluster.sql(n, &[], "SELECT count(*) FROM system_probe;\n");
            said(&asked).contains("42P01")
        });
    };
    for n in 0..3 {
        serves(&cluster, n);
    }

    // The new authority beside the old one, then certificates of the new one, then that one alone.
    std::fs::rename(folder.path().join("ca.key"), folder.path().join("old.key")).unwrap();
    cert(folder.path(), &["create-ca"]);
    let both = std::fs::read_to_string(certs.join("ca.crt")).unwrap();
    assert_eq!(both.matches("BEGIN CERTIFICATE").count(), 2);
    let done = "successfully reloaded certificates";
    reload(&cluster, &[0, 1, 2], done);
    cert(
        folder.path(),
        &["create-node", "localhost", &loopback().to_string()],
    );
    cert(folder.path(), &["create-client", "root"]);
    reload(&cluster, &[0, 1, 2], done);
    let end = "-----END CERTIFICATE-----";
    let first = both.find(end).unwrap() + end.len();
    std::fs::write(certs.join("ca.crt"), &both[..first]).unwrap();
    reload(&cluster, &[0, 1, 2], done);

    // A node that never knew the old authority is let in, and lets the others in: they dial with what they read.
    for n in [2, 1] {
        cluster.nodes[n].kill();
        cluster.run(n);
        serves(&cluster, n);
    }
}
