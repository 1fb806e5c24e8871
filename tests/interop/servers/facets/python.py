"""The facets server on the official Python SDK 2.x, which speaks both eras over stdio: the first request decides.

    python.py [PORT]

With a PORT it is served over HTTP there instead, by the SDK itself: what a client cannot do with that, it cannot do.

Every facets server offers the same, in the way of its SDK; the plan in `../../table/plan.json` says what is asked of
them. What cannot be seen by a client, that a call began and that it was cancelled, they note as empty files in the
folder FACETS_NOTES.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import anyio
from mcp.server.lowlevel import NotificationOptions
from mcp.server.mcpserver import Context, Elicit, ListRoots, MCPServer, Resolve, Sample
from mcp.server.stdio import stdio_server
from mcp_types import CreateMessageResult, ListRootsResult, SamplingMessage, TextContent
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel

notes = Path(os.environ["FACETS_NOTES"])
server = MCPServer("facets-python", version="1.0.0", instructions="Ask for the facets.")


class Colour(BaseModel):
    colour: str


def ask_colour() -> Elicit[Colour]:
    return Elicit("Which colour?", Colour)


def ask_model() -> Sample:
    said = SamplingMessage(role="user", content=TextContent(type="text", text="Say something."))
    return Sample([said], max_tokens=20)


def ask_roots() -> ListRoots:
    return ListRoots()


@server.tool()
def echo(message: str) -> str:
    return message


@server.tool()
def add(a: int, b: int) -> int:
    return a + b


@server.tool()
async def steps(count: int, ctx: Context) -> str:
    for step in range(1, count + 1):
        await ctx.report_progress(step, count, f"step {step}")
        await anyio.sleep(0.01)
    return f"{count} steps"


@server.tool()
async def log(text: str, ctx: Context) -> str:
    await ctx.log("warning", text, logger_name="facets")
    return "logged"


@server.tool()
def elicit(answer: Annotated[Colour, Resolve(ask_colour)]) -> str:
    return f"the colour is {answer.colour}"


@server.tool()
def sample(answer: Annotated[CreateMessageResult, Resolve(ask_model)]) -> str:
    return f"the model said {answer.content.text}"


@server.tool()
def roots(answer: Annotated[ListRootsResult, Resolve(ask_roots)]) -> str:
    return " ".join(str(root.uri) for root in answer.roots)


@server.tool()
async def change(ctx: Context) -> str:
    if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
        await ctx.notify_tools_changed()
    else:
        await ctx.session.send_tool_list_changed()
    return "announced"


@server.tool()
async def wait(note: str, ctx: Context) -> str:
    """Is there until it is cancelled, and leaves a note that it was."""
    (notes / f"{note}.began").touch()
    try:
        await anyio.sleep(60)
    except anyio.get_cancelled_exc_class():
        (notes / f"{note}.cancelled").touch()
        raise
    return "nobody cancelled this"


@server.tool()
def revision(ctx: Context) -> str:
    return ctx.protocol_version


@server.resource("facets://greeting", mime_type="text/plain")
def greeting() -> str:
    return "hello from a resource"


@server.prompt()
def greet(name: str) -> str:
    return f"Say hello to {name}."


async def main():
    """What `server.run` does, but to a client that says `initialize` it promises news of its tools, which that leaves out."""
    inner = server._lowlevel_server
    promises = inner.create_initialization_options(NotificationOptions(tools_changed=True))
    async with stdio_server() as (reader, writer):
        await inner.run(reader, writer, promises)


if len(sys.argv) > 1:
    server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
else:
    anyio.run(main)
