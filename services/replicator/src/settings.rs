//! What the replicator is told by its environment.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// All of it, checked.
#[derive(Clone)]
pub(crate) struct Settings {
    /// `ATLAS_REPLICATOR_ENDPOINT`: the own server.
    pub endpoint: String,
    /// `ATLAS_REPLICATOR_PEERS`: the other servers.
    pub peers: Vec<String>,
    /// `ATLAS_REPLICATOR_REGIONS`: where queues are looked for.
    pub regions: Vec<String>,
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_key: String,
    /// `ATLAS_REPLICATOR_LISTEN`.
    pub listen: SocketAddr,
    /// `ATLAS_REPLICATOR_SWEEP`: seconds between listings.
    pub sweep: Duration,
    /// `ATLAS_REPLICATOR_OBJECTS`: objects in flight.
    pub objects: usize,
    /// `ATLAS_REPLICATOR_BUFFER`: mebibytes of objects in memory.
    pub buffer: usize,
}

/// Which variable is wrong, and what it should be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{variable} is {given:?}; it must be {wanted}")]
pub(crate) struct BadSetting {
    variable: &'static str,
    given: String,
    wanted: &'static str,
}

impl Settings {
    /// Reads them by a look-up, usually of the environment.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, BadSetting> {
        let text = |name: &'static str, default: &str, wanted: &'static str| {
            let given = variable(name).unwrap_or_else(|| default.to_owned());
            let given = given.trim().to_owned();
            if given.is_empty() {
                return Err(BadSetting {
                    variable: name,
                    given,
                    wanted,
                });
            }
            Ok(given)
        };
        let number =
            |name: &'static str, default: &str, least: u64, most: u64, wanted: &'static str| {
                let given = text(name, default, wanted)?;
                let number = given
                    .parse()
                    .ok()
                    .filter(|number| (least..=most).contains(number));
                number.ok_or(BadSetting {
                    variable: name,
                    given,
                    wanted,
                })
            };
        let regions = text(
            "ATLAS_REPLICATOR_REGIONS",
            "",
            "regions, separated by commas",
        )?;
        let listen = text("ATLAS_REPLICATOR_LISTEN", "0.0.0.0:9565", ADDRESS)?;
        let peers = variable("ATLAS_REPLICATOR_PEERS").unwrap_or_default();
        Ok(Self {
            endpoint: url(
                "ATLAS_REPLICATOR_ENDPOINT",
                &text("ATLAS_REPLICATOR_ENDPOINT", "", URL)?,
            )?,
            peers: list(&peers)
                .iter()
                .map(|peer| url("ATLAS_REPLICATOR_PEERS", peer))
                .collect::<Result<_, _>>()?,
            regions: list(&regions),
            access_key: text("AWS_ACCESS_KEY_ID", "", "an access key's id")?,
            secret_key: text("AWS_SECRET_ACCESS_KEY", "", "an access key's secret")?,
            listen: listen.parse().map_err(|_| BadSetting {
                variable: "ATLAS_REPLICATOR_LISTEN",
                given: listen,
                wanted: ADDRESS,
            })?,
            sweep: Duration::from_secs(number(
                "ATLAS_REPLICATOR_SWEEP",
                "300",
                1,
                86_400,
                "seconds, 1 to 86400",
            )?),
            objects: small(number(
                "ATLAS_REPLICATOR_OBJECTS",
                "16",
                1,
                256,
                "a number from 1 to 256",
            )?),
            buffer: small(number(
                "ATLAS_REPLICATOR_BUFFER",
                "24",
                16,
                1024,
                "mebibytes, 16 to 1024",
            )?),
        })
    }
}

const URL: &str = "a URL, http://localstack:4566 for instance";
const ADDRESS: &str = "an address and a port, 0.0.0.0:9565 for instance";

fn url(variable: &'static str, given: &str) -> Result<String, BadSetting> {
    let rest = given
        .strip_prefix("http://")
        .or_else(|| given.strip_prefix("https://"));
    if rest.is_none_or(|rest| rest.is_empty() || rest.contains(char::is_whitespace)) {
        return Err(BadSetting {
            variable,
            given: given.to_owned(),
            wanted: URL,
        });
    }
    Ok(given.trim_end_matches('/').to_owned())
}

fn list(text: &str) -> Vec<String> {
    text.split(',')
        .map(|word| word.trim().to_owned())
        .filter(|word| !word.is_empty())
        .collect()
}

fn small(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("endpoint", &self.endpoint)
            .field("peers", &self.peers)
            .field("regions", &self.regions)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(more: &[(&str, &str)]) -> Result<Settings, BadSetting> {
        let all = [
            ("ATLAS_REPLICATOR_ENDPOINT", "http://us:4566/"),
            ("ATLAS_REPLICATOR_PEERS", "http://eu:4566, https://ap:4566"),
            ("ATLAS_REPLICATOR_REGIONS", "us-east-1,eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "hush"),
        ];
        Settings::read(|name| {
            let found = more.iter().chain(&all).find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn lists_are_separated_by_commas() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.peers, ["http://eu:4566", "https://ap:4566"]);
        assert_eq!(
            (settings.endpoint.as_str(), settings.regions.len()),
            ("http://us:4566", 2)
        );
    }

    #[test]
    fn a_wrong_variable_is_named() {
        for (variable, given) in [
            ("ATLAS_REPLICATOR_ENDPOINT", "us:4566"),
            ("ATLAS_REPLICATOR_PEERS", "eu"),
            ("ATLAS_REPLICATOR_REGIONS", ""),
            ("ATLAS_REPLICATOR_LISTEN", "9565"),
            ("ATLAS_REPLICATOR_SWEEP", "0"),
            ("ATLAS_REPLICATOR_OBJECTS", "many"),
            ("AWS_SECRET_ACCESS_KEY", ""),
        ] {
            let error = read(&[(variable, given)]).unwrap_err().to_string();
            assert!(error.starts_with(variable), "{error}");
        }
    }

    #[test]
    fn the_secret_is_not_shown() {
        assert!(!format!("{:?}", read(&[]).unwrap()).contains("hush"));
    }
}
