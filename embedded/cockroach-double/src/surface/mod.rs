//! What the double accepts, and the vendor's page that each of it follows.
//!
//! The parser of flags reads this table, and `cockroach double surface` prints it, so that nothing can
//! be accepted without a page being named.

mod entries;
mod flags;

pub(crate) use entries::{ENTRIES, Entry};
pub(crate) use flags::{FLAGS, Flag};

/// The version of the documentation that the double follows.
pub(crate) const DOCS: &str = "https://www.cockroachlabs.com/docs/v25.4/";

/// The table, in Markdown.
pub(crate) fn markdown() -> String {
    use std::fmt::Write as _;
    let mut out = String::from(
        "# What the double accepts\n\nPrinted by `cockroach double surface`. Pages are those of \
         CockroachDB's documentation, v25.4.\n\n## Commands, statements, views, endpoints and signals\n\n| kind | what | page |\n|---|---|---|\n",
    );
    for Entry { kind, text, page } in ENTRIES {
        let text = text.replace('|', "\\|");
        let _ = writeln!(out, "| {kind} | `{text}` | [{page}]({DOCS}{page}) |");
    }
    out.push_str(
        "\n## Flags\n\n| flag | commands | what the double does | page |\n|---|---|---|---|\n",
    );
    for Flag {
        commands,
        name,
        short,
        page,
        note,
        ..
    } in FLAGS
    {
        let short = short.map_or(String::new(), |c| format!(", `-{c}`"));
        let commands = commands.join(", ");
        let _ = writeln!(
            out,
            "| `--{name}`{short} | {commands} | {note} | [{page}]({DOCS}{page}) |"
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_beside_the_code_is_what_the_code_accepts() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/SURFACE.md");
        let written = std::fs::read_to_string(file).unwrap();
        assert!(
            written == markdown(),
            "SURFACE.md is not what `cockroach double surface` prints"
        );
    }
}
