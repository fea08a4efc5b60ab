//! The scripts that k3d puts into a node before it starts. Ours keep k3d's names, so that the k3d CLI
//! replaces them by its own when it starts the node.

use crate::docker::File;

/// The entry point of servers and agents.
pub(crate) const PATH: &str = "/bin/k3d-entrypoint.sh";

/// All scripts of a node; `memory` is its limit in bytes, 0 for none.
pub(crate) fn files(memory: i64) -> Vec<File> {
    let limited = (memory > 0).then(|| {
        let script = include_str!("assets/meminfo.sh");
        script.replace("limit=0 ", &format!("limit={} ", memory >> 10))
    });
    let limited = limited.map(|script| file("/bin/k3d-entrypoint-meminfo.sh", &script));
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
    .map(|(path, text)| file(path, text))
    .chain(limited)
    .collect()
}

fn file(path: &str, text: &str) -> File {
    File {
        path: path.to_owned(),
        content: text.as_bytes().into(),
        mode: 0o744,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_node_with_a_limit_is_told_of_it() {
        let script = |memory| {
            let files = files(memory).into_iter();
            files
                .map(|file| String::from_utf8(file.content).unwrap())
                .find(|text| text.contains("/proc/meminfo"))
        };
        assert_eq!(script(0), None);
        let limited = script(3 << 29).unwrap();
        assert!(limited.contains("\nlimit=1572864 # kB\n"), "{limited}");
    }
}
