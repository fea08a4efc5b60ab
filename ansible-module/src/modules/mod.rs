//! The modules, one file each.

mod cluster;
mod cluster_options;
mod cluster_view;
mod cockroachdb_cluster;
mod cockroachdb_database;
mod cockroachdb_region;
mod cockroachdb_region_options;
mod image_import;
mod info;
mod kubeconfig;
mod load_balancer;
mod localstack;
mod localstack_alias;
mod network;
mod network_bridge;
mod node;

use crate::call::Module;

/// All modules, in the order of the documentation.
pub(crate) fn all() -> Vec<Module> {
    vec![
        cluster::module(),
        info::clusters(),
        node::module(),
        image_import::module(),
        load_balancer::module(),
        kubeconfig::module(),
        network::module(),
        info::networks(),
        network_bridge::module(),
        info::bridges(),
        localstack::module(),
        info::servers(),
        localstack_alias::module(),
        cockroachdb_region::module(),
        cockroachdb_cluster::module(),
        cockroachdb_database::module(),
        info::cockroachdb(),
    ]
}

/// The module of this name.
pub(crate) fn find(name: &str) -> Option<Module> {
    all().into_iter().find(|module| module.name == name)
}

/// The choices of `recreate`.
pub(super) fn recreate() -> argspec::Opt {
    argspec::Opt::new(
        argspec::Kind::Str,
        "What to do where something differs that cannot be changed in place.\nV(never) fails and lists it. \
         V(on_change) recreates the object, and its data is lost. V(always) recreates it in any case.",
    )
    .choices(&["never", "on_change", "always"])
    .or("never")
}

/// The choices of `state`, `present` being the default.
pub(super) fn state(choices: &[&str], description: &str) -> argspec::Opt {
    argspec::Opt::new(argspec::Kind::Str, description)
        .choices(choices)
        .or("present")
}
