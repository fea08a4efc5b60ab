//! Any cluster that may be asked for, and any world to make it in: for property tests.

use std::net::IpAddr;

use proptest::prelude::*;

use super::imagined::Imagined;
use super::spec::{Filtered, KubeApi, Pair, Port, Spec, Token, Volume};
use crate::docker::ImageDefaults;
use crate::path::FieldPath;

/// What is drawn for one item: a choice of value, of filters, and a place that keeps items apart.
type Draw = (u8, u8, u8);

fn draws(most: usize) -> impl Strategy<Value = Vec<Draw>> {
    proptest::collection::vec(any::<Draw>(), 0..most)
}

fn pick<T>(from: &[T], choice: u8) -> &T {
    &from[usize::from(choice) % from.len()]
}

fn item<T>(block: &str, value: T, filters: Vec<String>) -> Filtered<T> {
    Filtered {
        value,
        filters,
        path: FieldPath::of(block).index(0),
    }
}

/// Filters that name nodes of such a cluster.
fn node_filters(agents: u32) -> Vec<Vec<String>> {
    let mut all = vec![
        vec![],
        vec!["server:0".to_owned()],
        vec!["servers".to_owned()],
        vec!["agent:*".to_owned()],
        vec!["loadbalancer".to_owned()],
        vec!["all".to_owned()],
        vec!["server:*".to_owned(), "agents".to_owned()],
    ];
    if agents > 0 {
        all.push(vec![format!("agent:{}", agents - 1)]);
        all.push(vec!["agent:0-".to_owned(), "server[0]".to_owned()]);
    }
    all
}

fn pairs(block: &str, keys: &[&str], drawn: &[Draw], agents: u32) -> Vec<Filtered<Pair>> {
    let values = ["", "1", "a=b", "/bin", "\"q\" 'r'", "ü:,; "];
    let filters = node_filters(agents);
    let pair = |(value, filter, key): &Draw| {
        let pair = Pair {
            key: (*pick(keys, *key)).to_owned(),
            value: (*pick(&values, *value)).to_owned(),
        };
        item(block, pair, pick(&filters, *filter).clone())
    };
    drawn.iter().map(pair).collect()
}

fn volumes(drawn: &[Draw], agents: u32) -> Vec<Filtered<Volume>> {
    let sources = [None, Some("/srv"), Some("/a/edac"), Some("vol-1")];
    let filters = node_filters(agents);
    let volume = |(place, (source, filter, options)): (usize, &Draw)| {
        let source = pick(&sources, *source).map(str::to_owned);
        let options = match &source {
            Some(_) => *pick(&["", ":ro", ":ro,rshared"], *options),
            None => "",
        };
        let destination = format!("/d{place}{options}");
        let volume = Volume {
            source,
            destination,
        };
        item("volume", volume, pick(&filters, *filter).clone())
    };
    drawn.iter().enumerate().map(volume).collect()
}

fn words(drawn: &[Draw], agents: u32) -> Vec<Filtered<String>> {
    let of_all: [&[&str]; 7] = [
        &["--disable=traefik"],
        &["--disable", "servicelb"],
        &["-debug"],
        &["--kubelet-arg=max-pods=42"],
        &["--kubelet-arg", "-v=5"],
        &["-v", "3"],
        &["-i=10.0.0.9"],
    ];
    let of_servers: [&[&str]; 4] = [
        &["--tls-san=a.example,b.example"],
        &["-tls-san", "c.example"],
        &["--tls-san=127.0.0.1"],
        &["--cluster-dns=10.43.0.99"],
    ];
    let filters = node_filters(agents);
    let given = |(value, filter, kind): &Draw| {
        let (words, filters) = if kind % 2 == 0 {
            (*pick(&of_all, *value), pick(&filters, *filter).clone())
        } else {
            (*pick(&of_servers, *value), vec!["server:0".to_owned()])
        };
        let items: Vec<_> = words
            .iter()
            .map(|word| item("k3s", (*word).to_owned(), filters.clone()))
            .collect();
        items
    };
    drawn.iter().flat_map(given).collect()
}

fn ports(drawn: &[Draw], agents: u32, balanced: bool) -> Vec<Filtered<Port>> {
    let hosts = [None, Some("127.0.0.1"), Some("0.0.0.0"), Some("::1")];
    let mut filters = vec![vec!["server:0:direct"]];
    if balanced {
        filters.extend([vec![], vec!["loadbalancer"], vec!["server:0:proxy"]]);
    }
    if agents > 0 {
        filters.push(vec!["agent:0:direct"]);
    }
    if agents > 0 && balanced {
        filters.extend([vec!["agent:*"], vec!["agent:0", "server:0"]]);
    }
    let port = |(place, (host, filter, kind)): (usize, &Draw)| {
        let place = u16::try_from(place).unwrap_or_default();
        let host: Option<IpAddr> = pick(&hosts, *host).and_then(|host| host.parse().ok());
        let port = Port {
            host,
            host_port: (kind % 3 > 0).then_some(20000 + place),
            // Some share one, so that their targets come together.
            container_port: 80 + place / 2,
            protocol: (*pick(&["tcp", "udp"], kind / 3)).to_owned(),
        };
        let filters: Vec<String> = pick(&filters, *filter)
            .iter()
            .map(|&one| one.to_owned())
            .collect();
        item("port", port, filters)
    };
    drawn.iter().enumerate().map(port).collect()
}

fn node_labels(drawn: &[Draw], agents: u32) -> Vec<Filtered<String>> {
    let filters = node_filters(agents);
    let label = |(place, (value, filter, _)): (usize, &Draw)| {
        let value = pick(&["", "a", "A.b_c-d"], *value);
        item(
            "k3s",
            format!("x.example/k{place}={value}"),
            pick(&filters, *filter).clone(),
        )
    };
    drawn.iter().enumerate().map(label).collect()
}

fn shape() -> impl Strategy<Value = Spec> {
    let memory = || {
        let sizes = vec![None, Some(64i64 << 20), Some(3 << 29)];
        proptest::sample::select(sizes)
    };
    let hosts = || proptest::sample::select(vec![None, Some("kube.example"), Some("::1")]);
    (
        0u32..4,
        any::<[bool; 5]>(),
        memory(),
        memory(),
        hosts(),
        proptest::sample::select(vec![None, Some("0.0.0.0"), Some("::1")]),
    )
        .prop_map(|(agents, flags, servers_memory, agents_memory, host, ip)| {
            let [
                load_balancer,
                image_volume,
                host_ip_injection,
                shared,
                token,
            ] = flags;
            Spec {
                agents,
                load_balancer,
                image_volume,
                host_ip_injection,
                network: shared.then(|| "shared".to_owned()),
                token: token.then(|| Token::new("a.token".to_owned())),
                kube_api: KubeApi {
                    host: host.map(str::to_owned),
                    host_ip: ip.and_then(|ip| ip.parse().ok()),
                    host_port: Some(6551),
                },
                servers_memory,
                agents_memory,
                cluster_cidr: super::args::network("10.64.0.0/16"),
                ..Spec::new("demo", "docker.io/library/node:1", "lb:1")
            }
        })
}

/// Any cluster that may be asked for.
pub fn specs() -> impl Strategy<Value = Spec> {
    let lists = (draws(5), draws(5), draws(4), draws(6), draws(5), draws(4));
    (shape(), lists).prop_map(|(spec, (env, label, volume, word, port, node_label))| {
        let agents = spec.agents;
        let variables = ["A", "PATH", "UNBUFFERED", "B"];
        Spec {
            env: pairs("env", &variables, &env, agents),
            labels: pairs("label", &["team", "made", "x.y/z"], &label, agents),
            volumes: volumes(&volume, agents),
            args: words(&word, agents),
            ports: ports(&port, agents, spec.load_balancer),
            node_labels: node_labels(&node_label, agents),
            ..spec
        }
    })
}

/// Images that say something by themselves, gateways that are told and that are not.
pub fn worlds() -> impl Strategy<Value = Imagined> {
    any::<bool>().prop_map(|hidden_gateways| Imagined {
        image: ImageDefaults {
            env: ["PATH=/bin", "UNBUFFERED=1"].map(str::to_owned).into(),
            labels: [("made".to_owned(), "1".to_owned())].into(),
        },
        hidden_gateways,
    })
}
