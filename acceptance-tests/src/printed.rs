//! What is printed for users to copy: examples, and the blocks of code in Markdown.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::sandbox::Sandbox;

/// Ports of examples: none that the world has, none that a program of this machine is known to have.
const PORTS: std::ops::Range<u16> = 14_000..20_000;

/// Examples with the names, addresses and ports of a sandbox in place of their own, so that tests run them beside each other
/// and beside whoever has them applied.
#[derive(Debug)]
pub struct AtHome<'a> {
    sandbox: &'a Sandbox,
    networks: BTreeMap<String, String>,
    free_ports: Vec<u16>,
    ports: BTreeMap<String, u16>,
    clusters: Vec<String>,
    subnets: u8,
}

impl<'a> AtHome<'a> {
    /// Takes ports for them.
    pub fn new(sandbox: &'a Sandbox) -> Result<Self> {
        Ok(Self {
            sandbox,
            networks: BTreeMap::new(),
            // All at once, because a port that is taken is not counted any more.
            free_ports: (0..8).map(|n| sandbox.port(n)).collect::<Result<_>>()?,
            ports: BTreeMap::new(),
            clusters: Vec::new(),
            subnets: 0,
        })
    }

    /// A text of HCL or YAML. What two texts call the same stays the same.
    pub fn text(&mut self, text: &str) -> Result<String> {
        let mut moved = String::new();
        for part in parts(text) {
            moved += &self.number(part)?;
        }
        let ours = format!("{}example", self.sandbox.prefix());
        for before in ["= \"", "[\"", ", \"", ": ", "- ", "[", ", "] {
            moved = moved.replace(&format!("{before}example"), &format!("{before}{ours}"));
        }
        Ok(moved)
    }

    fn number(&mut self, part: &str) -> Result<String> {
        if let Ok(port) = part.parse::<u16>()
            && PORTS.contains(&port)
        {
            return Ok(self.port(part)?.to_string());
        }
        let (address, length) = part.split_once('/').unwrap_or((part, ""));
        let bytes: Vec<&str> = address.split('.').collect();
        let [ten, second, third, last] = bytes[..] else {
            return Ok(part.to_owned());
        };
        // Those of the sandbox itself, and what is no example's.
        if ten != "10" || second.parse::<u8>().is_ok_and(|second| second >= 160) {
            return Ok(part.to_owned());
        }
        match length {
            "24" | "" => {
                let net = self.network(&format!("{second}.{third}"))?;
                let slash = if length.is_empty() { "" } else { "/" };
                Ok(format!("{net}.{last}{slash}{length}"))
            }
            "17" => Ok(self.sandbox.pods(self.cluster(second))),
            "18" => Ok(self.sandbox.services(self.cluster(second))),
            // What is cut into such networks is none itself.
            _ => Ok(part.to_owned()),
        }
    }

    fn cluster(&mut self, second: &str) -> u8 {
        let known = self.clusters.iter().position(|one| one == second);
        let position = known.unwrap_or_else(|| {
            self.clusters.push(second.to_owned());
            self.clusters.len() - 1
        });
        u8::try_from(position).unwrap_or(u8::MAX)
    }

    /// The first three bytes of a /24.
    fn network(&mut self, theirs: &str) -> Result<String> {
        if !self.networks.contains_key(theirs) {
            let subnet = self.sandbox.subnet(self.subnets);
            self.subnets += 1;
            let ours = subnet.strip_suffix(".0/24").context(subnet.clone())?;
            self.networks.insert(theirs.to_owned(), ours.to_owned());
        }
        Ok(self.networks[theirs].clone())
    }

    fn port(&mut self, theirs: &str) -> Result<u16> {
        if let Some(port) = self.ports.get(theirs) {
            return Ok(*port);
        }
        let port = *self
            .free_ports
            .get(self.ports.len())
            .context("examples have more ports than were taken for them")?;
        self.ports.insert(theirs.to_owned(), port);
        Ok(port)
    }
}

/// A text in parts: numbers, addresses and networks alone, all else between them.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let is_number = |c: char| c.is_ascii_digit() || c == '.' || c == '/';
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let kind = is_number(first);
        let end = rest.find(|c| is_number(c) != kind).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        rest = after;
        Some(part)
    })
}

/// A block of code in a page of Markdown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeBlock {
    /// The page, below the repository.
    pub page: PathBuf,
    /// The line of its first line, from 1.
    pub line: usize,
    /// What the fence says, `terraform` for instance.
    pub language: String,
    /// What is in it.
    pub text: String,
}

/// The blocks of all pages of the repository, in order.
pub fn code_blocks(repository: &Path) -> Result<Vec<CodeBlock>> {
    let mut found = Vec::new();
    for page in pages(repository)? {
        let text = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
        let page = page.strip_prefix(repository).unwrap_or(&page).to_owned();
        found.extend(blocks_of(&page, &text));
    }
    Ok(found)
}

fn blocks_of(page: &Path, text: &str) -> Vec<CodeBlock> {
    let mut found: Vec<CodeBlock> = Vec::new();
    let mut inside = false;
    for (number, line) in text.lines().enumerate() {
        match (inside, line.trim_start().strip_prefix("```")) {
            (false, Some(language)) => {
                found.push(CodeBlock {
                    page: page.to_owned(),
                    line: number + 2,
                    language: language.trim().to_owned(),
                    text: String::new(),
                });
                inside = true;
            }
            (true, Some(_)) => inside = false,
            (true, None) => {
                if let Some(block) = found.last_mut() {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
            }
            (false, None) => {}
        }
    }
    found
}

/// All pages that are the repository's own.
fn pages(repository: &Path) -> Result<Vec<PathBuf>> {
    let mut found = files_below(repository)?;
    found.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    Ok(found)
}

/// All files below a folder, in order, without what is hidden and what is built.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut below) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = below.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with('.') || name == "target" {
                continue;
            }
            if path.is_dir() {
                below.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_falls_into_numbers_and_all_else() {
        let found: Vec<&str> = parts("subnet: 10.1.0.0/24, port 18080").collect();
        assert_eq!(found, ["subnet: ", "10.1.0.0/24", ", port ", "18080"]);
    }

    #[test]
    fn a_page_has_blocks_with_their_lines() {
        let page = "# A\n\n```yaml\na: 1\n```\n\ntext\n\n```console\n$ ls\n$ pwd\n```\n";
        let blocks = blocks_of(Path::new("a.md"), page);
        let told: Vec<_> = blocks
            .iter()
            .map(|one| (one.line, one.language.as_str(), one.text.as_str()))
            .collect();
        assert_eq!(
            told,
            [(4, "yaml", "a: 1\n"), (10, "console", "$ ls\n$ pwd\n")]
        );
    }
}
