//! SHOW, alone and in brackets within a query.

use sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::session::known_setting;
use super::{Here, Result, Show, syntax};
use crate::error::SqlError;

pub(super) fn show(c: &mut Cursor<'_>) -> Result<Show> {
    let here = c.here.database.clone();
    let database = |c: &mut Cursor<'_>| {
        if c.tokens.is_empty() {
            Ok(here.clone())
        } else {
            c.name()
        }
    };
    if c.take("REGIONS") {
        return Ok(if c.take("FROM CLUSTER") {
            Show::ClusterRegions
        } else if c.take("FROM ALL DATABASES") {
            Show::AllDatabaseRegions
        } else if c.take("FROM DATABASE") {
            Show::DatabaseRegions(database(c)?)
        } else {
            Show::Regions
        });
    }
    if c.take("DATABASES") {
        return Ok(Show::Databases);
    }
    if c.take("TABLES") {
        let name = if c.take("FROM") {
            c.name()?
        } else {
            here.clone()
        };
        return Ok(Show::Tables(name));
    }
    if c.take("COLUMNS FROM") {
        let (database, table) = c.table()?;
        return Ok(Show::Columns(database, table));
    }
    if c.take("SURVIVAL GOAL FROM DATABASE") {
        return Ok(Show::Goal(database(c)?));
    }
    if c.take("CREATE DATABASE") {
        return Ok(Show::CreateDatabase(c.name()?));
    }
    if c.take("CREATE") {
        c.take("TABLE");
        let (database, table) = c.table()?;
        return Ok(Show::CreateTable(database, table));
    }
    if c.take("ZONE CONFIGURATION FROM") || c.take("ZONE CONFIGURATION FOR") {
        return if c.take("DATABASE") {
            Ok(Show::Zone(format!("DATABASE {}", c.name()?)))
        } else if c.take("RANGE") {
            Ok(Show::Zone(format!("RANGE {}", c.name()?)))
        } else {
            Err(SqlError::unsupported("zone configurations of tables"))
        };
    }
    if c.take("USERS") || c.take("ROLES") {
        return Ok(Show::Users);
    }
    if c.take("GRANTS ON DATABASE") {
        return Ok(Show::Grants(c.name()?));
    }
    if c.take("LOCALITY") {
        return Ok(Show::Locality);
    }
    if c.take("CLUSTER RANGES") || c.take("RANGES") {
        let (mut db, mut table) = (None, None);
        if c.take("FROM DATABASE") {
            db = Some(c.name()?);
        } else if c.take("FROM TABLE") {
            let (database, name) = c.table()?;
            (db, table) = (Some(database), Some(name));
        }
        let mut details = false;
        if c.take("WITH") {
            for option in c.names()? {
                match option.as_str() {
                    "details" => details = true,
                    "tables" => (),
                    other => {
                        return Err(SqlError::unsupported(format!("SHOW RANGES WITH {other}")));
                    }
                }
            }
        }
        return Ok(Show::Ranges(db, table, details));
    }
    if c.take("CLUSTER SETTING") {
        let name = c.dotted()?;
        known_setting(&name)?;
        return Ok(Show::Setting(name));
    }
    if c.take("ALL CLUSTER SETTINGS")
        || c.take("PUBLIC CLUSTER SETTINGS")
        || c.take("CLUSTER SETTINGS")
    {
        return Ok(Show::Settings);
    }
    if c.take("TIME ZONE") {
        return Ok(Show::Variable("timezone".to_owned()));
    }
    if c.take("TRANSACTION ISOLATION LEVEL") {
        return Ok(Show::Variable("transaction_isolation".to_owned()));
    }
    Ok(Show::Variable(c.dotted()?))
}

/// Takes `[SHOW …]` out of a query and leaves a name for it.
pub(super) fn extract_shows(tokens: &mut Vec<Token>) -> Result<Vec<(String, Show)>> {
    let mut shows = Vec::new();
    while let Some(start) = tokens.windows(2).position(|pair| {
        pair.first() == Some(&Token::LBracket)
            && matches!(pair.get(1), Some(Token::Word(word)) if word.value.eq_ignore_ascii_case("show"))
    }) {
        let Some(length) = tokens.iter().skip(start).position(|t| *t == Token::RBracket) else {
            return Err(syntax("a bracket is not closed"));
        };
        let inner: Vec<Token> = tokens.drain(start..=start + length).collect();
        let inner = inner.get(2..length).unwrap_or_default();
        let here = Here::default();
        let mut c = Cursor { tokens: inner, here: &here };
        let show = show(&mut c)?;
        c.end(())?;
        let name = format!("show_{}", shows.len() + 1);
        tokens.insert(start, Token::make_word(&name, None));
        shows.push((name, show));
    }
    Ok(shows)
}
