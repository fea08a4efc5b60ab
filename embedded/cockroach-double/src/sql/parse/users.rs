//! Users, roles and privileges.

use std::collections::BTreeSet;

use sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::{Result, Stmt, syntax};
use crate::ddl::{Ddl, Target};
use crate::error::SqlError;

/// Statements of users and privileges.
pub(super) fn user(c: &mut Cursor<'_>) -> Result<Option<Stmt>> {
    let stmt = if c.take("CREATE USER") {
        create_user(c, true)?
    } else if c.take("CREATE ROLE") {
        create_user(c, false)?
    } else if c.take("ALTER USER") || c.take("ALTER ROLE") {
        let name = c.name()?;
        let (login, password) = role_options(c)?;
        if login.is_some() {
            return Err(SqlError::unsupported("ALTER ROLE … LOGIN"));
        }
        let ddl = Ddl::SetPassword {
            name,
            password: None,
        };
        Stmt::Password(ddl, password)
    } else if c.take("DROP USER") || c.take("DROP ROLE") {
        let if_exists = c.take("IF EXISTS");
        let name = c.name()?;
        Stmt::Ddl(Ddl::DropUser { name, if_exists })
    } else if c.take("GRANT") {
        grant(c, true)?
    } else if c.take("REVOKE") {
        grant(c, false)?
    } else {
        return Ok(None);
    };
    c.end(Some(stmt))
}

/// A user may log in unless told otherwise, a role may not.
fn create_user(c: &mut Cursor<'_>, may_login: bool) -> Result<Stmt> {
    let if_not_exists = c.take("IF NOT EXISTS");
    let name = c.name()?;
    let (login, password) = role_options(c)?;
    let ddl = Ddl::CreateUser {
        name,
        if_not_exists,
        login: login.unwrap_or(may_login),
        password: None,
    };
    Ok(Stmt::Password(ddl, password))
}

fn role_options(c: &mut Cursor<'_>) -> Result<(Option<bool>, Option<String>)> {
    c.take("WITH");
    let (mut login, mut password) = (None, None);
    loop {
        if c.take("LOGIN") {
            login = Some(true);
        } else if c.take("NOLOGIN") {
            login = Some(false);
        } else if c.take("PASSWORD") {
            if c.take("NULL") {
                password = None;
            } else if let Some(Token::SingleQuotedString(text)) = c.tokens.first() {
                password = Some(text.clone());
                c.skip(1);
            } else {
                // What may be a password is not told again.
                return Err(syntax("PASSWORD takes a string or NULL"));
            }
        } else {
            return Ok((login, password));
        }
    }
}

fn grant(c: &mut Cursor<'_>, give: bool) -> Result<Stmt> {
    let towards = if give { "TO" } else { "FROM" };
    if c.take("ADMIN") {
        c.need(towards)?;
        let users = c.names()?;
        let ddl = Ddl::Grant {
            give,
            privileges: BTreeSet::new(),
            target: Target::Admin,
            users,
        };
        return c.end(Stmt::Ddl(ddl));
    }
    let mut privileges = BTreeSet::new();
    loop {
        let privilege = c.name()?.to_uppercase();
        if privilege == "ALL" {
            c.take("PRIVILEGES");
        } else if ![
            "SELECT",
            "INSERT",
            "UPDATE",
            "DELETE",
            "CREATE",
            "DROP",
            "CONNECT",
            "ZONECONFIG",
            "BACKUP",
        ]
        .contains(&privilege.as_str())
        {
            return Err(SqlError::unsupported(format!(
                "the privilege or role {privilege}"
            )));
        }
        privileges.insert(privilege);
        if !c.token(&Token::Comma) {
            break;
        }
    }
    c.need("ON")?;
    let target = if c.take("DATABASE") {
        Target::Database(c.name()?)
    } else if c.take("ALL TABLES IN SCHEMA PUBLIC") {
        Target::Tables(c.here.database.clone(), vec!["*".to_owned()])
    } else {
        c.take("TABLE");
        if c.token(&Token::Mul) {
            Target::Tables(c.here.database.clone(), vec!["*".to_owned()])
        } else {
            let (database, table) = c.table()?;
            let mut tables = vec![table];
            while c.token(&Token::Comma) {
                let (other, table) = c.table()?;
                if other != database {
                    return Err(SqlError::unsupported(
                        "tables of several databases in one statement",
                    ));
                }
                tables.push(table);
            }
            Target::Tables(database, tables)
        }
    };
    c.need(towards)?;
    let users = c.names()?;
    c.end(Stmt::Ddl(Ddl::Grant {
        give,
        privileges,
        target,
        users,
    }))
}
