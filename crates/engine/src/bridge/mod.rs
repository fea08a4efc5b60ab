//! Placeholder.
use crate::context::Context;
use crate::error::Result;
/// Rejoin.
pub async fn rejoin(_cx: &Context, _c: &str) -> Result<()> { Ok(()) }
