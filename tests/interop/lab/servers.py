"""The real servers of the laboratory: what starts each, and what each says of itself when nothing stands before it."""

import json
import subprocess

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "interop", "version": "1.0.0"}}
LISTS = ("tools", "prompts", "resources")


def commands(at, folder):
    """What starts each server, and the variables it wants; what one of them writes goes to the folder."""
    npm, python = at.servers / "node_modules/.bin", at.python_servers / "bin"
    return {
        "everything": ([npm / "mcp-server-everything", "stdio"], {}),
        "filesystem": ([npm / "mcp-server-filesystem", at.work / "files"], {}),
        "memory": ([npm / "mcp-server-memory"], {"MEMORY_FILE_PATH": str(folder / "memory.jsonl")}),
        "time": ([python / "mcp-server-time"], {}),
        "git": ([python / "mcp-server-git", "--repository", at.work / "repository"], {}),
    }


def counts(command, environment):
    """How many tools, prompts and resources the server lists over its own pipe; None for what it does not offer."""
    server = subprocess.Popen(
        [str(part) for part in command], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )

    def write(message):
        server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        server.stdin.flush()

    def ask(method, params):
        write({"id": method, "method": method, "params": params})
        for line in server.stdout:
            said = json.loads(line)
            if said.get("id") == method and "method" not in said:
                return said["result"]
        raise AssertionError(f"{command[0]} ended before it answered {method}")

    try:
        offers = ask("initialize", HELLO)["capabilities"]
        write({"method": "notifications/initialized"})
        found = {}
        for kind in LISTS:
            listed = ask(f"{kind}/list", {}) if kind in offers else {}
            assert "nextCursor" not in listed, f"{command[0]} lists its {kind} in pages"
            found[kind] = len(listed[kind]) if listed else None
        return found
    finally:
        server.stdin.close()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
