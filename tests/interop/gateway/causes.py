"""What docs/clients/litellm.md says LiteLLM makes of four mistakes in its configuration, and that what `stdiod` exports has none of them."""

import secrets
from types import SimpleNamespace

from acceptance import Acceptance, brief
from fronts import Stdiod
from gateways import LiteLLM

SETUP = "seed"
FACES = {"http": "mcp", "sse": "sse"}
CANCELLED = ["MCP client list_tools was cancelled", "Task cancelled while listing tools from {name}"]
GROUP = ["unhandled errors in a TaskGroup (1 sub-exception)"]
REFUSED = [*GROUP, "401 Unauthorized"]
TERMINATED = ["Session terminated"]
# The variable that the export names.
VARIABLE = "STDIOD_TOKEN"


class Cause:
    """`words` and `health` are what there is to be seen over http and over sse."""

    def __init__(self, name, what, words, health):
        self.name, self.what = name, what
        self.words, self.health = dict(zip(FACES, words)), dict(zip(FACES, health))


CAUSES = [
    Cause("nobody", "nobody listens there", (CANCELLED, GROUP), ("unknown", "unhealthy")),
    Cause("tokenless", "no token", (CANCELLED, REFUSED), ("unknown", "unhealthy")),
    # Its health is never asked for.
    Cause("login", "auth_type oauth2", (CANCELLED, REFUSED), ("unknown", "unknown")),
    Cause("misnamed", "a wrong name", (TERMINATED, GROUP), ("unhealthy", "unhealthy")),
]


class Causes:
    def __init__(self, run):
        self.run, self.token = run, secrets.token_hex(32)
        self.mark = f"{run.mark}-symptoms"
        told = ("symptoms", run.servers, run.work, self.mark, run.ports, run.environment)
        self.front = Stdiod(*told, binary=run.told.stdiod, token=self.token)

    def entries(self):
        """One LiteLLM, which needs long to come up, is told of every mistake over both transports."""
        nobody = f"http://127.0.0.1:{self.run.ports.take(1)[0]}"
        value = f"    auth_value: os.environ/{VARIABLE}"
        lines = ["mcp_servers:"]
        for transport, path in FACES.items():
            places = {
                "nobody": (f"{nobody}/servers/time/{path}", ["    auth_type: bearer_token", value]),
                "tokenless": (f"{self.front.base}/servers/time/{path}", []),
                "login": (f"{self.front.base}/servers/time/{path}", ["    auth_type: oauth2"]),
                "misnamed": (f"{self.front.base}/servers/tiem/{path}", ["    auth_type: bearer_token", value]),
            }
            for name, (url, more) in places.items():
                lines += [f"  {name}_{transport}:", f"    url: {url}", f"    transport: {transport}", *more]
        return "\n".join(lines) + "\n"

    def gateway(self, what, entries):
        run = self.run
        environment = run.environment | {VARIABLE: self.token}
        return LiteLLM(SETUP, run.venvs[SETUP], "http", entries, run.servers, run.work, run.ports.take(1)[0], environment, what)

    def show(self):
        gateways = []
        try:
            self.front.start()
            mistaken, cured = self.gateway("mistaken", self.entries()), self.gateway("cured", self.front.entries("http"))
            gateways = [mistaken, cured]
            self.front.ready()
            acceptance = Acceptance(self.front, [cured], self.run.counts, self.run.report)
            acceptance.each("with the export", lambda gateway: gateway.begun(self.front) or acceptance.complete(gateway.tools()))
            acceptance.each("with the export: health", lambda gateway: acceptance.healthy(gateway.health()))
            # That its own listing at its start is seen here makes the same row of the other worlds worth something.
            acceptance = Acceptance(self.front, [mistaken], self.run.counts, self.run.report)
            acceptance.each("cancelled at its start", self.beginning)
            for transport in FACES:
                column = SimpleNamespace(name=f"{SETUP}-{transport}", setup=SETUP, transport=transport)
                for cause in CAUSES:
                    try:
                        self.run.report.add(column, cause.what, "ok", self.seen(mistaken, cause, transport))
                    except Exception as error:
                        self.run.report.add(column, cause.what, "FAIL", brief(error))
        finally:
            for gateway in gateways:
                gateway.stop()
            self.run.ended(self.front)

    def beginning(self, gateway):
        gateway.begun(self.front)
        count = gateway.beginning["cancelled"]
        assert count > 0, "its log says nothing of it"
        return str(count)

    def seen(self, gateway, cause, transport):
        """The words that its log gets when this server alone is asked for its tools, and its health."""
        name = f"{cause.name}_{transport}"
        number = next(number for number, known in gateway.ids.items() if known == name)
        mark = gateway.mark()
        tools = gateway.get(f"/mcp-rest/tools/list?server_id={number}").get("tools")
        assert not tools, f"it has {len(tools)} tools"
        log = gateway.said(mark)
        words = [words.format(name=name) for words in cause.words[transport]]
        missing = [each for each in words if each not in log]
        assert not missing, f'its log does not say "{missing[0]}" but: {log[-600:]}'
        health = gateway.health().get(name)
        assert health == cause.health[transport], f"its health is {health}"
        return f'"{words[0]}", {health}'
