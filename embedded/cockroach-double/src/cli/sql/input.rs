//! What is piped into `sql`: lines, gathered until one ends with a statement's semicolon.

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Token, Tokenizer};

use crate::error::CliError;

/// Lines that are not executed yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    text: String,
}

/// What a text ends with, comments left out.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// There is nothing in it.
    Nothing,
    /// A semicolon.
    Statement,
    /// A statement that goes on.
    Open,
}

impl Pending {
    /// Takes in a line; the answer is what is to be executed now.
    pub(super) fn push(&mut self, line: &str) -> Result<Option<String>, CliError> {
        if self.text.is_empty() && line.starts_with('\\') {
            let command = line.split_whitespace().next().unwrap_or(line);
            return Err(CliError::new(format!(
                "unsupported by the double: the client-side command {command}"
            )));
        }
        if !self.text.is_empty() {
            // A text may go on in the next line.
            self.text.push('\n');
        }
        self.text.push_str(line);
        Ok(match end(&self.text) {
            End::Nothing => {
                self.text.clear();
                None
            }
            End::Statement => Some(std::mem::take(&mut self.text)),
            End::Open => None,
        })
    }

    /// The input ends: a statement without its semicolon is not executed.
    pub(super) fn finish(self) -> Result<(), CliError> {
        let text = self.text.trim();
        if text.is_empty() {
            return Ok(());
        }
        eprintln!("missing semicolon at end of statement: {text}");
        Err(CliError::new(format!(
            "last statement was not executed: {text}"
        )))
    }
}

fn end(text: &str) -> End {
    // What cannot be read yet is a text or a comment that has not ended.
    let Ok(tokens) = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize() else {
        return End::Open;
    };
    let last = tokens
        .iter()
        .rev()
        .find(|token| !matches!(token, Token::Whitespace(_)));
    match last {
        None => End::Nothing,
        Some(Token::SemiColon) => End::Statement,
        Some(_) => End::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn executed(lines: &[&str]) -> (Vec<String>, Option<String>) {
        let mut pending = Pending::default();
        let mut texts = Vec::new();
        for line in lines {
            match pending.push(line) {
                Ok(text) => texts.extend(text),
                Err(error) => return (texts, Some(error.message)),
            }
        }
        (texts, pending.finish().err().map(|error| error.message))
    }

    #[test]
    fn lines_are_gathered_until_a_semicolon_ends_one() {
        let (texts, error) = executed(&[
            "SELECT 1; SELECT 2;",
            "",
            "SELECT",
            "  3; -- three",
            "-- nothing",
        ]);
        assert_eq!(texts, ["SELECT 1; SELECT 2;", "SELECT\n  3; -- three"]);
        assert_eq!(error, None);
    }

    #[test]
    fn a_semicolon_in_a_text_or_a_comment_ends_nothing() {
        let (texts, error) = executed(&["SELECT 'a;", "b' /* ;", "*/ ;"]);
        assert_eq!(texts, ["SELECT 'a;\nb' /* ;\n*/ ;"]);
        assert_eq!(error, None);
    }

    #[test]
    fn what_has_no_semicolon_is_not_executed() {
        let (texts, error) = executed(&["SELECT 1;", "SELECT 2"]);
        assert_eq!(texts, ["SELECT 1;"]);
        assert_eq!(
            error.as_deref(),
            Some("last statement was not executed: SELECT 2")
        );
    }

    #[test]
    fn client_side_commands_are_refused() {
        let (_, error) = executed(&["\\set display_format=csv"]);
        assert_eq!(
            error.as_deref(),
            Some("unsupported by the double: the client-side command \\set")
        );
    }
}
