#!/usr/bin/env bash
# Real servers behind stdiod, listed and called by real clients.
#
#   tests/interop/run.sh [--bin PATH]
#
# From nothing: installs the pinned servers and the official Python and TypeScript SDKs into the cache
# ($STDIOD_CACHE, else .cache in the repository), starts stdiod with all servers in one configuration, and lets
# each client list and call each server over Streamable HTTP, the Python SDK over HTTP+SSE too, and curl without
# any handshake over three versions of HTTP. Then the same SDKs keep their sessions while a daemon is restarted and
# killed, and over two replicas behind HAProxy. In the end stdiod must leave in time and leave no process behind.
# Last, table.sh puts clients and servers of both eras to each other. Prints tables; exit status 0: all green.
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

# Debian keeps HAProxy where only root looks.
PATH="$PATH:/usr/sbin"
need cargo curl git haproxy python3 sha256sum
ensure_node
npm_servers=$(npm_cached servers-npm "$here/servers")
python_servers=$(venv_cached servers-python "$here/servers/requirements.txt")
typescript=$(npm_cached client-typescript "$here/clients/typescript")
python=$(venv_cached client-python "$here/clients/python/requirements.txt")
binary=$(stdiod_binary "$binary")

begin_work
results="$work/results"

# What the servers serve.
mkdir -p "$work/files" "$work/repository"
printf 'text in a file\n' >"$work/files/hello.txt"
(
  cd "$work/repository"
  git init --quiet
  git -c user.name=interop -c user.email=interop@localhost commit --quiet --allow-empty --message 'the only commit'
)
sed "s#{work}#$work#g" "$here/plan.json" >"$work/plan.json"

# Every child carries this mark in its environment, so that none can hide after the end.
mark="interop-$$-$RANDOM"
port=$(free_port)
cat >"$work/stdiod.toml" <<TOML
[http]
listen = ["127.0.0.1:$port"]

[defaults]
env = { INTEROP_MARK = "$mark" }

[servers.everything]
command = "$npm_servers/node_modules/.bin/mcp-server-everything"
args = ["stdio"]

[servers.filesystem]
command = "$npm_servers/node_modules/.bin/mcp-server-filesystem"
args = ["$work/files"]

[servers.memory]
command = "$npm_servers/node_modules/.bin/mcp-server-memory"
env = { INTEROP_MARK = "$mark", MEMORY_FILE_PATH = "$work/memory.jsonl" }

[servers.time]
command = "$python_servers/bin/mcp-server-time"

[servers.git]
command = "$python_servers/bin/mcp-server-git"
args = ["--repository", "$work/repository"]
TOML

"$binary" --config "$work/stdiod.toml" check >"$work/check.log" 2>&1 || { cat "$work/check.log" >&2; die "stdiod check refuses the configuration"; }
say "starting $binary on port $port"
"$binary" --config "$work/stdiod.toml" serve </dev/null >"$work/stdiod.log" 2>&1 &
daemon=$!
base="http://127.0.0.1:$port"
wait_http "$base/readyz" 60 "$daemon"

# The clients. Their exit status is not asked: the report reads what they printed and misses what they did not.
"$python/bin/python" "$here/clients/python/client.py" \
  python http "$base/servers/{server}/mcp" "$work/plan.json" </dev/null >>"$results" 2>>"$work/clients.log" || true
"$python/bin/python" "$here/clients/python/client.py" \
  python-sse sse "$base/servers/{server}/sse" "$work/plan.json" </dev/null >>"$results" 2>>"$work/clients.log" || true
NODE_MODULES="$typescript/node_modules" node "$here/clients/typescript/client.mjs" \
  typescript "$base/servers/{server}/mcp" "$work/plan.json" </dev/null >>"$results" 2>>"$work/clients.log" || true

# Sessions that outlive the daemon, on daemons of their own.
NODE_MODULES="$typescript/node_modules" PYTHONDONTWRITEBYTECODE=1 python3 "$here/lasting.py" \
  "$binary" "$work" "$results" "$mark" "$python/bin/python" </dev/null 2>>"$work/lasting.log" || true

# line CLIENT SERVER CHECK RESULT DETAIL
line() { printf '%s\t%s\t%s\t%s\t%s\n' "$@" >>"$results"; }

# plain SERVER CHECK CURL_OPTION...: tools/list with no handshake before it.
plain() {
  local server=$1 check=$2 said
  shift 2
  said=$(curl --silent --show-error --max-time 20 "$@" \
    --dump-header "$work/headers" --output "$work/body" --write-out '%{http_code} over HTTP/%{http_version}' \
    --header 'Content-Type: application/json' \
    --data '{"jsonrpc":"2.0","id":"interop-7","method":"tools/list"}' \
    "$base/servers/$server/mcp" 2>&1) || said="$said (curl failed)"
  if [[ $said == 200\ * ]] && grep -q '"id": *"interop-7"' "$work/body" && grep -q '"tools": *\[ *{' "$work/body" \
    && ! { [ "$check" = HTTP/1.0 ] && grep -qi '^transfer-encoding:' "$work/headers"; }; then
    line curl "$server" "$check" ok "$said"
  else
    line curl "$server" "$check" FAIL "$said: $(head -c 200 "$work/body" 2>/dev/null | tr '\t\r\n' '   ')"
  fi
}
for server in $(python3 -c 'import json,sys; print(*(e["server"] for e in json.load(open(sys.argv[1]))))' "$work/plan.json"); do
  plain "$server" HTTP/1.1 --http1.1 --header 'Accept: application/json, text/event-stream'
  plain "$server" HTTP/1.0 --http1.0 --header 'Accept: application/json'
  plain "$server" HTTP/2 --http2-prior-knowledge --header 'Accept: application/json, text/event-stream'
  plain "$server" 'any type' --http1.1
done

# The end.
SECONDS=0
if kill -0 "$daemon" 2>/dev/null && stop "$daemon"; then
  line host all 'leaves in time' ok "$SECONDS s after SIGTERM"
else
  line host all 'leaves in time' FAIL 'ended before it was told to, or needed SIGKILL'
fi
daemon=''
left=$(grep --files-with-matches --text --no-messages "INTEROP_MARK=$mark" /proc/[0-9]*/environ | wc -l || true)
if [ "$left" -eq 0 ]; then
  line host all 'no process left' ok 'none'
else
  line host all 'no process left' FAIL "$left processes of the servers still run"
fi

outcome=0
python3 "$here/report.py" "$results" "$work/plan.json" || outcome=1
# shellcheck disable=SC2154
PATH=$machine_path STDIOD_CACHE=$cache "$here/table.sh" --bin "$binary" || outcome=1
exit "$outcome"
