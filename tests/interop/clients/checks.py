"""The checks of the table, the same for every Python SDK; how a check is done with an SDK is told in its `table.py`.

    table.py CLIENT MODE TARGETS

TARGETS is a file with a list of what to connect to: a server's name, where it is (`url`, or `command` with `env`), and
what to ask of it. MODE is handed to the SDK. Prints a line per check: client, server, check, `ok` or `FAIL`, and a
detail, separated by tabs.

A connection is what `connect(target, mode, answers)` of the SDK yields: it has `revision`, `heard` (what was logged),
and the methods tools, call, prompts, prompt, resources, read and news; see the SDKs.
"""

import asyncio
import json
import sys
import traceback
from pathlib import Path

SECONDS_PER_CHECK = 30
SECONDS_PER_SERVER = 120
SAMPLED = "an answer made by the client"
ROOT = "file:///the/root/of/the/client"


def cause(error):
    """The innermost reason: task groups wrap it in groups of one."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


async def eventually(what, look, seconds=10):
    end = asyncio.get_running_loop().time() + seconds
    while not (seen := look()):
        if asyncio.get_running_loop().time() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        await asyncio.sleep(0.02)
    return seen


def contains(wanted, said):
    assert wanted in said, f"{wanted!r} is not in {said[:200]!r}"
    return said.strip()[:80]


async def tool(connection, step):
    said, failed = await connection.call(step["tool"], step["arguments"])
    assert not failed, f"the tool failed: {said[:200]}"
    return said


class Checks:
    """Each method is a check of this name, and gives the detail of its line."""

    def __init__(self, connection, ask):
        self.connection, self.ask = connection, ask

    async def revision(self):
        """The revision in which the server was spoken to, as the server has it."""
        return contains(self.ask["revision"]["contains"], await tool(self.connection, self.ask["revision"]))

    async def tools(self):
        names = await self.connection.tools()
        missing = set(self.ask["tools"]) - set(names)
        assert not missing, f"{sorted(missing)} are not among {sorted(names)}"
        return f"{len(names)} tools"

    async def call(self):
        return contains(self.ask["call"]["contains"], await tool(self.connection, self.ask["call"]))

    async def unknown(self):
        """A tool that is not there is refused, by an error or by a result that says so."""
        try:
            said, failed = await self.connection.call("no-such-tool", {})
        except self.connection.Refused as error:
            return contains("no-such-tool", str(error))
        assert failed, f"it was answered {said[:200]}"
        return contains("no-such-tool", said)

    async def prompts(self):
        step = self.ask["prompts"]
        names = await self.connection.prompts()
        assert step["name"] in names, f"it is not among {names}"
        return contains(step["contains"], await self.connection.prompt(step["name"], step["arguments"]))

    async def resources(self):
        step = self.ask["resources"]
        uris = await self.connection.resources()
        assert step["uri"] in uris, f"it is not among {uris}"
        return contains(step["contains"], await self.connection.read(step["uri"]))

    async def progress(self):
        """Of server-everything a step may be missing: it asks for roots soon after its start, and whoever is asked in rounds
        hears of no progress until it has answered."""
        step, seen = self.ask["progress"], []
        said, failed = await self.connection.call(step["tool"], step["arguments"], seen.append)
        assert not failed, f"the tool failed: {said[:200]}"
        await eventually(f"{step['least']} steps, only {seen}", lambda: len(seen) >= step["least"])
        assert seen == sorted(set(seen)), f"progress was {seen}"
        return f"{len(seen)} steps"

    async def log(self):
        """Whoever writes messages does not say for whom, so nobody is told while the server works for others too, and
        server-everything's tool is a switch that another client may have turned on: it may take more than one call."""
        step, heard = self.ask["log"], self.connection.heard
        before = len(heard)
        for more in reversed(range(4)):
            await tool(self.connection, step)
            try:
                await eventually("a log message", lambda: any(step["contains"] in said for said in heard[before:]), 2)
                break
            except AssertionError:
                if not more:
                    raise
        return f"{len(heard) - before} messages"

    async def elicitation(self):
        return contains(self.ask["elicitation"]["contains"], await tool(self.connection, self.ask["elicitation"]))

    async def sampling(self):
        return contains(SAMPLED, await tool(self.connection, self.ask["sampling"]))

    async def roots(self):
        return contains(ROOT, await tool(self.connection, self.ask["roots"]))

    async def changed(self):
        """The client is told that the list of tools has changed."""
        async with self.connection.news() as told:
            await tool(self.connection, self.ask["changed"])
            await asyncio.wait_for(told(), 10)
        return "told"

    async def cancel(self):
        """A call that the client gives up is cancelled at the server, and the next one is answered."""
        step = self.ask["cancel"]
        call = asyncio.create_task(self.connection.call(step["tool"], step["arguments"]))
        if "began" in step:
            began = lambda: call.done() or Path(step["began"]).exists()
            await eventually("the call begins", began)
        else:
            await asyncio.sleep(0.5)
        assert not call.done(), f"it ended by itself: {call.exception() or call.result()}"
        call.cancel()
        await asyncio.wait([call])
        if "cancelled" in step:
            await eventually("the server hears of it", lambda: Path(step["cancelled"]).exists())
        contains(self.ask["call"]["contains"], await tool(self.connection, self.ask["call"]))
        return "the server heard of it" if "cancelled" in step else "the next call was answered"


async def table(connect, client, mode, target):
    server = target["server"]

    def line(check, result, detail):
        detail = detail.replace("\n", " ").replace("\t", " ")[:300]
        print(client, server, check, result, detail, sep="\t", flush=True)

    begun = False
    try:
        async with asyncio.timeout(SECONDS_PER_SERVER), connect(target, mode) as connection:
            begun = True
            line("connect", "ok", connection.revision)
            for check, step in target["ask"].items():
                if step is None:
                    continue
                try:
                    async with asyncio.timeout(SECONDS_PER_CHECK):
                        line(check, "ok", await getattr(Checks(connection, target["ask"]), check)())
                except (Exception, TimeoutError) as error:
                    line(check, "FAIL", cause(error))
        line("close", "ok", "")
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        line("close" if begun else "connect", "FAIL", cause(error))
        traceback.print_exc()


def main(connect):
    client, mode, targets = sys.argv[1:]

    async def every():
        for target in json.loads(Path(targets).read_text()):
            await table(connect, client, mode, target)

    asyncio.run(every())
