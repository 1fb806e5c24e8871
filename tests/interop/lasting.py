"""Sessions that outlive the daemon, held by real clients: over restarts, and over two replicas behind a balancer.

    lasting.py BINARY WORK RESULTS MARK PYTHON

PYTHON has the Python SDK, NODE_MODULES in the environment names the folder of the TypeScript one, MARK goes into the
environment of every child. Adds a line per check to RESULTS: client, server, check, `ok` or `FAIL`, and a detail, separated
by tabs. Logs go to WORK. The server is `stdiod demo-server`, because its tools do what is to be seen here.
"""

import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
BALANCER = HERE.parent.parent / "config" / "haproxy.cfg"
CALLS = 50
LISTS = {f"notifications/{kind}/list_changed" for kind in ("tools", "prompts", "resources")}
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
HELLO = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "curl", "version": "7"}},
}

binary, work, results, mark, python = sys.argv[1:]
work = Path(work)


def line(client, server, check, result, detail):
    with open(results, "a") as file:
        detail = str(detail).replace("\n", " ").replace("\t", " ")
        print(client, server, check, result, detail, sep="\t", file=file)


@contextmanager
def checking(client, server, check):
    """A line for what is done inside; its detail is what was put into the list."""
    detail = []
    try:
        yield detail
        line(client, server, check, "ok", ", ".join(detail))
    except Exception as error:
        line(client, server, check, "FAIL", f"{type(error).__name__}: {error}"[:300])


def eventually(what, look, seconds=15):
    end = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)
    return seen


def free_ports(count):
    """Below the range from which outgoing connections take theirs."""
    with ExitStack() as stack:
        ports = []
        for port in random.sample(range(20000, 32000), 200):
            try:
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            ports.append(port)
            if len(ports) == count:
                return ports
    raise AssertionError("no free ports between 20000 and 32000")


def curl(url, message=None, session=None, method="POST", headers=()):
    """The status and the body."""
    command = ["curl", "--silent", "--max-time", "20", "--request", method, "--write-out", "\n%{http_code}"]
    command += ["--header", "Content-Type: application/json", "--header", "MCP-Protocol-Version: 2025-11-25"]
    command += ["--header", "Accept: application/json, text/event-stream"]
    if session is not None:
        command += ["--header", f"Mcp-Session-Id: {session}"]
    if message is not None:
        command += ["--data", json.dumps(message)]
    said = subprocess.run([*command, *headers, url], capture_output=True, text=True).stdout
    body, _, status = said.rpartition("\n")
    return int(status), body


def curl_session(url):
    """The id of a session that was begun and greeted with curl."""
    status, headers = curl(url, HELLO, headers=["--dump-header", "-", "--output", "/dev/null"])
    assert status == 200, f"initialize was answered {status}"
    session = next(h.split(":", 1)[1].strip() for h in headers.splitlines() if h.lower().startswith("mcp-session-id:"))
    status, _ = curl(url, {"jsonrpc": "2.0", "method": "notifications/initialized"}, session)
    assert status == 202, f"initialized was answered {status}"
    return session


def curl_call(url, session, tool):
    request = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": tool, "arguments": {}}}
    status, body = curl(url, request, session)
    assert status == 200, f"{tool} was answered {status}: {body[:200]}"
    return json.loads(body)["result"]["structuredContent"]


class Process:
    """Something that was started here, and ends with this block."""

    def __init__(self, name, command, **options):
        self.name = name
        with open(work / f"lasting-{name}.log", "a") as log:
            options = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log} | options
            self.process = subprocess.Popen([str(part) for part in command], **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end(signal.SIGTERM)

    def end(self, how):
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.name} did not leave") from None


class Daemon(Process):
    """A stdiod with a state directory of its own, on its port."""

    def __init__(self, name, port, keys=None):
        self.file, self.port = work / f"lasting-{name}.toml", port
        sessions = f'[sessions]\nkey_file = "{keys}"\n' if keys else ""
        servers = "".join(f'[servers.{n}]\ncommand = "{binary}"\nargs = ["demo-server"]\n' for n in ("demo", "other"))
        self.file.write_text(
            f'state_dir = "{work}/state-{name}"\n{sessions}[http]\nlisten = ["127.0.0.1:{port}"]\n'
            f'[defaults]\nenv = {{ INTEROP_MARK = "{mark}" }}\n{servers}'
        )
        self.base = f"http://127.0.0.1:{port}"
        self.url = f"{self.base}/servers/demo/mcp"
        self.start(name)

    def start(self, name):
        super().__init__(name, [binary, "--config", self.file, "serve"])

    def ready(self):
        answers = lambda: curl(f"{self.base}/readyz", method="GET")[0] == 200
        eventually(f"{self.name} is ready", answers)
        return self

    def restart(self, how):
        """How many seconds nobody answered."""
        begin = time.monotonic()
        self.end(how)
        self.start(self.name)
        self.ready()
        return time.monotonic() - begin

    def in_flight(self):
        status = json.loads(curl(f"{self.base}/status", method="GET")[1])
        return sum(child["in_flight"] for child in status["servers"]["demo"]["children"])


class Client(Process):
    """An SDK that obeys commands."""

    def __init__(self, name):
        if name == "python":
            command = [python, HERE / "clients/python/lasting.py"]
        else:
            command = ["node", HERE / "clients/typescript/lasting.mjs"]
        super().__init__(name, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __exit__(self, *_):
        self.process.stdin.close()
        super().__exit__()

    def do(self, what, session, **told):
        self.process.stdin.write(json.dumps({"do": what, "session": session, **told}).encode() + b"\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], 30)[0]:
            self.process.kill()
            raise AssertionError(f"the client did not say anything within 30 s of '{what}'")
        said = self.process.stdout.readline()
        if not said:
            raise AssertionError(f"the client ended at '{what}'")
        said = json.loads(said)
        if "error" in said:
            raise RuntimeError(said["error"])
        return said["is"]

    def wire(self, session):
        return self.do("wire", session)

    def call(self, session, tool, **arguments):
        return self.do("call", session, tool=tool, arguments=arguments)

    def is_told(self, session):
        """Hears of a change that is announced now."""
        news = "notifications/prompts/list_changed"
        before = self.wire(session)["told"].count(news)
        self.call(session, "announce_change", list="prompts")
        eventually("the change is told", lambda: self.wire(session)["told"].count(news) > before)


# How far each session has got: what its wire showed last.
seen = {}


def begin(client, daemon, lane):
    with checking(client.name, lane, "begins") as detail:
        detail.append(client.do("open", lane, url=daemon.url, asked=lane == "private"))
        client.call(lane, "count_state")
        eventually("the stream is open", lambda: client.wire(lane)["streams"] == [200])
        client.is_told(lane)
        seen[client.name, lane] = client.wire(lane)


def goes_on(client, lane, how):
    """After a restart: the same session, with no second greeting."""
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
        opened = eventually("the client takes its stream up again", lambda: client.wire(lane)["streams"][had:])
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
    ends = []
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
        for how in (signal.SIGTERM, signal.SIGKILL):
            with checking("host", "restarts", how.name) as detail:
                gone = gracefully(daemon, sessions) if how == signal.SIGTERM else daemon.restart(how)
                detail.append(f"served again after {gone:.1f} s")
            for client, lane in sessions:
                goes_on(client, lane, how.name)
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
