//! A walk over every attribute of a value, wherever in its schema: within nested attributes and blocks too.

use crate::path::AttributePath;
use crate::schema::{Attribute, Block, Nesting};
use crate::value::Value;

/// Whether the attributes within an attribute are visited as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Within {
    /// They are, where there are some.
    Visit,
    /// They are left out.
    Skip,
}

/// Called with each attribute, its path and its value.
type Seen<'a> = dyn FnMut(&AttributePath, &Attribute, &mut Value) -> Within + 'a;

/// Visits the attributes of a block. Of what is null or unknown, nothing within is visited.
pub(crate) fn walk(block: &Block, value: &mut Value, at: &AttributePath, seen: &mut Seen<'_>) {
    attributes(block.attributes(), value, at, seen);
    for (name, one) in block.blocks() {
        let at = at.clone().attribute(name);
        if let Value::Map(entries) = value
            && let Some(inner) = entries.get_mut(name)
        {
            each(one.nesting, inner, &at, &mut |object, at| {
                walk(&one.block, object, at, seen);
            });
        }
    }
}

fn attributes(
    of: &[(String, Attribute)],
    value: &mut Value,
    at: &AttributePath,
    seen: &mut Seen<'_>,
) {
    let Value::Map(entries) = value else { return };
    for (name, one) in of {
        let at = at.clone().attribute(name);
        let Some(inner) = entries.get_mut(name) else {
            continue;
        };
        if seen(&at, one, inner) == Within::Visit
            && let Some(nesting) = one.nesting()
        {
            each(nesting, inner, &at, &mut |object, at| {
                attributes(one.attributes(), object, at, seen);
            });
        }
    }
}

/// Every object of something that repeats. Elements of a set have no place of their own: the set is named.
fn each(
    nesting: Nesting,
    value: &mut Value,
    at: &AttributePath,
    act: &mut dyn FnMut(&mut Value, &AttributePath),
) {
    match (nesting, value) {
        (Nesting::Single, value) => act(value, at),
        (Nesting::List, Value::List(all)) => {
            for (position, one) in all.iter_mut().enumerate() {
                act(one, &at.clone().index(position));
            }
        }
        (Nesting::Set, Value::List(all)) => all.iter_mut().for_each(|one| act(one, at)),
        (Nesting::Map, Value::Map(all)) => {
            for (key, one) in all {
                act(one, &at.clone().key(key));
            }
        }
        _ => {}
    }
}
