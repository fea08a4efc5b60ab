//! `k3d_image_import`: images of the Docker daemon, in the nodes of a cluster.

use argspec::{Answer, Failure, Kind, Opt, Spec as Options};
use atlas_engine::image::{self, Observed, Spec};
use atlas_engine::{Error, error};
use serde_json::json;

use crate::call::{Call, Docs, Module, Run, failure};
use crate::changes::Changes;

pub(super) fn module() -> Module {
    Module {
        name: "k3d_image_import",
        docs: Docs {
            short: "Images for the nodes of k3d clusters",
            description: &[
                "Gives every running node of a cluster the images of the Docker daemon that its pods need, so that \
                 no registry is asked.",
                "Images are compared by content, so a tag that has moved is imported again, and an image that is \
                 present is not.",
                "In check mode a cluster that does not exist yet is assumed to be created by an earlier task.",
            ],
            examples: include_str!("../../examples/k3d_image_import.yml"),
            returns: &[(
                "images",
                "list of str",
                "The names by which pods ask for the images.",
            )],
        },
        spec: options,
        looks_only: false,
        run: Run::Docker(|call| Box::pin(run(call))),
    }
}

fn options() -> Options {
    Options::default()
        .option(
            "cluster",
            Opt::new(Kind::Str, "The cluster's name.").required(),
        )
        .option(
            "images",
            Opt::list(Kind::Str, "References, as C(docker image ls) shows them.").required(),
        )
}

async fn run(call: &Call) -> Result<Answer, Failure> {
    let fail = |error| failure(&error);
    let spec = Spec {
        cluster: call.params.required("cluster"),
        images: call.params.texts("images").unwrap_or_default(),
    };
    error::refuse(spec.problems()).map_err(fail)?;
    let names: Vec<String> = spec
        .images
        .iter()
        .map(|one| image::canonical(one))
        .collect();
    let mut changes = Changes::of(format!("images of cluster {}", spec.cluster));
    let observed = match Box::pin(image::observe(&call.cx, &spec)).await {
        Ok(observed) => observed,
        Err(Error::NotFound { .. }) if call.check => {
            changes.warn(format!(
                "Cluster {} does not exist yet. Check mode assumes that an earlier task creates it",
                spec.cluster
            ));
            changes.action("import the images");
            Observed::default()
        }
        Err(error) => return Err(fail(error)),
    };
    if let Some(left_out) = observed.warning() {
        changes.warn(left_out);
    }
    let steps = image::plan(&spec, &observed).map_err(fail)?;
    if !steps.is_empty() {
        let everywhere = |one: &&String| !steps.iter().any(|step| step.images.contains(one));
        let before: Vec<&String> = spec.images.iter().filter(everywhere).collect();
        changes.property("images", json!(before), json!(spec.images));
    }
    for step in steps {
        let there = observed.nodes.iter().find(|node| node.node == step.node);
        for one in &step.images {
            let other = there.is_some_and(|node| node.images.contains_key(&image::canonical(one)));
            let before = if other {
                "another of that name"
            } else {
                "absent"
            };
            changes.object(
                &format!("{one} in {}", step.node),
                before,
                "as in the Docker daemon",
            );
        }
        changes.action(format!(
            "import {} into {}",
            step.images.join(", "),
            step.node
        ));
    }
    if !call.check && !changes.is_empty() {
        Box::pin(image::apply(&call.cx, &spec))
            .await
            .map_err(fail)?;
    }
    Ok(changes.answer(call, "images", json!(names)))
}
