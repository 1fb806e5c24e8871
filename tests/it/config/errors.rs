//! What is said about a bad configuration, word for word.

use super::Desk;

#[test]
fn every_mistake_in_a_file_is_reported_at_once() {
    let desk = Desk::new().file(
        "stdiod.toml",
        r#"listen = "127.0.0.1:8750"

[http]
listen = "0.0.0.0:8750"
port = 8080
keep_alive = 15

[log]
level = "inof"

[servers.git]
comand = "uvx"
timeout = 30
disabled = true
mode = "per_session"

[servers."my server"]
command = "sh"

[servers.fs]
command = "npx -y @scope/server-fs /srv"
max_children = 0
limits = { nice = 40, memory = "lots" }
"#,
    );
    insta::assert_snapshot!(desk.told(), @r#"
error: unknown key `listen`
 --> stdiod.toml:1:1
  |
1 | listen = "127.0.0.1:8750"
  | ^^^^^^
  |
  = help: `listen` belongs under `[http]`

error: `http.listen`: expected a list of addresses, found a text
 --> stdiod.toml:4:10
  |
4 | listen = "0.0.0.0:8750"
  |          ^^^^^^^^^^^^^^
  |
  = help: put it in brackets: ["0.0.0.0:8750"]

error: `http.listen[0]`: 0.0.0.0:8750 can be reached from other hosts, and without [auth] anybody there could run the servers
 --> stdiod.toml:4:10
  |
4 | listen = "0.0.0.0:8750"
  |          ^^^^^^^^^^^^^^
  |
  = help: listen on 127.0.0.1, or on unix:PATH, and let a proxy with authentication forward
  = help: or give callers tokens: under [auth] write tokens = [{ name = "gateway", file = "/etc/stdiod/gateway.token" }]

error: unknown key `http.port`
 --> stdiod.toml:5:1
  |
5 | port = 8080
  | ^^^^
  |
  = help: write `listen = ["127.0.0.1:8750"]`, address and port in one

error: `http.keep_alive`: expected a duration such as "30s", found a number
 --> stdiod.toml:6:14
  |
6 | keep_alive = 15
  |              ^^
  |
  = help: write the unit too: "15s"

error: `log.level`: "inof" is no log level
 --> stdiod.toml:9:9
  |
9 | level = "inof"
  |         ^^^^^^
  |
  = help: did you mean "info"?

error: unknown key `servers.git.comand`
  --> stdiod.toml:12:1
   |
12 | comand = "uvx"
   | ^^^^^^
   |
   = help: did you mean `command`?

error: unknown key `servers.git.timeout`
  --> stdiod.toml:13:1
   |
13 | timeout = 30
   | ^^^^^^^
   |
   = help: `request_timeout = "10m"` limits a call, `start_timeout = "60s"` the handshake

error: unknown key `servers.git.disabled`
  --> stdiod.toml:14:1
   |
14 | disabled = true
   | ^^^^^^^^
   |
   = help: write `enabled = false`

error: `servers.git.mode`: "per_session" is not one of "auto", "shared" or "per-session"
  --> stdiod.toml:15:8
   |
15 | mode = "per_session"
   |        ^^^^^^^^^^^^^
   |
   = help: did you mean "per-session"?

error: `servers."my server"`: a server name holds letters, digits, '.', '_' and '-' only, not ' '
  --> stdiod.toml:17:10
   |
17 | [servers."my server"]
   |          ^^^^^^^^^^^
   |
   = help: the name is part of the server's address, /servers/<name>/mcp
   = help: write `my-server`

error: `servers.fs.command`: it holds arguments; `command` is the program alone
  --> stdiod.toml:21:11
   |
21 | command = "npx -y @scope/server-fs /srv"
   |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = help: command = "npx", args = ["-y", "@scope/server-fs", "/srv"]

error: `servers.fs.max_children`: the server could never run
  --> stdiod.toml:22:16
   |
22 | max_children = 0
   |                ^
   |
   = help: to switch it off write `enabled = false`

error: `servers.fs.limits.nice`: 40 is no niceness: it goes from 0 to 19
  --> stdiod.toml:23:19
   |
23 | limits = { nice = 40, memory = "lots" }
   |                   ^^
   |
   = help: 0 is normal, 19 yields to everybody

error: `servers.fs.limits.memory`: "lots" is not a size; write it like "16MiB", "64KiB" or "1024"
  --> stdiod.toml:23:32
   |
23 | limits = { nice = 40, memory = "lots" }
   |                                ^^^^^^
"#);
}

#[test]
fn secrets_are_masked_in_excerpts() {
    let desk = Desk::new().file(
        "a.toml",
        "[auth]\ntokens = ['hunter2hunter2hunter2']\n[servers.a]\ncommand = 'sh'\n\
         env = { A = 'hunter2', B = 5, C = '${credentials:hunter}' }\nenvironment = { K = 'hunter2' }\n\
         api_key = 'hunter2'\n",
    );
    let told = desk.told();
    assert!(!told.contains("hunter2"), "{told}");
    insta::assert_snapshot!(told, @r#"
error: `auth.tokens[0]`: expected a table, found a text
 --> a.toml:2:11
  |
2 | tokens = ['*********************']
  |           ^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: a token stands in a file of its own: { name = "who holds it", file = "/path" }

error: `servers.a.env.B`: expected a text, found a number
 --> a.toml:5:28
  |
5 | env = { A = '*******', B = *, C = '*********************' }
  |                            ^
  |
  = help: put it in quotes

error: `servers.a.env.C`: `${credentials:…}` is no kind of reference
 --> a.toml:5:35
  |
5 | env = { A = '*******', B = *, C = '*********************' }
  |                                   ^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: did you mean `${credential:…}`? `$${` is a plain `${`

error: unknown key `servers.a.environment`
 --> a.toml:6:1
  |
6 | environment = { K = '*******' }
  | ^^^^^^^^^^^
  |
  = help: write `env = { KEY = "value" }`

error: unknown key `servers.a.api_key`
 --> a.toml:7:1
  |
7 | api_key = '*******'
  | ^^^^^^^
  |
  = help: tokens stand once under `[auth]`; `tokens = ["name"]` here says which of them may use this server
"#);
}

#[test]
fn a_file_that_cannot_be_read_shows_where_and_no_secret() {
    let check = |name: &str, text: &str| Desk::new().file(name, text).told();
    let toml = check("a.toml", "[servers.a]\ncommand = sh\n");
    insta::assert_snapshot!(toml, @r#"
error: not valid TOML: invalid string; expected `"`, `'`
 --> a.toml:2:11
  |
2 | command = sh
  |           ^
  |
  = help: texts stand in quotes: key = "value"
"#);
    let open = check("a.toml", "[servers.a]\ncommand = 'sh'\nenv = { A = 'hunter2 }\n");
    insta::assert_snapshot!(open, @r#"
error: not valid TOML: invalid literal string
 --> a.toml:3:23
  |
3 | *** = { * = '******* }
  |                       ^
"#);
    let json = check("a.json", "{\n  \"env\": { \"A\": \"hunter2\" },\n  \"b\": hunter2\n}");
    insta::assert_snapshot!(json, @r#"
error: not valid JSON: expected value
 --> a.json:3:8
  |
3 |   "*": *******
  |        ^
"#);
    let yaml = check("a.yaml", "servers:\n  a:\n    env: {A: hunter2\n  b: c\n");
    assert!(!yaml.contains("hunter2"), "{yaml}");
    insta::assert_snapshot!(yaml, @r#"
error: not valid YAML: while parsing a flow mapping, did not find expected ',' or '}'
 --> a.yaml:4:4
  |
4 |   *: *
  |    ^
"#);
}

#[test]
fn foreign_files_are_warned_about_in_their_own_words() {
    let desk = Desk::new().file(
        "claude.json",
        r#"{
  "mcpServers": {
    "a": { "command": "sh", "autoApprove": [], "timeout": 60 },
    "remote": { "url": "https://example.com/mcp", "headers": { "Authorization": "hunter2" } },
    "github.com/x y": { "command": "sh" },
    "b": { "command": ["npx"] }
  },
  "theme": "dark"
}"#,
    );
    insta::assert_snapshot!(desk.told(), @r#"
error: `servers."github.com/x y"`: a server name holds letters, digits, '.', '_' and '-' only, not '/'
 --> claude.json:5:5
  |
5 |     "github.com/x y": { "command": "sh" },
  |     ^^^^^^^^^^^^^^^^
  |
  = help: the name is part of the server's address, /servers/<name>/mcp
  = help: write `github.com-x-y`

error: `servers.b.command`: expected a text, found a list
 --> claude.json:6:23
  |
6 |     "b": { "command": ["npx"] }
  |                       ^^^^^^^
  |
  = help: `command` is the program alone; what follows it goes into `args`

warning: `mcpServers.a.autoApprove`: ignored: stdiod has no such key
 --> claude.json:3:29
  |
3 |     "a": { "command": "sh", "autoApprove": [], "timeout": 60 },
  |                             ^^^^^^^^^^^^^

warning: `mcpServers.a.timeout`: ignored: stdiod has no such key
 --> claude.json:3:48
  |
3 |     "a": { "command": "sh", "autoApprove": [], "timeout": 60 },
  |                                                ^^^^^^^^^
  |
  = help: `request_timeout = "10m"` limits a call, `start_timeout = "60s"` the handshake

warning: `mcpServers.remote.url`: remote is skipped: remote servers are not bridged
 --> claude.json:4:17
  |
4 |     "remote": { "url": "https://example.com/mcp", "headers": { "Authorization": "*******" } },
  |                 ^^^^^
  |
  = help: it already speaks HTTP; give clients its own address

warning: `theme`: ignored: it says nothing about servers
 --> claude.json:8:3
  |
8 |   "theme": "dark"
  |   ^^^^^^^
"#);
}

#[test]
fn variables_are_named_as_the_source() {
    let desk = Desk::new()
        .variable("STDIOD_HTTP__LISTN", "x")
        .variable("STDIOD_HTTP__MAX_BODY", "huge")
        .variable("STDIOD_HTTP__LISTEN", "0.0.0.0:8750")
        .variable("STDIOD_HTTP_LISTEN", "x")
        .variable("STDIOD_SERVICE_HOST", "10.0.0.1");
    insta::assert_snapshot!(desk.told(), @r#"
error: `http.listen[0]`: 0.0.0.0:8750 can be reached from other hosts, and without [auth] anybody there could run the servers
--> environment variable STDIOD_HTTP__LISTEN
 = help: listen on 127.0.0.1, or on unix:PATH, and let a proxy with authentication forward
 = help: or give callers tokens: under [auth] write tokens = [{ name = "gateway", file = "/etc/stdiod/gateway.token" }]

error: unknown key `http.listn`
--> environment variable STDIOD_HTTP__LISTN
 = help: did you mean `listen`?

error: `http.max_body`: "huge" is not a size; write it like "16MiB", "64KiB" or "1024"
--> environment variable STDIOD_HTTP__MAX_BODY

warning: STDIOD_HTTP_LISTEN is ignored: there is no such key
--> environment variable STDIOD_HTTP_LISTEN
 = help: levels are parted by two underscores: STDIOD_HTTP__LISTEN

warning: STDIOD_SERVICE_HOST is ignored: there is no such key
--> environment variable STDIOD_SERVICE_HOST
"#);
}

#[test]
fn yaml_is_pointed_into_as_well() {
    let desk = Desk::new().file(
        "a.yaml",
        "http:\n  max_bdy: 16MiB\nservers:\n  on:\n    command: sh\n    push: off\n    mode: shard\n    env:\n      PORT: 80\n",
    );
    insta::assert_snapshot!(desk.told(), @r#"
error: unknown key `http.max_bdy`
 --> a.yaml:2:3
  |
2 |   max_bdy: 16MiB
  |   ^^^^^^^
  |
  = help: did you mean `max_body`?

error: `servers.on.mode`: "shard" is not one of "auto", "shared" or "per-session"
 --> a.yaml:7:11
  |
7 |     mode: shard
  |           ^^^^^
  |
  = help: did you mean "shared"?

error: `servers.on.env.PORT`: expected a text, found a number
 --> a.yaml:9:13
  |
9 |       PORT: **
  |             ^^
  |
  = help: put it in quotes
"#);
}

/// A damaged file is a file a user may have: whatever is wrong with it, nothing panics and no secret is shown.
#[test]
fn damaged_files_are_reported_without_their_secrets() {
    let samples = [
        (
            "a.toml",
            "[auth]\ntokens = [{ name = 'a', file = '/t' }]\n[servers.a]\ncommand = 'sh'\n\
             args = ['--api-key', 'hunter2']\nenv = { A = 'hunter2', B = '${env:X}' }\n\
             [servers.a.env.x]\nK = \"\"\"\nhunter2\"\"\"\n",
        ),
        (
            "a.json",
            "{ \"mcpServers\": { \"a\": { \"command\": \"sh\", \"args\": [\"x\"],\n\
             \"env\": { \"A\": \"hunter2\", \"B\": [\"hunter2\", 5] } } } }",
        ),
        (
            "a.yaml",
            "servers:\n  a:\n    command: sh\n    args: [x, 'y z']\n    env:\n      A: hunter2\n      B: |\n        hunter2\n",
        ),
    ];
    for (name, text) in samples {
        let cut = (0..text.len()).map(|at| text[..at].to_owned());
        let without = (0..text.len()).map(|at| format!("{}{}", &text[..at], &text[at + 1..]));
        for damaged in cut.chain(without) {
            // A letter less, and the word is no longer the secret, or its key no longer a sign of one.
            if damaged.matches("hunter2").count() > 0 {
                let told = Desk::new().file(name, &damaged).told();
                assert!(!told.contains("hunter2"), "{damaged}\n---\n{told}");
            }
        }
    }
}

#[test]
fn odd_files_are_refused_in_words() {
    let check = |name: &str, text: &str, says: &str| {
        let told = Desk::new().file(name, text).told();
        assert!(told.contains(says), "{told}");
    };
    check("a.json", &"[".repeat(100_000), "not valid JSON");
    check("a.json", &format!("{}{}", "[".repeat(1000), "]".repeat(1000)), "nested too deeply");
    check("a.yaml", &"[".repeat(100_000), "not valid YAML");
    check("a.toml", &format!("a = {}", "[".repeat(100_000)), "not valid TOML");
    check("a.json", "[1]", "expected a table, found a list");
    check("a.yaml", "a: 1\na: 2\n", "not valid YAML");
    check("a.toml", "[http]\n[http]\n", "not valid TOML");
    check("a.toml", "\u{feff}[http]\r\nport = 1\r\n", "a.toml:2:1");
    check("a.toml", "servers = [{ name = 'x' }]", "write a section for each: [servers.NAME]");
    check("a.toml", "[auth]\ntokens = [{ name = 'x' }]", "`auth.tokens[0].file`: it is missing");
    check("a.toml", "[[auth.tokens]]\nfile = 'x'", "`auth.tokens[0].name`: it is missing");
    check("a.toml", "[auth]\ntokens = [{ name = 'x', flie = 'x' }]", "did you mean `file`?");
    check("a.toml", "http = 1980-01-01", "expected a table, found a text");
    check("a.toml", "[http]\nmax_connections = -1", "-1 is too small");
    check("a.toml", "max_children = 0", "no server could ever run");
}
