//! Queries, changes of rows and CREATE TABLE, which the parser of the PostgreSQL dialect reads.

use sqlparser::ast::Statement;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::show::extract_shows;
use super::{Result, Stmt, syntax};
use crate::error::SqlError;

/// What the parser of the PostgreSQL dialect reads.
pub(super) fn general(tokens: &[Token]) -> Result<Stmt> {
    let mut tokens = tokens.to_vec();
    let word = |token: &Token, text: &str| matches!(token, Token::Word(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(text));
    let upsert = tokens.first().is_some_and(|token| word(token, "upsert"));
    if upsert && let Some(first) = tokens.first_mut() {
        *first = Token::make_keyword("INSERT");
    }
    let mut locality = false;
    if tokens.first().is_some_and(|t| word(t, "create"))
        && tokens.get(1).is_some_and(|t| word(t, "table"))
        && let Some(at) = tokens.iter().position(|t| word(t, "locality"))
        && tokens.get(at.saturating_sub(1)) == Some(&Token::RParen)
    {
        let rest: Vec<String> = tokens
            .drain(at..)
            .skip(1)
            .map(|t| t.to_string().to_uppercase())
            .collect();
        let rest = rest.join(" ");
        if rest != "REGIONAL BY TABLE" && rest != "REGIONAL BY TABLE IN PRIMARY REGION" {
            return Err(SqlError::unsupported(format!("LOCALITY {rest}")));
        }
        locality = true;
    }
    let shows = extract_shows(&mut tokens)?;
    let statement = {
        let mut parser = Parser::new(&PostgreSqlDialect {}).with_tokens(tokens);
        let statement = parser
            .parse_statement()
            .map_err(|e| syntax(&e.to_string()))?;
        if parser.peek_token().token != Token::EOF {
            return Err(syntax(&format!(
                "unexpected \"{}\"",
                parser.peek_token().token
            )));
        }
        statement
    };
    match statement {
        Statement::Query(query) => Ok(Stmt::Query(query, shows)),
        Statement::Insert(insert) => Ok(Stmt::Insert(Box::new(insert), upsert)),
        Statement::Update(update) => Ok(Stmt::Update(Box::new(update))),
        Statement::Delete(delete) => Ok(Stmt::Delete(Box::new(delete))),
        Statement::CreateTable(create) => Ok(Stmt::CreateTable(Box::new(create), locality)),
        other => {
            let text = other.to_string();
            let words: Vec<&str> = text.split_whitespace().take(2).collect();
            Err(SqlError::unsupported(words.join(" ")))
        }
    }
}
