"""The same checks through every reverse proxy, on the wire.

    proxies.py BINARY WORK [KIND…]

Starts a daemon and, one after the other, the proxies of `layers.py` before it. Prints a table; exit status 0: all green. The
server is `stdiod demo-server`, because its tools do what is to be seen here.
"""

import json
import signal
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
import layers  # noqa: E402
from ports import free_ports  # noqa: E402
from wire import Wire  # noqa: E402

NAME, TOKEN, OTHER = "mcp.example", "a-token-for-the-test", "not-allowed.example"
AT_ONCE = 16
# A stream is silent, but for its comments, for longer than the proxy would wait for a silent daemon.
SILENCE_MS = (layers.IMPATIENCE + 2) * 1000
# These hold a request back while nobody listens behind them; nginx answers 502 at once.
WAITING = {"haproxy", "caddy"}
# These send the address they pass on to as Host, the others the client's.
REWRITING = {"nginx", "nginx-defaults"}
# nginx takes a megabyte of body and no more unless it is told to.
NARROW = {"nginx-defaults"}
CHECKS = []


def check(does):
    CHECKS.append(does)
    return does


def eventually(what, look, seconds=15):
    end = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return seen


class Daemon:
    """A stdiod whose waits are as much shorter than its own as those of the proxies are here."""

    def __init__(self, binary, work):
        (self.port,) = free_ports(1)
        self.binary, self.work, self.process = binary, work, None
        self.direct = Wire(self.port, TOKEN)
        (work / "token").write_text(TOKEN + "\n")
        (work / "token").chmod(0o600)
        (work / "stdiod.toml").write_text(
            f'state_dir = "{work}/state"\n'
            f'[http]\nlisten = ["127.0.0.1:{self.port}"]\nallowed_hosts = ["{NAME}"]\n'
            f'keep_alive = "1s"\ncommit_after = "1s"\n'
            f'[auth]\ntokens = [{{ name = "test", file = "{work}/token", servers = ["*"] }}]\n'
            f'[servers.demo]\ncommand = "{binary}"\nargs = ["demo-server"]\n'
        )

    def start(self):
        with open(self.work / "stdiod.log", "a") as log:
            command = [self.binary, "--config", self.work / "stdiod.toml", "serve"]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        eventually("the daemon is ready", self.ready, 30)

    def ready(self):
        assert self.process.poll() is None, "the daemon ended"
        try:
            with self.direct.send("GET", path="/readyz") as answer:
                return answer.status == 200
        except OSError:
            return False

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(20)

    def in_flight(self):
        with self.direct.send("GET", path="/status") as answer:
            status = json.loads(answer.response.read())
        return sum(child["in_flight"] for child in status["servers"]["demo"]["children"])


class Through:
    """What a check is given: the daemon, the proxy, and clients of it."""

    def __init__(self, daemon, proxy):
        self.daemon, self.kind, self.port = daemon, proxy.kind, proxy.port

    def client(self, **options):
        return Wire(self.port, **{"token": TOKEN, **options})


@check
def lists(through):
    tools = through.client().ask("tools/list")["tools"]
    direct = through.daemon.direct.ask("tools/list")["tools"]
    assert tools == direct, "the tools are not those that the daemon tells"
    return f"{len(tools)} tools"


@check
def calls(through):
    client = through.client().open()
    assert client.use("echo", {"text": "hello from afar"}) == "hello from afar"
    return "in a session"


@check
def modern(through):
    client = through.client()
    with client.modern("server/discover") as answer:
        assert "2026-07-28" in answer.result()["supportedVersions"]
    with client.modern("tools/call", {"name": "echo", "arguments": {"text": "new"}}, name="echo") as answer:
        assert answer.result()["content"][0]["text"] == "new"
    return "asked and called"


@check
def progress(through):
    """Every event is there, in order, when it was sent and not at the end."""
    with through.client().open().call("sleep", {"ms": 2000}, token="p") as answer:
        came = list(answer.messages())
    steps = [message["params"]["progress"] for _, message in came if "method" in message]
    assert steps == list(range(1, 10)), f"the steps were {steps}"
    first, last = came[0][0], came[-1][0]
    assert "result" in came[-1][1] and last - first > 1, f"first after {first:.1f} s, answer after {last:.1f} s"
    return f"9 events, the first {last - first:.1f} s before the answer"


@check
def silence(through):
    """A call that says nothing for longer than the proxy waits is kept by comments, and so is a stream of its session."""
    client = through.client().open()
    with client.send("GET", headers={"Accept": "text/event-stream"}, seconds=SILENCE_MS / 1000 + 20) as stream:
        assert stream.status == 200 and stream.streams(), f"the stream was answered {stream.status}"
        opened = time.monotonic() - stream.begin
        assert opened < 2, f"the head of the stream came after {opened:.1f} s"
        said = client.use("sleep", {"ms": SILENCE_MS}, seconds=SILENCE_MS / 1000 + 20)
        assert said == f"Slept for {SILENCE_MS} ms.", said
        client.use("announce_change", {"list": "prompts"})
        begin = time.monotonic()
        for _, message in stream.messages():
            if message["method"] == "notifications/prompts/list_changed":
                break
        else:
            raise AssertionError("the stream ended")
        late = time.monotonic() - begin
        assert late < 1, f"the change was told {late:.1f} s late"
    return f"{SILENCE_MS // 1000} s, with a limit of {layers.IMPATIENCE} s"


@check
def two_endpoints(through):
    """The transport of 2024-11-05: a stream, and the messages posted elsewhere."""
    client = through.client(path="/servers/demo/sse")
    with client.send("GET", headers={"Accept": "text/event-stream"}) as stream:
        told = (line for _, line in stream.lines() if line.startswith("data:"))
        where = next(told)[5:].strip()
        hello = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "wire", "version": "1"}}
        for method, params in (("initialize", hello), ("tools/list", {})):
            with client.request(method, params, path=where) as answer:
                assert answer.status == 202, f"{method} was answered {answer.status}"
            said = next(message for message in map(json.loads, (line[5:] for line in told)) if "id" in message)
            assert "result" in said, said
    return f"{len(said['result']['tools'])} tools"


@check
def at_once(through):
    def discover(_):
        client = through.client().open()
        tools = len(client.ask("tools/list")["tools"])
        with client.send("DELETE") as answer:
            assert answer.status == 200, f"DELETE was answered {answer.status}"
        return tools

    begin = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        counts = set(pool.map(discover, range(AT_ONCE)))
    assert len(counts) == 1, f"they were told {counts} tools"
    return f"{AT_ONCE} discoveries in {time.monotonic() - begin:.1f} s"


@check
def ends(through):
    client = through.client().open()
    with client.send("DELETE") as answer:
        assert answer.status == 200, f"DELETE was answered {answer.status}"
    with client.request("ping") as answer:
        assert answer.status == 404, f"the session that was ended is answered {answer.status}"
    return "200, then 404"


def begun(answer):
    """The call has reached the server, because it reports progress."""
    assert "method" in next(answer.messages())[1]


@check
def cancelled_by_word(through):
    client = through.client().open()
    with client.call("sleep", {"ms": 20_000}, token="p") as answer:
        begun(answer)
        client.notify("notifications/cancelled", {"requestId": client.ids})
        eventually("the call has ended", lambda: through.daemon.in_flight() == 0)
    assert client.use("echo", {"text": "still here"}) == "still here"
    return "by notification"


@check
def cancelled_by_leaving(through):
    call = {"name": "sleep", "arguments": {"ms": 20_000}}
    with through.client().modern("tools/call", call, name="sleep", token="p") as answer:
        begun(answer)
    began = time.monotonic()
    eventually("the call has ended", lambda: through.daemon.in_flight() == 0)
    return f"after {time.monotonic() - began:.1f} s"


@check
def left_alone(through):
    """In the older era, who leaves has not cancelled: the call ends when it ends."""
    client = through.client().open()
    with client.call("sleep", {"ms": 3000}, token="p") as answer:
        begun(answer)
    time.sleep(1)
    assert through.daemon.in_flight() == 1, "the call ended with its connection"
    eventually("the call has ended", lambda: through.daemon.in_flight() == 0)
    return "goes on without its client"


@check
def restarts(through):
    """The session goes on, and what comes meanwhile waits where the proxy can wait."""
    client, how_it_went = through.client().open(), []
    for how in (signal.SIGTERM, signal.SIGKILL):
        through.daemon.end(how)
        met = {}

        def meanwhile(met=met):
            with client.request("tools/list") as answer:
                met["status"] = answer.status

        waiting = threading.Thread(target=meanwhile)
        waiting.start()
        # A request that is refused is refused by now.
        waiting.join(0.5)
        through.daemon.start()
        waiting.join(20)
        wanted = 200 if through.kind in WAITING else 502
        assert met.get("status") == wanted, f"what came meanwhile was answered {met.get('status')}, not {wanted}"
        assert client.use("echo", {"text": "again"}) == "again"
        how_it_went.append(f"{how.name}: goes on, meanwhile {wanted}")
    return "; ".join(how_it_went)


@check
def names(through):
    """Which Host the daemon is shown, and what it makes of that."""
    assert through.client(host=NAME).ask("ping") == {}
    with through.client(host=OTHER).request("ping") as answer:
        said = answer.response.read().decode()
    if through.kind in REWRITING:
        assert answer.status == 200, f"{OTHER} was answered {answer.status}: {said}"
        return "shows its own"
    assert answer.status == 403 and "http.allowed_hosts" in said, f"{answer.status}: {said}"
    return "shows the client's"


@check
def tokens(through):
    with through.client(token=None).request("tools/list") as answer:
        assert answer.status == 401, f"without a token: {answer.status}"
    return "needed and passed on"


@check
def large(through):
    text = "x" * (4 << 20)
    with through.client().call("echo", {"text": text}) as answer:
        if through.kind in NARROW:
            assert answer.status == 413, f"4 MiB were answered {answer.status}"
            return "4 MiB are too much: 413"
        assert answer.result()["content"][0]["text"] == text
    return "4 MiB there and back"


def main(binary, work, *kinds):
    # What was started is ended on every way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    work = Path(work)
    daemon = Daemon(binary, work)
    daemon.start()
    red = total = 0
    try:
        print(f"{'proxy':<16}{'version':<22}{'check':<22}{'result':<8}detail")
        for kind in kinds or layers.KINDS:
            version = layers.version(kind)
            (port,) = free_ports(1)
            with layers.Proxy(kind, daemon.port, port, work, impatient=True) as proxy:
                through = Through(daemon, proxy)
                for does in CHECKS:
                    total += 1
                    try:
                        result, detail = "pass", does(through)
                    except Exception as error:
                        traceback.print_exc()
                        red, result, detail = red + 1, "FAIL", f"{type(error).__name__}: {error}".replace("\n", " ")[:300]
                    print(f"{kind:<16}{version:<22}{does.__name__:<22}{result:<8}{detail}", flush=True)
                    if daemon.process.poll() is not None:
                        daemon.start()
    finally:
        daemon.end()
    print(f"proxy checks: {total - red} passed, {red} failed")
    return 1 if red else 0


sys.exit(main(*sys.argv[1:]))
