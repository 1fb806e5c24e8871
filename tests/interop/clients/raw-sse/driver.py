"""The checks of the laboratory with a bare client of HTTP+SSE, revision 2024-11-05: a stream that carries everything, and a
path to post to. Like a browser's EventSource it opens a stream that ended again, and goes on without another greeting.
"""

import http.client
import json
import socket
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urljoin, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from drive import SECONDS_TO_ANSWER, SECONDS_TO_END, Drive, Peer  # noqa: E402

REVISION = "2024-11-05"
SECONDS_BETWEEN_TRIES = 0.2


class Stream(Peer):
    def __init__(self, url, answers):
        super().__init__(answers)
        self.url, self.endpoint, self.closed = url, None, False
        self.opened = threading.Condition()
        self.take_up()
        threading.Thread(target=self.read, daemon=True).start()
        with self.opened:
            assert self.opened.wait_for(lambda: self.endpoint, SECONDS_TO_ANSWER), "no path to post to was told"
        self.greet(REVISION)

    def take_up(self):
        parts = urlsplit(self.url)
        self.line = http.client.HTTPConnection(parts.hostname, parts.port, timeout=SECONDS_TO_ANSWER)
        self.line.request("GET", parts.path, headers={"Accept": "text/event-stream", "Cache-Control": "no-store"})
        self.socket = self.line.sock
        self.events = self.line.getresponse()
        kind = self.events.getheader("Content-Type", "")
        is_stream = self.events.status == 200 and kind.startswith("text/event-stream")
        assert is_stream, f"the stream was answered {self.events.status} {kind}"

    def read(self):
        while not self.closed:
            try:
                self.until_it_ends()
            except OSError as error:
                print(f"the stream broke: {error}", file=sys.stderr)
            except http.client.HTTPException as error:
                print(f"the stream was cut: {error!r}", file=sys.stderr)
            end = time.monotonic() + SECONDS_TO_ANSWER
            while not self.closed and time.monotonic() < end:
                try:
                    self.take_up()
                    break
                except (AssertionError, OSError, http.client.HTTPException):
                    time.sleep(SECONDS_BETWEEN_TRIES)

    def until_it_ends(self):
        event, data = "message", []
        for line in self.events:
            field, _, value = line.decode().rstrip("\r\n").partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                event = value
            elif field == "data":
                data.append(value)
            elif not field and not value and data:
                self.take(event, "\n".join(data))
                event, data = "message", []

    def take(self, event, data):
        if event == "endpoint":
            with self.opened:
                self.endpoint = urljoin(self.url, data)
                self.opened.notify_all()
        else:
            self.hear(json.loads(data))

    def send(self, message):
        parts = urlsplit(self.endpoint)
        line = http.client.HTTPConnection(parts.hostname, parts.port, timeout=SECONDS_TO_ANSWER)
        try:
            line.request("POST", f"{parts.path}?{parts.query}", json.dumps(message), {"Content-Type": "application/json"})
            answer = line.getresponse()
            said = answer.read(200)
        finally:
            line.close()
        assert answer.status == 202, f"{message.get('method')} was answered {answer.status}: {said}"

    def stream(self):
        return self.endpoint

    def ready(self, before):
        begin = time.monotonic()
        with self.opened:
            assert self.opened.wait_for(lambda: self.endpoint != before, SECONDS_TO_END), "its stream did not open again"
        return f"its stream open again after {time.monotonic() - begin:.1f} s"

    def close(self):
        self.closed = True
        self.socket.shutdown(socket.SHUT_RDWR)


class Bare(Drive):
    def open(self, where, answers=None):
        return Stream(where["sse"], answers)


Bare().main()
