"""What of this machine decides how fast it serves."""

import os
import platform
from pathlib import Path

import psutil

from servelab.linux.cpus import cpu_allowance
from servelab.model.host import HostFacts


def read() -> HostFacts:
    """Read the facts; what cannot be told is left out."""
    return HostFacts(
        cpu_model=_cpu_model(),
        cpus=os.cpu_count() or 1,
        cpus_allowed=cpu_allowance().cores,
        memory_bytes=psutil.virtual_memory().total,
        architecture=platform.machine(),
        kernel=platform.release(),
        virtualisation=_virtualisation(),
    )


def _cpu_model() -> str:
    for line in _text("/proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in {"model name", "Model"}:
            return value.strip()
    return platform.processor() or "unknown processor"


def _virtualisation() -> str | None:
    """Return the container or hypervisor, as far as the kernel shows it without privileges."""
    if Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        return "container"
    maker = _text("/sys/class/dmi/id/sys_vendor").strip()
    if " hypervisor" in _text("/proc/cpuinfo"):
        return f"virtual machine ({maker})" if maker else "virtual machine"
    return None


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
