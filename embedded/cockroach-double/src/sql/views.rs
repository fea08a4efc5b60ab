//! What SQL shows of the cluster: `SHOW`, `crdb_internal`, `information_schema`, and functions about them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use uuid::Uuid;

use super::exec::Relation;
use super::parse::Show;
use super::value::{Datum, Ty};
use crate::catalog::{Catalog, Database, Membership, Table};
use crate::ddl::{no_database, no_table};
use crate::error::SqlError;
use crate::locality::Locality;
use crate::placement;
use crate::rpc::StatusRow;
use crate::settings;
use crate::state::State;

type Result<T> = std::result::Result<T, SqlError>;

/// What a session can see besides the state.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    /// Who asks.
    pub(crate) user: String,
    /// The session's database.
    pub(crate) database: String,
    /// The gateway.
    pub(crate) node: u64,
    /// The cluster.
    pub(crate) cluster: Uuid,
    /// Where the gateway is.
    pub(crate) locality: Locality,
    /// All nodes.
    pub(crate) nodes: Vec<StatusRow>,
    /// Who votes.
    pub(crate) voters: Vec<u64>,
    /// Who holds the log without voting.
    pub(crate) non_voters: Vec<u64>,
    /// Who leads.
    pub(crate) leader: Option<u64>,
    /// The session's variables.
    pub(crate) variables: BTreeMap<String, String>,
}

/// What `version()` says.
pub(crate) fn version() -> String {
    format!(
        "CockroachDB-double {} (Atlas test double of CockroachDB, not CockroachDB; follows {})",
        crate::node::build(),
        crate::node::version()
    )
}

/// A function about the session or cluster, if there is one of this name.
pub(crate) fn function(
    view: &View,
    state: &State,
    name: &str,
    args: usize,
    now: i64,
) -> Result<Option<Datum>> {
    let value = match (name, args) {
        ("version", 0) => Datum::text(version()),
        ("now" | "current_timestamp" | "transaction_timestamp", 0) => Datum::Timestamp(now),
        ("statement_timestamp" | "clock_timestamp", 0) => {
            Datum::Timestamp(chrono::Utc::now().timestamp_micros())
        }
        ("cluster_logical_timestamp", 0) => {
            Datum::Decimal(rust_decimal::Decimal::from(state.applied))
        }
        ("gateway_region", 0) => match view.locality.region() {
            Some(region) => Datum::text(region),
            None => {
                return Err(SqlError::new(
                    "42704",
                    "no region set on the locality flag on this node",
                ));
            }
        },
        ("current_user" | "session_user", 0) => Datum::text(&view.user),
        ("current_database" | "current_catalog", 0) => Datum::text(&view.database),
        ("current_schema", 0) => Datum::text("public"),
        ("crdb_internal.cluster_id", 0) => Datum::Uuid(view.cluster),
        ("crdb_internal.node_id", 0) => Datum::Int(i64::try_from(view.node).unwrap_or(0)),
        ("crdb_internal.node_executable_version" | "crdb_internal.executable_version", 0) => {
            Datum::text("25.4")
        }
        ("crdb_internal.validate_multi_region_zone_configs", 0) => {
            let zone = state
                .catalog
                .zones
                .get(&format!("DATABASE {}", view.database));
            let regional = state
                .catalog
                .databases
                .get(&view.database)
                .is_some_and(|db| db.primary.is_some());
            let changed = zone.and_then(|zone| zone.keys().find(|field| !field.starts_with("gc.")));
            if let Some(field) = changed.filter(|_| regional) {
                return Err(SqlError::new(
                    "42P17",
                    format!(
                        "attempting to update zone configuration for database \"{}\" which contains modified field \"{field}\"",
                        view.database
                    ),
                ));
            }
            Datum::Bool(true)
        }
        _ => return Ok(None),
    };
    Ok(Some(value))
}

/// A view by its name.
pub(crate) fn find(view: &View, state: &State, parts: &[String]) -> Result<Option<Relation>> {
    let [.., schema, name] = parts else {
        return Ok(None);
    };
    let catalog = &state.catalog;
    let relation = match (schema.as_str(), name.as_str()) {
        ("crdb_internal", "gossip_nodes") => gossip_nodes(view),
        ("crdb_internal", "gossip_liveness" | "kv_node_liveness") => liveness(view),
        ("crdb_internal", "kv_node_status") => node_status(view),
        ("crdb_internal", "kv_store_status") => store_status(view),
        ("crdb_internal", "ranges" | "ranges_no_leases") => ranges(view, catalog, name == "ranges"),
        ("crdb_internal", "regions") => cluster_regions(catalog),
        ("crdb_internal", "cluster_settings") => all_settings(catalog),
        ("information_schema", "tables") => Relation::new(
            &[
                ("table_catalog", Ty::String),
                ("table_schema", Ty::String),
                ("table_name", Ty::String),
                ("table_type", Ty::String),
            ],
            tables_of(catalog, &view.database)
                .map(|t| {
                    vec![
                        Datum::text(&t.database),
                        Datum::text("public"),
                        Datum::text(&t.name),
                        Datum::text("BASE TABLE"),
                    ]
                })
                .collect(),
        ),
        ("information_schema", "columns") => Relation::new(
            &[
                ("table_catalog", Ty::String),
                ("table_schema", Ty::String),
                ("table_name", Ty::String),
                ("column_name", Ty::String),
                ("ordinal_position", Ty::Int),
                ("data_type", Ty::String),
                ("is_nullable", Ty::String),
            ],
            tables_of(catalog, &view.database)
                .flat_map(|t| {
                    t.columns.iter().enumerate().map(move |(n, c)| {
                        vec![
                            Datum::text(&t.database),
                            Datum::text("public"),
                            Datum::text(&t.name),
                            Datum::text(&c.name),
                            Datum::count(n + 1),
                            Datum::text(c.ty.name()),
                            Datum::text(if c.not_null { "NO" } else { "YES" }),
                        ]
                    })
                })
                .collect(),
        ),
        ("crdb_internal" | "information_schema" | "pg_catalog", _) => {
            return Err(SqlError::unsupported(format!("the view {schema}.{name}")));
        }
        ("system", _) => return Err(SqlError::unsupported(format!("the table system.{name}"))),
        _ => return Ok(None),
    };
    if schema == "crdb_internal" && name != "regions" && !catalog.is_admin(&view.user) {
        return Err(SqlError::new(
            "42501",
            format!(
                "user {} does not have VIEWCLUSTERMETADATA system privilege",
                view.user
            ),
        ));
    }
    Ok(Some(relation))
}

fn id(n: u64) -> Datum {
    Datum::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

fn tables_of<'a>(catalog: &'a Catalog, database: &'a str) -> impl Iterator<Item = &'a Table> {
    catalog
        .tables
        .values()
        .filter(move |table| table.database == database)
}

fn present(view: &View) -> impl Iterator<Item = &StatusRow> {
    view.nodes
        .iter()
        .filter(|row| row.membership != Membership::Decommissioned)
}

fn gossip_nodes(view: &View) -> Relation {
    let rows = present(view)
        .map(|row| {
            vec![
                id(row.id),
                Datum::text("tcp"),
                Datum::text(&row.facts.address),
                Datum::text(&row.facts.address),
                Datum::text(row.facts.attrs.clone()),
                Datum::text(row.facts.locality.to_string()),
                Datum::text(""),
                Datum::text("25.4"),
                Datum::text(&row.facts.build),
                Datum::Timestamp(row.facts.started_at),
                Datum::Bool(row.live),
                id(row.replicas),
                if row.leads {
                    id(row.replicas)
                } else {
                    Datum::Int(0)
                },
                Datum::text(&row.facts.sql_address),
            ]
        })
        .collect();
    Relation::new(
        &[
            ("node_id", Ty::Int),
            ("network", Ty::String),
            ("address", Ty::String),
            ("advertise_address", Ty::String),
            ("attrs", Ty::String),
            ("locality", Ty::String),
            ("cluster_name", Ty::String),
            ("server_version", Ty::String),
            ("build_tag", Ty::String),
            ("started_at", Ty::Timestamptz),
            ("is_live", Ty::Bool),
            ("ranges", Ty::Int),
            ("leases", Ty::Int),
            ("advertise_sql_address", Ty::String),
        ],
        rows,
    )
}

fn liveness(view: &View) -> Relation {
    let rows = view
        .nodes
        .iter()
        .map(|row| {
            vec![
                id(row.id),
                Datum::Int(1),
                Datum::text(format!("{}.000,0", row.updated_at)),
                Datum::Bool(row.draining),
                Datum::Bool(row.membership != Membership::Active),
                Datum::text(row.membership.name()),
                Datum::Timestamp(row.updated_at),
            ]
        })
        .collect();
    Relation::new(
        &[
            ("node_id", Ty::Int),
            ("epoch", Ty::Int),
            ("expiration", Ty::String),
            ("draining", Ty::Bool),
            ("decommissioning", Ty::Bool),
            ("membership", Ty::String),
            ("updated_at", Ty::Timestamptz),
        ],
        rows,
    )
}

fn node_status(view: &View) -> Relation {
    let rows = present(view)
        .map(|row| {
            vec![
                id(row.id),
                Datum::text("tcp"),
                Datum::text(&row.facts.address),
                Datum::text(row.facts.attrs.clone()),
                Datum::text(row.facts.locality.to_string()),
                Datum::text("25.4"),
                Datum::text(&row.facts.build),
                Datum::Timestamp(row.facts.started_at),
                Datum::Timestamp(row.updated_at),
            ]
        })
        .collect();
    Relation::new(
        &[
            ("node_id", Ty::Int),
            ("network", Ty::String),
            ("address", Ty::String),
            ("attrs", Ty::String),
            ("locality", Ty::String),
            ("server_version", Ty::String),
            ("tag", Ty::String),
            ("started_at", Ty::Timestamptz),
            ("updated_at", Ty::Timestamptz),
        ],
        rows,
    )
}

fn store_status(view: &View) -> Relation {
    let rows = present(view)
        .map(|row| {
            let leases = if row.leads {
                id(row.replicas)
            } else {
                Datum::Int(0)
            };
            vec![id(row.id), id(row.id), id(row.replicas), leases]
        })
        .collect();
    Relation::new(
        &[
            ("node_id", Ty::Int),
            ("store_id", Ty::Int),
            ("range_count", Ty::Int),
            ("lease_count", Ty::Int),
        ],
        rows,
    )
}

/// One range per table and index, and those of the system: all of them are the one Raft group.
fn all_ranges(catalog: &Catalog) -> Vec<(usize, String, String, String)> {
    let mut ranges: Vec<(String, String, String)> =
        ["meta", "liveness", "system", "timeseries", "tenants"]
            .iter()
            .map(|name| ("system".to_owned(), String::new(), format!("/{name}")))
            .collect();
    for table in catalog.tables.values() {
        ranges.push((
            table.database.clone(),
            table.name.clone(),
            format!("/Table/{}", table.id),
        ));
        for index in &table.indexes {
            ranges.push((
                table.database.clone(),
                table.name.clone(),
                format!("/Table/{}/{}", table.id, index.id),
            ));
        }
    }
    ranges
        .into_iter()
        .enumerate()
        .map(|(n, (db, table, key))| (n + 1, db, table, key))
        .collect()
}

fn replica_cells(view: &View) -> (Datum, Datum, Datum, Datum, Datum, Datum) {
    let locality = |id: &u64| {
        view.nodes
            .iter()
            .find(|row| row.id == *id)
            .map_or_else(String::new, |row| row.facts.locality.to_string())
    };
    let braces = |ids: &[u64]| Datum::Strings(ids.iter().map(u64::to_string).collect());
    let mut replicas: Vec<u64> = view
        .voters
        .iter()
        .chain(&view.non_voters)
        .copied()
        .collect();
    replicas.sort_unstable();
    let localities = Datum::Strings(replicas.iter().map(locality).collect());
    (
        braces(&replicas),
        localities,
        braces(&view.voters),
        braces(&view.non_voters),
        view.leader.map_or(Datum::Null, id),
        view.leader
            .map_or(Datum::Null, |leader| Datum::text(locality(&leader))),
    )
}

fn ranges(view: &View, catalog: &Catalog, leases: bool) -> Relation {
    let (replicas, localities, voters, non_voters, lease_holder, _) = replica_cells(view);
    let mut fields = vec![
        ("range_id", Ty::Int),
        ("start_pretty", Ty::String),
        ("database_name", Ty::String),
        ("table_name", Ty::String),
        ("replicas", Ty::Strings),
        ("replica_localities", Ty::Strings),
        ("voting_replicas", Ty::Strings),
        ("non_voting_replicas", Ty::Strings),
    ];
    if leases {
        fields.push(("lease_holder", Ty::Int));
    }
    let rows = all_ranges(catalog)
        .into_iter()
        .map(|(n, database, table, key)| {
            let mut row = vec![
                Datum::count(n),
                Datum::text(key),
                Datum::text(database),
                Datum::text(table),
                replicas.clone(),
                localities.clone(),
                voters.clone(),
                non_voters.clone(),
            ];
            if leases {
                row.push(lease_holder.clone());
            }
            row
        })
        .collect();
    Relation::new(&fields, rows)
}

fn show_ranges(
    view: &View,
    catalog: &Catalog,
    database: Option<&str>,
    table: Option<&str>,
    details: bool,
) -> Relation {
    let (replicas, localities, voters, non_voters, lease_holder, lease_locality) =
        replica_cells(view);
    let mut fields = vec![
        ("start_key", Ty::String),
        ("end_key", Ty::String),
        ("range_id", Ty::Int),
        ("replicas", Ty::Strings),
        ("replica_localities", Ty::Strings),
        ("voting_replicas", Ty::Strings),
        ("non_voting_replicas", Ty::Strings),
    ];
    if details {
        fields.push(("lease_holder", Ty::Int));
        fields.push(("lease_holder_locality", Ty::String));
    }
    let wanted = |db: &str, name: &str| {
        database.is_none_or(|wanted| wanted == db) && table.is_none_or(|wanted| wanted == name)
    };
    let rows = all_ranges(catalog)
        .into_iter()
        .filter(|(_, db, name, _)| wanted(db, name))
        .map(|(n, _, _, key)| {
            let mut row = vec![
                Datum::text(&key),
                Datum::text(format!("{key}/Max")),
                Datum::count(n),
                replicas.clone(),
                localities.clone(),
                voters.clone(),
                non_voters.clone(),
            ];
            if details {
                row.push(lease_holder.clone());
                row.push(lease_locality.clone());
            }
            row
        })
        .collect();
    Relation::new(&fields, rows)
}

fn zones_of(catalog: &Catalog, region: &str) -> Datum {
    Datum::Strings(
        catalog
            .regions()
            .get(region)
            .map(|zones| zones.iter().cloned().collect())
            .unwrap_or_default(),
    )
}

fn cluster_regions(catalog: &Catalog) -> Relation {
    let rows = catalog
        .regions()
        .into_iter()
        .map(|(region, zones)| {
            vec![
                Datum::String(region),
                Datum::Strings(zones.into_iter().collect()),
            ]
        })
        .collect();
    Relation::new(&[("region", Ty::String), ("zones", Ty::Strings)], rows)
}

fn all_settings(catalog: &Catalog) -> Relation {
    let rows = settings::KNOWN
        .iter()
        .map(|(name, kind, default, about)| {
            let value = catalog.settings.get(*name).cloned();
            let origin = if value.is_some() {
                "override"
            } else {
                "default"
            };
            let value = value.unwrap_or_else(|| (*default).to_owned());
            // A licence is a secret.
            let value = if *name == "enterprise.license" && !value.is_empty() {
                "<redacted>".to_owned()
            } else {
                value
            };
            vec![
                Datum::text(*name),
                Datum::String(value),
                Datum::text(kind.to_string()),
                Datum::text(*about),
                Datum::text(*default),
                Datum::text(origin),
            ]
        })
        .collect();
    Relation::new(
        &[
            ("variable", Ty::String),
            ("value", Ty::String),
            ("setting_type", Ty::String),
            ("description", Ty::String),
            ("default_value", Ty::String),
            ("origin", Ty::String),
        ],
        rows,
    )
}

fn regions(database: &Database) -> Datum {
    Datum::Strings(database.regions.iter().cloned().collect())
}

fn goal(database: &Database) -> Datum {
    database.primary.as_ref().map_or(Datum::Null, |_| {
        Datum::text(if database.survive_region {
            "region"
        } else {
            "zone"
        })
    })
}

/// A SHOW.
pub(crate) fn show(view: &View, state: &State, show: &Show) -> Result<Relation> {
    let catalog = &state.catalog;
    let database = |name: &str| {
        let name = if name.is_empty() {
            view.database.as_str()
        } else {
            name
        };
        catalog
            .databases
            .get_key_value(name)
            .ok_or_else(|| no_database(name))
    };
    let text = |names: &[&str], rows: Vec<Vec<Datum>>| {
        let fields: Vec<(&str, Ty)> = names.iter().map(|name| (*name, Ty::String)).collect();
        Relation::new(&fields, rows)
    };
    Ok(match show {
        Show::ClusterRegions => cluster_regions(catalog),
        Show::Regions => {
            let rows = catalog
                .regions()
                .into_iter()
                .map(|(region, zones)| {
                    let with = |test: &dyn Fn(&Database) -> bool| {
                        Datum::Strings(
                            catalog
                                .databases
                                .iter()
                                .filter(|(_, db)| test(db))
                                .map(|(name, _)| name.clone())
                                .collect(),
                        )
                    };
                    vec![
                        Datum::text(&region),
                        Datum::Strings(zones.into_iter().collect()),
                        with(&|db| db.regions.contains(&region)),
                        with(&|db| db.primary.as_ref() == Some(&region)),
                        with(&|db| db.secondary.as_ref() == Some(&region)),
                    ]
                })
                .collect();
            Relation::new(
                &[
                    ("region", Ty::String),
                    ("zones", Ty::Strings),
                    ("database_names", Ty::Strings),
                    ("primary_region_of", Ty::Strings),
                    ("secondary_region_of", Ty::Strings),
                ],
                rows,
            )
        }
        Show::DatabaseRegions(name) => {
            let (name, db) = database(name)?;
            let mut regions: Vec<&String> = db.regions.iter().collect();
            regions.sort_by_key(|region| (db.primary.as_ref() != Some(region), (*region).clone()));
            let rows = regions
                .into_iter()
                .map(|region| {
                    vec![
                        Datum::text(name),
                        Datum::text(region),
                        Datum::Bool(db.primary.as_ref() == Some(region)),
                        Datum::Bool(db.secondary.as_ref() == Some(region)),
                        zones_of(catalog, region),
                    ]
                })
                .collect();
            Relation::new(
                &[
                    ("database", Ty::String),
                    ("region", Ty::String),
                    ("primary", Ty::Bool),
                    ("secondary", Ty::Bool),
                    ("zones", Ty::Strings),
                ],
                rows,
            )
        }
        Show::AllDatabaseRegions => Relation::new(
            &[
                ("database_name", Ty::String),
                ("regions", Ty::Strings),
                ("primary_region", Ty::String),
                ("secondary_region", Ty::String),
            ],
            catalog
                .databases
                .iter()
                .map(|(name, db)| {
                    vec![
                        Datum::text(name),
                        regions(db),
                        Datum::maybe(db.primary.as_ref()),
                        Datum::maybe(db.secondary.as_ref()),
                    ]
                })
                .collect(),
        ),
        Show::Databases => Relation::new(
            &[
                ("database_name", Ty::String),
                ("owner", Ty::String),
                ("primary_region", Ty::String),
                ("secondary_region", Ty::String),
                ("regions", Ty::Strings),
                ("survival_goal", Ty::String),
            ],
            catalog
                .databases
                .iter()
                .filter(|(name, _)| catalog.may(&view.user, name, "CONNECT"))
                .map(|(name, db)| {
                    vec![
                        Datum::text(name),
                        Datum::text(&db.owner),
                        Datum::maybe(db.primary.as_ref()),
                        Datum::maybe(db.secondary.as_ref()),
                        regions(db),
                        goal(db),
                    ]
                })
                .collect(),
        ),
        Show::Tables(name) => {
            let (name, _) = database(name)?;
            let rows = tables_of(catalog, name)
                .map(|t| {
                    vec![
                        Datum::text("public"),
                        Datum::text(&t.name),
                        Datum::text("table"),
                        Datum::text(&t.owner),
                    ]
                })
                .collect();
            text(&["schema_name", "table_name", "type", "owner"], rows)
        }
        Show::Columns(db, name) => {
            let db = if db.is_empty() { &view.database } else { db };
            let table = catalog.table(db, name).ok_or_else(|| no_table(name))?;
            let rows = table
                .columns
                .iter()
                .map(|c| {
                    vec![
                        Datum::text(&c.name),
                        Datum::text(column_sql(c)),
                        Datum::Bool(!c.not_null),
                        Datum::maybe(c.default.as_ref()),
                        Datum::Bool(c.hidden),
                    ]
                })
                .collect();
            Relation::new(
                &[
                    ("column_name", Ty::String),
                    ("data_type", Ty::String),
                    ("is_nullable", Ty::Bool),
                    ("column_default", Ty::String),
                    ("is_hidden", Ty::Bool),
                ],
                rows,
            )
        }
        Show::Goal(name) => {
            let (name, db) = database(name)?;
            text(
                &["database", "survival_goal"],
                vec![vec![Datum::text(name), goal(db)]],
            )
        }
        Show::CreateDatabase(name) => {
            let (name, db) = database(name)?;
            text(
                &["database_name", "create_statement"],
                vec![vec![
                    Datum::text(name),
                    Datum::String(create_database(name, db)),
                ]],
            )
        }
        Show::CreateTable(db, name) => {
            let db = if db.is_empty() { &view.database } else { db };
            let table = catalog.table(db, name).ok_or_else(|| no_table(name))?;
            text(
                &["table_name", "create_statement"],
                vec![vec![
                    Datum::text(name),
                    Datum::String(create_table(catalog, table)),
                ]],
            )
        }
        Show::Zone(target) => zone(catalog, target)?,
        Show::Users => {
            let mut rows: Vec<Vec<Datum>> = catalog
                .users
                .iter()
                .map(|(name, user)| {
                    let options = if user.login {
                        vec![]
                    } else {
                        vec!["NOLOGIN".to_owned()]
                    };
                    let member = if user.admin {
                        vec!["admin".to_owned()]
                    } else {
                        vec![]
                    };
                    vec![
                        Datum::text(name),
                        Datum::Strings(options),
                        Datum::Strings(member),
                    ]
                })
                .collect();
            rows.push(vec![
                Datum::text("admin"),
                Datum::Strings(vec![]),
                Datum::Strings(vec![]),
            ]);
            rows.sort();
            Relation::new(
                &[
                    ("username", Ty::String),
                    ("options", Ty::Strings),
                    ("member_of", Ty::Strings),
                ],
                rows,
            )
        }
        Show::Grants(name) => {
            let (name, db) = database(name)?;
            let mut rows = vec![
                vec![
                    Datum::text(name),
                    Datum::text("admin"),
                    Datum::text("ALL"),
                    Datum::Bool(true),
                ],
                vec![
                    Datum::text(name),
                    Datum::text("root"),
                    Datum::text("ALL"),
                    Datum::Bool(true),
                ],
            ];
            for (user, privileges) in &db.grants {
                rows.extend(privileges.iter().map(|p| {
                    vec![
                        Datum::text(name),
                        Datum::text(user),
                        Datum::text(p),
                        Datum::Bool(false),
                    ]
                }));
            }
            rows.sort();
            Relation::new(
                &[
                    ("database_name", Ty::String),
                    ("grantee", Ty::String),
                    ("privilege_type", Ty::String),
                    ("is_grantable", Ty::Bool),
                ],
                rows,
            )
        }
        Show::Locality => text(
            &["locality"],
            vec![vec![Datum::text(view.locality.to_string())]],
        ),
        Show::Ranges(db, name, details) => {
            if let Some(db) = db {
                database(db)?;
                if let Some(name) = name {
                    catalog.table(db, name).ok_or_else(|| no_table(name))?;
                }
            }
            show_ranges(view, catalog, db.as_deref(), name.as_deref(), *details)
        }
        Show::Setting(name) => {
            let value = catalog.settings.get(name).cloned();
            let value = value
                .or_else(|| settings::default(name).map(str::to_owned))
                .unwrap_or_default();
            text(&[name.as_str()], vec![vec![Datum::String(value)]])
        }
        Show::Settings => all_settings(catalog),
        Show::Variable(name) => {
            let name = name.to_lowercase();
            if name == "all" {
                let rows = view
                    .variables
                    .iter()
                    .map(|(k, v)| vec![Datum::text(k), Datum::text(v)])
                    .collect();
                return Ok(text(&["variable", "value"], rows));
            }
            let Some(value) = view.variables.get(&name) else {
                return Err(SqlError::new(
                    "42704",
                    format!("unrecognized configuration parameter \"{name}\""),
                ));
            };
            text(&[name.as_str()], vec![vec![Datum::text(value)]])
        }
    })
}

fn quoted(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

fn create_database(name: &str, db: &Database) -> String {
    let mut text = format!("CREATE DATABASE {}", quoted(name));
    if let Some(primary) = &db.primary {
        let regions: Vec<String> = db
            .regions
            .iter()
            .map(|region| format!("\"{region}\""))
            .collect();
        let regions = regions.join(", ");
        let _ = write!(text, " PRIMARY REGION \"{primary}\" REGIONS = {regions}");
        text.push_str(if db.survive_region {
            " SURVIVE REGION FAILURE"
        } else {
            " SURVIVE ZONE FAILURE"
        });
        if db.restricted {
            text.push_str(" PLACEMENT RESTRICTED");
        }
        if let Some(secondary) = &db.secondary {
            let _ = write!(text, " SECONDARY REGION \"{secondary}\"");
        }
    }
    text
}

fn column_sql(column: &crate::catalog::Column) -> String {
    match (column.ty, column.width, column.scale) {
        (Ty::Decimal, Some(precision), Some(scale)) => format!("DECIMAL({precision},{scale})"),
        (Ty::String, Some(width), _) => format!("STRING({width})"),
        (Ty::Int, Some(bits), _) => format!("INT{}", bits / 8),
        (ty, ..) => ty.sql(),
    }
}

fn create_table(catalog: &Catalog, table: &Table) -> String {
    let names = |columns: &[usize]| {
        let names: Vec<String> = columns
            .iter()
            .filter_map(|n| table.columns.get(*n))
            .map(|c| format!("{} ASC", quoted(&c.name)))
            .collect();
        names.join(", ")
    };
    let mut lines: Vec<String> = table
        .columns
        .iter()
        .map(|c| {
            let hidden = if c.hidden { " NOT VISIBLE" } else { "" };
            let null = if c.not_null { "NOT NULL" } else { "NULL" };
            let default = c
                .default
                .as_ref()
                .map(|d| format!(" DEFAULT {d}"))
                .unwrap_or_default();
            format!(
                "{} {}{hidden} {null}{default}",
                quoted(&c.name),
                column_sql(c)
            )
        })
        .collect();
    lines.push(format!(
        "CONSTRAINT {} PRIMARY KEY ({})",
        quoted(&table.primary_name),
        names(&table.primary_key)
    ));
    for index in &table.indexes {
        let unique = if index.unique { "UNIQUE " } else { "" };
        lines.push(format!(
            "{unique}INDEX {} ({})",
            quoted(&index.name),
            names(&index.columns)
        ));
    }
    for check in &table.checks {
        lines.push(format!(
            "CONSTRAINT {} CHECK ({})",
            quoted(&check.name),
            check.expr
        ));
    }
    let locality = catalog
        .databases
        .get(&table.database)
        .and_then(|db| db.primary.as_ref());
    let locality = if locality.is_some() {
        " LOCALITY REGIONAL BY TABLE IN PRIMARY REGION"
    } else {
        ""
    };
    format!(
        "CREATE TABLE public.{} (\n\t{}\n){locality}",
        quoted(&table.name),
        lines.join(",\n\t")
    )
}

fn zone(catalog: &Catalog, target: &str) -> Result<Relation> {
    let (kind, name) = target.split_once(' ').unwrap_or(("RANGE", target));
    let own = catalog.zones.get(target);
    let mut fields: Vec<(String, String)> = vec![
        ("range_min_bytes".to_owned(), "134217728".to_owned()),
        ("range_max_bytes".to_owned(), "536870912".to_owned()),
        ("gc.ttlseconds".to_owned(), "14400".to_owned()),
    ];
    let system = matches!(name, "system" | "meta" | "liveness");
    let database = match kind {
        "DATABASE" => Some(
            catalog
                .databases
                .get(name)
                .ok_or_else(|| no_database(name))?,
        ),
        _ => None,
    };
    let regional = database.and_then(placement::zone);
    let shown = if own.is_some() || regional.is_some() {
        target.to_owned()
    } else {
        "RANGE default".to_owned()
    };
    match &regional {
        Some(zone) => fields.extend(zone.fields().into_iter().map(|(k, v)| (k.to_owned(), v))),
        None => fields.extend([
            (
                "num_replicas".to_owned(),
                if system { "5" } else { "3" }.to_owned(),
            ),
            ("constraints".to_owned(), "'[]'".to_owned()),
            ("lease_preferences".to_owned(), "'[]'".to_owned()),
        ]),
    }
    let inherited = if own.is_none() && regional.is_none() {
        catalog.zones.get("RANGE default")
    } else {
        own
    };
    for (field, value) in inherited.into_iter().flatten() {
        let value = if value.parse::<i64>().is_ok() {
            value.clone()
        } else {
            format!("'{value}'")
        };
        match fields.iter_mut().find(|(known, _)| known == field) {
            Some((_, known)) => *known = value,
            None => fields.push((field.clone(), value)),
        }
    }
    let shown = match shown.split_once(' ') {
        Some((kind, name)) => format!("{kind} {}", quoted(name)),
        None => shown,
    };
    let fields: Vec<String> = fields.iter().map(|(k, v)| format!("\t{k} = {v}")).collect();
    let sql = format!("ALTER {shown} CONFIGURE ZONE USING\n{}", fields.join(",\n"));
    Ok(Relation::new(
        &[("target", Ty::String), ("raw_config_sql", Ty::String)],
        vec![vec![Datum::String(shown), Datum::String(sql)]],
    ))
}
