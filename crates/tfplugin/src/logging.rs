//! Logs in the form that Terraform takes up: one JSON object a line on standard error (hclog). Terraform
//! shows them under `TF_LOG`; here nothing is written below the level it asks for.

use std::fmt::Write as _;
use std::io::Write as _;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

/// Sends this process's events to Terraform.
pub(crate) fn start() {
    let Some(level) = level(|name| std::env::var(name).ok()) else {
        return;
    };
    let subscriber = tracing_subscriber::registry().with(Hclog { level });
    // A second call, as in tests, keeps the first.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// The level that `TF_LOG_PROVIDER`, else `TF_LOG`, asks for.
fn level(env: impl Fn(&str) -> Option<String>) -> Option<Level> {
    let asked = env("TF_LOG_PROVIDER").or_else(|| env("TF_LOG"))?;
    match asked.to_ascii_uppercase().as_str() {
        "TRACE" | "JSON" => Some(Level::TRACE),
        "DEBUG" => Some(Level::DEBUG),
        "INFO" => Some(Level::INFO),
        "WARN" => Some(Level::WARN),
        "ERROR" => Some(Level::ERROR),
        _ => None,
    }
}

struct Hclog {
    level: Level,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Hclog {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let meta = event.metadata();
        // Libraries underneath speak only where they are in trouble.
        let own = meta.target().starts_with("atlas")
            || meta.target().starts_with("tfplugin")
            || meta.target().starts_with("terraform_provider");
        if *meta.level() > self.level || (!own && *meta.level() > Level::WARN) {
            return;
        }
        let mut line = serde_json::Map::new();
        let mut fields = Fields {
            message: String::new(),
            rest: &mut line,
        };
        event.record(&mut fields);
        let message = fields.message;
        line.insert(
            "@level".into(),
            meta.level().to_string().to_lowercase().into(),
        );
        line.insert("@message".into(), message.into());
        line.insert(
            "@module".into(),
            format!("provider.{}", meta.target().replace("::", ".")).into(),
        );
        let time = humantime::format_rfc3339_micros(std::time::SystemTime::now());
        line.insert("@timestamp".into(), time.to_string().into());
        // Nobody is left to tell where standard error is gone.
        let _ = writeln!(std::io::stderr(), "{}", serde_json::Value::Object(line));
    }
}

struct Fields<'a> {
    message: String,
    rest: &'a mut serde_json::Map<String, serde_json::Value>,
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            self.rest
                .insert(field.name().to_owned(), format!("{value:?}").into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_providers_own_variable_wins() {
        let env = |name: &str| match name {
            "TF_LOG" => Some("trace".to_owned()),
            "TF_LOG_PROVIDER" => Some("warn".to_owned()),
            _ => None,
        };
        assert_eq!(level(env), Some(Level::WARN));
        assert_eq!(level(|_| None), None);
    }
}
