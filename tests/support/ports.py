"""Ports for what the suites start on this host."""

import random
import socket
from contextlib import ExitStack

# Below the range from which outgoing connections take theirs.
FIRST, LAST = 20000, 32000


def free_ports(count):
    """Ports that nobody listens on, each another."""
    with ExitStack() as held:
        ports = []
        for port in random.sample(range(FIRST, LAST), 200):
            try:
                held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            ports.append(port)
            if len(ports) == count:
                return ports
    raise AssertionError(f"no free ports between {FIRST} and {LAST}")
