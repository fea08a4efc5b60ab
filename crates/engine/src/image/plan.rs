//! What stands between images as wanted and as they are. Pure: no I/O.

use super::observe::Observed;
use super::spec::{Spec, canonical};
use crate::error::{Problem, Result, refuse};
use crate::path::FieldPath;

/// Carry images into a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The container.
    pub node: String,
    /// References as asked for.
    pub images: Vec<String>,
}

impl Step {
    /// A sentence for a person.
    pub fn summary(&self) -> String {
        format!("node {} lacks {}", self.node, self.images.join(", "))
    }
}

/// Compares what is wanted with what is; a step for each node that lacks something.
///
/// # Errors
/// [`crate::Error::Invalid`] where the daemon lacks an image.
pub fn plan(spec: &Spec, observed: &Observed) -> Result<Vec<Step>> {
    let mut problems = spec.problems();
    for (position, image) in spec.images.iter().enumerate() {
        if observed.daemon.get(image) == Some(&None) {
            problems.push(Problem::new(
                FieldPath::of("images").index(position),
                format!("the image {image} is not present in Docker."),
                format!("Build it, or run `docker pull {image}`."),
            ));
        }
    }
    refuse(problems)?;
    let steps = observed.nodes.iter().filter_map(|node| {
        let lacking = spec.images.iter().filter(|image| {
            let wanted = observed.daemon.get(*image).and_then(Option::as_ref);
            node.images.get(&canonical(image)) != wanted
        });
        let images: Vec<String> = lacking.cloned().collect();
        (!images.is_empty()).then(|| Step {
            node: node.node.clone(),
            images,
        })
    });
    Ok(steps.collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::observe::NodeImages;
    use super::*;

    fn observed(in_node: &[(&str, &str)]) -> Observed {
        let images = in_node
            .iter()
            .map(|(name, id)| ((*name).to_owned(), (*id).to_owned()));
        Observed {
            daemon: BTreeMap::from([("a:1".to_owned(), Some("sha256:1".to_owned()))]),
            nodes: vec![NodeImages {
                node: "n".to_owned(),
                images: images.collect(),
            }],
            ..Observed::default()
        }
    }

    fn spec(image: &str) -> Spec {
        Spec {
            cluster: "demo".into(),
            images: vec![image.into()],
        }
    }

    #[test]
    fn an_image_is_carried_where_it_is_missing_or_another() {
        let name = "docker.io/library/a:1";
        for (there, steps) in [
            (vec![], 1),
            (vec![(name, "sha256:2")], 1),
            (vec![(name, "sha256:1")], 0),
        ] {
            assert_eq!(
                plan(&spec("a:1"), &observed(&there)).unwrap().len(),
                steps,
                "{there:?}"
            );
        }
    }

    #[test]
    fn an_image_that_the_daemon_lacks_is_refused_at_its_place() {
        let mut observed = observed(&[]);
        observed.daemon.insert("b:1".into(), None);
        let text = plan(&spec("b:1"), &observed).unwrap_err().to_string();
        assert!(
            text.contains("images[0]") && text.contains("docker pull b:1"),
            "{text}"
        );
    }
}
