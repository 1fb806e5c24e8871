#!/usr/bin/env bash
# Every symptom of docs/clients.md, reproduced, and shown to be gone with stdiod.
#
#   tests/interop/symptoms/symptoms.sh [--bin PATH] [--prove]
#
# Installs the pinned clients of python, inspector and mcp-remote in ../clients into the cache ($STDIOD_CACHE, else .cache in
# the repository). Prints a table. A symptom that does not show with its cause makes the page untrue and fails the run, but for the
# race of the Inspector, which is then `not seen`; one that shows with stdiod fails it as well. With
# --prove the causes take the place of stdiod, to show that each of these lines can fail. Exit status 0: all is as it should be.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../../support/tools.sh
source "$here/../../support/tools.sh"

binary='' prove=()
while [ $# -gt 0 ]; do
  case $1 in
    --bin) binary=${2:?--bin needs a path} && shift 2 ;;
    --prove) prove=(--prove) && shift ;;
    *) die "unknown argument $1" ;;
  esac
done

need python3 sha256sum
ensure_node
# Named as the laboratory names them, so that they are installed once for both.
python=$(venv_cached client-python "$here/../clients/python/requirements.txt") || die "could not be installed: client-python"
inspector=$(npm_cached client-inspector "$here/../clients/inspector") || die "could not be installed: client-inspector"
remote=$(npm_cached client-mcp-remote "$here/../clients/mcp-remote") || die "could not be installed: client-mcp-remote"
binary=$(stdiod_binary "$binary")

begin_work
PYTHONDONTWRITEBYTECODE=1 python3 "$here/symptoms.py" "$binary" "$work" "$python/bin/python" \
  "$inspector/node_modules" "$remote/node_modules" ${prove[@]+"${prove[@]}"} </dev/null
