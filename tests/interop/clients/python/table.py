"""The checks of the table with the official Python SDK 1.x, which knows no other era than that of `initialize`."""

import asyncio
import os
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import checks
from mcp import ClientSession, McpError, StdioServerParameters, stdio_client, types
from mcp.client.streamable_http import streamable_http_client


def text_of(content):
    return "\n".join(item.text for item in content if item.type == "text")


class Connection:
    Refused = McpError

    def __init__(self, answer):
        self.answer = answer
        self.heard = []
        self.changes = asyncio.Queue()

    def options(self):
        return {
            "elicitation_callback": self.elicit,
            "sampling_callback": self.sample,
            "list_roots_callback": self.roots,
            "logging_callback": self.logged,
            "message_handler": self.told,
            "client_info": types.Implementation(name="stdiod-interop", version="1.0.0"),
        }

    async def elicit(self, _context, _params):
        return types.ElicitResult(action="accept", content=self.answer)

    async def sample(self, _context, _params):
        said = types.TextContent(type="text", text=checks.SAMPLED)
        return types.CreateMessageResult(role="assistant", content=said, model="none", stopReason="endTurn")

    async def roots(self, _context):
        return types.ListRootsResult(roots=[types.Root(uri=checks.ROOT, name="root")])

    async def logged(self, params):
        self.heard.append(str(params.data))

    async def told(self, message):
        if isinstance(message, types.ServerNotification) and isinstance(message.root, types.ToolListChangedNotification):
            self.changes.put_nowait(message)

    async def tools(self):
        return [tool.name for tool in (await self.session.list_tools()).tools]

    async def call(self, tool, arguments, on_progress=None):
        async def note(progress, _total, _message):
            on_progress(progress)

        # This SDK does not tell the server when a call is given up, so the client has to; the id is the next one.
        request = self.session._request_id
        try:
            result = await self.session.call_tool(tool, arguments, progress_callback=note if on_progress else None)
        except asyncio.CancelledError:
            cancelled = types.CancelledNotification(params=types.CancelledNotificationParams(requestId=request))
            await self.session.send_notification(types.ClientNotification(cancelled))
            raise
        return text_of(result.content), result.isError

    async def prompts(self):
        return [prompt.name for prompt in (await self.session.list_prompts()).prompts]

    async def prompt(self, name, arguments):
        return text_of(message.content for message in (await self.session.get_prompt(name, arguments)).messages)

    async def resources(self):
        return [str(resource.uri) for resource in (await self.session.list_resources()).resources]

    async def read(self, uri):
        return "\n".join(content.text for content in (await self.session.read_resource(uri)).contents)

    @asynccontextmanager
    async def news(self):
        while not self.changes.empty():
            self.changes.get_nowait()
        yield self.changes.get


@asynccontextmanager
async def connect(target, _mode):
    connection = Connection(target["answer"])
    async with AsyncExitStack() as stack:
        if "url" in target:
            reader, writer, *_ = await stack.enter_async_context(streamable_http_client(target["url"]))
        else:
            command, *args = target["command"]
            parameters = StdioServerParameters(command=command, args=args, env=dict(os.environ))
            reader, writer = await stack.enter_async_context(stdio_client(parameters))
        session = ClientSession(reader, writer, **connection.options())
        connection.session = await stack.enter_async_context(session)
        hello = await session.initialize()
        connection.revision = hello.protocolVersion
        if hello.capabilities.logging:
            await session.set_logging_level("debug")
        yield connection


checks.main(connect)
