#!/usr/bin/env bash
# A client in a container, and a daemon on its host.
#
#   tests/interop/container/container.sh [--bin PATH]
#
# What a container is to a listener is a network namespace with a loopback of its own, joined to its host by a pair of
# interfaces. This makes one and asks from inside it with curl: a daemon that listens on 127.0.0.1 alone, as the bridges
# did to whose gateway every server was "cancelled"; then one with a second address and a token, by IP literal and by the
# names that containers give their host. Needs root, for the namespace. Nothing of it is left behind, also after a failure.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../../support/tools.sh
source "$here/../../support/tools.sh"

binary=''
while [ $# -gt 0 ]; do
  case $1 in
    --bin) binary=${2:?--bin needs a path} && shift 2 ;;
    *) die "unknown argument $1" ;;
  esac
done

# Debian keeps ip where only root looks.
PATH="$PATH:/usr/sbin:/sbin"
need curl ip jq openssl
[ "$(id -u)" -eq 0 ] || die "this needs root: it makes a network namespace to ask from"
binary=$(stdiod_binary "$binary")

begin_work
namespace="stdiod-$$"
outside="sdh$$"
inside="sdc$$"

# Runs at the end instead of finish_work alone, and hands it the exit status.
leave() {
  local rc=$?
  set +e
  # With its only end inside, the pair of interfaces goes too; before that it may be outside still.
  ip netns delete "$namespace" 2>/dev/null
  ip link delete "$outside" 2>/dev/null
  (exit "$rc")
  finish_work
}
trap leave EXIT

# A network of two addresses that this host has nothing in.
network=''
for third in $(shuf -i 0-255 -n 20); do
  if [ -z "$(ip -4 address show to "10.199.$third.0/24")$(ip -4 route show root "10.199.$third.0/24")" ]; then
    network="10.199.$third"
    break
  fi
done
[ -n "$network" ] || die "no free network in 10.199.0.0/16"
host="$network.1"

# The container, with its loopback up, as containers have it. Its host has no address in its network yet.
ip netns add "$namespace"
ip link add "$outside" type veth peer name "$inside" netns "$namespace"
ip -netns "$namespace" link set lo up
ip -netns "$namespace" address add "$network.2/30" dev "$inside"
ip -netns "$namespace" link set "$inside" up

failed=0
passes() { printf 'ok    %s\n' "$*"; }
fails() { printf 'FAIL  %s\n' "$*" && failed=1; }

# expect WHAT WANTED GOT
expect() { if [ "$2" = "$3" ]; then passes "$1"; else fails "$1: expected $2, got $3"; fi; }

# logged WHAT NAME TEXT: the log of that daemon has a line with this text.
logged() { if grep --quiet --fixed-strings -- "$3" "$work/$2.log"; then passes "$1"; else fails "$1: no \"$3\" in its log"; fi; }

# from_container ARGUMENT...: curl in the container. It leaves the answer in $work/answer and prints status and exit code.
from_container() {
  local status rc=0
  : >"$work/answer"
  status=$(ip netns exec "$namespace" curl --silent --show-error --max-time 10 --output "$work/answer" \
    --write-out '%{http_code}' "$@" 2>>"$work/curl.log") || rc=$?
  printf '%s/%s\n' "$status" "$rc"
}

list='{"jsonrpc":"2.0","id":1,"method":"tools/list"}'
posted=(--header 'Content-Type: application/json' --data "$list")

# start NAME: a daemon with the configuration $work/NAME.toml; it logs into $work/NAME.log.
start() {
  local name=$1
  "$binary" serve --config "$work/$name.toml" --log-format json >/dev/null 2>"$work/$name.log" &
  daemon=$!
  wait_http "http://127.0.0.1:$port/readyz" 30 "$daemon" || die "the daemon did not become ready"
}

servers() {
  local name
  for name in one two; do
    printf '[servers.%s]\ncommand = "%s"\nargs = ["demo-server"]\n' "$name" "$binary"
  done
}

export STATE_DIRECTORY="$work/state"
port=$(free_port)
secret=$(openssl rand -hex 32)
printf '%s\n' "$secret" >"$work/token"
bearer=(--header "Authorization: Bearer $secret")

say "a daemon on 127.0.0.1 alone"
{
  printf '[http]\nlisten = ["127.0.0.1:%s"]\n' "$port"
  servers
} >"$work/loopback.toml"
ip address add "$host/30" dev "$outside"
ip link set "$outside" up
start loopback
expect 'the host itself is served' 200 \
  "$(curl --silent --output /dev/null --write-out '%{http_code}' "${posted[@]}" "http://127.0.0.1:$port/servers/one/mcp")"
# curl says 7 where a connection is refused: what a gateway makes "list_tools was cancelled" of.
expect 'a container is refused the connection at the host'\''s address' 000/7 \
  "$(from_container "${posted[@]}" "http://$host:$port/servers/one/mcp")"
expect 'and at its own loopback' 000/7 "$(from_container "${posted[@]}" "http://127.0.0.1:$port/servers/one/mcp")"
logged 'the log says who gets there' loopback "listening on 127.0.0.1:$port, for this host alone"
logged 'and what to write' loopback \
  "to let them in: [http] listen = [\\\"127.0.0.1:$port\\\", \\\"10.88.0.1:$port\\\"], and a token under [auth]"
stop "$daemon" || fails 'it leaves in time'
daemon=''

say "a daemon with a second address and a token, started before that address is there"
ip link delete "$outside"
{
  printf '[http]\nlisten = ["127.0.0.1:%s", "%s:%s"]\n' "$port" "$host" "$port"
  printf '[auth]\ntokens = [{ name = "gateway", file = "%s/token" }]\n' "$work"
  servers
} >"$work/second.toml"
start second
logged 'the log says that the address is not there yet' second "no network of this host has the address of $host:$port now"
ip link add "$outside" type veth peer name "$inside" netns "$namespace"
ip address add "$host/30" dev "$outside"
ip link set "$outside" up
ip -netns "$namespace" address add "$network.2/30" dev "$inside"
ip -netns "$namespace" link set "$inside" up
logged 'and promises nothing there' second "listening on $host:$port, for nobody yet"
expect 'to nobody' 0 "$(grep --count --fixed-strings 'in containers' "$work/second.log")"

for name in "$host" host.containers.internal host.docker.internal; do
  way=(--resolve "$name:$port:$host")
  for server in one two; do
    expect "$name, $server: an answer" 200/0 \
      "$(from_container "${way[@]}" "${bearer[@]}" "${posted[@]}" "http://$name:$port/servers/$server/mcp")"
    expect "$name, $server: with its tools" true \
      "$(jq '[.result.tools[].name] | index("echo") != null' "$work/answer" 2>/dev/null || echo 'no JSON')"
  done
  expect "$name: 401 without a token" 401/0 \
    "$(from_container "${way[@]}" "${posted[@]}" "http://$name:$port/servers/one/mcp")"
done
expect 'on the host a token is asked for as well' 401 \
  "$(curl --silent --output /dev/null --write-out '%{http_code}' "${posted[@]}" "http://127.0.0.1:$port/servers/one/mcp")"

say "what is exported for a gateway in a container leads there"
"$binary" export litellm --config "$work/second.toml" --url "http://host.containers.internal:$port" >"$work/litellm.yaml"
mapfile -t urls < <(sed -n 's/^    url: "\(.*\)"$/\1/p' "$work/litellm.yaml")
expect 'an address for each server' 2 "${#urls[@]}"
for url in "${urls[@]}"; do
  expect "$url" 200/0 \
    "$(from_container --resolve "host.containers.internal:$port:$host" "${bearer[@]}" "${posted[@]}" "$url")"
done

say "a name that the daemon does not know"
for _ in 1 2 3; do
  expect 'is refused' 403/0 \
    "$(from_container --resolve "toolbox:$port:$host" "${bearer[@]}" "${posted[@]}" "http://toolbox:$port/servers/one/mcp")"
done
said=$(jq --raw-output '.jsonrpc + " " + .error.message' "$work/answer" 2>/dev/null || true)
case $said in
  "2.0 "*"toolbox:$port"*http.allowed_hosts*) passes 'with a body that names it and the key to set' ;;
  *) fails "with a body that names it and the key to set: $said" ;;
esac
logged 'the log names both' second 'add \"toolbox\" to [http] allowed_hosts'
expect 'once' 1 "$(grep --count --fixed-strings toolbox "$work/second.log")"

stop "$daemon" || fails 'it leaves in time'
daemon=''

say "a start when that address is there"
cp "$work/second.toml" "$work/third.toml"
start third
logged 'the log says what containers call it' third \
  "server one: http://127.0.0.1:$port/servers/one/mcp, in containers http://$host:$port/servers/one/mcp"
stop "$daemon" || fails 'it leaves in time'
daemon=''

say "a host without IPv6"
# The other end of the cable has it on none of its interfaces then, as where it is switched off.
ip -netns "$namespace" link set lo down
printf '[http]\nlisten = ["unix:%s/socket", "[2001:db8::1]:%s"]\n' "$work" "$port" >"$work/fourth.toml"
sed '/^\[http\]/d; /^listen/d' "$work/second.toml" >>"$work/fourth.toml"
rc=0
timeout 20 ip netns exec "$namespace" "$binary" serve --config "$work/fourth.toml" --log-format json \
  >/dev/null 2>"$work/fourth.log" || rc=$?
expect 'an address of that family is an error, not one to wait for' 1 "$rc"
logged 'which names it' fourth "cannot listen on [2001:db8::1]:$port"

[ "$failed" -eq 0 ] || die "a client in a container does not get what it should"
say "a client in a container gets what it should"
