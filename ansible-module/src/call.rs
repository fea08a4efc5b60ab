//! What a module is, and what it is given when it runs.

use std::future::Future;
use std::pin::Pin;

use argspec::{Answer, Failure, Kind, Opt, Spec};
use atlas_engine::docker::{ABOUT_CERTIFICATES, ABOUT_HOST, ABOUT_TLS};
use atlas_engine::{Context, Error, Scope, Words as _};

use crate::params::Params;
use crate::words::Yaml;

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
    /// All options: the module's own, then how long to wait and how to reach Docker.
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
            // Defaults of the action group say which daemon is meant, and are given to every module in it.
            let unused = "Only to look for who replicates: without Docker the module does all else. Defaults of the action group \
                          may have it.";
            return spec
                .option(
                    "docker_host",
                    Opt::new(Kind::Str, unused).alias("docker_url"),
                )
                .option(
                    "docker_cert_path",
                    Opt::new(Kind::Path, unused).not_secret(),
                )
                .option("docker_tls_verify", Opt::new(Kind::Bool, unused));
        }
        spec.option(
            "docker_host",
            Opt::new(Kind::Str, &marked(ABOUT_HOST)).alias("docker_url"),
        )
        .option(
            "docker_cert_path",
            Opt::new(Kind::Path, &marked(ABOUT_CERTIFICATES)).not_secret(),
        )
        .option(
            "docker_tls_verify",
            Opt::new(Kind::Bool, &marked(ABOUT_TLS)),
        )
    }
}

/// A text with code in backquotes, in the markup of Ansible's documentation.
fn marked(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let marked = parts.map(|(position, part)| match position % 2 {
        0 => part.to_owned(),
        _ => format!("C({part})"),
    });
    marked.collect()
}

/// An engine's error as a module's failure.
pub(crate) fn failure(error: &Error) -> Failure {
    let failure = Failure::new(error.told(&Yaml));
    let Error::Invalid(problems) = error else {
        return failure;
    };
    let listed = problems.iter().map(|problem| {
        serde_json::json!({
            "path": Yaml.field(&problem.path),
            "message": problem.message,
            "remedy": Yaml.remedy(&problem.remedy),
        })
    });
    failure.field("problems", listed.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_marked_as_ansible_does() {
        assert_eq!(marked("`a` or `b/c`."), "C(a) or C(b/c).");
        assert!(!marked(ABOUT_HOST).contains('`'));
    }
    use atlas_engine::{FieldPath, k3d};

    #[test]
    fn a_refusal_speaks_of_options_and_tasks() {
        let mut spec = k3d::Spec::new("demo", "node:1", "lb:1");
        spec.servers = 3;
        spec.args = vec![k3d::Filtered {
            value: "--node-label=a=b".to_owned(),
            filters: Vec::new(),
            path: FieldPath::of("k3s_args").index(0),
        }];
        let msg = failure(&Error::Invalid(k3d::problems(&spec))).msg;
        assert!(msg.contains("Set servers: 1;"), "{msg}");
        assert!(msg.contains("Use the option node_labels"), "{msg}");
        let late = Error::TimedOut {
            waiting_for: "x".to_owned(),
            after: std::time::Duration::from_secs(1),
            log: String::new(),
        };
        let msg = failure(&late).msg;
        assert!(
            msg.contains("Raise wait_timeout") && msg.contains("The next run continues"),
            "{msg}"
        );
    }

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
