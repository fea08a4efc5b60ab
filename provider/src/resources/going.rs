//! What a plan may remove for something else, asked before anything is removed.

use atlas_engine::obtainable::{self, Loss};
use atlas_engine::{Error, FieldPath};
use tfplugin::{Diagnostics, Operation, Value};

use crate::configured::Configured;
use crate::timeouts;
use crate::translate::diagnostics;

/// Those images that the plan knows.
pub(super) fn known_images<'a>(
    state: &Value,
    mut images: Vec<(FieldPath, &'a str)>,
) -> Vec<(FieldPath, &'a str)> {
    images.retain(|(field, _)| {
        let fields = field.to_string();
        let value = fields.split('.').fold(state, |value, name| value.get(name));
        value.is_known()
    });
    images
}

/// Refuses a plan that removes something for an image which cannot be had. What Docker does not answer is for the apply,
/// which removes nothing without Docker.
pub(super) async fn gone_for_nothing(
    operation: &Operation<Configured>,
    state: &Value,
    loss: Loss,
    images: &[(FieldPath, &str)],
) -> Diagnostics {
    if images.is_empty() || !operation.data.is_decided() {
        return Diagnostics::new();
    }
    let ask = async {
        let cx = operation.data.context(operation).await?;
        obtainable::admit(&timeouts::limit(cx, state, "read"), loss, images).await
    };
    match ask.await {
        Err(error @ Error::Invalid(_)) => diagnostics("The images cannot be had", &error),
        _ => Diagnostics::new(),
    }
}
