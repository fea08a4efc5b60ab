//! Carries images into nodes.

use futures_util::future::try_join_all;

use super::observe::{Observed, observe};
use super::plan::{Step, plan};
use super::spec::Spec;
use crate::context::Context;
use crate::error::Result;

/// containerd's import, which takes a `docker save` on its standard input.
const IMPORT: [&str; 4] = ["ctr", "images", "import", "-"];

/// Gives every running node the images that it lacks.
pub async fn apply(cx: &Context, spec: &Spec) -> Result<Observed> {
    let observed = observe(cx, spec).await?;
    let steps = plan(spec, &observed)?;
    try_join_all(steps.iter().map(|step| carry(cx, step))).await?;
    observe(cx, spec).await
}

async fn carry(cx: &Context, step: &Step) -> Result<()> {
    cx.tell(&format!(
        "importing {} into {}",
        step.images.join(", "),
        step.node
    ));
    cx.guard(
        &format!("importing images into {}", step.node),
        cx.docker.pipe_images(&step.images, &step.node, &IMPORT),
    )
    .await
}
