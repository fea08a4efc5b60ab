//! Which daemon is meant, by the rules of Docker's own command line: what is configured, `DOCKER_HOST`, `DOCKER_CONTEXT`,
//! the current context of Docker's configuration, then the sockets where daemons usually listen.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::DockerConfig;

/// Where a daemon listens that the system runs.
const SYSTEM_SOCKET: &str = "/var/run/docker.sock";

/// Which daemon is meant, for documentation: code is in backquotes.
pub const ABOUT_HOST: &str = "The Docker daemon: `unix:///path`, `tcp://host:port`, `http://host:port`, \
                              `https://host:port` or `ssh://user@host`. Without it, as for Docker's own command line: \
                              `DOCKER_HOST`, then the context that `DOCKER_CONTEXT` or `~/.docker/config.json` names, \
                              then the socket of the system (`/var/run/docker.sock`), then that of a daemon without \
                              root (in `XDG_RUNTIME_DIR` or `~/.docker`). With `ssh://`, `ssh` must reach the machine \
                              without a prompt, and find `docker` there.";
/// Where its certificates are.
pub const ABOUT_CERTIFICATES: &str = "Folder with `ca.pem`, `cert.pem` and `key.pem`, for a daemon behind TLS. Without it: \
    the certificates of the context where one is used, else `DOCKER_CERT_PATH`, then `~/.docker`.";
/// Whether TLS is spoken.
pub const ABOUT_TLS: &str = "Whether to speak TLS with the daemon. Without it: whether the context has certificates where \
    one is used, else whether `DOCKER_TLS_VERIFY` is set. `https://` always does.";

/// The context that stands for `DOCKER_HOST` or the usual socket.
const DEFAULT_CONTEXT: &str = "default";

/// How to speak to the daemon.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// A socket file.
    Unix(String),
    /// Plain HTTP.
    Http(String),
    /// TLS with a client certificate.
    Tls {
        address: String,
        certificates: PathBuf,
    },
    /// `docker system dial-stdio` on another machine, by the command `ssh`.
    Ssh(String),
    /// Not spoken; the reason, and what to do.
    Unsupported(String),
}

/// A decided endpoint.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) endpoint: String,
    pub(super) transport: Transport,
    /// What decided it, for messages.
    pub(super) source: String,
}

/// The environment, and where the system's daemon listens.
pub(super) struct Machine<'a> {
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
    pub(super) system_socket: &'a str,
}

/// Decides the endpoint on this machine.
pub(super) fn resolve(config: &DockerConfig) -> Settings {
    Machine {
        env: &|name| std::env::var(name).ok(),
        system_socket: SYSTEM_SOCKET,
    }
    .resolve(config)
}

impl Machine<'_> {
    fn set(&self, name: &str) -> Option<String> {
        (self.env)(name).filter(|value| !value.is_empty())
    }

    fn home(&self) -> Option<PathBuf> {
        self.set("HOME").map(PathBuf::from)
    }

    /// Docker's own folder.
    fn docker_folder(&self) -> PathBuf {
        let own = self.set("DOCKER_CONFIG").map(PathBuf::from);
        own.or_else(|| Some(self.home()?.join(".docker")))
            .unwrap_or_else(|| PathBuf::from(".docker"))
    }

    fn resolve(&self, config: &DockerConfig) -> Settings {
        let given = config.host.clone().filter(|host| !host.is_empty());
        let given = given.map(|host| (host, "docker_host"));
        let by_environment = || Some((self.set("DOCKER_HOST")?, "DOCKER_HOST"));
        if let Some((endpoint, source)) = given.or_else(by_environment) {
            let tls = config
                .tls
                .unwrap_or_else(|| self.set("DOCKER_TLS_VERIFY").is_some());
            let certificates = config
                .cert_path
                .clone()
                .or_else(|| self.set("DOCKER_CERT_PATH").map(PathBuf::from))
                .unwrap_or_else(|| self.docker_folder());
            return Settings {
                transport: transport(&endpoint, tls, certificates),
                endpoint,
                source: source.to_owned(),
            };
        }
        match self.context() {
            Some((name, source)) => self.by_context(config, &name, &source),
            None => self.by_socket(),
        }
    }

    /// The context that is asked for, and who asks.
    fn context(&self) -> Option<(String, String)> {
        let by_environment = || Some((self.set("DOCKER_CONTEXT")?, "DOCKER_CONTEXT".to_owned()));
        let by_file = || {
            let path = self.docker_folder().join("config.json");
            let text = std::fs::read(&path).ok()?;
            let file: ConfigFile = serde_json::from_slice(&text).ok()?;
            Some((file.current_context, path.display().to_string()))
        };
        let asked = by_environment().or_else(by_file);
        asked.filter(|(name, _)| !name.is_empty() && name != DEFAULT_CONTEXT)
    }

    fn by_context(&self, config: &DockerConfig, name: &str, source: &str) -> Settings {
        let source = format!("the context {name:?} of {source}");
        let unsupported = |endpoint: &str, reason: String| Settings {
            endpoint: endpoint.to_owned(),
            transport: Transport::Unsupported(reason),
            source: source.clone(),
        };
        let contexts = self.docker_folder().join("contexts");
        let Some((folder, meta)) = read_context(&contexts, name) else {
            let reason = format!(
                "{} has no such context; `docker context ls` lists the existing ones",
                contexts.display()
            );
            return unsupported(&format!("context {name:?}"), reason);
        };
        let endpoint = meta.endpoints.docker.host;
        if meta.endpoints.docker.skip_tls_verify {
            let reason = "the context skips verification of the daemon's certificate, which Atlas does not support. \
                          Add the certificate's authority to the context (`docker context update --docker ca=…`)";
            return unsupported(&endpoint, reason.to_owned());
        }
        let own = contexts.join("tls").join(folder).join("docker");
        let tls = config.tls.unwrap_or_else(|| own.is_dir());
        let certificates = config.cert_path.clone().unwrap_or(own);
        Settings {
            transport: transport(&endpoint, tls, certificates),
            endpoint,
            source,
        }
    }

    /// The system's socket, or those of daemons that run without root.
    fn by_socket(&self) -> Settings {
        let runtime = self.set("XDG_RUNTIME_DIR").map(PathBuf::from);
        let of_home = |path: &str| Some(self.home()?.join(path));
        let usual = [
            Some(PathBuf::from(self.system_socket)),
            runtime.map(|folder| folder.join("docker.sock")),
            of_home(".docker/run/docker.sock"),
            of_home(".docker/desktop/docker.sock"),
        ];
        let usual: Vec<PathBuf> = usual.into_iter().flatten().collect();
        let there = usual.iter().find(|path| path.exists());
        let (path, source) = if let Some(path) = there {
            (path.as_path(), "the default sockets".to_owned())
        } else {
            let all: Vec<String> = usual.iter().map(|one| one.display().to_string()).collect();
            let looked = format!(
                "the default sockets, none of which exists: {}",
                all.join(", ")
            );
            (Path::new(self.system_socket), looked)
        };
        let path = path.display().to_string();
        Settings {
            endpoint: format!("unix://{path}"),
            transport: Transport::Unix(path),
            source,
        }
    }
}

fn transport(endpoint: &str, tls: bool, certificates: PathBuf) -> Transport {
    match endpoint.split_once("://") {
        Some(("unix", path)) => Transport::Unix(path.to_owned()),
        Some(("tcp" | "http", _)) if !tls => Transport::Http(endpoint.to_owned()),
        Some(("tcp" | "https" | "http", _)) => Transport::Tls {
            address: endpoint.to_owned(),
            certificates,
        },
        Some(("ssh", _)) => Transport::Ssh(endpoint.to_owned()),
        _ => Transport::Unsupported(
            "only unix://, tcp://, http://, https:// and ssh:// addresses are supported".to_owned(),
        ),
    }
}

/// What to do where `ssh` does not lead to the daemon.
pub(super) fn ssh_advice(endpoint: &str) -> String {
    let host = endpoint.trim_start_matches("ssh://");
    format!(
        "Atlas reaches Docker by `ssh {host} docker system dial-stdio`, which must work without a prompt. Or forward \
         its socket with `ssh -nNT -L /tmp/docker.sock:{SYSTEM_SOCKET} {host}` and name unix:///tmp/docker.sock"
    )
}

/// The machine that an endpoint is on, where that is another one.
pub(super) fn other_machine(endpoint: &str) -> Option<String> {
    let (scheme, rest) = endpoint.split_once("://")?;
    if scheme == "unix" {
        return None;
    }
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(inner) => inner.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(host, _)| host),
    };
    let is_here = host == "localhost"
        || host.is_empty()
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    (!is_here).then(|| host.to_owned())
}

/// Docker's `config.json`.
#[derive(Deserialize)]
struct ConfigFile {
    #[serde(default, rename = "currentContext")]
    current_context: String,
}

/// A context's `meta.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
    name: String,
    endpoints: Endpoints,
}

#[derive(Deserialize)]
struct Endpoints {
    docker: Endpoint,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(default, rename = "Host")]
    host: String,
    #[serde(default, rename = "SkipTLSVerify")]
    skip_tls_verify: bool,
}

/// The folder of a context, whose name is a hash of the context's, and what it says.
fn read_context(contexts: &Path, name: &str) -> Option<(std::ffi::OsString, Meta)> {
    let folders = std::fs::read_dir(contexts.join("meta")).ok()?;
    folders.flatten().find_map(|folder| {
        let text = std::fs::read(folder.path().join("meta.json")).ok()?;
        let meta: Meta = serde_json::from_slice(&text).ok()?;
        (meta.name == name).then(|| (folder.file_name(), meta))
    })
}

/// An API version as a number that can be compared; 0 where it makes no sense.
pub(super) fn api_number(version: &str) -> u32 {
    let mut parts = version
        .split('.')
        .map(|part| part.parse::<u32>().unwrap_or(0));
    parts.next().unwrap_or(0) * 1000 + parts.next().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use super::*;

    /// A machine with this environment and a home folder of its own.
    struct Fake {
        home: tempfile::TempDir,
        env: BTreeMap<&'static str, String>,
    }

    impl Fake {
        fn new(env: &[(&'static str, &str)]) -> Self {
            let home = tempfile::tempdir().unwrap();
            let mut all: BTreeMap<&'static str, String> = env
                .iter()
                .map(|(key, value)| (*key, (*value).to_owned()))
                .collect();
            all.insert("HOME", home.path().display().to_string());
            Self { home, env: all }
        }

        fn path(&self, name: &str) -> String {
            self.home.path().join(name).display().to_string()
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.home.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn context(&self, name: &str, folder: &str, host: &str) {
            let meta = format!(
                r#"{{"Name":"{name}","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}","SkipTLSVerify":false}}}}}}"#
            );
            self.write(&format!(".docker/contexts/meta/{folder}/meta.json"), &meta);
        }

        fn resolve(&self, config: &DockerConfig) -> Settings {
            Machine {
                env: &|name| self.env.get(name).cloned(),
                system_socket: &self.path("system.sock"),
            }
            .resolve(config)
        }

        fn found(&self) -> Settings {
            self.resolve(&DockerConfig::default())
        }
    }

    #[test]
    fn who_asks_first_decides() {
        let fake = Fake::new(&[("DOCKER_HOST", "tcp://b:2375"), ("DOCKER_CONTEXT", "x")]);
        let config = DockerConfig {
            host: Some("unix:///a.sock".into()),
            ..Default::default()
        };
        let given = fake.resolve(&config);
        assert_eq!(given.endpoint, "unix:///a.sock");
        let by_environment = fake.found();
        assert_eq!(
            by_environment.transport,
            Transport::Http("tcp://b:2375".into())
        );
        assert_eq!(by_environment.source, "DOCKER_HOST");
    }

    #[test]
    fn tls_is_spoken_when_the_environment_asks() {
        let fake = Fake::new(&[
            ("DOCKER_HOST", "tcp://b:2376"),
            ("DOCKER_TLS_VERIFY", "1"),
            ("DOCKER_CERT_PATH", "/certs"),
        ]);
        let expected = Transport::Tls {
            address: "tcp://b:2376".into(),
            certificates: "/certs".into(),
        };
        assert_eq!(fake.found().transport, expected);
    }

    #[test]
    fn the_context_of_the_environment_comes_before_the_current_one() {
        let mut fake = Fake::new(&[]);
        fake.context("far", "f1", "tcp://far:2375");
        fake.context("near", "f2", "unix:///near.sock");
        fake.write(
            ".docker/config.json",
            r#"{"auths":{},"currentContext":"near"}"#,
        );
        let current = fake.found();
        assert_eq!(current.transport, Transport::Unix("/near.sock".into()));
        assert!(current.source.contains("near") && current.source.contains("config.json"));
        fake.env.insert("DOCKER_CONTEXT", "far".to_owned());
        assert_eq!(
            fake.found().transport,
            Transport::Http("tcp://far:2375".into())
        );
        fake.env.insert("DOCKER_CONTEXT", "default".to_owned());
        assert_eq!(
            fake.found().source,
            "the default sockets, none of which exists: ".to_owned()
                + &[
                    fake.path("system.sock"),
                    fake.path(".docker/run/docker.sock"),
                    fake.path(".docker/desktop/docker.sock"),
                ]
                .join(", ")
        );
    }

    #[test]
    fn dockers_folder_may_be_elsewhere() {
        let mut fake = Fake::new(&[]);
        fake.write(
            "other/contexts/meta/f/meta.json",
            r#"{"Name":"x","Endpoints":{"docker":{"Host":"tcp://x:1"}}}"#,
        );
        fake.env.insert("DOCKER_CONTEXT", "x".to_owned());
        assert!(matches!(fake.found().transport, Transport::Unsupported(_)));
        fake.env.insert("DOCKER_CONFIG", fake.path("other"));
        assert_eq!(fake.found().transport, Transport::Http("tcp://x:1".into()));
    }

    #[test]
    fn a_context_speaks_tls_with_its_own_certificates() {
        let fake = Fake::new(&[("DOCKER_CONTEXT", "x")]);
        fake.context("x", "f", "tcp://x:2376");
        fake.write(".docker/contexts/tls/f/docker/ca.pem", "");
        let expected = Transport::Tls {
            address: "tcp://x:2376".into(),
            certificates: fake.path(".docker/contexts/tls/f/docker").into(),
        };
        assert_eq!(fake.found().transport, expected);
    }

    #[test]
    fn a_context_that_is_not_there_or_trusts_everybody_is_told_with_what_to_do() {
        let fake = Fake::new(&[("DOCKER_CONTEXT", "x")]);
        let told = |settings: Settings| match settings.transport {
            Transport::Unsupported(reason) => reason,
            other => panic!("{other:?}"),
        };
        assert!(told(fake.found()).contains("docker context ls"));
        fake.write(
            ".docker/contexts/meta/f/meta.json",
            r#"{"Name":"x","Endpoints":{"docker":{"Host":"tcp://x:1","SkipTLSVerify":true}}}"#,
        );
        assert!(told(fake.found()).contains("docker context update"));
    }

    #[test]
    fn the_first_usual_socket_that_is_there_is_taken() {
        let mut fake = Fake::new(&[]);
        fake.env.insert("XDG_RUNTIME_DIR", fake.path("run"));
        for socket in [".docker/run/docker.sock", "run/docker.sock", "system.sock"] {
            fake.write(socket, "");
            assert_eq!(fake.found().transport, Transport::Unix(fake.path(socket)));
        }
    }

    #[test]
    fn another_machine_is_known_by_its_name() {
        for (endpoint, machine) in [
            ("unix:///var/run/docker.sock", None),
            ("tcp://127.0.0.1:2375", None),
            ("tcp://localhost:2375", None),
            ("tcp://[::1]:2375", None),
            ("tcp://10.0.0.5:2376", Some("10.0.0.5")),
            ("https://docker.example:2376/", Some("docker.example")),
            ("ssh://me@box:22", Some("box")),
            ("ssh://box", Some("box")),
            ("tcp://[fd00::1]:2375", Some("fd00::1")),
        ] {
            assert_eq!(other_machine(endpoint).as_deref(), machine, "{endpoint}");
        }
    }

    #[test]
    fn ssh_is_told_with_the_way_round_it() {
        let fake = Fake::new(&[("DOCKER_HOST", "ssh://me@box")]);
        assert_eq!(
            fake.found().transport,
            Transport::Ssh("ssh://me@box".into())
        );
        let advice = ssh_advice("ssh://me@box");
        assert!(
            advice.contains("ssh -nNT -L") && advice.contains("me@box"),
            "{advice}"
        );
    }

    #[test]
    fn api_versions_compare_as_numbers() {
        assert!(api_number("1.9") < api_number("1.41"));
        assert!(api_number("1.51") > api_number("1.41"));
    }
}
