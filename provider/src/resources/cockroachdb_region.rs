//! `atlas_cockroachdb_region`: a region's nodes.

use std::net::Ipv4Addr;
use std::time::SystemTime;

use async_trait::async_trait;
use atlas_engine::cockroachdb::certificates::Folder;
use atlas_engine::cockroachdb::names;
use atlas_engine::cockroachdb::region::{
    self, Around, DEFAULT_CERTIFICATE_DAYS, Observed, Placement, Resources, Spec, Step,
};
use atlas_engine::obtainable::Loss;
use atlas_engine::{Error, FieldPath, Result, images, size};
use tfplugin::{
    Attribute, AttributePath, Diagnostics, Number, Operation, Outcome, PlanRequest, Planned,
    PrivateKey, Resource, Schema, Type, Value,
};

use super::going::{gone_for_nothing, known_images};
use crate::configured::Configured;
use crate::import::ImportId;
use crate::outcome::Subject;
use crate::timeouts;
use crate::translate::{Reader, push_problems, text_list, texts};

/// The resource.
pub(crate) struct Region;

const SUBJECT: Subject = Subject { noun: "region" };

const PORTS: &str = "Use ports from 1 to 65535.";
/// Whether a create of it failed, so that what is there may be another one's by now.
const HALF_MADE: PrivateKey<bool> = PrivateKey::new("half_made");
/// Known after every change only.
const COMPUTED: [&str; 3] = ["containers", "volumes", "node_ids"];

/// A list that hangs on something unknown is not checked yet.
fn lists_are_known(value: &Value) -> bool {
    [
        "regions",
        "join",
        "zones",
        "addresses",
        "sql_ports",
        "http_ports",
        "host_names",
    ]
    .iter()
    .all(|name| {
        value.get(name).is_known() && value.get(name).elements().iter().all(Value::is_known)
    })
}

fn numbers(value: &Value, name: &str, reader: &mut Reader) -> Vec<u16> {
    let elements = value.get(name).elements().iter().enumerate();
    elements
        .filter_map(|(index, port)| reader.number(port, &FieldPath::of(name).index(index), PORTS))
        .collect()
}

fn addresses(value: &Value, reader: &mut Reader) -> Vec<Ipv4Addr> {
    let read = |(index, element): (usize, &Value)| {
        let path = FieldPath::of("addresses").index(index);
        let text = element.as_str()?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            let message = format!("{text:?} is not a valid IPv4 address.");
            reader.refuse(&path, message, "Use an address of the network.");
        }
        parsed
    };
    value
        .get("addresses")
        .elements()
        .iter()
        .enumerate()
        .filter_map(read)
        .collect()
}

fn nano_cpus(value: &Value, reader: &mut Reader) -> Option<i64> {
    let Value::Number(number) = value.get("cpus") else {
        return None;
    };
    size::processors(number.as_f64()?, &FieldPath::of("cpus"))
        .map_err(|problem| reader.problems.push(problem))
        .ok()
}

fn image(value: &Value, configured: &Configured) -> String {
    match (value.get("image").as_str(), value.get("version").as_str()) {
        (Some(image), _) => image.to_owned(),
        (None, Some(version)) => images::with_version(&configured.cockroachdb_image, version),
        (None, None) => configured.cockroachdb_image.clone(),
    }
}

fn spec(value: &Value, configured: &Configured, reader: &mut Reader) -> Option<Spec> {
    let decide = ["certificates", "insecure", "placement"];
    if !lists_are_known(value) || decide.iter().any(|name| value.get(name).is_unknown()) {
        return None;
    }
    let text = |name: &str| value.get(name).as_str().map(str::to_owned);
    let placement = match value.get("placement").as_str() {
        None | Some("docker") => Placement::Docker,
        Some("external") => Placement::External,
        Some(other) => {
            let path = FieldPath::of("placement");
            reader.refuse(
                &path,
                format!("{other:?} is not a valid placement."),
                "Use docker or external.",
            );
            return None;
        }
    };
    let is_insecure = value.get("insecure").as_bool().unwrap_or(false);
    if !is_insecure && text("certificates").is_none() {
        let path = FieldPath::of("certificates");
        reader.refuse(
            &path,
            "nodes need certificates, but the folder for them is not set.",
            "Set it to a permanent folder, or set insecure = true for a cluster without access control.",
        );
    }
    if is_insecure && text("certificates").is_some() {
        let path = FieldPath::of("insecure");
        reader.refuse(
            &path,
            "an insecure cluster has no certificates.",
            "Remove one of the two.",
        );
    }
    let memory = text("memory").and_then(|memory| {
        size::parse(&memory, &FieldPath::of("memory"))
            .map_err(|problem| reader.problems.push(problem))
            .ok()
    });
    let nodes = reader.number(value.get("nodes"), &FieldPath::of("nodes"), "Use 1 to 64.")?;
    let days = match value.get("certificate_days") {
        Value::Null | Value::Unknown => DEFAULT_CERTIFICATE_DAYS,
        given => reader.number(given, &FieldPath::of("certificate_days"), "Use 1 to 3650.")?,
    };
    Some(Spec {
        cluster: text("cluster")?,
        name: text("name")?,
        regions: texts(value.get("regions")),
        join: texts(value.get("join")),
        nodes,
        placement,
        image: image(value, configured),
        network: match placement {
            Placement::Docker => text("network").unwrap_or_default(),
            Placement::External => String::new(),
        },
        zones: texts(value.get("zones")),
        addresses: addresses(value, reader),
        sql_ports: numbers(value, "sql_ports", reader),
        http_ports: numbers(value, "http_ports", reader),
        resources: Resources {
            cache: text("cache"),
            max_sql_memory: text("max_sql_memory"),
            memory,
            nano_cpus: nano_cpus(value, reader),
        },
        certificates: reader
            .local_path(value.get("certificates"), &FieldPath::of("certificates"))
            .filter(|_| !is_insecure),
        certificate_days: days,
        host_names: texts(value.get("host_names")).into_iter().collect(),
    })
}

fn specify(value: &Value, configured: &Configured) -> Result<Spec> {
    let mut reader = Reader::default();
    match spec(value, configured, &mut reader) {
        Some(found) if reader.problems.is_empty() => Ok(found),
        _ => Err(Error::Invalid(reader.problems)),
    }
}

/// By node as the containers say it; what the user left out stays out.
fn lists(observed: &Observed, state: &mut Value) {
    let list = |all: Vec<Option<Value>>, before: &Value| {
        let found: Vec<Value> = all.into_iter().map_while(|one| one).collect();
        match (found.is_empty(), before) {
            (true, Value::List(_)) => Value::List(Vec::new()),
            (true, _) => Value::Null,
            _ => Value::List(found),
        }
    };
    let each = |get: &dyn Fn(&region::NodeSpec) -> Option<Value>| -> Vec<Option<Value>> {
        observed
            .members
            .iter()
            .map(|member| get(&member.found))
            .collect()
    };
    let sql = each(&|node| node.sql_port.map(Value::int));
    let http = each(&|node| node.http_port.map(Value::int));
    let addresses = each(&|node| {
        node.address
            .map(|address| Value::string(address.to_string()))
    });
    // Where none is asked for, any will do.
    let asked = state.get("addresses").elements().len();
    let addresses = addresses.into_iter().take(asked).collect();
    for (name, all) in [
        ("sql_ports", sql),
        ("http_ports", http),
        ("addresses", addresses),
    ] {
        let found = list(all, state.get(name));
        state.set(name, found);
    }
}

/// What is shown as it is found only where that is not what is declared, as it may be written in several ways.
fn resources_and_zones(observed: &Observed, state: &mut Value) {
    let Some(found) = observed.spec() else {
        return;
    };
    let mut unread = Reader::default();
    if nano_cpus(state, &mut unread) != found.resources.nano_cpus {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a thousand processors have thirteen digits"
        )]
        let cpus = found.resources.nano_cpus.map(|cpus| cpus as f64 / 1e9);
        let cpus = cpus.and_then(Number::from_f64).map(Value::Number);
        state.set("cpus", cpus.unwrap_or(Value::Null));
    }
    let declared = texts(state.get("zones"));
    let differs = observed.members.iter().any(|one| {
        let at = one.found.number.saturating_sub(1) as usize;
        let zone = declared.get(at % declared.len().max(1));
        zone != one.found.zone.as_ref()
    });
    if differs {
        state.set("zones", text_list(&found.zones));
    }
}

/// Whether its nodes run elsewhere.
fn is_external(value: &Value) -> bool {
    value.get("placement").as_str() == Some("external")
}

/// The state of a region; null where nothing of it is there.
fn state(observed: &Observed, before: &Value) -> Value {
    let mut state = before.clone();
    let external = is_external(before);
    if observed.is_gone() && !external {
        return Value::Null;
    }
    let id = format!("{}/{}", observed.cluster, observed.region);
    state.set("cluster", Value::string(&observed.cluster));
    state.set("name", Value::string(&observed.region));
    state.set("id", Value::string(id));
    if state.get("insecure").is_null() {
        state.set("insecure", Value::Bool(false));
    }
    if let (true, Some(topology)) = (external, observed.view.topology()) {
        state.set("nodes", Value::int(observed.live_elsewhere(topology)));
    } else if let (false, Some(first)) = (external, observed.members.first()) {
        let found = &first.found;
        // One that differs from the others is what a plan has to mend.
        let odd = observed.members.iter().find(|member| {
            state
                .get("image")
                .as_str()
                .is_some_and(|image| image != member.found.image)
        });
        let shown = odd.map_or(found, |odd| &odd.found);
        state.set("image", Value::string(&shown.image));
        state.set("network", Value::string(&found.network));
        state.set("nodes", count(observed.members.len()));
        state.set("insecure", Value::Bool(!found.secure));
        let optional = [
            ("cache", found.resources.cache.clone()),
            ("max_sql_memory", found.resources.max_sql_memory.clone()),
        ];
        for (name, value) in optional {
            state.set(name, Value::optional(value));
        }
        let same = state
            .get("memory")
            .as_str()
            .and_then(|memory| size::parse(memory, &FieldPath::root()).ok())
            == found.resources.memory;
        if !same {
            state.set(
                "memory",
                Value::optional(found.resources.memory.map(size::render)),
            );
        }
        lists(observed, &mut state);
        resources_and_zones(observed, &mut state);
    }
    let members = observed.members.iter().filter(|_| !external);
    let containers: Vec<String> = members.map(|one| one.container.name.clone()).collect();
    state.set("containers", list_of(&containers));
    let volumes = observed.volumes.iter().filter(|_| !external);
    let volumes: Vec<String> = volumes
        .map(|number| names::node(&observed.cluster, &observed.region, *number))
        .collect();
    state.set("volumes", list_of(&volumes));
    let ids = observed.view.topology().map(|topology| {
        topology
            .in_region(&observed.region)
            .map(|node| Value::int(i64::try_from(node.id).unwrap_or(i64::MAX)))
            .collect()
    });
    state.set("node_ids", Value::List(ids.unwrap_or_default()));
    state
}

/// What only an import reads: afterwards the configuration has the word.
fn import_lists(made_with: &Spec, state: &mut Value) {
    let host_names: Vec<String> = made_with.host_names.iter().cloned().collect();
    let addresses = made_with.addresses.iter().map(ToString::to_string);
    let addresses: Vec<String> = addresses.collect();
    for (name, all) in [
        ("regions", &made_with.regions),
        ("join", &made_with.join),
        ("zones", &made_with.zones),
        ("host_names", &host_names),
        ("addresses", &addresses),
    ] {
        state.set(name, text_list(all));
    }
    if made_with.certificate_days != DEFAULT_CERTIFICATE_DAYS {
        let days = Value::int(i64::from(made_with.certificate_days));
        state.set("certificate_days", days);
    }
}

fn count(number: usize) -> Value {
    Value::int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn list_of(all: &[String]) -> Value {
    Value::List(all.iter().map(Value::string).collect())
}

/// Steps that no attribute shows, for instance a stopped node or a certificate that is due.
fn drift(spec: &Spec, observed: &Observed) -> Vec<String> {
    let plan = region::plan(spec, observed, &Around::now(spec));
    let shown = !plan.differences.is_empty();
    let told = |step: &Step| match step {
        Step::WaitForNodes(_) => false,
        Step::RemakeNode(_) => !shown,
        _ => true,
    };
    plan.steps
        .iter()
        .filter(|step| told(step))
        .map(|step| step.summary(&spec.cluster, &spec.name))
        .collect()
}

#[async_trait]
impl Resource<Configured> for Region {
    fn name(&self) -> &'static str {
        "atlas_cockroachdb_region"
    }

    fn schema(&self) -> Schema {
        Schema::new(
            "The nodes of one region of a CockroachDB cluster, in containers or elsewhere. New nodes start and wait \
             for the cluster's `init`, which an `atlas_cockroachdb_cluster` does; in a cluster that serves they join \
             at once. Nodes that are taken away are drained and decommissioned first. What needs another container (a \
             version, a port) is changed node by node: drained, recreated on its volume, and the next only when all \
             ranges are replicated. Give a region `lifecycle { create_before_destroy = true }` where databases drop \
             it in the same apply as it goes: Terraform else removes the region first, which is refused. With that \
             lifecycle, what forces replacement under the same name (`network`, `insecure`, `-replace`) is refused, \
             and nothing is destroyed, because two of one name cannot be there at once: take the lifecycle out for \
             that apply. A region that exists, even in part, is not taken over: import it. Only an interrupted create \
             is completed.",
        )
        .attribute("cluster", Attribute::required(Type::String, "The cluster's name, 1 to 24 lower-case letters, digits and dashes.").forces_replacement())
        .attribute("name", Attribute::required(Type::String, "The region's name: the tier `region` of its nodes' localities. Nodes are called `atlas-cockroachdb-<cluster>-<region>-<number>`.").forces_replacement())
        .attribute("regions", Attribute::required(Type::list(Type::String), "Names of all regions of the cluster, the same list in every region. Nodes look for each other at the first node of each. A change concerns only nodes that are made after it."))
        .attribute("join", Attribute::optional(Type::list(Type::String), "More addresses (`host:port`) at which nodes look for their cluster, for instance of nodes that run elsewhere."))
        .attribute("nodes", Attribute::required(Type::Number, "How many nodes there are, 1 to 64. The last ones are added and removed."))
        .attribute("placement", Attribute::optional(Type::String, "`docker` (default): nodes are containers of Atlas. `external`: they run elsewhere, for instance in a StatefulSet with this region in its `--locality`; in a cluster that serves, Atlas waits until so many are live.").forces_replacement())
        .attribute("version", Attribute::optional(Type::String, "The tag of the default image, for instance `v25.4.11`. A change is a rolling upgrade."))
        .attribute("image", Attribute::optional_computed(Type::String, "A whole image instead. Default: `images.cockroachdb` of the provider, then `ATLAS_COCKROACHDB_IMAGE`, then `docker.io/cockroachdb/cockroach:v25.4.11`."))
        .attribute("network", Attribute::optional(Type::String, "The Docker network that the nodes are on: of their own, a k3d cluster's, or a bridge's. All regions must reach each other in it by name. Needed for `docker`.").forces_replacement())
        .attribute("zones", Attribute::optional(Type::list(Type::String), "Zones of the region, the tier `zone`; nodes are dealt out among them in turn."))
        .attribute("addresses", Attribute::optional(Type::list(Type::String), "Fixed IPv4 addresses on the network, by node. Default: ones that Atlas chooses and keeps, if the network's subnet was set explicitly, as `atlas_network` does; else Docker's choice."))
        .attribute("sql_ports", Attribute::optional(Type::list(Type::Number), "Ports on 127.0.0.1 for SQL, by node. Default: none."))
        .attribute("http_ports", Attribute::optional(Type::list(Type::Number), "Ports on 127.0.0.1 for the DB Console, health and metrics, by node. Default: none."))
        .attribute("cache", Attribute::optional(Type::String, "`--cache`, for instance `128MiB` or `.25`."))
        .attribute("max_sql_memory", Attribute::optional(Type::String, "`--max-sql-memory`."))
        .attribute("memory", Attribute::optional(Type::String, "Memory limit of a node's container, for instance `2g`."))
        .attribute("cpus", Attribute::optional(Type::Number, "Processors of a node's container, for instance `1.5`."))
        .attribute("certificates", Attribute::optional(Type::String, "The folder on this machine (`~/` is the home folder) with the cluster's authority (`ca.crt`, `ca.key`) and root's client certificate, in CockroachDB's layout. It is created if it does not exist; keep it. All regions use the same folder. Certificates that Atlas made in it are renewed ahead of their end; of your own authority's end you are warned a year ahead. Needed unless `insecure`."))
        .attribute("certificate_days", Attribute::optional(Type::Number, "Days that nodes' certificates are valid. They are renewed without a restart when a third is left. Default: 365."))
        .attribute("host_names", Attribute::optional(Type::list(Type::String), "More host names and addresses in nodes' certificates."))
        .attribute("insecure", Attribute::defaulted(Type::Bool, Value::Bool(false), "Whether nodes use no TLS and no access control, not even for root.").forces_replacement())
        .attribute("id", Attribute::computed(Type::String, "`<cluster>/<name>`."))
        .attribute("containers", Attribute::computed(Type::list(Type::String), "The nodes' containers."))
        .attribute("volumes", Attribute::computed(Type::list(Type::String), "The volumes with their stores. They outlive the containers."))
        .attribute("node_ids", Attribute::computed(Type::list(Type::Number), "Ids of the region's nodes in the cluster; empty before its `init`."))
        .attribute("drift", Attribute::computed(Type::list(Type::String), "Differences from the configuration that no attribute shows, for instance a stopped node. Empty after every apply."))
        .single("timeouts", timeouts::block())
    }

    async fn validate(&self, config: &Value) -> Diagnostics {
        let configured = Configured::unconnected();
        let mut reader = Reader::default();
        let mut problems = timeouts::problems(config);
        if config.get("image").as_str().is_some() && config.get("version").as_str().is_some() {
            let path = FieldPath::of("version");
            reader.refuse(
                &path,
                "the image already determines the version.",
                "Set only one of the two.",
            );
        }
        if let Some(spec) = spec(config, &configured, &mut reader) {
            let known = |name: &str| config.get(name).is_known();
            problems.extend(spec.problems().into_iter().filter(|problem| {
                let field = problem.path.to_string();
                known(field.split(['.', '[']).next().unwrap_or_default())
            }));
        }
        problems.extend(reader.problems);
        let mut found = Diagnostics::new();
        push_problems(&mut found, &problems);
        found
    }

    async fn plan(&self, operation: &Operation<Configured>, request: PlanRequest) -> Planned {
        let configured = &operation.data;
        let (config, prior) = (&request.config, &request.prior);
        let mut state = request.proposed;
        if config.get("image").is_null() {
            let image = if config.get("version").is_unknown() {
                Value::Unknown
            } else {
                configured.planned_image("cockroachdb", &image(config, configured))
            };
            state.set("image", image);
        }
        let id = match (config.get("cluster").as_str(), config.get("name").as_str()) {
            (Some(cluster), Some(name)) => Value::string(format!("{cluster}/{name}")),
            _ => Value::Unknown,
        };
        state.set("id", id);
        state.set("drift", Value::List(Vec::new()));
        let mut found = Diagnostics::new();
        let mut requires_replace = Vec::new();
        // Of what is not known yet, anything may come.
        let mut changes =
            prior.is_null() || prior.get("drift") != state.get("drift") || !state.is_known();
        if !prior.is_null() {
            for name in ["cluster", "name"] {
                if state.get(name) != prior.get(name) {
                    requires_replace.push(AttributePath::of(name));
                }
            }
            if is_external(&state) != is_external(prior) {
                requires_replace.push(AttributePath::of("placement"));
            }
            let mut reader = Reader::default();
            let specs = (
                spec(&state, configured, &mut reader),
                spec(prior, configured, &mut reader),
            );
            if let (Some(asked), Some(before)) = specs {
                let differences = region::differences(&asked, &before);
                changes |= !differences.is_empty() || asked.host_names != before.host_names;
                // What is unknown may turn out as it is. What does not is refused by the apply, and destroys nothing.
                let is_sure = |field: &str| state.get(field).is_known();
                let stays = asked.placement == before.placement;
                let replaces = differences.iter().filter(|one| one.replaces && stays);
                for one in replaces.filter(|one| is_sure(&one.field)) {
                    requires_replace.push(AttributePath::of(&one.field));
                }
                let is_replaced = !requires_replace.is_empty();
                if !is_external(&state) && (is_replaced || asked.image != before.image) {
                    let image = vec![(FieldPath::of("image"), asked.image.as_str())];
                    let image = known_images(&state, image);
                    let loss = Loss::of(is_replaced);
                    found.extend(gone_for_nothing(operation, &state, loss, &image).await);
                }
                if asked.nodes < before.nodes {
                    let names = (asked.cluster.as_str(), asked.name.as_str());
                    found.extend(warn(operation, names, asked.nodes).await);
                }
            } else {
                changes = true;
            }
            changes |= !requires_replace.is_empty();
        }
        let field = FieldPath::of("certificates");
        if let Some(folder) = Reader::default().local_path(state.get("certificates"), &field)
            && let Ok(folder) = Folder::look(&folder)
            && let Some(text) = folder.warning(SystemTime::now())
        {
            let path = AttributePath::of("certificates");
            found.push_warning(path, "Certificates end soon", text);
        }
        if changes {
            for name in COMPUTED {
                state.set(name, Value::Unknown);
            }
        }
        Planned {
            state,
            requires_replace,
            diagnostics: found,
        }
    }

    async fn plan_delete(&self, operation: &Operation<Configured>, prior: &Value) -> Diagnostics {
        let text = |name: &str| prior.get(name).as_str().unwrap_or_default();
        warn(operation, (text("cluster"), text("name")), 0).await
    }

    async fn create(
        &self,
        operation: &Operation<Configured>,
        planned: Value,
        _config: &Value,
    ) -> Outcome {
        let look = async {
            let spec = specify(&planned, &operation.data)?;
            let cx = timeouts::limit(operation.data.context(operation).await?, &planned, "create");
            let admitted = region::admit_new(&cx, &spec).await?;
            Ok((cx, admitted))
        };
        let (cx, admitted) = match look.await {
            Ok(looked) => looked,
            Err(error) => return SUBJECT.refused(&error),
        };
        let presence = admitted.presence();
        match admitted.make(&cx).await {
            // Of nodes that run elsewhere nothing was made.
            Err(error) if is_external(&planned) => SUBJECT.refused(&error),
            // A region that failed stays marked, though Terraform has it as tainted: a create beside it
            // (`create_before_destroy`) finishes it, and `delete` then leaves that one's work alone.
            done => {
                let failed = done.is_err();
                let done = done.map(|observed| state(&observed, &planned));
                let outcome = SUBJECT.created(planned, presence, done);
                if failed && !outcome.state.is_null() {
                    operation.private.set(HALF_MADE, &true);
                }
                outcome
            }
        }
    }

    async fn read(
        &self,
        operation: &Operation<Configured>,
        before: Value,
    ) -> Result<Value, Diagnostics> {
        let names = (before.get("cluster").as_str(), before.get("name").as_str());
        let (Some(cluster), Some(name)) = names else {
            return Ok(Value::Null);
        };
        if !operation.data.is_decided() {
            return Ok(before);
        }
        let work = async {
            let cx = timeouts::limit(operation.data.context(operation).await?, &before, "read");
            let observed = region::observe(&cx, cluster, name).await?;
            let mut state = state(&observed, &before);
            if !state.is_null() {
                let mut reader = Reader::default();
                let declared = spec(&before, &operation.data, &mut reader);
                let drift = declared.map(|declared| drift(&declared, &observed));
                let drift = drift.unwrap_or_default();
                state.set("drift", list_of(&drift));
            }
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
            let spec = specify(&planned, &operation.data)?;
            let cx = timeouts::limit(operation.data.context(operation).await?, &planned, "update");
            let observed = region::apply(&cx, &spec).await?;
            operation.private.remove(HALF_MADE);
            Ok(state(&observed, &planned))
        };
        SUBJECT.changed(prior, &planned, work.await)
    }

    async fn delete(
        &self,
        operation: &Operation<Configured>,
        prior: Value,
    ) -> Result<(), Diagnostics> {
        if is_external(&prior) {
            // They are nobody's to remove but their owner's; containers of this region's name are another one's.
            return Ok(());
        }
        let work = async {
            let cx = timeouts::limit(operation.data.context(operation).await?, &prior, "delete");
            let text = |name: &str| prior.get(name).as_str().unwrap_or_default();
            let (cluster, name) = (text("cluster"), text("name"));
            if operation.private.get(HALF_MADE) == Some(true) {
                region::delete_begun(&cx, cluster, name).await
            } else {
                region::delete(&cx, cluster, name).await
            }
        };
        work.await.map_err(|error| SUBJECT.unremoved(&error))
    }

    async fn import(
        &self,
        operation: &Operation<Configured>,
        id: &str,
    ) -> Result<Value, Diagnostics> {
        let work = async {
            let missing = || {
                Error::NotFound {
                kind: "region of CockroachDB",
                name: id.to_owned(),
                remedy: "Use <cluster>/<region>. `docker ps -a --filter label=k3d.x.atlas.cockroachdb` lists nodes."
                    .into(),
            }
            };
            let id = ImportId::parse(id, "CLUSTER/REGION", "certificates")?;
            let (cluster, name) = id.name.split_once('/').ok_or_else(missing)?;
            let cx = operation.data.context(operation).await?;
            let observed = region::observe(&cx, cluster, name).await?;
            let made_with = observed.spec().ok_or_else(missing)?;
            let mut state = state(&observed, &self.schema().empty());
            state.set("drift", Value::List(Vec::new()));
            state.set("certificates", Value::optional(id.path.map(str::to_owned)));
            import_lists(&made_with, &mut state);
            Ok(state)
        };
        work.await.map_err(|error| SUBJECT.unimported(&error))
    }
}

/// A warning where so few nodes in a region of a cluster survive less. A cluster that gives no answer is left to the apply.
async fn warn(
    operation: &Operation<Configured>,
    (cluster, region): (&str, &str),
    nodes: u32,
) -> Diagnostics {
    let mut found = Diagnostics::new();
    if !operation.data.is_decided() {
        return found;
    }
    let Ok(cx) = operation.data.context(operation).await else {
        return found;
    };
    let Ok(observed) = region::observe(&cx, cluster, region).await else {
        return found;
    };
    if let Some(text) = region::warning(&observed, nodes) {
        found.push_warning(
            AttributePath::of("nodes"),
            "The cluster will survive fewer failures",
            text,
        );
    }
    found
}

#[cfg(test)]
mod tests;
