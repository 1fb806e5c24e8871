//! Each rule is shown a text that breaks it, and one that only looks as if it did.

use std::collections::BTreeSet;

use toml_edit::DocumentMut;

use super::*;

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
fn a_rule_of_tolerance_without_a_test_is_seen() {
    let tests: Vec<String> =
        TOLERANCE.skip(2).map(|rule| format!("fn c{rule}_x() {{}}\n")).collect();
    let most = format!("#[test]\n{}", tests.join("#[test]\n"));
    let count =
        |more: &str| complaints_of(untested_rules, "tests/it/x.rs", &format!("{most}{more}"));
    assert_eq!(count(""), 2);
    assert_eq!(count("#[test]\nfn t4_c1_x() {}\n#[test]\nfn c2_x() {}"), 0);
    assert_eq!(count("#[test]\nfn x_c1() {}\nfn c1_c2_x() {}"), 2);
}

#[test]
fn a_client_that_the_table_lacks_is_a_complaint() {
    let clients = ["old-1".to_owned(), "new-2".to_owned()];
    let page =
        |rows: &str| format!("| new-2 |<!-- table:begin -->{rows}<!-- table:end -->| old-1 |");
    assert_eq!(missing_clients(&clients, &page("")).len(), 2);
    assert_eq!(missing_clients(&clients, &page("| old-1 | ok |")).len(), 1);
    assert_eq!(missing_clients(&clients, &page("| old-1 |\n| new-2 |")).len(), 0);
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
    for home in UNSAFE_HOMES {
        assert_eq!(count(home, "unsafe { f() }"), 0);
    }
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
