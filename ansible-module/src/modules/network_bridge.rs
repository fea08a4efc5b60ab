//! `network_bridge`: connects clusters.

use std::collections::BTreeSet;

use argspec::{Answer, Failure, Kind, Opt, Spec as Options};
use atlas_engine::bridge::{self, DEFAULT_DOMAIN, Member, Observed, Spec, Step, spec_of};
use atlas_engine::{FieldPath, error, network};
use serde_json::{Value, json};

use super::{recreate, state};
use crate::call::{Call, Docs, Module, Run, failure};
use crate::changes::Changes;
use crate::params::Reader;

pub(super) fn module() -> Module {
    Module {
        name: "network_bridge",
        docs: Docs {
            short: "Bridges between k3d clusters",
            description: &[
                "Connects two or more clusters. Pods reach the other clusters' pods and Services by address, and \
                 Services by name, as C(SERVICE.NAMESPACE.svc.CLUSTER.atlas.internal). Pods behind a headless Service have \
                 their names likewise.",
                "Pods reach containers by name too. C(CONTAINER.docker.atlas.internal) is a container on the bridge's \
                 network (C(docker network connect atlas-bridge-NAME CONTAINER)) or on the network of the asking pod's own \
                 cluster.",
                "Routes return by themselves when a node restarts, and nodes that join get them too.",
                "In check mode a cluster that does not exist yet is assumed to be created by an earlier task.",
            ],
            examples: include_str!("../../examples/network_bridge.yml"),
            returns: &[(
                "bridge",
                "dict",
                "The bridge as it is, with the attributes of the Terraform resource atlas_network_bridge; null where there is none.",
            )],
        },
        spec: options,
        looks_only: false,
        run: Run::Docker(|call| Box::pin(run(call))),
    }
}

fn options() -> Options {
    Options::default()
        .option("name", Opt::new(Kind::Str, "Its name.").required())
        .option(
            "state",
            state(
                &["present", "absent"],
                "Whether the bridge exists. Removing it takes every route and name back.",
            ),
        )
        .option(
            "subnet",
            Opt::new(
                Kind::Str,
                "Network of the transit network, on which every node gets an address. Needed to make the \
                 bridge; changing it makes another one.",
            ),
        )
        .option(
            "clusters",
            Opt::list(
                Kind::Str,
                "All clusters on the bridge, at least two. Needed to make the bridge. Others that are on it are a reason \
                 not to change it, unless O(purge_clusters) says that they leave.",
            ),
        )
        .option(
            "purge_clusters",
            Opt::new(
                Kind::Bool,
                "Whether clusters leave the bridge that are on it and not among O(clusters). A module knows no owner of \
                 a bridge: they may be somebody else's.",
            )
            .or(false),
        )
        .option(
            "dns",
            Opt::new(
                Kind::Bool,
                "Whether members resolve each other's names. Left out, it is so for a new bridge and stays as it \
                 is for one that exists.",
            ),
        )
        .option(
            "domain",
            Opt::new(
                Kind::Str,
                "Below which domain those names lie, changed in place, two labels or more. Left out, it is \
                 C(atlas.internal) for a new bridge and stays as it is for one that exists.",
            ),
        )
        .option("recreate", recreate())
}

/// The bridge as it is, in the words of the Terraform resource.
pub(super) fn object(name: &str, observed: &Observed) -> Value {
    let Some(found) = spec_of(name, observed) else {
        return Value::Null;
    };
    let members = observed.clusters.iter().flat_map(|(cluster, view)| {
        let attached = view.nodes.iter().filter(|node| node.attached);
        attached.map(move |node| {
            json!({
                "cluster": cluster,
                "node": node.name,
                "address": node.address.map(|address| address.to_string()),
            })
        })
    });
    let clusters = found.members.iter().map(|member| {
        json!({
            "name": member.cluster,
            "cluster_cidr": member.cluster_cidr.map(|net| net.to_string()),
            "service_cidr": member.service_cidr.map(|net| net.to_string()),
        })
    });
    json!({
        "name": name,
        "id": name,
        "subnet": found.subnet.to_string(),
        "dns": found.dns,
        "domain": found.domain,
        "clusters": clusters.collect::<Vec<_>>(),
        "members": members.collect::<Vec<_>>(),
    })
}

fn specify(call: &Call, found: Option<&Spec>) -> Result<Spec, Failure> {
    let params = &call.params;
    let mut reader = Reader::default();
    let subnet = reader
        .network(params, "subnet")
        .or(found.map(|found| found.subnet));
    if subnet.is_none() && params.text("subnet").is_none() {
        let path = FieldPath::of("subnet");
        reader.refuse(
            &path,
            "the bridge does not exist, and subnet is not set.",
            "Set it, for instance 10.80.0.0/24.",
        );
    }
    reader.finish()?;
    let members = params.texts("clusters").map(|clusters| {
        let members = clusters.into_iter().map(|cluster| Member {
            cluster,
            cluster_cidr: None,
            service_cidr: None,
        });
        members.collect()
    });
    let spec = Spec {
        name: params.required("name"),
        subnet: subnet.unwrap_or_default(),
        members: members
            .or_else(|| found.map(|found| found.members.clone()))
            .unwrap_or_default(),
        dns: params
            .flag("dns")
            .or(found.map(|found| found.dns))
            .unwrap_or(true),
        domain: params
            .text("domain")
            .or(found.map(|found| found.domain.as_str()))
            .unwrap_or(DEFAULT_DOMAIN)
            .to_owned(),
    };
    error::refuse(spec.problems()).map_err(|error| failure(&error))?;
    Ok(spec)
}

fn names(spec: &Spec) -> Vec<String> {
    spec.clusters().map(str::to_owned).collect()
}

/// A step as what changes about which object.
fn tell(step: &Step, changes: &mut Changes) {
    let action = match step {
        Step::CreateNetwork { network } => {
            changes.object(network, "absent", "present");
            format!("create network {network}")
        }
        Step::Attach { node, address } => {
            changes.object(node, "not on the bridge", &format!("at {address}"));
            format!("put {node} on the bridge, at {address}")
        }
        Step::Route { node, .. } => {
            changes.object(&format!("{node} (routes)"), "missing or different", "set");
            format!("set the routes of {node}")
        }
        Step::Leave { node, .. } => {
            changes.object(node, "on the bridge", "not on the bridge");
            format!("take {node} off the bridge")
        }
        Step::Names { cluster, zones, .. } => {
            let (before, after) = match zones {
                Some(_) => ("not all members", "all members by their names"),
                None => ("members", "none"),
            };
            changes.object(&format!("{cluster} (names)"), before, after);
            match zones {
                Some(_) => format!("teach the DNS of cluster {cluster} the names of all members"),
                None => format!("take the members' names out of the DNS of cluster {cluster}"),
            }
        }
    };
    changes.action(action);
}

async fn run(call: &Call) -> Result<Answer, Failure> {
    let fail = |error| failure(&error);
    let name = call.params.required("name");
    let mut changes = Changes::of(format!("bridge {name}"));
    let asked = call.params.texts("clusters").unwrap_or_default();
    let observed = bridge::observe(&call.cx, &name, &asked)
        .await
        .map_err(fail)?;
    let found = spec_of(&name, &observed);
    if call.params.text("state") == Some("absent") {
        if found.is_some() {
            changes.property("state", "present", "absent");
            changes.action(format!("remove bridge {name}"));
            if !call.check {
                bridge::delete(&call.cx, &name).await.map_err(fail)?;
                return Ok(changes.answer(call, "bridge", Value::Null));
            }
        }
        return Ok(changes.answer(call, "bridge", object(&name, &observed)));
    }
    let spec = specify(call, found.as_ref())?;
    if found.is_none() {
        let others = network::list(&call.cx, None).await.map_err(fail)?;
        let found = bridge::in_the_way(&spec, &observed, &others).into_iter();
        let admitted = error::refuse(found.map(|one| one.problem).collect());
        changes.admit(call, admitted)?;
        changes.property("state", "absent", "present");
    }
    if !call.params.flag("purge_clusters").unwrap_or(false) {
        let leaving = bridge::undeclared(&spec, &observed);
        if !leaving.is_empty() {
            return Err(staying(&name, &leaving));
        }
    }
    let plan = bridge::plan(&spec, &observed).map_err(fail)?;
    describe(found.as_ref(), &spec, &mut changes);
    for step in &plan.steps {
        tell(step, &mut changes);
    }
    let absent: Vec<String> = names(&spec)
        .into_iter()
        .filter(|cluster| !observed.clusters.contains_key(cluster))
        .collect();
    if call.check && !absent.is_empty() {
        changes.warn(format!(
            "These clusters do not exist yet. Check mode assumes that an earlier task creates them: {}",
            absent.join(", ")
        ));
        changes.action(format!("put {} on the bridge", absent.join(", ")));
    }
    let policy = call.params.text("recreate").unwrap_or("never");
    let anew = !plan.replace.is_empty() || (found.is_some() && policy == "always");
    if anew {
        changes.action(format!("recreate bridge {name}"));
        if policy == "never" {
            return Err(changes.refusal());
        }
    }
    if call.check || changes.is_empty() {
        for sentence in plan.left_out() {
            changes.warn(sentence);
        }
        return Ok(changes.answer(call, "bridge", object(&name, &observed)));
    }
    if anew {
        bridge::delete(&call.cx, &name).await.map_err(fail)?;
    }
    let made = if anew || found.is_none() {
        bridge::create(&call.cx, &spec).await
    } else {
        bridge::apply(&call.cx, &spec).await
    };
    let made = made.map_err(fail)?;
    Ok(changes.answer(call, "bridge", object(&name, &made)))
}

/// The refusal to take clusters off a bridge without consent.
fn staying(name: &str, leaving: &[String]) -> Failure {
    let all = leaving.join(", ");
    Failure::new(format!(
        "clusters: bridge {name} also has {all}, which this task does not declare. Nothing was changed. Add them to \
         clusters, or set purge_clusters: true to disconnect them."
    ))
    .field("undeclared", json!(leaving))
}

fn describe(found: Option<&Spec>, spec: &Spec, changes: &mut Changes) {
    let set = |spec: &Spec| names(spec).into_iter().collect::<BTreeSet<_>>();
    let Some(found) = found else {
        changes.property("subnet", Value::Null, spec.subnet.to_string());
        changes.property("clusters", Value::Null, json!(set(spec)));
        changes.property("dns", Value::Null, spec.dns);
        if spec.dns {
            changes.property("domain", Value::Null, spec.domain.as_str());
        }
        return;
    };
    changes.replacing("subnet", found.subnet.to_string(), spec.subnet.to_string());
    changes.property("clusters", json!(set(found)), json!(set(spec)));
    changes.property("dns", found.dns, spec.dns);
    if spec.dns {
        changes.property("domain", found.domain.as_str(), spec.domain.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_that_would_leave_are_named_with_the_way_to_consent() {
        let refused = staying("world", &["ap".to_owned(), "sa".to_owned()]);
        for part in ["bridge world", "ap, sa", "purge_clusters: true"] {
            assert!(refused.msg.contains(part), "{}", refused.msg);
        }
        assert_eq!(refused.fields["undeclared"], json!(["ap", "sa"]));
    }
}
