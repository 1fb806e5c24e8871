"""The official Python SDK 1.x in the laboratory: MODE is `http`, or `sse` for the HTTP+SSE transport."""

import asyncio
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import lab
from mcp import ClientSession, types
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamablehttp_client

SECONDS_PER_REQUEST = timedelta(seconds=20)
SECONDS_IDLE = 60
# The oldest releases know no elicitation.
LACKS = [] if hasattr(types, "ElicitResult") else ["elicitation"]


class Connection:
    async def tools(self):
        return len((await self.session.list_tools()).tools)

    async def prompts(self):
        return len((await self.session.list_prompts()).prompts) if self.offers.prompts else None

    async def resources(self):
        return len((await self.session.list_resources()).resources) if self.offers.resources else None

    async def call(self, tool, arguments, on_progress=None):
        async def note(progress, _total, _message):
            on_progress(progress)

        # This SDK does not tell the server when a call is given up, so the program has to; the id is the next one.
        request = self.session._request_id
        try:
            result = await self.session.call_tool(tool, arguments, progress_callback=note if on_progress else None)
        except asyncio.CancelledError:
            cancelled = types.CancelledNotification(
                method="notifications/cancelled", params=types.CancelledNotificationParams(requestId=request)
            )
            await self.session.send_notification(types.ClientNotification(cancelled))
            raise
        text = "\n".join(item.text for item in result.content if item.type == "text")
        assert not result.isError, f"the tool failed: {text[:200]}"
        return text


def answering(asked):
    async def sample(_context, _params):
        content = types.TextContent(type="text", text=asked["sampling"])
        return types.CreateMessageResult(role="assistant", content=content, model="none", stopReason="endTurn")

    async def elicit(_context, _params):
        return types.ElicitResult(action="accept", content=asked["elicitation"])

    return {"sampling_callback": sample} | ({} if LACKS else {"elicitation_callback": elicit})


@asynccontextmanager
async def connect(mode, url, idle, asked):
    connection = Connection()
    async with AsyncExitStack() as stack:
        if mode == "sse":
            opened = sse_client(url, sse_read_timeout=idle or SECONDS_IDLE)
        else:
            opened = streamablehttp_client(url, sse_read_timeout=timedelta(seconds=idle or SECONDS_IDLE))
        reader, writer, *_ = await stack.enter_async_context(opened)
        session = ClientSession(reader, writer, read_timeout_seconds=SECONDS_PER_REQUEST, **(answering(asked) if asked else {}))
        connection.session = await stack.enter_async_context(session)
        hello = await connection.session.initialize()
        connection.revision, connection.offers = hello.protocolVersion, hello.capabilities
        yield connection


lab.main(connect, LACKS)
