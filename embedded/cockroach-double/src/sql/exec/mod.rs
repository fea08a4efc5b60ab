//! Queries and changes of rows, executed on a transaction's view of the state.
//!
//! Describing a statement takes the same way, without reading or writing: so both agree on types.

mod compile;
mod from;
mod function;
mod insert;
mod join;
mod operators;
mod query;
mod select;
mod tables;
mod update;
mod write;

use super::expr::{Agg, Ex};
use super::parse::Show;
use super::relation::{Field, Relation};
use super::txn::Txn;
use super::value::{Datum, Ty};
use super::views::{self, View};
use crate::catalog::Table;
use crate::error::SqlError;

type Result<T> = std::result::Result<T, SqlError>;

/// What came of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Done {
    /// Rows.
    Rows(Relation),
    /// A count, with rows where they were asked for.
    Count(&'static str, usize, Option<Relation>),
}

/// A column in scope.
#[derive(Debug, Clone)]
struct InScope {
    table: String,
    name: String,
    ty: Ty,
    hidden: bool,
}

impl InScope {
    /// A column of something without a name.
    fn of(field: &Field) -> Self {
        Self {
            table: String::new(),
            name: field.name.clone(),
            ty: field.ty,
            hidden: false,
        }
    }
}

/// An aggregate: of which values, and whether each of them counts once.
type Aggregate = (Agg, Option<Ex>, bool);

/// Executes statements.
pub(crate) struct Exec<'a> {
    /// The transaction.
    pub(crate) txn: &'a mut Txn,
    /// What can be seen of the cluster.
    pub(crate) view: &'a View,
    /// Placeholders: their values, if they are known, and types.
    pub(crate) params: Vec<Datum>,
    /// Their types, as far as they are known.
    pub(crate) types: Vec<Ty>,
    /// Whether nothing is read or written.
    pub(crate) describe: bool,
    named: Vec<(String, Relation)>,
    /// Those of the SELECT that is compiled, where they are allowed.
    aggregates: Option<Vec<Aggregate>>,
}

impl<'a> Exec<'a> {
    /// An executor.
    pub(crate) fn new(
        txn: &'a mut Txn,
        view: &'a View,
        params: Vec<Datum>,
        types: Vec<Ty>,
        describe: bool,
    ) -> Self {
        Self {
            txn,
            view,
            params,
            types,
            describe,
            named: Vec::new(),
            aggregates: None,
        }
    }

    /// A SHOW.
    pub(crate) fn show(&mut self, show: &Show) -> Result<Relation> {
        views::show(self.view, &self.txn.base, show)
    }

    /// Makes the SHOWs of a query known by their names.
    pub(crate) fn shows(&mut self, shows: &[(String, Show)]) -> Result<()> {
        for (name, show) in shows {
            let relation = self.show(show)?;
            self.named.push((name.clone(), relation));
        }
        Ok(())
    }
}

fn no_column(name: &str) -> SqlError {
    SqlError::new("42703", format!("column \"{name}\" does not exist"))
}

fn no_column_of(name: &str, table: &Table) -> SqlError {
    SqlError::new(
        "42703",
        format!(
            "column \"{name}\" of relation \"{}\" does not exist",
            table.name
        ),
    )
}

fn distinct<T: Ord + Clone>(values: &mut Vec<T>) {
    let mut seen = std::collections::BTreeSet::new();
    values.retain(|value| seen.insert(value.clone()));
}

/// Whether all conditions are true for a row.
fn holds(conditions: &[Ex], row: &[Datum]) -> Result<bool> {
    for condition in conditions {
        if condition.eval(row, &[])? != Datum::Bool(true) {
            return Ok(false);
        }
    }
    Ok(true)
}
