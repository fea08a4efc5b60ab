//! `sql`: executes statements of `--execute` or of the standard input, and prints what comes of them.

mod client;
mod input;

use std::io::IsTerminal as _;

use super::flags::Flags;
use super::show;
use super::table::Format;
use crate::error::CliError;
use client::{Answer, Client};
use input::Pending;

/// Runs `sql`.
pub(super) async fn run(flags: &Flags) -> Result<i32, CliError> {
    let statements = flags.all("execute");
    if statements.is_empty() && std::io::stdin().is_terminal() {
        return Err(
            CliError::new("unsupported by the double: an interactive shell")
                .hint("pass --execute (-e), or statements on the standard input"),
        );
    }
    let format = Format::parse(flags.get("format"))?;
    let mut client = Client::connect(flags).await?;
    if statements.is_empty() {
        piped(&mut client, format).await?;
    }
    for text in &statements {
        execute(&mut client, format, text).await?;
    }
    Ok(0)
}

/// Executes what is piped in as soon as a line ends a statement, so that who writes may wait for answers.
async fn piped(client: &mut Client, format: Format) -> Result<(), CliError> {
    let mut pending = Pending::default();
    for line in std::io::stdin().lines() {
        let line =
            line.map_err(|e| CliError::new(format!("could not read the standard input: {e}")))?;
        if let Some(text) = pending.push(&line)? {
            execute(client, format, &text).await?;
        }
    }
    pending.finish()
}

/// Executes statements that are sent together. What came before a failure is printed still.
async fn execute(client: &mut Client, format: Format, text: &str) -> Result<(), CliError> {
    client.send(text).await?;
    let mut columns: Option<Vec<String>> = None;
    let mut rows: Vec<Vec<Option<String>>> = Vec::new();
    let mut failure = None;
    loop {
        let answer = match client.receive().await {
            Ok(Some(answer)) => answer,
            Ok(None) => return failure.map_or(Ok(()), Err),
            // A failure that ends the session says why.
            Err(error) => return Err(failure.unwrap_or(error)),
        };
        match answer {
            Answer::Columns(names) => columns = Some(names),
            Answer::Row(row) => rows.push(row),
            Answer::Done(tag) => match columns.take() {
                Some(columns) => show(&format.print(&columns, &std::mem::take(&mut rows))),
                None => show(&format!("{tag}\n")),
            },
            Answer::Notice(words) => eprintln!("{words}"),
            Answer::Failed(error) => failure = Some(error),
        }
    }
}
