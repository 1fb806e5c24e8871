"""Every symptom of docs/clients.md, twice: with its cause the client says the words, and with stdiod it does not.

    symptoms.py STDIOD WORK PYTHON INSPECTOR REMOTE [--prove]

PYTHON has the Python SDK 1.30; INSPECTOR and REMOTE are the folders of modules with the Inspector and mcp-remote. A sight is one line of the table. Those
`with its cause` put a client to a server that fails in one way (faults.py), so that what the page says is true; those `with stdiod`
put the same client into the same situation, and fail when the words are back. With --prove the causes take the place of stdiod, and
every one of these has to fail. Exit status 0: all as it should be.
"""

import queue
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lab"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "proxies"))
import fronts  # noqa: E402
from clients import Asker, Inspector, Remote  # noqa: E402
from faults import TOOLS, Faults  # noqa: E402
from hosts import ERA, TOKEN, Everywhere, Hosts  # noqa: E402
from wire import Wire  # noqa: E402

PAGE = Path(__file__).resolve().parents[3] / "docs/clients.md"
AT_ONCE = 3
# How often the Inspector is run until its race shows, and how often in search of none.
ATTEMPTS, RUNS = 5, 3
# The program's own limit where an answer is left out.
PATIENCE = 2
# Leaving takes a moment, and two processors have other things to do.
SECONDS_TO_LEAVE = 2

CANCELLED = ["CancelledError", "Cancelled via cancel scope"]
CROSSED = ["Attempted to exit cancel scope in a different task than it was entered in"]
TIMEOUT = ["Timed out while waiting for response to ClientRequest"]
TERMINATED = ["Session terminated"]
UNAUTHORIZED = ["401 Unauthorized"]
REGISTERED = ["Dynamic Client Registration rejected"]
UNACCEPTED = ["406 Not Acceptable"]


class NotSeen(Exception):
    """A race that did not go wrong this time."""


class Laboratory:
    def __init__(self, binary, work, python, inspector, remote):
        self.faults = Faults()
        self.hosts = Hosts(SimpleNamespace(bin=binary), work, python)
        self.inspector, self.remote = Inspector(Path(inspector), work), Remote(Path(remote), work)
        self.askers = queue.SimpleQueue()
        # One more than threads, because one sight needs two.
        for number in range(AT_ONCE + 1):
            self.askers.put(Asker(python, work / f"asker-{number}.log"))

    def ask(self, program, url, act=None, **options):
        asker = self.askers.get()
        try:
            return asker.run(program, url, act, options)
        finally:
            self.askers.put(asker)

    def end(self):
        while not self.askers.empty():
            self.askers.get().end()
        self.faults.end()
        self.hosts.end()


# --- What is looked for.


def says(outcome, words, times=1):
    """All of the words, and no tools."""
    for word in words:
        assert outcome["words"].count(word) >= times, f"did not say \"{word}\", but {last(outcome)}"
    return f"\"{words[-1]}\""


def last(outcome):
    raised = [line.strip(" |+-") for line in outcome["words"].splitlines() if "Error" in line]
    return f"{outcome['tools']} tools, {outcome['error']}, {shorten(raised[-1]) if raised else 'nothing was raised'}"


def lists(outcome, words, error=None):
    """It has the tools, and the one error that is asked for; and none of the words."""
    silent(outcome, words)
    assert outcome["tools"], f"no tools: {last(outcome)}"
    named = errs(outcome, words, error) + ", then " if error else ""
    return f"{named}{outcome['tools']} tools"


def errs(outcome, words, pattern):
    """It got a JSON-RPC error with this in it, and said none of the words."""
    silent(outcome, words)
    assert outcome["error"] and re.search(pattern, outcome["error"]), f"no error with \"{pattern}\": {last(outcome)}"
    return shorten(outcome["error"])


def silent(outcome, words):
    for word in words:
        assert word not in outcome["words"], f"it said \"{word}\": {last(outcome)}"


def shorten(text, most=90):
    return text if len(text) <= most else f"{text[:most]}…"


# --- The sights. Each takes the laboratory, and returns what it saw.


def cause(fault, words, program="plain", times=1, **options):
    return lambda lab: says(lab.ask(program, lab.faults.url(fault), **options), words, times)


def harmless(*all_faults):
    """The page says of these that they are not the cause."""

    def look(lab):
        for fault in all_faults:
            outcome = lab.ask("plain", lab.faults.url(fault))
            assert outcome["tools"] == len(TOOLS), f"{fault}: {last(outcome)}"
        return f"{len(TOOLS)} tools each time"

    return look


def here(server, words, error=None, program="plain", tools=True, host="steady", act=None, **options):
    """The program lists by way of stdiod; with `error` it is told that, and with `tools=False` that alone."""

    def look(lab):
        daemon = getattr(lab.hosts, host)
        outcome = lab.ask(program, daemon.url(server), act and (lambda: act(daemon)), **options)
        return lists(outcome, words, error) if tools else errs(outcome, words, error)

    return look


def nobody(lab):
    return says(lab.ask("plain", f"http://127.0.0.1:{fronts.free_port()}/mcp"), CANCELLED)


def without_slash(lab):
    """The fault server, like old bridges, knows one of the two paths only."""
    return says(lab.ask("plain", lab.faults.url("none") + "/"), TERMINATED)


def with_slash(lab):
    return lists(lab.ask("plain", lab.hosts.steady.url("good") + "/"), TERMINATED)


def token_alone(lab):
    """401 is said before a session is looked at, and never of one."""
    seen = {}
    for token in (None, TOKEN):
        wire = Wire(lab.hosts.guarded.ports["all"], token, "/servers/good/mcp")
        wire.session = "not-a-session-of-ours"
        with wire.request("tools/list") as answer:
            seen["a token" if token else "no token"] = answer.status
    assert seen == {"no token": 401, "a token": 404}, f"answered {seen}"
    return "401 without the token, 404 with it"


def again(lab):
    """A retry is a fresh handshake: with a good token it is served each time, and so it is after one that had none."""
    url = lab.hosts.guarded.url("good")
    assert "401" in says(lab.ask("plain", url), UNAUTHORIZED)
    for _ in range(2):
        seen = lists(lab.ask("plain", url, token=TOKEN), UNAUTHORIZED + CANCELLED)
    return f"401 without the token, then {seen} twice with it"


def beside(lab):
    """One list is asked for and not answered, and meanwhile another server has its own."""
    daemon = lab.hosts.lanes
    with ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(lab.ask, "plain", daemon.url("mute"), patience=10)
        fronts.eventually("the list is under way", lambda: daemon.in_flight(), 10)
        seen = lists(lab.ask("plain", daemon.url("good"), patience=5), TIMEOUT)
        assert not stuck.done(), "the silent server was done first"
        return f"{seen}; the other: {errs(stuck.result(), TIMEOUT, 'mute')}"


def leaving(host, server, least, most, act=None):
    def look(lab):
        if host:
            daemon = getattr(lab.hosts, host)
            outcome = lab.ask("held", daemon.url(server), lambda: act(daemon))
        else:
            outcome = lab.ask("held", lab.faults.url(server))
        assert outcome["tools"], last(outcome)
        assert least <= outcome["left"] <= most, f"leaving took {outcome['left']:.1f} s"
        return f"leaving took {outcome['left']:.1f} s"

    return look


def race(what):
    """The stream is refused at the wrong moment, see faults.py; what the client makes of it is still its own affair."""

    def look(lab):
        for attempt in range(1, ATTEMPTS + 1):
            if lab.inspector.tools(lab.faults.url(f"race-{what}")) == 0:
                return f"no tools and exit status 0, 1 of {attempt}"
        raise NotSeen(f"0 of {ATTEMPTS}")

    return look


def inspected(url, *packages):
    def look(lab):
        counts = [lab.inspector.tools(url(lab), package) for package in packages or ["inspector-2"] * RUNS]
        assert all(counts), f"tools: {counts}"
        return f"{counts[0]} tools, {len(counts)} of {len(counts)}"

    return look


def asked(server, words, era):
    """What a server says when it is asked which era it is of; the daemon's log has it. The client lists in any case."""

    def look(lab):
        daemon = lab.hosts.asking
        seen = lists(lab.ask("plain", daemon.url(f"{server}-{era}")), ERA)
        heard = daemon.heard(f"{server}-{era}")
        if era == "legacy":
            assert not any(word in heard for word in words), f"it was asked: {shorten(heard)}"
            return f"not asked; {seen}"
        for word in words:
            assert word in heard, f"it did not say \"{word}\""
        return f"\"{words[0]}\"; {seen}"

    return look


CAUSE, HERE = "with its cause", "with stdiod"
SDK, CLI, REMOTE = "Python SDK 1.30", "Inspector 2.12", "mcp-remote 0.15"
COMMANDS = (CLI, REMOTE, "Inspector 0, 1")

# Symptom (the heading of the page), side, situation, client, sight.
S1 = "list_tools was cancelled"
S2 = "401 Unauthorized, on a retry for instance"
S3 = "Attempted to exit cancel scope in a different task"
S4 = "406 Not Acceptable"
S5 = "404: session not found, Session terminated"
S6 = "Timeout while listing tools"
S7 = "Inspector prints no tools"
S8 = "Method not found: server/discover"
SIGHTS = [
    (S1, CAUSE, "POST answered 401", SDK, cause("post-401", CANCELLED)),
    (S1, CAUSE, "POST answered 406", SDK, cause("post-406", CANCELLED)),
    (S1, CAUSE, "POST answered 500", SDK, cause("post-500", CANCELLED)),
    (S1, CAUSE, "connection closed without an answer", SDK, cause("post-closed", CANCELLED)),
    (S1, CAUSE, "nobody listens", SDK, nobody),
    (S1, CAUSE, "not the cause: the stream refused or closed", SDK, harmless("get-400", "get-401", "get-404", "get-500", "get-closed")),
    (S1, CAUSE, "not the cause: the stream silent", SDK, harmless("get-silent")),
    (S1, HERE, "the server cannot start", SDK, here("broken", CANCELLED, "broken", tools=False)),
    (S1, HERE, "the server never finishes its handshake", SDK, here("late", CANCELLED, "late .* still starting", tools=False)),
    (S1, HERE, "the server dies in a call", SDK,
     here("good", CANCELLED, "good", "caught", host="crashes", act=lambda daemon: daemon.crash_in_call(),
          tool="sleep", arguments={"ms": 20000})),
    (S1, HERE, "GET refused, push = \"off\"", SDK, here("quiet", CANCELLED)),
    (S2, CAUSE, "no token is sent", SDK, cause("token", [*CANCELLED, *UNAUTHORIZED])),
    (S2, CAUSE, "no token is sent", REMOTE, lambda lab: says(lab.remote.run(lab.faults.url("token")), REGISTERED)),
    (S2, HERE, "a good token in --header", REMOTE,
     lambda lab: lists(lab.remote.run(lab.hosts.guarded.url("good"), TOKEN), REGISTERED)),
    (S2, HERE, "a fresh handshake with a good token", SDK, again),
    (S2, HERE, "a session that nobody knows", "plain HTTP", token_alone),
    (S2, HERE, "no [auth]", SDK, here("good", UNAUTHORIZED)),
    (S3, CAUSE, "left in another task", SDK, cause("none", CROSSED, "crossed")),
    (S3, CAUSE, "left in another task, stdiod no different", SDK,
     lambda lab: says(lab.ask("crossed", lab.hosts.steady.url("good")), CROSSED)),
    (S3, CAUSE, "a generator whose user was cancelled by a 401", SDK, cause("post-401", CROSSED, "generator")),
    (S3, HERE, "that generator, the server cannot start", SDK,
     here("broken", CROSSED + CANCELLED, "broken", "generator", tools=False)),
    (S3, HERE, "that generator, the server never answers", SDK,
     here("mute", CROSSED + CANCELLED, "mute", "generator", tools=False)),
    *[row for accept in ("application/json", "text/event-stream", "*/*") for row in (
        (S4, CAUSE, f"Accept: {accept}", SDK, cause("both-types", [*CANCELLED, *UNACCEPTED], accept=accept)),
        (S4, HERE, f"Accept: {accept}", SDK, here("good", UNACCEPTED + CANCELLED, accept=accept)),
    )],
    (S5, CAUSE, "the server has forgotten the session", SDK, cause("forgets", TERMINATED, "goes_on", times=2)),
    (S5, CAUSE, "/mcp/ where only /mcp is served", SDK, without_slash),
    (S5, HERE, "the daemon is restarted", SDK,
     here("good", TERMINATED, program="goes_on", host="restarts", act=lambda daemon: daemon.restart())),
    (S5, HERE, "/mcp/", SDK, with_slash),
    *[(S6, CAUSE, f"the list answered by {words}", SDK, cause(f"list-{what}", TIMEOUT, patience=PATIENCE))
      for what, words in [("202", "202"), ("html", "a page of HTML"), ("empty", "an empty 200"),
                          ("ends", "a stream without it"), ("silent", "silence")]],
    (S6, CAUSE, "DELETE not answered", SDK, leaving(None, "delete-silent", SECONDS_TO_LEAVE, 60)),
    (S6, HERE, "the server never answers the list", SDK, here("mute", TIMEOUT, "mute", tools=False, patience=PATIENCE)),
    (S6, HERE, "the server takes 1.5 s to start", SDK, here("slow", TIMEOUT, host="lanes")),
    (S6, HERE, "a silent server beside it", SDK, beside),
    (S6, HERE, "DELETE while the server is stopped (SIGSTOP)", SDK,
     leaving("stops", "good", 0, SECONDS_TO_LEAVE, lambda daemon: daemon.halt())),
    *[(S7, CAUSE, f"the stream: {what}, before the list", CLI, race(what)) for what in ("401", "404", "500", "closed")],
    (S7, CAUSE, "not the cause: the stream: 405, then", CLI, inspected(lambda lab: lab.faults.url("race-405"))),
    (S7, CAUSE, "not older releases: the stream: 404, then", "Inspector 0, 1",
     inspected(lambda lab: lab.faults.url("race-404"), "inspector-0", "inspector-1")),
    (S7, HERE, "push = \"on\"", CLI, inspected(lambda lab: lab.hosts.steady.url("good"))),
    (S7, HERE, "push = \"off\"", CLI, inspected(lambda lab: lab.hosts.steady.url("quiet"))),
    (S8, CAUSE, "a server of the Python SDK is asked", SDK, asked("python", ERA, "auto")),
    (S8, HERE, "era = \"legacy\"", SDK, asked("python", ERA, "legacy")),
]  # fmt: skip


def headings():
    """The symptoms that the page has."""
    section = PAGE.read_text().split("## Symptom, cause, cure\n")[1].split("\n## ")[0]
    return re.findall(r"^### (.+)$", section, re.MULTILINE)


def uncovered():
    wanted = {(symptom, side) for symptom in headings() for side in (CAUSE, HERE)}
    shown = {(symptom, side) for symptom, side, *_ in SIGHTS}
    return [f"{symptom} {side}: the page has it and this has not" for symptom, side in sorted(wanted - shown)] + [
        f"{symptom}: the page has no such symptom" for symptom in sorted({symptom for symptom, _ in shown - wanted})
    ]


# What takes the place of stdiod with --prove: the cause of the symptom, or of the one line with this situation.
CAUSES = {
    S1: "post-500", S2: "post-401", S3: "post-401", S4: "both-types", S5: "forgets", S6: "list-202", S7: "race-404", S8: "none",
    "DELETE while the server is stopped (SIGSTOP)": "delete-silent",
}  # fmt: skip


def look(lab, sight):
    begin = time.monotonic()
    try:
        result, detail = "ok", sight(lab)
    except NotSeen as race:
        result, detail = "not seen", str(race)
    except Exception as error:  # noqa: BLE001
        result, detail = "FAIL", str(error) or type(error).__name__
    return result, detail, time.monotonic() - begin


def proved(lab, symptom, situation, sight):
    """A sight of stdiod that is shown the cause in its place has to fail."""
    hosts = Everywhere(lab.faults, CAUSES.get(situation, CAUSES[symptom]))
    lab = SimpleNamespace(ask=lab.ask, inspector=lab.inspector, remote=lab.remote, hosts=hosts)
    result, detail, took = look(lab, sight)
    return ("ok", f"fails: {detail}", took) if result == "FAIL" else ("FAIL", f"does not fail: {detail}", took)


def all_at_once(lab, sights, see):
    """The commands of Node beside the others, because they take longest to start."""
    with ThreadPoolExecutor(AT_ONCE) as programs, ThreadPoolExecutor(1) as commands:
        running = [(commands if sight[3] in COMMANDS else programs).submit(see, sight) for sight in sights]
        return [future.result() for future in running]


def show(sights, seen):
    heading = None
    for (symptom, side, situation, client, _), (result, detail, took) in zip(sights, seen, strict=True):
        if symptom != heading:
            print(f"\n{symptom}")
            heading = symptom
        print(f"  {result:8}  {side:14}  {client:15}  {situation:47}  {took:4.1f} s  {detail}")


def main(binary, work, python, inspector, remote, *options):
    begin, prove = time.monotonic(), "--prove" in options
    missing = uncovered()
    sights = [sight for sight in SIGHTS if not prove or sight[1] == HERE]
    lab = Laboratory(binary, Path(work), python, inspector, remote)
    try:
        if prove:
            seen = all_at_once(lab, sights, lambda sight: proved(lab, sight[0], sight[2], sight[4]))
        else:
            lab.hosts.start()
            seen = all_at_once(lab, sights, lambda sight: look(lab, sight[4]))
    finally:
        lab.end()
    show(sights, seen)
    results = [result for result, *_ in seen]
    print(f"\n{results.count('ok')} as they should be, {results.count('not seen')} not seen this time, "
          f"{results.count('FAIL')} failed, in {time.monotonic() - begin:.0f} s")  # fmt: skip
    for line in missing:
        print(f"FAIL  {line}")
    return 1 if missing or "FAIL" in results else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
