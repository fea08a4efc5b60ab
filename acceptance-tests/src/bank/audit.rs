//! What the books must say: on the way, of every read that sees all of it, and in the end.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use tokio_postgres::{Error, Transaction};
use uuid::Uuid;

use super::transfer::Transfer;
use super::{ACCOUNTS, OPENING};

/// Everything that is written, read in one transaction.
#[derive(Debug, Clone, Default)]
pub struct Books {
    /// Balances by account.
    pub accounts: Vec<(i64, i64)>,
    /// Transfers.
    pub transfers: Vec<Transfer>,
    /// Entries: transfer, account, amount.
    pub entries: Vec<(Uuid, i64, i64)>,
}

/// What clients say about it.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    /// The server acknowledged them.
    pub acknowledged: Vec<Transfer>,
    /// Their clients never learned what became of them.
    pub undecided: Vec<Transfer>,
}

/// Balances, and the sum of the entries of each account, read in one transaction.
#[derive(Debug, Clone)]
pub(super) struct Glance {
    balances: Vec<(i64, i64)>,
    moved: BTreeMap<i64, i64>,
}

impl Glance {
    pub(super) async fn read(on: &Transaction<'_>) -> Result<Self, Error> {
        let balances = balances(on).await?;
        let sums = on
            .query_typed(
                "SELECT account_id, sum(amount)::INT8 FROM entry GROUP BY account_id",
                &[],
            )
            .await?;
        let mut moved = BTreeMap::new();
        for row in sums {
            moved.insert(row.try_get(0)?, row.try_get(1)?);
        }
        Ok(Self { balances, moved })
    }

    pub(super) fn check(&self) -> Result<()> {
        check_balances(&self.balances, &self.moved)
    }
}

impl Books {
    /// Reads all of it.
    pub async fn read(on: &Transaction<'_>) -> Result<Self, Error> {
        let mut books = Self {
            accounts: balances(on).await?,
            ..Self::default()
        };
        let transfers = "SELECT id, source, target, amount FROM transfer";
        for row in on.query_typed(transfers, &[]).await? {
            books.transfers.push(Transfer {
                id: row.try_get(0)?,
                source: row.try_get(1)?,
                target: row.try_get(2)?,
                amount: row.try_get(3)?,
            });
        }
        let entries = "SELECT transfer_id, account_id, amount FROM entry";
        for row in on.query_typed(entries, &[]).await? {
            books
                .entries
                .push((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
        }
        Ok(books)
    }

    /// What was acknowledged, but is not there. The recovery point is how far back that reaches: none may be missing.
    pub fn missing<'c>(&self, claims: &'c Claims) -> Vec<&'c Transfer> {
        let written: BTreeSet<&Transfer> = self.transfers.iter().collect();
        let mut missing: Vec<&Transfer> = claims.acknowledged.iter().collect();
        missing.retain(|transfer| !written.contains(transfer));
        missing
    }

    /// Fails with what is wrong, if anything is.
    pub fn check(&self, claims: &Claims) -> Result<()> {
        let missing = self.missing(claims);
        ensure!(
            missing.is_empty(),
            "{} acknowledged transfers are missing: {missing:?}",
            missing.len()
        );
        let mut known: BTreeSet<&Transfer> = claims.acknowledged.iter().collect();
        known.extend(&claims.undecided);
        let mut seen = BTreeSet::new();
        for transfer in &self.transfers {
            ensure!(
                known.contains(transfer),
                "nobody was left with this transfer: {transfer:?}"
            );
            ensure!(seen.insert(transfer.id), "{} is there twice", transfer.id);
        }
        let mut wanted = BTreeMap::new();
        for transfer in &self.transfers {
            wanted.insert((transfer.id, transfer.source), -transfer.amount);
            wanted.insert((transfer.id, transfer.target), transfer.amount);
        }
        let mut moved: BTreeMap<i64, i64> = BTreeMap::new();
        for (transfer, account, amount) in &self.entries {
            let wanted = wanted.remove(&(*transfer, *account));
            ensure!(
                wanted == Some(*amount),
                "the entry of {amount} to account {account} for {transfer} is not {wanted:?}"
            );
            *moved.entry(*account).or_default() += amount;
        }
        ensure!(wanted.is_empty(), "entries are missing: {wanted:?}");
        check_balances(&self.accounts, &moved)
    }
}

async fn balances(on: &Transaction<'_>) -> Result<Vec<(i64, i64)>, Error> {
    let rows = on
        .query_typed("SELECT id, balance FROM account ORDER BY id", &[])
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect()
}

fn check_balances(balances: &[(i64, i64)], moved: &BTreeMap<i64, i64>) -> Result<()> {
    let accounts: Vec<i64> = balances.iter().map(|(account, _)| *account).collect();
    ensure!(
        accounts == (0..ACCOUNTS).collect::<Vec<_>>(),
        "the accounts are {accounts:?}"
    );
    let sum: i64 = balances.iter().map(|(_, balance)| balance).sum();
    ensure!(
        sum == ACCOUNTS * OPENING,
        "the sum of {balances:?} is {sum}, not {}",
        ACCOUNTS * OPENING
    );
    for (account, balance) in balances {
        let moved = moved.get(account).copied().unwrap_or_default();
        ensure!(
            *balance >= 0 && *balance == OPENING + moved,
            "account {account} has {balance}, but its entries make {}",
            OPENING + moved
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;

    /// Books after these transfers, one after the other, and what clients say of them.
    fn kept(count: usize) -> (Books, Claims) {
        let mut dice = Dice::new(1);
        let mut accounts: BTreeMap<i64, i64> = (0..ACCOUNTS).map(|id| (id, OPENING)).collect();
        let mut books = Books::default();
        for _ in 0..count {
            let transfer = Transfer::random(&mut dice);
            for (account, amount) in [
                (transfer.source, -transfer.amount),
                (transfer.target, transfer.amount),
            ] {
                *accounts.get_mut(&account).unwrap() += amount;
                books.entries.push((transfer.id, account, amount));
            }
            books.transfers.push(transfer);
        }
        books.accounts = accounts.into_iter().collect();
        let acknowledged = books.transfers.clone();
        let claims = Claims {
            acknowledged,
            undecided: Vec::new(),
        };
        (books, claims)
    }

    fn refused(books: &Books, claims: &Claims) -> String {
        format!("{:#}", books.check(claims).unwrap_err())
    }

    #[test]
    fn books_that_are_kept_well_pass() {
        let (books, claims) = kept(50);
        books.check(&claims).unwrap();
        assert!(books.missing(&claims).is_empty());
    }

    #[test]
    fn an_undecided_transfer_may_be_there_or_not() {
        let (books, mut claims) = kept(5);
        claims.undecided.extend(claims.acknowledged.pop());
        claims.undecided.push(Transfer::random(&mut Dice::new(99)));
        books.check(&claims).unwrap();
    }

    #[test]
    fn a_lost_transfer_is_seen_though_all_sums_are_right() {
        let (books, mut claims) = kept(5);
        claims
            .acknowledged
            .push(Transfer::random(&mut Dice::new(99)));
        assert_eq!(books.missing(&claims).len(), 1);
        assert!(refused(&books, &claims).contains("1 acknowledged transfers are missing"));
    }

    #[test]
    fn a_transfer_that_was_changed_on_the_way_counts_as_lost() {
        let (books, mut claims) = kept(5);
        claims.acknowledged[2].amount += 1;
        assert!(refused(&books, &claims).contains("are missing"));
    }

    #[test]
    fn a_transfer_that_was_told_to_have_failed_is_seen() {
        let (books, mut claims) = kept(5);
        claims.acknowledged.pop();
        assert!(refused(&books, &claims).contains("nobody was left with this transfer"));
    }

    #[test]
    fn a_transfer_that_was_carried_out_twice_is_seen() {
        let (mut books, claims) = kept(5);
        books.transfers.push(books.transfers[0].clone());
        assert!(refused(&books, &claims).contains("is there twice"));
    }

    #[test]
    fn half_a_transfer_is_seen() {
        let (mut books, claims) = kept(5);
        books.entries.pop();
        assert!(refused(&books, &claims).contains("entries are missing"));
        let (mut books, claims) = kept(5);
        books.entries[3].2 += 1;
        assert!(refused(&books, &claims).contains("the entry of"));
    }

    #[test]
    fn a_balance_that_lost_an_update_is_seen() {
        let (mut books, claims) = kept(5);
        books.accounts[0].1 += 7;
        assert!(refused(&books, &claims).contains("the sum of"));
        books.accounts[1].1 -= 7;
        assert!(refused(&books, &claims).contains("account 0 has"));
    }
}
