//! Queries and changes of rows, executed on a transaction's view of the state.
//!
//! Describing a statement takes the same way, without reading or writing: so both agree on types.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sqlparser::ast::{
    self, BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr,
    JoinConstraint, JoinOperator, LimitClause, OrderByKind, OrderBySort, SelectItem, SetExpr,
    SetOperator, SetQuantifier, TableFactor, UnaryOperator, Value,
};

use super::expr::{Agg, Ex, Func, Op, aggregate, compare};
use super::parse::{self, Show};
use super::txn::Txn;
use super::value::{Datum, Ty};
use super::views::{self, View};
use crate::catalog::{Column, Table};
use crate::ddl::{duplicate, index_key, no_database, no_table};
use crate::error::SqlError;
use crate::state::{Key, Row};

type Result<T> = std::result::Result<T, SqlError>;

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
}

/// What came of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Done {
    /// Rows.
    Rows(Relation),
    /// A count, with rows where they were asked for.
    Count(&'static str, usize, Option<Relation>),
}

/// A column in scope.
#[derive(Debug, Clone)]
struct InScope {
    table: String,
    name: String,
    ty: Ty,
    hidden: bool,
}

/// What a name in FROM stands for.
enum Source {
    Table(Table),
    Rows(Vec<Vec<Datum>>),
}

struct From {
    source: Source,
    width: usize,
    left: bool,
    on: Vec<Ex>,
}

/// Executes statements.
pub(crate) struct Exec<'a> {
    /// The transaction.
    pub(crate) txn: &'a mut Txn,
    /// What can be seen of the cluster.
    pub(crate) view: &'a View,
    /// Placeholders: their values, if they are known, and types.
    pub(crate) params: Vec<Datum>,
    /// Their types, as far as they are known.
    pub(crate) types: Vec<Ty>,
    /// Whether nothing is read or written.
    pub(crate) describe: bool,
    named: Vec<(String, Relation)>,
    aggregates: Option<Vec<(Agg, Option<Ex>, bool)>>,
}

impl<'a> Exec<'a> {
    /// An executor.
    pub(crate) fn new(
        txn: &'a mut Txn,
        view: &'a View,
        params: Vec<Datum>,
        types: Vec<Ty>,
        describe: bool,
    ) -> Self {
        Self {
            txn,
            view,
            params,
            types,
            describe,
            named: Vec::new(),
            aggregates: None,
        }
    }

    /// A SHOW.
    pub(crate) fn show(&mut self, show: &Show) -> Result<Relation> {
        views::show(self.view, &self.txn.base, show)
    }

    /// Makes the SHOWs of a query known by their names.
    pub(crate) fn shows(&mut self, shows: &[(String, Show)]) -> Result<()> {
        for (name, show) in shows {
            let relation = self.show(show)?;
            self.named.push((name.clone(), relation));
        }
        Ok(())
    }

    // ---- tables -------------------------------------------------------------------------------

    fn find_table(&mut self, name: &ast::ObjectName, privilege: &str) -> Result<Table> {
        let parts = name_parts(name)?;
        let (database, table) = parse::table_name(&parts, &self.view.database)?;
        let catalog = self.txn.base.catalog.clone();
        let Some(table) = catalog.table(&database, &table) else {
            if !catalog.databases.contains_key(&database) && parts.len() > 1 {
                return Err(no_table(&parts.join(".")));
            }
            if !catalog.databases.contains_key(&database) {
                return Err(no_database(&database));
            }
            return Err(no_table(&parts.join(".")));
        };
        if !catalog.may_on_table(&self.view.user, table, privilege) {
            return Err(SqlError::new(
                "42501",
                format!(
                    "user {} does not have {privilege} privilege on relation {}",
                    self.view.user, table.name
                ),
            ));
        }
        if !self.describe {
            self.txn.looked_at(Key::definition(table.id));
        }
        Ok(table.clone())
    }

    /// The rows of a table that can fulfil conditions on its columns, read by key where that is told.
    fn read(&mut self, table: &Table, conditions: &[Ex]) -> Vec<Row> {
        if self.describe {
            return Vec::new();
        }
        let equal = |column: usize| -> Option<Vec<Datum>> {
            conditions.iter().find_map(|condition| match condition {
                Ex::Binary(Op::Eq, a, b) => match (a.as_ref(), b.as_ref()) {
                    (Ex::Col(n), value) | (value, Ex::Col(n))
                        if *n == column && value.is_constant() =>
                    {
                        value.eval(&[], &[]).ok().map(|value| vec![value])
                    }
                    _ => None,
                },
                Ex::In(a, list, false) if matches!(a.as_ref(), Ex::Col(n) if *n == column) => list
                    .iter()
                    .map(|item| {
                        item.is_constant()
                            .then(|| item.eval(&[], &[]).ok())
                            .flatten()
                    })
                    .collect(),
                _ => None,
            })
        };
        // All beginnings of keys that the conditions allow, as long as possible.
        let beginnings = |space: u32, columns: &[usize]| -> Vec<Key> {
            let mut keys = vec![Key::all(space)];
            for column in columns {
                let Some(values) = equal(*column) else { break };
                let ty = table.columns.get(*column).map_or(Ty::Unknown, |c| c.ty);
                let mut longer = Vec::new();
                for key in &keys {
                    for value in &values {
                        let Ok(value) = value.clone().cast(ty) else {
                            continue;
                        };
                        let mut key = key.clone();
                        key.columns.push(value);
                        if !longer.contains(&key) {
                            longer.push(key);
                        }
                    }
                }
                keys = longer;
            }
            keys
        };
        let primary = beginnings(table.id, &table.primary_key);
        let told = |keys: &[Key]| keys.iter().all(|key| !key.columns.is_empty());
        if told(&primary) {
            return primary
                .iter()
                .flat_map(|key| self.txn.scan(key))
                .map(|(_, row)| row)
                .collect();
        }
        for index in &table.indexes {
            let keys = beginnings(index.id, &index.columns);
            if told(&keys) {
                let entries: Vec<Row> = keys
                    .iter()
                    .flat_map(|key| self.txn.scan(key))
                    .map(|(_, entry)| entry)
                    .collect();
                let rows = entries.iter().filter_map(|entry| {
                    self.txn.get(&Key {
                        space: table.id,
                        columns: entry.to_vec(),
                    })
                });
                return rows.collect();
            }
        }
        self.txn
            .scan(&Key::all(table.id))
            .into_iter()
            .map(|(_, row)| row)
            .collect()
    }

    // ---- queries ------------------------------------------------------------------------------

    /// Runs a query.
    pub(crate) fn query(&mut self, query: &ast::Query) -> Result<Relation> {
        if query.fetch.is_some()
            || query.for_clause.is_some()
            || !query.pipe_operators.is_empty()
            || query.settings.is_some()
            || query.format_clause.is_some()
        {
            return Err(SqlError::unsupported("this clause of a query"));
        }
        if query.locks.iter().any(|lock| lock.nonblock.is_some()) {
            return Err(SqlError::unsupported(
                "FOR UPDATE with NOWAIT or SKIP LOCKED",
            ));
        }
        let depth = self.named.len();
        if let Some(with) = &query.with {
            if with.recursive {
                return Err(SqlError::unsupported("WITH RECURSIVE"));
            }
            for cte in &with.cte_tables {
                let mut relation = self.query(&cte.query)?;
                rename(&mut relation, &cte.alias);
                self.named.push((ident(&cte.alias.name), relation));
            }
        }
        let result = self.ordered(query);
        self.named.truncate(depth);
        result
    }

    fn ordered(&mut self, query: &ast::Query) -> Result<Relation> {
        let order: &[ast::OrderByExpr] = match &query.order_by {
            None => &[],
            Some(ast::OrderBy {
                kind: OrderByKind::Expressions(order),
                interpolate: None,
            }) => order,
            Some(_) => return Err(SqlError::unsupported("this ORDER BY")),
        };
        let (mut relation, keys) = match query.body.as_ref() {
            SetExpr::Select(select) => self.select(select, order)?,
            body => {
                let relation = self.set(body)?;
                let scope: Vec<InScope> = relation.fields.iter().map(in_scope).collect();
                let keys = self.order_keys(order, &scope, &relation)?;
                (relation, keys)
            }
        };
        if !order.is_empty() && !self.describe {
            let directions: Vec<(bool, Option<bool>)> = order
                .iter()
                .map(|item| {
                    (
                        matches!(item.options.sort, Some(OrderBySort::Desc)),
                        item.options.nulls_first,
                    )
                })
                .collect();
            let mut pairs: Vec<(Vec<Datum>, Vec<Datum>)> =
                keys.into_iter().zip(relation.rows).collect();
            pairs.sort_by(|(a, _), (b, _)| {
                for ((a, b), (descending, nulls_first)) in a.iter().zip(b).zip(&directions) {
                    let order = match (a.is_null(), b.is_null(), nulls_first) {
                        (true, false, Some(first)) => {
                            if *first {
                                Ordering::Less
                            } else {
                                Ordering::Greater
                            }
                        }
                        (false, true, Some(first)) => {
                            if *first {
                                Ordering::Greater
                            } else {
                                Ordering::Less
                            }
                        }
                        _ => {
                            let order = compare(a, b).unwrap_or_else(|| a.cmp(b));
                            if *descending { order.reverse() } else { order }
                        }
                    };
                    if order != Ordering::Equal {
                        return order;
                    }
                }
                Ordering::Equal
            });
            relation.rows = pairs.into_iter().map(|(_, row)| row).collect();
        }
        match &query.limit_clause {
            None => (),
            Some(LimitClause::LimitOffset {
                limit,
                offset,
                limit_by,
            }) if limit_by.is_empty() => {
                if let Some(offset) = offset {
                    let skip = self.amount(&offset.value)?.unwrap_or(0);
                    relation.rows.drain(..skip.min(relation.rows.len()));
                }
                if let Some(limit) = limit
                    && let Some(limit) = self.amount(limit)?
                {
                    relation.rows.truncate(limit);
                }
            }
            Some(_) => return Err(SqlError::unsupported("this LIMIT")),
        }
        Ok(relation)
    }

    fn amount(&mut self, expr: &Expr) -> Result<Option<usize>> {
        let (ex, _) = self.compile(expr, &[], Ty::Int)?;
        match ex.eval(&[], &[])? {
            Datum::Int(n) if n >= 0 => Ok(Some(usize::try_from(n).unwrap_or(usize::MAX))),
            Datum::Null => Ok(None),
            _ => Err(SqlError::new("2201W", "negative value for LIMIT")),
        }
    }

    fn set(&mut self, body: &SetExpr) -> Result<Relation> {
        match body {
            SetExpr::Select(select) => Ok(self.select(select, &[])?.0),
            SetExpr::Query(query) => self.query(query),
            SetExpr::Values(values) => {
                let mut relation = Relation::default();
                for row in &values.rows {
                    let mut out = Vec::new();
                    for (n, expr) in row.content.iter().enumerate() {
                        let want = relation.fields.get(n).map_or(Ty::Unknown, |field| field.ty);
                        let (ex, ty) = self.compile(expr, &[], want)?;
                        out.push(ex.eval(&[], &[])?);
                        match relation.fields.get_mut(n) {
                            Some(field) if field.ty == Ty::Unknown => field.ty = ty,
                            Some(_) => (),
                            None => relation.fields.push(Field {
                                name: format!("column{}", n + 1),
                                ty,
                            }),
                        }
                    }
                    if out.len() != relation.fields.len() {
                        return Err(SqlError::new(
                            "42601",
                            "VALUES lists must all be the same length",
                        ));
                    }
                    relation.rows.push(out);
                }
                Ok(relation)
            }
            SetExpr::SetOperation {
                left,
                op,
                set_quantifier,
                right,
            } => {
                let mut left = self.set(left)?;
                let right = self.set(right)?;
                if left.fields.len() != right.fields.len() {
                    return Err(SqlError::new(
                        "42601",
                        format!(
                            "each {op} query must have the same number of columns: {} vs {}",
                            left.fields.len(),
                            right.fields.len()
                        ),
                    ));
                }
                for (a, b) in left.fields.iter_mut().zip(&right.fields) {
                    if a.ty == Ty::Unknown {
                        a.ty = b.ty;
                    } else if b.ty != Ty::Unknown && a.ty != b.ty {
                        return Err(SqlError::new(
                            "42804",
                            format!(
                                "{op} types {} and {} cannot be matched",
                                a.ty.name(),
                                b.ty.name()
                            ),
                        ));
                    }
                }
                let all = match set_quantifier {
                    SetQuantifier::All => true,
                    SetQuantifier::Distinct | SetQuantifier::None => false,
                    _ => return Err(SqlError::unsupported("this set operation")),
                };
                match (op, all) {
                    (SetOperator::Union, _) => left.rows.extend(right.rows),
                    (SetOperator::Except, false) => {
                        left.rows.retain(|row| !right.rows.contains(row));
                    }
                    (SetOperator::Intersect, false) => {
                        left.rows.retain(|row| right.rows.contains(row));
                    }
                    _ => return Err(SqlError::unsupported(format!("{op} ALL"))),
                }
                if !all {
                    distinct(&mut left.rows);
                }
                Ok(left)
            }
            _ => Err(SqlError::unsupported("this form of a query")),
        }
    }

    /// Runs a SELECT; with the rows come the values that they are ordered by.
    fn select(
        &mut self,
        select: &ast::Select,
        order: &[ast::OrderByExpr],
    ) -> Result<(Relation, Vec<Vec<Datum>>)> {
        if select.top.is_some()
            || select.into.is_some()
            || !select.lateral_views.is_empty()
            || select.prewhere.is_some()
            || !select.connect_by.is_empty()
            || !select.named_window.is_empty()
            || select.qualify.is_some()
            || select.exclude.is_some()
        {
            return Err(SqlError::unsupported("this clause of SELECT"));
        }
        let unique = match &select.distinct {
            None | Some(ast::Distinct::All) => false,
            Some(ast::Distinct::Distinct) => true,
            Some(ast::Distinct::On(_)) => return Err(SqlError::unsupported("DISTINCT ON")),
        };
        let (scope, from) = self.from(&select.from)?;
        let outer = self.aggregates.take();
        let condition = match &select.selection {
            Some(expr) => self.condition(expr, &scope, "WHERE")?.conjuncts(),
            None => Vec::new(),
        };
        let groups: &[Expr] = match &select.group_by {
            GroupByExpr::Expressions(groups, modifiers) if modifiers.is_empty() => groups,
            _ => return Err(SqlError::unsupported("this GROUP BY")),
        };
        let items = Self::projection(&select.projection, &scope)?;
        let mut group_keys = Vec::new();
        for group in groups {
            // A number or an alias names a column of the result.
            let named = by_position(group, items.len()).or_else(|| by_alias(group, &items, &scope));
            let expr = named
                .and_then(|n| items.get(n))
                .map_or(group, |item| &item.expr);
            group_keys.push(self.compile(expr, &scope, Ty::Unknown)?.0);
        }
        self.aggregates = Some(Vec::new());
        let mut outputs = Vec::new();
        let mut fields = Vec::new();
        for item in &items {
            let (ex, ty) = self.compile(&item.expr, &scope, Ty::Unknown)?;
            outputs.push(ex);
            fields.push(Field {
                name: item.name.clone(),
                ty,
            });
        }
        let having = match &select.having {
            Some(expr) => Some(self.condition(expr, &scope, "HAVING")?),
            None => None,
        };
        let mut keys = Vec::new();
        for item in order {
            let named =
                by_position(&item.expr, items.len()).or_else(|| by_name(&item.expr, &items));
            let expr = named
                .and_then(|n| items.get(n))
                .map_or(&item.expr, |found| &found.expr);
            keys.push(self.compile(expr, &scope, Ty::Unknown)?.0);
        }
        let aggregates = std::mem::replace(&mut self.aggregates, outer).unwrap_or_default();
        let grouped = !aggregates.is_empty() || !group_keys.is_empty() || having.is_some();
        if grouped {
            let named: Vec<usize> = group_keys
                .iter()
                .filter_map(|ex| match ex {
                    Ex::Col(n) => Some(*n),
                    _ => None,
                })
                .collect();
            let expressions = group_keys.iter().any(|ex| !matches!(ex, Ex::Col(_)));
            for column in outputs
                .iter()
                .chain(&keys)
                .chain(&having)
                .flat_map(Ex::columns)
            {
                if !named.contains(&column) && !expressions {
                    let name = scope.get(column).map_or("?", |c| c.name.as_str());
                    return Err(SqlError::new(
                        "42803",
                        format!(
                            "column \"{name}\" must appear in the GROUP BY clause or be used in an aggregate function"
                        ),
                    ));
                }
            }
        }
        if self.describe {
            return Ok((
                Relation {
                    fields,
                    rows: Vec::new(),
                },
                Vec::new(),
            ));
        }
        let rows = self.join(from, &condition)?;
        let mut result = Vec::new();
        let mut ordered = Vec::new();
        let mut emit = |row: &[Datum], totals: &[Datum]| -> Result<()> {
            let line = outputs
                .iter()
                .map(|ex| ex.eval(row, totals))
                .collect::<Result<Vec<_>>>()?;
            if unique && result.contains(&line) {
                return Ok(());
            }
            result.push(line);
            ordered.push(
                keys.iter()
                    .map(|ex| ex.eval(row, totals))
                    .collect::<Result<Vec<_>>>()?,
            );
            Ok(())
        };
        if grouped {
            let mut sets: BTreeMap<Vec<Datum>, Vec<Vec<Datum>>> = BTreeMap::new();
            if group_keys.is_empty() {
                sets.insert(Vec::new(), Vec::new());
            }
            for row in rows {
                let key = group_keys
                    .iter()
                    .map(|ex| ex.eval(&row, &[]))
                    .collect::<Result<Vec<_>>>()?;
                sets.entry(key).or_default().push(row);
            }
            for set in sets.into_values() {
                let mut totals = Vec::new();
                for (agg, argument, each_once) in &aggregates {
                    let mut values = match argument {
                        Some(ex) => set
                            .iter()
                            .map(|row| ex.eval(row, &[]))
                            .collect::<Result<Vec<_>>>()?,
                        None => vec![Datum::Null; set.len()],
                    };
                    if *each_once {
                        distinct(&mut values);
                    }
                    totals.push(aggregate(*agg, &values)?);
                }
                let none = vec![Datum::Null; scope.len()];
                let row = set.first().unwrap_or(&none);
                if let Some(having) = &having
                    && having.eval(row, &totals)? != Datum::Bool(true)
                {
                    continue;
                }
                emit(row, &totals)?;
            }
        } else {
            for row in rows {
                emit(&row, &[])?;
            }
        }
        Ok((
            Relation {
                fields,
                rows: result,
            },
            ordered,
        ))
    }

    fn order_keys(
        &mut self,
        order: &[ast::OrderByExpr],
        scope: &[InScope],
        relation: &Relation,
    ) -> Result<Vec<Vec<Datum>>> {
        let mut keys = Vec::new();
        for item in order {
            keys.push(match by_position(&item.expr, scope.len()) {
                Some(n) => Ex::Col(n),
                None => self.compile(&item.expr, scope, Ty::Unknown)?.0,
            });
        }
        let all = relation
            .rows
            .iter()
            .map(|row| keys.iter().map(|ex| ex.eval(row, &[])).collect());
        all.collect()
    }

    fn projection(projection: &[SelectItem], scope: &[InScope]) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        let column = |c: &InScope| Item {
            name: c.name.clone(),
            expr: if c.table.is_empty() {
                Expr::Identifier(quoted(&c.name))
            } else {
                Expr::CompoundIdentifier(vec![quoted(&c.table), quoted(&c.name)])
            },
        };
        for item in projection {
            match item {
                SelectItem::Wildcard(_) => {
                    if scope.is_empty() {
                        return Err(SqlError::new(
                            "42602",
                            "cannot use \"*\" without a FROM clause",
                        ));
                    }
                    items.extend(scope.iter().filter(|c| !c.hidden).map(column));
                }
                SelectItem::QualifiedWildcard(
                    ast::SelectItemQualifiedWildcardKind::ObjectName(name),
                    _,
                ) => {
                    let parts = name_parts(name)?;
                    let table = parts.last().cloned().unwrap_or_default();
                    let before = items.len();
                    items.extend(
                        scope
                            .iter()
                            .filter(|c| c.table == table && !c.hidden)
                            .map(column),
                    );
                    if items.len() == before {
                        return Err(SqlError::new(
                            "42P01",
                            format!("no data source matches pattern: {table}.*"),
                        ));
                    }
                }
                SelectItem::UnnamedExpr(expr) => {
                    items.push(Item {
                        name: label(expr),
                        expr: expr.clone(),
                    });
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    items.push(Item {
                        name: ident(alias),
                        expr: expr.clone(),
                    });
                }
                _ => return Err(SqlError::unsupported("this item of SELECT")),
            }
        }
        Ok(items)
    }

    fn from(&mut self, tables: &[ast::TableWithJoins]) -> Result<(Vec<InScope>, Vec<From>)> {
        let mut scope = Vec::new();
        let mut from = Vec::new();
        for table in tables {
            self.factor(&table.relation, false, &mut scope, &mut from)?;
            for join in &table.joins {
                let (left, constraint) = match &join.join_operator {
                    JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => {
                        (false, constraint)
                    }
                    JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                        (true, constraint)
                    }
                    JoinOperator::CrossJoin(constraint) => (false, constraint),
                    _ => return Err(SqlError::unsupported("this kind of JOIN")),
                };
                let before = scope.len();
                self.factor(&join.relation, left, &mut scope, &mut from)?;
                let on = match constraint {
                    JoinConstraint::On(expr) => self.condition(expr, &scope, "ON")?.conjuncts(),
                    JoinConstraint::None => Vec::new(),
                    JoinConstraint::Using(names) => {
                        let mut on = Vec::new();
                        for name in names {
                            let name = name_parts(name)?.join(".");
                            let find =
                                |scope: &[InScope]| scope.iter().position(|c| c.name == name);
                            let a = find(scope.get(..before).unwrap_or_default());
                            let b = find(scope.get(before..).unwrap_or_default());
                            let (Some(a), Some(b)) = (a, b) else {
                                return Err(no_column(&name));
                            };
                            if let Some(column) = scope.get_mut(before + b) {
                                column.hidden = true;
                                column.name.push_str(" (used)");
                            }
                            on.push(Ex::Binary(
                                Op::Eq,
                                Box::new(Ex::Col(a)),
                                Box::new(Ex::Col(before + b)),
                            ));
                        }
                        on
                    }
                    _ => return Err(SqlError::unsupported("NATURAL JOIN")),
                };
                if let Some(last) = from.last_mut() {
                    last.on = on;
                }
            }
        }
        Ok((scope, from))
    }

    fn factor(
        &mut self,
        factor: &TableFactor,
        left: bool,
        scope: &mut Vec<InScope>,
        from: &mut Vec<From>,
    ) -> Result<()> {
        let (columns, source, default_name, alias) = match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                ..
            } => {
                let parts = name_parts(name)?;
                let last = parts.last().cloned().unwrap_or_default();
                let named = self
                    .named
                    .iter()
                    .rev()
                    .find(|(known, _)| parts.len() == 1 && *known == last);
                if let Some((_, relation)) = named {
                    (
                        relation.fields.clone(),
                        Source::Rows(relation.rows.clone()),
                        last,
                        alias,
                    )
                } else if let Some(relation) = views::find(self.view, &self.txn.base, &parts)? {
                    (relation.fields, Source::Rows(relation.rows), last, alias)
                } else {
                    let table = self.find_table(name, "SELECT")?;
                    let fields = table
                        .columns
                        .iter()
                        .map(|c| Field {
                            name: c.name.clone(),
                            ty: c.ty,
                        })
                        .collect();
                    (fields, Source::Table(table), last, alias)
                }
            }
            TableFactor::Table {
                name,
                alias,
                args: Some(args),
                ..
            } => {
                let (fields, rows) = self.series(name, &args.args)?;
                (
                    fields,
                    Source::Rows(rows),
                    "generate_series".to_owned(),
                    alias,
                )
            }
            TableFactor::Function {
                name,
                args,
                alias,
                lateral: false,
                ..
            } => {
                let (fields, rows) = self.series(name, args)?;
                (
                    fields,
                    Source::Rows(rows),
                    "generate_series".to_owned(),
                    alias,
                )
            }
            TableFactor::Derived {
                lateral: false,
                subquery,
                alias,
                ..
            } => {
                let relation = self.query(subquery)?;
                (
                    relation.fields,
                    Source::Rows(relation.rows),
                    String::new(),
                    alias,
                )
            }
            _ => return Err(SqlError::unsupported("this item of FROM")),
        };
        let mut columns = Relation {
            fields: columns,
            rows: Vec::new(),
        };
        if let Some(alias) = alias {
            rename(&mut columns, alias);
            if default_name == "generate_series"
                && alias.columns.is_empty()
                && let Some(field) = columns.fields.first_mut()
            {
                field.name = ident(&alias.name);
            }
        }
        let name = alias
            .as_ref()
            .map_or(default_name, |alias| ident(&alias.name));
        if !name.is_empty() && scope.iter().any(|c| c.table == name) {
            return Err(SqlError::new(
                "42712",
                format!("source name \"{name}\" specified more than once (missing AS clause)"),
            ));
        }
        let hidden = |n: usize| match &source {
            Source::Table(table) => table.columns.get(n).is_some_and(|c| c.hidden),
            Source::Rows(_) => false,
        };
        for (n, field) in columns.fields.iter().enumerate() {
            scope.push(InScope {
                table: name.clone(),
                hidden: hidden(n),
                ..in_scope(field)
            });
        }
        from.push(From {
            width: columns.fields.len(),
            source,
            left,
            on: Vec::new(),
        });
        Ok(())
    }

    fn series(
        &mut self,
        name: &ast::ObjectName,
        args: &[FunctionArg],
    ) -> Result<(Vec<Field>, Vec<Vec<Datum>>)> {
        if name_parts(name)?.join(".") != "generate_series" {
            return Err(SqlError::unsupported(format!("the table function {name}")));
        }
        let mut bounds = Vec::new();
        for arg in args {
            let FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) = arg else {
                return Err(SqlError::unsupported("named arguments"));
            };
            match self.compile(expr, &[], Ty::Int)?.0.eval(&[], &[])? {
                Datum::Int(n) => bounds.push(n),
                _ if self.describe => bounds.push(0),
                _ => return Err(SqlError::new("22023", "generate_series takes integers")),
            }
        }
        let (first, last, step) = match bounds.as_slice() {
            [first, last] => (*first, *last, 1),
            [first, last, step] if *step > 0 => (*first, *last, *step),
            _ => return Err(SqlError::unsupported("this generate_series")),
        };
        let step = usize::try_from(step).unwrap_or(1);
        let rows = (first..=last)
            .step_by(step)
            .map(|n| vec![Datum::Int(n)])
            .collect();
        Ok((
            vec![Field {
                name: "generate_series".to_owned(),
                ty: Ty::Int,
            }],
            rows,
        ))
    }

    /// Joins what FROM names, from left to right, and keeps what fulfils the conditions.
    fn join(&mut self, from: Vec<From>, conditions: &[Ex]) -> Result<Vec<Vec<Datum>>> {
        let mut rows: Vec<Vec<Datum>> = vec![Vec::new()];
        let mut offset = 0;
        for item in from {
            let end = offset + item.width;
            // What can be told by this table alone narrows what is read of it.
            let own = |ex: &&Ex| {
                let columns = ex.columns();
                !columns.is_empty() && columns.iter().all(|n| (offset..end).contains(n))
            };
            let mut alone: Vec<Ex> = item
                .on
                .iter()
                .filter(own)
                .map(|ex| shifted(ex, offset))
                .collect();
            if !item.left {
                alone.extend(conditions.iter().filter(own).map(|ex| shifted(ex, offset)));
            }
            // Equalities with what is to the left find rows by key.
            let pairs: Vec<(Ex, usize)> = item
                .on
                .iter()
                .chain(if item.left { &[] } else { conditions })
                .filter_map(|ex| match ex {
                    Ex::Binary(Op::Eq, a, b) => match (a.as_ref(), b.as_ref()) {
                        (Ex::Col(n), other) | (other, Ex::Col(n))
                            if (offset..end).contains(n)
                                && !other.columns().is_empty()
                                && other.columns().iter().all(|n| *n < offset) =>
                        {
                            Some((other.clone(), n - offset))
                        }
                        _ => None,
                    },
                    _ => None,
                })
                .collect();
            let by_key = match &item.source {
                Source::Table(table) => pairs
                    .iter()
                    .any(|(_, column)| table.primary_key.first() == Some(column)),
                Source::Rows(_) => false,
            };
            let matching = |all: &[Ex], row: &[Datum]| -> Result<bool> {
                for ex in all {
                    if ex.eval(row, &[])? != Datum::Bool(true) {
                        return Ok(false);
                    }
                }
                Ok(true)
            };
            let mut whole: Vec<Vec<Datum>> = Vec::new();
            let mut hashed: HashMap<String, Vec<usize>> = HashMap::new();
            if !by_key {
                let found: Vec<Vec<Datum>> = match &item.source {
                    Source::Table(table) => self
                        .read(table, &alone)
                        .iter()
                        .map(|row| row.to_vec())
                        .collect(),
                    Source::Rows(rows) => rows.clone(),
                };
                for row in found {
                    if matching(&alone, &row)? {
                        whole.push(row);
                    }
                }
                if let Some((_, column)) = pairs.first() {
                    for (n, row) in whole.iter().enumerate() {
                        if let Some(value) = row.get(*column) {
                            hashed.entry(hash(value)).or_default().push(n);
                        }
                    }
                }
            }
            let mut joined = Vec::new();
            for before in rows {
                let candidates: Vec<Vec<Datum>> =
                    if by_key && let Source::Table(table) = &item.source {
                        let mut narrow = alone.clone();
                        for (other, column) in &pairs {
                            let value = Ex::Const(other.eval(&before, &[])?);
                            narrow.push(Ex::Binary(
                                Op::Eq,
                                Box::new(Ex::Col(*column)),
                                Box::new(value),
                            ));
                        }
                        let found = self.read(table, &narrow);
                        found.iter().map(|row| row.to_vec()).collect()
                    } else if let Some((other, _)) = pairs.first() {
                        let value = other.eval(&before, &[])?;
                        let found = hashed
                            .get(&hash(&value))
                            .map(Vec::as_slice)
                            .unwrap_or_default();
                        found
                            .iter()
                            .filter_map(|n| whole.get(*n))
                            .cloned()
                            .collect()
                    } else {
                        whole.clone()
                    };
                let mut any = false;
                for candidate in candidates {
                    let mut row = before.clone();
                    row.extend(candidate);
                    if matching(&item.on, &row)? {
                        any = true;
                        joined.push(row);
                    }
                }
                if !any && item.left {
                    let mut row = before;
                    row.extend(std::iter::repeat_n(Datum::Null, item.width));
                    joined.push(row);
                }
            }
            rows = joined;
            offset = end;
        }
        let mut kept = Vec::new();
        for row in rows {
            let mut keep = true;
            for condition in conditions {
                keep = keep && condition.eval(&row, &[])? == Datum::Bool(true);
            }
            if keep {
                kept.push(row);
            }
        }
        Ok(kept)
    }

    // ---- expressions --------------------------------------------------------------------------

    fn condition(&mut self, expr: &Expr, scope: &[InScope], clause: &str) -> Result<Ex> {
        let (ex, ty) = self.compile(expr, scope, Ty::Bool)?;
        if ty != Ty::Bool && ty != Ty::Unknown {
            return Err(SqlError::new(
                "42804",
                format!(
                    "argument of {clause} must be type bool, not type {}",
                    ty.name()
                ),
            ));
        }
        Ok(ex)
    }

    fn compile(&mut self, expr: &Expr, scope: &[InScope], want: Ty) -> Result<(Ex, Ty)> {
        match expr {
            Expr::Nested(inner) => self.compile(inner, scope, want),
            Expr::Identifier(name) => resolve(scope, None, &ident(name), self.view, self.txn.now),
            Expr::CompoundIdentifier(parts) => {
                let parts: Vec<String> = parts.iter().map(ident).collect();
                match parts.as_slice() {
                    [.., table, name] => resolve(scope, Some(table), name, self.view, self.txn.now),
                    _ => Err(SqlError::unsupported("this name")),
                }
            }
            Expr::Value(value) => self.literal(&value.value, want),
            Expr::TypedString(typed) => {
                let ty = column_type(&typed.data_type)?.0;
                let text = match &typed.value.value {
                    Value::SingleQuotedString(text) => text.clone(),
                    other => return Err(SqlError::unsupported(format!("the literal {other}"))),
                };
                Ok((Ex::Const(Datum::String(text).cast(ty)?), ty))
            }
            Expr::Cast {
                expr, data_type, ..
            } => {
                let ty = column_type(data_type)?.0;
                let (ex, from) =
                    self.compile(expr, scope, if is_open(expr) { ty } else { Ty::Unknown })?;
                if from == ty {
                    return Ok((ex, ty));
                }
                let ex = Ex::Cast(Box::new(ex), ty);
                Ok((
                    if ex.is_constant() {
                        Ex::Const(ex.eval(&[], &[])?)
                    } else {
                        ex
                    },
                    ty,
                ))
            }
            Expr::UnaryOp {
                op: UnaryOperator::Not,
                expr,
            } => Ok((
                Ex::Not(Box::new(self.condition(expr, scope, "NOT")?)),
                Ty::Bool,
            )),
            Expr::UnaryOp {
                op: UnaryOperator::Minus,
                expr,
            } => {
                let (ex, ty) = self.compile(expr, scope, want)?;
                let ex = Ex::Neg(Box::new(ex));
                Ok((
                    if ex.is_constant() {
                        Ex::Const(ex.eval(&[], &[])?)
                    } else {
                        ex
                    },
                    ty,
                ))
            }
            Expr::UnaryOp {
                op: UnaryOperator::Plus,
                expr,
            } => self.compile(expr, scope, want),
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right, scope, want),
            Expr::IsDistinctFrom(a, b) => self.operate(Op::Distinct, a, b, scope, Ty::Unknown),
            Expr::IsNotDistinctFrom(a, b) => self.operate(Op::Same, a, b, scope, Ty::Unknown),
            Expr::IsNull(inner) | Expr::IsNotNull(inner) => {
                let (ex, _) = self.compile(inner, scope, Ty::Unknown)?;
                Ok((
                    Ex::IsNull(Box::new(ex), matches!(expr, Expr::IsNull(_))),
                    Ty::Bool,
                ))
            }
            Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner) => {
                let ex = self.condition(inner, scope, "IS")?;
                let truth = matches!(expr, Expr::IsTrue(_) | Expr::IsNotTrue(_));
                let negated = matches!(expr, Expr::IsNotTrue(_) | Expr::IsNotFalse(_));
                Ok((Ex::Is(Box::new(ex), truth, negated), Ty::Bool))
            }
            Expr::Between {
                expr,
                negated,
                low,
                high,
            } => {
                let (low, _) = self.operate(Op::Ge, expr, low, scope, Ty::Unknown)?;
                let (high, _) = self.operate(Op::Le, expr, high, scope, Ty::Unknown)?;
                let both = Ex::Binary(Op::And, Box::new(low), Box::new(high));
                Ok((
                    if *negated {
                        Ex::Not(Box::new(both))
                    } else {
                        both
                    },
                    Ty::Bool,
                ))
            }
            Expr::In {
                expr,
                target,
                negated,
                ..
            } => self.within(expr, target, *negated, scope),
            Expr::AnyOp { .. } | Expr::AllOp { .. } => {
                Err(SqlError::unsupported("ANY and ALL: use IN"))
            }
            Expr::Like {
                negated,
                expr,
                pattern,
                escape_char: None,
                any: false,
            } => self.like(expr, pattern, *negated, false, scope),
            Expr::ILike {
                negated,
                expr,
                pattern,
                escape_char: None,
                any: false,
            } => self.like(expr, pattern, *negated, true, scope),
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => {
                let mut arms = Vec::new();
                let mut ty = want;
                for arm in conditions {
                    let condition = match operand {
                        Some(operand) => {
                            self.operate(Op::Eq, operand, &arm.condition, scope, Ty::Unknown)?
                                .0
                        }
                        None => self.condition(&arm.condition, scope, "CASE")?,
                    };
                    let (result, found) = self.compile(&arm.result, scope, ty)?;
                    if ty == Ty::Unknown {
                        ty = found;
                    }
                    arms.push((condition, result));
                }
                let last = match else_result {
                    Some(last) => self.compile(last, scope, ty)?.0,
                    None => Ex::Const(Datum::Null),
                };
                Ok((Ex::Case(arms, Box::new(last)), ty))
            }
            Expr::Subquery(query) => {
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
                if relation.rows.len() > 1 {
                    return Err(SqlError::new(
                        "21000",
                        "more than one row returned by a subquery used as an expression",
                    ));
                }
                let ty = relation
                    .fields
                    .first()
                    .map_or(Ty::Unknown, |field| field.ty);
                let value = relation
                    .rows
                    .into_iter()
                    .flatten()
                    .next()
                    .unwrap_or(Datum::Null);
                Ok((Ex::Const(value), ty))
            }
            Expr::Exists { subquery, negated } => {
                let relation = self.apart(subquery)?;
                Ok((
                    Ex::Const(Datum::Bool(relation.rows.is_empty() == *negated)),
                    Ty::Bool,
                ))
            }
            Expr::Function(function) => self.function(function, scope, want),
            other => Err(SqlError::unsupported(format!("the expression {other}"))),
        }
    }

    /// A query within an expression; it must not need the rows around it.
    fn apart(&mut self, query: &ast::Query) -> Result<Relation> {
        let outer = self.aggregates.take();
        let result = self.query(query);
        self.aggregates = outer;
        result
    }

    fn literal(&mut self, value: &Value, want: Ty) -> Result<(Ex, Ty)> {
        let done = |value: Datum| {
            let ty = value.ty();
            Ok((Ex::Const(value), ty))
        };
        match value {
            Value::Null => Ok((Ex::Const(Datum::Null), want)),
            Value::Boolean(b) => done(Datum::Bool(*b)),
            Value::Number(text, _) => match want {
                Ty::Decimal | Ty::Float => done(Datum::String(text.clone()).cast(want)?),
                _ if text.contains(['.', 'e', 'E']) => {
                    done(Datum::String(text.clone()).cast(Ty::Decimal)?)
                }
                _ => done(Datum::Int(text.parse().map_err(|_| {
                    SqlError::new(
                        "22003",
                        format!("numeric constant out of int64 range: {text}"),
                    )
                })?)),
            },
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => match want {
                Ty::Unknown | Ty::String | Ty::Strings => done(Datum::String(text.clone())),
                ty => done(Datum::String(text.clone()).cast(ty)?),
            },
            Value::Placeholder(name) => {
                let n: usize = name
                    .trim_start_matches('$')
                    .parse()
                    .ok()
                    .filter(|n| (1..=65_535).contains(n))
                    .ok_or_else(|| SqlError::new("42601", format!("invalid placeholder {name}")))?;
                if self.types.len() < n {
                    self.types.resize(n, Ty::Unknown);
                }
                if let Some(known) = self.types.get_mut(n - 1)
                    && *known == Ty::Unknown
                {
                    *known = want;
                }
                let ty = self.types.get(n - 1).copied().unwrap_or(Ty::Unknown);
                match self.params.get(n - 1) {
                    Some(value) => Ok((Ex::Const(value.clone()), ty)),
                    None if self.describe => Ok((Ex::Const(Datum::Null), ty)),
                    None => Err(SqlError::new(
                        "42P02",
                        format!("no value provided for placeholder: ${n}"),
                    )),
                }
            }
            other => Err(SqlError::unsupported(format!("the literal {other}"))),
        }
    }

    fn binary(
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

    fn operate(
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
        Ok((
            if ex.is_constant() && !self.describe {
                Ex::Const(ex.eval(&[], &[])?)
            } else {
                ex
            },
            ty,
        ))
    }

    fn within(
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

    fn like(
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

    fn function(
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

    // ---- changes ------------------------------------------------------------------------------

    fn may_write(&self) -> Result<()> {
        if self.txn.read_only && !self.describe {
            return Err(SqlError::new(
                "25006",
                "cannot execute a write in a read-only transaction",
            ));
        }
        Ok(())
    }

    fn table_scope(table: &Table, alias: &str) -> Vec<InScope> {
        table
            .columns
            .iter()
            .map(|c| InScope {
                table: alias.to_owned(),
                name: c.name.clone(),
                ty: c.ty,
                hidden: c.hidden,
            })
            .collect()
    }

    /// INSERT and UPSERT.
    pub(crate) fn insert(&mut self, insert: &ast::Insert, upsert: bool) -> Result<Done> {
        self.may_write()?;
        let ast::TableObject::TableName(name) = &insert.table else {
            return Err(SqlError::unsupported(
                "INSERT into something else than a table",
            ));
        };
        let table = self.find_table(name, "INSERT")?;
        let alias = table.name.clone();
        let targets: Vec<usize> = if insert.columns.is_empty() {
            (0..table.columns.len())
                .filter(|n| table.columns.get(*n).is_some_and(|c| !c.hidden))
                .collect()
        } else {
            let mut targets = Vec::new();
            for column in &insert.columns {
                let name = name_parts(column)?.join(".");
                targets.push(
                    table
                        .column(&name)
                        .ok_or_else(|| no_column_of(&name, &table))?,
                );
            }
            targets
        };
        let given = self.insert_rows(insert, &table, &targets)?;
        let conflict = self.conflict(insert, &table, upsert, &targets)?;
        let returning = self.returning(insert.returning.as_deref(), &table, &alias)?;
        if self.describe {
            return Ok(Done::Count(
                "INSERT",
                0,
                returning.map(|(relation, _)| relation),
            ));
        }
        let mut written = Vec::new();
        for given in given {
            let mut row = vec![Datum::Null; table.columns.len()];
            for (n, column) in table.columns.iter().enumerate() {
                let value = match targets.iter().position(|target| *target == n) {
                    Some(position) => given.get(position).cloned().flatten(),
                    None => None,
                };
                let value = match (value, &column.default) {
                    (Some(value), _) => value,
                    (None, Some(default)) => self.default(default, column.ty)?,
                    (None, None) => Datum::Null,
                };
                if let Some(cell) = row.get_mut(n) {
                    *cell = value;
                }
            }
            let row = fit(&table, row)?;
            let clash = self.clash(&table, &row, &conflict);
            match (clash, &conflict) {
                (None, _) => {
                    self.write(&table, None, Some(row.clone()))?;
                    written.push(row);
                }
                (Some(_), Conflict::Nothing(_)) => (),
                (Some(old), Conflict::Update(_, sets, condition)) => {
                    let mut both = old.to_vec();
                    both.extend(row.iter().cloned());
                    if let Some(condition) = condition
                        && condition.eval(&both, &[])? != Datum::Bool(true)
                    {
                        continue;
                    }
                    let mut new = old.to_vec();
                    for (column, ex) in sets {
                        if let Some(cell) = new.get_mut(*column) {
                            *cell = ex.eval(&both, &[])?;
                        }
                    }
                    let new = fit(&table, new)?;
                    self.write(&table, Some(&old), Some(new.clone()))?;
                    written.push(new);
                }
                (Some(_), Conflict::Fail) => {
                    return Err(duplicate(
                        &table,
                        &table.primary_name,
                        &table.primary_key,
                        &row,
                    ));
                }
            }
        }
        Self::finish("INSERT", written, returning)
    }

    /// The values of an INSERT: `None` is DEFAULT.
    fn insert_rows(
        &mut self,
        insert: &ast::Insert,
        table: &Table,
        targets: &[usize],
    ) -> Result<Vec<Vec<Option<Datum>>>> {
        let ty = |n: usize| {
            targets
                .get(n)
                .and_then(|t| table.columns.get(*t))
                .map_or(Ty::Unknown, |c| c.ty)
        };
        let Some(source) = &insert.source else {
            return Ok(vec![Vec::new()]); // DEFAULT VALUES
        };
        let mut rows = Vec::new();
        if let SetExpr::Values(values) = source.body.as_ref()
            && source.with.is_none()
            && source.order_by.is_none()
            && source.limit_clause.is_none()
        {
            for row in &values.rows {
                check_width(row.content.len(), targets.len())?;
                let mut out = Vec::new();
                for (n, expr) in row.content.iter().enumerate() {
                    if matches!(expr, Expr::Identifier(name) if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("default"))
                    {
                        out.push(None);
                        continue;
                    }
                    let (ex, found) = self.compile(expr, &[], ty(n))?;
                    assignable(found, ty(n), table, targets.get(n).copied())?;
                    out.push(Some(ex.eval(&[], &[])?));
                }
                rows.push(out);
            }
            return Ok(rows);
        }
        let relation = self.query(source)?;
        check_width(relation.fields.len(), targets.len())?;
        for (n, field) in relation.fields.iter().enumerate() {
            assignable(field.ty, ty(n), table, targets.get(n).copied())?;
        }
        rows.extend(
            relation
                .rows
                .into_iter()
                .map(|row| row.into_iter().map(Some).collect()),
        );
        Ok(rows)
    }

    fn default(&mut self, text: &str, ty: Ty) -> Result<Datum> {
        let expr = parse::expression(text)?;
        self.compile(&expr, &[], ty)?.0.eval(&[], &[])
    }

    fn conflict(
        &mut self,
        insert: &ast::Insert,
        table: &Table,
        upsert: bool,
        targets: &[usize],
    ) -> Result<Conflict> {
        let scope = || {
            let mut scope = Self::table_scope(table, &table.name);
            scope.extend(Self::table_scope(table, "excluded"));
            scope
        };
        let width = table.columns.len();
        if upsert {
            if insert.on.is_some() {
                return Err(SqlError::new("42601", "UPSERT takes no ON CONFLICT"));
            }
            let sets = targets.iter().map(|n| (*n, Ex::Col(width + n))).collect();
            return Ok(Conflict::Update(
                Some(table.primary_key.clone()),
                sets,
                None,
            ));
        }
        let on = match &insert.on {
            None => return Ok(Conflict::Fail),
            Some(ast::OnInsert::OnConflict(on)) => on,
            Some(_) => return Err(SqlError::unsupported("ON DUPLICATE KEY")),
        };
        let target = match &on.conflict_target {
            None => None,
            Some(ast::ConflictTarget::Columns {
                columns,
                predicate: None,
            }) => {
                let mut wanted = Vec::new();
                for column in columns {
                    let name = ident(column);
                    wanted.push(table.column(&name).ok_or_else(|| no_column(&name))?);
                }
                wanted.sort_unstable();
                let sorted = |columns: &[usize]| {
                    let mut columns = columns.to_vec();
                    columns.sort_unstable();
                    columns
                };
                let fits = sorted(&table.primary_key) == wanted
                    || table
                        .indexes
                        .iter()
                        .any(|i| i.unique && sorted(&i.columns) == wanted);
                if !fits {
                    return Err(SqlError::new(
                        "42P10",
                        "there is no unique or exclusion constraint matching the ON CONFLICT specification",
                    ));
                }
                Some(wanted)
            }
            Some(_) => return Err(SqlError::unsupported("this target of ON CONFLICT")),
        };
        match &on.action {
            ast::OnConflictAction::DoNothing => Ok(Conflict::Nothing(target)),
            ast::OnConflictAction::DoUpdate(update) => {
                let scope = scope();
                let sets = self.assignments(&update.assignments, table, &scope)?;
                let condition = match &update.selection {
                    Some(expr) => Some(self.condition(expr, &scope, "WHERE")?),
                    None => None,
                };
                Ok(Conflict::Update(target, sets, condition))
            }
        }
    }

    fn assignments(
        &mut self,
        list: &[ast::Assignment],
        table: &Table,
        scope: &[InScope],
    ) -> Result<Vec<(usize, Ex)>> {
        let mut sets = Vec::new();
        for assignment in list {
            let ast::AssignmentTarget::ColumnName(name) = &assignment.target else {
                return Err(SqlError::unsupported("SET of several columns at once"));
            };
            let name = name_parts(name)?.join(".");
            let column = table.column(&name).ok_or_else(|| no_column(&name))?;
            let ty = table.columns.get(column).map_or(Ty::Unknown, |c| c.ty);
            if sets.iter().any(|(known, _)| *known == column) {
                return Err(SqlError::new(
                    "42601",
                    format!("multiple assignments to the same column \"{name}\""),
                ));
            }
            if matches!(&assignment.value, Expr::Identifier(name) if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("default"))
            {
                let default = table.columns.get(column).and_then(|c| c.default.clone());
                let value = match default {
                    Some(text) => self.default(&text, ty)?,
                    None => Datum::Null,
                };
                sets.push((column, Ex::Const(value)));
                continue;
            }
            let (ex, found) = self.compile(&assignment.value, scope, ty)?;
            assignable(found, ty, table, Some(column))?;
            sets.push((column, ex));
        }
        Ok(sets)
    }

    /// The row that a new one would clash with, of those that the conflict is about.
    fn clash(&mut self, table: &Table, row: &[Datum], conflict: &Conflict) -> Option<Row> {
        let about = match conflict {
            Conflict::Fail => return None, // found when it is written
            Conflict::Nothing(target) | Conflict::Update(target, ..) => target,
        };
        let concerns = |columns: &[usize]| {
            let mut sorted = columns.to_vec();
            sorted.sort_unstable();
            about.as_ref().is_none_or(|about| {
                let mut about = about.clone();
                about.sort_unstable();
                about == sorted
            })
        };
        let primary = primary_key(table, row);
        if concerns(&table.primary_key)
            && let Some(found) = self.txn.get(&Key {
                space: table.id,
                columns: primary.clone(),
            })
        {
            return Some(found);
        }
        for index in table
            .indexes
            .iter()
            .filter(|index| index.unique && concerns(&index.columns))
        {
            let Some(key) = index_key(index, row, &primary) else {
                continue;
            };
            if let Some(entry) = self.txn.get(&key) {
                return self.txn.get(&Key {
                    space: table.id,
                    columns: entry.to_vec(),
                });
            }
        }
        None
    }

    /// Writes a row in the place of another, or of none; or deletes one.
    fn write(
        &mut self,
        table: &Table,
        old: Option<&[Datum]>,
        new: Option<Vec<Datum>>,
    ) -> Result<()> {
        if let Some(old) = old {
            let primary = primary_key(table, old);
            for index in &table.indexes {
                if let Some(key) = index_key(index, old, &primary) {
                    self.txn.put(key, None);
                }
            }
            self.txn.put(
                Key {
                    space: table.id,
                    columns: primary,
                },
                None,
            );
        }
        let Some(new) = new else { return Ok(()) };
        for check in &table.checks {
            let expr = parse::expression(&check.expr)?;
            let scope = Self::table_scope(table, &table.name);
            let condition = self.condition(&expr, &scope, "CHECK")?;
            if condition.eval(&new, &[])? == Datum::Bool(false) {
                return Err(SqlError::new(
                    "23514",
                    format!("failed to satisfy CHECK constraint ({})", check.expr),
                ));
            }
        }
        let primary = primary_key(table, &new);
        let key = Key {
            space: table.id,
            columns: primary.clone(),
        };
        if self.txn.get(&key).is_some() {
            return Err(duplicate(
                table,
                &table.primary_name,
                &table.primary_key,
                &new,
            ));
        }
        for index in &table.indexes {
            let Some(entry) = index_key(index, &new, &primary) else {
                continue;
            };
            if index.unique && self.txn.get(&entry).is_some() {
                return Err(duplicate(table, &index.name, &index.columns, &new));
            }
            self.txn.put(entry, Some(Arc::new(primary.clone())));
        }
        self.txn.put(key, Some(Arc::new(new)));
        Ok(())
    }

    fn returning(
        &mut self,
        items: Option<&[SelectItem]>,
        table: &Table,
        alias: &str,
    ) -> Result<Option<(Relation, Vec<Ex>)>> {
        let Some(items) = items else { return Ok(None) };
        let scope = Self::table_scope(table, alias);
        let mut relation = Relation::default();
        let mut outputs = Vec::new();
        for item in Self::projection(items, &scope)? {
            let (ex, ty) = self.compile(&item.expr, &scope, Ty::Unknown)?;
            outputs.push(ex);
            relation.fields.push(Field {
                name: item.name,
                ty,
            });
        }
        Ok(Some((relation, outputs)))
    }

    fn finish(
        tag: &'static str,
        rows: Vec<Vec<Datum>>,
        returning: Option<(Relation, Vec<Ex>)>,
    ) -> Result<Done> {
        let count = rows.len();
        let Some((mut relation, outputs)) = returning else {
            return Ok(Done::Count(tag, count, None));
        };
        for row in rows {
            let line = outputs
                .iter()
                .map(|ex| ex.eval(&row, &[]))
                .collect::<Result<Vec<_>>>()?;
            relation.rows.push(line);
        }
        Ok(Done::Count(tag, count, Some(relation)))
    }

    /// UPDATE.
    pub(crate) fn update(&mut self, update: &ast::Update) -> Result<Done> {
        self.may_write()?;
        if update.from.is_some()
            || !update.table.joins.is_empty()
            || !update.order_by.is_empty()
            || update.limit.is_some()
        {
            return Err(SqlError::unsupported("UPDATE with FROM, ORDER BY or LIMIT"));
        }
        let (table, alias) = self.target(&update.table.relation, "UPDATE")?;
        let scope = Self::table_scope(&table, &alias);
        let condition = match &update.selection {
            Some(expr) => self.condition(expr, &scope, "WHERE")?.conjuncts(),
            None => Vec::new(),
        };
        let sets = self.assignments(&update.assignments, &table, &scope)?;
        let returning = self.returning(update.returning.as_deref(), &table, &alias)?;
        if self.describe {
            return Ok(Done::Count(
                "UPDATE",
                0,
                returning.map(|(relation, _)| relation),
            ));
        }
        let mut written = Vec::new();
        for old in self.matching(&table, &condition)? {
            let mut new = old.to_vec();
            for (column, ex) in &sets {
                if let Some(cell) = new.get_mut(*column) {
                    *cell = ex.eval(&old, &[])?;
                }
            }
            let new = fit(&table, new)?;
            self.write(&table, Some(&old), Some(new.clone()))?;
            written.push(new);
        }
        Self::finish("UPDATE", written, returning)
    }

    /// DELETE.
    pub(crate) fn delete(&mut self, delete: &ast::Delete) -> Result<Done> {
        self.may_write()?;
        let from = match &delete.from {
            ast::FromTable::WithFromKeyword(from) | ast::FromTable::WithoutKeyword(from) => from,
        };
        let [one] = from.as_slice() else {
            return Err(SqlError::unsupported("DELETE from several tables"));
        };
        if delete.using.is_some()
            || !one.joins.is_empty()
            || !delete.order_by.is_empty()
            || delete.limit.is_some()
        {
            return Err(SqlError::unsupported(
                "DELETE with USING, ORDER BY or LIMIT",
            ));
        }
        let (table, alias) = self.target(&one.relation, "DELETE")?;
        let scope = Self::table_scope(&table, &alias);
        let condition = match &delete.selection {
            Some(expr) => self.condition(expr, &scope, "WHERE")?.conjuncts(),
            None => Vec::new(),
        };
        let returning = self.returning(delete.returning.as_deref(), &table, &alias)?;
        if self.describe {
            return Ok(Done::Count(
                "DELETE",
                0,
                returning.map(|(relation, _)| relation),
            ));
        }
        let mut gone = Vec::new();
        for old in self.matching(&table, &condition)? {
            self.write(&table, Some(&old), None)?;
            gone.push(old.to_vec());
        }
        Self::finish("DELETE", gone, returning)
    }

    fn target(&mut self, factor: &TableFactor, privilege: &str) -> Result<(Table, String)> {
        let TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } = factor
        else {
            return Err(SqlError::unsupported(
                "a change of something else than a table",
            ));
        };
        let table = self.find_table(name, privilege)?;
        let alias = alias
            .as_ref()
            .map_or_else(|| table.name.clone(), |alias| ident(&alias.name));
        Ok((table, alias))
    }

    fn matching(&mut self, table: &Table, conditions: &[Ex]) -> Result<Vec<Row>> {
        let mut kept = Vec::new();
        for row in self.read(table, conditions) {
            let mut keep = true;
            for condition in conditions {
                keep = keep && condition.eval(&row, &[])? == Datum::Bool(true);
            }
            if keep {
                kept.push(row);
            }
        }
        Ok(kept)
    }
}

/// What happens when a row is there already.
enum Conflict {
    Fail,
    Nothing(Option<Vec<usize>>),
    Update(Option<Vec<usize>>, Vec<(usize, Ex)>, Option<Ex>),
}

/// An item of a projection.
struct Item {
    name: String,
    expr: Expr,
}

/// A name: in lower case, unless it is quoted.
pub(crate) fn ident(name: &ast::Ident) -> String {
    if name.quote_style.is_some() {
        name.value.clone()
    } else {
        name.value.to_lowercase()
    }
}

fn quoted(name: &str) -> ast::Ident {
    ast::Ident::with_quote('"', name)
}

/// The parts of a name.
pub(crate) fn name_parts(name: &ast::ObjectName) -> Result<Vec<String>> {
    name.0
        .iter()
        .map(|part| match part {
            ast::ObjectNamePart::Identifier(name) => Ok(ident(name)),
            ast::ObjectNamePart::Function(_) => Err(SqlError::unsupported("this name")),
        })
        .collect()
}

fn in_scope(field: &Field) -> InScope {
    InScope {
        table: String::new(),
        name: field.name.clone(),
        ty: field.ty,
        hidden: false,
    }
}

fn rename(relation: &mut Relation, alias: &ast::TableAlias) {
    for (field, column) in relation.fields.iter_mut().zip(&alias.columns) {
        field.name = ident(&column.name);
    }
}

fn no_column(name: &str) -> SqlError {
    SqlError::new("42703", format!("column \"{name}\" does not exist"))
}

fn no_column_of(name: &str, table: &Table) -> SqlError {
    SqlError::new(
        "42703",
        format!(
            "column \"{name}\" of relation \"{}\" does not exist",
            table.name
        ),
    )
}

fn resolve(
    scope: &[InScope],
    table: Option<&str>,
    name: &str,
    view: &View,
    now: i64,
) -> Result<(Ex, Ty)> {
    let mut found = scope
        .iter()
        .enumerate()
        .filter(|(_, c)| c.name == name && table.is_none_or(|t| c.table == t));
    match (found.next(), found.next()) {
        (Some((n, column)), None) => Ok((Ex::Col(n), column.ty)),
        (Some(_), Some(_)) => Err(SqlError::new(
            "42702",
            format!("column reference \"{name}\" is ambiguous"),
        )),
        (None, _) if table.is_none() => match name {
            "current_user" | "session_user" => Ok((Ex::Const(Datum::text(&view.user)), Ty::String)),
            "current_timestamp" => Ok((Ex::Const(Datum::Timestamp(now)), Ty::Timestamptz)),
            "current_database" | "current_catalog" => {
                Ok((Ex::Const(Datum::text(&view.database)), Ty::String))
            }
            _ => Err(no_column(name)),
        },
        (None, _) => {
            let table = table.unwrap_or_default();
            if scope.iter().any(|c| c.table == table) {
                return Err(no_column(&format!("{table}.{name}")));
            }
            Err(SqlError::new(
                "42P01",
                format!("no data source matches prefix: {table} in this context"),
            ))
        }
    }
}

/// Whether an expression takes its type from what is beside it.
fn is_open(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_open(inner),
        Expr::UnaryOp {
            op: UnaryOperator::Minus | UnaryOperator::Plus,
            expr,
        } => is_open(expr),
        Expr::Value(value) => matches!(
            value.value,
            Value::Placeholder(_) | Value::SingleQuotedString(_) | Value::Null | Value::Number(..)
        ),
        _ => false,
    }
}

fn by_position(expr: &Expr, width: usize) -> Option<usize> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => text
                .parse::<usize>()
                .ok()
                .filter(|n| (1..=width).contains(n))
                .map(|n| n - 1),
            _ => None,
        },
        _ => None,
    }
}

fn by_name(expr: &Expr, items: &[Item]) -> Option<usize> {
    match expr {
        Expr::Identifier(name) => items.iter().position(|item| item.name == ident(name)),
        _ => None,
    }
}

/// An alias of the result, where no column in scope has the name.
fn by_alias(expr: &Expr, items: &[Item], scope: &[InScope]) -> Option<usize> {
    match expr {
        Expr::Identifier(name) if scope.iter().any(|c| c.name == ident(name)) => None,
        other => by_name(other, items),
    }
}

/// The name of a column without an alias.
fn label(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(name) => ident(name),
        Expr::CompoundIdentifier(parts) => parts.last().map_or_else(String::new, ident),
        Expr::Function(function) => name_parts(&function.name)
            .ok()
            .and_then(|parts| parts.last().cloned())
            .unwrap_or_else(|| "?column?".to_owned()),
        Expr::Cast {
            expr, data_type, ..
        } => match label(expr).as_str() {
            "?column?" => column_type(data_type)
                .map_or_else(|_| "?column?".to_owned(), |(ty, ..)| ty.name().to_owned()),
            other => other.to_owned(),
        },
        Expr::Nested(inner) => label(inner),
        Expr::Exists { .. } => "exists".to_owned(),
        Expr::Case { .. } => "case".to_owned(),
        _ => "?column?".to_owned(),
    }
}

fn distinct<T: Ord + Clone>(values: &mut Vec<T>) {
    let mut seen = std::collections::BTreeSet::new();
    values.retain(|value| seen.insert(value.clone()));
}

/// The same for values that are numerically alike.
fn hash(value: &Datum) -> String {
    match value {
        Datum::Decimal(n) => n.normalize().to_string(),
        other => other.to_string(),
    }
}

/// Column numbers counted from a table's own first.
fn shifted(ex: &Ex, by: usize) -> Ex {
    let sub = |ex: &Ex| Box::new(shifted(ex, by));
    match ex {
        Ex::Col(n) => Ex::Col(n.saturating_sub(by)),
        Ex::Const(_) | Ex::Agg(_) => ex.clone(),
        Ex::Not(a) => Ex::Not(sub(a)),
        Ex::Neg(a) => Ex::Neg(sub(a)),
        Ex::Binary(op, a, b) => Ex::Binary(*op, sub(a), sub(b)),
        Ex::IsNull(a, yes) => Ex::IsNull(sub(a), *yes),
        Ex::Is(a, truth, negated) => Ex::Is(sub(a), *truth, *negated),
        Ex::In(a, list, negated) => Ex::In(
            sub(a),
            list.iter().map(|ex| shifted(ex, by)).collect(),
            *negated,
        ),
        Ex::Like(a, b, negated, any_case) => Ex::Like(sub(a), sub(b), *negated, *any_case),
        Ex::Case(arms, last) => Ex::Case(
            arms.iter()
                .map(|(c, r)| (shifted(c, by), shifted(r, by)))
                .collect(),
            sub(last),
        ),
        Ex::Cast(a, ty) => Ex::Cast(sub(a), *ty),
        Ex::Call(func, args) => Ex::Call(*func, args.iter().map(|ex| shifted(ex, by)).collect()),
    }
}

fn primary_key(table: &Table, row: &[Datum]) -> Vec<Datum> {
    table
        .primary_key
        .iter()
        .map(|n| row.get(*n).cloned().unwrap_or(Datum::Null))
        .collect()
}

fn check_width(given: usize, wanted: usize) -> Result<()> {
    match given.cmp(&wanted) {
        Ordering::Greater => Err(SqlError::new(
            "42601",
            format!(
                "INSERT has more expressions than target columns, {given} expressions for {wanted} targets"
            ),
        )),
        Ordering::Less => Err(SqlError::new(
            "42601",
            format!(
                "INSERT has more target columns than expressions, {given} expressions for {wanted} targets"
            ),
        )),
        Ordering::Equal => Ok(()),
    }
}

/// Whether a value of a type may go into a column.
fn assignable(from: Ty, to: Ty, table: &Table, column: Option<usize>) -> Result<()> {
    let numeric = |ty: Ty| matches!(ty, Ty::Int | Ty::Decimal | Ty::Float);
    let text = |ty: Ty| matches!(ty, Ty::String | Ty::Json);
    if from == to
        || from == Ty::Unknown
        || to == Ty::Unknown
        || numeric(from) && numeric(to)
        || text(from) && to == Ty::Json
    {
        return Ok(());
    }
    let name = column
        .and_then(|n| table.columns.get(n))
        .map_or("?", |c| c.name.as_str());
    Err(SqlError::new(
        "42804",
        format!(
            "value type {} doesn't match type {} of column \"{name}\"",
            from.name(),
            to.name()
        ),
    ))
}

/// Makes a row's values those of its columns: types, lengths, scales, NULL.
fn fit(table: &Table, row: Vec<Datum>) -> Result<Vec<Datum>> {
    row.into_iter()
        .zip(&table.columns)
        .map(|(value, column)| fit_value(value, column))
        .collect()
}

fn fit_value(value: Datum, column: &Column) -> Result<Datum> {
    if value.is_null() {
        return if column.not_null {
            Err(SqlError::new(
                "23502",
                format!(
                    "null value in column \"{}\" violates not-null constraint",
                    column.name
                ),
            ))
        } else {
            Ok(value)
        };
    }
    let value = value.cast(column.ty)?;
    match (&value, column.width) {
        (Datum::String(text), Some(width)) if text.chars().count() as u64 > width => Err(
            SqlError::new("22001", format!("value too long for type STRING({width})")),
        ),
        (Datum::Decimal(number), Some(precision)) => {
            let scale = column.scale.unwrap_or(0);
            let strategy = rust_decimal::RoundingStrategy::MidpointAwayFromZero;
            let mut rounded = number.round_dp_with_strategy(scale, strategy);
            rounded.rescale(scale);
            let whole = rounded.trunc().abs().to_string();
            let digits = if whole == "0" { 0 } else { whole.len() as u64 };
            if digits + u64::from(scale) > precision {
                return Err(SqlError::new(
                    "22003",
                    format!(
                        "value with precision {}, scale {scale} must round to an absolute value less than 10^{}",
                        precision,
                        precision.saturating_sub(u64::from(scale))
                    ),
                ));
            }
            Ok(Datum::Decimal(rounded))
        }
        (Datum::Int(n), Some(bits)) => {
            let most = 1_i64 << (bits - 1).min(62);
            if bits < 64 && !(-most..most).contains(n) {
                return Err(SqlError::new(
                    "22003",
                    format!("integer out of range for type int{}", bits / 8),
                ));
            }
            Ok(value)
        }
        _ => Ok(value),
    }
}

/// A column's type, with its length or precision, and its scale.
pub(crate) fn column_type(ty: &ast::DataType) -> Result<(Ty, Option<u64>, Option<u32>)> {
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
