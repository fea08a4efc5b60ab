//! The world's cloud side: what Terraform makes of `infrastructure/cloud` carries objects and messages between the
//! regions, and is the playbook's as well as Terraform's own.

use std::time::Duration;

use acceptance_tests::{Aws, Finished, Playbook, Run, Sandbox, Settings, eventually};
use anyhow::{Context, Result, ensure};
use serde_json::json;

/// The cloud side alone.
const CLOUD: &[&str] = &["--tags", "localstack"];

/// A sandbox's world, and a copy of `infrastructure/`, with what it reads, in which Terraform may write.
struct World {
    sandbox: Sandbox,
    playbook: Playbook,
}

impl World {
    fn open() -> Result<Self> {
        let sandbox = Sandbox::open()?;
        let playbook = Playbook::with_cloud(&sandbox)?;
        sandbox.copy_of_repository(&["infrastructure", "orchestration"])?;
        Ok(Self { sandbox, playbook })
    }

    /// Lines of bash after the scripts that `make world` has, for this world and this copy.
    fn script(&self, lines: &str) -> Result<Run> {
        let settings = Settings::get()?;
        let provider = settings.provider.parent().context("no folder")?;
        let script = format!(
            "set -euo pipefail\nsource scripts/lib.sh\nsource scripts/provider.sh\nsource scripts/cloud.sh\n\
             ensure_aws_provider\nATLAS_ROOT={}\n{lines}\n",
            self.sandbox.folder().display()
        );
        Ok(self
            .surrounded(Run::new("bash").args(["-c", &script]))?
            .env("ATLAS_PROVIDER_DIR", provider))
    }

    /// A command of the repository, with this world's description, state and images.
    fn surrounded(&self, run: Run) -> Result<Run> {
        let settings = Settings::get()?;
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        Ok(run
            .dir(root.as_ref())
            .env("ATLAS_CACHE_DIR", self.sandbox.path("cache"))
            .env("ATLAS_STATE_DIR", self.playbook.state())
            .env("ATLAS_WORLD", self.playbook.world())
            .env("ATLAS_TERRAFORM", &settings.terraform)
            .env("ATLAS_LOCALSTACK_IMAGE", &settings.localstack_image)
            .env("ATLAS_REPLICATOR_IMAGE", &settings.replicator_image)
            .env("ATLAS_SERVER_PER_REGION", "true")
            .limit(Duration::from_secs(300)))
    }

    fn aws(&self, region: usize) -> Aws {
        let name = ["us-east-1", "eu-central-1"][region];
        Aws::new(&self.playbook.server(region), name)
    }

    fn expect_nothing_left(&self, after: &Finished) -> Result<()> {
        let left = self.sandbox.docker().objects(&self.sandbox.prefix())?;
        ensure!(left.is_empty(), "there is left:\n{left}\n{after}");
        Ok(())
    }

    /// An object written in one region is read in the other, both ways, and a message reaches the other queue.
    fn expect_carried(&self) -> Result<()> {
        let buckets = [self.playbook.bucket(0), self.playbook.bucket(1)];
        for (here, there) in [(0, 1), (1, 0)] {
            let peer = ["us-east-1", "eu-central-1"][there];
            let bucket = &buckets[here];
            self.aws(here).run(&format!(
                "s3.put_object(Bucket='{bucket}', Key='from/{here}', Body=b'record', Metadata={{'by': 'ledger'}})
sqs.send_message(QueueUrl=url('transactions-to-{peer}.fifo'), MessageBody='from {here}', MessageGroupId='a')"
            ))?;
        }
        for (here, there) in [(0, 1), (1, 0)] {
            let script = format!(
                "got = s3.get_object(Bucket='{}', Key='from/{here}')
say([got['Body'].read().decode(), got['Metadata']['by']])",
                buckets[there]
            );
            let seen = eventually(Duration::from_secs(20), || self.aws(there).run(&script))?;
            ensure!(seen == json!(["record", "ledger"]), "{seen}");
            let seen = self.aws(there).run(
                "got = sqs.receive_message(QueueUrl=url('transactions.fifo'), WaitTimeSeconds=15)
say([message['Body'] for message in got.get('Messages', [])])",
            )?;
            ensure!(seen == json!([format!("from {here}")]), "{seen}");
        }
        Ok(())
    }
}

#[test]
fn what_terraform_applies_is_carried_between_regions_and_is_the_playbooks_too() -> Result<()> {
    let world = World::open()?;
    let applied = world
        .script("init_with_aws cloud\ncloud_apply")?
        .succeed()?;
    world.expect_carried()?;
    let roles = world.aws(0).run(
        "say(sorted(role['RoleName'].split('-')[-1] for role in iam.list_roles()['Roles']))",
    )?;
    ensure!(
        roles == json!(["ledger", "replicator"]),
        "{roles}\n{applied}"
    );
    world.playbook.expect_unchanged("site.yml", CLOUD)?;
    world
        .playbook
        .expect_unchanged("site.yml", &[CLOUD, &["--check", "--diff"]].concat())?;

    // A server that is down stands in the way of hashicorp/aws, and not of the next apply.
    let docker = world.sandbox.docker();
    docker.run(&["kill", &world.playbook.server(1)])?;
    let again = world.script("cloud_apply")?.succeed()?;
    ensure!(
        again.stdout.contains("0 added, 0 changed, 0 destroyed"),
        "{again}"
    );
    ensure!(
        docker.container(&world.playbook.server(1))?.is_running(),
        "{again}"
    );

    // As after an apply that was killed before it could write its state.
    std::fs::remove_file(world.playbook.state().join("cloud.tfstate"))?;
    let down = world
        .surrounded(Run::new("scripts/down.sh"))?
        .env("ATLAS_PROVIDER_DIR", world.sandbox.path("nowhere"))
        .succeed()?;
    world.expect_nothing_left(&down)
}

#[test]
fn what_the_playbook_makes_is_carried_between_regions_and_is_terraforms_too() -> Result<()> {
    let world = World::open()?;
    let foretold = world
        .playbook
        .run("site.yml", &[CLOUD, &["--check", "--diff"]].concat())?;
    let made = world.playbook.run("site.yml", CLOUD)?;
    ensure!(
        foretold["dc_us"]["changed"] > 0 && foretold == made,
        "the check run foretold {foretold:?}, and done was {made:?}"
    );
    world.expect_carried()?;
    world.playbook.expect_unchanged("site.yml", CLOUD)?;

    let planned = world
        .script(&format!(
            "cat >\"$ATLAS_ROOT/infrastructure/cloud/imports.tf\" <<'IMPORTS'\n{}IMPORTS\n\
             init_with_aws cloud >&2\n\
             with_aws cloud plan -input=false -no-color -out=planned -var \"world=$ATLAS_WORLD\" -var server_per_region=true >&2\n\
             with_aws cloud show -json planned",
            imports(&world)
        ))?
        .succeed()?;
    let plan: serde_json::Value = serde_json::from_str(&planned.stdout)?;
    let changes = plan["resource_changes"].as_array().into_iter().flatten();
    let of_atlas: Vec<_> = changes
        .filter(|change| {
            change["type"]
                .as_str()
                .is_some_and(|kind| kind.starts_with("atlas_"))
        })
        .map(|change| {
            (
                change["address"].clone(),
                change["change"]["actions"].clone(),
            )
        })
        .collect();
    ensure!(
        of_atlas.len() == 5
            && of_atlas
                .iter()
                .all(|(_, actions)| *actions == json!(["no-op"])),
        "{of_atlas:?}\n{planned}"
    );

    let gone = world.playbook.run("teardown.yml", CLOUD)?;
    ensure!(gone["dc_us"]["changed"] > 0, "{gone:?}");
    world.expect_nothing_left(&planned)?;
    world.playbook.expect_unchanged("teardown.yml", CLOUD)
}

/// Blocks that import everything that Atlas owns.
fn imports(world: &World) -> String {
    let [us, eu] = world.playbook.clusters();
    let alias = |region: &str, place: usize| {
        let port = world.playbook.server_port(place);
        let bucket = world.playbook.bucket(place);
        format!("{region},http://127.0.0.1:{port},{bucket},transactions.fifo")
    };
    let blocks = [
        (
            "atlas_network.cloud",
            "\n  provider = atlas.us",
            world.sandbox.name("cloud"),
        ),
        ("atlas_localstack.us", "\n  provider = atlas.us", us.clone()),
        (
            "atlas_localstack.eu[0]",
            "\n  provider = atlas.eu",
            eu.clone(),
        ),
        (
            "module.us.atlas_localstack_alias.this",
            "",
            alias("us-east-1", 0),
        ),
        (
            "module.eu.atlas_localstack_alias.this",
            "",
            alias("eu-central-1", 1),
        ),
    ];
    let blocks = blocks.map(|(address, provider, id)| {
        format!("import {{\n  to = {address}\n  id = \"{id}\"{provider}\n}}\n")
    });
    blocks.concat()
}

/// The roots' and modules' own tests. Those of `regional_access` make roles, on a server that only they have.
#[test]
fn the_terraform_tests_of_root_and_modules_pass() -> Result<()> {
    let world = World::open()?;
    let (name, port) = (world.sandbox.name("iam"), world.sandbox.port(10)?);
    let publish = format!("127.0.0.1:{port}:4566");
    let image = &Settings::get()?.localstack_image;
    let docker = world.sandbox.docker();
    docker.run(&[
        "run",
        "--detach",
        "--name",
        &name,
        "--publish",
        &publish,
        "--env",
        "SERVICES=iam,sts",
        image,
    ])?;
    let tested = world
        .script(
            "for folder in cloud modules/regional_stack modules/regional_access; do\n  \
             init_with_aws \"$folder\" >&2\n  with_aws \"$folder\" test -no-color\ndone",
        )?
        .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
        .succeed()?;
    let passed = tested.stdout.matches("Success!").count();
    ensure!(passed == 3, "{tested}");
    Ok(())
}
