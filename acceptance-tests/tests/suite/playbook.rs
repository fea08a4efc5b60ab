//! `site.yml` builds the world with Argo CD on it, leaves alone what is as declared, and shares it with
//! Terraform.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use acceptance_tests::{Kubectl, Playbook, Sandbox, Terraform, eventually};
use anyhow::{Result, ensure};

/// In Terraform's world: address, how the object's name ends in a sandbox, and the provider configuration that
/// is not the default one.
const IMPORTS: [(&str, &str, Option<&str>); 5] = [
    ("atlas_network.us", "net-us", None),
    ("atlas_network.eu", "net-eu", Some("atlas.eu")),
    ("atlas_k3d_cluster.us", "us", None),
    ("atlas_k3d_cluster.eu", "eu", Some("atlas.eu")),
    ("atlas_network_bridge.world", "world", None),
];

/// Terraform's own world, for the sandbox's description of it.
fn world(terraform: &Terraform, playbook: &Playbook) -> Result<String> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../infrastructure/world/");
    let mut text = String::new();
    for name in ["main.tf", "variables.tf", "outputs.tf"] {
        text += &fs::read_to_string(format!("{source}{name}"))?;
    }
    // It says itself which providers it needs.
    fs::remove_file(terraform.folder().join("versions.tf")).ok();
    let given =
        serde_json::json!({"world": playbook.world(), "kubeconfig_folder": playbook.state()});
    fs::write(
        terraform.folder().join("terraform.tfvars.json"),
        given.to_string(),
    )?;
    Ok(text)
}

/// What is imported by which id; the clusters' kubeconfig files are those that the playbook wrote.
fn imports(sandbox: &Sandbox, playbook: &Playbook) -> String {
    let blocks = IMPORTS.iter().map(|(address, ending, provider)| {
        let provider = provider
            .map(|one| format!("provider = {one}\n"))
            .unwrap_or_default();
        let name = sandbox.name(ending);
        let state = playbook.state();
        let id = if address.starts_with("atlas_k3d_cluster.") {
            format!("{name},kubeconfig={}/{name}.yaml", state.display())
        } else {
            name
        };
        format!("import {{\n  to = {address}\n  id = \"{id}\"\n  {provider}}}\n")
    });
    blocks.collect()
}

/// Argo CD has brought this text to the page of a cluster.
fn expect_page(kubectl: &Kubectl, text: &str) -> Result<()> {
    eventually(Duration::from_secs(120), || {
        let page = kubectl.run(&[
            "get",
            "configmap",
            "-n",
            "smoke",
            "-o",
            "jsonpath={.items[*].data}",
        ])?;
        ensure!(page.contains(text), "the page is {page}");
        kubectl.run(&[
            "rollout",
            "status",
            "-n",
            "smoke",
            "deployment",
            "--timeout=5s",
        ])
    })
    .map(drop)
}

#[test]
fn preflight_tells_all_that_is_missing_or_too_old_at_once() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let playbook = Playbook::new(&sandbox)?;
    let needs = serde_json::json!({
        "preflight_ansible": "99.0",
        "preflight_kubectl_version": "98.0",
        "preflight_git": sandbox.path("no-git"),
        "preflight_collections": {"kubernetes.core": "97.0", "atlas.nowhere": "1.0"},
    });
    let words = ["--tags", "preflight", "--extra-vars", &needs.to_string()];
    let refused = playbook.expect_refusal("site.yml", &words)?;
    let said = refused
        .output()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    for part in [
        "99.0 or newer is needed",
        "kubectl 98.0 or newer is needed",
        "Git is needed",
        "The collection kubernetes.core 97.0 or newer is needed",
        "The collection atlas.nowhere 1.0 or newer is needed, and there is none",
    ] {
        ensure!(said.contains(part), "{part:?} is not said\n{refused}");
    }
    Ok(())
}

#[test]
fn site_yml_makes_the_world_from_nothing_and_argo_cd_keeps_it() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let playbook = Playbook::new(&sandbox)?;
    let [us, eu] = playbook.clusters().clone();
    let docker = sandbox.docker();

    // A check run foretells, and makes nothing.
    let foretold = playbook.run("site.yml", &["--check", "--diff"])?;
    ensure!(
        docker.objects(&sandbox.prefix())?.is_empty(),
        "a check run made something"
    );

    let played = playbook.run("site.yml", &[])?;
    for (host, recap) in &played {
        ensure!(
            (recap["changed"] > 0) == (foretold[host]["changed"] > 0),
            "{host} was foretold otherwise: {foretold:?}, then {played:?}"
        );
    }
    let argocd = playbook.kubectl(&us);
    for application in [&us, &eu] {
        let name = format!("application/smoke-{application}");
        eventually(Duration::from_secs(60), || {
            argocd.run(&["get", "-n", "argocd", &name])
        })?;
        for state in ["sync.status}=Synced", "health.status}=Healthy"] {
            let wait = format!("--for=jsonpath={{.status.{state}");
            argocd.run(&["wait", "-n", "argocd", &wait, "--timeout=120s", &name])?;
        }
    }
    let password = playbook.state().join("argocd-password");
    let mode = fs::metadata(&password)?.permissions().mode() & 0o777;
    ensure!(mode == 0o600, "the password's file has mode {mode:o}");
    playbook.expect_unchanged("site.yml", &[])?;
    playbook.expect_unchanged("site.yml", &["--check"])?;

    // Who changed the password may delete the Secret of the first one, as the role's README advises, and the file with it: there
    // is nothing to keep any more, and the next run is no failure. It is the one that a change in Git needs anyway.
    let first = ["secret", "argocd-initial-admin-secret"];
    argocd.run(&[&["delete", "-n", "argocd"][..], &first].concat())?;
    fs::remove_file(&password)?;

    // A change in Git reaches both clusters.
    let values = playbook.gitops().join("charts/smoke/values.yaml");
    let changed = fs::read_to_string(&values)?.replacen("greeting: ", "greeting: Changed. ", 1);
    fs::write(&values, changed)?;
    playbook.run("site.yml", &["--tags", "argocd"])?;
    ensure!(!password.exists(), "a password was kept that there is not");
    expect_page(&argocd, "Changed.")?;
    expect_page(&playbook.kubectl(&eu), "Changed.")?;

    // Without the ApplicationSet nothing is left of it in either.
    argocd.run(&["delete", "applicationset", "-n", "argocd", "smoke"])?;
    for cluster in [&us, &eu] {
        let kubectl = playbook.kubectl(cluster);
        eventually(Duration::from_secs(60), || {
            let left = kubectl.run(&["get", "deployment", "-n", "smoke", "-o", "name"])?;
            ensure!(left.is_empty(), "{left}");
            Ok(())
        })?;
    }

    // What goes missing in one region comes back, and the other is left alone.
    let balancer = format!("k3d-{eu}-serverlb");
    docker.run(&["rm", "-f", &balancer])?;
    let before = docker
        .container(&format!("k3d-{us}-server-0"))?
        .started_at()
        .to_owned();
    let repaired = playbook.run("site.yml", &["--limit", "dc_eu"])?;
    ensure!(!repaired.contains_key("dc_us"), "{repaired:?}");
    ensure!(
        docker.container(&balancer)?.is_running(),
        "{balancer} does not run"
    );
    let after = docker
        .container(&format!("k3d-{us}-server-0"))?
        .started_at()
        .to_owned();
    ensure!(before == after, "the other region was started anew");

    // Terraform takes over what Ansible made: nothing is to be changed but that it knows it.
    let terraform = sandbox.terraform()?;
    let config = world(&terraform, &playbook)? + &imports(&sandbox, &playbook);
    let plan = terraform.plan(&config)?;
    for (address, ..) in IMPORTS {
        plan.expect(address, &["no-op"])?;
    }

    playbook.run("teardown.yml", &[])?;
    let left = docker.objects(&sandbox.prefix())?;
    ensure!(left.is_empty(), "after teardown there is left:\n{left}");
    playbook.expect_unchanged("teardown.yml", &[])
}
