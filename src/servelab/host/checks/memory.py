"""Checks of memory: what is free, and what was pushed out."""

from collections.abc import Iterable

from servelab.host.checks.machine import Machine
from servelab.linux import cpus
from servelab.model.finding import Finding, Verdict

LITTLE_BYTES = 1e9
TOO_LITTLE_BYTES = 256e6
_LIMITS_AND_USAGES = (
    ("memory.max", "memory.current"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes"),
)
_SWAPPED_OUT_BYTES = 100e6


def free(machine: Machine) -> Iterable[Finding]:
    """Look how much memory is there for servers, generators and records."""
    available, total = (_bytes(machine, name) for name in ("MemAvailable", "MemTotal"))
    if available is None:
        return
    fact = f"{available / 1e9:.1f}{f' of {total / 1e9:.1f}' if total else ''} GB free"
    limited = _free_below_limits(machine)
    if limited is not None and limited < available:
        available, fact = limited, f"{limited / 1e9:.1f} GB free, by the limit of the container"
    if available < LITTLE_BYTES:
        yield Finding(
            subject="memory",
            fact=fact,
            verdict=Verdict.BAD if available < TOO_LITTLE_BYTES else Verdict.NOTE,
            advice="end what is not needed, or raise the limit; a server that swaps is measured by "
            "the disk",
        )
    else:
        yield Finding(subject="memory", fact=fact)


def _free_below_limits(machine: Machine) -> int | None:
    """Return what the tightest cgroup leaves; None without a limit."""
    folders = cpus.own_cgroups(
        "memory",
        cgroups_file=machine.root / "proc/self/cgroup",
        mounts_file=machine.root / "proc/self/mountinfo",
    )
    left = (_free_in(Machine(root=folder)) for folder in folders)
    return min((each for each in left if each is not None), default=None)


def _free_in(group: Machine) -> int | None:
    for limit_file, usage_file in _LIMITS_AND_USAGES:
        limit, usage = group.number(limit_file), group.number(usage_file)
        if limit is not None and usage is not None:
            words = (group.text("memory.stat") or "").split()
            counts = dict(zip(words[::2], words[1::2], strict=False))
            # Files that nobody reads any more make room without a cost.
            reclaimable = counts.get("total_inactive_file") or counts.get("inactive_file", "0")
            return limit - usage + int(reclaimable)
    return None


def swap(machine: Machine) -> Iterable[Finding]:
    """Look whether programs were pushed out of memory."""
    total, unused = (_bytes(machine, name) for name in ("SwapTotal", "SwapFree"))
    if total is None or unused is None:
        return
    if total - unused > _SWAPPED_OUT_BYTES:
        yield Finding(
            subject="swap",
            fact=f"{(total - unused) / 1e9:.1f} GB are swapped out",
            verdict=Verdict.NOTE,
            advice="free memory, then sudo swapoff -a",
        )
    else:
        yield Finding(subject="swap", fact="not in use" if total else "none")


def _bytes(machine: Machine, name: str) -> int | None:
    words = (machine.field("proc/meminfo", name=name) or "").split()
    return int(words[0]) * 1024 if words else None
