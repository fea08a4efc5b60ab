//! A panic in an author's code is an error that the user is told, not the end of the provider.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;

use crate::diagnostics::Diagnostics;

/// Runs an author's code; a panic in it becomes an error like any other.
pub(crate) async fn caught<T>(work: impl Future<Output = T>) -> Result<T, Diagnostics> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .map_err(|panic| {
            let text = panic_text(panic.as_ref());
            tracing::error!("panic: {text}");
            Diagnostics::error(
                "The provider has a bug",
                format!(
                    "It stopped with: {text}. Please report this with the steps that led here."
                ),
            )
        })
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "an unknown reason".to_owned())
}

/// Both kinds of failure, a panic and a refusal, as one.
pub(crate) async fn tried<T>(
    work: impl Future<Output = Result<T, Diagnostics>>,
) -> Result<T, Diagnostics> {
    caught(work).await.and_then(|result| result)
}
