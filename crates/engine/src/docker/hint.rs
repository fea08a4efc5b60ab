//! What to do about some of Docker's messages.

use std::net::Ipv4Addr;

/// Docker's words where a container cannot have its fixed address.
pub(super) const TAKEN: &str = "Address already in use";

/// What to do where a container cannot have its fixed address, which Docker tells without address and holder.
pub(super) fn taken_address(
    container: &str,
    address: Ipv4Addr,
    network: &str,
    holder: &str,
) -> String {
    format!(
        ": {container} needs the address {address} of the network {network}, which {holder} has. Advice: use another \
         address for one of them, and try again"
    )
}

/// What to do about a message, starting with ". Advice: "; empty where nothing is known.
pub(super) fn hint(message: &str) -> String {
    let hints = [
        ("port is already allocated", "choose another port"),
        ("address already in use", "choose another port"),
        (TAKEN, "another container on this network has the address"),
        (
            "Pool overlaps",
            "choose a subnet that no other Docker network uses (`docker network ls`)",
        ),
        (
            "non-overlapping IPv4 address pool",
            "set `subnet` to a free network (`docker network ls` lists those in use)",
        ),
        (
            "predefined address pools have been fully subnetted",
            "set `subnet` to a free network (`docker network ls` lists those in use)",
        ),
        (
            "has active endpoints",
            "disconnect the containers on it first; if there are none, restart the Docker daemon, which has miscounted",
        ),
        ("no such image", "pull or build the image first"),
        (
            "operation not permitted",
            "privileged containers must be allowed by the daemon",
        ),
    ];
    hints
        .iter()
        .find(|(part, _)| message.contains(part))
        .map(|(_, advice)| format!(". Advice: {advice}"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_leave_one_guessing_come_with_what_to_do() {
        for (message, part) in [
            (
                "Error response: could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
                "set `subnet`",
            ),
            (
                "all predefined address pools have been fully subnetted",
                "set `subnet`",
            ),
            ("Address already in use", "another container"),
            (
                "Pool overlaps with other one on this address space",
                "docker network ls",
            ),
        ] {
            let told = hint(message);
            assert!(
                told.starts_with(". Advice: ") && told.contains(part),
                "{told}"
            );
        }
        assert_eq!(hint("something else"), "");
    }

    #[test]
    fn an_address_that_is_taken_is_told_with_its_holder() {
        let told = taken_address("k3d-a-agent-0", [10, 0, 0, 3].into(), "shared", "db");
        for part in ["10.0.0.3", "k3d-a-agent-0", "shared", "which db has"] {
            assert!(told.contains(part), "{part} in {told}");
        }
    }
}
