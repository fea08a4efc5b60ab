//! `terraform-provider-atlas`: k3d clusters, Docker networks and bridges between clusters as Terraform
//! resources. One file per resource, data source, ephemeral resource and function; what they do is the
//! engine's, here it is only said in Terraform's words.

mod configured;
mod data_sources;
mod docs;
mod ephemeral;
mod functions;
mod import;
mod outcome;
mod provider;
mod resources;
mod seen;
mod timeouts;
mod translate;
mod words;

use std::io::Write as _;
use std::process::ExitCode;

/// What Terraform and OpenTofu call the provider.
const ADDRESSES: [&str; 2] = [
    "registry.terraform.io/atlas-world/atlas",
    "registry.opentofu.org/atlas-world/atlas",
];

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["docs", folder] => return docs::write(folder.as_ref()),
        ["--version" | "-V"] => {
            let version = concat!("terraform-provider-atlas ", env!("CARGO_PKG_VERSION"));
            let told = writeln!(std::io::stdout(), "{version}");
            return told.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
        }
        _ => {}
    }
    tfplugin::serve(&ADDRESSES, provider::Atlas).await
}
