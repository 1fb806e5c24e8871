"""One client's play: a front of its own, its driver with the plan, what the driver asks for, and what is left in the end."""

import json
import os
import queue
import signal
import subprocess
import threading
import time

from fronts import front

# For all checks of one client with stdiod; what a peer lets hang is cut sooner.
SECONDS_PER_CLIENT = 400
SECONDS_PER_CLIENT_WITH_PEER = 150
# The ceiling of stdiod for one server, where nothing else is said.
MAX_CHILDREN = 16
# How long the processes of a client may outlive its driver.
SECONDS_TO_FOLLOW = 2
# What a session is to live through.
BLOWS = ("restart", "kill", "crash")
ACTS = (*BLOWS, "busy", "settled")


# Set when the laboratory is told to stop: no driver is waited for any more.
stopping = threading.Event()


class Cut(Exception):
    """The driver has used up its time."""


class Driver:
    """The program that plays the client, as its lines come out."""

    def __init__(self, command, folder):
        with open(folder / "driver.log", "a") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
            )
        self.said = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.said.put(line)
        self.said.put(None)

    def lines(self, seconds):
        end = time.monotonic() + seconds
        while True:
            try:
                line = self.said.get(timeout=1)
            except queue.Empty:
                if stopping.is_set() or time.monotonic() > end:
                    raise Cut(f"cut after {seconds} s") from None
                continue
            if line is None:
                return
            yield line

    def tell(self, word):
        try:
            self.process.stdin.write(json.dumps(word) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass

    def stays(self):
        """Whether a process of the client still runs, a moment after the driver has ended."""
        end = time.monotonic() + SECONDS_TO_FOLLOW
        while time.monotonic() < end:
            try:
                os.killpg(self.process.pid, 0)
            except ProcessLookupError:
                return False
            time.sleep(0.1)
        return True

    def over(self):
        """The exit status, and whether the client's own processes ended too. None of them lives on, however it ended."""
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            return self.process.wait(10), self.stays()
        except subprocess.TimeoutExpired:
            return "none: it did not end", False
        finally:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()


def write_plan(at, mode, stage, counts, folder):
    """The plan as this client gets it: with the addresses of its front, and what each server has."""
    text = at.plan.read_text().replace("{work}", str(at.work)).replace("{client}", mode["client"])
    plan = json.loads(text)
    plan["servers"] = [entry for entry in plan["servers"] if entry["server"] in stage.servers]
    for entry in plan["servers"]:
        server = entry["server"]
        entry |= {"url": stage.url(server), "sse": stage.sse(server), **counts[server]}
    plan |= {"client": mode["client"], "url": stage.url("everything"), "sse": stage.sse("everything")}
    file = folder / "plan.json"
    file.write_text(json.dumps(plan, indent=2))
    return file


def play(at, mode, servers, counts):
    """Yields the check, the result and its detail, of each check that was made."""
    name = mode["client"]
    folder = at.work / name
    folder.mkdir()
    # Some fronts serve one transport at a time; a client of the older one has it in its name.
    kind = front(at.peer, sse="sse" in name, through=at.through)
    stage = kind(at, folder, servers(folder), f"interop-{os.getpid()}-{name}")
    try:
        try:
            stage.start()
        except AssertionError as error:
            yield "connect", "fail", f"before it began: {error}"
            return
        if mode.get("stays_signed_in"):
            stage.before.pop("sessions", None)
            # One of them may have a process of its own for each session, until that is put to rest some minutes later.
            stage.before["processes of servers"] += MAX_CHILDREN - 1
        yield from driven(at, mode, stage, write_plan(at, mode, stage, counts, folder), folder)
        for check, do in (("left", stage.left), ("leave", stage.leave)):
            try:
                yield check, "ok", do()
            except AssertionError as error:
                yield check, "fail", str(error)
    finally:
        stage.clean()


def driven(at, mode, stage, plan, folder):
    driver = Driver([*mode["run"], str(plan)], folder)
    last, marks = "nothing", {}
    try:
        for line in driver.lines(SECONDS_PER_CLIENT_WITH_PEER if at.peer else SECONDS_PER_CLIENT):
            try:
                said = json.loads(line)
            except ValueError:
                yield "driver", "fail", f"its output has {line[:100]!r}"
                continue
            if said.get("ask") == BLOWS[0]:
                # The next thing forgets everybody, and with them the sessions that the many connections before have left.
                try:
                    stage.forgotten("sessions", held=1)
                except AssertionError as error:
                    yield "left", "fail", f"before the {BLOWS[0]}: {error}"
            if "ask" in said:
                marks[said["ask"]] = stage.now()
                driver.tell(act(stage, said["ask"]))
            else:
                last = said["check"]
                yield last, said["result"], said.get("detail") or ""
                if last in BLOWS and said["result"] == "ok" and not mode.get("sessionless"):
                    yield from went_on(stage, marks, last)
    except Cut as cut:
        yield "driver", "fail", f"{cut}, after {last}"
    finally:
        status, stays = driver.over()
    if stays:
        yield "left", "fail", "a process of the client runs on when its driver has ended"
    if status != 0:
        yield "driver", "fail", f"exit status {status}, after {last}"


def went_on(stage, marks, blow):
    """Some clients begin anew by themselves when their session is not known any more, and look as if it had lived on."""
    try:
        assert blow in marks, "the driver did not ask for it"
        greeted = stage.greeted_since(marks[blow])
        assert not greeted, f"not the same session: {greeted} requests of initialize after it"
    except AssertionError as error:
        yield blow, "fail", str(error)


def act(stage, ask):
    try:
        assert ask in ACTS, f"there is no act {ask}"
        getattr(stage, ask)()
        return {"done": ask}
    except AssertionError as error:
        return {"failed": str(error)}
