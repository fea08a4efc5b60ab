//! Containers: what we ask Docker for, and what it has.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use bollard::errors::Error::DockerContainerWaitError;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerWaitResponse, HostConfig,
    NetworkingConfig, PortBinding, RestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, EventsOptionsBuilder, InspectContainerOptions,
    KillContainerOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
    StartContainerOptions, StopContainerOptionsBuilder, WaitContainerOptionsBuilder,
};
use futures_util::StreamExt as _;
use futures_util::future::try_join_all;

use super::network::endpoint;
use super::runtime::Runtime;
use super::{Docker, hint};
use crate::error::{Error, Result};
use crate::labels::Labels;

/// A port of a container, written `6443/tcp`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortKey {
    /// 1 to 65535.
    pub port: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
}

impl PortKey {
    /// A port of TCP.
    pub fn tcp(port: u16) -> Self {
        Self {
            port,
            protocol: "tcp".to_owned(),
        }
    }
}

impl fmt::Display for PortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.port, self.protocol)
    }
}

impl FromStr for PortKey {
    type Err = std::num::ParseIntError;

    /// Accepts `6443` for `6443/tcp`: k3d writes both.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        Ok(Self {
            port: port.parse()?,
            protocol: protocol.to_owned(),
        })
    }
}

/// Where on the host a port is published.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Published {
    /// The host's address; `None` is every address.
    pub address: Option<IpAddr>,
    /// The host's port; `None` lets Docker choose at every start.
    pub port: Option<u16>,
}

impl Published {
    /// A container's port of TCP, and its place on 127.0.0.1: an entry of [`ContainerSpec::ports`].
    pub fn locally(inside: u16, outside: u16) -> (PortKey, Vec<Self>) {
        let published = Self {
            address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            port: Some(outside),
        };
        (PortKey::tcp(inside), vec![published])
    }
}

/// A container to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSpec {
    /// Name and host name.
    pub name: String,
    /// Image reference.
    pub image: String,
    /// Replaces the image's entry point where given.
    pub entrypoint: Option<Vec<String>>,
    /// Arguments.
    pub cmd: Vec<String>,
    /// `KEY=value`, in order.
    pub env: Vec<String>,
    /// Labels.
    pub labels: Labels,
    /// `source:destination[:options]`.
    pub binds: Vec<String>,
    /// Published ports.
    pub ports: BTreeMap<PortKey, Vec<Published>>,
    /// The network to start on.
    pub network: String,
    /// A fixed address on it.
    pub address: Option<Ipv4Addr>,
    /// `host:address` lines for `/etc/hosts`.
    pub extra_hosts: Vec<String>,
    /// Memory limit in bytes.
    pub memory: Option<i64>,
    /// Processor time in billionths of a processor.
    pub nano_cpus: Option<i64>,
    /// What else it has of its host.
    pub runtime: Runtime,
    /// In the shape that all of k3d's share: privileged, in the host's user namespace, with `/run` in memory.
    pub is_node: bool,
}

/// A container's state of life.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Docker's word: `created`, `running`, `paused`, `restarting`, `exited`, `dead`.
    pub status: String,
    /// Whether its process runs: neither paused, nor waiting to be started again.
    pub running: bool,
    /// Exit code of the last run.
    pub exit_code: i64,
    /// How often Docker started it again by itself, since somebody started it.
    pub restarts: i64,
    /// Start of the present run, RFC 3339.
    pub started_at: String,
    /// End of the last run that ended, RFC 3339: of a container that runs, the one before. A year before 1970 where there
    /// was none.
    pub finished_at: String,
}

/// A container as Docker has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Name without the leading slash.
    pub name: String,
    /// The image reference it was created with.
    pub image: String,
    /// The id of that image.
    pub image_id: String,
    /// Arguments.
    pub cmd: Vec<String>,
    /// Environment.
    pub env: Vec<String>,
    /// Labels.
    pub labels: Labels,
    /// Binds.
    pub binds: Vec<String>,
    /// Published ports.
    pub ports: BTreeMap<PortKey, Vec<Published>>,
    /// State of life.
    pub state: State,
    /// Present address by network; `None` where it has none now.
    pub networks: BTreeMap<String, Option<Ipv4Addr>>,
    /// Fixed address by network.
    pub static_addresses: BTreeMap<String, Ipv4Addr>,
    /// Memory limit in bytes, 0 for none.
    pub memory: i64,
    /// Processor time in billionths of a processor, 0 for no limit.
    pub nano_cpus: i64,
    /// `host:address` lines.
    pub extra_hosts: Vec<String>,
    /// What else it has of its host.
    pub runtime: Runtime,
}

impl Docker {
    /// Containers that carry all of these labels (`key` or `key=value`), whatever their state, by
    /// name.
    pub async fn containers(&self, labels: &[String]) -> Result<Vec<Node>> {
        self.containers_by(&HashMap::from([("label".to_owned(), labels.to_vec())]))
            .await
    }

    /// Containers that belong to a network, running or not, by name.
    pub async fn containers_on(&self, network: &str) -> Result<Vec<Node>> {
        self.containers_by(&HashMap::from([(
            "network".to_owned(),
            vec![network.to_owned()],
        )]))
        .await
    }

    /// Containers that have this volume, by name.
    pub async fn containers_with(&self, volume: &str) -> Result<Vec<Node>> {
        self.containers_by(&HashMap::from([(
            "volume".to_owned(),
            vec![volume.to_owned()],
        )]))
        .await
    }

    /// Containers that run, paused ones included, by name.
    pub async fn running_containers(&self) -> Result<Vec<Node>> {
        let states = ["running", "paused"].map(str::to_owned);
        self.containers_by(&HashMap::from([("status".to_owned(), states.into())]))
            .await
    }

    async fn containers_by(&self, filters: &HashMap<String, Vec<String>>) -> Result<Vec<Node>> {
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(filters)
            .build();
        let listed = self
            .api()
            .list_containers(Some(options))
            .await
            .map_err(|error| self.failed("list", "containers", error))?;
        let inspected = listed
            .into_iter()
            .filter_map(|summary| summary.id)
            .map(|id| async move { self.container(&id).await });
        // One that vanished between the two calls is simply not there.
        let mut nodes: Vec<Node> = try_join_all(inspected)
            .await?
            .into_iter()
            .flatten()
            .collect();
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(nodes)
    }

    /// One container by name or id; `None` where there is none.
    pub async fn container(&self, name: &str) -> Result<Option<Node>> {
        let found = self
            .api()
            .inspect_container(name, None::<InspectContainerOptions>)
            .await;
        let found = self.unless_gone("inspect container", name, found)?;
        Ok(found.map(Node::from_inspect))
    }

    /// Creates a container without starting it.
    pub async fn create_container(&self, spec: &ContainerSpec) -> Result<()> {
        let options = CreateContainerOptionsBuilder::default()
            .name(&spec.name)
            .build();
        self.api()
            .create_container(Some(options), body(spec))
            .await
            .map(drop)
            .map_err(|error| self.failed("create container", &spec.name, error))
    }

    /// Lets a container run, whatever state it is in: one that was paused goes on. One that runs already is as good.
    pub async fn start_container(&self, name: &str) -> Result<()> {
        let started = self
            .api()
            .start_container(name, None::<StartContainerOptions>)
            .await
            .map_err(|error| self.failed("start container", name, error));
        match started {
            Err(error) if error.says("cannot start a paused container") => {
                self.unpause_container(name).await
            }
            Err(error) if error.says(hint::TAKEN) => Err(self.with_rival(name, error).await),
            done => done,
        }
    }

    /// Docker does not say which address it is that a container cannot have, nor who has it.
    async fn with_rival(&self, name: &str, mut error: Error) -> Error {
        let Ok(Some(node)) = self.container(name).await else {
            return error;
        };
        for (network, address) in &node.static_addresses {
            let Ok(Some(found)) = self.network(network).await else {
                continue;
            };
            let rival = found.holder(*address).filter(|holder| *holder != name);
            if let (Some(rival), Error::Docker { hint, .. }) = (rival, &mut error) {
                *hint = hint::taken_address(name, *address, network, rival);
                break;
            }
        }
        error
    }

    /// Stops a container within `seconds`; one that is gone or stopped is as good.
    pub async fn stop_container(&self, name: &str, seconds: i32) -> Result<()> {
        let options = StopContainerOptionsBuilder::default().t(seconds).build();
        match self.api().stop_container(name, Some(options)).await {
            // Docker answers when it has ended, which may take longer than any other answer.
            Err(bollard::errors::Error::RequestTimeoutError) => self.until_ended(name).await,
            done => self.unless_gone("stop container", name, done).map(drop),
        }
    }

    /// Lets a paused container's processes run again; one that runs is as good.
    pub async fn unpause_container(&self, name: &str) -> Result<()> {
        let done = self.api().unpause_container(name).await;
        match done.map_err(|error| self.failed("unpause container", name, error)) {
            Err(error) if error.says("is not paused") => Ok(()),
            done => done,
        }
    }

    /// Sends a signal, for instance `SIGHUP`, to a container's process.
    pub async fn signal_container(&self, name: &str, signal: &str) -> Result<()> {
        let options = KillContainerOptionsBuilder::default()
            .signal(signal)
            .build();
        self.api()
            .kill_container(name, Some(options))
            .await
            .map_err(|error| self.failed("signal container", name, error))
    }

    /// Removes a container with its anonymous volumes; one that is gone already is as good.
    pub async fn remove_container(&self, name: &str) -> Result<()> {
        let options = RemoveContainerOptionsBuilder::default()
            .force(true)
            .v(true)
            .build();
        match self.api().remove_container(name, Some(options)).await {
            Ok(()) => Ok(()),
            Err(error) => {
                let error = self.failed("remove container", name, error);
                if error.is_not_found() {
                    Ok(())
                } else if error.to_string().contains("already in progress") {
                    self.gone(name).await
                } else {
                    Err(error)
                }
            }
        }
    }

    /// Waits for a removal that somebody else began.
    async fn gone(&self, name: &str) -> Result<()> {
        let ended = self.until("removed", name).await;
        match (self.container(name).await?, ended) {
            (Some(_), Some(Err(error))) => Err(self.failed("remove container", name, error)),
            _ => Ok(()),
        }
    }

    /// Waits until a container does not run; one that does not, or is gone, is as good.
    pub async fn until_ended(&self, name: &str) -> Result<()> {
        match self.until("not-running", name).await {
            None | Some(Err(DockerContainerWaitError { .. })) => Ok(()),
            Some(ended) => {
                let ended = self.unless_gone("wait for the end of", name, ended);
                ended.map(drop)
            }
        }
    }

    /// Waits for this condition of a container. Its exit code comes as an error, and so does its absence: both say that
    /// the wait is over.
    async fn until(
        &self,
        condition: &str,
        name: &str,
    ) -> Option<Result<ContainerWaitResponse, bollard::errors::Error>> {
        let options = WaitContainerOptionsBuilder::default()
            .condition(condition)
            .build();
        self.api().wait_container(name, Some(options)).next().await
    }

    /// Waits until a container that ended is started again; `before` is its last start. `false` where
    /// nobody will start it.
    pub async fn next_start(&self, name: &str, before: &str) -> Result<bool> {
        let filters = HashMap::from([
            ("type".to_owned(), vec!["container".to_owned()]),
            ("container".to_owned(), vec![name.to_owned()]),
        ]);
        // From that start on, so that nothing is missed before the stream begins.
        let since = unix_second(before).unwrap_or(0).to_string();
        let options = EventsOptionsBuilder::default()
            .filters(&filters)
            .since(&since)
            .build();
        let mut events = std::pin::pin!(self.api().events(Some(options)));
        loop {
            let Some(node) = self.container(name).await? else {
                return Ok(false);
            };
            if node.state.started_at != before {
                return Ok(true);
            }
            // `running` too: the log ends a little before Docker knows that the process did.
            if !matches!(node.state.status.as_str(), "running" | "restarting") {
                return Ok(false);
            }
            match events.next().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    return Err(self.failed("follow the events of", name, error));
                }
                None => return Ok(false),
            }
        }
    }
}

fn body(spec: &ContainerSpec) -> ContainerCreateBody {
    let bindings = spec.ports.iter().map(|(key, published)| {
        let published = published.iter().map(|host| PortBinding {
            host_ip: Some(
                host.address
                    .map(|address| address.to_string())
                    .unwrap_or_default(),
            ),
            host_port: Some(host.port.map(|port| port.to_string()).unwrap_or_default()),
        });
        (key.to_string(), Some(published.collect()))
    });
    ContainerCreateBody {
        hostname: Some(spec.name.clone()),
        image: Some(spec.image.clone()),
        entrypoint: spec.entrypoint.clone(),
        cmd: Some(spec.cmd.clone()),
        env: Some(spec.env.clone()),
        labels: Some(spec.labels.clone().into_iter().collect()),
        exposed_ports: Some(spec.ports.keys().map(ToString::to_string).collect()),
        host_config: Some(HostConfig {
            binds: Some(spec.binds.clone()),
            port_bindings: Some(bindings.collect()),
            privileged: Some(spec.is_node),
            userns_mode: spec.is_node.then(|| "host".to_owned()),
            init: Some(true),
            network_mode: Some("bridge".to_owned()),
            tmpfs: spec.is_node.then(|| {
                HashMap::from([
                    ("/run".to_owned(), String::new()),
                    ("/var/run".to_owned(), String::new()),
                ])
            }),
            extra_hosts: Some(spec.extra_hosts.clone()),
            ulimits: spec.runtime.ulimits(),
            pid_mode: spec.runtime.pid_mode.clone(),
            device_requests: spec.runtime.device_requests(),
            memory: spec.memory,
            nano_cpus: spec.nano_cpus,
            restart_policy: Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::UNLESS_STOPPED),
                maximum_retry_count: None,
            }),
            ..Default::default()
        }),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(
                spec.network.clone(),
                endpoint(spec.address),
            )])),
        }),
        ..Default::default()
    }
}

impl Node {
    /// The value of an environment variable.
    pub fn env_value(&self, key: &str) -> Option<&str> {
        self.env
            .iter()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
    }

    /// The value of a label; empty counts as absent.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels
            .get(key)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The host's port for a port of TCP.
    pub fn published(&self, port: u16) -> Option<u16> {
        self.ports.get(&PortKey::tcp(port))?.first()?.port
    }

    /// The second at which the present run started, in Unix time; 0 where that is not known.
    pub fn started_second(&self) -> i32 {
        unix_second(&self.state.started_at).unwrap_or(0)
    }

    /// The second from which on the log of a container that runs is of its present run, in Unix time: the end of the run
    /// before it, also where it does not run any more. The start of the present one would not do, as a busy daemon notes
    /// it when the process has logged for a while.
    pub fn log_second(&self) -> i32 {
        unix_second(&self.state.finished_at).unwrap_or(0)
    }

    fn from_inspect(found: ContainerInspectResponse) -> Self {
        let config = found.config.unwrap_or_default();
        let host = found.host_config.unwrap_or_default();
        let runtime = Runtime::from_host(&host);
        let state = found.state.unwrap_or_default();
        let endpoints = found
            .network_settings
            .and_then(|net| net.networks)
            .unwrap_or_default();
        let mut networks = BTreeMap::new();
        let mut static_addresses = BTreeMap::new();
        for (name, endpoint) in endpoints {
            let fixed = endpoint
                .ipam_config
                .and_then(|ipam| ipam.ipv4_address?.parse().ok());
            if let Some(fixed) = fixed {
                static_addresses.insert(name.clone(), fixed);
            }
            networks.insert(
                name,
                endpoint.ip_address.and_then(|address| address.parse().ok()),
            );
        }
        let ports = host
            .port_bindings
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(key, bound)| {
                let published = bound
                    .unwrap_or_default()
                    .into_iter()
                    .map(|binding| Published {
                        address: binding.host_ip.and_then(|address| address.parse().ok()),
                        port: binding
                            .host_port
                            .and_then(|port| port.parse().ok())
                            .filter(|port| *port != 0),
                    });
                Some((key.parse().ok()?, published.collect()))
            });
        Self {
            id: found.id.unwrap_or_default(),
            name: found
                .name
                .unwrap_or_default()
                .trim_start_matches('/')
                .to_owned(),
            image: config.image.unwrap_or_default(),
            image_id: found.image.unwrap_or_default(),
            cmd: config.cmd.unwrap_or_default(),
            env: config.env.unwrap_or_default(),
            labels: config.labels.unwrap_or_default().into_iter().collect(),
            binds: host.binds.unwrap_or_default(),
            ports: ports.collect(),
            state: State {
                status: state
                    .status
                    .map(|status| status.to_string())
                    .unwrap_or_default(),
                running: state.running.unwrap_or(false)
                    && !state.paused.unwrap_or(false)
                    && !state.restarting.unwrap_or(false),
                exit_code: state.exit_code.unwrap_or(0),
                restarts: found.restart_count.unwrap_or(0),
                started_at: state.started_at.unwrap_or_default(),
                finished_at: state.finished_at.unwrap_or_default(),
            },
            networks,
            static_addresses,
            runtime,
            memory: host.memory.unwrap_or(0),
            nano_cpus: host.nano_cpus.unwrap_or(0),
            extra_hosts: host.extra_hosts.unwrap_or_default(),
        }
    }
}

/// The Unix second of an RFC 3339 time; `None` for Docker's "never", which lies before 1970.
pub(super) fn unix_second(text: &str) -> Option<i32> {
    let time = humantime::parse_rfc3339(text).ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    i32::try_from(since.as_secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_without_protocol_is_tcp() {
        assert_eq!(
            "6443".parse::<PortKey>().unwrap(),
            "6443/tcp".parse().unwrap()
        );
    }

    #[test]
    fn start_times_become_unix_seconds() {
        let table = [
            ("1970-01-01T00:00:01Z", Some(1)),
            ("2024-02-29T12:00:00.5Z", Some(1_709_208_000)),
            ("0001-01-01T00:00:00Z", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(unix_second(text), expected, "{text}");
        }
    }

    #[test]
    fn the_log_of_a_run_begins_where_the_run_before_it_ended() {
        let run = |finished_at: &str| {
            let state = State {
                // Noted after the process has logged.
                started_at: "2024-02-29T12:00:01.01Z".to_owned(),
                finished_at: finished_at.to_owned(),
                ..State::default()
            };
            let node = Node {
                state,
                ..Node::default()
            };
            node.log_second()
        };
        assert_eq!(run("0001-01-01T00:00:00Z"), 0);
        assert_eq!(run("2024-02-29T12:00:00.5Z"), 1_709_208_000);
    }
}
