//! Operators: their types, and what each side tells of the other's.

use sqlparser::ast::{self, BinaryOperator, Expr};

use super::compile::{folded, is_open};
use super::{Exec, InScope};
use crate::error::SqlError;
use crate::sql::expr::{Ex, Op};
use crate::sql::value::Ty;

type Result<T> = std::result::Result<T, SqlError>;

impl Exec<'_> {
    pub(super) fn binary(
        &mut self,
        left: &Expr,
        op: &BinaryOperator,
        right: &Expr,
        scope: &[InScope],
        want: Ty,
    ) -> Result<(Ex, Ty)> {
        let op = match op {
            BinaryOperator::Plus => Op::Add,
            BinaryOperator::Minus => Op::Sub,
            BinaryOperator::Multiply => Op::Mul,
            BinaryOperator::Divide => Op::Div,
            BinaryOperator::Modulo => Op::Mod,
            BinaryOperator::StringConcat => Op::Concat,
            BinaryOperator::Eq => Op::Eq,
            BinaryOperator::NotEq => Op::Ne,
            BinaryOperator::Lt => Op::Lt,
            BinaryOperator::LtEq => Op::Le,
            BinaryOperator::Gt => Op::Gt,
            BinaryOperator::GtEq => Op::Ge,
            BinaryOperator::And | BinaryOperator::Or => {
                let a = self.condition(left, scope, "AND")?;
                let b = self.condition(right, scope, "AND")?;
                let op = if *op == BinaryOperator::And {
                    Op::And
                } else {
                    Op::Or
                };
                return Ok((Ex::Binary(op, Box::new(a), Box::new(b)), Ty::Bool));
            }
            other => return Err(SqlError::unsupported(format!("the operator {other}"))),
        };
        self.operate(op, left, right, scope, want)
    }

    pub(super) fn operate(
        &mut self,
        op: Op,
        left: &Expr,
        right: &Expr,
        scope: &[InScope],
        want: Ty,
    ) -> Result<(Ex, Ty)> {
        let hint = match op {
            Op::Concat => Ty::String,
            _ if op.compares() => Ty::Unknown,
            _ => want,
        };
        // What has a type of its own tells the type of a literal or placeholder beside it.
        let ((a, at), (b, bt)) = if is_open(left) && !is_open(right) {
            let (b, bt) = self.compile(right, scope, hint)?;
            (self.compile(left, scope, bt)?, (b, bt))
        } else {
            let (a, at) = self.compile(left, scope, hint)?;
            (
                (a, at),
                self.compile(right, scope, if at == Ty::Unknown { hint } else { at })?,
            )
        };
        let wrong = || {
            let kind = if op.compares() {
                "comparison"
            } else {
                "binary"
            };
            SqlError::new(
                "22023",
                format!(
                    "unsupported {kind} operator: <{}> {} <{}>",
                    at.name(),
                    op.sign(),
                    bt.name()
                ),
            )
        };
        let numeric = |ty: Ty| matches!(ty, Ty::Int | Ty::Decimal | Ty::Float | Ty::Unknown);
        let ty = if op.compares() {
            let alike =
                at == bt || at == Ty::Unknown || bt == Ty::Unknown || numeric(at) && numeric(bt);
            if !alike {
                return Err(wrong());
            }
            Ty::Bool
        } else if op == Op::Concat {
            Ty::String
        } else if !numeric(at) || !numeric(bt) {
            return Err(wrong());
        } else if at == Ty::Float || bt == Ty::Float {
            Ty::Float
        } else if at == Ty::Decimal || bt == Ty::Decimal || op == Op::Div {
            Ty::Decimal
        } else {
            Ty::Int
        };
        let ex = Ex::Binary(op, Box::new(a), Box::new(b));
        // Placeholders have no values yet while a statement is described.
        Ok((if self.describe { ex } else { folded(ex)? }, ty))
    }

    pub(super) fn within(
        &mut self,
        expr: &Expr,
        target: &ast::InTarget,
        negated: bool,
        scope: &[InScope],
    ) -> Result<(Ex, Ty)> {
        let (ex, ty) = self.compile(expr, scope, Ty::Unknown)?;
        let list = match target {
            ast::InTarget::List(items) => {
                let items: Vec<&Expr> = items.iter().collect();
                let mut list = Vec::new();
                for item in items {
                    list.push(self.compile(item, scope, ty)?.0);
                }
                list
            }
            ast::InTarget::Subquery(query) => {
                let relation = self.apart(query)?;
                if relation.fields.len() != 1 {
                    return Err(SqlError::new(
                        "42601",
                        format!(
                            "subquery must return only one column, found {}",
                            relation.fields.len()
                        ),
                    ));
                }
                relation.rows.into_iter().flatten().map(Ex::Const).collect()
            }
            _ => return Err(SqlError::unsupported("this IN")),
        };
        Ok((Ex::In(Box::new(ex), list, negated), Ty::Bool))
    }

    pub(super) fn like(
        &mut self,
        expr: &Expr,
        pattern: &Expr,
        negated: bool,
        any_case: bool,
        scope: &[InScope],
    ) -> Result<(Ex, Ty)> {
        let (a, _) = self.compile(expr, scope, Ty::String)?;
        let (b, _) = self.compile(pattern, scope, Ty::String)?;
        Ok((
            Ex::Like(Box::new(a), Box::new(b), negated, any_case),
            Ty::Bool,
        ))
    }
}
