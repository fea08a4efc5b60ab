//! Types as statements write them.

use sqlparser::ast;

use super::value::Ty;
use crate::error::SqlError;

/// A column's type, with its length or precision, and its scale.
pub(crate) fn column_type(ty: &ast::DataType) -> Result<(Ty, Option<u64>, Option<u32>), SqlError> {
    use ast::DataType as D;
    let length = |length: &Option<ast::CharacterLength>| match length {
        Some(ast::CharacterLength::IntegerLength { length, .. }) => Some(*length),
        _ => None,
    };
    let exact = |info: &ast::ExactNumberInfo| match info {
        ast::ExactNumberInfo::None => (Ty::Decimal, None, None),
        ast::ExactNumberInfo::Precision(p) => (Ty::Decimal, Some(*p), Some(0)),
        ast::ExactNumberInfo::PrecisionAndScale(p, s) => {
            (Ty::Decimal, Some(*p), u32::try_from(*s).ok())
        }
    };
    Ok(match ty {
        D::Bool | D::Boolean => (Ty::Bool, None, None),
        D::Int(_) | D::Int8(_) | D::BigInt(_) | D::Integer(_) | D::Int64 => (Ty::Int, None, None),
        D::Int4(_) => (Ty::Int, Some(32), None),
        D::Int2(_) | D::SmallInt(_) => (Ty::Int, Some(16), None),
        D::Decimal(info) | D::Numeric(info) | D::Dec(info) => exact(info),
        D::Float(_) | D::Float8 | D::DoublePrecision | D::Double(_) => (Ty::Float, None, None),
        D::Text => (Ty::String, None, None),
        D::String(width) => (Ty::String, *width, None),
        D::Varchar(l) | D::CharacterVarying(l) | D::CharVarying(l) => (Ty::String, length(l), None),
        D::Char(l) | D::Character(l) => (Ty::String, Some(length(l).unwrap_or(1)), None),
        D::Uuid => (Ty::Uuid, None, None),
        D::Timestamp(_, ast::TimezoneInfo::Tz | ast::TimezoneInfo::WithTimeZone) => {
            (Ty::Timestamptz, None, None)
        }
        D::JSON | D::JSONB => (Ty::Json, None, None),
        D::Custom(name, modifiers)
            if modifiers.is_empty() && name.to_string().eq_ignore_ascii_case("serial") =>
        {
            (Ty::Int, None, None)
        }
        other => return Err(SqlError::unsupported(format!("the type {other}"))),
    })
}
