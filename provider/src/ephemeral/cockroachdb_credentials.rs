//! Ephemeral resource `atlas_cockroachdb_credentials`: a client certificate for one run, never stored.

use std::time::Duration;

use async_trait::async_trait;
use atlas_engine::cockroachdb::certificates::Authority;
use atlas_engine::cockroachdb::cluster;
use atlas_engine::{Error, FieldPath, Result, local_path};
use tfplugin::{Attribute, Diagnostics, EphemeralResource, Opened, Operation, Schema, Type, Value};

use crate::configured::Configured;
use crate::translate::diagnostics;

/// The ephemeral resource.
pub(crate) struct Credentials;

/// How long a certificate is good where nothing is said.
const LIFE: Duration = Duration::from_secs(60 * 60);

#[async_trait]
impl EphemeralResource<Configured> for Credentials {
    fn name(&self) -> &'static str {
        "atlas_cockroachdb_credentials"
    }

    fn schema(&self) -> Schema {
        let secret = |description: &str| Attribute::computed(Type::String, description).sensitive();
        Schema::new(
            "A client certificate for an SQL user of a CockroachDB cluster, signed for one run of Terraform. It is \
             not stored in plan or state. The user must exist; `root` always does.",
        )
        .attribute("cluster", Attribute::required(Type::String, "The cluster's name."))
        .attribute("certificates", Attribute::required(Type::String, "The folder with the cluster's authority."))
        .attribute("user", Attribute::required(Type::String, "The SQL user."))
        .attribute("lifetime", Attribute::optional(Type::String, "How long the certificate is valid, for instance `30m`. Default: `1h`."))
        .attribute("ca_certificate", Attribute::computed(Type::String, "The authority's certificate, PEM."))
        .attribute("client_certificate", secret("PEM."))
        .attribute("client_key", secret("PEM."))
        .attribute("connection_urls", Attribute::computed(Type::map(Type::list(Type::String)), "URLs for clients on this machine, by region, with the user and without certificates."))
    }

    async fn open(
        &self,
        operation: &Operation<Configured>,
        config: Value,
    ) -> Result<Opened, Diagnostics> {
        let work = async {
            let text = |name: &str| config.get(name).as_str().unwrap_or_default();
            let life = match text("lifetime") {
                "" => LIFE,
                given => humantime::parse_duration(given).map_err(|_| {
                    let path = FieldPath::of("lifetime");
                    Error::invalid(
                        path,
                        format!("{given:?} is not a valid duration."),
                        "Use a duration such as 30m.",
                    )
                })?,
            };
            let user = text("user");
            let folder = local_path::expand(text("certificates"), &FieldPath::of("certificates"))
                .map_err(|problem| Error::Invalid(vec![problem]))?;
            let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if user.is_empty() || user == "node" || !user.chars().all(good) {
                return Err(Error::invalid(
                    FieldPath::of("user"),
                    format!("{user:?} is not a valid SQL user for a client."),
                    "Use lower-case letters, digits and underscores; \"node\" is the nodes' own.",
                ));
            }
            let authority = Authority::open(&folder)?.ok_or_else(|| Error::NotFound {
                kind: "authority in the folder",
                name: folder.display().to_string(),
                remedy: "Name the same folder as in the cluster's regions.".into(),
            })?;
            let pair = authority.client(user, life)?;
            let cx = operation.data.context(operation).await?;
            let observed = cluster::observe(&cx, text("cluster"), []).await?;
            Ok((
                authority.certificate,
                pair,
                observed.urls(),
                user.to_owned(),
            ))
        };
        let (authority, pair, urls, user) = work
            .await
            .map_err(|error| diagnostics("Credentials cannot be made", &error))?;
        let mut result = config;
        result.set("ca_certificate", Value::string(authority));
        result.set("client_certificate", Value::string(pair.certificate));
        result.set("client_key", Value::string(pair.key));
        let urls = urls.into_iter().map(|(region, all)| {
            let named = |url: &String| url.replacen("://", &format!("://{user}@"), 1);
            let all = all.iter().map(|url| Value::string(named(url)));
            (region, Value::List(all.collect()))
        });
        result.set("connection_urls", Value::Map(urls.collect()));
        Ok(Opened {
            result,
            renew_at: None,
            private: Vec::new(),
        })
    }
}
