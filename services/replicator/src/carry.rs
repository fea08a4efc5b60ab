//! One key, carried from its bucket to the peer's: look, decide, act on a condition, look again where the
//! condition did not hold.

use crate::bucket::{Bucket, Condition, Current};
use crate::decide::{Glance, Kind, Rest, Verdict, Version, glance, weigh, wrongly_covered};
use crate::failure::{Class, Failure, Result};
use crate::limits::Limits;
use crate::rules::Rule;
use crate::stamp::{Identity, Mark};

/// The least that S3 takes as a part that is not the last, and what is copied in one piece.
const PART: u64 = 5 << 20;
/// The most parts of an object.
const PARTS: u64 = 10_000;
/// How often a key may change while it is looked at, before it has to wait for its turn again.
const LOOKS: u32 = 12;

/// What was done about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// A copy was written, of so many bytes.
    Copied(u64),
    /// A delete marker was laid.
    Deleted,
    /// A user's write that an older copy had covered was put back.
    Restored,
    /// There was nothing to do.
    Rest(Rest),
}

/// From where to where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route<'a> {
    /// The own bucket.
    pub own: &'a Bucket,
    /// The peer's.
    pub peer: &'a Bucket,
    /// The rule that says so.
    pub rule: &'a Rule,
    /// Back-pressure.
    pub limits: &'a Limits,
}

impl Route<'_> {
    /// Sees to a key. `version` is one that was seen of it: where it is not the current one, it is made sure
    /// that it was not covered by something older.
    pub(crate) async fn carry(&self, key: &str, version: Option<&str>) -> Result<Done> {
        let mut looks = 0;
        loop {
            // Boxed: it holds the state of a dozen calls of the SDK.
            match Box::pin(self.attempt(key, version)).await {
                Err(failure) if matches!(failure.class, Class::Changed | Class::Missing) => {
                    looks += 1;
                    if looks >= LOOKS {
                        return Err(Failure {
                            class: Class::Later,
                            ..failure
                        });
                    }
                }
                done => return done,
            }
        }
    }

    async fn attempt(&self, key: &str, version: Option<&str>) -> Result<Done> {
        let (own, peer) = tokio::try_join!(self.own.current(key), self.peer.current(key))?;
        let told = glance(
            own.as_ref().map(|own| &own.version),
            &self.own.origin,
            peer.as_ref().map(|peer| &peer.version),
            self.rule.delete_markers,
        );
        let Some(own) = own else {
            return Ok(Done::Rest(Rest::NotOurs));
        };
        match told {
            Glance::Rest(Rest::Loop) => self.unloop(key, version, &own, peer.as_ref()).await,
            Glance::Rest(rest) => Ok(Done::Rest(rest)),
            Glance::Copy { at } => self.copy(key, &own, at, peer.as_ref()).await,
            Glance::Unsettled => {
                let (mine, theirs) =
                    tokio::try_join!(self.own.history(key), self.peer.history(key))?;
                let seen = |versions: &[Version]| versions.first().map(|first| first.id.clone());
                if seen(&mine.versions).as_deref() != Some(&own.version.id)
                    || seen(&theirs.versions) != peer.as_ref().map(|peer| peer.version.id.clone())
                {
                    return Err(Failure::new(
                        "look at",
                        key,
                        "it changed meanwhile",
                        Class::Changed,
                    ));
                }
                match (weigh(&mine, &theirs), peer.as_ref()) {
                    (Verdict::Rest(rest), _) => Ok(Done::Rest(rest)),
                    (Verdict::Carry { .. }, Some(peer)) if own.version.kind == Kind::Marker => {
                        self.peer.delete(key, &peer.version.id).await?;
                        Ok(Done::Deleted)
                    }
                    (Verdict::Carry { at }, peer) => self.copy(key, &own, at, peer).await,
                }
            }
        }
    }

    /// The own version is a copy. Usually that is all.
    async fn unloop(
        &self,
        key: &str,
        version: Option<&str>,
        own: &Current,
        peer: Option<&Current>,
    ) -> Result<Done> {
        if version.is_some_and(|version| *version != own.version.id) {
            let history = self.own.history(key).await?;
            if let Some(covered) = wrongly_covered(&history) {
                return self.restore(key, &covered.id, own).await;
            }
        }
        if let (Kind::Copy(mark), None) = (&own.version.kind, peer)
            && mark.identity.origin == self.peer.origin
            && mark.at < self.peer.born
        {
            // The peer's bucket is younger than the object that was written to it: its region has lost
            // its data and gets them back. A bucket in which it was deleted would be older.
            self.transfer(key, own, mark, None).await?;
            return Ok(Done::Copied(own.size));
        }
        Ok(Done::Rest(Rest::Loop))
    }

    async fn restore(&self, key: &str, version: &str, own: &Current) -> Result<Done> {
        let opened = self.own.open(key, version, None).await?;
        let size = opened
            .content_length()
            .unwrap_or_default()
            .try_into()
            .unwrap_or_default();
        let covered = Current {
            version: Version {
                id: version.to_owned(),
                at: 0,
                kind: Kind::Original,
            },
            etag: String::new(),
            size,
        };
        drop(opened);
        self.write(key, &covered, None, self.own, &condition(Some(own)))
            .await?;
        Ok(Done::Restored)
    }

    async fn copy(
        &self,
        key: &str,
        own: &Current,
        at: i64,
        peer: Option<&Current>,
    ) -> Result<Done> {
        let identity = Identity {
            origin: self.own.origin.clone(),
            version: own.version.id.clone(),
        };
        self.transfer(key, own, &Mark { identity, at }, peer)
            .await?;
        Ok(Done::Copied(own.size))
    }

    async fn transfer(
        &self,
        key: &str,
        own: &Current,
        mark: &Mark,
        peer: Option<&Current>,
    ) -> Result<()> {
        self.write(key, own, Some(mark), self.peer, &condition(peer))
            .await
    }

    /// Writes a version of the own bucket into a bucket.
    async fn write(
        &self,
        key: &str,
        version: &Current,
        mark: Option<&Mark>,
        into: &Bucket,
        condition: &Condition,
    ) -> Result<()> {
        let Current { version, size, .. } = version;
        let part = PART.max(size.div_ceil(PARTS));
        if part > self.limits.largest_part() {
            let told = format!(
                "{size} bytes need parts of {part}, more than ATLAS_REPLICATOR_BUFFER allows"
            );
            return Err(Failure::new("copy", key, told, Class::Refused));
        }
        let memory = self.limits.bytes(part.min(*size)).await;
        let whole = *size <= part;
        let range = (!whole).then(|| (0, part - 1));
        let opened = self.own.open(key, &version.id, range).await?;
        let mut properties = self.own.properties(key, &version.id, &opened).await?;
        match mark {
            Some(mark) => properties.mark(mark, &into.origin.bucket, key),
            None => properties.unmark(),
        }
        let first = self.own.read(key, opened.body, part.min(*size)).await?;
        if whole {
            return into.put(key, first, &properties, Some(condition)).await;
        }
        let upload = into.begin(key, &properties).await?;
        let parts = async {
            let mut parts = vec![into.part(key, &upload, 1, first).await?];
            let (mut from, mut number) = (part, 2);
            while from < *size {
                let last = (from + part).min(*size) - 1;
                let opened = self.own.open(key, &version.id, Some((from, last))).await?;
                let bytes = self.own.read(key, opened.body, last + 1 - from).await?;
                parts.push(into.part(key, &upload, number, bytes).await?);
                (from, number) = (last + 1, number + 1);
            }
            into.complete(key, &upload, parts, Some(condition)).await
        };
        let written = parts.await;
        drop(memory);
        if let Err(failure) = written {
            // What cannot be given up now is the bucket's lifecycle's.
            if let Err(also) = into.abort(key, &upload).await {
                tracing::debug!("{also}");
            }
            return Err(failure);
        }
        Ok(())
    }
}

fn condition(there: Option<&Current>) -> Condition {
    match there {
        Some(current) if current.version.kind != Kind::Marker => {
            Condition::Is(current.etag.clone())
        }
        _ => Condition::Absent,
    }
}
