//! Ansible modules for the world that `atlas-engine` makes: one binary, several modules.
//!
//! Which module is meant is the name that the binary is run by (Ansible copies a module `NAME` to
//! `AnsiballZ_NAME`), or the argument `_atlas_module`, which the collection's action plugins add because
//! they send one file for all modules. Run by hand, it writes the collection's stubs.
//!
//! Nothing is decided here that the engine does not decide: a module reads its arguments into an engine
//! specification, lets the engine plan, and tells of the plan (check mode, diff) or carries it out.

#![allow(
    clippy::print_stdout,
    reason = "the result of a module is what it prints"
)]

mod call;
mod changes;
mod collection;
mod modules;
mod params;
mod run;
mod words;

use std::path::Path;
use std::process::ExitCode;

/// What Ansible puts before a module's name.
const PREFIX: &str = "AnsiballZ_";

const USAGE: &str = "This is a set of Ansible modules; Ansible runs it. By hand:
  atlas-ansible collection FOLDER    write the module stubs of the collection into FOLDER
  atlas-ansible spec MODULE          print a module's argument spec as JSON
  atlas-ansible modules              list the modules";

fn main() -> ExitCode {
    let mut words = std::env::args();
    let program = words.next().unwrap_or_default();
    let program = Path::new(&program)
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let words: Vec<String> = words.collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let Some(called) = program.strip_prefix(PREFIX) {
        return run::module(called, words.first().copied().unwrap_or_default());
    }
    match words.as_slice() {
        ["collection", folder] => collection::write(Path::new(folder)),
        ["spec", name] => collection::print_spec(name),
        ["modules"] => {
            for module in modules::all() {
                println!("{}", module.name);
            }
            ExitCode::SUCCESS
        }
        // A copy of the binary under a module's name, run by hand on an arguments file.
        [arguments] if modules::find(&program).is_some() => run::module(&program, arguments),
        _ => {
            println!("{USAGE}");
            ExitCode::from(2)
        }
    }
}
