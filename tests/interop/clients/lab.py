"""The checks of the laboratory, the same for every client written in Python; how a client does things is told in its driver.

    driver.py MODE PLAN

What the checks are, the plan and the lines are described in README.md.

A driver hands `main` a function `connect(url, idle=None, asked=None)`, whose result is an asynchronous context manager of a
connection. `idle` is how many seconds the client waits for the next byte; `asked` has the plan's answers of a client that
can be asked. A connection has the methods tools, prompts and resources, which say how many there are (None: the server
offers none), and call(tool, arguments, on_progress=None), which returns the text and raises if the tool failed; whoever is
cancelled while it calls tells the server.
"""

import asyncio
import json
import logging
import sys
import time
import traceback
from pathlib import Path

SECONDS_PER_CHECK = 30
SECONDS_FOR_CHURN = 60
SECONDS_TO_CLOSE = 5
KINDS = ("tools", "prompts", "resources")


class Lost(Exception):
    """The connection ended while something was asked over it."""


def cause(error):
    """The innermost reason: task groups wrap it in groups of one."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def contains(call, text):
    assert call["contains"] in text, f"{call['contains']!r} is not in {text[:200]!r}"
    return text.strip()[:80]


class Held:
    """A connection that lives in a task of its own: what a client enters has to be left by the same one."""

    def __init__(self, connecting):
        self.connecting, self.leave = connecting, asyncio.Event()

    async def open(self):
        opened = asyncio.get_running_loop().create_future()
        self.life = asyncio.create_task(self.live(opened))
        await asyncio.wait([opened, self.life], return_when=asyncio.FIRST_COMPLETED)
        if self.life.done() and not opened.done():
            await self.life
        return self

    async def live(self, opened):
        async with self.connecting as self.connection:
            opened.set_result(None)
            await self.leave.wait()

    async def do(self, what, *arguments):
        """Asks over the connection, and does not wait for an answer when the connection has ended."""
        if self.life.done():
            raise self.lost()
        asking = asyncio.create_task(getattr(self.connection, what)(*arguments))
        try:
            await asyncio.wait([asking, self.life], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            asking.cancel()
            await asyncio.wait([asking], timeout=SECONDS_TO_CLOSE)
            raise
        if asking.done():
            return asking.result()
        asking.cancel()
        raise self.lost()

    def lost(self):
        error = None if self.life.cancelled() else self.life.exception()
        return Lost(f"the client ended its connection: {cause(error) if error else 'without an error'}")

    async def close(self):
        self.leave.set()
        async with asyncio.timeout(SECONDS_TO_CLOSE):
            await self.life

    async def drop(self):
        """Leaves it whatever that takes."""
        self.leave.set()
        self.life.cancel()
        await asyncio.wait([self.life], timeout=SECONDS_TO_CLOSE)


class Lab:
    """Each method is a check of this name, and gives the detail of its line."""

    def __init__(self, connect, plan, lacks):
        self.connect_to, self.plan, self.lacks = connect, plan, lacks
        self.held = None

    def entry(self, server):
        return next(entry for entry in self.plan["servers"] if entry["server"] == server)

    def where(self, entry):
        return entry["sse"] if self.plan["over"] == "sse" else entry["url"]

    async def ask(self, what):
        """What the laboratory does for the client."""
        print(json.dumps({"ask": what}), flush=True)
        said = json.loads(await asyncio.to_thread(sys.stdin.readline) or "{}")
        assert "done" in said, f"the laboratory could not {what}: {said.get('failed')}"

    async def session(self):
        """The one session; another one if a check before has lost it."""
        if self.held is None or self.held.life.done():
            self.held = await Held(self.connect_to(self.where(self.plan))).open()
        return self.held

    async def count(self, kind):
        await self.session()
        return await self.lists(kind)

    async def lists(self, kind):
        wanted = self.entry("everything")[kind]
        found = await self.held.do(kind)
        assert found == wanted, f"{found} instead of {wanted}"
        return f"{found}"

    async def echo(self):
        call = self.plan["call"]
        return contains(call, await self.held.do("call", call["tool"], call["arguments"]))

    async def connect(self):
        await self.session()
        return str(self.held.connection.revision)

    async def tools(self):
        return await self.count("tools")

    async def prompts(self):
        return await self.count("prompts")

    async def resources(self):
        return await self.count("resources")

    async def call(self):
        await self.session()
        return await self.echo()

    async def servers(self):
        for entry in self.plan["servers"]:
            async with self.connect_to(self.where(entry)) as connection:
                for kind in KINDS:
                    found = await getattr(connection, kind)()
                    assert found == entry[kind], f"{entry['server']} has {found} {kind} instead of {entry[kind]}"
                contains(entry["call"], await connection.call(entry["call"]["tool"], entry["call"]["arguments"]))
        return f"{len(self.plan['servers'])} servers"

    async def progress(self):
        long, idle, seen = self.plan["long"], self.plan["idle"], []
        async with self.connect_to(self.where(self.plan), idle=idle) as connection:
            begin = time.monotonic()
            text = await connection.call(long["tool"], long["arguments"], lambda step: seen.append(step))
            took, in_time = time.monotonic() - begin, list(seen)
        contains(long, text)
        assert took > idle, f"it took {took:.1f} s, which is no longer than the client waits"
        assert len(in_time) == long["events"] and in_time == sorted(set(in_time)), f"progress was {in_time}, and in the end {seen}"
        return f"{len(in_time)} events in {took:.1f} s, idle time {idle} s"

    async def cancel(self):
        held, long = await self.session(), self.plan["cancel"]
        call = asyncio.create_task(held.do("call", long["tool"], long["arguments"]))
        await self.ask("busy")
        assert not call.done(), f"it ended by itself: {call.exception() or call.result()}"
        begin = time.monotonic()
        call.cancel()
        await asyncio.wait([call])
        await self.ask("settled")
        took = time.monotonic() - begin
        await self.echo()
        return f"nothing in flight after {took:.1f} s"

    async def sampling(self):
        return await self.asked("sampling")

    async def elicitation(self):
        return await self.asked("elicitation")

    async def asked(self, about):
        step = self.plan[about]
        answers = {"sampling": self.plan["answer"], "elicitation": self.plan["elicitation"]["content"]}
        async with self.connect_to(self.where(self.plan), asked=answers) as connection:
            contains(step, await connection.call(step["tool"], step["arguments"]))
        return "asked and answered"

    async def discover(self, entry):
        async with self.connect_to(self.where(entry)) as connection:
            found = await connection.tools()
        assert found == entry["tools"], f"{entry['server']} has {found} tools instead of {entry['tools']}"

    async def parallel(self):
        servers, begin = self.plan["servers"], time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(self.plan["discoveries"]):
                group.create_task(self.discover(servers[number % len(servers)]))
        return f"{self.plan['discoveries']} in {time.monotonic() - begin:.1f} s"

    async def churn(self):
        begin = time.monotonic()
        for _ in range(self.plan["rounds"]):
            await self.discover(self.entry("everything"))
        return f"{self.plan['rounds']} in {time.monotonic() - begin:.1f} s"

    async def restart(self):
        return await self.goes_on("restart")

    async def kill(self):
        return await self.goes_on("kill")

    async def crash(self):
        return await self.goes_on("crash")

    async def goes_on(self, what):
        """Before it, a session that another check has lost is replaced; after it, there is the one that was held, or none."""
        await self.session()
        await self.echo()
        await self.ask(what)
        begin = time.monotonic()
        await self.lists("tools")
        await self.echo()
        return f"listed and called after {time.monotonic() - begin:.1f} s"

    async def close(self):
        held, self.held = await self.session(), None
        begin = time.monotonic()
        try:
            await held.close()
        except TimeoutError:
            raise AssertionError(f"not closed within {SECONDS_TO_CLOSE} s") from None
        finally:
            await held.drop()
        return f"{time.monotonic() - begin:.1f} s"

    async def check(self, name):
        seconds = SECONDS_FOR_CHURN if name == "churn" else SECONDS_PER_CHECK
        try:
            async with asyncio.timeout(seconds):
                if name in self.lacks:
                    result, detail = "none", "the client knows no such thing"
                else:
                    result, detail = "ok", await getattr(self, name)()
        except BaseException as error:
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            # A client of this kind may cancel whoever entered it; the other checks go on.
            if task := asyncio.current_task():
                task.uncancel()
            result, detail = "fail", f"no end within {seconds} s" if isinstance(error, TimeoutError) else cause(error)
            traceback.print_exc()
            if name in ("restart", "kill", "crash") and self.held:
                await self.held.drop()
                self.held = None
        print(json.dumps({"check": name, "result": result, "detail": detail}), flush=True)


def main(connect, lacks=()):
    """`lacks` has the checks of what a client does not know."""
    logging.basicConfig(level=logging.WARNING)
    _, mode, file = sys.argv
    plan = json.loads(Path(file).read_text())
    plan["over"] = "sse" if mode == "sse" else "http"

    async def all_checks():
        lab = Lab(lambda url, idle=None, asked=None: connect(mode, url, idle, asked), plan, lacks)
        for name in plan["checks"]:
            # Each in a task of its own, so that one that is cancelled from within takes no other with it.
            await asyncio.create_task(lab.check(name))

    asyncio.run(all_checks())
