//! Random types and values for property tests.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::schema::{Attribute, Block, Nesting, Schema};
use crate::types::Type;
use crate::value::{Number, Value};

/// A type and a value of it.
pub(crate) fn typed(depth: u32) -> BoxedStrategy<(Type, Value)> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(|value| (Type::Bool, Value::Bool(value))),
        any::<i64>().prop_map(|number| (Type::Number, Value::int(number))),
        any::<u64>().prop_map(|number| (Type::Number, Value::Number(number.into()))),
        any::<f64>().prop_filter_map("a number", |number| {
            Some((Type::Number, Value::Number(Number::from_f64(number)?)))
        }),
        "[1-9][0-9]{25,40}".prop_map(|digits| {
            (
                Type::Number,
                Value::Number(Number::from_text(&digits).unwrap()),
            )
        }),
        ".*".prop_map(|text| (Type::String, Value::String(text))),
        Just((Type::String, Value::Null)),
        Just((Type::Bool, Value::Unknown)),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let inner = typed(depth - 1);
    prop_oneof![
        leaf,
        (inner.clone(), 0usize..4).prop_map(|((kind, value), count)| {
            (Type::list(kind), Value::List(vec![value; count]))
        }),
        inner
            .clone()
            .prop_map(|(kind, value)| (Type::set(kind), Value::List(vec![value]))),
        (inner.clone(), "[a-z]{1,4}").prop_map(|((kind, value), key)| {
            (Type::map(kind), Value::Map(BTreeMap::from([(key, value)])))
        }),
        proptest::collection::btree_map("[a-z]{1,6}", inner.clone(), 0..4).prop_map(|all| {
            let kinds = all
                .iter()
                .map(|(name, (kind, _))| (name.clone(), kind.clone()))
                .collect();
            let values = all
                .into_iter()
                .map(|(name, (_, value))| (name, value))
                .collect();
            (Type::Object(kinds), Value::Map(values))
        }),
        proptest::collection::vec(inner.clone(), 0..4).prop_map(|all| {
            let (kinds, values) = all.into_iter().unzip();
            (Type::Tuple(kinds), Value::List(values))
        }),
        inner
            .prop_map(|(kind, value)| { (Type::Dynamic, Value::Dynamic(Box::new((kind, value)))) }),
    ]
    .boxed()
}

/// A schema, and a value that follows it: nothing in it is unknown.
pub(crate) fn schema() -> impl Strategy<Value = (Schema, Value)> {
    block(2).prop_map(|(block, value)| (Schema { version: 1, block }, value))
}

/// Attributes of any type, write-only and nested ones among them.
fn attribute() -> impl Strategy<Value = (Attribute, Value)> {
    let plain = (typed(2), any::<bool>()).prop_map(|((kind, value), write_only)| {
        let one = Attribute::optional(kind, "");
        let one = if write_only { one.write_only() } else { one };
        (one, known(value))
    });
    let nested = (nesting(), typed(1), typed(1), any::<bool>(), 0usize..3).prop_map(
        |(nesting, a, b, write_only, count)| {
            let secret = Attribute::optional(b.0, "");
            let secret = if write_only {
                secret.write_only()
            } else {
                secret
            };
            let of = [("plain", Attribute::optional(a.0, "")), ("secret", secret)];
            let object = Value::object([("plain", known(a.1)), ("secret", known(b.1))]);
            let one = Attribute::optional(Type::Bool, "").nested(nesting, of);
            (one, repeated(nesting, &object, count))
        },
    );
    prop_oneof![3 => plain, 1 => nested]
}

fn nesting() -> impl Strategy<Value = Nesting> {
    prop_oneof![
        Just(Nesting::Single),
        Just(Nesting::List),
        Just(Nesting::Set),
        Just(Nesting::Map)
    ]
}

fn repeated(nesting: Nesting, object: &Value, count: usize) -> Value {
    match nesting {
        Nesting::Single => object.clone(),
        Nesting::List => Value::List(vec![object.clone(); count]),
        Nesting::Set => Value::List(vec![object.clone(); count.min(1)]),
        Nesting::Map => {
            let keys = (0..count).map(|number| (format!("k{number}"), object.clone()));
            Value::Map(keys.collect())
        }
    }
}

fn block(depth: u32) -> BoxedStrategy<(Block, Value)> {
    let attributes = proptest::collection::btree_map("a[a-z]{1,4}", attribute(), 0..4);
    let blocks = if depth == 0 {
        Just(BTreeMap::new()).boxed()
    } else {
        let one = (nesting(), block(depth - 1), 0usize..3);
        proptest::collection::btree_map("b[a-z]{1,4}", one, 0..3).boxed()
    };
    (attributes, blocks)
        .prop_map(|(attributes, blocks)| {
            let (mut block, mut value) = (Block::new(""), BTreeMap::new());
            for (name, (one, of)) in attributes {
                block = block.attribute(&name, one);
                value.insert(name, of);
            }
            for (name, (nesting, (inner, of), count)) in blocks {
                block = match nesting {
                    Nesting::Single => block.single(&name, inner),
                    Nesting::List => block.list(&name, 0, inner),
                    Nesting::Set => block.set(&name, inner),
                    Nesting::Map => block.map(&name, inner),
                };
                value.insert(name, repeated(nesting, &of, count));
            }
            (block, Value::Map(value))
        })
        .boxed()
}

/// The value without anything unknown: null instead.
fn known(value: Value) -> Value {
    match value {
        Value::Unknown => Value::Null,
        Value::List(all) => Value::List(all.into_iter().map(known).collect()),
        Value::Map(all) => Value::Map(all.into_iter().map(|(k, v)| (k, known(v))).collect()),
        Value::Dynamic(inner) => Value::Dynamic(Box::new((inner.0, known(inner.1)))),
        other => other,
    }
}
