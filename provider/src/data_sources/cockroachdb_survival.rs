//! Data source `atlas_cockroachdb_survival`: which failures a cluster survives now.

use async_trait::async_trait;
use atlas_engine::cockroachdb::cluster;
use atlas_engine::cockroachdb::quorum::{Failure, Kind};
use atlas_engine::cockroachdb::topology::View;
use atlas_engine::{Error, Result};
use tfplugin::{Attribute, DataSource, Diagnostics, Nesting, Operation, Schema, Type, Value};

use crate::configured::Configured;
use crate::translate::{cockroachdb_nodes, cockroachdb_nodes_attribute, diagnostics};

/// The data source.
pub(crate) struct Survival;

fn failures(all: &[Failure], kind: Kind) -> Value {
    let told = all.iter().filter(|one| one.kind == kind).map(|one| {
        let lost = one.lost_ranges.iter();
        let value = Value::object([
            ("survived", Value::Bool(one.is_survived)),
            ("margin", Value::int(one.margin)),
            (
                "lost_ranges",
                Value::List(
                    lost.map(|id| Value::int(i64::try_from(*id).unwrap_or(i64::MAX)))
                        .collect(),
                ),
            ),
        ]);
        (one.name.clone(), value)
    });
    Value::Map(told.collect())
}

fn map(description: &str) -> Attribute {
    Attribute::computed(Type::String, description).nested(
        Nesting::Map,
        [
            ("survived", Attribute::computed(Type::Bool, "Whether every range keeps a majority of its voters.")),
            ("margin", Attribute::computed(Type::Number, "How many more voters the worst range could lose then; negative where it has no majority any more.")),
            ("lost_ranges", Attribute::computed(Type::list(Type::Number), "Ranges that would stop.")),
        ],
    )
}

#[async_trait]
impl DataSource<Configured> for Survival {
    fn name(&self) -> &'static str {
        "atlas_cockroachdb_survival"
    }

    fn schema(&self) -> Schema {
        Schema::new(
            "Which failures a CockroachDB cluster survives as it is: every range's voters are counted where they are now, and \
             nodes that are down already are lost with each failure.",
        )
        .attribute("cluster", Attribute::required(Type::String, "The cluster's name."))
        .attribute("nodes", map("The loss of one node, by `n<id>`."))
        .attribute("zones", map("The loss of one zone, by `<region>/<zone>`."))
        .attribute("regions", map("The loss of one region, by its name."))
        .attribute("survives_node", Attribute::computed(Type::Bool, "Whether the loss of any one node is survived."))
        .attribute("survives_zone", Attribute::computed(Type::Bool, "Whether the loss of any one zone is survived; false where nodes have none."))
        .attribute("survives_region", Attribute::computed(Type::Bool, "Whether the loss of any one region is survived."))
        .attribute("members", cockroachdb_nodes_attribute())
    }

    async fn read(
        &self,
        operation: &Operation<Configured>,
        config: Value,
    ) -> Result<Value, Diagnostics> {
        let work = async {
            let name = config.get("cluster").as_str().unwrap_or_default();
            let cx = operation.data.context(operation).await?;
            let observed = cluster::observe(&cx, name, []).await?;
            let reason = match &observed.view {
                View::Live(_) => return Ok(observed),
                View::Absent => "none of its nodes runs here",
                View::Uninitialized => "its nodes are waiting to be initialized",
                View::Silent(reason) => reason.as_str(),
            };
            Err(Error::NotFound {
                kind: "cluster of CockroachDB that serves, called",
                name: name.to_owned(),
                remedy: format!("It does not answer: {reason}.").into(),
            })
        };
        let observed = work
            .await
            .map_err(|error: Error| diagnostics("The cluster cannot be asked", &error))?;
        let mut state = config;
        let all = &observed.report.failures;
        for (name, flag, kind) in [
            ("nodes", "survives_node", Kind::Node),
            ("zones", "survives_zone", Kind::Zone),
            ("regions", "survives_region", Kind::Region),
        ] {
            state.set(name, failures(all, kind));
            state.set(flag, Value::Bool(observed.report.survives(kind)));
        }
        state.set("members", cockroachdb_nodes(observed.view.topology()));
        Ok(state)
    }
}
