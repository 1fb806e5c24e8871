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
    # Where the second major version keeps its program, and where the others do.
    programs = {"inspector-2": "clients/launcher/build/index.js"}

    def __init__(self, modules, work):
        self.modules = modules
        self.home = work / "inspector"
        self.home.mkdir()

    def tools(self, url, package="inspector-2"):
        """How many it prints. It has to end well: an error that is told is another symptom than this one."""
        program = self.modules / package / self.programs.get(package, "cli/build/cli.js")
        words = ["node", program, "--cli", url, "--method", "tools/list"]
        env = os.environ | {"HOME": str(self.home)}
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS_FOR_A_RUN, cwd=self.home, env=env
        )
        assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr.strip()[-200:]}"
        return len(json.loads(done.stdout)["tools"])


class Remote:
    """mcp-remote, spoken to over its pipes as a desktop application does."""

    def __init__(self, modules, work):
        self.program = modules / "mcp-remote/dist/proxy.js"
        self.home = work / "mcp-remote"
        self.home.mkdir()

    def run(self, url, token=None):
        """What asker.py tells of its programs, as far as it is there to be told."""
        header = ["--header", f"Authorization:Bearer {token}"] if token else []
        words = ["node", self.program, url, "--transport", "http-only", *header]
        # Should it come so far as to send the user to a page: there is none.
        env = os.environ | {"HOME": str(self.home), "BROWSER": "/bin/false"}
        with open(self.home / "mcp-remote.log", "a+") as log:
            began = log.tell()
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log}
            process = subprocess.Popen(words, text=True, cwd=self.home, env=env, **pipes)
            watch = threading.Timer(SECONDS_FOR_A_RUN, process.kill)
            watch.start()
            try:
                listed = self.list(process)
            finally:
                watch.cancel()
                process.kill()
                process.communicate()
            log.seek(began)
            return {"tools": listed, "error": None, "words": log.read(), "left": 0}

    def list(self, process):
        """It ends by itself, and with it its output, where it can do nothing."""
        me = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "symptoms", "version": "1"}}
        steps = [
            {"id": 1, "method": "initialize", "params": me},
            {"method": "notifications/initialized"},
            {"id": 2, "method": "tools/list"},
        ]
        for step in steps:
            try:
                process.stdin.write(json.dumps({"jsonrpc": "2.0"} | step) + "\n")
                process.stdin.flush()
            except BrokenPipeError:
                return None
            if "id" not in step:
                continue
            # Notifications may come before the answer.
            for line in process.stdout:
                answer = json.loads(line)
                if answer.get("id") == step["id"]:
                    break
            else:
                return None
        return len(answer["result"]["tools"]) if "result" in answer else None
