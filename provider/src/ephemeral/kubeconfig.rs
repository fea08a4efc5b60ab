//! Ephemeral resource `atlas_kubeconfig`: a cluster's credentials for one run, never stored.

use async_trait::async_trait;
use atlas_engine::{Error, k3d};
use tfplugin::{Attribute, Diagnostics, EphemeralResource, Opened, Operation, Schema, Type, Value};

use crate::configured::Configured;
use crate::translate::diagnostics;

/// The ephemeral resource.
pub(crate) struct Kubeconfig;

#[async_trait]
impl EphemeralResource<Configured> for Kubeconfig {
    fn name(&self) -> &'static str {
        "atlas_kubeconfig"
    }

    fn schema(&self) -> Schema {
        let secret = |description: &str| Attribute::computed(Type::String, description).sensitive();
        Schema::new(
            "A cluster's credentials for one run of Terraform. They are not stored in plan or state.",
        )
        .attribute(
            "cluster",
            Attribute::required(Type::String, "The cluster's name."),
        )
        .attribute("raw", secret("A whole kubeconfig."))
        .attribute(
            "host",
            Attribute::computed(Type::String, "URL of the Kubernetes API."),
        )
        .attribute("cluster_ca_certificate", secret("PEM."))
        .attribute("client_certificate", secret("PEM."))
        .attribute("client_key", secret("PEM."))
    }

    async fn open(
        &self,
        operation: &Operation<Configured>,
        config: Value,
    ) -> Result<Opened, Diagnostics> {
        let work = async {
            let name = config.get("cluster").as_str().unwrap_or_default();
            let cx = operation.data.context(operation).await?;
            let missing = || Error::NotFound {
                kind: "cluster",
                name: name.to_owned(),
                remedy: "`k3d cluster list` lists them.".into(),
            };
            let observed = k3d::observe(&cx, name).await?.ok_or_else(missing)?;
            k3d::credentials(&cx, &observed).await?.ok_or_else(missing)
        };
        let found = work
            .await
            .map_err(|error| diagnostics("Credentials cannot be read", &error))?;
        let mut result = config;
        for (name, text) in [
            ("raw", found.kubeconfig.to_yaml()),
            ("host", found.endpoint),
            ("cluster_ca_certificate", found.cluster_ca_certificate),
            ("client_certificate", found.client_certificate),
            ("client_key", found.client_key),
        ] {
            result.set(name, Value::string(text));
        }
        Ok(Opened {
            result,
            renew_at: None,
            private: Vec::new(),
        })
    }
}
