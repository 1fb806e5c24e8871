#!/usr/bin/env bash
# The compatibility laboratory: real clients, each through the same checks, with real servers behind stdiod.
#
#   tests/interop/run.sh [--bin PATH] [--only CLIENT]... [--peer mcp-proxy|supergateway|reference | --through PROXY]
#                        [--markdown FILE] [--install]
#
# From nothing: installs the pinned servers and clients into the cache ($STDIOD_CACHE, else .cache in the repository),
# and lets every client of clients/ do everything in lab/plan.json with a stdiod of its own: list and call, be asked, give up,
# go on with the same session over a restart, a kill and a crash of the servers, and leave. Then two replicas behind HAProxy, and
# table.sh, which puts clients and servers of both eras to each other. Prints tables, and writes the laboratory's to
# target/interop/clients.json and .md, and to FILE, between its marks for a table if it has them. Exit status 0: all is green, or has its reason in lab/reasons.json.
#
# --only plays one client, or one family of clients (a folder of clients/), and again for more. --peer puts the same clients and servers to another
# bridge: its red cells are the finding, not a failure. The peer `reference` is no bridge but the server everything, which
# speaks HTTP by itself: what fails there too is the client's own. --through puts a reverse proxy before stdiod, one that
# proxies/proxies.sh knows. --install does no more than its name.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../support/tools.sh
source "$here/../support/tools.sh"

binary='' only='' peer='' through='' markdown='' only_install=''
while [ $# -gt 0 ]; do
  case $1 in
    --bin) binary=${2:?--bin needs a path} && shift 2 ;;
    --only=*) only+=${only:+,}${1#*=} && shift ;;
    --only) only+=${only:+,}${2:?--only needs the name of a client} && shift 2 ;;
    --peer) peer=${2:?--peer needs mcp-proxy, supergateway or reference} && shift 2 ;;
    --through) through=${2:?--through needs the name of a proxy} && shift 2 ;;
    --install) only_install=yes && shift ;;
    --markdown) markdown=${2:?--markdown needs a path} && shift 2 ;;
    *) die "unknown argument $1" ;;
  esac
done

# Debian keeps HAProxy where only root looks.
PATH="$PATH:/usr/sbin"
need cargo curl git python3 sha256sum
[ -n "$only$peer$through" ] || need haproxy
[ "$through" != caddy ] || PATH="$(venv_cached caddy "$here/proxies/requirements.txt")/bin:$PATH"
ensure_node
begin_work
built=${CARGO_TARGET_DIR:-$root/target}/interop

# install NAME KIND FOLDER: puts the dependencies in that folder to where they are used, and that place into a file.
install() {
  local name=$1 kind=$2 folder=$3 place=''
  case $kind in
    npm) place=$(npm_cached "$name" "$folder") || return 1 ;;
    venv) place=$(venv_cached "$name" "$folder/requirements.txt") || return 1 ;;
    cargo)
      cargo build --quiet --locked --manifest-path "$folder/Cargo.toml" --target-dir "$built" >&2 || return 1
      place="$built/debug"
      ;;
    none) ;;
    *) say "error: $name is to be installed by '$kind', which nobody knows"; return 1 ;;
  esac
  printf '%s\n' "$place" >"$work/installed-$name"
}

# All at once: the compiler and the installers wait for different things.
families=$(python3 "$here/lab/families.py" ${only:+"$only"}) || exit 1
[ -n "$families" ] || die "no client was found"
wanted="servers-npm npm $here/servers
servers-python venv $here/servers
$(sed 's/^/client-/; s/\t/ /g' <<<"$families")"
case $peer in
  '' | reference) ;;
  mcp-proxy) wanted+=$'\n'"peer-$peer venv $here/peers/$peer" ;;
  supergateway) wanted+=$'\n'"peer-$peer npm $here/peers/$peer" ;;
  *) die "there is no peer $peer" ;;
esac
# The replicas have the two SDKs as clients, whichever families there are.
[ -n "$only$peer" ] || wanted+="
client-python venv $here/clients/python
client-typescript npm $here/clients/typescript"
declare -A installing=()
while read -r name kind folder; do
  install "$name" "$kind" "$folder" </dev/null &
  installing[$name]=$!
done <<<"$(sort -u <<<"$wanted")"
missing=''
for name in "${!installing[@]}"; do
  wait "${installing[$name]}" || missing="$missing $name"
done
[ -z "$missing" ] || die "could not be installed:$missing"
[ -z "$only_install" ] || exit 0
for file in "$work"/installed-client-*; do
  printf '%s\t%s\n' "${file#"$work/installed-client-"}" "$(<"$file")"
done >"$work/installs"
peer_at=''
[ ! -e "$work/installed-peer-$peer" ] || peer_at=$(<"$work/installed-peer-$peer")
binary=$(stdiod_binary "$binary")

# What the servers serve.
mkdir -p "$work/files" "$work/repository"
printf 'text in a file\n' >"$work/files/hello.txt"
(
  cd "$work/repository"
  git init --quiet
  git -c user.name=interop -c user.email=interop@localhost commit --quiet --allow-empty --message 'the only commit'
)

outcome=0
PYTHONDONTWRITEBYTECODE=1 python3 "$here/lab/run.py" --bin "$binary" --work "$work" --out "$built" --installs "$work/installs" \
  --servers "$(<"$work/installed-servers-npm")" --python-servers "$(<"$work/installed-servers-python")" \
  ${only:+--only "$only"} ${markdown:+--markdown "$markdown"} \
  ${through:+--through "$through"} ${peer:+--peer "$peer" --peer-at "$peer_at"} </dev/null || outcome=1

if [ -z "$only$peer$through" ]; then
  python="$(<"$work/installed-client-python")/bin/python" modules="$(<"$work/installed-client-typescript")/node_modules"
  NODE_MODULES=$modules PYTHONDONTWRITEBYTECODE=1 python3 "$here/replicas/replicas.py" "$binary" "$work" "$python" \
    </dev/null 2>"$work/replicas.log" || outcome=1
  # shellcheck disable=SC2154
  PATH=$machine_path STDIOD_CACHE=$cache "$here/table.sh" --bin "$binary" || outcome=1
fi
exit "$outcome"
