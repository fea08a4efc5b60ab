//! `provider "atlas"`: which Docker daemon, which images.

use async_trait::async_trait;
use atlas_engine::FieldPath;
use atlas_engine::docker::{ABOUT_CERTIFICATES, ABOUT_HOST, ABOUT_TLS};
use tfplugin::{
    Attribute, DataSource, Diagnostics, EphemeralResource, Function, Nesting, Provider, Resource,
    Schema, Type, Value, Warnings,
};

use crate::configured::Configured;
use crate::translate::{Reader, push_problems};
use crate::{data_sources, ephemeral, functions, resources};

/// The provider.
pub(crate) struct Atlas;

#[async_trait]
impl Provider for Atlas {
    type Data = Configured;

    fn schema(&self) -> Schema {
        Schema::new(
            "Builds global platforms in Docker on one machine: k3d clusters, networks, bridges between clusters, \
             LocalStack in every region, and CockroachDB across them.",
        )
        .attribute(
            "docker_host",
            Attribute::optional(
                Type::String,
                ABOUT_HOST,
            ),
        )
        .attribute(
            "docker_cert_path",
            Attribute::optional(
                Type::String,
                &format!("{ABOUT_CERTIFICATES} `~/` is the home folder."),
            ),
        )
        .attribute(
            "docker_tls_verify",
            Attribute::optional(
                Type::Bool,
                ABOUT_TLS,
            ),
        )
        .attribute(
            "region",
            Attribute::optional(
                Type::String,
                "A name for this provider configuration, for instance of the region of a provider alias. Atlas does \
                 not use it.",
            ),
        )
        .attribute(
            "images",
            Attribute::optional(Type::String, "Default images of resources.").nested(
                Nesting::Single,
                [
                    (
                        "node",
                        Attribute::optional(
                            Type::String,
                            "Servers and agents. Default: `ATLAS_NODE_IMAGE`, then \
                             `docker.io/rancher/k3s:v1.33.4-k3s1`.",
                        ),
                    ),
                    (
                        "loadbalancer",
                        Attribute::optional(
                            Type::String,
                            "Load balancers. Default: `ATLAS_LOADBALANCER_IMAGE`, then \
                             `ghcr.io/k3d-io/k3d-proxy:5.8.3`.",
                        ),
                    ),
                    (
                        "localstack",
                        Attribute::optional(
                            Type::String,
                            "LocalStack servers. Default: `ATLAS_LOCALSTACK_IMAGE`, then \
                             `docker.io/localstack/localstack:4.9.2`.",
                        ),
                    ),
                    (
                        "replicator",
                        Attribute::optional(
                            Type::String,
                            "Replicators beside them. Default: `ATLAS_REPLICATOR_IMAGE`, then \
                             `atlas/replicator:1`.",
                        ),
                    ),
                    (
                        "cockroachdb",
                        Attribute::optional(
                            Type::String,
                            "CockroachDB nodes. Default: `ATLAS_COCKROACHDB_IMAGE`, then \
                             `docker.io/cockroachdb/cockroach:v25.4.11`.",
                        ),
                    ),
                ],
            ),
        )
    }

    async fn validate(&self, config: &Value) -> Diagnostics {
        let mut found = Diagnostics::new();
        let mut reader = Reader::default();
        let field = FieldPath::of("docker_cert_path");
        reader.local_path(config.get("docker_cert_path"), &field);
        push_problems(&mut found, &reader.problems);
        found
    }

    async fn configure(
        &self,
        config: &Value,
        _warnings: &Warnings,
    ) -> Result<Configured, Diagnostics> {
        Ok(Configured::new(config))
    }

    fn resources(&self) -> Vec<Box<dyn Resource<Configured>>> {
        vec![
            Box::new(resources::network::Network),
            Box::new(resources::cluster::Cluster),
            Box::new(resources::bridge::Bridge),
            Box::new(resources::localstack::LocalStack),
            Box::new(resources::localstack_alias::Alias),
            Box::new(resources::cockroachdb_region::Region),
            Box::new(resources::cockroachdb_cluster::Cluster),
            Box::new(resources::cockroachdb_database::Database),
        ]
    }

    fn data_sources(&self) -> Vec<Box<dyn DataSource<Configured>>> {
        vec![
            Box::new(data_sources::cluster::Cluster),
            Box::new(data_sources::clusters::Clusters),
            Box::new(data_sources::docker::DockerDaemon),
            Box::new(data_sources::cockroachdb_survival::Survival),
        ]
    }

    fn ephemeral_resources(&self) -> Vec<Box<dyn EphemeralResource<Configured>>> {
        vec![
            Box::new(ephemeral::Kubeconfig),
            Box::new(ephemeral::Credentials),
        ]
    }

    fn functions(&self) -> Vec<Box<dyn Function>> {
        vec![Box::new(functions::RegionCidrs)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(kind: &Type, value: &Value) -> bool {
        match (kind, value) {
            (Type::Bool, Value::Bool(_))
            | (Type::Number, Value::Number(_))
            | (Type::String, Value::String(_)) => true,
            (Type::List(of) | Type::Set(of), Value::List(all)) => {
                all.iter().all(|one| fits(of, one))
            }
            (Type::Map(of), Value::Map(all)) => all.values().all(|one| fits(of, one)),
            _ => false,
        }
    }

    fn check(place: &str, attributes: &[(String, Attribute)]) {
        for (name, one) in attributes {
            let place = format!("{place}.{name}");
            if let Some(default) = one.default() {
                assert!(fits(one.kind(), default), "{place}: {default:?}");
                assert!(one.is_optional() && one.is_computed(), "{place}");
            }
            check(&place, one.attributes());
        }
    }

    #[test]
    fn every_default_is_of_its_attributes_type() {
        for resource in Atlas.resources() {
            check(resource.name(), resource.schema().block.attributes());
        }
    }

    /// What is refused of a configuration with a folder of certificates.
    async fn refused(kind: &str, folder: &str) -> String {
        let resources = Atlas.resources();
        let resource = resources.iter().find(|one| one.name() == kind);
        let (schema, field) = match resource {
            Some(resource) => (resource.schema(), "certificates"),
            None => (Atlas.schema(), "docker_cert_path"),
        };
        let mut config = schema.empty();
        for (name, value) in [
            ("name", Value::string("us")),
            ("cluster", Value::string("bank")),
            ("nodes", Value::int(1)),
            ("regions", Value::List(vec![Value::string("us")])),
            (field, Value::string(folder)),
        ] {
            if schema.empty().entries().any(|(known, _)| known == name) {
                config.set(name, value);
            }
        }
        let found = match resource {
            Some(resource) => resource.validate(&config).await,
            None => Atlas.validate(&config).await,
        };
        found.iter().map(|one| one.detail.clone()).collect()
    }

    #[tokio::test]
    async fn no_folder_of_certificates_is_called_by_a_tilde_or_a_variable() {
        for kind in [
            "provider",
            "atlas_cockroachdb_region",
            "atlas_cockroachdb_cluster",
        ] {
            for folder in ["~bob/certs", "$HOME/certs"] {
                let told = refused(kind, folder).await;
                assert!(told.contains(folder), "{kind}: {told}");
            }
            let told = refused(kind, "~/certs").await;
            assert!(!told.contains("certs"), "{kind}: {told}");
        }
    }
}
