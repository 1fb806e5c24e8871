//! Which layer wins, and what becomes of files written for other programs.

use stdiod::config::listen::ListenAddr;
use stdiod::config::model::{AskKind, Mode, Server, Start};
use stdiod::config::secret::Arg;
use stdiod::config::units::Span;
use stdiod::config::{Flag, Host, Loaded, Origin};

use super::Desk;

fn listens(loaded: &Loaded) -> Vec<String> {
    loaded.model.http.listen.iter().map(ToString::to_string).collect()
}

fn server<'a>(loaded: &'a Loaded, name: &str) -> &'a Server {
    loaded.model.servers.get(name).expect("the server is configured")
}

#[test]
fn later_layers_win_key_by_key() {
    let mut desk = Desk::new()
        .file("main.toml", "[http]\nlisten = ['127.0.0.1:1']\nkeep_alive = '1s'\nmax_body = '1KiB'")
        .write("conf.d/20.toml", "[http]\nkeep_alive = '3s'")
        .write("conf.d/10.yaml", "http: { keep_alive: 2s, commit_after: 2s }")
        .write("conf.d/30.txt", "not configuration")
        .variable("STDIOD_HTTP__MAX_BODY", "4KiB")
        .variable("STDIOD_SERVERS__A__COMMAND", "sh");
    desk.sources.flags =
        vec![Flag::new("--listen", &["http", "listen"], vec!["[::1]:5".to_owned()])];
    let loaded = desk.loaded();
    let http = &loaded.model.http;
    assert_eq!(listens(&loaded), ["[::1]:5"]);
    assert_eq!((http.keep_alive, http.commit_after), (Span::seconds(3), Span::seconds(2)));
    assert_eq!(http.max_body.0, 4096);
    let Origin::Files(files) = &loaded.origin else { panic!("{:?}", loaded.origin) };
    assert_eq!(files.len(), 3);
}

#[test]
fn several_files_are_laid_over_each_other() {
    let desk = Desk::new()
        .file("a.toml", "[servers.x]\ncommand = 'sh'\nargs = ['1']\nenv = { A = '1', B = '1' }")
        .file("b.json", r#"{ "servers": { "x": { "args": ["2", "3"], "env": { "B": "2" } } } }"#);
    let loaded = desk.loaded();
    let x = server(&loaded, "x");
    assert_eq!(x.args.iter().map(Arg::expose).collect::<Vec<_>>(), ["2", "3"]);
    let env: Vec<_> = x.env.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(env, [("A", "1"), ("B", "2")]);
}

#[test]
fn defaults_lie_under_every_server() {
    let desk = Desk::new().file(
        "a.toml",
        "[defaults]\nmode = 'shared'\nstart = 'lazy'\nprivate_for = ['roots']\nenv = { A = '1', B = '1' }\n\
         [servers.x]\ncommand = 'sh'\n[servers.y]\ncommand = 'sh'\nmode = 'per-session'\nenv = { B = '2' }",
    );
    let loaded = desk.loaded();
    let (x, y) = (server(&loaded, "x"), server(&loaded, "y"));
    assert_eq!((x.mode, y.mode), (Mode::Shared, Mode::PerSession));
    assert_eq!((x.start, y.start), (Start::Lazy, Start::Lazy));
    assert_eq!(y.private_for, [AskKind::Roots]);
    assert_eq!((y.env["A"].expose(), y.env["B"].expose()), ("1", "2"));
    assert_eq!(x.max_children, Server::default().max_children);
}

#[test]
fn without_configuration_the_demo_server_is_served() {
    let loaded = Desk::new().variable("STDIOD_HTTP__LISTEN", "127.0.0.1:7").loaded();
    assert_eq!(loaded.origin, Origin::Demo);
    let demo = server(&loaded, "demo");
    assert_eq!((demo.command.as_str(), demo.args[0].expose()), ("/bin/sh", "demo-server"));
    assert_eq!(listens(&loaded), ["127.0.0.1:7"]);
    assert_eq!(loaded.model.http.listen, [ListenAddr::parse("127.0.0.1:7").unwrap()]);
}

#[test]
fn the_system_file_counts_only_when_no_file_is_named() {
    let mut desk = Desk::new().write("system.toml", "[servers.system]\ncommand = 'sh'");
    desk.sources.system_file = Some(desk.directory.join("system.toml"));
    assert!(desk.loaded().model.servers.contains_key("system"));
    let desk = desk.file("own.toml", "[servers.own]\ncommand = 'sh'");
    let loaded = desk.loaded();
    assert_eq!(loaded.model.servers.len(), 1);
    assert!(loaded.model.servers.contains_key("own"));
}

#[test]
fn an_mcp_servers_file_is_taken_as_it_is() {
    let desk = Desk::new().file(
        "claude.json",
        r#"{ "mcpServers": {
            "a": { "type": "stdio", "command": "sh", "args": ["-c", "true"], "env": { "N": 5 }, "mode": "shared" },
            "b": { "command": "sh", "disabled": true }
        } }"#,
    );
    let loaded = desk.loaded();
    let (a, b) = (server(&loaded, "a"), server(&loaded, "b"));
    assert_eq!((a.args.len(), a.env["N"].expose(), a.mode), (2, "5", Mode::Shared));
    assert_eq!((a.enabled, b.enabled), (true, false));
    assert_eq!(desk.shown(&loaded.warnings), "");
}

#[test]
fn the_file_of_an_editor_is_taken_too() {
    let desk = Desk::new().write("x.env", "# keys\nexport K='v 1'\nL=2\n").file(
        ".vscode/mcp.json",
        r#"{ // comments are allowed here
            "inputs": [],
            "servers": {
                "a": { "type": "stdio", "command": "sh", "envFile": "../x.env", "env": { "L": "3" } },
            },
        }"#,
    );
    let loaded = desk.loaded();
    let env = &server(&loaded, "a").env;
    assert_eq!((env["K"].expose(), env["L"].expose()), ("v 1", "3"));
}

#[test]
fn references_are_expanded_and_never_printed() {
    let desk = Desk::new()
        .write("key", "hunter2\n")
        .write("cred/c", "hunter3")
        .variable("T", "hunter4")
        .file(
            "sub/a.toml",
            "[servers.a]\ncommand = 'sh'\nargs = ['--t=${env:T}', '$${env:T}']\n\
             env = { F = '${file:../key}', C = 'x ${credential:c}', L = 'hunter5' }",
        );
    let credentials = desk.directory.join("cred").display().to_string();
    let desk = desk.variable("CREDENTIALS_DIRECTORY", &credentials);
    let loaded = desk.loaded();
    let a = server(&loaded, "a");
    assert_eq!((a.args[0].expose(), a.args[1].expose()), ("--t=hunter4", "${env:T}"));
    assert_eq!((a.env["F"].expose(), a.env["C"].expose()), ("hunter2", "x hunter3"));
    let all = format!(
        "{loaded:?}{:?}{}{}{:?}",
        a.env,
        serde_json::to_string(&loaded.model).unwrap(),
        loaded.effective(),
        desk.sources.flags
    );
    assert!(!all.contains("hunter"), "{all}");
}

#[test]
fn relative_paths_start_from_their_file() {
    let desk = Desk::new()
        .write("etc/place/x", "")
        .file("etc/a.toml", "[servers.a]\ncommand = 'sh'\ncwd = 'place'");
    let loaded = desk.loaded();
    assert_eq!(server(&loaded, "a").cwd, Some(desk.directory.join("etc/place")));
}

#[test]
fn a_server_that_cannot_run_does_not_stop_the_daemon() {
    let mut desk =
        Desk::new().file("a.toml", "[servers.a]\ncommand = 'no-such'\n[servers.b]\ncommand = 'sh'");
    assert!(desk.load().is_err());
    desk.sources.host = Host::Starting;
    let loaded = desk.loaded();
    assert_eq!(loaded.warnings.len(), 1);
    assert_eq!(loaded.programs.len(), 1);
    desk.sources.host = Host::Elsewhere;
    assert!(desk.loaded().warnings.is_empty());
}
