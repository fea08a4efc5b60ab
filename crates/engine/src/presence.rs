//! Whether something of what a create is to make is there already.

/// What a look before the making found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Nothing.
    Absent,
    /// What an interrupted create left, in part or whole.
    Begun,
}

impl Presence {
    /// Of something that `exists` at all.
    pub(crate) fn of(exists: bool) -> Self {
        if exists { Self::Begun } else { Self::Absent }
    }
}
