"""Every client with every server: the SDKs of both eras as clients of stdiod, and as servers behind it.

    run.py --stdiod FILE --work DIR --markdown FILE --python DIR --python2 DIR --typescript DIR --typescript2 DIR
           --rust DIR --servers DIR --python-servers DIR [--direct] [--client NAME]... [--server NAME]...

Each client puts the checks of plan.json to each server, through a relay that notes the era it really speaks. With
--direct there is no stdiod: each client starts the servers itself, which tells what the SDKs can do with each other.
Exit status 0: every check is green, or has a reason in reasons.json.
"""

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))
import report  # noqa: E402
from ports import free_ports  # noqa: E402
from relay import Relay  # noqa: E402

HERE = Path(__file__).resolve().parent
LEGACY, MODERN = "2025-11-25", "2026-07-28"
# How many clients work at the same time, and how long all of them together.
CLIENTS_AT_ONCE = 4
SECONDS = 400


def arguments():
    parser = argparse.ArgumentParser()
    for name in ("stdiod", "work", "markdown", "python", "python2", "typescript", "typescript2", "rust", "servers", "python-servers"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--direct", action="store_true")
    parser.add_argument("--client", action="append")
    parser.add_argument("--server", action="append")
    return parser.parse_args()


def clients(at):
    """Each client: what starts it with the arguments that all take, and the mode and revision it is to speak."""
    tests = HERE.parent / "clients"
    python = [at.python / "bin/python", "-W", "ignore", tests / "python/table.py"]
    python2 = [at.python2 / "bin/python", "-W", "ignore", tests / "python2/table.py"]
    typescript = ["env", f"NODE_MODULES={at.typescript}/node_modules", "node", tests / "typescript/table.mjs"]
    typescript2 = ["env", f"NODE_MODULES={at.typescript2}/node_modules", "node", tests / "typescript2/table.mjs"]
    rust = [at.rust / "client"]
    return {
        "python-1": (python, "default", LEGACY),
        "python-2": (python2, "default", MODERN),
        "python-2-legacy": (python2, "legacy", LEGACY),
        "python-2-modern": (python2, MODERN, MODERN),
        "typescript-1": (typescript, "default", LEGACY),
        "typescript-2": (typescript2, "default", LEGACY),
        "typescript-2-auto": (typescript2, "auto", MODERN),
        "typescript-2-modern": (typescript2, MODERN, MODERN),
        "rust": (rust, "default", LEGACY),
        "rust-auto": (rust, "auto", MODERN),
        "rust-modern": (rust, "discover", MODERN),
    }


def servers(at):
    """Each server: its part of the plan, its command, the revision it is to be spoken to in, and its keys in stdiod."""
    facets = HERE.parent / "servers/facets"
    commands = {
        "python": [at.python2 / "bin/python", "-W", "ignore", facets / "python.py"],
        "typescript": ["env", f"NODE_MODULES={at.typescript2}/node_modules", "node", facets / "typescript.mjs"],
        "rust": [at.rust / "facets"],
    }
    every = {}
    for sdk, command in commands.items():
        for era, revision in (("legacy", LEGACY), ("modern", MODERN), ("auto", MODERN)):
            every[f"{sdk}-{era}"] = ("facets", command, revision, {"era": era})
    for era, revision in (("legacy", LEGACY), ("modern", MODERN), ("dual", MODERN)):
        every[f"demo-{era}"] = ("demo", [at.stdiod, "demo-server", "--era", era], revision, {})
    everything = [at.servers / "node_modules/.bin/mcp-server-everything", "stdio"]
    every["everything"] = ("everything", everything, LEGACY, {})
    every["time"] = ("time", [at.python_servers / "bin/mcp-server-time"], MODERN, {})
    return every


@contextmanager
def process(log, command, ready=None, **options):
    """Something that is started here, and ends with this block."""
    with open(log, "w") as file:
        options = {"stdin": subprocess.DEVNULL, "stdout": file, "stderr": file} | options
        one = subprocess.Popen([str(part) for part in command], **options)
    try:
        end = time.monotonic() + 60
        while ready and not ready():
            if one.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"it does not start:\n{Path(log).read_text()[-3000:]}")
            time.sleep(0.1)
        yield one
    finally:
        if one.poll() is None:
            one.send_signal(signal.SIGTERM)
            try:
                one.wait(20)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()


def answers(url):
    try:
        return urllib.request.urlopen(url, timeout=2).status == 200
    except OSError:
        return False


def listens(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def configuration(port, every):
    """Python and TOML write strings, lists and tables of strings the way JSON does, but for the colon of a table."""
    text = f'[http]\nlisten = ["127.0.0.1:{port}"]\n'
    for name, (_, command, _, keys) in every.items():
        program, *rest = [str(part) for part in command]
        keys = {"command": program, "args": rest} | keys
        text += f"\n[servers.{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
        text += f'env = {{ FACETS_NOTES = {json.dumps(os.environ["FACETS_NOTES"])} }}\n'
    return text


def target(plan, client, server, revision, where):
    text = json.dumps(plan)
    for name, value in {"client": client, "server": server, "revision": revision, "notes": os.environ["FACETS_NOTES"]}.items():
        text = text.replace("{" + name + "}", value)
    return json.loads(text) | {"server": server} | where


def versions(at):
    """What was run, by the files that pin it."""
    tests = HERE.parent
    python = {name: (tests / name / "requirements.txt").read_text() for name in ("clients/python", "clients/python2", "servers")}
    npm = {name: json.loads((tests / name / "package.json").read_text())["dependencies"] for name in (
        "clients/typescript", "clients/typescript2", "servers")}
    one = lambda pattern, text: re.search(pattern, text, re.MULTILINE)[1]
    return {
        "stdiod": subprocess.run([at.stdiod, "--version"], capture_output=True, text=True, check=True).stdout.split()[1],
        "Python SDK": " and ".join(one(r"^mcp==(\S+)", python[name]) for name in ("clients/python", "clients/python2")),
        "TypeScript SDK": " and ".join([
            npm["clients/typescript"]["@modelcontextprotocol/sdk"], npm["clients/typescript2"]["@modelcontextprotocol/client"]]),
        "Rust SDK": one(r'^rmcp = .*?"=([^"]+)"', (tests / "clients/rust/Cargo.toml").read_text()),
        "server-everything": npm["servers"]["@modelcontextprotocol/server-everything"],
        "mcp-server-time": one(r"^mcp-server-time==(\S+)", python["servers"]),
    }


def page(table, closing, at):
    """The table as a page of its own, which says what it is true of."""
    what = ", ".join(f"{name} {version}" for name, version in versions(at).items())
    about = (HERE / "about.md").read_text()
    return f"{about}\nAs of {time.strftime('%Y-%m-%d')}: {what}.\n\n{table}\nIn figures: {closing}.\n"


def main():
    at = arguments()
    plan = json.loads((HERE / "plan.json").read_text())
    work = at.work
    notes = work / "notes"
    notes.mkdir()
    os.environ["FACETS_NOTES"] = str(notes)
    who = {name: one for name, one in clients(at).items() if not at.client or name in at.client}
    what = {name: one for name, one in servers(at).items() if not at.server or name in at.server}
    if at.direct:
        # A server of both eras that is left alone with a client speaks as the client does, so one of each will do.
        what = {name: one for name, one in what.items() if name.endswith("-auto")}
    begin = time.monotonic()
    with ExitStack() as stack:
        relays, waiting = {}, []
        if not at.direct:
            port, itself = free_ports(2)
            (work / "table.toml").write_text(configuration(port, what))
            command = [at.stdiod, "--config", work / "table.toml", "serve"]
            ready = lambda: answers(f"http://127.0.0.1:{port}/readyz")
            daemon = stack.enter_context(process(work / "table-stdiod.log", command, ready))
            # The reference: the same clients with a server of both eras that the SDK itself serves over HTTP.
            command = [*servers(at)["python-auto"][1], itself]
            stack.enter_context(process(work / "table-reference.log", command, lambda: listens(itself)))
        for place, (client, (command, mode, revision)) in enumerate(who.items()):
            targets = []
            if not at.direct:
                relays[client] = Relay(port)
            for server, (part, run, spoken, _) in what.items():
                if at.direct:
                    where = {"command": [str(word) for word in run]}
                    spoken = revision
                else:
                    where = {"url": f"http://127.0.0.1:{relays[client].port}/servers/{server}/mcp"}
                targets.append(target(plan[part], client, server, spoken, where))
            # Each begins somewhere else, so that they seldom meet at a server.
            place = place * len(targets) // len(who)
            targets = targets[place:] + targets[:place]
            if not at.direct:
                where = {"url": f"http://127.0.0.1:{itself}/mcp"}
                targets.append(target(plan["facets"], client, "reference", revision, where))
            (work / f"table-{client}.json").write_text(json.dumps(targets))
            waiting.append((client, [*command, client, mode, work / f"table-{client}.json"]))
        end = time.monotonic() + SECONDS
        running = []
        while (waiting or running) and time.monotonic() < end:
            running = [one for one in running if one.poll() is None]
            if waiting and len(running) < CLIENTS_AT_ONCE:
                client, command = waiting.pop(0)
                said = stack.enter_context(open(work / f"table-{client}.tsv", "w"))
                running.append(stack.enter_context(process(work / f"table-{client}.log", command, stdout=said)))
            else:
                time.sleep(0.05)
        if not at.direct and daemon.poll() is not None:
            print("stdiod ended before it was told to", file=sys.stderr)

    results = report.Results()
    for client in who:
        said = work / f"table-{client}.tsv"
        results.read(said.read_text() if said.exists() else "")
        for server in what if relays else ():
            try:
                results.add(client, server, "wire", "ok", relays[client].era(f"/servers/{server}/mcp", who[client][2]))
            except (AssertionError, ValueError) as error:
                results.add(client, server, "wire", "FAIL", str(error))
    asked = {server: [check for check, step in plan[part]["ask"].items() if step is not None] for server, (part, *_) in what.items()}
    if relays:
        asked["reference"] = list(plan["facets"]["ask"])
    reasons = [] if at.direct else json.loads((HERE / "reasons.json").read_text())
    whole = not (at.client or at.server)
    good = results.judge(list(who), asked, reasons, bool(relays), whole)
    table, closing = results.markdown(), results.closing()
    at.markdown.write_text(table if at.direct or not whole else page(table, closing, at))
    print(f"{table}\n{closing}, {time.monotonic() - begin:.0f} s")
    sys.exit(0 if good else 1)


main()
