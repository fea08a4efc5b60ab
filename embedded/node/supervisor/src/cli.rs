//! k3s's flags: those that the image honours, those that it accepts because they change nothing here,
//! and a refusal of all others.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::tools::Tool;

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Control plane and node.
    Server(Options),
    /// Node only.
    Agent(Options),
    /// One of the tools that k3s carries.
    Tool(Tool, Vec<String>),
    /// `--version`.
    Version,
}

/// The flags of `server` and `agent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) token: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) node_name: Option<String>,
    pub(crate) node_ip: Option<String>,
    pub(crate) node_labels: Vec<String>,
    pub(crate) node_taints: Vec<String>,
    pub(crate) tls_sans: Vec<String>,
    pub(crate) cluster_cidr: Ipv4Net,
    pub(crate) service_cidr: Ipv4Net,
    pub(crate) cluster_dns: Option<String>,
    pub(crate) cluster_domain: String,
    pub(crate) disable: BTreeSet<String>,
    pub(crate) kubeconfig_output: Option<String>,
    pub(crate) kubeconfig_mode: u32,
    pub(crate) resolv_conf: Option<String>,
    pub(crate) advertise_address: Option<Ipv4Addr>,
    pub(crate) etcd_args: Vec<String>,
    pub(crate) apiserver_args: Vec<String>,
    pub(crate) controller_manager_args: Vec<String>,
    pub(crate) scheduler_args: Vec<String>,
    pub(crate) kubelet_args: Vec<String>,
    pub(crate) kube_proxy_args: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            token: None,
            url: None,
            node_name: None,
            node_ip: None,
            node_labels: Vec::new(),
            node_taints: Vec::new(),
            tls_sans: Vec::new(),
            cluster_cidr: "10.42.0.0/16".parse().unwrap_or_default(),
            service_cidr: "10.43.0.0/16".parse().unwrap_or_default(),
            cluster_dns: None,
            cluster_domain: "cluster.local".to_owned(),
            disable: BTreeSet::new(),
            kubeconfig_output: None,
            kubeconfig_mode: 0o600,
            resolv_conf: None,
            advertise_address: None,
            etcd_args: Vec::new(),
            apiserver_args: Vec::new(),
            controller_manager_args: Vec::new(),
            scheduler_args: Vec::new(),
            kubelet_args: Vec::new(),
            kube_proxy_args: Vec::new(),
        }
    }
}

/// Components that k3s would ship and this image does not: disabling them changes nothing.
const NOT_SHIPPED: [&str; 3] = ["traefik", "servicelb", "metrics-server"];
/// Components that the image ships.
const SHIPPED: [&str; 3] = ["coredns", "local-storage", "rolebindings"];
/// Flags without a value that mean nothing here.
const NO_EFFECT: [&str; 4] = [
    "disable-network-policy",
    "debug",
    "disable-helm-controller",
    "disable-cloud-controller",
];
/// k3s's flags whose effect nobody should miss without being told.
const NOT_AVAILABLE: [&str; 2] = ["rootless", "private-registry"];

/// Reads the command line; `env` gives k3s's variables.
///
/// # Errors
/// The refusal, in the words of k3s's parser.
pub(crate) fn parse(
    words: &[String],
    env: impl Fn(&str) -> Option<String>,
) -> Result<Command, String> {
    let Some((verb, rest)) = words.split_first() else {
        return Err("a command is needed: server, agent, kubectl or ctr".to_owned());
    };
    if let Some(tool) = crate::tools::by_name(verb) {
        return Ok(Command::Tool(tool, rest.to_vec()));
    }
    match verb.as_str() {
        "--version" | "-v" => Ok(Command::Version),
        "server" => options(rest, true, env).map(Command::Server),
        "agent" => options(rest, false, env).map(Command::Agent),
        other => Err(format!("No help topic for '{other}'")),
    }
}

fn options(
    words: &[String],
    server: bool,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Options, String> {
    let set = |key: &str| env(key).filter(|value| !value.is_empty());
    let mut options = Options {
        token: set("K3S_TOKEN"),
        url: set("K3S_URL"),
        node_name: set("K3S_NODE_NAME"),
        kubeconfig_output: set("K3S_KUBECONFIG_OUTPUT"),
        resolv_conf: set("K3S_RESOLV_CONF"),
        ..Options::default()
    };
    if let Some(file) = set("K3S_TOKEN_FILE") {
        options.token = Some(read_token(&file)?);
    }
    if let Some(mode) = set("K3S_KUBECONFIG_MODE") {
        options.kubeconfig_mode = octal(&mode)?;
    }
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
            return Err(format!("unexpected argument: {word}"));
        };
        let (flag, joined) = match flag.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (flag, None),
        };
        if flag == "cluster-init" && server {
            if options.url.is_some() {
                return Err("cluster-init and server exclude each other".to_owned());
            }
            continue; // etcd is always used.
        }
        if NO_EFFECT.contains(&flag) {
            continue;
        }
        if NOT_AVAILABLE.contains(&flag) {
            return Err(format!("--{flag} is not available in this image"));
        }
        let mut value = || {
            joined
                .clone()
                .or_else(|| words.next().cloned())
                .ok_or(format!("flag needs an argument: -{flag}"))
        };
        if !(common(&mut options, flag, &mut value)?
            || (server && of_server(&mut options, flag, &mut value)?))
        {
            return Err(format!("flag provided but not defined: -{flag}"));
        }
    }
    if server && options.url.is_some() {
        return Err(
            "a second server cannot join: this image runs one server per cluster".to_owned(),
        );
    }
    if !server && (options.url.is_none() || options.token.is_none()) {
        return Err("an agent needs --server (K3S_URL) and --token (K3S_TOKEN)".to_owned());
    }
    Ok(options)
}

type Value<'a> = dyn FnMut() -> Result<String, String> + 'a;

/// Flags of both; `false` where the flag is none of them.
fn common(options: &mut Options, flag: &str, value: &mut Value<'_>) -> Result<bool, String> {
    match flag {
        "token" | "t" => options.token = Some(value()?),
        "token-file" => options.token = Some(read_token(&value()?)?),
        "server" | "s" => options.url = Some(value()?),
        "node-name" => options.node_name = Some(value()?),
        "node-ip" | "i" => options.node_ip = Some(value()?),
        "node-label" => options.node_labels.push(value()?),
        "node-taint" => options.node_taints.push(value()?),
        "resolv-conf" => options.resolv_conf = Some(value()?),
        "kubelet-arg" => options.kubelet_args.push(value()?),
        "kube-proxy-arg" => options.kube_proxy_args.push(value()?),
        // Where data lies is part of the image's contract; the rest has no meaning for it.
        "data-dir" | "d" | "node-external-ip" | "snapshotter" | "pause-image" | "log" | "l"
        | "alsologtostderr" | "flannel-iface" | "v" => drop(value()?),
        _ => return Ok(false),
    }
    Ok(true)
}

/// Flags of `server` alone.
fn of_server(options: &mut Options, flag: &str, value: &mut Value<'_>) -> Result<bool, String> {
    match flag {
        "tls-san" => options.tls_sans.extend(list(&value()?)),
        "cluster-cidr" => options.cluster_cidr = network(flag, &value()?)?,
        "service-cidr" => options.service_cidr = network(flag, &value()?)?,
        "cluster-dns" => options.cluster_dns = Some(value()?),
        "cluster-domain" => options.cluster_domain = value()?,
        "disable" => {
            for name in list(&value()?) {
                if !SHIPPED.contains(&name.as_str()) && !NOT_SHIPPED.contains(&name.as_str()) {
                    return Err(format!("invalid value {name:?} for flag -disable"));
                }
                options.disable.insert(name);
            }
        }
        "write-kubeconfig" | "o" => options.kubeconfig_output = Some(value()?),
        "write-kubeconfig-mode" => options.kubeconfig_mode = octal(&value()?)?,
        "kube-apiserver-arg" => options.apiserver_args.push(value()?),
        "kube-controller-manager-arg" | "kube-controller-arg" => {
            options.controller_manager_args.push(value()?);
        }
        "kube-scheduler-arg" => options.scheduler_args.push(value()?),
        "service-node-port-range" => {
            let range = value()?;
            options
                .apiserver_args
                .push(format!("service-node-port-range={range}"));
        }
        "flannel-backend" => match value()?.as_str() {
            "host-gw" | "vxlan" => {}
            other => {
                return Err(format!(
                    "flannel backend {other:?} is not available in this image"
                ));
            }
        },
        "https-listen-port" => match value()?.as_str() {
            "6443" => {}
            _ => return Err("this image serves the Kubernetes API on port 6443 only".to_owned()),
        },
        "bind-address" => match value()?.as_str() {
            "0.0.0.0" => {}
            _ => return Err("this image serves the Kubernetes API on every address".to_owned()),
        },
        "advertise-address" => {
            let address = value()?;
            let parsed = address.parse().map_err(|_| {
                format!("invalid value {address:?} for flag -{flag}: an IPv4 address is needed")
            })?;
            options.advertise_address = Some(parsed);
        }
        "etcd-arg" => options.etcd_args.push(value()?),
        "egress-selector-mode" | "kube-cloud-controller-manager-arg" => drop(value()?),
        _ => return Ok(false),
    }
    Ok(true)
}

fn list(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}

fn network(flag: &str, text: &str) -> Result<Ipv4Net, String> {
    text.parse()
        .map_err(|_| format!("invalid value {text:?} for flag -{flag}: an IPv4 network is needed"))
}

fn octal(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8).map_err(|_| format!("invalid file mode {text:?}"))
}

fn read_token(file: &str) -> Result<String, String> {
    let text =
        std::fs::read_to_string(file).map_err(|error| format!("token file {file}: {error}"))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str, env: &[(&str, &str)]) -> Result<Command, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words, |key| {
            env.iter()
                .find(|(k, _)| *k == key)
                .map(|(_, v)| (*v).to_owned())
        })
    }

    #[test]
    fn both_spellings_of_a_flag_are_understood() {
        let a = run(
            "server --tls-san a --tls-san=b --cluster-cidr=10.1.0.0/16 --disable traefik,coredns",
            &[],
        );
        let Ok(Command::Server(options)) = a else {
            panic!("{a:?}")
        };
        assert_eq!(options.tls_sans, ["a", "b"]);
        assert_eq!(options.cluster_cidr.to_string(), "10.1.0.0/16");
        assert!(options.disable.contains("coredns"));
    }

    #[test]
    fn arguments_for_etcd_and_the_advertised_address_are_kept() {
        let line = "server --etcd-arg=quota-backend-bytes=1 --advertise-address 10.0.0.9 --bind-address=0.0.0.0";
        let Ok(Command::Server(options)) = run(line, &[]) else {
            panic!()
        };
        assert_eq!(options.etcd_args, ["quota-backend-bytes=1"]);
        assert_eq!(options.advertise_address, Some(Ipv4Addr::new(10, 0, 0, 9)));
    }

    #[test]
    fn the_environment_gives_what_k3d_sets() {
        let env = [("K3S_TOKEN", "t"), ("K3S_URL", "https://s:6443")];
        let Ok(Command::Agent(options)) = run("agent", &env) else {
            panic!()
        };
        assert_eq!(options.url.as_deref(), Some("https://s:6443"));
    }

    #[test]
    fn what_k3s_refuses_is_refused_in_its_words() {
        for (line, expected) in [
            (
                "server --nonsense",
                "flag provided but not defined: -nonsense",
            ),
            (
                "agent --tls-san a",
                "flag provided but not defined: -tls-san",
            ),
            ("server --cluster-cidr x", "invalid value"),
            ("server --tls-san", "flag needs an argument: -tls-san"),
            ("server --disable nothing", "invalid value"),
            ("server --rootless", "not available"),
            ("agent --private-registry /x", "not available"),
            ("server --bind-address 10.0.0.1", "every address"),
            ("server --advertise-address x", "invalid value"),
            ("agent", "an agent needs"),
            ("cook", "No help topic"),
        ] {
            let refusal = run(line, &[]).unwrap_err();
            assert!(refusal.contains(expected), "{line}: {refusal}");
        }
    }
}
