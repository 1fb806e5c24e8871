"""The sixteen servers behind the gateway: seven real kinds, one slow to start, one that had a bridge of its own before."""

import json
import select
import subprocess
import time
from dataclasses import dataclass, field

# How many seconds the slow one sleeps before it becomes its server.
SLOW_S = 4
# How many seconds a request may wait for the one that hangs while its start is young.
HANGS_S = 6


@dataclass
class Fault:
    """What one of them does instead, in the worlds where one is at fault."""

    command: list
    # A pattern of what stdiod says of it.
    says: str
    # How much longer a listing of the others may take, in seconds.
    slower: float
    # How stdiod is told to treat it.
    settings: dict = field(default_factory=dict)


FAULTS = {
    # Its licence has run out: it ends at once. It costs nobody anything; the second is the noise of a busy machine, and the
    # waits that real faults cause are of 5, 10 and 30 s.
    "broken": Fault(["sh", "-c", "echo 'the licence has run out' >&2; exit 3"], "the licence has run out", 1.0),
    # It never answers its handshake, and is not given up while we look. Once its start has lasted longer than `start_wait`, nobody
    # waits that long for it again: the bound is well below.
    "hanging": Fault(["sleep", "600"], "has not answered its handshake", 3.0, {"start_wait": f"{HANGS_S}s", "start_timeout": "10m"}),
}


@dataclass
class Server:
    name: str
    kind: str
    command: list
    call: tuple
    environment: dict = field(default_factory=dict)
    # It has an address of its own, with /mcp and /sse at the root.
    own_listen: bool = False

    @property
    def known(self):
        """Its name in LiteLLM, which keeps `-` for what stands between a server and its tool."""
        return self.name.replace("-", "_")


def sixteen(work, npm, python, page):
    """`npm` and `python` are where the servers are installed, `page` is an address the fetching ones may fetch."""
    files, repository = work / "files", work / "repository"
    bin_npm, bin_python = f"{npm}/node_modules/.bin", f"{python}/bin"
    thought = {"thought": "so far so good", "nextThoughtNeeded": False, "thoughtNumber": 1, "totalThoughts": 1}
    kinds = {
        "everything": ([f"{bin_npm}/mcp-server-everything", "stdio"], ("echo", {"message": "hello there"}, "hello there")),
        "filesystem": (
            [f"{bin_npm}/mcp-server-filesystem", str(files)],
            ("read_text_file", {"path": str(files / "hello.txt")}, "text in a file"),
        ),
        "memory": ([f"{bin_npm}/mcp-server-memory"], ("read_graph", {}, "entities")),
        "thinking": ([f"{bin_npm}/mcp-server-sequential-thinking"], ("sequentialthinking", thought, "thoughtNumber")),
        "time": ([f"{bin_python}/mcp-server-time", "--local-timezone", "UTC"], ("get_current_time", {"timezone": "UTC"}, "UTC")),
        "git": (
            [f"{bin_python}/mcp-server-git", "--repository", str(repository)],
            ("git_log", {"repo_path": str(repository)}, "the only commit"),
        ),
        "fetch": (
            [f"{bin_python}/mcp-server-fetch", "--ignore-robots-txt", "--allow-private-ips"],
            ("fetch", {"url": page}, "The text of a page"),
        ),
    }
    names = {
        "everything": ["everything", "everything-slow", "everything_third"],
        "filesystem": ["files", "files_docs", "files_media"],
        "memory": ["memory", "memory_notes"],
        "thinking": ["thinking", "sequential-thinking"],
        "time": ["time", "time_office"],
        "git": ["git", "git_former_bridge"],
        "fetch": ["fetch", "fetch_docs"],
    }
    servers = []
    for kind, (command, call) in kinds.items():
        for name in names[kind]:
            server = Server(name, kind, list(command), call, own_listen=name == "git_former_bridge")
            if kind == "memory":
                server.environment["MEMORY_FILE_PATH"] = str(work / f"{name}.jsonl")
            if name == "everything-slow":
                server.command = ["sh", "-c", f'sleep {SLOW_S}; exec "$@"', "slow", *command]
            servers.append(server)
    assert len(servers) == 16
    return servers


def tools(server, environment):
    """How many tools it has, when it is asked over its own pipe by a client that can do nothing in return."""
    process = subprocess.Popen(
        server.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment | server.environment
    )
    try:
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "direct", "version": "1"}}
        ask(server, process, 1, "initialize", hello)
        send(process, {"jsonrpc": "2.0", "method": "notifications/initialized"})
        count, cursor, number = 0, {}, 2
        while True:
            page = ask(server, process, number, "tools/list", cursor)
            count += len(page["tools"])
            if not page.get("nextCursor"):
                return count
            cursor, number = {"cursor": page["nextCursor"]}, number + 1
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def send(process, message):
    process.stdin.write(json.dumps(message).encode() + b"\n")
    process.stdin.flush()


def ask(server, process, number, method, params):
    send(process, {"jsonrpc": "2.0", "id": number, "method": method, "params": params})
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if not select.select([process.stdout], [], [], 1)[0]:
            continue
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{server.name} ended when it was asked for {method}")
        message = json.loads(line)
        if message.get("id") == number and "method" not in message:
            return message["result"]
    raise RuntimeError(f"{server.name} did not answer {method} within 60 s")
