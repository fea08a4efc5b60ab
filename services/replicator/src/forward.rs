//! An outbox's messages, sent to the peer's queue. A message is deleted from the outbox after the peer has
//! acknowledged it. In a FIFO outbox the queue itself holds a group's later messages back while an earlier
//! one is in flight, and here they are sent one after the other.

use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};

use crate::context::{Backoff, Context};
use crate::discovery::Outbox;
use crate::failure::Class;
use crate::queue::HIDDEN;

/// How often messages that wait for the peer are hidden anew.
const BEAT: Duration = Duration::from_secs(HIDDEN as u64 / 3);

/// Works until it is told to stop.
pub(crate) async fn run(context: Context, outbox: Outbox) {
    let mut backoff = Backoff::default();
    while !context.stop.is_cancelled() {
        let ready = async {
            // Nothing is received that could not be sent: receives count towards the dead-letter queue.
            outbox.to.depth().await?;
            outbox.from.receive(10).await
        };
        // A poll that is cut off may already have been given messages, which nobody then gives back.
        match ready.await {
            Ok(messages) => {
                backoff = Backoff::default();
                forward(&context, &outbox, messages).await;
            }
            Err(failure) => {
                tracing::warn!("{failure}");
                context.metrics.failed(&outbox.from.name, true);
                context.pause(backoff.next(3)).await;
            }
        }
    }
}

async fn forward(context: &Context, outbox: &Outbox, messages: Vec<Message>) {
    let work = async {
        let mut held = HashSet::new();
        for message in &messages {
            let group = group(message);
            if !held.contains(&group)
                && !send(context, outbox, message).await
                && outbox.from.is_fifo()
            {
                // What follows in its group must not overtake it.
                held.insert(group);
            } else if held.contains(&group) {
                give_back(outbox, message, 0).await;
            }
        }
    };
    let beat = async {
        loop {
            tokio::time::sleep(BEAT).await;
            for message in &messages {
                // Those that were deleted meanwhile refuse it.
                let _ = outbox
                    .from
                    .hide(message.receipt_handle().unwrap_or_default(), HIDDEN)
                    .await;
            }
        }
    };
    tokio::select! {
        () = work => {}
        () = beat => {}
    }
}

/// Sends one message until the peer has it; `false` where it was given back.
async fn send(context: &Context, outbox: &Outbox, message: &Message) -> bool {
    let mut backoff = Backoff::default();
    loop {
        let Err(failure) = outbox.to.send(message).await else {
            break;
        };
        let again = failure.class == Class::Later;
        context.metrics.failed(&outbox.from.name, again);
        tracing::warn!("{failure}");
        if !again {
            context.metrics.poison(&outbox.from.name);
            give_back(outbox, message, 10).await;
            return false;
        }
        if !context.pause(backoff.next(11)).await {
            give_back(outbox, message, 0).await;
            return false;
        }
    }
    context.metrics.forwarded(&outbox.from.name);
    let receipt = message.receipt_handle().unwrap_or_default();
    let mut backoff = Backoff::default();
    while let Err(failure) = outbox.from.delete(receipt).await {
        // Until then it would be sent again.
        tracing::warn!("{failure}");
        if failure.class != Class::Later || !context.pause(backoff.next(17)).await {
            break;
        }
    }
    true
}

async fn give_back(outbox: &Outbox, message: &Message, seconds: i32) {
    if let Err(failure) = outbox
        .from
        .hide(message.receipt_handle().unwrap_or_default(), seconds)
        .await
    {
        tracing::warn!("{failure}");
    }
}

fn group(message: &Message) -> Option<String> {
    let name = MessageSystemAttributeName::MessageGroupId;
    message.attributes().and_then(|all| all.get(&name)).cloned()
}
