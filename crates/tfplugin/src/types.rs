//! Terraform's types and their JSON form (`"string"`, `["list","string"]`, `["object",{…}]`).

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

/// The type of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// true or false.
    Bool,
    /// Of any size and precision.
    Number,
    /// Text.
    String,
    /// Carries its type with it.
    Dynamic,
    /// Elements in order.
    List(Box<Type>),
    /// Elements without order or repetition.
    Set(Box<Type>),
    /// Elements by key.
    Map(Box<Type>),
    /// Attributes, each of its own type.
    Object(BTreeMap<String, Type>),
    /// Elements in order, each of its own type.
    Tuple(Vec<Type>),
}

impl Type {
    /// A list of this.
    pub fn list(element: Self) -> Self {
        Self::List(Box::new(element))
    }

    /// A set of this.
    pub fn set(element: Self) -> Self {
        Self::Set(Box::new(element))
    }

    /// A map of this.
    pub fn map(element: Self) -> Self {
        Self::Map(Box::new(element))
    }

    /// An object.
    pub fn object<const N: usize>(attributes: [(&str, Self); N]) -> Self {
        Self::Object(
            attributes
                .into_iter()
                .map(|(name, kind)| (name.to_owned(), kind))
                .collect(),
        )
    }

    pub(crate) fn to_json(&self) -> Json {
        match self {
            Self::Bool => json!("bool"),
            Self::Number => json!("number"),
            Self::String => json!("string"),
            Self::Dynamic => json!("dynamic"),
            Self::List(element) => json!(["list", element.to_json()]),
            Self::Set(element) => json!(["set", element.to_json()]),
            Self::Map(element) => json!(["map", element.to_json()]),
            Self::Object(attributes) => {
                let all = attributes
                    .iter()
                    .map(|(name, kind)| (name.clone(), kind.to_json()));
                json!(["object", all.collect::<serde_json::Map<_, _>>()])
            }
            Self::Tuple(elements) => {
                json!([
                    "tuple",
                    elements.iter().map(Self::to_json).collect::<Vec<_>>()
                ])
            }
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.to_json().to_string().into_bytes()
    }

    pub(crate) fn from_json(json: &Json) -> Option<Self> {
        if let Some(name) = json.as_str() {
            return Some(match name {
                "bool" => Self::Bool,
                "number" => Self::Number,
                "string" => Self::String,
                "dynamic" => Self::Dynamic,
                _ => return None,
            });
        }
        let [kind, of, ..] = json.as_array()?.as_slice() else {
            return None;
        };
        match kind.as_str()? {
            "list" => Some(Self::list(Self::from_json(of)?)),
            "set" => Some(Self::set(Self::from_json(of)?)),
            "map" => Some(Self::map(Self::from_json(of)?)),
            "object" => {
                let all = of.as_object()?.iter();
                let all = all.map(|(name, kind)| Some((name.clone(), Self::from_json(kind)?)));
                Some(Self::Object(all.collect::<Option<_>>()?))
            }
            "tuple" => {
                let all = of.as_array()?.iter().map(Self::from_json);
                Some(Self::Tuple(all.collect::<Option<_>>()?))
            }
            _ => None,
        }
    }
}
