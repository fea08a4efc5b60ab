//! Changes of the catalog, with the vendor's rules, SQLSTATEs and messages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::catalog::{Catalog, Database, Index, Table, User};
use crate::error::SqlError;
use crate::placement;
use crate::sql::value::Datum;
use crate::state::{Key, Rows};

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

impl Change {
    fn tag(&self) -> &'static str {
        match self {
            Self::Primary(_) => "ALTER DATABASE PRIMARY REGION",
            Self::Add(..) => "ALTER DATABASE ADD REGION",
            Self::Drop(..) => "ALTER DATABASE DROP REGION",
            Self::Survive(_) => "ALTER DATABASE SURVIVE",
            Self::Secondary(_) => "ALTER DATABASE SET SECONDARY REGION",
            Self::DropSecondary(_) => "ALTER DATABASE DROP SECONDARY REGION",
            Self::Placement(_) => "ALTER DATABASE PLACEMENT",
            Self::Owner(_) => "ALTER DATABASE OWNER",
        }
    }
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
        Ddl::CreateDatabase { .. } => create_database(catalog, ddl, user),
        Ddl::DropDatabase {
            name,
            if_exists,
            restrict,
        } => drop_database(catalog, rows, &name, if_exists, restrict, user),
        Ddl::AlterDatabase {
            name,
            change,
            override_zone,
        } => alter_database(catalog, &name, change, override_zone, user),
        Ddl::CreateTable {
            table,
            if_not_exists,
            locality,
        } => create_table(catalog, table, if_not_exists, locality, user),
        Ddl::DropTable {
            database,
            name,
            if_exists,
        } => drop_table(catalog, rows, &database, &name, if_exists, user),
        Ddl::CreateIndex { .. } => create_index(catalog, rows, ddl, user),
        Ddl::CreateUser {
            name,
            if_not_exists,
            login,
            password,
        } => {
            admin(catalog, user, "create users")?;
            if catalog.users.contains_key(&name)
                || matches!(name.as_str(), "admin" | "public" | "node")
            {
                if if_not_exists {
                    return Ok(done("CREATE ROLE"));
                }
                return Err(SqlError::new(
                    "42710",
                    format!("a role/user named {name} already exists"),
                ));
            }
            catalog.users.insert(
                name,
                User {
                    login,
                    password,
                    admin: false,
                },
            );
            Ok(done("CREATE ROLE"))
        }
        Ddl::SetPassword { name, password } => {
            if user != name {
                admin(catalog, user, "change passwords of others")?;
            }
            let known = catalog.users.get_mut(&name).ok_or_else(|| no_user(&name))?;
            known.password = password;
            Ok(done("ALTER ROLE"))
        }
        Ddl::DropUser { name, if_exists } => {
            admin(catalog, user, "drop users")?;
            if name == "root" {
                return Err(SqlError::new("42501", "cannot drop user root"));
            }
            let owns = catalog.databases.values().any(|db| db.owner == name)
                || catalog.tables.values().any(|table| table.owner == name)
                || catalog
                    .databases
                    .values()
                    .any(|db| db.grants.contains_key(&name))
                || catalog
                    .tables
                    .values()
                    .any(|table| table.grants.contains_key(&name));
            if owns {
                return Err(SqlError::new(
                    "2BP01",
                    format!(
                        "cannot drop role/user {name}: grants still exist, or objects are owned by it"
                    ),
                ));
            }
            if catalog.users.remove(&name).is_none() && !if_exists {
                return Err(SqlError::new(
                    "42704",
                    format!("role/user \"{name}\" does not exist"),
                ));
            }
            Ok(done("DROP ROLE"))
        }
        Ddl::Grant {
            give,
            privileges,
            target,
            users,
        } => grant(catalog, give, &privileges, target, &users, user),
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
        } => configure_zone(catalog, target, fields, override_zone, user),
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

/// The error for a region that the cluster does not have.
fn in_cluster(catalog: &Catalog, region: &str) -> Result<()> {
    let regions = catalog.regions();
    if regions.contains_key(region) {
        return Ok(());
    }
    let valid: Vec<String> = regions.into_keys().collect();
    Err(
        SqlError::new("42602", format!("region \"{region}\" does not exist"))
            .hint(format!("valid regions: {}", valid.join(", "))),
    )
}

fn three_needed() -> SqlError {
    SqlError::new(
        "22023",
        "at least 3 regions are required for surviving a region failure",
    )
    .hint("you must add additional regions to the database or change the survivability goal")
}

fn restricted_and_surviving() -> SqlError {
    SqlError::new(
        "22023",
        "a region-survivable database cannot also have a restricted placement policy",
    )
}

fn create_database(catalog: &mut Catalog, ddl: Ddl, user: &str) -> Result<Done> {
    let Ddl::CreateDatabase {
        name,
        if_not_exists,
        primary,
        regions,
        secondary,
        survive_region,
        restricted,
    } = ddl
    else {
        return Err(SqlError::new("XX000", "not a CREATE DATABASE"));
    };
    admin(catalog, user, "create databases")?;
    if catalog.databases.contains_key(&name) {
        if if_not_exists {
            return Ok(noticed(
                "CREATE DATABASE",
                format!("database \"{name}\" already exists, skipping"),
            ));
        }
        return Err(SqlError::new(
            "42P04",
            format!("database \"{name}\" already exists"),
        ));
    }
    let primary = primary
        .or_else(|| catalog.settings.get("sql.defaults.primary_region").cloned())
        .filter(|region| !region.is_empty());
    let Some(primary) = primary else {
        if !regions.is_empty() || secondary.is_some() {
            return Err(SqlError::new(
                "42P12",
                "PRIMARY REGION must be specified if REGIONS are specified",
            ));
        }
        if survive_region.is_some() {
            return Err(SqlError::new(
                "42P12",
                "PRIMARY REGION must be specified when using SURVIVE",
            ));
        }
        if restricted.is_some() {
            return Err(SqlError::new(
                "42P12",
                "PRIMARY REGION must be specified when using PLACEMENT",
            ));
        }
        insert_database(catalog, name, user, |_| ());
        return Ok(done("CREATE DATABASE"));
    };
    let mut all: BTreeSet<String> = BTreeSet::new();
    for region in &regions {
        in_cluster(catalog, region)?;
        if !all.insert(region.clone()) {
            return Err(SqlError::new(
                "42P12",
                format!("region \"{region}\" defined multiple times"),
            ));
        }
    }
    in_cluster(catalog, &primary)?;
    all.insert(primary.clone());
    if let Some(secondary) = &secondary {
        in_cluster(catalog, secondary)?;
        if *secondary == primary {
            return Err(SqlError::new(
                "42P12",
                "the secondary region cannot be the same as the current primary region",
            ));
        }
        all.insert(secondary.clone());
    }
    let survive_region = survive_region.unwrap_or(false);
    let restricted = restricted.unwrap_or(false);
    if survive_region && all.len() < 3 {
        return Err(three_needed());
    }
    if survive_region && restricted {
        return Err(restricted_and_surviving());
    }
    insert_database(catalog, name, user, |database| {
        database.primary = Some(primary);
        database.regions = all;
        database.secondary = secondary;
        database.survive_region = survive_region;
        database.restricted = restricted;
    });
    Ok(done("CREATE DATABASE"))
}

fn insert_database(
    catalog: &mut Catalog,
    name: String,
    user: &str,
    change: impl FnOnce(&mut Database),
) {
    let mut database = Database {
        id: catalog.next_id(),
        owner: user.to_owned(),
        primary: None,
        regions: BTreeSet::new(),
        secondary: None,
        survive_region: false,
        restricted: false,
        grants: BTreeMap::from([("public".to_owned(), BTreeSet::from(["CONNECT".to_owned()]))]),
    };
    change(&mut database);
    catalog.databases.insert(name, database);
}

fn drop_database(
    catalog: &mut Catalog,
    rows: &mut Rows,
    name: &str,
    if_exists: bool,
    restrict: bool,
    user: &str,
) -> Result<Done> {
    let Some(database) = catalog.databases.get(name) else {
        return if if_exists {
            Ok(done("DROP DATABASE"))
        } else {
            Err(no_database(name))
        };
    };
    if name == "system" {
        return Err(SqlError::new("42501", "cannot drop system database"));
    }
    if database.owner != user && !catalog.may(user, name, "DROP") {
        return Err(SqlError::new(
            "42501",
            format!("user {user} does not have DROP privilege on database {name}"),
        ));
    }
    let tables: Vec<Table> = catalog
        .tables
        .values()
        .filter(|t| t.database == name)
        .cloned()
        .collect();
    if restrict && !tables.is_empty() {
        return Err(SqlError::new(
            "2BP01",
            format!("database \"{name}\" is not empty and RESTRICT was specified"),
        ));
    }
    for table in &tables {
        remove_table(catalog, rows, table);
    }
    catalog.databases.remove(name);
    catalog.zones.remove(&format!("DATABASE {name}"));
    Ok(Done {
        tables: tables.iter().map(|t| t.id).collect(),
        ..done("DROP DATABASE")
    })
}

fn alter_database(
    catalog: &mut Catalog,
    name: &str,
    change: Change,
    override_zone: bool,
    user: &str,
) -> Result<Done> {
    let Some(database) = catalog.databases.get(name) else {
        return Err(no_database(name));
    };
    if !catalog.may(user, name, "CREATE") {
        return Err(SqlError::new(
            "42501",
            format!(
                "user {user} must be owner of {name} or have CREATE privilege on database {name}"
            ),
        ));
    }
    let tag = change.tag();
    if name == "system" && !matches!(change, Change::Owner(_)) {
        return Err(SqlError::unsupported("regions of the system database"));
    }
    if let Some(field) = modified(catalog, name).filter(|_| !override_zone) {
        return Err(SqlError::new(
            "42P17",
            format!("attempting to update zone configuration for database \"{name}\" which contains modified field \"{field}\""),
        )
        .hint("to override this error, SET override_multi_region_zone_config = true and reissue the command"));
    }
    let mut new = database.clone();
    let multi = new.primary.is_some();
    let mut notice = None;
    match change {
        Change::Primary(region) => {
            if !multi {
                in_cluster(catalog, &region)?;
                new.regions.insert(region.clone());
            } else if new.secondary.as_ref() == Some(&region) {
                return Err(SqlError::new(
                    "42P12",
                    format!("region \"{region}\" is currently the secondary region"),
                )
                .hint("you must drop the secondary region first using ALTER DATABASE … DROP SECONDARY REGION"));
            } else if !new.regions.contains(&region) {
                return Err(SqlError::new(
                    "42602",
                    format!("region \"{region}\" has not been added to the database"),
                )
                .hint(format!("you must add the region to the database before setting it as primary region, using ALTER DATABASE {name} ADD REGION {region}")));
            }
            new.primary = Some(region);
        }
        Change::Add(region, if_not_exists) => {
            if !multi {
                return Err(SqlError::new(
                    "42P12",
                    format!("cannot add region \"{region}\" to database {name}"),
                )
                .hint(format!("you must add a PRIMARY REGION first using ALTER DATABASE {name} PRIMARY REGION \"{region}\"")));
            }
            in_cluster(catalog, &region)?;
            if new.regions.contains(&region) {
                if !if_not_exists {
                    return Err(SqlError::new(
                        "42710",
                        format!("region \"{region}\" already added to database"),
                    ));
                }
                notice = Some(format!("region \"{region}\" already exists; skipping"));
            }
            new.regions.insert(region);
        }
        Change::Drop(region, if_exists) => {
            if !multi {
                return Err(SqlError::new("42P12", "database has no regions to drop"));
            }
            if !new.regions.contains(&region) {
                if !if_exists {
                    return Err(SqlError::new(
                        "42704",
                        format!("region \"{region}\" has not been added to the database"),
                    ));
                }
                notice = Some(format!(
                    "region \"{region}\" is not defined on the database; skipping"
                ));
            } else if new.secondary.as_ref() == Some(&region) {
                return Err(SqlError::new("42P12", format!("cannot drop region \"{region}\"")).hint(
                    "You must designate another region as the secondary region using ALTER DATABASE … SET SECONDARY REGION, or drop it, before this region can be dropped",
                ));
            } else if new.primary.as_ref() == Some(&region) && new.regions.len() > 1 {
                return Err(SqlError::new("42P12", format!("cannot drop region \"{region}\"")).hint(format!(
                    "You must designate another region as the primary region using ALTER DATABASE {name} PRIMARY REGION <region name> or remove all other regions before attempting to drop region \"{region}\""
                )));
            } else if new.survive_region && new.regions.len() <= 3 {
                return Err(three_needed());
            } else {
                new.regions.remove(&region);
                if new.regions.is_empty() {
                    new.primary = None;
                    new.restricted = false;
                }
            }
        }
        Change::Survive(region) => {
            if !multi {
                return Err(SqlError::new(
                    "42602",
                    "database must have associated regions before a survival goal can be set",
                )
                .hint(format!("you must first add a primary region to the database using ALTER DATABASE {name} PRIMARY REGION <region_name>")));
            }
            if region && new.regions.len() < 3 {
                return Err(three_needed());
            }
            if region && new.restricted {
                return Err(restricted_and_surviving());
            }
            new.survive_region = region;
        }
        Change::Secondary(region) => {
            if !multi {
                return Err(SqlError::new(
                    "42P12",
                    "database must be multi-region to support a secondary region",
                )
                .hint(format!("you must first add a primary region to the database using ALTER DATABASE {name} PRIMARY REGION <region_name>")));
            }
            if !new.regions.contains(&region) {
                return Err(SqlError::new(
                    "42P12",
                    format!("region \"{region}\" has not been added to the database"),
                ));
            }
            if new.primary.as_ref() == Some(&region) {
                return Err(SqlError::new(
                    "42P12",
                    "the secondary region cannot be the same as the current primary region",
                ));
            }
            new.secondary = Some(region);
        }
        Change::DropSecondary(if_exists) => {
            if new.secondary.take().is_none() {
                let words = format!("database {name} doesn't have a secondary region defined");
                if !if_exists {
                    return Err(SqlError::new("42P02", words));
                }
                notice = Some(format!("{words}; skipping"));
            }
        }
        Change::Placement(restricted) => {
            if !multi {
                return Err(SqlError::new(
                    "42602",
                    "database must have associated regions before a placement policy can be set",
                )
                .hint(format!("you must first add a primary region to the database using ALTER DATABASE {name} PRIMARY REGION <region_name>")));
            }
            if restricted && new.survive_region {
                return Err(restricted_and_surviving());
            }
            new.restricted = restricted;
        }
        Change::Owner(owner) => {
            if !catalog.users.contains_key(&owner) {
                return Err(no_user(&owner));
            }
            new.owner = owner;
        }
    }
    if let Some(zone) = catalog.zones.get_mut(&format!("DATABASE {name}")) {
        zone.retain(|field, _| !PROTECTED.contains(&field.as_str()));
    }
    catalog.databases.insert(name.to_owned(), new);
    Ok(Done {
        notices: notice.into_iter().collect(),
        ..done(tag)
    })
}

/// The fields of a zone that the regions of a database decide.
const PROTECTED: &[&str] = &[
    "num_replicas",
    "num_voters",
    "constraints",
    "voter_constraints",
    "lease_preferences",
];

/// The protected field of a multi-region database that was changed by hand.
fn modified(catalog: &Catalog, name: &str) -> Option<&'static str> {
    catalog.databases.get(name)?.primary.as_ref()?;
    let zone = catalog.zones.get(&format!("DATABASE {name}"))?;
    PROTECTED
        .iter()
        .find(|field| zone.contains_key(**field))
        .copied()
}

fn configure_zone(
    catalog: &mut Catalog,
    target: String,
    fields: Option<BTreeMap<String, String>>,
    override_zone: bool,
    user: &str,
) -> Result<Done> {
    admin(catalog, user, "configure zones")?;
    let regional = match target.split_once(' ') {
        Some(("DATABASE", name)) => catalog
            .databases
            .get(name)
            .ok_or_else(|| no_database(name))?
            .primary
            .is_some(),
        Some((_, "default" | "meta" | "liveness" | "system" | "timeseries" | "tenants")) => false,
        _ => {
            return Err(SqlError::new(
                "42704",
                format!("{} is not a built-in zone", target.replace("RANGE ", "")),
            )
            .detail("built-in zones: default, liveness, meta, system, tenants, timeseries"));
        }
    };
    let Some(fields) = fields else {
        catalog.zones.remove(&target);
        return Ok(done("CONFIGURE ZONE 1"));
    };
    for (field, value) in &fields {
        let known = PROTECTED.contains(&field.as_str())
            || matches!(
                field.as_str(),
                "gc.ttlseconds" | "range_min_bytes" | "range_max_bytes" | "global_reads"
            );
        if !known {
            return Err(SqlError::new(
                "22023",
                format!("unsupported zone config parameter: \"{field}\""),
            ));
        }
        if regional && !override_zone && PROTECTED.contains(&field.as_str()) {
            return Err(SqlError::new(
                "42P17",
                format!("attempting to modify protected field \"{field}\" of a multi-region zone configuration"),
            )
            .hint("to override this error, SET override_multi_region_zone_config = true and reissue the command"));
        }
        if matches!(field.as_str(), "num_replicas" | "num_voters") {
            let number = value.parse::<usize>().ok().filter(|n| *n >= 1 && *n != 2);
            if number.is_none() {
                return Err(SqlError::new(
                    "22023",
                    format!(
                        "could not validate zone config: {field} = {value}: at least 3 replicas are required for multi-replica configurations"
                    ),
                ));
            }
        }
        if field.ends_with("constraints") {
            let regions = catalog.regions();
            for region in placement::constraint_counts(value).keys() {
                if !regions.contains_key(region) {
                    return Err(SqlError::new(
                        "22023",
                        format!(
                            "constraint \"+region={region}\" matches no existing nodes within the cluster - did you enter it correctly?"
                        ),
                    ));
                }
            }
        }
    }
    catalog.zones.entry(target).or_default().extend(fields);
    Ok(done("CONFIGURE ZONE 1"))
}

fn create_table(
    catalog: &mut Catalog,
    mut table: Table,
    if_not_exists: bool,
    locality: bool,
    user: &str,
) -> Result<Done> {
    let Some(database) = catalog.databases.get(&table.database) else {
        return Err(no_database(&table.database));
    };
    if !catalog.may(user, &table.database, "CREATE") {
        return Err(SqlError::new(
            "42501",
            format!("user {user} does not have CREATE privilege on schema public"),
        ));
    }
    if locality && database.primary.is_none() {
        return Err(SqlError::new(
            "42P16",
            "cannot set LOCALITY on a table in a database that is not multi-region enabled",
        ));
    }
    if catalog.table(&table.database, &table.name).is_some() {
        let words = format!(
            "relation \"{}.public.{}\" already exists",
            table.database, table.name
        );
        return if if_not_exists {
            Ok(noticed(
                "CREATE TABLE",
                format!("relation \"{}\" already exists, skipping", table.name),
            ))
        } else {
            Err(SqlError::new("42P07", words))
        };
    }
    table.id = catalog.next_id();
    user.clone_into(&mut table.owner);
    for index in &mut table.indexes {
        index.id = catalog.next_id();
    }
    let id = table.id;
    catalog.tables.insert(id, table);
    Ok(Done {
        tables: vec![id],
        ..done("CREATE TABLE")
    })
}

fn remove_table(catalog: &mut Catalog, rows: &mut Rows, table: &Table) {
    let spaces: Vec<u32> = std::iter::once(table.id)
        .chain(table.indexes.iter().map(|i| i.id))
        .collect();
    let keys: Vec<Key> = spaces
        .iter()
        .flat_map(|space| {
            rows.range(Key::all(*space)..Key::all(space + 1))
                .map(|(k, _)| k.clone())
        })
        .collect();
    for key in keys {
        rows.remove(&key);
    }
    catalog.tables.remove(&table.id);
}

fn drop_table(
    catalog: &mut Catalog,
    rows: &mut Rows,
    database: &str,
    name: &str,
    if_exists: bool,
    user: &str,
) -> Result<Done> {
    let Some(table) = catalog.table(database, name).cloned() else {
        return if if_exists {
            Ok(done("DROP TABLE"))
        } else {
            Err(no_table(name))
        };
    };
    if !catalog.may_on_table(user, &table, "DROP") {
        return Err(SqlError::new(
            "42501",
            format!("user {user} does not have DROP privilege on relation {name}"),
        ));
    }
    remove_table(catalog, rows, &table);
    Ok(Done {
        tables: vec![table.id],
        ..done("DROP TABLE")
    })
}

fn create_index(catalog: &mut Catalog, rows: &mut Rows, ddl: Ddl, user: &str) -> Result<Done> {
    let Ddl::CreateIndex {
        database,
        table,
        name,
        columns,
        unique,
        if_not_exists,
    } = ddl
    else {
        return Err(SqlError::new("XX000", "not a CREATE INDEX"));
    };
    let Some(mut table) = catalog.table(&database, &table).cloned() else {
        return Err(no_table(&table));
    };
    if !catalog.may_on_table(user, &table, "CREATE") {
        return Err(SqlError::new(
            "42501",
            format!(
                "user {user} does not have CREATE privilege on relation {}",
                table.name
            ),
        ));
    }
    let suffix = if unique { "key" } else { "idx" };
    let name = name.unwrap_or_else(|| format!("{}_{}_{suffix}", table.name, columns.join("_")));
    if table.indexes.iter().any(|index| index.name == name) {
        return if if_not_exists {
            Ok(noticed(
                "CREATE INDEX",
                format!("index \"{name}\" already exists, skipping"),
            ))
        } else {
            Err(SqlError::new(
                "42P07",
                format!("index with name \"{name}\" already exists"),
            ))
        };
    }
    let columns = columns
        .iter()
        .map(|column| {
            table.column(column).ok_or_else(|| {
                SqlError::new("42703", format!("column \"{column}\" does not exist"))
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let index = Index {
        id: catalog.next_id(),
        name,
        columns,
        unique,
    };
    let existing: Vec<_> = rows
        .range(Key::all(table.id)..Key::all(table.id + 1))
        .map(|(key, row)| (key.columns.clone(), row.clone()))
        .collect();
    for (primary, row) in existing {
        let Some(entry) = index_key(&index, &row, &primary) else {
            continue;
        };
        if index.unique && rows.contains_key(&entry) && !entry.columns.iter().any(Datum::is_null) {
            return Err(duplicate(&table, &index.name, &index.columns, &row));
        }
        rows.insert(entry, Arc::new(primary));
    }
    table.indexes.push(index);
    let id = table.id;
    catalog.tables.insert(id, table);
    Ok(Done {
        tables: vec![id],
        ..done("CREATE INDEX")
    })
}

/// The key of a row in an index: unique ones without NULL have no primary key in it.
pub(crate) fn index_key(index: &Index, row: &[Datum], primary: &[Datum]) -> Option<Key> {
    let mut columns = index
        .columns
        .iter()
        .map(|n| row.get(*n).cloned())
        .collect::<Option<Vec<_>>>()?;
    if !index.unique || columns.iter().any(Datum::is_null) {
        columns.extend(primary.iter().cloned());
    }
    Some(Key {
        space: index.id,
        columns,
    })
}

/// The error for a row that is there already.
pub(crate) fn duplicate(
    table: &Table,
    constraint: &str,
    columns: &[usize],
    row: &[Datum],
) -> SqlError {
    let names: Vec<&str> = columns
        .iter()
        .filter_map(|n| table.columns.get(*n))
        .map(|c| c.name.as_str())
        .collect();
    let values: Vec<String> = columns
        .iter()
        .filter_map(|n| row.get(*n))
        .map(Datum::literal)
        .collect();
    SqlError::new(
        "23505",
        format!("duplicate key value violates unique constraint \"{constraint}\""),
    )
    .detail(format!(
        "Key ({})=({}) already exists.",
        names.join(", "),
        values.join(", ")
    ))
}

fn grant(
    catalog: &mut Catalog,
    give: bool,
    privileges: &BTreeSet<String>,
    target: Target,
    users: &[String],
    user: &str,
) -> Result<Done> {
    let tag = if give { "GRANT" } else { "REVOKE" };
    for name in users {
        if !catalog.users.contains_key(name) && name != "public" {
            return Err(no_user(name));
        }
    }
    let owner = match &target {
        Target::Database(name) => {
            catalog
                .databases
                .get(name)
                .ok_or_else(|| no_database(name))?
                .owner
                == user
        }
        _ => false,
    };
    if !owner {
        admin(catalog, user, tag)?;
    }
    let change = |grants: &mut BTreeMap<String, BTreeSet<String>>| {
        for name in users {
            let held = grants.entry(name.clone()).or_default();
            if give {
                held.extend(privileges.iter().cloned());
            } else if privileges.contains("ALL") {
                held.clear();
            } else {
                held.retain(|privilege| !privileges.contains(privilege));
            }
            if held.is_empty() {
                grants.remove(name);
            }
        }
    };
    match target {
        Target::Admin => {
            for name in users {
                if name == "root" && !give {
                    return Err(SqlError::new(
                        "42501",
                        "user root cannot be removed from role admin",
                    ));
                }
                if let Some(user) = catalog.users.get_mut(name) {
                    user.admin = give;
                }
            }
        }
        Target::Database(name) => {
            let database = catalog
                .databases
                .get_mut(&name)
                .ok_or_else(|| no_database(&name))?;
            change(&mut database.grants);
        }
        Target::Tables(database, names) => {
            let ids = if names.iter().any(|name| name == "*") {
                catalog
                    .tables
                    .values()
                    .filter(|t| t.database == database)
                    .map(|t| t.id)
                    .collect()
            } else {
                names
                    .iter()
                    .map(|name| {
                        catalog
                            .table(&database, name)
                            .map(|t| t.id)
                            .ok_or_else(|| no_table(name))
                    })
                    .collect::<Result<Vec<_>>>()?
            };
            for id in ids {
                if let Some(table) = catalog.tables.get_mut(&id) {
                    change(&mut table.grants);
                }
            }
        }
    }
    Ok(done(tag))
}
