//! Changes of the catalog, with the vendor's rules, SQLSTATEs and messages.

mod databases;
mod regions;
mod tables;
mod users;
mod zones;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::catalog::{Catalog, Table, User};
use crate::error::SqlError;
use crate::state::Rows;

pub(crate) use tables::{duplicate, index_key};

/// A change of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ddl {
    /// CREATE DATABASE.
    CreateDatabase {
        /// Its name.
        name: String,
        /// Whether it may exist.
        if_not_exists: bool,
        /// PRIMARY REGION.
        primary: Option<String>,
        /// REGIONS.
        regions: Vec<String>,
        /// SECONDARY REGION.
        secondary: Option<String>,
        /// SURVIVE: whether REGION.
        survive_region: Option<bool>,
        /// PLACEMENT: whether RESTRICTED.
        restricted: Option<bool>,
    },
    /// DROP DATABASE.
    DropDatabase {
        /// Its name.
        name: String,
        /// Whether it may be absent.
        if_exists: bool,
        /// Whether tables in it are refused.
        restrict: bool,
    },
    /// ALTER DATABASE.
    AlterDatabase {
        /// Its name.
        name: String,
        /// How.
        change: Change,
        /// Whether multi-region zones that were changed by hand may be written over.
        override_zone: bool,
    },
    /// CREATE TABLE; ids are given when it is applied.
    CreateTable {
        /// The table.
        table: Table,
        /// Whether it may exist.
        if_not_exists: bool,
        /// Whether a LOCALITY was asked for.
        locality: bool,
    },
    /// DROP TABLE.
    DropTable {
        /// Its database.
        database: String,
        /// Its name.
        name: String,
        /// Whether it may be absent.
        if_exists: bool,
    },
    /// CREATE INDEX.
    CreateIndex {
        /// The table's database.
        database: String,
        /// The table's name.
        table: String,
        /// The index's name.
        name: Option<String>,
        /// Its columns.
        columns: Vec<String>,
        /// Whether duplicates are refused.
        unique: bool,
        /// Whether it may exist.
        if_not_exists: bool,
    },
    /// CREATE USER.
    CreateUser {
        /// Its name.
        name: String,
        /// Whether it may exist.
        if_not_exists: bool,
        /// Whether it may log in.
        login: bool,
        /// Salt and hash of its password.
        password: Option<String>,
    },
    /// ALTER USER … PASSWORD.
    SetPassword {
        /// Whose.
        name: String,
        /// Salt and hash.
        password: Option<String>,
    },
    /// DROP USER.
    DropUser {
        /// Its name.
        name: String,
        /// Whether it may be absent.
        if_exists: bool,
    },
    /// GRANT and REVOKE.
    Grant {
        /// Whether it is given.
        give: bool,
        /// What: privileges, or the role `admin`.
        privileges: BTreeSet<String>,
        /// On what.
        target: Target,
        /// To whom.
        users: Vec<String>,
    },
    /// SET CLUSTER SETTING; `None` resets it.
    SetSetting {
        /// Its name.
        name: String,
        /// Its value.
        value: Option<String>,
    },
    /// CONFIGURE ZONE; no fields discard it.
    ConfigureZone {
        /// `DATABASE d` or `RANGE r`.
        target: String,
        /// The fields.
        fields: Option<BTreeMap<String, String>>,
        /// Whether protected fields may be changed.
        override_zone: bool,
    },
}

/// What privileges are given on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Target {
    /// The role `admin`.
    Admin,
    /// A database.
    Database(String),
    /// Tables of a database; `*` is all that there are.
    Tables(String, Vec<String>),
}

/// A change of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Change {
    /// PRIMARY REGION.
    Primary(String),
    /// ADD REGION, with IF NOT EXISTS.
    Add(String, bool),
    /// DROP REGION, with IF EXISTS.
    Drop(String, bool),
    /// SURVIVE: whether REGION.
    Survive(bool),
    /// SET SECONDARY REGION.
    Secondary(String),
    /// DROP SECONDARY REGION, with IF EXISTS.
    DropSecondary(bool),
    /// PLACEMENT: whether RESTRICTED.
    Placement(bool),
    /// OWNER TO.
    Owner(String),
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Done {
    /// The command tag.
    pub(crate) tag: String,
    /// Notices.
    pub(crate) notices: Vec<String>,
    /// Tables whose definitions changed.
    pub(crate) tables: Vec<u32>,
}

type Result<T> = std::result::Result<T, SqlError>;

/// Applies a change.
pub(crate) fn apply(catalog: &mut Catalog, rows: &mut Rows, ddl: Ddl, user: &str) -> Result<Done> {
    match ddl {
        Ddl::CreateDatabase { .. } => databases::create(catalog, ddl, user),
        Ddl::DropDatabase {
            name,
            if_exists,
            restrict,
        } => databases::drop(catalog, rows, &name, if_exists, restrict, user),
        Ddl::AlterDatabase {
            name,
            change,
            override_zone,
        } => regions::alter(catalog, &name, change, override_zone, user),
        Ddl::CreateTable {
            table,
            if_not_exists,
            locality,
        } => tables::create(catalog, table, if_not_exists, locality, user),
        Ddl::DropTable {
            database,
            name,
            if_exists,
        } => tables::drop(catalog, rows, &database, &name, if_exists, user),
        Ddl::CreateIndex { .. } => tables::create_index(catalog, rows, ddl, user),
        Ddl::CreateUser {
            name,
            if_not_exists,
            login,
            password,
        } => {
            let new = User {
                login,
                password,
                admin: false,
            };
            users::create(catalog, name, new, if_not_exists, user)
        }
        Ddl::SetPassword { name, password } => users::set_password(catalog, &name, password, user),
        Ddl::DropUser { name, if_exists } => users::drop(catalog, &name, if_exists, user),
        Ddl::Grant {
            give,
            privileges,
            target,
            users,
        } => users::grant(catalog, give, &privileges, target, &users, user),
        Ddl::SetSetting { name, value } => {
            admin(catalog, user, "SET CLUSTER SETTING")?;
            match value {
                Some(value) => catalog.settings.insert(name, value),
                None => catalog.settings.remove(&name),
            };
            Ok(done("SET CLUSTER SETTING"))
        }
        Ddl::ConfigureZone {
            target,
            fields,
            override_zone,
        } => zones::configure(catalog, target, fields, override_zone, user),
    }
}

fn done(tag: &str) -> Done {
    Done {
        tag: tag.to_owned(),
        ..Done::default()
    }
}

fn noticed(tag: &str, notice: String) -> Done {
    Done {
        notices: vec![notice],
        ..done(tag)
    }
}

fn no_user(name: &str) -> SqlError {
    SqlError::new("42704", format!("role/user \"{name}\" does not exist"))
}

/// The error for a database that is not there.
pub(crate) fn no_database(name: &str) -> SqlError {
    SqlError::new("3D000", format!("database \"{name}\" does not exist"))
}

/// The error for a table that is not there.
pub(crate) fn no_table(name: &str) -> SqlError {
    SqlError::new("42P01", format!("relation \"{name}\" does not exist"))
}

fn admin(catalog: &Catalog, user: &str, what: &str) -> Result<()> {
    if catalog.is_admin(user) {
        return Ok(());
    }
    Err(SqlError::new(
        "42501",
        format!("only users with the admin role are allowed to {what}"),
    ))
}
