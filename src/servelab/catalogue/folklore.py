"""The setting that everybody has heard of: twice the cores and one more processes."""

from servelab.model.deployment import Interface
from servelab.model.tuning import Candidate

MOST_PROCESSES = 512
"""As the servers' settings allow."""
_STACKS = {Interface.WSGI: "gunicorn-sync", Interface.ASGI: "gunicorn-uvicorn"}
"""Whose manual advises it."""


def folklore_processes(cpu_count: int) -> int:
    """Return 2 * cores + 1, as far as the servers' settings allow."""
    return min(2 * cpu_count + 1, MOST_PROCESSES)


def folklore_stack(interface: Interface) -> str | None:
    """Return the stack that folklore is on, for applications of an interface; None: on none."""
    return _STACKS.get(interface)


def rule_of(benchmark: Candidate, *, cpu_count: int) -> str | None:
    """Return in words the rule that a benchmark's settings follow; None where it is no folklore."""
    processes = dict(benchmark.settings).get("processes")
    if benchmark.stack not in _STACKS.values() or processes != folklore_processes(cpu_count):
        return None
    limit = "" if processes == 2 * cpu_count + 1 else f", at most {MOST_PROCESSES}"
    return f"2 x cores + 1{limit}"
