//! Plays Terraform's core towards the provider's binary: starts it, reads its handshake, connects with
//! mutual TLS, and speaks the protocol with a client that was generated from the published description.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use acceptance_tests::Settings;
use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use hyper_util::rt::TokioIo;
use rmpv::Value;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tfplugin::proto::plugin::Empty;
use tfplugin::proto::plugin::grpc_controller_client::GrpcControllerClient;
use tfplugin::proto::tfplugin6::provider_client::ProviderClient;
use tfplugin::proto::tfplugin6::{DynamicValue, Schema};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, Command};
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};

/// How long anything may take that needs no cluster.
const PATIENCE: Duration = Duration::from_secs(20);

/// A certificate and its key.
pub(crate) struct Certificate {
    pub(crate) pem: String,
    chain: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Certificate {
    /// Self-signed on the curve that go-plugin takes.
    pub(crate) fn new() -> Result<Self> {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512)?;
        let made =
            rcgen::CertificateParams::new(vec!["localhost".to_owned()])?.self_signed(&key)?;
        Ok(Self {
            pem: made.pem(),
            chain: made.der().clone(),
            key: key.serialize_der(),
        })
    }
}

/// How the provider listens.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Unix,
    Tcp,
}

/// A provider that runs.
pub(crate) struct Core {
    child: Child,
    own: Certificate,
    network: String,
    address: String,
    announced: CertificateDer<'static>,
}

impl Core {
    /// Starts the provider and takes its handshake.
    pub(crate) async fn start(transport: Transport) -> Result<Self> {
        let own = Certificate::new()?;
        let mut command = Command::new(&Settings::get()?.provider);
        command
            .env("TF_PLUGIN_MAGIC_COOKIE", COOKIE)
            .env("PLUGIN_PROTOCOL_VERSIONS", "5,6")
            .env("PLUGIN_CLIENT_CERT", &own.pem)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        if transport == Transport::Tcp {
            command.env("ATLAS_PLUGIN_TRANSPORT", "tcp");
        }
        let mut child = command.spawn()?;
        let out = child.stdout.take().context("no standard output")?;
        let mut lines = BufReader::new(out).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await??;
        let line = line.context("the provider ended before its handshake")?;
        let parts: Vec<&str> = line.split('|').collect();
        let ["1", "6", network, address, "grpc", certificate] = parts[..] else {
            bail!("the handshake is {line:?}");
        };
        let certificate = base64::engine::general_purpose::STANDARD_NO_PAD.decode(certificate)?;
        Ok(Self {
            child,
            own,
            network: network.to_owned(),
            address: address.to_owned(),
            announced: certificate.into(),
        })
    }

    /// The socket, where it is one.
    pub(crate) fn socket(&self) -> Option<PathBuf> {
        (self.network == "unix").then(|| self.address.clone().into())
    }

    /// A client with the right certificate.
    pub(crate) async fn client(&self) -> Result<ProviderClient<Channel>> {
        Ok(ProviderClient::new(self.tls(Some(&self.own)).await?))
    }

    /// A channel with this certificate, or none.
    pub(crate) async fn tls(&self, certificate: Option<&Certificate>) -> Result<Channel> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Announced {
                certificate: self.announced.clone(),
                provider,
            }));
        let mut config = match certificate {
            Some(one) => builder.with_client_auth_cert(
                vec![one.chain.clone()],
                PrivateKeyDer::try_from(one.key.clone()).map_err(anyhow::Error::msg)?,
            )?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        self.channel(Some(TlsConnector::from(Arc::new(config))))
            .await
    }

    /// A channel without TLS.
    pub(crate) async fn plain(&self) -> Result<Channel> {
        self.channel(None).await
    }

    async fn channel(&self, tls: Option<TlsConnector>) -> Result<Channel> {
        let (network, address) = (self.network.clone(), self.address.clone());
        let connector = tower::service_fn(move |_: Uri| {
            let (network, address, tls) = (network.clone(), address.clone(), tls.clone());
            async move {
                let stream: Box<dyn Stream> = if network == "unix" {
                    Box::new(UnixStream::connect(address).await?)
                } else {
                    Box::new(TcpStream::connect(address).await?)
                };
                let stream: Box<dyn Stream> = match tls {
                    Some(tls) => {
                        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
                        Box::new(tls.connect(name, stream).await?)
                    }
                    None => stream,
                };
                Ok::<_, io::Error>(TokioIo::new(stream))
            }
        });
        Ok(Endpoint::from_static("http://localhost")
            .timeout(PATIENCE)
            .connect_with_connector(connector)
            .await?)
    }

    /// Asks the provider to go, as Terraform does, and waits until it has.
    pub(crate) async fn shutdown(mut self) -> Result<ExitStatus> {
        let channel = self.tls(Some(&self.own)).await?;
        // The answer may be lost with the connection.
        let _ = GrpcControllerClient::new(channel).shutdown(Empty {}).await;
        Ok(tokio::time::timeout(PATIENCE, self.child.wait()).await??)
    }
}

/// What says that Terraform and not a person starts the provider; public in Terraform's source.
const COOKIE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Trusts the certificate of the handshake and no other.
#[derive(Debug)]
struct Announced {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Announced {
    fn verify_server_cert(
        &self,
        presented: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *presented == self.certificate {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::General(
                "another certificate than announced".to_owned(),
            ))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// A value by attribute, the rest null; unknown is [`unknown`].
pub(crate) type Attributes = BTreeMap<String, Value>;

/// MessagePack's extension 0: not known yet.
pub(crate) fn unknown() -> Value {
    Value::Ext(0, vec![0])
}

/// A value of this schema: all attributes and blocks there, absent where they are not given.
pub(crate) fn attributes(schema: &Schema, given: &[(&str, Value)]) -> Result<Attributes> {
    let block = schema.block.as_ref().context("a schema without block")?;
    let mut all: Attributes = block
        .attributes
        .iter()
        .map(|attribute| (attribute.name.clone(), Value::Nil))
        .collect();
    for nested in &block.block_types {
        // 2 is a list: none is empty, where a single block is null.
        let absent = if nested.nesting == 2 {
            Value::Array(Vec::new())
        } else {
            Value::Nil
        };
        all.insert(nested.type_name.clone(), absent);
    }
    for (name, value) in given {
        ensure!(all.contains_key(*name), "there is no attribute {name}");
        all.insert((*name).to_owned(), value.clone());
    }
    Ok(all)
}

/// As it goes over the wire.
pub(crate) fn encode(attributes: &Attributes) -> Result<Option<DynamicValue>> {
    let pairs = attributes
        .iter()
        .map(|(name, value)| (Value::from(name.as_str()), value.clone()));
    raw(&Value::Map(pairs.collect()))
}

/// Any value.
pub(crate) fn raw(value: &Value) -> Result<Option<DynamicValue>> {
    let mut msgpack = Vec::new();
    rmpv::encode::write_value(&mut msgpack, value)?;
    Ok(Some(DynamicValue {
        msgpack,
        json: Vec::new(),
    }))
}

/// As it came over the wire; `None` is null.
pub(crate) fn decode(value: Option<DynamicValue>) -> Result<Option<Attributes>> {
    match decode_raw(value)? {
        Value::Nil => Ok(None),
        Value::Map(pairs) => pairs
            .into_iter()
            .map(|(name, value)| {
                let name = name.as_str().context("a key that is no text")?;
                Ok((name.to_owned(), value))
            })
            .collect::<Result<_>>()
            .map(Some),
        other => bail!("no object: {other}"),
    }
}

/// Any value.
pub(crate) fn decode_raw(value: Option<DynamicValue>) -> Result<Value> {
    let bytes = value.context("no value")?.msgpack;
    Ok(rmpv::decode::read_value(&mut bytes.as_slice())?)
}
