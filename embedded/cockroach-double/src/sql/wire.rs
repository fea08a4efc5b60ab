//! SQL over PostgreSQL's protocol.

use std::collections::HashMap;
use std::fmt::{Debug, Write as _};
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::{Sink, SinkExt as _, stream};
use pgwire::api::auth::{
    ServerParameterProvider, StartupHandler, finish_authentication, protocol_negotiation,
    save_startup_parameters_to_metadata,
};
use pgwire::api::cancel::{CancelHandler, DefaultCancelHandler};
use pgwire::api::portal::{Format, Portal};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use pgwire::api::results::{FieldFormat, FieldInfo, QueryResponse, Response, Tag};
use pgwire::api::stmt::QueryParser;
use pgwire::api::store::PortalStore;
use pgwire::api::{
    ClientInfo, ClientPortalStore, ConnectionGuard, ConnectionHandle, ConnectionManager,
    PgWireConnectionState, PgWireServerHandlers, PidSecretKeyGenerator,
    RandomPidSecretKeyGenerator, Type,
};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::data::DataRow;
use pgwire::messages::response::TransactionStatus;
use pgwire::messages::startup::Authentication;
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use rust_decimal::Decimal;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsAcceptor;

use super::parse::{self, Stmt};
use super::password;
use super::relation::Relation;
use super::session::{Output, Session, server_variables};
use super::value::{Datum, Real, Ty};
use crate::error::SqlError;
use crate::node::{Node, Phase, not_initialised};
use crate::tls;

static CONNECTIONS: LazyLock<Arc<ConnectionManager>> =
    LazyLock::new(|| Arc::new(ConnectionManager::new()));
static PIDS: LazyLock<RandomPidSecretKeyGenerator> =
    LazyLock::new(RandomPidSecretKeyGenerator::default);

/// How long a client that came too late has to hear it.
const REFUSAL: std::time::Duration = std::time::Duration::from_secs(5);

/// Serves one connection.
pub(crate) async fn serve(node: Arc<Node>, stream: TcpStream, tls: Option<TlsAcceptor>) {
    let mut phase = node.phase();
    node.counters.connections.fetch_add(1, Ordering::Relaxed);
    let handler = Arc::new(Handler {
        node: node.clone(),
        session: Arc::default(),
    });
    let conversation = pgwire::tokio::process_socket(stream, tls, Handlers(handler));
    // How a conversation ends is the client's business.
    if *phase.borrow() >= Phase::Closing {
        // It is told that it came too late.
        let _ = tokio::time::timeout(REFUSAL, conversation).await;
    } else {
        tokio::select! {
            _ = conversation => (),
            _ = phase.wait_for(|phase| *phase >= Phase::Closed) => (),
        }
    }
    node.counters.connections.fetch_sub(1, Ordering::Relaxed);
}

struct Handlers(Arc<Handler>);

impl PgWireServerHandlers for Handlers {
    fn simple_query_handler(&self) -> Arc<impl SimpleQueryHandler> {
        self.0.clone()
    }

    fn extended_query_handler(&self) -> Arc<impl ExtendedQueryHandler> {
        self.0.clone()
    }

    fn startup_handler(&self) -> Arc<impl StartupHandler> {
        self.0.clone()
    }

    fn cancel_handler(&self) -> Arc<impl CancelHandler> {
        Arc::new(DefaultCancelHandler::new(CONNECTIONS.clone()))
    }
}

struct Handler {
    node: Arc<Node>,
    session: Arc<Mutex<Option<Session>>>,
}

fn info(severity: &str, error: SqlError) -> ErrorInfo {
    let mut info = ErrorInfo::new(severity.to_owned(), error.code, error.message);
    info.hint = error.hint;
    info.detail = error.detail;
    info
}

fn wire_error(error: SqlError) -> PgWireError {
    PgWireError::UserError(Box::new(info("ERROR", error)))
}

fn fatal(code: &str, message: impl Into<String>) -> PgWireError {
    PgWireError::UserError(Box::new(info("FATAL", SqlError::new(code, message))))
}

/// What the server says of itself when a session begins.
struct Parameters(HashMap<String, String>);

impl ServerParameterProvider for Parameters {
    fn server_parameters<C: ClientInfo>(&self, _client: &C) -> Option<HashMap<String, String>> {
        Some(self.0.clone())
    }
}

impl Handler {
    /// Lets a user in whose certificate or password fits.
    fn certified<C: ClientInfo>(&self, client: &C, user: &str) -> Result<bool, PgWireError> {
        if self.node.tls.is_none() {
            return Ok(true);
        }
        if !client.is_secure() {
            return Err(fatal(
                "08004",
                "node is running secure mode, SSL connection required",
            ));
        }
        let Some(certificate) = client.client_certificates().and_then(|chain| chain.first()) else {
            return Ok(false);
        };
        let named = tls::about(certificate)
            .map(|about| about.common_name)
            .unwrap_or_default();
        if named == user {
            return Ok(true);
        }
        Err(fatal(
            "28000",
            format!(
                "certificate authentication failed for user \"{user}\": the certificate is of \"{named}\""
            ),
        ))
    }

    async fn begin<C>(&self, client: &mut C, user: &str) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let known = [
            "application_name",
            "database",
            "client_encoding",
            "statement_timeout",
            "datestyle",
            "timezone",
            "extra_float_digits",
        ];
        let startup: Vec<(String, String)> = client
            .metadata()
            .iter()
            .filter(|(name, _)| known.contains(&name.to_lowercase().as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let session = Session::new(self.node.clone(), user, &startup).map_err(wire_error)?;
        let mut parameters: HashMap<String, String> =
            server_variables(&self.node).into_iter().collect();
        for (shown, name) in [
            ("client_encoding", "client_encoding"),
            ("application_name", "application_name"),
            ("DateStyle", "datestyle"),
            ("IntervalStyle", "intervalstyle"),
            ("TimeZone", "timezone"),
            ("is_superuser", "is_superuser"),
            ("standard_conforming_strings", "standard_conforming_strings"),
        ] {
            parameters.insert(shown.to_owned(), session.variable(name).to_owned());
        }
        parameters.insert("session_authorization".to_owned(), user.to_owned());
        for inner in ["server_version_num", "transaction_isolation", "node_id"] {
            parameters.remove(inner);
        }
        *self.session.lock().await = Some(session);
        let (pid, key) = PIDS.generate(client);
        client.set_pid_and_secret_key(pid, key.clone());
        let (handle, guard) = CONNECTIONS.register(pid, key);
        client
            .session_extensions()
            .insert::<Arc<ConnectionHandle>>(handle);
        client.session_extensions().insert::<ConnectionGuard>(guard);
        finish_authentication(client, &Parameters(parameters)).await
    }

    /// A draining node begins nothing new.
    async fn check_phase(&self) -> PgWireResult<()> {
        let phase = *self.node.phase().borrow();
        let busy = self
            .session
            .lock()
            .await
            .as_ref()
            .is_some_and(|session| session.status().0);
        if phase >= Phase::Closed || phase >= Phase::Closing && !busy {
            return Err(fatal("57P01", "server is shutting down"));
        }
        Ok(())
    }

    async fn execute<C>(
        &self,
        client: &mut C,
        work: Vec<(Stmt, Vec<Datum>, Vec<Ty>)>,
    ) -> PgWireResult<(Vec<Output>, Option<SqlError>)>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        self.check_phase().await?;
        let mut guard = self.session.lock().await;
        let session = guard
            .as_mut()
            .ok_or_else(|| wire_error(not_initialised()))?;
        let result = session.run(work).await;
        let status = match session.status() {
            (false, _) => TransactionStatus::Idle,
            (true, false) => TransactionStatus::Transaction,
            (true, true) => TransactionStatus::Error,
        };
        for (severity, words) in session.notices.drain(..) {
            let notice = ErrorInfo::new(
                severity.to_owned(),
                if severity == "WARNING" {
                    "25P01"
                } else {
                    "00000"
                }
                .to_owned(),
                words,
            );
            client
                .feed(PgWireBackendMessage::NoticeResponse(notice.into()))
                .await?;
        }
        // The library reckons from this what a failure makes of it.
        client.set_transaction_status(status);
        Ok(result)
    }
}

#[async_trait]
impl StartupHandler for Handler {
    async fn on_startup<C>(
        &self,
        client: &mut C,
        message: PgWireFrontendMessage,
    ) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        match message {
            PgWireFrontendMessage::Startup(startup) => {
                protocol_negotiation(client, &startup).await?;
                save_startup_parameters_to_metadata(client, &startup);
                if *self.node.phase().borrow() >= Phase::Closing {
                    return Err(fatal(
                        "57P01",
                        "server is not accepting clients, try another node",
                    ));
                }
                let Some(state) = self.node.local() else {
                    return Err(fatal("57P03", "node is waiting for cluster initialization"));
                };
                let user = client
                    .metadata()
                    .get("user")
                    .cloned()
                    .unwrap_or_else(|| "root".to_owned());
                let may = state.catalog.users.get(&user).map(|user| user.login);
                if self.certified(client, &user)? {
                    return match may {
                        Some(true) => self.begin(client, &user).await,
                        Some(false) => Err(fatal(
                            "28000",
                            format!("{user} does not have login privilege"),
                        )),
                        None => Err(fatal(
                            "28000",
                            format!("password authentication failed for user {user}"),
                        )),
                    };
                }
                client.set_state(PgWireConnectionState::AuthenticationInProgress);
                client
                    .send(PgWireBackendMessage::Authentication(
                        Authentication::CleartextPassword,
                    ))
                    .await?;
                Ok(())
            }
            PgWireFrontendMessage::PasswordMessageFamily(message) => {
                let given = message.into_password()?.password;
                let user = client.metadata().get("user").cloned().unwrap_or_default();
                let stored = self.node.local().and_then(|state| {
                    let user = state.catalog.users.get(&user).filter(|user| user.login)?;
                    user.password.clone()
                });
                let fits = tokio::task::block_in_place(|| {
                    // Unknown users take as long as known ones.
                    let none = "00$00".to_owned();
                    password::verify(&given, stored.as_ref().unwrap_or(&none))
                });
                if !fits || stored.is_none() {
                    return Err(fatal(
                        "28P01",
                        format!("password authentication failed for user {user}"),
                    ));
                }
                self.begin(client, &user).await
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl SimpleQueryHandler for Handler {
    async fn do_query<C>(&self, client: &mut C, query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let statements = {
            let mut guard = self.session.lock().await;
            let session = guard
                .as_mut()
                .ok_or_else(|| wire_error(not_initialised()))?;
            match parse::statements(query, &session.here()) {
                Ok(statements) => statements,
                Err(error) => {
                    session.fail(false);
                    let failed = session.status().1;
                    drop(guard);
                    if failed {
                        client.set_transaction_status(TransactionStatus::Error);
                    }
                    return Err(wire_error(error));
                }
            }
        };
        if statements.is_empty() {
            return Ok(vec![Response::EmptyQuery]);
        }
        let work = statements
            .into_iter()
            .map(|stmt| (stmt, Vec::new(), Vec::new()))
            .collect();
        let (outputs, error) = self.execute(client, work).await?;
        let mut responses: Vec<Response> = outputs
            .into_iter()
            .map(|output| response(output, &Format::UnifiedText))
            .collect();
        if let Some(error) = error {
            if responses.is_empty() {
                return Err(wire_error(error));
            }
            responses.push(Response::Error(Box::new(info("ERROR", error))));
        }
        Ok(responses)
    }
}

/// A statement that was parsed and described.
#[derive(Clone)]
struct Prepared {
    stmt: Stmt,
    types: Vec<Ty>,
    fields: Option<Relation>,
}

/// Parses for the extended protocol.
struct Preparer(Arc<Mutex<Option<Session>>>);

#[async_trait]
impl QueryParser for Preparer {
    type Statement = Arc<Prepared>;

    async fn parse_sql<C>(
        &self,
        _client: &C,
        sql: &str,
        types: &[Option<Type>],
    ) -> PgWireResult<Option<Arc<Prepared>>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let mut guard = self.0.lock().await;
        let session = guard
            .as_mut()
            .ok_or_else(|| wire_error(not_initialised()))?;
        let prepared = (|| {
            let mut statements = parse::statements(sql, &session.here())?;
            let stmt = match (statements.pop(), statements.is_empty()) {
                (None, _) => return Ok(None),
                (Some(stmt), true) => stmt,
                _ => {
                    return Err(SqlError::new(
                        "42601",
                        "cannot insert multiple commands into a prepared statement",
                    ));
                }
            };
            let types = types
                .iter()
                .map(|ty| ty.as_ref().map_or(Ok(Ty::Unknown), ty_of))
                .collect::<Result<Vec<_>, _>>()?;
            let (types, fields) = session.describe(&stmt, types)?;
            Ok(Some(Arc::new(Prepared {
                stmt,
                types,
                fields,
            })))
        })();
        if prepared.is_err() {
            session.fail(false);
        }
        prepared.map_err(wire_error)
    }

    fn get_parameter_types(&self, stmt: &Arc<Prepared>) -> PgWireResult<Vec<Type>> {
        Ok(stmt.types.iter().map(|ty| pg_type(*ty)).collect())
    }

    fn get_result_schema(
        &self,
        stmt: &Arc<Prepared>,
        format: Option<&Format>,
    ) -> PgWireResult<Vec<FieldInfo>> {
        let format = format.cloned().unwrap_or(Format::UnifiedText);
        let fields = match (&stmt.fields, &stmt.stmt) {
            (Some(relation), _) => schema(relation, &format),
            (None, Stmt::Show(parse::Show::Variable(name))) => {
                vec![FieldInfo::new(
                    name.clone(),
                    None,
                    None,
                    Type::TEXT,
                    format.format_for(0),
                )]
            }
            _ => Vec::new(),
        };
        Ok(fields)
    }
}

#[async_trait]
impl ExtendedQueryHandler for Handler {
    type Statement = Arc<Prepared>;
    type QueryParser = Preparer;

    fn query_parser(&self) -> Arc<Preparer> {
        Arc::new(Preparer(self.session.clone()))
    }

    async fn do_query<C>(
        &self,
        client: &mut C,
        portal: &Portal<Arc<Prepared>>,
        _max_rows: usize,
    ) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Arc<Prepared>>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let prepared = portal.statement.statement.clone();
        let mut params = Vec::new();
        for (n, ty) in prepared.types.iter().enumerate() {
            let value = match portal.parameters.get(n) {
                None => {
                    return Err(wire_error(SqlError::new(
                        "08P01",
                        format!("no value provided for placeholder: ${}", n + 1),
                    )));
                }
                Some(None) => Datum::Null,
                Some(Some(bytes)) => {
                    decode(bytes, *ty, portal.parameter_format.is_binary(n)).map_err(wire_error)?
                }
            };
            params.push(value);
        }
        let work = vec![(prepared.stmt.clone(), params, prepared.types.clone())];
        let (mut outputs, error) = self.execute(client, work).await?;
        match (outputs.pop(), error) {
            (_, Some(error)) => Err(wire_error(error)),
            (Some(output), None) => Ok(response(output, &portal.result_column_format)),
            (None, None) => Ok(Response::EmptyQuery),
        }
    }
}

fn schema(relation: &Relation, format: &Format) -> Vec<FieldInfo> {
    relation
        .fields
        .iter()
        .enumerate()
        .map(|(n, field)| {
            FieldInfo::new(
                field.name.clone(),
                None,
                None,
                pg_type(field.ty),
                format.format_for(n),
            )
        })
        .collect()
}

fn response(output: Output, format: &Format) -> Response {
    match output {
        Output::Rows(relation, tag) => {
            let fields = Arc::new(schema(&relation, format));
            let formats: Vec<bool> = fields
                .iter()
                .map(|f| f.format() == FieldFormat::Binary)
                .collect();
            let types: Vec<Ty> = relation.fields.iter().map(|field| field.ty).collect();
            let rows: Vec<PgWireResult<DataRow>> = relation
                .rows
                .iter()
                .map(|row| encode_row(row, &types, &formats))
                .collect();
            let mut response = QueryResponse::new(fields, stream::iter(rows));
            // The count follows the tag; of INSERT, an id that is always 0 comes first.
            response.set_command_tag(if tag == "INSERT" { "INSERT 0" } else { &tag });
            Response::Query(response)
        }
        Output::Tag(tag, None) => Response::Execution(Tag::new(&tag)),
        Output::Tag(tag, Some(count)) if tag == "INSERT" => {
            Response::Execution(Tag::new(&tag).with_oid(0).with_rows(count))
        }
        Output::Tag(tag, Some(count)) => Response::Execution(Tag::new(&tag).with_rows(count)),
        Output::Begun => Response::TransactionStart(Tag::new("BEGIN")),
        Output::Ended(tag) => Response::TransactionEnd(Tag::new(tag)),
    }
}

fn pg_type(ty: Ty) -> Type {
    match ty {
        Ty::Bool => Type::BOOL,
        Ty::Int => Type::INT8,
        Ty::Decimal => Type::NUMERIC,
        Ty::Float => Type::FLOAT8,
        Ty::String | Ty::Unknown => Type::TEXT,
        Ty::Uuid => Type::UUID,
        Ty::Timestamptz => Type::TIMESTAMPTZ,
        Ty::Json => Type::JSONB,
        Ty::Strings => Type::TEXT_ARRAY,
    }
}

fn ty_of(ty: &Type) -> Result<Ty, SqlError> {
    Ok(match *ty {
        Type::BOOL => Ty::Bool,
        Type::INT8 => Ty::Int,
        Type::NUMERIC => Ty::Decimal,
        Type::FLOAT8 => Ty::Float,
        Type::TEXT | Type::VARCHAR | Type::NAME | Type::BPCHAR => Ty::String,
        Type::UUID => Ty::Uuid,
        Type::TIMESTAMPTZ => Ty::Timestamptz,
        Type::JSON | Type::JSONB => Ty::Json,
        Type::UNKNOWN => Ty::Unknown,
        _ => {
            return Err(SqlError::unsupported(format!(
                "placeholders of type {}",
                ty.name()
            )));
        }
    })
}

/// Microseconds from 1970 to 2000, from when the protocol counts.
const EPOCH: i64 = 946_684_800_000_000;

#[expect(
    clippy::unnecessary_wraps,
    reason = "an item of the stream that the library takes"
)]
fn encode_row(row: &[Datum], types: &[Ty], binary: &[bool]) -> PgWireResult<DataRow> {
    let mut data = BytesMut::new();
    for (n, value) in row.iter().enumerate() {
        if value.is_null() {
            data.put_i32(-1);
            continue;
        }
        let mut cell = BytesMut::new();
        if binary.get(n).copied().unwrap_or(false) {
            let ty = types.get(n).copied().unwrap_or(Ty::Unknown);
            let value = value.clone().cast(ty).unwrap_or_else(|_| value.clone());
            encode(&value, &mut cell);
        } else {
            match value {
                Datum::Bool(b) => cell.put_slice(if *b { b"t" } else { b"f" }),
                other => cell.put_slice(other.to_string().as_bytes()),
            }
        }
        data.put_i32(i32::try_from(cell.len()).unwrap_or(i32::MAX));
        data.extend_from_slice(&cell);
    }
    Ok(DataRow::new(
        data,
        i16::try_from(row.len()).unwrap_or(i16::MAX),
    ))
}

fn encode(value: &Datum, out: &mut BytesMut) {
    match value {
        Datum::Null => (),
        Datum::Bool(b) => out.put_u8(u8::from(*b)),
        Datum::Int(n) => out.put_i64(*n),
        Datum::Float(n) => out.put_f64(n.0),
        Datum::Decimal(n) => encode_numeric(n, out),
        Datum::String(text) => out.put_slice(text.as_bytes()),
        Datum::Uuid(id) => out.put_slice(id.as_bytes()),
        Datum::Timestamp(micros) => out.put_i64(micros - EPOCH),
        Datum::Json(text) => {
            out.put_u8(1);
            out.put_slice(text.as_bytes());
        }
        Datum::Strings(items) => {
            let length = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
            out.put_i32(i32::from(!items.is_empty()));
            out.put_i32(0);
            out.put_u32(Type::TEXT.oid());
            if !items.is_empty() {
                out.put_i32(length(items.len()));
                out.put_i32(1);
            }
            for item in items {
                out.put_i32(length(item.len()));
                out.put_slice(item.as_bytes());
            }
        }
    }
}

/// Groups of four decimal digits, as the protocol has numbers.
fn encode_numeric(number: &Decimal, out: &mut BytesMut) {
    let text = number.abs().to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let whole = if whole == "0" { "" } else { whole };
    let mut digits = "0".repeat((4 - whole.len() % 4) % 4) + whole;
    let weight = i16::try_from(digits.len() / 4).unwrap_or(0) - 1;
    digits.push_str(fraction);
    digits.push_str(&"0".repeat((4 - digits.len() % 4) % 4));
    let mut groups: Vec<i16> = digits
        .as_bytes()
        .chunks(4)
        .map(|g| g.iter().fold(0, |sum, c| sum * 10 + i16::from(c - b'0')))
        .collect();
    let mut weight = weight;
    while groups.first() == Some(&0) {
        groups.remove(0);
        weight -= 1;
    }
    while groups.last() == Some(&0) {
        groups.pop();
    }
    out.put_i16(i16::try_from(groups.len()).unwrap_or(0));
    out.put_i16(if groups.is_empty() { 0 } else { weight });
    out.put_u16(if number.is_sign_negative() && !number.is_zero() {
        0x4000
    } else {
        0
    });
    out.put_u16(u16::try_from(number.scale()).unwrap_or(0));
    for group in groups {
        out.put_i16(group);
    }
}

fn decode(bytes: &Bytes, ty: Ty, binary: bool) -> Result<Datum, SqlError> {
    let wrong = || {
        SqlError::new(
            "22P03",
            format!("could not read a value of type {}", ty.name()),
        )
    };
    let text = || {
        std::str::from_utf8(bytes).map_err(|_| SqlError::new("22021", "invalid UTF-8 in a value"))
    };
    if !binary {
        let text = text()?;
        return Datum::parse(text, ty).ok_or_else(|| {
            SqlError::new(
                "22P02",
                format!("could not parse {text:?} as type {}", ty.name()),
            )
        });
    }
    let long = || <[u8; 8]>::try_from(bytes.as_ref()).map_err(|_| wrong());
    Ok(match ty {
        Ty::Bool => Datum::Bool(bytes.first().ok_or_else(wrong)? != &0),
        Ty::Int => match bytes.len() {
            2 => Datum::Int(
                i16::from_be_bytes(bytes.as_ref().try_into().map_err(|_| wrong())?).into(),
            ),
            4 => Datum::Int(
                i32::from_be_bytes(bytes.as_ref().try_into().map_err(|_| wrong())?).into(),
            ),
            _ => Datum::Int(i64::from_be_bytes(long()?)),
        },
        Ty::Float => Datum::Float(Real(f64::from_be_bytes(long()?))),
        Ty::Timestamptz => Datum::Timestamp(
            i64::from_be_bytes(long()?)
                .checked_add(EPOCH)
                .ok_or_else(wrong)?,
        ),
        Ty::Uuid => Datum::Uuid(uuid::Uuid::from_slice(bytes).map_err(|_| wrong())?),
        Ty::Decimal => decode_numeric(bytes).ok_or_else(wrong)?,
        Ty::Json => {
            let rest = bytes
                .get(1..)
                .filter(|_| bytes.first() == Some(&1))
                .unwrap_or(bytes);
            let text = std::str::from_utf8(rest).map_err(|_| wrong())?;
            Datum::parse(text, Ty::Json).ok_or_else(wrong)?
        }
        Ty::String | Ty::Unknown => Datum::text(text()?),
        Ty::Strings => return Err(SqlError::unsupported("arrays as values")),
    })
}

fn decode_numeric(bytes: &[u8]) -> Option<Datum> {
    let word = |n: usize| -> Option<i16> {
        Some(i16::from_be_bytes(
            bytes.get(n * 2..n * 2 + 2)?.try_into().ok()?,
        ))
    };
    let (count, weight, sign, scale) = (word(0)?, word(1)?, word(2)?, word(3)?);
    if sign != 0 && sign != 0x4000 {
        return None; // NaN and infinities
    }
    let mut text = if sign == 0 {
        String::new()
    } else {
        "-".to_owned()
    };
    let group = |position: i16| -> Option<i16> {
        let n = weight - position;
        if n < 0 || n >= count {
            Some(0)
        } else {
            word(4 + usize::try_from(n).ok()?)
        }
    };
    for position in (0..=weight.max(0)).rev() {
        let _ = write!(text, "{:04}", group(position)?);
    }
    if scale > 0 {
        let mut fraction = String::new();
        for position in 1..=(scale + 3) / 4 {
            let _ = write!(fraction, "{:04}", group(-position)?);
        }
        text.push('.');
        text.push_str(fraction.get(..usize::try_from(scale).ok()?)?);
    }
    text.parse().ok().map(Datum::Decimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_the_wire() {
        for text in [
            "0",
            "1",
            "-1",
            "12345.6789",
            "0.0001",
            "100000000",
            "-0.5",
            "99999.00",
            "123456789012345678.12",
        ] {
            let number: Decimal = text.parse().unwrap();
            let mut out = BytesMut::new();
            encode_numeric(&number, &mut out);
            assert_eq!(decode_numeric(&out), Some(Datum::Decimal(number)), "{text}");
        }
    }
}
