//! Runs one module: arguments in, one JSON object out.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use argspec::{Answer, Failure, Invocation, Secrets, validate};
use atlas_engine::docker::{Docker, DockerConfig};
use atlas_engine::{Context, Scope};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use crate::call::{Call, Module, Run, failure};
use crate::modules;
use crate::params::Params;

/// Says which module is meant, where the binary's name does not.
const MODULE_KEY: &str = "_atlas_module";

/// Runs the module of this name on an arguments file. Prints the result.
pub(crate) fn module(called: &str, arguments: &str) -> ExitCode {
    // A panic is a bug, and still has to be told in JSON. What it says may quote arguments.
    std::panic::set_hook(Box::new(|_| {}));
    let run = std::panic::catch_unwind(|| read_and_run(called, Path::new(arguments)));
    let (printed, failed) = run.unwrap_or_else(|_| {
        let failure = Failure::new(
            "The module ended unexpectedly, which is a bug in it. What was changed until then stays; running \
             the task again goes on from there.",
        );
        (Answer::print(Err(failure), None, &Secrets::default()), true)
    });
    println!("{printed}");
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn read_and_run(called: &str, arguments: &Path) -> (String, bool) {
    let none = Secrets::default();
    let refuse = |message: String| (Answer::print(Err(Failure::new(message)), None, &none), true);
    let mut invocation = match Invocation::read(arguments) {
        Ok(invocation) => invocation,
        Err(message) => return refuse(message),
    };
    let asked = invocation.params.remove(MODULE_KEY);
    let name = asked.as_ref().and_then(Value::as_str).unwrap_or(called);
    let Some(module) = modules::find(name) else {
        let known: Vec<&str> = modules::all().iter().map(|module| module.name).collect();
        return refuse(format!(
            "There is no module {name:?} here; there are: {}.",
            known.join(", ")
        ));
    };
    let spec = module.full_spec();
    let validated = validate(&spec, std::mem::take(&mut invocation.params));
    let shown = spec.shown(&validated.params);
    let mut outcome = problems(
        module.name,
        &validated.problems,
        invocation.internal.ignore_unknown_opts,
    )
    .map_or(Ok(()), Err)
    .and_then(|()| {
        let params = Params(validated.params);
        execute(
            &module,
            params,
            invocation.internal.check_mode,
            invocation.internal.diff,
        )
    });
    if let Ok(answer) = &mut outcome {
        answer.warnings.extend(validated.warnings);
    }
    let failed = outcome.is_err();
    (
        Answer::print(outcome, Some(&shown), &validated.secrets),
        failed,
    )
}

/// All problems in one message: the first as Ansible itself would say it, the others after it.
fn problems(module: &str, found: &[argspec::Problem], ignore_unknown: bool) -> Option<Failure> {
    let told = found
        .iter()
        .filter(|problem| !(ignore_unknown && matches!(problem, argspec::Problem::Unsupported(_))));
    let messages: Vec<String> = told.map(|problem| problem.message(module)).collect();
    (!messages.is_empty()).then(|| Failure::new(messages.join("\n")))
}

fn execute(module: &Module, params: Params, check: bool, diff: bool) -> Result<Answer, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("The module cannot start: {error}.")))?;
    runtime.block_on(async {
        let config = DockerConfig {
            host: params.text("docker_host").map(str::to_owned),
            cert_path: params.text("docker_cert_path").map(PathBuf::from),
            tls: params.flag("docker_tls_verify"),
        };
        let seconds = params
            .0
            .get("wait_timeout")
            .and_then(Value::as_u64)
            .unwrap_or(300);
        let scope = Scope::default().with_timeout(Duration::from_secs(seconds));
        stop_on_signals(&scope);
        match module.run {
            Run::Docker(run) => {
                let docker = Docker::connect(&config)
                    .await
                    .map_err(|error| failure(&error))?;
                let call = Call {
                    params,
                    check,
                    diff,
                    cx: Context::within(docker, scope),
                };
                run(&call).await
            }
            Run::Anywhere(run) => {
                let call = Call {
                    params,
                    check,
                    diff,
                    cx: scope,
                };
                run(&call).await
            }
        }
    })
}

/// Ctrl-C and SIGTERM stop the operation where it stands; it is told as an error.
fn stop_on_signals(scope: &Scope) {
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let cancel = scope.cancel.clone();
        if let Ok(mut signals) = signal(kind) {
            tokio::spawn(async move {
                signals.recv().await;
                cancel.cancel();
            });
        }
    }
}
