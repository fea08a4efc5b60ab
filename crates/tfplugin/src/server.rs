//! The wire's service on top of the traits: decodes, calls, encodes, and keeps the promises that no author
//! should have to think of (write-only values, panics, unknown type names).

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::diagnostics::Diagnostics;
use crate::dynamic::{decode, encode};
use crate::json;
use crate::panics::{caught, tried};
use crate::path::AttributePath;
use crate::proto::tfplugin6 as wire;
use crate::provider::{
    DataSource, EphemeralResource, Function, Operation, PlanRequest, Planned, Provider, Resource,
};
use crate::value::Value;

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

    fn operation(&self) -> Result<Operation<P::Data>, Diagnostics> {
        let data = self
            .data
            .read()
            .ok()
            .and_then(|data| data.clone())
            .ok_or_else(|| {
                Diagnostics::error(
                    "The provider is not configured",
                    "Terraform asked it to work before.",
                )
            })?;
        Ok(Operation {
            data,
            cancel: self.cancellation(),
        })
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
        let config = decode(request.into_inner().config, &self.provider.schema().kind())?;
        let found = caught(self.provider.validate(&config))
            .await
            .unwrap_or_else(|bug| bug);
        Ok(Response::new(wire::validate_provider_config::Response {
            diagnostics: found.into_wire(),
        }))
    }

    async fn validate_resource_config(
        &self,
        request: Request<wire::validate_resource_config::Request>,
    ) -> Answer<wire::validate_resource_config::Response> {
        let request = request.into_inner();
        let resource = self.resource(&request.type_name)?;
        let schema = resource.schema();
        let config = decode(request.config, &schema.kind())?;
        let mut found = caught(resource.validate(&config))
            .await
            .unwrap_or_else(|bug| bug);
        let allowed = request
            .client_capabilities
            .is_some_and(|one| one.write_only_attributes_allowed);
        if !allowed {
            for path in schema.write_only_set(&config) {
                found.push_error(
                    path,
                    "Write-only values are not supported here",
                    "This value is never stored, and the program that runs the provider is too old to \
                     leave it out of the state: Terraform 1.11 and OpenTofu 1.11 can.",
                );
            }
        }
        Ok(Response::new(wire::validate_resource_config::Response {
            diagnostics: found.into_wire(),
        }))
    }

    async fn validate_data_resource_config(
        &self,
        request: Request<wire::validate_data_resource_config::Request>,
    ) -> Answer<wire::validate_data_resource_config::Response> {
        let request = request.into_inner();
        decode(
            request.config,
            &self.data_source(&request.type_name)?.schema().kind(),
        )?;
        Ok(Response::new(
            wire::validate_data_resource_config::Response {
                diagnostics: Vec::new(),
            },
        ))
    }

    async fn upgrade_resource_state(
        &self,
        request: Request<wire::upgrade_resource_state::Request>,
    ) -> Answer<wire::upgrade_resource_state::Response> {
        let request = request.into_inner();
        let resource = self.resource(&request.type_name)?;
        let schema = resource.schema();
        let upgraded = request
            .raw_state
            .ok_or_else(|| "there is no state".to_owned())
            .and_then(|raw| serde_json::from_slice(&raw.json).map_err(|error| error.to_string()))
            .map_err(|reason| Diagnostics::error("The stored state cannot be read", reason))
            .and_then(|found| {
                if schema.version == request.version {
                    Ok(found)
                } else {
                    resource.upgrade(request.version, found)
                }
            })
            .and_then(|found| {
                json::decode(&found, &schema.kind())
                    .map_err(|reason| Diagnostics::error("The stored state cannot be read", reason))
            });
        let (state, diagnostics) = match upgraded {
            Ok(state) => (encode(&state, &schema.kind()), Diagnostics::new()),
            Err(diagnostics) => (None, diagnostics),
        };
        Ok(Response::new(wire::upgrade_resource_state::Response {
            upgraded_state: state,
            diagnostics: diagnostics.into_wire(),
        }))
    }

    async fn configure_provider(
        &self,
        request: Request<wire::configure_provider::Request>,
    ) -> Answer<wire::configure_provider::Response> {
        let config = decode(request.into_inner().config, &self.provider.schema().kind())?;
        if self.reconfigurable
            && self.cancellation().is_cancelled()
            && let Ok(mut current) = self.cancel.write()
        {
            *current = self.ending.child_token();
        }
        let diagnostics = match tried(self.provider.configure(&config)).await {
            Ok(data) => {
                if let Ok(mut slot) = self.data.write() {
                    *slot = Some(Arc::new(data));
                }
                Diagnostics::new()
            }
            Err(diagnostics) => diagnostics,
        };
        Ok(Response::new(wire::configure_provider::Response {
            diagnostics: diagnostics.into_wire(),
        }))
    }

    async fn read_resource(
        &self,
        request: Request<wire::read_resource::Request>,
    ) -> Answer<wire::read_resource::Response> {
        let request = request.into_inner();
        let resource = self.resource(&request.type_name)?;
        let schema = resource.schema();
        let kind = schema.kind();
        let current = decode(request.current_state, &kind)?;
        let work = async {
            let operation = self.operation()?;
            resource.read(&operation, current.clone()).await
        };
        let (mut state, diagnostics) = match tried(work).await {
            Ok(state) => (state, Diagnostics::new()),
            Err(diagnostics) => (current.clone(), diagnostics),
        };
        schema.drop_write_only(&mut state);
        Ok(Response::new(wire::read_resource::Response {
            new_state: encode(&state, &kind),
            diagnostics: diagnostics.into_wire(),
            private: request.private,
            deferred: None,
        }))
    }

    async fn plan_resource_change(
        &self,
        request: Request<wire::plan_resource_change::Request>,
    ) -> Answer<wire::plan_resource_change::Response> {
        let request = request.into_inner();
        let resource = self.resource(&request.type_name)?;
        let schema = resource.schema();
        let kind = schema.kind();
        let proposed = decode(request.proposed_new_state, &kind)?;
        let prior = decode(request.prior_state, &kind)?;
        let planned = if proposed.is_null() {
            let work = async { Ok(resource.plan_delete(&self.operation()?, &prior).await) };
            Planned {
                state: Value::Null,
                requires_replace: Vec::new(),
                diagnostics: tried(work).await.unwrap_or_else(|diagnostics| diagnostics),
            }
        } else {
            let config = decode(request.config, &kind)?;
            let fallback = proposed.clone();
            let work = async {
                let operation = self.operation()?;
                Ok(resource
                    .plan(
                        &operation,
                        PlanRequest {
                            config,
                            prior,
                            proposed,
                        },
                    )
                    .await)
            };
            tried(work).await.unwrap_or_else(|diagnostics| Planned {
                state: fallback,
                requires_replace: Vec::new(),
                diagnostics,
            })
        };
        let mut state = planned.state;
        schema.drop_write_only(&mut state);
        Ok(Response::new(wire::plan_resource_change::Response {
            planned_state: encode(&state, &kind),
            requires_replace: planned
                .requires_replace
                .iter()
                .map(AttributePath::to_wire)
                .collect(),
            planned_private: request.prior_private,
            diagnostics: planned.diagnostics.into_wire(),
            legacy_type_system: false,
            deferred: None,
        }))
    }

    async fn apply_resource_change(
        &self,
        request: Request<wire::apply_resource_change::Request>,
    ) -> Answer<wire::apply_resource_change::Response> {
        let request = request.into_inner();
        let resource = self.resource(&request.type_name)?;
        let schema = resource.schema();
        let kind = schema.kind();
        let prior = decode(request.prior_state, &kind)?;
        let planned = decode(request.planned_state, &kind)?;
        let config = decode(request.config, &kind)?;
        // Where nothing is known to have happened, the state before is the best there is.
        let before = prior.clone();
        let work = async {
            let operation = self.operation()?;
            Ok(if planned.is_null() {
                match resource.delete(&operation, prior.clone()).await {
                    Ok(()) => (Value::Null, Diagnostics::new()),
                    Err(diagnostics) => (prior, diagnostics),
                }
            } else if prior.is_null() {
                let outcome = resource.create(&operation, planned, &config).await;
                (outcome.state, outcome.diagnostics)
            } else {
                let outcome = resource.update(&operation, prior, planned, &config).await;
                (outcome.state, outcome.diagnostics)
            })
        };
        let (mut state, diagnostics) = tried(work)
            .await
            .unwrap_or_else(|diagnostics| (before, diagnostics));
        schema.drop_write_only(&mut state);
        Ok(Response::new(wire::apply_resource_change::Response {
            new_state: encode(&state, &kind),
            private: request.planned_private,
            diagnostics: diagnostics.into_wire(),
            legacy_type_system: false,
        }))
    }

    async fn import_resource_state(
        &self,
        request: Request<wire::import_resource_state::Request>,
    ) -> Answer<wire::import_resource_state::Response> {
        let request = request.into_inner();
        let resource = self.resource(&request.type_name)?;
        let kind = resource.schema().kind();
        let work = async {
            let operation = self.operation()?;
            resource.import(&operation, &request.id).await
        };
        let (imported, diagnostics) = match tried(work).await {
            Ok(state) => {
                let one = wire::import_resource_state::ImportedResource {
                    type_name: request.type_name.clone(),
                    state: encode(&state, &kind),
                    private: Vec::new(),
                };
                (vec![one], Diagnostics::new())
            }
            Err(diagnostics) => (Vec::new(), diagnostics),
        };
        Ok(Response::new(wire::import_resource_state::Response {
            imported_resources: imported,
            diagnostics: diagnostics.into_wire(),
            deferred: None,
        }))
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
        let request = request.into_inner();
        let source = self.data_source(&request.type_name)?;
        let kind = source.schema().kind();
        let config = decode(request.config, &kind)?;
        let work = async {
            let operation = self.operation()?;
            source.read(&operation, config).await
        };
        let (state, diagnostics) = match tried(work).await {
            Ok(state) => (encode(&state, &kind), Diagnostics::new()),
            Err(diagnostics) => (None, diagnostics),
        };
        Ok(Response::new(wire::read_data_source::Response {
            state,
            diagnostics: diagnostics.into_wire(),
            deferred: None,
        }))
    }

    async fn validate_ephemeral_resource_config(
        &self,
        request: Request<wire::validate_ephemeral_resource_config::Request>,
    ) -> Answer<wire::validate_ephemeral_resource_config::Response> {
        let request = request.into_inner();
        decode(
            request.config,
            &self.ephemeral(&request.type_name)?.schema().kind(),
        )?;
        Ok(Response::new(
            wire::validate_ephemeral_resource_config::Response {
                diagnostics: Vec::new(),
            },
        ))
    }

    async fn open_ephemeral_resource(
        &self,
        request: Request<wire::open_ephemeral_resource::Request>,
    ) -> Answer<wire::open_ephemeral_resource::Response> {
        let request = request.into_inner();
        let ephemeral = self.ephemeral(&request.type_name)?;
        let kind = ephemeral.schema().kind();
        let config = decode(request.config, &kind)?;
        let work = async {
            let operation = self.operation()?;
            ephemeral.open(&operation, config).await
        };
        Ok(Response::new(match tried(work).await {
            Ok(opened) => wire::open_ephemeral_resource::Response {
                diagnostics: Vec::new(),
                renew_at: opened.renew_at.map(Into::into),
                result: encode(&opened.result, &kind),
                private: Some(opened.private),
                deferred: None,
            },
            Err(diagnostics) => wire::open_ephemeral_resource::Response {
                diagnostics: diagnostics.into_wire(),
                ..Default::default()
            },
        }))
    }

    async fn renew_ephemeral_resource(
        &self,
        request: Request<wire::renew_ephemeral_resource::Request>,
    ) -> Answer<wire::renew_ephemeral_resource::Response> {
        let request = request.into_inner();
        let ephemeral = self.ephemeral(&request.type_name)?;
        let private = request.private.unwrap_or_default();
        let work = async {
            let operation = self.operation()?;
            ephemeral.renew(&operation, &private).await
        };
        let (renew_at, diagnostics) = match tried(work).await {
            Ok(renew_at) => (renew_at, Diagnostics::new()),
            Err(diagnostics) => (None, diagnostics),
        };
        Ok(Response::new(wire::renew_ephemeral_resource::Response {
            diagnostics: diagnostics.into_wire(),
            renew_at: renew_at.map(Into::into),
            private: Some(private),
        }))
    }

    async fn close_ephemeral_resource(
        &self,
        request: Request<wire::close_ephemeral_resource::Request>,
    ) -> Answer<wire::close_ephemeral_resource::Response> {
        let request = request.into_inner();
        let ephemeral = self.ephemeral(&request.type_name)?;
        let work = async {
            let operation = self.operation()?;
            ephemeral
                .close(&operation, &request.private.unwrap_or_default())
                .await
        };
        let diagnostics = tried(work).await.err().unwrap_or_default();
        Ok(Response::new(wire::close_ephemeral_resource::Response {
            diagnostics: diagnostics.into_wire(),
        }))
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
        let request = request.into_inner();
        let function = self
            .functions
            .get(request.name.as_str())
            .ok_or_else(|| unknown("function", &request.name))?;
        let declared = function.signature();
        let arguments: Vec<Value> = request
            .arguments
            .into_iter()
            .zip(&declared.parameters)
            .map(|(argument, parameter)| decode(Some(argument), &parameter.kind))
            .collect::<Result<_, _>>()?;
        let called = caught(async { function.call(&arguments) }).await;
        Ok(Response::new(match called {
            Ok(Ok(result)) => wire::call_function::Response {
                result: encode(&result, &declared.returns),
                error: None,
            },
            Ok(Err(error)) => wire::call_function::Response {
                result: None,
                error: Some(wire::FunctionError {
                    text: error.text,
                    function_argument: error.argument,
                }),
            },
            Err(bug) => wire::call_function::Response {
                result: None,
                error: Some(wire::FunctionError {
                    text: bug.iter().map(|one| one.detail.clone()).collect(),
                    function_argument: None,
                }),
            },
        }))
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

fn signature(function: &dyn Function) -> wire::Function {
    let declared = function.signature();
    let markdown = wire::StringKind::Markdown.into();
    wire::Function {
        parameters: declared
            .parameters
            .iter()
            .map(|parameter| wire::function::Parameter {
                name: parameter.name.to_owned(),
                r#type: parameter.kind.to_bytes(),
                allow_null_value: false,
                allow_unknown_values: false,
                description: parameter.description.to_owned(),
                description_kind: markdown,
            })
            .collect(),
        variadic_parameter: None,
        r#return: Some(wire::function::Return {
            r#type: declared.returns.to_bytes(),
        }),
        summary: declared.summary.to_owned(),
        description: declared.description.to_owned(),
        description_kind: markdown,
        deprecation_message: String::new(),
    }
}
