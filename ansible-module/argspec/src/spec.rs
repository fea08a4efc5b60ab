//! Argument specs, in Ansible's words. Serialized, a [`Spec`] is what a Python module passes to
//! `AnsibleModule`.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::secrets::WHOLE;

/// The type of an option.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Any scalar becomes text.
    #[default]
    Str,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// yes, no and their like.
    Bool,
    /// A list; text is split at commas.
    List,
    /// A mapping; text is read as JSON or `key=value`.
    Dict,
    /// Text in which `~` and `$VARIABLE` are expanded on the target.
    Path,
    /// Whatever it is.
    Raw,
}

impl Kind {
    /// Ansible's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Str => "str",
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::List => "list",
            Self::Dict => "dict",
            Self::Path => "path",
            Self::Raw => "raw",
        }
    }
}

/// One option.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Opt {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The type of its elements, where it is a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elements: Option<Kind>,
    /// Whether it must be given.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// Its value where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// The values it may have; empty means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choices: Option<Vec<Value>>,
    /// Other names for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// `Some(true)`: never shown. `Some(false)`: shown, though its name suggests otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_log: Option<bool>,
    /// What its elements, or it, may contain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<IndexMap<String, Opt>>,
    /// Rules between what it contains.
    #[serde(flatten)]
    pub rules: Rules,
    /// Whether its value is left out of the arguments that the result repeats. It may be a secret, and may as
    /// well be a word so common that hiding it wherever it stands would hide half of the result.
    #[serde(skip)]
    pub unshown: bool,
    /// Environment variables that give its value where it is not given.
    #[serde(skip)]
    pub environment: Vec<&'static str>,
    /// Sentences for its documentation.
    #[serde(skip)]
    pub description: Vec<String>,
}

impl Opt {
    /// An option of a type, with its documentation, a sentence a line.
    pub fn new(kind: Kind, description: &str) -> Self {
        Self {
            kind,
            description: description
                .lines()
                .map(|line| line.trim().to_owned())
                .collect(),
            ..Self::default()
        }
    }

    /// A list of elements of a type.
    pub fn list(elements: Kind, description: &str) -> Self {
        Self {
            elements: Some(elements),
            ..Self::new(Kind::List, description)
        }
    }

    /// It must be given.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// What it is where it is not given.
    #[must_use]
    pub fn or(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        self
    }

    /// The values it may have.
    #[must_use]
    pub fn choices(mut self, choices: &[&str]) -> Self {
        self.choices = Some(choices.iter().map(|choice| Value::from(*choice)).collect());
        self
    }

    /// Another name.
    #[must_use]
    pub fn alias(mut self, name: &str) -> Self {
        self.aliases.push(name.to_owned());
        self
    }

    /// It is never shown.
    #[must_use]
    pub fn secret(mut self) -> Self {
        self.no_log = Some(true);
        self
    }

    /// It is no secret, though its name suggests one.
    #[must_use]
    pub fn not_secret(mut self) -> Self {
        self.no_log = Some(false);
        self
    }

    /// It is not repeated with the arguments.
    #[must_use]
    pub fn unshown(mut self) -> Self {
        self.unshown = true;
        self
    }

    /// Environment variables that give its value.
    #[must_use]
    pub fn environment(mut self, variable: &'static str) -> Self {
        self.environment.push(variable);
        self
    }

    /// An option that it, or each of its elements, contains.
    #[must_use]
    pub fn option(mut self, name: &str, option: Opt) -> Self {
        self.options
            .get_or_insert_default()
            .insert(name.to_owned(), option);
        self
    }
}

/// `required_if`: these are needed where an option has a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RequiredIf {
    /// All of the names.
    All(String, Value, Vec<String>),
    /// All of the names, or one of them where the last part is true.
    Any(String, Value, Vec<String>, bool),
}

/// Rules between options.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// At most one of each group.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mutually_exclusive: Vec<Vec<String>>,
    /// All or none of each group.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required_together: Vec<Vec<String>>,
    /// At least one of each group.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required_one_of: Vec<Vec<String>>,
    /// Needed where another option has a value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required_if: Vec<RequiredIf>,
    /// Needed where another option is given.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub required_by: IndexMap<String, Vec<String>>,
}

/// Everything that a module may be asked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spec {
    /// The options, in the order in which they are checked.
    pub argument_spec: IndexMap<String, Opt>,
    /// Rules between them.
    #[serde(flatten)]
    pub rules: Rules,
}

impl Spec {
    /// Adds an option.
    #[must_use]
    pub fn option(mut self, name: &str, option: Opt) -> Self {
        self.argument_spec.insert(name.to_owned(), option);
        self
    }

    /// Needed where `name` is `value`.
    #[must_use]
    pub fn required_if(mut self, name: &str, value: &str, needed: &[&str]) -> Self {
        let needed = needed.iter().map(|one| (*one).to_owned()).collect();
        self.rules
            .required_if
            .push(RequiredIf::All(name.to_owned(), value.into(), needed));
        self
    }

    /// Arguments as a result may repeat them: without the values of options that are [`Opt::unshown`].
    pub fn shown(&self, params: &Map<String, Value>) -> Map<String, Value> {
        shown(&self.argument_spec, params, Value::clone)
    }

    /// At most one of these.
    #[must_use]
    pub fn mutually_exclusive(mut self, names: &[&str]) -> Self {
        let names = names.iter().map(|one| (*one).to_owned()).collect();
        self.rules.mutually_exclusive.push(names);
        self
    }
}

fn shown(
    options: &IndexMap<String, Opt>,
    params: &Map<String, Value>,
    unknown: fn(&Value) -> Value,
) -> Map<String, Value> {
    let shown = params.iter().map(|(name, value)| {
        let option = options
            .iter()
            .find(|(known, option)| *known == name || option.aliases.contains(name));
        let value = match option {
            Some((_, option)) => shown_value(option, value),
            None => unknown(value),
        };
        (name.clone(), value)
    });
    shown.collect()
}

fn shown_value(option: &Opt, value: &Value) -> Value {
    if value.is_null() || !hides(option) {
        return value.clone();
    }
    match (value, &option.options) {
        // What has another name than it should may be the very thing.
        (Value::Object(entries), Some(inner)) => shown(inner, entries, |_| WHOLE.into()).into(),
        (Value::Array(items), Some(_)) => {
            items.iter().map(|item| shown_value(option, item)).collect()
        }
        // Arguments that were refused may have any shape.
        _ => WHOLE.into(),
    }
}

/// Whether it, or something that it contains, is not to be shown.
fn hides(option: &Opt) -> bool {
    option.unshown || option.options.iter().flat_map(IndexMap::values).any(hides)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_unshown_is_not_repeated_in_whatever_shape_it_came() {
        let pairs = Opt::list(Kind::Dict, "x")
            .option("key", Opt::new(Kind::Str, "x"))
            .option("value", Opt::new(Kind::Str, "x").unshown());
        let spec = Spec::default().option("env", pairs.alias("environment"));
        for (given, wanted) in [
            (
                json!({"env": [{"key": "A", "value": "1"}], "other": "1"}),
                json!({"env": [{"key": "A", "value": WHOLE}], "other": "1"}),
            ),
            (json!({"environment": "A=1"}), json!({"environment": WHOLE})),
            (
                json!({"env": [{"A": "1", "key": "A"}]}),
                json!({"env": [{"A": WHOLE, "key": "A"}]}),
            ),
            (json!({"env": ["A=1"]}), json!({"env": [WHOLE]})),
            (json!({"env": null}), json!({"env": null})),
        ] {
            let shown = spec.shown(given.as_object().unwrap());
            assert_eq!(Value::Object(shown), wanted);
        }
    }
}
