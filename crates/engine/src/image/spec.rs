//! What may be asked of an import.

use crate::error::Problem;
use crate::path::FieldPath;

/// Images that every node of a cluster must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// The cluster's name.
    pub cluster: String,
    /// References, as `docker image ls` shows them.
    pub images: Vec<String>,
}

impl Spec {
    /// Everything that is wrong with it, without asking the world.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.images.is_empty() {
            problems.push(Problem::new(
                FieldPath::of("images"),
                "the list of images is empty.",
                "Name at least one, for instance docker.io/library/nginx:1.29.",
            ));
        }
        for (position, image) in self.images.iter().enumerate() {
            if image.is_empty() || image.contains(char::is_whitespace) || image.contains('@') {
                problems.push(Problem::new(
                    FieldPath::of("images").index(position),
                    format!("{image:?} has no tag and cannot be imported."),
                    "Use name:tag: a pod cannot use a digest alone.",
                ));
            }
        }
        problems
    }
}

/// A reference as containerd spells it: with registry and tag.
pub fn canonical(image: &str) -> String {
    let (registry, rest) = match image.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => ("docker.io", image),
    };
    let library = registry == "docker.io" && !rest.contains('/');
    let name = rest.rsplit('/').next().unwrap_or(rest);
    format!(
        "{registry}/{}{rest}{}",
        if library { "library/" } else { "" },
        if name.contains(':') { "" } else { ":latest" }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_spelled_as_containerd_does() {
        for (given, wanted) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("atlas/git:1", "docker.io/atlas/git:1"),
            ("quay.io/a/b", "quay.io/a/b:latest"),
            ("localhost:5000/x:2", "localhost:5000/x:2"),
            ("docker.io/atlas/git:1", "docker.io/atlas/git:1"),
        ] {
            assert_eq!(canonical(given), wanted);
        }
    }

    #[test]
    fn what_no_pod_could_ask_for_is_refused() {
        let spec = Spec {
            cluster: "demo".into(),
            images: vec!["a@sha256:00".into(), "b c".into(), "fine:1".into()],
        };
        let paths: Vec<String> = spec
            .problems()
            .iter()
            .map(|one| one.path.to_string())
            .collect();
        assert_eq!(paths, ["images[0]", "images[1]"]);
    }
}
