"""The table of set-ups, transports and checks, as text, Markdown and JSON."""

import json
import threading
import time


class Report:
    def __init__(self, title, told):
        self.title, self.told = title, told
        self.rows, self.lock, self.began = [], threading.Lock(), time.monotonic()

    def add(self, gateway, check, result, detail, world=None):
        with self.lock:
            world = world or self.world
            self.rows.append(
                {"setup": gateway.setup, "transport": gateway.transport, "world": world, "check": check, "result": result, "detail": detail}
            )
            print(f"{time.monotonic() - self.began:6.1f} s  {gateway.name:16} {world:8} {check:24} {result:4} {detail}", flush=True)

    def red(self):
        return [row for row in self.rows if row["result"] != "ok"]

    def markdown(self):
        columns = list(dict.fromkeys((row["setup"], row["transport"]) for row in self.rows))
        checks = list(dict.fromkeys((row["world"], row["check"]) for row in self.rows))
        cells = {(row["setup"], row["transport"], row["world"], row["check"]): row for row in self.rows}
        lines = [f"# {self.title}", "", *(f"- {line}" for line in self.told), ""]
        lines += ["| servers | check | " + " | ".join(f"{setup}, {transport}" for setup, transport in columns) + " |"]
        lines += ["|" + " --- |" * (len(columns) + 2)]
        for world, check in checks:
            shown = []
            for column in columns:
                row = cells.get((*column, world, check))
                detail = row["detail"].split(";")[0].replace("|", "/") if row else ""
                shown.append("" if row is None else detail if row["result"] == "ok" else f"**RED** {detail[:100]}")
            lines.append(f"| {world} | {check} | " + " | ".join(shown) + " |")
        if self.red():
            lines += ["", "What is red:", ""]
            for row in self.red():
                detail = row["detail"].replace("\n", " ")
                lines.append(f"- {row['setup']}, {row['transport']}, {row['world']}, {row['check']}: {detail}")
        return "\n".join(lines) + "\n"

    def write(self, folder, name):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.md").write_text(self.markdown())
        told = {"title": self.title, "told": self.told, "results": self.rows}
        (folder / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n")
        return folder / f"{name}.md"
