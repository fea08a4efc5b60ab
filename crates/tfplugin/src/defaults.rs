//! What attributes are where the user sets nothing, as the schema says it.

use crate::schema::{Attribute, Block, Nesting, Schema};
use crate::value::Value;

impl Schema {
    /// Sets each attribute that has a default, and that the configuration leaves out, to it: whatever it was before. So a
    /// plan does not depend on what an earlier configuration said. The server does so before each
    /// [`plan`](crate::Resource::plan).
    pub fn fill_defaults(&self, config: &Value, proposed: &mut Value) {
        fill_block(&self.block, config, proposed);
    }
}

fn fill_block(block: &Block, config: &Value, proposed: &mut Value) {
    fill_attributes(block.attributes(), config, proposed);
    for (name, one) in block.blocks() {
        within(proposed, name, |inner| {
            each(one.nesting, config.get(name), inner, &|config, proposed| {
                fill_block(&one.block, config, proposed);
            });
        });
    }
}

fn fill_attributes(of: &[(String, Attribute)], config: &Value, proposed: &mut Value) {
    for (name, one) in of {
        if let Some(default) = one.default()
            && config.get(name).is_null()
        {
            proposed.set(name, default.clone());
        } else if let Some(nesting) = one.nesting() {
            within(proposed, name, |inner| {
                each(nesting, config.get(name), inner, &|config, proposed| {
                    fill_attributes(one.attributes(), config, proposed);
                });
            });
        }
    }
}

fn within(object: &mut Value, name: &str, act: impl FnOnce(&mut Value)) {
    if let Value::Map(entries) = object
        && let Some(inner) = entries.get_mut(name)
    {
        act(inner);
    }
}

/// Every object of something that repeats, beside what the configuration says of it.
fn each(nesting: Nesting, config: &Value, proposed: &mut Value, act: &dyn Fn(&Value, &mut Value)) {
    match (nesting, config, proposed) {
        (Nesting::Single, config @ Value::Map(_), proposed) => act(config, proposed),
        (Nesting::List, Value::List(config), Value::List(proposed)) => {
            config
                .iter()
                .zip(proposed)
                .for_each(|(config, proposed)| act(config, proposed));
        }
        // Nothing tells which element of the configuration one of a set comes from: what is null was not set.
        (Nesting::Set, Value::List(_), Value::List(proposed)) => {
            for one in proposed {
                let config = one.clone();
                act(&config, one);
            }
        }
        (Nesting::Map, Value::Map(config), Value::Map(proposed)) => {
            for (key, one) in proposed {
                if let Some(config) = config.get(key) {
                    act(config, one);
                }
            }
        }
        _ => {}
    }
}

/// A default as descriptions tell it.
pub(crate) fn told(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("`{text}`"),
        Value::List(all) if all.is_empty() => "none".to_owned(),
        Value::List(all) => all.iter().map(told).collect::<Vec<_>>().join(", "),
        Value::Map(all) if all.is_empty() => "none".to_owned(),
        Value::Map(all) => {
            let pairs = all
                .iter()
                .map(|(key, one)| format!("`{key}` = {}", told(one)));
            pairs.collect::<Vec<_>>().join(", ")
        }
        Value::Dynamic(inner) => told(&inner.1),
        Value::Null | Value::Unknown => "none".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;
    use crate::types::Type;

    fn count() -> Attribute {
        Attribute::defaulted(Type::Number, Value::int(1), "How many.")
    }

    fn schema() -> Schema {
        let of = || {
            [
                ("count", count()),
                ("other", Attribute::optional(Type::String, "")),
            ]
        };
        let nested = |nesting| Attribute::optional(Type::Bool, "").nested(nesting, of());
        let block = || Block::new("").attribute("count", count());
        Schema::new("")
            .attribute("count", count())
            .attribute("single", nested(Nesting::Single))
            .attribute("listed", nested(Nesting::List))
            .attribute("keyed", nested(Nesting::Map))
            .list("block", 0, block())
    }

    fn object(count: Value) -> Value {
        Value::object([("count", count), ("other", Value::Null)])
    }

    /// What is planned where the configuration has `config` and before there was `prior`.
    fn planned(name: &str, config: Value, prior: Value) -> Value {
        let (mut all, mut proposed) = (schema().empty(), schema().empty());
        all.set(name, config);
        proposed.set(name, prior);
        schema().fill_defaults(&all, &mut proposed);
        proposed.get(name).clone()
    }

    #[test]
    fn a_value_that_is_taken_out_goes_back_to_the_default() {
        assert_eq!(planned("count", Value::Null, Value::int(5)), Value::int(1));
        assert_eq!(planned("count", Value::Null, Value::Null), Value::int(1));
        let many = |one: Value| Value::List(vec![object(Value::int(7)), one]);
        let keyed = |one: Value| Value::Map([("a".to_owned(), one)].into());
        for (name, around) in [
            ("listed", &many as &dyn Fn(Value) -> Value),
            ("keyed", &keyed),
            ("single", &|one| one),
            ("block", &many),
        ] {
            let found = planned(
                name,
                around(object(Value::Null)),
                around(object(Value::int(5))),
            );
            assert_eq!(found, around(object(Value::int(1))), "{name}");
        }
    }

    #[test]
    fn what_is_set_or_not_known_yet_stands() {
        for value in [Value::int(3), Value::Unknown] {
            assert_eq!(planned("count", value.clone(), value.clone()), value);
        }
        let unknown = Value::Unknown;
        assert_eq!(planned("listed", unknown.clone(), unknown.clone()), unknown);
        assert_eq!(planned("single", Value::Null, Value::Null), Value::Null);
    }

    #[test]
    fn the_description_tells_the_default() {
        assert_eq!(count().description(), "How many. Default: 1.");
        let regions = ["us", "eu"].map(Value::string).to_vec();
        assert_eq!(told(&Value::List(regions)), "`us`, `eu`");
        assert!(count().is_optional() && count().is_computed());
    }

    proptest! {
        #[test]
        fn a_schema_without_defaults_changes_nothing((schema, value) in arbitrary::schema()) {
            let mut filled = value.clone();
            schema.fill_defaults(&value, &mut filled);
            prop_assert_eq!(filled, value);
        }
    }
}
