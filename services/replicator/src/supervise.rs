//! Keeps one job running for everything that discovery finds, and ends those of what is gone or changed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::context::{Backoff, Context};
use crate::discovery::{Discovery, Found};
use crate::settings::Settings;
use crate::{consume, forward, sweep};

/// How often is looked for changes of what there is to do.
const INTERVAL: Duration = Duration::from_secs(10);

struct Job {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Works until it is told to stop, then until every job has ended.
pub(crate) async fn run(
    context: Context,
    settings: &Settings,
    mut discovery: Discovery,
    unready: watch::Sender<String>,
) {
    let mut jobs: HashMap<String, Job> = HashMap::new();
    let mut remarks = HashSet::new();
    let mut backoff = Backoff::default();
    loop {
        let found = tokio::select! {
            () = context.stop.cancelled() => break,
            found = discovery.look() => found,
        };
        let wait = match found {
            Ok(found) => {
                backoff = Backoff::default();
                unready.send_replace(String::new());
                for remark in found
                    .remarks
                    .iter()
                    .filter(|remark| !remarks.contains(*remark))
                {
                    tracing::warn!("{remark}");
                }
                remarks = found.remarks.iter().cloned().collect();
                measure(&context, &found).await;
                keep(&context, settings, found, &mut jobs).await;
                // What is missing is usually being made just now.
                if remarks.is_empty() {
                    INTERVAL
                } else {
                    INTERVAL / 5
                }
            }
            Err(failure) => {
                // Jobs go on, and wait by themselves for a server that is away.
                tracing::warn!("{failure}");
                if jobs.is_empty() {
                    unready.send_replace(failure.to_string());
                }
                backoff.next(1)
            }
        };
        context.pause(wait).await;
    }
    for (_, job) in jobs {
        // Their tokens are children of the one that was cancelled.
        drop(job.task.await);
    }
}

async fn measure(context: &Context, found: &Found) {
    let queues = found.links.iter().filter_map(|link| link.events.as_ref());
    for queue in queues.chain(found.outboxes.iter().map(|outbox| &outbox.from)) {
        if let Ok(depth) = queue.depth().await {
            context.metrics.depth(&queue.name, depth);
        }
    }
}

async fn keep(
    context: &Context,
    settings: &Settings,
    found: Found,
    jobs: &mut HashMap<String, Job>,
) {
    let mut wanted = HashSet::new();
    let mut starts: Vec<(String, Start)> = Vec::new();
    for link in found.links {
        let mut peers: Vec<String> = link
            .peers
            .values()
            .map(|peer| format!("{peer:?}"))
            .collect();
        peers.sort_unstable();
        let of = format!("{:?} {:?} {peers:?}", link.own, link.rules);
        let link = Arc::new(link);
        if let Some(queue) = link.events.clone().filter(|_| !link.peers.is_empty()) {
            let link = Arc::clone(&link);
            let name = format!("events {of} {queue:?}");
            starts.push((
                name,
                Box::new(move |context| tokio::spawn(consume::run(context, link, queue))),
            ));
        }
        if !link.peers.is_empty() {
            let interval = settings.sweep;
            starts.push((
                format!("sweep {of}"),
                Box::new(move |context| tokio::spawn(sweep::run(context, link, interval))),
            ));
        }
    }
    for outbox in found.outboxes {
        let name = format!("forward {outbox:?}");
        starts.push((
            name,
            Box::new(move |context| tokio::spawn(forward::run(context, outbox))),
        ));
    }
    for (name, start) in starts {
        wanted.insert(name.clone());
        let ended = jobs.get(&name).is_none_or(|job| job.task.is_finished());
        if ended {
            let context = context.for_job(settings.objects);
            let stop = context.stop.clone();
            let task = start(context);
            jobs.insert(name, Job { stop, task });
        }
    }
    let gone: Vec<String> = jobs
        .keys()
        .filter(|name| !wanted.contains(*name))
        .cloned()
        .collect();
    for name in gone {
        if let Some(job) = jobs.remove(&name) {
            job.stop.cancel();
            drop(job.task.await);
        }
    }
}

type Start = Box<dyn FnOnce(Context) -> JoinHandle<()> + Send>;
