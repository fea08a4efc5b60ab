//! Which calls are meant.

use std::fmt;

/// One call of Docker's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// `GET`, `POST`…
    pub method: String,
    /// The path without the API's version, `/containers/create` for instance.
    pub path: String,
    /// What follows the question mark, or empty.
    pub query: String,
}

impl Call {
    /// From a request line's method and target.
    pub(crate) fn new(method: &str, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            method: method.to_owned(),
            path: without_version(path).to_owned(),
            query: query.to_owned(),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// A set of calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Any,
    Changing,
    Exactly { method: String, path: Vec<String> },
}

impl Pattern {
    /// Every call.
    pub fn any() -> Self {
        Self(Kind::Any)
    }

    /// Every call that may change something: all but GET and HEAD.
    pub fn changing() -> Self {
        Self(Kind::Changing)
    }

    /// Calls with this method and path; a segment `*` stands for any one segment.
    pub fn of(method: &str, path: &str) -> Self {
        let path = path.split('/').map(str::to_owned).collect();
        Self(Kind::Exactly {
            method: method.to_owned(),
            path,
        })
    }

    /// Whether a call is meant.
    pub fn matches(&self, call: &Call) -> bool {
        match &self.0 {
            Kind::Any => true,
            Kind::Changing => !matches!(call.method.as_str(), "GET" | "HEAD"),
            Kind::Exactly { method, path } => {
                let found: Vec<&str> = call.path.split('/').collect();
                *method == call.method
                    && path.len() == found.len()
                    && path
                        .iter()
                        .zip(found)
                        .all(|(want, have)| want == "*" || want == have)
            }
        }
    }
}

/// `/v1.41/info` is `/info`.
fn without_version(path: &str) -> &str {
    let versioned = path
        .strip_prefix("/v")
        .and_then(|rest| rest.split_once('/'));
    match versioned {
        Some((version, rest)) if version.bytes().all(|b| b.is_ascii_digit() || b == b'.') => {
            &path[path.len() - rest.len() - 1..]
        }
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_matched_without_version_and_query() {
        let call = Call::new("POST", "/v1.41/containers/abc/start?t=1");
        assert_eq!(
            (call.path.as_str(), call.query.as_str()),
            ("/containers/abc/start", "t=1")
        );
        assert!(Pattern::of("POST", "/containers/*/start").matches(&call));
        assert!(!Pattern::of("POST", "/containers/*/stop").matches(&call));
        assert!(!Pattern::of("GET", "/containers/*/start").matches(&call));
        assert!(!Pattern::of("POST", "/containers/create").matches(&call));
        assert!(Pattern::changing().matches(&call));
        assert!(!Pattern::changing().matches(&Call::new("GET", "/info")));
        assert_eq!(Call::new("GET", "/volumes/x").path, "/volumes/x");
    }
}
