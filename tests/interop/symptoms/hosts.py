"""The daemons: one for what may share, and one for each that something is done to."""

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lab"))
import fronts  # noqa: E402

TOKEN = "a-token-of-the-symptoms-laboratory"
# What a server built with the Python SDK 1.30 says when it is asked for its era.
ERA = ["Failed to validate request", "server/discover"]


class Daemon(fronts.Stdiod):
    """With options for its servers, and ready as soon as it listens: some of the servers never are."""

    options = ""

    def prepare(self):
        super().prepare()
        folder = self.folder / "conf.d"
        folder.mkdir()
        (folder / "options.toml").write_text(self.options)

    def ready(self):
        return fronts.get(f"{self.base}/healthz")[0] == 200

    def kept(self):
        """What a client leaves behind is not looked at here, and one of these tells it to nobody without a token."""
        return {}

    def crash_in_call(self):
        fronts.eventually("the call is under way", self.in_flight, 10)
        self.crash()

    def halt(self):
        for pid in self.children():
            os.kill(pid, signal.SIGSTOP)

    def heard(self, name):
        """What the server wrote to its standard error. Each line of the log names it."""
        lines = (self.folder / "stdiod.log").read_text().splitlines()
        return "\n".join(line for line in lines if name in line)


class Hosts:
    def __init__(self, at, work, python):
        self.at, self.work, self.python, self.demo, self.all = at, work, python, [at.bin, "demo-server"], []

    def start(self):
        with ThreadPoolExecutor(8) as pool:
            begun = {
                "steady": pool.submit(
                    self.begin, "steady",
                    {"good": [], "quiet": [], "broken": ["--exit-at-start", "3"], "late": ["--hang-initialize"], "mute": ["--hang-list"]},
                    '[servers.quiet]\npush = "off"\n[servers.late]\nstart_wait = "1s"\nera = "legacy"\n'
                    '[servers.mute]\nrequest_timeout = "1s"\n',
                ),
                "lanes": pool.submit(
                    self.begin, "lanes", {"good": [], "mute": ["--hang-list"], "slow": ["--slow-start", "1500"]},
                    '[servers.mute]\nrequest_timeout = "6s"\n[servers.slow]\nstart = "lazy"\n',
                ),
                "guarded": pool.submit(
                    self.begin, "guarded", {"good": []},
                    f'[auth]\ntokens = [{{ name = "good", file = {fronts.quoted(self.token())} }}]\n',
                ),
                **{name: pool.submit(self.begin, name, {"good": []}) for name in ("crashes", "restarts", "stops")},
                "asking": pool.submit(self.asking),
            }  # fmt: skip
            for name, future in begun.items():
                setattr(self, name, future.result())

    def token(self):
        file = self.work / "token"
        file.write_text(TOKEN + "\n")
        file.chmod(0o600)
        return file

    def begin(self, name, servers, options="", commands=None):
        folder = self.work / name
        folder.mkdir()
        commands = commands or {server: (self.demo + flags, {}) for server, flags in servers.items()}
        kind = type(name, (Daemon,), {"options": options})
        daemon = kind(self.at, folder, commands, f"symptoms-{os.getpid()}-{name}")
        self.all.append(daemon)
        daemon.start()
        return daemon

    def asking(self):
        program = "from mcp.server.fastmcp import FastMCP\nserver = FastMCP('x')\nserver.tool('x')(lambda: 'x')\nserver.run()"
        commands = {f"python-{era}": ([self.python, "-c", program], {}) for era in ("auto", "legacy")}
        return self.begin("asking", None, '[servers.python-legacy]\nera = "legacy"\n', commands)

    def end(self):
        for daemon in self.all:
            daemon.clean()


class Pretended:
    """In the place of every daemon, with `--prove`: the fault server, with the cause of the symptom that is looked at."""

    def __init__(self, faults, fault):
        self.faults, self.fault = faults, fault
        self.ports = {"all": faults.server_port}

    def url(self, _server):
        return self.faults.url(self.fault)

    def in_flight(self):
        return 1

    def heard(self, _name):
        return " ".join(ERA)

    def nothing(self):
        """What is done to a daemon is not done here: the fault is there without it."""

    restart = crash_in_call = halt = nothing


class Everywhere:
    """Hosts, all of which have the one cause."""

    def __init__(self, faults, fault):
        self.host = Pretended(faults, fault)

    def __getattr__(self, _name):
        return self.host
