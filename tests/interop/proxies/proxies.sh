#!/usr/bin/env bash
# stdiod behind the reverse proxies that people put before it.
#
#   tests/interop/proxies/proxies.sh [--bin PATH] [--only nginx|nginx-defaults|haproxy|caddy] [--install]
#
# Needs nginx and HAProxy of this machine; Caddy is installed into the cache ($STDIOD_CACHE, else .cache in the repository).
# Each is started with the file of config/ that the README shows, nginx a second time with nothing but `proxy_pass`, and
# the same checks are made through each; then the laboratory lets real clients play through it. Prints tables; exit status 0:
# all green. --install does no more than its name.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../../support/tools.sh
source "$here/../../support/tools.sh"

binary='' kinds=() only_install=''
while [ $# -gt 0 ]; do
  case $1 in
    --bin) binary=${2:?--bin needs a path} && shift 2 ;;
    --install) only_install=yes && shift ;;
    --only)
      case ${2:?--only needs a proxy} in
        nginx | nginx-defaults | haproxy | caddy) kinds+=("$2") && shift 2 ;;
        *) die "no proxy $2: nginx, nginx-defaults, haproxy or caddy" ;;
      esac
      ;;
    *) die "unknown argument $1" ;;
  esac
done

# Debian keeps nginx and HAProxy where only root looks.
PATH="$PATH:/usr/sbin"
need curl haproxy nginx python3 sha256sum
PATH="$(venv_cached caddy "$here/requirements.txt")/bin:$PATH"
[ -z "$only_install" ] || exit 0
binary=$(stdiod_binary "$binary")

# Who plays through each of them.
clients=(python-1.30 typescript-1.32 curl-http1.1)

begin_work
outcome=0
PYTHONDONTWRITEBYTECODE=1 python3 "$here/proxies.py" "$binary" "$work" ${kinds[@]+"${kinds[@]}"} \
  </dev/null 2>"$work/checks.log" || outcome=1
[ ${#kinds[@]} -gt 0 ] || kinds=(nginx nginx-defaults haproxy caddy)
# play KIND: these clients through this proxy; what they print is kept.
play() {
  # shellcheck disable=SC2154
  PATH=$machine_path STDIOD_CACHE=$cache "$here/../run.sh" --bin "$binary" --through "$1" "${clients[@]/#/--only=}" \
    >"$work/play-$1.log" 2>&1
}
# The first goes alone, because it may have to install what the others use too; these wait for most of their time.
say "${clients[*]} through ${kinds[0]}"
play "${kinds[0]}" || outcome=1
playing=()
for kind in "${kinds[@]:1}"; do
  say "${clients[*]} through $kind"
  play "$kind" &
  playing+=($!)
done
for pid in ${playing[@]+"${playing[@]}"}; do
  wait "$pid" || outcome=1
done
for kind in "${kinds[@]}"; do
  printf '\nthrough %s\n' "$kind"
  cat "$work/play-$kind.log"
done
exit "$outcome"
