"""What the clients showed, judged and put into one table: a line for each client, a column for each check."""

import json
from fnmatch import fnmatchcase

# What the laboratory looks at when the client is gone.
AFTER = ["left", "leave"]


class Results:
    def __init__(self, checks, reasons, judged):
        self.checks, self.reasons, self.judged = [*checks, *AFTER], reasons, judged
        self.clients, self.cells = {}, {}

    def begin(self, mode):
        self.clients[mode["client"]] = {"family": mode["family"], "version": mode["version"], "seconds": 0}

    def add(self, client, check, result, detail):
        """Whatever failed once has failed. What a driver does wrong stands under its own name."""
        detail = " ".join(str(detail).split())[:300]
        if check not in self.checks and check != "driver":
            check, result, detail = "driver", "fail", f"it reports a check {check!r}"
        if result not in ("ok", "fail", "none"):
            check, result, detail = "driver", "fail", f"it reports the result {result!r} for {check}"
        if self.cells.get((client, check), {"result": "ok"})["result"] != "fail":
            self.cells[client, check] = {"result": result, "detail": detail}

    def judge(self, whole):
        """Whether all is green or has a reason. A reason that explains nothing tells what is no longer so, which is an
        error too where all clients were looked at."""
        self.red, used = [], set()
        for client in self.clients:
            for check in self.checks:
                cell = self.cells.setdefault((client, check), {"result": "fail", "detail": "was not reached"})
                if cell["result"] == "ok":
                    continue
                why = [number for number, one in enumerate(self.reasons) if self.judged and explains(one, client, check, cell)]
                used.update(why)
                if why:
                    said = [one["reason"] for one in self.reasons]
                    cell["reason"] = said.index(said[why[0]]) + 1
                else:
                    self.red.append((client, check, cell["detail"]))
            if driver := self.cells.get((client, "driver")):
                self.red.append((client, "driver", driver["detail"]))
        if whole and self.judged:
            for number, one in enumerate(self.reasons):
                if number not in used:
                    self.red.append((one["client"], one["check"], "has a reason but does not need it"))
        for number, one in enumerate(self.reasons):
            if one["result"] == "fail" and not one.get("shown"):
                self.red.append((one["client"], one["check"], f"reason {number + 1} does not say how it was shown without stdiod"))
        return not self.red

    def word(self, client, check):
        cell = self.cells[client, check]
        word = {"ok": "ok", "none": "none", "fail": "FAIL"}[cell["result"]]
        return f"{word} [{cell['reason']}]" if "reason" in cell else word

    def rows(self):
        yield ["client", "version", *self.checks]
        for client, about in self.clients.items():
            yield [client, about["version"], *(self.word(client, check) for check in self.checks)]

    def notes(self):
        used = {cell["reason"] for cell in self.cells.values() if "reason" in cell}
        for number, one in enumerate(self.reasons, 1):
            if number in used:
                shown = f" (shown without stdiod by: {one['shown']})" if one.get("shown") else ""
                yield f"{number}. {one['reason']}{shown}"

    def closing(self):
        results = [(cell["result"], "reason" in cell) for (_, check), cell in self.cells.items() if check != "driver"]
        green, explained = results.count(("ok", False)), sum(explained for _, explained in results)
        return f"laboratory: {green} checks passed, {explained} have a reason, {len(self.red)} failed"

    def text(self):
        """For a terminal: the clients are the lines, and a column is as wide as it must be."""
        rows = list(self.rows())
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths)).rstrip() for row in rows]
        lines += ["", *self.notes()] if any(self.notes()) else []
        lines += ["", *(f"FAIL {client}, {check}: {detail}" for client, check, detail in self.red)] if self.red else []
        return "\n".join([*lines, ""])

    def markdown(self):
        head, *rows = self.rows()
        lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
        lines += ["", *self.notes()] if any(self.notes()) else []
        lines += ["", *(f"- FAIL {client}, {check}: {detail}" for client, check, detail in self.red)] if self.red else []
        return "\n".join([*lines, ""])

    def json(self, front):
        clients = [
            {"client": client, **about, "checks": {check: self.cells[client, check] for check in self.checks}}
            for client, about in self.clients.items()
        ]
        reasons = [{"number": number, **one} for number, one in enumerate(self.reasons, 1)]
        failed = [{"client": client, "check": check, "detail": detail} for client, check, detail in self.red]
        return json.dumps({"front": front, "clients": clients, "reasons": reasons, "failed": failed}, indent=2) + "\n"


def explains(reason, client, check, cell):
    matches = fnmatchcase(client, reason["client"]) and fnmatchcase(check, reason["check"])
    return matches and cell["result"] == reason["result"]
