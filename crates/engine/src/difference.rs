//! What differs between two specifications of one thing.

/// One attribute that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The attribute, for instance `bucket.versioning`.
    pub field: String,
    /// What there is.
    pub before: String,
    /// What is wanted.
    pub after: String,
    /// Whether another object is needed for it.
    pub replaces: bool,
}

impl Difference {
    #[expect(clippy::needless_pass_by_value, reason = "numbers and texts alike")]
    pub(crate) fn new(field: &str, before: impl ToString, after: impl ToString) -> Self {
        Self {
            field: field.to_owned(),
            before: before.to_string(),
            after: after.to_string(),
            replaces: false,
        }
    }

    /// The attributes for which another object is needed.
    pub(crate) fn replacing(all: &[Self]) -> Vec<&str> {
        let replacing = all.iter().filter(|one| one.replaces);
        replacing.map(|one| one.field.as_str()).collect()
    }
}
