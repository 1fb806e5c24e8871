"""The official Python SDK 2.x in the laboratory: MODE is `session` for the handshake made by hand, or `client` for its own
`Client`, which asks for the newer era first."""

import sys
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import httpx2
import lab
from mcp import Client, ClientSession, types
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

SECONDS_PER_REQUEST = 20
SECONDS_IDLE = 60


class Connection:
    async def tools(self):
        return len((await self.client.list_tools()).tools)

    async def prompts(self):
        return len((await self.client.list_prompts()).prompts) if self.offers.prompts else None

    async def resources(self):
        return len((await self.client.list_resources()).resources) if self.offers.resources else None

    async def call(self, tool, arguments, on_progress=None):
        async def note(progress, _total, _message):
            on_progress(progress)

        result = await self.client.call_tool(tool, arguments, progress_callback=note if on_progress else None)
        text = "\n".join(item.text for item in result.content if item.type == "text")
        assert not result.is_error, f"the tool failed: {text[:200]}"
        return text


def answering(asked):
    async def sample(_context, _params):
        content = types.TextContent(type="text", text=asked["sampling"])
        return types.CreateMessageResult(role="assistant", content=content, model="none", stop_reason="endTurn")

    async def elicit(_context, _params):
        return types.ElicitResult(action="accept", content=asked["elicitation"])

    return {"sampling_callback": sample, "elicitation_callback": elicit}


@asynccontextmanager
async def connect(mode, url, idle, asked):
    connection = Connection()
    options = {"read_timeout_seconds": SECONDS_PER_REQUEST} | (answering(asked) if asked else {})
    async with AsyncExitStack() as stack:
        timeout = httpx2.Timeout(30, read=idle or SECONDS_IDLE)
        http = await stack.enter_async_context(create_mcp_http_client(timeout=timeout))
        transport = streamable_http_client(url, http_client=http)
        if mode == "client":
            connection.client = await stack.enter_async_context(Client(transport, **options))
            connection.revision, connection.offers = connection.client.protocol_version, connection.client.server_capabilities
        else:
            streams = await stack.enter_async_context(transport)
            connection.client = await stack.enter_async_context(ClientSession(*streams, **options))
            hello = await connection.client.initialize()
            connection.revision, connection.offers = hello.protocol_version, hello.capabilities
        yield connection


lab.main(connect)
