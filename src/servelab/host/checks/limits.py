"""Checks of what the kernel permits: files, ports, backlogs, scheduling, cgroups."""

import math
import os
import re
from collections.abc import Iterable
from pathlib import Path

from servelab.host.checks.machine import Machine
from servelab.host.checks.processor import ENOUGH_CORES
from servelab.linux import cpus
from servelab.model.finding import Finding, Verdict

FEW_FILES = 4096
TOO_FEW_FILES = 256
FEW_PORTS = 20_000
SHORT_BACKLOG = 1024
_TIME_WAIT_S = 60
_IPV4 = "proc/sys/net/ipv4"
_MAY_SCHEDULE = 1 << 23
"""CAP_SYS_NICE; see capabilities(7)."""


def open_files(machine: Machine) -> Iterable[Finding]:
    """Look how many connections a process may hold."""
    limits = _limit(machine, name="Max open files")
    if limits is None:
        return
    soft, hard = limits
    # The generator raises its own limit; the servers inherit this one.
    if soft >= FEW_FILES:
        fact = "unlimited" if math.isinf(soft) else f"{soft:.0f} for each process"
        yield Finding(subject="open files", fact=fact)
        return
    yield Finding(
        subject="open files",
        fact=f"{soft:.0f} for each process: a server holds fewer connections than that",
        verdict=Verdict.BAD if soft < TOO_FEW_FILES else Verdict.NOTE,
        advice=f"ulimit -n {min(hard, 65536):.0f}"
        if hard >= FEW_FILES
        else "raise the hard limit (nofile in /etc/security/limits.conf, or LimitNOFILE)",
    )


def ports(machine: Machine) -> Iterable[Finding]:
    """Look how many fresh connections a second there are ports for."""
    words = (machine.text(f"{_IPV4}/ip_local_port_range") or "").split()
    if len(words) != 2:  # noqa: PLR2004 - lowest and highest
        return
    count = int(words[1]) - int(words[0]) + 1
    if count < 1:
        return
    reuse = machine.number(f"{_IPV4}/tcp_tw_reuse")
    stamps = machine.number(f"{_IPV4}/tcp_timestamps")
    if reuse == 0 or stamps == 0:
        yield Finding(
            subject="ports",
            fact=f"{count}, each closed for {_TIME_WAIT_S} s after use: at most "
            f"{count / _TIME_WAIT_S:.0f} fresh connections a second for long",
            verdict=Verdict.NOTE,
            advice="sudo sysctl net.ipv4.tcp_tw_reuse=2 net.ipv4.tcp_timestamps=1 (which serves "
            "the loopback alone), or use --connections kept",
        )
    elif count < FEW_PORTS:
        yield Finding(
            subject="ports",
            fact=f"{count}, each free again a second after use: they may not do for fresh "
            "connections",
            verdict=Verdict.NOTE,
            advice='sudo sysctl net.ipv4.ip_local_port_range="32768 60999"',
        )
    else:
        yield Finding(subject="ports", fact=f"{count}, each free again a second after use")


def backlog(machine: Machine) -> Iterable[Finding]:
    """Look how many connections may wait to be accepted."""
    found = {
        "net.core.somaxconn": machine.number("proc/sys/net/core/somaxconn"),
        "net.ipv4.tcp_max_syn_backlog": machine.number(f"{_IPV4}/tcp_max_syn_backlog"),
    }
    short = {name: value for name, value in found.items() if value is not None}
    short = {name: value for name, value in short.items() if value < SHORT_BACKLOG}
    if short:
        facts = ", ".join(f"{name} is {value}" for name, value in short.items())
        yield Finding(
            subject="backlog",
            fact=f"{facts}: connections beyond it come back after 1, 3, 7 s",
            verdict=Verdict.NOTE,
            advice="sudo sysctl " + " ".join(f"{name}=4096" for name in short),
        )
    elif found["net.core.somaxconn"] is not None:
        yield Finding(subject="backlog", fact=f"{found['net.core.somaxconn']} connections")


def real_time(machine: Machine) -> Iterable[Finding]:
    """Look whether the generator may come before the server on cores that they share."""
    capabilities = int(machine.field("proc/self/status", name="CapEff") or "0", 16)
    limits = _limit(machine, name="Max realtime priority")
    if capabilities & _MAY_SCHEDULE or (limits is not None and limits[0] >= 1):
        yield Finding(subject="real time", fact="permitted")
    elif machine.cores >= ENOUGH_CORES:
        yield Finding(subject="real time", fact="not permitted, and not needed on so many cores")
    else:
        yield Finding(
            subject="real time",
            fact="not permitted: at a given rate the generator may be late on shared cores",
            verdict=Verdict.NOTE,
            advice="allow it (ulimit -r 1 as root, or rtprio in /etc/security/limits.conf)",
        )


def quotas(machine: Machine) -> Iterable[Finding]:
    """Look whether a server can be put under a CPU quota of its own."""
    folders = cpus.own_cgroups(
        "cpu",
        cgroups_file=machine.root / "proc/self/cgroup",
        mounts_file=machine.root / "proc/self/mountinfo",
    )
    own = next((folder for folder in folders if _rules_cpu_time(folder)), None)
    if own is not None and os.access(own, os.W_OK):
        yield Finding(subject="quotas", fact="a server can be given a CPU quota of its own")
    else:
        yield Finding(
            subject="quotas",
            fact="not permitted: a server cannot be given a CPU quota of its own",
            verdict=Verdict.NOTE,
            advice="where you need one: systemd-run --user --scope -p Delegate=yes servelab ..., "
            "or a container whose cgroup may be written",
        )


def _rules_cpu_time(folder: Path) -> bool:
    """Tell whether groups below this one can have a quota: version 1, or 2 with the controller."""
    if (folder / "cpu.cfs_quota_us").exists():
        return True
    try:
        return "cpu" in (folder / "cgroup.controllers").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return False


def _limit(machine: Machine, *, name: str) -> tuple[float, float] | None:
    """Read a soft and a hard limit of this process; None where it is not shown."""
    for line in (machine.text("proc/self/limits") or "").splitlines():
        if line.startswith(name):
            soft, hard = re.split(r"\s{2,}", line[len(name) :].strip())[:2]
            return _amount(soft), _amount(hard)
    return None


def _amount(word: str) -> float:
    return math.inf if word == "unlimited" else float(int(word))
