//! A pretend host for tests of rules.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::layers::{Host, Sources};
use super::load::load;
use super::picture::title;

/// Checks one TOML text and gives back `key: message` of every problem.
pub(super) fn messages(toml: &str) -> Vec<String> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hash = DefaultHasher::new();
    toml.hash(&mut hash);
    // Named by its content, so that tests in one process or many never write different texts to one file.
    let directory = std::env::temp_dir().join(format!("stdiod-rule-{:x}", hash.finish()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("stdiod.toml");
    std::fs::write(&file, toml).unwrap();
    let found = match load(&sources(vec![file])) {
        Ok(loaded) => loaded.warnings,
        Err(rejected) => rejected.problems,
    };
    std::fs::remove_dir_all(&directory).ok();
    found.iter().map(|problem| title(problem).replace('`', "")).map(plain).collect()
}

fn plain(title: String) -> String {
    match title.strip_prefix("unknown key ") {
        Some(key) => format!("{key}: unknown key"),
        None => title,
    }
}

fn sources(files: Vec<PathBuf>) -> Sources {
    Sources {
        files,
        system_file: None,
        variables: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        flags: Vec::new(),
        directory: "/".into(),
        program: "/bin/sh".into(),
        host: Host::Checking,
    }
}
