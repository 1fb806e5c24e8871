"""What a gateway has to show: the checks, for the gateways of one set-up at a time."""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from gateways import PATIENCE_S, Poller

LISTINGS = 5


def brief(error):
    return f"{type(error).__name__}: {error}".replace("\n", " ")[:400]


class Acceptance:
    def __init__(self, front, gateways, counts, report):
        """`counts`: how many tools each server has by itself, by the name that LiteLLM knows."""
        self.front, self.gateways, self.report, self.all = front, gateways, report, counts
        self.servers = [server for server in front.servers if server.name != front.broken]
        self.expected = {server.known: counts[server.known] for server in self.servers}
        # Where in LiteLLM's log begins what counts.
        self.marks = {}

    def each(self, check, act):
        """A check of all gateways at once; `act` gives what the table shows or raises."""

        def one(gateway):
            began = time.monotonic()
            try:
                said = act(gateway)
                self.report.add(gateway, check, "ok", said)
            except Exception as error:
                self.report.add(gateway, check, "FAIL", f"{brief(error)} (after {time.monotonic() - began:.1f} s)")

        with ThreadPoolExecutor(len(self.gateways)) as pool:
            list(pool.map(one, self.gateways))

    # === looks: each raises if what it sees is not complete

    def complete(self, counts):
        wrong = [
            f"{name} {counts.get(name, 0)} of {count}" for name, count in self.expected.items() if counts.get(name, 0) != count
        ]
        more = sorted(set(counts) - set(self.expected))
        served = len(self.expected) - len(wrong)
        assert not wrong and not more, f"{served}/{len(self.all)} servers right, wrong: {', '.join(wrong + more)}"
        return f"{served}/{len(self.all)}, {sum(counts.values())} tools"

    def healthy(self, statuses):
        sound = [name for name in self.expected if statuses.get(name) == "healthy"]
        odd = sorted(f"{name} {statuses.get(name)}" for name in set(statuses) | set(self.all) if name not in sound)
        if self.front.broken:
            name = next(server.known for server in self.front.servers if server.name == self.front.broken)
            assert statuses.get(name) == "unhealthy", f"the broken one is shown as {statuses.get(name)}"
            odd.remove(f"{name} unhealthy")
        assert not odd, f"{len(sound)}/{len(self.all)} healthy, not: {', '.join(odd)}"
        return f"{len(sound)}/{len(self.all)} healthy{', 1 unhealthy' if self.front.broken else ''}"

    def looks(self, gateway):
        """Every surface, and calls: another server with each round."""
        turn = iter(range(10**9))
        return [
            ("tools", lambda: self.complete(gateway.tools())),
            ("rest", lambda: self.complete(gateway.rest())),
            ("health", lambda: self.healthy(gateway.health())),
            ("endpoint", lambda: self.complete(gateway.endpoint())),
            ("call", lambda: gateway.call(self.servers[next(turn) * 5 % len(self.servers)])),
        ]

    # === checks

    def up(self):
        def act(gateway):
            gateway.begun(self.front)
            self.marks[gateway.name] = gateway.mark()
            return "yes"

        self.each("comes up", act)
        for gateway in self.gateways:
            self.report_trouble(gateway, "log of its start", gateway.beginning)

    def report_trouble(self, gateway, check, trouble):
        said = ", ".join(f"{count} {kind}" for kind, count in (trouble or {}).items()) or "it never came up"
        self.report.add(gateway, check, "FAIL" if trouble is None or any(trouble.values()) else "ok", said)

    def surfaces(self):
        self.each("/v1/mcp/tools", lambda gateway: self.complete(gateway.tools()))
        self.each("/mcp-rest/tools/list", lambda gateway: self.complete(gateway.rest()))
        self.each("health", lambda gateway: self.healthy(gateway.health()))
        self.each("POST /mcp: list", lambda gateway: self.complete(gateway.endpoint()))

    def calls(self):
        """A call to each server, through the gateway's own endpoint."""

        def act(gateway):
            failed = []
            for server in self.servers:
                try:
                    gateway.call(server)
                except Exception as error:
                    failed.append(f"{server.name}: {brief(error)}")
            done = f"{len(self.servers) - len(failed)} of {len(self.servers)}"
            assert not failed, f"{done} called; {'; '.join(failed)}"
            return f"{done} called"

        self.each("POST /mcp: calls", act)

    def listing_time(self, gateway):
        """The middle of several listings, in seconds."""
        times = []
        for _ in range(LISTINGS):
            began = time.monotonic()
            gateway.tools()
            times.append(time.monotonic() - began)
        return statistics.median(times)

    def polling(self, seconds):
        """Both paces, on all gateways at once: while one is asked without a pause, the other is asked once a second."""
        before, pids, after = self.front.started(), self.front.pids(), set()
        names = {0: "polls at its own pace", 1: "polls once a second"}
        for turn in (0, 1):
            pollers = []
            for number, gateway in enumerate(self.gateways):
                pollers.append(Poller(gateway, self.looks(gateway), (number + turn) % 2))
                pollers[-1].start()
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                # Also those that come and go.
                after |= self.front.started()
                time.sleep(0.2)
            for poller in pollers:
                poller.stop()
            for poller in pollers:
                self.report_polls(poller.gateway, names[poller.pause], poller.polls)
        started = after - before
        same = self.front.pids() == pids
        for gateway in self.gateways:
            self.report_trouble(gateway, "LiteLLM's log", gateway.trouble(self.marks[gateway.name]))
            sound = not started and same
            self.report.add(gateway, "processes started", "ok" if sound else "FAIL", f"{len(started)}{'' if same else ', other children'}")

    def report_polls(self, gateway, check, polls):
        longest = max((ended - began for began, ended, _, _ in polls), default=0)
        failed = [f"{what}: {trouble}" for _, _, what, trouble in polls if trouble]
        said = f"{len(polls) - len(failed)} of {len(polls)} complete, longest {longest:.1f} s"
        self.report.add(gateway, check, "ok" if polls and not failed else "FAIL", "; ".join([said, *failed[:2]]))

    def pollers(self):
        """One for each gateway, at its own pace, and under way."""
        pollers = [Poller(gateway, self.looks(gateway), 0) for gateway in self.gateways]
        for poller in pollers:
            poller.start()
        return pollers

    def disturbed(self, check, disturb):
        """Polling goes on while something happens; what is asked after it must be complete the first time."""
        before = self.pollers()
        # Each is in the middle of something.
        time.sleep(1)
        try:
            done = disturb()
        except RuntimeError as error:
            done = f"{brief(error)}, "
        for poller in before:
            # What was asked in between may fail, and LiteLLM leaves some of it without an answer; nobody waits for that.
            poller.over.set()
        pollers = self.pollers()
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and any(len({poll[2] for poll in list(poller.polls)}) < 5 for poller in pollers):
            time.sleep(0.1)
        for poller in pollers:
            poller.over.set()
        for poller in pollers:
            poller.stop()
        for poller in pollers:
            seen = poller.polls
            failed = [f"{what}: {trouble}" for _, _, what, trouble in seen if trouble]
            kinds = {poll[2] for poll in seen}
            longest = max((ended - began for began, ended, _, _ in seen), default=0)
            said = f"{len(seen) - len(failed)} of {len(seen)} complete, longest {longest:.1f} s"
            sound = len(kinds) == 5 and not failed
            self.report.add(poller.gateway, check, "ok" if sound else "FAIL", "; ".join([f"{done}{said}", *failed[:2]]))

    def restart(self):
        def act():
            began = time.monotonic()
            self.front.restart()
            return f"away {time.monotonic() - began:.1f} s, "

        self.disturbed("restart", act)
        self.front.ready()

    def kill(self):
        def act():
            return f"{self.front.kill()} killed, "

        self.disturbed("kill -9 of all children", act)
        self.front.settle()
