//! Validated arguments, and readers that collect what is wrong with them.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use argspec::Failure;
use atlas_engine::{Error, FieldPath, Problem, cidr, local_path, size};
use ipnet::Ipv4Net;
use serde_json::{Map, Value};

use crate::call::failure;

/// Arguments by name; null and absent both read as not given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(pub(crate) Map<String, Value>);

impl Params {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// A text that validation has made sure of.
    pub(crate) fn required(&self, name: &str) -> String {
        self.text(name).unwrap_or_default().to_owned()
    }

    /// Yes or no.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.get(name)?.as_bool()
    }

    /// A number that need not be whole.
    pub(crate) fn fraction(&self, name: &str) -> Option<f64> {
        self.get(name)?.as_f64()
    }

    /// A list of texts.
    pub(crate) fn texts(&self, name: &str) -> Option<Vec<String>> {
        let items = self.get(name)?.as_array()?;
        Some(
            items
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        )
    }

    /// A mapping of texts.
    pub(crate) fn text_map(
        &self,
        name: &str,
    ) -> Option<std::collections::BTreeMap<String, String>> {
        let entries = self.get(name)?.as_object()?;
        let entries = entries
            .iter()
            .map(|(key, value)| (key.clone(), argspec::python::str(value)));
        Some(entries.collect())
    }

    /// What an option contains.
    pub(crate) fn inner(&self, name: &str) -> Option<Self> {
        self.get(name)?.as_object().cloned().map(Self)
    }

    /// What each element of an option contains.
    pub(crate) fn items(&self, name: &str) -> Option<Vec<Self>> {
        let items = self.get(name)?.as_array()?;
        Some(
            items
                .iter()
                .filter_map(|item| item.as_object().cloned().map(Self))
                .collect(),
        )
    }
}

/// Reads arguments and collects what is wrong with them.
#[derive(Default)]
pub(crate) struct Reader {
    problems: Vec<Problem>,
}

impl Reader {
    /// All problems as one failure.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(failure(&Error::Invalid(self.problems)))
        }
    }

    /// Adds a refusal.
    pub(crate) fn refuse(&mut self, path: &FieldPath, message: impl Into<String>, remedy: &str) {
        self.problems
            .push(Problem::new(path.clone(), message, remedy));
    }

    /// A whole number that fits.
    pub(crate) fn number<T: TryFrom<i64>>(
        &mut self,
        params: &Params,
        path: &FieldPath,
        name: &str,
        remedy: &str,
    ) -> Option<T> {
        let number = params.get(name)?;
        let parsed = number.as_i64().and_then(|number| T::try_from(number).ok());
        if parsed.is_none() {
            self.refuse(
                &path.clone().name(name),
                format!("{} is out of range.", argspec::python::str(number)),
                remedy,
            );
        }
        parsed
    }

    /// A list of ports.
    pub(crate) fn ports(&mut self, params: &Params, name: &str) -> Option<Vec<u16>> {
        let items = params.get(name)?.as_array()?;
        let read = |(index, item): (usize, &Value)| {
            let port = item.as_u64().and_then(|port| u16::try_from(port).ok());
            if port.is_none() {
                self.refuse(
                    &FieldPath::of(name).index(index),
                    format!("{item} is out of range."),
                    "Use ports from 1 to 65535.",
                );
            }
            port
        };
        Some(items.iter().enumerate().filter_map(read).collect())
    }

    /// A list of IPv4 addresses.
    pub(crate) fn addresses(&mut self, params: &Params, name: &str) -> Option<Vec<Ipv4Addr>> {
        let items = params.texts(name)?;
        let read = |(index, item): (usize, String)| {
            let address = item.parse().ok();
            if address.is_none() {
                self.refuse(
                    &FieldPath::of(name).index(index),
                    format!("{item:?} is not a valid IPv4 address."),
                    "Use an address of the network.",
                );
            }
            address
        };
        Some(items.into_iter().enumerate().filter_map(read).collect())
    }

    /// Processors, as Docker counts them.
    pub(crate) fn processors(&mut self, params: &Params, name: &str) -> Option<i64> {
        let parsed = size::processors(params.fraction(name)?, &FieldPath::of(name));
        self.keep(parsed)
    }

    /// A network.
    pub(crate) fn network(&mut self, params: &Params, name: &str) -> Option<Ipv4Net> {
        let parsed = cidr::parse(params.text(name)?, &FieldPath::of(name));
        self.keep(parsed)
    }

    /// An address.
    pub(crate) fn address(
        &mut self,
        params: &Params,
        path: &FieldPath,
        name: &str,
    ) -> Option<IpAddr> {
        let text = params.text(name)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.refuse(
                &path.clone().name(name),
                format!("{text:?} is not a valid IP address."),
                "Use an address such as 127.0.0.1.",
            );
        }
        parsed
    }

    /// A path on this machine.
    pub(crate) fn local_path(&mut self, params: &Params, name: &str) -> Option<PathBuf> {
        let parsed = local_path::expand(params.text(name)?, &FieldPath::of(name));
        self.keep(parsed)
    }

    /// A size in bytes.
    pub(crate) fn size(&mut self, params: &Params, name: &str) -> Option<i64> {
        let parsed = size::parse(params.text(name)?, &FieldPath::of(name));
        self.keep(parsed)
    }

    fn keep<T>(&mut self, parsed: Result<T, Problem>) -> Option<T> {
        parsed.map_err(|problem| self.problems.push(problem)).ok()
    }
}
