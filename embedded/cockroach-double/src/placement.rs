//! Where voters are: the vendor's synthesis of zones, and the choice of nodes for the one Raft group.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::{Catalog, Database, Membership};
use crate::locality::Locality;

/// What a zone asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Zone {
    /// Voters and non-voters.
    pub(crate) num_replicas: usize,
    /// Voters.
    pub(crate) num_voters: usize,
    /// The least of replicas per region.
    pub(crate) constraints: BTreeMap<String, usize>,
    /// The least of voters per region; `None` in the value: all of them.
    pub(crate) voters: Vec<(String, Option<usize>)>,
    /// Regions that leaders prefer, best first.
    pub(crate) preferences: Vec<String>,
}

/// The zone of a multi-region database, as its survival goal makes it.
pub(crate) fn zone(database: &Database) -> Option<Zone> {
    let primary = database.primary.clone()?;
    let regions = database.regions.len();
    let mut preferences = vec![primary.clone()];
    preferences.extend(database.secondary.clone());
    let everywhere = database
        .regions
        .iter()
        .map(|region| (region.clone(), 1))
        .collect();
    Some(if database.survive_region {
        let mut voters = vec![(primary, Some(2))];
        voters.extend(database.secondary.clone().map(|region| (region, Some(2))));
        voters.sort();
        Zone {
            num_replicas: 5.max(2 + regions - 1),
            num_voters: 5,
            constraints: everywhere,
            voters,
            preferences,
        }
    } else {
        Zone {
            num_replicas: if database.restricted {
                3
            } else {
                3 + regions - 1
            },
            num_voters: 3,
            constraints: if database.restricted {
                BTreeMap::new()
            } else {
                everywhere
            },
            voters: vec![(primary, None)],
            preferences,
        }
    })
}

impl Zone {
    /// The fields as `SHOW ZONE CONFIGURATION` writes them, in its order.
    pub(crate) fn fields(&self) -> Vec<(&'static str, String)> {
        let constraints: Vec<String> = self
            .constraints
            .iter()
            .map(|(region, n)| format!("+region={region}: {n}"))
            .collect();
        let voters: Vec<String> = self
            .voters
            .iter()
            .map(|(region, n)| match n {
                Some(n) => format!("+region={region}: {n}"),
                None => format!("+region={region}"),
            })
            .collect();
        let all = self.voters.iter().any(|(_, n)| n.is_none());
        let voters = voters.join(", ");
        let preferences: Vec<String> = self
            .preferences
            .iter()
            .map(|region| format!("[+region={region}]"))
            .collect();
        vec![
            ("num_replicas", self.num_replicas.to_string()),
            ("num_voters", self.num_voters.to_string()),
            (
                "constraints",
                if constraints.is_empty() {
                    "'[]'".to_owned()
                } else {
                    format!("'{{{}}}'", constraints.join(", "))
                },
            ),
            (
                "voter_constraints",
                if all {
                    format!("'[{voters}]'")
                } else {
                    format!("'{{{voters}}}'")
                },
            ),
            (
                "lease_preferences",
                format!("'[{}]'", preferences.join(", ")),
            ),
        ]
    }
}

/// A node that may vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Its id.
    pub(crate) id: u64,
    /// Where it is.
    pub(crate) locality: Locality,
    /// Whether it votes now.
    pub(crate) votes: bool,
}

/// What the one Raft group has to fulfil.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Goal {
    /// How many voters.
    pub(crate) voters: usize,
    /// The least of voters per region.
    pub(crate) least: BTreeMap<String, usize>,
    /// The region that all voters must be in.
    pub(crate) all_in: Option<String>,
    /// The most of voters in one region.
    pub(crate) most: Option<usize>,
    /// Regions that the leader prefers.
    pub(crate) preferences: Vec<String>,
}

/// The strictest goal of all databases: one group stands for all ranges.
pub(crate) fn goal(catalog: &Catalog) -> Goal {
    let mut zones: Vec<(u32, &Database, Zone)> = catalog
        .databases
        .values()
        .filter_map(|db| zone(db).map(|zone| (db.id, db, zone)))
        .collect();
    zones.sort_by_key(|(id, db, _)| (!db.survive_region, *id));
    if let Some((_, database, zone)) = zones.first() {
        let all_in = zone
            .voters
            .iter()
            .find(|(_, n)| n.is_none())
            .map(|(region, _)| region.clone());
        return Goal {
            voters: zone.num_voters,
            least: zone
                .voters
                .iter()
                .filter_map(|(r, n)| n.map(|n| (r.clone(), n)))
                .collect(),
            all_in,
            most: database.survive_region.then_some((zone.num_voters - 1) / 2),
            preferences: zone.preferences.clone(),
        };
    }
    let number = |target: &str, field: &str| -> Option<usize> {
        catalog.zones.get(target)?.get(field)?.parse().ok()
    };
    let pinned = catalog
        .zones
        .get("DATABASE system")
        .and_then(|zone| zone.get("constraints"));
    let least = pinned
        .map(|text| constraint_counts(text))
        .unwrap_or_default();
    let voters = if least.is_empty() {
        number("RANGE default", "num_replicas").unwrap_or(3)
    } else {
        number("DATABASE system", "num_replicas").unwrap_or(5)
    };
    Goal {
        voters,
        least,
        all_in: None,
        most: None,
        preferences: Vec::new(),
    }
}

/// Reads `{"+region=us": 2, +region=eu: 1}`.
pub(crate) fn constraint_counts(text: &str) -> BTreeMap<String, usize> {
    text.trim_matches(['{', '}', ' '])
        .split(',')
        .filter_map(|part| {
            let (name, count) = part.rsplit_once(':')?;
            let region = name
                .trim()
                .trim_matches(['"', '\''])
                .strip_prefix("+region=")?;
            Some((region.to_owned(), count.trim().parse().ok()?))
        })
        .collect()
}

/// Chooses the voters: constraints first, then the most diverse places, then those that vote already.
///
/// The number is odd: an even group survives no more than the odd one below it.
pub(crate) fn choose(goal: &Goal, candidates: &[Candidate]) -> BTreeSet<u64> {
    let allowed: Vec<&Candidate> = candidates
        .iter()
        .filter(|c| goal.all_in.is_none() || c.locality.region() == goal.all_in.as_deref())
        .collect();
    let mut wanted = goal.voters.min(allowed.len());
    if wanted.is_multiple_of(2) {
        wanted = wanted.saturating_sub(1);
    }
    let mut chosen: Vec<&Candidate> = Vec::new();
    let mut required: Vec<(&str, usize)> = goal
        .least
        .iter()
        .map(|(region, n)| (region.as_str(), *n))
        .collect();
    required.sort_by_key(|(region, _)| {
        goal.preferences
            .iter()
            .position(|p| p == region)
            .unwrap_or(usize::MAX)
    });
    for (region, least) in required {
        let inside = |c: &&&Candidate| c.locality.region() == Some(region);
        let have = chosen
            .iter()
            .filter(|c| c.locality.region() == Some(region))
            .count();
        for _ in have..least {
            if chosen.len() == wanted {
                break;
            }
            let pool: Vec<&Candidate> = allowed.iter().filter(inside).copied().collect();
            if let Some(next) = best(&pool, &chosen, None) {
                chosen.push(next);
            }
        }
    }
    while chosen.len() < wanted {
        // Where a region would get a majority, only when there is no other place.
        let next = best(&allowed, &chosen, goal.most).or_else(|| best(&allowed, &chosen, None));
        let Some(next) = next else { break };
        chosen.push(next);
    }
    chosen.iter().map(|c| c.id).collect()
}

fn best<'a>(
    pool: &[&'a Candidate],
    chosen: &[&Candidate],
    most: Option<usize>,
) -> Option<&'a Candidate> {
    let in_region = |region: Option<&str>| {
        chosen
            .iter()
            .filter(|c| c.locality.region() == region)
            .count()
    };
    pool.iter()
        .filter(|c| chosen.iter().all(|known| known.id != c.id))
        .filter(|c| most.is_none_or(|most| in_region(c.locality.region()) < most))
        .max_by(|a, b| {
            let diversity = |c: &Candidate| -> f64 {
                chosen
                    .iter()
                    .map(|known| known.locality.diversity(&c.locality))
                    .sum()
            };
            diversity(a)
                .total_cmp(&diversity(b))
                .then(a.votes.cmp(&b.votes))
                .then(b.id.cmp(&a.id))
        })
        .copied()
}

/// The nodes that may vote, of those that `live` holds for.
pub(crate) fn candidates(
    catalog: &Catalog,
    voters: &BTreeSet<u64>,
    usable: impl Fn(u64) -> bool,
) -> Vec<Candidate> {
    catalog
        .nodes
        .iter()
        .filter(|(id, node)| node.membership == Membership::Active && usable(**id))
        .map(|(id, node)| Candidate {
            id: *id,
            locality: node.facts.locality.clone(),
            votes: voters.contains(id),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(regions: &[&str]) -> Vec<Candidate> {
        (1..)
            .zip(regions)
            .map(|(id, region)| Candidate {
                id,
                locality: Locality::parse(&format!("region={region}")).unwrap(),
                votes: false,
            })
            .collect()
    }

    fn per_region(chosen: &BTreeSet<u64>, nodes: &[Candidate]) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for node in nodes.iter().filter(|n| chosen.contains(&n.id)) {
            *counts
                .entry(node.locality.region().unwrap().to_owned())
                .or_default() += 1;
        }
        counts
    }

    fn database(regions: &[&str], secondary: Option<&str>, survive_region: bool) -> Database {
        let mut database = Catalog::default().databases["defaultdb"].clone();
        database.primary = regions.first().map(|r| (*r).to_owned());
        database.regions = regions.iter().map(|r| (*r).to_owned()).collect();
        database.secondary = secondary.map(str::to_owned);
        database.survive_region = survive_region;
        database
    }

    fn goal_of(database: Database) -> Goal {
        let mut catalog = Catalog::default();
        catalog.databases.insert("bank".to_owned(), database);
        goal(&catalog)
    }

    #[test]
    fn zones_are_those_of_the_vendor() {
        let zone = zone(&database(&["us", "eu", "wit"], Some("eu"), true)).unwrap();
        let fields: Vec<String> = zone
            .fields()
            .into_iter()
            .map(|(k, v)| format!("{k} = {v}"))
            .collect();
        assert_eq!(
            fields,
            [
                "num_replicas = 5",
                "num_voters = 5",
                "constraints = '{+region=eu: 1, +region=us: 1, +region=wit: 1}'",
                "voter_constraints = '{+region=eu: 2, +region=us: 2}'",
                "lease_preferences = '[[+region=us], [+region=eu]]'",
            ]
        );
    }

    #[test]
    fn surviving_a_region_places_two_two_one() {
        let goal = goal_of(database(&["us", "eu", "wit"], Some("eu"), true));
        for regions in [
            &["us", "us", "eu", "eu", "wit"][..],
            &["wit", "wit", "us", "us", "us", "eu", "eu", "eu"],
        ] {
            let nodes = nodes(regions);
            let counts = per_region(&choose(&goal, &nodes), &nodes);
            assert_eq!(
                counts,
                BTreeMap::from([("eu".into(), 2), ("us".into(), 2), ("wit".into(), 1)])
            );
        }
    }

    #[test]
    fn surviving_a_zone_keeps_all_voters_in_the_primary_region() {
        let goal = goal_of(database(&["us", "eu"], None, false));
        let nodes = nodes(&["us", "us", "us", "eu", "eu"]);
        let counts = per_region(&choose(&goal, &nodes), &nodes);
        assert_eq!(counts, BTreeMap::from([("us".into(), 3)]));
    }

    #[test]
    fn without_a_goal_voters_are_spread() {
        let nodes = nodes(&["us", "us", "us", "eu", "wit"]);
        let chosen = choose(&goal(&Catalog::default()), &nodes);
        assert_eq!(chosen, BTreeSet::from([1, 4, 5]));
    }

    #[test]
    fn an_even_group_is_one_smaller() {
        assert_eq!(
            choose(&goal(&Catalog::default()), &nodes(&["us", "us"])).len(),
            1
        );
    }
}
