//! Reading this repository: its text files, its list of exceptions, and the licences of what it is built from.

use std::fs;
use std::path::{Path, PathBuf};

use toml_edit::DocumentMut;

use super::File;

pub(super) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(super) fn sources() -> Vec<File> {
    let files: Vec<File> =
        rust_files().into_iter().filter(|file| file.path.starts_with("src/")).collect();
    assert!(files.len() > 10, "only {} source files were seen", files.len());
    files
}

pub(super) fn rust_files() -> Vec<File> {
    every_file()
        .into_iter()
        .filter(|file| Path::new(&file.path).extension().is_some_and(|kind| kind == "rs"))
        .collect()
}

/// Every text file that is ours: no build output, no caches, no corpora, nothing installed.
pub(super) fn every_file() -> Vec<File> {
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

pub(super) fn deny() -> DocumentMut {
    let text = fs::read_to_string(root().join("deny.toml")).expect("deny.toml");
    text.parse().expect("deny.toml is TOML")
}

/// Name and licence expression of every package that this machine's build uses.
#[expect(clippy::disallowed_methods, reason = "asks cargo and rustc; no child of the daemon")]
pub(super) fn licences() -> Vec<(String, String)> {
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

/// The clients that the laboratory plays.
pub(super) fn laboratory() -> Vec<String> {
    let clients = root().join("tests/interop/clients");
    let mut names = Vec::new();
    for folder in fs::read_dir(clients).expect("the clients") {
        let Ok(text) = fs::read_to_string(folder.expect("a folder").path().join("client.json"))
        else {
            continue;
        };
        let family: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        let modes = family["modes"].as_array().expect("modes");
        names.extend(modes.iter().map(|mode| mode["client"].as_str().expect("a name").to_owned()));
    }
    assert!(names.len() > 10, "only {} clients were seen", names.len());
    names
}
