//! One call of an author's code, and what comes of it beside its result.

use crate::diagnostics::Diagnostics;
use crate::proto::tfplugin6 as wire;
use crate::provider::Operation;
use crate::schema::Schema;

/// A call of an author's code.
pub(super) struct Call<D> {
    /// Absent where the provider is not configured.
    pub(super) operation: Option<Operation<D>>,
    /// The private state that it was given.
    pub(super) given: Vec<u8>,
}

impl<D> Call<D> {
    pub(super) fn operation(&self) -> Result<&Operation<D>, Diagnostics> {
        self.operation.as_ref().ok_or_else(|| {
            Diagnostics::error(
                "The provider is not configured",
                "Terraform asked it to work before.",
            )
        })
    }

    /// All that is to be told: what came up on the way, then how it ended.
    pub(super) fn told(&self, schema: &Schema, end: Diagnostics) -> Vec<wire::Diagnostic> {
        let warnings = self.operation.as_ref().map(|one| one.warnings.take());
        let mut all = warnings.unwrap_or_default();
        all.extend(end);
        schema.place(all)
    }

    /// The private state after it.
    pub(super) fn private(&self) -> Vec<u8> {
        self.operation
            .as_ref()
            .map_or_else(|| self.given.clone(), |one| one.private.to_wire())
    }
}

/// `Err` where one of them is an error.
pub(super) fn passed(found: Diagnostics) -> Result<(), Diagnostics> {
    if found.has_errors() {
        Err(found)
    } else {
        Ok(())
    }
}
