//! ALTER DATABASE: regions, survival goals, placement and owners.

use super::zones::{PROTECTED, modified};
use super::{Change, Done, Result, done, no_database, no_user};
use crate::catalog::{Catalog, Database};
use crate::error::SqlError;

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

pub(super) fn alter(
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
    let mut altered = Altered {
        catalog,
        name,
        new: database.clone(),
    };
    let notice = altered.change(change)?;
    let new = altered.new;
    if let Some(zone) = catalog.zones.get_mut(&format!("DATABASE {name}")) {
        zone.retain(|field, _| !PROTECTED.contains(&field.as_str()));
    }
    catalog.databases.insert(name.to_owned(), new);
    Ok(Done {
        notices: notice.into_iter().collect(),
        ..done(tag)
    })
}

/// A database, as a change makes it.
struct Altered<'a> {
    catalog: &'a Catalog,
    name: &'a str,
    new: Database,
}

impl Altered<'_> {
    /// Makes a change; the answer is a notice for the client.
    fn change(&mut self, change: Change) -> Result<Option<String>> {
        match change {
            Change::Primary(region) => self.primary(region)?,
            Change::Add(region, if_not_exists) => return self.add(region, if_not_exists),
            Change::Drop(region, if_exists) => return self.drop(&region, if_exists),
            Change::Survive(region) => self.survive(region)?,
            Change::Secondary(region) => self.secondary(region)?,
            Change::DropSecondary(if_exists) => return self.drop_secondary(if_exists),
            Change::Placement(restricted) => self.place(restricted)?,
            Change::Owner(owner) => self.own(owner)?,
        }
        Ok(None)
    }

    fn is_regional(&self) -> bool {
        self.new.primary.is_some()
    }

    /// PRIMARY REGION: the first one makes it a multi-region database.
    fn primary(&mut self, region: String) -> Result<()> {
        let name = self.name;
        if !self.is_regional() {
            in_cluster(self.catalog, &region)?;
            self.new.regions.insert(region.clone());
        } else if self.new.secondary.as_ref() == Some(&region) {
            return Err(SqlError::new(
                "42P12",
                format!("region \"{region}\" is currently the secondary region"),
            )
            .hint("you must drop the secondary region first using ALTER DATABASE … DROP SECONDARY REGION"));
        } else if !self.new.regions.contains(&region) {
            return Err(SqlError::new(
                "42602",
                format!("region \"{region}\" has not been added to the database"),
            )
            .hint(format!("you must add the region to the database before setting it as primary region, using ALTER DATABASE {name} ADD REGION {region}")));
        }
        self.new.primary = Some(region);
        Ok(())
    }

    /// ADD REGION.
    fn add(&mut self, region: String, if_not_exists: bool) -> Result<Option<String>> {
        let name = self.name;
        let mut notice = None;
        if !self.is_regional() {
            return Err(SqlError::new(
                "42P12",
                format!("cannot add region \"{region}\" to database {name}"),
            )
            .hint(format!("you must add a PRIMARY REGION first using ALTER DATABASE {name} PRIMARY REGION \"{region}\"")));
        }
        in_cluster(self.catalog, &region)?;
        if self.new.regions.contains(&region) {
            if !if_not_exists {
                return Err(SqlError::new(
                    "42710",
                    format!("region \"{region}\" already added to database"),
                ));
            }
            notice = Some(format!("region \"{region}\" already exists; skipping"));
        }
        self.new.regions.insert(region);
        Ok(notice)
    }

    /// DROP REGION: the last one makes it a plain database again.
    fn drop(&mut self, region: &str, if_exists: bool) -> Result<Option<String>> {
        let name = self.name;
        let mut notice = None;
        if !self.is_regional() {
            return Err(SqlError::new("42P12", "database has no regions to drop"));
        }
        if !self.new.regions.contains(region) {
            if !if_exists {
                return Err(SqlError::new(
                    "42704",
                    format!("region \"{region}\" has not been added to the database"),
                ));
            }
            notice = Some(format!(
                "region \"{region}\" is not defined on the database; skipping"
            ));
        } else if self.new.secondary.as_deref() == Some(region) {
            return Err(SqlError::new("42P12", format!("cannot drop region \"{region}\"")).hint(
                "You must designate another region as the secondary region using ALTER DATABASE … SET SECONDARY REGION, or drop it, before this region can be dropped",
            ));
        } else if self.new.primary.as_deref() == Some(region) && self.new.regions.len() > 1 {
            return Err(SqlError::new("42P12", format!("cannot drop region \"{region}\"")).hint(format!(
                "You must designate another region as the primary region using ALTER DATABASE {name} PRIMARY REGION <region name> or remove all other regions before attempting to drop region \"{region}\""
            )));
        } else if self.new.survive_region && self.new.regions.len() <= 3 {
            return Err(three_needed());
        } else {
            self.new.regions.remove(region);
            if self.new.regions.is_empty() {
                self.new.primary = None;
                self.new.restricted = false;
            }
        }
        Ok(notice)
    }

    /// SURVIVE: whether REGION FAILURE.
    fn survive(&mut self, region: bool) -> Result<()> {
        let name = self.name;
        if !self.is_regional() {
            return Err(SqlError::new(
                "42602",
                "database must have associated regions before a survival goal can be set",
            )
            .hint(format!("you must first add a primary region to the database using ALTER DATABASE {name} PRIMARY REGION <region_name>")));
        }
        if region && self.new.regions.len() < 3 {
            return Err(three_needed());
        }
        if region && self.new.restricted {
            return Err(restricted_and_surviving());
        }
        self.new.survive_region = region;
        Ok(())
    }

    /// SET SECONDARY REGION.
    fn secondary(&mut self, region: String) -> Result<()> {
        let name = self.name;
        if !self.is_regional() {
            return Err(SqlError::new(
                "42P12",
                "database must be multi-region to support a secondary region",
            )
            .hint(format!("you must first add a primary region to the database using ALTER DATABASE {name} PRIMARY REGION <region_name>")));
        }
        if !self.new.regions.contains(&region) {
            return Err(SqlError::new(
                "42P12",
                format!("region \"{region}\" has not been added to the database"),
            ));
        }
        if self.new.primary.as_ref() == Some(&region) {
            return Err(SqlError::new(
                "42P12",
                "the secondary region cannot be the same as the current primary region",
            ));
        }
        self.new.secondary = Some(region);
        Ok(())
    }

    /// DROP SECONDARY REGION.
    fn drop_secondary(&mut self, if_exists: bool) -> Result<Option<String>> {
        let name = self.name;
        let mut notice = None;
        if self.new.secondary.take().is_none() {
            let words = format!("database {name} doesn't have a secondary region defined");
            if !if_exists {
                return Err(SqlError::new("42P02", words));
            }
            notice = Some(format!("{words}; skipping"));
        }
        Ok(notice)
    }

    /// PLACEMENT: whether RESTRICTED.
    fn place(&mut self, restricted: bool) -> Result<()> {
        let name = self.name;
        if !self.is_regional() {
            return Err(SqlError::new(
                "42602",
                "database must have associated regions before a placement policy can be set",
            )
            .hint(format!("you must first add a primary region to the database using ALTER DATABASE {name} PRIMARY REGION <region_name>")));
        }
        if restricted && self.new.survive_region {
            return Err(restricted_and_surviving());
        }
        self.new.restricted = restricted;
        Ok(())
    }

    /// OWNER TO.
    fn own(&mut self, owner: String) -> Result<()> {
        if !self.catalog.users.contains_key(&owner) {
            return Err(no_user(&owner));
        }
        self.new.owner = owner;
        Ok(())
    }
}

/// The error for a region that the cluster does not have.
pub(super) fn in_cluster(catalog: &Catalog, region: &str) -> Result<()> {
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

pub(super) fn three_needed() -> SqlError {
    SqlError::new(
        "22023",
        "at least 3 regions are required for surviving a region failure",
    )
    .hint("you must add additional regions to the database or change the survivability goal")
}

pub(super) fn restricted_and_surviving() -> SqlError {
    SqlError::new(
        "22023",
        "a region-survivable database cannot also have a restricted placement policy",
    )
}
