"""What the clients printed, judged and put into one table."""

from fnmatch import fnmatchcase


class Results:
    def __init__(self):
        self.lines = {}

    def add(self, client, server, check, result, detail):
        """Whatever failed once has failed."""
        if self.lines.get((client, server, check), ("ok",))[0] == "ok":
            self.lines[client, server, check] = (result, detail)

    def read(self, text):
        for line in text.splitlines():
            if line.count("\t") == 4:
                self.add(*line.split("\t"))

    def judge(self, clients, asked, reasons, relayed, whole):
        """Whether each check of each cell is green or has a reason. A reason that explains nothing is an error too,
        where all the cells were looked at: it tells what is no longer so."""
        self.clients, self.servers, self.reasons = clients, list(asked), reasons
        self.red, self.explained, self.green = [], {}, 0
        for client in clients:
            for server, checks in asked.items():
                wire = ["wire"] if relayed and server != "reference" else []
                for check in ["connect", *checks, "close", *wire]:
                    result, detail = self.lines.get((client, server, check), ("FAIL", "was not reached"))
                    if check != "connect" and detail == "was not reached" and self.is_red(client, server, "connect"):
                        continue
                    if result == "ok":
                        self.green += 1
                        continue
                    why = [number for number, one in enumerate(reasons) if self.explains(one, client, server, check)]
                    if why:
                        self.explained.setdefault((client, server), []).append((check, why[0]))
                    else:
                        self.red.append((client, server, check, detail))
        used = {number for cell in self.explained.values() for _, number in cell}
        idle = [one for number, one in enumerate(reasons) if number not in used] if whole else []
        self.red += [(one["client"], one["server"], one["check"], "has a reason but does not fail") for one in idle]
        return not self.red

    def explains(self, reason, client, server, check):
        """A reason that is about the client must show in the reference too, where stdiod has no part."""
        matches = all(fnmatchcase(is_, reason[of]) for of, is_ in (("client", client), ("server", server), ("check", check)))
        shown = self.lines.get((client, "reference", check), ("ok",))[0] != "ok"
        return matches and (reason["whose"] != "client" or shown)

    def is_red(self, *key):
        return any(one[:3] == key for one in self.red)

    def cell(self, client, server):
        if any(one[:2] == (client, server) for one in self.red):
            return "**FAIL**"
        notes = dict.fromkeys(f"{check} [{number + 1}]" for check, number in self.explained.get((client, server), []))
        return "ok" if not notes else "ok but " + ", ".join(notes)

    def markdown(self):
        rows = [["server", *self.clients]]
        rows += [[server, *(self.cell(client, server) for client in self.clients)] for server in self.servers]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ["| " + " | ".join(word.ljust(width) for word, width in zip(row, widths)) + " |" for row in rows]
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        if self.explained:
            lines += [""] + [
                f"{number + 1}. {one['reason']} (whose: the {one['whose']}; shown by: {one['proof']})"
                for number, one in enumerate(self.reasons)
            ]
        if self.red:
            lines += ["", *(f"- FAIL {client} with {server}, {check}: {detail}" for client, server, check, detail in self.red)]
        return "\n".join(lines) + "\n"

    def closing(self):
        explained = sum(len(cell) for cell in self.explained.values())
        return f"table checks: {self.green} passed, {explained} have a reason, {len(self.red)} failed"
