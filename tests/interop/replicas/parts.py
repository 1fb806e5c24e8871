"""What replicas.py is made of: the lines it prints, curl, and the processes that take part."""

import json
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
failures = []
HELLO = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "curl", "version": "7"}},
}

binary, work, python = sys.argv[1:]
work = Path(work)


def line(client, lane, check, result, detail):
    print(f"{client:<12}{lane:<10}{check:<12}{result:<6}{' '.join(detail.split())[:300]}".rstrip(), flush=True)


@contextmanager
def checking(client, lane, check):
    """A line for what is done inside; its detail is what was put into the list."""
    detail = []
    try:
        yield detail
        line(client, lane, check, "ok", ", ".join(detail))
    except Exception as error:
        failures.append(check)
        line(client, lane, check, "FAIL", f"{type(error).__name__}: {error}")


def eventually(what, look, seconds=15):
    end = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)
    return seen


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
        with open(work / f"replicas-{name}.log", "a") as log:
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
    """A stdiod with a state directory of its own, on its port, with keys that it shares."""

    def __init__(self, name, port, keys):
        file = work / f"replicas-{name}.toml"
        file.write_text(
            f'state_dir = "{work}/state-{name}"\n[sessions]\nkey_file = "{keys}"\n[http]\nlisten = ["127.0.0.1:{port}"]\n'
            f'[servers.demo]\ncommand = "{binary}"\nargs = ["demo-server", "--era", "legacy"]\n'
        )
        self.base = f"http://127.0.0.1:{port}"
        super().__init__(name, [binary, "--config", file, "serve"])

    def ready(self):
        eventually(f"{self.name} is ready", lambda: curl(f"{self.base}/readyz", method="GET")[0] == 200)


class Client(Process):
    """An SDK that obeys commands."""

    def __init__(self, name):
        if name == "python":
            command = [python, HERE / "client.py"]
        else:
            command = ["node", HERE / "client.mjs"]
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
