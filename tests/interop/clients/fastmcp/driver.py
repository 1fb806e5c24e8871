"""The client of FastMCP in the laboratory, 2.x and newer. MODE is `http`."""

import asyncio
import sys
from contextlib import asynccontextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import lab
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

try:
    import httpx2 as httpx
except ImportError:
    import httpx

SECONDS_PER_REQUEST = 20


class Connection:
    async def tools(self):
        return len(await self.client.list_tools())

    async def prompts(self):
        return len(await self.client.list_prompts()) if self.offers.prompts else None

    async def resources(self):
        return len(await self.client.list_resources()) if self.offers.resources else None

    async def call(self, tool, arguments, on_progress=None):
        async def note(progress, _total, _message):
            on_progress(progress)

        request = getattr(self.client.session, "_request_id", None)
        try:
            result = await self.client.call_tool(tool, arguments, progress_handler=note if on_progress else None)
        except asyncio.CancelledError:
            # On the SDK 1.x nobody tells the server, but this client has a method for it; the id is the next one.
            if request is not None:
                await self.client.cancel(request)
            raise
        return "\n".join(item.text for item in result.content if item.type == "text")


def answering(asked):
    async def sample(_messages, _params, _context):
        return asked["sampling"]

    async def elicit(_message, _response_type, _params, _context):
        return asked["elicitation"]

    return {"sampling_handler": sample, "elicitation_handler": elicit}


def patient(idle):
    """How the idle time is set: both lines of this client take an HTTP client made by the program."""

    def make(headers=None, timeout=None, auth=None, **options):
        return httpx.AsyncClient(headers=headers, timeout=httpx.Timeout(30, read=idle), auth=auth, **options)

    return make if idle else None


def known(client):
    """The revision, and what the server offers. Only the newer line tells without a handshake."""
    if hasattr(client, "server_capabilities"):
        return client.protocol_version, client.server_capabilities
    return client.initialize_result.protocolVersion, client.initialize_result.capabilities


@asynccontextmanager
async def connect(_mode, url, idle, asked):
    connection = Connection()
    options = {} if idle else {"timeout": SECONDS_PER_REQUEST}
    transport = StreamableHttpTransport(url, httpx_client_factory=patient(idle))
    async with Client(transport, **options, **(answering(asked) if asked else {})) as connection.client:
        connection.revision, connection.offers = known(connection.client)
        yield connection


lab.main(connect)
