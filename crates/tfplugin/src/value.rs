//! Values. Unknown and null are two things and are kept apart.

use std::collections::BTreeMap;
use std::fmt;

use crate::types::Type;

/// A number without loss: the shortest decimal text of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(String);

impl Number {
    /// From decimal text that is known to be a number.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let json: serde_json::Number = serde_json::from_str(text).ok()?;
        Some(Self(json.to_string()))
    }

    /// From a floating-point number; `None` for infinities and NaN.
    pub fn from_f64(number: f64) -> Option<Self> {
        // There is one zero, and a whole number is written without a fraction.
        number.is_finite().then(|| {
            Self(if number == 0.0 {
                "0".to_owned()
            } else {
                number.to_string()
            })
        })
    }

    /// The integer, where it is one that fits.
    pub fn as_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// The nearest floating-point number.
    pub fn as_f64(&self) -> Option<f64> {
        self.0.parse().ok()
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<i64> for Number {
    fn from(number: i64) -> Self {
        Self(number.to_string())
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self(number.to_string())
    }
}

/// A value of any type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Not set.
    Null,
    /// Set, to something that is known only after apply.
    Unknown,
    /// true or false.
    Bool(bool),
    /// A number.
    Number(Number),
    /// Text.
    String(String),
    /// Of a list, set or tuple.
    List(Vec<Value>),
    /// Of a map or object.
    Map(BTreeMap<String, Value>),
    /// Of type dynamic: with the type that it has here.
    Dynamic(Box<(Type, Value)>),
}

impl Value {
    /// Text.
    pub fn string(text: impl Into<String>) -> Self {
        Self::String(text.into())
    }

    /// Text, or null.
    pub fn optional(text: Option<impl Into<String>>) -> Self {
        text.map_or(Self::Null, |text| Self::String(text.into()))
    }

    /// An integer.
    pub fn int(number: impl Into<i64>) -> Self {
        Self::Number(Number::from(number.into()))
    }

    /// An object.
    pub fn object<const N: usize>(attributes: [(&str, Self); N]) -> Self {
        Self::Map(
            attributes
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }

    /// An attribute of an object, null where there is none; unknown where the object is.
    pub fn get(&self, name: &str) -> &Self {
        match self {
            Self::Map(attributes) => attributes.get(name).unwrap_or(&Self::Null),
            Self::Unknown => &Self::Unknown,
            _ => &Self::Null,
        }
    }

    /// Sets an attribute of an object; anything else stays as it is.
    pub fn set(&mut self, name: &str, value: Self) {
        if let Self::Map(attributes) = self {
            attributes.insert(name.to_owned(), value);
        }
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// Whether it is unknown itself.
    pub fn is_unknown(&self) -> bool {
        *self == Self::Unknown
    }

    /// Whether nothing in it is unknown.
    pub fn is_known(&self) -> bool {
        match self {
            Self::Unknown => false,
            Self::List(elements) => elements.iter().all(Self::is_known),
            Self::Map(elements) => elements.values().all(Self::is_known),
            Self::Dynamic(inner) => inner.1.is_known(),
            _ => true,
        }
    }

    /// The text, where it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The truth value, where it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The integer, where it is one.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Number(number) => number.as_i64(),
            _ => None,
        }
    }

    /// The elements of a list or set; none of anything else.
    pub fn elements(&self) -> &[Self] {
        match self {
            Self::List(elements) => elements,
            _ => &[],
        }
    }

    /// The entries of a map or object; none of anything else.
    pub fn entries(&self) -> impl Iterator<Item = (&String, &Self)> {
        let entries = match self {
            Self::Map(entries) => Some(entries),
            _ => None,
        };
        entries.into_iter().flatten()
    }
}
