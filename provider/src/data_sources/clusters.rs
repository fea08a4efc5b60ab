//! Data source `atlas_k3d_clusters`: the names of all clusters.

use async_trait::async_trait;
use atlas_engine::k3d;
use tfplugin::{Attribute, DataSource, Diagnostics, Operation, Schema, Type, Value};

use crate::configured::Configured;
use crate::translate::diagnostics;

/// The data source.
pub(crate) struct Clusters;

#[async_trait]
impl DataSource<Configured> for Clusters {
    fn name(&self) -> &'static str {
        "atlas_k3d_clusters"
    }

    fn schema(&self) -> Schema {
        Schema::new("All k3d clusters of the Docker daemon.").attribute(
            "names",
            Attribute::computed(Type::list(Type::String), "Their names, sorted."),
        )
    }

    async fn read(
        &self,
        operation: &Operation<Configured>,
        config: Value,
    ) -> Result<Value, Diagnostics> {
        let work = async { k3d::list(&operation.data.context(operation).await?).await };
        let names = work
            .await
            .map_err(|error| diagnostics("Clusters cannot be listed", &error))?;
        let mut state = config;
        state.set(
            "names",
            Value::List(names.into_iter().map(Value::string).collect()),
        );
        Ok(state)
    }
}
