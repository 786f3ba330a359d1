"""Is this machine fit to measure on? Reads, and changes nothing."""

from collections.abc import Callable, Iterable

from servelab.host.checks import activity, limits, memory, processor
from servelab.host.checks.machine import Machine
from servelab.model.finding import Finding, Verdict

Check = Callable[[Machine], Iterable[Finding]]

CHECKS: dict[str, Check] = {
    "cores": processor.allowed,
    "CPU quota": processor.quota,
    "CPU governor": processor.governor,
    "turbo": processor.turbo,
    "SMT": processor.threads,
    "load average": processor.load_average,
    "virtualisation": processor.virtualisation,
    "clock": processor.clock_source,
    "open files": limits.open_files,
    "ports": limits.ports,
    "backlog": limits.backlog,
    "real time": limits.real_time,
    "quotas": limits.quotas,
    "memory": memory.free,
    "swap": memory.swap,
}
"""Each check by the subject of its finding."""


def examine(
    machine: Machine | None = None, *, beside: Iterable[Finding] = ()
) -> tuple[Finding, ...]:
    """Look at the machine for a second; return what was found, the gravest first.

    `beside` is what others have found, to be told in the same order.
    """
    found = [*of_files(machine or Machine()), *activity.findings(activity.look()), *beside]
    gravity = (Verdict.BAD, Verdict.NOTE, Verdict.GOOD)
    return tuple(sorted(found, key=lambda finding: gravity.index(finding.verdict)))


def of_files(machine: Machine) -> Iterable[Finding]:
    """Yield what its files say; those that make no sense are said to make none."""
    for subject, check in CHECKS.items():
        try:
            yield from check(machine)
        except (OSError, ValueError, LookupError, ArithmeticError):
            yield Finding(subject=subject, fact="cannot be told here")
