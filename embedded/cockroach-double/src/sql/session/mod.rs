//! A session: its variables, its transaction, and how statements are executed in it.

mod data;
mod schema;
mod transaction;
mod variables;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::exec::{Done, Exec};
use super::parse::{Here, Show, Stmt};
use super::relation::Relation;
use super::txn::Txn;
use super::value::{Datum, Ty};
use super::views::{self, View};
use crate::error::SqlError;
use crate::node::{Node, not_initialised};
use data::{data, is_data};
use transaction::Mode;
use variables::{VARIABLES, is_on, timeout};

pub(crate) use transaction::retry;
pub(crate) use variables::server_variables;

type Result<T> = std::result::Result<T, SqlError>;

/// A statement, the values of its placeholders, and their types.
pub(crate) type Given = (Stmt, Vec<Datum>, Vec<Ty>);

/// What came of a statement.
#[derive(Debug)]
pub(crate) enum Output {
    /// Rows, with a tag.
    Rows(Relation, String),
    /// A tag, with a count where there is one.
    Tag(String, Option<usize>),
    /// A transaction began.
    Begun,
    /// A transaction ended.
    Ended(&'static str),
}

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    node: Arc<Node>,
    /// Who it is.
    pub(crate) user: String,
    variables: BTreeMap<String, String>,
    defaults: BTreeMap<String, String>,
    mode: Mode,
    /// Notices for the client.
    pub(crate) notices: Vec<(&'static str, String)>,
    injected: u32,
}

impl Session {
    /// A session of a user, with the variables of its startup message.
    pub(crate) fn new(node: Arc<Node>, user: &str, startup: &[(String, String)]) -> Result<Self> {
        let mut variables = server_variables(&node);
        variables.extend(
            VARIABLES
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned())),
        );
        let admin = node
            .local()
            .is_some_and(|state| state.catalog.is_admin(user));
        variables.insert(
            "is_superuser".to_owned(),
            if admin { "on" } else { "off" }.to_owned(),
        );
        variables.insert("session_user".to_owned(), user.to_owned());
        variables.insert("transaction_status".to_owned(), "NoTxn".to_owned());
        let mut session = Self {
            node,
            user: user.to_owned(),
            defaults: variables.clone(),
            variables,
            mode: Mode::Idle,
            notices: Vec::new(),
            injected: 0,
        };
        for (name, value) in startup {
            session.set(&name.to_lowercase(), value)?;
        }
        session.defaults = session.variables.clone();
        Ok(session)
    }

    /// A variable.
    pub(crate) fn variable(&self, name: &str) -> &str {
        self.variables.get(name).map_or("", String::as_str)
    }

    /// What a statement needs to know to be read.
    pub(crate) fn here(&self) -> Here {
        Here {
            database: self.variable("database").to_owned(),
            override_zone: is_on(self.variable("override_multi_region_zone_config")),
        }
    }

    /// Whether it is in a transaction, or in one that failed.
    pub(crate) fn status(&self) -> (bool, bool) {
        (
            !matches!(self.mode, Mode::Idle),
            matches!(self.mode, Mode::Failed(_)),
        )
    }

    fn view(&self) -> Result<View> {
        let id = self.node.id().ok_or_else(not_initialised)?;
        let mut variables = self.variables.clone();
        let status = match self.mode {
            Mode::Idle => "NoTxn",
            Mode::Open(_) => "Open",
            Mode::Failed(_) => "Aborted",
            Mode::Released => "CommitWait",
        };
        variables.insert("transaction_status".to_owned(), status.to_owned());
        Ok(View {
            user: self.user.clone(),
            database: self.variable("database").to_owned(),
            node: id,
            cluster: self.node.cluster().unwrap_or_default(),
            locality: self.node.config.locality.clone(),
            nodes: self.node.rows(),
            voters: self.node.voters(),
            non_voters: self.node.non_voters(),
            leader: self.node.leader(),
            variables,
        })
    }

    /// The types of a statement's placeholders and result, found without executing it.
    pub(crate) fn describe(
        &self,
        stmt: &Stmt,
        types: Vec<Ty>,
    ) -> Result<(Vec<Ty>, Option<Relation>)> {
        let state = match &self.mode {
            Mode::Open(open) => open.txn.as_ref().map(|txn| txn.base.clone()),
            _ => None,
        };
        let state = state
            .or_else(|| self.node.local())
            .ok_or_else(not_initialised)?;
        let mut txn = Txn::new(state, false);
        let view = self.view()?;
        let mut exec = Exec::new(&mut txn, &view, Vec::new(), types, true);
        let relation = match data(&mut exec, stmt) {
            Some(Ok(Done::Rows(relation))) => Some(Relation {
                rows: Vec::new(),
                ..relation
            }),
            Some(Ok(Done::Count(_, _, relation))) => relation,
            Some(Err(error)) => return Err(error),
            None => None,
        };
        if let Some(n) = exec.types.iter().position(|ty| *ty == Ty::Unknown) {
            // What nothing tells the type of is taken as text.
            if matches!(stmt, Stmt::Query(..)) {
                for ty in exec.types.iter_mut().filter(|ty| **ty == Ty::Unknown) {
                    *ty = Ty::String;
                }
            } else {
                return Err(SqlError::new(
                    "42P18",
                    format!("could not determine data type of placeholder ${}", n + 1),
                ));
            }
        }
        Ok((exec.types, relation))
    }

    /// Executes statements that were sent together. What comes after a failure is not executed.
    pub(crate) async fn run(&mut self, statements: Vec<Given>) -> (Vec<Output>, Option<SqlError>) {
        let mut outputs = Vec::new();
        let mut rest = statements.into_iter().peekable();
        while let Some(first) = rest.next() {
            let result = if matches!(self.mode, Mode::Idle) && is_data(&first.0) {
                // Neighbours without a transaction around them are one.
                let mut batch = vec![first];
                while let Some(next) = rest.next_if(|(stmt, ..)| is_data(stmt)) {
                    batch.push(next);
                }
                self.limited(Work::Batch(&batch)).await
            } else {
                self.limited(Work::One(&first)).await
            };
            match result {
                Ok(more) => outputs.extend(more),
                Err(error) => {
                    self.node.counters.failures.fetch_add(1, Ordering::Relaxed);
                    if error.code == "40001" {
                        self.node.counters.restarts.fetch_add(1, Ordering::Relaxed);
                    }
                    return (outputs, Some(error));
                }
            }
        }
        (outputs, None)
    }

    async fn limited(&mut self, work: Work<'_>) -> Result<Vec<Output>> {
        let limit = timeout(self.variable("statement_timeout")).filter(|limit| !limit.is_zero());
        let Some(limit) = limit else {
            return self.work(work).await;
        };
        if let Ok(result) = tokio::time::timeout(limit, self.work(work)).await {
            return result;
        }
        self.fail(false);
        Err(SqlError::new(
            "57014",
            "query execution canceled due to statement timeout",
        ))
    }

    async fn work(&mut self, work: Work<'_>) -> Result<Vec<Output>> {
        match work {
            Work::Batch(batch) => self.implicit(batch).await,
            Work::One((stmt, params, types)) => self
                .one(stmt, params, types)
                .await
                .map(|output| vec![output]),
        }
    }

    async fn one(&mut self, stmt: &Stmt, params: &[Datum], types: &[Ty]) -> Result<Output> {
        let result = self.dispatch(stmt, params, types).await;
        if let Err(error) = &result {
            self.fail(error.code == "40001");
        }
        result
    }

    async fn dispatch(&mut self, stmt: &Stmt, params: &[Datum], types: &[Ty]) -> Result<Output> {
        self.check_mode(stmt)?;
        self.inject(stmt)?;
        match stmt {
            Stmt::Begin(read_only) => self.begin(*read_only),
            Stmt::Commit => self.end().await,
            Stmt::Rollback => Ok(self.rollback()),
            Stmt::Savepoint(name) => self.savepoint(name),
            Stmt::Release(name) => self.release(name).await,
            Stmt::RollbackTo(name) => self.rollback_to(name),
            Stmt::Set(name, value) => self.set_variable(&name.to_lowercase(), value).await,
            Stmt::Reset(name) => self.reset(&name.to_lowercase()),
            Stmt::Discard => self.discard(),
            Stmt::Show(show @ Show::Variable(_)) => {
                let state = self.node.local().ok_or_else(not_initialised)?;
                let relation = views::show(&self.view()?, &state, show)?;
                Ok(Output::Rows(relation, "SHOW".to_owned()))
            }
            Stmt::Ddl(ddl) => self.ddl(ddl.clone()).await,
            Stmt::CreateTable(create, locality) => self.create_table(create, *locality).await,
            Stmt::Password(ddl, text) => self.password(ddl.clone(), text.as_deref()).await,
            data => self.in_transaction(data, params, types).await,
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.enter(Mode::Idle);
    }
}

enum Work<'a> {
    Batch(&'a [Given]),
    One(&'a Given),
}
