"""The checks of the laboratory with plain curl, by hand: a session that is greeted and whose id is carried along, and next to
it requests with no greeting at all. MODE is the version of HTTP: `1.0`, `1.1` or `2` (with prior knowledge).

A connection of the laboratory is one session; each of its requests is a curl of its own.
"""

import itertools
import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from drive import REVISION, SECONDS_TO_ANSWER, SECONDS_TO_END, Connection, Drive, ask, counted, told_in  # noqa: E402

VERSIONS = {"1.0": "--http1.0", "1.1": "--http1.1", "2": "--http2-prior-knowledge"}
BOTH_TYPES = "application/json, text/event-stream"
BYTES_PER_SECOND_MIN = 20


class Answer:
    """What curl prints of an answer, as it comes: the head, then JSON or events."""

    def __init__(self, version, url, method, headers, message=None, idle=None):
        command = ["curl", VERSIONS[version], "--silent", "--show-error", "--no-buffer", "--include", "--request", method]
        command += ["--max-time", str(SECONDS_TO_ANSWER)]
        if idle is not None:
            # Slow is what keeps an idle stream alive, and not what brings events.
            command += ["--speed-limit", str(BYTES_PER_SECOND_MIN), "--speed-time", str(idle)]
        for name, value in headers.items():
            command += ["--header", f"{name}: {value}"]
        if message is not None:
            command += ["--data", json.dumps(message)]
        self.version = version
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen([*command, url], text=True, **pipes)

    def head(self):
        """The status and the headers."""
        begin = self.process.stdout.readline().split()
        assert len(begin) > 1, f"curl: {self.process.communicate()[1].strip()}"
        # A server answers 1.0 with the version it has itself, and keeps from it what a client of 1.0 does not know.
        assert self.version == "1.0" or begin[0] == f"HTTP/{self.version}", f"it was answered over {begin[0]}"
        headers = {}
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        assert self.version != "1.0" or "transfer-encoding" not in headers, "chunks, of which HTTP/1.0 knows nothing"
        return int(begin[1]), headers

    def messages(self, headers):
        if not headers.get("content-type", "").startswith("text/event-stream"):
            text = self.process.stdout.read()
            yield json.loads(text) if text.startswith("{") else text
            return
        for line in self.process.stdout:
            if line.startswith("data:") and line[5:].strip():
                yield json.loads(line[5:])

    def over(self):
        status = self.process.wait(SECONDS_TO_END)
        assert status == 0, f"curl ended with {status}: {self.process.stderr.read().strip()}"


class Session(Connection):
    ids = itertools.count(1)

    def __init__(self, version, url, greeted=True, accept=BOTH_TYPES):
        self.version, self.url, self.revision = version, url, None
        self.headers = {"Content-Type": "application/json", "Accept": accept}
        if greeted:
            self.greet()

    def greet(self):
        params = {"protocolVersion": REVISION, "capabilities": {}, "clientInfo": {"name": "curl", "version": "1.0.0"}}
        headers, result = self.exchange(self.message("initialize", params))
        self.revision = result["protocolVersion"]
        self.headers |= {"Mcp-Session-Id": headers["mcp-session-id"], "MCP-Protocol-Version": self.revision}
        self.notify("initialized")

    def message(self, method, params=None):
        return {"jsonrpc": "2.0", "id": next(self.ids), "method": method, "params": params or {}}

    def exchange(self, message, idle=None, seen=None):
        """The headers and the result; what comes before it is seen."""
        answer = Answer(self.version, self.url, "POST", self.headers, message, idle)
        status, headers = answer.head()
        messages = list(self.noted(answer.messages(headers), seen))
        answer.over()
        assert status == 200 and messages, f"{message['method']} was answered {status}: {str(messages)[:200]}"
        *_, last = messages
        assert isinstance(last, dict) and last.get("id") == message["id"] and "result" in last, f"it was answered {last}"
        return headers, last["result"]

    def noted(self, messages, seen):
        for message in messages:
            if seen is not None and isinstance(message, dict) and message.get("method") == "notifications/progress":
                seen.append(message["params"])
            yield message

    def request(self, method, params=None, **options):
        message = self.message(method, params)
        if "seen" in options:
            message["params"]["_meta"] = {"progressToken": message["id"]}
        return self.exchange(message, **options)[1]

    def notify(self, what, params=None):
        message = {"jsonrpc": "2.0", "method": f"notifications/{what}", "params": params or {}}
        self.plainly("POST", 202, message)

    def plainly(self, method, wanted, message=None):
        """An answer with nothing in it but its status."""
        answer = Answer(self.version, self.url, method, self.headers, message)
        status, headers = answer.head()
        said = list(answer.messages(headers))
        answer.over()
        assert status == wanted, f"{message['method'] if message else method} was answered {status}: {said}"

    def cancel(self, step):
        message = self.message("tools/call", {"name": step["tool"], "arguments": step["arguments"]})
        answer = Answer(self.version, self.url, "POST", self.headers, message)
        ask("busy")
        self.notify("cancelled", {"requestId": message["id"], "reason": "given up"})
        begin = time.monotonic()
        try:
            answer.process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            answer.process.kill()
            answer.process.wait()
            raise AssertionError(f"its curl still waits {SECONDS_TO_END} s after the call was cancelled") from None
        print(f"the cancelled call ended after {time.monotonic() - begin:.1f} s: {answer.process.stdout.read()}", file=sys.stderr)

    def close(self):
        if "Mcp-Session-Id" in self.headers:
            self.plainly("DELETE", 200)


class Curl(Drive):
    lacks = {check: "curl cannot be asked" for check in ("sampling", "elicitation")}

    def open(self, where, answers=None):
        return Session(self.mode, where["url"])

    def bare(self, where, accept=BOTH_TYPES):
        """With no greeting and no id of a session."""
        return Session(self.mode, where["url"], greeted=False, accept=accept)

    def lists(self, what):
        """In the session, and without one, whatever types are asked for."""
        said = super().lists(what)
        for accept in (BOTH_TYPES, "application/json", "*/*"):
            counted(f"{what} as {accept}", getattr(self.bare(self.plan, accept), what)(), self.plan["servers"][0][what])
        return f"{said}, also with no handshake"

    def call(self):
        said = super().call()
        told_in(self.bare(self.plan).call(self.plan["call"]), self.plan["call"])
        return f"{said}, also with no handshake"

    def servers(self):
        said = super().servers()
        for entry in self.plan["servers"]:
            counted("tools", self.bare(entry).tools(), entry["tools"])
        return f"{said}, and listed with no handshake"

    def progress(self):
        said = super().progress()
        seen = []
        told_in(self.bare(self.plan).call(self.plan["long"], idle=self.plan["idle"], seen=seen), self.plan["long"])
        assert len(seen) == self.plan["long"]["events"], f"{len(seen)} events with no handshake"
        return f"{said}, also with no handshake"

    def close(self):
        said = super().close()
        self.held.plainly("POST", 404, self.held.message("ping"))
        return f"{said}, its id is not known any more"


Curl().main()
