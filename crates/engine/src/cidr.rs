//! IPv4 networks: parsing with good errors, overlap, free addresses, plans for regions.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::error::Problem;
use crate::path::FieldPath;

/// How many regions one base network is cut into by [`plan_regions`]. Fixed, so that adding a
/// region never moves another.
pub const REGIONS: u8 = 16;

/// Parses an IPv4 network in CIDR form whose host bits are zero.
pub fn parse(text: &str, path: &FieldPath) -> Result<Ipv4Net, Problem> {
    let net: Ipv4Net = text.trim().parse().map_err(|_| {
        Problem::new(
            path.clone(),
            format!("{text:?} is not an IPv4 network."),
            "Use address/prefix, for instance 172.28.0.0/16.",
        )
    })?;
    if net.trunc() != net {
        return Err(Problem::new(
            path.clone(),
            format!("{text} has host bits set."),
            format!("Did you mean {}?", net.trunc()),
        ));
    }
    Ok(net)
}

/// Whether two networks share an address.
pub fn overlap(a: Ipv4Net, b: Ipv4Net) -> bool {
    a.contains(&b) || b.contains(&a)
}

/// The first address of a network that is free: neither the network's own, its broadcast, its
/// gateway (first host), nor the next one, which k3d reserves for its tools container.
pub fn first_free(net: Ipv4Net, taken: &BTreeSet<Ipv4Addr>) -> Option<Ipv4Addr> {
    net.hosts().skip(2).find(|address| !taken.contains(address))
}

/// Three disjoint networks of one region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegionCidrs {
    /// For the Docker network of the nodes.
    pub nodes: Ipv4Net,
    /// For Services.
    pub services: Ipv4Net,
    /// For pods; half of the region's block.
    pub pods: Ipv4Net,
}

/// Cuts `base` into [`REGIONS`] equal blocks and gives the n-th region the n-th block: its first
/// quarter for nodes, its second for services, the other half for pods. A region keeps its block
/// as long as it keeps its place in the list.
///
/// # Errors
/// A base smaller than /16 (blocks would not hold a /24 per node), more regions than blocks, or a
/// region named twice.
pub fn plan_regions(
    base: Ipv4Net,
    regions: &[String],
) -> Result<BTreeMap<String, RegionCidrs>, Problem> {
    if base.prefix_len() > 16 {
        return Err(Problem::new(
            FieldPath::of("base"),
            format!("{base} is too small to be split into {REGIONS} regions."),
            "Use a /16 or larger, for instance 10.64.0.0/12.",
        ));
    }
    if regions.len() > usize::from(REGIONS) {
        return Err(Problem::new(
            FieldPath::of("regions"),
            format!("{} regions are too many.", regions.len()),
            format!("Use at most {REGIONS} regions for one base network."),
        ));
    }
    let block = base.prefix_len() + REGIONS.ilog2().to_le_bytes()[0];
    let blocks = base.subnets(block).into_iter().flatten();
    let mut plan = BTreeMap::new();
    for (region, block) in regions.iter().zip(blocks) {
        let prefix = block.prefix_len();
        let quarters: Vec<Ipv4Net> = block.subnets(prefix + 2).into_iter().flatten().collect();
        let halves: Vec<Ipv4Net> = block.subnets(prefix + 1).into_iter().flatten().collect();
        let (Some(&nodes), Some(&services), Some(&pods)) =
            (quarters.first(), quarters.get(1), halves.get(1))
        else {
            continue;
        };
        if plan
            .insert(
                region.clone(),
                RegionCidrs {
                    nodes,
                    services,
                    pods,
                },
            )
            .is_some()
        {
            return Err(Problem::new(
                FieldPath::of("regions"),
                format!("{region:?} is listed twice."),
                "List each region once.",
            ));
        }
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn host_bits_are_refused_with_the_network_that_was_meant() {
        let problem = parse("10.1.2.3/16", &FieldPath::of("subnet")).unwrap_err();
        assert!(
            problem.remedy.to_string().contains("10.1.0.0/16"),
            "{problem}"
        );
    }

    #[test]
    fn gateway_and_tools_addresses_are_never_given_out() {
        let first = first_free(net("10.0.0.0/24"), &BTreeSet::new());
        assert_eq!(first, Some(Ipv4Addr::new(10, 0, 0, 3)));
    }

    #[test]
    fn a_full_network_has_no_free_address() {
        let taken: BTreeSet<_> = net("10.0.0.0/29").hosts().collect();
        assert_eq!(first_free(net("10.0.0.0/29"), &taken), None);
    }

    #[test]
    fn regions_are_disjoint_and_keep_their_place() {
        let one = plan_regions(net("10.64.0.0/12"), &["us".into()]).unwrap();
        let two = plan_regions(net("10.64.0.0/12"), &["us".into(), "eu".into()]).unwrap();
        assert_eq!(one["us"], two["us"]);
        let all: Vec<_> = two
            .values()
            .flat_map(|r| [r.nodes, r.services, r.pods])
            .collect();
        for (i, a) in all.iter().enumerate() {
            for b in &all[i + 1..] {
                assert!(!overlap(*a, *b), "{a} and {b}");
            }
        }
    }

    #[test]
    fn a_base_too_small_is_refused() {
        assert!(plan_regions(net("10.0.0.0/17"), &["us".into()]).is_err());
    }
}
