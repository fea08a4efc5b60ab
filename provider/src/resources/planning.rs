//! Plans as Terraform asks for them, for tests of plans.

use std::sync::Arc;

use tfplugin::{Operation, PlanRequest, Planned, Resource, Schema, Value};

use crate::configured::Configured;

/// A call of a provider that is configured so.
#[expect(
    clippy::default_trait_access,
    reason = "its type is of a crate that this one does not name"
)]
pub(super) fn operation(configured: Configured) -> Operation<Configured> {
    Operation {
        data: Arc::new(configured),
        cancel: Default::default(),
        warnings: tfplugin::Warnings::default(),
        private: tfplugin::Private::default(),
    }
}

/// The plan of a configuration upon a state.
pub(super) async fn planned(
    resource: &impl Resource<Configured>,
    configured: Configured,
    config: &Value,
    prior: &Value,
) -> Planned {
    let request = PlanRequest {
        proposed: proposed(&resource.schema(), config, prior),
        config: config.clone(),
        prior: prior.clone(),
    };
    let planned = resource
        .plan(&operation(configured.unreachable()), request)
        .await;
    for path in &planned.requires_replace {
        let told = resource.schema().block.tells_replacement_by(path);
        assert!(
            told,
            "{path} forces replacement, and its documentation must say so"
        );
    }
    planned
}

/// The configuration, with computed attributes that it does not set as they were, or at their defaults.
pub(super) fn proposed(schema: &Schema, config: &Value, prior: &Value) -> Value {
    let mut proposed = config.clone();
    for (name, attribute) in schema.block.attributes() {
        if attribute.is_computed() && config.get(name).is_null() {
            proposed.set(name, prior.get(name).clone());
        }
    }
    schema.fill_defaults(config, &mut proposed);
    proposed
}

/// The configuration as Terraform hands it over: what an object does not set is null in it.
pub(super) fn whole(schema: &Schema, mut config: Value) -> Value {
    for (name, attribute) in schema.block.attributes() {
        let mut object = config.get(name).clone();
        for (inner, _) in attribute.attributes() {
            if object.get(inner).is_null() {
                object.set(inner, Value::Null);
            }
        }
        config.set(name, object);
    }
    config
}
