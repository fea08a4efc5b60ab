//! CockroachDB: its containers, what its nodes say of each other, and the database in it.

use atlas_engine::cockroachdb::database::{self, Placement, Shape, Spec, Survival};
use atlas_engine::cockroachdb::quorum::Kind;
use atlas_engine::cockroachdb::topology::{Membership, View};
use atlas_engine::cockroachdb::{cluster, names};
use atlas_engine::docker;
use atlas_engine::{Context, labels};
use futures_util::future::join_all;

use super::gather::{ask, container};
use super::{Answer, Database, Declared, Member, Nodes, Survives};
use crate::world::{Cockroachdb, World};

/// How the image of the test double is called.
const DOUBLE: &str = "cockroach-double";

/// The database, where one is declared.
pub(super) async fn look(cx: &Context, world: &World) -> Option<Database> {
    let declared = world.cockroachdb.as_ref()?;
    let label = format!("{}={}", labels::ATLAS_COCKROACHDB, declared.cluster);
    // Docker is asked for the containers alone too: nodes without a quorum may let the other questions wait.
    let containers = async {
        let found = ask(docker::containers(cx, &label)).await;
        match found {
            Answer::Known(nodes) => {
                let seen = nodes
                    .iter()
                    .map(|node| container(cx, node, "", names::SQL_PORT));
                let secure = nodes.iter().all(cluster::is_secure);
                (Answer::Known(join_all(seen).await), secure)
            }
            Answer::Unknown(why) => (Answer::Unknown(why), true),
        }
    };
    let ((containers, is_secure), cluster, database) = tokio::join!(
        containers,
        ask(cluster::observe(cx, &declared.cluster, [])),
        ask(database::observe(cx, &declared.cluster, &declared.database)),
    );
    let nodes = containers.known().into_iter().flatten();
    let is_double = nodes.clone().any(|node| node.image.contains(DOUBLE));
    let consoles = cluster.known().map(cluster::Observed::consoles);
    Some(Database {
        consoles: consoles.unwrap_or_default(),
        cluster: match cluster {
            Answer::Known(observed) => Answer::Known(read(&observed)),
            Answer::Unknown(why) => Answer::Unknown(why),
        },
        declared: match database {
            Answer::Known(observed) => compare(declared, &observed),
            Answer::Unknown(why) => Answer::Unknown(why),
        },
        is_double,
        is_secure,
        containers,
    })
}

fn read(observed: &cluster::Observed) -> Nodes {
    let topology = match &observed.view {
        View::Absent => return Nodes::Absent,
        View::Uninitialized => return Nodes::Uninitialized,
        View::Silent(why) => return Nodes::Silent(why.clone()),
        View::Live(topology) => topology,
    };
    let nodes = observed.containers.iter().filter_map(|node| {
        let address = format!("{}:{}", node.name, names::SQL_PORT);
        let status = topology.at(&address)?;
        let member = Member {
            is_live: status.is_live,
            is_draining: status.is_draining,
            is_leaving: status.membership != Membership::Active,
        };
        Some((node.name.clone(), member))
    });
    let report = &observed.report;
    let not = report
        .failures
        .iter()
        .filter(|failure| !failure.is_survived);
    let has_quorum = topology.members().any(|node| node.is_available);
    Nodes::Live {
        nodes: nodes.collect(),
        survives: (has_quorum && !report.failures.is_empty()).then(|| Survives {
            node: report.survives(Kind::Node),
            zone: report.survives(Kind::Zone),
            region: report.survives(Kind::Region),
            not: not.map(|failure| failure.name.clone()).collect(),
        }),
    }
}

/// What the engine would change for what the description says.
fn compare(declared: &Cockroachdb, observed: &database::Observed) -> Answer<Declared> {
    if !matches!(observed.view, View::Live(_)) {
        return Answer::Unknown("its cluster does not answer".to_owned());
    }
    let shape = observed.shape.as_ref();
    let spec = Spec {
        cluster: declared.cluster.clone(),
        name: declared.database.clone(),
        shape: Shape {
            primary: declared.primary_region.clone(),
            regions: declared.regions.keys().cloned().collect(),
            secondary: declared.secondary_region.clone(),
            survival: match declared.survival_goal.as_deref() {
                Some("region") => Survival::Region,
                _ => Survival::Zone,
            },
            placement: shape.map_or(Placement::Default, |shape| shape.placement),
        },
    };
    let plan = database::plan(&spec, observed.exists, shape);
    let differs = plan.differences.iter();
    let differs = differs.map(|one| {
        format!(
            "{} is {} and should be {}",
            one.field, one.before, one.after
        )
    });
    Answer::Known(Declared {
        exists: observed.exists,
        differs: differs.collect(),
    })
}
