//! Whether this node's clock agrees with those of the others.

use std::time::Instant;

use futures_util::future::join_all;

use super::Node;
use crate::clock::{self, Offset};
use crate::error::CliError;
use crate::rpc::{Ping, Request, Response};

impl Node {
    /// Asks the addresses of `--join` before this node takes part: nobody should count on one that will end.
    ///
    /// # Errors
    /// One that ends the node.
    pub(super) async fn check_clocks(&self) -> Result<(), CliError> {
        let request = Request::Ping(self.ping());
        let others = self.config.join.iter();
        let others = others.filter(|address| **address != self.config.advertise);
        let measured = others.map(|address| async {
            let asked = Instant::now();
            let answer = self.peers.pool.call(address, &request, self.tick).await;
            match answer {
                Ok(Response::Pong(ping)) => Some(offset(&ping, asked)),
                _ => None,
            }
        });
        let offsets: Vec<Offset> = join_all(measured).await.into_iter().flatten().collect();
        clock::verify(&offsets, self.config.max_offset).map_err(CliError::fatal)
    }

    /// Ends the process where its clock is too far from those of the nodes that were heard of lately.
    pub(super) fn verify_clocks(&self) {
        if let Err(words) = clock::verify(&self.peers.offsets(), self.config.max_offset) {
            eprintln!("*\n* ERROR: {words}\n*");
            std::process::exit(crate::error::FATAL);
        }
    }
}

/// How far the clock is whose owner gave this answer to what was asked then.
pub(super) fn offset(ping: &Ping, asked: Instant) -> Offset {
    // In this order: a pause between the two makes the measurement less certain, not wrong.
    let ours = clock::now();
    Offset::measure(ping.clock, ours, asked.elapsed())
}
