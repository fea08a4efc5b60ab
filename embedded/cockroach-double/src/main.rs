//! A strict test double of CockroachDB.
//!
//! It is not CockroachDB and says so wherever it shows its name. It takes the part of CockroachDB's
//! command line, SQL and HTTP that Atlas uses, as documented for v25.4, replicates over real Raft, and
//! refuses everything else.

mod catalog;
mod cli;
mod clock;
mod ddl;
mod error;
mod http;
mod locality;
mod node;
mod peers;
mod placement;
mod raft;
mod rpc;
mod settings;
mod sql;
mod state;
mod surface;
mod tls;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    std::process::exit(cli::run(&words));
}
