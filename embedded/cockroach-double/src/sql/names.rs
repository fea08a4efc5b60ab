//! Names as the parser has them, and as the catalog has them.

use sqlparser::ast;

use crate::error::SqlError;

/// A name: in lower case, unless it is quoted.
pub(crate) fn ident(name: &ast::Ident) -> String {
    if name.quote_style.is_some() {
        name.value.clone()
    } else {
        name.value.to_lowercase()
    }
}

/// The parts of a name.
pub(crate) fn name_parts(name: &ast::ObjectName) -> Result<Vec<String>, SqlError> {
    name.0
        .iter()
        .map(|part| match part {
            ast::ObjectNamePart::Identifier(name) => Ok(ident(name)),
            ast::ObjectNamePart::Function(_) => Err(SqlError::unsupported("this name")),
        })
        .collect()
}
