//! What was planned and known, and came out otherwise.
//!
//! Terraform takes that for a bug of the provider, and ends the apply with an error. Where the value is one that the
//! provider decides, the object was changed by somebody else between plan and apply, or during it: what was planned is
//! handed back, as everything that depends on it was planned with it, and the next refresh reads what is true.

use crate::path::AttributePath;
use crate::schema::Schema;
use crate::value::Value;

impl Schema {
    /// Puts what was planned into `state` for every attribute that the provider decides, and names those where it
    /// differed.
    pub(crate) fn settle(
        &self,
        planned: &Value,
        config: &Value,
        state: &mut Value,
    ) -> Vec<AttributePath> {
        let mut differing = Vec::new();
        if planned.is_null() || state.is_null() {
            return differing;
        }
        for (name, one) in self.block.attributes() {
            if !one.is_computed() || !config.get(name).is_null() {
                continue;
            }
            let found = state.get(name);
            let expected = as_planned(planned.get(name), found);
            if expected != *found {
                state.set(name, expected);
                differing.push(AttributePath::of(name));
            }
        }
        differing
    }
}

/// What was planned, with what was found where the plan left it open.
fn as_planned(planned: &Value, found: &Value) -> Value {
    match (planned, found) {
        (Value::Unknown, found) => found.clone(),
        (Value::List(planned), Value::List(found)) if planned.len() == found.len() => {
            let both = planned.iter().zip(found);
            Value::List(
                both.map(|(planned, found)| as_planned(planned, found))
                    .collect(),
            )
        }
        (Value::Map(planned), Value::Map(found)) if planned.keys().eq(found.keys()) => {
            let both = planned.iter().zip(found.values());
            Value::Map(
                both.map(|((key, planned), found)| (key.clone(), as_planned(planned, found)))
                    .collect(),
            )
        }
        // Whatever of it is unknown has no counterpart: Terraform is to judge that.
        (planned, found) if !planned.is_known() => found.clone(),
        (planned, _) => planned.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;
    use crate::schema::Attribute;
    use crate::types::Type;

    fn schema() -> Schema {
        Schema::new("")
            .attribute("name", Attribute::required(Type::String, ""))
            .attribute("gateway", Attribute::optional_computed(Type::String, ""))
            .attribute("nodes", Attribute::computed(Type::list(Type::String), ""))
    }

    fn value(name: &str, gateway: &str, nodes: &[Value]) -> Value {
        Value::object([
            ("name", Value::string(name)),
            ("gateway", Value::string(gateway)),
            ("nodes", Value::List(nodes.to_vec())),
        ])
    }

    #[test]
    fn what_the_provider_decides_stays_as_planned_and_is_named() {
        let config = Value::object([("name", Value::string("a"))]);
        let planned = value("a", "10.0.0.1", &[Value::Unknown, Value::string("n2")]);
        let mut state = value("b", "10.0.0.2", &[Value::string("n1"), Value::string("n3")]);
        let differing = schema().settle(&planned, &config, &mut state);
        assert_eq!(
            differing,
            [AttributePath::of("gateway"), AttributePath::of("nodes")]
        );
        // What the user said is not excused.
        let nodes = [Value::string("n1"), Value::string("n2")];
        assert_eq!(state, value("b", "10.0.0.1", &nodes));
        let mut asked = config;
        asked.set("gateway", Value::string("10.0.0.1"));
        let mut state = value("a", "10.0.0.2", &nodes);
        assert_eq!(schema().settle(&planned, &asked, &mut state), []);
    }

    proptest! {
        #[test]
        fn what_came_out_as_planned_stands((_, found) in arbitrary::typed(3)) {
            prop_assume!(found.is_known());
            prop_assert_eq!(as_planned(&found, &found), found.clone());
            prop_assert_eq!(as_planned(&Value::Unknown, &found), found);
        }
    }
}
