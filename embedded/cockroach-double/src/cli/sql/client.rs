//! A client of PostgreSQL's protocol that tells what the command line prints: rows, tags, notices.

use std::sync::Arc;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::{ErrorFields, Message};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_postgres::config::Host;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::cli::flags::Flags;
use crate::cli::{PORT, address, cannot_dial, identity, within_connect_timeout};
use crate::error::CliError;
use crate::rpc::Stream;
use crate::tls::Identity;

/// What a server says to statements.
#[derive(Debug)]
pub(super) enum Answer {
    /// Rows with these columns follow.
    Columns(Vec<String>),
    /// A row.
    Row(Vec<Option<String>>),
    /// A statement is done; its tag.
    Done(String),
    /// A notice or a warning.
    Notice(String),
    /// A statement failed, and the rest is not executed.
    Failed(CliError),
}

/// Whom a client is, and what it connects to.
struct Target {
    host: String,
    port: u16,
    user: String,
    database: String,
    password: Option<Vec<u8>>,
    identity: Option<Identity>,
}

/// A connection.
pub(super) struct Client {
    stream: Box<dyn Stream>,
    unread: BytesMut,
}

impl Target {
    fn new(flags: &Flags) -> Result<Self, CliError> {
        let user = flags.get("user").unwrap_or("root").to_owned();
        let database = flags.get("database").unwrap_or("defaultdb").to_owned();
        if let Some(url) = flags.get("url") {
            let url: tokio_postgres::Config = url
                .parse()
                .map_err(|e| CliError::new(format!("invalid --url: {e}")))?;
            let host = match url.get_hosts().first() {
                Some(Host::Tcp(host)) => host.clone(),
                _ => "localhost".to_owned(),
            };
            return Ok(Self {
                host,
                port: url.get_ports().first().copied().unwrap_or(PORT),
                user: url.get_user().map_or(user, str::to_owned),
                database: url.get_dbname().map_or(database, str::to_owned),
                password: url.get_password().map(<[u8]>::to_vec),
                identity: None,
            });
        }
        let at = address(flags.get("host").unwrap_or("localhost"), PORT);
        let (host, port) = at.rsplit_once(':').unwrap_or((&at, "26257"));
        let port = port
            .parse()
            .map_err(|_| CliError::flag(format!("invalid port in --host: {at}")))?;
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            identity: identity(flags, &format!("client.{user}"))?,
            user,
            database,
            password: None,
        })
    }
}

impl Client {
    /// Connects as flags tell.
    pub(super) async fn connect(flags: &Flags) -> Result<Self, CliError> {
        let target = Target::new(flags)?;
        within_connect_timeout(Self::begin(&target)).await?
    }

    async fn begin(target: &Target) -> Result<Self, CliError> {
        let tcp = TcpStream::connect((target.host.as_str(), target.port))
            .await
            .map_err(cannot_dial)?;
        let _ = tcp.set_nodelay(true);
        let mut client = Self {
            stream: match &target.identity {
                None => Box::new(tcp),
                Some(identity) => encrypted(tcp, identity, &target.host).await?,
            },
            unread: BytesMut::new(),
        };
        let parameters = [
            ("user", target.user.as_str()),
            ("database", target.database.as_str()),
            ("application_name", "$ cockroach sql"),
            ("client_encoding", "UTF8"),
        ];
        client
            .write(|out| frontend::startup_message(parameters, out))
            .await?;
        loop {
            match client.message().await? {
                Message::AuthenticationCleartextPassword => {
                    let password = target.password.as_deref().ok_or_else(|| {
                        CliError::new(format!("the server wants a password of {}", target.user))
                            .hint("pass it in --url; the double does not prompt")
                    })?;
                    client
                        .write(|out| frontend::password_message(password, out))
                        .await?;
                }
                Message::ErrorResponse(error) => return Err(failure(&mut error.fields())),
                Message::ReadyForQuery(_) => return Ok(client),
                _ => (),
            }
        }
    }

    /// Sends statements; the answers must be received before the next ones are sent.
    pub(super) async fn send(&mut self, text: &str) -> Result<(), CliError> {
        self.write(|out| frontend::query(text, out)).await
    }

    /// The next answer; `None` when all have come.
    pub(super) async fn receive(&mut self) -> Result<Option<Answer>, CliError> {
        loop {
            return Ok(Some(match self.message().await? {
                Message::ReadyForQuery(_) => return Ok(None),
                Message::RowDescription(body) => {
                    let names = body.fields().map(|field| Ok(field.name().to_owned()));
                    Answer::Columns(names.collect().map_err(cannot_dial)?)
                }
                Message::DataRow(body) => {
                    let cell = |range: std::ops::Range<usize>| {
                        let bytes = body.buffer().get(range).unwrap_or_default();
                        String::from_utf8_lossy(bytes).into_owned()
                    };
                    let cells = body.ranges().map(|range| Ok(range.map(cell)));
                    Answer::Row(cells.collect().map_err(cannot_dial)?)
                }
                Message::CommandComplete(body) => {
                    Answer::Done(body.tag().map_err(cannot_dial)?.to_owned())
                }
                Message::NoticeResponse(body) => Answer::Notice(notice(&mut body.fields())),
                Message::ErrorResponse(body) => Answer::Failed(failure(&mut body.fields())),
                _ => continue,
            }));
        }
    }

    async fn write(
        &mut self,
        message: impl FnOnce(&mut BytesMut) -> std::io::Result<()>,
    ) -> Result<(), CliError> {
        let mut out = BytesMut::new();
        message(&mut out).map_err(cannot_dial)?;
        self.stream.write_all(&out).await.map_err(cannot_dial)?;
        self.stream.flush().await.map_err(cannot_dial)
    }

    async fn message(&mut self) -> Result<Message, CliError> {
        loop {
            if let Some(message) = Message::parse(&mut self.unread).map_err(cannot_dial)? {
                return Ok(message);
            }
            let read = self.stream.read_buf(&mut self.unread).await;
            if read.map_err(cannot_dial)? == 0 {
                return Err(cannot_dial("the server closed the connection"));
            }
        }
    }
}

/// Asks for TLS, and begins it when the server has it.
async fn encrypted(
    mut tcp: TcpStream,
    identity: &Identity,
    host: &str,
) -> Result<Box<dyn Stream>, CliError> {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    tcp.write_all(&request).await.map_err(cannot_dial)?;
    if tcp.read_u8().await.map_err(cannot_dial)? != b'S' {
        return Err(CliError::new(
            "the server has no TLS, which --certs-dir asks for",
        ));
    }
    let (config, refusal) = identity.client()?;
    let name = ServerName::try_from(host.to_owned()).map_err(cannot_dial)?;
    match TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
    {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(refusal
            .take()
            .map_or_else(|| cannot_dial(error), CliError::new)),
    }
}

/// Fields of an error or a notice, by their letters.
fn fields(fields: &mut ErrorFields<'_>) -> impl Fn(u8) -> Option<String> + use<> {
    let mut found = Vec::new();
    while let Ok(Some(field)) = fields.next() {
        let words = String::from_utf8_lossy(field.value_bytes()).into_owned();
        found.push((field.type_(), words));
    }
    move |letter| {
        let field = found.iter().find(|(known, _)| *known == letter);
        field.map(|(_, words)| words.clone())
    }
}

fn failure(said: &mut ErrorFields<'_>) -> CliError {
    let field = fields(said);
    let detail = field(b'D').map(|detail| format!("\nDETAIL: {detail}"));
    let error = CliError::new(format!(
        "{}\nSQLSTATE: {}{}",
        field(b'M').unwrap_or_default(),
        field(b'C').unwrap_or_default(),
        detail.unwrap_or_default()
    ));
    match field(b'H') {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn notice(said: &mut ErrorFields<'_>) -> String {
    let field = fields(said);
    format!(
        "{}: {}",
        field(b'S').unwrap_or_default(),
        field(b'M').unwrap_or_default()
    )
}
