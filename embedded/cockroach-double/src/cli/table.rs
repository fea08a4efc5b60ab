//! Rows as `--format` asks for them.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use crate::error::CliError;

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Separated by tabs.
    Tsv,
    /// Separated by commas.
    Csv,
    /// In a drawn table.
    Table,
    /// One column a line.
    Records,
}

impl Format {
    /// Reads the flag; a terminal gets a table, a pipe gets tabs.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, CliError> {
        match text {
            None if std::io::stdout().is_terminal() => Ok(Self::Table),
            None | Some("tsv") => Ok(Self::Tsv),
            Some("csv") => Ok(Self::Csv),
            Some("table") => Ok(Self::Table),
            Some("records") => Ok(Self::Records),
            Some(
                other @ ("sql" | "html" | "raw" | "ndjson" | "unnumbered-html" | "html-ascii"),
            ) => Err(CliError::flag(format!(
                "unsupported by the double: --format={other}"
            ))),
            Some(other) => Err(CliError::flag(format!(
                "invalid argument {other:?} for \"--format\" flag: invalid table display format: {other}"
            ))),
        }
    }

    /// The rows as text.
    pub(crate) fn print(self, columns: &[String], rows: &[Vec<Option<String>>]) -> String {
        let text = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "NULL".to_owned());
        let mut out = String::new();
        match self {
            Self::Tsv | Self::Csv => {
                let separator = if self == Self::Tsv { "\t" } else { "," };
                let line = |cells: Vec<String>| {
                    cells
                        .iter()
                        .map(|cell| quote(cell, self))
                        .collect::<Vec<_>>()
                        .join(separator)
                        + "\n"
                };
                out.push_str(&line(columns.to_vec()));
                for row in rows {
                    out.push_str(&line(row.iter().map(text).collect()));
                }
            }
            Self::Records => {
                let width = columns.iter().map(String::len).max().unwrap_or(0);
                for (n, row) in rows.iter().enumerate() {
                    let _ = writeln!(out, "-[ RECORD {} ]", n + 1);
                    for (column, cell) in columns.iter().zip(row) {
                        let _ = writeln!(out, "{column:width$} | {}", text(cell));
                    }
                }
            }
            Self::Table => {
                let width = |n: usize| {
                    rows.iter()
                        .filter_map(|row| row.get(n).map(|cell| text(cell).chars().count()))
                        .chain(columns.get(n).map(|name| name.chars().count()))
                        .max()
                        .unwrap_or(0)
                };
                let widths: Vec<usize> = (0..columns.len()).map(width).collect();
                let line = |cells: Vec<String>| {
                    let cells: Vec<String> = cells
                        .iter()
                        .zip(&widths)
                        .map(|(c, w)| format!("{c:w$}", w = *w))
                        .collect();
                    format!("  {}", cells.join(" | ")).trim_end().to_owned() + "\n"
                };
                out.push_str(&line(columns.to_vec()));
                let rules: Vec<String> = widths.iter().map(|w| "-".repeat(w + 2)).collect();
                let _ = writeln!(out, "-{}-", rules.join("+"));
                for row in rows {
                    out.push_str(&line(row.iter().map(text).collect()));
                }
                let plural = if rows.len() == 1 { "" } else { "s" };
                let _ = writeln!(out, "({} row{plural})", rows.len());
            }
        }
        out
    }
}

/// A cell with quotes around it where it could be misread without.
fn quote(cell: &str, format: Format) -> String {
    let separator = if format == Format::Tsv { '\t' } else { ',' };
    let misread = cell.contains([separator, '"', '\n', '\r'])
        || cell.starts_with(char::is_whitespace)
        || cell == "\\.";
    if misread {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(format: Format, cells: &[Option<&str>]) -> String {
        let columns: Vec<String> = (1..=cells.len()).map(|n| format!("c{n}")).collect();
        let row = cells.iter().map(|cell| cell.map(str::to_owned)).collect();
        format.print(&columns, &[row])
    }

    #[test]
    fn csv_quotes_what_could_be_misread() {
        let cells = [
            Some("plain"),
            Some("{a,b}"),
            Some("{\"region=us,zone=a\"}"),
            Some("two\nlines"),
            Some(" before"),
            Some(""),
            None,
        ];
        assert_eq!(
            printed(Format::Csv, &cells),
            "c1,c2,c3,c4,c5,c6,c7\nplain,\"{a,b}\",\"{\"\"region=us,zone=a\"\"}\",\"two\nlines\",\" before\",,NULL\n"
        );
    }

    #[test]
    fn tabs_are_quoted_in_tsv_and_commas_are_not() {
        assert_eq!(
            printed(Format::Tsv, &[Some("{a,b}"), Some("a\tb")]),
            "c1\tc2\n{a,b}\t\"a\tb\"\n"
        );
    }
}
