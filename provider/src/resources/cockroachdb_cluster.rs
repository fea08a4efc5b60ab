//! `atlas_cockroachdb_cluster`: what is done once for all regions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use async_trait::async_trait;
use atlas_engine::cockroachdb::cluster::{self, Observed, Spec};
use atlas_engine::cockroachdb::quorum::Kind;
use atlas_engine::cockroachdb::topology::{Topology, View};
use atlas_engine::presence::Presence;
use atlas_engine::{Error, FieldPath, Result, error};
use tfplugin::{
    Attribute, AttributePath, Diagnostics, Operation, Outcome, PlanRequest, Planned, Resource,
    Schema, Type, Value,
};

use crate::configured::Configured;
use crate::import::ImportId;
use crate::outcome::Subject;
use crate::timeouts;
use crate::translate::{Reader, cockroachdb_nodes, push_problems, text_map, texts, texts_by_key};

/// The resource.
pub(crate) struct Cluster;

const SUBJECT: Subject = Subject { noun: "cluster" };

/// What the cluster tells of itself, anew at every look.
const COMPUTED: [&str; 6] = [
    "nodes",
    "connection_urls",
    "console_urls",
    "underreplicated_ranges",
    "unavailable_ranges",
    "quorum_margins",
];

/// The folder with the authority.
fn certificates(value: &Value) -> Result<Option<PathBuf>> {
    let mut reader = Reader::default();
    let folder = reader.local_path(value.get("certificates"), &FieldPath::of("certificates"));
    error::refuse(reader.problems).map(|()| folder)
}

/// `license` is write-only: it is in the configuration, and never in a state. `prior` tells which settings to reset.
fn spec(value: &Value, config: &Value, prior: &Value) -> Option<Spec> {
    let regions = value.get("regions");
    if !regions.is_known() || value.get("certificates").is_unknown() {
        return None;
    }
    let settings = texts_by_key(value.get("settings"));
    let reset: BTreeSet<String> = texts_by_key(prior.get("settings"))
        .into_keys()
        .filter(|name| !settings.contains_key(name))
        .collect();
    Some(Spec {
        name: value.get("name").as_str()?.to_owned(),
        regions: texts(regions).into_iter().collect(),
        settings,
        reset,
        license: config.get("license").as_str().map(str::to_owned),
        certificates: certificates(value).ok().flatten(),
    })
}

/// The state of a cluster; null where nothing of it is there.
fn state(observed: &Observed, before: &Value) -> Value {
    if observed.is_gone() {
        return Value::Null;
    }
    let mut state = before.clone();
    let settings: BTreeMap<String, String> = before
        .get("settings")
        .entries()
        .filter_map(|(name, declared)| {
            // As it was written where it means the same.
            let declared = declared.as_str().unwrap_or_default();
            let found = observed.settings.get(name)?;
            let same = cluster::is_same(found, declared);
            Some((name.clone(), if same { declared } else { found }.to_owned()))
        })
        .collect();
    if matches!(observed.view, View::Live(_)) && before.get("settings").entries().next().is_some() {
        state.set("settings", text_map(&settings));
    }
    if state.get("force_destroy").is_null() {
        state.set("force_destroy", Value::Bool(false));
    }
    state.set("id", before.get("name").clone());
    state.set("nodes", cockroachdb_nodes(observed.view.topology()));
    let urls = |all: BTreeMap<String, Vec<String>>| {
        let lists = all.into_iter().map(|(region, urls)| {
            let urls = urls.iter().map(Value::string).collect();
            (region, Value::List(urls))
        });
        Value::Map(lists.collect())
    };
    state.set("connection_urls", urls(observed.urls()));
    state.set("console_urls", urls(observed.consoles()));
    let count = |count: u64| Value::int(i64::try_from(count).unwrap_or(i64::MAX));
    let topology = observed.view.topology().cloned().unwrap_or_default();
    state.set("underreplicated_ranges", count(topology.underreplicated()));
    state.set("unavailable_ranges", count(topology.unavailable()));
    let margins = observed
        .report
        .failures
        .iter()
        .filter(|one| one.kind == Kind::Region)
        .map(|one| (one.name.clone(), Value::int(one.margin)));
    state.set("quorum_margins", Value::Map(margins.collect()));
    state.set("has_license", Value::Bool(observed.has_license));
    state
}

/// What the next apply would do, but for settings, which are attributes.
fn drift(spec: &Spec, observed: &Observed) -> Vec<String> {
    let steps = cluster::plan(spec, observed).steps;
    steps
        .iter()
        .filter(|step| !matches!(step, cluster::Step::Set(..) | cluster::Step::Reset(_)))
        .map(|step| step.summary(&spec.name))
        .collect()
}

#[async_trait]
impl Resource<Configured> for Cluster {
    fn name(&self) -> &'static str {
        "atlas_cockroachdb_cluster"
    }

    fn schema(&self) -> Schema {
        Schema::new(
            "A CockroachDB cluster, made of regions that exist: initialized once, its settings, its licence, and its \
             system ranges spread over the regions so that the loss of one leaves a majority. Refer to the regions' \
             resources in `regions`, so that they come first. A cluster that is already initialized is not taken \
             over: import it. Only an interrupted create is completed. Destroying it removes all its nodes and their \
             volumes, of every region; while it holds tables, only with `force_destroy`.",
        )
        .attribute("name", Attribute::required(Type::String, "Its name, the same as `cluster` of its regions.").forces_replacement())
        .attribute("regions", Attribute::required(Type::set(Type::String), "Names of its regions; each must have a live node before the cluster counts as made."))
        .attribute("certificates", Attribute::optional(Type::String, "The same folder as in its regions. What Atlas made in it goes with the last cluster that uses it; your own files stay, also an authority that you brought."))
        .attribute("settings", Attribute::optional(Type::map(Type::String), "Cluster settings, for instance `{ \"kv.rangefeed.enabled\" = \"true\" }`. One that is taken out gets its default back; others are left alone."))
        .attribute("license", Attribute::optional(Type::String, "The licence key, `crl-0-…`. Write-only: it is not stored in plan or state. Without one, CockroachDB allows five open transactions at a time after its grace period of 7 days.").write_only())
        .attribute("license_version", Attribute::optional(Type::Number, "Change it to have another `license` set."))
        .attribute("force_destroy", Attribute::defaulted(Type::Bool, Value::Bool(false), "Whether destroying the cluster may destroy tables."))
        .attribute("id", Attribute::computed(Type::String, "The same as `name`."))
        .attribute("nodes", crate::translate::cockroachdb_nodes_attribute())
        .attribute("connection_urls", Attribute::computed(Type::map(Type::list(Type::String)), "URLs for SQL clients on this machine, by region, of nodes with a port. With TLS, add `sslrootcert`, `sslcert` and `sslkey`."))
        .attribute("console_urls", Attribute::computed(Type::map(Type::list(Type::String)), "URLs of the DB Console on this machine, by region, of nodes with a port."))
        .attribute("underreplicated_ranges", Attribute::computed(Type::Number, "Ranges with fewer replicas than they should have."))
        .attribute("unavailable_ranges", Attribute::computed(Type::Number, "Ranges without a majority of their voters."))
        .attribute("quorum_margins", Attribute::computed(Type::map(Type::Number), "For each region: how many voters the worst range could lose after the region is lost. Negative: that range would stop."))
        .attribute("has_license", Attribute::computed(Type::Bool, "Whether it has a licence."))
        .attribute("drift", Attribute::computed(Type::list(Type::String), "Differences from the configuration that no attribute shows, for instance nodes that do not serve. Empty after every apply."))
        .single("timeouts", timeouts::block())
    }

    async fn validate(&self, config: &Value) -> Diagnostics {
        let mut problems = timeouts::problems(config);
        if let Err(Error::Invalid(found)) = certificates(config) {
            problems.extend(found);
        }
        if let Some(spec) = spec(config, config, &Value::Null) {
            problems.extend(spec.problems().into_iter().filter(|problem| {
                let field = problem.path.to_string();
                let field = field.split(['.', '[']).next().unwrap_or_default();
                config.get(field).is_known()
            }));
        }
        let mut found = Diagnostics::new();
        push_problems(&mut found, &problems);
        found
    }

    async fn plan(&self, _operation: &Operation<Configured>, request: PlanRequest) -> Planned {
        let (config, prior) = (&request.config, &request.prior);
        let mut state = request.proposed;
        state.set("id", config.get("name").clone());
        state.set("drift", Value::List(Vec::new()));
        let mut requires_replace = Vec::new();
        if !prior.is_null() && state.get("name") != prior.get("name") {
            requires_replace.push(AttributePath::of("name"));
        }
        let declared = [
            "name",
            "regions",
            "settings",
            "license_version",
            "drift",
            "certificates",
        ];
        let changes = prior.is_null()
            || declared
                .iter()
                .any(|name| state.get(name) != prior.get(name));
        if changes {
            for name in COMPUTED {
                state.set(name, Value::Unknown);
            }
            state.set("has_license", Value::Unknown);
        }
        Planned {
            state,
            requires_replace,
            diagnostics: Diagnostics::new(),
        }
    }

    async fn create(
        &self,
        operation: &Operation<Configured>,
        planned: Value,
        config: &Value,
    ) -> Outcome {
        let done = async {
            let spec = specify(&planned, config, &Value::Null)?;
            let cx = timeouts::limit(operation.data.context(operation).await?, &planned, "create");
            Ok(state(&cluster::create(&cx, &spec).await?, &planned))
        };
        match done.await {
            // It has nothing that its regions have not, and its mark lets the next create go on. Remembered, it would be
            // destroyed first, with all its regions.
            Err(error) => SUBJECT.refused(&error),
            done => SUBJECT.created(planned, Presence::Absent, done),
        }
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
            let cx = timeouts::limit(operation.data.context(operation).await?, &before, "read");
            let settings = texts_by_key(before.get("settings"));
            let observed = cluster::observe(&cx, name, settings.keys()).await?;
            let mut state = state(&observed, &before);
            if !state.is_null() {
                let declared = spec(&before, &Value::Null, &Value::Null);
                let drift = declared.map(|declared| drift(&declared, &observed));
                let drift = drift.unwrap_or_default();
                state.set(
                    "drift",
                    Value::List(drift.iter().map(Value::string).collect()),
                );
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
        config: &Value,
    ) -> Outcome {
        let done = async {
            let spec = specify(&planned, config, &prior)?;
            let cx = timeouts::limit(operation.data.context(operation).await?, &planned, "update");
            Ok(state(&cluster::apply(&cx, &spec).await?, &planned))
        };
        let done = done.await;
        SUBJECT.changed(prior, &planned, done)
    }

    async fn delete(
        &self,
        operation: &Operation<Configured>,
        prior: Value,
    ) -> Result<(), Diagnostics> {
        let work = async {
            let cx = timeouts::limit(operation.data.context(operation).await?, &prior, "delete");
            let Some(spec) = spec(&prior, &Value::Null, &Value::Null) else {
                return Ok(());
            };
            let force = prior.get("force_destroy").as_bool().unwrap_or(false);
            cluster::delete(&cx, &spec, force).await
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
            let ImportId { name, path } = ImportId::parse(id, "CLUSTER", "certificates")?;
            let observed = cluster::observe(&cx, name, []).await?;
            if observed.is_gone() {
                return Err(Error::NotFound {
                    kind: "cluster of CockroachDB",
                    name: name.to_owned(),
                    remedy: "`docker ps -a --filter label=k3d.x.atlas.cockroachdb` lists nodes."
                        .into(),
                });
            }
            let mut before = self.schema().empty();
            before.set("name", Value::string(name));
            before.set("certificates", Value::optional(path.map(str::to_owned)));
            let regions: BTreeSet<String> = observed
                .view
                .topology()
                .into_iter()
                .flat_map(Topology::members)
                .filter_map(|node| node.tier("region").map(str::to_owned))
                .collect();
            before.set(
                "regions",
                Value::List(regions.iter().map(Value::string).collect()),
            );
            before.set("force_destroy", Value::Bool(false));
            before.set("drift", Value::List(Vec::new()));
            Ok(state(&observed, &before))
        };
        work.await.map_err(|error| SUBJECT.unimported(&error))
    }
}

fn specify(planned: &Value, config: &Value, prior: &Value) -> Result<Spec> {
    spec(planned, config, prior).ok_or_else(|| {
        Error::invalid(
            FieldPath::of("regions"),
            "they are unknown.",
            "Set them to the cluster's regions.",
        )
    })
}

#[cfg(test)]
mod tests;
