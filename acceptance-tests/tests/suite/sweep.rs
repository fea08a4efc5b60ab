//! Every call that changes something in Docker fails once, in a create, a scale and a delete. Afterwards nothing that
//! works is tainted or remade, nothing is left over, and what was written before is there.
//!
//! Objects are small, and a call that fails ends an apply early: some 40 faults take about a minute and a half.

use std::time::{Duration, Instant};

use acceptance_tests::{
    Cluster, Dice, Fault, FaultProxy, Kubectl, Pattern, Running, Sandbox, Terraform,
    descendant_running, eventually,
};
use anyhow::{Context, Result, ensure};

/// Calls that change something. Commands in containers are left out: how often they are asked depends on the machine.
const CALLS: [(&str, &str); 8] = [
    ("POST", "/volumes/create"),
    ("POST", "/networks/create"),
    ("POST", "/containers/create"),
    ("PUT", "/containers/*/archive"),
    ("POST", "/containers/*/start"),
    ("DELETE", "/containers/*"),
    ("DELETE", "/networks/*"),
    ("DELETE", "/volumes/*"),
];

/// Terraform with a fault proxy before the daemon.
struct Swept {
    terraform: Terraform,
    proxy: FaultProxy,
}

impl Swept {
    fn new(sandbox: &Sandbox) -> Result<Self> {
        let proxy = FaultProxy::in_sandbox(sandbox)?;
        let mut terraform = sandbox.terraform()?;
        terraform.set_docker_host(Some(proxy.host()));
        Ok(Self { terraform, proxy })
    }

    /// The call sites that `work` passes: a pattern and how often it comes.
    fn sites(&self, work: impl FnOnce() -> Result<()>) -> Result<Vec<(Pattern, usize)>> {
        let counted = || {
            let patterns = CALLS.iter().map(|(method, path)| Pattern::of(method, path));
            let count = |pattern: Pattern| {
                let calls = self.proxy.calls(&pattern).len();
                (pattern, calls)
            };
            patterns.map(count).collect::<Vec<_>>()
        };
        let before = counted();
        work()?;
        let after = counted();
        let sites = before.iter().zip(after);
        let sites = sites.map(|((pattern, before), (_, after))| (pattern.clone(), after - before));
        Ok(sites.filter(|(_, calls)| *calls > 0).collect())
    }

    /// Applies with a fault at the n-th of these calls. Returns whether the apply succeeded all the same.
    fn apply_with(&self, config: &str, n: usize, pattern: &Pattern, fault: Fault) -> Result<bool> {
        self.proxy.fault_at(n, pattern.clone(), fault);
        let finished = self.terraform.apply_only(config)?;
        let spent = self.proxy.is_spent();
        self.proxy.heal();
        ensure!(spent, "{pattern:?} came less than {n} times\n{finished}");
        let told = finished.output().contains("Error:");
        ensure!(
            finished.code == Some(0) || told,
            "{fault:?} at {n}. {pattern:?} is not told\n{finished}"
        );
        Ok(finished.code == Some(0))
    }

    /// Applies, and kills the provider when the n-th of these calls from now on has come.
    fn apply_killed(&self, config: &str, n: usize, pattern: &Pattern) -> Result<()> {
        let before = self.proxy.calls(pattern).len();
        let mut running = self.terraform.start_apply(config)?;
        eventually(Duration::from_secs(60), || {
            ensure!(running.is_running()?, "it ended\n{}", running.output());
            let calls = self.proxy.calls(pattern).len() - before;
            ensure!(calls >= n, "{calls} calls yet");
            Ok(())
        })?;
        let provider = descendant_running(running.pid(), "terraform-provider-atlas");
        provider.context("no provider runs")?.kill()?;
        let finished = running.wait()?;
        ensure!(finished.code == Some(1), "it was killed\n{finished}");
        Ok(())
    }

    /// Destroys with a fault at the n-th of these calls, then without.
    fn destroy_with(&self, n: usize, pattern: &Pattern, fault: Fault) -> Result<()> {
        self.proxy.fault_at(n, pattern.clone(), fault);
        let finished = self
            .terraform
            .command("destroy")?
            .arg("-auto-approve")
            .finish()?;
        let spent = self.proxy.is_spent();
        self.proxy.heal();
        ensure!(spent, "{pattern:?} came less than {n} times\n{finished}");
        self.terraform
            .destroy()
            .map(drop)
            .with_context(|| format!("after {fault:?} at {n}. {pattern:?}:\n{finished}"))
    }

    /// Whether Terraform would destroy the object before anything else.
    fn is_tainted(&self, address: &str) -> Result<bool> {
        let state: serde_json::Value = serde_json::from_str(&self.terraform.state_file()?)?;
        let (kind, name) = address
            .split_once('.')
            .context("an address has two parts")?;
        let resources = state["resources"].as_array().into_iter().flatten();
        let mut found = resources.filter(|one| one["type"] == kind && one["name"] == name);
        Ok(found.any(|one| one["instances"][0]["status"] == "tainted"))
    }
}

#[test]
fn every_call_about_a_network_may_fail() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let swept = Swept::new(&sandbox)?;
    let config = format!(
        "resource \"atlas_network\" \"n\" {{\n  name   = \"{}\"\n  subnet = \"{}\"\n}}\n",
        sandbox.name("net"),
        sandbox.subnet(0)
    );
    let create = swept.sites(|| swept.terraform.apply(&config).map(drop))?;
    let destroy = swept.sites(|| swept.terraform.destroy().map(drop))?;
    ensure!(
        create.len() >= 3 && destroy.len() >= 2,
        "{create:?} {destroy:?}"
    );
    for fault in [Fault::Refuse, Fault::CutAfter] {
        for (pattern, calls) in &create {
            for n in 1..=*calls {
                let succeeded = swept.apply_with(&config, n, pattern, fault)?;
                let tainted = swept.is_tainted("atlas_network.n")?;
                ensure!(!(succeeded && tainted), "what works is tainted");
                swept
                    .terraform
                    .apply(&config)
                    .with_context(|| format!("after {fault:?} at {n}. {pattern:?}"))?;
                swept.terraform.destroy()?;
            }
        }
        for (pattern, calls) in &destroy {
            for n in 1..=*calls {
                swept.terraform.apply(&config)?;
                swept.destroy_with(n, pattern, fault)?;
            }
        }
    }
    Ok(())
}

#[test]
fn every_call_about_a_cluster_may_fail() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let swept = Swept::new(&sandbox)?;
    let (terraform, docker) = (&swept.terraform, sandbox.docker());
    let address = "atlas_k3d_cluster.f";
    let with = |agents: u32| {
        Cluster::new(&sandbox, "f", 0)
            .with(format!("agents = {agents}"))
            .with("k3d {\n    disable_load_balancer = true\n  }")
            .hcl()
    };
    let create = swept.sites(|| terraform.apply(&with(0)).map(drop))?;
    terraform.destroy()?;
    for (pattern, calls) in &create {
        for n in 1..=*calls {
            let succeeded = swept.apply_with(&with(0), n, pattern, Fault::Refuse)?;
            // What works is never tainted for its mark that stays.
            ensure!(
                succeeded != swept.is_tainted(address)? || terraform.addresses()?.is_empty(),
                "after a fault at {n}. {pattern:?}"
            );
            terraform
                .destroy()
                .with_context(|| format!("after a fault at {n}. {pattern:?}"))?;
        }
    }

    // Killed on the way: no state knows of what is there but its mark, and the next apply takes it and ends it.
    for path in ["/containers/create", "/containers/*/start"] {
        swept.apply_killed(&with(1), 1, &Pattern::of("POST", path))?;
        ensure!(terraform.addresses()?.is_empty(), "the state knows of it");
        terraform
            .apply(&with(1))
            .with_context(|| format!("after a kill at {path}"))?;
        terraform.destroy()?;
    }

    // One agent more: the server is the same afterwards, with what was written to it.
    terraform.apply(&with(0))?;
    let name = sandbox.name("f");
    let kubectl = Kubectl::in_cluster(&name);
    kubectl.run(&["create", "configmap", "kept", "--from-literal=a=b"])?;
    let server = format!("k3d-{name}-server-0");
    let id = |name: &str| -> Result<Option<String>> {
        let found = docker.find(name)?;
        Ok(found.and_then(|one| one.at("/Id")?.as_str().map(str::to_owned)))
    };
    let before = id(&server)?;
    let scale = swept.sites(|| terraform.apply(&with(1)).map(drop))?;
    terraform.apply(&with(0))?;
    ensure!(scale.len() >= 3, "{scale:?}");
    for (pattern, calls) in &scale {
        for n in 1..=*calls {
            swept.apply_with(&with(1), n, pattern, Fault::Refuse)?;
            ensure!(
                !swept.is_tainted(address)? && id(&server)? == before,
                "after a fault at {n}. {pattern:?}"
            );
            terraform.apply(&with(0))?;
        }
    }
    kubectl.run(&["get", "configmap", "kept"])?;

    let destroy = [
        Pattern::of("DELETE", "/containers/*"),
        Pattern::of("DELETE", "/volumes/*"),
        Pattern::of("DELETE", "/networks/*"),
    ];
    for pattern in destroy {
        swept.proxy.fault_at(1, pattern, Fault::Refuse);
        terraform.expect_destroy_error()?;
        swept.proxy.heal();
    }
    terraform.destroy().map(drop)
}

/// How often the provider is killed at a moment that nobody chose.
const KILLS: usize = 5;

/// Whatever a provider was about when it was killed, the next apply ends it, and nothing is left over: by name, as the
/// same objects are there as where nobody was killed. A network, a server and a cluster of one node are made at once, in some
/// eight seconds, so that this takes about two minutes.
#[expect(clippy::print_stdout, reason = "the seed is for the reader")]
#[test]
fn a_provider_that_is_killed_at_any_moment_leaves_what_the_next_apply_ends() -> Result<()> {
    let (seed, mut dice) = Dice::of_variable("ATLAS_KILL_SEED")?;
    println!("ATLAS_KILL_SEED={seed}");
    let sandbox = Sandbox::open()?;
    let swept = Swept::new(&sandbox)?;
    let (terraform, docker) = (&swept.terraform, sandbox.docker());
    let config = format!(
        "resource \"atlas_network\" \"n\" {{
  name   = \"{name}\"
  subnet = \"{subnet}\"
}}
resource \"atlas_localstack\" \"s\" {{
  name    = \"{name}\"
  network = atlas_network.n.name
  port    = {port}
}}
{cluster}",
        name = sandbox.name("net"),
        subnet = sandbox.subnet(1),
        port = sandbox.port(0)?,
        cluster = Cluster::new(&sandbox, "k", 0)
            .with("k3d {\n    disable_load_balancer = true\n  }")
            .hcl(),
    );
    // From the first mark on, which the first create writes.
    let marks = Pattern::of("POST", "/volumes/create");
    let under_way = || -> Result<(Running, Instant)> {
        let before = swept.proxy.calls(&marks).len();
        let mut running = terraform.start_apply(&config)?;
        eventually(Duration::from_secs(60), || {
            ensure!(running.is_running()?, "it ended\n{}", running.output());
            ensure!(swept.proxy.calls(&marks).len() > before, "no mark yet");
            Ok(())
        })?;
        Ok((running, Instant::now()))
    };
    let (running, begun) = under_way()?;
    running.wait()?.success()?;
    let whole = begun.elapsed();
    terraform.expect_no_changes()?;
    let everything = docker.objects(&sandbox.prefix())?;
    terraform.destroy()?;

    let most = u64::try_from(whole.as_millis())?;
    let mut killed = 0;
    for round in 0..KILLS * 2 {
        if killed == KILLS {
            break;
        }
        let moment = Duration::from_millis(dice.roll(most));
        let told = format!("ATLAS_KILL_SEED={seed}, round {round}, after {moment:?} of {whole:?}");
        let (running, begun) = under_way().with_context(|| told.clone())?;
        std::thread::sleep(moment.saturating_sub(begun.elapsed()));
        let provider = descendant_running(running.pid(), "terraform-provider-atlas");
        // One that was faster than usual is no kill.
        let hit = provider.is_some_and(|provider| provider.kill().is_ok());
        let finished = running.wait()?;
        killed += usize::from(hit && finished.code == Some(1));
        let converged = terraform.apply(&config);
        converged.with_context(|| format!("{told}, which ended so:\n{finished}"))?;
        let there = docker.objects(&sandbox.prefix())?;
        ensure!(
            there == everything,
            "{told}: there is\n{there}and should be\n{everything}"
        );
        terraform.destroy().with_context(|| told)?;
    }
    ensure!(killed == KILLS, "only {killed} were killed of {KILLS}");
    Ok(())
}
