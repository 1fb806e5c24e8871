"""What stands before the servers of one client: stdiod, or one of the bridges it is compared with.

Each front has ports and a folder of its own, so that what one client does to it disturbs no other. All of them put the
same mark into the environment of the servers, by which /proc tells whose a process is.
"""

import json
import os
import random
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "proxies"))
import layers  # noqa: E402

SECONDS_TO_BEGIN = 60
SECONDS_TO_SETTLE = 3
SECONDS_TO_FORGET = 10

taken = set()
taking = threading.Lock()


def free_port():
    """One that nobody listens on and that was not given out before, below those that outgoing connections take."""
    with taking:
        for port in random.sample(range(20000, 32000), 200):
            try:
                with socket.socket() as one:
                    one.bind(("127.0.0.1", port))
            except OSError:
                continue
            if port not in taken:
                taken.add(port)
                return port
    raise AssertionError("no free port between 20000 and 32000")


def get(url):
    """The status and the body; the status 0 is that of nobody there."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def listens(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def eventually(what, look, seconds=SECONDS_TO_BEGIN):
    end = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)
    return seen


def marked(mark):
    """The processes that carry the mark in their environment."""
    wanted, found = f"INTEROP_MARK={mark}".encode(), []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                variables = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if wanted in variables:
                found.append(int(entry.name))
    return found


def connections(ports):
    """How many connections are open to these ports, as the kernel has it."""
    count = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state = line.split()[:4]
        count += state == "01" and int(local.split(":")[1], 16) in ports
    return count


class Stuck(AssertionError):
    """A process that had to be killed."""


class Front:
    """One or more processes in front of the servers. A subclass tells what they are and when they serve."""

    seconds_to_end = 20

    def __init__(self, at, folder, servers, mark):
        self.at, self.folder, self.servers, self.mark = at, folder, servers, mark
        self.ports, self.processes, self.before = {}, [], None
        self.prepare()

    def launch(self, name, command, **options):
        with open(self.folder / f"{name}.log", "a") as log:
            command = [str(part) for part in command]
            self.processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options))

    def start(self):
        self.processes = []
        self.run()
        eventually("the front serves", self.serves)
        self.before = self.before or self.kept()

    def serves(self):
        for process in self.processes:
            if process.poll() is not None:
                raise AssertionError(f"{Path(process.args[0]).name} ended with status {process.returncode}")
        return self.ready()

    def end(self, how):
        """How many seconds the processes took to leave. One that does not is killed, and named."""
        begin = time.monotonic()
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(how)
        stuck = []
        for process in self.processes:
            try:
                process.wait(max(0.1, begin + self.seconds_to_end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                stuck.append(Path(process.args[0]).name)
        if stuck:
            raise Stuck(f"{stuck[0]} did not leave within {self.seconds_to_end} s after {how.name}")
        return time.monotonic() - begin

    def restart(self):
        try:
            self.end(signal.SIGTERM)
        finally:
            self.start()

    def kill(self):
        self.end(signal.SIGKILL)
        self.start()

    def crash(self):
        """Kills every server, and waits for nothing: how soon it is back is a part of the check."""
        children = self.children()
        assert children, "no server runs"
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def children(self):
        return marked(self.mark)

    def now(self):
        """Where the front's own account of what clients ask stands now."""

    def greeted_since(self, mark):
        """How many clients began anew since then. A front that does not tell is believed."""
        return 0

    def busy(self):
        """A call is in flight. A front that does not tell is given time."""
        time.sleep(2)

    def settled(self):
        """Nothing is in flight. A front that does not tell is believed."""

    def kept(self):
        """What the front has by now, as far as it tells; a client may not leave more of it behind."""
        return {"processes of servers": len(self.children())}

    def left(self):
        """After the client: nothing of it is there any more, as far as the front and the kernel tell."""
        eventually("no connection is open", lambda: not connections(set(self.ports.values())), SECONDS_TO_FORGET)
        self.settled()
        for what in self.before:
            self.forgotten(what)
        return ", ".join(f"{count} {what}" for what, count in self.kept().items())

    def forgotten(self, what, held=0):
        """There is no more of it than before the client came, but for what is still held. While clients with children of
        their own come, stdiod keeps some processes ready, so of these no count is due before the daemon was restarted."""
        if what not in self.before:
            return
        allowed, end = self.before[what] + held, time.monotonic() + SECONDS_TO_FORGET
        while (count := self.kept().get(what, 0)) > allowed:
            assert time.monotonic() < end, f"{count} {what} instead of {allowed}, after {SECONDS_TO_FORGET} s"
            time.sleep(0.1)

    def leave(self):
        took = self.end(signal.SIGTERM)
        eventually(f"no process of the servers is left: {self.children()}", lambda: not self.children(), 10)
        return f"{took:.1f} s after SIGTERM"

    def clean(self):
        """Whatever happened: nothing stays."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        for pid in self.children():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


class Stdiod(Front):
    def prepare(self):
        self.ports["all"] = port = free_port()
        self.base = f"http://127.0.0.1:{port}"
        self.file = self.folder / "stdiod.toml"
        text = f'state_dir = {quoted(self.folder / "state")}\n[http]\nlisten = ["127.0.0.1:{port}"]\n'
        for name, (command, variables) in self.servers.items():
            program, *args = map(quoted, command)
            env = ", ".join(f"{key} = {quoted(value)}" for key, value in (variables | {"INTEROP_MARK": self.mark}).items())
            text += f"[servers.{name}]\ncommand = {program}\nargs = [{', '.join(args)}]\nenv = {{ {env} }}\n"
        self.file.write_text(text)

    def run(self):
        self.launch("stdiod", [self.at.bin, "--config", self.file, "serve"])

    def ready(self):
        return get(f"{self.base}/readyz")[0] == 200

    def url(self, server):
        return f"{self.base}/servers/{server}/mcp"

    def sse(self, server):
        return f"{self.base}/servers/{server}/sse"

    def now(self):
        return datetime.now(UTC)

    def called_since(self, mark):
        """The methods that clients called since then, as the log has them: a line for each call, which says when it was made.
        Where it stands in the file does not tell that: lines are gathered before they are written."""
        with open(self.folder / "stdiod.log", "rb") as log:
            lines = [json.loads(line) for line in log if line.endswith(b"\n") and b'"stdiod::call"' in line]
        return [line["method"] for line in lines if datetime.fromisoformat(line["timestamp"]) > mark]

    def greeted_since(self, mark):
        """To be asked when the client has called a tool, so that a log which tells of nothing is noticed."""
        eventually("the log tells of the call after the act", lambda: "tools/call" in self.called_since(mark), 5)
        return self.called_since(mark).count("initialize")

    def status(self):
        return json.loads(get(f"{self.base}/status")[1])["servers"].values()

    def in_flight(self):
        return sum(child["in_flight"] for server in self.status() for child in server["children"])

    def kept(self):
        return super().kept() | {"sessions": sum(server["sessions"] for server in self.status())}

    def busy(self):
        eventually("a call is in flight", self.in_flight, 20)

    def settled(self):
        eventually("no call is in flight", lambda: not self.in_flight(), SECONDS_TO_SETTLE)


class Behind(Stdiod):
    """Stdiod behind a reverse proxy, which stays when the daemon goes. What the proxy keeps open to the daemon is its own."""

    def prepare(self):
        super().prepare()
        upstream, port = self.ports.pop("all"), free_port()
        self.ports["proxy"], self.shown = port, f"http://127.0.0.1:{port}"
        self.proxy = layers.Proxy(self.at.through, upstream, port, self.folder)
        self.proxy.begun()

    def url(self, server):
        return f"{self.shown}/servers/{server}/mcp"

    def sse(self, server):
        return f"{self.shown}/servers/{server}/sse"

    def clean(self):
        super().clean()
        self.proxy.end()


def quoted(text):
    """JSON's strings are TOML's too."""
    return json.dumps(str(text))


class Peer(Front):
    """One of those that stdiod is compared with."""

    seconds_to_end = 5

    def restart(self):
        """What the client makes of it is one thing, and whether the peer leaves when it is told to another: `leave` shows it."""
        try:
            super().restart()
        except Stuck:
            pass


class McpProxy(Peer):
    """All servers in one process. It hands a server no variables but what `env` puts there."""

    def prepare(self):
        self.ports["all"] = port = free_port()
        self.base = f"http://127.0.0.1:{port}"
        self.file = self.folder / "servers.json"
        known = {}
        for name, (command, variables) in self.servers.items():
            env = [f"{key}={value}" for key, value in (variables | {"INTEROP_MARK": self.mark}).items()]
            known[name] = {"command": "env", "args": [*env, *map(str, command)]}
        self.file.write_text(json.dumps({"mcpServers": known}))

    def run(self):
        program = self.at.peer_at / "bin/mcp-proxy"
        self.launch("mcp-proxy", [program, "--port", self.ports["all"], "--pass-environment", "--named-server-config", self.file])

    def ready(self):
        return get(f"{self.base}/status")[0] == 200

    def url(self, server):
        return f"{self.base}/servers/{server}/mcp"

    def sse(self, server):
        return f"{self.base}/servers/{server}/sse"


class Supergateway(Peer):
    """One process for each server, which serves the one transport or the other. With --stateful a session keeps its child,
    without it every single request starts one and nothing of a session works, so this is its better side."""

    transport = ["streamableHttp", "--stateful"]

    def prepare(self):
        self.ports = {name: free_port() for name in self.servers}

    def run(self):
        for name, (command, variables) in self.servers.items():
            port, program = self.ports[name], self.at.peer_at / "node_modules/.bin/supergateway"
            transport = ["--outputTransport", *self.transport, "--port", port]
            env = os.environ | variables | {"INTEROP_MARK": self.mark}
            # It hands its own environment on, so it is marked as well; see `children`.
            self.launch(name, [program, "--stdio", f"exec {shlex.join(map(str, command))}", *transport], env=env)

    def children(self):
        return [pid for pid in marked(self.mark) if pid not in {process.pid for process in self.processes}]

    def ready(self):
        return all(listens(port) for port in self.ports.values())

    def url(self, server):
        return f"http://127.0.0.1:{self.ports[server]}/mcp"

    def sse(self, server):
        return f"http://127.0.0.1:{self.ports[server]}/sse"


class SupergatewaySse(Supergateway):
    transport = ["sse"]


class Reference(Peer):
    """No bridge at all: the one server that speaks HTTP by itself, as its authors have it. A check that fails with it too
    fails by the client or the transport."""

    transport = "streamableHttp"

    def prepare(self):
        self.servers = {"everything": self.servers["everything"]}
        self.ports["all"] = free_port()

    def run(self):
        (program, *_), _ = self.servers["everything"]
        self.launch("everything", [program, self.transport], env=os.environ | {"PORT": str(self.ports["all"])})

    def ready(self):
        return listens(self.ports["all"])

    def children(self):
        return []

    def crash(self):
        self.kill()

    def url(self, _server):
        return f"http://127.0.0.1:{self.ports['all']}/mcp"

    def sse(self, _server):
        return f"http://127.0.0.1:{self.ports['all']}/sse"


class ReferenceSse(Reference):
    transport = "sse"


def front(peer, sse, through=None):
    if through:
        return Behind
    if sse and peer in ("supergateway", "reference"):
        return {"supergateway": SupergatewaySse, "reference": ReferenceSse}[peer]
    return {None: Stdiod, "mcp-proxy": McpProxy, "supergateway": Supergateway, "reference": Reference}[peer]
