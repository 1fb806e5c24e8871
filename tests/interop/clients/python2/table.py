"""The checks of the table with the official Python SDK 2.x. MODE is that of its `Client`, or `default`."""

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import checks
from mcp import Client, StdioServerParameters, types
from mcp.shared.exceptions import MCPError

MODERN = "2026-07-28"


def text_of(content):
    return "\n".join(item.text for item in content if item.type == "text")


class Connection:
    Refused = MCPError

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
            "log_level": "debug",
            "client_info": types.Implementation(name="stdiod-interop", version="1.0.0"),
        }

    async def elicit(self, _context, _params):
        return types.ElicitResult(action="accept", content=self.answer)

    async def sample(self, _context, _params):
        said = types.TextContent(type="text", text=checks.SAMPLED)
        return types.CreateMessageResult(role="assistant", content=said, model="none", stop_reason="endTurn")

    async def roots(self, _context):
        return types.ListRootsResult(roots=[types.Root(uri=checks.ROOT, name="root")])

    async def logged(self, params):
        self.heard.append(str(params.data))

    async def told(self, message):
        if isinstance(message, types.ToolListChangedNotification):
            self.changes.put_nowait(message)

    @property
    def revision(self):
        return self.client.protocol_version

    async def tools(self):
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def call(self, tool, arguments, on_progress=None):
        async def note(progress, _total, _message):
            on_progress(progress)

        result = await self.client.call_tool(tool, arguments, progress_callback=note if on_progress else None)
        return text_of(result.content), result.is_error

    async def prompts(self):
        return [prompt.name for prompt in (await self.client.list_prompts()).prompts]

    async def prompt(self, name, arguments):
        return text_of(message.content for message in (await self.client.get_prompt(name, arguments)).messages)

    async def resources(self):
        return [str(resource.uri) for resource in (await self.client.list_resources()).resources]

    async def read(self, uri):
        return "\n".join(content.text for content in (await self.client.read_resource(uri)).contents)

    @asynccontextmanager
    async def news(self):
        """Gives what waits for news of the tools: by a subscription in the one era, by a stream that is there in the other."""
        if self.revision >= MODERN:
            async with self.client.listen(tools_list_changed=True) as events:
                yield events.__anext__
        else:
            while not self.changes.empty():
                self.changes.get_nowait()
            yield self.changes.get


@asynccontextmanager
async def connect(target, mode):
    connection = Connection(target["answer"])
    if "url" in target:
        where = target["url"]
    else:
        command, *args = target["command"]
        where = StdioServerParameters(command=command, args=args, env=dict(os.environ))
    modes = {} if mode == "default" else {"mode": mode}
    async with Client(where, **modes, **connection.options()) as connection.client:
        if connection.revision < MODERN and connection.client.server_capabilities.logging:
            await connection.client.set_logging_level("debug")
        yield connection


checks.main(connect)
