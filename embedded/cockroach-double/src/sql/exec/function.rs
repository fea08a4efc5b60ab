//! Calls of functions and aggregates.

use sqlparser::ast::{self, Expr, FunctionArg, FunctionArgExpr, FunctionArguments};

use super::{Exec, InScope};
use crate::error::SqlError;
use crate::sql::expr::{Agg, Ex, Func, Op};
use crate::sql::names::name_parts;
use crate::sql::value::Ty;
use crate::sql::views;

type Result<T> = std::result::Result<T, SqlError>;

impl Exec<'_> {
    pub(super) fn function(
        &mut self,
        function: &ast::Function,
        scope: &[InScope],
        want: Ty,
    ) -> Result<(Ex, Ty)> {
        if function.over.is_some() || function.filter.is_some() || !function.within_group.is_empty()
        {
            return Err(SqlError::unsupported("window functions and FILTER"));
        }
        let name = name_parts(&function.name)?.join(".");
        let (args, each_once, star): (Vec<&Expr>, bool, bool) = match &function.args {
            FunctionArguments::None => (Vec::new(), false, false),
            FunctionArguments::Subquery(_) => {
                return Err(SqlError::unsupported("a query as an argument"));
            }
            FunctionArguments::List(list) => {
                let mut args = Vec::new();
                let mut star = false;
                for arg in &list.args {
                    match arg {
                        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => args.push(expr),
                        FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => star = true,
                        _ => return Err(SqlError::unsupported("named arguments")),
                    }
                }
                (
                    args,
                    matches!(
                        list.duplicate_treatment,
                        Some(ast::DuplicateTreatment::Distinct)
                    ),
                    star,
                )
            }
        };
        if let Some(value) =
            views::function(self.view, &self.txn.base, &name, args.len(), self.txn.now)?
        {
            let ty = value.ty();
            return Ok((Ex::Const(value), ty));
        }
        let aggregate = match name.as_str() {
            "count" if star => Some(Agg::CountRows),
            "count" => Some(Agg::Count),
            "sum" => Some(Agg::Sum),
            "min" => Some(Agg::Min),
            "max" => Some(Agg::Max),
            "avg" => Some(Agg::Avg),
            "bool_and" | "every" => Some(Agg::And),
            "bool_or" => Some(Agg::Or),
            _ => None,
        };
        if let Some(agg) = aggregate {
            let Some(_) = &self.aggregates else {
                return Err(SqlError::new(
                    "42803",
                    format!("{name}(): aggregate functions are not allowed here"),
                ));
            };
            let outer = self.aggregates.take();
            let argument = match args.as_slice() {
                [] if star => Ok(None),
                [one] => self.compile(one, scope, Ty::Unknown).map(Some),
                _ => Err(SqlError::new(
                    "42883",
                    format!("unknown signature: {name}()"),
                )),
            };
            self.aggregates = outer;
            let argument = argument?;
            let ty = match (agg, argument.as_ref().map(|(_, ty)| *ty)) {
                (Agg::CountRows | Agg::Count, _) => Ty::Int,
                (Agg::Sum | Agg::Avg, Some(Ty::Float)) => Ty::Float,
                (Agg::Sum | Agg::Avg, Some(Ty::Int | Ty::Decimal | Ty::Unknown)) => Ty::Decimal,
                (Agg::Min | Agg::Max, Some(ty)) => ty,
                (Agg::And | Agg::Or, Some(Ty::Bool)) => Ty::Bool,
                (_, ty) => {
                    let ty = ty.map_or("", Ty::name);
                    return Err(SqlError::new(
                        "42883",
                        format!("unknown signature: {name}({ty})"),
                    ));
                }
            };
            let all = self.aggregates.get_or_insert_default();
            all.push((agg, argument.map(|(ex, _)| ex), each_once));
            return Ok((Ex::Agg(all.len() - 1), ty));
        }
        let mut compiled = Vec::new();
        let mut ty = want;
        for (n, arg) in args.iter().enumerate() {
            let hint = match name.as_str() {
                "length" | "char_length" | "lower" | "upper" => Ty::String,
                "round" if n == 1 => Ty::Int,
                _ => ty,
            };
            let (ex, found) = self.compile(arg, scope, hint)?;
            if n == 0 || ty == Ty::Unknown {
                ty = found;
            }
            compiled.push(ex);
        }
        let (func, least, most, ty) = match name.as_str() {
            "coalesce" | "ifnull" => (Func::Coalesce, 1, 64, ty),
            "nullif" => (Func::NullIf, 2, 2, ty),
            "abs" => (Func::Abs, 1, 1, ty),
            "greatest" => (Func::Greatest, 1, 64, ty),
            "least" => (Func::Least, 1, 64, ty),
            "length" | "char_length" => (Func::Length, 1, 1, Ty::Int),
            "lower" => (Func::Lower, 1, 1, Ty::String),
            "upper" => (Func::Upper, 1, 1, Ty::String),
            "concat" => (Func::Concat, 1, 64, Ty::String),
            "round" => (Func::Round, 1, 2, ty),
            "mod" => {
                return match <[Ex; 2]>::try_from(compiled) {
                    Ok([a, b]) => Ok((Ex::Binary(Op::Mod, Box::new(a), Box::new(b)), ty)),
                    Err(_) => Err(SqlError::new("42883", "unknown signature: mod()")),
                };
            }
            "gen_random_uuid" | "uuid_v4" => (Func::NewUuid, 0, 0, Ty::Uuid),
            "unique_rowid" => (Func::RowId, 0, 0, Ty::Int),
            "pg_advisory_lock" | "pg_advisory_xact_lock" | "pg_try_advisory_lock" => {
                return Err(SqlError::new(
                    "42883",
                    format!("unknown function: {name}()"),
                ));
            }
            _ => {
                return Err(
                    SqlError::new("42883", format!("unknown function: {name}()"))
                        .hint("it may be unsupported by the double only"),
                );
            }
        };
        if !(least..=most).contains(&compiled.len()) {
            return Err(SqlError::new(
                "42883",
                format!(
                    "unknown signature: {name}() with {} arguments",
                    compiled.len()
                ),
            ));
        }
        Ok((Ex::Call(func, compiled), ty))
    }
}
