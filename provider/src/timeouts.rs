//! The `timeouts` block: how long each kind of operation may take.

use std::time::Duration;

use atlas_engine::{Context, FieldPath, Problem};
use tfplugin::{Attribute, Block, Type, Value};

/// Where the user says nothing.
const DEFAULT: Duration = Duration::from_secs(10 * 60);

const FORM: &str = "Use a duration such as 90s, 10m or 1h30m.";

/// What the provider's page says of the block, for all resources, before an example.
pub(crate) const DOCUMENTATION: &str = "\
## Timeouts

Every resource has a block `timeouts`. Each value is a duration such as `90s`, `10m` or `1h30m`; each default is `10m`. An \
operation that takes longer ends with an error, and the next apply goes on from what is there.
";

/// The block.
pub(crate) fn block() -> Block {
    let attribute = |what: &str| {
        Attribute::optional(
            Type::String,
            &format!("How long {what} may take, for instance `10m` (default)."),
        )
    };
    Block::new("How long operations may take.")
        .attribute("create", attribute("creating"))
        .attribute("read", attribute("reading"))
        .attribute("update", attribute("changing"))
        .attribute("delete", attribute("deleting"))
}

/// What is wrong with the block.
pub(crate) fn problems(config: &Value) -> Vec<Problem> {
    let texts = config
        .get("timeouts")
        .entries()
        .filter_map(|(name, value)| Some((name, value.as_str()?)));
    texts
        .filter(|(_, text)| humantime::parse_duration(text).is_err())
        .map(|(name, text)| {
            Problem::new(
                FieldPath::of("timeouts").name(name),
                format!("{text:?} is not a valid duration."),
                FORM,
            )
        })
        .collect()
}

/// The limit that the user gave to this operation.
pub(crate) fn of(state: &Value, operation: &str) -> Duration {
    let given = state.get("timeouts").get(operation).as_str();
    given
        .and_then(|text| humantime::parse_duration(text).ok())
        .unwrap_or(DEFAULT)
}

/// The context with that limit.
pub(crate) fn limit(cx: Context, state: &Value, operation: &str) -> Context {
    cx.with_timeout(of(state, operation))
}
