//! Data source `atlas_docker`: the daemon that is used.

use async_trait::async_trait;
use atlas_engine::docker;
use tfplugin::{Attribute, DataSource, Diagnostics, Operation, Schema, Type, Value};

use crate::configured::Configured;
use crate::translate::diagnostics;

/// The data source.
pub(crate) struct DockerDaemon;

#[async_trait]
impl DataSource<Configured> for DockerDaemon {
    fn name(&self) -> &'static str {
        "atlas_docker"
    }

    fn schema(&self) -> Schema {
        let text = |description: &str| Attribute::computed(Type::String, description);
        Schema::new("The Docker daemon that the provider uses.")
            .attribute("endpoint", text("Its address."))
            .attribute("version", text("The engine's version."))
            .attribute("api_version", text("The newest API that it speaks."))
            .attribute("os", text("`linux`."))
            .attribute("architecture", text("`amd64`, `arm64`."))
    }

    async fn read(
        &self,
        operation: &Operation<Configured>,
        config: Value,
    ) -> Result<Value, Diagnostics> {
        let work = async {
            let cx = operation.data.context(operation).await?;
            docker::about(&cx).await
        };
        let about = work
            .await
            .map_err(|error| diagnostics("The Docker daemon cannot be read", &error))?;
        let mut state = config;
        for (name, text) in [
            ("endpoint", about.endpoint),
            ("version", about.version),
            ("api_version", about.api_version),
            ("os", about.os),
            ("architecture", about.architecture),
        ] {
            state.set(name, Value::string(text));
        }
        Ok(state)
    }
}
