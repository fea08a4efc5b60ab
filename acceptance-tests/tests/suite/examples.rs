//! Every example works as it stands: those of the provider's documentation, those of the modules' documentation, and the
//! whole small worlds in `examples/`.

use std::fs;
use std::path::{Path, PathBuf};

use acceptance_tests::{AtHome, Finished, Run, Sandbox, Settings, files_below};
use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The examples' folder; each folder in it that holds `*.tf` files is one example.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../provider/examples")
}

/// All examples, by path.
fn examples() -> Result<Vec<PathBuf>> {
    let mut found = files_below(&folder())?;
    found.retain(|path| path.extension().is_some_and(|extension| extension == "tf"));
    for path in &mut found {
        path.pop();
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// The text of an example's files, without the declaration of the provider, which the harness has.
fn text(example: &Path) -> Result<String> {
    let mut files: Vec<PathBuf> = fs::read_dir(example)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    // What is imported is made by nobody before.
    files.retain(|path| {
        let is_import = path.ends_with("import-by-string-id.tf");
        !is_import && path.extension().is_some_and(|extension| extension == "tf")
    });
    files.sort();
    let texts: Vec<String> = files
        .iter()
        .map(fs::read_to_string)
        .collect::<Result<_, _>>()?;
    Ok(without_block(&texts.join("\n"), "terraform {"))
}

/// Takes out a block whose head and end stand at the beginning of a line.
fn without_block(text: &str, head: &str) -> String {
    let mut kept = String::new();
    let mut inside = false;
    for line in text.lines() {
        inside = inside || line == head;
        if !inside {
            kept.push_str(line);
            kept.push('\n');
        }
        inside = inside && line != "}";
    }
    kept
}

/// What is looked up must be there when it is planned: look-ups come with a second apply.
#[test]
fn every_example_is_applied() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = sandbox.terraform()?;
    let is_opentofu = Settings::get()?.is_opentofu();
    let mut home = AtHome::new(&sandbox)?;
    let (mut made, mut looked_up) = (String::new(), String::new());
    for example in examples()? {
        let text = home.text(&text(&example)?)?;
        // Those of tests that run beside this one come and go.
        let text = text.replace(
            "= data.atlas_k3d_clusters.all.names",
            "= length(data.atlas_k3d_clusters.all.names) > 0",
        );
        if text.contains("resource \"") {
            made += &text;
        } else if !(is_opentofu && text.contains("ephemeral ")) {
            looked_up += &text;
        }
    }
    terraform.apply(&made)?;
    terraform.apply(&(made + &looked_up))?;
    let pods = terraform.output("us_pods")?;
    ensure!(pods.is_string(), "the function gave {pods}");
    terraform.destroy()?;
    Ok(())
}

#[test]
fn every_example_is_valid() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = sandbox.terraform()?;
    let examples = examples()?;
    ensure!(
        !examples.is_empty(),
        "there is no example in {}",
        folder().display()
    );
    for example in examples {
        let text = text(&example)?;
        if Settings::get()?.is_opentofu() && text.contains("ephemeral ") {
            continue;
        }
        terraform.write(&text)?;
        let checked = terraform.command("validate")?.succeed();
        checked.with_context(|| example.display().to_string())?;
    }
    Ok(())
}

/// The modules' examples, in an order in which each finds what it needs.
const MODULES: [&str; 17] = [
    "network",
    "k3d_cluster",
    "k3d_cluster_info",
    "k3d_node",
    "kubeconfig",
    "load_balancer",
    "k3d_image_import",
    "network_info",
    "network_bridge",
    "network_bridge_info",
    "localstack",
    "localstack_info",
    "localstack_alias",
    "cockroachdb_region",
    "cockroachdb_cluster",
    "cockroachdb_database",
    "cockroachdb_info",
];

/// In which order what "Remove" says is taken away.
const REMOVED: [&str; 7] = [
    "network_bridge",
    "k3d_cluster",
    "localstack",
    "cockroachdb_database",
    "cockroachdb_region",
    "cockroachdb_cluster",
    "network",
];

/// All tasks of all modules' examples in one play, as `ansible-doc` prints them; what removes comes last.
#[test]
fn every_example_of_a_module_runs() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ansible-module/examples");
    let sandbox = Sandbox::open()?;
    let ansible = sandbox.ansible()?;
    let mut home = AtHome::new(&sandbox)?;
    let examples = fs::read_dir(&folder)?.count();
    ensure!(
        examples == MODULES.len(),
        "{examples} examples, and {} in this order",
        MODULES.len()
    );
    let (mut made, mut removed) = (Vec::new(), Vec::new());
    for module in MODULES {
        let text = fs::read_to_string(folder.join(format!("{module}.yml")))?;
        let tasks: Vec<Value> = serde_yaml_ng::from_str(&home.text(&text)?)?;
        for task in tasks {
            let goes = task["name"]
                .as_str()
                .is_some_and(|name| name.starts_with("Remove"));
            if goes {
                removed.push((module, task));
            } else {
                made.push(task);
            }
        }
    }
    let rank = |module: &str| REMOVED.iter().position(|one| *one == module);
    removed.sort_by_key(|(module, _)| rank(module));
    let image = format!("{}example/shop:1", sandbox.prefix());
    let docker = sandbox.docker();
    docker.run(&["tag", &Settings::get()?.replicator_image, &image])?;
    let removed = removed.into_iter().map(|(_, task)| task);
    let tasks: Vec<Value> = made.into_iter().chain(removed).collect();
    let played = ansible.succeed(&tasks);
    docker.run(&["rmi", &image])?;
    played.map(drop)
}

fn top(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples")
        .join(name)
}

/// A root of `examples/` in the sandbox, with names of the sandbox's.
fn copied(home: &mut AtHome<'_>, sandbox: &Sandbox, name: &str) -> Result<PathBuf> {
    let folder = sandbox.path(name);
    fs::create_dir_all(&folder)?;
    for entry in fs::read_dir(top(name))? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        let is_page = path.extension().is_some_and(|extension| extension == "md");
        if !is_page {
            let file = path.file_name().context("no name")?;
            fs::write(folder.join(file), home.text(&text)?)?;
        }
    }
    Ok(folder)
}

/// A command in an example's folder with what `.atlas/env` gives a shell.
fn by_hand(sandbox: &Sandbox, folder: &Path, command: &str) -> Result<Finished> {
    let script = format!(
        "set -euo pipefail\nsource {}/env\n{command}\n",
        sandbox.path("state").display()
    );
    Run::new("bash")
        .args(["-c", &script])
        .dir(folder)
        .limit(std::time::Duration::from_secs(300))
        .env("HOME", sandbox.path("home"))
        .without_env("TF_CLI_CONFIG_FILE")
        .without_env("TF_DATA_DIR")
        .succeed()
}

/// `.atlas/env`, a filesystem mirror and programs, as `make world` writes them.
fn with_environment(sandbox: &Sandbox) -> Result<()> {
    let settings = Settings::get()?;
    let provider = settings.provider.parent().context("no folder")?;
    let lines = "set -euo pipefail\nsource scripts/lib.sh\nsource scripts/provider.sh\n\
                 source scripts/environment.sh\nuse_provider\nwrite_environment\n";
    Run::new("bash")
        .args(["-c", lines])
        .dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .env("ATLAS_STATE_DIR", sandbox.path("state"))
        .env("ATLAS_PROVIDER_DIR", provider)
        .envs(settings.images())
        .succeed()?;
    Ok(())
}

/// Each root of `examples/`: `terraform init` installs the provider from the mirror with a lock file, beside hashicorp/aws; what
/// is applied needs no change, and nothing is left after destroy. Side by side, because each mostly waits.
#[test]
fn whole_examples_are_installed_applied_and_destroyed() -> Result<()> {
    let sandbox = Sandbox::open()?;
    with_environment(&sandbox)?;
    let mut home = AtHome::new(&sandbox)?;
    let roots: Vec<PathBuf> = [
        "two-regions",
        "database-in-three-regions",
        "cloud-in-two-regions",
    ]
    .into_iter()
    .map(|name| copied(&mut home, &sandbox, name))
    .collect::<Result<_>>()?;
    // Another provider beside it, as in anybody's own configuration.
    let main = roots[2].join("main.tf");
    let text = fs::read_to_string(&main)?;
    let head = "required_providers {\n";
    let beside = format!("{head}    aws = {{ source = \"hashicorp/aws\" }}\n");
    fs::write(main, text.replacen(head, &beside, 1))?;
    std::thread::scope(|scope| {
        let running: Vec<_> = roots
            .iter()
            .map(|root| scope.spawn(|| lives(&sandbox, root)))
            .collect();
        running.into_iter().try_for_each(|one| {
            one.join()
                .map_err(|_| anyhow::anyhow!("a root's thread panicked"))?
        })
    })?;
    let left = sandbox.docker().objects(&sandbox.prefix())?;
    ensure!(left.is_empty(), "left is\n{left}");
    Ok(())
}

fn lives(sandbox: &Sandbox, root: &Path) -> Result<()> {
    let terraform = |words: &str| {
        by_hand(sandbox, root, &format!("terraform {words}"))
            .with_context(|| root.display().to_string())
    };
    let installed = terraform("init -input=false -no-color")?;
    ensure!(root.join(".terraform.lock.hcl").exists(), "{installed}");
    let applied = terraform("apply -auto-approve -input=false -no-color")?;
    let said = format!("{}{}", applied.stdout, applied.stderr);
    ensure!(!said.contains("Warning"), "{applied}");
    terraform("plan -detailed-exitcode -input=false -no-color")?;
    if root.ends_with("database-in-three-regions") {
        let survives = terraform("output -json survives_a_region")?;
        ensure!(survives.stdout.trim() == "true", "{survives}");
    }
    terraform("destroy -auto-approve -input=false -no-color")?;
    Ok(())
}

/// The play of `examples/playbook` from a folder of its own: the second run changes nothing, and nothing is left in the end.
#[test]
fn the_playbook_among_the_examples_runs() -> Result<()> {
    let sandbox = Sandbox::open()?;
    with_environment(&sandbox)?;
    let mut home = AtHome::new(&sandbox)?;
    let folder = copied(&mut home, &sandbox, "playbook")?;
    let play = |words: &str| by_hand(&sandbox, &folder, &format!("ansible-playbook {words}"));
    play("site.yml")?;
    let again = play("site.yml --check --diff")?;
    ensure!(again.stdout.contains("changed=0"), "{again}");
    play("teardown.yml")?;
    let left = sandbox.docker().objects(&sandbox.prefix())?;
    ensure!(left.is_empty(), "left is\n{left}");
    Ok(())
}
