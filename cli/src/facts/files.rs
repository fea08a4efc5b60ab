//! Files of the world: paths, and whether they are there. Never what is in them.

use std::path::Path;

use super::File;
use crate::world::World;

/// The files that `make world` leaves in the state's folder.
pub(crate) fn look(world: &World, state: &Path) -> Vec<File> {
    let file = |what: String, path: &str| {
        let path = state.join(path);
        let exists = path.exists();
        File { what, path, exists }
    };
    let clusters = world.regions.values().map(|region| &region.cluster);
    let mut files: Vec<File> = clusters
        .map(|cluster| {
            file(
                format!("kubeconfig of {cluster}"),
                &format!("{cluster}.yaml"),
            )
        })
        .collect();
    if world.argocd().is_some() {
        let what = "password of Argo CD's user admin".to_owned();
        files.push(file(what, "argocd-password"));
    }
    if world.cockroachdb.is_some() {
        for (what, name) in [
            ("CA certificate of the database", "ca.crt"),
            ("certificate of its user root", "client.root.crt"),
            ("key of its user root", "client.root.key"),
        ] {
            files.push(file(what.to_owned(), &format!("cockroachdb/{name}")));
        }
    }
    files
}
