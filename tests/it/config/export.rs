//! What gateways are told of the servers.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Desk;
use super::commands::check;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    mcp_servers: BTreeMap<String, Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    url: String,
    transport: String,
    auth_type: Option<String>,
    auth_value: Option<String>,
}

/// What LiteLLM reads: name, URL, transport, and the variable of the token if there is one.
fn read(page: &str) -> Vec<String> {
    let page: Page = serde_saphyr::from_str(page).unwrap_or_else(|error| panic!("{error}\n{page}"));
    let entries = page.mcp_servers.into_iter();
    let line = |(name, entry): (String, Entry)| {
        let Entry { url, transport, auth_type, auth_value } = entry;
        assert_eq!(auth_type.as_deref(), auth_value.as_ref().map(|_| "bearer_token"));
        [name, url, transport, auth_value.unwrap_or_default()].join(" ").trim_end().to_owned()
    };
    entries.map(line).collect()
}

fn export(config: &str, flags: &[&str]) -> String {
    let desk = Desk::new().write("a.toml", config);
    let (page, said) = check(&desk, &[&["export", "litellm", "-c", "a.toml"], flags].concat(), 0);
    assert_eq!(said, "");
    page
}

fn refused(config: &str, flags: &[&str]) -> String {
    let desk = Desk::new().write("a.toml", config);
    let (page, said) = check(&desk, &[&["export", "litellm", "-c", "a.toml"], flags].concat(), 2);
    assert_eq!(page, "");
    said
}

const SERVERS: &str = "\
[servers.git]\ncommand = 'no-such'\nenv = { KEY = '${credential:absent}' }\n\
[servers.own]\ncommand = 'sh'\nlisten = '127.0.0.1:20200'\n\
[servers.brave-search]\ncommand = 'sh'\n\
[servers.brave_search]\ncommand = 'sh'\n\
[servers.off]\ncommand = 'sh'\n\
[servers.'1.2']\ncommand = 'sh'\n\
[servers.gone]\ncommand = 'sh'\nenabled = false\n";

#[test]
fn litellm_gets_every_server_that_runs_under_a_name_that_it_takes() {
    let page = export(SERVERS, &[]);
    insta::assert_snapshot!(page, @r#"
# The servers of stdiod for a LiteLLM proxy. Save this as stdiod.yaml beside LiteLLM's config.yaml and write there
#   include: [stdiod.yaml]
# or put mcp_servers into config.yaml itself, at its top level. Then restart LiteLLM.
#
# push=off keeps no session for LiteLLM, which begins a new one for each request anyway, and offers it no news of
# changes: its newer releases list every server again for each server that does.
#
# For a LiteLLM on this host. One in a container does not reach 127.0.0.1 of its host. Make this page with
#   stdiod export litellm --url http://host.containers.internal:8750
# In stdiod's configuration, under [http], and with a token under [auth]:
#   listen = ["127.0.0.1:8750", "10.88.0.1:8750"]
# 10.88.0.1 is the host in Podman's network; in Docker's it is 172.17.0.1.
mcp_servers:
  # 1.2 in stdiod; names here have letters, digits and _ only
  "1_2":
    url: "http://127.0.0.1:8750/servers/1.2/mcp?push=off"
    transport: "http"
  # brave-search in stdiod; names here have letters, digits and _ only
  brave_search_2:
    url: "http://127.0.0.1:8750/servers/brave-search/mcp?push=off"
    transport: "http"
  brave_search:
    url: "http://127.0.0.1:8750/servers/brave_search/mcp?push=off"
    transport: "http"
  git:
    url: "http://127.0.0.1:8750/servers/git/mcp?push=off"
    transport: "http"
  "off":
    url: "http://127.0.0.1:8750/servers/off/mcp?push=off"
    transport: "http"
  own:
    url: "http://127.0.0.1:20200/mcp?push=off"
    transport: "http"
"#);
    insta::assert_snapshot!(read(&page).join("\n"), @r#"
1_2 http://127.0.0.1:8750/servers/1.2/mcp?push=off http
brave_search http://127.0.0.1:8750/servers/brave_search/mcp?push=off http
brave_search_2 http://127.0.0.1:8750/servers/brave-search/mcp?push=off http
git http://127.0.0.1:8750/servers/git/mcp?push=off http
off http://127.0.0.1:8750/servers/off/mcp?push=off http
own http://127.0.0.1:20200/mcp?push=off http
"#);
}

#[test]
fn a_given_url_leads_to_all_servers_over_either_transport() {
    let base = "https://mcp.example/stdio/";
    let page = export(SERVERS, &["--url", base, "--transport", "sse", "--token-env", "KEY"]);
    insta::assert_snapshot!(page.lines().take_while(|line| line.starts_with('#')).collect::<Vec<_>>().join("\n"), @r#"
# The servers of stdiod for a LiteLLM proxy. Save this as stdiod.yaml beside LiteLLM's config.yaml and write there
#   include: [stdiod.yaml]
# or put mcp_servers into config.yaml itself, at its top level. Then restart LiteLLM.
#
# push=off keeps no session for LiteLLM, which begins a new one for each request anyway, and offers it no news of
# changes: its newer releases list every server again for each server that does.
#
# KEY in LiteLLM's environment has to hold the token that is asked for
# at this address.
#
# stdiod refuses requests to this host name with 403, unless a proxy gives them another one, or
# its configuration has, under [http]:
#   allowed_hosts = ["mcp.example"]
"#);
    insta::assert_snapshot!(read(&page).join("\n"), @r#"
1_2 https://mcp.example/stdio/servers/1.2/sse?push=off sse os.environ/KEY
brave_search https://mcp.example/stdio/servers/brave_search/sse?push=off sse os.environ/KEY
brave_search_2 https://mcp.example/stdio/servers/brave-search/sse?push=off sse os.environ/KEY
git https://mcp.example/stdio/servers/git/sse?push=off sse os.environ/KEY
off https://mcp.example/stdio/servers/off/sse?push=off sse os.environ/KEY
own https://mcp.example/stdio/servers/own/sse?push=off sse os.environ/KEY
"#);
    // Names that stdiod knows need no advice.
    for known in ["http://10.0.0.7:8750", "http://[fd00::1]:8750", "http://localhost"] {
        let page = export(SERVERS, &["--url", known]);
        assert!(!page.contains("allowed_hosts"), "{page}");
        assert!(read(&page)[0].contains(&format!(" {known}/servers/1.2/mcp?push=off ")), "{page}");
    }
}

#[test]
fn tokens_are_named_by_variables_and_never_read() {
    let auth = "[http]\nlisten = ['127.0.0.1:9000', '10.88.0.1:9001']\n[auth]\ntokens = [\n\
                { name = 'everyone', file = '/no/such/everyone' },\n\
                { name = 'the litellm', file = '/no/such/litellm', servers = ['git', 'time'] }]\n\
                [servers.git]\ncommand = 'sh'\n[servers.time]\ncommand = 'sh'\n";
    let page = export(auth, &[]);
    insta::assert_snapshot!(page, @r#"
# The servers of stdiod for a LiteLLM proxy. Save this as stdiod.yaml beside LiteLLM's config.yaml and write there
#   include: [stdiod.yaml]
# or put mcp_servers into config.yaml itself, at its top level. Then restart LiteLLM.
#
# push=off keeps no session for LiteLLM, which begins a new one for each request anyway, and offers it no news of
# changes: its newer releases list every server again for each server that does.
#
# STDIOD_TOKEN in LiteLLM's environment has to hold the token "the litellm", which is
# the first line of "/no/such/litellm".
#
# For a LiteLLM on this host. One in a container does not reach 127.0.0.1 of its host. Make this page with
#   stdiod export litellm --url http://10.88.0.1:9001
mcp_servers:
  git:
    url: "http://127.0.0.1:9000/servers/git/mcp?push=off"
    transport: "http"
    auth_type: "bearer_token"
    auth_value: "os.environ/STDIOD_TOKEN"
  time:
    url: "http://127.0.0.1:9000/servers/time/mcp?push=off"
    transport: "http"
    auth_type: "bearer_token"
    auth_value: "os.environ/STDIOD_TOKEN"
"#);
    let page = export(auth, &["--token-env", "MCP_KEY"]);
    assert!(read(&page).iter().all(|line| line.ends_with(" os.environ/MCP_KEY")), "{page}");

    let several =
        format!("{auth}[servers.x]\ncommand = 'sh'\n[servers.y]\ncommand = 'sh'\ntokens = ['a']\n");
    let several = several
        .replace("tokens = [\n", "tokens = [{ name = 'a', file = '/a', servers = ['y'] },\n");
    insta::assert_snapshot!(read(&export(&several, &[])).join("\n"), @r#"
git http://127.0.0.1:9000/servers/git/mcp?push=off http os.environ/STDIOD_TOKEN_THE_LITELLM
time http://127.0.0.1:9000/servers/time/mcp?push=off http os.environ/STDIOD_TOKEN_THE_LITELLM
x http://127.0.0.1:9000/servers/x/mcp?push=off http os.environ/STDIOD_TOKEN_EVERYONE
y http://127.0.0.1:9000/servers/y/mcp?push=off http os.environ/STDIOD_TOKEN_A
"#);

    let closed = auth
        .replace("'/no/such/everyone'", "'/e', servers = ['git']")
        .replace("['git', 'time']", "['git']");
    let page = export(&closed, &[]);
    assert!(page.contains("# Left out: time, because no token opens it.\n"), "{page}");
    assert_eq!(read(&page).len(), 1);
}

#[test]
fn a_listener_on_all_addresses_is_found_on_loopback() {
    let open = |listen: &str| {
        let auth = "[auth]\ntokens = [{ name = 'a', file = '/a' }]\n[servers.a]\ncommand = 'sh'\n";
        read(&export(&format!("[http]\nlisten = [{listen}]\n{auth}"), &[])).join("")
    };
    let at =
        |base: &str| format!("a http://{base}/servers/a/mcp?push=off http os.environ/STDIOD_TOKEN");
    assert_eq!(open("'0.0.0.0:8750'"), at("127.0.0.1:8750"));
    assert_eq!(open("'[::]:8750'"), at("[::1]:8750"));
    assert_eq!(open("'unix:/run/s', '127.0.0.1:0', '10.0.0.7:8750'"), at("10.0.0.7:8750"));
}

#[test]
fn what_has_no_address_says_what_to_give() {
    let unix = "[http]\nlisten = ['unix:/run/s']\n[servers.a]\ncommand = 'sh'\n";
    insta::assert_snapshot!(refused(unix, &[]), @r#"
error: server a has no address to give away: http.listen is unix:/run/s
  = help: say with --url how the gateway gets there, such as --url http://127.0.0.1:8750
  = help: or let http.listen have an address with a port of its own
"#);
    assert_eq!(
        read(&export(unix, &["--url", "http://h:1"])),
        ["a http://h:1/servers/a/mcp?push=off http"]
    );
    assert!(
        refused("[http]\nlisten = ['127.0.0.1:0']\n[servers.a]\ncommand = 'sh'\n", &[])
            .contains("--url")
    );
    let own = "[http]\nlisten = []\n[servers.a]\ncommand = 'sh'\nlisten = '127.0.0.1:1'\n\
               [servers.b]\ncommand = 'sh'\n";
    let page = export(own, &[]);
    assert_eq!(read(&page), ["a http://127.0.0.1:1/mcp?push=off http"]);
    assert!(page.contains("# Left out: b, because"), "{page}");
    assert!(refused(own, &["--url", "http://h"]).contains("http.listen is empty"));
    for (bad, why) in [
        ("h:8750", "http:// or https://"),
        ("ftp://h", "http:// or https://"),
        ("/mcp", "http:// or https://"),
        ("http://h/?a", "path"),
        ("http://h/#a", "path"),
        ("http://h\n/", "no URL"),
        ("", "no URL"),
    ] {
        let said = refused(unix, &["--url", bad]);
        assert!(said.contains(why) && said.contains("host.containers.internal"), "{bad}: {said}");
    }
    let said = refused(unix, &["--url", "http://me:hunter2@h"]);
    assert!(said.contains("user name") && !said.contains("hunter2"), "{said}");
    assert!(refused(unix, &["--url", "http://h", "--token-env", "A-B"]).contains("A-B"));
    let none = "[servers.a]\ncommand = 'sh'\nenabled = false\n";
    assert!(refused(none, &[]).contains("no server that a gateway could use"));
}

#[test]
fn unknown_formats_are_told_which_there_are() {
    let desk = Desk::new();
    for format in ["vscode", "mcpservers", "agentgateway", "yaml"] {
        let (_, said) = check(&desk, &["export", format], 2);
        assert!(said.contains("possible values: litellm"), "{said}");
    }
}

#[test]
fn the_sample_with_sixteen_servers_is_sixteen_entries() {
    let sample = std::fs::read_to_string(super::repository().join("config/litellm-host.toml"));
    let page = export(&sample.unwrap(), &[]);
    let read = read(&page);
    assert_eq!(read.len(), 16, "{page}");
    assert!(
        read.contains(&"kubernetes http://127.0.0.1:20216/mcp?push=off http".to_owned()),
        "{page}"
    );
}

#[test]
fn push_is_off_in_no_url_where_it_would_not_be_heard_or_is_not_wanted() {
    let auth = "[auth]\ntokens = [\n\
                { name = 'litellm', file = '/l', servers = ['calm'], push = 'on' },\n\
                { name = 'other', file = '/o', servers = ['*'] }]\n";
    let servers = "[servers.calm]\ncommand = 'sh'\n\
                   [servers.own]\ncommand = 'sh'\nmode = 'per-session'\n\
                   [servers.kept]\ncommand = 'sh'\nstateful = true\n";
    let page = export(&format!("{auth}{servers}"), &[]);
    assert_eq!(read(&page).len(), 3, "{page}");
    assert!(!page.contains("push=off"), "{page}");
    // One that can be asked so brings the word and what it means.
    let page = export(&format!("{auth}{servers}[servers.calm2]\ncommand = 'sh'\n"), &[]);
    assert_eq!(page.matches("/mcp?push=off\"").count(), 1, "{page}");
    assert!(page.contains("\n# push=off keeps no session"), "{page}");
    let strict = "[http]\nlenient_sessions = false\n[servers.a]\ncommand = 'sh'\n";
    assert!(!export(strict, &[]).contains("push=off"));
}
