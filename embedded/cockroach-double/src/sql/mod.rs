//! SQL: statements, expressions, transactions, sessions, and the wire protocol.

mod exec;
mod expr;
mod names;
mod parse;
mod password;
mod relation;
mod session;
mod table;
mod txn;
mod types;
pub(crate) mod value;
mod views;
pub(crate) mod wire;
