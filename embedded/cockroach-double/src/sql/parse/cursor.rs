//! Tokens of one statement, taken one after another.

use sqlparser::tokenizer::Token;

use super::{Here, Result, syntax};
use crate::error::SqlError;

/// Reads one statement, token by token.
pub(super) struct Cursor<'a> {
    pub(super) tokens: &'a [Token],
    pub(super) here: &'a Here,
}

impl Cursor<'_> {
    pub(super) fn peek(&self, at: usize) -> Option<String> {
        match self.tokens.get(at) {
            Some(Token::Word(word)) if word.quote_style.is_none() => {
                Some(word.value.to_uppercase())
            }
            _ => None,
        }
    }

    /// Takes these words, if all of them come next.
    pub(super) fn take(&mut self, words: &str) -> bool {
        let all = words
            .split(' ')
            .enumerate()
            .all(|(n, word)| self.peek(n).as_deref() == Some(word));
        if all {
            self.skip(words.split(' ').count());
        }
        all
    }

    pub(super) fn skip(&mut self, n: usize) {
        self.tokens = self.tokens.get(n..).unwrap_or_default();
    }

    pub(super) fn token(&mut self, token: &Token) -> bool {
        let same = self.tokens.first() == Some(token);
        if same {
            self.skip(1);
        }
        same
    }

    pub(super) fn near(&self) -> SqlError {
        match self.tokens.first() {
            Some(token) => syntax(&format!("unexpected \"{token}\"")),
            None => syntax("unexpected end of the statement"),
        }
    }

    pub(super) fn need(&mut self, words: &str) -> Result<()> {
        if self.take(words) {
            Ok(())
        } else {
            Err(self.near())
        }
    }

    pub(super) fn end<T>(&self, value: T) -> Result<T> {
        if self.tokens.is_empty() {
            Ok(value)
        } else {
            Err(self.near())
        }
    }

    /// A name; a string will do where the vendor takes one.
    pub(super) fn name(&mut self) -> Result<String> {
        let name = match self.tokens.first() {
            Some(Token::Word(word)) if word.quote_style.is_none() => word.value.to_lowercase(),
            Some(Token::Word(word)) => word.value.clone(),
            Some(Token::SingleQuotedString(text)) => text.clone(),
            _ => return Err(self.near()),
        };
        self.skip(1);
        Ok(name)
    }

    pub(super) fn names(&mut self) -> Result<Vec<String>> {
        let mut names = vec![self.name()?];
        while self.token(&Token::Comma) {
            names.push(self.name()?);
        }
        Ok(names)
    }

    /// A name with dots in it, as settings and variables have.
    pub(super) fn dotted(&mut self) -> Result<String> {
        let mut name = self.name()?;
        while self.token(&Token::Period) {
            name.push('.');
            name.push_str(&self.name()?);
        }
        Ok(name)
    }

    /// A table: its database and name.
    pub(super) fn table(&mut self) -> Result<(String, String)> {
        let dotted = self.dotted()?;
        table_name(
            &dotted.split('.').map(str::to_owned).collect::<Vec<_>>(),
            &self.here.database,
        )
    }

    /// A value: a literal, a word, or `DEFAULT`, which is `None`.
    pub(super) fn value(&mut self) -> Result<Option<String>> {
        if self.take("DEFAULT") {
            return Ok(None);
        }
        let minus = if self.token(&Token::Minus) { "-" } else { "" };
        let text = match self.tokens.first() {
            Some(Token::SingleQuotedString(text)) => text.clone(),
            Some(Token::Number(text, _)) => format!("{minus}{text}"),
            Some(Token::Word(word)) => match word.quote_style {
                Some(_) => word.value.clone(),
                None => word.value.to_lowercase(),
            },
            _ => return Err(self.near()),
        };
        self.skip(1);
        // A cast says nothing new.
        if self.token(&Token::DoubleColon) {
            self.name()?;
        }
        Ok(Some(text))
    }
}

/// The database and name of a table.
pub(crate) fn table_name(parts: &[String], database: &str) -> Result<(String, String)> {
    match parts {
        [table] => Ok((database.to_owned(), table.clone())),
        [schema, table] if schema == "public" => Ok((database.to_owned(), table.clone())),
        // The vendor takes `database.table` where there is no such schema.
        [db, table] => Ok((db.clone(), table.clone())),
        [db, schema, table] if schema == "public" => Ok((db.clone(), table.clone())),
        _ => Err(SqlError::unsupported(format!(
            "the name {}",
            parts.join(".")
        ))),
    }
}
