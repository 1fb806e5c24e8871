"""The laboratory: every client through the same checks, each before a front with the same real servers.

    run.py --bin FILE --work DIR --servers DIR --python-servers DIR --installs FILE --out DIR [--markdown FILE]
           [--only CLIENT,...] [--through PROXY | --peer NAME --peer-at DIR]

INSTALLS has a line for each family: its name and where its dependencies are, separated by a tab. What a driver is handed
and what it says is told in play.py; what the checks are, in ../clients/README.md. Prints the table, and writes it to OUT as
clients.json and clients.md (through-PROXY.* with --through, peer-NAME.* with --peer). Exit status 0: every cell is green or has its reason in
reasons.json. With a peer the red cells are the finding, and the exit status is 0.
"""

import argparse
import json
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import families
import fronts
import play
import report
import servers

HERE = Path(__file__).resolve().parent
# How many clients play at the same time.
CLIENTS_AT_ONCE = 4


def arguments():
    parser = argparse.ArgumentParser()
    for name in ("bin", "work", "servers", "python-servers", "installs", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--only")
    parser.add_argument("--peer", choices=["mcp-proxy", "supergateway", "reference"])
    parser.add_argument("--peer-at", type=Path)
    parser.add_argument("--through", choices=fronts.layers.KINDS)
    parser.add_argument("--plan", type=Path, default=HERE / "plan.json")
    return parser.parse_args()


def installed(mode, installs):
    places = {"{here}": str(mode["folder"]), "{install}": installs.get(mode["family"], "")}
    run = []
    for part in mode["run"]:
        for place, path in places.items():
            part = part.replace(place, path)
        run.append(part)
    return mode | {"run": run}


def one(at, mode, counts):
    begin = time.monotonic()
    lines = list(play.play(at, mode, lambda folder: servers.commands(at, folder), counts))
    return lines, round(time.monotonic() - begin)


def put(table, file):
    """Into the place that the file has for it; a file without one is the table."""
    text = file.read_text() if file.exists() else ""
    before, begin, rest = text.partition("<!-- table:begin -->\n")
    _, end, after = rest.partition("<!-- table:end -->\n")
    today = time.strftime("%Y-%m-%d")
    file.write_text(f"{before}{begin}Made on {today} by `tests/interop/run.sh`.\n\n{table}{end}{after}" if end else table)


def main():
    # What was started is ended on every way out.
    for how in (signal.SIGTERM, signal.SIGINT):
        signal.signal(how, lambda *_: sys.exit(1))
    at = arguments()
    installs = dict(line.split("\t") for line in at.installs.read_text().splitlines())
    modes = [installed(mode, installs) for mode in families.modes(at.only)]
    in_turn = sorted(modes, key=lambda mode: not mode.get("slow", False))
    begin = time.monotonic()
    counts = {
        name: servers.counts(command, os.environ | variables) for name, (command, variables) in servers.commands(at, at.work).items()
    }
    plan, reasons = json.loads(at.plan.read_text()), json.loads((HERE / "reasons.json").read_text())
    results = report.Results(plan["checks"], reasons, judged=at.peer is None)
    for mode in modes:
        results.begin(mode)
    pool = ThreadPoolExecutor(CLIENTS_AT_ONCE)
    try:
        playing = {pool.submit(one, at, mode, counts): mode["client"] for mode in in_turn}
        for future in as_completed(playing):
            client = playing[future]
            lines, seconds = future.result()
            results.clients[client]["seconds"] = seconds
            for line in lines:
                results.add(client, *line)
            failed = sum(line[1] == "fail" for line in lines)
            print(f"{client}: {seconds} s, {failed} failed" if failed else f"{client}: {seconds} s", file=sys.stderr)
    finally:
        play.stopping.set()
        pool.shutdown(cancel_futures=True)
    good = results.judge(whole=at.only is None)
    at.out.mkdir(parents=True, exist_ok=True)
    stem = f"peer-{at.peer}" if at.peer else f"through-{at.through}" if at.through else "clients"
    (at.out / f"{stem}.json").write_text(results.json(at.peer or "stdiod"))
    for file in (at.out / f"{stem}.md", at.markdown):
        if file:
            put(results.markdown(), file)
    print(f"{results.text()}\n{results.closing()}, {time.monotonic() - begin:.0f} s")
    sys.exit(0 if good or at.peer else 1)


main()
