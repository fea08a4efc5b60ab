//! A session: its variables, its transaction, and how statements are executed in it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlparser::ast;

use super::exec::{Done, Exec};
use super::parse::{Here, Show, Stmt};
use super::relation::Relation;
use super::txn::Txn;
use super::value::{Datum, Ty};
use super::views::View;
use super::{password, table};
use crate::cli::flags::go_duration;
use crate::ddl::{Change, Ddl, no_database};
use crate::error::SqlError;
use crate::node::{Node, build, not_initialised};
use crate::state::{Command, Outcome};

type Result<T> = std::result::Result<T, SqlError>;

/// How often a transaction of the server's own is tried.
const ATTEMPTS: u32 = 50;
/// The savepoint that transactions are tried again from.
const RESTART: &str = "cockroach_restart";

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

/// Where a session is.
#[derive(Debug)]
enum Mode {
    /// Not in a transaction.
    Idle,
    /// In one.
    Open(Box<Open>),
    /// In one that failed; whether it may be tried again from its savepoint.
    Failed(bool),
    /// Its savepoint was released, which has committed it.
    Released,
}

#[derive(Debug)]
struct Open {
    txn: Option<Txn>,
    read_only: bool,
    savepoints: Vec<(String, Option<Txn>)>,
    restart: bool,
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

/// Variables that may be set, with their defaults.
const VARIABLES: &[(&str, &str)] = &[
    ("application_name", ""),
    ("autocommit_before_ddl", "on"),
    ("bytea_output", "hex"),
    ("client_encoding", "UTF8"),
    ("client_min_messages", "notice"),
    ("database", "defaultdb"),
    ("datestyle", "ISO, MDY"),
    ("default_transaction_isolation", "serializable"),
    ("enable_multiregion_placement_policy", "off"),
    ("extra_float_digits", "1"),
    ("idle_in_transaction_session_timeout", "0"),
    ("inject_retry_errors_enabled", "off"),
    ("intervalstyle", "postgres"),
    ("lock_timeout", "0"),
    ("override_multi_region_zone_config", "off"),
    ("search_path", "\"$user\", public"),
    ("standard_conforming_strings", "on"),
    ("statement_timeout", "0"),
    ("timezone", "UTC"),
];
/// Variables that only show something.
const READ_ONLY: &[&str] = &[
    "crdb_version",
    "integer_datetimes",
    "is_superuser",
    "node_id",
    "server_encoding",
    "server_version",
    "server_version_num",
    "session_user",
    "transaction_isolation",
    "transaction_status",
];

/// What a session says that the server is.
pub(crate) fn server_variables(node: &Node) -> BTreeMap<String, String> {
    let id = node.id().unwrap_or_default();
    let pairs = [
        ("server_version", "13.0.0".to_owned()),
        ("server_version_num", "130000".to_owned()),
        ("server_encoding", "UTF8".to_owned()),
        ("integer_datetimes", "on".to_owned()),
        ("transaction_isolation", "serializable".to_owned()),
        (
            "crdb_version",
            format!(
                "Atlas test double of CockroachDB (not CockroachDB) {}",
                build()
            ),
        ),
        ("node_id", id.to_string()),
    ];
    pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
}

fn is_on(value: &str) -> bool {
    matches!(
        value.to_lowercase().as_str(),
        "on" | "true" | "1" | "yes" | "t"
    )
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

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let wrong = || {
            SqlError::new(
                "22023",
                format!("invalid value for parameter \"{name}\": \"{value}\""),
            )
        };
        if READ_ONLY.contains(&name) {
            return Err(SqlError::new(
                "55P02",
                format!("parameter \"{name}\" cannot be changed"),
            ));
        }
        let Some((_, default)) = VARIABLES.iter().find(|(known, _)| *known == name) else {
            return Err(SqlError::new(
                "42704",
                format!("unrecognized configuration parameter \"{name}\""),
            )
            .hint("the double knows some variables only: SHOW ALL lists them"));
        };
        let value = match name {
            "client_encoding"
                if !matches!(
                    value.to_lowercase().replace('-', "").as_str(),
                    "utf8" | "unicode"
                ) =>
            {
                return Err(SqlError::new(
                    "0A000",
                    format!("unimplemented client encoding: \"{value}\""),
                ));
            }
            "client_encoding" => "UTF8".to_owned(),
            "timezone"
                if !matches!(
                    value.to_lowercase().as_str(),
                    "utc" | "gmt" | "etc/utc" | "0" | "z"
                ) =>
            {
                return Err(SqlError::unsupported(format!(
                    "the time zone {value}: all times are UTC"
                )));
            }
            "timezone" => "UTC".to_owned(),
            "default_transaction_isolation" if !value.eq_ignore_ascii_case("serializable") => {
                return Err(SqlError::unsupported(format!(
                    "the isolation level {value}: everything is serializable"
                )));
            }
            "statement_timeout" | "lock_timeout" | "idle_in_transaction_session_timeout" => {
                if timeout(value).is_none() {
                    return Err(wrong());
                }
                value.to_owned()
            }
            _ if matches!(*default, "on" | "off") => {
                if !is_on(value)
                    && !matches!(
                        value.to_lowercase().as_str(),
                        "off" | "false" | "0" | "no" | "f"
                    )
                {
                    return Err(wrong());
                }
                if is_on(value) { "on" } else { "off" }.to_owned()
            }
            _ => value.to_owned(),
        };
        self.variables.insert(name.to_owned(), value);
        Ok(())
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
    pub(crate) async fn run(
        &mut self,
        statements: Vec<(Stmt, Vec<Datum>, Vec<Ty>)>,
    ) -> (Vec<Output>, Option<SqlError>) {
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

    /// A transaction around statements, tried again by the server as long as nothing was sent.
    async fn implicit(&mut self, batch: &[(Stmt, Vec<Datum>, Vec<Ty>)]) -> Result<Vec<Output>> {
        let mut last = None;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                // Those who collide step apart.
                let jitter = u64::from(uuid::Uuid::new_v4().as_bytes()[0]);
                tokio::time::sleep(Duration::from_millis(
                    jitter * u64::from(attempt.min(8)) / 64,
                ))
                .await;
            }
            // What no table is read for needs no quorum, as it does not with the vendor.
            let local = if batch.iter().all(|(stmt, ..)| is_local(stmt)) {
                self.node.local()
            } else {
                None
            };
            let state = match local {
                Some(state) => state,
                None => self.node.read().await?,
            };
            let mut txn = Txn::new(state, false);
            let view = self.view()?;
            let mut outputs = Vec::new();
            for (stmt, params, types) in batch {
                outputs.push(execute(&mut txn, &view, stmt, params, types)?);
            }
            match self.commit(&txn).await {
                Err(error) if error.code == "40001" => last = Some(error),
                Err(error) => return Err(error),
                Ok(()) => return Ok(outputs),
            }
        }
        Err(last.unwrap_or_else(|| retry("too many attempts")))
    }

    async fn commit(&self, txn: &Txn) -> Result<()> {
        if !txn.is_clean() {
            match self.node.propose(Command::Commit(txn.command())).await? {
                Outcome::Committed => (),
                Outcome::Conflict(what) => return Err(retry(&what)),
                Outcome::Refused(error) => return Err(error),
                _ => return Err(SqlError::new("XX000", "the leader answered something else")),
            }
        }
        self.node.counters.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn enter(&mut self, mode: Mode) {
        let open = |mode: &Mode| matches!(mode, Mode::Open(_) | Mode::Failed(_));
        match (open(&self.mode), open(&mode)) {
            (false, true) => {
                self.node
                    .counters
                    .open_transactions
                    .fetch_add(1, Ordering::Relaxed);
            }
            (true, false) => {
                self.node
                    .counters
                    .open_transactions
                    .fetch_sub(1, Ordering::Relaxed);
            }
            _ => (),
        }
        self.mode = mode;
    }

    /// A statement failed: an explicit transaction fails with it.
    pub(crate) fn fail(&mut self, retryable: bool) {
        let restart = match &self.mode {
            Mode::Open(open) => open.restart,
            Mode::Failed(restart) => *restart,
            _ => return,
        };
        self.enter(Mode::Failed(restart && retryable));
    }

    async fn one(&mut self, stmt: &Stmt, params: &[Datum], types: &[Ty]) -> Result<Output> {
        let result = self.dispatch(stmt, params, types).await;
        if let Err(error) = &result {
            self.fail(error.code == "40001");
        }
        result
    }

    async fn dispatch(&mut self, stmt: &Stmt, params: &[Datum], types: &[Ty]) -> Result<Output> {
        if matches!(self.mode, Mode::Failed(_))
            && !matches!(stmt, Stmt::Commit | Stmt::Rollback | Stmt::RollbackTo(_))
        {
            return Err(SqlError::new(
                "25P02",
                "current transaction is aborted, commands ignored until end of transaction block",
            ));
        }
        if matches!(self.mode, Mode::Released) && !matches!(stmt, Stmt::Commit | Stmt::Rollback) {
            return Err(SqlError::new(
                "25000",
                "current transaction is committed, commands ignored until end of transaction block",
            ));
        }
        self.inject(stmt)?;
        match stmt {
            Stmt::Begin(read_only) => {
                if matches!(self.mode, Mode::Open(_)) {
                    return Err(SqlError::new(
                        "25001",
                        "there is already a transaction in progress",
                    ));
                }
                let read_only = *read_only;
                self.injected = 0;
                self.enter(Mode::Open(Box::new(Open {
                    txn: None,
                    read_only,
                    savepoints: Vec::new(),
                    restart: false,
                })));
                Ok(Output::Begun)
            }
            Stmt::Commit => match std::mem::replace(&mut self.mode, Mode::Idle) {
                Mode::Open(open) => {
                    self.node
                        .counters
                        .open_transactions
                        .fetch_sub(1, Ordering::Relaxed);
                    if let Some(txn) = &open.txn {
                        self.commit(txn).await?;
                    }
                    Ok(Output::Ended("COMMIT"))
                }
                Mode::Failed(_) => {
                    self.node
                        .counters
                        .open_transactions
                        .fetch_sub(1, Ordering::Relaxed);
                    self.node.counters.rollbacks.fetch_add(1, Ordering::Relaxed);
                    Ok(Output::Ended("ROLLBACK"))
                }
                Mode::Released => Ok(Output::Ended("COMMIT")),
                Mode::Idle => {
                    self.notices
                        .push(("WARNING", "there is no transaction in progress".to_owned()));
                    Ok(Output::Ended("COMMIT"))
                }
            },
            Stmt::Rollback => {
                if matches!(self.mode, Mode::Idle) {
                    self.notices
                        .push(("WARNING", "there is no transaction in progress".to_owned()));
                } else {
                    self.node.counters.rollbacks.fetch_add(1, Ordering::Relaxed);
                }
                self.enter(Mode::Idle);
                Ok(Output::Ended("ROLLBACK"))
            }
            Stmt::Savepoint(name) => {
                let Mode::Open(open) = &mut self.mode else {
                    return Err(no_transaction("SAVEPOINT"));
                };
                if name == RESTART {
                    if open.txn.as_ref().is_some_and(|txn| !txn.is_fresh()) {
                        return Err(SqlError::new(
                            "0A000",
                            format!(
                                "SAVEPOINT \"{RESTART}\" needs to be the first statement in a transaction"
                            ),
                        ));
                    }
                    open.restart = true;
                } else {
                    open.savepoints.push((name.clone(), open.txn.clone()));
                }
                Ok(Output::Tag("SAVEPOINT".to_owned(), None))
            }
            Stmt::Release(name) => {
                let Mode::Open(open) = &mut self.mode else {
                    return Err(no_transaction("RELEASE SAVEPOINT"));
                };
                if name == RESTART && open.restart {
                    let txn = open.txn.clone();
                    if let Some(txn) = txn {
                        self.commit(&txn).await?;
                    }
                    self.enter(Mode::Released);
                } else {
                    let at = open.savepoints.iter().rposition(|(known, _)| known == name);
                    open.savepoints
                        .truncate(at.ok_or_else(|| no_savepoint(name))?);
                }
                Ok(Output::Tag("RELEASE".to_owned(), None))
            }
            Stmt::RollbackTo(name) => self.rollback_to(name),
            Stmt::Set(name, value) => {
                let name = name.to_lowercase();
                if name == "database" && !value.is_empty() {
                    let known = self
                        .node
                        .local()
                        .is_some_and(|state| state.catalog.databases.contains_key(value));
                    if !known
                        && !self
                            .node
                            .read()
                            .await?
                            .catalog
                            .databases
                            .contains_key(value)
                    {
                        return Err(no_database(value));
                    }
                }
                self.set(&name, value)?;
                Ok(Output::Tag("SET".to_owned(), None))
            }
            Stmt::Reset(name) => {
                let name = name.to_lowercase();
                let value = self.defaults.get(&name).cloned().unwrap_or_default();
                self.set(&name, &value)?;
                Ok(Output::Tag("RESET".to_owned(), None))
            }
            Stmt::Discard => {
                if !matches!(self.mode, Mode::Idle) {
                    return Err(SqlError::new(
                        "25001",
                        "DISCARD ALL cannot run inside a transaction block",
                    ));
                }
                self.variables = self.defaults.clone();
                Ok(Output::Tag("DISCARD".to_owned(), None))
            }
            Stmt::Show(Show::Variable(_)) => {
                let state = self.node.local().ok_or_else(not_initialised)?;
                let relation = super::views::show(
                    &self.view()?,
                    &state,
                    match stmt {
                        Stmt::Show(show) => show,
                        _ => &Show::Locality,
                    },
                )?;
                Ok(Output::Rows(relation, "SHOW".to_owned()))
            }
            Stmt::Ddl(ddl) => self.ddl(ddl.clone()).await,
            Stmt::CreateTable(create, locality) => {
                let ddl = table::definition(create, *locality, self.variable("database"))?;
                self.ddl(ddl).await
            }
            Stmt::Password(ddl, text) => {
                if text.is_some() && self.node.tls.is_none() {
                    return Err(SqlError::new(
                        "28P01",
                        "setting or updating a password is not supported in insecure mode",
                    ));
                }
                let hashed = match text {
                    Some(text) => Some(password::hash(text)?),
                    None => None,
                };
                let ddl = match ddl.clone() {
                    Ddl::CreateUser {
                        name,
                        if_not_exists,
                        login,
                        ..
                    } => Ddl::CreateUser {
                        name,
                        if_not_exists,
                        login,
                        password: hashed,
                    },
                    Ddl::SetPassword { name, .. } => Ddl::SetPassword {
                        name,
                        password: hashed,
                    },
                    other => other,
                };
                self.ddl(ddl).await
            }
            data => self.in_transaction(data, params, types).await,
        }
    }

    fn rollback_to(&mut self, name: &str) -> Result<Output> {
        let done = Output::Tag("ROLLBACK".to_owned(), None);
        match &mut self.mode {
            Mode::Failed(true) if name == RESTART => {
                self.enter(Mode::Open(Box::new(Open {
                    txn: None,
                    read_only: false,
                    savepoints: Vec::new(),
                    restart: true,
                })));
                Ok(done)
            }
            Mode::Failed(_) => Err(SqlError::unsupported(
                "ROLLBACK TO another savepoint than cockroach_restart after a failure",
            )),
            Mode::Open(open) if name == RESTART && open.restart => {
                open.txn = None;
                open.savepoints.clear();
                Ok(done)
            }
            Mode::Open(open) => {
                let at = open
                    .savepoints
                    .iter()
                    .rposition(|(known, _)| known == name)
                    .ok_or_else(|| no_savepoint(name))?;
                open.savepoints.truncate(at + 1);
                let saved = open.savepoints.last().and_then(|(_, txn)| txn.clone());
                let now = open.txn.take();
                open.txn = match (saved, now) {
                    (Some(mut saved), Some(now)) => {
                        saved.keep_reads(&now);
                        Some(saved)
                    }
                    (None, Some(now)) => {
                        let mut fresh = Txn::new(now.base.clone(), open.read_only);
                        fresh.keep_reads(&now);
                        Some(fresh)
                    }
                    (saved, None) => saved,
                };
                Ok(done)
            }
            _ => Err(no_transaction("ROLLBACK TO SAVEPOINT")),
        }
    }

    /// The vendor's hook for testing how clients try again.
    fn inject(&mut self, stmt: &Stmt) -> Result<()> {
        let Mode::Open(open) = &self.mode else {
            return Ok(());
        };
        let exempt = matches!(
            stmt,
            Stmt::Set(..)
                | Stmt::Reset(_)
                | Stmt::Rollback
                | Stmt::RollbackTo(_)
                | Stmt::Savepoint(_)
                | Stmt::Show(_)
                | Stmt::Begin(_)
        );
        if exempt || !is_on(self.variable("inject_retry_errors_enabled")) {
            return Ok(());
        }
        if open.restart && self.injected >= 3 {
            return Ok(());
        }
        self.injected += 1;
        Err(retry(
            "injected by `inject_retry_errors_enabled` session variable",
        ))
    }

    async fn in_transaction(
        &mut self,
        stmt: &Stmt,
        params: &[Datum],
        types: &[Ty],
    ) -> Result<Output> {
        let fresh = match &self.mode {
            Mode::Open(open) => open.txn.as_ref().is_none_or(Txn::is_fresh),
            _ => true,
        };
        let locks = matches!(stmt, Stmt::Query(query, _) if !query.locks.is_empty());
        let state = if fresh || locks {
            Some(self.node.read().await?)
        } else {
            None
        };
        let view = self.view()?;
        let Mode::Open(open) = &mut self.mode else {
            return Err(no_transaction("this"));
        };
        match (&mut open.txn, state) {
            // What is to be locked is read as of now; what was read before must not have changed.
            (Some(txn), Some(state)) if !fresh => txn.refresh(state)?,
            (txn, Some(state)) => *txn = Some(Txn::new(state, open.read_only)),
            _ => (),
        }
        let Some(txn) = &mut open.txn else {
            return Err(no_transaction("this"));
        };
        execute(txn, &view, stmt, params, types)
    }

    async fn ddl(&mut self, ddl: Ddl) -> Result<Output> {
        let restricted = matches!(
            ddl,
            Ddl::AlterDatabase {
                change: Change::Placement(_),
                ..
            } | Ddl::CreateDatabase {
                restricted: Some(_),
                ..
            }
        );
        if restricted && !is_on(self.variable("enable_multiregion_placement_policy")) {
            return Err(SqlError::new("XCEXF", "PLACEMENT requires that the session setting enable_multiregion_placement_policy is enabled")
                .hint("to use PLACEMENT, enable the session setting with SET enable_multiregion_placement_policy = true or enable the cluster setting sql.defaults.multiregion_placement_policy.enabled"));
        }
        if let Mode::Open(open) = &self.mode {
            if open.txn.as_ref().is_some_and(|txn| !txn.is_fresh()) || open.restart {
                if !is_on(self.variable("autocommit_before_ddl")) {
                    return Err(SqlError::unsupported(
                        "a schema change in a transaction with autocommit_before_ddl off",
                    ));
                }
                let txn = open.txn.clone();
                if let Some(txn) = txn {
                    self.commit(&txn).await?;
                }
            }
            self.notices.push(("NOTICE", "auto-committing transaction before processing DDL due to autocommit_before_ddl setting".to_owned()));
            self.enter(Mode::Idle);
        }
        match self
            .node
            .propose(Command::Ddl {
                ddl,
                user: self.user.clone(),
            })
            .await?
        {
            Outcome::Done(done) => {
                self.notices
                    .extend(done.notices.into_iter().map(|words| ("NOTICE", words)));
                Ok(Output::Tag(done.tag, None))
            }
            Outcome::Refused(error) => Err(error),
            _ => Err(SqlError::new("XX000", "the leader answered something else")),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.enter(Mode::Idle);
    }
}

enum Work<'a> {
    Batch(&'a [(Stmt, Vec<Datum>, Vec<Ty>)]),
    One(&'a (Stmt, Vec<Datum>, Vec<Ty>)),
}

/// A time in milliseconds, or with a unit.
fn timeout(text: &str) -> Option<Duration> {
    match text.parse::<u64>() {
        Ok(millis) => Some(Duration::from_millis(millis)),
        Err(_) => go_duration(text),
    }
}

/// The error of a transaction that has to be tried again.
pub(super) fn retry(what: &str) -> SqlError {
    SqlError::new(
        "40001",
        format!("restart transaction: TransactionRetryWithProtoRefreshError: TransactionRetryError: retry txn (RETRY_SERIALIZABLE - failed preemptive refresh due to encountered recently written committed value {what})"),
    )
    .hint("See: https://www.cockroachlabs.com/docs/v25.4/transaction-retry-error-reference.html#retry_serializable")
}

fn no_transaction(what: &str) -> SqlError {
    SqlError::new(
        "25P01",
        format!(
            "{what} can only be used in transaction blocks: there is no transaction in progress"
        ),
    )
}

fn no_savepoint(name: &str) -> SqlError {
    SqlError::new("3B001", format!("savepoint \"{name}\" does not exist"))
}

/// Whether a query reads no table, or only what gossip tells.
fn is_local(stmt: &Stmt) -> bool {
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

fn is_data(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Query(..) | Stmt::Insert(..) | Stmt::Update(_) | Stmt::Delete(_) => true,
        Stmt::Show(show) => !matches!(show, Show::Variable(_)),
        _ => false,
    }
}

/// Executes or describes a statement that reads or writes rows.
fn data(exec: &mut Exec<'_>, stmt: &Stmt) -> Option<Result<Done>> {
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

fn execute(
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
