"""The families of clients: every folder beside this one's with a client.json.

    families.py [CLIENT]

Prints name, how it is installed, and folder of each family, or of those that CLIENT names by family or by client.
`{"modes": [{"client": NAME, "version": WORDS, "install": "npm"|"venv"|"cargo"|"none", "run": [PROGRAM, ARGUMENT...]}]}`:
in `run`, {here} is the family's folder and {install} where its dependencies were put. The plan's path is added to it.
"""

import json
import sys
from pathlib import Path

CLIENTS = Path(__file__).resolve().parent.parent / "clients"


def modes(only=None):
    found = []
    for file in sorted(CLIENTS.glob("*/client.json")):
        for mode in json.loads(file.read_text())["modes"]:
            if only in (None, file.parent.name, mode["client"]):
                found.append(mode | {"family": file.parent.name, "folder": file.parent})
    names = [mode["client"] for mode in found]
    assert len(set(names)) == len(names), f"a client is there twice: {sorted(names)}"
    return found


if __name__ == "__main__":
    for line in dict.fromkeys((mode["family"], mode["install"], str(mode["folder"])) for mode in modes(*sys.argv[1:])):
        print(*line, sep="\t")
