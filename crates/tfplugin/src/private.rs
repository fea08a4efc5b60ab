//! Private state: what a resource keeps beside its state, which Terraform stores and hands back, and never shows.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

/// A place in private state, and the type of what is kept there.
pub struct PrivateKey<T> {
    name: &'static str,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for PrivateKey<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for PrivateKey<T> {}

impl<T> PrivateKey<T> {
    /// The place of this name. It is stored: a key whose type changes needs another name.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            kind: PhantomData,
        }
    }
}

/// The private state of one object during one call: what the call was given until the author changes it, and handed on
/// as it is after the call.
///
/// Terraform keeps what `read`, `create`, `update` and `import` leave, and shows it to the next `plan`. What `plan`
/// leaves goes to `create` or `update`. It does not go to the second `plan`, which Terraform makes at apply: that one
/// is given what the state holds, as the first was.
#[derive(Clone, Default)]
pub struct Private(Arc<Mutex<BTreeMap<String, Json>>>);

impl Private {
    /// What Terraform hands over. Bytes of another form are somebody else's, and nothing can be read from them.
    pub(crate) fn from_wire(bytes: &[u8]) -> Self {
        let kept = if bytes.is_empty() {
            BTreeMap::new()
        } else {
            serde_json::from_slice(bytes).unwrap_or_else(|error| {
                tracing::warn!("private state is not of this provider's form: {error}");
                BTreeMap::new()
            })
        };
        Self(Arc::new(Mutex::new(kept)))
    }

    /// As Terraform keeps it; empty where there is nothing.
    pub(crate) fn to_wire(&self) -> Vec<u8> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_empty() {
            return Vec::new();
        }
        serde_json::to_vec(&*kept).unwrap_or_default()
    }

    /// What is kept there; `None` where there is nothing, or something of another type.
    pub fn get<T: DeserializeOwned>(&self, key: PrivateKey<T>) -> Option<T> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.get(key.name)?.clone();
        serde_json::from_value(found)
            .inspect_err(|error| tracing::warn!("private state {:?}: {error}", key.name))
            .ok()
    }

    /// Keeps a value. One that has no form in JSON is not kept.
    pub fn set<T: Serialize>(&self, key: PrivateKey<T>, value: &T) {
        match serde_json::to_value(value) {
            Ok(json) => {
                let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                kept.insert(key.name.to_owned(), json);
            }
            Err(error) => {
                tracing::error!("private state {:?} cannot be kept: {error}", key.name);
                self.remove(key);
            }
        }
    }

    /// Keeps nothing there any more.
    pub fn remove<T>(&self, key: PrivateKey<T>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(key.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COUNTS: PrivateKey<BTreeMap<String, u32>> = PrivateKey::new("counts");
    const TEXT: PrivateKey<String> = PrivateKey::new("text");

    #[test]
    fn what_is_of_another_form_or_type_reads_as_nothing() {
        for bytes in [&b"\x01\x02"[..], b"[1]", b"lease 7"] {
            assert_eq!(Private::from_wire(bytes).get(TEXT), None);
        }
        let private = Private::from_wire(br#"{"text": 7}"#);
        assert_eq!(private.get(TEXT), None);
        assert!(Private::default().to_wire().is_empty());
    }

    proptest! {
        #[test]
        fn what_is_kept_reads_back_beside_what_others_keep(text: String, counts: BTreeMap<String, u32>) {
            let private = Private::from_wire(br#"{"other": [1, null]}"#);
            private.set(TEXT, &text);
            private.set(COUNTS, &counts);
            let again = Private::from_wire(&private.to_wire());
            prop_assert_eq!(again.get(TEXT), Some(text));
            prop_assert_eq!(again.get(COUNTS), Some(counts));
            again.remove(TEXT);
            again.remove(COUNTS);
            prop_assert_eq!(again.to_wire(), br#"{"other":[1,null]}"#.to_vec());
        }
    }
}
