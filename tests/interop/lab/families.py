"""The families of clients: every folder beside this one's with a client.json.

    families.py [CLIENT,...]

Prints name, how it is installed, and folder of each family, or of those that are named by family or by client.
`{"modes": [{"client": NAME, "version": WORDS, "install": "npm"|"venv"|"cargo"|"none", "run": [PROGRAM, ARGUMENT...]}]}`:
in `run`, {here} is the family's folder and {install} where its dependencies were put. The plan's path is added to it.
A mode with `"slow": true` is a program that is started for each thing it does; such modes begin first. One with
`"sessionless": true` has no session that could go on, and may begin anew after a restart.
"""

import json
import sys
from pathlib import Path

CLIENTS = Path(__file__).resolve().parent.parent / "clients"


def modes(only=None):
    wanted = set(only.split(",")) if only else None
    found, known = [], set()
    for file in sorted(CLIENTS.glob("*/client.json")):
        for mode in json.loads(file.read_text())["modes"]:
            names = {file.parent.name, mode["client"]}
            known |= names
            if wanted is None or names & wanted:
                found.append(mode | {"family": file.parent.name, "folder": file.parent})
    if unknown := (wanted or set()) - known:
        sys.exit(f"error: there is no client or family {', '.join(sorted(unknown))}")
    names = [mode["client"] for mode in found]
    assert len(set(names)) == len(names), f"a client is there twice: {sorted(names)}"
    return found


if __name__ == "__main__":
    for line in dict.fromkeys((mode["family"], mode["install"], str(mode["folder"])) for mode in modes(*sys.argv[1:])):
        print(*line, sep="\t")
