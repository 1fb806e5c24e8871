"""The checks of the laboratory with mcp-remote: messages go over the pipes of its process, and it carries them over HTTP.

MODE is `legacy`, which is what it does unasked, or one of its other protocols. NODE_MODULES names the folder where it is installed.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from drive import SECONDS_TO_CLOSE, Drive, Peer  # noqa: E402

PROGRAM = Path(os.environ["NODE_MODULES"]) / "mcp-remote/dist/proxy.js"


class Bridge(Peer):
    def __init__(self, url, options, home, answers):
        super().__init__(answers)
        command = ["node", str(PROGRAM), url, "--transport", "http-only", *options]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=os.environ | {"HOME": home}
        )
        self.writing = threading.Lock()
        threading.Thread(target=self.read, daemon=True).start()
        try:
            self.greet()
        except BaseException:
            self.process.kill()
            raise

    def read(self):
        for line in self.process.stdout:
            self.hear(json.loads(line))

    def send(self, message):
        with self.writing:
            self.process.stdin.write(json.dumps(message) + "\n")

    def close(self):
        self.process.stdin.close()
        try:
            status = self.process.wait(SECONDS_TO_CLOSE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"it runs on {SECONDS_TO_CLOSE} s after its standard input ended") from None
        assert status == 0, f"its exit status is {status}"


class Remote(Drive):
    def __init__(self, home):
        super().__init__()
        self.home = home
        self.options = ["--protocol", self.mode]

    def open(self, where, answers=None):
        return Bridge(where["url"], self.options, self.home, answers)

    def open_impatient(self, idle):
        """Its own limits are of the whole process: for the headers of an answer, and between two pieces of it."""
        limits = ["--headers-timeout", str(idle), "--body-timeout", str(idle)]
        return Bridge(self.plan["url"], [*self.options, *limits], self.home, None)


with tempfile.TemporaryDirectory() as home:
    Remote(home).main()
