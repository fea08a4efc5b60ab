//! Random types and values for property tests.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::types::Type;
use crate::value::{Number, Value};

/// A type and a value of it.
pub(crate) fn typed(depth: u32) -> BoxedStrategy<(Type, Value)> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(|value| (Type::Bool, Value::Bool(value))),
        any::<i64>().prop_map(|number| (Type::Number, Value::int(number))),
        any::<u64>().prop_map(|number| (Type::Number, Value::Number(number.into()))),
        any::<f64>().prop_map(|number| (Type::Number, Value::Number(number.into()))),
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
