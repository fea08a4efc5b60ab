//! TLS of nodes and clients, from a directory of certificates in the vendor's layout.

mod live;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig,
    SignatureScheme,
};
use tokio_rustls::rustls;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::error::CliError;
pub(crate) use live::Live;

/// The directory of certificates: the flag's, or the vendor's default.
pub(crate) fn certs_dir(flag: Option<&str>) -> PathBuf {
    let from_env = || std::env::var("COCKROACH_CERTS_DIR").ok();
    match flag.map(str::to_owned).or_else(from_env) {
        Some(dir) => dir.strip_prefix("${HOME}").map_or_else(
            || PathBuf::from(&dir),
            |rest| {
                PathBuf::from(format!(
                    "{}{rest}",
                    std::env::var("HOME").unwrap_or_default()
                ))
            },
        ),
        None => Path::new(&std::env::var("HOME").unwrap_or_default()).join(".cockroach-certs"),
    }
}

/// What a certificate says of itself.
#[derive(Debug, Clone)]
pub(crate) struct About {
    /// Its subject's common name.
    pub(crate) common_name: String,
    /// Its subject.
    pub(crate) subject: String,
    /// Who signed it.
    pub(crate) issuer: String,
    /// Until when it is valid.
    pub(crate) expires: String,
    /// The same in seconds since 1970.
    pub(crate) not_after: i64,
}

/// Reads a certificate's own words.
pub(crate) fn about(certificate: &[u8]) -> Option<About> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(About {
        common_name: parsed
            .subject()
            .iter_common_name()
            .next()?
            .as_str()
            .ok()?
            .to_owned(),
        subject: parsed.subject().to_string(),
        issuer: parsed.issuer().to_string(),
        expires: parsed.validity().not_after.to_string(),
        not_after: parsed.validity().not_after.timestamp(),
    })
}

/// Reads the words of the certificate in a file.
pub(crate) fn describe(file: &Path) -> Result<About, CliError> {
    let certificates = load_certificates(file)?;
    certificates
        .first()
        .and_then(|der| about(der))
        .ok_or_else(|| {
            CliError::new(format!(
                "{} holds no certificate that can be read",
                file.display()
            ))
        })
}

/// Certificates and keys of one party.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    roots: Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
    /// What the CA says of itself.
    pub(crate) ca: About,
    /// Where all of it was read from.
    pub(crate) dir: PathBuf,
}

impl Identity {
    /// Reads `ca.crt` and `<name>.crt` with its key.
    pub(crate) fn load(dir: &Path, name: &str) -> Result<Self, CliError> {
        let ca_file = dir.join("ca.crt");
        let mut roots = RootCertStore::empty();
        for certificate in load_certificates(&ca_file)? {
            roots.add(certificate).map_err(|e| {
                CliError::new(format!(
                    "cannot load certificates.\nCheck your certificate settings, set --certs-dir, or use --insecure for insecure clusters.\n\nproblem with CA certificate: {}: {e}",
                    ca_file.display()
                ))
            })?;
        }
        let certificate = dir.join(format!("{name}.crt"));
        let chain = load_certificates(&certificate)?;
        let key_file = dir.join(format!("{name}.key"));
        check_key_mode(&key_file)?;
        let key =
            PrivateKeyDer::from_pem_file(&key_file).map_err(|e| cannot_load(&key_file, &e))?;
        let identity = Self {
            roots: Arc::new(roots),
            chain,
            key: Arc::new(key),
            ca: describe(&ca_file)?,
            dir: dir.to_owned(),
        };
        if name == "node" {
            let named = describe(&certificate)?.common_name;
            if named != "node" {
                return Err(CliError::new(format!(
                    "client/server node certificate has principals [\"{named}\"], expected \"node\": {}",
                    certificate.display()
                )));
            }
        }
        Ok(identity)
    }

    /// The node certificate's end of validity, and the CA's, in seconds since 1970.
    pub(crate) fn expirations(&self) -> (i64, i64) {
        let node = self
            .chain
            .first()
            .and_then(|der| about(der))
            .map_or(0, |a| a.not_after);
        (node, self.ca.not_after)
    }

    /// A server that demands a certificate of its clients, or takes one if there is one.
    pub(crate) fn server(&self, demand: bool) -> Result<ServerConfig, CliError> {
        let builder = WebPkiClientVerifier::builder_with_provider(self.roots.clone(), provider());
        let builder = if demand {
            builder
        } else {
            builder.allow_unauthenticated()
        };
        let verifier = builder.build().map_err(|e| CliError::new(e.to_string()))?;
        ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|e| CliError::new(e.to_string()))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .map_err(|e| {
                CliError::new(format!(
                    "certificate and key in {} do not fit: {e}",
                    self.dir.display()
                ))
            })
    }

    /// A server without a look at clients, as the HTTP listener is.
    pub(crate) fn web_server(&self) -> Result<ServerConfig, CliError> {
        ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|e| CliError::new(e.to_string()))?
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), self.key.clone_key())
            .map_err(|e| CliError::new(e.to_string()))
    }

    /// A client that presents this certificate, and remembers why it refused a server.
    pub(crate) fn client(&self) -> Result<(ClientConfig, Refusal), CliError> {
        let told = |e: &dyn std::fmt::Display| CliError::new(e.to_string());
        let inner = WebPkiServerVerifier::builder_with_provider(self.roots.clone(), provider())
            .build()
            .map_err(|e| told(&e))?;
        let refusal = Refusal::default();
        let verifier = Telling {
            inner,
            refusal: refusal.clone(),
            ca: self.ca.subject.clone(),
            file: self.dir.join("ca.crt"),
        };
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|e| told(&e))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_auth_cert(self.chain.clone(), self.key.clone_key())
            .map_err(|e| told(&e))?;
        Ok((config, refusal))
    }
}

/// The cryptography that everything here uses.
pub(crate) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Why a server's certificate was refused, in words that name both authorities.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refusal(Arc<Mutex<Option<String>>>);

impl Refusal {
    /// The words, once.
    pub(crate) fn take(&self) -> Option<String> {
        self.0.lock().ok()?.take()
    }
}

/// The library's verifier, which also tells why it refused.
#[derive(Debug)]
struct Telling {
    inner: Arc<WebPkiServerVerifier>,
    refusal: Refusal,
    ca: String,
    file: PathBuf,
}

impl ServerCertVerifier for Telling {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        if let Err(error) = &verdict {
            let issuer = about(end_entity).map_or_else(|| "unknown".to_owned(), |a| a.issuer);
            let words = match error {
                rustls::Error::InvalidCertificate(
                    CertificateError::UnknownIssuer | CertificateError::BadSignature,
                ) => format!(
                    "x509: certificate signed by unknown authority: the server's certificate is signed by {issuer:?}, and not by {:?} of {}",
                    self.ca,
                    self.file.display()
                ),
                other => format!("x509: {other}"),
            };
            if let Ok(mut refusal) = self.refusal.0.lock() {
                *refusal = Some(words);
            }
        }
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

fn load_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, CliError> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(file)
        .map_err(|e| cannot_load(file, &e))?
        .collect::<Result<_, _>>()
        .map_err(|e| cannot_load(file, &e))?;
    if certificates.is_empty() {
        return Err(cannot_load(file, &"no certificate in it"));
    }
    Ok(certificates)
}

fn cannot_load(file: &Path, error: &dyn std::fmt::Display) -> CliError {
    CliError::new(format!(
        "cannot load certificates.\nCheck your certificate settings, set --certs-dir, or use --insecure for insecure clusters.\n\nproblem with certificate file {}: {error}",
        file.display()
    ))
}

/// Keys that others may read are refused, as the vendor's programs refuse them.
fn check_key_mode(file: &Path) -> Result<(), CliError> {
    if std::env::var("COCKROACH_SKIP_KEY_PERMISSION_CHECK").is_ok_and(|v| v == "true") {
        return Ok(());
    }
    let metadata = fs::metadata(file).map_err(|e| cannot_load(file, &e))?;
    let mode = metadata.mode() & 0o777;
    let most = if metadata.uid() == 0 { 0o740 } else { 0o700 };
    if mode & !most == 0 {
        return Ok(());
    }
    Err(CliError::new(format!(
        "cannot load certificates.\nkey file {} has permissions {mode:04o}, exceeds {most:04o}",
        file.display()
    )))
}
