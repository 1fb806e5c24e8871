"""Counts the instructions of a bridge for each call, and compares them with the baseline; instructions.sh tells why.

    count.py --stdiod FILE --bench DIR --work DIR --baseline FILE [--rounds N] [--renew]

Each bridge runs under callgrind for all of its cases. Before the calls of a case are made the count is set to nothing, and
after them it is written down, so that neither starts nor connections nor sessions are in it, but where they are the case.
"""

import argparse
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from ports import free_ports  # noqa: E402

DEARER, CHEAPER = 1.10, 0.90
# How long a bridge may take to listen, and one case to be driven.
START_SECONDS, CASE_SECONDS = 60, 300


class Case(NamedTuple):
    name: str
    bridge: str
    server: str
    drive: list
    # Of how many single things a call consists.
    parts: int = 1


ECHO = ["600", "--warm", "100"]
CASES = [
    Case("echo of 1 KiB in a session, with its log line", "info", "legacy", ECHO),
    Case("echo of 1 KiB in a session", "warn", "legacy", ECHO),
    Case("echo of 16 KiB in a session", "warn", "legacy", [*ECHO, "--text", str(16 << 10)]),
    Case("echo of 1 KiB without a session", "warn", "legacy", [*ECHO, "--kind", "stateless"]),
    Case("modern echo of 1 KiB on a legacy server", "warn", "legacy", [*ECHO, "--kind", "modern"]),
    Case("modern echo of 1 KiB on a modern server", "warn", "modern", [*ECHO, "--kind", "modern"]),
    Case("event of progress, of 100 at once", "warn", "legacy", ["100", "--warm", "20", "--kind", "progress", "--events", "100"], 100),
    Case("initialize, initialized, GET, tools/list, DELETE", "warn", "legacy", ["300", "--warm", "100", "--kind", "churn"]),
]
FLOOR = Case("the least bridge: echo of 1 KiB", "floor", "legacy", ECHO)


def arguments():
    parser = argparse.ArgumentParser()
    for name in ("stdiod", "bench", "work", "baseline"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--renew", action="store_true")
    return parser.parse_args()


def listens(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def command(at, bridge, port, folder):
    """What starts this bridge; the daemons are called by their log level."""
    if bridge == "floor":
        return [at.bench / "pipe-floor", f"127.0.0.1:{port}", "1", at.bench / "echo", "legacy"]
    text = f'[http]\nlisten = ["127.0.0.1:{port}"]\n[log]\nlevel = "{bridge}"\n'
    for era in ("legacy", "modern"):
        text += f'[servers.{era}]\ncommand = {json.dumps(str(at.bench / "echo"))}\nargs = ["{era}"]\nmode = "shared"\n'
    file = folder / "stdiod.toml"
    file.write_text(text)
    return [at.stdiod, "serve", "--config", file]


class Counted:
    """
    A bridge under callgrind. The daemon's keeper does not start there, because the program of a process under Valgrind is Valgrind;
    it has no part in any message, and its log lines are few.
    """

    def __init__(self, at, bridge, folder):
        self.at, self.folder, self.dumps = at, folder, 0
        (self.port,) = free_ports(1)
        self.out, self.log = folder / "counts", folder / "said"
        valgrind = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={self.out}", "--instr-atstart=no"]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [str(part) for part in [*valgrind, *command(at, bridge, self.port, folder)]],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | {"STATE_DIRECTORY": str(folder)},
            )

    def ready(self):
        end = time.monotonic() + START_SECONDS
        while not listens(self.port):
            if self.process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"it does not start:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.1)
        self.ask("instrumentation", "on")

    def ask(self, *words):
        """The gate between a program and its Valgrind."""
        asked = subprocess.run(["vgdb", f"--pid={self.process.pid}", *words], capture_output=True, text=True, timeout=60)
        if asked.returncode != 0:
            raise SystemExit(f"valgrind does not do '{' '.join(words)}':\n{asked.stdout}{asked.stderr}")

    def count(self, case):
        """Instructions for each call."""
        drive = [self.at.bench / "stdiod-bench", "drive", f"127.0.0.1:{self.port}", f"/servers/{case.server}/mcp", "1", *case.drive, "--wait"]
        driver = subprocess.Popen(
            [str(part) for part in drive], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            signal.alarm(CASE_SECONDS)
            driver.stdout.readline()
            # What follows an answer is no part of the next call.
            time.sleep(0.2)
            self.ask("zero")
            driver.stdin.write("\n")
            driver.stdin.flush()
            driver.stdout.readline()
            time.sleep(0.2)
            self.ask("dump")
            _, said = driver.communicate()
            signal.alarm(0)
        finally:
            driver.kill()
        if driver.returncode != 0:
            raise SystemExit(f"{case.name}: {said.strip()}")
        self.dumps += 1
        counts = Path(f"{self.out}.{self.dumps}").read_text()
        return int(re.search(r"^totals: (\d+)$", counts, re.MULTILINE)[1]) / int(case.drive[0]) / case.parts

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def counted(at, bridge, number):
    folder = at.work / f"{bridge}-{number}"
    folder.mkdir()
    one = Counted(at, bridge, folder)
    try:
        one.ready()
        yield one
    finally:
        one.stop()


def measure(at):
    """All counts of each case, one from each round."""
    found = {}
    for number in range(at.rounds):
        for bridge in ("info", "warn", "floor"):
            with counted(at, bridge, number) as one:
                for case in [*CASES, FLOOR]:
                    if case.bridge == bridge:
                        found.setdefault(case.name, []).append(one.count(case))
    return found


def version(program):
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()


def verdict(now, before):
    if before is None:
        return "FAIL: not in the baseline"
    if now > before * DEARER:
        return "FAIL: dearer"
    return "cheaper: renew the baseline" if now <= before * CHEAPER else "pass"


def table(found, counts, baseline):
    floor = counts[FLOOR.name]
    width = max(map(len, counts)) + 2
    print(f"{'instructions for each':{width}}{'now':>9}{'spread':>9}{'baseline':>10}{'change':>9}{'to the least':>14}  result")
    for name, now in counts.items():
        before, rounds = baseline.get(name), found[name]
        known, change = (f"{before:,}", f"{100 * (now / before - 1):+.1f} %") if before else ("-", "-")
        spread = f"{100 * (max(rounds) - min(rounds)) / now:.2f} %"
        result = "not judged" if name == FLOOR.name else verdict(now, before)
        print(f"{name:{width}}{now:>9,}{spread:>9}{known:>10}{change:>9}{now / floor:>14.2f}  {result}")


def main():
    # What was started is ended on every way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGALRM, lambda *_: sys.exit(f"a case took longer than {CASE_SECONDS} s"))
    at = arguments()
    found = measure(at)
    counts = {name: round(statistics.median(rounds)) for name, rounds in found.items()}
    tools = {name: version(name) for name in ("rustc", "valgrind")}
    known = json.loads(at.baseline.read_text()) if at.baseline.exists() else {}
    baseline = known.get("instructions", {})
    if at.renew:
        table(found, counts, counts)
        at.baseline.write_text(json.dumps(tools | {"instructions": counts}, indent=2) + "\n")
        print(f"written to {at.baseline}")
        return
    table(found, counts, baseline)
    failed = [name for name in counts if name != FLOOR.name and verdict(counts[name], baseline.get(name)).startswith("FAIL")]
    lost = [name for name in baseline if name not in counts]
    for name in failed:
        print(f"FAIL  {name}: {counts[name]:,} instructions, and {baseline.get(name, 0):,} in the baseline")
    for name in lost:
        print(f"FAIL  {name}: in the baseline, but nobody counts it")
    for name, made_with in known.items():
        if name != "instructions" and made_with != tools[name]:
            print(f"the baseline was made with {made_with}, this is {tools[name]}")
    if failed or lost:
        print("If this is meant, renew the baseline: tests/bench/instructions/instructions.sh --renew")
        sys.exit(1)


main()
