//! SQL: statements, expressions, transactions, sessions, and the wire protocol.

mod exec;
mod expr;
mod parse;
mod password;
mod session;
mod table;
mod txn;
pub(crate) mod value;
mod views;
pub(crate) mod wire;
