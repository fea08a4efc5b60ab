//! What a server says of itself. It is asked from inside its container, so that this works wherever the Docker
//! daemon is.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::error::{Error, Result};

/// Both the published image and its twin have Python.
const ASK: &str = "import urllib.request as http; \
                   print(http.urlopen('http://127.0.0.1:4566/_localstack/health', timeout=10).read().decode())";

/// The health endpoint's answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
pub struct Health {
    /// LocalStack's version, for instance `4.9.2`.
    #[serde(default)]
    pub version: String,
    /// Which of LocalStack's images it is, for instance `community` or `pro`; `unknown` where it was installed otherwise.
    #[serde(default)]
    pub edition: String,
    /// State by service: `running`, `available` (starts at its first request), `disabled`, `error`.
    #[serde(default)]
    pub services: BTreeMap<String, String>,
}

impl Health {
    /// Whether `PERSISTENCE=1` has a meaning; `None` where that cannot be told. LocalStack's own images but the one that
    /// needs an account pass over it.
    pub(super) fn keeps(&self) -> Option<bool> {
        match self.edition.as_str() {
            "" | "unknown" => None,
            edition => Some(edition == "pro"),
        }
    }

    /// Services that answer requests.
    pub fn running(&self) -> Vec<String> {
        self.services
            .iter()
            .filter(|(_, state)| matches!(state.as_str(), "running" | "available"))
            .map(|(name, _)| name.clone())
            .collect()
    }
}

/// Asks; `None` where it gives no answer.
pub(super) async fn ask(cx: &Context, container: &str) -> Result<Option<Health>> {
    let command = ["python3", "-c", ASK];
    let output = match cx.docker.exec_output(container, &command).await {
        Ok(output) if output.code == 0 => output,
        Err(error) if !error.is_of_ended_container() => return Err(error),
        _ => return Ok(None),
    };
    serde_json::from_str(&output.stdout)
        .map(Some)
        .map_err(|error| Error::Unexpected {
            what: format!("the health of {container}"),
            reason: error.to_string(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edition_tells_whether_state_is_kept() {
        let table = [
            (r#"{"edition": "community"}"#, Some(false)),
            (r#"{"edition": "s3"}"#, Some(false)),
            (r#"{"edition": "pro"}"#, Some(true)),
            (r#"{"edition": "unknown"}"#, None),
            ("{}", None),
        ];
        for (told, keeps) in table {
            let health: Health = serde_json::from_str(told).unwrap();
            assert_eq!(health.keeps(), keeps, "{told}");
        }
    }
}
