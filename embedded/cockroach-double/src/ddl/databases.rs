//! Databases come and go.

use std::collections::{BTreeMap, BTreeSet};

use super::regions::{in_cluster, restricted_and_surviving, three_needed};
use super::{Ddl, Done, Result, admin, done, no_database, noticed, tables};
use crate::catalog::{Catalog, Database, Table};
use crate::error::SqlError;
use crate::state::Rows;

pub(super) fn create(catalog: &mut Catalog, ddl: Ddl, user: &str) -> Result<Done> {
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

pub(super) fn drop(
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
        tables::remove(catalog, rows, table);
    }
    catalog.databases.remove(name);
    catalog.zones.remove(&format!("DATABASE {name}"));
    Ok(Done {
        tables: tables.iter().map(|t| t.id).collect(),
        ..done("DROP DATABASE")
    })
}
