"""A client that shows what is on the wire: one connection a request, and event streams line by line with their times."""

import http.client
import json
import time

LEGACY, MODERN = "2025-11-25", "2026-07-28"
ENVELOPE = "io.modelcontextprotocol/"


class Answer:
    """An answer whose head has come."""

    def __init__(self, connection, response, begin):
        self.connection, self.response, self.begin = connection, response, begin
        self.status, self.headers = response.status, response.headers

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Both, because the response keeps the socket open as long as it is.
        self.response.close()
        self.connection.close()

    def streams(self):
        return self.headers.get("Content-Type", "").startswith("text/event-stream")

    def lines(self):
        """Each line with the time at which it came, in seconds since the request was sent."""
        while line := self.response.readline():
            if line := line.decode().rstrip("\r\n"):
                yield time.monotonic() - self.begin, line

    def messages(self):
        """Each message of a stream, or the one of a JSON answer, with the time at which it came."""
        if not self.streams():
            text = self.response.read().decode()
            yield time.monotonic() - self.begin, json.loads(text)
            return
        for when, line in self.lines():
            if line.startswith("data:") and "{" in line:
                yield when, json.loads(line[5:])

    def result(self):
        """The result at the end of it."""
        assert self.status == 200, f"answered {self.status}: {self.response.read(200)}"
        for _, message in self.messages():
            if "error" in message:
                raise AssertionError(f"answered with {message['error']}")
            if "result" in message:
                return message["result"]
        raise AssertionError("the stream ended without an answer")


class Wire:
    """Requests to one endpoint, in one session if it has begun one."""

    def __init__(self, port, token, path="/servers/demo/mcp", host=None):
        self.port, self.path, self.session, self.version, self.ids = port, path, None, None, 0
        self.common = {"Authorization": f"Bearer {token}"} if token else {}
        if host:
            self.common["Host"] = host

    def send(self, method, body=None, headers=None, path=None, seconds=20):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        headers = self.common | (headers or {})
        if self.session:
            headers["Mcp-Session-Id"] = self.session
        if self.version:
            headers["MCP-Protocol-Version"] = self.version
        begin = time.monotonic()
        connection.request(method, path or self.path, body, headers)
        return Answer(connection, connection.getresponse(), begin)

    def post(self, message, headers=None, path=None, seconds=20):
        types = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        return self.send("POST", json.dumps(message), types | (headers or {}), path, seconds)

    def request(self, method, params=None, token=None, **options):
        self.ids += 1
        params = dict(params or {})
        if token:
            params["_meta"] = {"progressToken": token}
        return self.post({"jsonrpc": "2.0", "id": self.ids, "method": method, "params": params}, **options)

    def call(self, tool, arguments=None, **options):
        return self.request("tools/call", {"name": tool, "arguments": arguments or {}}, **options)

    def ask(self, method, params=None, **options):
        with self.request(method, params, **options) as answer:
            return answer.result()

    def use(self, tool, arguments=None, **options):
        with self.call(tool, arguments, **options) as answer:
            return answer.result()["content"][0]["text"]

    def notify(self, method, params=None):
        with self.post({"jsonrpc": "2.0", "method": method, "params": params or {}}) as answer:
            assert answer.status == 202, f"{method} was answered {answer.status}"

    def open(self):
        """Begins a session."""
        who = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "wire", "version": "1"}}
        with self.request("initialize", who) as answer:
            self.session = answer.headers["Mcp-Session-Id"]
            answer.result()
        self.version = LEGACY
        self.notify("notifications/initialized")
        return self

    def modern(self, method, params=None, name=None, token=None, **options):
        """A request of the era that has no sessions."""
        self.ids += 1
        meta = {f"{ENVELOPE}protocolVersion": MODERN, f"{ENVELOPE}clientCapabilities": {}}
        if token:
            meta["progressToken"] = token
        headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method} | ({"Mcp-Name": name} if name else {})
        params = {**(params or {}), "_meta": meta}
        return self.post({"jsonrpc": "2.0", "id": self.ids, "method": method, "params": params}, headers, **options)
