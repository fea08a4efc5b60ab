//! What a module is, and what it is given when it runs.

use std::future::Future;
use std::pin::Pin;

use argspec::{Answer, Failure, Kind, Opt, Spec};
use atlas_engine::{Context, Error, Scope};

use crate::params::Params;

/// A module's future result.
pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Result<Answer, Failure>> + 'a>>;

/// One module.
pub(crate) struct Module {
    /// As playbooks call it.
    pub(crate) name: &'static str,
    /// What people read.
    pub(crate) docs: Docs,
    /// Its own options; the common ones are added to them.
    pub(crate) spec: fn() -> Spec,
    /// Whether it only looks.
    pub(crate) looks_only: bool,
    /// What it does.
    pub(crate) run: Run,
}

/// What a module does, and what it needs for that.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    /// A Docker daemon.
    Docker(for<'a> fn(&'a Call) -> Running<'a>),
    /// Nothing: what it speaks to is among its arguments.
    Anywhere(for<'a> fn(&'a Call<Scope>) -> Running<'a>),
}

/// What `ansible-doc` shows.
pub(crate) struct Docs {
    /// A line.
    pub(crate) short: &'static str,
    /// Sentences, a paragraph each.
    pub(crate) description: &'static [&'static str],
    /// Tasks, as YAML.
    pub(crate) examples: &'static str,
    /// Name, type (`list of dict` for instance) and description of what is returned besides the usual.
    pub(crate) returns: &'static [(&'static str, &'static str, &'static str)],
}

/// One call of a module.
pub(crate) struct Call<W = Context> {
    /// The validated arguments.
    pub(crate) params: Params,
    /// Nothing may be changed.
    pub(crate) check: bool,
    /// Before and after are wanted.
    pub(crate) diff: bool,
    /// The daemon where there is one, the time limit, and the way to be stopped.
    pub(crate) cx: W,
}

impl Module {
    /// All options: the module's own, then how long to wait and, where it needs it, how to reach Docker.
    pub(crate) fn full_spec(&self) -> Spec {
        let spec = (self.spec)().option(
                "wait_timeout",
                Opt::new(
                    Kind::Int,
                    "Seconds after which the module gives up. What was made until then stays, and the next \
                     run goes on from there.",
                )
                .or(300),
            );
        if matches!(self.run, Run::Anywhere(_)) {
            return spec;
        }
        spec.option(
                "docker_host",
                Opt::new(
                    Kind::Str,
                    "The Docker daemon, as C(unix:///path), C(tcp://host:port) or C(http://host:port).\n\
                     Without it the environment variable E(DOCKER_HOST) decides, then \
                     C(unix:///var/run/docker.sock).",
                )
                .alias("docker_url"),
            )
            .option(
                "docker_cert_path",
                Opt::new(
                    Kind::Path,
                    "Folder with C(ca.pem), C(cert.pem) and C(key.pem), for a daemon that speaks TLS.\n\
                     Without it the environment variable E(DOCKER_CERT_PATH) decides.",
                )
                .not_secret(),
            )
            .option(
                "docker_tls_verify",
                Opt::new(
                    Kind::Bool,
                    "Whether to speak TLS with the daemon.\n\
                     Without it, whether the environment variable E(DOCKER_TLS_VERIFY) is set decides.",
                ),
            )
    }
}

/// An engine's error as a module's failure.
pub(crate) fn failure(error: &Error) -> Failure {
    let problems = match error {
        Error::Invalid(problems) => problems.as_slice(),
        _ => &[],
    };
    let listed = problems.iter().map(|problem| {
        serde_json::json!({
            "path": in_our_words(&problem.path.to_string()),
            "message": problem.message,
            "remedy": in_our_words(&problem.remedy),
        })
    });
    let listed: Vec<_> = listed.collect();
    let failure = Failure::new(in_our_words(&error.to_string()));
    if listed.is_empty() {
        failure
    } else {
        failure.field("problems", listed)
    }
}

/// Option names where the engine says them as Terraform's blocks.
fn in_our_words(text: &str) -> String {
    let table = [
        ("kube_api[0]", "kube_api"),
        ("k3s.node_labels", "node_labels"),
        ("k3d.disable_load_balancer", "disable_load_balancer"),
        ("the next apply goes on", "the next run goes on"),
        (
            "; a reference to the cluster resource does that by itself",
            "",
        ),
    ];
    table.iter().fold(text.to_owned(), |text, (theirs, ours)| {
        text.replace(theirs, ours)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use atlas_engine::FieldPath;

    #[test]
    fn a_refusal_names_options_as_playbooks_spell_them() {
        let path = FieldPath::of("kube_api").index(0).name("host_port");
        let failure = failure(&Error::invalid(path, "port 1 is taken.", "Choose another."));
        assert_eq!(
            failure.msg,
            "kube_api.host_port: port 1 is taken. Choose another."
        );
        assert_eq!(failure.fields["problems"][0]["path"], "kube_api.host_port");
    }
}
