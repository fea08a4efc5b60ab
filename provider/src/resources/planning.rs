//! What Terraform proposes to a plan, for tests of plans.

use tfplugin::{Schema, Value};

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
