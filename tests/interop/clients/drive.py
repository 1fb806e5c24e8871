"""The checks of the laboratory for a client that is played from here; how a thing is done with it is told in its `driver.py`.

    driver.py MODE PLAN

A driver is a `Drive` that says in `open` how a connection is made; what is checked differently with a client it overrides, and
what a client has not it names in `lacks`, with the reason. A connection has `revision`, and the methods tools, prompts,
resources (how many there are), call and close. Lines on standard output say how a check went, or ask the laboratory for
an act, which it confirms on standard input.
"""

import itertools
import json
import queue
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

CHECKS = """connect tools prompts resources call servers progress cancel sampling elicitation parallel churn
restart kill crash close""".split()
REVISION = "2025-11-25"
# Generous: a client may be a program that has to start first, next to many others.
SECONDS_TO_ANSWER = 90
SECONDS_TO_CLOSE = 5
SECONDS_TO_END = 10


def say(line):
    print(json.dumps(line), flush=True)


def ask(act):
    say({"ask": act})
    told = sys.stdin.readline()
    assert told, f"the laboratory left at {act}"
    failed = json.loads(told).get("failed")
    assert failed is None, f"{act}: {failed}"


def counted(what, found, wanted):
    assert found == wanted, f"{found} {what}, where the server has {wanted}"


def told_in(result, step):
    """The result of a call is what the plan expects."""
    text = "\n".join(item["text"] for item in result["content"] if item["type"] == "text")
    assert not result.get("isError"), f"{step['tool']} failed: {text[:200]}"
    assert step["contains"] in text, f"'{step['contains']}' is not in '{text[:200]}'"


@contextmanager
def at(what):
    """Whatever fails inside says where."""
    try:
        yield
    except Exception as error:
        raise AssertionError(f"{what}: {error}") from error


class Lacking(Exception):
    """The client has no such thing, as was seen while it was tried."""


class Drive:
    lacks = {}

    def __init__(self):
        self.mode, file = sys.argv[1:]
        with open(file) as plan:
            self.plan = json.load(plan)
        self.held = None

    def main(self):
        for check in CHECKS:
            try:
                if check in self.lacks:
                    say({"check": check, "result": "none", "detail": self.lacks[check]})
                    continue
                assert self.held or check == "connect", "it never connected"
                say({"check": check, "result": "ok", "detail": getattr(self, check)()})
            except Lacking as lack:
                say({"check": check, "result": "none", "detail": str(lack)})
            except Exception as error:
                traceback.print_exc()
                say({"check": check, "result": "fail", "detail": f"{type(error).__name__}: {error}".replace("\n", " ")[:300]})

    def open(self, where, answers=None):
        raise NotImplementedError

    def connect(self):
        self.held = self.open(self.plan)
        return self.held.revision

    def lists(self, what):
        wanted = self.plan["servers"][0][what]
        counted(what, getattr(self.held, what)(), wanted)
        return f"{wanted} {what}"

    def tools(self):
        return self.lists("tools")

    def prompts(self):
        return self.lists("prompts")

    def resources(self):
        return self.lists("resources")

    def call(self):
        told_in(self.held.call(self.plan["call"]), self.plan["call"])
        return f"{self.plan['call']['tool']} answered"

    def servers(self):
        for entry in self.plan["servers"]:
            with at(entry["server"]):
                connection = self.open(entry)
                counted("tools", connection.tools(), entry["tools"])
                told_in(connection.call(entry["call"]), entry["call"])
                connection.close()
        return f"{len(self.plan['servers'])} listed and called"

    def progress(self):
        """The long call, on a connection that gives up when nothing came for so long."""
        long, idle = self.plan["long"], self.plan["idle"]
        connection = self.open_impatient(idle)
        begin, seen = time.monotonic(), []
        told_in(connection.call(long, idle=idle, seen=seen), long)
        lasted = time.monotonic() - begin
        if connection is not self.held:
            connection.close()
        steps = [event["progress"] for event in seen]
        assert len(steps) == long["events"], f"{len(steps)} of {long['events']} events before the answer"
        assert steps == sorted(set(steps)), f"progress was {steps}"
        assert lasted > idle, f"it lasted {lasted:.1f} s, which is not longer than the client waits"
        return f"{len(steps)} events in {lasted:.1f} s"

    def open_impatient(self, _idle):
        return self.held

    def cancel(self):
        self.held.cancel(self.plan["cancel"])
        ask("settled")
        self.call()
        return "nothing in flight, the next call was answered"

    def asked(self, what):
        connection = self.open(self.plan, {"said": self.plan["answer"], "content": self.plan["elicitation"]["content"]})
        told_in(connection.call(self.plan[what]), self.plan[what])
        connection.close()
        return "asked and answered"

    def sampling(self):
        return self.asked("sampling")

    def elicitation(self):
        return self.asked("elicitation")

    def discover(self, entry):
        with at(entry["server"]):
            connection = self.open(entry)
            counted("tools", connection.tools(), entry["tools"])
            return connection

    def parallel(self):
        count, servers = self.plan["discoveries"], self.plan["servers"]
        with ThreadPoolExecutor(count) as pool:
            connections = list(pool.map(self.discover, (servers[n % len(servers)] for n in range(count))))
            list(pool.map(lambda connection: connection.close(), connections))
        return f"{count} at once"

    def churn(self):
        for n in range(self.plan["rounds"]):
            with at(f"round {n + 1}"):
                self.discover(self.plan["servers"][0]).close()
        return f"{self.plan['rounds']} rounds"

    def outlives(self, what):
        before = self.held.stream()
        ask(what)
        note = None if what == "crash" else self.held.ready(before)
        self.tools()
        self.call()
        return ", ".join(filter(None, ("the same session", note)))

    def restart(self):
        return self.outlives("restart")

    def kill(self):
        return self.outlives("kill")

    def crash(self):
        return self.outlives("crash")

    def close(self):
        begin = time.monotonic()
        self.held.close()
        lasted = time.monotonic() - begin
        assert lasted < SECONDS_TO_CLOSE, f"it took {lasted:.1f} s"
        return "closed"


class Connection:
    """What is the same for all: lists and calls by requests."""

    def request(self, method, params=None, **options):
        raise NotImplementedError

    def count(self, what):
        return len(self.request(f"{what}/list")[what])

    def tools(self):
        return self.count("tools")

    def prompts(self):
        return self.count("prompts")

    def resources(self):
        return self.count("resources")

    def call(self, step, **options):
        return self.request("tools/call", {"name": step["tool"], "arguments": step["arguments"]}, **options)

    def stream(self):
        """A mark of the stream the connection depends on, if there is one that does not outlive the daemon."""

    def ready(self, before):
        """Waits for another stream than that, and says so."""


class Peer(Connection):
    """A client of JSON-RPC messages: `send` writes one, and whoever reads gives each that comes to `hear`."""

    def __init__(self, answers):
        self.answers = answers
        self.ids = itertools.count(1)
        self.waiting = {}
        self.lock = threading.Lock()
        self.revision = None

    def send(self, message):
        raise NotImplementedError

    def hear(self, message):
        if "method" in message and "id" in message:
            self.send({"jsonrpc": "2.0", "id": message["id"], **self.answered(message["method"])})
        elif message.get("method") == "notifications/progress":
            self.hand(message["params"]["progressToken"], message)
        elif "method" not in message:
            self.hand(message["id"], message)

    def hand(self, id, message):
        with self.lock:
            box = self.waiting.get(id)
        if box:
            box.put(message)
        else:
            print(f"nobody waits for {message}", file=sys.stderr)

    def answered(self, method):
        if method == "ping":
            return {"result": {}}
        if self.answers and method == "sampling/createMessage":
            said = {"role": "assistant", "content": {"type": "text", "text": self.answers["said"]}, "model": "none"}
            return {"result": said | {"stopReason": "endTurn"}}
        if self.answers and method == "elicitation/create":
            return {"result": {"action": "accept", "content": self.answers["content"]}}
        return {"error": {"code": -32601, "message": f"this client knows no {method}"}}

    def begin(self, method, params=None):
        """The id of the request, by which its answer is waited for."""
        id = next(self.ids)
        with self.lock:
            self.waiting[id] = queue.Queue()
        params = dict(params or {}, _meta={"progressToken": id}) if method == "tools/call" else params or {}
        self.send({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
        return id

    def end(self, id, idle=SECONDS_TO_ANSWER, seen=None):
        """The result; `idle` is how long nothing may come, and what comes before it is seen."""
        try:
            while True:
                try:
                    message = self.waiting[id].get(timeout=idle)
                except queue.Empty:
                    raise AssertionError(f"nothing came for {idle} s") from None
                if "method" not in message:
                    break
                if seen is not None:
                    seen.append(message["params"])
        finally:
            with self.lock:
                del self.waiting[id]
        assert "result" in message, f"it was answered {message.get('error')}"
        return message["result"]

    def request(self, method, params=None, **options):
        return self.end(self.begin(method, params), **options)

    def greet(self, revision=REVISION):
        abilities = {"sampling": {}, "elicitation": {}} if self.answers else {}
        params = {"protocolVersion": revision, "capabilities": abilities, "clientInfo": {"name": "interop", "version": "1.0.0"}}
        self.revision = self.request("initialize", params)["protocolVersion"]
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def cancel(self, step):
        id = self.begin("tools/call", {"name": step["tool"], "arguments": step["arguments"]})
        ask("busy")
        self.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id, "reason": "given up"}})
        # Whoever cancels waits no longer; what comes all the same is no harm.
        with self.lock:
            del self.waiting[id]
