"""The clients: a process that runs programs of the Python SDK one after the other, and the command line of the Inspector."""

import json
import os
import subprocess
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
# A program that takes longer than this hangs.
SECONDS_FOR_A_RUN = 40


class Asker:
    """asker.py, started once, because importing the SDK takes longer than most of what is asked of it."""

    def __init__(self, python, log):
        self.python, self.log, self.process = python, log, None

    def begun(self):
        if not self.process or self.process.poll() is not None:
            with open(self.log, "a") as log:
                words = [self.python, "-B", HERE / "asker.py"]
                pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log}
                self.process = subprocess.Popen(words, text=True, **pipes)
        return self.process

    def say(self, process, what):
        process.stdin.write(json.dumps(what) + "\n")
        process.stdin.flush()

    def run(self, program, url, act, options):
        process = self.begun()
        watch = threading.Timer(SECONDS_FOR_A_RUN, process.kill)
        watch.start()
        try:
            self.say(process, {"program": program, "url": url} | options)
            while line := process.stdout.readline():
                seen = json.loads(line)
                if "ask" not in seen:
                    return seen
                try:
                    if act:
                        act()
                except BaseException:
                    process.kill()
                    raise
                self.say(process, {"done": seen["ask"]})
            raise AssertionError(f"{program} was not done within {SECONDS_FOR_A_RUN} s, or ended; see {self.log.name}")
        finally:
            watch.cancel()

    def end(self):
        if self.process:
            self.process.kill()
            self.process.communicate()


class Inspector:
    def __init__(self, folder, work):
        self.program = Path(folder, "clients/launcher/build/index.js")
        self.home = work / "inspector"
        self.home.mkdir()

    def tools(self, url):
        """How many it prints. It has to end well: an error that is told is another symptom than this one."""
        words = ["node", self.program, "--cli", url, "--method", "tools/list"]
        env = os.environ | {"HOME": str(self.home)}
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS_FOR_A_RUN, cwd=self.home, env=env
        )
        assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr.strip()[-200:]}"
        return len(json.loads(done.stdout)["tools"])
