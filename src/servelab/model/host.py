"""Facts of the machine that was measured on."""

from msgspec import Struct


class HostFacts(Struct, frozen=True, kw_only=True):
    """What of a machine decides how fast it serves."""

    cpu_model: str
    cpus: int
    """Logical processors of the machine."""
    cpus_allowed: float
    """How many of them this process may use, by affinity and cgroup quota."""
    memory_bytes: int
    architecture: str
    kernel: str
    virtualisation: str | None = None
    """Name of the hypervisor or container, where it can be told."""
