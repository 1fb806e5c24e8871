//! The rules of the house that no compiler checks, read from the files themselves.
//!
//! Each rule is a function from texts to complaints, so that each is also shown a text that breaks it. The allowed
//! licences and the tolerated double versions stand in `deny.toml`, for this test and for `cargo deny` alike.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use toml_edit::DocumentMut;

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

const UNSAFE_HOME: &str = "src/upstream/process.rs";
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
fn unsafe_code_has_one_home() {
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
    let stray = files.iter().filter(|file| file.path != UNSAFE_HOME);
    let stray = stray.filter(|file| {
        let code = code(&file.text);
        mentions(&code, "unsafe") || mentions(&code, "unsafe_code")
    });
    stray.map(|file| format!("{}: unsafe code belongs in {UNSAFE_HOME}", file.path)).collect()
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

// === reading Rust ===

/// The room of a source file: its folder in `src/`, or its own name. The crate's root files belong to no room.
fn room_of(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("src/")?;
    let room = rest.split('/').next()?.trim_end_matches(".rs");
    (!matches!(room, "lib" | "main")).then_some(room)
}

/// The part of a source file above its test module.
fn before_tests(text: &str) -> &str {
    let mut at = 0;
    let mut marked = None;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if trimmed.starts_with("#[cfg(test)]") {
            marked = Some(at);
        }
        let opens = trimmed.strip_prefix("#[cfg(test)]").unwrap_or(trimmed).trim_start();
        if let Some(start) = marked
            && (opens.starts_with("mod ") || opens.starts_with("pub(crate) mod "))
        {
            return &text[..start];
        }
        if !trimmed.is_empty() && !trimmed.starts_with("#[") {
            marked = None;
        }
        at += line.len();
    }
    text
}

/// The code without comments, strings and characters; line breaks stay.
fn code(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < chars.len() {
        let start = i;
        match (at(i), at(i + 1)) {
            ('/', '/') => {
                while i < chars.len() && at(i) != '\n' {
                    i += 1;
                }
            }
            ('/', '*') => {
                let mut depth = 0;
                loop {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                    if depth == 0 || i >= chars.len() {
                        break;
                    }
                }
            }
            ('r', '"' | '#')
                if raw_hashes(&chars, i).is_some()
                    && !(i > 0 && word(at(i - 1)) && at(i - 1) != 'b') =>
            {
                let hashes = raw_hashes(&chars, i).unwrap_or_default();
                i += 2 + hashes;
                while i < chars.len() && !(at(i) == '"' && (1..=hashes).all(|n| at(i + n) == '#')) {
                    i += 1;
                }
                i += 1 + hashes;
            }
            ('"', _) => {
                i += 1;
                while i < chars.len() && at(i) != '"' {
                    i += if at(i) == '\\' { 2 } else { 1 };
                }
                i += 1;
            }
            ('\'', '\\') => {
                i += 3;
                while i < chars.len() && at(i) != '\'' {
                    i += 1;
                }
                i += 1;
            }
            ('\'', _) if at(i + 2) == '\'' => i += 3,
            (plain, _) => {
                out.push(plain);
                i += 1;
                continue;
            }
        }
        out.extend(chars[start..i.min(chars.len())].iter().filter(|c| **c == '\n'));
    }
    out
}

/// How many `#` stand between `r` and the quote of a raw string that begins here.
fn raw_hashes(chars: &[char], at: usize) -> Option<usize> {
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    (chars.get(at + 1 + hashes) == Some(&'"')).then_some(hashes)
}

fn word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What follows the next place where `name` stands as a whole word.
fn next_word<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut from = 0;
    while let Some(found) = text[from..].find(name) {
        let (start, end) = (from + found, from + found + name.len());
        if !text[..start].ends_with(word) && !text[end..].starts_with(word) {
            return Some(&text[end..]);
        }
        from = end;
    }
    None
}

fn mentions(code: &str, name: &str) -> bool {
    next_word(code, name).is_some()
}

/// Every path imported with `use`, groups spread out: `use a::{b, c::d};` is `a::b` and `a::c::d`.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(after) = next_word(rest, "use") {
        let end = after.find(';').unwrap_or(after.len());
        let tree: String =
            after[..end].replace(" as ", "@").chars().filter(|c| !c.is_whitespace()).collect();
        spread("", &tree, &mut found);
        rest = &after[end..];
    }
    found
}

fn spread(prefix: &str, tree: &str, out: &mut Vec<String>) {
    let Some(open) = tree.find('{') else {
        let path = tree.split('@').next().unwrap_or_default();
        out.push(format!("{prefix}{path}"));
        return;
    };
    let prefix = format!("{prefix}{}", &tree[..open]);
    let inner = tree[open + 1..].trim_end_matches(',');
    let inner = inner.strip_suffix('}').unwrap_or(inner);
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                spread(&prefix, &inner[start..at], out);
                start = at + 1;
            }
            _ => {}
        }
    }
    if start < inner.len() {
        spread(&prefix, &inner[start..], out);
    }
}

/// Every path from the crate's root that a file names, in a `use` or in the middle of code, also by way of `super`.
fn crate_paths(file: &str, code: &str) -> BTreeSet<String> {
    let depth = file.trim_start_matches("src/").trim_end_matches("/mod.rs").split('/').count();
    let mut paths = imports(code);
    for root in ["crate", "super"] {
        let mut rest = code;
        while let Some(after) = next_word(rest, root) {
            let path = after.chars().take_while(|c| word(*c) || *c == ':');
            paths.push(format!("{root}{}", path.collect::<String>()));
            rest = after;
        }
    }
    let mut found = BTreeSet::new();
    for path in paths {
        let mut parts: Vec<&str> = path.split("::").filter(|part| !part.is_empty()).collect();
        let supers = parts.iter().take_while(|part| **part == "super").count();
        let rooted = parts.first() == Some(&"crate");
        if rooted || supers >= depth {
            parts.drain(..if rooted { 1 } else { supers });
            found.insert(parts.join("::"));
        }
    }
    found
}

// === reading the repository ===

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<File> {
    let files: Vec<File> =
        rust_files().into_iter().filter(|file| file.path.starts_with("src/")).collect();
    assert!(files.len() > 10, "only {} source files were seen", files.len());
    files
}

fn rust_files() -> Vec<File> {
    every_file()
        .into_iter()
        .filter(|file| Path::new(&file.path).extension().is_some_and(|kind| kind == "rs"))
        .collect()
}

/// Every text file that is ours: no build output, no caches, no corpora, nothing installed.
fn every_file() -> Vec<File> {
    let skipped = ["target", "node_modules", "corpus", "artifacts", "snapshots", "results"];
    let mut files = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let hidden = name.starts_with('.') && name != ".ci";
            let lock = name == "Cargo.lock" || name == "package-lock.json";
            if hidden || lock || skipped.contains(&name) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                files.push(File { path: relative(&path), text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root())
        .expect("a path of the repository")
        .to_string_lossy()
        .replace('\\', "/")
}

fn deny() -> DocumentMut {
    let text = fs::read_to_string(root().join("deny.toml")).expect("deny.toml");
    text.parse().expect("deny.toml is TOML")
}

/// Name and licence expression of every package that this machine's build uses.
#[expect(clippy::disallowed_methods, reason = "asks cargo and rustc; no child of the daemon")]
fn licences() -> Vec<(String, String)> {
    let run = |program: &str, args: &[&str]| {
        let out = std::process::Command::new(program).args(args).current_dir(root()).output();
        let out = out.unwrap_or_else(|error| panic!("{program}: {error}"));
        assert!(
            out.status.success(),
            "{program} {args:?}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8(out.stdout).expect("text")
    };
    let version = run("rustc", &["-vV"]);
    let host =
        version.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let args =
        ["metadata", "--locked", "--offline", "--format-version", "1", "--filter-platform", host];
    let metadata: serde_json::Value =
        serde_json::from_str(&run(&cargo, &args)).expect("cargo speaks JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    packages.iter().map(|package| (text(&package["name"]), text(&package["license"]))).collect()
}

#[track_caller]
fn pass(complaints: impl AsRef<[String]>) {
    let complaints = complaints.as_ref();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

// === each rule can fail ===

fn complaints_of(rule: fn(&[File]) -> Vec<String>, path: &str, text: &str) -> usize {
    rule(&[File { path: path.to_owned(), text: text.to_owned() }]).len()
}

#[test]
fn an_import_upward_is_seen_however_it_is_written() {
    let count = |path, text| complaints_of(upward_imports, path, text);
    assert_eq!(count("src/wire/frame.rs", "use crate::bridge::Call;"), 1);
    assert_eq!(count("src/wire/frame.rs", "use crate::{wire::id, bridge::{Call, Ask}};"), 2);
    assert_eq!(count("src/wire/frame.rs", "fn f() -> crate::bridge::Call {}"), 1);
    assert_eq!(count("src/wire/mod.rs", "use super::bridge::Call;"), 1);
    assert_eq!(count("src/wire/frame.rs", "use super::super::bridge::Call;"), 1);
    assert_eq!(count("src/http/route.rs", "use crate::upstream::Warden;"), 1);
    assert_eq!(count("src/upstream/slot.rs", "use crate::http::Face;"), 1);
    assert_eq!(count("src/bridge/lane.rs", "use crate::config::load;"), 1);
    assert_eq!(count("src/attic/old.rs", ""), 1);
}

#[test]
fn an_import_downward_is_left_alone() {
    let count = |path, text| complaints_of(upward_imports, path, text);
    assert_eq!(
        count("src/bridge/lane.rs", "use crate::config::model::Mode; use crate::wire::{self, id};"),
        0
    );
    assert_eq!(
        count("src/bridge/mod.rs", "// unlike crate::http\nconst A: &str = \"crate::http\";"),
        0
    );
    assert_eq!(
        count("src/wire/lines.rs", "use super::frame::Frame; mod tests { use super::*; }"),
        0
    );
    assert_eq!(count("src/lib.rs", "use crate::app;"), 0);
}

#[test]
fn an_impure_name_is_seen_outside_tests_only() {
    let count = |path, text| complaints_of(impurities, path, text);
    assert_eq!(count("src/wire/lines.rs", "use tokio::io;"), 1);
    assert_eq!(count("src/bridge/lane.rs", "let now = Instant::now();"), 1);
    assert_eq!(count("src/bridge/lane.rs", "use std::{env, fmt};"), 1);
    assert_eq!(
        count("src/bridge/lane.rs", "use std::time::Instant; // never Instant::now here"),
        0
    );
    assert_eq!(
        count(
            "src/bridge/lane.rs",
            "fn f() {}\n#[cfg(test)]\nmod tests { fn g() { Instant::now(); } }"
        ),
        0
    );
    assert_eq!(count("src/http/route.rs", "use tokio::io;"), 0);
}

#[test]
fn unsafe_is_seen_as_a_word() {
    let count = |path, text| complaints_of(stray_unsafe, path, text);
    assert_eq!(count("src/wire/frame.rs", "unsafe { f() }"), 1);
    assert_eq!(count("src/wire/frame.rs", "#![allow(unsafe_code)]"), 1);
    assert_eq!(
        count("src/wire/frame.rs", "// unsafe\nlet s = \"unsafe\"; let r = r#\"unsafe\"#;"),
        0
    );
    assert_eq!(count(UNSAFE_HOME, "unsafe { f() }"), 0);
}

#[test]
fn length_is_counted_up_to_the_tests() {
    let count = |text: &str| complaints_of(long_files, "src/wire/frame.rs", text);
    assert_eq!(count(&"fn f() {}\n".repeat(LINES_MAX + 1)), 1);
    assert_eq!(
        count(&format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{}}}", "\n".repeat(LINES_MAX))),
        0
    );
    assert_eq!(count(&format!("#[cfg(test)]\nuse a;\n{}", "fn f() {}\n".repeat(LINES_MAX))), 1);
}

#[test]
fn a_forgotten_test_file_is_named() {
    let names = ["tidy".to_owned(), "lost".to_owned()];
    assert_eq!(forgotten("mod tidy;\n// mod lost;\n", &names).len(), 1);
}

#[test]
fn a_task_needs_its_reason() {
    let count = |text: &str| complaints_of(bare_tasks, "README.md", text);
    assert_eq!(count(concat!("// TO", "DO: later")), 1);
    assert_eq!(count(concat!("// TO", "DO(when hyper can half-close): end the stream")), 0);
    assert_eq!(count("methods TODOS and MASTODON"), 0);
}

#[test]
fn a_double_version_needs_a_skip_and_a_skip_a_double_version() {
    let lock = |versions: &[&str]| {
        let package = |v: &&str| format!("[[package]]\nname = \"a\"\nversion = \"{v}\"\n");
        versions.iter().map(package).collect::<String>()
    };
    let deny =
        |skip: &str| -> DocumentMut { format!("[bans]\nskip = [{skip}]\n").parse().expect("TOML") };
    let skip = "{ crate = \"a@1.0.0\", reason = \"b still wants it\" }";
    assert_eq!(double_versions(&lock(&["1.0.0", "2.0.0"]), &deny("")).len(), 1);
    assert_eq!(double_versions(&lock(&["1.0.0", "2.0.0"]), &deny(skip)).len(), 0);
    assert_eq!(double_versions(&lock(&["1.0.0", "2.0.0", "3.0.0"]), &deny(skip)).len(), 1);
    assert_eq!(double_versions(&lock(&["2.0.0"]), &deny(skip)).len(), 1);
}

#[test]
fn a_licence_expression_is_read_as_it_is_meant() {
    let allowed = BTreeSet::from(["MIT", "Apache-2.0", "Unicode-3.0"]);
    for good in ["MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(GPL-3.0 OR MIT) AND Unicode-3.0"] {
        assert!(permits(good, &allowed), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "Apache-2.0 WITH LLVM-exception",
        "(MIT",
        "MIT Apache-2.0",
    ] {
        assert!(!permits(bad, &allowed), "{bad}");
    }
}
