//! Statements: the vendor's own ones are read here, the rest by a parser of the PostgreSQL dialect.

mod cursor;
mod databases;
mod general;
mod session;
mod show;
mod tables;
mod users;

use sqlparser::ast;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

use crate::ddl::Ddl;
use crate::error::SqlError;
use cursor::Cursor;

pub(crate) use cursor::table_name;

/// What a statement needs to know of its session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Here {
    /// The database.
    pub(crate) database: String,
    /// Whether `override_multi_region_zone_config` is set.
    pub(crate) override_zone: bool,
}

/// A `SHOW`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Show {
    /// SHOW REGIONS.
    Regions,
    /// SHOW REGIONS FROM CLUSTER.
    ClusterRegions,
    /// SHOW REGIONS FROM DATABASE.
    DatabaseRegions(String),
    /// SHOW REGIONS FROM ALL DATABASES.
    AllDatabaseRegions,
    /// SHOW DATABASES.
    Databases,
    /// SHOW TABLES.
    Tables(String),
    /// SHOW COLUMNS.
    Columns(String, String),
    /// SHOW SURVIVAL GOAL.
    Goal(String),
    /// SHOW CREATE DATABASE.
    CreateDatabase(String),
    /// SHOW CREATE TABLE.
    CreateTable(String, String),
    /// SHOW ZONE CONFIGURATION: `DATABASE d` or `RANGE r`.
    Zone(String),
    /// SHOW USERS.
    Users,
    /// SHOW GRANTS ON DATABASE.
    Grants(String),
    /// SHOW LOCALITY.
    Locality,
    /// SHOW RANGES of a database, of a table in it, or of the cluster.
    Ranges(Option<String>, Option<String>, bool),
    /// SHOW CLUSTER SETTING.
    Setting(String),
    /// SHOW CLUSTER SETTINGS.
    Settings,
    /// SHOW of a variable.
    Variable(String),
}

/// A statement.
#[derive(Debug, Clone)]
pub(crate) enum Stmt {
    /// BEGIN, with READ ONLY.
    Begin(bool),
    /// COMMIT.
    Commit,
    /// ROLLBACK.
    Rollback,
    /// SAVEPOINT.
    Savepoint(String),
    /// RELEASE SAVEPOINT.
    Release(String),
    /// ROLLBACK TO SAVEPOINT.
    RollbackTo(String),
    /// SET.
    Set(String, String),
    /// RESET.
    Reset(String),
    /// DISCARD ALL.
    Discard,
    /// A change of the catalog.
    Ddl(Ddl),
    /// A change of a user, whose password is hashed before it goes anywhere.
    Password(Ddl, Option<String>),
    /// CREATE TABLE.
    CreateTable(Box<ast::CreateTable>, bool),
    /// SHOW.
    Show(Show),
    /// A query, with the SHOWs that it reads.
    Query(Box<ast::Query>, Vec<(String, Show)>),
    /// INSERT, or UPSERT.
    Insert(Box<ast::Insert>, bool),
    /// UPDATE.
    Update(Box<ast::Update>),
    /// DELETE.
    Delete(Box<ast::Delete>),
}

type Result<T> = std::result::Result<T, SqlError>;

/// Splits a text into statements and reads each.
pub(crate) fn statements(text: &str, here: &Here) -> Result<Vec<Stmt>> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, text)
        .tokenize()
        .map_err(|e| syntax(&e.to_string()))?;
    let tokens: Vec<Token> = tokens
        .into_iter()
        .filter(|token| !matches!(token, Token::Whitespace(_)))
        .collect();
    tokens
        .split(|token| *token == Token::SemiColon)
        .filter(|tokens| !tokens.is_empty())
        .map(|tokens| statement(tokens, here))
        .collect()
}

fn syntax(words: &str) -> SqlError {
    let words = words.trim_start_matches("sql parser error: ");
    SqlError::new("42601", format!("at or near: syntax error: {words}"))
}

/// An expression that a definition holds.
pub(crate) fn expression(text: &str) -> Result<ast::Expr> {
    Parser::new(&PostgreSqlDialect {})
        .try_with_sql(text)
        .and_then(|mut parser| parser.parse_expr())
        .map_err(|e| syntax(&e.to_string()))
}

fn statement(tokens: &[Token], here: &Here) -> Result<Stmt> {
    let mut c = Cursor { tokens, here };
    let own = [
        session::transaction,
        session::variable,
        databases::database,
        users::user,
        tables::table,
    ];
    for read in own {
        if let Some(stmt) = read(&mut c)? {
            return Ok(stmt);
        }
    }
    if c.take("SHOW") {
        let show = show::show(&mut c)?;
        return c.end(Stmt::Show(show));
    }
    general::general(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<Stmt> {
        let here = Here {
            database: "bank".to_owned(),
            override_zone: false,
        };
        statements(text, &here).map(|mut all| all.pop().unwrap())
    }

    #[test]
    fn the_vendor_s_statements_are_read() {
        let Stmt::Ddl(Ddl::CreateDatabase { primary, regions, survive_region, .. }) = one(
            r#"CREATE DATABASE bank PRIMARY REGION "us-east" REGIONS "us-east", "eu", wit SURVIVE REGION FAILURE"#,
        )
        .unwrap() else {
            panic!("another statement")
        };
        assert_eq!(primary.as_deref(), Some("us-east"));
        assert_eq!(regions, ["us-east", "eu", "wit"]);
        assert_eq!(survive_region, Some(true));
        assert!(matches!(
            one("SHOW SURVIVAL GOAL FROM DATABASE").unwrap(),
            Stmt::Show(Show::Goal(name)) if name == "bank"
        ));
        assert!(matches!(
            one("UPSERT INTO t VALUES (1)").unwrap(),
            Stmt::Insert(_, true)
        ));
        assert!(matches!(
            one("SELECT region FROM [SHOW REGIONS FROM CLUSTER]").unwrap(),
            Stmt::Query(_, shows) if shows[0].1 == Show::ClusterRegions
        ));
    }

    #[test]
    fn clauses_of_create_database_come_in_the_vendor_s_order() {
        let Stmt::Ddl(Ddl::CreateDatabase { secondary, .. }) = one(
            "CREATE DATABASE d PRIMARY REGION = a REGIONS = a, b, c SURVIVE = REGION FAILURE PLACEMENT DEFAULT SECONDARY REGION = b",
        )
        .unwrap() else {
            panic!("another statement")
        };
        assert_eq!(secondary.as_deref(), Some("b"));
        for text in [
            "CREATE DATABASE d PRIMARY REGION a SECONDARY REGION b SURVIVE ZONE FAILURE",
            "CREATE DATABASE d PRIMARY REGION a SURVIVE ZONE FAILURE REGIONS b",
            "CREATE DATABASE d REGIONS b PRIMARY REGION a",
            "CREATE DATABASE d PRIMARY REGION a PLACEMENT RESTRICTED SURVIVE ZONE FAILURE",
            "CREATE DATABASE d PRIMARY REGION a PRIMARY REGION b",
        ] {
            assert_eq!(one(text).unwrap_err().code, "42601", "{text}");
        }
    }

    #[test]
    fn what_is_outside_of_the_subset_is_refused() {
        for text in [
            "CREATE VIEW v AS SELECT 1",
            "BEGIN ISOLATION LEVEL READ COMMITTED",
            "ALTER TABLE t ADD COLUMN a INT",
            "ALTER DATABASE d ADD SUPER REGION s VALUES a",
            "CREATE DATABASE d OWNER u",
            "CREATE DATABASE d ENCODING = 'UTF-8'",
        ] {
            let error = one(text).unwrap_err();
            assert_eq!(error.code, "0A000", "{text}");
            assert!(
                error.message.starts_with("unsupported by the double"),
                "{}",
                error.message
            );
        }
        assert_eq!(one("SELEC 1").unwrap_err().code, "42601");
    }

    #[test]
    fn passwords_are_not_told_again() {
        let error = one("CREATE USER u PASSWORD hunter2").unwrap_err();
        assert!(!error.message.contains("hunter2"), "{}", error.message);
    }
}
