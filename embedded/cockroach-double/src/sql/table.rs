//! CREATE TABLE: what the parser read becomes a definition.

use std::collections::BTreeMap;

use sqlparser::ast::{self, ColumnOption, TableConstraint};

use super::names::{ident, name_parts};
use super::parse;
use super::types::column_type;
use crate::catalog::{Check, Column, Index, Table};
use crate::ddl::Ddl;
use crate::error::SqlError;

type Result<T> = std::result::Result<T, SqlError>;

/// Makes a definition; ids are given when it is applied.
pub(crate) fn definition(create: &ast::CreateTable, locality: bool, database: &str) -> Result<Ddl> {
    if create.query.is_some()
        || create.temporary
        || create.like.is_some()
        || create.partition_by.is_some()
    {
        return Err(SqlError::unsupported("this form of CREATE TABLE"));
    }
    let (database, name) = parse::table_name(&name_parts(&create.name)?, database)?;
    let mut table = Table {
        id: 0,
        primary_name: format!("{name}_pkey"),
        database,
        name,
        owner: String::new(),
        columns: Vec::new(),
        primary_key: Vec::new(),
        indexes: Vec::new(),
        checks: Vec::new(),
        grants: BTreeMap::new(),
    };
    let mut primary: Option<Vec<String>> = None;
    let mut unique: Vec<(Option<String>, Vec<String>)> = Vec::new();
    let mut checks: Vec<(Option<String>, String)> = Vec::new();
    for column in &create.columns {
        let (ty, width, scale) = column_type(&column.data_type)?;
        let name = ident(&column.name);
        if table.column(&name).is_some() {
            return Err(SqlError::new(
                "42701",
                format!("duplicate column name: \"{name}\""),
            ));
        }
        let serial = column.data_type.to_string().eq_ignore_ascii_case("serial");
        let mut new = Column {
            name: name.clone(),
            ty,
            width,
            scale,
            not_null: serial,
            default: serial.then(|| "unique_rowid()".to_owned()),
            hidden: false,
        };
        for option in &column.options {
            let constraint = option.name.as_ref().map(ident);
            match &option.option {
                ColumnOption::Null => new.not_null = false,
                ColumnOption::NotNull => new.not_null = true,
                ColumnOption::Default(expr) => new.default = Some(expr.to_string()),
                ColumnOption::PrimaryKey(_) => {
                    if primary.replace(vec![name.clone()]).is_some() {
                        return Err(several(&table));
                    }
                    if let Some(constraint) = constraint {
                        table.primary_name = constraint;
                    }
                }
                ColumnOption::Unique(_) => unique.push((constraint, vec![name.clone()])),
                ColumnOption::Check(check) => checks.push((constraint, check.expr.to_string())),
                ColumnOption::ForeignKey(_) => return Err(SqlError::unsupported("foreign keys")),
                other => return Err(SqlError::unsupported(format!("the column option {other}"))),
            }
        }
        table.columns.push(new);
    }
    for constraint in &create.constraints {
        let plain = |columns: &[ast::IndexColumn]| {
            columns.iter().map(index_column).collect::<Result<Vec<_>>>()
        };
        match constraint {
            TableConstraint::PrimaryKey(key) => {
                if primary.replace(plain(&key.columns)?).is_some() {
                    return Err(several(&table));
                }
                if let Some(name) = &key.name {
                    table.primary_name = ident(name);
                }
            }
            TableConstraint::Unique(key) => {
                unique.push((key.name.as_ref().map(ident), plain(&key.columns)?));
            }
            TableConstraint::Check(check) => {
                checks.push((check.name.as_ref().map(ident), check.expr.to_string()));
            }
            TableConstraint::ForeignKey(_) => return Err(SqlError::unsupported("foreign keys")),
            other => return Err(SqlError::unsupported(format!("the constraint {other}"))),
        }
    }
    let primary = primary.unwrap_or_else(|| {
        // A table without a key gets a hidden one.
        table.columns.push(Column {
            name: "rowid".to_owned(),
            ty: super::value::Ty::Int,
            width: None,
            scale: None,
            not_null: true,
            default: Some("unique_rowid()".to_owned()),
            hidden: true,
        });
        vec!["rowid".to_owned()]
    });
    table.primary_key = positions(&table, &primary)?;
    for n in table.primary_key.clone() {
        if let Some(column) = table.columns.get_mut(n) {
            column.not_null = true;
        }
    }
    for (name, columns) in unique {
        let name = name.unwrap_or_else(|| format!("{}_{}_key", table.name, columns.join("_")));
        let columns = positions(&table, &columns)?;
        table.indexes.push(Index {
            id: 0,
            name,
            columns,
            unique: true,
        });
    }
    for (n, (name, expr)) in checks.into_iter().enumerate() {
        parse::expression(&expr)?;
        let first = table
            .columns
            .iter()
            .find(|c| expr.contains(&c.name))
            .map(|c| c.name.clone());
        let name = name.unwrap_or_else(|| match (first, n) {
            (Some(column), 0) => format!("check_{column}"),
            (Some(column), n) => format!("check_{column}{n}"),
            (None, n) => format!("check{n}"),
        });
        table.checks.push(Check { name, expr });
    }
    Ok(Ddl::CreateTable {
        table,
        if_not_exists: create.if_not_exists,
        locality,
    })
}

fn several(table: &Table) -> SqlError {
    SqlError::new(
        "42P16",
        format!(
            "multiple primary keys for table \"{}\" are not allowed",
            table.name
        ),
    )
}

fn positions(table: &Table, names: &[String]) -> Result<Vec<usize>> {
    names
        .iter()
        .map(|name| {
            table
                .column(name)
                .ok_or_else(|| SqlError::new("42703", format!("column \"{name}\" does not exist")))
        })
        .collect()
}

fn index_column(column: &ast::IndexColumn) -> Result<String> {
    match &column.column.expr {
        ast::Expr::Identifier(name)
            if !matches!(column.column.options.sort, Some(ast::OrderBySort::Desc)) =>
        {
            Ok(ident(name))
        }
        other => Err(SqlError::unsupported(format!("the key {other}"))),
    }
}
