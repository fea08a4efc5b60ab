//! Flags as the vendor's command line takes them: `--name=value`, `--name value`, `-n value`.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::CliError;
use crate::surface::{FLAGS, Flag};

/// The flags and arguments of one command.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    values: BTreeMap<&'static str, Vec<String>>,
    /// What is no flag.
    pub(crate) arguments: Vec<String>,
}

impl Flags {
    /// Reads what follows a command; a flag that it does not have is refused.
    pub(crate) fn parse(command: &str, words: &[String]) -> Result<Self, CliError> {
        let mut flags = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                flags.arguments.extend(words.by_ref().cloned());
            } else if let Some(long) = word.strip_prefix("--") {
                let (name, value) = match long.split_once('=') {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None => (long, None),
                };
                let known = find(command, |flag| flag.name == name)
                    .ok_or_else(|| CliError::flag(format!("unknown flag: --{name}")))?;
                flags.take(known, value, &mut words, &format!("--{name}"))?;
            } else if word.len() > 1 && word.starts_with('-') {
                let mut letters = word.chars().skip(1);
                let letter = letters.next().unwrap_or('-');
                let rest: String = letters.collect();
                let known = find(command, |flag| flag.short == Some(letter)).ok_or_else(|| {
                    CliError::flag(format!("unknown shorthand flag: '{letter}' in {word}"))
                })?;
                let rest = rest.strip_prefix('=').unwrap_or(&rest);
                let value = (!rest.is_empty()).then(|| rest.to_owned());
                flags.take(known, value, &mut words, &format!("-{letter}"))?;
            } else {
                flags.arguments.push(word.clone());
            }
        }
        Ok(flags)
    }

    fn take<'a>(
        &mut self,
        flag: &'static Flag,
        value: Option<String>,
        words: &mut impl Iterator<Item = &'a String>,
        written: &str,
    ) -> Result<(), CliError> {
        let value = match (value, flag.value) {
            (Some(value), true) => value,
            (None, true) => words
                .next()
                .cloned()
                .ok_or_else(|| CliError::flag(format!("flag needs an argument: {written}")))?,
            (None, false) => "true".to_owned(),
            (Some(value), false) => {
                let truth = matches!(value.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True");
                let falsehood = matches!(
                    value.as_str(),
                    "0" | "f" | "F" | "false" | "FALSE" | "False"
                );
                if !truth && !falsehood {
                    return Err(CliError::flag(format!(
                        "invalid argument {value:?} for \"{written}\" flag: expected true or false"
                    )));
                }
                truth.to_string()
            }
        };
        self.values.entry(flag.name).or_default().push(value);
        Ok(())
    }

    /// The last value of a flag.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.last().map(String::as_str)
    }

    /// Every value of a flag.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        self.values.get(name).cloned().unwrap_or_default()
    }

    /// Whether a flag without value is set.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// A duration as Go writes it.
    pub(crate) fn duration(&self, name: &str) -> Result<Option<Duration>, CliError> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        match go_duration(text) {
            Some(duration) => Ok(Some(duration)),
            None => Err(CliError::flag(format!(
                "invalid argument {text:?} for \"--{name}\" flag: time: invalid duration {text:?}"
            ))),
        }
    }
}

fn find(command: &str, wanted: impl Fn(&Flag) -> bool) -> Option<&'static Flag> {
    FLAGS
        .iter()
        .find(|flag| flag.commands.contains(&command) && wanted(flag))
}

/// A duration such as `1m30s`, `500ms` or `0`.
pub(crate) fn go_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest.get(..end)?.parse().ok()?;
        rest = rest.get(end..)?;
        let end = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        total += number
            * match rest.get(..end)? {
                "ns" => 1e-9,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = rest.get(end..)?;
    }
    (!text.is_empty()).then(|| Duration::from_secs_f64(total))
}

/// A size such as `256MiB`, `1GB`, `.25`, `25%` or plain bytes; a share is of nothing known here.
pub(crate) fn is_size(text: &str) -> bool {
    let number_end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(number_end);
    number.parse::<f64>().is_ok()
        && matches!(
            unit.to_ascii_lowercase().as_str(),
            "" | "%"
                | "b"
                | "k"
                | "kb"
                | "kib"
                | "m"
                | "mb"
                | "mib"
                | "g"
                | "gb"
                | "gib"
                | "t"
                | "tb"
                | "tib"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn values_follow_an_equals_sign_or_a_space() {
        let flags =
            Flags::parse("start", &words("--join=a,b --join c --insecure -s path=x")).unwrap();
        assert_eq!(flags.all("join"), ["a,b", "c"]);
        assert_eq!(flags.get("store"), Some("path=x"));
        assert!(flags.is("insecure"));
    }

    #[test]
    fn unknown_flags_are_refused_with_the_exit_code_for_flags() {
        let error = Flags::parse("init", &words("--locality=x")).unwrap_err();
        assert_eq!(
            (error.message.as_str(), error.exit),
            ("unknown flag: --locality", 4)
        );
    }

    #[test]
    fn durations_are_those_of_go() {
        assert_eq!(go_duration("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(go_duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(go_duration("5"), None);
    }
}
