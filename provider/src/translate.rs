//! Between Terraform's values and the engine's: errors to diagnostics, paths to paths, small readers.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use atlas_engine::cockroachdb::topology::{NodeStatus, Topology};
use atlas_engine::path::Segment;
use atlas_engine::{Error, FieldPath, Problem, Words as _, cidr, local_path};
use ipnet::Ipv4Net;
use tfplugin::{Attribute, AttributePath, Diagnostics, Nesting, Type, Value};

use crate::words::Hcl;

/// An engine's error as Terraform shows it; `failed` completes it: "Cluster cannot be created".
pub(crate) fn diagnostics(failed: &str, error: &Error) -> Diagnostics {
    told(failed, error, Hcl::Kept)
}

/// The same of an operation that left something.
pub(crate) fn told(failed: &str, error: &Error, words: Hcl) -> Diagnostics {
    let mut found = Diagnostics::new();
    match error {
        Error::Invalid(problems) => push_problems(&mut found, problems),
        other => found.push_error(AttributePath::root(), failed, other.told(&words)),
    }
    found
}

/// Refusals, each at its attribute.
pub(crate) fn push_problems(found: &mut Diagnostics, problems: &[Problem]) {
    for problem in problems {
        let message = problem.message.trim_end_matches('.');
        let (field, remedy) = (
            Hcl::Kept.field(&problem.path),
            Hcl::Kept.remedy(&problem.remedy),
        );
        found.push_error(
            path(&problem.path),
            format!("Invalid {field}"),
            format!("{field}: {message}. {remedy}"),
        );
    }
}

/// What is in the way as it looks now, and may be gone when the plan is carried out: warnings.
pub(crate) fn push_passing(found: &mut Diagnostics, problems: &[Problem]) {
    for problem in problems {
        let message = problem.message.trim_end_matches('.');
        let (field, remedy) = (
            Hcl::Kept.field(&problem.path),
            Hcl::Kept.remedy(&problem.remedy),
        );
        found.push_warning(
            path(&problem.path),
            format!("{field} is in use"),
            format!(
                "{field}: {message}. If the same apply removes or moves that, Atlas waits for it; otherwise the apply \
                 fails. {remedy}"
            ),
        );
    }
}

fn path(path: &FieldPath) -> AttributePath {
    path.segments()
        .iter()
        .fold(AttributePath::root(), |path, segment| match segment {
            Segment::Name(name) => path.attribute(name),
            Segment::Index(index) => path.index(*index),
        })
}

/// Reads values and collects what is wrong with them. Unknown values read as unset.
#[derive(Default)]
pub(crate) struct Reader {
    /// What is wrong.
    pub(crate) problems: Vec<Problem>,
}

impl Reader {
    /// A network.
    pub(crate) fn network(&mut self, value: &Value, path: &FieldPath) -> Option<Ipv4Net> {
        let text = value.as_str()?;
        cidr::parse(text, path)
            .map_err(|problem| self.problems.push(problem))
            .ok()
    }

    /// An address.
    pub(crate) fn address(&mut self, value: &Value, path: &FieldPath) -> Option<IpAddr> {
        let text = value.as_str()?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.refuse(
                path,
                format!("{text:?} is not a valid IP address."),
                "Use an address such as 127.0.0.1.",
            );
        }
        parsed
    }

    /// A whole number that fits.
    pub(crate) fn number<T: TryFrom<i64>>(
        &mut self,
        value: &Value,
        path: &FieldPath,
        remedy: &str,
    ) -> Option<T> {
        let Value::Number(number) = value else {
            return None;
        };
        let parsed = number.as_i64().and_then(|number| T::try_from(number).ok());
        if parsed.is_none() {
            self.refuse(path, format!("{number} is out of range."), remedy);
        }
        parsed
    }

    /// A path on this machine.
    pub(crate) fn local_path(&mut self, value: &Value, path: &FieldPath) -> Option<PathBuf> {
        local_path::expand(value.as_str()?, path)
            .map_err(|problem| self.problems.push(problem))
            .ok()
    }

    /// Adds a refusal.
    pub(crate) fn refuse(&mut self, path: &FieldPath, message: impl Into<String>, remedy: &str) {
        self.problems
            .push(Problem::new(path.clone(), message, remedy));
    }
}

/// The texts of a list; unknown elements are left out.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    value
        .elements()
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// The texts of a map, by key; unknown elements are left out.
pub(crate) fn texts_by_key(value: &Value) -> BTreeMap<String, String> {
    value
        .entries()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// A list of texts; null where it is empty.
pub(crate) fn text_list(texts: &[String]) -> Value {
    if texts.is_empty() {
        Value::Null
    } else {
        Value::List(texts.iter().map(Value::string).collect())
    }
}

/// A map of texts; null where it is empty.
pub(crate) fn text_map(texts: &BTreeMap<String, String>) -> Value {
    if texts.is_empty() {
        Value::Null
    } else {
        Value::Map(
            texts
                .iter()
                .map(|(key, text)| (key.clone(), Value::string(text)))
                .collect(),
        )
    }
}

/// The only block of its kind, null where there is none.
pub(crate) fn block<'a>(config: &'a Value, name: &str) -> &'a Value {
    match config.get(name) {
        Value::List(blocks) => blocks.first().unwrap_or(&Value::Null),
        other => other,
    }
}

/// A `CockroachDB` cluster's nodes as an attribute.
pub(crate) fn cockroachdb_nodes_attribute() -> Attribute {
    let text = |description: &str| Attribute::computed(Type::String, description);
    Attribute::computed(Type::String, "The cluster's nodes, by id.").nested(
        Nesting::List,
        [
            ("id", Attribute::computed(Type::Number, "The node's id.")),
            ("address", text("Where other nodes reach it.")),
            ("region", text("Its region.")),
            ("zone", text("Its zone, where it has one.")),
            ("build", text("Its version.")),
            (
                "live",
                Attribute::computed(Type::Bool, "Whether its process is up."),
            ),
            (
                "available",
                Attribute::computed(Type::Bool, "Whether it can be part of a quorum."),
            ),
            ("membership", text("`active` or `decommissioning`.")),
        ],
    )
}

/// The nodes; empty where the cluster does not serve.
pub(crate) fn cockroachdb_nodes(topology: Option<&Topology>) -> Value {
    let node = |node: &NodeStatus| {
        let membership = serde_json::to_value(node.membership).unwrap_or_default();
        Value::object([
            ("id", Value::int(i64::try_from(node.id).unwrap_or(i64::MAX))),
            ("address", Value::string(&node.address)),
            ("region", Value::optional(node.tier("region"))),
            ("zone", Value::optional(node.tier("zone"))),
            ("build", Value::string(&node.build)),
            ("live", Value::Bool(node.is_live)),
            ("available", Value::Bool(node.is_available)),
            ("membership", Value::optional(membership.as_str())),
        ])
    };
    let members = topology.into_iter().flat_map(Topology::members);
    Value::List(members.map(node).collect())
}
