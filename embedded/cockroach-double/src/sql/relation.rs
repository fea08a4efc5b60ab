//! Columns and rows: what queries, SHOWs and views come to.

use super::value::{Datum, Ty};

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    /// Its name.
    pub(crate) name: String,
    /// Its type.
    pub(crate) ty: Ty,
}

/// Columns and rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Relation {
    /// Columns.
    pub(crate) fields: Vec<Field>,
    /// Rows.
    pub(crate) rows: Vec<Vec<Datum>>,
}

/// A column of a relation of things: its name, its type, and what is told of a thing in it.
pub(crate) type Told<'a, T> = (&'a str, Ty, &'a dyn Fn(&T) -> Datum);

impl Relation {
    /// A relation of columns with these names and types.
    pub(crate) fn new(fields: &[(&str, Ty)], rows: Vec<Vec<Datum>>) -> Self {
        let fields = fields
            .iter()
            .map(|(name, ty)| Field {
                name: (*name).to_owned(),
                ty: *ty,
            })
            .collect();
        Self { fields, rows }
    }

    /// A row for each thing.
    pub(crate) fn of<T>(things: impl IntoIterator<Item = T>, columns: &[Told<'_, T>]) -> Self {
        let fields: Vec<(&str, Ty)> = columns.iter().map(|(name, ty, _)| (*name, *ty)).collect();
        let row = |thing: T| columns.iter().map(|(.., tell)| tell(&thing)).collect();
        Self::new(&fields, things.into_iter().map(row).collect())
    }

    /// One row of strings.
    pub(crate) fn line<const N: usize>(columns: [(&str, Datum); N]) -> Self {
        let fields = columns.iter().map(|(name, _)| (*name, Ty::String));
        let fields: Vec<(&str, Ty)> = fields.collect();
        let row = columns.map(|(_, value)| value);
        Self::new(&fields, vec![row.into()])
    }
}
