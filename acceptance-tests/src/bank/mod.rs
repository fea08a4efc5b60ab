//! A bank whose customers are never content: transfers from every region, readers who add everything up, and
//! clients who append to lists and read them, all at once and while nodes fail. In the end nothing may be missing,
//! doubled or out of any serial order.

mod audit;
mod availability;
mod history;
mod lists;
mod load;
mod transfer;

use anyhow::Result;

use crate::cockroach::Cluster;

pub use audit::{Books, Claims};
pub use availability::{Availability, percentile};
pub use history::{History, Micro, Verdict};
pub use load::{Load, Outcome};
pub use transfer::{Done, Transfer};

/// Few, so that transfers get in each other's way.
const ACCOUNTS: i64 = 12;
/// What each account begins with.
const OPENING: i64 = 1_000;

/// Makes the tables, and opens the accounts.
pub fn open(cluster: &Cluster) -> Result<()> {
    let accounts: Vec<String> = (0..ACCOUNTS)
        .map(|id| format!("({id}, {OPENING})"))
        .collect();
    for table in [
        "account (id INT8 PRIMARY KEY, balance INT8 NOT NULL CHECK (balance >= 0))",
        "transfer (id UUID PRIMARY KEY, source INT8 NOT NULL, target INT8 NOT NULL, amount INT8 NOT NULL CHECK (amount > 0))",
        "entry (transfer_id UUID NOT NULL, account_id INT8 NOT NULL, amount INT8 NOT NULL, PRIMARY KEY (transfer_id, account_id))",
        "lists (k INT8 PRIMARY KEY, elements STRING NOT NULL)",
    ] {
        cluster.execute(&format!("CREATE TABLE {table}"))?;
    }
    cluster.execute(&format!(
        "INSERT INTO account (id, balance) VALUES {}",
        accounts.join(", ")
    ))
}
