//! What is in a kubeconfig, and how a cluster's entries are laid into it and taken out.

use std::fmt;

use serde_yaml_ng::{Mapping, Value};

use crate::k3d::Credentials;

/// The lists of a kubeconfig, and the key under which each of their items has its content.
pub(super) const LISTS: [(&str, &str); 3] = [
    ("clusters", "cluster"),
    ("users", "user"),
    ("contexts", "context"),
];
/// The key of the current context.
pub(super) const CURRENT: &str = "current-context";

/// What a user may add to a cluster's entries, by list. It is no difference, and it stays.
const USERS_OWN: [(&str, &[&str]); 3] = [
    (
        "clusters",
        &["extensions", "proxy-url", "disable-compression"],
    ),
    ("users", &["extensions"]),
    ("contexts", &["extensions", "namespace"]),
];

/// A kubeconfig. Keeps what it does not know; does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Kubeconfig(Mapping);

impl fmt::Debug for Kubeconfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kubeconfig({})", self.current_context())
    }
}

impl Kubeconfig {
    /// A file that is not there, or empty.
    pub(super) fn empty() -> Self {
        Self(Mapping::new())
    }

    /// One with a cluster, a user and a context, the current one.
    fn of(cluster: &str, contents: [Mapping; 3]) -> Self {
        let [context, user] = names(cluster);
        let mut all = Mapping::new();
        all.insert("apiVersion".into(), "v1".into());
        all.insert("kind".into(), "Config".into());
        for (((list, key), content), name) in LISTS
            .into_iter()
            .zip(contents)
            .zip([&context, &user, &context])
        {
            let mut item = Mapping::new();
            item.insert("name".into(), name.as_str().into());
            item.insert(key.into(), content.into());
            all.insert(list.into(), vec![Value::from(item)].into());
        }
        all.insert(CURRENT.into(), context.into());
        Self(all)
    }

    /// That of a cluster whose entries nobody knows yet: they equal no others.
    pub fn unknown(cluster: &str) -> Self {
        Self::of(cluster, [Mapping::new(), Mapping::new(), Mapping::new()])
    }

    /// Reads a file's text. What is empty or null is as good as absent, as kubectl has it.
    ///
    /// # Errors
    /// Why it is none; never a word of it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        // The parser's message could quote a key: only the place is told.
        let value: Value =
            serde_yaml_ng::from_str(text).map_err(|error| match error.location() {
                Some(place) => format!("it is not a kubeconfig (line {})", place.line()),
                None => "it is not a kubeconfig".to_owned(),
            })?;
        let all = match value {
            Value::Null => Mapping::new(),
            Value::Mapping(all) => all,
            _ => return Err("it is not a kubeconfig".to_owned()),
        };
        let kind = all.get("kind").and_then(Value::as_str).unwrap_or_default();
        if !matches!(kind, "" | "Config") {
            return Err("it is not a kubeconfig: its kind is not Config".to_owned());
        }
        for (list, _) in LISTS {
            match all.get(list) {
                None | Some(Value::Null | Value::Sequence(_)) => {}
                Some(_) => return Err(format!("it is not a kubeconfig: {list} is not a list")),
            }
        }
        Ok(Self(all))
    }

    /// The kubeconfig that a server wrote (one cluster, user and context named `default`), with
    /// k3d's names and the endpoint that is published.
    pub(crate) fn of_node(
        bytes: &[u8],
        cluster: &str,
        endpoint: &str,
    ) -> Result<Credentials, String> {
        let found = Self::parse(&String::from_utf8_lossy(bytes))?;
        let entry = |list: &str, key: &str| {
            let first = found.list(list).first()?.get(key)?;
            first.as_mapping().cloned()
        };
        let mut cluster_entry = entry("clusters", "cluster").ok_or("it has no cluster")?;
        let user_entry = entry("users", "user").ok_or("it has no user")?;
        cluster_entry.insert("server".into(), endpoint.into());
        let pem = |item: &Mapping, key: &str| -> Result<String, String> {
            let data = item
                .get(key)
                .and_then(Value::as_str)
                .ok_or(format!("it has no {key}"))?;
            decode(data).ok_or(format!("{key} is not base64"))
        };
        let credentials = (
            pem(&cluster_entry, "certificate-authority-data")?,
            pem(&user_entry, "client-certificate-data")?,
            pem(&user_entry, "client-key-data")?,
        );
        let [name, user] = names(cluster);
        let mut context = Mapping::new();
        context.insert("cluster".into(), name.into());
        context.insert("user".into(), user.into());
        Ok(Credentials {
            kubeconfig: Self::of(cluster, [cluster_entry, user_entry, context]),
            endpoint: endpoint.to_owned(),
            cluster_ca_certificate: credentials.0,
            client_certificate: credentials.1,
            client_key: credentials.2,
        })
    }

    /// The whole as YAML.
    pub fn to_yaml(&self) -> String {
        serde_yaml_ng::to_string(&self.0).unwrap_or_default()
    }

    /// The whole as JSON; `None` where a key is no text.
    pub(super) fn to_json(&self) -> Option<String> {
        let text = serde_json::to_string_pretty(&self.0).ok()?;
        Some(format!("{text}\n"))
    }

    /// A list's items; none where it is null or absent.
    pub(super) fn list(&self, name: &str) -> &[Value] {
        match self.0.get(name) {
            Some(Value::Sequence(items)) => items,
            _ => &[],
        }
    }

    /// The name of the current context; empty where there is none.
    pub(super) fn current_context(&self) -> &str {
        let current = self.0.get(CURRENT).and_then(Value::as_str);
        current.unwrap_or_default()
    }

    pub(super) fn set_current_context(&mut self, name: &str) {
        self.0.insert(CURRENT.into(), name.into());
    }

    /// Whether there is nothing in it at all.
    pub(super) fn is_blank(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether nothing would be lost with it.
    pub(super) fn holds_nothing(&self) -> bool {
        let trivial = |(key, value): (&Value, &Value)| match key.as_str() {
            Some("apiVersion" | "kind") => true,
            _ => match value {
                Value::Null => true,
                Value::Sequence(items) => items.is_empty(),
                Value::Mapping(entries) => entries.is_empty(),
                Value::String(text) => text.is_empty(),
                _ => false,
            },
        };
        self.0.iter().all(trivial)
    }

    /// Whether there is any entry of a cluster.
    pub(super) fn names(&self, cluster: &str) -> bool {
        let [context, user] = names(cluster);
        LISTS
            .iter()
            .zip([&context, &user, &context])
            .any(|((list, _), name)| {
                let mut items = self.list(list).iter();
                items.any(|item| name_of(item) == Some(name))
            })
    }

    /// Takes over all entries of `other`, replacing those of the same name. What a user added to those
    /// stays.
    pub(super) fn merge(&mut self, other: &Self) {
        if self.is_blank() {
            self.0.clone_from(&other.0);
            self.0.insert(CURRENT.into(), "".into());
            return;
        }
        for (list, key) in LISTS {
            for item in other.list(list) {
                self.upsert(list, key, item);
            }
        }
    }

    fn upsert(&mut self, list: &str, key: &str, item: &Value) {
        let mut items = self.list(list).to_vec();
        let of_name = |known: &Value| name_of(known).is_some() && name_of(known) == name_of(item);
        match items.iter().position(of_name) {
            Some(at) => {
                let laid = laid_over(&items[at], item, list, key);
                items[at] = laid;
                // Of two of one name kubectl refuses to read any.
                let mut position = 0;
                items.retain(|known| {
                    position += 1;
                    position - 1 <= at || !of_name(known)
                });
            }
            None => items.push(item.clone()),
        }
        self.0.insert(list.into(), items.into());
    }

    /// Drops a cluster's three entries.
    pub(super) fn drop_cluster(&mut self, cluster: &str) {
        let [context, user] = names(cluster);
        for ((list, _), name) in LISTS.into_iter().zip([&context, &user, &context]) {
            if let Some(Value::Sequence(items)) = self.0.get_mut(list) {
                items.retain(|item| name_of(item) != Some(name));
            }
        }
        if self.current_context() == context {
            self.set_current_context("");
        }
    }
}

/// The name of a cluster's cluster and context entries, and that of its user entry.
fn names(cluster: &str) -> [String; 2] {
    [format!("k3d-{cluster}"), format!("admin@k3d-{cluster}")]
}

pub(super) fn name_of(item: &Value) -> Option<&str> {
    item.get("name").and_then(Value::as_str)
}

/// `new`, with what a user added to `old`.
fn laid_over(old: &Value, new: &Value, list: &str, key: &str) -> Value {
    let mut laid = new.clone();
    let kept = USERS_OWN.iter().find(|(name, _)| *name == list);
    let (Some((_, kept)), Some(old)) = (kept, old.get(key)) else {
        return laid;
    };
    let Some(content) = laid.get_mut(key).and_then(Value::as_mapping_mut) else {
        return laid;
    };
    for name in *kept {
        if let (Some(value), false) = (old.get(name), content.contains_key(*name)) {
            content.insert((*name).into(), value.clone());
        }
    }
    laid
}

fn decode(text: &str) -> Option<String> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text.trim())
        .ok()?;
    String::from_utf8(bytes).ok()
}
