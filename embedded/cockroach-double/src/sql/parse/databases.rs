//! Databases and zones.

use std::collections::BTreeMap;

use sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::{Result, Stmt};
use crate::ddl::{Change, Ddl};
use crate::error::SqlError;

/// Statements of databases and zones.
pub(super) fn database(c: &mut Cursor<'_>) -> Result<Option<Stmt>> {
    let stmt = if c.take("CREATE DATABASE") {
        create_database(c)?
    } else if c.take("DROP DATABASE") {
        let if_exists = c.take("IF EXISTS");
        let name = c.name()?;
        c.take("CASCADE");
        let restrict = c.take("RESTRICT");
        Stmt::Ddl(Ddl::DropDatabase {
            name,
            if_exists,
            restrict,
        })
    } else if c.take("ALTER DATABASE") {
        alter_database(c)?
    } else if c.take("ALTER RANGE") {
        let target = format!("RANGE {}", c.name()?);
        c.need("CONFIGURE ZONE")?;
        configure_zone(c, target)?
    } else {
        return Ok(None);
    };
    c.end(Some(stmt))
}

fn survive(c: &mut Cursor<'_>) -> Result<bool> {
    let region = c.take("REGION");
    if !region {
        c.need("ZONE")?;
    }
    c.need("FAILURE")?;
    Ok(region)
}

fn placement(c: &mut Cursor<'_>) -> Result<bool> {
    let restricted = c.take("RESTRICTED");
    if !restricted {
        c.need("DEFAULT")?;
    }
    Ok(restricted)
}

/// The clauses come in the order of the vendor's grammar, in no other.
fn create_database(c: &mut Cursor<'_>) -> Result<Stmt> {
    let if_not_exists = c.take("IF NOT EXISTS");
    let name = c.name()?;
    c.take("WITH");
    let early = [
        "TEMPLATE",
        "ENCODING",
        "LC_COLLATE",
        "LC_CTYPE",
        "CONNECTION",
    ];
    refuse_database_options(c, &early)?;
    let primary = region_clause(c, "PRIMARY REGION")?;
    let mut regions = Vec::new();
    if c.take("REGIONS") || c.take("REGION") {
        c.token(&Token::Eq);
        regions = c.names()?;
    }
    let mut survive_region = None;
    if c.take("SURVIVE") {
        c.token(&Token::Eq);
        survive_region = Some(survive(c)?);
    }
    let mut restricted = None;
    if c.take("PLACEMENT") {
        restricted = Some(placement(c)?);
    }
    refuse_database_options(c, &["OWNER", "SUPER"])?;
    let secondary = region_clause(c, "SECONDARY REGION")?;
    c.end(Stmt::Ddl(Ddl::CreateDatabase {
        name,
        if_not_exists,
        primary,
        regions,
        secondary,
        survive_region,
        restricted,
    }))
}

fn region_clause(c: &mut Cursor<'_>, words: &str) -> Result<Option<String>> {
    if !c.take(words) {
        return Ok(None);
    }
    c.token(&Token::Eq);
    c.name().map(Some)
}

fn refuse_database_options(c: &mut Cursor<'_>, options: &[&str]) -> Result<()> {
    match options.iter().find(|option| c.take(option)) {
        Some(option) => Err(SqlError::unsupported(format!(
            "the option {option} of CREATE DATABASE"
        ))),
        None => Ok(()),
    }
}

fn alter_database(c: &mut Cursor<'_>) -> Result<Stmt> {
    let name = c.name()?;
    if c.take("CONFIGURE ZONE") {
        return configure_zone(c, format!("DATABASE {name}"));
    }
    let change = if c.take("SET PRIMARY REGION") || c.take("PRIMARY REGION") {
        c.token(&Token::Eq);
        Change::Primary(c.name()?)
    } else if c.take("ADD REGION") {
        let if_not_exists = c.take("IF NOT EXISTS");
        Change::Add(c.name()?, if_not_exists)
    } else if c.take("DROP REGION") {
        let if_exists = c.take("IF EXISTS");
        Change::Drop(c.name()?, if_exists)
    } else if c.take("SURVIVE") {
        c.token(&Token::Eq);
        Change::Survive(survive(c)?)
    } else if c.take("SET SECONDARY REGION") {
        c.token(&Token::Eq);
        Change::Secondary(c.name()?)
    } else if c.take("DROP SECONDARY REGION") {
        Change::DropSecondary(c.take("IF EXISTS"))
    } else if c.take("PLACEMENT") {
        Change::Placement(placement(c)?)
    } else if c.take("OWNER TO") {
        Change::Owner(c.name()?)
    } else {
        return Err(SqlError::unsupported("this form of ALTER DATABASE"));
    };
    let override_zone = c.here.override_zone;
    c.end(Stmt::Ddl(Ddl::AlterDatabase {
        name,
        change,
        override_zone,
    }))
}

fn configure_zone(c: &mut Cursor<'_>, target: String) -> Result<Stmt> {
    let override_zone = c.here.override_zone;
    if c.take("DISCARD") {
        return c.end(Stmt::Ddl(Ddl::ConfigureZone {
            target,
            fields: None,
            override_zone,
        }));
    }
    c.need("USING")?;
    let mut fields = BTreeMap::new();
    loop {
        let field = c.dotted()?;
        if !c.token(&Token::Eq) {
            return Err(c.near());
        }
        if c.take("COPY FROM PARENT") {
            return Err(SqlError::unsupported("COPY FROM PARENT"));
        }
        fields.insert(field, c.value()?.unwrap_or_default());
        if !c.token(&Token::Comma) {
            break;
        }
    }
    c.end(Stmt::Ddl(Ddl::ConfigureZone {
        target,
        fields: Some(fields),
        override_zone,
    }))
}
