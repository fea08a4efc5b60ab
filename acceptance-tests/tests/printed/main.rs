//! Nothing that is printed for users to copy harms the world, and all of it is run by some test.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use acceptance_tests::{CodeBlock, code_blocks, files_below};
use anyhow::{Context, Result, ensure};
use serde_json::Value;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What the description of the world names.
#[derive(Default)]
struct World {
    /// Docker's names: of clusters, networks, servers, buckets, queues, the bridge, the database.
    names: BTreeSet<String>,
    ports: BTreeSet<u64>,
    networks: Vec<(u32, u32)>,
}

impl World {
    fn read() -> Result<Self> {
        let path = repository().join("orchestration/group_vars/all/world.yml");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let mut world = Self::default();
        world.take("", &serde_yaml_ng::from_str(&text)?);
        ensure!(world.names.contains("dc-us") && world.ports.contains(&30443));
        ensure!(world.networks.len() > 6);
        Ok(world)
    }

    fn take(&mut self, key: &str, value: &Value) {
        const NAMED: [&str; 7] = [
            "cluster", "network", "server", "bucket", "queue", "name", "database",
        ];
        match value {
            Value::Object(entries) => {
                for (key, value) in entries {
                    self.take(key, value);
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.take(key, item);
                }
            }
            Value::Number(number) if key.ends_with("port") || key.ends_with("ports") => {
                self.ports.extend(number.as_u64());
            }
            Value::String(text) => {
                if NAMED.contains(&key) {
                    self.names.insert(text.clone());
                }
                self.networks.extend(network(text));
            }
            _ => {}
        }
    }

    /// What of a text is the world's.
    fn found_in(&self, text: &str) -> Vec<String> {
        let ends = |c: char| !(c.is_alphanumeric() || "-_./".contains(c));
        let words: Vec<&str> = text.split(ends).filter(|word| !word.is_empty()).collect();
        let mut found = Vec::new();
        for (at, word) in words.iter().enumerate() {
            // A region has its name from the place, a cluster or server has it for itself.
            let key = at.checked_sub(1).map_or("", |before| words[before]);
            let is_name = matches!(key, "name" | "cluster" | "network" | "queue" | "bucket");
            let is_place = word.starts_with("us-") || word.starts_with("eu-");
            if self.names.contains(*word) && (is_name && !is_place || word.contains("dc-")) {
                found.push(format!("{key} {word}"));
            }
            let port = word.parse::<u64>().ok();
            if port.is_some_and(|port| self.ports.contains(&port)) && key != "container_port" {
                found.push(format!("port {word}"));
            }
            if let Some(theirs) = network(word)
                && self.networks.iter().any(|own| overlap(*own, theirs))
            {
                found.push(format!("network {word}"));
            }
        }
        found
    }
}

/// First and last address of a CIDR.
fn network(text: &str) -> Option<(u32, u32)> {
    let (address, length) = text.split_once('/')?;
    let address = u32::from(address.parse::<Ipv4Addr>().ok()?);
    let length: u32 = length.parse().ok().filter(|length| *length <= 32)?;
    let hosts = u32::MAX.checked_shr(length).unwrap_or(0);
    Some((address & !hosts, address | hosts))
}

fn overlap(a: (u32, u32), b: (u32, u32)) -> bool {
    a.0 <= b.1 && b.0 <= a.1
}

/// Blocks that are copied: configuration, in pages that show how it is written.
fn copied() -> Result<Vec<CodeBlock>> {
    let mut blocks = code_blocks(&repository())?;
    blocks.retain(|block| ["terraform", "hcl", "yaml"].contains(&block.language.as_str()));
    Ok(blocks)
}

#[test]
fn no_example_names_what_is_the_worlds() -> Result<()> {
    let world = World::read()?;
    let mut clashes = Vec::new();
    for folder in ["examples", "provider/examples", "ansible-module/examples"] {
        for file in files_below(&repository().join(folder))? {
            for found in world.found_in(&fs::read_to_string(&file)?) {
                clashes.push(format!("{}: {found}", file.display()));
            }
        }
    }
    for block in copied()? {
        // The world's own pages show what the world is made of.
        let own = ["orchestration", "gitops", "infrastructure"];
        if !own.iter().any(|folder| block.page.starts_with(folder)) {
            for found in world.found_in(&block.text) {
                clashes.push(format!("{}:{}: {found}", block.page.display(), block.line));
            }
        }
    }
    ensure!(clashes.is_empty(), "{}", clashes.join("\n"));
    Ok(())
}

#[test]
fn the_test_of_names_finds_them() -> Result<()> {
    let world = World::read()?;
    for harmful in [
        "name: ledger\nstate: absent",
        "cluster: dc-us",
        "host_port: 30443",
        "subnet = \"10.64.4.0/24\"",
        "network: atlas-us-east",
        "name     = \"world\"",
    ] {
        ensure!(!world.found_in(harmful).is_empty(), "{harmful}");
    }
    for harmless in [
        "name: us-east",
        "name: example-us",
        "subnet: 10.98.0.0/24",
        "port: 18566",
    ] {
        ensure!(world.found_in(harmless).is_empty(), "{harmless}");
    }
    Ok(())
}

/// Configuration in pages is part of a file that tests run as it stands.
#[test]
fn every_block_of_configuration_stands_in_a_file_that_tests_run() -> Result<()> {
    let mut texts = Vec::new();
    for folder in [
        "examples",
        "provider/examples",
        "ansible-module/examples",
        "infrastructure",
        "orchestration",
        "gitops",
    ] {
        for file in files_below(&repository().join(folder))? {
            let is_page = file.extension().is_some_and(|extension| extension == "md");
            if !is_page && let Ok(text) = fs::read_to_string(&file) {
                texts.push(text);
            }
        }
    }
    let mut strangers = Vec::new();
    for block in copied()? {
        let wanted = block.text.trim();
        if !texts.iter().any(|text| contains(text, wanted)) {
            strangers.push(format!("{}:{}\n{wanted}", block.page.display(), block.line));
        }
    }
    ensure!(
        strangers.is_empty(),
        "in no file that is run:\n{}",
        strangers.join("\n\n")
    );
    Ok(())
}

/// Whether a block is part of a file, whole lines of it, however deep it stands there.
fn contains(text: &str, block: &str) -> bool {
    let strip = |text: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.trim().to_owned());
        lines.filter(|line| !line.is_empty()).collect()
    };
    let (text, block) = (strip(text), strip(block));
    text.windows(block.len().max(1)).any(|lines| lines == block)
}

/// How commands in pages are covered: what begins like this is run by a test, or is one of the commands that run the tests.
const COMMANDS: [(&str, &str); 26] = [
    (
        "make ",
        "a target of the Makefile, which this test looks up",
    ),
    ("scripts/", "a script, which this test looks up"),
    ("cargo ", "the tests themselves"),
    (
        "terraform init",
        "examples::whole_examples_are_installed_applied_and_destroyed",
    ),
    (
        "terraform plan",
        "examples::whole_examples_are_installed_applied_and_destroyed",
    ),
    (
        "terraform apply",
        "examples::whole_examples_are_installed_applied_and_destroyed",
    ),
    (
        "terraform destroy",
        "examples::whole_examples_are_installed_applied_and_destroyed",
    ),
    ("terraform import", "each resource's test of import"),
    ("tofu ", "the suite by OpenTofu: make test-opentofu"),
    (
        "ansible-playbook site.yml",
        "playbook::, examples::the_playbook_among_the_examples_runs",
    ),
    (
        "ansible-playbook teardown.yml",
        "playbook::, examples::the_playbook_among_the_examples_runs",
    ),
    ("ansible-galaxy collection install", "ansible_contract::"),
    ("ansible-inventory ", "inventory::"),
    ("ansible-doc ", "scripts/check-collection.sh"),
    ("source .atlas/env", "examples::"),
    ("source ../.atlas/env", "examples::"),
    ("kubectl ", "bridge::, cluster::"),
    ("docker stop", "cockroachdb::drift"),
    ("docker ", "bridge::"),
    ("aws ", "cloud::, localstack::"),
    ("echo ", "cloud::"),
    ("psql ", "cockroachdb::life"),
    ("argocd ", "playbook::"),
    ("atlas ", "the tests of cli/"),
    (".atlas/bin/atlas ", "scripts::status"),
    ("export ", "the shell"),
];

#[test]
fn every_command_in_a_page_is_known_to_a_test() -> Result<()> {
    let makefile = fs::read_to_string(repository().join("Makefile"))?;
    let mut unknown = Vec::new();
    for block in code_blocks(&repository())? {
        if !["console", "shell", "sh", "bash"].contains(&block.language.as_str()) {
            continue;
        }
        for (offset, line) in block.text.lines().enumerate() {
            let command = line.strip_prefix("$ ").unwrap_or(line).trim();
            if command.is_empty() || command.starts_with('#') {
                continue;
            }
            // Further lines of a command, and what it prints.
            if block.language == "console" && !line.starts_with("$ ") {
                continue;
            }
            let known = COMMANDS
                .iter()
                .find(|(start, _)| command.starts_with(start));
            let first = command.split_whitespace().next().unwrap_or_default();
            let there = match known {
                None => false,
                Some(("make ", _)) => command[5..].split("&&").next().is_some_and(|words| {
                    let mut words = words.split_whitespace().filter(|word| !word.contains('='));
                    words
                        .next()
                        .is_some_and(|target| makefile.contains(&format!("\n{target}:")))
                }),
                Some(("scripts/", _)) => repository().join(first).exists(),
                Some(_) => true,
            };
            if !there {
                let line = block.line + offset;
                unknown.push(format!("{}:{line}: {command}", block.page.display()));
            }
        }
    }
    ensure!(unknown.is_empty(), "{}", unknown.join("\n"));
    Ok(())
}
