//! Turns between processes: Terraform runs one provider for every alias, a playbook runs beside it, and another user of
//! the same Docker daemon may run both.
//!
//! A lock is an abstract Unix socket that is listened on. Its name is made of the daemon's id and of what is locked, so
//! every process on this machine that speaks to the daemon meets there, whoever runs it and whatever its environment
//! says. Nothing is left in the file system, and the kernel frees the name when its holder ends, however that ends. Who
//! waits is connected to the holder and learns of its end by that.
//!
//! Processes in other network namespaces (a container without the host's network) do not meet. Abstract sockets are
//! Linux's.

use std::io::ErrorKind;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;
use tokio::net::{UnixListener, UnixStream};

use crate::context::Context;
use crate::error::{Error, Result};

/// How long to wait where the holder cannot be waited for, because its queue is full.
const RETRY: Duration = Duration::from_millis(50);

/// Held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock(#[allow(dead_code, reason = "holding it is all")] UnixListener);

/// Waits for the lock of this name on the daemon of `cx`, within the time limit and until the user stops it.
///
/// # Errors
/// [`Error::TimedOut`], [`Error::Cancelled`]; what Docker says where the daemon's id cannot be learnt.
pub(crate) async fn take(cx: &Context, name: &str) -> Result<Lock> {
    let daemon = cx.guard("asking the daemon's id", cx.docker.id()).await?;
    cx.guard(
        "waiting for another run of Atlas",
        take_named(&socket(&daemon, name), name),
    )
    .await
}

/// Takes the lock of this name where nobody holds it.
///
/// # Errors
/// What Docker says where the daemon's id cannot be learnt.
pub(crate) async fn try_take(cx: &Context, name: &str) -> Result<Option<Lock>> {
    let daemon = cx.guard("asking the daemon's id", cx.docker.id()).await?;
    Ok(UnixListener::bind(socket(&daemon, name)).ok().map(Lock))
}

/// Whether somebody holds the lock of this name.
///
/// # Errors
/// What Docker says where the daemon's id cannot be learnt.
pub(crate) async fn is_held(cx: &Context, name: &str) -> Result<bool> {
    let daemon = cx.guard("asking the daemon's id", cx.docker.id()).await?;
    Ok(is_held_named(&socket(&daemon, name)).await)
}

async fn is_held_named(socket: &str) -> bool {
    let asked = UnixStream::connect(socket).await;
    !asked.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// The socket's name: a hash, because the kernel takes 107 bytes.
fn socket(daemon: &str, name: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(daemon);
    hash.update([0]);
    hash.update(name);
    let digest = hash.finalize();
    let hex: String = digest.iter().take(20).map(|b| format!("{b:02x}")).collect();
    format!("\0atlas-lock-{hex}")
}

async fn take_named(socket: &str, name: &str) -> Result<Lock> {
    loop {
        match UnixListener::bind(socket) {
            Ok(listener) => return Ok(Lock(listener)),
            Err(error) if error.kind() == ErrorKind::AddrInUse => wait_for_holder(socket).await,
            Err(error) => {
                return Err(Error::Unexpected {
                    what: format!("the lock {name}"),
                    reason: error.to_string(),
                });
            }
        }
    }
}

/// Returns when the holder of the lock has ended, or may have.
async fn wait_for_holder(socket: &str) {
    match UnixStream::connect(socket).await {
        // Nobody answers: it ends, or fails, with the holder.
        Ok(mut connection) => drop(connection.read(&mut [0]).await),
        // Free by now.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
        Err(_) => tokio::time::sleep(RETRY).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name that no other run of the tests has.
    fn unique(text: &str) -> String {
        socket(&std::process::id().to_string(), text)
    }

    #[test]
    fn daemons_and_names_do_not_mix() {
        assert_eq!(socket("a", "b"), socket("a", "b"));
        assert_ne!(socket("a", "b"), socket("a", "c"));
        assert_ne!(socket("a", "bc"), socket("ab", "c"));
        assert!(socket("a", &"b".repeat(500)).len() < 107);
    }

    #[tokio::test]
    async fn one_holds_it_at_a_time_and_dropping_it_wakes_who_waits() {
        let name = unique("turns");
        let first = take_named(&name, "x").await.unwrap();
        let waiting = tokio::spawn({
            let name = name.clone();
            async move { take_named(&name, "x").await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn whether_it_is_held_is_seen_without_taking_it() {
        let name = unique("seen");
        assert!(!is_held_named(&name).await);
        let held = take_named(&name, "x").await.unwrap();
        assert!(is_held_named(&name).await && is_held_named(&name).await);
        drop(held);
        assert!(!is_held_named(&name).await);
    }

    #[tokio::test]
    async fn many_who_wait_get_it_one_after_the_other() {
        let name = unique("many");
        let inside = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let tasks = (0..50).map(|_| {
            let (name, inside) = (name.clone(), inside.clone());
            tokio::spawn(async move {
                use std::sync::atomic::Ordering::SeqCst;
                let _lock = take_named(&name, "x").await.unwrap();
                assert_eq!(inside.fetch_add(1, SeqCst), 0);
                tokio::task::yield_now().await;
                inside.fetch_sub(1, SeqCst);
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
    }
}
