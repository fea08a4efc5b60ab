//! What keeps tests apart: each holds one slot, and a slot is a name prefix, a /16 and a range of
//! ports. A slot is held by a lock on a file, so that test processes which know nothing of each
//! other never share one, and one that was killed gives its slot back.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result, bail};

/// Slots are 10.160.0.0/16 to 10.223.0.0/16: outside of Docker's own pools and of the world's plans.
const FIRST_NET: u8 = 160;
const SLOTS: u8 = 64;
/// Below the kernel's range for outgoing connections.
const FIRST_PORT: u16 = 21_000;
const PORTS_PER_SLOT: u16 = 40;

/// A held slot; given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    number: u8,
    _lock: File,
}

impl Slot {
    /// Takes the first free slot whose addresses this machine does not route elsewhere.
    pub(crate) fn take() -> Result<Self> {
        let folder = std::env::temp_dir().join("atlas-acceptance");
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        for number in 0..SLOTS {
            let path = folder.join(format!("slot-{number:02}.lock"));
            let lock = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)?;
            if lock.try_lock().is_ok() && !is_foreign(number)? {
                return Ok(Self {
                    number,
                    _lock: lock,
                });
            }
        }
        bail!(
            "all {SLOTS} slots in {} are held, or their addresses are in use",
            folder.display()
        )
    }

    /// Begins the name of everything the test makes; ends with a dash.
    pub(crate) fn prefix(&self) -> String {
        prefix(self.number)
    }

    /// All of its addresses.
    pub(crate) fn network(&self) -> String {
        format!("10.{}.0.0/16", FIRST_NET + self.number)
    }

    /// The n-th /24 for nodes or for a bridge, n below 32.
    pub(crate) fn subnet(&self, n: u8) -> String {
        format!("10.{}.{}.0/24", FIRST_NET + self.number, n % 32)
    }

    /// The pods' network of the n-th cluster, n below 4.
    pub(crate) fn pods(&self, n: u8) -> String {
        format!("10.{}.{}.0/20", FIRST_NET + self.number, 64 + 16 * (n % 4))
    }

    /// The Services' network of the n-th cluster, n below 4.
    pub(crate) fn services(&self, n: u8) -> String {
        format!("10.{}.{}.0/20", FIRST_NET + self.number, 128 + 16 * (n % 4))
    }

    /// The n-th free port of 127.0.0.1.
    pub(crate) fn port(&self, n: usize) -> Result<u16> {
        let first = FIRST_PORT + u16::from(self.number) * PORTS_PER_SLOT;
        (first..first + PORTS_PER_SLOT)
            .filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
            .nth(n)
            .context("too few free ports on 127.0.0.1")
    }
}

fn prefix(number: u8) -> String {
    format!("at{number:02}-")
}

/// Whether a route of this machine lies in the slot's network and no leftover of a killed test is
/// the reason, in which case the sandbox will remove it.
fn is_foreign(number: u8) -> Result<bool> {
    let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
    let net = [10, FIRST_NET + number];
    let taken = routes.lines().skip(1).any(|line| {
        let mut words = line.split_whitespace().skip(1);
        let destination = words
            .next()
            .and_then(|hex| u32::from_str_radix(hex, 16).ok());
        destination.is_some_and(|address| address.to_le_bytes()[..2] == net)
    });
    if !taken {
        return Ok(false);
    }
    let networks = crate::docker::Docker::new()
        .objects(&prefix(number))?
        .networks;
    Ok(networks.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_tests_never_hold_the_same_slot() {
        let (a, b) = (Slot::take().unwrap(), Slot::take().unwrap());
        assert_ne!(a.prefix(), b.prefix());
        assert_ne!(a.subnet(0), b.subnet(0));
        assert_ne!(a.port(0).unwrap(), b.port(0).unwrap());
    }
}
