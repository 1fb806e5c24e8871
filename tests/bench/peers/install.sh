#!/usr/bin/env bash
# Installs the bridges that `stdiod-bench compare --peers` measures beside stdiod, in the versions that the lock files pin:
#
#   tests/bench/peers/install.sh
#
# They go to the cache folder (STDIOD_CACHE, or .cache in the repository), each once for each content of its lock file. The
# list of them is written to bench-peers there, where the bench finds it, and printed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../../support/tools.sh
source "$here/../../support/tools.sh"

need python3 sha256sum
ensure_node

# As the laboratory of tests/interop installs them, so that both share them.
interop="$here/../../interop/peers"
python=$(venv_cached peer-mcp-proxy "$interop/mcp-proxy/requirements.txt")
supergateway=$(npm_cached peer-supergateway "$interop/supergateway")
npm=$(npm_cached peer-npm-mcp-proxy "$here/npm-mcp-proxy")

# shellcheck disable=SC2154
tee "$cache/bench-peers" <<LIST
node=$(dirname "$(command -v node)")
python-mcp-proxy=$python/bin/mcp-proxy
supergateway=$supergateway/node_modules/.bin/supergateway
npm-mcp-proxy=$npm/node_modules/.bin/mcp-proxy
LIST
