//! Write-only values, wherever in a schema they are: within nested attributes and blocks too.

use crate::path::AttributePath;
use crate::schema::Block;
use crate::value::Value;
use crate::walk::{Within, walk};

/// Called with each write-only value and its path.
type Seen<'a> = dyn FnMut(&AttributePath, &mut Value) + 'a;

/// Visits the write-only values of a block.
pub(crate) fn visit(block: &Block, value: &mut Value, at: &AttributePath, seen: &mut Seen<'_>) {
    walk(block, value, at, &mut |at, attribute, value| {
        if attribute.is_write_only() {
            seen(at, value);
            Within::Skip
        } else {
            Within::Visit
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arbitrary::schema;
    use crate::schema::Attribute;
    use crate::types::Type;
    use crate::{json, msgpack};
    use proptest::prelude::*;

    fn count(block: &Block, value: &Value) -> usize {
        let mut found = 0;
        let mut value = value.clone();
        visit(
            block,
            &mut value,
            &AttributePath::root(),
            &mut |_, value| {
                found += usize::from(!value.is_null());
            },
        );
        found
    }

    #[test]
    fn a_secret_in_a_block_in_a_block_is_found_and_taken_out() {
        let inner =
            Block::new("").attribute("secret", Attribute::optional(Type::String, "").write_only());
        let block = Block::new("").list("outer", 0, Block::new("").set("inner", inner));
        let secret = || Value::object([("secret", Value::string("hunter2"))]);
        let mut value = Value::object([(
            "outer",
            Value::List(vec![Value::object([(
                "inner",
                Value::List(vec![secret()]),
            )])]),
        )]);
        assert_eq!(count(&block, &value), 1);
        visit(
            &block,
            &mut value,
            &AttributePath::root(),
            &mut |path, value| {
                let expected = AttributePath::of("outer").index(0).attribute("inner");
                assert_eq!(*path, expected.attribute("secret"));
                *value = Value::Null;
            },
        );
        assert_eq!(count(&block, &value), 0);
    }

    proptest! {
        #[test]
        fn values_of_any_schema_pass_both_forms_and_lose_their_secrets((schema, value) in schema()) {
            let kind = schema.kind();
            prop_assert_eq!(msgpack::decode(&msgpack::encode(&value, &kind), &kind), Ok(value.clone()));
            let text = json::encode(&value).to_string();
            let read: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(json::decode(&read, &kind), Ok(value.clone()));
            let set = schema.write_only_set(&value).len();
            prop_assert_eq!(set, count(&schema.block, &value));
            let mut stored = value;
            schema.drop_write_only(&mut stored);
            prop_assert!(schema.write_only_set(&stored).is_empty());
            // What Terraform is told of the schema names every type in a form that reads back.
            let wire = schema.to_wire();
            let block = wire.block.unwrap();
            for one in block.attributes.iter().filter(|one| one.nested_type.is_none()) {
                let json = serde_json::from_slice(&one.r#type).unwrap();
                prop_assert!(Type::from_json(&json).is_some());
            }
            prop_assert_eq!(block.block_types.len(), schema.block.blocks().len());
        }
    }
}
