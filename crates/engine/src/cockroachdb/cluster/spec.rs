//! What may be asked of a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::cockroachdb::names;
use crate::error::{Problem, Remedy};
use crate::path::FieldPath;

/// The setting that holds the licence.
pub(super) const LICENSE: &str = "enterprise.license";

/// A cluster as a user wants it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Spec {
    /// Its name, as `--cluster-name` takes it.
    pub name: String,
    /// Regions that must be part of it before it counts as made.
    pub regions: BTreeSet<String>,
    /// Cluster settings by name.
    pub settings: BTreeMap<String, String>,
    /// Settings that were asked for before and are no longer: they get their defaults back.
    pub reset: BTreeSet<String>,
    /// The licence, `crl-0-…`. A secret; without one, `CockroachDB` throttles after its grace period.
    pub license: Option<String>,
    /// The folder with the cluster's authority; `None` is a cluster without TLS.
    pub certificates: Option<PathBuf>,
}

impl std::fmt::Debug for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spec")
            .field("name", &self.name)
            .field("regions", &self.regions)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Spec {
    /// Everything that is wrong with it, without asking the world.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(names::problem(&self.name, &FieldPath::of("name")));
        if self.regions.is_empty() {
            problems.push(Problem::new(
                FieldPath::of("regions"),
                "the cluster has no regions.",
                "List the regions whose nodes form the cluster.",
            ));
        }
        for region in &self.regions {
            problems.extend(names::problem(region, &FieldPath::of("regions")));
        }
        for name in self.settings.keys() {
            let path = FieldPath::of("settings").name(name);
            let good = !name.is_empty()
                && name
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '_');
            if !good {
                problems.push(Problem::new(
                    path,
                    format!("{name:?} is not a valid setting name."),
                    "Use a name from SHOW CLUSTER SETTINGS, for instance kv.rangefeed.enabled.",
                ));
            } else if name == LICENSE {
                problems.push(Problem::new(
                    path,
                    "settings are not secret.",
                    Remedy::Use {
                        field: FieldPath::of("license"),
                    },
                ));
            } else if name == "version" {
                problems.push(Problem::new(
                    path,
                    "the version is set by the nodes' image.",
                    "Change the image of the regions.",
                ));
            }
        }
        if self
            .license
            .as_ref()
            .is_some_and(|key| !key.starts_with("crl-0-"))
        {
            problems.push(Problem::new(
                FieldPath::of("license"),
                "it is not a licence key.",
                "A licence key begins with crl-0-.",
            ));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_its_path() {
        type Break = fn(&mut Spec);
        let good = Spec {
            name: "ledger".into(),
            regions: ["us-east".to_owned()].into(),
            ..Spec::default()
        };
        let table: Vec<(&str, Break)> = vec![
            ("name", |spec| spec.name = "Ledger".into()),
            ("regions", |spec| spec.regions.clear()),
            ("settings.a b", |spec| {
                spec.settings.insert("a b".into(), "1".into());
            }),
            ("settings.enterprise.license", |spec| {
                spec.settings.insert(LICENSE.into(), "1".into());
            }),
            ("license", |spec| spec.license = Some("sesame".into())),
        ];
        assert_eq!(good.problems(), []);
        for (path, change) in table {
            let mut bad = good.clone();
            change(&mut bad);
            let problems = bad.problems();
            assert_eq!(problems.len(), 1, "{path}: {problems:?}");
            assert_eq!(problems[0].path.to_string(), path);
            assert!(!format!("{bad:?} {problems:?}").contains("sesame"));
        }
    }
}
