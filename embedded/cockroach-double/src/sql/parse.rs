//! Statements: the vendor's own ones are read here, the rest by a parser of the PostgreSQL dialect.

use std::collections::{BTreeMap, BTreeSet};

use sqlparser::ast::{self, Statement};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

use crate::ddl::{Change, Ddl, Target};
use crate::error::SqlError;

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

/// Reads one statement, token by token.
struct Cursor<'a> {
    tokens: &'a [Token],
    here: &'a Here,
}

impl Cursor<'_> {
    fn peek(&self, at: usize) -> Option<String> {
        match self.tokens.get(at) {
            Some(Token::Word(word)) if word.quote_style.is_none() => {
                Some(word.value.to_uppercase())
            }
            _ => None,
        }
    }

    /// Takes these words, if all of them come next.
    fn take(&mut self, words: &str) -> bool {
        let all = words
            .split(' ')
            .enumerate()
            .all(|(n, word)| self.peek(n).as_deref() == Some(word));
        if all {
            self.skip(words.split(' ').count());
        }
        all
    }

    fn skip(&mut self, n: usize) {
        self.tokens = self.tokens.get(n..).unwrap_or_default();
    }

    fn token(&mut self, token: &Token) -> bool {
        let same = self.tokens.first() == Some(token);
        if same {
            self.skip(1);
        }
        same
    }

    fn near(&self) -> SqlError {
        match self.tokens.first() {
            Some(token) => syntax(&format!("unexpected \"{token}\"")),
            None => syntax("unexpected end of the statement"),
        }
    }

    fn need(&mut self, words: &str) -> Result<()> {
        if self.take(words) {
            Ok(())
        } else {
            Err(self.near())
        }
    }

    fn end<T>(&self, value: T) -> Result<T> {
        if self.tokens.is_empty() {
            Ok(value)
        } else {
            Err(self.near())
        }
    }

    /// A name; a string will do where the vendor takes one.
    fn name(&mut self) -> Result<String> {
        let name = match self.tokens.first() {
            Some(Token::Word(word)) if word.quote_style.is_none() => word.value.to_lowercase(),
            Some(Token::Word(word)) => word.value.clone(),
            Some(Token::SingleQuotedString(text)) => text.clone(),
            _ => return Err(self.near()),
        };
        self.skip(1);
        Ok(name)
    }

    fn names(&mut self) -> Result<Vec<String>> {
        let mut names = vec![self.name()?];
        while self.token(&Token::Comma) {
            names.push(self.name()?);
        }
        Ok(names)
    }

    /// A name with dots in it, as settings and variables have.
    fn dotted(&mut self) -> Result<String> {
        let mut name = self.name()?;
        while self.token(&Token::Period) {
            name.push('.');
            name.push_str(&self.name()?);
        }
        Ok(name)
    }

    /// A table: its database and name.
    fn table(&mut self) -> Result<(String, String)> {
        let dotted = self.dotted()?;
        table_name(
            &dotted.split('.').map(str::to_owned).collect::<Vec<_>>(),
            &self.here.database,
        )
    }

    /// A value: a literal, a word, or `DEFAULT`, which is `None`.
    fn value(&mut self) -> Result<Option<String>> {
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

fn statement(tokens: &[Token], here: &Here) -> Result<Stmt> {
    let mut c = Cursor { tokens, here };
    if c.take("BEGIN") || c.take("START TRANSACTION") {
        c.take("TRANSACTION");
        return begin(c);
    }
    if c.take("COMMIT") || c.take("END") {
        c.take("TRANSACTION");
        return c.end(Stmt::Commit);
    }
    if c.take("ROLLBACK") || c.take("ABORT") {
        c.take("TRANSACTION");
        if c.take("TO") {
            c.take("SAVEPOINT");
            let name = c.name()?;
            return c.end(Stmt::RollbackTo(name));
        }
        return c.end(Stmt::Rollback);
    }
    if c.take("SAVEPOINT") {
        let name = c.name()?;
        return c.end(Stmt::Savepoint(name));
    }
    if c.take("RELEASE") {
        c.take("SAVEPOINT");
        let name = c.name()?;
        return c.end(Stmt::Release(name));
    }
    if c.take("DISCARD ALL") {
        return c.end(Stmt::Discard);
    }
    if c.take("SHOW") {
        let show = show(&mut c)?;
        return c.end(Stmt::Show(show));
    }
    if c.take("SET CLUSTER SETTING") {
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
        return c.end(Stmt::Ddl(Ddl::SetSetting { name, value }));
    }
    if c.take("RESET CLUSTER SETTING") {
        let name = c.dotted()?;
        known_setting(&name)?;
        return c.end(Stmt::Ddl(Ddl::SetSetting { name, value: None }));
    }
    if c.take("RESET") {
        let name = c.dotted()?;
        return c.end(Stmt::Reset(name));
    }
    if c.take("SET") || c.take("USE") {
        return set(c, tokens);
    }
    if c.take("CREATE DATABASE") {
        return create_database(c);
    }
    if c.take("DROP DATABASE") {
        let if_exists = c.take("IF EXISTS");
        let name = c.name()?;
        c.take("CASCADE");
        let restrict = c.take("RESTRICT");
        return c.end(Stmt::Ddl(Ddl::DropDatabase {
            name,
            if_exists,
            restrict,
        }));
    }
    if c.take("ALTER DATABASE") {
        return alter_database(c);
    }
    if c.take("ALTER RANGE") {
        let target = format!("RANGE {}", c.name()?);
        c.need("CONFIGURE ZONE")?;
        return configure_zone(c, target);
    }
    if c.take("CREATE USER") || c.take("CREATE ROLE") {
        let if_not_exists = c.take("IF NOT EXISTS");
        let user = tokens
            .get(1)
            .is_some_and(|t| t.to_string().eq_ignore_ascii_case("user"));
        let name = c.name()?;
        let (login, password) = role_options(&mut c)?;
        let ddl = Ddl::CreateUser {
            name,
            if_not_exists,
            login: login.unwrap_or(user),
            password: None,
        };
        return c.end(Stmt::Password(ddl, password));
    }
    if c.take("ALTER USER") || c.take("ALTER ROLE") {
        let name = c.name()?;
        let (login, password) = role_options(&mut c)?;
        if login.is_some() {
            return Err(SqlError::unsupported("ALTER ROLE … LOGIN"));
        }
        return c.end(Stmt::Password(
            Ddl::SetPassword {
                name,
                password: None,
            },
            password,
        ));
    }
    if c.take("DROP USER") || c.take("DROP ROLE") {
        let if_exists = c.take("IF EXISTS");
        let name = c.name()?;
        return c.end(Stmt::Ddl(Ddl::DropUser { name, if_exists }));
    }
    if c.take("GRANT") {
        return grant(c, true);
    }
    if c.take("REVOKE") {
        return grant(c, false);
    }
    if c.take("DROP TABLE") {
        let if_exists = c.take("IF EXISTS");
        let (database, name) = c.table()?;
        c.take("CASCADE");
        return c.end(Stmt::Ddl(Ddl::DropTable {
            database,
            name,
            if_exists,
        }));
    }
    if c.take("CREATE INDEX") || c.take("CREATE UNIQUE INDEX") {
        let unique = tokens
            .get(1)
            .is_some_and(|t| t.to_string().eq_ignore_ascii_case("unique"));
        return create_index(c, unique);
    }
    general(tokens)
}

fn known_setting(name: &str) -> Result<()> {
    crate::settings::default(name)
        .map(|_| ())
        .ok_or_else(|| SqlError::new("42704", format!("unknown cluster setting '{name}'")))
}

fn begin(mut c: Cursor<'_>) -> Result<Stmt> {
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

fn set(mut c: Cursor<'_>, tokens: &[Token]) -> Result<Stmt> {
    let used = tokens
        .first()
        .is_some_and(|t| t.to_string().eq_ignore_ascii_case("use"));
    if used {
        let name = c.name()?;
        return c.end(Stmt::Set("database".to_owned(), name));
    }
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
fn create_database(mut c: Cursor<'_>) -> Result<Stmt> {
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
    refuse_database_options(&mut c, &early)?;
    let primary = region_clause(&mut c, "PRIMARY REGION")?;
    let mut regions = Vec::new();
    if c.take("REGIONS") || c.take("REGION") {
        c.token(&Token::Eq);
        regions = c.names()?;
    }
    let mut survive_region = None;
    if c.take("SURVIVE") {
        c.token(&Token::Eq);
        survive_region = Some(survive(&mut c)?);
    }
    let mut restricted = None;
    if c.take("PLACEMENT") {
        restricted = Some(placement(&mut c)?);
    }
    refuse_database_options(&mut c, &["OWNER", "SUPER"])?;
    let secondary = region_clause(&mut c, "SECONDARY REGION")?;
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

fn alter_database(mut c: Cursor<'_>) -> Result<Stmt> {
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
        Change::Survive(survive(&mut c)?)
    } else if c.take("SET SECONDARY REGION") {
        c.token(&Token::Eq);
        Change::Secondary(c.name()?)
    } else if c.take("DROP SECONDARY REGION") {
        Change::DropSecondary(c.take("IF EXISTS"))
    } else if c.take("PLACEMENT") {
        Change::Placement(placement(&mut c)?)
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

fn configure_zone(mut c: Cursor<'_>, target: String) -> Result<Stmt> {
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

fn grant(mut c: Cursor<'_>, give: bool) -> Result<Stmt> {
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

fn create_index(mut c: Cursor<'_>, unique: bool) -> Result<Stmt> {
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

fn show(c: &mut Cursor<'_>) -> Result<Show> {
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

/// What the parser of the PostgreSQL dialect reads.
fn general(tokens: &[Token]) -> Result<Stmt> {
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

/// Takes `[SHOW …]` out of a query and leaves a name for it.
fn extract_shows(tokens: &mut Vec<Token>) -> Result<Vec<(String, Show)>> {
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
