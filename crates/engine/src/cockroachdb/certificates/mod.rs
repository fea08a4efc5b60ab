//! Certificates in the vendor's layout: a folder on this machine holds the authority and root's client certificate, and
//! each node's container its own.
//!
//! Keys are files of mode 0600, written by rename. The authority's key never leaves its folder.

mod authority;
mod folder;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DistinguishedName, DnType};
use x509_parser::prelude::{FromDer as _, GeneralName, ParsedExtension, X509Certificate};

pub use authority::Authority;
pub use folder::{Folder, Task};
pub(super) use folder::{alone, remove};

use crate::error::{Error, Result};

/// A day.
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Days that an authority is valid, ten years.
const AUTHORITY_DAYS: u32 = 3660;
/// Days that root's client certificate is valid.
const CLIENT_DAYS: u32 = 365;
/// Days before its end from which on an authority that lives long enough is renewed, or warned of: certificates that it
/// signs are valid for as long.
const AUTHORITY_ENDS: u32 = 365;
/// Clocks differ.
const SLACK: Duration = Duration::from_secs(60 * 60);

/// A certificate with its key, PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// Its key, PKCS #8. A secret.
    pub key: String,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pair(..)")
    }
}

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Who it is for.
    pub common_name: String,
    /// Host names and addresses that it is good for.
    pub names: BTreeSet<String>,
    /// From when it is valid.
    pub not_before: SystemTime,
    /// Until when it is valid.
    pub not_after: SystemTime,
    /// What tells it from others of its authority, hexadecimal.
    serial: String,
    /// Identifies the key that it belongs to.
    subject_key: Vec<u8>,
    /// Identifies the key that signed it.
    authority_key: Vec<u8>,
}

impl Certificate {
    /// Reads the first certificate of a PEM text.
    pub fn parse(pem: &[u8]) -> Option<Self> {
        let (_, block) = x509_parser::pem::parse_x509_pem(pem).ok()?;
        let (_, parsed) = X509Certificate::from_der(&block.contents).ok()?;
        let time = |seconds: i64| {
            let seconds = u64::try_from(seconds).unwrap_or_default();
            SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
        };
        let mut found = Self {
            common_name: parsed
                .subject()
                .iter_common_name()
                .next()
                .and_then(|name| name.as_str().ok())
                .unwrap_or_default()
                .to_owned(),
            names: BTreeSet::new(),
            not_before: time(parsed.validity().not_before.timestamp()),
            not_after: time(parsed.validity().not_after.timestamp()),
            serial: parsed.raw_serial_as_string(),
            subject_key: Vec::new(),
            authority_key: Vec::new(),
        };
        for extension in parsed.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(names) => {
                    found.names = names.general_names.iter().filter_map(name).collect();
                }
                ParsedExtension::SubjectKeyIdentifier(key) => found.subject_key = key.0.to_vec(),
                ParsedExtension::AuthorityKeyIdentifier(key) => {
                    let key = key.key_identifier.as_ref();
                    found.authority_key = key.map(|key| key.0.to_vec()).unwrap_or_default();
                }
                _ => {}
            }
        }
        Some(found)
    }

    /// Whether less than a third of its life is left, the time to renew it.
    pub fn is_due(&self, now: SystemTime) -> bool {
        self.left(now) < self.life() / 3
    }

    /// The same of an authority: a year ahead, however long it lives.
    pub fn ends_soon(&self, now: SystemTime) -> bool {
        self.left(now) <= (self.life() / 3).min(DAY * AUTHORITY_ENDS)
    }

    /// Whole days that are left.
    fn days_left(&self, now: SystemTime) -> u64 {
        self.left(now).as_secs() / DAY.as_secs()
    }

    fn left(&self, now: SystemTime) -> Duration {
        self.not_after.duration_since(now).unwrap_or_default()
    }

    /// Whole days that it is valid in all.
    pub fn days(&self) -> u64 {
        self.life().as_secs() / DAY.as_secs()
    }

    fn life(&self) -> Duration {
        let life = self.not_after.duration_since(self.not_before);
        life.unwrap_or_default().saturating_sub(SLACK)
    }

    /// Whether `authority` signed it, as far as identifiers of keys tell.
    pub fn is_signed_by(&self, authority: &Self) -> bool {
        !self.authority_key.is_empty() && self.authority_key == authority.subject_key
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress([a, b, c, d]) => Some(IpAddr::from([*a, *b, *c, *d]).to_string()),
        GeneralName::IPAddress(bytes) => {
            let bytes: [u8; 16] = (*bytes).try_into().ok()?;
            Some(IpAddr::from(bytes).to_string())
        }
        _ => None,
    }
}

fn params(common_name: &str, life: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let name = &mut params.distinguished_name;
    name.push(DnType::OrganizationName, "Cockroach");
    name.push(DnType::CommonName, common_name);
    let now = SystemTime::now();
    params.not_before = (now - SLACK).into();
    params.not_after = (now + life).into();
    params
}

fn unreadable(path: &Path, reason: &str) -> Error {
    Error::Certificate {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

fn read(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, &format!("cannot read it: {error}"))),
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let work = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.as_file()
            .set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    work().map_err(|error| unreadable(path, &format!("cannot write it: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_due_when_a_third_of_its_life_is_left_and_an_authority_a_year_ahead() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::ensure(folder.path(), "ledger").unwrap();
        let names = ["node-1".to_owned()].into();
        let pair = authority.node(&names, 30).unwrap();
        let read = Certificate::parse(pair.certificate.as_bytes()).unwrap();
        let now = SystemTime::now();
        assert!(!read.is_due(now + DAY * 19));
        assert!(read.is_due(now + DAY * 21));
        assert!(
            !authority
                .about
                .ends_soon(now + DAY * (AUTHORITY_DAYS - 366))
        );
        assert!(
            authority
                .about
                .ends_soon(now + DAY * (AUTHORITY_DAYS - 364))
        );
        assert!(read.ends_soon(now + DAY * 21), "one that lives shorter");
    }
}
