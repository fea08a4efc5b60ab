//! What a server and an alias hold is nobody's to lose: not a create's, not a change's, not a destroy's without consent.

use acceptance_tests::{Aws, Diagnostics, Sandbox, Terraform};
use anyhow::{Result, ensure};
use serde_json::json;

const SERVER: &str = "atlas_localstack.s";
const ALIAS: &str = "atlas_localstack_alias.a";

/// A server without a volume, and an alias on it.
struct Shop {
    sandbox: Sandbox,
    terraform: Terraform,
    port: u16,
}

impl Shop {
    fn open() -> Result<Self> {
        let sandbox = Sandbox::open()?;
        let terraform = sandbox.terraform()?;
        let port = sandbox.port(0)?;
        Ok(Self {
            sandbox,
            terraform,
            port,
        })
    }

    /// The server, which has a variable that its image has too.
    fn server(&self) -> String {
        format!(
            r#"
resource "atlas_network" "n" {{
  name   = "{}"
  subnet = "{}"
}}
resource "atlas_localstack" "s" {{
  name        = "{}"
  network     = atlas_network.n.name
  port        = {}
  persistence = false
  environment = {{ PYTHONUNBUFFERED = "1" }}
}}
"#,
            self.sandbox.name("cloud"),
            self.sandbox.subnet(0),
            self.sandbox.name("ls"),
            self.port,
        )
    }

    /// The server with an alias that has this bucket, and more.
    fn with_alias(&self, bucket: &str, more: &str) -> String {
        let server = self.server();
        format!(
            r#"{server}
resource "atlas_localstack_alias" "a" {{
  region   = "us-east-1"
  endpoint = atlas_localstack.s.endpoint
  bucket   = {{ name = "{bucket}" }}
  {more}
}}
"#
        )
    }

    fn run(&self, script: &str) -> Result<serde_json::Value> {
        let container = format!("atlas-localstack-{}", self.sandbox.name("ls"));
        Aws::new(&container, "us-east-1").run(script)
    }

    /// The only object of a bucket is as it was written.
    fn expect_object(&self, bucket: &str) -> Result<()> {
        let body = self.run(&format!(
            "say(s3.get_object(Bucket='{bucket}', Key='k')['Body'].read().decode())"
        ))?;
        ensure!(body == "kept", "the object of {bucket} is {body}");
        Ok(())
    }

    /// An apply that must fail, and leave no alias in the state.
    fn expect_refused(&self, config: &str, parts: &[&str]) -> Result<Diagnostics> {
        let said = self.terraform.expect_apply_error(config)?;
        said.expect(parts)?;
        let known = self.terraform.addresses()?;
        ensure!(!known.contains(ALIAS), "the alias is in the state\n{said}");
        Ok(said)
    }
}

#[test]
fn data_that_is_there_outlives_creates_changes_and_destroys() -> Result<()> {
    let shop = Shop::open()?;
    let terraform = &shop.terraform;
    terraform.apply(&shop.server())?;

    // Nothing goes for an image that is not to be had.
    let image = "localhost:9/atlas/none:1";
    let typo = shop.server().replace(
        "persistence = false",
        &format!("persistence = false\n  image = \"{image}\""),
    );
    terraform
        .expect_plan_error(&typo)?
        .expect_at("image =", &[image, "Nothing is removed"])?;

    // What somebody else made is not taken, whether it looks as wanted or not.
    shop.run(
        "s3.create_bucket(Bucket='theirs')
s3.put_object(Bucket='theirs', Key='k', Body=b'kept')
sqs.create_queue(QueueName='their-queue')
s3.create_bucket(Bucket='peer')",
    )?;
    let theirs = shop.with_alias("theirs", "");
    shop.expect_refused(
        &theirs,
        &["bucket named \"theirs\" already exists", "import"],
    )?;
    let queue = shop.with_alias("ours", "queue = { name = \"their-queue\" }");
    shop.expect_refused(
        &queue,
        &["queue named \"their-queue\" already exists", "import"],
    )?;
    shop.expect_object("theirs")?;
    let buckets = shop.run("say(sorted(one['Name'] for one in s3.list_buckets()['Buckets']))")?;
    ensure!(buckets == json!(["peer", "theirs"]), "{buckets}");

    // Who imports it consents: the first apply marks it, and nothing differs from then on.
    let id = format!("us-east-1,http://127.0.0.1:{},theirs", shop.port);
    terraform.write(&theirs)?;
    terraform.command("import")?.args([ALIAS, &id]).succeed()?;
    let plan = terraform.plan(&theirs)?;
    plan.expect(ALIAS, &["update"])?;
    terraform.apply(&theirs)?;
    terraform.expect_no_changes()?;
    let tags = shop.run("say(s3.get_bucket_tagging(Bucket='theirs')['TagSet'])")?;
    ensure!(
        tags == json!([{"Key": "atlas:alias", "Value": "theirs"}]),
        "{tags}"
    );
    // A queue that comes with a change is nobody's by word.
    let more = shop.with_alias("theirs", "queue = { name = \"their-queue\" }");
    let said = terraform.expect_apply_error(&more)?;
    said.expect(&["their-queue", "already exists", "Import"])?;
    terraform.forget(ALIAS)?;

    // A create that fails half-way, because the peer has no versions, is gone on with.
    let whole = shop.with_alias(
        "ours",
        "queue = { name = \"ours\" }\n  replication = { peer_region = \"eu-west-1\", peer_bucket = \"peer\" }",
    );
    let said = shop.expect_refused(&whole, &["replication", "ours"])?;
    let told = said
        .0
        .iter()
        .map(acceptance_tests::Diagnostic::text)
        .collect::<Vec<_>>();
    let told = told.join("\n");
    ensure!(
        told.contains("atlas:begun") && told.contains("continues from there"),
        "{said}"
    );
    shop.run(
        "s3.put_object(Bucket='ours', Key='k', Body=b'kept')
s3.put_bucket_versioning(Bucket='peer', VersioningConfiguration={'Status': 'Enabled'})",
    )?;
    let said = terraform.apply(&whole)?.output();
    ensure!(
        said.contains("Nothing replicates alias us-east-1/ours") && said.contains("replicator = {"),
        "{said}"
    );
    shop.expect_object("ours")?;
    let tags = shop.run(
        "try: say(s3.get_bucket_tagging(Bucket='ours')['TagSet'])
except Exception: say([])",
    )?;
    ensure!(
        tags == json!([{"Key": "atlas:alias", "Value": "ours"}]),
        "{tags}"
    );

    // A queue with a message is not taken away.
    shop.run("sqs.send_message(QueueUrl=url('ours'), MessageBody='paid')")?;
    let without = shop.with_alias("ours", "");
    let said = terraform.expect_apply_error(&without)?;
    said.expect(&["queue ours holds", "force_destroy"])?;
    terraform.write(&whole)?;
    terraform.expect_no_changes()?;

    // What needs another container needs another server, and that is not to be had while there is data.
    let debug = whole.replace("PYTHONUNBUFFERED", "ATLAS_TEST");
    let plan = terraform.plan(&debug)?;
    plan.expect(SERVER, &["delete", "create"])?;
    let paths = plan.replace_paths(SERVER);
    ensure!(paths == [r#"["environment"]"#], "{paths:?}\n{plan}");
    terraform.expect_apply_error(&debug)?.expect(&[
        "holds",
        "objects in bucket",
        "force_destroy",
    ])?;
    shop.expect_object("ours")?;

    // Neither is what a replacement would find in its own place.
    let lifecycle = "lifecycle {\n    create_before_destroy = true\n  }\n";
    let before = whole.replace(
        "persistence = false",
        &format!("persistence = false\n  {lifecycle}"),
    );
    terraform.write(&before)?;
    let replaced = terraform
        .command("apply")?
        .args(["-auto-approve", "-replace", SERVER])
        .finish()?;
    let said = replaced.output();
    ensure!(
        replaced.code == Some(1) && said.contains("already exists"),
        "{said}"
    );
    shop.expect_object("ours")?;
    terraform.expect_no_changes()?;

    // With consent all of it goes.
    let consent = whole
        .replace(
            "bucket   = { name",
            "bucket   = { force_destroy = true, name",
        )
        .replace(
            "persistence = false",
            "persistence   = false\n  force_destroy = true",
        );
    terraform.apply(&consent)?;
    terraform.destroy().map(drop)
}
