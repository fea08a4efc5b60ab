//! The scripts that k3d puts into a node before it starts. Ours keep k3d's names, so that the k3d CLI
//! replaces them by its own when it starts the node.

use crate::docker::File;

/// The entry point of servers and agents.
pub(crate) const PATH: &str = "/bin/k3d-entrypoint.sh";

/// All scripts of a node.
pub(crate) fn files() -> Vec<File> {
    [
        (PATH, include_str!("assets/entrypoint.sh")),
        (
            "/bin/k3d-entrypoint-cgroupv2.sh",
            include_str!("assets/cgroupv2.sh"),
        ),
        ("/bin/k3d-entrypoint-dns.sh", include_str!("assets/dns.sh")),
        (
            "/bin/k3d-entrypoint-mounts.sh",
            include_str!("assets/mounts.sh"),
        ),
    ]
    .into_iter()
    .map(|(path, text)| File {
        path: path.to_owned(),
        content: text.as_bytes().into(),
        mode: 0o744,
    })
    .collect()
}
