"""The official Python SDK as a client of each server of the plan.

    client.py NAME TRANSPORT URL PLAN

TRANSPORT is `http` (Streamable HTTP) or `sse` (the HTTP+SSE transport of 2024-11-05). `{server}` in URL stands for the
server's name. Prints a line per check: client, server, check, `ok` or `FAIL`, and a detail, separated by tabs.
"""

import asyncio
import json
import sys
import traceback
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from mcp import ClientSession, types
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

SECONDS_PER_SERVER = 60
ANSWER = "an answer made by the client"


async def answer_sampling(_context, _params):
    return types.CreateMessageResult(
        role="assistant",
        content=types.TextContent(type="text", text=ANSWER),
        model="none",
        stopReason="endTurn",
    )


@asynccontextmanager
async def connected(transport, url, **callbacks):
    """A session whose handshake is done, with the handshake's answer."""
    opened = sse_client(url) if transport == "sse" else streamable_http_client(url)
    async with opened as streams:
        limit = timedelta(seconds=20)
        async with ClientSession(streams[0], streams[1], read_timeout_seconds=limit, **callbacks) as session:
            yield session, await session.initialize()


def text_of(result):
    text = "\n".join(item.text for item in result.content if item.type == "text")
    if result.isError:
        raise AssertionError(f"the tool failed: {text}")
    return text


def expect(call, text):
    if call["contains"] not in text:
        raise AssertionError(f"{call['contains']!r} is not in {text[:200]!r}")
    return f"{call['tool']} answered"


async def lists(session, capabilities):
    """Each list the server says it offers, and how long it is."""
    tools = (await session.list_tools()).tools
    assert tools, "no tools"
    yield "tools", f"{len(tools)} tools"
    if capabilities.prompts:
        yield "prompts", f"{len((await session.list_prompts()).prompts)} prompts"
    if capabilities.resources:
        found = (await session.list_resources()).resources
        templates = (await session.list_resource_templates()).resourceTemplates
        yield "resources", f"{len(found)} resources, {len(templates)} templates"


async def checks(transport, url, entry):
    call = entry["call"]
    async with connected(transport, url) as (session, hello):
        yield "connect", f"{hello.serverInfo.name}, {hello.protocolVersion}"
        async for check in lists(session, hello.capabilities):
            yield check
        yield "call", expect(call, text_of(await session.call_tool(call["tool"], call["arguments"])))
        if "progress" in entry:
            seen = []

            async def note(progress, total, _message):
                seen.append(progress)

            call = entry["progress"]
            result = await session.call_tool(call["tool"], call["arguments"], progress_callback=note)
            expect(call, text_of(result))
            assert seen and seen == sorted(seen), f"progress was {seen}"
            yield "progress", f"{len(seen)} steps"
    yield "close", "closed"

    if "ask" in entry:
        call = entry["ask"]
        async with connected(transport, url, sampling_callback=answer_sampling) as (session, _):
            result = await session.call_tool(call["tool"], call["arguments"])
            yield "ask", expect(call, text_of(result)).replace("answered", "asked and was answered")


def cause(error):
    """The innermost reason: task groups wrap it in groups of one."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}".replace("\n", " ").replace("\t", " ")


async def main(name, transport, url, plan):
    failed = 0
    for entry in plan:
        server = entry["server"]
        done = []
        try:
            async with asyncio.timeout(SECONDS_PER_SERVER):
                async for check, detail in checks(transport, url.replace("{server}", server), entry):
                    done.append(check)
                    print(name, server, check, "ok", detail, sep="\t", flush=True)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            failed += 1
            after = done[-1] if done else "nothing"
            print(name, server, f"after {after}", "FAIL", cause(error), sep="\t", flush=True)
            traceback.print_exc()
    return failed


if __name__ == "__main__":
    name, transport, url, plan = sys.argv[1:]
    text = Path(plan).read_text().replace("{client}", name)
    sys.exit(1 if asyncio.run(main(name, transport, url, json.loads(text))) else 0)
