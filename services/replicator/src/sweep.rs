//! The listing sweep: both buckets' listings, read side by side, show what no event has told. Memory stays
//! flat: a page of each is held, and a fingerprint of what was found to be in order.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::bucket::{Bucket, Listed, Page};
use crate::carry::Done;
use crate::consume::carry;
use crate::context::{Backoff, Context};
use crate::discovery::Link;
use crate::failure::{Class, Failure, Result};

/// Keys seen to at once.
const ABREAST: usize = 4;
/// Fingerprints kept, eight bytes each.
const REMEMBERED: usize = 500_000;

/// Sweeps at the start and then at intervals, until it is told to stop.
pub(crate) async fn run(context: Context, link: Arc<Link>, interval: Duration) {
    let mut in_order = HashSet::new();
    let mut backoff = Backoff::default();
    loop {
        let wait = match sweep(&context, &link, &mut in_order).await {
            Ok(()) => {
                backoff = Backoff::default();
                interval
            }
            Err(failure) => {
                tracing::warn!("sweep of {}: {failure}", link.own.origin);
                context.metrics.failed(&link.own.origin.bucket, true);
                backoff.next(5)
            }
        };
        if !context.pause(wait).await {
            return;
        }
    }
}

async fn sweep(context: &Context, link: &Arc<Link>, in_order: &mut HashSet<u64>) -> Result<()> {
    let name = &link.own.origin.bucket;
    let (mut gaps, mut repaired, started) = (0, 0, Instant::now());
    let mut tasks: JoinSet<(u64, Result<Option<Done>>)> = JoinSet::new();
    let mut settle = |ended: (u64, Result<Option<Done>>), in_order: &mut HashSet<u64>| {
        match ended {
            (print, Ok(Some(Done::Rest(_)) | None)) => {
                if in_order.len() < REMEMBERED {
                    in_order.insert(print);
                }
            }
            (_, Ok(Some(done))) => {
                context.metrics.done(name, done, None);
                (gaps, repaired) = (gaps + 1, repaired + 1);
            }
            (_, Err(failure)) if failure.class == Class::Later => return Err(failure),
            (_, Err(failure)) => {
                tracing::warn!("{failure}");
                context.metrics.failed(name, false);
                gaps += 1;
            }
        }
        Ok(())
    };
    for (destination, peer) in &link.peers {
        let (mut own, mut theirs) = (Listing::of(&link.own), Listing::of(peer));
        while let Some(mine) = own.next().await? {
            if context.stop.is_cancelled() {
                return Ok(());
            }
            let key = mine[0].key.clone();
            let Some(rule) = link
                .rules
                .for_key(&key)
                .filter(|rule| rule.destination == *destination)
            else {
                continue;
            };
            let other = theirs.at(&key).await?;
            let print = fingerprint(destination, &mine, other.as_deref());
            if in_order.contains(&print)
                || is_plainly_settled(&mine, other.as_deref(), rule.delete_markers)
            {
                continue;
            }
            while tasks.len() >= ABREAST {
                if let Some(Ok(ended)) = tasks.join_next().await {
                    settle(ended, in_order)?;
                }
            }
            let (context, link) = (context.clone(), Arc::clone(link));
            tasks.spawn(async move {
                let beneath = mine.get(1).map(|one| one.id.clone());
                let carried = carry(&context, &link, &key, beneath.as_deref()).await;
                (print, carried)
            });
        }
    }
    while let Some(ended) = tasks.join_next().await {
        if let Ok(ended) = ended {
            settle(ended, in_order)?;
        }
    }
    context
        .metrics
        .swept(name, gaps, repaired, started.elapsed().as_secs_f64());
    if gaps > 0 {
        tracing::info!(
            "sweep of {}: {gaps} keys were behind, {repaired} of them are carried now",
            link.own.origin
        );
    }
    Ok(())
}

/// Nothing to do, whoever wrote what: a deletion that is not carried, or that both have.
fn is_plainly_settled(own: &[Listed], peer: Option<&[Listed]>, markers: bool) -> bool {
    own[0].marker && (!markers || peer.is_none_or(|peer| peer[0].marker))
}

/// Current versions never come back once they are not current, but by removing versions; so what was in
/// order with them, is.
fn fingerprint(destination: &str, own: &[Listed], peer: Option<&[Listed]>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (
        destination,
        &own[0].key,
        &own[0].id,
        peer.map(|peer| &peer[0].id),
    )
        .hash(&mut hasher);
    hasher.finish()
}

/// A bucket's keys in order, each with its newest versions.
struct Listing {
    bucket: Bucket,
    next: Option<Page>,
    read: VecDeque<Listed>,
    ahead: Option<Vec<Listed>>,
}

impl Listing {
    fn of(bucket: &Bucket) -> Self {
        Self {
            bucket: bucket.clone(),
            next: Some(Page::default()),
            read: VecDeque::new(),
            ahead: None,
        }
    }

    /// The next key's versions.
    async fn next(&mut self) -> Result<Option<Vec<Listed>>> {
        let mut versions: Vec<Listed> = Vec::new();
        loop {
            while let Some(one) = self.read.front() {
                if versions.first().is_some_and(|first| first.key != one.key) {
                    return Ok(Some(versions));
                }
                if let Some(one) = self.read.pop_front() {
                    versions.push(one);
                    versions.truncate(2);
                }
            }
            let Some(from) = self.next.take() else {
                return Ok(Some(versions).filter(|versions| !versions.is_empty()));
            };
            let (page, next) = self.bucket.list("", &from).await?;
            self.read.extend(page);
            self.next = next;
        }
    }

    /// This key's versions; keys are asked for in order.
    async fn at(&mut self, key: &str) -> std::result::Result<Option<Vec<Listed>>, Failure> {
        loop {
            if self.ahead.is_none() {
                self.ahead = self.next().await?;
            }
            match &self.ahead {
                Some(ahead) if ahead[0].key.as_bytes() < key.as_bytes() => self.ahead = None,
                Some(ahead) if ahead[0].key == key => return Ok(self.ahead.take()),
                _ => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(id: &str, marker: bool) -> Vec<Listed> {
        vec![Listed {
            key: "k".into(),
            id: id.into(),
            at: 0,
            marker,
            latest: true,
        }]
    }

    #[test]
    fn deletions_that_both_have_or_that_stay_at_home_are_settled() {
        for (own, peer, markers, settled) in [
            (listed("m", true), None, true, true),
            (listed("m", true), Some(listed("n", true)), true, true),
            (listed("m", true), Some(listed("v", false)), true, false),
            (listed("m", true), Some(listed("v", false)), false, true),
            (listed("v", false), Some(listed("v", false)), false, false),
        ] {
            assert_eq!(
                is_plainly_settled(&own, peer.as_deref(), markers),
                settled,
                "{own:?} {peer:?}"
            );
        }
    }

    #[test]
    fn a_fingerprint_is_of_both_current_versions() {
        let print = |own: &str, peer: Option<&str>| {
            let peer = peer.map(|id| listed(id, false));
            fingerprint("d", &listed(own, false), peer.as_deref())
        };
        assert_eq!(print("a", Some("b")), print("a", Some("b")));
        assert_ne!(print("a", Some("b")), print("a", Some("c")));
        assert_ne!(print("a", Some("b")), print("a", None));
    }
}
