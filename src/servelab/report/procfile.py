"""A line of a Procfile, which a shell runs with the variable PORT set; pure."""

import shlex
from ipaddress import IPv4Address
from itertools import zip_longest
from socket import INADDR_ANY

from servelab.errors import UsageError
from servelab.model.launch import LaunchCommand

ANY_HOST = str(IPv4Address(INADDR_ANY))
"""A platform that reads a Procfile reaches the process from outside; servelab starts nothing so."""
PORTS = (10001, 10002)
"""Two commands with these differ where the variable belongs."""


def line(first: LaunchCommand, second: LaunchCommand) -> str:
    """Return the line of type ``web`` of a command, made for each of `PORTS`.

    Raise UsageError where a word holds a line break.
    """
    assignments = list(first.path_assignment)
    assignments += [f"{name}={shlex.quote(value)}" for name, value in first.variables]
    words = [
        shlex.quote(one) if one == other else _with_port(one)
        for one, other in zip_longest(first.argv, second.argv, fillvalue="")
    ]
    text = " ".join([*assignments, *words])
    if "\n" in text or "\r" in text:
        raise UsageError("a Procfile has one line for each process; a setting has a line break")
    return f"web: {text}"


def _with_port(word: str) -> str:
    before, _, after = word.partition(str(PORTS[0]))
    variable = "${PORT}" if after[:1].isalnum() or after[:1] == "_" else "$PORT"
    return "".join([before and shlex.quote(before), variable, after and shlex.quote(after)])
