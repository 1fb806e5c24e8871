#!/usr/bin/env bash
# Runs the official MCP conformance suite against stdiod with the built-in demo server behind it.
#
#   tests/conformance/run.sh [--bin PATH] [--url URL] [--scenario NAME --revision REVISION]
#
# Without --bin it takes target/release/stdiod, else target/debug/stdiod. With --url it tests what is already
# running there and starts nothing. With --scenario it runs that one and prints the suite's own words.
# The suite and, where the machine's is too old, Node come from the npm registry into the cache
# ($STDIOD_CACHE, else .cache in the repository). Exit status 0: everything that must pass did.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../support/tools.sh
source "$here/../support/tools.sh"

binary='' url='' scenario='' revision=2025-11-25
while [ $# -gt 0 ]; do
  case $1 in
    --bin) binary=${2:?--bin needs a path} && shift 2 ;;
    --url) url=${2:?--url needs a URL} && shift 2 ;;
    --scenario) scenario=${2:?--scenario needs a name} && shift 2 ;;
    --revision) revision=${2:?--revision needs a date} && shift 2 ;;
    *) die "unknown argument $1" ;;
  esac
done

need curl python3 sha256sum
ensure_node
suite=$(npm_cached conformance "$here")
conformance() { node "$suite/node_modules/@modelcontextprotocol/conformance/dist/index.js" "$@" </dev/null; }
say "conformance suite $(conformance --version)"

begin_work

if [ -z "$url" ]; then
  binary=$(stdiod_binary "$binary")
  port=$(free_port)
  url="http://127.0.0.1:$port/mcp"
  say "starting $binary on port $port"
  "$binary" run --listen "127.0.0.1:$port" -- "$binary" demo-server </dev/null >"$work/stdiod.log" 2>&1 &
  daemon=$!
  wait_http "http://127.0.0.1:$port/readyz" 30 "$daemon"
fi

if [ -n "$scenario" ]; then
  conformance server --url "$url" --scenario "$scenario" --spec-version "$revision" --force
  exit
fi

# The suite's own exit status counts scored failures only. The report below is stricter, so it decides.
conformance server --url "$url" --requirements 2025-11-25 --output-dir "$work/2025-11-25" >"$work/2025-11-25.suite" 2>&1 || true
conformance server --url "$url" --suite all --spec-version 2025-06-18 --output-dir "$work/2025-06-18" >"$work/2025-06-18.suite" 2>&1 || true

node "$here/report.mjs" "$work" 2025-11-25 2025-06-18

if [ -n "$daemon" ]; then
  kill -0 "$daemon" 2>/dev/null || die "stdiod ended during the run"
fi
