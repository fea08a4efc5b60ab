//! Bad input, and what the world refuses.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use acceptance_tests::{Run, Sandbox, Settings, eventually};
use anyhow::{Context, Result, ensure};

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
            vec!["Audit", "lower-case letters"],
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
        .expect_at("endpoint", &["127.0.0.1:1", "cannot connect"])?;
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
