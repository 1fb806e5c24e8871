#!/usr/bin/env bash
# Tortures the daemon: clients of every kind, while children die, hang and chatter and clients vanish.
#
#   tests/torture/run.sh [--bin PATH] [SCENARIO…] [OPTION…]
#
# Without a scenario all run in their short forms, for about two minutes, and reloads and restarts are part of the mix. The
# scenarios and the options stand in docs/torture.md. Needs no network. Exit status 0: everything held; the seed to repeat a run is printed first.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../support/tools.sh
source "$here/../support/tools.sh"

binary='' more=()
while [ $# -gt 0 ]; do
  case $1 in
    --bin) binary=${2:?--bin needs a path} && shift 2 ;;
    *) more+=("$1") && shift ;;
  esac
done
need cargo
binary=$(stdiod_binary "$binary")
cargo() { command cargo "$@" --quiet --release --locked --manifest-path "$here/Cargo.toml" --target-dir "$root/target/side"; }
if [ ${#more[@]} -eq 0 ]; then
  more=(short --reload --restarts)
  # The bench must read and choose rightly before anybody is judged by it.
  cargo test
fi
cargo build
exec "$root/target/side/release/stdiod-torture" --daemon "$binary" "${more[@]}"
