"""Programs as people write them with the Python SDK 1.x. Each line of standard input is one run:

    {"program": NAME, "url": URL, "token": TEXT?, "accept": TYPE?, "patience": SECONDS?, "tool": NAME?, "arguments": {}?}

and each line of standard output what came of it: {"tools": COUNT or null, "error": CODE and text of a JSON-RPC error, or null,
"words": everything that was raised or logged, "took": SECONDS, "left": SECONDS for leaving}. A program that is to go on after
something was done to its server says {"ask": ACT} first, and reads a line.
"""

import asyncio
import contextlib
import io
import json
import logging
import sys
import time
import traceback
from datetime import timedelta

import httpx
from mcp import ClientSession, McpError
from mcp.client.streamable_http import streamablehttp_client

# A program's own limit for an answer, and the HTTP client's.
SECONDS_OF_PATIENCE = 10


class Run:
    def __init__(self, url, token=None, accept=None, patience=SECONDS_OF_PATIENCE, tool=None, arguments=None, **_):
        self.url, self.accept, self.patience = url, accept, patience
        self.tool, self.arguments = tool, arguments
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.seen = {"tools": None, "error": None, "left": 0}

    def http(self, headers=None, timeout=None, auth=None):
        async def narrow(request):
            """As clients that take one type alone; the SDK itself always names both."""
            if self.accept:
                request.headers["Accept"] = self.accept

        options = {"headers": headers, "timeout": timeout, "auth": auth, "follow_redirects": True}
        return httpx.AsyncClient(**options, event_hooks={"request": [narrow]})

    def streams(self):
        return streamablehttp_client(self.url, headers=self.headers, timeout=self.patience, httpx_client_factory=self.http)

    def session(self, reader, writer):
        return ClientSession(reader, writer, read_timeout_seconds=timedelta(seconds=self.patience))

    async def list(self, session):
        """What a careful program does: a JSON-RPC error is caught where it is raised."""
        try:
            self.seen["tools"] = len((await session.list_tools()).tools)
        except McpError as error:
            self.fails(error)

    def fails(self, error):
        logging.info("McpError: %s", error)
        self.seen["error"] = f"{error.error.code} {error.error.message}"

    @contextlib.asynccontextmanager
    async def opened(self):
        """Opened and left in one task, as it should be."""
        async with self.streams() as (reader, writer, _), self.session(reader, writer) as session:
            try:
                yield session
            except asyncio.CancelledError:
                # What the program sees where it waits; the status comes out of the outer block.
                logging.info("inside: %s", traceback.format_exc())
                raise
            begin = time.monotonic()
        self.seen["left"] = time.monotonic() - begin

    # --- The programs.

    async def plain(self):
        """Open, list, leave."""
        async with self.opened() as session:
            try:
                await session.initialize()
                await self.list(session)
            except McpError as error:
                self.fails(error)

    async def held(self):
        """List, and leave after something was done to the server."""
        async with self.opened() as session:
            await session.initialize()
            await self.list(session)
            await act("done")

    async def goes_on(self):
        """List, wait for what is done to the server, and list twice in the same session."""
        async with self.opened() as session:
            await session.initialize()
            await session.list_tools()
            await act("done")
            for _ in range(2):
                self.seen["tools"] = None
                await self.list(session)

    async def caught(self):
        """A call is under way while something is done to the server; then the same session lists."""
        async with self.opened() as session:
            await session.initialize()
            call = asyncio.create_task(session.call_tool(self.tool, self.arguments))
            await act("done")
            try:
                await call
            except McpError as error:
                self.fails(error)
            self.seen["tools"] = len((await session.list_tools()).tools)

    async def crossed(self):
        """Entered in one task and left in another, as with a stack that somebody else closes."""
        stack = contextlib.AsyncExitStack()

        async def enter():
            reader, writer, _ = await stack.enter_async_context(self.streams())
            session = await stack.enter_async_context(self.session(reader, writer))
            await session.initialize()
            await self.list(session)

        await asyncio.create_task(enter())
        await asyncio.create_task(stack.aclose())

    async def generator(self):
        """An asynchronous generator that hands out the session. It is left in the task that entered it as long as nothing but
        an Exception happens to its user; after a cancelling it is the loop that closes it, in another task."""

        async def sessions():
            async with self.streams() as (reader, writer, _), self.session(reader, writer) as session:
                yield session

        async for session in sessions():
            try:
                await session.initialize()
                await self.list(session)
            except Exception as error:  # noqa: BLE001
                self.fails(error)


async def act(what):
    print(json.dumps({"ask": what}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


def words(run, program):
    """Everything the program raised or logged, in one text."""
    heard = io.StringIO()
    log = logging.getLogger()
    handler = logging.StreamHandler(heard)
    log.addHandler(handler)
    try:
        with contextlib.redirect_stderr(heard):
            asyncio.run(getattr(run, program)())
    except BaseException:  # noqa: BLE001
        heard.write(traceback.format_exc())
    log.removeHandler(handler)
    return heard.getvalue()


logging.getLogger().setLevel(logging.INFO)
for line in sys.stdin:
    wanted = json.loads(line)
    run = Run(**wanted)
    begin = time.monotonic()
    said = words(run, wanted["program"])
    print(json.dumps(run.seen | {"words": said, "took": time.monotonic() - begin}), flush=True)
