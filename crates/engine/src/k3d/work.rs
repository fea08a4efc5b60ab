//! A plan's steps, in stages: network and removals, creations, starts, forwarding. Within a stage they
//! run side by side.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use futures_util::future::try_join_all;

use super::desired::{Desired, DesiredNode, api_host_ip};
use super::observe::Observed;
use super::plan::{Plan, Step};
use super::shape::{self, Facts};
use super::spec::{Spec, Token};
use super::{Role, STOP_SECONDS, image_volume, kubectl, loadbalancer, ready};
use crate::context::Context;
use crate::docker::{File, Node};
use crate::error::{Error, Result};
use crate::labels::{self, labels};
use crate::network::address::{self, Turn};
use crate::pace::Pace;

/// Where nodes read which registries there are.
const REGISTRIES: &str = "/etc/rancher/k3s/registries.yaml";

/// How often a Kubernetes API that does not answer yet is told of nodes that are gone.
const FORGET_TRIES: u32 = 10;

pub(super) struct Work<'a> {
    pub(super) cx: &'a Context,
    pub(super) spec: &'a Spec,
    pub(super) desired: &'a Desired,
    pub(super) observed: Option<&'a Observed>,
    pub(super) plan: &'a Plan,
}

impl Work<'_> {
    /// Carries the plan out, for which the images must be there.
    pub(super) async fn run(&mut self) -> Result<()> {
        let (facts, ()) = tokio::try_join!(self.facts(), self.remove_nodes())?;
        self.volume().await?;
        self.reattach(&facts).await?;
        let created = self.create_nodes(&facts).await?;
        self.start(&created).await?;
        self.forward(&created).await
    }

    fn creates(&self, name: &str) -> bool {
        self.plan
            .steps
            .iter()
            .any(|step| matches!(step, Step::CreateNode { node, .. } if node == name))
    }

    /// The nodes that the plan creates.
    fn created(&self) -> Vec<&DesiredNode> {
        let nodes = self.desired.nodes.iter();
        nodes.filter(|node| self.creates(&node.name)).collect()
    }

    /// Gets the images that the plan needs. First of all: one that cannot be had leaves the world as it was.
    pub(super) async fn images(&self) -> Result<()> {
        let images: BTreeSet<&str> = self
            .created()
            .iter()
            .map(|node| node.image.as_str())
            .collect();
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
        let host_aliases = server.and_then(|node| node.label(labels::HOST_ALIASES));
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
            host_aliases: host_aliases.map(str::to_owned),
            runtime: self.observed.map(Observed::runtime).unwrap_or_default(),
        })
    }

    fn running_server(&self) -> Option<&Node> {
        let server = self.observed.and_then(Observed::server);
        server.filter(|node| node.state.running)
    }

    pub(super) async fn remove_nodes(&self) -> Result<()> {
        let server = self.running_server();
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
        self.forget(server, &[node]).await;
    }

    /// Agents that lost their containers: Kubernetes calls one Ready for a while yet, which would be taken for the new
    /// one's word, and k3s lets nobody in under the name of a node that it knows. Returns those that it may know still.
    async fn forget_lost<'b>(&'b self, created: &[&'b DesiredNode]) -> Vec<&'b str> {
        let server = self.observed.and_then(Observed::server);
        let Some(server) = server.filter(|server| !self.creates(&server.name)) else {
            // A new server knows nobody.
            return Vec::new();
        };
        let made = created.iter().filter(|node| node.role == Role::Agent);
        let made = made.map(|node| node.name.as_str());
        let never_ran = self.plan.steps.iter().filter_map(|step| match step {
            Step::StartNode { node, role, status } if status == "created" => {
                (*role == Role::Agent).then_some(node.as_str())
            }
            _ => None,
        });
        let agents: Vec<&str> = made.chain(never_ran).collect();
        if agents.is_empty() || server.state.running && self.forget(&server.name, &agents).await {
            return Vec::new();
        }
        agents
    }

    /// Best effort: whether it was done.
    async fn forget(&self, server: &str, nodes: &[&str]) -> bool {
        let args = [&["delete", "node", "--ignore-not-found"], nodes].concat();
        let done = kubectl::kubectl(self.cx, server, &args).await;
        if let Err(error) = &done {
            tracing::warn!("forgetting {}: {error}", nodes.join(", "));
        }
        done.is_ok()
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

    /// Creates nodes. Those that an interrupted run created and never started are made anew where somebody else has taken
    /// their addresses since. Returns all that were made.
    async fn create_nodes(&self, facts: &Facts) -> Result<Vec<&DesiredNode>> {
        let mut created = self.created();
        let waiting = self.plan.steps.iter().filter_map(|step| match step {
            Step::StartNode { node, status, .. } if status == "created" => {
                self.desired.nodes.iter().find(|known| known.name == *node)
            }
            _ => None,
        });
        let waiting: Vec<&DesiredNode> = waiting.collect();
        if created.is_empty() && waiting.is_empty() {
            return Ok(created);
        }
        self.cx
            .guard("creating nodes", async {
                let mut turn = Turn::take(self.cx, &facts.network.name).await?;
                for node in waiting {
                    let container = self.cx.docker.container(&node.name).await?;
                    if let Some(rival) = container.as_ref().and_then(|one| turn.rival(one)) {
                        self.cx.tell(&format!(
                            "recreating {}: {rival} has its address",
                            node.name
                        ));
                        created.push(node);
                    }
                }
                for node in &created {
                    // One that an interrupted run left without its files is no use.
                    self.cx.docker.remove_container(&node.name).await?;
                    let address = turn.give(&node.name, self.address_before(node, facts))?;
                    let container = shape::container(self.spec, node, facts, address);
                    self.cx.docker.create_container(&container).await?;
                }
                drop(turn);
                let registries = self.registries(&created).await?;
                let uploads = created.iter().map(|node| {
                    let files = self.files(node, registries.as_ref());
                    async move { self.cx.docker.put_files(&node.name, &files).await }
                });
                try_join_all(uploads).await.map(drop)
            })
            .await?;
        Ok(created)
    }

    /// The address that a node had which is made anew.
    fn address_before(&self, node: &DesiredNode, facts: &Facts) -> Option<Ipv4Addr> {
        let mut known = self.observed?.nodes.iter();
        let (_, found) = known.find(|(_, known)| known.name == node.name)?;
        address::fixed(Some(found), &facts.network.name)
            .or_else(|| found.label(labels::STATIC_IP)?.parse().ok())
    }

    /// Starts nodes, and waits until they are ready.
    pub(super) async fn start(&self, created: &[&DesiredNode]) -> Result<()> {
        let mut starting: Vec<(Role, &str)> = created
            .iter()
            .map(|node| (node.role, node.name.as_str()))
            .collect();
        starting.extend(self.plan.steps.iter().filter_map(|step| match step {
            Step::StartNode { node, role, .. } => Some((*role, node.as_str())),
            Step::RejoinNode { node } => Some((Role::Agent, node.as_str())),
            _ => None,
        }));
        self.stop_lost().await?;
        // The load balancer must be able to resolve the servers' names when it starts, and agents
        // look for a server; after that all of them become ready side by side.
        starting.sort();
        starting.dedup();
        self.complete_files().await?;
        let mut to_forget = self.forget_lost(created).await;
        let server = super::node_name(&self.spec.name, Role::Server, 0);
        for (role, name) in &starting {
            if *role == Role::Agent && !to_forget.is_empty() {
                if starting.iter().any(|(_, name)| *name == server) {
                    ready::wait(self.cx, Role::Server, &server).await?;
                }
                let mut pace = Pace::new();
                for _ in 0..FORGET_TRIES {
                    if self.forget(&server, &to_forget).await {
                        break;
                    }
                    pace.pause().await;
                }
                to_forget.clear();
            }
            self.cx.tell(&format!("starting {name}"));
            self.cx
                .guard("starting a node", self.cx.docker.start_container(name))
                .await?;
        }
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

    /// Stops the agents that Kubernetes has lost: an agent registers when it starts.
    async fn stop_lost(&self) -> Result<()> {
        let stops = self.plan.steps.iter().filter_map(|step| match step {
            Step::RejoinNode { node } => Some(self.cx.docker.stop_container(node, STOP_SECONDS)),
            _ => None,
        });
        self.cx
            .guard("stopping nodes", try_join_all(stops))
            .await
            .map(drop)
    }

    /// Gives its files to every node that was created and never ran: the run that created it may have
    /// been interrupted before it could.
    async fn complete_files(&self) -> Result<()> {
        let unfinished = self.plan.steps.iter().filter_map(|step| match step {
            Step::StartNode { node, role, status } if status == "created" => {
                let mut known = self.desired.nodes.iter();
                let known = known.find(|one| one.name == *node).cloned();
                Some(known.unwrap_or_else(|| DesiredNode {
                    name: node.clone(),
                    ..DesiredNode::of(*role)
                }))
            }
            _ => None,
        });
        let unfinished: Vec<DesiredNode> = unfinished.collect();
        if unfinished.is_empty() {
            return Ok(());
        }
        self.cx
            .guard("completing nodes", async {
                let nodes: Vec<&DesiredNode> = unfinished.iter().collect();
                let registries = self.registries(&nodes).await?;
                let uploads = unfinished.iter().map(|node| {
                    let files = self.files(node, registries.as_ref());
                    async move { self.cx.docker.put_files(&node.name, &files).await }
                });
                try_join_all(uploads).await.map(drop)
            })
            .await
    }

    /// The registries that the server knows, where agents among these nodes are to know them too: the k3d CLI writes
    /// them into its nodes, and no specification has them.
    async fn registries(&self, nodes: &[&DesiredNode]) -> Result<Option<File>> {
        let agents = nodes.iter().any(|node| node.role == Role::Agent);
        let server = self.observed.and_then(Observed::server);
        let Some(server) = server.filter(|server| agents && !self.creates(&server.name)) else {
            return Ok(None);
        };
        let found = self.cx.docker.get_file(&server.name, REGISTRIES).await?;
        Ok(found.map(|content| File {
            path: REGISTRIES.to_owned(),
            content,
            mode: 0o644,
        }))
    }

    /// A node's files. What is mounted from the host is not written to.
    fn files(&self, node: &DesiredNode, registries: Option<&File>) -> Vec<File> {
        let mounted = node.binds.iter().any(|bind| {
            let destination = bind.split(':').nth(1).unwrap_or(bind);
            Path::new(REGISTRIES).starts_with(destination)
        });
        let registries = registries.filter(|_| node.role == Role::Agent && !mounted);
        let mut files = shape::files(self.desired, node);
        files.extend(registries.cloned());
        files
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
            .tell(&format!("configuring the forwarding of {}", balancer.name));
        let file = loadbalancer::file(&self.desired.upstreams, &self.desired.settings);
        self.cx
            .guard(
                "configuring the load balancer",
                self.cx.docker.put_files(&balancer.name, &[file]),
            )
            .await
    }
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
