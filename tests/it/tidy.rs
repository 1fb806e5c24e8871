//! The rules of the house that no compiler checks, read from the files themselves.
//!
//! Each rule is a function from texts to complaints, so that each is also shown a text that breaks it. The allowed
//! licences and the tolerated double versions stand in `deny.toml`, for this test and for `cargo deny` alike.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use toml_edit::DocumentMut;

mod proof;
mod repository;
mod rust;

use repository::{deny, every_file, laboratory, licences, root, rust_files, sources};
use rust::{before_tests, code, crate_paths, imports, mentions, next_word, room_of};

/// What each room of `src/` may name with `crate::`. A room may always name itself. `config::model` and `config::units`
/// are plain data, so they are open to floors that may not load a configuration.
const FLOORS: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("config", &["wire"]),
    ("meter", &["wire"]),
    ("demo", &["wire"]),
    ("bridge", &["wire", "config::model", "config::units"]),
    ("auth", &["wire", "bridge", "config::model", "config::units"]),
    ("link", &["wire", "bridge", "meter", "config::model", "config::units"]),
    ("upstream", &["wire", "bridge", "link", "meter", "config"]),
    ("http", &["wire", "bridge", "link", "auth", "meter", "config"]),
    ("app", &["wire", "bridge", "link", "auth", "meter", "config", "demo", "upstream", "http"]),
];

/// What the pure floors must not name: everything there comes in as an argument and goes out as a value.
const PURE: &[&str] = &["wire", "bridge"];
const IMPURE: &[&str] = &[
    "tokio",
    "tokio_util",
    "hyper",
    "hyper_util",
    "getrandom",
    "Instant::now",
    "SystemTime::now",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
];

/// The rules of `tests/it/real/tolerance`.
const TOLERANCE: std::ops::RangeInclusive<u32> = 1..=25;

const UNSAFE_HOMES: [&str; 2] = ["src/app/ballast.rs", "src/upstream/process.rs"];
const LINES_MAX: usize = 400;

/// A text file of the repository: its path from the root with forward slashes, and what it says.
struct File {
    path: String,
    text: String,
}

// === the rules on this repository ===

#[test]
fn floors_import_downward_only() {
    pass(upward_imports(&sources()));
}

#[test]
fn the_heart_is_pure() {
    pass(impurities(&sources()));
}

#[test]
fn unsafe_code_has_two_homes() {
    pass(stray_unsafe(&rust_files()));
}

#[test]
fn no_file_holds_two_ideas() {
    pass(long_files(&sources()));
}

#[test]
fn no_test_file_is_forgotten() {
    let main = fs::read_to_string(root().join("tests/it/main.rs")).expect("the test runner's list");
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join("tests/it")).expect("the folder of tests") {
        let name =
            entry.expect("a readable entry").file_name().into_string().expect("a plain name");
        if name != "main.rs" && name != "snapshots" {
            names.push(name.trim_end_matches(".rs").to_owned());
        }
    }
    assert!(names.contains(&"tidy".to_owned()), "this very file was not seen");
    pass(forgotten(&main, &names));
}

#[test]
fn every_rule_of_tolerance_has_a_test() {
    pass(untested_rules(&rust_files()));
}

#[test]
fn every_client_of_the_laboratory_is_in_the_table_for_users() {
    let page = fs::read_to_string(root().join("docs/clients.md")).expect("the page");
    pass(missing_clients(&laboratory(), &page));
}

#[test]
fn no_task_is_left_without_a_reason() {
    pass(bare_tasks(&every_file()));
}

#[test]
fn no_crate_comes_twice_unless_it_says_why() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("the lock file");
    pass(double_versions(&lock, &deny()));
}

#[test]
fn every_licence_is_on_the_list() {
    let packages = licences();
    assert!(packages.len() > 50, "only {} packages were seen", packages.len());
    pass(strange_licences(&packages, &deny()));
}

// === the rules ===

fn upward_imports(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let Some(room) = room_of(&file.path) else { continue };
        let Some((_, allowed)) = FLOORS.iter().find(|(name, _)| *name == room) else {
            found
                .push(format!("{}: `{room}` is in no floor; give it a place in FLOORS", file.path));
            continue;
        };
        for path in crate_paths(&file.path, &code(&file.text)) {
            let target = path.split("::").next().unwrap_or_default();
            let known = FLOORS.iter().any(|(name, _)| *name == target);
            let fine = target == room
                || allowed
                    .iter()
                    .any(|open| path == *open || path.starts_with(&format!("{open}::")));
            if known && !fine {
                found.push(format!("{}: `{room}` must not know `{path}`", file.path));
            }
        }
    }
    found
}

fn impurities(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in
        files.iter().filter(|file| room_of(&file.path).is_some_and(|room| PURE.contains(&room)))
    {
        if file.path.ends_with("/tests.rs") || file.path.contains("/tests/") {
            continue;
        }
        let code = code(before_tests(&file.text));
        let imports = imports(&code);
        for name in IMPURE {
            if mentions(&code, name) || imports.iter().any(|path| mentions(path, name)) {
                found.push(format!("{}: a pure floor names `{name}`", file.path));
            }
        }
    }
    found
}

fn stray_unsafe(files: &[File]) -> Vec<String> {
    let stray = files.iter().filter(|file| !UNSAFE_HOMES.contains(&file.path.as_str()));
    let stray = stray.filter(|file| {
        let code = code(&file.text);
        mentions(&code, "unsafe") || mentions(&code, "unsafe_code")
    });
    stray
        .map(|file| format!("{}: unsafe code belongs in {}", file.path, UNSAFE_HOMES.join(" or ")))
        .collect()
}

fn long_files(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let lines = before_tests(&file.text).lines().count();
        if lines > LINES_MAX && !file.path.ends_with("/tests.rs") {
            found.push(format!(
                "{}: {lines} lines before its tests, {LINES_MAX} at most",
                file.path
            ));
        }
    }
    found
}

fn forgotten(main: &str, names: &[String]) -> Vec<String> {
    let code = code(main);
    let missing =
        names.iter().filter(|name| !code.lines().any(|line| line.trim() == format!("mod {name};")));
    missing.map(|name| format!("tests/it/main.rs does not name `mod {name};`")).collect()
}

/// A note about work to do names what it waits for: the marker, then the reason in round brackets.
fn bare_tasks(files: &[File]) -> Vec<String> {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let mut found = Vec::new();
    for file in files {
        for (at, line) in file.text.lines().enumerate() {
            for mark in marks {
                let mut rest = line;
                while let Some(after) = next_word(rest, mark) {
                    let reasoned =
                        after.starts_with('(') && after.find(')').is_some_and(|end| end > 3);
                    if !reasoned {
                        found.push(format!("{}:{}: {mark} without a reason", file.path, at + 1));
                    }
                    rest = after;
                }
            }
        }
    }
    found
}

/// Numbers of rules that no test has in front of its name, as in `c7_c23_what_is_shown`.
fn untested_rules(files: &[File]) -> Vec<String> {
    let tests = files.iter().flat_map(|file| file.text.split("#[test]\n").skip(1));
    let names = tests.filter_map(|test| test.split_once("fn ")?.1.split('(').next());
    let number = |part: &str| part.strip_prefix('c')?.parse::<u32>().ok();
    let shown: BTreeSet<u32> = names
        .flat_map(|name| {
            let is_rule = |part: &&str| {
                part.starts_with(['c', 't']) && part[1..].bytes().all(|byte| byte.is_ascii_digit())
            };
            name.split('_').take_while(is_rule).filter_map(number).collect::<Vec<_>>()
        })
        .collect();
    let missing = TOLERANCE.filter(|rule| !shown.contains(rule));
    missing.map(|rule| format!("rule {rule} of tolerance: no test is named c{rule}_…")).collect()
}

/// Clients that the laboratory plays and the page does not show.
fn missing_clients(clients: &[String], page: &str) -> Vec<String> {
    let table = page.split_once("<!-- table:begin -->").map_or("", |(_, rest)| rest);
    let table = table.split_once("<!-- table:end -->").map_or("", |(table, _)| table);
    clients
        .iter()
        .filter(|client| !table.contains(&format!("| {client} |")))
        .map(|client| {
            format!("{client} is not in the table: tests/interop/run.sh --markdown docs/clients.md")
        })
        .collect()
}

fn double_versions(lock: &str, deny: &DocumentMut) -> Vec<String> {
    let lock: DocumentMut = lock.parse().expect("Cargo.lock is TOML");
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in lock["package"].as_array_of_tables().expect("the packages of the lock file") {
        let name = package["name"].as_str().expect("a package has a name");
        versions.entry(name).or_default().push(package["version"].as_str().expect("a version"));
    }
    let mut found = Vec::new();
    let mut skips: Vec<(&str, &str, bool)> = Vec::new();
    for skip in deny["bans"]["skip"].as_array().expect("bans.skip is a list") {
        let skip = skip.as_inline_table().expect("bans.skip holds tables");
        let text = skip.get("crate").and_then(|v| v.as_str()).expect("a skip names its crate");
        let (name, version) = text.split_once('@').expect("a skip is name@version");
        if skip.get("reason").and_then(|v| v.as_str()).is_none_or(str::is_empty) {
            found.push(format!("deny.toml: {text} is skipped without a reason"));
        }
        skips.push((name, version, false));
    }
    for (name, versions) in versions.iter().filter(|(_, versions)| versions.len() > 1) {
        let mut bare = 0;
        for version in versions {
            let skip = skips.iter_mut().find(|(n, v, _)| n == name && v == version);
            match skip {
                Some((_, _, used)) => *used = true,
                None => bare += 1,
            }
        }
        if bare > 1 {
            found.push(format!(
                "{name} comes as {}; see bans.skip in deny.toml",
                versions.join(" and ")
            ));
        }
    }
    let stale = skips.iter().filter(|(_, _, used)| !used);
    found.extend(
        stale.map(|(name, version, _)| {
            format!("deny.toml: {name}@{version} is skipped for nothing")
        }),
    );
    found
}

fn strange_licences(packages: &[(String, String)], deny: &DocumentMut) -> Vec<String> {
    let allowed = deny["licenses"]["allow"].as_array().expect("licenses.allow is a list");
    let allowed: BTreeSet<&str> = allowed.iter().filter_map(|item| item.as_str()).collect();
    let strange = packages.iter().filter(|(_, expression)| !permits(expression, &allowed));
    strange
        .map(|(name, expression)| format!("{name}: `{expression}` is not allowed by deny.toml"))
        .collect()
}

/// Whether a licence expression can be met with the allowed licences alone. `AND` binds closer than `OR`, and `/` is an
/// old way to write `OR`.
fn permits(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    fn either(
        words: &mut std::iter::Peekable<std::vec::IntoIter<String>>,
        allowed: &BTreeSet<&str>,
    ) -> bool {
        let mut good = both(words, allowed);
        while words.next_if(|word| word == "OR" || word == "/").is_some() {
            good |= both(words, allowed);
        }
        good
    }
    fn both(
        words: &mut std::iter::Peekable<std::vec::IntoIter<String>>,
        allowed: &BTreeSet<&str>,
    ) -> bool {
        let mut good = single(words, allowed);
        while words.next_if(|word| word == "AND").is_some() {
            good &= single(words, allowed);
        }
        good
    }
    fn single(
        words: &mut std::iter::Peekable<std::vec::IntoIter<String>>,
        allowed: &BTreeSet<&str>,
    ) -> bool {
        let Some(mut word) = words.next() else { return false };
        if word == "(" {
            let good = either(words, allowed);
            return words.next().is_some_and(|word| word == ")") && good;
        }
        if words.next_if(|word| word == "WITH").is_some() {
            word = format!("{word} WITH {}", words.next().unwrap_or_default());
        }
        allowed.contains(word.as_str())
    }
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " / ");
    let words: Vec<String> = spaced.split_whitespace().map(str::to_owned).collect();
    let mut words = words.into_iter().peekable();
    either(&mut words, allowed) && words.next().is_none()
}

#[track_caller]
fn pass(complaints: impl AsRef<[String]>) {
    let complaints = complaints.as_ref();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}
