//! Two inventories and one description of the world: they name the same regions, hosts and clusters.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use acceptance_tests::{Run, Sandbox, ansible_program};
use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

fn orchestration() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../orchestration")
}

/// What `ansible-inventory` makes of an inventory beside the playbook's group variables.
fn inventory(run: Run) -> Result<Value> {
    let listed = run
        .args(["--list", "--playbook-dir", "."])
        .dir(&orchestration())
        .succeed()?;
    serde_json::from_str(&listed.stdout).with_context(|| listed.to_string())
}

fn listed(name: &str) -> Result<Run> {
    Ok(Run::new(ansible_program("ansible-inventory")?).args(["--inventory", name]))
}

/// Hosts by group.
fn hosts(inventory: &Value) -> BTreeMap<String, Vec<String>> {
    let groups = inventory.as_object().into_iter().flatten();
    let groups = groups.filter_map(|(name, group)| {
        let hosts = group["hosts"].as_array()?;
        let hosts = hosts
            .iter()
            .filter_map(|host| host.as_str().map(str::to_owned));
        Some((name.clone(), hosts.collect()))
    });
    groups.collect()
}

/// The description of the world, which every host has among its variables.
fn regions(inventory: &Value) -> Result<Map<String, Value>> {
    let mut all = inventory["_meta"]["hostvars"]
        .as_object()
        .into_iter()
        .flatten();
    let (_, variables) = all.next().context("no host has variables")?;
    variables["world_regions"]
        .as_object()
        .cloned()
        .context("no host knows world_regions")
}

/// As Ansible wants names of groups and hosts.
fn underscored(name: &str) -> String {
    name.replace('-', "_")
}

#[test]
fn the_inventory_has_a_group_and_a_host_for_every_region() -> Result<()> {
    let found = inventory(listed("inventory/hosts.yml")?)?;
    let hosts = hosts(&found);
    let regions = regions(&found)?;
    for (region, described) in &regions {
        let group = underscored(region);
        let host = underscored(described["cluster"].as_str().unwrap_or_default());
        ensure!(
            hosts.get(&group) == Some(&vec![host.clone()]),
            "{group}: {hosts:?}"
        );
        let knows = &found["_meta"]["hostvars"][&host]["region"];
        ensure!(
            *knows == region.as_str(),
            "{host} takes itself for {knows}, not {region}"
        );
    }
    let mut groups: Vec<String> = regions.keys().map(|region| underscored(region)).collect();
    groups.push("argocd".to_owned());
    groups.sort();
    ensure!(
        hosts.keys().cloned().collect::<Vec<_>>() == groups,
        "{hosts:?}"
    );
    Ok(())
}

#[test]
fn terraforms_inventory_is_the_files() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let file = inventory(listed("inventory/hosts.yml")?)?;
    // What infrastructure/world/outputs.tf prints for this description; scripts.rs does it for real.
    let clusters: Map<String, Value> = regions(&file)?
        .iter()
        .map(|(region, described)| {
            let name = described["cluster"].as_str().unwrap_or_default().to_owned();
            let facts = json!({
                "region": region,
                "api": "https://127.0.0.1:1",
                "kubeconfig": format!("/nowhere/{name}.yaml"),
                "nodes": [],
            });
            (name, facts)
        })
        .collect();
    let outputs = json!({"clusters": {"value": clusters}});
    let terraform = sandbox.path("terraform");
    fs::write(
        &terraform,
        format!("#!/bin/sh\ncat <<'JSON'\n{outputs}\nJSON\n"),
    )?;
    fs::set_permissions(&terraform, fs::Permissions::from_mode(0o755))?;
    let run = listed("inventory/terraform.py")?.env("ATLAS_TERRAFORM", &terraform);
    let theirs = inventory(run)?;
    ensure!(hosts(&theirs) == hosts(&file), "{theirs}\n{file}");
    for host in hosts(&file).values().flatten() {
        for key in ["region", "ansible_connection", "region_kubeconfig"] {
            let of = |from: &Value| from["_meta"]["hostvars"][host][key].clone();
            ensure!(!of(&file).is_null(), "{host} has no {key}: {file}");
            ensure!(
                of(&theirs) == of(&file),
                "{host} differs in {key}: {theirs}"
            );
        }
    }
    Ok(())
}
