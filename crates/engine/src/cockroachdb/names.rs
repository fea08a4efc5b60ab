//! What things are called.

use sha2::{Digest as _, Sha256};

use crate::error::Problem;
use crate::path::FieldPath;

/// Where a node listens for other nodes and for SQL.
pub const SQL_PORT: u16 = 26257;
/// Where a node serves the DB Console, health and metrics.
pub const HTTP_PORT: u16 = 8080;
/// Where a node's certificates are, in its container.
pub(crate) const CERTIFICATES: &str = "/cockroach/cockroach-certs";
/// Where a node's store is, in its container.
pub(crate) const STORE: &str = "/cockroach/cockroach-data";

/// How long a host name may be, as a label of DNS.
pub(crate) const LONGEST: usize = 63;

/// A node's container, and its volume.
pub fn node(cluster: &str, region: &str, number: u32) -> String {
    format!("atlas-cockroachdb-{cluster}-{region}-{number}")
}

/// The address by which other nodes reach a node.
pub fn address(cluster: &str, region: &str, number: u32) -> String {
    address_of(&node(cluster, region, number))
}

/// The volume that says that a cluster was found empty. No node's name ends so.
pub(super) fn emptied(cluster: &str) -> String {
    format!("atlas-cockroachdb-{cluster}-emptied")
}

/// The same of a container.
pub(crate) fn address_of(container: &str) -> String {
    format!("{container}:{SQL_PORT}")
}

/// Where nodes look for their cluster: the first node of every region, then these addresses.
///
/// All nodes have the same list, whichever region they are in.
pub fn join(cluster: &str, regions: &[String], more: &[String]) -> Vec<String> {
    let first = regions.iter().map(|region| address(cluster, region, 1));
    first.chain(more.iter().cloned()).collect()
}

/// The regions and the further addresses of a list that [`join`] made.
pub(super) fn regions(cluster: &str, joined: &str) -> (Vec<String>, Vec<String>) {
    let (mut regions, mut more) = (Vec::new(), Vec::new());
    let (before, after) = (node(cluster, "", 1), format!(":{SQL_PORT}"));
    let (before, number) = before.split_at(before.len() - "-1".len());
    for address in joined.split(',').filter(|address| !address.is_empty()) {
        let region = address
            .strip_suffix(&after)
            .and_then(|host| host.strip_suffix(number)?.strip_prefix(before));
        match region {
            Some(region) => regions.push(region.to_owned()),
            None => more.push(address.to_owned()),
        }
    }
    (regions, more)
}

/// What is wrong with the name of a cluster or a region: both are parts of host names, and a cluster's name is what
/// `--cluster-name` takes.
pub(crate) fn problem(name: &str, path: &FieldPath) -> Option<Problem> {
    let good = (1..=24).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    (!good).then(|| {
        Problem::new(
            path.clone(),
            format!("{name:?} cannot be part of a node's host name."),
            "Use 1 to 24 lower-case letters, digits and dashes; begin with a letter, end with a letter or digit.",
        )
    })
}

/// A database's name as part of a volume's, which has fewer letters: its own where it may be, else what is made of it.
pub(super) fn in_volumes(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if (1..=64).contains(&name.len()) && name.chars().all(plain) {
        return name.to_owned();
    }
    let digest = Sha256::digest(name);
    let hex: String = digest.iter().take(16).map(|b| format!("{b:02x}")).collect();
    // No plain name has a dash.
    format!("database-{hex}")
}

/// A name as SQL takes it, with quotes.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL takes it.
pub(crate) fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_nodes_look_in_every_region() {
        let regions = ["us-east".to_owned(), "witness".to_owned()];
        assert_eq!(
            join("ledger", &regions, &["db.example:26257".to_owned()]),
            [
                "atlas-cockroachdb-ledger-us-east-1:26257",
                "atlas-cockroachdb-ledger-witness-1:26257",
                "db.example:26257"
            ]
        );
    }

    #[test]
    fn where_nodes_look_tells_the_regions() {
        let list = join("ledger", &["us-east".to_owned()], &["db:26257".to_owned()]);
        let told = regions("ledger", &list.join(","));
        assert_eq!(
            told,
            (vec!["us-east".to_owned()], vec!["db:26257".to_owned()])
        );
        assert_eq!(regions("ledger", ""), (Vec::new(), Vec::new()));
    }

    #[test]
    fn names_that_are_no_host_names_are_refused() {
        for good in ["a", "us-east", "dc1"] {
            assert_eq!(problem(good, &FieldPath::of("name")), None, "{good}");
        }
        for bad in ["", "US", "1a", "a-", "a_b", &"a".repeat(25)] {
            assert!(problem(bad, &FieldPath::of("name")).is_some(), "{bad}");
        }
    }

    #[test]
    fn names_of_databases_that_volumes_cannot_have_are_told_apart() {
        assert_eq!(in_volumes("bank_2"), "bank_2");
        let odd = ["Bank", "bänk", "a/b", "", &"a".repeat(65)].map(in_volumes);
        let different: std::collections::BTreeSet<&String> = odd.iter().collect();
        assert_eq!(different.len(), odd.len());
        let good = |c: char| c.is_ascii_alphanumeric() || c == '-';
        assert!(odd.iter().all(|name| name.chars().all(good)), "{odd:?}");
    }

    #[test]
    fn quotes_within_names_and_texts_are_doubled() {
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
        assert_eq!(text("a'b"), "'a''b'");
    }
}
