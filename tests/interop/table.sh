#!/usr/bin/env bash
# The table of clients and servers of both eras; table/run.py tells what it is made of.
#
#   tests/interop/table.sh [--bin PATH] [--markdown FILE] [--direct] [--client NAME]... [--server NAME]...
#
# Installs the pinned SDKs into the cache ($STDIOD_CACHE, else .cache in the repository), builds the client and the server
# on the Rust SDK into target/interop, and puts every check to every pair. The binary is the one named, else that of the
# variable STDIOD, else the one built here. The table is printed, and written to FILE (target/interop/table.md) with what
# was run. A release renews the copy in the documentation: tests/interop/table.sh --markdown docs/compatibility-table.md
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../support/tools.sh
source "$here/../support/tools.sh"

binary=${STDIOD:-} markdown='' options=()
# The daemon takes every STDIOD variable for configuration, so it must not see this one.
unset STDIOD
while [ $# -gt 0 ]; do
  case $1 in
    --bin) binary=${2:?--bin needs a path} && shift 2 ;;
    --markdown) markdown=${2:?--markdown needs a path} && shift 2 ;;
    --direct) options+=("$1") && shift ;;
    --client | --server) options+=("$1" "${2:?"$1" needs a name}") && shift 2 ;;
    *) die "unknown argument $1" ;;
  esac
done

need cargo python3 sha256sum
# The compiler and the installers wait for different things.
built=${CARGO_TARGET_DIR:-$root/target}/interop
cargo build --quiet --locked --manifest-path "$here/clients/rust/Cargo.toml" --target-dir "$built" &
build=$!
ensure_node
servers=$(npm_cached servers-npm "$here/servers")
typescript=$(npm_cached client-typescript "$here/clients/typescript")
typescript2=$(npm_cached client-typescript2 "$here/clients/typescript2")
python_servers=$(venv_cached servers-python "$here/servers/requirements.txt")
python=$(venv_cached client-python "$here/clients/python/requirements.txt")
python2=$(venv_cached client-python2 "$here/clients/python2/requirements.txt")
wait "$build"
binary=$(stdiod_binary "$binary")

begin_work
PYTHONDONTWRITEBYTECODE=1 python3 "$here/table/run.py" --stdiod "$binary" --work "$work" --markdown "${markdown:-$built/table.md}" \
  --python "$python" --python2 "$python2" --typescript "$typescript" --typescript2 "$typescript2" \
  --rust "$built/debug" --servers "$servers" --python-servers "$python_servers" \
  ${options[@]+"${options[@]}"} </dev/null
