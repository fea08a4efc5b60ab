//! Users, the role `admin`, and privileges.

use std::collections::{BTreeMap, BTreeSet};

use super::{Done, Result, Target, admin, done, no_database, no_table, no_user};
use crate::catalog::{Catalog, User};
use crate::error::SqlError;

pub(super) fn create(
    catalog: &mut Catalog,
    name: String,
    new: User,
    if_not_exists: bool,
    user: &str,
) -> Result<Done> {
    admin(catalog, user, "create users")?;
    let reserved = matches!(name.as_str(), "admin" | "public" | "node");
    if !reserved && !catalog.users.contains_key(&name) {
        catalog.users.insert(name, new);
    } else if !if_not_exists {
        return Err(SqlError::new(
            "42710",
            format!("a role/user named {name} already exists"),
        ));
    }
    Ok(done("CREATE ROLE"))
}

pub(super) fn set_password(
    catalog: &mut Catalog,
    name: &str,
    password: Option<String>,
    user: &str,
) -> Result<Done> {
    if user != name {
        admin(catalog, user, "change passwords of others")?;
    }
    let known = catalog.users.get_mut(name).ok_or_else(|| no_user(name))?;
    known.password = password;
    Ok(done("ALTER ROLE"))
}

pub(super) fn drop(catalog: &mut Catalog, name: &str, if_exists: bool, user: &str) -> Result<Done> {
    admin(catalog, user, "drop users")?;
    if name == "root" {
        return Err(SqlError::new("42501", "cannot drop user root"));
    }
    let databases = catalog.databases.values();
    let tables = catalog.tables.values();
    let owns = databases.clone().any(|db| db.owner == name)
        || tables.clone().any(|table| table.owner == name);
    let granted = databases.clone().any(|db| db.grants.contains_key(name))
        || tables.clone().any(|table| table.grants.contains_key(name));
    if owns || granted {
        return Err(SqlError::new(
            "2BP01",
            format!("cannot drop role/user {name}: grants still exist, or objects are owned by it"),
        ));
    }
    if catalog.users.remove(name).is_none() && !if_exists {
        return Err(no_user(name));
    }
    Ok(done("DROP ROLE"))
}

pub(super) fn grant(
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
