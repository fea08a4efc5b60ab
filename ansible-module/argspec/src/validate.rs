//! Arguments against their spec, in the order and the words of Ansible's `ArgumentSpecValidator`.
//!
//! A Python module fails with the first problem alone; here all of them are kept, the first one first.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::coerce::{coerce, dict};
use crate::python;
use crate::secrets::Secrets;
use crate::spec::{Kind, Opt, RequiredIf, Rules, Spec};

type Options = IndexMap<String, Opt>;
type Params = Map<String, Value>;

/// Something that is wrong with arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Options that there are not.
    Unsupported(String),
    /// Anything else.
    Other(String),
}

impl Problem {
    /// As a module of this name reports it.
    pub fn message(&self, module: &str) -> String {
        match self {
            Self::Unsupported(text) => {
                format!("Unsupported parameters for ({module}) module: {text}")
            }
            Self::Other(text) => text.clone(),
        }
    }

    /// The text alone.
    pub fn text(&self) -> &str {
        match self {
            Self::Unsupported(text) | Self::Other(text) => text,
        }
    }
}

/// What validation found.
#[derive(Debug, Clone)]
pub struct Validated {
    /// The arguments, coerced, under their canonical names (aliases too, as Ansible keeps them);
    /// options that were not given are null or their default.
    pub params: Params,
    /// What is wrong, in order.
    pub problems: Vec<Problem>,
    /// What must not be shown.
    pub secrets: Secrets,
    /// What a user should know.
    pub warnings: Vec<String>,
}

/// Validates arguments. Where [`Validated::problems`] is empty, [`Validated::params`] can be used.
pub fn validate(spec: &Spec, params: Params) -> Validated {
    let mut work = Work::default();
    let mut params = params;
    work.level(&spec.argument_spec, &spec.rules, &mut params);
    if let Some((_, supported)) = work.unsupported.last() {
        let mut names: Vec<String> = work
            .unsupported
            .iter()
            .map(|(name, _)| name.clone())
            .collect();
        names.sort();
        names.dedup();
        work.problems.push(Problem::Unsupported(format!(
            "{}. Supported parameters include: {supported}.",
            names.join(", ")
        )));
    }
    Validated {
        params,
        problems: work.problems,
        secrets: work.secrets,
        warnings: work.warnings,
    }
}

#[derive(Default)]
struct Work {
    problems: Vec<Problem>,
    secrets: Secrets,
    warnings: Vec<String>,
    /// Names with their context, and what there is instead.
    unsupported: Vec<(String, String)>,
    context: Vec<String>,
    /// As messages about aliases spell the context: `ports[0].`.
    prefix: String,
}

impl Work {
    fn level(&mut self, options: &Options, rules: &Rules, params: &mut Params) {
        self.fallbacks(options, params);
        self.aliases(options, params);
        if let Err(reason) = self.secrets_of(options, params) {
            self.fail(reason);
        }
        self.refuse_unsupported(options, params);
        self.mutually_exclusive(rules, params);
        self.defaults(options, params, false);
        self.required(options, params);
        self.types(options, params);
        self.choices(options, params);
        self.between(rules, params);
        self.defaults(options, params, true);
        self.nested(options, params);
    }

    fn fail(&mut self, message: String) {
        self.problems.push(Problem::Other(message));
    }

    /// With the context behind it.
    fn fail_here(&mut self, message: String) {
        let message = if self.context.is_empty() {
            message
        } else {
            format!("{message} found in {}", self.context.join(" -> "))
        };
        self.fail(message);
    }

    fn fallbacks(&mut self, options: &Options, params: &mut Params) {
        for (name, option) in options {
            if params.contains_key(name) {
                continue;
            }
            let found = option
                .environment
                .iter()
                .find_map(|one| std::env::var(one).ok());
            if let Some(found) = found {
                let value = Value::from(found);
                self.hide(option, &value);
                params.insert(name.clone(), value);
            }
        }
    }

    fn aliases(&mut self, options: &Options, params: &mut Params) {
        for (name, option) in options {
            for alias in &option.aliases {
                let Some(value) = params.get(alias).cloned() else {
                    continue;
                };
                if params.contains_key(name) {
                    let prefix = &self.prefix;
                    self.warnings.push(format!(
                        "Both option {prefix}{name} and its alias {prefix}{alias} are set."
                    ));
                }
                params.insert(name.clone(), value);
            }
        }
    }

    fn secrets_of(&mut self, options: &Options, params: &Params) -> Result<(), String> {
        for (name, option) in options {
            let Some(value) = params.get(name) else {
                continue;
            };
            self.hide(option, value);
            let (Some(inner), false) = (&option.options, value.is_null()) else {
                continue;
            };
            if !has_inner(option) {
                continue;
            }
            let elements = match value {
                Value::Array(items) => items.as_slice(),
                other => std::slice::from_ref(other),
            };
            for element in elements {
                let parsed = match element {
                    Value::String(_) => dict(element)?,
                    other => other.clone(),
                };
                let Value::Object(entries) = parsed else {
                    return Err(format!(
                        "Value '{}' in the sub parameter field '{name}' must be a {}, not '{}'",
                        python::str(element),
                        option.kind.as_str(),
                        python::type_name(element)
                    ));
                };
                self.secrets_of(inner, &entries)?;
            }
        }
        Ok(())
    }

    fn refuse_unsupported(&mut self, options: &Options, params: &Params) {
        for name in params.keys() {
            let known = options
                .iter()
                .any(|(option, spec)| option == name || spec.aliases.contains(name));
            if known {
                continue;
            }
            let mut path = self.context.clone();
            path.push(name.clone());
            self.unsupported.push((path.join("."), supported(options)));
        }
    }

    fn mutually_exclusive(&mut self, rules: &Rules, params: &Params) {
        let broken: Vec<String> = rules
            .mutually_exclusive
            .iter()
            .filter(|group| count(group, params) > 1)
            .map(|group| group.join("|"))
            .collect();
        if !broken.is_empty() {
            self.fail_here(format!(
                "parameters are mutually exclusive: {}",
                broken.join(", ")
            ));
        }
    }

    /// Defaults first; nulls only once it was checked what must be given.
    fn defaults(&mut self, options: &Options, params: &mut Params, nulls: bool) {
        for (name, option) in options {
            if params.contains_key(name) || (option.default.is_none() && !nulls) {
                continue;
            }
            let value = option.default.clone().unwrap_or(Value::Null);
            self.hide(option, &value);
            params.insert(name.clone(), value);
        }
    }

    /// Zero is nobody's secret: for Python it is like a value that was not given.
    fn hide(&mut self, option: &Opt, value: &Value) {
        let is_zero = value.as_f64() == Some(0.0);
        if option.no_log == Some(true) && !is_zero {
            self.secrets.add(value);
        }
    }

    fn required(&mut self, options: &Options, params: &Params) {
        let mut missing: Vec<&str> = options
            .iter()
            .filter(|(name, option)| option.required && !params.contains_key(*name))
            .map(|(name, _)| name.as_str())
            .collect();
        missing.sort_unstable();
        if !missing.is_empty() {
            self.fail_here(format!(
                "missing required arguments: {}",
                missing.join(", ")
            ));
        }
    }

    fn types(&mut self, options: &Options, params: &mut Params) {
        for (name, option) in options {
            let Some(value) = params.get(name).cloned() else {
                continue;
            };
            if value.is_null() && !option.required && option.default.is_none() {
                continue;
            }
            match coerce(option.kind, &value) {
                Ok(Value::Array(items)) if option.elements.is_some() => {
                    let items = self.elements(name, option.elements.unwrap_or_default(), &items);
                    params.insert(name.clone(), Value::Array(items));
                }
                Ok(value) => {
                    params.insert(name.clone(), value);
                }
                Err(reason) => {
                    let context = if self.context.is_empty() {
                        String::new()
                    } else {
                        format!(" found in '{}'.", self.context.join(" -> "))
                    };
                    self.fail(format!(
                        "argument '{name}' is of type {}{context} and we were unable to convert to {}: {reason}",
                        python::type_name(&value),
                        option.kind.as_str()
                    ));
                }
            }
        }
    }

    fn elements(&mut self, name: &str, kind: Kind, items: &[Value]) -> Vec<Value> {
        let mut good = Vec::new();
        for item in items {
            match coerce(kind, item) {
                Ok(value) => good.push(value),
                Err(reason) => {
                    let context = if self.context.is_empty() {
                        String::new()
                    } else {
                        format!(" found in '{}'", self.context.join(" -> "))
                    };
                    self.fail(format!(
                        "Elements value for option '{name}'{context} is of type {} and we were unable to convert to {}: {reason}",
                        python::type_name(item),
                        kind.as_str()
                    ));
                }
            }
        }
        good
    }

    fn choices(&mut self, options: &Options, params: &mut Params) {
        for (name, option) in options {
            let (Some(choices), Some(value)) = (&option.choices, params.get(name).cloned()) else {
                continue;
            };
            let known = |value: &Value| choices.iter().any(|choice| python::equal(choice, value));
            let words = |values: &[&Value]| {
                let words: Vec<String> = values.iter().map(|value| python::str(value)).collect();
                words.join(", ")
            };
            let all = words(&choices.iter().collect::<Vec<_>>());
            if let Value::Array(items) = &value {
                let unknown: Vec<&Value> = items.iter().filter(|item| !known(item)).collect();
                if !unknown.is_empty() {
                    self.fail_here(format!(
                        "value of {name} must be one or more of: {all}. Got no match for: {}",
                        words(&unknown)
                    ));
                }
                continue;
            }
            // YAML reads some words as booleans. What can be told apart is taken back.
            let value = match as_word(&value, choices) {
                Some(word) => {
                    params.insert(name.clone(), word.clone());
                    word
                }
                None => value,
            };
            if !known(&value) {
                self.fail_here(format!(
                    "value of {name} must be one of: {all}, got: {}",
                    python::str(&value)
                ));
            }
        }
    }

    fn between(&mut self, rules: &Rules, params: &Params) {
        let given = |name: &String| params.contains_key(name);
        let together = rules.required_together.iter().find(|group| {
            let count = count(group, params);
            count > 0 && count < group.len()
        });
        if let Some(group) = together {
            self.fail_here(format!(
                "parameters are required together: {}",
                group.join(", ")
            ));
        }
        let one_of = rules
            .required_one_of
            .iter()
            .find(|group| count(group, params) == 0);
        if let Some(group) = one_of {
            self.fail_here(format!(
                "one of the following is required: {}",
                group.join(", ")
            ));
        }
        let condition = rules.required_if.iter().find_map(|rule| {
            let (name, value, needed, any) = match rule {
                RequiredIf::All(name, value, needed) => (name, value, needed, false),
                RequiredIf::Any(name, value, needed, any) => (name, value, needed, *any),
            };
            let applies = params
                .get(name)
                .is_some_and(|found| python::equal(found, value));
            let missing: Vec<&str> = needed
                .iter()
                .filter(|one| applies && !given(one))
                .map(String::as_str)
                .collect();
            let broken = !missing.is_empty() && (!any || missing.len() == needed.len());
            broken.then(|| {
                format!(
                    "{name} is {} but {} of the following are missing: {}",
                    python::str(value),
                    if any { "any" } else { "all" },
                    missing.join(", ")
                )
            })
        });
        if let Some(message) = condition {
            self.fail_here(message);
        }
        let unset = |name: &String| params.get(name).is_none_or(Value::is_null);
        let by = rules.required_by.iter().find_map(|(name, needed)| {
            let missing: Vec<&str> = needed
                .iter()
                .filter(|one| !unset(name) && unset(one))
                .map(String::as_str)
                .collect();
            (!missing.is_empty()).then(|| {
                format!(
                    "missing parameter(s) required by '{name}': {}",
                    missing.join(", ")
                )
            })
        });
        if let Some(message) = by {
            self.fail_here(message);
        }
    }

    fn nested(&mut self, options: &Options, params: &mut Params) {
        for (name, option) in options {
            let Some(inner) = option.options.as_ref().filter(|_| has_inner(option)) else {
                continue;
            };
            let Some(value) = params.get_mut(name).filter(|value| !value.is_null()) else {
                continue;
            };
            self.context.push(name.clone());
            let listed = option.kind == Kind::List;
            let elements = match value {
                Value::Array(items) => items.as_mut_slice(),
                other => std::slice::from_mut(other),
            };
            for (position, element) in elements.iter_mut().enumerate() {
                let Value::Object(entries) = element else {
                    self.fail(format!(
                        "value of '{name}' must be of type dict or list of dicts"
                    ));
                    continue;
                };
                let before = self.prefix.len();
                self.prefix.push_str(name);
                if listed {
                    self.prefix.extend(["[", &position.to_string(), "]"]);
                }
                self.prefix.push('.');
                self.level(inner, &option.rules, entries);
                self.prefix.truncate(before);
            }
            self.context.pop();
        }
    }
}

fn has_inner(option: &Opt) -> bool {
    option.kind == Kind::Dict || (option.kind == Kind::List && option.elements == Some(Kind::Dict))
}

fn count(group: &[String], params: &Params) -> usize {
    group
        .iter()
        .filter(|name| params.contains_key(*name))
        .count()
}

fn supported(options: &Options) -> String {
    let mut names: Vec<&str> = options.keys().map(String::as_str).collect();
    names.sort_unstable();
    let mut aliases: Vec<&str> = options
        .values()
        .flat_map(|option| option.aliases.iter().map(String::as_str))
        .collect();
    aliases.sort_unstable();
    let names = names.join(", ");
    if aliases.is_empty() {
        names
    } else {
        format!("{names} ({})", aliases.join(", "))
    }
}

/// The one choice that YAML would have read as this boolean.
fn as_word(value: &Value, choices: &[Value]) -> Option<Value> {
    let (words, number): (&[&str], _) = match value.as_str()? {
        "False" => (&["n", "no", "off", "0", "false", "f"], Value::from(0)),
        "True" => (&["y", "yes", "on", "1", "true", "t"], Value::from(1)),
        _ => return None,
    };
    if choices.contains(value) {
        return None;
    }
    let mut found = choices.iter().filter(|choice| {
        let word = choice.as_str().is_some_and(|word| words.contains(&word));
        word || python::equal(choice, &number)
    });
    let first = found.next()?;
    found.next().is_none().then(|| first.clone())
}
