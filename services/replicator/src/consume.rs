//! A bucket's events: received, carried out, and deleted when that is done. A message is deleted after all
//! of its changes are carried; whatever happens before, the queue gives it to somebody again.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::carry::{Done, Route};
use crate::context::{Backoff, Context, GRACE};
use crate::discovery::Link;
use crate::event::{Change, Notice};
use crate::failure::{Class, Failure};
use crate::queue::{HIDDEN, Queue};

/// How often a message that is worked on is hidden anew.
const BEAT: Duration = Duration::from_secs(HIDDEN as u64 / 3);

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Done: deleted.
    Done,
    /// Cannot be done: given back, later each time, until the queue moves it to its dead-letter queue.
    Poison,
    /// Told to stop: given back at once.
    Stopped,
}

/// Works until it is told to stop, then ends what has begun.
pub(crate) async fn run(context: Context, link: Arc<Link>, queue: Queue) {
    let tasks = TaskTracker::new();
    let abort = CancellationToken::new();
    let mut backoff = Backoff::default();
    while !context.stop.is_cancelled() {
        let permits = context.limits.objects(10).await;
        if !reachable(&context, &link).await {
            break;
        }
        // A poll that is cut off may already have been given messages, which nobody then gives back.
        let received = queue.receive(permits.len()).await;
        let messages = match received {
            Ok(messages) => messages,
            Err(failure) => {
                tracing::warn!("{failure}");
                context.metrics.failed(&queue.name, true);
                context.pause(backoff.next(7)).await;
                continue;
            }
        };
        backoff = Backoff::default();
        for (message, permit) in messages.into_iter().zip(permits) {
            let (context, link, queue, abort) = (
                context.clone(),
                Arc::clone(&link),
                queue.clone(),
                abort.clone(),
            );
            tasks.spawn(async move {
                handle(&context, &link, &queue, &message, &abort).await;
                drop(permit);
            });
        }
    }
    tasks.close();
    if tokio::time::timeout(GRACE, tasks.wait()).await.is_err() {
        abort.cancel();
        tasks.wait().await;
    }
}

/// Waits until every destination answers: messages that nothing can be done about stay in the queue, and no
/// receive is counted against them. `false` where it was told to stop.
async fn reachable(context: &Context, link: &Link) -> bool {
    let mut backoff = Backoff::default();
    for peer in link.peers.values() {
        loop {
            let asked = tokio::select! {
                () = context.stop.cancelled() => return false,
                asked = peer.exists() => asked,
            };
            let Err(failure) = asked else { break };
            if failure.class != Class::Later {
                break;
            }
            tracing::info!("waiting for {}: {failure}", peer.origin);
            if !context.pause(backoff.next(13)).await {
                return false;
            }
        }
    }
    true
}

async fn handle(
    context: &Context,
    link: &Link,
    queue: &Queue,
    message: &Message,
    abort: &CancellationToken,
) {
    let receipt = message.receipt_handle().unwrap_or_default();
    let beat = async {
        loop {
            tokio::time::sleep(BEAT).await;
            if let Err(failure) = queue.hide(receipt, HIDDEN).await {
                tracing::debug!("{failure}");
            }
        }
    };
    let end = tokio::select! {
        end = work(context, link, queue, message) => end,
        () = beat => End::Stopped,
        () = abort.cancelled() => End::Stopped,
    };
    let told = match end {
        End::Done => queue.delete(receipt).await,
        End::Poison => {
            context.metrics.poison(&queue.name);
            queue.hide(receipt, patience(message)).await
        }
        End::Stopped => queue.hide(receipt, 0).await,
    };
    if let Err(failure) = told {
        // It comes again, and is found to be done.
        tracing::warn!("{failure}");
    }
}

/// Two seconds after the first receive, twice as long each time, up to five minutes.
fn patience(message: &Message) -> i32 {
    let name = MessageSystemAttributeName::ApproximateReceiveCount;
    let received = message
        .attributes()
        .and_then(|all| all.get(&name)?.parse::<u32>().ok());
    (1_i32 << received.unwrap_or(1).clamp(1, 8)).min(300)
}

async fn work(context: &Context, link: &Link, queue: &Queue, message: &Message) -> End {
    let changes = match Notice::parse(message.body().unwrap_or_default()) {
        Ok(Notice::Test) => return End::Done,
        Ok(Notice::Changes(changes)) => changes,
        Err(error) => {
            tracing::warn!("queue {}: {error}", queue.name);
            context.metrics.failed(&queue.name, false);
            return End::Poison;
        }
    };
    for change in &changes {
        if change.bucket != link.own.origin.bucket {
            continue;
        }
        let mut backoff = Backoff::default();
        loop {
            match carry(context, link, &change.key, change.version.as_deref()).await {
                Ok(Some(done)) => {
                    tracing::debug!(key = change.key, ?done, lag = lag(change), "carried");
                    context
                        .metrics
                        .done(&link.own.origin.bucket, done, lag(change));
                    break;
                }
                Ok(None) => break,
                Err(failure) => {
                    let again = failure.class == Class::Later;
                    context.metrics.failed(&link.own.origin.bucket, again);
                    tracing::warn!("{failure}");
                    if !again {
                        return End::Poison;
                    }
                    let spread =
                        change.key.len() as u64 + change.at.bytes().map(u64::from).sum::<u64>();
                    if !context.pause(backoff.next(spread)).await {
                        return End::Stopped;
                    }
                }
            }
        }
    }
    End::Done
}

/// Carries one key where a rule wants it; `None` where none does.
pub(crate) async fn carry(
    context: &Context,
    link: &Link,
    key: &str,
    version: Option<&str>,
) -> Result<Option<Done>, Failure> {
    let Some(rule) = link.rules.for_key(key) else {
        return Ok(None);
    };
    let Some(peer) = link.peers.get(&rule.destination) else {
        let told = "it is on no server yet; create it, or correct the replication rule";
        return Err(Failure::new(
            "find bucket",
            &rule.destination,
            told,
            Class::Later,
        ));
    };
    let route = Route {
        own: &link.own,
        peer,
        rule,
        limits: &context.limits,
    };
    let _alone = context.lock(&link.own.origin.bucket, key).await;
    route.carry(key, version).await.map(Some)
}

/// Seconds since a change, by the event's time.
fn lag(change: &Change) -> Option<f64> {
    let at = DateTime::from_str(&change.at, DateTimeFormat::DateTime)
        .ok()?
        .as_secs_f64();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()?
        .as_secs_f64();
    Some(now - at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poison_message_comes_back_later_each_time() {
        let received = |times: &str| {
            let name = MessageSystemAttributeName::ApproximateReceiveCount;
            patience(&Message::builder().attributes(name, times).build())
        };
        assert_eq!(["1", "2", "5", "99"].map(received), [2, 4, 32, 256]);
    }
}
