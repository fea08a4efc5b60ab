//! One transfer, and how a client makes sure of it: the same id as often as it takes.

use std::time::{Duration, Instant};

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row, Transaction};
use uuid::Uuid;

use super::ACCOUNTS;
use crate::cockroach::{Client, Failure, Step};
use crate::dice::Dice;

/// The pause before the first repetition; it doubles with each.
const BACKOFF: Duration = Duration::from_millis(10);

/// Money that moves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Transfer {
    /// Made by the client: its idempotency key.
    pub id: Uuid,
    /// The account that it leaves.
    pub source: i64,
    /// The account that it reaches.
    pub target: i64,
    /// How much.
    pub amount: i64,
}

/// What a transaction found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// The money has moved now.
    Now,
    /// It had moved before.
    Before,
    /// There is not enough of it.
    Declined,
}

/// What a client knows in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// It is there: the server said so. The attempt that it said so to began then.
    Acknowledged(Instant),
    /// It is not there, and will not be.
    Without,
    /// The client gave up before it knew.
    Undecided,
}

/// What happened to a client on the way.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    /// Repetitions that the server wanted.
    pub(super) again: usize,
    /// Attempts that failed without an effect.
    pub(super) undone: usize,
    /// Commits whose outcome was open.
    pub(super) unknown: usize,
    /// Those of them whose key was found when it was looked up.
    pub(super) found: usize,
}

impl Transfer {
    /// Any.
    pub fn random(dice: &mut Dice) -> Self {
        let accounts = ACCOUNTS.unsigned_abs();
        let source = dice.roll(accounts);
        let target = (source + 1 + dice.roll(accounts - 1)) % accounts;
        Self {
            id: dice.uuid(),
            source: source.cast_signed(),
            target: target.cast_signed(),
            amount: 1 + dice.roll(100).cast_signed(),
        }
    }

    /// The transaction.
    pub async fn carry_out(&self, on: &Transaction<'_>) -> Result<Step<Done>, Error> {
        fn int(value: &i64) -> (&(dyn ToSql + Sync), Type) {
            (value, Type::INT8)
        }
        let inserted = on
            .execute_typed(
                "INSERT INTO transfer (id, source, target, amount) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING",
                &[(&self.id, Type::UUID), int(&self.source), int(&self.target), int(&self.amount)],
            )
            .await?;
        if inserted == 0 {
            return Ok(Step::Rollback(Done::Before));
        }
        let balances = on
            .query_typed(
                "SELECT id, balance FROM account WHERE id IN ($1, $2) ORDER BY id FOR UPDATE",
                &[int(&self.source), int(&self.target)],
            )
            .await?;
        let mut covered = false;
        for row in &balances {
            let (id, balance): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            covered |= id == self.source && balance >= self.amount;
        }
        if !covered {
            return Ok(Step::Rollback(Done::Declined));
        }
        for (account, amount) in [(self.source, -self.amount), (self.target, self.amount)] {
            on.execute_typed(
                "UPDATE account SET balance = balance + $2 WHERE id = $1",
                &[(&account, Type::INT8), (&amount, Type::INT8)],
            )
            .await?;
        }
        for (account, amount) in [(self.source, -self.amount), (self.target, self.amount)] {
            on.execute_typed(
                "INSERT INTO entry (transfer_id, account_id, amount) VALUES ($1, $2, $3)",
                &[
                    (&self.id, Type::UUID),
                    (&account, Type::INT8),
                    (&amount, Type::INT8),
                ],
            )
            .await?;
        }
        Ok(Step::Commit(Done::Now))
    }

    /// Reads the idempotency key.
    async fn look_up(&self, client: &mut Client<'_>) -> Result<bool, Failure> {
        client
            .transaction(async |on| {
                let found: Vec<Row> = on
                    .query_typed(
                        "SELECT id FROM transfer WHERE id = $1",
                        &[(&self.id, Type::UUID)],
                    )
                    .await?;
                Ok(Step::Commit(!found.is_empty()))
            })
            .await
    }

    /// Sends one that was acknowledged once more, as a client does that was told and forgot it. Fails unless it is
    /// found to be there; `false` if nobody answered.
    pub(super) async fn replay(&self, client: &mut Client<'_>) -> anyhow::Result<bool> {
        match client
            .transaction(async |on| self.carry_out(on).await)
            .await
        {
            Ok(Done::Before) => Ok(true),
            Ok(done) => anyhow::bail!("{self:?} was acknowledged; sent once more, it was {done:?}"),
            Err(_) => Ok(false),
        }
    }

    /// Carries it out until the client knows what became of it, or is to give up.
    ///
    /// Fails when the server contradicts itself: the key is there although every attempt was told to have had no
    /// effect.
    pub(super) async fn settle(
        &self,
        client: &mut Client<'_>,
        dice: &mut Dice,
        troubles: &mut Troubles,
        give_up: impl Fn() -> bool,
        hear: impl Fn(&Failure),
    ) -> anyhow::Result<Settled> {
        // Whether an attempt may have had its effect, or may still have it.
        let mut doubtful = false;
        for attempt in 0.. {
            let began = Instant::now();
            let failure = match client
                .transaction(async |on| self.carry_out(on).await)
                .await
            {
                Ok(Done::Before) if !doubtful => {
                    anyhow::bail!("{self:?} is there, but no attempt is known to have made it")
                }
                Ok(Done::Now | Done::Before) => return Ok(Settled::Acknowledged(began)),
                Ok(Done::Declined) if doubtful => return Ok(Settled::Undecided),
                Ok(Done::Declined) => return Ok(Settled::Without),
                Err(failure) => failure,
            };
            hear(&failure);
            match failure {
                Failure::Again(_) => troubles.again += 1,
                Failure::Undone(_) => troubles.undone += 1,
                Failure::Unknown(_) => {
                    troubles.unknown += 1;
                    doubtful = true;
                    // Not found is no answer: it may come yet. The repetition with the same key is safe.
                    if matches!(self.look_up(client).await, Ok(true)) {
                        troubles.found += 1;
                        return Ok(Settled::Acknowledged(began));
                    }
                }
            }
            if give_up() {
                break;
            }
            tokio::time::sleep(backoff(attempt, dice)).await;
        }
        Ok(if doubtful {
            Settled::Undecided
        } else {
            Settled::Without
        })
    }
}

/// Twice as long each time, up to half a second, and never the same for two clients.
pub(super) fn backoff(attempt: u32, dice: &mut Dice) -> Duration {
    let pause = BACKOFF * 2_u32.pow(attempt.min(5)) + BACKOFF * 18 * u32::from(attempt > 5);
    pause / 2 + pause.mul_f64(f64::from(u8::try_from(dice.roll(100)).unwrap_or(0)) / 100.0)
}
