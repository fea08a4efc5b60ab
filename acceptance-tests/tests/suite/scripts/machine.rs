//! What the scripts change or tell of the user's machine: limits of the kernel, and what `make install` leaves in the home folder.

use std::fs;
use std::time::Duration;

use acceptance_tests::{Run, Sandbox, Settings, ansible_program, module_binary};
use anyhow::{Context, Result, ensure};

use super::{imagined, repository};

#[test]
fn few_inotify_instances_are_raised_or_told_with_the_remedy() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let folder = sandbox.path("proc/sys/fs/inotify");
    fs::create_dir_all(&folder)?;
    let calls = sandbox.path("calls");
    let set = "--quiet --write fs.inotify.max_user_instances=1024";
    let raised = "raised from 128 to 1024";
    let advised = "is 128, which is few for several clusters at once; as root: sysctl -w \
                   fs.inotify.max_user_instances=1024";
    for (found, user, sysctl, told, called) in [
        ("128", "0", "exit 0", raised, true),
        // As in a container that may not.
        ("128", "0", "exit 1", advised, true),
        ("128", "1000", "exit 0", advised, false),
        ("1024", "0", "exit 0", "", false),
        ("8192", "1000", "exit 0", "", false),
    ] {
        fs::write(folder.join("max_user_instances"), format!("{found}\n"))?;
        fs::write(&calls, "")?;
        imagined(&sandbox, "id", &format!("echo {user}"))?;
        let path = imagined(&sandbox, "sysctl", sysctl)?;
        let lines = "set -euo pipefail\nsource scripts/lib.sh\nsource scripts/setup/limits.sh\nensure_watches";
        let finished = Run::new("bash")
            .args(["-c", lines])
            .dir(&repository())
            .env("PATH", path)
            .env("ATLAS_PROC", sandbox.path("proc"))
            .env("ATLAS_CACHE_DIR", sandbox.path("cache"))
            .env("ATLAS_STATE_DIR", sandbox.path("state"))
            .limit(Duration::from_secs(30))
            .succeed()?;
        let is_told =
            finished.stderr.contains(told) && finished.stderr.is_empty() == told.is_empty();
        ensure!(is_told, "{found}, user {user}, {sysctl}: {finished}");
        let was_called = fs::read_to_string(&calls)?.lines().any(|line| line == set);
        ensure!(
            was_called == called,
            "{found}, user {user}, {sysctl}: {finished}"
        );
    }
    Ok(())
}

/// What `make install` puts into a home folder is found there by `terraform init` and Ansible without any configuration.
/// Nothing is built: the programs are those under test. Packing the collection takes most of some ten seconds.
#[test]
fn what_is_installed_for_good_is_found_from_any_folder() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let settings = Settings::get()?;
    let home = sandbox.path("home");
    let folder = sandbox.path("somewhere");
    for folder in [&home, &folder] {
        fs::create_dir_all(folder)?;
    }
    let at_home = |run: Run| {
        run.env("HOME", &home)
            .without_env("TF_CLI_CONFIG_FILE")
            .without_env("TF_DATA_DIR")
            .without_env("XDG_DATA_HOME")
            .without_env("ANSIBLE_HOME")
            .without_env("ANSIBLE_COLLECTIONS_PATH")
            .limit(Duration::from_secs(180))
    };
    let ansible = ansible_program("ansible")?;
    let ansible = ansible.parent().and_then(|bin| bin.parent());
    let lines = format!(
        "source scripts/install.sh
        rust_program() {{ case $1 in terraform-provider-atlas) echo {} ;; *) echo {} ;; esac; }}
        ensure_ansible() {{ ATLAS_ANSIBLE={}; }}
        install_atlas",
        settings.provider.display(),
        module_binary()?.display(),
        ansible.context("no folder")?.display(),
    );
    let installed = at_home(Run::new("bash").args(["-c", &lines]))
        .dir(&repository())
        .env("ATLAS_PROVIDER_DIR", sandbox.path("provider"))
        .env("ATLAS_CACHE_DIR", sandbox.path("cache"))
        .env("ATLAS_STATE_DIR", sandbox.path("state"))
        .succeed()?;
    ensure!(installed.stderr.contains("Installed"), "{installed}");

    let version = Run::new(&settings.provider).arg("--version").succeed()?;
    let version = version.text().rsplit(' ').next().unwrap_or_default();
    let platform = match std::env::consts::ARCH {
        "x86_64" => "linux_amd64",
        "aarch64" => "linux_arm64",
        other => other,
    };
    for host in ["registry.terraform.io", "registry.opentofu.org"] {
        let file = home.join(format!(
            ".terraform.d/plugins/{host}/atlas-world/atlas/{version}/{platform}/terraform-provider-atlas_v{version}"
        ));
        ensure!(file.is_file(), "{} is missing\n{installed}", file.display());
    }

    let config = "terraform {\n  required_providers {\n    atlas = { source = \"atlas-world/atlas\" }\n  }\n}\n\n\
                  provider \"atlas\" {}\n";
    fs::write(folder.join("main.tf"), config)?;
    let terraform = |words: &[&str]| {
        at_home(Run::new(&settings.terraform).args(words.iter().copied()))
            .dir(&folder)
            .succeed()
    };
    let init = terraform(&["init", "-input=false", "-no-color"])?;
    ensure!(
        init.stdout.contains("Installed atlas-world/atlas"),
        "{init}"
    );
    let lock = fs::read_to_string(folder.join(".terraform.lock.hcl"))?;
    ensure!(lock.contains(&format!("\"{version}\"")), "{lock}\n{init}");
    terraform(&["validate", "-no-color"])?;

    let module = ["--type", "module", "atlas.world.k3d_cluster"];
    let found = at_home(Run::new(ansible_program("ansible-doc")?).args(module))
        .dir(&folder)
        .succeed()?;
    ensure!(found.stdout.contains("agents"), "{found}");
    Ok(())
}
