//! A schema as the registry's pages spell it: required, optional and read-only arguments, and an anchor for everything
//! that has arguments of its own.

use std::fmt::Write as _;

use tfplugin::{Attribute, Block, NestedBlock, Nesting, Type};

/// The block that all kinds share, which the provider's page describes once.
pub(super) const TIMEOUTS: &str = "timeouts";

/// The section.
pub(super) fn section(block: &Block) -> String {
    let mut text = String::from("## Schema\n");
    let mut nested = Vec::new();
    for group in Group::ALL {
        let lines = group.lines(Content::Block(block), "", &mut nested);
        if !lines.is_empty() {
            let _ = write!(text, "\n### {}\n\n{lines}", group.heading());
        }
    }
    // What is found within is told right after what it is found in.
    while !nested.is_empty() {
        let one = nested.remove(0);
        let mut inner = Vec::new();
        let _ = write!(
            text,
            "\n<a id=\"{}\"></a>\n### Nested Schema for `{}`\n",
            one.anchor, one.path
        );
        for group in Group::ALL {
            let lines = group.lines(one.content, &one.path, &mut inner);
            if !lines.is_empty() {
                let _ = write!(text, "\n{}:\n\n{lines}", group.heading());
            }
        }
        nested.splice(0..0, inner);
    }
    text
}

/// Who sets an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Required,
    Optional,
    ReadOnly,
}

/// Arguments and blocks on one level.
#[derive(Debug, Clone, Copy)]
enum Content<'a> {
    Block(&'a Block),
    Attributes(&'a [(String, Attribute)]),
}

/// A section that is still to be written.
struct Nested<'a> {
    anchor: String,
    path: String,
    content: Content<'a>,
}

impl Group {
    const ALL: [Self; 3] = [Self::Required, Self::Optional, Self::ReadOnly];

    fn heading(self) -> &'static str {
        match self {
            Self::Required => "Required",
            Self::Optional => "Optional",
            Self::ReadOnly => "Read-Only",
        }
    }

    fn of(one: &Attribute) -> Self {
        match (one.is_required(), one.is_optional()) {
            (true, _) => Self::Required,
            (_, true) => Self::Optional,
            _ => Self::ReadOnly,
        }
    }

    fn lines<'a>(self, content: Content<'a>, path: &str, nested: &mut Vec<Nested<'a>>) -> String {
        let (attributes, blocks): (_, &[(String, NestedBlock)]) = match content {
            Content::Block(block) => (block.attributes(), block.blocks()),
            Content::Attributes(attributes) => (attributes, &[]),
        };
        let mut text = String::new();
        let mut push = |name: &str, notes: &str, description: &str, link: &str| {
            let _ = writeln!(text, "- `{name}` ({notes}) {description}{link}");
        };
        for (name, one) in attributes.iter().filter(|(_, one)| Self::of(one) == self) {
            let mut link = String::new();
            if !one.attributes().is_empty() {
                let inner = Content::Attributes(one.attributes());
                link = below("nestedatt", path, name, inner, nested);
            }
            push(name, &notes(one), one.description(), &link);
        }
        // A block may always be left out.
        for (name, one) in blocks.iter().filter(|_| self == Self::Optional) {
            if name == TIMEOUTS {
                let once = "How long operations may take (see [Timeouts](../index.md#timeouts)).";
                push(name, "Block", once, "");
                continue;
            }
            let link = below(
                "nestedblock",
                path,
                name,
                Content::Block(&one.block),
                nested,
            );
            push(name, &often(one), one.block.description(), &link);
        }
        text
    }
}

/// Puts a section on the list, and names the link to it.
fn below<'a>(
    kind: &str,
    path: &str,
    name: &str,
    content: Content<'a>,
    nested: &mut Vec<Nested<'a>>,
) -> String {
    let dot = if path.is_empty() { "" } else { "." };
    let path = format!("{path}{dot}{name}");
    let anchor = format!("{kind}--{}", path.replace('.', "--"));
    let link = format!(" (see [below for nested schema](#{anchor}))");
    nested.push(Nested {
        anchor,
        path,
        content,
    });
    link
}

fn often(one: &NestedBlock) -> String {
    match (one.nesting, one.max) {
        (Nesting::Single, _) => "Block".to_owned(),
        (Nesting::Set, _) => "Block Set".to_owned(),
        (_, 0) => "Block List".to_owned(),
        (_, max) => format!("Block List, Max: {max}"),
    }
}

fn notes(one: &Attribute) -> String {
    let mut notes = vec![match one.nesting() {
        None => kind(one.kind()),
        Some(Nesting::Single) => "Attributes".to_owned(),
        Some(Nesting::List) => "Attributes List".to_owned(),
        Some(Nesting::Set) => "Attributes Set".to_owned(),
        Some(Nesting::Map) => "Attributes Map".to_owned(),
    }];
    if one.is_sensitive() {
        notes.push("Sensitive".to_owned());
    }
    if one.is_write_only() {
        notes.push("Write-only".to_owned());
    }
    notes.join(", ")
}

/// A type as the registry spells it.
pub(super) fn kind(kind: &Type) -> String {
    match kind {
        Type::Bool => "Boolean".to_owned(),
        Type::Number => "Number".to_owned(),
        Type::String => "String".to_owned(),
        Type::Dynamic => "Dynamic".to_owned(),
        Type::List(of) => format!("List of {}", self::kind(of)),
        Type::Set(of) => format!("Set of {}", self::kind(of)),
        Type::Map(of) => format!("Map of {}", self::kind(of)),
        Type::Object(_) => "Object".to_owned(),
        Type::Tuple(_) => "Tuple".to_owned(),
    }
}
