//! Where a node is: ordered tiers, as `--locality` gives them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Ordered tiers of key and value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Locality(pub(crate) Vec<(String, String)>);

impl Locality {
    /// Reads `region=us-east,zone=a`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut tiers: Vec<(String, String)> = Vec::new();
        if text.is_empty() {
            return Err("can't have empty locality".to_owned());
        }
        for tier in text.split(',') {
            let parts: Vec<&str> = tier.split('=').collect();
            let [key, value] = parts.as_slice() else {
                return Err(format!(
                    "tier must be in the form \"key=value\" not {tier:?}"
                ));
            };
            if key.is_empty() || value.is_empty() {
                return Err(format!(
                    "tier must be in the form \"key=value\" not {tier:?}"
                ));
            }
            if tiers.iter().any(|(known, _)| known == key) {
                return Err(format!("duplicate tier {key:?} in locality {text:?}"));
            }
            tiers.push(((*key).to_owned(), (*value).to_owned()));
        }
        Ok(Self(tiers))
    }

    /// The value of a tier.
    pub(crate) fn tier(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == key)
            .map(|(_, value)| value.as_str())
    }

    /// The region.
    pub(crate) fn region(&self) -> Option<&str> {
        self.tier("region")
    }

    /// How much two places differ: 0 when alike, 1 when nothing is shared.
    pub(crate) fn diversity(&self, other: &Self) -> f64 {
        let length = self.0.len().max(other.0.len());
        let shared = self
            .0
            .iter()
            .zip(&other.0)
            .take_while(|(a, b)| a == b)
            .count();
        #[expect(clippy::cast_precision_loss, reason = "a handful of tiers")]
        if length == 0 {
            0.0
        } else {
            (length - shared) as f64 / length as f64
        }
    }
}

impl fmt::Display for Locality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tiers: Vec<String> = self.0.iter().map(|(k, v)| format!("{k}={v}")).collect();
        f.write_str(&tiers.join(","))
    }
}
