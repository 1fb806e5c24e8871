"""One running LiteLLM, and what can be asked of it."""

import json
import re
import secrets
import subprocess
import threading
import time
import urllib.error
import urllib.request

from fronts import OPENER, eventually, get
from fronts import end as end_process

# What its log must not say.
TROUBLE = {
    "cancelled": re.compile(r"CancelledError|was cancelled"),
    "cancel scope": re.compile(r"cancel scope"),
    "timeouts": re.compile(r"timed? ?out\b|TimeoutError|ReadTimeout", re.IGNORECASE),
}
# It waits 30 s for a slow server on each surface; twice as long is a hang.
PATIENCE_S = 60


class LiteLLM:
    def __init__(self, setup, venv, transport, entries, servers, work, port, environment, name=None):
        self.setup, self.transport, self.port = setup, transport, port
        self.name = name or f"{setup}-{transport}"
        # How much trouble it had with its own listing of all servers at its start, once that is over.
        self.beginning = None
        self.base = f"http://127.0.0.1:{port}"
        self.known = sorted((server.known for server in servers), key=len, reverse=True)
        self.key = "sk-" + secrets.token_hex(32)
        self.log = work / f"litellm-{self.name}-{port}.log"
        # As the page of stdiod advises: its servers in a file of their own.
        folder = work / f"litellm-{self.name}-{port}"
        folder.mkdir()
        (folder / "stdiod.yaml").write_text(entries)
        file = folder / "config.yaml"
        file.write_text("include: [stdiod.yaml]\nmodel_list: []\ngeneral_settings:\n  master_key: os.environ/LITELLM_MASTER_KEY\n")
        variables = {"LITELLM_MASTER_KEY": self.key, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [f"{venv}/bin/litellm", "--config", file, "--host", "127.0.0.1", "--port", str(port)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment | variables, cwd=folder,
            )

    def up(self):
        """Waits until it answers."""

        def alive():
            if self.process.poll() is not None:
                raise RuntimeError(f"LiteLLM ({self.name}) ended with {self.process.returncode}: see {self.log}")
            return get(f"{self.base}/health/liveliness")[0] == 200

        eventually(f"LiteLLM ({self.name}) answers", alive, 240)
        self.ids = {entry["server_id"]: entry["server_name"] for entry in self.get("/v1/mcp/server")}

    def begun(self, front):
        """Waits until its own listing of all servers is over too, which goes on after it is up."""
        self.up()
        if self.beginning is None:
            front.quiet()
            self.beginning = self.trouble(0)

    def stop(self):
        end_process(self.process)

    # === its surfaces: each tells how many tools it has of each server

    def tools(self):
        return self.by_prefix(self.get("/v1/mcp/tools")["tools"])

    def rest(self):
        counts = {}
        for tool in self.get("/mcp-rest/tools/list")["tools"]:
            server = tool["mcp_info"]["server_name"]
            counts[server] = counts.get(server, 0) + 1
        return counts

    def endpoint(self):
        with Session(self) as session:
            tools, cursor = [], {}
            while True:
                page = session.ask("tools/list", cursor)
                tools += page["tools"]
                if not page.get("nextCursor"):
                    return self.by_prefix(tools)
                cursor = {"cursor": page["nextCursor"]}

    def health(self):
        """What it thinks of each server: healthy, unhealthy, or unknown."""
        return {self.ids[entry["server_id"]]: entry["status"] for entry in self.get("/v1/mcp/server/health")}

    def call(self, server):
        tool, arguments, contains = server.call
        with Session(self) as session:
            result = session.ask("tools/call", {"name": f"{server.known}-{tool}", "arguments": arguments})
        text = json.dumps(result)
        assert not result.get("isError") and contains in text, f"{server.name} answered {text[:300]}"

    # === how it is asked

    def get(self, path):
        return json.loads(self.request("GET", path)[1])

    def request(self, method, path, message=None, headers=None):
        headers = {"Authorization": f"Bearer {self.key}", "Accept": "application/json, text/event-stream"} | (headers or {})
        data = None
        if message is not None:
            data, headers["Content-Type"] = json.dumps(message).encode(), "application/json"
        request = urllib.request.Request(self.base + path, data, headers, method=method)
        try:
            with OPENER.open(request, timeout=PATIENCE_S) as answer:
                body, end = b"", time.monotonic() + PATIENCE_S
                # Its streams have comments every few seconds, so silence alone tells nothing.
                while part := answer.read1(1 << 16):
                    body += part
                    assert time.monotonic() < end, f"{method} {path} was not answered within {PATIENCE_S} s"
                return answer.headers, body.decode()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path} was answered {error.code}: {error.read().decode()[:300]}") from None

    def by_prefix(self, tools):
        counts = {}
        for tool in tools:
            server = next((name for name in self.known if tool["name"].startswith(f"{name}-")), f"nobody ({tool['name']})")
            counts[server] = counts.get(server, 0) + 1
        return counts

    # === its log

    def mark(self):
        return self.log.stat().st_size

    def said(self, since):
        """What the log says after a mark."""
        with open(self.log, "rb") as log:
            log.seek(since)
            return log.read().decode(errors="replace")

    def trouble(self, since):
        """How often the log says each kind of trouble after a mark."""
        lines = self.said(since).splitlines()
        return {kind: sum(bool(pattern.search(line)) for line in lines) for kind, pattern in TROUBLE.items()}


class Session:
    """A session at LiteLLM's own endpoint. Older releases give none and answer all the same."""

    def __init__(self, gateway):
        self.gateway, self.headers, self.number = gateway, {}, 0

    def __enter__(self):
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "acceptance", "version": "1"}}
        self.ask("initialize", hello)
        self.headers["MCP-Protocol-Version"] = "2025-06-18"
        self.gateway.request("POST", "/mcp/", {"jsonrpc": "2.0", "method": "notifications/initialized"}, self.headers)
        return self

    def __exit__(self, *_):
        if "Mcp-Session-Id" in self.headers:
            try:
                self.gateway.request("DELETE", "/mcp/", headers=self.headers)
            except (AssertionError, OSError):
                pass

    def ask(self, method, params):
        self.number += 1
        message = {"jsonrpc": "2.0", "id": self.number, "method": method, "params": params}
        headers, body = self.gateway.request("POST", "/mcp/", message, self.headers)
        if headers.get("Mcp-Session-Id"):
            self.headers["Mcp-Session-Id"] = headers["Mcp-Session-Id"]
        texts = [body]
        if headers.get_content_type() == "text/event-stream":
            texts = [line[5:] for line in body.splitlines() if line.startswith("data:") and line[5:].strip()]
        for text in texts:
            answer = json.loads(text)
            if answer.get("id") == self.number and "method" not in answer:
                assert "result" in answer, f"{method} was answered {json.dumps(answer.get('error'))[:300]}"
                return answer["result"]
        raise AssertionError(f"{method} was not answered: {body[:300]}")


class Poller(threading.Thread):
    """Asks surface after surface, and one call each round, until it is told to stop; keeps what it saw.

    `pause` is 0 for the gateway's own pace: the next question follows at once. With 1, one is begun each second, or
    when the last was answered if that took longer.
    """

    def __init__(self, gateway, looks, pause):
        super().__init__(daemon=True)
        self.gateway, self.looks, self.pause = gateway, looks, pause
        self.over, self.polls = threading.Event(), []

    def run(self):
        number = 0
        while not self.over.is_set():
            what, look = self.looks[number % len(self.looks)]
            number += 1
            began = time.monotonic()
            try:
                look()
                trouble = None
            except Exception as error:
                trouble = f"{type(error).__name__}: {error}"[:300]
            ended = time.monotonic()
            self.polls.append((began, ended, what, trouble))
            self.over.wait(max(0.0, self.pause - (ended - began)))

    def stop(self):
        self.over.set()
        self.join(PATIENCE_S + 10)
