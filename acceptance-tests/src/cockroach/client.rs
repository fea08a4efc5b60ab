//! A client as the vendor's documentation wants it: transactions are closures that may be carried out again, a
//! gateway that fails is left for another of the region, and what became of a COMMIT without an answer is not
//! guessed.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Error, IsolationLevel, Transaction};

use super::{Cluster, Session, told};

/// What a statement may take before the gateway is given up.
const PATIENCE: Duration = Duration::from_secs(3);

/// How a transaction's closure ends.
#[derive(Debug)]
pub enum Step<T> {
    /// What was written is to last.
    Commit(T),
    /// It is not.
    Rollback(T),
}

/// Why a transaction did not end well.
#[derive(Debug)]
pub enum Failure {
    /// The server wants it again, from the beginning (40001).
    Again(String),
    /// It failed before its COMMIT was sent, so it had no effect.
    Undone(String),
    /// Nobody answered its COMMIT, or with an error that leaves it open (40003): it may have had its effect.
    Unknown(String),
}

/// A client in one region.
pub struct Client<'c> {
    cluster: &'c Cluster,
    gateways: Vec<usize>,
    turn: usize,
    patience: Duration,
    session: Option<Session>,
}

impl<'c> Client<'c> {
    pub(super) fn new(cluster: &'c Cluster, gateways: Vec<usize>) -> Self {
        Self {
            cluster,
            gateways,
            turn: 0,
            patience: PATIENCE,
            session: None,
        }
    }

    /// Begins with another gateway than the first, so that the clients of a region use all of them.
    #[must_use]
    pub fn starting_at(mut self, turn: usize) -> Self {
        self.turn = turn;
        self
    }

    /// Waits so long for the answer to each statement.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Carries out a SERIALIZABLE transaction, once. After any failure but [`Failure::Again`] the next one is
    /// sent through another gateway.
    pub async fn transaction<T>(
        &mut self,
        body: impl AsyncFnOnce(&Transaction<'_>) -> Result<Step<T>, Error>,
    ) -> Result<T, Failure> {
        let open = self
            .session
            .take()
            .filter(|session| !session.client.is_closed());
        let mut session = match open {
            Some(session) => session,
            None => self.connect().await?,
        };
        let result = carry_out(&mut session, self.patience, body).await;
        if matches!(result, Ok(_) | Err(Failure::Again(_))) {
            self.session = Some(session);
        }
        result
    }

    async fn connect(&mut self) -> Result<Session, Failure> {
        let gateway = self.gateways[self.turn % self.gateways.len()];
        self.turn += 1;
        let connected = self.cluster.connect(gateway).await;
        connected.map_err(|error| Failure::Undone(format!("{error:#}")))
    }
}

async fn carry_out<T>(
    session: &mut Session,
    patience: Duration,
    body: impl AsyncFnOnce(&Transaction<'_>) -> Result<Step<T>, Error>,
) -> Result<T, Failure> {
    let late = format!("no answer within {} s", patience.as_secs());
    let beginning = session
        .client
        .build_transaction()
        .isolation_level(IsolationLevel::Serializable)
        .start();
    let transaction = match timeout(patience, beginning).await {
        Ok(begun) => begun.map_err(|error| before_commit(&error))?,
        Err(_) => return Err(Failure::Undone(late)),
    };
    let step = match timeout(patience, body(&transaction)).await {
        Ok(step) => step.map_err(|error| before_commit(&error))?,
        Err(_) => return Err(Failure::Undone(late)),
    };
    match step {
        Step::Commit(value) => match timeout(patience, transaction.commit()).await {
            Ok(Ok(())) => Ok(value),
            Ok(Err(error)) => Err(at_commit(&error)),
            Err(_) => Err(Failure::Unknown(late)),
        },
        Step::Rollback(value) => match timeout(patience, transaction.rollback()).await {
            Ok(Ok(())) => Ok(value),
            Ok(Err(error)) => Err(Failure::Undone(told(&error))),
            Err(_) => Err(Failure::Undone(late)),
        },
    }
}

fn before_commit(error: &Error) -> Failure {
    if error.code() == Some(&SqlState::T_R_SERIALIZATION_FAILURE) {
        Failure::Again(told(error))
    } else {
        Failure::Undone(told(error))
    }
}

/// All but a demand to try again leaves open what became of it: to read the idempotency key costs little, and to
/// take an effect for none costs money.
fn at_commit(error: &Error) -> Failure {
    if error.code() == Some(&SqlState::T_R_SERIALIZATION_FAILURE) {
        Failure::Again(told(error))
    } else {
        Failure::Unknown(told(error))
    }
}

impl Failure {
    /// What was said.
    pub fn words(&self) -> &str {
        match self {
            Self::Again(words) | Self::Undone(words) | Self::Unknown(words) => words,
        }
    }
}
