#!/usr/bin/env bash
# Does what the README says, word for word where it can: a newcomer's first minutes must work.
#
#   tests/readme/run.sh [--bin PATH]
#
# Needs no network. Exit status 0: every promise held.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../support/tools.sh
source "$here/../support/tools.sh"

binary=''
while [ $# -gt 0 ]; do
  case $1 in
    --bin) binary=${2:?--bin needs a path} && shift 2 ;;
    *) die "unknown argument $1" ;;
  esac
done
need curl python3
binary=$(stdiod_binary "$binary")
readme="$root/README.md"

begin_work

passed=0 failed=0
# promise NAME COMMAND...: runs it and counts whether it held.
promise() {
  local name=$1
  shift
  if "$@" >"$work/said" 2>&1; then
    passed=$((passed + 1))
    printf 'pass  %s\n' "$name"
  else
    failed=$((failed + 1))
    printf 'FAIL  %s\n' "$name"
    sed 's/^/      /' "$work/said" | head -n 20
  fi
}

# A home of its own, so that nothing of this machine's owner takes part.
mkdir "$work/home" "$work/bin"
stdiod() { (cd "$work/home" && env -i PATH="$work/bin:$PATH" HOME="$work/home" "$@"); }

# launch PORT NAME ARGUMENT...: starts the daemon on that port and waits until its servers are ready.
launch() {
  local port=$1 name=$2
  shift 2
  cd "$work/home"
  env -i PATH="$work/bin:$PATH" HOME="$work/home" STDIOD_HTTP__LISTEN="127.0.0.1:$port" \
    "$binary" "$@" </dev/null >"$work/$name.log" 2>&1 &
  daemon=$!
  cd "$root"
  wait_http "http://127.0.0.1:$port/readyz" 30 "$daemon"
}
halt() {
  local pid=$daemon
  daemon=''
  kill -0 "$pid" && stop "$pid"
}
lists_tools() { grep -q '"tools": *\[ *{'; }

# 1. The demo server, with no configuration at all, and the README's own curl lines.
port=$(free_port)
promise 'stdiod alone serves something' launch "$port" demo
mapfile -t lines < <(grep '^curl .*127\.0\.0\.1:8750' "$readme")
[ ${#lines[@]} -eq 2 ] || die "the README has ${#lines[@]} curl lines; this script knows two"
curl_line() { bash -c "${lines[$1]//:8750/:$port}"; }
old_client() { curl_line 0 | lists_tools; }
new_client() { curl_line 1 | grep -q '"resultType":"complete".*hello\|hello.*"resultType":"complete"'; }
promise 'the curl line lists tools' old_client
promise 'the curl line of a new client calls one' new_client
hints() {
  local hint
  for hint in "curl -s http://127.0.0.1:$port/mcp" 'tools/list' 'claude mcp add --transport http' 'transport: "http"'; do
    grep -qF -- "$hint" "$work/demo.log" || { echo "it does not say: $hint"; return 1; }
  done
}
promise 'it prints what to try' hints
promise 'it leaves when told to' halt

# 2. An mcpServers file as it is.
cat >"$work/home/claude_desktop_config.json" <<JSON
{ "mcpServers": { "first": { "command": "$binary", "args": ["demo-server"], "env": { "A": "b" } } } }
JSON
promise 'an mcpServers file is understood' stdiod "$binary" --config claude_desktop_config.json check --print
port=$(free_port)
promise 'an mcpServers file is served' launch "$port" file --config claude_desktop_config.json serve
list() {
  curl -s "http://127.0.0.1:$port$1" -H 'Content-Type: application/json' \
    -d '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' | lists_tools
}
promise 'each of its servers has an endpoint' list /servers/first/mcp
promise 'a trailing slash makes no difference' list /servers/first/mcp/
promise '/healthz answers' curl -sf "http://127.0.0.1:$port/healthz"
status() { curl -sf "http://127.0.0.1:$port/status" | python3 -m json.tool; }
promise '/status is JSON' status
promise 'it leaves when told to, again' halt

# 3. A single server.
port=$(free_port)
single() { launch "$port" single run --listen "127.0.0.1:$port" --mode per-session --env A=b -- "$binary" demo-server; }
promise 'stdiod run serves one server' single
promise 'its endpoint is /mcp' list /mcp
first_event() {
  # The stream stays open, so curl ends by its time limit.
  curl -s -N --max-time 2 "http://127.0.0.1:$port/sse" >"$work/events" || true
  grep -q '^event: *endpoint' "$work/events"
}
promise 'and /sse' first_event
promise 'it leaves when told to, once more' halt

# 4. The configurations by example. The programs and files it names are made up here.
python3 - "$readme" "$work" <<'PY'
import os, re, sys
readme, work = sys.argv[1:]
blocks = re.findall(r"```toml\n(.*?)```", open(readme).read(), re.S)
assert len(blocks) == 2, f"the README has {len(blocks)} TOML blocks; this script knows two"
containers, text = blocks
token = "/etc/stdiod/litellm.token"
assert token in containers, token
containers = containers.replace(token, f"{work}/bin/litellm")
open(f"{work}/containers.toml", "w").write(containers + '\n[servers.git]\ncommand = "uvx"\n')
for name in ["/run/credentials/stdiod.service/litellm", "/etc/stdiod/search.key", "/opt/search/server"]:
    assert name in text, name
    text = text.replace(name, f"{work}/bin/{os.path.basename(name)}")
open(f"{work}/readme.toml", "w").write(text)
open(f"{work}/wrong.toml", "w").write(text.replace("keep_alive", "keep_alife"))
for name in ["litellm", "search.key", "server", "uvx", "npx"]:
    path = f"{work}/bin/{name}"
    open(path, "w").write("#!/bin/sh\n")
    os.chmod(path, 0o700)
PY
printf 'a-token-for-the-test\n' >"$work/bin/litellm"
printf 'a-key-for-the-test\n' >"$work/bin/search.key"
chmod 600 "$work/bin/litellm" "$work/bin/search.key"
promise 'the example is a valid configuration' stdiod "$binary" --config "$work/readme.toml" check
promise 'and so are the lines for containers' stdiod "$binary" --config "$work/containers.toml" check
exported() {
  stdiod "$binary" --config "$work/containers.toml" export litellm --url http://host.containers.internal:8750 >"$work/said.yaml"
  grep -qx 'mcp_servers:' "$work/said.yaml" \
    && grep -qx '    url: "http://host.containers.internal:8750/servers/git/mcp?push=off"' "$work/said.yaml" \
    && grep -qx '    auth_value: "os.environ/STDIOD_TOKEN"' "$work/said.yaml"
}
promise 'and what LiteLLM is told of them' exported
masked() {
  stdiod "$binary" --config "$work/readme.toml" check --print >"$work/printed" 2>&1
  grep -q 'API_KEY' "$work/printed" && ! grep -n 'for-the-test' "$work/printed"
}
promise 'its secrets are not printed' masked
wrong() {
  local rc=0
  stdiod "$binary" --config "$work/wrong.toml" check >"$work/wrong" 2>&1 || rc=$?
  cat "$work/wrong"
  [ "$rc" -eq 2 ] && grep -q 'did you mean .keep_alive' "$work/wrong"
}
promise 'a misspelt key is refused with the right one' wrong
schema() { stdiod "$binary" schema | python3 -m json.tool; }
promise 'the schema is JSON' schema

# 5. Every local link in the documents leads somewhere, and every file of the sources they name is there.
links() {
  python3 - "$root" <<'PY'
import pathlib, re, sys
root, bad = pathlib.Path(sys.argv[1]), []
for page in [*root.glob("*.md"), *root.glob("docs/**/*.md")]:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target and not (page.parent / target).exists():
            bad.append(f"{page.name}: {target}")
    for target in re.findall(r"`((?:src|tests|systemd)/[^`* ]*)`", page.read_text()):
        if not (root / target).exists():
            bad.append(f"{page.name}: {target}")
sys.exit("\n".join(bad) if bad else 0)
PY
}
promise 'links lead somewhere' links

printf 'promises: %s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
