//! Carries a plan out. Whatever is interrupted here is finished by the next run, because every step
//! looks at what is there before it acts.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};

use futures_util::future::try_join_all;
use tokio::sync::Mutex;

use super::desired::{Desired, DesiredNode, api_host_ip, desired};
use super::node::{self, NodeSpec, plan_node};
use super::observe::{Observed, observe};
use super::plan::{Plan, Step, plan, plan_power};
use super::read::{settled, spec_of};
use super::shape::{self, Facts};
use super::spec::{Spec, Token};
use super::{Role, image_volume, kubectl, loadbalancer, preflight, ready};
use crate::bridge;
use crate::cidr;
use crate::context::Context;
use crate::docker::{DockerNetwork, NetworkSpec};
use crate::error::{Error, Result};
use crate::labels::{self, labels};

/// Attempts at a subnet of Docker's choice; another program may take it in between.
const SUBNET_ATTEMPTS: u32 = 5;

/// Docker kills what has not ended by itself after these.
const STOP_SECONDS: i32 = 10;

/// Two clusters made at once on one network must not be given the same addresses.
static ADDRESSES: Mutex<()> = Mutex::const_new(());

/// Creates the cluster, or finishes one that an interrupted run left behind.
///
/// # Errors
/// [`Error::Exists`] where a cluster of this name was not made by Atlas or differs.
pub async fn create(cx: &Context, spec: &Spec) -> Result<Observed> {
    let observed = observe(cx, &spec.name)
        .await?
        .filter(|found| !found.nodes.is_empty());
    let plan = plan(spec, observed.as_ref())?;
    if let Some(found) = &observed
        && (!found.is_ours() || !plan.replace.is_empty())
    {
        return Err(Error::Exists {
            kind: "cluster",
            name: spec.name.clone(),
            remedy: "Import it, choose another name, or delete it with `k3d cluster delete`."
                .to_owned(),
        });
    }
    preflight(cx, spec, observed.as_ref()).await?;
    apply(cx, spec, observed, &plan).await
}

/// Brings an existing cluster to what is wanted, in place.
///
/// # Errors
/// [`Error::NeedsReplacement`] where that cannot be done in place; nothing was changed then.
pub async fn update(cx: &Context, spec: &Spec) -> Result<Observed> {
    let observed = observe(cx, &spec.name).await?;
    let plan = plan(spec, observed.as_ref())?;
    if !plan.replace.is_empty() {
        let mut fields: Vec<String> = plan
            .replace
            .iter()
            .map(|one| one.field.to_owned())
            .collect();
        fields.dedup();
        return Err(Error::NeedsReplacement {
            kind: "cluster",
            name: spec.name.clone(),
            fields,
        });
    }
    preflight(cx, spec, observed.as_ref()).await?;
    apply(cx, spec, observed, &plan).await
}

/// Removes the cluster with its volumes and, unless it is someone else's, its network. What is gone
/// already is as good.
pub async fn delete(cx: &Context, name: &str) -> Result<()> {
    let Some(observed) = observe(cx, name).await? else {
        return Ok(());
    };
    cx.tell(&format!("deleting cluster {name}"));
    cx.guard(&format!("deleting cluster {name}"), async {
        // Everything with the label goes, helpers that are no nodes included.
        let label = format!("{}={name}", labels::CLUSTER);
        let all = cx.docker.containers(std::slice::from_ref(&label)).await?;
        try_join_all(
            all.iter()
                .map(|node| cx.docker.remove_container(&node.name)),
        )
        .await?;
        let app = format!("{}={}", labels::APP, labels::APP_VALUE);
        for volume in cx.docker.volumes(&[app, label]).await? {
            cx.docker.remove_volume(&volume).await?;
        }
        if !observed.network_external && observed.network.is_some() {
            cx.docker.remove_network(&observed.network_name).await?;
        }
        Ok(())
    })
    .await
}

/// Starts every node that is stopped and waits until it is ready.
///
/// # Errors
/// [`Error::NotFound`] where there is no such cluster.
pub async fn start(cx: &Context, name: &str) -> Result<Observed> {
    let observed = existing(cx, name).await?;
    let plan = plan_power(&observed, true);
    let spec = Spec::new(name, "", "");
    let work = Work {
        cx,
        spec: &spec,
        desired: &Desired::default(),
        observed: Some(&observed),
        plan: &plan,
    };
    work.start(&[]).await?;
    bridge::rejoin(cx, name).await?;
    existing(cx, name).await
}

/// Stops every node that runs. Data, addresses and ports stay.
///
/// # Errors
/// [`Error::NotFound`] where there is no such cluster.
pub async fn stop(cx: &Context, name: &str) -> Result<Observed> {
    let observed = existing(cx, name).await?;
    let plan = plan_power(&observed, false);
    let stops = plan.steps.iter().map(|step| async {
        cx.tell(&format!("stopping {}", step.node()));
        cx.docker.stop_container(step.node(), STOP_SECONDS).await
    });
    cx.guard("stopping a cluster", try_join_all(stops)).await?;
    existing(cx, name).await
}

/// Adds an agent by its own name, or brings it to what is wanted.
///
/// # Errors
/// [`Error::NotFound`] where there is no such cluster.
pub async fn apply_node(cx: &Context, spec: &NodeSpec) -> Result<Observed> {
    let observed = existing(cx, &spec.cluster).await?;
    let plan = plan_node(spec, &observed)?;
    let cluster = spec_of(&observed).ok_or_else(|| absent(&spec.cluster))?;
    let desired = Desired {
        nodes: vec![node::labelled(spec, &observed)],
        upstreams: observed.upstreams.clone().unwrap_or_default(),
    };
    let mut work = Work {
        cx,
        spec: &cluster,
        desired: &desired,
        observed: Some(&observed),
        plan: &plan,
    };
    work.run().await?;
    bridge::rejoin(cx, &spec.cluster).await?;
    existing(cx, &spec.cluster).await
}

/// Drains and removes an agent that was added by its own name; one that is gone is as good.
pub async fn delete_node(cx: &Context, cluster: &str, name: &str) -> Result<()> {
    let Some(observed) = observe(cx, cluster).await? else {
        return Ok(());
    };
    let plan = node::plan_delete(name, &observed);
    let spec = Spec::new(cluster, "", "");
    let work = Work {
        cx,
        spec: &spec,
        desired: &Desired::default(),
        observed: Some(&observed),
        plan: &plan,
    };
    work.remove_nodes().await
}

async fn existing(cx: &Context, name: &str) -> Result<Observed> {
    let observed = observe(cx, name).await?;
    let found = observed.filter(|found| found.server().is_some());
    found.ok_or_else(|| absent(name))
}

fn absent(name: &str) -> Error {
    Error::NotFound {
        kind: "cluster",
        name: name.to_owned(),
        remedy: "`k3d cluster list` lists them.".to_owned(),
    }
}

async fn apply(
    cx: &Context,
    spec: &Spec,
    observed: Option<Observed>,
    plan: &Plan,
) -> Result<Observed> {
    let spec = &settled(spec, observed.as_ref());
    let desired = desired(spec).map_err(Error::Invalid)?;
    let mut work = Work {
        cx,
        spec,
        desired: &desired,
        observed: observed.as_ref(),
        plan,
    };
    work.run().await?;
    bridge::rejoin(cx, &spec.name).await?;
    observe(cx, &spec.name)
        .await?
        .ok_or_else(|| Error::NotFound {
            kind: "cluster",
            name: spec.name.clone(),
            remedy: "Something removed it right after it was made; apply again.".to_owned(),
        })
}

struct Work<'a> {
    cx: &'a Context,
    spec: &'a Spec,
    desired: &'a Desired,
    observed: Option<&'a Observed>,
    plan: &'a Plan,
}

impl Work<'_> {
    async fn run(&mut self) -> Result<()> {
        let created: Vec<&DesiredNode> = self
            .desired
            .nodes
            .iter()
            .filter(|node| self.creates(&node.name))
            .collect();
        // First of all: an image that cannot be had leaves the world as it was.
        self.images(&created).await?;
        let (facts, ()) = tokio::try_join!(self.facts(), self.remove_nodes())?;
        self.volume().await?;
        self.reattach(&facts).await?;
        self.create_nodes(&created, &facts).await?;
        self.start(&created).await?;
        self.forward(&created).await
    }

    fn creates(&self, name: &str) -> bool {
        self.plan
            .steps
            .iter()
            .any(|step| matches!(step, Step::CreateNode { node, .. } if node == name))
    }

    async fn images(&self, created: &[&DesiredNode]) -> Result<()> {
        let images: BTreeSet<&str> = created.iter().map(|node| node.image.as_str()).collect();
        let pulls = images.into_iter().map(|image| {
            self.cx
                .guard("getting an image", self.cx.docker.ensure_image(image))
        });
        try_join_all(pulls).await.map(drop)
    }

    async fn volume(&self) -> Result<()> {
        if !self.spec.image_volume {
            return Ok(());
        }
        let all = labels([
            (labels::APP, labels::APP_VALUE),
            (labels::VERSION, labels::VERSION_VALUE),
            (labels::CLUSTER, &self.spec.name),
            (labels::ATLAS_MANAGED, labels::ATLAS_MANAGED_VALUE),
        ]);
        let name = image_volume(&self.spec.name);
        self.cx
            .guard(
                "creating a volume",
                self.cx.docker.ensure_volume(&name, &all),
            )
            .await
    }

    /// What was decided when the cluster was made, or is decided now.
    async fn facts(&self) -> Result<Facts> {
        let server = self.observed.and_then(Observed::server);
        let (network, network_external) = self.network().await?;
        let token = server
            .and_then(|node| {
                node.label(labels::TOKEN)
                    .or_else(|| node.env_value("K3S_TOKEN"))
            })
            .map(|token| Token::new(token.to_owned()))
            .or_else(|| self.spec.token.clone());
        let api_port = server.and_then(|node| node.label(labels::API_PORT)?.parse().ok());
        Ok(Facts {
            network,
            network_external,
            token: match token {
                Some(token) => token,
                None => random_token()?,
            },
            api_port: match api_port.or(self.spec.kube_api.host_port) {
                Some(port) => port,
                None => free_port(self.spec)?,
            },
        })
    }

    /// The cluster's network, made where it is missing, and whether it outlives the cluster.
    async fn network(&self) -> Result<(DockerNetwork, bool)> {
        let docker = &self.cx.docker;
        let name = self.spec.network_name();
        let found = docker.network(&name).await?;
        if let Some(network) = found {
            let own = network.labels.get(labels::CLUSTER_OF_NETWORK) == Some(&self.spec.name);
            let external = self
                .observed
                .filter(|o| !o.nodes.is_empty())
                .map_or(!own, |o| o.network_external);
            let fits = self.spec.subnet.is_none() || self.spec.subnet == network.subnet;
            // Left by an interrupted run that wanted another subnet.
            let stale = own && !fits && self.observed.is_none_or(|o| o.nodes.is_empty());
            if !stale {
                return Ok((network, external));
            }
            docker.remove_network(&name).await?;
        } else if self.spec.network.is_some() && self.observed.is_none_or(|o| o.nodes.is_empty()) {
            return Err(Error::NotFound {
                kind: "network",
                name,
                remedy: "Create it first (atlas_network, or `docker network create --subnet …`)."
                    .to_owned(),
            });
        }
        let subnet = self.spec.subnet.or_else(|| self.last_subnet());
        self.cx.tell(&format!("creating network {name}"));
        let work = create_network(self.cx, &self.spec.name, &name, subnet);
        Ok((
            self.cx
                .guard("creating the cluster's network", work)
                .await?,
            false,
        ))
    }

    /// The subnet of a network that is gone, from the label that nodes carry.
    fn last_subnet(&self) -> Option<ipnet::Ipv4Net> {
        self.observed?
            .server()?
            .label(labels::NETWORK_IPRANGE)?
            .parse()
            .ok()
    }

    async fn remove_nodes(&self) -> Result<()> {
        let server = self
            .observed
            .and_then(Observed::server)
            .filter(|node| node.state.running);
        let removals = self.plan.steps.iter().filter_map(|step| match step {
            Step::RemoveNode { node, reason } => Some(async move {
                self.cx.tell(&format!("removing {node}: {reason}"));
                let observed = self
                    .observed
                    .and_then(|o| o.nodes.iter().find(|(_, n)| n.name == *node));
                if let (Some(server), Some((Role::Agent, agent))) = (server, observed) {
                    self.drain(&server.name, node, agent.state.running).await;
                }
                self.cx
                    .guard("removing a node", self.cx.docker.remove_container(node))
                    .await
            }),
            _ => None,
        });
        try_join_all(removals).await.map(drop)
    }

    /// Moves pods away and forgets the node. Best effort: the node goes in any case, and Kubernetes
    /// copes with nodes that vanish.
    async fn drain(&self, server: &str, node: &str, running: bool) {
        if running {
            let args = [
                "drain",
                node,
                "--ignore-daemonsets",
                "--delete-emptydir-data",
                "--force",
                "--disable-eviction",
                "--timeout=30s",
            ];
            if let Err(error) = kubectl::kubectl(self.cx, server, &args).await {
                tracing::warn!("draining {node}: {error}");
            }
        }
        if let Err(error) = kubectl::kubectl(
            self.cx,
            server,
            &["delete", "node", node, "--ignore-not-found"],
        )
        .await
        {
            tracing::warn!("forgetting {node}: {error}");
        }
    }

    async fn reattach(&self, facts: &Facts) -> Result<()> {
        let name = &facts.network.name;
        for step in &self.plan.steps {
            let Step::Reattach { node } = step else {
                continue;
            };
            let known = self
                .observed
                .and_then(|o| o.nodes.iter().find(|(_, n)| n.name == *node));
            let address = known.and_then(|(_, node)| {
                node.static_addresses
                    .get(name)
                    .copied()
                    .or_else(|| node.label(labels::STATIC_IP)?.parse().ok())
            });
            self.cx
                .tell(&format!("putting {node} back on network {name}"));
            self.cx
                .guard("putting a node back on its network", async {
                    // A stopped container still names the network that is gone, by its id.
                    self.cx.docker.detach(name, node).await?;
                    self.cx.docker.attach(name, node, address).await
                })
                .await?;
        }
        Ok(())
    }

    async fn create_nodes(&self, created: &[&DesiredNode], facts: &Facts) -> Result<()> {
        if created.is_empty() {
            return Ok(());
        }
        self.cx
            .guard("creating nodes", async {
                let turn = ADDRESSES.lock().await;
                let mut taken = taken_addresses(self.cx, &facts.network).await?;
                for node in created {
                    // One that an interrupted run left without its files is no use.
                    self.cx.docker.remove_container(&node.name).await?;
                    let address = next_address(&facts.network, &mut taken)?;
                    let container = shape::container(self.spec, node, facts, address);
                    self.cx.docker.create_container(&container).await?;
                }
                drop(turn);
                let uploads = created.iter().map(|node| {
                    let files = shape::files(self.desired, node.role);
                    async move { self.cx.docker.put_files(&node.name, &files).await }
                });
                try_join_all(uploads).await.map(drop)
            })
            .await
    }

    async fn start(&self, created: &[&DesiredNode]) -> Result<()> {
        let mut starting: Vec<(Role, &str)> = created
            .iter()
            .map(|node| (node.role, node.name.as_str()))
            .collect();
        starting.extend(self.plan.steps.iter().filter_map(|step| match step {
            Step::StartNode { node, role, .. } => Some((*role, node.as_str())),
            _ => None,
        }));
        // The load balancer must be able to resolve the servers' names when it starts, and agents
        // look for a server; after that all of them become ready side by side.
        starting.sort();
        for (_, name) in &starting {
            self.cx.tell(&format!("starting {name}"));
            self.cx
                .guard("starting a node", self.cx.docker.start_container(name))
                .await?;
        }
        let server = super::node_name(&self.spec.name, Role::Server, 0);
        let running = self.running_already(&starting);
        // One that runs already may have been started by a run that was interrupted. Its log may
        // have been rotated since, so Kubernetes is asked first.
        let known = if running.is_empty() {
            Vec::new()
        } else {
            kubectl::ready_nodes(self.cx, &server).await
        };
        let unsure = running
            .iter()
            .filter(|(_, name)| !known.iter().any(|one| one == name));
        try_join_all(
            starting
                .iter()
                .chain(unsure)
                .map(|(role, name)| ready::wait(self.cx, *role, name)),
        )
        .await?;
        let kubernetes: Vec<String> = starting
            .iter()
            .chain(&running)
            .filter(|(role, _)| *role != Role::LoadBalancer)
            .map(|(_, name)| (*name).to_owned())
            .collect();
        kubectl::wait_nodes(self.cx, &server, &kubernetes).await
    }

    /// The servers and agents that stay and that nobody has to start.
    fn running_already(&self, starting: &[(Role, &str)]) -> Vec<(Role, &str)> {
        let removed = |name: &str| {
            let mut steps = self.plan.steps.iter();
            steps.any(|step| matches!(step, Step::RemoveNode { node, .. } if node == name))
        };
        let nodes = self.observed.iter().flat_map(|observed| &observed.nodes);
        nodes
            .filter(|(role, _)| *role != Role::LoadBalancer)
            .map(|(role, node)| (*role, node.name.as_str()))
            .filter(|(role, name)| !starting.contains(&(*role, *name)) && !removed(name))
            .collect()
    }

    async fn forward(&self, created: &[&DesiredNode]) -> Result<()> {
        let fresh = created.iter().any(|node| node.role == Role::LoadBalancer);
        let Some(balancer) = self.desired.of_role(Role::LoadBalancer).next() else {
            return Ok(());
        };
        if fresh || !self.plan.steps.contains(&Step::Forward) {
            return Ok(());
        }
        self.cx
            .tell(&format!("telling {} where to forward", balancer.name));
        let file = loadbalancer::file(&self.desired.upstreams);
        self.cx
            .guard(
                "configuring the load balancer",
                self.cx.docker.put_files(&balancer.name, &[file]),
            )
            .await
    }
}

async fn create_network(
    cx: &Context,
    cluster: &str,
    name: &str,
    subnet: Option<ipnet::Ipv4Net>,
) -> Result<DockerNetwork> {
    let mut request = NetworkSpec {
        name: name.to_owned(),
        subnet,
        gateway: None,
        labels: labels([
            (labels::APP, labels::APP_VALUE),
            (labels::ATLAS_MANAGED, labels::ATLAS_MANAGED_VALUE),
            (labels::CLUSTER_OF_NETWORK, cluster),
        ]),
    };
    let mut attempts = 0;
    loop {
        if subnet.is_none() {
            // Fixed addresses need a subnet by word. Docker picks one that is free, and gets it told.
            request.subnet = None;
            cx.docker.create_network(&request).await?;
            request.subnet = cx
                .docker
                .network(name)
                .await?
                .and_then(|network| network.subnet);
            cx.docker.remove_network(name).await?;
        }
        attempts += 1;
        match cx.docker.create_network(&request).await {
            Err(Error::Docker { message, .. })
                if subnet.is_none()
                    && attempts < SUBNET_ATTEMPTS
                    && message.contains("overlaps") => {}
            Err(error) => return Err(error),
            Ok(()) => break,
        }
    }
    cx.docker
        .network(name)
        .await?
        .ok_or_else(|| Error::NotFound {
            kind: "network",
            name: name.to_owned(),
            remedy: "Something removed it right after it was created; apply again.".to_owned(),
        })
}

/// Addresses of a network that are in use, or kept for a container that is stopped.
async fn taken_addresses(cx: &Context, network: &DockerNetwork) -> Result<BTreeSet<Ipv4Addr>> {
    let mut taken: BTreeSet<Ipv4Addr> = network.gateway.into_iter().collect();
    for node in cx.docker.containers_on(&network.name).await? {
        taken.extend(node.networks.get(&network.name).copied().flatten());
        taken.extend(node.static_addresses.get(&network.name).copied());
    }
    Ok(taken)
}

/// A fixed address where the network allows one: Docker refuses them on networks whose subnet it
/// chose, which cannot be told from outside, so only Atlas's own networks qualify.
fn next_address(
    network: &DockerNetwork,
    taken: &mut BTreeSet<Ipv4Addr>,
) -> Result<Option<Ipv4Addr>> {
    let Some(subnet) = network
        .subnet
        .filter(|_| network.labels.contains_key(labels::ATLAS_MANAGED))
    else {
        return Ok(None);
    };
    let address = cidr::first_free(subnet, taken).ok_or_else(|| Error::Unexpected {
        what: format!("network {} ({subnet})", network.name),
        reason: "it has no free address left; use a larger subnet".to_owned(),
    })?;
    taken.insert(address);
    Ok(Some(address))
}

/// A port that is free now on the machine where Atlas runs, as the k3d CLI chooses it.
fn free_port(spec: &Spec) -> Result<u16> {
    let bound = TcpListener::bind((api_host_ip(spec), 0))
        .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .and_then(|listener| listener.local_addr());
    bound
        .map(|address| address.port())
        .map_err(|error| Error::Unexpected {
            what: "a free port for the Kubernetes API".to_owned(),
            reason: format!("{error}; set kube_api.host_port"),
        })
}

/// 32 hexadecimal digits from the system's source of randomness.
fn random_token() -> Result<Token> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::Unexpected {
        what: "randomness for a token".to_owned(),
        reason: error.to_string(),
    })?;
    Ok(Token::new(
        bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    ))
}
