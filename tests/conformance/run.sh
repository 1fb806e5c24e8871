#!/usr/bin/env bash
# Runs the official MCP conformance suite against stdiod with the built-in demo server of either era behind it.
#
#   tests/conformance/run.sh [--bin PATH] [--url URL] [--scenario NAME] [--revision REVISION] [--era legacy|modern] [--install]
#
# Without --bin it takes target/release/stdiod, else target/debug/stdiod. With --url it tests what is already
# running there, at one revision, and starts nothing. With --scenario it runs that one, on a server of one era, and
# prints the suite's own words. With --install it only installs what it needs.
# The suite and, where the machine's is too old, Node come from the npm registry into the cache
# ($STDIOD_CACHE, else .cache in the repository). Exit status 0: everything that must pass did.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../support/tools.sh
source "$here/../support/tools.sh"

binary='' url='' scenario='' revision=2025-11-25 era=legacy only_install=''
while [ $# -gt 0 ]; do
  case $1 in
    --bin) binary=${2:?--bin needs a path} && shift 2 ;;
    --url) url=${2:?--url needs a URL} && shift 2 ;;
    --scenario) scenario=${2:?--scenario needs a name} && shift 2 ;;
    --revision) revision=${2:?--revision needs a date} && shift 2 ;;
    --install) only_install=yes && shift ;;
    --era) era=${2:?--era needs legacy or modern} && shift 2 ;;
    *) die "unknown argument $1" ;;
  esac
done

need curl python3 sha256sum
ensure_node
suite=$(npm_cached conformance "$here")
[ -z "$only_install" ] || exit 0
conformance() { node "$suite/node_modules/@modelcontextprotocol/conformance/dist/index.js" "$@" </dev/null; }
say "conformance suite $(conformance --version)"

begin_work

# serve ERA: starts stdiod with the demo server of that era behind it and sets `url` and `daemon`.
serve() {
  local port
  port=$(free_port)
  url="http://127.0.0.1:$port/mcp"
  say "starting $binary on port $port, with a $1 server"
  XDG_STATE_HOME="$work/state-$1" "$binary" run --listen "127.0.0.1:$port" -- "$binary" demo-server --era "$1" \
    </dev/null >"$work/stdiod-$1.log" 2>&1 &
  daemon=$!
  wait_http "http://127.0.0.1:$port/readyz" 30 "$daemon"
}

# The suite's own exit status counts scored failures only. The report below is stricter, so it decides.
requirements() { conformance server --url "$url" --requirements "$1" --output-dir "$work/$2/$1" >"$work/$2-$1.suite" 2>&1 || true; }

if [ -n "$url" ]; then
  if [ -n "$scenario" ]; then
    conformance server --url "$url" --scenario "$scenario" --spec-version "$revision" --force
  else
    requirements "$revision" given
    node "$here/report.mjs" "$work" "given/$revision"
  fi
  exit
fi

binary=$(stdiod_binary "$binary")
if [ -n "$scenario" ]; then
  serve "$era"
  conformance server --url "$url" --scenario "$scenario" --spec-version "$revision" --force
  exit
fi

# Clients of both eras on servers of both eras: four cells, and an old revision on what most servers are today.
for era in legacy modern; do
  serve "$era"
  requirements 2025-11-25 "$era"
  requirements 2026-07-28 "$era"
  if [ "$era" = legacy ]; then
    conformance server --url "$url" --suite all --spec-version 2025-06-18 --output-dir "$work/legacy/2025-06-18" \
      >"$work/legacy-2025-06-18.suite" 2>&1 || true
  fi
  kill -0 "$daemon" 2>/dev/null || die "stdiod ended during the run"
  stop "$daemon"
  daemon=''
done

node "$here/report.mjs" "$work" legacy/2025-06-18 legacy/2025-11-25 legacy/2026-07-28 modern/2025-11-25 modern/2026-07-28
