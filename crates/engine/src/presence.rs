//! How much of something that is to be made is there already.

/// What a look before the making found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Nothing.
    Absent,
    /// Something, which is not yet or not any more as wanted: an interrupted run leaves that.
    Partial,
    /// All of it, just as it is wanted.
    Whole,
}

impl Presence {
    /// Of something that `exists` at all, and whose plan has nothing left to do where it `is_done`.
    pub(crate) fn of(exists: bool, is_done: bool) -> Self {
        match (exists, is_done) {
            (false, _) => Self::Absent,
            (true, false) => Self::Partial,
            (true, true) => Self::Whole,
        }
    }
}
