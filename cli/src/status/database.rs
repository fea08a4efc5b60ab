//! The database: its nodes in each region, and what it survives.

use atlas_engine::cockroachdb::names;

use super::Row;
use super::container::{restart, row};
use crate::facts::{Answer, Container, Database, Facts, Member, Nodes, Survives};

/// The rows of each region that has nodes of it.
pub(super) fn rows(facts: &Facts) -> Vec<(&str, Vec<Row>)> {
    let (Some(declared), Some(database)) = (&facts.world.cockroachdb, &facts.database) else {
        return Vec::new();
    };
    let regions = declared.regions.iter();
    regions
        .map(|(region, voters)| {
            let numbers = 1..=voters.nodes;
            let rows = numbers.map(|number| {
                let name = names::node(&declared.cluster, region, number);
                of_node(&name, database)
            });
            (region.as_str(), rows.collect())
        })
        .collect()
}

fn of_node(name: &str, database: &Database) -> Row {
    let containers = match &database.containers {
        Answer::Known(containers) => containers,
        Answer::Unknown(why) => return Row::unknown("database node", name, why),
    };
    let found = containers.iter().find(|one| one.name == name);
    row("database node", name, found, |found| {
        of_running(found, &database.cluster)
    })
}

fn of_running(found: &Container, cluster: &Answer<Nodes>) -> Row {
    let (kind, name) = ("database node", found.name.as_str());
    let Answer::Known(Nodes::Live { nodes, .. }) = cluster else {
        return Row::unknown(kind, name, "runs; its cluster does not answer");
    };
    let Some(member) = nodes.get(name) else {
        return Row::down(kind, name, "runs, and its cluster does not count it")
            .remedy("make world lets it join");
    };
    match member {
        Member { is_live: false, .. } => {
            Row::down(kind, name, "runs, and its cluster calls it dead").remedy(restart(name))
        }
        Member {
            is_leaving: true, ..
        } => Row::differs(kind, name, "leaves its cluster").remedy("make world takes it back"),
        Member {
            is_draining: true, ..
        } => Row::differs(kind, name, "takes no clients").remedy(restart(name)),
        _ => Row::well(kind, name, "live"),
    }
}

/// The database as a whole.
pub(super) fn of_all(facts: &Facts) -> Option<Row> {
    let name = &facts.world.cockroachdb.as_ref()?.database;
    let database = facts.database.as_ref()?;
    let told = of_cluster(facts, name, database);
    Some(told.unwrap_or_else(|| of_database(facts, name, database)))
}

/// What is wrong with the cluster that the database is in; `None` where nothing is.
fn of_cluster(facts: &Facts, name: &str, database: &Database) -> Option<Row> {
    let row = match &database.cluster {
        Answer::Unknown(why) => Row::unknown("database", name, why),
        Answer::Known(Nodes::Absent) => {
            Row::down("database", name, "missing").remedy("make world makes it again")
        }
        Answer::Known(Nodes::Uninitialized) => {
            Row::down("database", name, "its nodes wait for init")
                .remedy("make world initializes it")
        }
        Answer::Known(Nodes::Silent(why)) => {
            let detail = format!("does not answer: {why}");
            Row::down("database", name, detail).remedy(mend(facts))
        }
        Answer::Known(Nodes::Live { survives: None, .. }) => {
            let detail = "serves nothing: too few of its nodes are live";
            Row::down("database", name, detail).remedy(mend(facts))
        }
        Answer::Known(Nodes::Live { .. }) => return None,
    };
    Some(row)
}

fn of_database(facts: &Facts, name: &str, database: &Database) -> Row {
    let declared = match &database.declared {
        Answer::Known(declared) => declared,
        Answer::Unknown(why) => return Row::unknown("database", name, why),
    };
    if !declared.exists {
        return Row::down("database", name, "missing").remedy("make world makes it again");
    }
    if !declared.differs.is_empty() {
        return Row::differs("database", name, declared.differs.join("; "))
            .remedy("make plan shows the whole, make world sets it right");
    }
    let goal = facts.world.cockroachdb.as_ref();
    let goal = goal.and_then(|one| one.survival_goal.as_deref());
    let Some(survives) = survives(facts) else {
        return Row::unknown("database", name, "what it survives could not be asked");
    };
    let is_kept = match goal {
        Some("region") => survives.region,
        _ => survives.node,
    };
    if is_kept {
        Row::well("database", name, sentence(survives))
    } else {
        Row::differs("database", name, sentence(survives)).remedy(mend(facts))
    }
}

/// What is survived, in words.
fn sentence(survives: &Survives) -> String {
    let kinds = [
        ("node", survives.node),
        ("zone", survives.zone),
        ("region", survives.region),
    ];
    let kept = kinds.iter().filter(|(_, kept)| *kept);
    let kept: Vec<&str> = kept.map(|(kind, _)| *kind).collect();
    let kept = match kept.as_slice() {
        [] => "survives no failure".to_owned(),
        [one] => format!("survives the loss of any {one}"),
        [first @ .., last] => format!("survives the loss of any {} or {last}", first.join(", ")),
    };
    if survives.not.is_empty() {
        kept
    } else {
        format!(
            "{kept}; would not survive the loss of {}",
            survives.not.join(", ")
        )
    }
}

/// What to do about a database that is less safe than declared.
fn mend(facts: &Facts) -> String {
    let declared = facts.world.cockroachdb.iter();
    let database = facts.database.iter();
    let wanted = declared
        .flat_map(|one| one.regions.values())
        .map(|one| one.nodes as usize);
    let containers = database.filter_map(|one| one.containers.known()).flatten();
    if containers.filter(|one| one.running).count() < wanted.sum() {
        "make world starts its nodes that are down".to_owned()
    } else {
        "its replicas may still be moving: ask again in a minute, then make world".to_owned()
    }
}

/// What the database survives, where that is known.
pub(super) fn survives(facts: &Facts) -> Option<&Survives> {
    match facts.database.as_ref()?.cluster.known()? {
        Nodes::Live { survives, .. } => survives.as_ref(),
        _ => None,
    }
}
