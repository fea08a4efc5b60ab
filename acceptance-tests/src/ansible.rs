//! Real Ansible with the collection under test: playbooks of a few tasks, whose results are read back.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::command::{Finished, Run, Running};
use crate::settings::{Settings, workspace};

/// For one playbook. Two clusters and a bridge take about a minute.
const LIMIT: Duration = Duration::from_secs(300);

/// What a module tells beside its object, and foretells in check mode.
const TOLD: [&str; 4] = ["diff", "actions", "differences", "replace"];

/// Ansible in a folder of its own, on this machine alone.
#[derive(Debug)]
pub struct Ansible {
    folder: PathBuf,
    docker_host: Option<String>,
}

/// One task's end.
#[derive(Debug, Clone)]
pub struct TaskResult {
    /// The task's name.
    pub task: String,
    /// `ok`, `failed`, `skipped` or `unreachable`.
    pub outcome: String,
    /// What the module returned, as Ansible shows it.
    pub result: Value,
}

/// A playbook that ended.
#[derive(Debug)]
pub struct Played {
    /// Every task, in order.
    pub tasks: Vec<TaskResult>,
    /// The command, with what Ansible printed.
    pub finished: Finished,
}

/// `ansible-playbook` in the environment of a test: Ansible's own virtual environment, the images under
/// test, and nothing of the user's.
pub(crate) fn playbook_command(playbook: impl AsRef<Path>) -> Result<Run> {
    let settings = Settings::get()?;
    let ansible = environment()?;
    let collections = std::env::var("ANSIBLE_COLLECTIONS_PATH").unwrap_or_else(|_| {
        let own = workspace().join(".atlas/collections");
        format!(
            "{}:{}",
            own.display(),
            ansible.join("collections").display()
        )
    });
    Ok(Run::new(ansible_program("ansible-playbook")?)
        .arg(playbook.as_ref())
        .env("ANSIBLE_COLLECTIONS_PATH", collections)
        .envs(settings.images())
        .env("ANSIBLE_NOCOLOR", "1")
        .without_env("KUBECONFIG"))
}

/// The virtual environment that has Ansible.
fn environment() -> Result<PathBuf> {
    let folder = std::env::var("ATLAS_ANSIBLE")
        .context("ATLAS_ANSIBLE names Ansible's virtual environment (`make test` sets it)")?;
    Ok(folder.into())
}

/// One of Ansible's programs, `ansible-inventory` for instance.
pub fn ansible_program(name: &str) -> Result<PathBuf> {
    Ok(environment()?.join("bin").join(name))
}

/// The modules' binary, which the collection has too.
pub fn module_binary() -> Result<PathBuf> {
    let file = std::env::var("ATLAS_MODULE").map_or_else(
        |_| {
            let name = format!("atlas_{}", std::env::consts::ARCH);
            workspace()
                .join("ansible-module/collection/native")
                .join(name)
        },
        PathBuf::from,
    );
    ensure!(
        file.is_file(),
        "{} is not there (`make test` builds it and sets ATLAS_MODULE)",
        file.display()
    );
    Ok(file)
}

impl Ansible {
    pub(crate) fn new(folder: PathBuf) -> Result<Self> {
        module_binary()?;
        fs::create_dir_all(folder.join("home"))?;
        Ok(Self {
            folder,
            docker_host: None,
        })
    }

    /// Has the modules speak to this daemon, a fault proxy for instance.
    pub fn set_docker_host(&mut self, host: String) {
        self.docker_host = Some(host);
    }

    /// The folder of the playbook; `library/` in it holds modules of its own.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs tasks, to be completed by the test.
    pub fn command(&self, tasks: &[Value]) -> Result<Run> {
        let playbook = json!([{
            "name": "Test",
            "hosts": "localhost",
            "gather_facts": false,
            "tasks": tasks,
        }]);
        // YAML is JSON too.
        fs::write(self.folder.join("playbook.yml"), playbook.to_string())?;
        fs::write(self.results(), "")?;
        let home = self.folder.join("home");
        let callbacks = Path::new(env!("CARGO_MANIFEST_DIR")).join("ansible/callback_plugins");
        let run = playbook_command("playbook.yml")?
            .args(["--inventory", "localhost,"])
            .dir(&self.folder)
            .limit(LIMIT)
            .env("HOME", home)
            .env("ANSIBLE_ASYNC_DIR", self.folder.join("async"))
            .env("ANSIBLE_LOCALHOST_WARNING", "false")
            .env("ANSIBLE_CALLBACK_PLUGINS", callbacks)
            .env("ANSIBLE_CALLBACKS_ENABLED", "atlas_results")
            .env("ANSIBLE_TRANSPORT", "local")
            .env("ANSIBLE_PYTHON_INTERPRETER", ansible_program("python")?)
            .env("ATLAS_RESULTS", self.results());
        Ok(match &self.docker_host {
            Some(host) => run.env("DOCKER_HOST", host),
            None => run,
        })
    }

    fn results(&self) -> PathBuf {
        self.folder.join("results.jsonl")
    }

    /// Starts tasks.
    pub fn start(&self, tasks: &[Value]) -> Result<Running> {
        self.command(tasks)?.start()
    }

    /// Runs tasks, with whatever outcome.
    pub fn play(&self, tasks: &[Value]) -> Result<Played> {
        self.finish(self.command(tasks)?)
    }

    /// Runs a command of [`Ansible::command`] to its end.
    pub fn finish(&self, command: Run) -> Result<Played> {
        let finished = command.finish()?;
        let lines = fs::read_to_string(self.results())?;
        let tasks = lines.lines().map(|line| {
            let line: Value = serde_json::from_str(line)?;
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            Ok(TaskResult {
                task: text("task"),
                outcome: text("outcome"),
                result: line["result"].clone(),
            })
        });
        let tasks = tasks.collect::<Result<_>>()?;
        Ok(Played { tasks, finished })
    }

    /// Runs tasks, which must all succeed; returns what they returned.
    pub fn succeed(&self, tasks: &[Value]) -> Result<Vec<Value>> {
        let played = self.play(tasks)?;
        let finished = played.finished.success()?;
        ensure!(
            played.tasks.len() == tasks.len(),
            "not every task told its result\n{finished}"
        );
        Ok(played.tasks.into_iter().map(|task| task.result).collect())
    }

    /// Runs each module four times with the same arguments: in check mode, for real, for real again, in check
    /// mode again. The first two must tell the same changes, the last two none. Returns what the real
    /// runs returned.
    pub fn converge(&self, steps: &[(&str, Value)]) -> Result<Vec<Value>> {
        let runs = [
            ("check", true),
            ("apply", false),
            ("apply again", false),
            ("check again", true),
        ];
        let tasks: Vec<Value> = steps
            .iter()
            .flat_map(|(module, arguments)| {
                runs.iter().map(move |(what, check)| {
                    let name = format!("{what} {module}");
                    let mut task = json!({"name": name, "check_mode": check, "diff": true});
                    task[format!("atlas.world.{module}")] = arguments.clone();
                    task
                })
            })
            .collect();
        let played = self.play(&tasks)?;
        let finished = played.finished.success()?;
        ensure!(
            played.tasks.len() == tasks.len(),
            "not every task told its result\n{finished}"
        );
        let rounds = steps.iter().zip(played.tasks.chunks(runs.len()));
        let done = rounds.map(|((module, arguments), round)| {
            expect_convergence(round)
                .with_context(|| format!("{module} {arguments}\n{finished}"))?;
            Ok(round[1].result.clone())
        });
        done.collect()
    }
}

fn expect_convergence(round: &[TaskResult]) -> Result<()> {
    for (one, changes) in round.iter().zip([true, true, false, false]) {
        let result = &one.result;
        ensure!(
            result["changed"] == changes,
            "{}: changed should be {changes}: {result}",
            one.task
        );
        let tells = result["actions"]
            .as_array()
            .is_some_and(|all| !all.is_empty());
        ensure!(tells == changes, "{}: actions are {result}", one.task);
        let shows = !result["diff"].is_null();
        ensure!(shows == changes, "{}: the diff is {result}", one.task);
    }
    let (foretold, done) = (&round[0].result, &round[1].result);
    for key in TOLD {
        ensure!(
            foretold[key] == done[key],
            "{key} was foretold as {}\nand is {}",
            foretold[key],
            done[key]
        );
    }
    Ok(())
}

impl Played {
    /// All that Ansible printed and all that tasks returned, for a search.
    pub fn everything(&self) -> String {
        let results = self.tasks.iter().map(|task| format!("{}\n", task.result));
        self.finished.output() + &results.collect::<String>()
    }
}
