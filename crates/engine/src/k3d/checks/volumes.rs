//! Volumes of nodes: what Docker would refuse, or read otherwise than it looks.

use super::{Fault, at, fault, is_docker_name};
use crate::error::Problem;
use crate::k3d::spec::{Filtered, Spec, Volume};

/// What may stand behind a mount's destination.
const MOUNT_OPTIONS: [&str; 14] = [
    "ro",
    "rw",
    "z",
    "Z",
    "nocopy",
    "shared",
    "slave",
    "private",
    "rshared",
    "rslave",
    "rprivate",
    "consistent",
    "cached",
    "delegated",
];

/// A mount's destination without options, as Docker compares it.
pub(in crate::k3d) fn destination(volume: &Volume) -> String {
    let path = volume.destination.split(':').next().unwrap_or_default();
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// What is wrong with one of a specification's volumes.
pub(super) fn volume(spec: &Spec, item: &Filtered<Volume>) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(fault) = item.value.source.as_deref().and_then(source) {
        problems.push(at(item.path.clone().name("source"), fault));
    }
    if let Some(fault) = target(spec, &item.value) {
        problems.push(at(item.path.clone().name("destination"), fault));
    }
    problems
}

fn source(source: &str) -> Option<Fault> {
    const FORM: &str =
        "Use an absolute path on the machine that runs Docker, or the name of a volume.";
    if source.contains(':') {
        return fault(
            format!("{source:?} contains a colon, which Docker takes as a separator."),
            FORM,
        );
    }
    if source.starts_with('/') {
        return None;
    }
    if source.starts_with('~') {
        return fault(format!("the tilde in {source:?} is not expanded."), FORM);
    }
    if is_docker_name(source) {
        return None;
    }
    fault(
        format!("{source:?} is neither an absolute path nor the name of a volume."),
        FORM,
    )
}

fn target(spec: &Spec, volume: &Volume) -> Option<Fault> {
    let mut parts = volume.destination.split(':');
    let path = parts.next().unwrap_or_default();
    if !path.starts_with('/') {
        return fault(
            format!("{:?} is not an absolute path.", volume.destination),
            "Use the path inside the node, beginning with a slash.",
        );
    }
    if let Some(options) = parts.next() {
        let known = |one: &str| MOUNT_OPTIONS.contains(&one);
        if parts.next().is_some() || !options.split(',').all(known) {
            return fault(
                format!(
                    "the text after the path in {:?} is not a mount option.",
                    volume.destination
                ),
                "Use the path alone, or append :ro.",
            );
        }
        if volume.source.is_none() {
            return fault(
                "an anonymous volume has no options.",
                "Set source, or use the path alone.",
            );
        }
    }
    let taken = match destination(volume).as_str() {
        "/" => "is the whole node",
        "/run" | "/var/run" => "is a tmpfs",
        "/k3d/images" if spec.image_volume => "is where the volume for image tarballs is mounted",
        _ => return None,
    };
    fault(
        format!("{path} {taken}."),
        "Mount it elsewhere in the node.",
    )
}

#[cfg(test)]
mod tests {
    use super::super::problems;
    use super::super::tests::{item, spec, told};
    use super::*;

    #[test]
    fn mounts_that_docker_would_refuse_or_change_are_refused() {
        for (source, destination, path) in [
            (Some("./data"), "/data", "source"),
            (Some("~/data"), "/data", "source"),
            (Some("C:\\data"), "/data", "source"),
            (Some("/data/a:b"), "/data", "source"),
            (Some(""), "/data", "source"),
            (Some("x"), "/data", "source"),
            (Some("/data"), "data", "destination"),
            (Some("/data"), "/", "destination"),
            (Some("/data"), "/run/", "destination"),
            (Some("/data"), "/var/../run", "destination"),
            (Some("/data"), "/k3d/images", "destination"),
            (Some("/data"), "/a:b", "destination"),
            (Some("/data"), "/a:ro:x", "destination"),
            (None, "/a:ro", "destination"),
        ] {
            let volume = Volume {
                source: source.map(str::to_owned),
                destination: destination.to_owned(),
            };
            let spec = Spec {
                volumes: vec![item("volume", volume)],
                ..spec()
            };
            let told = told(&problems(&spec));
            assert!(
                told.starts_with(&format!("volume[0].{path}: ")),
                "{source:?} {destination}: {told}"
            );
        }
        for (source, destination) in [
            (Some("/data/edac"), "/x"),
            (Some("/data"), "/a:ro,rshared"),
            (Some("named.volume-1"), "/a"),
            (None, "/a"),
        ] {
            let volume = Volume {
                source: source.map(str::to_owned),
                destination: destination.to_owned(),
            };
            let spec = Spec {
                volumes: vec![item("volume", volume)],
                ..spec()
            };
            assert_eq!(told(&problems(&spec)), "", "{source:?} {destination}");
        }
    }
}
