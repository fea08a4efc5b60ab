//! The authority of a cluster: made once, renewed with the same key.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};

use super::folder::Notes;
use super::{AUTHORITY_DAYS, CLIENT_DAYS, Certificate, DAY, Pair, params, read, unreadable, write};
use crate::error::{Error, Result};

/// The authority's certificate; names of files are the vendor's.
pub(super) const AUTHORITY: &str = "ca.crt";
/// Its key.
pub(super) const AUTHORITY_KEY: &str = "ca.key";
/// Root's client certificate.
pub(super) const ROOT: &str = "client.root.crt";
/// Its key.
pub(super) const ROOT_KEY: &str = "client.root.key";

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
        let (certificate_file, key_file) = (folder.join(AUTHORITY), folder.join(AUTHORITY_KEY));
        let (certificate, key) = (read(&certificate_file)?, read(&key_file)?);
        let (certificate, key) = match (certificate, key) {
            // The certificate can be made of the key, in whatever moment the making was interrupted.
            (None, _) => return Ok(None),
            (Some(_), None) => {
                return Err(unreadable(
                    &key_file,
                    "it is missing, but ca.crt exists. Restore it from your backup: without it no node can get a \
                     certificate that the others accept",
                ));
            }
            (Some(certificate), Some(key)) => (certificate, key),
        };
        let about = Certificate::parse(certificate.as_bytes());
        let about =
            about.ok_or_else(|| unreadable(&certificate_file, "it is not a certificate"))?;
        // Never the library's words: they could show what was in the file.
        let key = KeyPair::from_pem(&key)
            .map_err(|_| unreadable(&key_file, "it is not a PKCS #8 key"))?;
        Issuer::from_ca_cert_pem(&certificate, &key)
            .map_err(|error| unreadable(&certificate_file, &error.to_string()))?;
        Ok(Some(Self {
            folder: folder.to_owned(),
            certificate,
            about,
            key,
        }))
    }

    /// The authority in this folder, noted as used by `user`, a cluster: made if there is none, and its certificate made
    /// anew with the same key where Atlas made it and it ends soon. Root's client certificate is beside it, renewed if it
    /// is due.
    ///
    /// # Errors
    /// As [`Authority::open`]; [`Error::Certificate`] where a file cannot be written.
    pub fn ensure(folder: &Path, user: &str) -> Result<Self> {
        let now = SystemTime::now();
        let mut notes = Notes::read(folder)?;
        let authority = match Self::open(folder)? {
            None => Self::create(folder, &mut notes)?,
            Some(found)
                if notes.has_made(AUTHORITY, &found.about) && found.about.ends_soon(now) =>
            {
                let certificate = self_signed(folder, &found.key, AUTHORITY_DAYS)?;
                found.replace(certificate, &mut notes)?
            }
            Some(found) => found,
        };
        let path = folder.join(ROOT);
        let client = read(&path)?.and_then(|pem| Certificate::parse(pem.as_bytes()));
        let good = client
            .is_some_and(|client| !client.is_due(now) && client.is_signed_by(&authority.about));
        if !good || !folder.join(ROOT_KEY).exists() {
            let pair = authority.client("root", DAY * CLIENT_DAYS)?;
            notes.note(ROOT, &pair.certificate);
            notes.write(folder)?;
            write(&folder.join(ROOT_KEY), &pair.key)?;
            write(&path, &pair.certificate)?;
        }
        if notes.add_user(user) {
            notes.write(folder)?;
        }
        Ok(authority)
    }

    fn create(folder: &Path, notes: &mut Notes) -> Result<Self> {
        make_folder(folder)?;
        let key_file = folder.join(AUTHORITY_KEY);
        let found = read(&key_file)?;
        let key = match &found {
            Some(key) => parse_key(&key_file, key)?,
            None => KeyPair::generate()
                .map_err(|error| unreadable(&folder.join(AUTHORITY), &error.to_string()))?,
        };
        let certificate = self_signed(folder, &key, AUTHORITY_DAYS)?;
        // What is noted comes first: what a killed run left is known for what it is.
        if found.is_none() {
            notes.note(AUTHORITY_KEY, &certificate);
        }
        notes.note(AUTHORITY, &certificate);
        notes.write(folder)?;
        // The key before the certificate: what is signed by it stays good, whichever certificate is made of it.
        write(&key_file, &key.serialize_pem())?;
        write(&folder.join(AUTHORITY), &certificate)?;
        Self::open(folder)?
            .ok_or_else(|| unreadable(&folder.join(AUTHORITY), "it was removed meanwhile"))
    }

    /// The same with another certificate of its key.
    fn replace(self, certificate: String, notes: &mut Notes) -> Result<Self> {
        let path = self.folder.join(AUTHORITY);
        let about = Certificate::parse(certificate.as_bytes());
        let about = about.ok_or_else(|| unreadable(&path, "it is not a certificate"))?;
        notes.note(AUTHORITY, &certificate);
        notes.write(&self.folder)?;
        write(&path, &certificate)?;
        Ok(Self {
            certificate,
            about,
            ..self
        })
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
                Err(_) => SanType::DnsName(name.clone().try_into().map_err(|_| {
                    unreadable(&self.folder, &format!("{name:?} is not a valid host name"))
                })?),
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

/// Never with the library's words: they could show what was in the file.
fn parse_key(path: &Path, pem: &str) -> Result<KeyPair> {
    KeyPair::from_pem(pem).map_err(|_| unreadable(path, "it is not a PKCS #8 key"))
}

/// Makes the folder, for its owner alone.
pub(super) fn make_folder(folder: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| Error::Certificate {
            path: folder.to_owned(),
            reason: format!("cannot create the folder: {error}"),
        })
}

/// An authority's own certificate, PEM. Two of one key differ in their numbers: some programs refuse others.
fn self_signed(folder: &Path, key: &KeyPair, days: u32) -> Result<String> {
    let failed = |reason: String| unreadable(&folder.join(AUTHORITY), &reason);
    let mut params = params("Cockroach CA", DAY * days);
    let mut serial = [0; 16];
    getrandom::fill(&mut serial).map_err(|error| failed(error.to_string()))?;
    // It must be positive, and its first byte is not left out.
    serial[0] = (serial[0] & 0x3f) | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let made = params.self_signed(key);
    made.map(|made| made.pem())
        .map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
pub(in super::super) mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// An authority that somebody brought, valid for so many days from now.
    pub(in super::super::super) fn bring(folder: &Path, days: u32) -> String {
        fs::create_dir_all(folder).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = self_signed(folder, &key, days).unwrap();
        write(&folder.join(AUTHORITY_KEY), &key.serialize_pem()).unwrap();
        write(&folder.join(AUTHORITY), &certificate).unwrap();
        certificate
    }

    fn names() -> BTreeSet<String> {
        ["node-1", "127.0.0.1"].map(str::to_owned).into()
    }

    #[test]
    fn a_nodes_certificate_names_its_hosts_and_its_authority() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::ensure(&folder.path().join("certs"), "ledger").unwrap();
        let pair = authority.node(&names(), 30).unwrap();
        let read = Certificate::parse(pair.certificate.as_bytes()).unwrap();
        assert_eq!(read.common_name, "node");
        assert_eq!(read.names, names());
        assert_eq!(read.days(), 30);
        assert!(read.is_signed_by(&authority.about));
        let other = Authority::ensure(&folder.path().join("other"), "ledger").unwrap();
        assert!(!read.is_signed_by(&other.about));
    }

    #[test]
    fn the_authority_stays_and_keys_are_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let first = Authority::ensure(folder.path(), "ledger").unwrap();
        let again = Authority::ensure(folder.path(), "ledger").unwrap();
        assert_eq!(first.certificate, again.certificate);
        for name in [AUTHORITY_KEY, ROOT_KEY] {
            let file = fs::metadata(folder.path().join(name)).unwrap();
            assert_eq!(file.permissions().mode() & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn an_interrupted_authority_is_finished_with_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let first = Authority::ensure(folder.path(), "ledger").unwrap();
        fs::remove_file(folder.path().join(AUTHORITY)).unwrap();
        let again = Authority::ensure(folder.path(), "ledger").unwrap();
        let pair = first.node(&names(), 30).unwrap();
        let read = Certificate::parse(pair.certificate.as_bytes()).unwrap();
        assert!(read.is_signed_by(&again.about));
    }

    #[test]
    fn an_authority_without_its_key_is_told_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        Authority::ensure(folder.path(), "ledger").unwrap();
        fs::remove_file(folder.path().join(AUTHORITY_KEY)).unwrap();
        let told = Authority::ensure(folder.path(), "ledger");
        let told = told.unwrap_err().to_string();
        assert!(
            told.contains("ca.key") && told.contains("Restore"),
            "{told}"
        );
    }

    #[test]
    fn an_authority_of_ours_that_ends_soon_is_renewed_with_its_key_and_one_that_was_brought_never()
    {
        let folder = tempfile::tempdir().unwrap();
        let first = Authority::ensure(folder.path(), "ledger").unwrap();
        let node = first.node(&names(), 30).unwrap();
        let mut notes = Notes::read(folder.path()).unwrap();
        let ending = self_signed(folder.path(), &first.key, 0).unwrap();
        let ending = first.replace(ending, &mut notes).unwrap();
        let renewed = Authority::ensure(folder.path(), "ledger").unwrap();
        assert_ne!(renewed.about.serial, ending.about.serial);
        assert!(!renewed.about.ends_soon(SystemTime::now()));
        let node = Certificate::parse(node.certificate.as_bytes()).unwrap();
        assert!(node.is_signed_by(&renewed.about));

        let folder = tempfile::tempdir().unwrap();
        let brought = bring(folder.path(), 0);
        let kept = Authority::ensure(folder.path(), "ledger").unwrap();
        assert_eq!(kept.certificate, brought);
    }

    #[test]
    fn keys_are_not_printed() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::ensure(folder.path(), "ledger").unwrap();
        let pair = authority.node(&names(), 30).unwrap();
        let printed = format!("{authority:?} {pair:?}");
        assert!(!printed.contains("PRIVATE"), "{printed}");
    }
}
