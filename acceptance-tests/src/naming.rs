//! Whose an object of Docker's is, by its name.

/// Whether a listed line, `name` or `name|cluster`, is of this prefix. Prefixes end with a dash and
/// begin a name or one of its dash-separated parts, so `at1-` is not found in `cat1-x`.
pub(crate) fn is_of(line: &str, prefix: &str) -> bool {
    line.split('|')
        .any(|name| name.starts_with(prefix) || name.contains(&format!("-{prefix}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_tests_own_objects_are_its_own() {
        for (line, own) in [
            ("at07-net", true),
            ("k3d-at07-us-server-0|at07-us", true),
            ("atlas-bridge-at07-x", true),
            ("something|at07-us", true),
            ("at17-net", false),
            ("cat07-net", false),
            ("dc-us|dc-us", false),
        ] {
            assert_eq!(is_of(line, "at07-"), own, "{line}");
        }
    }
}
