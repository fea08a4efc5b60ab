//! The nodes of a cluster, as it tells them itself.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// What a cluster says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum View {
    /// No container of it runs.
    #[default]
    Absent,
    /// Its nodes wait for `init`.
    Uninitialized,
    /// It serves.
    Live(Topology),
    /// Nodes run and give no answer; the reason is the command's own.
    Silent(String),
}

impl View {
    /// The nodes, where it serves.
    pub fn topology(&self) -> Option<&Topology> {
        match self {
            Self::Live(topology) => Some(topology),
            _ => None,
        }
    }
}

/// The nodes of a cluster that serves, those that left it included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topology {
    /// By id.
    pub nodes: Vec<NodeStatus>,
}

/// Whether a node is part of its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Membership {
    /// It is.
    Active,
    /// It is to leave, and its replicas go elsewhere.
    Decommissioning,
    /// It left for good.
    Decommissioned,
}

/// A node as `cockroach node status --all` tells it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct NodeStatus {
    /// Its id in the cluster.
    pub id: u64,
    /// The address by which other nodes reach it.
    pub address: String,
    /// Its version.
    pub build: String,
    /// When it reported last, in the words of the cluster. What it knows of ranges is as old as that.
    #[serde(skip)]
    pub updated_at: String,
    /// Its tiers, in order.
    pub locality: Vec<(String, String)>,
    /// Whether its process is up.
    pub is_live: bool,
    /// Whether it can be part of a quorum.
    pub is_available: bool,
    /// Ranges without a quorum that it knows of.
    pub ranges_unavailable: u64,
    /// Ranges with fewer replicas than they should have, that it knows of.
    pub ranges_underreplicated: u64,
    /// Whether it is part of the cluster.
    pub membership: Membership,
    /// Whether it takes no clients any more.
    pub is_draining: bool,
}

impl NodeStatus {
    /// A tier of its locality, for instance `region`.
    pub fn tier(&self, key: &str) -> Option<&str> {
        let tier = self.locality.iter().find(|(name, _)| name == key);
        tier.map(|(_, value)| value.as_str())
    }

    /// Its locality as `--locality` takes it.
    pub fn locality_text(&self) -> String {
        let tiers = self.locality.iter();
        let tiers: Vec<String> = tiers.map(|(key, value)| format!("{key}={value}")).collect();
        tiers.join(",")
    }
}

impl Topology {
    /// Nodes that have not left.
    pub fn members(&self) -> impl Iterator<Item = &NodeStatus> {
        let left = |node: &&NodeStatus| node.membership != Membership::Decommissioned;
        self.nodes.iter().filter(left)
    }

    /// The node at this address. Of several the youngest: one that left may have had the same.
    pub fn at(&self, address: &str) -> Option<&NodeStatus> {
        let found = self.nodes.iter().filter(|node| node.address == address);
        found.max_by_key(|node| (node.membership != Membership::Decommissioned, node.id))
    }

    /// The members in a region.
    pub fn in_region<'a>(&'a self, region: &'a str) -> impl Iterator<Item = &'a NodeStatus> {
        self.members()
            .filter(move |node| node.tier("region") == Some(region))
    }

    /// A live member that is in none of these regions, the youngest of them.
    pub fn stray(&self, regions: &[String]) -> Option<&NodeStatus> {
        let is_known = |node: &NodeStatus| {
            node.tier("region")
                .is_some_and(|region| regions.iter().any(|known| known == region))
        };
        self.members()
            .filter(|node| node.is_live && !is_known(node))
            .max_by_key(|node| node.id)
    }

    /// Whether every member has reported since `before` was told.
    pub fn is_newer(&self, before: &Self) -> bool {
        self.members().all(|node| {
            let known = before.nodes.iter().find(|known| known.id == node.id);
            known.is_none_or(|known| known.updated_at != node.updated_at)
        })
    }

    /// Ranges with fewer replicas than they should have.
    pub fn underreplicated(&self) -> u64 {
        self.members().map(|node| node.ranges_underreplicated).sum()
    }

    /// Ranges without a quorum.
    pub fn unavailable(&self) -> u64 {
        self.members().map(|node| node.ranges_unavailable).sum()
    }
}

/// Reads the table of `node status --all --format=csv`.
pub(super) fn parse(rows: &[BTreeMap<String, String>]) -> Result<Topology> {
    let mut nodes = rows.iter().map(node).collect::<Result<Vec<_>>>()?;
    nodes.sort_by_key(|node| node.id);
    Ok(Topology { nodes })
}

fn node(row: &BTreeMap<String, String>) -> Result<NodeStatus> {
    let text = |column: &str| {
        row.get(column).ok_or_else(|| Error::Unexpected {
            what: "the output of `cockroach node status`".to_owned(),
            reason: format!("there is no column {column}"),
        })
    };
    let number = |column: &str| {
        let cell = text(column)?;
        // Columns of a node that left are empty.
        if cell.is_empty() || cell == "NULL" {
            return Ok(0);
        }
        cell.parse::<u64>().map_err(|_| Error::Unexpected {
            what: "the output of `cockroach node status`".to_owned(),
            reason: format!("{column} is {cell:?}"),
        })
    };
    let is = |column: &str| text(column).map(|cell| cell == "true");
    // What is not gossiped any more of a node that left.
    let word = |column: &str| text(column).map(|cell| if cell == "NULL" { "" } else { cell });
    Ok(NodeStatus {
        id: number("id")?,
        address: word("address")?.to_owned(),
        build: word("build")?.to_owned(),
        updated_at: row.get("updated_at").cloned().unwrap_or_default(),
        locality: locality(word("locality")?),
        is_live: is("is_live")?,
        is_available: is("is_available")?,
        ranges_unavailable: number("ranges_unavailable")?,
        ranges_underreplicated: number("ranges_underreplicated")?,
        membership: match text("membership")?.as_str() {
            "decommissioning" => Membership::Decommissioning,
            "decommissioned" => Membership::Decommissioned,
            _ => Membership::Active,
        },
        is_draining: is("is_draining")?,
    })
}

/// Tiers as `--locality` and `node status` write them: `region=us-east,zone=a`.
pub(crate) fn locality(text: &str) -> Vec<(String, String)> {
    text.split(',')
        .filter_map(|tier| tier.split_once('='))
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let usual = [
            ("id", "1"),
            ("address", "a:26257"),
            ("build", "v25.4.11"),
            ("locality", "region=us-east,zone=a"),
            ("is_live", "true"),
            ("is_available", "true"),
            ("ranges_unavailable", "0"),
            ("ranges_underreplicated", "2"),
            ("membership", "active"),
            ("is_draining", "false"),
        ];
        usual
            .iter()
            .chain(pairs)
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_node_that_left_is_no_member_and_its_address_is_its_successors() {
        let left = row(&[("membership", "decommissioned"), ("ranges_unavailable", "")]);
        let topology = parse(&[row(&[("id", "4")]), left]).unwrap();
        assert_eq!(topology.members().count(), 1);
        assert_eq!(topology.at("a:26257").map(|node| node.id), Some(4));
        assert_eq!(topology.in_region("us-east").count(), 1);
        assert_eq!(topology.underreplicated(), 2);
    }

    #[test]
    fn a_live_member_in_no_known_region_is_a_stray() {
        let table = [
            (row(&[]), None),
            (row(&[("locality", "region=us-esat")]), Some(1)),
            (row(&[("locality", "zone=us-east")]), Some(1)),
            (row(&[("locality", "")]), Some(1)),
            (row(&[("locality", ""), ("is_live", "false")]), None),
            (
                row(&[("locality", ""), ("membership", "decommissioned")]),
                None,
            ),
        ];
        for (row, stray) in table {
            let topology = parse(std::slice::from_ref(&row)).unwrap();
            let found = topology.stray(&["us-east".to_owned()]).map(|node| node.id);
            assert_eq!(found, stray, "{row:?}");
        }
    }

    #[test]
    fn a_table_of_another_form_is_told() {
        let mut odd = row(&[]);
        odd.remove("is_live");
        assert!(parse(&[odd]).unwrap_err().to_string().contains("is_live"));
    }

    #[test]
    fn what_was_reported_before_does_not_count_as_news() {
        let told = |times: [&str; 2]| {
            let row = |(id, time): (&str, &str)| row(&[("id", id), ("updated_at", time)]);
            parse(
                &["1", "2"]
                    .into_iter()
                    .zip(times)
                    .map(row)
                    .collect::<Vec<_>>(),
            )
            .unwrap()
        };
        let before = told(["a", "b"]);
        assert!(!told(["c", "b"]).is_newer(&before));
        assert!(told(["c", "d"]).is_newer(&before));
    }

    #[test]
    fn what_is_not_gossiped_any_more_is_not_known() {
        let rows = [row(&[("address", "NULL"), ("locality", "NULL")])];
        let node = &parse(&rows).unwrap().nodes[0];
        assert_eq!((node.address.as_str(), node.locality.len()), ("", 0));
    }
}
