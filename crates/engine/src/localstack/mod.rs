//! LocalStack: a server as a container, and regional aliases, which are a bucket and queues in one region of an
//! endpoint of AWS's kind.

pub mod alias;
pub mod server;

pub use crate::difference::Difference;
