//! Transactions, variables of sessions, settings of clusters.

use sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::{Result, Stmt};
use crate::ddl::Ddl;
use crate::error::SqlError;

/// Statements of transactions.
pub(super) fn transaction(c: &mut Cursor<'_>) -> Result<Option<Stmt>> {
    let stmt = if c.take("BEGIN") || c.take("START TRANSACTION") {
        c.take("TRANSACTION");
        begin(c)?
    } else if c.take("COMMIT") || c.take("END") {
        c.take("TRANSACTION");
        Stmt::Commit
    } else if c.take("ROLLBACK") || c.take("ABORT") {
        c.take("TRANSACTION");
        if c.take("TO") {
            c.take("SAVEPOINT");
            Stmt::RollbackTo(c.name()?)
        } else {
            Stmt::Rollback
        }
    } else if c.take("SAVEPOINT") {
        Stmt::Savepoint(c.name()?)
    } else if c.take("RELEASE") {
        c.take("SAVEPOINT");
        Stmt::Release(c.name()?)
    } else {
        return Ok(None);
    };
    c.end(Some(stmt))
}

/// Statements of variables and settings.
pub(super) fn variable(c: &mut Cursor<'_>) -> Result<Option<Stmt>> {
    let stmt = if c.take("DISCARD ALL") {
        Stmt::Discard
    } else if c.take("SET CLUSTER SETTING") {
        let name = c.dotted()?;
        if !c.token(&Token::Eq) {
            c.need("TO")?;
        }
        let value = match c.value()? {
            Some(value) => Some(crate::settings::check(&name, &value)?),
            None => None,
        };
        if value.is_none() {
            known_setting(&name)?;
        }
        Stmt::Ddl(Ddl::SetSetting { name, value })
    } else if c.take("RESET CLUSTER SETTING") {
        let name = c.dotted()?;
        known_setting(&name)?;
        Stmt::Ddl(Ddl::SetSetting { name, value: None })
    } else if c.take("RESET") {
        Stmt::Reset(c.dotted()?)
    } else if c.take("USE") {
        Stmt::Set("database".to_owned(), c.name()?)
    } else if c.take("SET") {
        set(c)?
    } else {
        return Ok(None);
    };
    c.end(Some(stmt))
}

fn begin(c: &mut Cursor<'_>) -> Result<Stmt> {
    let mut read_only = false;
    loop {
        c.token(&Token::Comma);
        if c.take("ISOLATION LEVEL") {
            if !c.take("SERIALIZABLE") {
                return Err(SqlError::unsupported(
                    "another isolation level than SERIALIZABLE",
                ));
            }
        } else if c.take("READ ONLY") {
            read_only = true;
        } else if c.take("READ WRITE") || c.take("NOT DEFERRABLE") {
            read_only = false;
        } else if c.take("PRIORITY") {
            c.name()?;
        } else {
            return c.end(Stmt::Begin(read_only));
        }
    }
}

fn set(c: &mut Cursor<'_>) -> Result<Stmt> {
    if c.take("LOCAL") || c.take("TRANSACTION") {
        return Err(SqlError::unsupported("SET LOCAL and SET TRANSACTION"));
    }
    if c.take("SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE") {
        return c.end(Stmt::Set(
            "default_transaction_isolation".to_owned(),
            "serializable".to_owned(),
        ));
    }
    c.take("SESSION");
    if c.take("TIME ZONE") {
        let value = c.value()?.unwrap_or_else(|| "utc".to_owned());
        return c.end(Stmt::Set("timezone".to_owned(), value));
    }
    let name = c.dotted()?;
    if !c.token(&Token::Eq) {
        c.need("TO")?;
    }
    let Some(mut value) = c.value()? else {
        return c.end(Stmt::Reset(name));
    };
    while c.token(&Token::Comma) {
        value.push_str(", ");
        value.push_str(&c.value()?.unwrap_or_default());
    }
    c.end(Stmt::Set(name, value))
}

pub(super) fn known_setting(name: &str) -> Result<()> {
    crate::settings::default(name)
        .map(|_| ())
        .ok_or_else(|| SqlError::new("42704", format!("unknown cluster setting '{name}'")))
}
