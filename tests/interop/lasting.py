"""Sessions that outlive the daemon, held by real clients: over restarts, and over two replicas behind a balancer.

    lasting.py BINARY WORK RESULTS MARK PYTHON

PYTHON has the Python SDK, NODE_MODULES in the environment names the folder of the TypeScript one, MARK goes into the
environment of every child. Adds a line per check to RESULTS: client, server, check, `ok` or `FAIL`, and a detail, separated
by tabs. Logs go to WORK. The server is `stdiod demo-server`, because its tools do what is to be seen here.
"""

import json
import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

from parts import Client, Daemon, Process, checking, curl, curl_call, curl_session, eventually, free_ports, work

BALANCER = Path(__file__).resolve().parent.parent.parent / "config" / "haproxy.cfg"
CALLS = 50
# A daemon that is gone for longer, in seconds, may lose a stream for good: the SDKs try twice, a second apart.
PATIENCE = 0.8
LISTS = {f"notifications/{kind}/list_changed" for kind in ("tools", "prompts", "resources")}
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}

# How far each session has got: what its wire showed last.
seen = {}


def begin(client, daemon, lane):
    with checking(client.name, lane, "begins") as detail:
        detail.append(client.do("open", lane, url=daemon.url, asked=lane == "private"))
        client.call(lane, "count_state")
        eventually("the stream is open", lambda: client.wire(lane)["streams"] == [200])
        client.is_told(lane)
        seen[client.name, lane] = client.wire(lane)


def goes_on(client, lane, how, gone):
    """After a restart: the same session, with no second greeting. `gone` is the longest time without a daemon so far."""
    with checking(client.name, lane, f"{how}: goes on") as detail:
        before = seen[client.name, lane]
        count = client.call(lane, "count_state")
        if lane == "private":
            assert count == "1", f"its child has counted to {count}: it is not its own"
            said = client.call(lane, "test_sampling", prompt="say something")
            assert "an answer made by the client" in said, said
            detail.append("asked")
        after = client.wire(lane)
        assert after["id"] == before["id"], "it has another session"
        assert after["greetings"] == 1, f"{after['greetings']} times initialize"
        detail.append("same session, one initialize")
    with checking(client.name, lane, f"{how}: is told") as detail:
        had = len(before["streams"])
        try:
            opened = eventually("the client takes its stream up again", lambda: client.wire(lane)["streams"][had:], 5)
        except AssertionError:
            if gone < PATIENCE:
                raise
            detail.append(f"note: the SDK gave its stream up, after {gone:.1f} s without a daemon")
            return
        assert opened[-1] == 200, f"the stream was answered {opened}"
        known = len(before["told"])
        eventually("all lists may have changed", lambda: LISTS <= set(client.wire(lane)["told"][known:]))
        client.is_told(lane)
        seen[client.name, lane] = client.wire(lane)
        detail.append("stream taken up again")


def gracefully(daemon, sessions):
    """SIGTERM while calls are under way: one that ends soon, and one that would not. A second signal hurries."""
    short = [client.do("begin", lane, tool="sleep", arguments={"ms": 700}) for client, lane in sessions]
    long = [client.do("begin", lane, tool="sleep", arguments={"ms": 60_000}) for client, lane in sessions]
    eventually("all calls are under way", lambda: daemon.in_flight() == 2 * len(sessions))
    daemon.process.send_signal(signal.SIGTERM)
    for (client, lane), call in zip(sessions, short, strict=True):
        with checking(client.name, lane, "SIGTERM: open call") as detail:
            said = client.do("end", lane, begun=call)
            assert said == "Slept for 700 ms.", said
            detail.append("completed")
    gone = daemon.restart(signal.SIGTERM)
    for (client, lane), call in zip(sessions, long, strict=True):
        with checking(client.name, lane, "SIGTERM: cut call") as detail:
            try:
                said = client.do("end", lane, begun=call)
            except RuntimeError as error:
                detail.append(str(error))
                assert "stopp" in str(error), f"no name for what happened: {error}"
            else:
                raise AssertionError(f"it was answered: {said}")
    return gone


def restarts(clients, foreign):
    (port,) = free_ports(1)
    with Daemon("one", port) as daemon:
        daemon.ready()
        with checking("curl", "restarts", "begins"):
            ended, kept = curl_session(daemon.url), curl_session(daemon.url)
            elsewhere = curl_session(daemon.url.replace("/demo/", "/other/"))
            status, _ = curl(daemon.url, session=ended, method="DELETE")
            assert status == 200, f"DELETE was answered {status}"
        for client in clients:
            for lane in ("shared", "private"):
                begin(client, daemon, lane)
        sessions = [(client, lane) for client in clients for lane in ("shared", "private")]
        gone = 0
        for how in (signal.SIGTERM, signal.SIGKILL):
            with checking("host", "restarts", how.name) as detail:
                away = gracefully(daemon, sessions) if how == signal.SIGTERM else daemon.restart(how)
                gone = max(gone, away)
                detail.append(f"served again after {away:.1f} s")
            for client, lane in sessions:
                goes_on(client, lane, how.name, gone)
            for check, id, wanted in [
                ("goes on", kept, 200),
                ("ended", ended, 404),
                ("forged", ("A" if kept[0] != "A" else "B") + kept[1:], 404),
                ("truncated", kept[:-1], 404),
                ("another server", elsewhere, 404),
                ("another key", foreign, 404),
            ]:
                with checking("curl", "restarts", f"{how.name}: {check}") as detail:
                    status, body = curl(daemon.url, PING, id)
                    assert status == wanted, f"{status}: {body[:200]}"
                    detail.append(str(status))
        for client, lane in sessions:
            with checking(client.name, lane, "ends") as detail:
                client.do("close", lane)
                status, _ = curl(daemon.url, PING, seen[client.name, lane]["id"])
                assert status == 404, f"its id is answered {status}"
                detail.append("404")


def halves(pids):
    """Who answered: two, in equal parts."""
    counts = sorted(pids.count(pid) for pid in set(pids))
    assert len(counts) == 2 and counts[0] >= CALLS // 4, f"the parts of the replicas are {counts}"
    return f"{CALLS} calls: {counts[0]} and {counts[1]}"


def over_replicas(clients, url):
    for client in clients:
        for lane in ("shared", "private"):
            name = f"two {lane}"
            with checking(client.name, name, "tools"):
                client.do("open", name, url=url, asked=lane == "private")
                assert client.do("tools", name), "no tools"
            with checking(client.name, name, "calls") as detail:
                pids = [json.loads(client.call(name, "whoami"))["pid"] for _ in range(CALLS)]
                detail.append(halves(pids))
                assert client.wire(name)["greetings"] == 1, "it greeted again"
    with checking("curl", "two shared", "tools"):
        session = curl_session(url)
        status, body = curl(url, {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, session)
        assert status == 200 and json.loads(body)["result"]["tools"], f"{status}: {body[:200]}"
    with checking("curl", "two shared", "calls") as detail:
        detail.append(halves([curl_call(url, session, "whoami")["pid"] for _ in range(CALLS)]))
    return session


def one_leaves(clients, replicas, url):
    """Behind a balancer that leaves a session where it is, clients can be asked; and go on when their replica leaves."""
    lane = "sticky private"
    pids = {}
    for client in clients:
        with checking(client.name, "two sticky", "is asked") as detail:
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
        with checking(client.name, "two sticky", "one leaves") as detail:
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
        restarts(clients, session)
        one_leaves(clients, replicas, urls[1])
        with checking("curl", "two shared", "one leaves") as detail:
            pids = {curl_call(urls[0], session, "whoami")["pid"] for _ in range(10)}
            assert len(pids) == 1, f"{len(pids)} answered"
            detail.append("10 calls to the other")


main()
