//! Samples, reference and model stay in step.

use std::path::PathBuf;

use stdiod::config::model::{Model, Server};
use stdiod::config::{Host, file_schema, reference};

use super::{Desk, repository};

fn samples() -> Vec<PathBuf> {
    let listed = std::fs::read_dir(repository().join("config")).unwrap();
    // Beside ours there are those of reverse proxies.
    let is_ours = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "toml" || extension == "json")
    };
    let mut samples: Vec<PathBuf> =
        listed.map(|entry| entry.unwrap().path()).filter(is_ours).collect();
    samples.sort();
    assert!(samples.len() >= 5);
    samples
}

#[test]
fn every_sample_is_sound() {
    for sample in samples() {
        let mut desk = Desk::new();
        desk.sources.host = Host::Elsewhere;
        desk.sources.files = vec![sample];
        let loaded = desk.loaded();
        assert_eq!(desk.shown(&loaded.warnings), "");
        assert!(!loaded.model.servers.is_empty());
    }
}

/// The line that lets containers in is to be taken as it stands, with the token that it needs.
#[test]
fn the_sample_of_a_gateways_host_has_sound_lines_for_containers() {
    let sample = std::fs::read_to_string(repository().join("config/litellm-host.toml")).unwrap();
    let local = "\nlisten = [\"127.0.0.1:8750\"]\n";
    assert!(sample.contains(local));
    let mut desk = Desk::new();
    desk.sources.host = Host::Elsewhere;
    let open = sample.replace(local, "\n").replace("\n#listen = ", "\nlisten = ");
    let desk = desk.file("open.toml", &open);
    assert!(desk.told().contains("without [auth] anybody there could run the servers"));
    let open = open.replace("\n#[auth]\n#tokens", "\n[auth]\ntokens");
    let desk = desk.write("open.toml", &open);
    assert_eq!(desk.told(), "");
}

#[test]
fn the_readme_shows_the_files_for_reverse_proxies() {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    for (language, file) in
        [("nginx", "nginx.conf"), ("haproxy", "haproxy-single.cfg"), ("caddy", "Caddyfile")]
    {
        let text = std::fs::read_to_string(repository().join("config").join(file)).unwrap();
        let (_, block) = readme.split_once(&format!("```{language}\n")).expect(language);
        let (shown, _) = block.split_once("```\n").expect("the end of a block");
        assert_eq!(shown, text, "README.md does not show config/{file} as it is");
    }
}

#[test]
fn the_full_sample_shows_built_in_values() {
    let mut desk = Desk::new();
    desk.sources.host = Host::Elsewhere;
    desk.sources.files = vec![repository().join("config/stdiod.toml")];
    let model = desk.loaded().model;
    let built_in = Model::default();
    assert_eq!(model.max_children, built_in.max_children);
    assert_eq!((model.http, model.auth, model.log), (built_in.http, built_in.auth, built_in.log));
    let git = &model.servers["git"];
    let expected =
        Server { command: git.command.clone(), args: git.args.clone(), ..Server::default() };
    assert_eq!(*git, expected);
}

#[test]
fn every_key_is_documented_and_in_the_full_sample() {
    let sample = std::fs::read_to_string(repository().join("config/stdiod.toml")).unwrap();
    for (key, documentation) in reference::all_keys() {
        assert!(!documentation.is_empty(), "{key} has no doc comment in src/config/model.rs");
        let name = key.rsplit('.').next().unwrap();
        let known = sample.contains(&format!("{name} = "))
            || sample.contains(&format!("[{name}]"))
            || sample.contains(&format!("[{name}."));
        assert!(known, "{key} is missing in config/stdiod.toml");
    }
}

#[test]
fn the_reference_page_is_up_to_date() {
    let page =
        std::fs::read_to_string(repository().join("docs/configuration.md")).unwrap_or_default();
    assert!(
        page == reference::page(),
        "docs/configuration.md is not what the schema says; make it again:\n  \
         cargo run -- schema --reference > docs/configuration.md"
    );
}

#[test]
fn the_schema_is_of_the_file_form() {
    let schema = file_schema();
    assert_eq!(schema["$defs"]["Server"]["required"], serde_json::json!(["command"]));
    assert!(schema["$defs"]["ServerDefaults"]["required"].is_null());
    assert_eq!(schema["additionalProperties"], serde_json::json!(false));
    let sections: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    assert_eq!(
        sections,
        [
            "state_dir",
            "max_children",
            "watch",
            "http",
            "auth",
            "sessions",
            "log",
            "defaults",
            "servers"
        ]
    );
}
