//! What tells a bucket and queues that Atlas made for an alias from everybody else's: a tag on each of them.

use std::collections::BTreeMap;

use super::desired::{
    self, FORWARD_TO, PEER_REGION, Role, dead_letter_name, event_dead_letter_name, events_name,
};
use super::observe::Observed;
use super::spec::Spec;
use crate::aws::{Queue, name_of};
use crate::error::{Error, Existing, Remedy, Result};

/// A tag on the bucket and on every queue of an alias for as long as they are: the alias's bucket.
pub const MARK: &str = "atlas:alias";

/// What the tags say, of a bucket and of queues by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) bucket: Option<String>,
    pub(super) queues: BTreeMap<String, String>,
}

/// The user's tags with Atlas's own.
pub(super) fn marked(tags: &BTreeMap<String, String>, bucket: &str) -> BTreeMap<String, String> {
    let mut all = tags.clone();
    all.insert(MARK.to_owned(), bucket.to_owned());
    all
}

impl Observed {
    /// Takes the marks out of the tags, which are the user's from then on.
    pub(super) fn take_marks(&mut self) {
        let bucket = self.bucket.as_mut();
        let bucket = bucket.and_then(|found| found.tags.remove(MARK));
        let own = [
            &mut self.queue,
            &mut self.dead_letters,
            &mut self.events,
            &mut self.event_dead_letters,
        ];
        let own = own.into_iter().flatten().chain(self.outboxes.values_mut());
        let queues = own.filter_map(|queue| {
            let mark = queue.tags.remove(MARK)?;
            Some((name_of(queue).to_owned(), mark))
        });
        self.marks = Marks {
            queues: queues.collect(),
            bucket,
        };
    }

    fn mark(&self, queue: &Queue) -> Option<&str> {
        self.marks.queues.get(name_of(queue)).map(String::as_str)
    }

    /// Whether the bucket's events go to a queue that is tagged as those of aliases are, also of those that were made before there
    /// were marks.
    fn has_events_of_ours(&self) -> bool {
        let events = self.events.as_ref();
        events.is_some_and(|queue| queue.tags.contains_key(PEER_REGION))
    }

    /// Whether the bucket is one that Atlas made, or took over with consent.
    pub(super) fn is_own_bucket(&self, bucket: &str) -> bool {
        match self.marks.bucket.as_deref() {
            Some(mark) => mark == bucket,
            // Whoever sets other tags takes the mark away; that of its queues stays.
            None => {
                self.begun.is_some()
                    || self.has_events_of_ours()
                    || self.marks.queues.values().any(|mark| mark == bucket)
            }
        }
    }

    /// Whether a queue with a name of the alias's is the alias's.
    pub(super) fn is_own_queue(&self, role: Role, queue: &Queue, bucket: &str) -> bool {
        if let Some(mark) = self.mark(queue) {
            return mark == bucket;
        }
        let begun = self.begun.as_deref();
        let leads_to = |from: Option<&Queue>, role: Role| {
            let to = from.and_then(|from| Some((from, from.attributes.dead_letters.as_ref()?)));
            to.is_some_and(|(from, (arn, _))| {
                *arn == queue.arn && self.is_own_queue(role, from, bucket)
            })
        };
        match role {
            Role::Outbox => queue.tags.contains_key(FORWARD_TO),
            Role::Events => queue.tags.contains_key(PEER_REGION),
            Role::EventDeadLetters => leads_to(self.events.as_ref(), Role::Events),
            Role::DeadLetters => {
                begun.map(dead_letter_name).as_deref() == Some(name_of(queue))
                    || leads_to(self.queue.as_ref(), Role::Transactions)
            }
            Role::Transactions => {
                begun == Some(name_of(queue)) || self.is_own_transactions(queue, bucket)
            }
        }
    }

    /// A transaction queue without a mark is known by what stands beside it.
    fn is_own_transactions(&self, queue: &Queue, bucket: &str) -> bool {
        let mut beside = self.dead_letters.iter().chain(self.outboxes.values());
        if beside.any(|one| self.mark(one) == Some(bucket)) {
            return true;
        }
        let is_older = self.marks.bucket.is_none() && self.has_events_of_ours();
        let ending = format!(":{}", dead_letter_name(name_of(queue)));
        let dead_letters = queue.attributes.dead_letters.as_ref();
        let has_outbox = self.outboxes.values().any(|one| self.mark(one).is_none());
        has_outbox || (is_older && dead_letters.is_some_and(|(arn, _)| arn.ends_with(&ending)))
    }

    /// What has a name of the alias's and is not the alias's: kinds and names.
    fn foreign(&self, spec: &Spec) -> Vec<(&'static str, String)> {
        let bucket = &spec.bucket.name;
        let mut all = Vec::new();
        if self.bucket.is_some() && !self.is_own_bucket(bucket) {
            all.push(("bucket", bucket.clone()));
        }
        let mut queues = Vec::new();
        for wanted in desired::queues(spec, &self.account_id) {
            let found = match wanted.role {
                Role::DeadLetters => self.dead_letters.as_ref(),
                Role::Transactions => self.queue.as_ref(),
                Role::EventDeadLetters => self.event_dead_letters.as_ref(),
                Role::Events => self.events.as_ref(),
                Role::Outbox => self.outboxes.get(&wanted.name),
            };
            if found.is_some_and(|found| !self.is_own_queue(wanted.role, found, bucket)) {
                queues.push((wanted.role == Role::DeadLetters, wanted.name));
            }
        }
        // Queues after their dead letters is the order of their making; what the user named is told first.
        queues.sort();
        all.extend(queues.into_iter().map(|(_, name)| ("queue", name)));
        all
    }

    /// Refuses to take over what nobody made for this alias. What `known` has is the user's by word: its state names it.
    ///
    /// # Errors
    /// [`Error::Exists`].
    pub fn admit_foreign(&self, spec: &Spec, known: Option<&Spec>) -> Result<()> {
        let mut consented = Vec::new();
        if let Some(known) = known {
            let bucket = &known.bucket.name;
            let all = desired::queues(known, "").into_iter();
            consented.extend(all.map(|one| one.name));
            consented.push(bucket.clone());
            if known.replication.is_some() {
                consented.extend([events_name(bucket), event_dead_letter_name(bucket)]);
            }
        }
        let mut foreign = self.foreign(spec).into_iter();
        let Some((kind, name)) = foreign.find(|(_, name)| !consented.contains(name)) else {
            return Ok(());
        };
        Err(Error::Exists {
            kind,
            name,
            detail: Existing::Foreign,
            remedy: Remedy::Adopt,
        })
    }
}

#[cfg(test)]
#[path = "mark_tests.rs"]
mod tests;
