//! `atlas`: how the world is, told to a person or to a program.
//!
//! [`facts`] asks Docker and the servers by the engine's own observers; [`status`] makes rows of what they said, without
//! asking anything; [`text`] and [`json`] show these.

#![allow(clippy::print_stdout, reason = "what is asked for is printed")]

mod arguments;
mod facts;
mod json;
mod status;
mod text;
mod world;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use arguments::Command;
use world::World;

/// What ends with this could not be asked at all.
const UNANSWERED: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match arguments::parse(&words) {
        Ok(Command::Help) => println!("{}", arguments::USAGE),
        Ok(Command::Version) => println!("atlas {}", env!("CARGO_PKG_VERSION")),
        Ok(Command::Status { json, world, state }) => return status(json, world, state).await,
        Err(reason) => {
            eprintln!("error: {reason}\n\n{}", arguments::USAGE);
            return ExitCode::from(UNANSWERED);
        }
    }
    ExitCode::SUCCESS
}

async fn status(json: bool, world: Option<PathBuf>, state: Option<PathBuf>) -> ExitCode {
    let here = std::env::current_dir().unwrap_or_default();
    match look(json, world, state, &here).await {
        Ok(view) => {
            if json {
                println!("{:#}", json::render(&view));
            } else {
                print!("{}", text::render(&view, has_colours()));
            }
            ExitCode::from(view.exit_code())
        }
        Err(reason) if json => {
            println!("{:#}", json::failed(&reason));
            ExitCode::from(UNANSWERED)
        }
        Err(reason) => {
            eprintln!("error: {reason}");
            ExitCode::from(UNANSWERED)
        }
    }
}

async fn look(
    json: bool,
    world: Option<PathBuf>,
    state: Option<PathBuf>,
    here: &Path,
) -> Result<status::View, String> {
    let program = std::env::current_exe().ok();
    let environment = |name: &str| std::env::var_os(name);
    let (file, state) = arguments::places(world, state, environment, here, program.as_deref())?;
    let world = World::read(&file)?;
    // A person reads, and types, what is short.
    let state = match state.strip_prefix(here) {
        Ok(short) if !json => short.to_owned(),
        _ => state,
    };
    let facts = facts::gather(world, &state).await?;
    Ok(status::view(&facts))
}

/// Whether marks may have colours (<https://no-color.org>).
fn has_colours() -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    std::io::stdout().is_terminal()
        && set("NO_COLOR").is_none()
        && set("TERM").is_none_or(|terminal| terminal != "dumb")
}
