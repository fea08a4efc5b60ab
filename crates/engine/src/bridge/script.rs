//! The script that sets a node's routes, and what it must leave behind.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// Where a bridge's script lies on a node. k3d's entry point runs all that begin so.
pub(super) fn path(bridge: &str) -> String {
    format!("/bin/k3d-entrypoint-atlas-bridge-{bridge}.sh")
}

/// What is left to do on a node that left a bridge: Docker has led its default route where it likes, which the
/// scripts of other bridges set back; without one, Docker's choice is all that is needed.
pub(super) fn settle() -> String {
    format!(
        "for script in {}; do [ ! -x \"$script\" ] || {{ sh \"$script\"; others=yes; }}; done\n\
         [ -n \"${{others:-}}\" ] || ! ip route | grep '^default ' | grep -qv metric || \
         ip route del default metric 1 2>/dev/null || :",
        path("*")
    )
}

/// How the line begins that names the members.
const MEMBERS: &str = "# Members: ";

/// The members that a node's script names, in the order in which they were declared.
pub(super) fn members(script: &str) -> Option<Vec<String>> {
    let line = script.lines().find_map(|line| line.strip_prefix(MEMBERS))?;
    Some(line.split_whitespace().map(str::to_owned).collect())
}

/// How the line begins that sets a route, but for the default one.
const ROUTE: &str = "ip route replace ";

/// The networks to which a node's script leads, each with the address that it leads through.
pub(super) fn routes(script: &str) -> impl Iterator<Item = (Ipv4Net, Ipv4Addr)> {
    script.lines().filter_map(|line| {
        let (net, via) = line.trim().strip_prefix(ROUTE)?.split_once(" via ")?;
        Some((net.parse().ok()?, via.parse().ok()?))
    })
}

/// What a node needs to reach the other members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Routes {
    /// The cluster network's gateway. Docker may lead the default route through the transit network.
    pub(super) gateway: Option<Ipv4Addr>,
    /// Networks and the transit address of the node that leads there, narrow ones first.
    pub(super) via: Vec<(Ipv4Net, Ipv4Addr)>,
    /// Pods here and pods there: between them addresses stay as they are.
    pub(super) untranslated: Vec<(Ipv4Net, Ipv4Net)>,
}

impl Routes {
    /// The script. Run without an argument it sets everything, with `down` it takes it back; both may
    /// be repeated.
    pub(super) fn script(&self, bridge: &str, members: &[&str]) -> String {
        let mut up = String::new();
        let mut down = String::new();
        if let Some(gateway) = self.gateway {
            // Beside Docker's own and not in its place: Docker adds a default route whenever it attaches or
            // detaches the node, and fails where it finds one of its own metric (0) that is not its own.
            let _ = writeln!(
                up,
                "  ip route replace default via {gateway} metric 1\n  ip route | grep '^default ' | grep -vF 'via {gateway} ' | \
                 while read -r other; do ip route del $other; done"
            );
        }
        for (net, via) in &self.via {
            let _ = writeln!(up, "  {ROUTE}{net} via {via}");
            let _ = writeln!(down, "  ip route del {net} via {via} 2>/dev/null || :");
        }
        for (own, peer) in &self.untranslated {
            let rule = untranslated(*own, *peer);
            let _ = writeln!(
                up,
                "  iptables -w -t nat -C {rule} 2>/dev/null || iptables -w -t nat -I {rule}"
            );
            let _ = writeln!(down, "  iptables -w -t nat -D {rule} 2>/dev/null || :");
        }
        let members = members.join(" ");
        format!(
            "#!/bin/sh\n{MEMBERS}{members}\n# Routes of the bridge {bridge}. Runs at every start of the node; a route that \
             cannot be set must\n# not keep it from starting.\nif [ \"${{1:-up}}\" = down ]; then\n  \
             :\n{down}else\n  :\n{up}fi\nexit 0\n"
        )
    }

    /// Whether a node's routing table (`ip -4 route show`) and its rules of translation (`iptables -t nat -S POSTROUTING`)
    /// have all of them. Rules that could not be listed, not even the chain's policy, are taken for set: what cannot be
    /// listed cannot be set either.
    pub(super) fn are_set(&self, table: &str, rules: &str) -> bool {
        let has = |rule: &str| rules.lines().any(|line| line.trim() == rule);
        let untranslated = rules.trim().is_empty()
            || self
                .untranslated
                .iter()
                .all(|(own, peer)| has(&format!("-A {}", untranslated(*own, *peer))));
        untranslated && self.are_in(table)
    }

    fn are_in(&self, table: &str) -> bool {
        let default = self.gateway.is_none_or(|gateway| {
            let line = format!("default via {gateway} ");
            let mut found = table.lines().filter(|line| line.starts_with("default "));
            // The first is the one that is taken.
            found
                .next()
                .is_some_and(|found| format!("{found} ").starts_with(&line))
        });
        default
            && self.via.iter().all(|(net, via)| {
                let host = format!("{} via {via} ", net.addr());
                let line = format!("{net} via {via} ");
                table.lines().any(|found| {
                    let found = format!("{found} ");
                    found.starts_with(&line) || (net.prefix_len() == 32 && found.starts_with(&host))
                })
            })
    }
}

/// The rule that leaves addresses between these pods as they are.
fn untranslated(own: Ipv4Net, peer: Ipv4Net) -> String {
    format!("POSTROUTING -s {own} -d {peer} -j ACCEPT")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        Routes {
            gateway: Some(Ipv4Addr::new(172, 20, 0, 1)),
            via: vec![(
                "10.46.0.0/24".parse().unwrap(),
                Ipv4Addr::new(172, 31, 0, 4),
            )],
            untranslated: vec![(
                "10.44.0.0/16".parse().unwrap(),
                "10.46.0.0/16".parse().unwrap(),
            )],
        }
    }

    #[test]
    fn the_script_sets_and_takes_back() {
        let script = routes().script("world", &["us", "eu"]);
        assert_eq!(members(&script).unwrap(), ["us", "eu"]);
        for part in [
            "ip route replace default via 172.20.0.1 metric 1",
            "ip route replace 10.46.0.0/24 via 172.31.0.4",
            "ip route del 10.46.0.0/24 via 172.31.0.4",
            "-I POSTROUTING -s 10.44.0.0/16 -d 10.46.0.0/16 -j ACCEPT",
        ] {
            assert!(script.contains(part), "{part} in {script}");
        }
    }

    const RULES: &str =
        "-P POSTROUTING ACCEPT\n-A POSTROUTING -s 10.44.0.0/16 -d 10.46.0.0/16 -j ACCEPT\n";

    #[test]
    fn a_script_is_read_back() {
        let script = routes().script("world", &["us", "eu"]);
        let found: Vec<_> = super::routes(&script).collect();
        assert_eq!(found, routes().via);
    }

    #[test]
    fn a_route_through_another_node_does_not_count() {
        let default = "default via 172.20.0.1 dev eth0\n";
        let right = format!("{default}10.46.0.0/24 via 172.31.0.4 dev eth1 \n");
        assert!(routes().are_set(&right, RULES));
        let other = format!("{default}10.46.0.0/24 via 172.31.0.40 dev eth1\n");
        assert!(!routes().are_set(&other, RULES));
    }

    #[test]
    fn addresses_that_are_translated_do_not_count() {
        let table = "default via 172.20.0.1 dev eth0\n10.46.0.0/24 via 172.31.0.4 dev eth1 \n";
        assert!(!routes().are_set(table, "-P POSTROUTING ACCEPT\n"));
        // A node that cannot list its rules has no way to set them.
        assert!(routes().are_set(table, ""));
    }

    #[test]
    fn a_default_route_through_the_transit_network_does_not_count() {
        let rest = "10.46.0.0/24 via 172.31.0.4 dev eth1\n";
        let docker = "default via 172.31.0.1 dev eth1\n";
        let own = "default via 172.20.0.1 dev eth0 metric 1\n";
        assert!(!routes().are_set(&format!("{docker}{rest}"), RULES));
        assert!(!routes().are_set(&format!("{docker}{own}{rest}"), RULES));
        assert!(routes().are_set(&format!("{own}{rest}"), RULES));
    }
}
