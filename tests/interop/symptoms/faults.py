"""A Streamable HTTP server that is healthy but for the one fault that its path names: /FAULT/mcp.

A fault is WHEN-WHAT, or one of the rest:

    WHEN        post (every POST), list (tools/list), get (the stream), delete (the end of a session), race (the stream, at the
                moment that is wrong for the Inspector: between the handshake and the list)
    WHAT        a status; `closed` (no answer, the connection breaks), `silent` (no answer, the connection stays), `empty` (200
                and no body), `html` (200 and a page), `ends` (an event stream without an answer)
    none        all is well
    both-types  406, unless `Accept` names JSON and event streams
    token       401, unless there is an `Authorization`
    forgets     404 for a session that had its first list
"""

import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECONDS_OF_SILENCE = 5
# And an open stream stays open.
SECONDS_OPEN = 60
# How long the refusal of a stream and the moment for it wait for each other.
SECONDS_TO_MEET = 3
TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("one", "two")]
BOTH = ("application/json", "text/event-stream")


class Meeting:
    """Of a session's stream with its `logging/setLevel`, which the Inspector sends after the handshake and waits for."""

    def __init__(self):
        self.between, self.refused = threading.Event(), threading.Event()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def begin(self):
        """What is wrong, and the body. Nothing of a request stays unread."""
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        found = re.fullmatch(r"/([^/]+)/mcp", self.path)
        self.fault = found[1] if found else ""
        return bool(found)

    def answer(self, status, body=b"", kind="application/json", **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def fails(self, what):
        """Does the one thing that is wrong."""
        if what == "closed":
            self.close_connection = True
        elif what == "silent":
            self.server.over.wait(SECONDS_OF_SILENCE)
            self.close_connection = True
        elif what == "empty":
            self.answer(200)
        elif what == "html":
            self.answer(200, b"<html><body>Welcome</body></html>", "text/html")
        elif what == "ends":
            self.answer(200, b": nothing follows\n\n", "text/event-stream")
        else:
            self.answer(int(what), b"" if what == "202" else b'{"error":"made to fail"}')

    def faulty(self, *whens):
        for when in whens:
            if self.fault.startswith(f"{when}-"):
                self.fails(self.fault.removeprefix(f"{when}-"))
                return True
        return False

    def do_POST(self):
        if not self.begin():
            self.answer(404)
            return
        message = json.loads(self.body)
        method = message.get("method")
        if self.fault == "both-types" and not all(kind in self.headers.get("Accept", "") for kind in BOTH):
            # Servers that are built with the SDKs want both, whatever they answer with.
            self.answer(406, b'{"error":"accept both"}')
        elif self.fault == "token" and "Authorization" not in self.headers:
            self.answer(401, b'{"error":"no token"}')
        elif self.fault == "forgets" and self.forgotten(method):
            self.answer(404, b'{"error":"session not found"}')
        elif not (self.faulty("post", "list") if method == "tools/list" else self.faulty("post")):
            self.serve(message, method)

    def forgotten(self, method):
        """The session is known for one listing, and then never again."""
        session = self.headers.get("Mcp-Session-Id")
        if method == "initialize" or session not in self.server.listed:
            if method == "tools/list":
                self.server.listed.add(session)
            return False
        return True

    def serve(self, message, method):
        if "id" not in message:
            self.answer(202)
            return
        headers = {}
        if method == "initialize":
            result = {
                "protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}, "logging": {}},
                "serverInfo": {"name": "faults", "version": "1"},
            }  # fmt: skip
            headers["Mcp_Session_Id"] = self.server.next_session()
        elif method == "tools/list":
            result = {"tools": TOOLS}
        else:
            self.meets()
            result = {}
        self.answer(200, json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode(), **headers)

    def meets(self):
        """With `race` the answer waits for the stream to be refused, and a moment more until that is known."""
        if self.fault.startswith("race-"):
            meeting = self.server.meeting(self.headers.get("Mcp-Session-Id"))
            meeting.between.set()
            meeting.refused.wait(SECONDS_TO_MEET)
            time.sleep(0.05)

    def do_GET(self):
        if not self.begin():
            self.answer(404)
        elif self.fault.startswith("race-"):
            meeting = self.server.meeting(self.headers.get("Mcp-Session-Id"))
            meeting.between.wait(SECONDS_TO_MEET)
            self.fails(self.fault.removeprefix("race-"))
            meeting.refused.set()
        elif not self.faulty("get"):
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            self.wfile.flush()
            self.server.over.wait(SECONDS_OPEN)
            self.close_connection = True

    def do_DELETE(self):
        if not self.begin():
            self.answer(404)
        elif not self.faulty("delete"):
            self.answer(200)

    def log_message(self, *_):
        """The table tells enough."""


class Faults(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock, self.sessions, self.meetings = threading.Lock(), 0, {}
        # Sessions that had their one listing.
        self.listed = set()
        self.over = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, fault):
        return f"http://127.0.0.1:{self.server_port}/{fault}/mcp"

    def next_session(self):
        with self.lock:
            self.sessions += 1
            return f"session-{self.sessions}"

    def meeting(self, session):
        with self.lock:
            return self.meetings.setdefault(session, Meeting())

    def handle_error(self, *_):
        """Clients that go away are what this is for."""

    def end(self):
        self.over.set()
        self.shutdown()
        self.server_close()
