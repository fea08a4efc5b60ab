//! Data source `atlas_k3d_cluster`: one cluster by name, whoever made it.

use async_trait::async_trait;
use atlas_engine::{Error, k3d};
use tfplugin::{Attribute, DataSource, Diagnostics, Operation, Schema, Type, Value};

use crate::configured::Configured;
use crate::resources::{computed, nodes_attribute, store_credentials};
use crate::translate::diagnostics;

/// The data source.
pub(crate) struct Cluster;

#[async_trait]
impl DataSource<Configured> for Cluster {
    fn name(&self) -> &'static str {
        "atlas_k3d_cluster"
    }

    fn schema(&self) -> Schema {
        let text = |description: &str| Attribute::computed(Type::String, description);
        Schema::new("An existing k3d cluster, created by any tool.")
            .attribute(
                "name",
                Attribute::required(Type::String, "The cluster's name."),
            )
            .attribute("store_credentials", store_credentials())
            .attribute(
                "servers",
                Attribute::computed(Type::Number, "Number of servers."),
            )
            .attribute(
                "agents",
                Attribute::computed(Type::Number, "Number of agents."),
            )
            .attribute("image", text("Image of servers and agents."))
            .attribute("network", text("The Docker network of its nodes."))
            .attribute("subnet", text("That network's subnet."))
            .attribute("cluster_cidr", text("Network of pods."))
            .attribute("service_cidr", text("Network of Services."))
            .attribute("nodes", nodes_attribute())
            .attribute("api_endpoint", text("URL of the Kubernetes API."))
            .attribute("kubeconfig_raw", text("A whole kubeconfig.").sensitive())
            .attribute("cluster_ca_certificate", text("PEM.").sensitive())
            .attribute("client_certificate", text("PEM.").sensitive())
            .attribute("client_key", text("PEM.").sensitive())
    }

    async fn read(
        &self,
        operation: &Operation<Configured>,
        config: Value,
    ) -> Result<Value, Diagnostics> {
        let work = async {
            let name = config.get("name").as_str().unwrap_or_default();
            let cx = operation.data.context(operation).await?;
            let observed = k3d::observe(&cx, name).await?;
            let found = observed
                .as_ref()
                .and_then(|observed| Some((observed, k3d::spec_of(observed)?)));
            let Some((observed, spec)) = found else {
                return Err(Error::NotFound {
                    kind: "cluster",
                    name: name.to_owned(),
                    remedy: "`k3d cluster list` lists them.".into(),
                });
            };
            let mut state = config.clone();
            state.set("servers", Value::int(spec.servers));
            state.set("agents", Value::int(spec.agents));
            state.set("image", Value::string(&spec.image));
            state.set("network", Value::string(&observed.network_name));
            let subnet = observed.network.as_ref().and_then(|network| network.subnet);
            state.set("subnet", Value::optional(subnet.map(|net| net.to_string())));
            state.set("cluster_cidr", Value::string(spec.cluster_cidr.to_string()));
            state.set("service_cidr", Value::string(spec.service_cidr.to_string()));
            let credentials = k3d::credentials(&cx, observed).await?;
            computed(&mut state, observed, credentials.as_ref());
            Ok(state)
        };
        work.await
            .map_err(|error| diagnostics("The cluster cannot be read", &error))
    }
}
