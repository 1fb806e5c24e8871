#!/usr/bin/env bash
# The instructions that a message costs on its whole way, and a gate that holds them near those of baseline.json.
#
#   tests/bench/instructions/instructions.sh [--bin PATH] [--rounds N] [--renew]
#
# Valgrind counts what the daemon executes while one client at a time drives it; the kernel's part and the children's are not
# counted. Instructions do not care how busy the machine is: the same build gives the same figures within one in a hundred, and
# within five where sessions come and go. All is counted three times (--rounds), each time by a new daemon; the medians are judged,
# and the spread between lowest and highest is shown. A case that needs over a tenth more than its baseline fails, one that
# needs a tenth less asks for a new baseline, and --renew writes it, after a change that is meant. The least bridge (pipe-floor)
# stands beside for comparison and is not judged.
#
# What may differ between machines: the compiler, whose version the baseline names, and what libc chooses for copying and
# searching by the processor. Valgrind shows every program a processor without AVX-512; one without AVX2 chooses otherwise, and
# another architecture needs a baseline of its own.
#
# Without --bin the release build is brought up to date and counted. Exit status 0: no case is dearer than it may be.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../../support/tools.sh
source "$here/../../support/tools.sh"

binary='' options=()
while [ $# -gt 0 ]; do
  case $1 in
    --bin) binary=${2:?--bin needs a path} && shift 2 ;;
    --rounds) options+=(--rounds "${2:?--rounds needs a number}") && shift 2 ;;
    --renew) options+=(--renew) && shift ;;
    *) die "unknown argument $1" ;;
  esac
done

need cargo python3 rustc valgrind vgdb
target=${CARGO_TARGET_DIR:-$root/target}
if [ -z "$binary" ]; then
  cargo build --quiet --release --locked --manifest-path "$root/Cargo.toml" --target-dir "$target"
  # Never the debug build, which stdiod_binary would take if there was no other.
  binary="$target/release/stdiod"
fi
binary=$(stdiod_binary "$binary")
cargo build --quiet --release --locked --manifest-path "$here/../Cargo.toml" --target-dir "$target" \
  --bin stdiod-bench --bin echo --bin pipe-floor

begin_work
PYTHONDONTWRITEBYTECODE=1 TMPDIR=$work python3 "$here/count.py" --stdiod "$binary" --bench "$target/release" --work "$work" \
  --baseline "$here/baseline.json" ${options[@]+"${options[@]}"} </dev/null
