"""A relay between a client and the daemon that changes nothing and notes what the client asked, request by request.

It passes bytes on as they come; what it notes it reads from a copy of what the client sends. So what is said of a
client's era is what was on the wire, whatever its SDK says of itself.
"""

import asyncio
import json
import threading


class Reader:
    """Takes the bytes of one connection's requests, and gives each request that is whole."""

    def __init__(self):
        self.buffer = b""

    def feed(self, data):
        self.buffer += data
        while True:
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            if not end:
                return
            first, *lines = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            if "transfer-encoding" in headers:
                raise ValueError("the relay does not read bodies in chunks")
            length = int(headers.get("content-length", 0))
            if len(rest) < length:
                return
            self.buffer = rest[length:]
            method, path, _ = first.split(" ", 2)
            yield {"method": method, "path": path, "headers": headers, "body": rest[:length]}


class Relay:
    """Listens on a port of its own, in a thread of its own, until the program ends."""

    def __init__(self, port):
        self.to, self.requests, self.trouble = port, [], []
        begun = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self.serve(begun)), daemon=True).start()
        begun.wait()

    async def serve(self, begun):
        server = await asyncio.start_server(self.connection, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        begun.set()
        await server.serve_forever()

    async def connection(self, from_client, to_client):
        try:
            from_daemon, to_daemon = await asyncio.open_connection("127.0.0.1", self.to)
        except OSError:
            to_client.close()
            return
        reader = Reader()

        def note(data):
            try:
                self.requests.extend(reader.feed(data))
            except ValueError as error:
                self.trouble.append(str(error))

        # When either side is done with the connection, so is the other.
        pumps = [pump(from_client, to_daemon, note), pump(from_daemon, to_client, lambda _: None)]
        await asyncio.wait([asyncio.create_task(one) for one in pumps], return_when=asyncio.FIRST_COMPLETED)
        to_client.close()
        to_daemon.close()

    def era(self, path, revision):
        """How the client spoke at this path: what was asked, in how many requests. Raises if not in this revision."""
        assert not self.trouble, self.trouble[0]
        modern, asked = revision >= "2026", []
        for request in self.requests:
            if request["path"].split("?")[0] != path:
                continue
            if request["method"] != "POST":
                assert not modern, f"{request['method']} in an era that has only POST"
                continue
            message, headers = json.loads(request["body"]), request["headers"]
            method, told = message.get("method"), headers.get("mcp-protocol-version")
            meta = (message.get("params") or {}).get("_meta") or {}
            inside = meta.get("io.modelcontextprotocol/protocolVersion")
            if modern:
                assert told == revision, f"{method} with the header {told}"
                assert inside == revision or "id" not in message, f"{method} with {inside} in its _meta"
                assert "mcp-session-id" not in headers, f"{method} with a session"
            else:
                assert inside is None, f"{method} with {inside} in its _meta"
                assert (told == revision) if asked else (method == "initialize"), f"{method} with the header {told}"
            asked.append(method)
        assert asked, "it never asked anything"
        assert not modern or "initialize" not in asked, "it made a handshake"
        return f"{asked[0]} and {len(asked) - 1} more in {revision}"


async def pump(reader, writer, note):
    try:
        while data := await reader.read(65536):
            note(data)
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
