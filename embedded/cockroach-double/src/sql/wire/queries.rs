//! The simple and the extended protocol.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{Sink, SinkExt as _, stream};
use pgwire::api::portal::{Format, Portal};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use pgwire::api::results::{FieldFormat, FieldInfo, QueryResponse, Response, Tag};
use pgwire::api::stmt::QueryParser;
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore, Type};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::data::DataRow;
use pgwire::messages::response::TransactionStatus;
use tokio::sync::Mutex;

use super::values::{decode, encode_row, pg_type, ty_of};
use super::{Handler, fatal, info, wire_error};
use crate::error::SqlError;
use crate::node::{Phase, not_initialised};
use crate::sql::parse::{self, Stmt};
use crate::sql::relation::Relation;
use crate::sql::session::{Output, Session};
use crate::sql::value::{Datum, Ty};

impl Handler {
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
pub(super) struct Prepared {
    stmt: Stmt,
    types: Vec<Ty>,
    fields: Option<Relation>,
}

/// Parses for the extended protocol.
pub(super) struct Preparer(Arc<Mutex<Option<Session>>>);

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
