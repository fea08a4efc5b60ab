//! Certificates in the vendor's layout: a folder on this machine holds the authority and root's client certificate, and
//! each node's container its own.
//!
//! Keys are files of mode 0600, written by rename. The authority's key never leaves its folder.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use x509_parser::prelude::{FromDer as _, GeneralName, ParsedExtension, X509Certificate};

use crate::error::{Error, Result};

/// A day.
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Days that an authority is valid, ten years.
const AUTHORITY_DAYS: u32 = 3660;
/// Days that root's client certificate is valid.
const CLIENT_DAYS: u32 = 365;
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
        let left = self.not_after.duration_since(now).unwrap_or_default();
        left < self.life() / 3
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

/// The authority of one cluster.
pub struct Authority {
    folder: PathBuf,
    /// Its certificate, PEM.
    pub certificate: String,
    /// What that says.
    pub about: Certificate,
    key: KeyPair,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// The authority in this folder; `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Certificate`] where its key is missing, or it cannot be read.
    pub fn open(folder: &Path) -> Result<Option<Self>> {
        let (certificate_file, key_file) = (folder.join("ca.crt"), folder.join("ca.key"));
        let (certificate, key) = (read(&certificate_file)?, read(&key_file)?);
        let (certificate, key) = match (certificate, key) {
            // The certificate can be made of the key, in whatever moment the making was interrupted.
            (None, _) => return Ok(None),
            (Some(_), None) => {
                return Err(unreadable(
                    &key_file,
                    "it is missing, and ca.crt is there. Restore it from where you keep it; without it no node can get a \
                     certificate that the others accept",
                ));
            }
            (Some(certificate), Some(key)) => (certificate, key),
        };
        let about = Certificate::parse(certificate.as_bytes());
        let about = about.ok_or_else(|| unreadable(&certificate_file, "it is no certificate"))?;
        // Never the library's words: they could show what was in the file.
        let key = KeyPair::from_pem(&key)
            .map_err(|_| unreadable(&key_file, "it is no key in PKCS #8"))?;
        Issuer::from_ca_cert_pem(&certificate, &key)
            .map_err(|error| unreadable(&certificate_file, &error.to_string()))?;
        Ok(Some(Self {
            folder: folder.to_owned(),
            certificate,
            about,
            key,
        }))
    }

    /// The authority in this folder, made if there is none, and root's client certificate beside it, renewed if it is
    /// due.
    ///
    /// # Errors
    /// As [`Authority::open`]; [`Error::Certificate`] where a file cannot be written.
    pub fn ensure(folder: &Path) -> Result<Self> {
        let authority = match Self::open(folder)? {
            Some(authority) => authority,
            None => Self::create(folder)?,
        };
        let path = folder.join("client.root.crt");
        let client = read(&path)?.and_then(|pem| Certificate::parse(pem.as_bytes()));
        let good = client.is_some_and(|client| {
            !client.is_due(SystemTime::now()) && client.is_signed_by(&authority.about)
        });
        if !good || !folder.join("client.root.key").exists() {
            let pair = authority.client("root", DAY * CLIENT_DAYS)?;
            write(&folder.join("client.root.key"), &pair.key)?;
            write(&path, &pair.certificate)?;
        }
        Ok(authority)
    }

    fn create(folder: &Path) -> Result<Self> {
        let failed = |error: std::io::Error| Error::Certificate {
            path: folder.to_owned(),
            reason: format!("the folder cannot be made: {error}"),
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed)?;
        let made = |error: rcgen::Error| unreadable(&folder.join("ca.crt"), &error.to_string());
        let key_file = folder.join("ca.key");
        let key = match read(&key_file)? {
            Some(key) => parse_key(&key_file, &key)?,
            None => KeyPair::generate().map_err(made)?,
        };
        let mut params = params("Cockroach CA", DAY * AUTHORITY_DAYS);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(made)?.pem();
        // The key first: what is signed by it stays good, whichever certificate is made of it.
        write(&key_file, &key.serialize_pem())?;
        write(&folder.join("ca.crt"), &certificate)?;
        Self::open(folder)?.ok_or_else(|| unreadable(&folder.join("ca.crt"), "it vanished"))
    }

    /// A node's certificate, good for these host names and addresses.
    ///
    /// # Errors
    /// [`Error::Certificate`] for a name that no certificate can hold.
    pub fn node(&self, names: &BTreeSet<String>, days: u32) -> Result<Pair> {
        let mut params = params("node", DAY * days);
        for name in names {
            params.subject_alt_names.push(match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => {
                    SanType::DnsName(name.clone().try_into().map_err(|_| {
                        unreadable(&self.folder, &format!("{name:?} is no host name"))
                    })?)
                }
            });
        }
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        self.sign(params)
    }

    /// A client's certificate: whoever holds it is this SQL user.
    ///
    /// # Errors
    /// [`Error::Certificate`] where it cannot be signed.
    pub fn client(&self, user: &str, life: Duration) -> Result<Pair> {
        let mut params = params(user, life);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> Result<Pair> {
        let failed = |error: rcgen::Error| unreadable(&self.folder, &error.to_string());
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        let issuer = Issuer::from_ca_cert_pem(&self.certificate, &self.key).map_err(failed)?;
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &issuer).map_err(failed)?;
        Ok(Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

/// Removes what [`Authority::ensure`] made, and the folder where nothing else is in it.
pub(super) fn remove(folder: &Path) -> Result<()> {
    // Without its certificate a key is not taken for an authority that lost its own.
    for name in ["client.root.key", "client.root.crt", "ca.crt", "ca.key"] {
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(unreadable(&path, &format!("it cannot be removed: {error}")));
            }
            _ => {}
        }
    }
    // Other files keep it.
    let _ = fs::remove_dir(folder);
    Ok(())
}

/// Never with the library's words: they could show what was in the file.
fn parse_key(path: &Path, pem: &str) -> Result<KeyPair> {
    KeyPair::from_pem(pem).map_err(|_| unreadable(path, "it is no key in PKCS #8"))
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
        Err(error) => Err(unreadable(path, &format!("it cannot be read: {error}"))),
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
    work().map_err(|error| unreadable(path, &format!("it cannot be written: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> BTreeSet<String> {
        ["node-1", "127.0.0.1"].map(str::to_owned).into()
    }

    #[test]
    fn a_nodes_certificate_names_its_hosts_and_its_authority() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::ensure(&folder.path().join("certs")).unwrap();
        let pair = authority.node(&names(), 30).unwrap();
        let read = Certificate::parse(pair.certificate.as_bytes()).unwrap();
        assert_eq!(read.common_name, "node");
        assert_eq!(read.names, names());
        assert_eq!(read.days(), 30);
        assert!(read.is_signed_by(&authority.about));
        let other = Authority::ensure(&folder.path().join("other")).unwrap();
        assert!(!read.is_signed_by(&other.about));
    }

    #[test]
    fn the_authority_stays_and_keys_are_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let first = Authority::ensure(folder.path()).unwrap();
        let again = Authority::ensure(folder.path()).unwrap();
        assert_eq!(first.certificate, again.certificate);
        for name in ["ca.key", "client.root.key"] {
            let file = fs::metadata(folder.path().join(name)).unwrap();
            assert_eq!(file.permissions().mode() & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn an_interrupted_authority_is_finished_with_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let first = Authority::ensure(folder.path()).unwrap();
        fs::remove_file(folder.path().join("ca.crt")).unwrap();
        let again = Authority::ensure(folder.path()).unwrap();
        let pair = first.node(&names(), 30).unwrap();
        let read = Certificate::parse(pair.certificate.as_bytes()).unwrap();
        assert!(read.is_signed_by(&again.about));
    }

    #[test]
    fn an_authority_without_its_key_is_told_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        Authority::ensure(folder.path()).unwrap();
        fs::remove_file(folder.path().join("ca.key")).unwrap();
        let told = Authority::ensure(folder.path()).unwrap_err().to_string();
        assert!(
            told.contains("ca.key") && told.contains("Restore"),
            "{told}"
        );
    }

    #[test]
    fn a_certificate_is_due_when_a_third_of_its_life_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::ensure(folder.path()).unwrap();
        let pair = authority.node(&names(), 30).unwrap();
        let read = Certificate::parse(pair.certificate.as_bytes()).unwrap();
        let now = SystemTime::now();
        assert!(!read.is_due(now + DAY * 19));
        assert!(read.is_due(now + DAY * 21));
    }

    #[test]
    fn keys_are_not_printed() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::ensure(folder.path()).unwrap();
        let pair = authority.node(&names(), 30).unwrap();
        let printed = format!("{authority:?} {pair:?}");
        assert!(!printed.contains("PRIVATE"), "{printed}");
    }
}
