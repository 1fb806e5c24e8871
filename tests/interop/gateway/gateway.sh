#!/usr/bin/env bash
# The acceptance by a real gateway: LiteLLM in front of sixteen real servers behind stdiod.
#
#   tests/interop/gateway/gateway.sh [--bin PATH] [--litellm seed|seed-today|new]... [--transport http|sse]...
#                                    [--seconds N] [--broken] [--hanging] [--symptoms] [--peer mcp-proxy|supergateway]
#                                    [--install]
#
# Three LiteLLMs, pinned with all they need in litellm/: `seed` is 1.81.14 with the libraries of its time, `seed-today`
# the same with today's, `new` the newest. All are installed into the cache ($STDIOD_CACHE, else .cache in the
# repository). Each is configured by `stdiod export litellm`, and over both transports every surface of it has to show all
# servers with all their tools: listed, healthy and callable, while it is polled for N seconds (20) at each of two paces,
# after a restart of the daemon, and after kill -9 of every child. Then once more with one of the sixteen broken, once more,
# for the last of the LiteLLMs, with one that never answers its handshake, and at last each cause of a symptom that
# docs/clients/litellm.md says was reproduced, with `seed`. --broken, --hanging and --symptoms do only these, and first measure
# the listings of a healthy world to compare with. --peer puts one process of another bridge before each server instead of
# stdiod, to show the difference: then nothing that fails is an error. The table is printed and written to
# target/interop/gateway-*.{md,json}. --install does no more than its name.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../../support/tools.sh
source "$here/../../support/tools.sh"

binary='' peer='' only_install='' seconds=20 setups=() transports=() worlds=()
while [ $# -gt 0 ]; do
  case $1 in
    --bin) binary=${2:?--bin needs a path} && shift 2 ;;
    --litellm)
      [ -f "$here/litellm/${2:?--litellm needs a name}.txt" ] || die "there is no LiteLLM called $2"
      setups+=("$2") && shift 2
      ;;
    --transport)
      case ${2:?--transport needs http or sse} in http | sse) ;; *) die "the transport is http or sse, not $2" ;; esac
      transports+=(--transport "$2") && shift 2
      ;;
    --seconds) seconds=${2:?--seconds needs a number} && shift 2 ;;
    --install) only_install=yes && shift ;;
    --broken) worlds+=(--world broken) && shift ;;
    --hanging) worlds+=(--world hanging) && shift ;;
    --symptoms) worlds+=(--world symptoms) && shift ;;
    --peer)
      case ${2:?--peer needs a name} in mcp-proxy | supergateway) ;; *) die "the peers are mcp-proxy and supergateway, not $2" ;; esac
      peer=$2 && shift 2
      ;;
    *) die "unknown argument $1" ;;
  esac
done
# The words of the symptoms are those of one release.
if [ "${worlds[*]}" = '--world symptoms' ]; then
  [ ${#setups[@]} -eq 0 ] || die "the symptoms are those of seed"
  setups=(seed)
fi
[ ${#setups[@]} -gt 0 ] || setups=(seed seed-today new)
if [[ " ${worlds[*]} " == *' symptoms '* ]]; then
  [[ -z "$peer" && " ${setups[*]} " == *' seed '* ]] || die "the symptoms are those of seed in front of stdiod"
fi
if [ ${#worlds[@]} -eq 0 ]; then
  worlds=(--world healthy --world broken)
  if [ -z "$peer" ]; then
    worlds+=(--world hanging)
    [[ " ${setups[*]} " != *' seed '* ]] || worlds+=(--world symptoms)
  fi
fi
[ ${#transports[@]} -gt 0 ] || transports=(--transport http --transport sse)

need git python3 sha256sum
ensure_node
npm_servers=$(npm_cached servers-npm "$here/../servers")
python_servers=$(venv_cached servers-python "$here/../servers/requirements.txt")
# All at once, because they wait for different things; whichever failed is tried once more below, and named there.
installing=()
for setup in "${setups[@]}"; do
  venv_cached "litellm-$setup" "$here/litellm/$setup.txt" --no-deps </dev/null >/dev/null &
  installing+=($!)
done
for pid in "${installing[@]}"; do wait "$pid" || true; done
venvs=()
for setup in "${setups[@]}"; do
  # All that is to be installed is written there, also where a package asks for more than there is.
  venv=$(venv_cached "litellm-$setup" "$here/litellm/$setup.txt" --no-deps) || die "LiteLLM ($setup) cannot be installed"
  venvs+=(--venv "$setup=$venv")
done
[ -z "$only_install" ] || exit 0
case $peer in
  mcp-proxy)
    folder=$(venv_cached peer-mcp-proxy "$here/../peers/mcp-proxy/requirements.txt") || die "mcp-proxy cannot be installed"
    front=(--peer "$peer" --bridge "$folder/bin/mcp-proxy")
    ;;
  supergateway)
    folder=$(npm_cached peer-supergateway "$here/../peers/supergateway") || die "supergateway cannot be installed"
    front=(--peer "$peer" --bridge "$folder/node_modules/.bin/supergateway")
    ;;
  *)
    binary=$(stdiod_binary "$binary")
    front=(--stdiod "$binary" --version "$("$binary" --version)")
    ;;
esac

# A network of its own where the machine lets us: nobody phones home, and the bridges that listen on every address are heard
# by nobody else.
alone=(unshare --net)
[ "$(id -u)" -eq 0 ] || alone=(unshare --map-root-user --net)
# shellcheck disable=SC2016
alone+=(sh -c 'ip link set lo up && exec "$@"' sh)
if ! "${alone[@]}" true 2>/dev/null; then
  [ "$peer" != supergateway ] || die "supergateway listens on every address, and this machine gives us no network of our own"
  alone=()
fi

begin_work
# In the foreground it would keep signals from us until it ends.
PYTHONDONTWRITEBYTECODE=1 ${alone[@]+"${alone[@]}"} python3 "$here/run.py" "${front[@]}" --work "$work" --output "${CARGO_TARGET_DIR:-$root/target}/interop" \
  --npm "$npm_servers" --python "$python_servers" "${venvs[@]}" "${transports[@]}" "${worlds[@]}" --seconds "$seconds" </dev/null &
run=$!
trap 'kill -TERM "$run" 2>/dev/null; wait "$run"; exit 130' INT TERM
wait "$run"
