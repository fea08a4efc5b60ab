//! The bridge between the clusters.

use super::Row;
use super::container::missing;
use crate::facts::{Answer, Facts};

/// How many differences are told; the plan has all of them.
const TOLD: usize = 3;

/// The bridge's row, where one is declared.
pub(super) fn rows(facts: &Facts) -> Option<Row> {
    let name = &facts.world.bridge.as_ref()?.name;
    let bridge = match facts.bridge.as_ref()? {
        Answer::Known(bridge) => bridge,
        Answer::Unknown(why) => return Some(Row::unknown("bridge", name, why)),
    };
    if !bridge.exists {
        return Some(missing("bridge", name));
    }
    if !bridge.differs.is_empty() {
        let mut told = bridge
            .differs
            .iter()
            .take(TOLD)
            .cloned()
            .collect::<Vec<_>>();
        if bridge.differs.len() > TOLD {
            told.push(format!("and {} more", bridge.differs.len() - TOLD));
        }
        let row = Row::differs("bridge", name, told.join("; "));
        return Some(row.remedy("make plan shows the whole, make world sets it right"));
    }
    if !bridge.silent.is_empty() {
        let detail = format!("names in {} could not be asked", bridge.silent.join(", "));
        return Some(Row::unknown("bridge", name, detail));
    }
    let detail = format!(
        "routes between {}; names end in {}",
        bridge.members.join(", "),
        bridge.domain
    );
    Some(Row::well("bridge", name, detail))
}
