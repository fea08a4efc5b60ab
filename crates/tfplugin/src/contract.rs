//! What a schema alone says of a configuration, and Terraform leaves to providers: that a required attribute has a
//! value, that nobody sets what the provider decides, and that a list, set or map holds no null.
//!
//! Terraform looks only whether a required attribute is written. `name = var.n` is, and may be null; whether it is may be
//! known only after other resources were made. So this is asked of every configuration that comes in, not only of those
//! that are validated.

use crate::diagnostics::Diagnostics;
use crate::path::AttributePath;
use crate::schema::Schema;
use crate::types::Type;
use crate::value::Value;
use crate::walk::{Within, walk};

/// What is known of a configuration by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Variables may be unknown, and become null.
    Validate,
    /// Only what other resources will say is unknown: a value that comes from one is given.
    Use,
}

impl Schema {
    /// What is wrong with a configuration, each at its place. No configuration at all is none's fault.
    pub(crate) fn broken_by(&self, config: &Value, stage: Stage) -> Diagnostics {
        let mut found = Diagnostics::new();
        let mut config = config.clone();
        walk(
            &self.block,
            &mut config,
            &AttributePath::root(),
            &mut |at, attribute, value| {
                if value.is_null() {
                    if attribute.is_required() {
                        missing(at, &mut found);
                    }
                    return Within::Skip;
                }
                if attribute.is_required() || attribute.is_optional() {
                    // What is within its objects is visited by itself.
                    let depth = if attribute.nesting().is_some() {
                        Depth::Elements
                    } else {
                        Depth::All
                    };
                    nulls_within(attribute.kind(), value, at, depth, &mut found);
                    return Within::Visit;
                }
                if stage == Stage::Use || !value.is_unknown() {
                    not_to_be_set(at, &mut found);
                }
                Within::Skip
            },
        );
        found
    }
}

fn missing(at: &AttributePath, found: &mut Diagnostics) {
    found.push_error(
        at.clone(),
        format!("{at} has no value"),
        format!(
            "{at} is required, but its value is null. Set it. If it comes from a variable or another resource, check \
             that one."
        ),
    );
}

fn not_to_be_set(at: &AttributePath, found: &mut Diagnostics) {
    found.push_error(
        at.clone(),
        format!("{at} cannot be set"),
        format!(
            "{at} is computed by the provider and cannot be set. Remove it from the configuration."
        ),
    );
}

/// How far nulls are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// Among the elements themselves.
    Elements,
    /// Within them too.
    All,
}

/// Refuses elements that are null: nobody can tell whether they are to be there. An object's attributes may be null.
fn nulls_within(
    kind: &Type,
    value: &Value,
    at: &AttributePath,
    depth: Depth,
    found: &mut Diagnostics,
) {
    let mut element = |kind: &Type, value: &Value, at: AttributePath| {
        if value.is_null() {
            found.push_error(
                at.clone(),
                format!("{at} is an element without value"),
                format!(
                    "{at} is null. Leave it out, for instance with `compact` or with `if` in a `for` expression."
                ),
            );
        } else if depth == Depth::All {
            nulls_within(kind, value, &at, depth, found);
        }
    };
    match (kind, value) {
        (Type::List(kind), Value::List(all)) => {
            for (position, one) in all.iter().enumerate() {
                element(kind, one, at.clone().index(position));
            }
        }
        (Type::Set(kind), Value::List(all)) => {
            for one in all {
                element(kind, one, at.clone());
            }
        }
        (Type::Map(kind), Value::Map(all)) => {
            for (key, one) in all {
                element(kind, one, at.clone().key(key));
            }
        }
        (Type::Object(kinds), Value::Map(all)) if depth == Depth::All => {
            for (name, kind) in kinds {
                if let Some(one) = all.get(name) {
                    nulls_within(kind, one, &at.clone().attribute(name), depth, found);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;
    use crate::schema::{Attribute, Block, Nesting};

    fn member() -> [(&'static str, Attribute); 3] {
        [
            ("name", Attribute::required(Type::String, "")),
            ("cidr", Attribute::optional(Type::String, "")),
            ("address", Attribute::computed(Type::String, "")),
        ]
    }

    fn schema() -> Schema {
        let port = Block::new("")
            .attribute("container_port", Attribute::required(Type::Number, ""))
            .attribute("bound", Attribute::computed(Type::Number, ""));
        let rule = Block::new("").attribute("label", Attribute::required(Type::String, ""));
        Schema::new("")
            .attribute("name", Attribute::required(Type::String, ""))
            .attribute("id", Attribute::computed(Type::String, ""))
            .attribute("gateway", Attribute::optional_computed(Type::String, ""))
            .attribute(
                "members",
                Attribute::optional(Type::Bool, "").nested(Nesting::List, member()),
            )
            .attribute(
                "nodes",
                Attribute::computed(Type::Bool, "").nested(Nesting::List, member()),
            )
            .attribute("labels", Attribute::optional(Type::map(Type::String), ""))
            .attribute(
                "regions",
                Attribute::optional(Type::list(Type::list(Type::String)), ""),
            )
            .list("port", 0, port.list("rule", 0, rule))
    }

    /// A configuration without fault, with these values instead.
    fn config<const N: usize>(given: [(&str, Value); N]) -> Value {
        let mut config = schema().empty();
        config.set("name", Value::string("a"));
        for (name, value) in given {
            config.set(name, value);
        }
        config
    }

    fn told(config: &Value, stage: Stage) -> Vec<String> {
        let found = schema().broken_by(config, stage);
        found.iter().map(|one| one.summary.clone()).collect()
    }

    fn list<const N: usize>(all: [Value; N]) -> Value {
        Value::List(all.into())
    }

    #[test]
    fn a_required_attribute_without_value_is_refused_wherever_it_is() {
        let member = Value::object([("name", Value::Null), ("cidr", Value::Null)]);
        let rule = Value::object([("label", Value::Null)]);
        let port = Value::object([("container_port", Value::Null), ("rule", list([rule]))]);
        for (given, expected) in [
            (("name", Value::Null), vec!["name has no value"]),
            (
                ("members", list([member])),
                vec!["members[0].name has no value"],
            ),
            (
                ("port", list([port])),
                vec![
                    "port[0].container_port has no value",
                    "port[0].rule[0].label has no value",
                ],
            ),
        ] {
            for stage in [Stage::Validate, Stage::Use] {
                assert_eq!(told(&config([given.clone()]), stage), expected);
            }
        }
    }

    #[test]
    fn each_fault_is_told_with_what_would_be_right() {
        for (given, expected) in [
            (
                ("name", Value::Null),
                "name is required, but its value is null. Set it. If it comes from a variable or another resource, check \
                 that one.",
            ),
            (
                ("id", Value::string("x")),
                "id is computed by the provider and cannot be set. Remove it from the configuration.",
            ),
            (
                ("labels", Value::object([("tier", Value::Null)])),
                "labels[\"tier\"] is null. Leave it out, for instance with `compact` or with `if` in a `for` expression.",
            ),
        ] {
            let found = schema().broken_by(&config([given]), Stage::Validate);
            let told: Vec<&str> = found.iter().map(|one| one.detail.as_str()).collect();
            assert_eq!(told, [expected]);
        }
    }

    #[test]
    fn what_is_not_known_yet_is_not_refused_as_null() {
        let member = Value::object([("name", Value::Unknown), ("cidr", Value::Unknown)]);
        for given in [
            ("name", Value::Unknown),
            ("members", Value::Unknown),
            ("members", list([Value::Unknown, member])),
            ("port", Value::Unknown),
            (
                "labels",
                Value::Map([("a".to_owned(), Value::Unknown)].into()),
            ),
        ] {
            for stage in [Stage::Validate, Stage::Use] {
                assert_eq!(told(&config([given.clone()]), stage), [""; 0], "{given:?}");
            }
        }
    }

    #[test]
    fn what_the_provider_decides_cannot_be_set() {
        let member = Value::object([
            ("name", Value::string("a")),
            ("address", Value::string("b")),
        ]);
        for (given, expected) in [
            (("id", Value::string("x")), "id cannot be set"),
            (("nodes", list([])), "nodes cannot be set"),
            (
                ("members", list([member])),
                "members[0].address cannot be set",
            ),
        ] {
            for stage in [Stage::Validate, Stage::Use] {
                assert_eq!(told(&config([given.clone()]), stage), [expected]);
            }
        }
        // Where variables are not known yet, it may still come to null.
        let open = config([("id", Value::Unknown)]);
        assert_eq!(told(&open, Stage::Validate), [""; 0]);
        assert_eq!(told(&open, Stage::Use), ["id cannot be set"]);
    }

    #[test]
    fn an_element_without_value_is_refused_at_its_place() {
        let labels = [
            ("a".to_owned(), Value::string("b")),
            ("c".to_owned(), Value::Null),
        ];
        let regions = list([list([Value::string("us"), Value::Null])]);
        for (given, expected) in [
            (("labels", Value::Map(labels.into())), r#"labels["c"]"#),
            (("regions", regions), "regions[0][1]"),
            (("members", list([Value::Null])), "members[0]"),
        ] {
            let expected = format!("{expected} is an element without value");
            assert_eq!(told(&config([given]), Stage::Validate), [expected]);
        }
    }

    #[test]
    fn without_a_configuration_nothing_is_wrong() {
        assert_eq!(told(&Value::Null, Stage::Use), [""; 0]);
    }

    proptest! {
        /// Every attribute of the schemas here is optional: only nulls in lists, sets and maps can be at fault, and
        /// without them nothing is.
        #[test]
        fn what_has_only_optional_attributes_is_refused_for_null_elements_alone(
            (schema, value) in arbitrary::schema()
        ) {
            let found = schema.broken_by(&value, Stage::Use);
            prop_assert!(found.iter().all(|one| one.summary.ends_with("is an element without value")));
            let unknown = schema.kind();
            let Type::Object(kinds) = unknown else { unreachable!() };
            let unknown = Value::Map(kinds.into_keys().map(|name| (name, Value::Unknown)).collect());
            prop_assert!(schema.broken_by(&unknown, Stage::Use).iter().next().is_none());
        }
    }
}
