//! A view for a terminal of 80 columns.

use std::fmt::Write as _;

use crate::status::{Group, Row, State, View};

/// How wide a line may be. What is to be copied, such as a path or a command, is never cut.
const WIDTH: usize = 80;
/// Where what belongs to a row continues.
const INDENT: usize = 6;

/// What is shown where nothing of a world is there.
const NO_WORLD: &str = "No world runs here. make world brings it up.\n";

/// The whole text.
pub(crate) fn render(view: &View, colours: bool) -> String {
    if view.health.is_none() {
        return NO_WORLD.to_owned();
    }
    let mut text = String::new();
    for group in &view.groups {
        text.push_str(&group_text(group, colours));
    }
    if !view.addresses.is_empty() {
        text.push_str("\nAddresses\n");
        let pairs = view
            .addresses
            .iter()
            .map(|one| (one.of.as_str(), one.url.as_str()));
        text.push_str(&table(&pairs.collect::<Vec<_>>()));
    }
    if !view.files.is_empty() {
        text.push_str("\nFiles, readable by you alone where they hold credentials\n");
        let paths: Vec<String> = view
            .files
            .iter()
            .map(|file| file.path.display().to_string())
            .collect();
        let pairs = view.files.iter().zip(&paths);
        let pairs = pairs.map(|(file, path)| (file.what.as_str(), path.as_str()));
        text.push_str(&table(&pairs.collect::<Vec<_>>()));
    }
    for commands in &view.commands {
        let _ = writeln!(text, "\nTo use {}", commands.to);
        for line in &commands.lines {
            let _ = writeln!(text, "  {line}");
        }
    }
    if !view.notes.is_empty() {
        text.push('\n');
    }
    for note in &view.notes {
        text.push_str(&wrapped(note, 0));
    }
    // Last, where it is seen without scrolling.
    let _ = write!(text, "\n{}", wrapped(&summary(view), 0));
    text.trim_start_matches('\n').to_owned()
}

/// How the world is, in a sentence, with the names of what is not well.
fn summary(view: &View) -> String {
    let all = view.rows().count();
    let mut parts = Vec::new();
    for (state, words) in [
        (State::Down, "down"),
        (State::Differs, "not as declared"),
        (State::Unknown, "unknown"),
    ] {
        let rows = view.rows().filter(|row| row.state == state);
        let names: Vec<String> = rows.map(label).collect();
        if !names.is_empty() {
            parts.push(format!("{} {words} ({})", names.len(), names.join(", ")));
        }
    }
    if parts.is_empty() {
        format!("All is well: {all} of {all} parts are as declared.")
    } else {
        format!("Not all is well: of {all} parts {}.", parts.join("; "))
    }
}

fn group_text(group: &Group, colours: bool) -> String {
    let labels: Vec<String> = group.rows.iter().map(label).collect();
    let width = labels
        .iter()
        .map(|label| label.chars().count())
        .max()
        .unwrap_or(0);
    let rows = group.rows.iter().zip(&labels);
    let rows: String = rows
        .map(|(row, label)| row_text(row, label, width, colours))
        .collect();
    format!("\n{}\n{rows}", group.name)
}

/// Names of containers say what they are.
fn label(row: &Row) -> String {
    let is_container = ["k3d-", "atlas-"]
        .iter()
        .any(|prefix| row.name.starts_with(prefix));
    if row.name.is_empty() {
        row.kind.to_owned()
    } else if is_container && row.kind != "network" {
        row.name.clone()
    } else {
        format!("{} {}", row.kind, row.name)
    }
}

fn row_text(row: &Row, label: &str, width: usize, colours: bool) -> String {
    let mark = mark(row.state, colours);
    let column = 4 + width + 2;
    let mut text = if column + row.detail.chars().count() <= WIDTH {
        format!("  {mark} {label:<width$}  {}\n", row.detail)
    } else {
        format!("  {mark} {label}\n{}", wrapped(&row.detail, INDENT))
    };
    if let Some(remedy) = &row.remedy {
        text.push_str(&wrapped(&format!("→ {remedy}"), INDENT));
    }
    text
}

fn mark(state: State, colours: bool) -> String {
    let (mark, colour) = match state {
        State::Well => ("✓", 32),
        State::Unknown => ("?", 33),
        State::Differs => ("!", 33),
        State::Down => ("✗", 31),
    };
    if colours {
        format!("\x1b[{colour}m{mark}\x1b[0m")
    } else {
        mark.to_owned()
    }
}

/// Pairs in two columns.
fn table(pairs: &[(&str, &str)]) -> String {
    let width = pairs
        .iter()
        .map(|(left, _)| left.chars().count())
        .max()
        .unwrap_or(0);
    let lines = pairs
        .iter()
        .map(|(left, right)| format!("  {left:<width$}  {right}\n"));
    lines.collect()
}

/// Words in lines of [`WIDTH`], each after so many spaces.
fn wrapped(text: &str, indent: usize) -> String {
    let (mut lines, mut line) = (String::new(), String::new());
    for word in text.split_whitespace() {
        let length = indent + line.chars().count() + 1 + word.chars().count();
        if !line.is_empty() && length > WIDTH {
            let _ = writeln!(lines, "{:indent$}{line}", "");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    format!("{lines}{:indent$}{line}\n", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_the_width_and_words_stay_whole() {
        let text = "word ".repeat(40);
        assert!(wrapped(&text, 6).lines().all(|line| line.len() <= WIDTH));
        let long = "x".repeat(100);
        let lines = wrapped(&format!("see {long} there"), 2);
        assert!(lines.contains(&long), "{lines}");
        assert_eq!(lines.lines().count(), 3);
    }
}
