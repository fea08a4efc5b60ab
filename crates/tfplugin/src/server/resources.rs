//! Calls on managed resources.

use tonic::Response;

use super::call::passed;
use super::{Answer, Server};
use crate::contract::Stage;
use crate::diagnostics::Diagnostics;
use crate::dynamic::{decode, encode};
use crate::json;
use crate::panics::{caught, tried};
use crate::path::AttributePath;
use crate::proto::tfplugin6 as wire;
use crate::provider::{PlanRequest, Planned, Provider};
use crate::value::Value;

impl<P: Provider> Server<P> {
    pub(super) async fn validate_resource(
        &self,
        request: wire::validate_resource_config::Request,
    ) -> Answer<wire::validate_resource_config::Response> {
        let resource = self.resource(&request.type_name)?;
        let schema = resource.schema();
        let config = decode(request.config, &schema.kind())?;
        let mut found = schema.broken_by(&config, Stage::Validate);
        found.extend(
            caught(resource.validate(&config))
                .await
                .unwrap_or_else(|bug| bug),
        );
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
            diagnostics: schema.place(found),
        }))
    }

    pub(super) fn upgrade(
        &self,
        request: wire::upgrade_resource_state::Request,
    ) -> Answer<wire::upgrade_resource_state::Response> {
        let resource = self.resource(&request.type_name)?;
        let schema = resource.schema();
        let unreadable =
            |reason: String| Diagnostics::error("The stored state cannot be read", reason);
        let upgraded = request
            .raw_state
            .ok_or_else(|| "there is no state".to_owned())
            .and_then(|raw| serde_json::from_slice(&raw.json).map_err(|error| error.to_string()))
            .map_err(unreadable)
            .and_then(|found| {
                if schema.version == request.version {
                    Ok(found)
                } else {
                    resource.upgrade(request.version, found)
                }
            })
            .and_then(|found| json::decode(&found, &schema.kind()).map_err(unreadable));
        let (state, diagnostics) = match upgraded {
            Ok(state) => (encode(&state, &schema.kind()), Diagnostics::new()),
            Err(diagnostics) => (None, diagnostics),
        };
        Ok(Response::new(wire::upgrade_resource_state::Response {
            upgraded_state: state,
            diagnostics: schema.place(diagnostics),
        }))
    }

    pub(super) async fn read(
        &self,
        request: wire::read_resource::Request,
    ) -> Answer<wire::read_resource::Response> {
        let resource = self.resource(&request.type_name)?;
        let schema = resource.schema();
        let kind = schema.kind();
        let current = decode(request.current_state, &kind)?;
        let call = self.call(&request.private);
        let work = async { resource.read(call.operation()?, current.clone()).await };
        let (mut state, diagnostics) = match tried(work).await {
            Ok(state) => (state, Diagnostics::new()),
            Err(diagnostics) => (current.clone(), diagnostics),
        };
        schema.drop_write_only(&mut state);
        Ok(Response::new(wire::read_resource::Response {
            new_state: encode(&state, &kind),
            diagnostics: call.told(&schema, diagnostics),
            private: call.private(),
            deferred: None,
        }))
    }

    pub(super) async fn plan(
        &self,
        request: wire::plan_resource_change::Request,
    ) -> Answer<wire::plan_resource_change::Response> {
        let resource = self.resource(&request.type_name)?;
        let schema = resource.schema();
        let kind = schema.kind();
        let mut proposed = decode(request.proposed_new_state, &kind)?;
        let prior = decode(request.prior_state, &kind)?;
        let call = self.call(&request.prior_private);
        let planned = if proposed.is_null() {
            let work = async { Ok(resource.plan_delete(call.operation()?, &prior).await) };
            Planned {
                state: Value::Null,
                requires_replace: Vec::new(),
                diagnostics: tried(work).await.unwrap_or_else(|diagnostics| diagnostics),
            }
        } else {
            let config = decode(request.config, &kind)?;
            let fallback = proposed.clone();
            let work = async {
                passed(schema.broken_by(&config, Stage::Use))?;
                schema.fill_defaults(&config, &mut proposed);
                let request = PlanRequest {
                    config,
                    prior,
                    proposed,
                };
                Ok(resource.plan(call.operation()?, request).await)
            };
            tried(work).await.unwrap_or_else(|diagnostics| Planned {
                state: fallback,
                requires_replace: Vec::new(),
                diagnostics,
            })
        };
        let told = |path: &AttributePath| schema.block.tells_replacement_by(path);
        debug_assert!(
            planned.requires_replace.iter().all(told),
            "what forces replacement says so in its schema: {:?}",
            planned.requires_replace
        );
        let mut state = planned.state;
        schema.drop_write_only(&mut state);
        Ok(Response::new(wire::plan_resource_change::Response {
            planned_state: encode(&state, &kind),
            requires_replace: planned
                .requires_replace
                .iter()
                .map(AttributePath::to_wire)
                .collect(),
            planned_private: call.private(),
            diagnostics: call.told(&schema, planned.diagnostics),
            legacy_type_system: false,
            deferred: None,
        }))
    }

    pub(super) async fn apply(
        &self,
        request: wire::apply_resource_change::Request,
    ) -> Answer<wire::apply_resource_change::Response> {
        let resource = self.resource(&request.type_name)?;
        let schema = resource.schema();
        let kind = schema.kind();
        let prior = decode(request.prior_state, &kind)?;
        let planned = decode(request.planned_state, &kind)?;
        let config = decode(request.config, &kind)?;
        let call = self.call(&request.planned_private);
        // Where nothing is known to have happened, the state before is the best there is.
        let before = prior.clone();
        let work = async {
            let operation = call.operation()?;
            if planned.is_null() {
                return Ok(match resource.delete(operation, prior.clone()).await {
                    Ok(()) => (Value::Null, Diagnostics::new()),
                    Err(diagnostics) => (prior, diagnostics),
                });
            }
            passed(schema.broken_by(&config, Stage::Use))?;
            let asked = planned.clone();
            let mut outcome = if prior.is_null() {
                resource.create(operation, planned, &config).await
            } else {
                resource.update(operation, prior, planned, &config).await
            };
            if !outcome.diagnostics.has_errors() {
                for path in schema.settle(&asked, &config, &mut outcome.state) {
                    operation.warnings.push(
                        path.clone(),
                        format!("{path} is not as planned any more"),
                        "The object was changed by somebody else while this was applied. Plan again: the next plan shows \
                         what it is now.",
                    );
                }
            }
            Ok((outcome.state, outcome.diagnostics))
        };
        let (mut state, diagnostics) = tried(work)
            .await
            .unwrap_or_else(|diagnostics| (before, diagnostics));
        schema.drop_write_only(&mut state);
        Ok(Response::new(wire::apply_resource_change::Response {
            new_state: encode(&state, &kind),
            private: call.private(),
            diagnostics: call.told(&schema, diagnostics),
            legacy_type_system: false,
        }))
    }

    pub(super) async fn import(
        &self,
        request: wire::import_resource_state::Request,
    ) -> Answer<wire::import_resource_state::Response> {
        let resource = self.resource(&request.type_name)?;
        let schema = resource.schema();
        let call = self.call(&[]);
        let work = async { resource.import(call.operation()?, &request.id).await };
        let (imported, diagnostics) = match tried(work).await {
            Ok(state) => {
                let one = wire::import_resource_state::ImportedResource {
                    type_name: request.type_name.clone(),
                    state: encode(&state, &schema.kind()),
                    private: call.private(),
                };
                (vec![one], Diagnostics::new())
            }
            Err(diagnostics) => (Vec::new(), diagnostics),
        };
        Ok(Response::new(wire::import_resource_state::Response {
            imported_resources: imported,
            diagnostics: call.told(&schema, diagnostics),
            deferred: None,
        }))
    }
}
