//! Tables and indexes, as far as the parser of the PostgreSQL dialect does not read them.

use sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::{Result, Stmt};
use crate::ddl::Ddl;
use crate::error::SqlError;

/// Statements of tables and indexes.
pub(super) fn table(c: &mut Cursor<'_>) -> Result<Option<Stmt>> {
    let stmt = if c.take("DROP TABLE") {
        let if_exists = c.take("IF EXISTS");
        let (database, name) = c.table()?;
        c.take("CASCADE");
        Stmt::Ddl(Ddl::DropTable {
            database,
            name,
            if_exists,
        })
    } else if c.take("CREATE UNIQUE INDEX") {
        create_index(c, true)?
    } else if c.take("CREATE INDEX") {
        create_index(c, false)?
    } else {
        return Ok(None);
    };
    c.end(Some(stmt))
}

fn create_index(c: &mut Cursor<'_>, unique: bool) -> Result<Stmt> {
    let if_not_exists = c.take("IF NOT EXISTS");
    let name = if c.peek(0).as_deref() == Some("ON") {
        None
    } else {
        Some(c.name()?)
    };
    c.need("ON")?;
    let (database, table) = c.table()?;
    if !c.token(&Token::LParen) {
        return Err(c.near());
    }
    let mut columns = Vec::new();
    loop {
        columns.push(c.name()?);
        c.take("ASC");
        if c.take("DESC") {
            return Err(SqlError::unsupported("descending indexes"));
        }
        if !c.token(&Token::Comma) {
            break;
        }
    }
    if !c.token(&Token::RParen) {
        return Err(c.near());
    }
    if !c.tokens.is_empty() {
        return Err(SqlError::unsupported("options of indexes"));
    }
    c.end(Stmt::Ddl(Ddl::CreateIndex {
        database,
        table,
        name,
        columns,
        unique,
        if_not_exists,
    }))
}
