//! Configuration, written as a user would. Tests spell out what they are about; this spares them only
//! the lines that every cluster of a sandbox has.

use std::fmt::Write;

use crate::sandbox::Sandbox;

/// An `atlas_k3d_cluster` block.
#[derive(Debug, Clone)]
pub struct Cluster {
    label: String,
    provider: Option<String>,
    lines: Vec<String>,
}

impl Cluster {
    /// The n-th cluster (n below 4) of a sandbox: its name ends with the resource's label, its
    /// addresses are its own. No default kubeconfig is touched.
    pub fn new(sandbox: &Sandbox, label: &str, n: u8) -> Self {
        let lines = vec![
            format!("name = \"{}\"", sandbox.name(label)),
            format!("subnet = \"{}\"", sandbox.subnet(n)),
            format!("cluster_cidr = \"{}\"", sandbox.pods(n)),
            format!("service_cidr = \"{}\"", sandbox.services(n)),
        ];
        Self {
            label: label.to_owned(),
            provider: None,
            lines,
        }
    }

    /// Adds lines to the block.
    #[must_use]
    pub fn with(mut self, lines: impl Into<String>) -> Self {
        self.lines.push(lines.into());
        self
    }

    /// Has another provider configuration, `atlas.us` for instance.
    #[must_use]
    pub fn provider(mut self, provider: &str) -> Self {
        self.provider = Some(provider.to_owned());
        self
    }

    /// The block.
    pub fn hcl(&self) -> String {
        let mut text = format!("resource \"atlas_k3d_cluster\" \"{}\" {{\n", self.label);
        let provider = self
            .provider
            .iter()
            .map(|provider| format!("provider = {provider}"));
        for line in provider.chain(self.lines.iter().cloned()) {
            let _ = writeln!(text, "  {line}");
        }
        text + "}\n"
    }
}
