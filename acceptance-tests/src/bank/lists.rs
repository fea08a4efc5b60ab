//! Clients who append to lists and read them, several lists to a transaction: what the checker of serial orders
//! feeds on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio_postgres::types::Type;
use tokio_postgres::{Error, Row, Transaction};

use super::history::{History, Micro};
use crate::cockroach::{Client, Failure, Step};
use crate::dice::Dice;

/// Lists that are in use at a time. Few, so that transactions meet.
const HOT: u64 = 5;
/// After so many appends, one list is left for a new one: long lists cost, and tell no more.
const TURNOVER: i64 = 40;

/// Makes transactions no two of which append the same number.
#[derive(Debug, Default)]
pub(super) struct Lists {
    next: AtomicI64,
}

impl Lists {
    /// Up to four steps, on lists that others use too.
    pub(super) fn random(&self, dice: &mut Dice) -> Vec<Micro> {
        let steps = 1 + dice.roll(4);
        (0..steps)
            .map(|_| {
                let oldest = self.next.load(Ordering::Relaxed) / TURNOVER;
                let key = oldest + dice.roll(HOT).cast_signed();
                if dice.roll(2) == 0 {
                    let element = self.next.fetch_add(1, Ordering::Relaxed);
                    Micro::Append { key, element }
                } else {
                    Micro::Read {
                        key,
                        elements: None,
                    }
                }
            })
            .collect()
    }
}

/// Carries out a transaction once, and records what became of it. Returns the process for the next one, and the
/// failure if it was one.
pub(super) async fn carry_out(
    micros: &[Micro],
    client: &mut Client<'_>,
    dice: &mut Dice,
    history: &History,
    process: u64,
) -> (u64, Option<Failure>) {
    // By the server in one statement, or by the client who read the list before: both are ways to lose an update.
    let read_first: Vec<bool> = micros.iter().map(|_| dice.roll(2) == 0).collect();
    history.invoke(process, micros);
    let done = client
        .transaction(async |on| {
            let mut done = Vec::new();
            for (micro, read_first) in micros.iter().zip(&read_first) {
                done.push(match micro {
                    Micro::Append { key, element } if *read_first => {
                        append_to_what_was_read(on, *key, *element).await?;
                        micro.clone()
                    }
                    Micro::Append { key, element } => {
                        append(on, *key, *element).await?;
                        micro.clone()
                    }
                    Micro::Read { key, .. } => Micro::Read {
                        key: *key,
                        elements: Some(numbers(&read(on, *key).await?.unwrap_or_default())),
                    },
                });
            }
            Ok(Step::Commit(done))
        })
        .await;
    match done {
        Ok(done) => {
            history.ok(process, &done);
            (process, None)
        }
        Err(failure @ Failure::Unknown(_)) => {
            history.info(process, micros);
            (history.process(), Some(failure))
        }
        Err(failure) => {
            history.fail(process, micros);
            (process, Some(failure))
        }
    }
}

/// All lists, as they are now.
pub(super) async fn read_all(on: &Transaction<'_>) -> Result<BTreeMap<i64, Vec<i64>>, Error> {
    let rows = on.query_typed("SELECT k, elements FROM lists", &[]).await?;
    let list = |row: &Row| Ok((row.try_get(0)?, numbers(row.try_get(1)?)));
    rows.iter().map(list).collect()
}

async fn read(on: &Transaction<'_>, key: i64) -> Result<Option<String>, Error> {
    let sql = "SELECT elements FROM lists WHERE k = $1";
    let row = on.query_typed_opt(sql, &[(&key, Type::INT8)]).await?;
    row.map(|row| row.try_get(0)).transpose()
}

async fn append(on: &Transaction<'_>, key: i64, element: i64) -> Result<(), Error> {
    let sql = "INSERT INTO lists (k, elements) VALUES ($1, $2) \
               ON CONFLICT (k) DO UPDATE SET elements = lists.elements || ',' || excluded.elements";
    let element = element.to_string();
    on.execute_typed(sql, &[(&key, Type::INT8), (&element, Type::TEXT)])
        .await
        .map(drop)
}

async fn append_to_what_was_read(
    on: &Transaction<'_>,
    key: i64,
    element: i64,
) -> Result<(), Error> {
    let (sql, elements) = match read(on, key).await? {
        Some(before) => (
            "UPDATE lists SET elements = $2 WHERE k = $1",
            format!("{before},{element}"),
        ),
        None => (
            "INSERT INTO lists (k, elements) VALUES ($1, $2)",
            element.to_string(),
        ),
    };
    on.execute_typed(sql, &[(&key, Type::INT8), (&elements, Type::TEXT)])
        .await
        .map(drop)
}

/// What does not read as a number is a number that nobody appended, which the checker sees.
fn numbers(elements: &str) -> Vec<i64> {
    let words = elements.split(',').filter(|word| !word.is_empty());
    words.map(|word| word.parse().unwrap_or(-1)).collect()
}
