//! What Terraform says in JSON: plans and diagnostics.

use std::fmt;

use anyhow::{Result, ensure};
use serde_json::Value;

/// A plan, as `terraform show -json` writes it.
#[derive(Debug, Clone)]
pub struct Plan(Value);

impl Plan {
    pub(crate) fn new(json: Value) -> Self {
        Self(json)
    }

    /// What happens to a resource: `["no-op"]`, `["create"]`, `["update"]`, `["delete", "create"]`…
    /// Empty if the plan does not know it.
    pub fn actions(&self, address: &str) -> Vec<&str> {
        self.change(address)
            .map_or_else(Vec::new, |change| strings(&change["change"]["actions"]))
    }

    /// Fails unless exactly this happens to a resource.
    pub fn expect(&self, address: &str, actions: &[&str]) -> Result<()> {
        let found = self.actions(address);
        ensure!(
            found == actions,
            "{address} is planned as {found:?}, not {actions:?}\n{self}"
        );
        Ok(())
    }

    /// The attributes that force a replacement, as JSON paths.
    pub fn replace_paths(&self, address: &str) -> Vec<String> {
        let change = self.change(address);
        let paths = change.and_then(|change| change["change"]["replace_paths"].as_array());
        paths.into_iter().flatten().map(Value::to_string).collect()
    }

    /// What was found changed outside of Terraform, by address.
    pub fn drifted(&self) -> Vec<&str> {
        let all = self.0["resource_drift"].as_array().into_iter().flatten();
        all.filter_map(|change| change["address"].as_str())
            .collect()
    }

    /// The value that a resource has, as it was read for the plan.
    pub fn before(&self, address: &str) -> Option<&Value> {
        self.change(address)
            .map(|change| &change["change"]["before"])
    }

    /// The value that a resource is planned to have.
    pub fn after(&self, address: &str) -> Option<&Value> {
        self.change(address)
            .map(|change| &change["change"]["after"])
    }

    /// The attributes of a resource that are to change, as paths such as `queue.tags`; without those that are only
    /// known after apply.
    pub fn changed(&self, address: &str) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(change) = self.change(address) {
            let change = &change["change"];
            differences(
                &change["before"],
                &change["after"],
                &change["after_unknown"],
                "",
                &mut found,
            );
        }
        found
    }

    fn change(&self, address: &str) -> Option<&Value> {
        let mut changes = self.0["resource_changes"].as_array().into_iter().flatten();
        changes.find(|change| change["address"] == address)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for change in self.0["resource_changes"].as_array().into_iter().flatten() {
            let address = change["address"].as_str().unwrap_or_default();
            writeln!(f, "{address}: {:?}", strings(&change["change"]["actions"]))?;
            for side in ["before", "after"] {
                writeln!(f, "  {side}: {}", change["change"][side])?;
            }
        }
        Ok(())
    }
}

/// One error or warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// `error` or `warning`.
    pub severity: String,
    /// What failed.
    pub summary: String,
    /// Why, and what to do.
    pub detail: String,
    /// The lines of configuration which it points at; empty if it points nowhere.
    pub code: String,
}

impl Diagnostic {
    fn new(json: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            severity: text(&json["severity"]),
            summary: text(&json["summary"]),
            detail: text(&json["detail"]),
            code: text(&json["snippet"]["code"]),
        }
    }

    /// Everything it says, on one line: Terraform and providers break lines as they like.
    pub fn text(&self) -> String {
        let words = format!("{} {}", self.summary, self.detail);
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// What a command said.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// From the lines of a command with `-json`.
    pub(crate) fn from_log(stdout: &str) -> Self {
        let lines = stdout
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let own = lines.filter(|line| line["type"] == "diagnostic");
        Self(
            own.map(|line| Diagnostic::new(&line["diagnostic"]))
                .collect(),
        )
    }

    /// The errors.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0
            .iter()
            .filter(|diagnostic| diagnostic.severity == "error")
    }

    /// Fails unless one error holds all of these parts (letter case aside).
    pub fn expect(&self, parts: &[&str]) -> Result<&Diagnostic> {
        let found = self.errors().find(|error| {
            let text = error.text().to_lowercase();
            parts.iter().all(|part| text.contains(&part.to_lowercase()))
        });
        ensure!(
            found.is_some(),
            "no error says {parts:?}. Said was:\n{self}"
        );
        found.ok_or_else(|| anyhow::anyhow!("no error"))
    }

    /// Fails unless one error holds all of these parts and points at a line with `code`.
    pub fn expect_at(&self, code: &str, parts: &[&str]) -> Result<()> {
        let pointing = self
            .errors()
            .filter(|error| squeeze(&error.code).contains(&squeeze(code)));
        let pointing = Self(pointing.cloned().collect());
        ensure!(
            !pointing.0.is_empty(),
            "no error points at `{code}`. Said was:\n{self}"
        );
        pointing.expect(parts).map(drop)
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for one in &self.0 {
            writeln!(
                f,
                "{}: {}\n  {}\n  at: {}",
                one.severity, one.summary, one.detail, one.code
            )?;
        }
        Ok(())
    }
}

fn differences(
    before: &Value,
    after: &Value,
    unknown: &Value,
    path: &str,
    found: &mut Vec<String>,
) {
    let (Some(was), Some(will)) = (before.as_object(), after.as_object()) else {
        if before != after && unknown != &Value::Bool(true) {
            found.push(path.to_owned());
        }
        return;
    };
    let keys: std::collections::BTreeSet<&String> = was.keys().chain(will.keys()).collect();
    for key in keys {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        differences(&before[key], &after[key], &unknown[key], &path, found);
    }
}

fn strings(list: &Value) -> Vec<&str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// Without white space: configuration may be aligned.
fn squeeze(text: &str) -> String {
    text.split_whitespace().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_found_by_what_it_says_and_where_it_points() {
        let log = r#"{"type":"version"}
            {"type":"diagnostic","diagnostic":{"severity":"error","summary":"Bad subnet",
            "detail":"10.1.2.3/16 has host bits set.","snippet":{"code":"  subnet   = \"10.1.2.3/16\""}}}"#;
        let log = log.replace(",\n", ",");
        let said = Diagnostics::from_log(&log);
        said.expect(&["host BITS", "10.1.2.3/16"]).unwrap();
        said.expect_at("subnet = \"10.1.2.3/16\"", &["bad subnet"])
            .unwrap();
        assert!(said.expect(&["port"]).is_err());
        assert!(said.expect_at("name =", &["bad subnet"]).is_err());
    }
}
