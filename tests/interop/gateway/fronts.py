"""What stands between the gateway and the servers: stdiod, or one process of another bridge for each server."""

import json
import os
import re
import shlex
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from servers import FAULTS

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(url, seconds=10):
    """The status and the body; status 0 when nobody answers."""
    try:
        with OPENER.open(url, timeout=seconds) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def eventually(what, look, seconds):
    end = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > end:
            raise RuntimeError(f"not within {seconds} s: {what}")
        time.sleep(0.05)
    return seen


def end(process, seconds=20):
    """Whether it left by itself after SIGTERM."""
    if process.poll() is not None:
        return True
    process.terminate()
    try:
        process.wait(seconds)
        return True
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False


class Front:
    """The servers are found by a mark in their environment, whoever started them."""

    def __init__(self, name, servers, work, mark, ports, environment, broken=None, fault=None):
        self.name, self.servers, self.work, self.mark = name, servers, work, mark
        self.ports, self.environment = ports, environment
        # The name of the server at fault, if one is, and what it does.
        self.broken, self.fault = broken, FAULTS.get(fault)

    def command(self, server):
        return self.fault.command if server.name == self.broken else server.command

    def children(self):
        """The ids of all processes of servers."""
        found, mark = set(), f"GATEWAY_MARK={self.mark}".encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if mark in (entry / "environ").read_bytes().split(b"\0"):
                        found.add(int(entry.name))
                except OSError:
                    continue
        return found

    def started(self):
        """Those of them that the front started, not the programs that a server itself runs meanwhile."""
        children, found = self.children(), set()
        for pid in children:
            try:
                # The name in the brackets may hold anything; the parent is the second field after it.
                parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent not in children:
                found.add(pid)
        return found

    def kill(self):
        """kill -9 of every child; how many there were."""
        children = self.children()
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return len(children)

    def spawn(self, name, command, extra=None):
        with open(self.work / f"{name}.log", "ab") as log:
            return subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment | (extra or {})
            )

    def quiet(self):
        """Waits until nobody asks for anything: nothing new is in the logs for a second."""
        last, since = None, time.monotonic()

        def still():
            nonlocal last, since
            now = sum(log.stat().st_size for log in self.work.glob(f"{self.name}*.log"))
            if now != last:
                last, since = now, time.monotonic()
            return time.monotonic() - since > 1

        eventually("nothing is asked any more", still, 60)

    def settle(self, seconds=90):
        """Waits until all servers that can run do, and processes come and go no more."""
        last, since = None, time.monotonic()

        def calm():
            nonlocal last, since
            now = self.children()
            if now != last:
                last, since = now, time.monotonic()
            return time.monotonic() - since > 1.5

        eventually("no process of a server comes or goes", calm, seconds)


class Stdiod(Front):
    def __init__(self, *args, binary, token=None, **options):
        super().__init__(*args, **options)
        self.binary, self.token = binary, token
        self.port, self.own_port = self.ports.take(2)
        self.base = f"http://127.0.0.1:{self.port}"
        self.file = self.work / f"{self.name}.toml"
        self.file.write_text(self.configuration())
        self.process = None

    def configuration(self):
        quoted = json.dumps
        lines = [f'state_dir = {quoted(str(self.work / f"{self.name}-state"))}', "[http]", f'listen = ["127.0.0.1:{self.port}"]']
        if self.token:
            file = self.work / f"{self.name}.token"
            file.write_text(f"{self.token}\n")
            file.chmod(0o600)
            lines += ["[auth]", f'tokens = [{{ name = "litellm", file = {quoted(str(file))}, servers = ["*"] }}]']
        for server in self.servers:
            command, *args = self.command(server)
            variables = server.environment | {"GATEWAY_MARK": self.mark}
            lines += [f"[servers.{server.name}]", f"command = {quoted(command)}", f"args = {quoted(args)}"]
            lines += ["env = { " + ", ".join(f"{key} = {quoted(value)}" for key, value in variables.items()) + " }"]
            if server.name == self.broken:
                lines += [f"{key} = {quoted(value)}" for key, value in self.fault.settings.items()]
            if server.own_listen:
                lines += [f'listen = "127.0.0.1:{self.own_port}"']
        return "\n".join(lines) + "\n"

    def start(self):
        check = subprocess.run([self.binary, "--config", self.file, "check"], capture_output=True, text=True, env=self.environment)
        if check.returncode:
            raise RuntimeError(f"stdiod check refuses the configuration: {check.stdout}{check.stderr}")
        self.process = self.spawn(self.name, [self.binary, "--config", self.file, "serve"])
        eventually("stdiod answers", lambda: get(f"{self.base}/healthz")[0] == 200, 20)

    def ready(self, seconds=90):
        """Waits until it says that all servers are ready but the broken one."""
        expected = {self.broken} if self.broken else set()
        eventually("stdiod says that all servers are ready", lambda: set(self.not_ready()) == expected, seconds)
        self.settle()

    def not_ready(self):
        status, body = get(f"{self.base}/readyz")
        return json.loads(body).get("not_ready") or {} if status in (200, 503) else {"stdiod": body}

    def shows_broken(self):
        """What it says of the broken server, when that is the only one it complains of."""
        status, _ = get(f"{self.base}/readyz")
        complaints = self.not_ready()
        assert status == 503, f"/readyz is {status}"
        assert set(complaints) == {self.broken}, f"/readyz complains of {sorted(complaints)}"
        why = complaints[self.broken]["why"]
        assert re.search(self.fault.says, why), f"/readyz says only: {why}"
        return why

    def pids(self):
        """The children as the daemon tells, to be compared later."""
        status = json.loads(get(f"{self.base}/status")[1])
        return {
            name: sorted((child["pid"], child["restarts"]) for child in server["children"] if child["pid"])
            for name, server in status["servers"].items()
        }

    def restart(self):
        end(self.process)
        self.start()

    def stop(self):
        return end(self.process) if self.process else True

    def entries(self, transport):
        """LiteLLM's `mcp_servers`, as stdiod itself writes them. The one that was a bridge before keeps its old address."""
        path = "sse" if transport == "sse" else "mcp"
        command = [self.binary, "--config", self.file, "export", "litellm", "--transport", transport, "--url", self.base]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment)
        if done.returncode:
            raise RuntimeError(f"stdiod export litellm failed: {done.stderr}")
        text = done.stdout
        for server in self.servers:
            if server.own_listen:
                old, own = f"{self.base}/servers/{server.name}/{path}", f"http://127.0.0.1:{self.own_port}/{path}"
                if own not in text:
                    assert old in text, f"the export has no {old}"
                    text = text.replace(old, own)
        return text


class Bridges(Front):
    """One bridge process for each server, on a port of its own."""

    def __init__(self, *args, program, transports, **options):
        super().__init__(*args, **options)
        self.program, self.transports, self.processes = program, transports, []
        self.places = {}

    def bridge(self, server, port, transport):
        raise NotImplementedError

    def start(self):
        for transport in self.faces():
            for server in self.servers:
                place = (server.name, transport)
                if place not in self.places:
                    self.places[place] = self.ports.take(1)[0]
                # The mark goes to the server only.
                variables = [f"{key}={value}" for key, value in (server.environment | {"GATEWAY_MARK": self.mark}).items()]
                command = ["/usr/bin/env", *variables, *self.command(server)]
                name = f"{self.name}-{transport or 'both'}-{server.name}"
                self.processes.append(self.spawn(name, self.bridge(command, self.places[place], transport)))
        listening = lambda: all(get(f"http://127.0.0.1:{port}/")[0] for (name, _), port in self.places.items() if name != self.broken)
        eventually("all bridges listen", listening, 120)

    def faces(self):
        return self.transports

    def ready(self, seconds=90):
        self.settle(seconds)

    def pids(self):
        return {}

    def shows_broken(self):
        raise AssertionError("it has no such thing")

    def restart(self):
        self.stop()
        self.start()

    def stop(self):
        # All at once: with streams open some never leave by themselves.
        for process in self.processes:
            process.terminate()
        left = [end(process, 2) for process in self.processes]
        self.processes = []
        self.kill()
        return all(left)

    def url(self, server, transport):
        place = (server.name, transport if transport in self.faces() else "")
        return f"http://127.0.0.1:{self.places[place]}/{'sse' if transport == 'sse' else 'mcp'}"

    def entries(self, transport):
        lines = ["mcp_servers:"]
        for server in self.servers:
            lines += [f"  {server.known}:", f"    url: {self.url(server, transport)}", f"    transport: {transport}"]
        return "\n".join(lines) + "\n"


class McpProxy(Bridges):
    def faces(self):
        """Both transports on one port."""
        return [""]

    def bridge(self, command, port, transport):
        return [self.program, "--host", "127.0.0.1", "--port", port, "--pass-environment", "--", *command]


class Supergateway(Bridges):
    def bridge(self, command, port, transport):
        output = {"http": "streamableHttp", "sse": "sse"}[transport]
        return [self.program, "--stdio", shlex.join(command), "--outputTransport", output, "--port", port, "--logLevel", "info"]
