//! Statements that read or write rows.

use sqlparser::ast;

use super::{Output, Result};
use crate::error::SqlError;
use crate::sql::exec::{Done, Exec};
use crate::sql::parse::{Show, Stmt};
use crate::sql::txn::Txn;
use crate::sql::value::{Datum, Ty};
use crate::sql::views::View;

/// Whether a query reads no table, or only what gossip tells.
pub(super) fn is_local(stmt: &Stmt) -> bool {
    let Stmt::Query(query, shows) = stmt else {
        return matches!(stmt, Stmt::Show(Show::Locality));
    };
    let ast::SetExpr::Select(select) = query.body.as_ref() else {
        return false;
    };
    let gossip = |table: &ast::TableWithJoins| {
        table.joins.is_empty()
            && table
                .to_string()
                .to_lowercase()
                .starts_with("crdb_internal.gossip_")
    };
    let from = select.from.len();
    // A subquery has a FROM of its own.
    let text = query.to_string().to_lowercase();
    shows.is_empty()
        && from <= 1
        && select.from.iter().all(gossip)
        && text.matches(" from ").count() == from
}

pub(super) fn is_data(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Query(..) | Stmt::Insert(..) | Stmt::Update(_) | Stmt::Delete(_) => true,
        Stmt::Show(show) => !matches!(show, Show::Variable(_)),
        _ => false,
    }
}

/// Executes or describes a statement that reads or writes rows.
pub(super) fn data(exec: &mut Exec<'_>, stmt: &Stmt) -> Option<Result<Done>> {
    Some(match stmt {
        Stmt::Query(query, shows) => exec
            .shows(shows)
            .and_then(|()| exec.query(query))
            .map(Done::Rows),
        Stmt::Insert(insert, upsert) => exec.insert(insert, *upsert),
        Stmt::Update(update) => exec.update(update),
        Stmt::Delete(delete) => exec.delete(delete),
        Stmt::Show(show) => exec.show(show).map(Done::Rows),
        _ => return None,
    })
}

pub(super) fn execute(
    txn: &mut Txn,
    view: &View,
    stmt: &Stmt,
    params: &[Datum],
    types: &[Ty],
) -> Result<Output> {
    let mut exec = Exec::new(txn, view, params.to_vec(), types.to_vec(), false);
    match data(&mut exec, stmt) {
        Some(Ok(Done::Rows(relation))) => {
            let tag = if matches!(stmt, Stmt::Show(_)) {
                "SHOW"
            } else {
                "SELECT"
            };
            Ok(Output::Rows(relation, tag.to_owned()))
        }
        Some(Ok(Done::Count(tag, count, None))) => Ok(Output::Tag(tag.to_owned(), Some(count))),
        Some(Ok(Done::Count(tag, _, Some(relation)))) => Ok(Output::Rows(relation, tag.to_owned())),
        Some(Err(error)) => Err(error),
        None => Err(SqlError::unsupported("this statement")),
    }
}
