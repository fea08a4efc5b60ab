//! Calls on data sources, ephemeral resources and functions.

use tonic::Response;

use super::call::passed;
use super::{Answer, Server, unknown};
use crate::contract::Stage;
use crate::diagnostics::Diagnostics;
use crate::dynamic::{decode, encode};
use crate::panics::{caught, tried};
use crate::proto::tfplugin6 as wire;
use crate::provider::{Function, Provider};
use crate::value::Value;

impl<P: Provider> Server<P> {
    pub(super) async fn validate_data_source(
        &self,
        request: wire::validate_data_resource_config::Request,
    ) -> Answer<wire::validate_data_resource_config::Response> {
        let source = self.data_source(&request.type_name)?;
        let schema = source.schema();
        let config = decode(request.config, &schema.kind())?;
        let mut found = schema.broken_by(&config, Stage::Validate);
        found.extend(
            caught(source.validate(&config))
                .await
                .unwrap_or_else(|bug| bug),
        );
        Ok(Response::new(
            wire::validate_data_resource_config::Response {
                diagnostics: schema.place(found),
            },
        ))
    }

    pub(super) async fn look_up(
        &self,
        request: wire::read_data_source::Request,
    ) -> Answer<wire::read_data_source::Response> {
        let source = self.data_source(&request.type_name)?;
        let schema = source.schema();
        let config = decode(request.config, &schema.kind())?;
        let call = self.call(&[]);
        let work = async {
            passed(schema.broken_by(&config, Stage::Use))?;
            source.read(call.operation()?, config).await
        };
        let (state, diagnostics) = match tried(work).await {
            Ok(state) => (encode(&state, &schema.kind()), Diagnostics::new()),
            Err(diagnostics) => (None, diagnostics),
        };
        Ok(Response::new(wire::read_data_source::Response {
            state,
            diagnostics: call.told(&schema, diagnostics),
            deferred: None,
        }))
    }

    pub(super) async fn validate_ephemeral(
        &self,
        request: wire::validate_ephemeral_resource_config::Request,
    ) -> Answer<wire::validate_ephemeral_resource_config::Response> {
        let ephemeral = self.ephemeral(&request.type_name)?;
        let schema = ephemeral.schema();
        let config = decode(request.config, &schema.kind())?;
        let mut found = schema.broken_by(&config, Stage::Validate);
        found.extend(
            caught(ephemeral.validate(&config))
                .await
                .unwrap_or_else(|bug| bug),
        );
        Ok(Response::new(
            wire::validate_ephemeral_resource_config::Response {
                diagnostics: schema.place(found),
            },
        ))
    }

    pub(super) async fn open(
        &self,
        request: wire::open_ephemeral_resource::Request,
    ) -> Answer<wire::open_ephemeral_resource::Response> {
        let ephemeral = self.ephemeral(&request.type_name)?;
        let schema = ephemeral.schema();
        let config = decode(request.config, &schema.kind())?;
        let call = self.call(&[]);
        let work = async {
            passed(schema.broken_by(&config, Stage::Use))?;
            ephemeral.open(call.operation()?, config).await
        };
        Ok(Response::new(match tried(work).await {
            Ok(opened) => wire::open_ephemeral_resource::Response {
                diagnostics: call.told(&schema, Diagnostics::new()),
                renew_at: opened.renew_at.map(Into::into),
                result: encode(&opened.result, &schema.kind()),
                private: Some(opened.private),
                deferred: None,
            },
            Err(diagnostics) => wire::open_ephemeral_resource::Response {
                diagnostics: call.told(&schema, diagnostics),
                ..Default::default()
            },
        }))
    }

    pub(super) async fn renew(
        &self,
        request: wire::renew_ephemeral_resource::Request,
    ) -> Answer<wire::renew_ephemeral_resource::Response> {
        let ephemeral = self.ephemeral(&request.type_name)?;
        let private = request.private.unwrap_or_default();
        let call = self.call(&[]);
        let work = async { ephemeral.renew(call.operation()?, &private).await };
        let (renew_at, diagnostics) = match tried(work).await {
            Ok(renew_at) => (renew_at, Diagnostics::new()),
            Err(diagnostics) => (None, diagnostics),
        };
        Ok(Response::new(wire::renew_ephemeral_resource::Response {
            diagnostics: call.told(&ephemeral.schema(), diagnostics),
            renew_at: renew_at.map(Into::into),
            private: Some(private),
        }))
    }

    pub(super) async fn close(
        &self,
        request: wire::close_ephemeral_resource::Request,
    ) -> Answer<wire::close_ephemeral_resource::Response> {
        let ephemeral = self.ephemeral(&request.type_name)?;
        let private = request.private.unwrap_or_default();
        let call = self.call(&[]);
        let work = async { ephemeral.close(call.operation()?, &private).await };
        let diagnostics = tried(work).await.err().unwrap_or_default();
        Ok(Response::new(wire::close_ephemeral_resource::Response {
            diagnostics: call.told(&ephemeral.schema(), diagnostics),
        }))
    }

    pub(super) async fn call_named(
        &self,
        request: wire::call_function::Request,
    ) -> Answer<wire::call_function::Response> {
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
}

pub(super) fn signature(function: &dyn Function) -> wire::Function {
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
