# shellcheck shell=bash
# Shared by the shell harnesses: where tools are kept, how they are installed, how a daemon is started and ended.
# Source it from bash with strict mode on.

# A Node release from the npm registry, for machines whose own is too old for the conformance suite.
NODE_PIN=24.21.0
NODE_MAJOR_MIN=22

# npm runs on the machine's own Node: it looks for its settings beside the program that runs it.
machine_path=$PATH

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${STDIOD_CACHE:-$root/.cache}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
# The daemon takes every STDIOD_ variable for configuration, so it must not see this one.
unset STDIOD_CACHE

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

need() {
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || die "$tool is not installed and this script needs it"
  done
}

# Puts a new enough `node` on PATH: the machine's own, or the pinned release in the cache.
ensure_node() {
  need node npm
  local major
  major=$(node --version | sed 's/^v\([0-9]*\).*/\1/')
  if [ "$major" -lt "$NODE_MAJOR_MIN" ]; then
    local arch dir="$cache/node-$NODE_PIN"
    case $(uname -m) in
      x86_64) arch=x64 ;;
      aarch64 | arm64) arch=arm64 ;;
      *) die "no packaged Node for $(uname -m): install Node $NODE_MAJOR_MIN or newer" ;;
    esac
    if [ ! -x "$dir/bin/node" ]; then
      say "node $(node --version) is older than $NODE_MAJOR_MIN: fetching $NODE_PIN"
      local tmp="$dir.$$"
      rm -rf "$tmp" && mkdir -p "$tmp/bin" "$tmp/pack"
      (cd "$tmp/pack" && npm init --yes >/dev/null 2>&1 \
        && npm install --no-audit --no-fund --loglevel=error "node-linux-$arch@$NODE_PIN" >&2)
      cp "$tmp/pack/node_modules/node-linux-$arch/bin/node" "$tmp/bin/node"
      rm -rf "$tmp/pack" "$dir" && mv "$tmp" "$dir"
    fi
    PATH="$dir/bin:$PATH"
    export PATH
  fi
  say "node $(node --version)"
}

# npm_cached NAME DIR: installs the package.json and package-lock.json of DIR once per content; prints where.
npm_cached() {
  local name=$1 from=$2 sum dir
  sum=$(cat "$from/package.json" "$from/package-lock.json" | sha256sum | cut -c1-12)
  dir="$cache/$name-$sum"
  if [ ! -e "$dir/.done" ]; then
    say "installing $name"
    # Bash does not stop at a failure inside of $(…), so each step asks for the one before.
    if ! { rm -rf "$dir" && mkdir -p "$dir" \
      && cp "$from/package.json" "$from/package-lock.json" "$dir/" \
      && (cd "$dir" && PATH=$machine_path npm ci --no-audit --no-fund --loglevel=error >&2) \
      && touch "$dir/.done"; }; then
      say "error: $name was not installed"
      return 1
    fi
  fi
  printf '%s\n' "$dir"
}

# venv_cached NAME REQUIREMENTS [PIP_OPTION]...: a virtual environment with these requirements, once per content; prints
# where.
venv_cached() {
  local name=$1 requirements=$2 sum dir
  shift 2
  sum=$( (python3 --version && cat "$requirements") | sha256sum | cut -c1-12)
  dir="$cache/$name-$sum"
  if [ ! -e "$dir/.done" ]; then
    say "installing $name"
    if ! { rm -rf "$dir" \
      && python3 -m venv "$dir" >&2 \
      && "$dir/bin/pip" install --quiet --no-input "$@" --requirement "$requirements" >&2 \
      && touch "$dir/.done"; }; then
      say "error: $name was not installed"
      return 1
    fi
  fi
  printf '%s\n' "$dir"
}

# The stdiod binary to test: the argument if given, else the release build, else the debug build.
stdiod_binary() {
  local candidate
  if [ -n "${1:-}" ]; then
    [ -x "$1" ] || die "$1 is not an executable file"
    (cd "$(dirname "$1")" && printf '%s/%s\n' "$PWD" "$(basename "$1")")
    return
  fi
  for candidate in "${CARGO_TARGET_DIR:-$root/target}"/{release,debug}/stdiod; do
    if [ -x "$candidate" ]; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  die "no stdiod binary: run 'cargo build --release --locked' first, or name one with --bin"
}

# A port of 127.0.0.1 nobody listens on, below the range from which outgoing connections take theirs.
free_port() {
  python3 - <<'PY'
import random, socket
for _ in range(200):
    port = random.randrange(20000, 32000)
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            continue
    print(port)
    break
else:
    raise SystemExit("no free port between 20000 and 32000")
PY
}

# wait_http URL SECONDS PID: returns when URL answers 200; fails when the process ends or the time is over.
wait_http() {
  local url=$1 limit=$2 pid=$3 end
  end=$((SECONDS + limit))
  while [ "$SECONDS" -lt "$end" ]; do
    if [ "$(curl --silent --output /dev/null --max-time 2 --write-out '%{http_code}' "$url")" = 200 ]; then
      return 0
    fi
    if ! kill -0 "$pid" 2>/dev/null; then
      say "the daemon ended before $url answered"
      return 1
    fi
    sleep 0.2
  done
  say "$url did not answer 200 within $limit s; it says:"
  curl --silent --max-time 2 "$url" >&2 || true
  return 1
}

# stop PID: SIGTERM, up to 20 s to leave, then SIGKILL. Fails when SIGKILL was needed.
stop() {
  local pid=$1 n=0
  kill -TERM "$pid" 2>/dev/null || return 0
  while kill -0 "$pid" 2>/dev/null; do
    n=$((n + 1))
    if [ "$n" -gt 100 ]; then
      say "process $pid did not leave within 20 s after SIGTERM"
      kill -KILL "$pid" 2>/dev/null || true
      wait "$pid" 2>/dev/null || true
      return 1
    fi
    sleep 0.2
  done
  wait "$pid" 2>/dev/null || true
}

# post_mortem DIR: the last lines of every log in DIR, and where they all are.
post_mortem() {
  local log
  for log in "$1"/*.log; do
    [ -s "$log" ] || continue
    say "--- the last lines of $(basename "$log")"
    tail -n 30 "$log" >&2
  done
  say "details are in $1"
}

# Makes a folder in $work for this run. At the end it stops the daemon whose id is in $daemon, if there is one, and keeps
# the folder only to explain a failure.
begin_work() {
  work=$(mktemp -d)
  daemon=''
  trap finish_work EXIT
  trap 'exit 130' INT TERM
}

finish_work() {
  local rc=$?
  trap - EXIT
  if [ -n "$daemon" ]; then stop "$daemon" || rc=1; fi
  if [ "$rc" -eq 0 ]; then rm -rf "$work"; else post_mortem "$work"; fi
  exit "$rc"
}
