//! `atlas_network_bridge`: connects clusters.

use async_trait::async_trait;
use atlas_engine::bridge::{self, DEFAULT_DOMAIN, Member, Observed, Spec, spec_of};
use atlas_engine::{Error, FieldPath, Problem, Result, network};
use tfplugin::{
    Attribute, AttributePath, Diagnostics, Nesting, Operation, Outcome, PlanRequest, Planned,
    Resource, Schema, Type, Value,
};

use crate::configured::Configured;
use crate::outcome::Subject;
use crate::seen::Seen;
use crate::timeouts;
use crate::translate::{Reader, diagnostics, push_passing, push_problems};
use crate::words::Hcl;

/// The resource.
pub(crate) struct Bridge;

const SUBJECT: Subject = Subject { noun: "bridge" };

fn spec(value: &Value, reader: &mut Reader) -> Option<Spec> {
    let subnet = reader.network(value.get("subnet"), &FieldPath::of("subnet"));
    let clusters = value.get("clusters");
    let domain = value.get("domain");
    if clusters.is_unknown() || domain.is_unknown() {
        return None;
    }
    let mut members = Vec::new();
    for (position, one) in clusters.elements().iter().enumerate() {
        let path = FieldPath::of("clusters").index(position);
        members.push(Member {
            cluster: one.get("name").as_str()?.to_owned(),
            cluster_cidr: reader
                .network(one.get("cluster_cidr"), &path.clone().name("cluster_cidr")),
            service_cidr: reader.network(one.get("service_cidr"), &path.name("service_cidr")),
        });
    }
    Some(Spec {
        name: value.get("name").as_str()?.to_owned(),
        subnet: subnet?,
        members,
        dns: value.get("dns").as_bool().unwrap_or(true),
        domain: domain.as_str().unwrap_or(DEFAULT_DOMAIN).to_owned(),
    })
}

fn names(spec: &Spec) -> Vec<String> {
    spec.clusters().map(str::to_owned).collect()
}

fn specify(value: &Value) -> Result<Spec> {
    let mut reader = Reader::default();
    spec(value, &mut reader).ok_or(Error::Invalid(reader.problems))
}

fn members(observed: &Observed) -> Value {
    let all = observed.clusters.iter().flat_map(|(cluster, view)| {
        view.nodes
            .iter()
            .filter(|node| node.attached)
            .map(move |node| {
                Value::object([
                    ("cluster", Value::string(cluster)),
                    ("node", Value::string(&node.name)),
                    (
                        "address",
                        Value::optional(node.address.map(|address| address.to_string())),
                    ),
                ])
            })
    });
    Value::List(all.collect())
}

fn complete(mut state: Value, observed: &Observed) -> Value {
    state.set("members", members(observed));
    state.set("drift", Value::List(Vec::new()));
    state
}

impl Bridge {
    /// What is to be done.
    async fn check(
        &self,
        operation: &Operation<Configured>,
        spec: &Spec,
        prior: &Value,
        state_changes: bool,
    ) -> Result<Checked> {
        // What differs from what was declared before, `read` has found: it would be in the prior state as drift.
        if !state_changes || !operation.data.is_decided() {
            return Ok(Checked {
                steps: state_changes,
                ..Checked::default()
            });
        }
        let cx = operation.data.context(operation).await?;
        let name = prior.get("name").as_str().unwrap_or(&spec.name);
        let observed = bridge::observe(&cx, name, &names(spec)).await?;
        if !prior.is_null()
            && let Err(changed) = Seen::of_bridge(&observed).unchanged(operation, SUBJECT.noun)
        {
            return Ok(Checked {
                changed,
                ..Checked::default()
            });
        }
        let networks = network::list(&cx, None).await?;
        let found = bridge::in_the_way(spec, &observed, &networks);
        let in_the_way = network::foresee(found)?;
        let plan = bridge::plan_with_room(spec, &observed)?;
        let absent = spec
            .members
            .iter()
            .any(|member| !observed.clusters.contains_key(&member.cluster));
        Ok(Checked {
            steps: absent || !plan.steps.is_empty(),
            replaces: !plan.replace.is_empty(),
            in_the_way,
            changed: Diagnostics::new(),
        })
    }
}

/// What a look before the plan has found.
#[derive(Default)]
struct Checked {
    /// Whether there is something to do.
    steps: bool,
    /// Whether only another bridge can do it.
    replaces: bool,
    /// What the same apply may remove.
    in_the_way: Vec<Problem>,
    /// Where the bridge is not as it was when the state was read.
    changed: Diagnostics,
}

#[async_trait]
impl Resource<Configured> for Bridge {
    fn name(&self) -> &'static str {
        "atlas_network_bridge"
    }

    fn schema(&self) -> Schema {
        Schema::new(
            "Connects two or more clusters: pods reach the other clusters' pods and Services by address, and Services \
             by name, as `<service>.<namespace>.svc.<cluster>.atlas.internal`; pods behind a headless Service have \
             their names likewise. Routes return by themselves when a node restarts, and nodes that join get them \
             too.\n\nPods also reach containers: `<container>.docker.atlas.internal` is a container on the bridge's \
             network (`docker network connect atlas-bridge-NAME CONTAINER`) or on the network of the asking pod's own \
             cluster. Docker's DNS answers that, which nodes hand on to pods as k3d's fix of DNS does; a cluster that \
             was made without that fix (`K3D_FIX_DNS=0`) does not know these names.\n\nA create does not take over an \
             existing bridge: import it.",
        )
        .attribute("name", Attribute::required(Type::String, "Its name.").forces_replacement())
        .attribute("subnet", Attribute::required(Type::String, "Network of the transit network, on which every node gets an address.").forces_replacement())
        .attribute("clusters", Attribute::required(Type::String, "Two or more clusters, changed in place. Resources can be given as they are: `clusters = [atlas_k3d_cluster.us, atlas_k3d_cluster.eu]`.").nested(Nesting::List, [
            ("name", Attribute::required(Type::String, "The cluster's name.")),
            ("cluster_cidr", Attribute::optional(Type::String, "Its network for pods, so that an overlap is found in the plan.")),
            ("service_cidr", Attribute::optional(Type::String, "Its network for Services, so that an overlap is found in the plan.")),
        ]))
        .attribute("dns", Attribute::defaulted(Type::Bool, Value::Bool(true), "Whether members resolve each other's names."))
        .attribute("domain", Attribute::defaulted(Type::String, Value::string(DEFAULT_DOMAIN), "The domain of those names, with two labels or more. Changed in place. Names of clusters and `docker` are put before it, and take all names below them from whoever answered before, so take a domain of your own, or one below `.internal`."))
        .attribute("id", Attribute::computed(Type::String, "The same as `name`."))
        .attribute("members", Attribute::computed(Type::String, "Every node on the bridge.").nested(Nesting::List, [
            ("cluster", Attribute::computed(Type::String, "Its cluster.")),
            ("node", Attribute::computed(Type::String, "The container's name.")),
            ("address", Attribute::computed(Type::String, "Its address on the transit network.")),
        ]))
        .attribute("drift", Attribute::computed(Type::list(Type::String), "Differences from the configuration, for instance a missing route. Empty after every apply."))
        .single("timeouts", timeouts::block())
    }

    async fn validate(&self, config: &Value) -> Diagnostics {
        let mut reader = Reader::default();
        let mut problems = timeouts::problems(config);
        problems.extend(
            spec(config, &mut reader)
                .map(|spec| spec.problems())
                .unwrap_or_default(),
        );
        problems.extend(reader.problems);
        let mut found = Diagnostics::new();
        push_problems(&mut found, &problems);
        found
    }

    async fn plan(&self, operation: &Operation<Configured>, request: PlanRequest) -> Planned {
        let mut state = request.proposed;
        let creating = request.prior.is_null();
        state.set("id", request.config.get("name").clone());
        state.set("drift", Value::List(Vec::new()));
        let mut requires_replace = Vec::new();
        let mut found = Diagnostics::new();
        for name in ["name", "subnet"] {
            if !creating && state.get(name) != request.prior.get(name) {
                requires_replace.push(AttributePath::of(name));
            }
        }
        let mut pending = creating || !requires_replace.is_empty();
        let mut reader = Reader::default();
        match spec(&state, &mut reader) {
            Some(spec) => match self
                .check(operation, &spec, &request.prior, state != request.prior)
                .await
            {
                Ok(checked) => {
                    found = checked.changed;
                    push_passing(&mut found, &checked.in_the_way);
                    pending |= checked.steps || checked.replaces;
                    if checked.replaces && requires_replace.is_empty() && !creating {
                        requires_replace.push(AttributePath::of("subnet"));
                    }
                }
                Err(error) => found = diagnostics("The bridge cannot be planned", &error),
            },
            None => pending = true,
        }
        // An update of whatever kind may find nodes that joined meanwhile.
        pending |= !creating && state != request.prior;
        if pending {
            state.set("members", Value::Unknown);
        }
        Planned {
            state,
            requires_replace,
            diagnostics: found,
        }
    }

    async fn create(
        &self,
        operation: &Operation<Configured>,
        planned: Value,
        _config: &Value,
    ) -> Outcome {
        let look = async {
            let spec = specify(&planned)?;
            let cx = timeouts::limit(operation.data.context(operation).await?, &planned, "create");
            let admitted = bridge::admit(&cx, &spec).await?;
            Ok((cx, admitted))
        };
        let (cx, admitted) = match look.await {
            Ok(admitted) => admitted,
            Err(error) => return SUBJECT.refused(&error),
        };
        let presence = admitted.presence();
        let begun = bridge::begun(planned.get("name").as_str().unwrap_or_default());
        let done = admitted.make(&cx).await;
        let done = done.map(|observed| {
            Seen::of_bridge(&observed).remember(operation);
            complete(planned.clone(), &observed)
        });
        SUBJECT.ended(&cx, &begun, planned, presence, done).await
    }

    async fn read(
        &self,
        operation: &Operation<Configured>,
        before: Value,
    ) -> Result<Value, Diagnostics> {
        let Some(name) = before.get("name").as_str() else {
            return Ok(Value::Null);
        };
        if !operation.data.is_decided() {
            return Ok(before);
        }
        let work = async {
            let declared = specify(&before).ok();
            let cx = timeouts::limit(operation.data.context(operation).await?, &before, "read");
            let asked = declared.as_ref().map(names).unwrap_or_default();
            let observed = bridge::observe(&cx, name, &asked).await?;
            Seen::of_bridge(&observed).remember(operation);
            let Some(found) = spec_of(name, &observed) else {
                return Ok(Value::Null);
            };
            let mut state = before.clone();
            state.set("subnet", Value::string(found.subnet.to_string()));
            let mut summaries = Vec::new();
            if let Some(declared) = &declared {
                let present = declared
                    .members
                    .iter()
                    .filter(|one| observed.clusters.contains_key(&one.cluster));
                if present.count() < declared.members.len() {
                    summaries.push("a cluster is missing".to_owned());
                }
                match bridge::plan(declared, &observed) {
                    Ok(plan) => summaries.extend(plan.steps.iter().map(bridge::Step::summary)),
                    Err(error) => summaries.push(error.told(&Hcl::Kept)),
                }
            }
            state.set("members", members(&observed));
            state.set(
                "drift",
                Value::List(summaries.into_iter().map(Value::string).collect()),
            );
            Ok(state)
        };
        work.await.map_err(|error: Error| SUBJECT.unread(&error))
    }

    async fn update(
        &self,
        operation: &Operation<Configured>,
        prior: Value,
        planned: Value,
        _config: &Value,
    ) -> Outcome {
        let work = async {
            let spec = specify(&planned)?;
            let cx = timeouts::limit(operation.data.context(operation).await?, &planned, "update");
            let observed = bridge::apply(&cx, &spec).await?;
            Seen::of_bridge(&observed).remember(operation);
            Ok(complete(planned.clone(), &observed))
        };
        SUBJECT.changed(prior, &planned, work.await)
    }

    async fn delete(
        &self,
        operation: &Operation<Configured>,
        prior: Value,
    ) -> Result<(), Diagnostics> {
        let work = async {
            let cx = timeouts::limit(operation.data.context(operation).await?, &prior, "delete");
            bridge::delete(&cx, prior.get("name").as_str().unwrap_or_default()).await
        };
        work.await.map_err(|error| SUBJECT.unremoved(&error))
    }

    async fn import(
        &self,
        operation: &Operation<Configured>,
        id: &str,
    ) -> Result<Value, Diagnostics> {
        let work = async {
            let cx = operation.data.context(operation).await?;
            let observed = bridge::observe(&cx, id, &[]).await?;
            let found = spec_of(id, &observed).ok_or_else(|| Error::NotFound {
                kind: "bridge",
                name: id.to_owned(),
                remedy: "`docker network ls --filter label=k3d.x.atlas.bridge` lists them.".into(),
            })?;
            let mut state = self.schema().empty();
            state.set("name", Value::string(id));
            state.set("id", Value::string(id));
            state.set("subnet", Value::string(found.subnet.to_string()));
            state.set("dns", Value::Bool(found.dns));
            state.set("domain", Value::string(found.domain));
            let clusters = found.members.iter().map(|member| {
                Value::object([
                    ("name", Value::string(&member.cluster)),
                    (
                        "cluster_cidr",
                        Value::optional(member.cluster_cidr.map(|net| net.to_string())),
                    ),
                    (
                        "service_cidr",
                        Value::optional(member.service_cidr.map(|net| net.to_string())),
                    ),
                ])
            });
            state.set("clusters", Value::List(clusters.collect()));
            Ok(state)
        };
        work.await
            .map_err(|error: Error| SUBJECT.unimported(&error))
    }
}
