//! Schemas: what attributes and blocks there are, and what follows from that for values.

use std::collections::BTreeMap;

use crate::defaults;
use crate::diagnostics::Diagnostics;
use crate::path::{AttributePath, Step};
use crate::proto::tfplugin6 as wire;
use crate::types::Type;
use crate::value::Value;
use crate::write_only;

/// How a nested object or block repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nesting {
    /// At most once.
    Single,
    /// In order.
    List,
    /// In no order, none twice.
    Set,
    /// By a key.
    Map,
}

impl Nesting {
    /// The type of objects that repeat like this.
    fn of(self, object: Type) -> Type {
        match self {
            Self::Single => object,
            Self::List => Type::list(object),
            Self::Set => Type::set(object),
            Self::Map => Type::map(object),
        }
    }

    /// None of them. An absent nested attribute is null instead.
    fn no_blocks(self) -> Value {
        match self {
            Self::Single => Value::Null,
            Self::List | Self::Set => Value::List(Vec::new()),
            Self::Map => Value::Map(BTreeMap::new()),
        }
    }
}

/// An attribute.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "the protocol's own flags")]
pub struct Attribute {
    kind: Type,
    nested: Option<(Nesting, Vec<(String, Attribute)>)>,
    description: String,
    required: bool,
    optional: bool,
    computed: bool,
    sensitive: bool,
    write_only: bool,
    replaces: bool,
    default: Option<Value>,
}

impl Attribute {
    fn new(kind: Type, description: &str) -> Self {
        Self {
            kind,
            nested: None,
            description: description.to_owned(),
            required: false,
            optional: false,
            computed: false,
            sensitive: false,
            write_only: false,
            replaces: false,
            default: None,
        }
    }

    /// Must be set.
    pub fn required(kind: Type, description: &str) -> Self {
        Self {
            required: true,
            ..Self::new(kind, description)
        }
    }

    /// May be set.
    pub fn optional(kind: Type, description: &str) -> Self {
        Self {
            optional: true,
            ..Self::new(kind, description)
        }
    }

    /// Is never set by the user.
    pub fn computed(kind: Type, description: &str) -> Self {
        Self {
            computed: true,
            ..Self::new(kind, description)
        }
    }

    /// May be set, and gets a value where it is not.
    pub fn optional_computed(kind: Type, description: &str) -> Self {
        Self {
            optional: true,
            computed: true,
            ..Self::new(kind, description)
        }
    }

    /// May be set, and is `default` where it is not: in every plan, so that taking a value out of the configuration
    /// brings the default back. The description ends with it.
    pub fn defaulted(kind: Type, default: Value, description: &str) -> Self {
        let told = defaults::told(&default);
        Self {
            default: Some(default),
            ..Self::optional_computed(kind, &format!("{description} Default: {told}."))
        }
    }

    /// The same, never shown.
    #[must_use]
    pub fn sensitive(self) -> Self {
        Self {
            sensitive: true,
            ..self
        }
    }

    /// The same, never stored: known only from the configuration.
    #[must_use]
    pub fn write_only(self) -> Self {
        Self {
            write_only: true,
            ..self
        }
    }

    /// The same, where another value forces replacement. The description ends with it.
    #[must_use]
    pub fn forces_replacement(self) -> Self {
        Self {
            description: format!("{} Forces replacement.", self.description),
            replaces: true,
            ..self
        }
    }

    /// The same, where another value forces replacement under a condition that completes "Forces replacement …". The
    /// description ends with it.
    #[must_use]
    pub fn forces_replacement_where(self, condition: &str) -> Self {
        Self {
            description: format!("{} Forces replacement {condition}.", self.description),
            replaces: true,
            ..self
        }
    }

    /// The same, with attributes of its own.
    #[must_use]
    pub fn nested<const N: usize>(self, nesting: Nesting, of: [(&str, Self); N]) -> Self {
        let of: Vec<(String, Self)> = of
            .into_iter()
            .map(|(name, one)| (name.to_owned(), one))
            .collect();
        let object = Type::Object(
            of.iter()
                .map(|(name, one)| (name.clone(), one.kind.clone()))
                .collect(),
        );
        Self {
            kind: nesting.of(object),
            nested: Some((nesting, of)),
            ..self
        }
    }

    /// Its type.
    pub fn kind(&self) -> &Type {
        &self.kind
    }

    /// Its description.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Whether the user must set it.
    pub fn is_required(&self) -> bool {
        self.required
    }

    /// Whether the user may set it.
    pub fn is_optional(&self) -> bool {
        self.optional
    }

    /// Whether the provider may set it.
    pub fn is_computed(&self) -> bool {
        self.computed
    }

    /// Whether it is never shown.
    pub fn is_sensitive(&self) -> bool {
        self.sensitive
    }

    /// Whether it is never stored.
    pub fn is_write_only(&self) -> bool {
        self.write_only
    }

    /// What it is where the user sets nothing.
    pub fn default(&self) -> Option<&Value> {
        self.default.as_ref()
    }

    /// How it repeats, where it has attributes of its own.
    pub fn nesting(&self) -> Option<Nesting> {
        self.nested.as_ref().map(|(nesting, _)| *nesting)
    }

    /// Its own attributes, where it has some.
    pub fn attributes(&self) -> &[(String, Self)] {
        self.nested.as_ref().map_or(&[], |(_, of)| of)
    }

    fn to_wire(&self, name: &str) -> wire::schema::Attribute {
        use wire::schema::object::NestingMode;
        let nested = self
            .nested
            .as_ref()
            .map(|(nesting, of)| wire::schema::Object {
                attributes: of.iter().map(|(name, one)| one.to_wire(name)).collect(),
                nesting: match nesting {
                    Nesting::Single => NestingMode::Single,
                    Nesting::List => NestingMode::List,
                    Nesting::Set => NestingMode::Set,
                    Nesting::Map => NestingMode::Map,
                }
                .into(),
            });
        wire::schema::Attribute {
            name: name.to_owned(),
            r#type: if nested.is_some() {
                Vec::new()
            } else {
                self.kind.to_bytes()
            },
            nested_type: nested,
            description: self.description.clone(),
            required: self.required,
            optional: self.optional,
            computed: self.computed,
            sensitive: self.sensitive,
            description_kind: wire::StringKind::Markdown.into(),
            deprecated: false,
            write_only: self.write_only,
        }
    }
}

/// A block's content.
#[derive(Debug, Clone, Default)]
pub struct Block {
    attributes: Vec<(String, Attribute)>,
    blocks: Vec<(String, NestedBlock)>,
    description: String,
    replaces: bool,
}

impl Block {
    /// An empty block.
    pub fn new(description: &str) -> Self {
        Self {
            description: description.to_owned(),
            ..Self::default()
        }
    }

    /// The same, where a change of anything in it forces replacement. The description ends with it.
    #[must_use]
    pub fn forces_replacement(self) -> Self {
        Self {
            description: format!("{} A change forces replacement.", self.description),
            replaces: true,
            ..self
        }
    }

    /// The same, where a change of anything in it forces replacement under a condition that completes "A change forces
    /// replacement …". The description ends with it.
    #[must_use]
    pub fn forces_replacement_where(self, condition: &str) -> Self {
        Self {
            description: format!(
                "{} A change forces replacement {condition}.",
                self.description
            ),
            replaces: true,
            ..self
        }
    }

    /// Whether its documentation says that a change at `path` may force replacement.
    pub fn tells_replacement_by(&self, path: &AttributePath) -> bool {
        let mut steps = path.steps().iter();
        let Some(Step::Attribute(first)) = steps.next() else {
            return false;
        };
        if let Some((_, nested)) = self.blocks.iter().find(|(name, _)| name == first) {
            let rest = steps.skip_while(|step| !matches!(step, Step::Attribute(_)));
            return nested.block.replaces
                || nested.block.tells_replacement_by(&rest.cloned().collect());
        }
        let mut level = self.attributes.as_slice();
        let mut wanted = Some(first);
        while let Some(name) = wanted {
            let Some((_, attribute)) = level.iter().find(|(one, _)| one == name) else {
                return false;
            };
            if attribute.replaces {
                return true;
            }
            level = attribute.attributes();
            wanted = steps.by_ref().find_map(|step| match step {
                Step::Attribute(name) => Some(name),
                Step::Key(_) | Step::Index(_) => None,
            });
        }
        false
    }

    /// The same with one more attribute.
    #[must_use]
    pub fn attribute(mut self, name: &str, attribute: Attribute) -> Self {
        self.attributes.push((name.to_owned(), attribute));
        self
    }

    /// The same with one more block that may be there once.
    #[must_use]
    pub fn single(self, name: &str, block: Self) -> Self {
        self.nested(name, Nesting::Single, 0, block)
    }

    /// The same with one more block that may repeat; at most `max` times where that is not 0.
    #[must_use]
    pub fn list(self, name: &str, max: i64, block: Self) -> Self {
        self.nested(name, Nesting::List, max, block)
    }

    /// The same with one more block that may repeat in no order, none twice.
    #[must_use]
    pub fn set(self, name: &str, block: Self) -> Self {
        self.nested(name, Nesting::Set, 0, block)
    }

    /// The same with one more block that may repeat, each with a label that tells it apart.
    #[must_use]
    pub fn map(self, name: &str, block: Self) -> Self {
        self.nested(name, Nesting::Map, 0, block)
    }

    fn nested(mut self, name: &str, nesting: Nesting, max: i64, block: Self) -> Self {
        self.blocks.push((
            name.to_owned(),
            NestedBlock {
                nesting,
                max,
                block,
            },
        ));
        self
    }

    /// Attributes in order of declaration.
    pub fn attributes(&self) -> &[(String, Attribute)] {
        &self.attributes
    }

    /// Blocks in order of declaration.
    pub fn blocks(&self) -> &[(String, NestedBlock)] {
        &self.blocks
    }

    /// What it is for.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The place that is nearest to `path` and that Terraform finds in a configuration: through blocks to an attribute,
    /// and at most one element of it. It shows the whole resource for what is deeper.
    fn nearest(&self, path: &AttributePath) -> AttributePath {
        let steps = path.steps();
        let Some(Step::Attribute(name)) = steps.first() else {
            return path.clone();
        };
        if self.attributes.iter().any(|(one, _)| one == name) {
            let element = matches!(steps.get(1), Some(Step::Index(_) | Step::Key(_)));
            return steps[..=usize::from(element)].iter().cloned().collect();
        }
        let Some((_, nested)) = self.blocks.iter().find(|(one, _)| one == name) else {
            return path.clone();
        };
        let element = matches!(steps.get(1), Some(Step::Index(_) | Step::Key(_)));
        let (before, within) = steps.split_at(1 + usize::from(element));
        let within = nested.block.nearest(&within.iter().cloned().collect());
        before.iter().chain(within.steps()).cloned().collect()
    }

    fn kind(&self) -> Type {
        let attributes = self
            .attributes
            .iter()
            .map(|(name, one)| (name.clone(), one.kind.clone()));
        let blocks = self
            .blocks
            .iter()
            .map(|(name, one)| (name.clone(), one.nesting.of(one.block.kind())));
        Type::Object(attributes.chain(blocks).collect())
    }

    fn to_wire(&self, version: i64) -> wire::schema::Block {
        use wire::schema::nested_block::NestingMode;
        wire::schema::Block {
            version,
            attributes: self
                .attributes
                .iter()
                .map(|(name, one)| one.to_wire(name))
                .collect(),
            block_types: self
                .blocks
                .iter()
                .map(|(name, one)| wire::schema::NestedBlock {
                    type_name: name.clone(),
                    block: Some(one.block.to_wire(0)),
                    nesting: match one.nesting {
                        Nesting::Single => NestingMode::Single,
                        Nesting::List => NestingMode::List,
                        Nesting::Set => NestingMode::Set,
                        Nesting::Map => NestingMode::Map,
                    }
                    .into(),
                    min_items: 0,
                    max_items: one.max,
                })
                .collect(),
            description: self.description.clone(),
            description_kind: wire::StringKind::Markdown.into(),
            deprecated: false,
        }
    }
}

/// A block within a block.
#[derive(Debug, Clone)]
pub struct NestedBlock {
    /// How it repeats.
    pub nesting: Nesting,
    /// How often at the most; 0 for any number.
    pub max: i64,
    /// Its content.
    pub block: Block,
}

/// The schema of a provider, resource, data source or ephemeral resource.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    /// Raised whenever the stored form changes.
    pub version: i64,
    /// Its content.
    pub block: Block,
}

impl Schema {
    /// An empty schema, version 0.
    pub fn new(description: &str) -> Self {
        Self {
            version: 0,
            block: Block::new(description),
        }
    }

    /// The same with one more attribute.
    #[must_use]
    pub fn attribute(self, name: &str, attribute: Attribute) -> Self {
        Self {
            block: self.block.attribute(name, attribute),
            ..self
        }
    }

    /// The same with one more block that may be there once.
    #[must_use]
    pub fn single(self, name: &str, block: Block) -> Self {
        Self {
            block: self.block.single(name, block),
            ..self
        }
    }

    /// The same with one more block that may repeat; at most `max` times where that is not 0.
    #[must_use]
    pub fn list(self, name: &str, max: i64, block: Block) -> Self {
        Self {
            block: self.block.list(name, max, block),
            ..self
        }
    }

    /// The type of a value that follows it.
    pub fn kind(&self) -> Type {
        self.block.kind()
    }

    /// A value in which every attribute is null and every repeating block is empty.
    pub fn empty(&self) -> Value {
        let attributes = self
            .block
            .attributes
            .iter()
            .map(|(name, _)| (name.clone(), Value::Null));
        let blocks = self
            .block
            .blocks
            .iter()
            .map(|(name, one)| (name.clone(), one.nesting.no_blocks()));
        Value::Map(attributes.chain(blocks).collect::<BTreeMap<_, _>>())
    }

    /// Makes every computed top-level attribute that is null unknown: what a plan to create says.
    pub fn mark_computed_unknown(&self, planned: &mut Value) {
        for (name, one) in &self.block.attributes {
            if one.computed && planned.get(name).is_null() {
                planned.set(name, Value::Unknown);
            }
        }
    }

    /// Messages as they go over the wire, each at a place that Terraform finds.
    pub(crate) fn place(&self, diagnostics: Diagnostics) -> Vec<wire::Diagnostic> {
        diagnostics.into_wire(|path| self.block.nearest(path))
    }

    /// Write-only attributes that are set, by path.
    pub(crate) fn write_only_set(&self, config: &Value) -> Vec<AttributePath> {
        let mut found = Vec::new();
        let mut config = config.clone();
        write_only::visit(
            &self.block,
            &mut config,
            &AttributePath::root(),
            &mut |path, value| {
                if !value.is_null() {
                    found.push(path.clone());
                }
            },
        );
        found
    }

    /// Takes write-only values out: they are never planned or stored.
    pub(crate) fn drop_write_only(&self, value: &mut Value) {
        write_only::visit(
            &self.block,
            value,
            &AttributePath::root(),
            &mut |_, value| {
                *value = Value::Null;
            },
        );
    }

    pub(crate) fn to_wire(&self) -> wire::Schema {
        wire::Schema {
            version: self.version,
            block: Some(self.block.to_wire(self.version)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_at_the_place_that_terraform_finds() {
        let inner = Block::new("").attribute("filters", Attribute::optional(Type::Bool, ""));
        let port = Block::new("").list("rule", 0, inner);
        let bucket = Attribute::optional(Type::Bool, "").nested(
            Nesting::Single,
            [("name", Attribute::required(Type::String, ""))],
        );
        let schema = Schema::new("")
            .attribute("bucket", bucket)
            .attribute("members", Attribute::optional(Type::Bool, ""))
            .list("port", 0, port);
        let of = AttributePath::of;
        let deep = of("port").index(1).attribute("rule").index(0);
        for (path, expected) in [
            (AttributePath::root(), AttributePath::root()),
            (of("bucket").attribute("name"), of("bucket")),
            (
                of("members").index(2).attribute("name"),
                of("members").index(2),
            ),
            (
                deep.clone().attribute("filters").index(0),
                deep.clone().attribute("filters").index(0),
            ),
            (deep.clone(), deep),
            (of("nothing").index(0), of("nothing").index(0)),
        ] {
            assert_eq!(schema.block.nearest(&path), expected, "{path}");
        }
    }

    #[test]
    fn the_type_of_a_schema_follows_how_its_parts_repeat() {
        let item = || Block::new("").attribute("a", Attribute::required(Type::String, ""));
        let nested = |nesting| {
            let part = Attribute::required(Type::Bool, "");
            Attribute::optional(Type::Bool, "").nested(nesting, [("b", part)])
        };
        let block = Block::new("")
            .single("one", item())
            .list("list", 0, item())
            .set("set", item())
            .map("map", item())
            .attribute("nested_set", nested(Nesting::Set))
            .attribute("nested_map", nested(Nesting::Map));
        let schema = Schema { version: 0, block };
        let (of_a, of_b) = (
            Type::object([("a", Type::String)]),
            Type::object([("b", Type::Bool)]),
        );
        let expected = Type::object([
            ("one", of_a.clone()),
            ("list", Type::list(of_a.clone())),
            ("set", Type::set(of_a.clone())),
            ("map", Type::map(of_a)),
            ("nested_set", Type::set(of_b.clone())),
            ("nested_map", Type::map(of_b)),
        ]);
        assert_eq!(schema.kind(), expected);
        let empty = schema.empty();
        assert_eq!(empty.get("set"), &Value::List(Vec::new()));
        assert_eq!(empty.get("map"), &Value::Map(BTreeMap::new()));
        assert!(empty.get("one").is_null() && empty.get("nested_set").is_null());
    }
}
