"""The checks of the laboratory with the command line of the MCP Inspector. It has no session that lasts: each command opens one,
does one thing, and leaves. MODE names the pinned package: `inspector-0`, `inspector-1` or `inspector-2`. NODE_MODULES
names the folder where they are installed.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from drive import SECONDS_TO_ANSWER, SECONDS_TO_END, Connection, Drive, Lacking, ask, told_in  # noqa: E402

# Where the second major version keeps its program, and where the others do.
PROGRAMS = {"inspector-2": "clients/launcher/build/index.js"}
# The second major version says that it has roots, and a server may offer a tool for that.
TOOL_FOR_ROOTS = "get-roots-list"


class Commands(Connection):
    """One server's URL: each request is a command of its own."""

    def __init__(self, package, url, home):
        program = Path(os.environ["NODE_MODULES"], package, PROGRAMS.get(package, "cli/build/cli.js"))
        self.words = ["node", str(program), "--cli", url]
        # The older ones look for their own description beside the folder they are started in.
        self.place = {"cwd": home, "env": os.environ | {"HOME": home}}
        self.newer = package in PROGRAMS

    def start(self, method, params):
        words = [*self.words, "--method", method]
        if method == "tools/call":
            words += ["--tool-name", params["name"]]
            for name, value in params["arguments"].items():
                words += ["--tool-arg", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(words, text=True, **pipes, **self.place)

    def request(self, method, params=None):
        process = self.start(method, params)
        try:
            said, errors = process.communicate(timeout=SECONDS_TO_ANSWER)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise AssertionError(f"{method} did not end within {SECONDS_TO_ANSWER} s") from None
        assert process.returncode == 0, f"{method} ended with {process.returncode}: {errors.strip()[-200:]}"
        return json.loads(said)

    def tools(self):
        names = [tool["name"] for tool in self.request("tools/list")["tools"]]
        return len([name for name in names if not (self.newer and name == TOOL_FOR_ROOTS)])

    def cancel(self, step):
        """The call is under way, and then the command is left as with Ctrl-C."""
        process = self.start("tools/call", {"name": step["tool"], "arguments": step["arguments"]})
        ask("busy")
        assert process.poll() is None, f"it ended by itself: {process.communicate()}"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=SECONDS_TO_END)

    def close(self):
        """There is nothing to leave: the command has ended."""


class Inspector(Drive):
    lacks = {check: "its command line cannot be asked" for check in ("sampling", "elicitation")}

    def __init__(self, home):
        super().__init__()
        self.home = home

    def open(self, where, answers=None):
        return Commands(self.mode, where["url"], self.home)

    def connect(self):
        self.held = self.open(self.plan)
        self.held.request("tools/list")
        return "a session for each command"

    def cancel(self):
        if self.mode != "inspector-2":
            raise Lacking("its command line ends at Ctrl-C and gives nothing up: the call runs to its end")
        return super().cancel()

    def progress(self):
        """It is seen by nobody; the call is to be answered all the same."""
        told_in(self.held.call(self.plan["long"]), self.plan["long"])
        raise Lacking("its command line shows no progress and has no shorter limit; the long call was answered")

    def outlives(self, what):
        super().outlives(what)
        return "the next command"

    def close(self):
        begin = time.monotonic()
        self.held.request("tools/list")
        return f"the last command ended with 0 after {time.monotonic() - begin:.1f} s"


with tempfile.TemporaryDirectory() as home:
    Inspector(home).main()
