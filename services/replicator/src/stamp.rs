//! Who wrote a version, and when: what makes two regions agree on which content of a key is the newest.
//!
//! A version that a user wrote (an *original*) is told by its bucket and version id. A version that the
//! replicator wrote (a *copy*) names its original in one metadata entry, [`MARK_KEY`]. The entry also holds
//! a hash of the bucket and key that the copy was made for: a user's own `CopyObject` carries metadata
//! along, and what lands elsewhere must not pass for a copy of ours.

use std::fmt;

/// The metadata entry (`x-amz-meta-…`) that copies carry.
pub(crate) const MARK_KEY: &str = "atlas-source";

/// A bucket, with the region that decides between writes of one second.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Origin {
    /// The bucket's region.
    pub region: String,
    /// The bucket's name.
    pub bucket: String,
}

/// When a version was written, for comparison across regions: milliseconds since 1970, then the origin. S3
/// tells whole seconds; the milliseconds only count writes that were made over what the other region had.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp {
    /// Milliseconds since 1970.
    pub at: i64,
    /// Where it was written.
    pub origin: Origin,
}

/// An original, by the only name that both regions know it by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    /// Where it was written.
    pub origin: Origin,
    /// Its version id there.
    pub version: String,
}

/// What a copy says of its original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Which version it is a copy of.
    pub identity: Identity,
    /// The original's stamp in milliseconds since 1970.
    pub at: i64,
}

impl Mark {
    /// The entry's value for a copy in this bucket under this key.
    pub(crate) fn render(&self, bucket: &str, key: &str) -> String {
        let Identity { origin, version } = &self.identity;
        format!(
            "{}/{}/{version}/{}/{:016x}",
            origin.region,
            origin.bucket,
            self.at,
            place(bucket, key)
        )
    }

    /// Reads an entry's value; `None` where it was not written for this bucket and key.
    pub(crate) fn parse(text: &str, bucket: &str, key: &str) -> Option<Self> {
        let mut words = text.split('/');
        let mut next = || words.next().filter(|word| !word.is_empty());
        let (region, origin, version) = (next()?, next()?, next()?);
        let at = next()?.parse().ok()?;
        let its_place = next()?;
        if next().is_some() || its_place != format!("{:016x}", place(bucket, key)) {
            return None;
        }
        Some(Self {
            identity: Identity {
                origin: Origin {
                    region: region.to_owned(),
                    bucket: origin.to_owned(),
                },
                version: version.to_owned(),
            },
            at,
        })
    }

    /// The original's stamp.
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp {
            at: self.at,
            origin: self.identity.origin.clone(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.bucket, self.region)
    }
}

/// FNV-1a over bucket and key. It keeps accidents apart, not attackers: whoever may write metadata may
/// write the object.
pub(crate) fn place(bucket: &str, key: &str) -> u64 {
    let bytes = bucket.bytes().chain([0]).chain(key.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mark(version: &str, at: i64) -> Mark {
        Mark {
            identity: Identity {
                origin: Origin {
                    region: "us-east".into(),
                    bucket: "audit-us".into(),
                },
                version: version.into(),
            },
            at,
        }
    }

    proptest! {
        #[test]
        fn a_mark_reads_as_it_was_written(version in "[A-Za-z0-9._-]{1,64}", at in any::<i64>(), key in ".{1,40}") {
            let mark = mark(&version, at);
            prop_assert_eq!(Mark::parse(&mark.render("audit-eu", &key), "audit-eu", &key), Some(mark));
        }

        #[test]
        fn whatever_a_user_writes_there_is_read_without_harm(text in ".{0,80}") {
            prop_assert_eq!(Mark::parse(&text, "audit-eu", "k"), None);
        }
    }

    #[test]
    fn a_mark_that_was_carried_to_another_key_or_bucket_is_none() {
        let text = mark("v1", 5).render("audit-eu", "a");
        assert_eq!(Mark::parse(&text, "audit-eu", "b"), None);
        assert_eq!(Mark::parse(&text, "other", "a"), None);
    }

    #[test]
    fn the_region_decides_between_writes_of_one_second() {
        let (mut eu, us) = (mark("v1", 1000).stamp(), mark("v2", 1000).stamp());
        eu.origin.region = "eu-central".into();
        assert!(us > eu);
        eu.at = 2000;
        assert!(eu > us);
    }
}
