//! What to do about a key, given what both regions have of it. No I/O.
//!
//! Two questions are asked in turn. The [`glance`] sees only the current versions, and settles nearly
//! everything. What it cannot settle (both regions wrote, or one deleted) is settled by [`weigh`], which
//! sees the histories:
//!
//! 1. What was written *over* what the other region has, is newer, whatever the clocks say.
//! 2. Else the two were written at the same time: the later one by the server's clock wins, in whole
//!    seconds, then the one whose region's name is greater.
//!
//! A deletion has no metadata, so a copied delete marker cannot name its original. It is known by what it
//! deletes: a marker above a version L is the same deletion as a marker above L in the other region. Where
//! that is unclear, the data is kept.
//!
//! Both regions come to the same answer, because [`weigh`] is the same question with sides changed (a
//! property test below).

use crate::stamp::{Identity, Mark, Origin, Stamp};

/// A version of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    /// Its version id in its own bucket.
    pub id: String,
    /// When its server says that it was written, in milliseconds since 1970, of whole seconds.
    pub at: i64,
    /// What it is.
    pub kind: Kind,
}

/// What a version is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Written by a user.
    Original,
    /// Written by a replicator.
    Copy(Mark),
    /// A delete marker, whoever made it.
    Marker,
}

/// All that a bucket has of one key, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct History {
    /// The bucket.
    pub origin: Origin,
    /// Its versions of the key, the newest first.
    pub versions: Vec<Version>,
}

/// What a look at the current versions settles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Glance {
    /// Nothing is to be carried from here.
    Rest(Rest),
    /// The own version is newer; the copy carries this stamp (milliseconds since 1970).
    Copy { at: i64 },
    /// The histories must be looked at.
    Unsettled,
}

/// Why nothing is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Rest {
    /// Both have the same.
    InSync,
    /// The own version is a copy itself: here an echo would begin.
    Loop,
    /// There is nothing here, or a deletion that is not to be carried.
    NotOurs,
    /// What the peer has is newer; its own replicator carries it.
    PeerNewer,
}

/// What the histories settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing is to be carried from here.
    Rest(Rest),
    /// The own version is newer; the copy carries this stamp (milliseconds since 1970).
    Carry { at: i64 },
}

/// Looks at the current versions. `None` is a key of which a bucket has nothing.
pub(crate) fn glance(
    own: Option<&Version>,
    origin: &Origin,
    peer: Option<&Version>,
    markers: bool,
) -> Glance {
    let Some(own) = own else {
        return Glance::Rest(Rest::NotOurs);
    };
    match (&own.kind, peer.map(|peer| &peer.kind)) {
        (Kind::Copy(_), _) => Glance::Rest(Rest::Loop),
        (Kind::Marker, _) if !markers => Glance::Rest(Rest::NotOurs),
        (Kind::Marker, None | Some(Kind::Marker)) => Glance::Rest(Rest::InSync),
        (Kind::Original, None) => Glance::Copy { at: own.at },
        (Kind::Original, Some(Kind::Copy(mark))) if mark.identity.origin == *origin => {
            if mark.identity.version == own.id {
                Glance::Rest(Rest::InSync)
            } else {
                // Writes of one bucket are in one line, and this is its end.
                Glance::Copy {
                    at: own.at.max(mark.at),
                }
            }
        }
        (Kind::Marker | Kind::Original, Some(_)) => Glance::Unsettled,
    }
}

/// Looks at the histories, where [`glance`] settled nothing.
pub(crate) fn weigh(own: &History, peer: &History) -> Verdict {
    let (Some(mine), Some(_)) = (own.versions.first(), peer.versions.first()) else {
        return Verdict::Rest(Rest::NotOurs);
    };
    let same = match (own.identity(0), peer.identity(0)) {
        (Some(mine), Some(theirs)) => mine == theirs,
        (None, None) => true,
        _ => false,
    };
    if same {
        return Verdict::Rest(Rest::InSync);
    }
    if matches!(mine.kind, Kind::Copy(_)) {
        return Verdict::Rest(Rest::Loop);
    }
    let (stamp, other) = (own.stamp(0), peer.stamp(0));
    let newer = match (own.has_seen(peer), peer.has_seen(own)) {
        (true, false) => true,
        (false, true) => false,
        _ => stamp > other,
    };
    if !newer {
        return Verdict::Rest(Rest::PeerNewer);
    }
    // Stamps never fall along a key's life, so that later comparisons come to the same end.
    let at = if stamp > other {
        stamp.at
    } else {
        other.at + 1
    };
    Verdict::Carry { at }
}

/// A version that a user wrote and that lies beneath current copies which are older than it. It happens where
/// an endpoint's conditional write is no protection: the same bytes written in between, or a deletion.
pub(crate) fn wrongly_covered(own: &History) -> Option<&Version> {
    let Kind::Copy(mark) = &own.versions.first()?.kind else {
        return None;
    };
    let place = own
        .versions
        .iter()
        .position(|one| !matches!(one.kind, Kind::Copy(_)))?;
    let version = &own.versions[place];
    (version.kind == Kind::Original && own.stamp(place) > mark.stamp()).then_some(version)
}

impl History {
    /// The original that the version at this place is, or is a copy of; `None` for markers.
    fn identity(&self, place: usize) -> Option<Identity> {
        let version = self.versions.get(place)?;
        match &version.kind {
            Kind::Marker => None,
            Kind::Copy(mark) => Some(mark.identity.clone()),
            Kind::Original => Some(Identity {
                origin: self.origin.clone(),
                version: version.id.clone(),
            }),
        }
    }

    /// The stamp of the version at this place. A user's version is later than every copy beneath it.
    fn stamp(&self, place: usize) -> Stamp {
        let version = &self.versions[place];
        if let Kind::Copy(mark) = &version.kind {
            return mark.stamp();
        }
        let plain = Stamp {
            at: version.at,
            origin: self.origin.clone(),
        };
        let beneath = self.versions[place + 1..]
            .iter()
            .find_map(|one| match &one.kind {
                Kind::Copy(mark) => Some(mark.stamp()),
                _ => None,
            });
        match beneath {
            Some(copy) if copy >= plain => Stamp {
                at: copy.at + 1,
                origin: plain.origin,
            },
            _ => plain,
        }
    }

    /// Whether the other's current version lies beneath the own one: then the own was written over it.
    fn has_seen(&self, other: &History) -> bool {
        let beneath = 1..self.versions.len();
        if let Some(wanted) = other.identity(0) {
            beneath
                .into_iter()
                .any(|place| self.identity(place).as_ref() == Some(&wanted))
        } else {
            let Some(deleted) = (1..other.versions.len()).find_map(|place| other.identity(place))
            else {
                return false;
            };
            let base = beneath
                .clone()
                .rfind(|place| self.identity(*place).as_ref() == Some(&deleted));
            base.is_some_and(|base| {
                (1..base).any(|place| self.versions[place].kind == Kind::Marker)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn origin(region: &str) -> Origin {
        Origin {
            region: region.into(),
            bucket: format!("audit-{region}"),
        }
    }

    /// `v1@5` an original, `us:v1@5` a copy with that stamp, `m1@6` a marker; the newest first.
    fn history(region: &str, text: &str) -> History {
        let versions = text.split_whitespace().enumerate().map(|(place, word)| {
            let (name, at) = word.split_once('@').unwrap();
            let at: i64 = at.parse().unwrap();
            let (id, kind) = match name.split_once(':') {
                Some((from, version)) => (
                    format!("{region}-copy-{place}"),
                    Kind::Copy(Mark {
                        identity: Identity {
                            origin: origin(from),
                            version: version.into(),
                        },
                        at,
                    }),
                ),
                None if name.starts_with('m') => (name.to_owned(), Kind::Marker),
                None => (name.to_owned(), Kind::Original),
            };
            Version { id, at, kind }
        });
        History {
            origin: origin(region),
            versions: versions.collect(),
        }
    }

    fn glanced(us: &str, eu: &str, markers: bool) -> Glance {
        let (us, eu) = (history("us", us), history("eu", eu));
        glance(
            us.versions.first(),
            &us.origin,
            eu.versions.first(),
            markers,
        )
    }

    #[test]
    fn a_glance_settles_the_ordinary() {
        for (us, eu, expected) in [
            ("", "v1@5", Glance::Rest(Rest::NotOurs)),
            ("v1@5", "", Glance::Copy { at: 5 }),
            ("v1@5", "us:v1@5", Glance::Rest(Rest::InSync)),
            ("v2@7 v1@5", "us:v1@5", Glance::Copy { at: 7 }),
            // The clock went back: stamps do not.
            ("v2@3 v1@5", "us:v1@5", Glance::Copy { at: 5 }),
            ("eu:w1@9", "w1@9", Glance::Rest(Rest::Loop)),
            ("eu:w1@9", "", Glance::Rest(Rest::Loop)),
            ("v1@5", "w1@5", Glance::Unsettled),
            ("m1@6 v1@5", "us:v1@5", Glance::Unsettled),
            ("m1@6 v1@5", "m2@7 us:v1@5", Glance::Rest(Rest::InSync)),
            ("m1@6", "", Glance::Rest(Rest::InSync)),
        ] {
            assert_eq!(glanced(us, eu, true), expected, "us {us:?}, eu {eu:?}");
        }
        assert_eq!(
            glanced("m1@6 v1@5", "us:v1@5", false),
            Glance::Rest(Rest::NotOurs)
        );
    }

    #[test]
    fn histories_settle_the_rest_alike_from_both_sides() {
        // Who wins: `us`, `eu`, or nobody because both have the same.
        for (us, eu, winner) in [
            // At the same time: later wins, then the greater region.
            ("v1@5", "w1@6", "eu"),
            ("v1@5", "w1@5", "us"),
            // Written over the other's, though by a clock that is behind.
            ("v1@3 eu:w1@9", "w1@9", "us"),
            ("v1@9", "w1@3 us:v1@9", "eu"),
            // A deletion of what is there.
            ("m1@6 v1@5", "us:v1@5", "us"),
            ("m1@2 eu:w1@5", "w1@5", "us"),
            // A deletion, and a write elsewhere at the same time.
            ("m1@6 v1@5", "w1@7 us:v1@5", "eu"),
            ("m1@8 v1@5", "w1@7 us:v1@5", "us"),
            // Written again after a deletion whose copy is younger than that.
            ("v2@6 m1@5 v1@4", "m2@9 us:v1@4", "us"),
            // Deleted in the other region after it was written again.
            ("v2@6 m1@5 v1@4", "m3@9 us:v2@6 m2@7 us:v1@4", "eu"),
            // What stands beneath says that it was not the copy's time that counts.
            ("eu:w1@9 v1@5", "w1@9 us:v1@5", "none"),
            ("m1@6 v2@5 v1@4", "m2@9 us:v1@4", "none"),
        ] {
            let (us, eu) = (history("us", us), history("eu", eu));
            let told = |verdict: &Verdict| matches!(verdict, Verdict::Carry { .. });
            let (from_us, from_eu) = (weigh(&us, &eu), weigh(&eu, &us));
            let got = match (told(&from_us), told(&from_eu)) {
                (true, false) => "us",
                (false, true) => "eu",
                (false, false) => "none",
                (true, true) => "both",
            };
            assert_eq!(got, winner, "{us:?} {eu:?}: {from_us:?} {from_eu:?}");
        }
    }

    #[test]
    fn stamps_never_fall() {
        let verdict = weigh(&history("us", "v1@3 eu:w1@9"), &history("eu", "w1@9"));
        assert_eq!(verdict, Verdict::Carry { at: 10 });
    }

    #[test]
    fn an_older_copy_over_a_users_write_is_noticed() {
        for (eu, covered) in [
            ("us:v1@5 w1@7", Some("w1")),
            ("us:v1@7 w1@5", None),
            ("w2@8 us:v1@5 w1@7", None),
            ("us:v1@5 m1@7", None),
            ("us:v2@6 us:v1@5 w1@7", Some("w1")),
            ("us:v1@5 m1@6 w1@7", None),
            ("us:v1@5", None),
            ("", None),
        ] {
            let history = history("eu", eu);
            assert_eq!(
                wrongly_covered(&history).map(|one| one.id.as_str()),
                covered,
                "{eu}"
            );
        }
    }

    /// A simulated key: both regions write, delete and carry in any order; what is carried is decided by
    /// this module alone.
    fn carry(from: &mut History, to: &mut History, clock: i64, counter: &mut u32) {
        let own = from.versions.first().cloned();
        let at = match glance(own.as_ref(), &from.origin, to.versions.first(), true) {
            Glance::Rest(_) => return,
            Glance::Copy { at } => at,
            Glance::Unsettled => match weigh(from, to) {
                Verdict::Rest(_) => return,
                Verdict::Carry { at } => at,
            },
        };
        let Some(own) = own else { return };
        *counter += 1;
        let kind = match own.kind {
            Kind::Marker => Kind::Marker,
            _ => Kind::Copy(Mark {
                identity: Identity {
                    origin: from.origin.clone(),
                    version: own.id,
                },
                at,
            }),
        };
        let id = format!("copy-{counter}");
        to.versions.insert(
            0,
            Version {
                id,
                at: clock,
                kind,
            },
        );
    }

    fn content(history: &History) -> Option<Identity> {
        history.identity(0)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn whatever_happens_both_regions_end_with_the_same(
            steps in proptest::collection::vec((0_u8..6, 0_i64..3), 1..14), skew in -3_i64..4
        ) {
            let (mut us, mut eu) = (history("us", ""), history("eu", ""));
            let (mut clock, mut counter) = (100_i64, 0_u32);
            for (what, later) in steps {
                clock += later;
                counter += 1;
                let id = format!("n{counter}");
                match what {
                    0 => us.versions.insert(0, Version { id, at: clock, kind: Kind::Original }),
                    1 => eu.versions.insert(0, Version { id, at: clock + skew, kind: Kind::Original }),
                    2 if !us.versions.is_empty() => us.versions.insert(0, Version { id, at: clock, kind: Kind::Marker }),
                    3 if !eu.versions.is_empty() => eu.versions.insert(0, Version { id, at: clock + skew, kind: Kind::Marker }),
                    4 => carry(&mut us, &mut eu, clock + skew, &mut counter),
                    _ => carry(&mut eu, &mut us, clock, &mut counter),
                }
            }
            // Now it is quiet, and each replicator goes on until it has nothing to do.
            for round in 0..6 {
                let before = (us.clone(), eu.clone());
                carry(&mut us, &mut eu, clock + skew + 1, &mut counter);
                carry(&mut eu, &mut us, clock + 1, &mut counter);
                if before == (us.clone(), eu.clone()) {
                    break;
                }
                prop_assert!(round < 4, "an echo: {:?} {:?}", us, eu);
            }
            prop_assert_eq!(content(&us), content(&eu), "us {:?}\neu {:?}", us, eu);
        }
    }
}
