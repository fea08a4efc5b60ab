//! SHOW.

use super::definitions::{column_sql, create_database, create_table};
use super::internal::{all_settings, regions};
use super::zone::zone;
use super::{View, ranges, tables_of};
use crate::catalog::{Catalog, Database, Table};
use crate::ddl::{no_database, no_table};
use crate::error::SqlError;
use crate::settings;
use crate::sql::parse::Show;
use crate::sql::relation::Relation;
use crate::sql::value::Datum;
use crate::sql::value::Ty::{Bool, String as Text, Strings};
use crate::state::State;

type Result<T> = std::result::Result<T, SqlError>;

/// What a SHOW is about, by name.
struct Asked<'a> {
    view: &'a View,
    catalog: &'a Catalog,
}

/// A SHOW.
pub(crate) fn show(view: &View, state: &State, show: &Show) -> Result<Relation> {
    let catalog = &state.catalog;
    let asked = Asked { view, catalog };
    Ok(match show {
        Show::ClusterRegions => regions(catalog),
        Show::Regions => regions_and_databases(catalog),
        Show::DatabaseRegions(name) => asked.database_regions(name)?,
        Show::AllDatabaseRegions => all_database_regions(catalog),
        Show::Databases => asked.databases(),
        Show::Tables(name) => asked.tables(name)?,
        Show::Columns(database, name) => columns(asked.table(database, name)?),
        Show::Goal(name) => {
            let (name, db) = asked.database(name)?;
            Relation::line([("database", Datum::text(name)), ("survival_goal", goal(db))])
        }
        Show::CreateDatabase(name) => {
            let (name, db) = asked.database(name)?;
            Relation::line([
                ("database_name", Datum::text(name)),
                ("create_statement", Datum::text(create_database(name, db))),
            ])
        }
        Show::CreateTable(database, name) => {
            let table = asked.table(database, name)?;
            Relation::line([
                ("table_name", Datum::text(name)),
                (
                    "create_statement",
                    Datum::text(create_table(catalog, table)),
                ),
            ])
        }
        Show::Zone(target) => zone(catalog, target)?,
        Show::Users => users(catalog),
        Show::Grants(name) => asked.grants(name)?,
        Show::Locality => Relation::line([("locality", Datum::text(view.locality.to_string()))]),
        Show::Ranges(database, table, details) => {
            if let Some(database) = database {
                asked.database(database)?;
                if let Some(table) = table {
                    asked.table(database, table)?;
                }
            }
            ranges::show(
                view,
                catalog,
                database.as_deref(),
                table.as_deref(),
                *details,
            )
        }
        Show::Setting(name) => {
            let set = catalog.settings.get(name).map(String::as_str);
            let value = set.or_else(|| settings::default(name)).unwrap_or_default();
            Relation::line([(name.as_str(), Datum::text(value))])
        }
        Show::Settings => all_settings(catalog),
        Show::Variable(name) => variable(view, &name.to_lowercase())?,
    })
}

fn strings<'a>(items: impl IntoIterator<Item = &'a String>) -> Datum {
    Datum::Strings(items.into_iter().cloned().collect())
}

fn goal(database: &Database) -> Datum {
    let goal = if database.survive_region {
        "region"
    } else {
        "zone"
    };
    Datum::maybe(database.primary.as_ref().map(|_| goal))
}

impl<'a> Asked<'a> {
    /// A database; without a name it is the session's.
    fn database(&self, name: &'a str) -> Result<(&'a String, &'a Database)> {
        let name = if name.is_empty() {
            self.view.database.as_str()
        } else {
            name
        };
        self.catalog
            .databases
            .get_key_value(name)
            .ok_or_else(|| no_database(name))
    }

    fn table(&self, database: &str, name: &str) -> Result<&'a Table> {
        let database = if database.is_empty() {
            self.view.database.as_str()
        } else {
            database
        };
        self.catalog
            .table(database, name)
            .ok_or_else(|| no_table(name))
    }

    fn database_regions(&self, name: &'a str) -> Result<Relation> {
        let (name, db) = self.database(name)?;
        let zones = self.catalog.regions();
        let mut regions: Vec<&String> = db.regions.iter().collect();
        regions.sort_by_key(|region| (db.primary.as_ref() != Some(region), (*region).clone()));
        Ok(Relation::of(
            regions,
            &[
                ("database", Text, &|_| Datum::text(name)),
                ("region", Text, &|region| Datum::text(*region)),
                ("primary", Bool, &|region| {
                    Datum::Bool(db.primary.as_ref() == Some(region))
                }),
                ("secondary", Bool, &|region| {
                    Datum::Bool(db.secondary.as_ref() == Some(region))
                }),
                ("zones", Strings, &|region| {
                    strings(zones.get(*region).into_iter().flatten())
                }),
            ],
        ))
    }

    fn databases(&self) -> Relation {
        let may_connect =
            |(name, _): &(&String, &Database)| self.catalog.may(&self.view.user, name, "CONNECT");
        Relation::of(
            self.catalog.databases.iter().filter(may_connect),
            &[
                ("database_name", Text, &|(name, _)| Datum::text(*name)),
                ("owner", Text, &|(_, db)| Datum::text(&db.owner)),
                ("primary_region", Text, &|(_, db)| {
                    Datum::maybe(db.primary.as_ref())
                }),
                ("secondary_region", Text, &|(_, db)| {
                    Datum::maybe(db.secondary.as_ref())
                }),
                ("regions", Strings, &|(_, db)| strings(&db.regions)),
                ("survival_goal", Text, &|(_, db)| goal(db)),
            ],
        )
    }

    fn tables(&self, name: &'a str) -> Result<Relation> {
        let (name, _) = self.database(name)?;
        Ok(Relation::of(
            tables_of(self.catalog, name),
            &[
                ("schema_name", Text, &|_| Datum::text("public")),
                ("table_name", Text, &|table| Datum::text(&table.name)),
                ("type", Text, &|_| Datum::text("table")),
                ("owner", Text, &|table| Datum::text(&table.owner)),
            ],
        ))
    }

    fn grants(&self, name: &'a str) -> Result<Relation> {
        let (name, db) = self.database(name)?;
        let mut grants = vec![("admin", "ALL", true), ("root", "ALL", true)];
        for (user, privileges) in &db.grants {
            grants.extend(
                privileges
                    .iter()
                    .map(|p| (user.as_str(), p.as_str(), false)),
            );
        }
        grants.sort_unstable();
        Ok(Relation::of(
            grants,
            &[
                ("database_name", Text, &|_| Datum::text(name)),
                ("grantee", Text, &|(user, ..)| Datum::text(*user)),
                ("privilege_type", Text, &|(_, privilege, _)| {
                    Datum::text(*privilege)
                }),
                ("is_grantable", Bool, &|(.., further)| Datum::Bool(*further)),
            ],
        ))
    }
}

/// SHOW REGIONS: those of the cluster, and which databases use them.
fn regions_and_databases(catalog: &Catalog) -> Relation {
    let with = |uses: &dyn Fn(&Database) -> bool| {
        let databases = catalog.databases.iter().filter(|(_, db)| uses(db));
        strings(databases.map(|(name, _)| name))
    };
    Relation::of(
        catalog.regions(),
        &[
            ("region", Text, &|(region, _)| Datum::text(region)),
            ("zones", Strings, &|(_, zones)| strings(zones)),
            ("database_names", Strings, &|(region, _)| {
                with(&|db| db.regions.contains(region))
            }),
            ("primary_region_of", Strings, &|(region, _)| {
                with(&|db| db.primary.as_ref() == Some(region))
            }),
            ("secondary_region_of", Strings, &|(region, _)| {
                with(&|db| db.secondary.as_ref() == Some(region))
            }),
        ],
    )
}

fn all_database_regions(catalog: &Catalog) -> Relation {
    Relation::of(
        &catalog.databases,
        &[
            ("database_name", Text, &|(name, _)| Datum::text(*name)),
            ("regions", Strings, &|(_, db)| strings(&db.regions)),
            ("primary_region", Text, &|(_, db)| {
                Datum::maybe(db.primary.as_ref())
            }),
            ("secondary_region", Text, &|(_, db)| {
                Datum::maybe(db.secondary.as_ref())
            }),
        ],
    )
}

fn columns(table: &Table) -> Relation {
    Relation::of(
        &table.columns,
        &[
            ("column_name", Text, &|c| Datum::text(&c.name)),
            ("data_type", Text, &|c| Datum::text(column_sql(c))),
            ("is_nullable", Bool, &|c| Datum::Bool(!c.not_null)),
            ("column_default", Text, &|c| {
                Datum::maybe(c.default.as_ref())
            }),
            ("is_hidden", Bool, &|c| Datum::Bool(c.hidden)),
        ],
    )
}

fn users(catalog: &Catalog) -> Relation {
    let mut users: Vec<(&str, bool, bool)> = catalog
        .users
        .iter()
        .map(|(name, user)| (name.as_str(), user.login, user.admin))
        .collect();
    users.push(("admin", true, false));
    users.sort_unstable();
    let list = |word: &str, listed: bool| {
        Datum::Strings(listed.then(|| word.to_owned()).into_iter().collect())
    };
    Relation::of(
        users,
        &[
            ("username", Text, &|(name, ..)| Datum::text(*name)),
            ("options", Strings, &|(_, login, _)| list("NOLOGIN", !login)),
            ("member_of", Strings, &|(.., admin)| list("admin", *admin)),
        ],
    )
}

fn variable(view: &View, name: &str) -> Result<Relation> {
    if name == "all" {
        return Ok(Relation::of(
            &view.variables,
            &[
                ("variable", Text, &|(name, _)| Datum::text(*name)),
                ("value", Text, &|(_, value)| Datum::text(*value)),
            ],
        ));
    }
    let value = view.variables.get(name).ok_or_else(|| {
        SqlError::new(
            "42704",
            format!("unrecognized configuration parameter \"{name}\""),
        )
    })?;
    Ok(Relation::line([(name, Datum::text(value))]))
}
