//! A kubeconfig's text changed where it must, so that comments, order and line ends stay the user's.
//!
//! Lists in the usual block form are edited line by line, and what comes out is read again: where it does
//! not say just what it should, the whole is written anew from its values.

use std::ops::Range;

use serde_yaml_ng::{Mapping, Value};

use super::content::{CURRENT, Kubeconfig, LISTS, name_of};

const BYTE_ORDER_MARK: char = '\u{feff}';

/// The text of `before`, changed so that it says what `after` does.
pub(super) fn rewrite(text: &str, before: &Kubeconfig, after: &Kubeconfig) -> String {
    if before == after {
        return text.to_owned();
    }
    let plain = text.strip_prefix(BYTE_ORDER_MARK);
    let (mark, plain) = match plain {
        Some(plain) => ("\u{feff}", plain),
        None => ("", text),
    };
    let edited = if before.is_blank() {
        Some(append(plain, &after.to_yaml()))
    } else {
        edit(plain, before, after)
    };
    let is_right = |text: &String| Kubeconfig::parse(text).as_ref() == Ok(after);
    if let Some(edited) = edited.filter(is_right) {
        return format!("{mark}{edited}");
    }
    if plain.trim_start().starts_with('{')
        && let Some(json) = after.to_json()
    {
        return json;
    }
    after.to_yaml()
}

/// What is in a file beside its values.
pub(super) fn has_comments(text: &str) -> bool {
    text.lines().any(|line| line.trim_start().starts_with('#'))
}

/// Lines that are put in the place of others.
struct Edit {
    lines: Range<usize>,
    text: String,
}

fn edit(text: &str, before: &Kubeconfig, after: &Kubeconfig) -> Option<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let sections = sections(&lines);
    let section = |name: &str| sections.iter().find(|section| section.name == name);
    let mut edits = Vec::new();
    let mut rest = String::new();
    for (list, _) in LISTS {
        let (old, new) = (before.list(list), after.list(list));
        if old == new {
            continue;
        }
        match section(list) {
            Some(section) => edit_list(&lines, section, old, new, &mut edits)?,
            None => rest.extend([list, ":\n", &yaml_items(new, 0)?]),
        }
    }
    if before.current_context() != after.current_context() {
        let mut line = Mapping::new();
        line.insert(CURRENT.into(), after.current_context().into());
        let line = serde_yaml_ng::to_string(&line).ok()?;
        match section(CURRENT) {
            Some(section) => edits.push(Edit {
                lines: section.lines.clone(),
                text: line,
            }),
            None => rest.push_str(&line),
        }
    }
    edits.sort_by_key(|edit| edit.lines.start);
    let breaks = line_break(text);
    let mut edited = String::with_capacity(text.len());
    let mut at = 0;
    for edit in edits {
        edited.extend(lines.get(at..edit.lines.start)?.iter().copied());
        if !edit.text.is_empty() {
            ensure_break(&mut edited, breaks);
            edited.push_str(&edit.text.replace('\n', breaks));
        }
        at = edit.lines.end;
    }
    edited.extend(lines.get(at..)?.iter().copied());
    Some(append(&edited, &rest))
}

/// Puts text behind the last line.
fn append(text: &str, more: &str) -> String {
    let breaks = line_break(text);
    let mut all = text.to_owned();
    if !more.is_empty() {
        ensure_break(&mut all, breaks);
        all.push_str(&more.replace('\n', breaks));
    }
    all
}

fn ensure_break(text: &mut String, breaks: &str) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push_str(breaks);
    }
}

fn line_break(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// A key of the file with its value.
struct Section<'a> {
    name: &'a str,
    /// What follows the colon on the key's line, without a comment.
    inline: &'a str,
    /// Without comments and blank lines behind it, which belong to what follows.
    lines: Range<usize>,
}

/// All keys that begin at the margin.
fn sections<'a>(lines: &[&'a str]) -> Vec<Section<'a>> {
    let mut found: Vec<Section<'a>> = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let line = line.trim_end();
        if is_beside(line) {
            continue;
        }
        let begins_key = !line.starts_with([' ', '\t', '-', '{', '[', '%', '.', '}', ']']);
        let split = line
            .split_once(':')
            .filter(|(_, rest)| rest.is_empty() || rest.starts_with([' ', '\t']));
        if let (true, Some((name, rest))) = (begins_key, split) {
            let rest = rest.split_once(" #").map_or(rest, |(value, _)| value);
            found.push(Section {
                name: name.trim_matches(['"', '\'']),
                inline: rest.trim(),
                lines: number..number + 1,
            });
        } else if let Some(last) = found.last_mut()
            && !line.starts_with("...")
            && !line.starts_with("---")
        {
            last.lines.end = number + 1;
        }
    }
    found
}

/// Whether a line is blank or a comment.
fn is_beside(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// The edits that make the items of a list what they are to be. `None` where its form is not the usual one.
fn edit_list(
    lines: &[&str],
    section: &Section<'_>,
    old: &[Value],
    new: &[Value],
    edits: &mut Vec<Edit>,
) -> Option<()> {
    let key = section.lines.start..section.lines.start + 1;
    let form = |text: String| Edit {
        lines: key.clone(),
        text,
    };
    if old.is_empty() {
        if !matches!(section.inline, "" | "[]" | "null" | "~") || section.lines.len() != 1 {
            return None;
        }
        edits.push(form(format!("{}:\n{}", section.name, yaml_items(new, 0)?)));
        return Some(());
    }
    if !section.inline.is_empty() {
        return None;
    }
    let (margin, items) = items(lines, section)?;
    if items.len() != old.len() {
        return None;
    }
    if new.is_empty() {
        edits.push(form(format!("{}: []\n", section.name)));
    }
    let mut left = new.iter().peekable();
    for (item, lines) in old.iter().zip(&items) {
        let kept = left.next_if(|next| name_of(next) == name_of(item));
        let text = match kept {
            Some(kept) if kept == item => continue,
            Some(kept) => yaml_items(std::slice::from_ref(kept), margin)?,
            None => String::new(),
        };
        edits.push(Edit {
            lines: lines.clone(),
            text,
        });
    }
    let added: Vec<Value> = left.cloned().collect();
    if !added.is_empty() {
        let end = items.last()?.end;
        edits.push(Edit {
            lines: end..end,
            text: yaml_items(&added, margin)?,
        });
    }
    Some(())
}

/// How far a list's items are indented, and the lines of each, without comments behind it.
fn items(lines: &[&str], section: &Section<'_>) -> Option<(usize, Vec<Range<usize>>)> {
    let mut margin = None;
    let mut found: Vec<Range<usize>> = Vec::new();
    for number in section.lines.start + 1..section.lines.end {
        let line = lines.get(number)?.trim_end();
        if is_beside(line) {
            continue;
        }
        let content = line.trim_start_matches(' ');
        let indent = line.len() - content.len();
        let begins = content == "-" || content.starts_with("- ");
        if begins && indent == *margin.get_or_insert(indent) {
            found.push(number..number + 1);
        } else {
            found.last_mut()?.end = number + 1;
        }
    }
    Some((margin?, found))
}

/// Items as the lines of a list that is indented so far.
fn yaml_items(items: &[Value], margin: usize) -> Option<String> {
    if items.is_empty() {
        return Some(String::new());
    }
    let text = serde_yaml_ng::to_string(items).ok()?;
    let indent = " ".repeat(margin);
    Some(
        text.lines()
            .map(|line| format!("{indent}{line}\n"))
            .collect(),
    )
}
