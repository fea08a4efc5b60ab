//! The contract of binary modules: one program, one file of arguments, one JSON object, with or without the
//! collection around it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use acceptance_tests::{Finished, Run, Sandbox, module_binary};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// The keys that ansible-core 2.19 sends to every module, and one of 2.16 and one of times to come.
fn internal(check: bool) -> Value {
    json!({
        "_ansible_check_mode": check,
        "_ansible_no_log": false,
        "_ansible_debug": false,
        "_ansible_diff": true,
        "_ansible_verbosity": 3,
        "_ansible_version": "2.19.14",
        "_ansible_module_name": "atlas.world.network",
        "_ansible_syslog_facility": "LOG_USER",
        "_ansible_selinux_special_fs": ["fuse", "nfs", "vboxsf", "ramfs", "9p", "vfat"],
        "_ansible_socket": null,
        "_ansible_shell_executable": "/bin/sh",
        "_ansible_keep_remote_files": false,
        "_ansible_tmpdir": "/nowhere/ansible-tmp",
        "_ansible_remote_tmp": "~/.ansible/tmp",
        "_ansible_ignore_unknown_opts": false,
        "_ansible_target_log_info": null,
        "_ansible_tracebacks_for": [],
        "_ansible_string_conversion_action": "warn",
        "_ansible_of_times_to_come": {"a": [1]},
    })
}

/// The binary under the name that Ansible gives to a module.
fn named(sandbox: &Sandbox, module: &str) -> Result<PathBuf> {
    let link = sandbox.path(&format!("AnsiballZ_{module}"));
    if !link.exists() {
        symlink(module_binary()?, &link)?;
    }
    Ok(link)
}

/// Runs a module on an arguments file of this content.
fn run(sandbox: &Sandbox, module: &str, arguments: &str) -> Result<Finished> {
    let file = sandbox.path("args");
    fs::write(&file, arguments)?;
    Run::new(named(sandbox, module)?).arg(file).finish()
}

/// The one JSON object of a module that said nothing else.
fn object(finished: &Finished) -> Result<Value> {
    ensure!(finished.stderr.is_empty(), "it wrote to stderr\n{finished}");
    ensure!(
        finished.stdout.lines().count() == 1,
        "not one line\n{finished}"
    );
    let value: Value = serde_json::from_str(&finished.stdout).context("no JSON")?;
    ensure!(value.is_object(), "no object\n{finished}");
    let failed = value["failed"] == true;
    ensure!(
        finished.code == Some(i32::from(failed)),
        "its exit code is another\n{finished}"
    );
    Ok(value)
}

#[test]
fn a_module_understands_all_that_ansible_sends() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let name = sandbox.name("net");
    let with = |check: bool| {
        let mut all = internal(check);
        all["name"] = name.as_str().into();
        all["subnet"] = sandbox.subnet(0).into();
        all.to_string()
    };
    let foretold = object(&run(&sandbox, "network", &with(true))?)?;
    ensure!(
        sandbox.docker().network(&name)?.is_none(),
        "a check run made the network"
    );
    let done = object(&run(&sandbox, "network", &with(false))?)?;
    ensure!(
        sandbox.docker().network(&name)?.is_some(),
        "there is no network: {done}"
    );
    for key in ["changed", "diff", "actions", "differences", "replace"] {
        ensure!(foretold[key] == done[key], "{key}: {foretold}\n{done}");
    }
    ensure!(done["changed"] == true && !done["diff"].is_null(), "{done}");
    let repeated = done["invocation"]["module_args"]
        .as_object()
        .context("no arguments")?;
    ensure!(
        !repeated.keys().any(|key| key.starts_with('_')),
        "{repeated:?}"
    );
    // As the command line of `ansible` gives them: everything is a text.
    let texts = json!({"name": name, "subnet": sandbox.subnet(0), "wait_timeout": "60"});
    let again = object(&run(&sandbox, "network", &texts.to_string())?)?;
    ensure!(again["changed"] == false, "{again}");
    Ok(())
}

#[test]
fn whatever_the_arguments_file_is_the_answer_is_json_and_quotes_nothing() -> Result<()> {
    let sandbox = Sandbox::open()?;
    for content in [
        "",
        "hush-hush",
        "[\"hush-hush\"]",
        "{\"token\": \"hush-hush\"",
        "{\"token\": \"hush-hush\"} more",
        "\u{feff}{\"token\": \"hush-hush\"}",
        "null",
    ] {
        let finished = run(&sandbox, "k3d_cluster", content)?;
        let told = object(&finished)?;
        ensure!(told["failed"] == true && told["changed"] == false, "{told}");
        ensure!(
            told["msg"].as_str().is_some_and(|msg| !msg.is_empty()),
            "{told}"
        );
        ensure!(
            !finished.stdout.contains("hush"),
            "{content:?} is quoted\n{finished}"
        );
    }
    let binary = fs::read(module_binary()?)?;
    fs::write(sandbox.path("args"), &binary[..4096])?;
    let module = named(&sandbox, "k3d_cluster")?;
    let told = object(&Run::new(&module).arg(sandbox.path("args")).finish()?)?;
    ensure!(told["failed"] == true, "{told}");
    // No file, and no word at all.
    let told = object(&Run::new(&module).arg(sandbox.path("none")).finish()?)?;
    ensure!(
        told["msg"]
            .as_str()
            .is_some_and(|msg| msg.contains("cannot be read")),
        "{told}"
    );
    let told = object(&Run::new(&module).finish()?)?;
    ensure!(told["failed"] == true, "{told}");
    Ok(())
}

#[test]
fn a_module_that_there_is_not_names_those_that_there_are() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let told = object(&run(&sandbox, "k3d_clutser", "{}")?)?;
    let msg = told["msg"].as_str().unwrap_or_default();
    ensure!(
        msg.contains("k3d_clutser") && msg.contains("k3d_cluster,"),
        "{told}"
    );
    Ok(())
}

#[test]
fn a_plain_copy_beside_a_playbook_is_a_module_without_any_collection() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let ansible = sandbox.ansible()?;
    let library = ansible.folder().join("library");
    fs::create_dir_all(&library)?;
    let copy = library.join("network");
    fs::copy(module_binary()?, &copy)?;
    // Ansible makes it executable on the target.
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o644))?;
    let name = sandbox.name("plain");
    let arguments = json!({"name": name, "subnet": sandbox.subnet(0)});
    let tasks = [
        json!({"name": "foretell", "network": arguments, "check_mode": true}),
        json!({"name": "make", "network": arguments}),
        json!({"name": "again", "network": arguments}),
        json!({"name": "later", "network": {"name": name, "state": "absent"}, "async": 30, "poll": 1}),
    ];
    let none = sandbox.path("no-collections");
    let command = ansible
        .command(&tasks)?
        .env("ANSIBLE_COLLECTIONS_PATH", none);
    let played = ansible.finish(command)?;
    let changed: Vec<&Value> = played
        .tasks
        .iter()
        .map(|one| &one.result["changed"])
        .collect();
    ensure!(
        changed == [true, true, false, true],
        "{changed:?}\n{}",
        played.finished
    );
    ensure!(
        sandbox.docker().network(&name)?.is_none(),
        "the network is left"
    );
    Ok(())
}

#[test]
fn an_architecture_without_a_binary_is_named() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let ansible = sandbox.ansible()?;
    let facts = json!({"name": "facts", "ansible.builtin.set_fact": {
        "ansible_facts": {"architecture": "pdp11"},
    }});
    let task = json!({"name": "run", "atlas.world.network_info": {}});
    let played = ansible.play(&[facts, task])?;
    let told = &played.tasks.last().context("no result")?.result;
    let msg = told["msg"].as_str().unwrap_or_default();
    ensure!(
        msg.contains("pdp11") && msg.contains(std::env::consts::ARCH),
        "{told}\n{}",
        played.finished
    );
    Ok(())
}

/// As it is installed from a checkout where nothing was built.
#[test]
fn a_collection_without_any_binary_says_how_to_build_one() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let ansible = sandbox.ansible()?;
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ansible-module/collection");
    let bare = sandbox.path("bare/ansible_collections/atlas/world");
    fs::create_dir_all(&bare)?;
    for part in ["plugins", "meta", "galaxy.yml"] {
        let copy = Run::new("cp").arg("-r");
        copy.args([checkout.join(part), bare.join(part)])
            .succeed()?;
    }
    let command = ansible.command(&[json!({"name": "run", "atlas.world.network_info": {}})])?;
    let played = ansible.finish(command.env("ANSIBLE_COLLECTIONS_PATH", sandbox.path("bare")))?;
    let told = &played.tasks.last().context("no result")?.result;
    let msg = told["msg"].as_str().unwrap_or_default();
    ensure!(
        msg.contains("it has: none") && msg.contains("make collection-build"),
        "{told}\n{}",
        played.finished
    );
    let makefile = fs::read_to_string(checkout.join("../../Makefile"))?;
    let target = msg
        .split_once("`make ")
        .and_then(|(_, rest)| rest.split_once('`'));
    let target = target.context("no target is named")?.0;
    ensure!(
        makefile.contains(&format!("\n{target}: ")),
        "there is no make {target}"
    );
    Ok(())
}
