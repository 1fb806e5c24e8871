"""Reads lines of client, server, check, result and detail, prints them as one table, and judges them.

    report.py RESULTS PLAN

Every client must have made its checks on every server of the plan: what is missing is as red as what failed.
"""

import json
import sys
from pathlib import Path

SDK_CLIENTS = ["python", "python-sse", "typescript"]
CURL_CHECKS = ["HTTP/1.1", "HTTP/1.0", "HTTP/2", "any type"]

HOWS = ["SIGTERM", "SIGKILL"]


def lasting():
    """What lasting.py checks."""
    for client in ("python", "typescript"):
        for lane in ("shared", "private"):
            yield from ((client, lane, check) for check in ("begins", "SIGTERM: open call", "SIGTERM: cut call", "ends"))
            yield from ((client, lane, f"{how}: {check}") for how in HOWS for check in ("goes on", "is told"))
            yield from ((client, f"two {lane}", check) for check in ("tools", "calls"))
        yield from ((client, "two sticky", check) for check in ("is asked", "one leaves"))
    for how in HOWS:
        yield ("host", "restarts", how)
        for check in ("goes on", "ended", "forged", "truncated", "another server", "another key"):
            yield ("curl", "restarts", f"{how}: {check}")
    yield ("curl", "restarts", "begins")
    yield from (("curl", "two shared", check) for check in ("tools", "calls", "one leaves"))


results, plan = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
lines = [line.split("\t") for line in results.read_text().splitlines() if line.count("\t") == 4]

wanted = []
for entry in plan:
    server = entry["server"]
    checks = ["connect", "tools", "call", "close", *(name for name in ("progress", "ask") if name in entry)]
    wanted += [(client, server, check) for client in SDK_CLIENTS for check in checks]
    wanted += [("curl", server, check) for check in CURL_CHECKS]
wanted += lasting()
wanted += [("host", "all", "leaves in time"), ("host", "all", "no process left")]

have = {tuple(line[:3]) for line in lines}
failed = [key for key in have if any(line[3] != "ok" for line in lines if tuple(line[:3]) == key)]
missing = [key for key in wanted if key not in have]

print(f"{'client':<12}{'server':<13}{'check':<25}{'result':<8}detail")
for client, server, check, result, detail in lines:
    print(f"{client:<12}{server:<13}{check:<25}{'pass' if result == 'ok' else 'FAIL':<8}{detail}")
for client, server, check in missing:
    print(f"{client:<12}{server:<13}{check:<25}{'FAIL':<8}was not reached")

red = len(failed) + len(missing)
print(f"interop checks: {len(have) - len(failed)} passed, {red} failed")
sys.exit(1 if red else 0)
