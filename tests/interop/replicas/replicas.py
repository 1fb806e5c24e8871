"""Two replicas behind HAProxy, and sessions that do not notice, held by the SDKs and by curl.

    replicas.py BINARY WORK PYTHON

PYTHON has the Python SDK, NODE_MODULES in the environment names the folder of the TypeScript one. Prints a line per check,
and keeps logs in WORK. The server is `stdiod demo-server`, because its tools tell who answers. Exit status 0: all green.
"""

import json
import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
from parts import Client, Daemon, Process, checking, curl, curl_call, curl_session, eventually, failures, work  # noqa: E402
from ports import free_ports  # noqa: E402

BALANCER = Path(__file__).resolve().parents[3] / "config" / "haproxy.cfg"
CALLS = 50


def halves(pids):
    """Who answered: two, in equal parts."""
    counts = sorted(pids.count(pid) for pid in set(pids))
    assert len(counts) == 2 and counts[0] >= CALLS // 4, f"the parts of the replicas are {counts}"
    return f"{CALLS} calls: {counts[0]} and {counts[1]}"


def over_replicas(clients, url):
    for client in clients:
        for lane in ("shared", "private"):
            with checking(client.name, lane, "tools"):
                client.do("open", lane, url=url, asked=lane == "private")
                assert client.do("tools", lane), "no tools"
            with checking(client.name, lane, "calls") as detail:
                pids = [json.loads(client.call(lane, "whoami"))["pid"] for _ in range(CALLS)]
                detail.append(halves(pids))
                assert client.wire(lane)["greetings"] == 1, "it greeted again"
    with checking("curl", "shared", "tools"):
        session = curl_session(url)
        status, body = curl(url, {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, session)
        assert status == 200 and json.loads(body)["result"]["tools"], f"{status}: {body[:200]}"
    with checking("curl", "shared", "calls") as detail:
        detail.append(halves([curl_call(url, session, "whoami")["pid"] for _ in range(CALLS)]))
    return session


def one_leaves(clients, replicas, url):
    """Behind a balancer that leaves a session where it is, clients can be asked; and go on when their replica leaves."""
    lane = "sticky"
    pids = {}
    for client in clients:
        with checking(client.name, lane, "is asked") as detail:
            client.do("open", lane, url=url, asked=True)
            for _ in range(5):
                said = client.call(lane, "test_sampling", prompt="say something")
                assert "an answer made by the client" in said, said
            eventually("the stream is open", lambda: client.wire(lane)["streams"])
            client.is_told(lane)
            pids[client.name] = client.call(lane, "whoami")
            detail.append("5 questions")
    replicas[0].end(signal.SIGTERM)
    for client in clients:
        with checking(client.name, lane, "one leaves") as detail:
            said = client.call(lane, "test_sampling", prompt="say something")
            assert "an answer made by the client" in said, said
            moved = client.call(lane, "whoami") != pids[client.name]
            eventually("the stream is open again", lambda: len(client.wire(lane)["streams"]) > moved)
            client.is_told(lane)
            assert client.wire(lane)["greetings"] == 1, "it greeted again"
            detail.append("went on with the other" if moved else "was with the other")


def balance(port, ports, method):
    """HAProxy with the configuration that the README names, on these ports and with this method of choice."""
    text = BALANCER.read_text()
    given = [f"127.0.0.1:{port}" for port in (8700, 8751, 8752)]
    mine = [f"127.0.0.1:{port}" for port in (port, *ports)]
    for old, new in zip([*given, "balance hdr(Mcp-Session-Id)"], [*mine, f"balance {method}"], strict=True):
        assert text.count(old) == 1, f"{BALANCER} has '{old}' {text.count(old)} times"
        text = text.replace(old, new)
    file = work / f"haproxy-{port}.cfg"
    file.write_text(text)
    return Process(f"haproxy-{port}", ["haproxy", "-db", "-f", file])


def main():
    # What was started is ended on every way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    keys = work / "session-keys"
    keys.touch(mode=0o600)
    keys.write_text(os.urandom(32).hex() + "\n")
    each, sticky, *ports = free_ports(4)
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(name)) for name in ("python", "typescript")]
        replicas = [stack.enter_context(Daemon(f"replica-{n}", port, keys)) for n, port in enumerate(ports)]
        for replica in replicas:
            replica.ready()
        urls = []
        for port, method in ((each, "roundrobin"), (sticky, "hdr(Mcp-Session-Id)")):
            stack.enter_context(balance(port, ports, method))
            base = f"http://127.0.0.1:{port}"
            eventually("the balancer is ready", lambda: curl(f"{base}/healthz", method="GET")[0] == 200)
            urls.append(f"{base}/servers/demo/mcp")
        session = over_replicas(clients, urls[0])
        one_leaves(clients, replicas, urls[1])
        with checking("curl", "shared", "one leaves") as detail:
            pids = {curl_call(urls[0], session, "whoami")["pid"] for _ in range(10)}
            assert len(pids) == 1, f"{len(pids)} answered"
            detail.append("10 calls to the other")
    print(f"replicas: {len(failures)} failed")
    sys.exit(1 if failures else 0)


main()
