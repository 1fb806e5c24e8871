"""The official Python SDK as a client that holds sessions.

Obeys commands from standard input, one JSON object a line, and answers each with one line: `{"is": …}` or `{"error": …}`.
The TypeScript one beside it obeys the same commands; replicas.py gives them.
"""

import asyncio
import json
import sys
from datetime import timedelta

from mcp import ClientSession, types
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client


async def answer_sampling(_context, _params):
    content = types.TextContent(type="text", text="an answer made by the client")
    return types.CreateMessageResult(role="assistant", content=content, model="none", stopReason="endTurn")


class Held:
    """A session, with what went over its wire and what it was told."""

    def __init__(self):
        self.greetings = 0
        self.streams = []
        self.told = []

    async def open(self, url, asked):
        opened = asyncio.get_running_loop().create_future()
        self.life = asyncio.create_task(self.live(url, asked, opened))
        await asyncio.wait([opened, self.life], return_when=asyncio.FIRST_COMPLETED)
        return opened.result() if opened.done() else await self.life

    async def live(self, url, asked, opened):
        """A task of its own: what the SDK enters has to be left by the same one."""
        callbacks = {"sampling_callback": answer_sampling} if asked else {}
        callbacks["message_handler"] = self.heard
        http = create_mcp_http_client()
        http.event_hooks = {"request": [self.sent], "response": [self.answered]}
        async with http, streamable_http_client(url, http_client=http) as (reader, writer, *_):
            limit = timedelta(seconds=20)
            async with ClientSession(reader, writer, read_timeout_seconds=limit, **callbacks) as self.session:
                opened.set_result((await self.session.initialize()).protocolVersion)
                await asyncio.Event().wait()

    async def sent(self, request):
        if request.method == "POST":
            self.greetings += json.loads(request.content).get("method") == "initialize"

    async def answered(self, response):
        if response.request.method == "GET":
            self.streams.append(response.status_code)

    async def heard(self, message):
        if isinstance(message, types.ServerNotification):
            self.told.append(message.root.method)

    async def call(self, tool, arguments):
        result = await self.session.call_tool(tool, arguments)
        text = "\n".join(item.text for item in result.content if item.type == "text")
        if result.isError:
            raise RuntimeError(f"the tool failed: {text}")
        return text


held = {}


async def obey(do, session, **told):
    if do == "open":
        held[session] = Held()
        return await held[session].open(**told)
    one = held[session]
    if do == "tools":
        return len((await one.session.list_tools()).tools)
    if do == "call":
        return await one.call(**told)
    if do == "wire":
        return {"greetings": one.greetings, "streams": one.streams, "told": one.told}
    raise ValueError(f"no command {do}")


async def main():
    while line := await asyncio.to_thread(sys.stdin.readline):
        try:
            said = {"is": await obey(**json.loads(line))}
        except Exception as error:
            said = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(said), flush=True)


asyncio.run(main())
