//! Runs one module: arguments in, one JSON object out.

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argspec::{Answer, Failure, Invocation, Secrets, validate};
use atlas_engine::docker::{Docker, DockerConfig};
use atlas_engine::{Context, FieldPath, Scope};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use crate::call::{Call, Module, Run, failure};
use crate::modules;
use crate::params::{Params, Reader};

/// Says which module is meant, where the binary's name does not.
const MODULE_KEY: &str = "_atlas_module";

/// Runs the module of this name on an arguments file. Prints the result.
pub(crate) fn module(called: &str, arguments: &str) -> ExitCode {
    // A panic is a bug, and still has to be told in JSON. What it says may quote arguments.
    std::panic::set_hook(Box::new(|_| {}));
    let run = std::panic::catch_unwind(|| read_and_run(called, Path::new(arguments)));
    let (printed, failed) = run.unwrap_or_else(|_| {
        let failure = Failure::new(
            "The module ended unexpectedly. This is a bug. What was changed until then is kept; running the task \
             again continues from there.",
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
            "There is no module {name:?}. The modules are: {}.",
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

/// Which daemon is meant.
pub(crate) fn docker_config(params: &Params) -> Result<DockerConfig, Failure> {
    let mut reader = Reader::default();
    let cert_path = reader.local_path(params, "docker_cert_path");
    reader.finish()?;
    Ok(DockerConfig {
        host: params.text("docker_host").map(str::to_owned),
        cert_path,
        tls: params.flag("docker_tls_verify"),
    })
}

fn execute(module: &Module, params: Params, check: bool, diff: bool) -> Result<Answer, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("The module cannot start: {error}.")))?;
    runtime.block_on(async {
        let config = docker_config(&params)?;
        let limit = time_limit(&params)?;
        let warnings = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&warnings);
        let scope = Scope::default()
            .with_timeout(limit)
            .with_warned(Arc::new(move |warning| {
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                heard.push(warning.to_string());
            }));
        stop_on_signals(&scope);
        let mut outcome = match module.run {
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
        };
        let heard = std::mem::take(&mut *warnings.lock().unwrap_or_else(PoisonError::into_inner));
        match &mut outcome {
            Ok(answer) => answer.warnings.extend(heard),
            Err(failure) if !heard.is_empty() => {
                failure.fields.insert("warnings".to_owned(), heard.into());
            }
            Err(_) => {}
        }
        outcome
    })
}

/// How long the module may take.
fn time_limit(params: &Params) -> Result<Duration, Failure> {
    const REMEDY: &str = "Use 1 to 604800 seconds.";
    let mut reader = Reader::default();
    let root = FieldPath::root();
    let seconds = reader.number::<u32>(params, &root, "wait_timeout", REMEDY);
    if let Some(seconds @ (0 | 604_801..)) = seconds {
        let path = FieldPath::of("wait_timeout");
        reader.refuse(&path, format!("{seconds} is out of range."), REMEDY);
    }
    reader.finish()?;
    Ok(Duration::from_secs(seconds.unwrap_or(300).into()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn limit(value: &Value) -> Result<u64, String> {
        let params = json!({"wait_timeout": value});
        let limit = time_limit(&Params(params.as_object().cloned().unwrap_or_default()));
        limit
            .map(|limit| limit.as_secs())
            .map_err(|failure| failure.msg)
    }

    #[test]
    fn a_time_limit_that_is_none_is_refused_and_never_another() {
        assert_eq!(limit(&json!(7)), Ok(7));
        assert_eq!(limit(&Value::Null), Ok(300));
        for odd in [
            json!(-5),
            json!(0),
            json!(604_801),
            json!(i64::MAX),
            json!(true),
        ] {
            let said = limit(&odd).unwrap_err();
            let value = argspec::python::str(&odd);
            assert_eq!(
                said,
                format!("wait_timeout: {value} is out of range. Use 1 to 604800 seconds.")
            );
        }
    }
}
