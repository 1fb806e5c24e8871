//! The built binary: what it prints, and how it ends.

use std::process::Output;

use super::Desk;
use crate::support::program;

#[expect(clippy::disallowed_methods, reason = "the program itself is what is tested")]
fn stdiod(desk: &Desk, args: &[&str]) -> Output {
    std::process::Command::new(program())
        .args(args)
        .current_dir(&desk.directory)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap()
}

pub(super) fn check(desk: &Desk, args: &[&str], status: i32) -> (String, String) {
    let output = stdiod(desk, args);
    let out = desk.plain(&String::from_utf8(output.stdout).unwrap());
    let err = desk.plain(&String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(status), "{out}{err}");
    (out, err)
}

#[test]
fn check_tells_what_each_server_would_run() {
    let desk = Desk::new().write("a.toml", "[servers.git]\ncommand = 'sh'\nargs = ['-c', 'true', '--token', 'x']\n[servers.b]\ncommand='x'\nenabled = false");
    let (out, err) = check(&desk, &["check", "-c", "a.toml"], 0);
    let shell =
        if std::path::Path::new("/usr/bin/sh").exists() { "/usr/bin/sh" } else { "/bin/sh" };
    insta::assert_snapshot!(out.replace(shell, "$SH"), @r#"
b    x (disabled)
git  sh -c true --token *** → $SH
ok: 2 servers in a.toml
"#);
    assert_eq!(err, "");
}

#[test]
fn check_prints_what_holds_and_where_it_comes_from() {
    let desk = Desk::new().write(
        "a.toml",
        "[defaults]\nmode = 'shared'\n[servers.a]\ncommand = 'sh'\nenv = { A = 'hunter2', B = '${env:PATH}' }\nlimits.nice = 5",
    );
    let (out, _) = check(&desk, &["check", "--print", "-c", "a.toml"], 0);
    insta::assert_snapshot!(out, @r#"
max_children = 256                               # default
watch = false                                    # default

[http]
listen = ["127.0.0.1:8750"]                      # default
allowed_hosts = []                               # default
allowed_origins = []                             # default
max_body = "16MiB"                               # default
keep_alive = "15s"                               # default
commit_after = "5s"                              # default
max_connections = 10000                          # default
lenient_sessions = true                          # default

[log]
format = "auto"                                  # default
level = "info"                                   # default
payloads = false                                 # default

[servers.a]                                      # a.toml:3
command = "sh"                                   # a.toml:4
args = []                                        # default
env.A = "***"                                    # a.toml:5
env.B = "${env:PATH}"                            # a.toml:5
env_file = []                                    # default
pass_env = []                                    # default
enabled = true                                   # default
mode = "shared"                                  # a.toml:2
private_for = ["sampling", "elicitation", "roots"] # default
max_children = 16                                # default
overflow = "wait"                                # default
spare = 0                                        # default
era = "auto"                                     # default
probe_wait = "5s"                                # default
start = "eager"                                  # default
idle_stop = "never"                              # default
push = "on"                                      # default
stateful = false                                 # default
tasks = "off"                                    # default
start_timeout = "1m"                             # default
start_wait = "20s"                               # default
request_timeout = "10m"                          # default
request_timeout_max = "1h"                       # default
push_wait = "5s"                                 # default
stop_grace = "5s"                                # default
concurrency = 0                                  # default
tools.allow = ["*"]                              # default
tools.deny = []                                  # default
legacy_output = "raw"                            # default
tokens = []                                      # default
limits.nice = 5                                  # a.toml:6
max_message = "16MiB"                            # default
"#);
}

#[test]
fn problems_end_with_status_2() {
    let desk =
        Desk::new().write("a.toml", "[http]\nlisten = 5\n[servers.a]\ncommand = 'no-such'\n");
    let (out, err) = check(&desk, &["check", "-c", "a.toml"], 2);
    assert_eq!(out, "");
    insta::assert_snapshot!(err, @r#"
error: `http.listen`: expected a list of addresses, found a number
 --> a.toml:2:10
  |
2 | listen = 5
  |          ^

error: `servers.a.command`: "no-such" is not on PATH
 --> a.toml:4:11
  |
4 | command = 'no-such'
  |           ^^^^^^^^^
  |
  = help: install it, write its whole path, or set PATH in `env`

the configuration has 2 errors
"#);
    check(&desk, &["serve", "-c", "a.toml"], 2);
    check(&desk, &["check", "-c", "nowhere.toml"], 2);
    check(&desk, &["chek"], 2);
    let (_, err) = check(&desk, &["run", "-c", "a.toml", "--", "sh"], 2);
    assert!(err.contains("takes no configuration file"), "{err}");
}

#[test]
fn run_explains_its_flags() {
    let desk = Desk::new();
    let (_, err) = check(
        &desk,
        &["run", "--mode", "share", "--listen", "8750", "--env", "K=hunter2", "--", "no-such"],
        2,
    );
    insta::assert_snapshot!(err, @r#"
error: `http.listen[0]`: "8750" is no address to listen on: it names no address; write "127.0.0.1:8750"
--> flag --listen

error: `servers.no-such.mode`: "share" is not one of "auto", "shared" or "per-session"
--> flag --mode
 = help: did you mean "shared"?

error: `servers.no-such.command`: "no-such" is not on PATH
--> argument CMD
 = help: install it, write its whole path, or set PATH in `env`

the configuration has 3 errors
"#);
    let (_, err) = check(
        &desk,
        &[
            "run",
            "--stateful",
            "true",
            "--overflow",
            "share",
            "--spare",
            "1",
            "--idle-stop",
            "5m",
            "--",
            "sh",
        ],
        2,
    );
    assert!(err.contains("`servers.sh.overflow`: a session whose state"), "{err}");
    assert!(err.ends_with("the configuration has 1 error\n"), "{err}");
    // The two dashes may be left out, and what follows the command is never ours.
    let (_, err) = check(&desk, &["run", "no-such", "--mode", "share"], 2);
    assert!(err.ends_with("the configuration has 1 error\n"), "{err}");
    let (_, err) = check(&desk, &["run", "--mod", "share", "--", "sh"], 2);
    assert!(err.contains("--mode"), "{err}");
    let (_, err) = check(&desk, &["run", "--name", "a b", "--", "sh"], 2);
    assert!(err.contains("--name \"a b\": a server name holds letters"), "{err}");
}

#[test]
fn generated_texts_are_printed() {
    let desk = Desk::new();
    let (schema, _) = check(&desk, &["schema"], 0);
    assert!(serde_json::from_str::<serde_json::Value>(&schema).is_ok());
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let (script, _) = check(&desk, &["completions", shell], 0);
        assert!(script.contains("demo-server"), "{shell}");
    }
    assert!(check(&desk, &["man"], 0).0.starts_with(".ie"));
    check(&desk, &["man", "--dir", "man1"], 0);
    assert!(desk.directory.join("man1/stdiod-check.1").exists());
    for command in
        ["serve", "run", "check", "export", "schema", "demo-server", "completions", "man"]
    {
        let (help, _) = check(&desk, &[command, "--help"], 0);
        assert!(help.contains("Examples:"), "{command}");
    }
}
