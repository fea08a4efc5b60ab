//! The wire's service on top of the traits: decodes, calls, encodes, and keeps the promises that no author
//! should have to think of (write-only values, panics, unknown type names, what a schema forbids).

mod call;
mod lookups;
mod resources;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use self::call::{Call, passed};
use self::lookups::signature;
use crate::contract::Stage;
use crate::diagnostics::{Diagnostics, Warnings};
use crate::dynamic::decode;
use crate::panics::{caught, tried};
use crate::private::Private;
use crate::proto::tfplugin6 as wire;
use crate::provider::{DataSource, EphemeralResource, Function, Operation, Provider, Resource};

/// A provider behind the wire.
pub(crate) struct Server<P: Provider> {
    provider: P,
    resources: BTreeMap<&'static str, Box<dyn Resource<P::Data>>>,
    data_sources: BTreeMap<&'static str, Box<dyn DataSource<P::Data>>>,
    ephemerals: BTreeMap<&'static str, Box<dyn EphemeralResource<P::Data>>>,
    functions: BTreeMap<&'static str, Box<dyn Function>>,
    data: RwLock<Option<Arc<P::Data>>>,
    /// Cancelled when the process is to end.
    ending: CancellationToken,
    /// Cancelled when running operations are to end.
    cancel: RwLock<CancellationToken>,
    reconfigurable: bool,
}

impl<P: Provider> Server<P> {
    pub(crate) fn new(provider: P, cancel: CancellationToken) -> Self {
        Self {
            resources: provider
                .resources()
                .into_iter()
                .map(|one| (one.name(), one))
                .collect(),
            data_sources: provider
                .data_sources()
                .into_iter()
                .map(|one| (one.name(), one))
                .collect(),
            ephemerals: provider
                .ephemeral_resources()
                .into_iter()
                .map(|one| (one.name(), one))
                .collect(),
            functions: provider
                .functions()
                .into_iter()
                .map(|one| (one.name(), one))
                .collect(),
            provider,
            data: RwLock::new(None),
            cancel: RwLock::new(cancel.child_token()),
            ending: cancel,
            reconfigurable: false,
        }
    }

    /// The same, working again after it was stopped once it is configured anew: for one process that
    /// serves several runs. In the usual process a late configuration must not undo the user's Ctrl-C.
    pub(crate) fn reconfigurable(self) -> Self {
        Self {
            reconfigurable: true,
            ..self
        }
    }

    fn cancellation(&self) -> CancellationToken {
        let current = self.cancel.read().ok().map(|token| token.clone());
        current.unwrap_or_else(|| self.ending.clone())
    }

    /// A call that begins, of an object with this private state.
    fn call(&self, private: &[u8]) -> Call<P::Data> {
        let data = self.data.read().ok().and_then(|data| data.clone());
        Call {
            operation: data.map(|data| Operation {
                data,
                cancel: self.cancellation(),
                warnings: Warnings::default(),
                private: Private::from_wire(private),
            }),
            given: private.to_vec(),
        }
    }

    fn resource(&self, name: &str) -> Result<&dyn Resource<P::Data>, Status> {
        self.resources
            .get(name)
            .map(AsRef::as_ref)
            .ok_or_else(|| unknown("resource", name))
    }

    fn data_source(&self, name: &str) -> Result<&dyn DataSource<P::Data>, Status> {
        self.data_sources
            .get(name)
            .map(AsRef::as_ref)
            .ok_or_else(|| unknown("data source", name))
    }

    fn ephemeral(&self, name: &str) -> Result<&dyn EphemeralResource<P::Data>, Status> {
        self.ephemerals
            .get(name)
            .map(AsRef::as_ref)
            .ok_or_else(|| unknown("ephemeral resource", name))
    }
}

fn unknown(kind: &str, name: &str) -> Status {
    Status::invalid_argument(format!("this provider has no {kind} {name:?}"))
}

fn capabilities() -> wire::ServerCapabilities {
    wire::ServerCapabilities {
        plan_destroy: true,
        get_provider_schema_optional: true,
        move_resource_state: false,
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl<P: Provider> wire::provider_server::Provider for Server<P> {
    async fn get_metadata(
        &self,
        _request: Request<wire::get_metadata::Request>,
    ) -> Answer<wire::get_metadata::Response> {
        use wire::get_metadata::{
            DataSourceMetadata, EphemeralMetadata, FunctionMetadata, ResourceMetadata,
        };
        let owned = |name: &&'static str| (*name).to_owned();
        Ok(Response::new(wire::get_metadata::Response {
            server_capabilities: Some(capabilities()),
            diagnostics: Vec::new(),
            data_sources: self
                .data_sources
                .keys()
                .map(|name| DataSourceMetadata {
                    type_name: owned(name),
                })
                .collect(),
            resources: self
                .resources
                .keys()
                .map(|name| ResourceMetadata {
                    type_name: owned(name),
                })
                .collect(),
            functions: self
                .functions
                .keys()
                .map(|name| FunctionMetadata { name: owned(name) })
                .collect(),
            ephemeral_resources: self
                .ephemerals
                .keys()
                .map(|name| EphemeralMetadata {
                    type_name: owned(name),
                })
                .collect(),
        }))
    }

    async fn get_provider_schema(
        &self,
        _request: Request<wire::get_provider_schema::Request>,
    ) -> Answer<wire::get_provider_schema::Response> {
        Ok(Response::new(wire::get_provider_schema::Response {
            provider: Some(self.provider.schema().to_wire()),
            resource_schemas: self
                .resources
                .iter()
                .map(|(name, one)| ((*name).to_owned(), one.schema().to_wire()))
                .collect(),
            data_source_schemas: self
                .data_sources
                .iter()
                .map(|(name, one)| ((*name).to_owned(), one.schema().to_wire()))
                .collect(),
            functions: self
                .functions
                .iter()
                .map(|(name, one)| ((*name).to_owned(), signature(one.as_ref())))
                .collect(),
            ephemeral_resource_schemas: self
                .ephemerals
                .iter()
                .map(|(name, one)| ((*name).to_owned(), one.schema().to_wire()))
                .collect(),
            diagnostics: Vec::new(),
            provider_meta: None,
            server_capabilities: Some(capabilities()),
        }))
    }

    async fn validate_provider_config(
        &self,
        request: Request<wire::validate_provider_config::Request>,
    ) -> Answer<wire::validate_provider_config::Response> {
        let schema = self.provider.schema();
        let config = decode(request.into_inner().config, &schema.kind())?;
        let mut found = schema.broken_by(&config, Stage::Validate);
        found.extend(
            caught(self.provider.validate(&config))
                .await
                .unwrap_or_else(|bug| bug),
        );
        Ok(Response::new(wire::validate_provider_config::Response {
            diagnostics: schema.place(found),
        }))
    }

    async fn validate_resource_config(
        &self,
        request: Request<wire::validate_resource_config::Request>,
    ) -> Answer<wire::validate_resource_config::Response> {
        self.validate_resource(request.into_inner()).await
    }

    async fn validate_data_resource_config(
        &self,
        request: Request<wire::validate_data_resource_config::Request>,
    ) -> Answer<wire::validate_data_resource_config::Response> {
        self.validate_data_source(request.into_inner()).await
    }

    async fn upgrade_resource_state(
        &self,
        request: Request<wire::upgrade_resource_state::Request>,
    ) -> Answer<wire::upgrade_resource_state::Response> {
        self.upgrade(request.into_inner())
    }

    async fn configure_provider(
        &self,
        request: Request<wire::configure_provider::Request>,
    ) -> Answer<wire::configure_provider::Response> {
        let schema = self.provider.schema();
        let config = decode(request.into_inner().config, &schema.kind())?;
        if self.reconfigurable
            && self.cancellation().is_cancelled()
            && let Ok(mut current) = self.cancel.write()
        {
            *current = self.ending.child_token();
        }
        let warnings = Warnings::default();
        let work = async {
            passed(schema.broken_by(&config, Stage::Use))?;
            self.provider.configure(&config, &warnings).await
        };
        let end = match tried(work).await {
            Ok(data) => {
                if let Ok(mut slot) = self.data.write() {
                    *slot = Some(Arc::new(data));
                }
                Diagnostics::new()
            }
            Err(diagnostics) => diagnostics,
        };
        let mut told = warnings.take();
        told.extend(end);
        Ok(Response::new(wire::configure_provider::Response {
            diagnostics: schema.place(told),
        }))
    }

    async fn read_resource(
        &self,
        request: Request<wire::read_resource::Request>,
    ) -> Answer<wire::read_resource::Response> {
        self.read(request.into_inner()).await
    }

    async fn plan_resource_change(
        &self,
        request: Request<wire::plan_resource_change::Request>,
    ) -> Answer<wire::plan_resource_change::Response> {
        self.plan(request.into_inner()).await
    }

    async fn apply_resource_change(
        &self,
        request: Request<wire::apply_resource_change::Request>,
    ) -> Answer<wire::apply_resource_change::Response> {
        self.apply(request.into_inner()).await
    }

    async fn import_resource_state(
        &self,
        request: Request<wire::import_resource_state::Request>,
    ) -> Answer<wire::import_resource_state::Response> {
        self.import(request.into_inner()).await
    }

    async fn move_resource_state(
        &self,
        _request: Request<wire::move_resource_state::Request>,
    ) -> Answer<wire::move_resource_state::Response> {
        Err(Status::unimplemented(
            "moving state between types is not announced",
        ))
    }

    async fn read_data_source(
        &self,
        request: Request<wire::read_data_source::Request>,
    ) -> Answer<wire::read_data_source::Response> {
        self.look_up(request.into_inner()).await
    }

    async fn validate_ephemeral_resource_config(
        &self,
        request: Request<wire::validate_ephemeral_resource_config::Request>,
    ) -> Answer<wire::validate_ephemeral_resource_config::Response> {
        self.validate_ephemeral(request.into_inner()).await
    }

    async fn open_ephemeral_resource(
        &self,
        request: Request<wire::open_ephemeral_resource::Request>,
    ) -> Answer<wire::open_ephemeral_resource::Response> {
        self.open(request.into_inner()).await
    }

    async fn renew_ephemeral_resource(
        &self,
        request: Request<wire::renew_ephemeral_resource::Request>,
    ) -> Answer<wire::renew_ephemeral_resource::Response> {
        self.renew(request.into_inner()).await
    }

    async fn close_ephemeral_resource(
        &self,
        request: Request<wire::close_ephemeral_resource::Request>,
    ) -> Answer<wire::close_ephemeral_resource::Response> {
        self.close(request.into_inner()).await
    }

    async fn get_functions(
        &self,
        _request: Request<wire::get_functions::Request>,
    ) -> Answer<wire::get_functions::Response> {
        Ok(Response::new(wire::get_functions::Response {
            functions: self
                .functions
                .iter()
                .map(|(name, one)| ((*name).to_owned(), signature(one.as_ref())))
                .collect(),
            diagnostics: Vec::new(),
        }))
    }

    async fn call_function(
        &self,
        request: Request<wire::call_function::Request>,
    ) -> Answer<wire::call_function::Response> {
        self.call_named(request.into_inner()).await
    }

    async fn stop_provider(
        &self,
        _request: Request<wire::stop_provider::Request>,
    ) -> Answer<wire::stop_provider::Response> {
        tracing::info!("Terraform asks to stop");
        self.cancellation().cancel();
        Ok(Response::new(wire::stop_provider::Response {
            error: String::new(),
        }))
    }
}
