//! Files of a user's, met as they are.

use std::fmt::Write as _;
use std::os::unix::fs::symlink;

use proptest::prelude::*;

use super::*;

/// base64 of `PEM`.
const NODE: &str = "apiVersion: v1\nkind: Config\nclusters:\n- name: default\n  cluster:\n    \
    server: https://127.0.0.1:6443\n    certificate-authority-data: UEVN\nusers:\n- name: default\n  \
    user:\n    client-certificate-data: UEVN\n    client-key-data: UEVN\ncontexts:\n- name: default\n  \
    context:\n    cluster: default\n    user: default\ncurrent-context: default\n";

fn config(cluster: &str) -> Kubeconfig {
    Kubeconfig::of_node(NODE.as_bytes(), cluster, "https://127.0.0.1:7443")
        .unwrap()
        .kubeconfig
}

/// A folder with files.
struct Home(tempfile::TempDir);

impl Home {
    fn with(files: &[(&str, &str)]) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            fs::write(home.path(name), text).unwrap();
            home.chmod(name, 0o600);
        }
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn files(&self, names: &[&str]) -> Files {
        Files(names.iter().map(|name| self.path(name)).collect())
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn chmod(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o7777
    }

    fn names(&self) -> Vec<String> {
        let found = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = found
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

async fn merge(files: &Files, cluster: &str, switch: bool) -> Result<()> {
    let scope = Scope::default();
    files.merge(&scope, cluster, &config(cluster), switch).await
}

async fn remove(files: &Files, cluster: &str) -> Result<()> {
    files.remove(&Scope::default(), cluster).await
}

fn is_merged(files: &Files, cluster: &str, switch: bool) -> bool {
    let config = config(cluster);
    let found = files.difference(cluster, Some(&config), switch).unwrap();
    found.entries.is_none() && found.context.is_none() && found.mode.is_none()
}

#[test]
fn a_nodes_kubeconfig_gets_k3ds_names_and_the_published_endpoint() {
    let text = config("demo").to_yaml();
    let wanted = "apiVersion: v1\nkind: Config\nclusters:\n- name: k3d-demo\n  cluster:\n    \
        server: https://127.0.0.1:7443\n    certificate-authority-data: UEVN\nusers:\n- name: admin@k3d-demo\n  \
        user:\n    client-certificate-data: UEVN\n    client-key-data: UEVN\ncontexts:\n- name: k3d-demo\n  \
        context:\n    cluster: k3d-demo\n    user: admin@k3d-demo\ncurrent-context: k3d-demo\n";
    assert_eq!(text, wanted);
}

#[tokio::test]
async fn merging_keeps_what_is_there_and_is_private() {
    let home = Home::with(&[]);
    let files = home.files(&["deep/config"]);
    merge(&files, "one", true).await.unwrap();
    merge(&files, "two", false).await.unwrap();
    let text = home.text("deep/config");
    assert!(text.contains("k3d-one") && text.contains("k3d-two"));
    assert!(text.contains("current-context: k3d-one"));
    assert_eq!(home.mode("deep/config"), 0o600);
    assert!(is_merged(&files, "two", false) && !is_merged(&files, "two", true));
}

#[tokio::test]
async fn a_merge_is_told_by_what_it_would_change() {
    let home = Home::with(&[]);
    let files = home.files(&["config"]);
    let told = |name: &str, switch| {
        let config = config(name);
        let known = files.difference(name, Some(&config), switch).unwrap();
        if known.entries.is_some() {
            let foretold = files.difference(name, None, switch).unwrap();
            assert_eq!(known, foretold, "{name}");
        }
        (known.entries, known.context)
    };
    let context = |before: &str, after: &str| Some((before.to_owned(), after.to_owned()));
    assert_eq!(told("one", false), (Some(false), context("", "k3d-one")));
    merge(&files, "one", false).await.unwrap();
    assert_eq!(told("one", true), (None, None));
    assert_eq!(told("two", false), (Some(false), None));
    merge(&files, "two", false).await.unwrap();
    assert_eq!(told("two", true), (None, context("k3d-one", "k3d-two")));
    let text = home.text("config").replace("7443", "7444");
    fs::write(home.path("config"), text).unwrap();
    assert_eq!(told("two", false).0, Some(true));
}

#[tokio::test]
async fn removing_the_last_cluster_removes_the_file() {
    let home = Home::with(&[]);
    let files = home.files(&["config"]);
    merge(&files, "one", true).await.unwrap();
    merge(&files, "two", true).await.unwrap();
    remove(&files, "two").await.unwrap();
    assert!(!home.text("config").contains("k3d-two"));
    assert!(is_merged(&files, "one", false) && !is_merged(&files, "one", true));
    remove(&files, "one").await.unwrap();
    assert_eq!(home.names(), Vec::<String>::new());
    remove(&files, "one").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_lose_nothing() {
    let home = Home::with(&[]);
    let files = home.files(&["new/config"]);
    let names: Vec<String> = (0..16).map(|number| format!("c{number}")).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for name in names.clone() {
        let files = files.clone();
        tasks.spawn(async move { merge(&files, &name, false).await.unwrap() });
    }
    tasks.join_all().await;
    for name in &names {
        assert!(is_merged(&files, name, false), "{name}");
    }
    let mut tasks = tokio::task::JoinSet::new();
    for name in names.into_iter().skip(1) {
        let files = files.clone();
        tasks.spawn(async move { remove(&files, &name).await.unwrap() });
    }
    tasks.join_all().await;
    assert!(is_merged(&files, "c0", false) && !is_merged(&files, "c7", false));
    let left: Vec<_> = fs::read_dir(home.path("new")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[tokio::test]
async fn what_is_no_kubeconfig_is_refused_without_quoting_it() {
    let table: [&[u8]; 6] = [
        b"users: {secret-key: [",
        b"secret-key",
        b"- secret-key",
        b"apiVersion: v1\nkind: Secret\ndata: {a: secret-key}\n",
        b"users: secret-key\n",
        b"\xff\xfes\0e\0c\0r\0e\0t\0-\0k\0e\0y\0",
    ];
    for bytes in table {
        let home = Home::with(&[("config", "")]);
        fs::write(home.path("config"), bytes).unwrap();
        let files = home.files(&["config"]);
        let told = [
            files.check("one", None, true).unwrap_err(),
            merge(&files, "one", true).await.unwrap_err(),
            remove(&files, "one").await.unwrap_err(),
        ];
        for told in told.map(|error| error.to_string()) {
            assert!(told.contains("is not a kubeconfig"), "{told}");
            assert!(!told.contains("secret"), "{told}");
        }
        assert_eq!(fs::read(home.path("config")).unwrap(), bytes);
    }
}

/// Files as kubectl and editors leave them, and what stays of them.
const ODD: [(&str, &str); 10] = [
    ("", ""),
    ("\n", ""),
    ("---\n", ""),
    ("\u{feff}", ""),
    ("# mine\n", "# mine\n"),
    (
        "apiVersion: v1\nclusters: null\ncontexts: null\ncurrent-context: \"\"\nkind: Config\npreferences: {}\nusers: null\n",
        "preferences: {}\n",
    ),
    (
        "kind: Config\r\nclusters:\r\nusers: ~\r\ncontexts: []\r\n# mine\r\npreferences:\r\n  colors: true\r\n",
        "# mine\r\npreferences:\r\n  colors: true\r\n",
    ),
    (
        "\u{feff}apiVersion: v1\nkind: Config\nusers:\n  # mine\n  - user: {token: '1_000'}\n    name: \"other\" # old",
        "  # mine\n  - user: {token: '1_000'}\n    name: \"other\" # old\n",
    ),
    (
        "{\"kind\": \"Config\", \"preferences\": {\"colors\": true}}",
        "{\n",
    ),
    (
        "users: [{name: other, user: {token: x}}]\nclusters:\n- name: k3d-demo\n  cluster: null\n- broken\n- name: k3d-demo\n",
        "- broken\n",
    ),
];

#[tokio::test]
async fn odd_files_are_completed_and_their_own_text_stays() {
    for (text, stays) in ODD {
        let home = Home::with(&[("config", text)]);
        let files = home.files(&["config"]);
        files.check("demo", None, false).unwrap();
        merge(&files, "demo", false).await.unwrap();
        let merged = home.text("config");
        assert!(is_merged(&files, "demo", false), "{merged}");
        assert!(merged.contains(stays), "{stays:?} in {merged}");
        assert_eq!(merged.starts_with('\u{feff}'), text.starts_with('\u{feff}'));
        let breaks = merged.matches('\n').count();
        let wanted = if text.contains('\r') { breaks } else { 0 };
        assert_eq!(merged.matches("\r\n").count(), wanted, "{merged:?}");
        remove(&files, "demo").await.unwrap();
        assert!(files.holding("demo").unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_cluster_whose_entries_are_partly_gone_is_completed() {
    for (list, name) in [
        ("clusters", "k3d-one"),
        ("users", "admin@k3d-one"),
        ("contexts", "k3d-one"),
    ] {
        let home = Home::with(&[]);
        let files = home.files(&["config"]);
        merge(&files, "one", false).await.unwrap();
        // As kubectl leaves it: null, where nothing is left.
        let mut all: serde_yaml_ng::Mapping =
            serde_yaml_ng::from_str(&home.text("config")).unwrap();
        assert!(home.text("config").contains(name));
        all.insert(list.into(), serde_yaml_ng::Value::Null);
        fs::write(home.path("config"), serde_yaml_ng::to_string(&all).unwrap()).unwrap();
        let found = files
            .difference("one", Some(&config("one")), false)
            .unwrap();
        assert_eq!((found.entries, found.context), (Some(true), None), "{list}");
        merge(&files, "one", false).await.unwrap();
        assert!(is_merged(&files, "one", true), "{list}");
    }
}

#[tokio::test]
async fn what_a_user_adds_to_the_entries_stays_and_is_no_difference() {
    let home = Home::with(&[]);
    let files = home.files(&["config"]);
    merge(&files, "one", false).await.unwrap();
    let with_namespace =
        |text: &str| text.replace("  context:\n", "  context:\n    namespace: mine\n");
    fs::write(home.path("config"), with_namespace(&home.text("config"))).unwrap();
    assert!(is_merged(&files, "one", false));
    fs::write(
        home.path("config"),
        home.text("config").replace("7443", "1"),
    )
    .unwrap();
    assert!(!is_merged(&files, "one", false));
    merge(&files, "one", false).await.unwrap();
    assert!(home.text("config").contains("namespace: mine"));
    assert!(is_merged(&files, "one", false));
    // A key beside ours would decide who the user is.
    let stranger = home
        .text("config")
        .replace("  user:\n", "  user:\n    token: x\n");
    fs::write(home.path("config"), stranger).unwrap();
    assert!(!is_merged(&files, "one", false));
}

#[tokio::test]
async fn a_file_that_all_can_read_is_a_difference_and_is_closed() {
    let home = Home::with(&[]);
    let files = home.files(&["config"]);
    merge(&files, "one", false).await.unwrap();
    home.chmod("config", 0o644);
    let found = files
        .difference("one", Some(&config("one")), false)
        .unwrap();
    assert_eq!((found.entries, found.mode), (None, Some((0o644, 0o600))));
    merge(&files, "one", false).await.unwrap();
    assert_eq!(home.mode("config"), 0o600);
    assert!(is_merged(&files, "one", false));
    // What the user gave to a group is that user's choice.
    home.chmod("config", 0o640);
    assert!(is_merged(&files, "one", false));
    // Keys that are yet to come are foretold to close it.
    fs::write(home.path("other"), "").unwrap();
    home.chmod("other", 0o604);
    let found = home
        .files(&["other"])
        .difference("one", None, false)
        .unwrap();
    assert_eq!(found.mode, Some((0o604, 0o600)));
}

const OTHER: &str = "apiVersion: v1\nkind: Config\nclusters: []\nusers: []\ncontexts:\n- name: other\n  \
    context: {}\ncurrent-context: other\n";

#[tokio::test]
async fn of_several_files_the_one_is_written_that_kubectl_would_write() {
    let mine = config("one").to_yaml();
    let table: [(&[(&str, &str)], &str); 5] = [
        // None is there: the last.
        (&[], "c"),
        // The first that is there.
        (&[("b", OTHER)], "b"),
        (&[("b", ""), ("c", OTHER)], "b"),
        // The one with the entry.
        (&[("a", OTHER), ("c", &mine)], "c"),
        (&[("b", &mine), ("c", &mine)], "b"),
    ];
    for (there, wanted) in table {
        let home = Home::with(there);
        let files = home.files(&["a", "b", "c"]);
        files.check("one", None, true).unwrap();
        assert_eq!(files.file("one").unwrap(), home.path(wanted));
        merge(&files, "one", true).await.unwrap();
        assert!(home.text(wanted).contains("admin@k3d-one"), "{wanted}");
        assert!(is_merged(&files, "one", true));
        let mut names: Vec<&str> = there.iter().map(|(name, _)| *name).collect();
        if !names.contains(&wanted) {
            names.push(wanted);
        }
        assert_eq!(home.names(), names);
        remove(&files, "one").await.unwrap();
        assert!(files.holding("one").unwrap().is_empty());
    }
}

#[tokio::test]
async fn of_several_files_the_first_says_which_context_is_current() {
    let home = Home::with(&[("a", OTHER), ("b", &config("one").to_yaml())]);
    let files = home.files(&["a", "b"]);
    assert!(is_merged(&files, "one", false) && !is_merged(&files, "one", true));
    merge(&files, "one", true).await.unwrap();
    assert!(home.text("a").contains("current-context: k3d-one"));
    assert!(!home.text("a").contains("admin@k3d-one"));
}

#[tokio::test]
async fn what_cannot_be_written_is_refused_before_anything_is_made() {
    let home = Home::with(&[("file", ""), ("protected", OTHER)]);
    home.chmod("protected", 0o400);
    fs::create_dir(home.path("folder")).unwrap();
    for (names, part) in [
        (&["file/config"][..], "a file, not a folder"),
        (&["folder"], "is a folder"),
        (&["protected"], "write-protected"),
        (&["none", "folder"], "is a folder"),
        (&["none", "protected"], "write-protected"),
    ] {
        let files = home.files(names);
        let told = files.check("one", None, true).unwrap_err().to_string();
        assert!(told.contains(part), "{told}");
        assert!(merge(&files, "one", true).await.is_err(), "{names:?}");
    }
    assert_eq!(home.text("protected"), OTHER);
    // What is as it should be may be protected.
    fs::write(home.path("mine"), config("one").to_yaml()).unwrap();
    home.chmod("mine", 0o400);
    let files = home.files(&["mine"]);
    files.check("one", Some(&config("one")), true).unwrap();
    merge(&files, "one", true).await.unwrap();
    assert!(files.check("two", Some(&config("two")), false).is_err());
}

#[tokio::test]
async fn a_failed_merge_and_a_failed_removal_are_warnings() {
    use std::sync::{Arc, Mutex};
    let home = Home::with(&[("broken", "[")]);
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&warnings);
    let scope = Scope::default().with_warned(Arc::new(move |warning| {
        heard.lock().unwrap().push(warning.to_string());
    }));
    let files = home.files(&["broken"]);
    files.keep(&scope, "one", &config("one"), true).await;
    files.forget(&scope, "one").await;
    let told = warnings.lock().unwrap().join("\n");
    assert_eq!(told.matches("is not a kubeconfig").count(), 2, "{told}");
    assert!(told.contains("Cluster one exists") && told.contains("delete-context k3d-one"));
    home.files(&["fine"])
        .keep(&scope, "one", &config("one"), true)
        .await;
    assert_eq!(warnings.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_dangling_link_is_written_through() {
    let home = Home::with(&[]);
    symlink("dotfiles/kube", home.path("config")).unwrap();
    let files = home.files(&["config"]);
    files.check("one", None, true).unwrap();
    merge(&files, "one", true).await.unwrap();
    assert!(
        fs::symlink_metadata(home.path("config"))
            .unwrap()
            .is_symlink()
    );
    assert!(home.text("dotfiles/kube").contains("k3d-one"));
    assert_eq!(home.names(), ["config", "dotfiles"]);
}

#[test]
fn a_path_is_expanded_or_refused() {
    let field = FieldPath::of("kubeconfig").index(0).name("path");
    for path in ["~bob/x", "$HOME/x", "", "/tmp/"] {
        let told = Files::at(path, &field).unwrap_err().to_string();
        assert!(told.starts_with("kubeconfig[0].path: "), "{told}");
    }
    if let Some(home) = std::env::home_dir() {
        let found = Files::at("~/.kube/x.yaml", &field).unwrap();
        assert_eq!(found, Files(vec![home.join(".kube/x.yaml")]));
    }
}

fn item(list: &str, name: &str, margin: usize) -> String {
    let key = list.trim_end_matches('s');
    let pad = " ".repeat(margin);
    format!(
        "{pad}# of {name}\n{pad}- {key}:\n{pad}    server: 'http://x' # as it was\n{pad}  name: {name}\n"
    )
}

prop_compose! {
    /// A file in the form that people and kubectl write, with other clusters, and maybe ours, which differs.
    fn written()(
        others in 0_usize..3,
        ours in prop::collection::vec(any::<bool>(), 3),
        margin in 0_usize..3,
        null in prop::sample::select(vec!["", " null", " []", " ~"]),
        order in Just(vec!["clusters", "users", "contexts", "rest"]).prop_shuffle(),
        windows in any::<bool>(),
        mark in any::<bool>(),
        current in prop::option::of(prop::sample::select(vec!["''", "o0", "k3d-demo", "null"])),
        last in any::<bool>(),
    ) -> String {
        let mut text = String::from("# top\n");
        for (key, ours) in order.iter().zip(ours.iter().chain([&false])) {
            if *key == "rest" {
                text.push_str("\napiVersion: v1\nkind: Config # kind\npreferences:\n  # deep\n  colors: yes\n");
                continue;
            }
            let mut items: Vec<String> = (0..others).map(|n| item(key, &format!("o{n}"), margin)).collect();
            if *ours {
                let name = if *key == "users" { "admin@k3d-demo" } else { "k3d-demo" };
                items.insert(items.len() / 2, item(key, name, margin));
            }
            if items.is_empty() {
                writeln!(text, "{key}:{null}").unwrap();
            } else {
                write!(text, "{key}:\n{}", items.concat()).unwrap();
            }
        }
        if let Some(current) = current {
            writeln!(text, "current-context: {current}").unwrap();
        }
        if last {
            text.push_str("# end");
        }
        if windows {
            text = text.replace('\n', "\r\n");
        }
        if mark { format!("\u{feff}{text}") } else { text }
    }
}

proptest! {
    #[test]
    fn merging_and_removing_keep_every_other_line(text in written(), switch in any::<bool>()) {
        let foreign = |text: &str| -> Vec<String> {
            let ours = ["demo", "current-context", "clusters:", "users:", "contexts:"];
            let lines = text.lines().filter(|line| !ours.iter().any(|part| line.contains(part)));
            lines.map(|line| line.trim_end().to_owned()).collect()
        };
        let before = Kubeconfig::parse(&text).unwrap();
        let file = Looked { path: "x".into(), text: Some(text.clone()), config: before.clone(), mode: 0o600 };
        let config = config("demo");
        let after = merged(&[file], "demo", Some(&config), switch).files.remove(0);
        let merged = edit::rewrite(&text, &before, &after);
        prop_assert_eq!(Kubeconfig::parse(&merged), Ok(after.clone()));
        let mut without = after.clone();
        without.drop_cluster("demo");
        let removed = edit::rewrite(&merged, &after, &without);
        prop_assert_eq!(Kubeconfig::parse(&removed), Ok(without));
        let mut left = foreign(&merged).into_iter().peekable();
        for line in foreign(&removed) {
            // In order, and nothing is lost but what was ours.
            while left.next_if(|other| *other != line).is_some() {}
            prop_assert_eq!(left.next(), Some(line));
        }
        for line in foreign(&text).iter().filter(|line| line.contains('#') && !line.contains("as it was")) {
            prop_assert!(removed.contains(line.as_str()), "{line:?} of {text} is lost in {removed}");
        }
        for (form, wanted) in [(&merged, &text), (&removed, &text)] {
            prop_assert_eq!(form.contains("\r\n"), wanted.contains("\r\n"));
            prop_assert_eq!(form.replace("\r\n", "").contains('\n'), wanted.replace("\r\n", "").contains('\n'));
            prop_assert_eq!(form.starts_with('\u{feff}'), wanted.starts_with('\u{feff}'));
        }
    }
}
