"""LiteLLM in front of sixteen servers, healthy and with one of them at fault; gateway.sh tells what it is made of."""

import argparse
import contextlib
import http.server
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import servers as stdio
from acceptance import Acceptance
from fronts import McpProxy, Stdiod, Supergateway
from causes import Causes
from gateways import LiteLLM
from report import Report

BROKEN = "time_office"
# One LiteLLM is enough to see that nobody waits for the one that hangs.
HANGING = "hanging"


class Ports:
    """Free ones of 127.0.0.1, below the range from which outgoing connections take theirs; none is given twice."""

    def __init__(self):
        self.left = random.sample(range(20000, 32000), 2000)

    def take(self, count):
        taken = []
        while len(taken) < count:
            port = self.left.pop()
            with socket.socket() as probe:
                with contextlib.suppress(OSError):
                    probe.bind(("127.0.0.1", port))
                    taken.append(port)
        return taken


def page(port):
    """A small web server for those who fetch. Plain text: for HTML the fetching server first installs a program of npm's."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = b"The text of a page.\n"
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{port}/page.txt"


def content(work):
    """What the servers serve."""
    (work / "files").mkdir()
    (work / "files/hello.txt").write_text("text in a file\n")
    (work / "repository").mkdir()
    git = ["git", "-C", work / "repository"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    who = ["-c", "user.name=acceptance", "-c", "user.email=acceptance@localhost"]
    subprocess.run([*git, *who, "commit", "--quiet", "--allow-empty", "--message", "the only commit"], check=True)


def versions(venv):
    code = "from importlib.metadata import version as v; print('litellm', v('litellm'), 'with mcp', v('mcp'), 'and starlette', v('starlette'))"
    return subprocess.run([f"{venv}/bin/python", "-c", code], capture_output=True, text=True, check=True).stdout.strip()


class Run:
    def __init__(self, told):
        self.told, self.work, self.ports = told, told.work, Ports()
        self.mark = f"gateway-{os.getpid()}-{random.randrange(10**6)}"
        safe = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TZ", "TMPDIR")}
        self.environment = safe | {"HOME": str(self.work)}
        content(self.work)
        self.servers = stdio.sixteen(self.work, told.npm, told.python, page(self.ports.take(1)[0]))
        self.venvs = dict(pair.split("=", 1) for pair in told.venv)
        facts = [f"{setup}: {versions(venv)}" for setup, venv in self.venvs.items()]
        facts += [f"16 servers of 7 kinds behind {told.peer or told.version}", f"{told.seconds} s of polling at each pace"]
        self.report = Report(f"LiteLLM in front of {told.peer or 'stdiod'}", facts)
        self.times = {}

    def front(self, world):
        at_fault = {"broken": BROKEN, "fault": world} if world in stdio.FAULTS else {}
        told = (world, self.servers, self.work, f"{self.mark}-{world}", self.ports, self.environment)
        if self.told.peer == "mcp-proxy":
            return McpProxy(*told, program=self.told.bridge, transports=self.told.transport, **at_fault)
        if self.told.peer == "supergateway":
            return Supergateway(*told, program=self.told.bridge, transports=self.told.transport, **at_fault)
        return Stdiod(*told, binary=self.told.stdiod, **at_fault)

    def gateways(self, setup, front):
        return [
            LiteLLM(setup, self.venvs[setup], transport, front.entries(transport), self.servers, self.work, self.ports.take(1)[0], self.environment)
            for transport in self.told.transport
        ]

    def ask_directly(self):
        with ThreadPoolExecutor(4) as pool:
            counts = pool.map(lambda server: stdio.tools(server, self.environment), self.servers)
            return {server.known: count for server, count in zip(self.servers, counts)}

    def worlds(self):
        """All that are asked for. Listings with one at fault are compared with those of a healthy world, so there is always one."""
        asked = list(self.told.world)
        faulty = [world for world in asked if world in stdio.FAULTS]
        if faulty and "healthy" not in asked:
            self.world("healthy", self.setups(HANGING if faulty == [HANGING] else "healthy"), only_listing=True)
        for world in asked:
            if world == "symptoms":
                self.report.world = world
                Causes(self).show()
            else:
                self.world(world, self.setups(world))

    def setups(self, world):
        return list(self.venvs)[-1:] if world == HANGING else list(self.venvs)

    def world(self, world, waiting, only_listing=False):
        self.report.world = world
        front = self.front(world)
        gateways, following = [], []
        try:
            front.start()
            front.ready()
            if world == HANGING:
                # The bound holds for a start that has lasted longer than a request waits for it.
                time.sleep(stdio.HANGS_S)
            following = self.gateways(waiting[0], front)
            while waiting:
                waiting.pop(0)
                gateways, following = following, []
                acceptance = Acceptance(front, gateways, self.counts, self.report)
                acceptance.up()
                acceptance.surfaces()
                acceptance.each("time of a listing", lambda gateway: self.listing(world, acceptance, gateway))
                if waiting:
                    # They need long to come up.
                    following = self.gateways(waiting[0], front)
                if only_listing:
                    pass
                elif world == "healthy":
                    acceptance.calls()
                    acceptance.polling(self.told.seconds)
                    for gateway in following:
                        # What comes now is not to disturb their start. Who does not come up is told of when it is its turn.
                        with contextlib.suppress(RuntimeError):
                            gateway.begun(front)
                    acceptance.restart()
                    acceptance.kill()
                elif not self.told.peer:
                    acceptance.each("shown by stdiod", lambda gateway: front.shows_broken())
                for gateway in gateways:
                    gateway.stop()
        finally:
            for gateway in gateways + following:
                gateway.stop()
            self.ended(front)

    def ended(self, front):
        left_in_time = front.stop()
        left = front.children()
        front.kill()
        if not self.told.peer and not (left_in_time and not left):
            raise RuntimeError(f"stdiod needed SIGKILL or left {len(left)} processes")

    def listing(self, world, acceptance, gateway):
        """With a server at fault it may not take longer than without."""
        took = acceptance.listing_time(gateway)
        self.times[gateway.name, world] = took
        healthy = self.times.get((gateway.name, "healthy"))
        if world == "healthy":
            return f"{took:.2f} s"
        assert healthy is not None, f"{took:.2f} s, and nothing to compare it with: the healthy listing failed"
        said = f"{took:.2f} s, healthy {healthy:.2f} s"
        assert took < healthy + acceptance.front.fault.slower, said
        return said


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--stdiod")
    parser.add_argument("--version", help="what the binary says of itself")
    parser.add_argument("--peer")
    parser.add_argument("--bridge", help="the program of the peer")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--npm")
    parser.add_argument("--python")
    parser.add_argument("--venv", action="append", help="SETUP=FOLDER")
    parser.add_argument("--transport", action="append")
    parser.add_argument("--world", action="append")
    parser.add_argument("--seconds", type=int)
    run = Run(parser.parse_args())
    # What was started is to be ended, whatever happens.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    run.counts = run.ask_directly()
    print(f"asked directly, {len(run.counts)} servers have {sum(run.counts.values())} tools: {run.counts}", flush=True)
    try:
        run.worlds()
    finally:
        run.report.told.append(f"took {time.monotonic() - began:.0f} s")
        file = run.report.write(run.told.output, f"gateway-{run.told.peer or 'stdiod'}")
        print(f"\n{file.read_text()}\nwritten to {file}", flush=True)
    if run.report.red() and not run.told.peer:
        sys.exit(1)


main()
