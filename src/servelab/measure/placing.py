"""Which CPUs server and generator get, and how the generator gets its turn; pure.

From four cores up each has its own, so that neither takes CPU time from the other. Below that a
core for the generator alone would take a third or a half of the machine from the server, and the
figures would be those of another machine; the two share what there is, and the trial says so.

A generator process has one thread and fills at most one CPU, so that it gets one physical core with
all its hardware threads: a server on the other thread of the generator's core would slow both down.
"""

from collections.abc import Sequence

import msgspec

from servelab.errors import UsageError
from servelab.model.limits import Limits
from servelab.model.load import Load, OpenLoop, Pacing, Scheduling
from servelab.model.placement import HostCpus, Placement, PlacementWish, cpu_list, in_words

FEWEST_TO_SEPARATE = 4

Cores = tuple[tuple[int, ...], ...]
"""Physical cores, each with its CPUs."""


def choose(
    wish: PlacementWish, *, cpus: HostCpus, generators: int, back_ends: int = 0
) -> Placement:
    """Return where a trial's processes run; raise UsageError for CPUs that cannot be had.

    `generators` is the number of generator processes, `back_ends` that of processes beside the
    server which a workload calls.
    """
    for option, asked in (("--server-cpus", wish.server_cpus), ("--load-cpus", wish.load_cpus)):
        _require_allowed(asked, option=option, cpus=cpus)
    server, load = _sets(wish, cpus=cpus, load_cores=generators + back_ends)
    return _placement(server, load, cpus=cpus, generators=generators, note=_why(wish, cpus=cpus))


def everywhere(cpus: HostCpus, *, load_cpus: tuple[int, ...] | None = None) -> Placement:
    """Return the placement beside a server that runs who knows where.

    Raise UsageError for CPUs that cannot be had.
    """
    _require_allowed(load_cpus, option="--load-cpus", cpus=cpus)
    load = load_cpus or cpus.allowed
    pinned = tuple((cpu,) for cpu in load) if load_cpus else (cpus.allowed,)
    # CPUs that were named are taken for the generator's own.
    others = tuple(cpu for cpu in cpus.allowed if cpu not in (load_cpus or ()))
    return Placement(
        server_cpus=others or cpus.allowed,
        load_cpus=load,
        is_shared=True,
        shared_cores=cpus.cores,
        generator_cpus=pinned,
        back_end_cpus=load,
        server_cores=cpus.cores,
        note=f"generator on {in_words(load)}",
    )


def limited(placement: Placement, *, limits: Limits | None) -> Placement:
    """Return the placement of a server that may use no more than these limits."""
    if limits is None or limits.cpus is None:
        return placement
    cores = min(placement.server_cores, limits.cpus)
    return msgspec.structs.replace(placement, server_cores=cores)


def scheduling(load: Load, *, pacing: Pacing, placement: Placement) -> Scheduling:
    """Return how the generator should get its turn: in real time where it shares CPUs and waits.

    In an open loop it sleeps most of the time and must be punctual. In a closed loop it would take
    the CPU from the server at the server's cost, and spinning it would never give it back.
    """
    must_be_punctual = isinstance(load, OpenLoop) and pacing is Pacing.TIMER
    if must_be_punctual and not placement.generator_is_apart:
        return Scheduling.FIFO
    return Scheduling.NORMAL


def _require_allowed(asked: tuple[int, ...] | None, *, option: str, cpus: HostCpus) -> None:
    for cpu in asked or ():
        if cpu not in cpus.online:
            raise UsageError(
                f"{option}: there is no CPU {cpu}; this machine has {in_words(cpus.online)}"
            )
        if cpu not in cpus.allowed:
            raise UsageError(
                f"{option}: this process may not use CPU {cpu}, by its affinity or cpuset; "
                f"choose from {cpu_list(cpus.allowed)}"
            )


def _sets(
    wish: PlacementWish, *, cpus: HostCpus, load_cores: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the CPUs of the server and those of the load."""
    server, load = wish.server_cpus, wish.load_cpus
    if server is not None and load is not None:
        return server, load
    if server is not None:
        rest = physical_cores(_without(cpus.allowed, server), cpus=cpus)
        return server, _flat(rest[-load_cores:]) or cpus.allowed
    if load is not None:
        return _without(cpus.allowed, load) or cpus.allowed, load
    cores = physical_cores(_paid_for(cpus), cpus=cpus)
    if not _is_separable(cpus):
        return cpus.allowed, cpus.allowed
    # Half at most: a server that waits for its generator is not what was to be measured.
    taken = min(load_cores, len(cores) // 2)
    return _flat(cores[:-taken]), _flat(cores[-taken:])


def _is_separable(cpus: HostCpus) -> bool:
    usable = _paid_for(cpus)
    return len(usable) >= FEWEST_TO_SEPARATE and len(physical_cores(usable, cpus=cpus)) > 1


def _paid_for(cpus: HostCpus) -> tuple[int, ...]:
    """Return as many CPUs as a quota pays for: on no more than these nobody is throttled."""
    if cpus.quota_cores is None:
        return cpus.allowed
    return _flat(physical_cores(cpus.allowed, cpus=cpus))[: max(1, int(cpus.quota_cores))]


def physical_cores(some: Sequence[int], *, cpus: HostCpus) -> Cores:
    """Return the physical cores of some CPUs, each with those of its CPUs that are among them."""
    by_cpu = {cpu: group for group in cpus.siblings for cpu in group}
    groups = dict.fromkeys(by_cpu.get(cpu, (cpu,)) for cpu in sorted(some))
    return tuple(tuple(cpu for cpu in group if cpu in some) for group in groups)


def _placement(
    server: tuple[int, ...],
    load: tuple[int, ...],
    *,
    cpus: HostCpus,
    generators: int,
    note: str,
) -> Placement:
    overlaps = bool(set(server) & set(load))
    together = len({*server, *load})
    quota = cpus.quota_cores
    has_tight_quota = quota is not None and quota < together
    is_shared = overlaps or has_tight_quota
    own = _own_cpus(load, cpus=cpus, generators=generators)
    beside = tuple(cpu for cpu in load if (cpu,) not in own)
    return Placement(
        server_cpus=tuple(sorted(server)),
        load_cpus=tuple(sorted(load)),
        is_shared=is_shared,
        shared_cores=min(together, quota or together) if is_shared else None,
        generator_cpus=(tuple(sorted(load)),) if overlaps else own,
        back_end_cpus=tuple(sorted(load)) if overlaps or not beside else beside,
        server_cores=float(len(server)) if quota is None else min(len(server), quota),
        note="; ".join(
            part
            for part in (
                _where(server, load),
                note if overlaps else "",
                "both draw on one CPU quota" if has_tight_quota and not overlaps else "",
                _doubled_up(server, load, cpus=cpus),
                _allowance(cpus),
            )
            if part
        ),
    )


def _own_cpus(
    load: tuple[int, ...], *, cpus: HostCpus, generators: int
) -> tuple[tuple[int, ...], ...]:
    """Return one CPU for each generator process, on physical cores of their own first."""
    cores = physical_cores(load, cpus=cpus)
    deepest = max(len(core) for core in cores)
    ordered = [core[depth] for depth in range(deepest) for core in cores if depth < len(core)]
    return tuple((cpu,) for cpu in ordered[:generators])


def _where(server: tuple[int, ...], load: tuple[int, ...]) -> str:
    if set(server) == set(load):
        return f"server and generator share {in_words(server)}"
    return f"server on {in_words(server)}, generator on {in_words(load)}"


def _why(wish: PlacementWish, *, cpus: HostCpus) -> str:
    """Say why the CPUs are shared, where they are."""
    if wish.server_cpus is not None and wish.load_cpus is not None:
        return "shared, as asked"
    if wish != PlacementWish():
        return "no CPU is left for the other"
    if len(_paid_for(cpus)) >= FEWEST_TO_SEPARATE:
        return "all of them are one physical core"
    return f"each has its own from {FEWEST_TO_SEPARATE} cores up"


def _doubled_up(server: tuple[int, ...], load: tuple[int, ...], *, cpus: HostCpus) -> str:
    """Say where the two sit on different threads of one physical core."""
    if set(server) & set(load):
        return ""
    mixed = [
        core
        for core in physical_cores((*server, *load), cpus=cpus)
        if set(core) & set(server) and set(core) & set(load)
    ]
    return f"{in_words(mixed[0])} are one physical core, used by both" if mixed else ""


def _allowance(cpus: HostCpus) -> str:
    if cpus.cores >= len(cpus.online):
        return ""
    return f"{cpus.cores:g} of {len(cpus.online)} cores allowed"


def _without(some: Sequence[int], others: Sequence[int]) -> tuple[int, ...]:
    return tuple(cpu for cpu in some if cpu not in others)


def _flat(cores: Cores) -> tuple[int, ...]:
    return tuple(cpu for core in cores for cpu in core)
