"""Gates: what must hold before a trial's figures are believed; pure."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from servelab.model.beside import BesideUse
from servelab.model.gil import Gil
from servelab.model.load import Load, OpenLoop, Scheduling
from servelab.model.outcome import Outcome
from servelab.model.slo import FAILURE_LIMIT
from servelab.model.trial import (
    CEILING_NOISE,
    CLIENT_BOUND,
    GENERATOR_HEAVY,
    GeneratorUsage,
    TrialStatus,
    Warning,  # noqa: A004 - the word of the reports
)
from servelab.model.usage import Growth
from servelab.model.warm_up import Settling, Steadiness
from servelab.model.worker import Workforce

GENERATOR_CPU_SHARE_LIMIT = 0.7
NULL_RATE_LIMIT = 0.7
LATENESS_LIMIT_S = 0.001
LATENESS_LIMIT_SHARE = 0.1
OFFERED_LIMIT = 0.99
GENERATOR_PART_NOTED = 0.05
GENERATOR_PART_LIMIT = 0.15
MEMORY_GROWTH_NOTED_SHARE = 0.05
"""Of the server's memory, a minute."""
MEMORY_GROWTH_NOTED_BYTES = 1 << 20
OPEN_FILES_GROWTH_NOTED = 6.0
UNSTEADY = "unsteady"
GROWS = "grows"
WORKERS_MISSING = "workers-missing"
WORKERS_REPLACED = "workers-replaced"
GIL_BACK = "gil-back-on"
BESIDE_MISSING = "beside-missing"
_REMEDY = "quiet the machine, give the generator a core that the server leaves free, or load less"
ABOVE_CEILING = "above-ceiling"
INCLUDES_GENERATOR = "includes-generator"


def warnings_on_generator(usage: GeneratorUsage) -> Iterable[Warning]:
    """Yield what the generator's own cost says about the figures."""
    if usage.load_share > GENERATOR_CPU_SHARE_LIMIT:
        yield Warning(
            kind=CLIENT_BOUND,
            text=(
                f"client-bound: the generator used {usage.load_share:.0%} of a core, so that the "
                "rate is a lower limit; give it a core of its own, or ask more work of each call"
            ),
        )


def warnings_on_shared_cores(usage: GeneratorUsage) -> Iterable[Warning]:
    """Yield what the generator took of the cores that the server needed, too."""
    part = usage.share_of_all_cpu
    if part is None or part <= GENERATOR_PART_NOTED:
        return
    if part > GENERATOR_PART_LIMIT:
        yield Warning(
            kind=GENERATOR_HEAVY,
            text=(
                f"the generator took {part:.0%} of the cores that it shared with the server: "
                "too much to rank; measure on more cores, or ask more work of each call"
            ),
        )
    else:
        yield Warning(
            kind=INCLUDES_GENERATOR,
            text=f"includes the generator, which took {part:.0%} of the shared cores",
        )


def warnings_on_null_rate(
    usage: GeneratorUsage, *, throughput_per_s: float | None
) -> Iterable[Warning]:
    """Yield a note where the rate is near what the generator reaches against no server at all.

    Said once: a generator that was busy beyond its limit has its warning already.
    """
    if usage.null_rate_per_s is None or throughput_per_s is None:
        return
    if usage.load_share > GENERATOR_CPU_SHARE_LIMIT:
        return
    share = throughput_per_s / usage.null_rate_per_s
    if share > NULL_RATE_LIMIT:
        yield Warning(
            kind=CLIENT_BOUND,
            text=(
                f"client-bound: the rate is {share:.0%} of the {usage.null_rate_per_s:.0f}/s that "
                "the same generator reaches against a server that does nothing, so that it is a "
                "lower limit; give the generator more cores, or ask more work of each call"
            ),
        )


class Punctuality(Struct, frozen=True, kw_only=True):
    """How well the generator kept to its schedule."""

    delay_p99_s: float | None
    """None where too few requests were made to tell."""
    limit_s: float
    offered_share: float | None
    """Open loop: requests taken up within the schedule's time / requests planned."""


def lateness_limit_s(median_response_time_s: float) -> float:
    """Return how late a generator may be: what is small beside the times that it measures."""
    return max(LATENESS_LIMIT_S, LATENESS_LIMIT_SHARE * median_response_time_s)


def remedy_of_lateness(scheduling: Scheduling, *, is_apart: bool) -> str:
    """Return what helps a late generator; more than it has already."""
    if is_apart or scheduling is Scheduling.FIFO:
        return "quiet the machine, or load less"
    return (
        "give the generator a core of its own (--server-cpus, --load-cpus) or the right to "
        "real-time scheduling (CAP_SYS_NICE, or ulimit -r 1), or load less"
    )


def lateness(found: Punctuality, *, remedy: str) -> str | None:
    """Return what is wrong with the generator's timing, with the remedy; None where it was good."""
    if found.delay_p99_s is not None and found.delay_p99_s > found.limit_s:
        return (
            f"the generator itself was more than {found.delay_p99_s * 1e3:.2f} ms late with one "
            f"request in a hundred, where {found.limit_s * 1e3:.2f} ms are allowed; {remedy}"
        )
    if found.offered_share is not None and found.offered_share < OFFERED_LIMIT:
        return (
            f"the generator took up {found.offered_share:.1%} of the requests in time, where "
            f"{OFFERED_LIMIT:.0%} are demanded; {remedy}"
        )
    return None


def status_of_generator(
    found: Punctuality, *, load: Load, remedy: str
) -> tuple[TrialStatus, str | None]:
    """Return whether a late generator makes an open loop's trial invalid, and the reason."""
    late = lateness(found, remedy=remedy) if isinstance(load, OpenLoop) else None
    return (TrialStatus.OK, None) if late is None else (TrialStatus.INVALID, late)


def warnings_on_lateness(found: Punctuality, *, load: Load) -> Iterable[Warning]:
    """Yield a note on a late generator in a closed loop, which slows the load down only."""
    late = None if isinstance(load, OpenLoop) else lateness(found, remedy=_REMEDY)
    if late is not None:
        yield Warning(kind="late-generator", text=late)


def warnings_on_steadiness(found: Steadiness) -> Iterable[Warning]:
    """Yield a note where the rate went on changing after the warm-up."""
    if found.settling in {Settling.STEADY, Settling.TOO_SHORT, Settling.IDLE}:
        return
    slope = found.slope
    change = (
        ""
        if slope is None
        else (
            f"; the rate changes by {slope.per_minute:+.0%} a minute "
            f"({slope.low:+.0%} to {slope.high:+.0%})"
        )
    )
    yield Warning(
        kind=UNSTEADY,
        text=(
            f"no steady state: {found.settling.value}{change}; a longer --warm-up may help, or "
            "a quieter machine"
        ),
    )


def warnings_on_efficiency(efficiency: float | None) -> Iterable[Warning]:
    """Yield a doubt where a deployment seems faster than the hardware."""
    if efficiency is not None and efficiency > 1 + CEILING_NOISE:
        yield Warning(
            kind=ABOVE_CEILING,
            text=(
                f"{efficiency:.0%} of the ceiling: the machine's speed changed between the two "
                "measurements; quiet it and measure again"
            ),
        )


def warnings_on_workers(*, asked: int, seen: int) -> Iterable[Warning]:
    """Yield a note where fewer worker processes answered than were asked for."""
    if seen < asked:
        yield Warning(
            kind=WORKERS_MISSING,
            text=f"{seen} of {asked} workers answered requests; the others had none to answer",
        )


def warnings_on_workforce(found: Workforce) -> Iterable[Warning]:
    """Yield a note where workers never came up, and where some ended under load."""
    if found.missing:
        yield Warning(
            kind=WORKERS_MISSING,
            text=(
                f"{found.came_up} of {found.asked} workers came up, so that the figures are those "
                "of fewer; its log says why"
            ),
        )
    if found.lost and found.at_end:
        new = found.replacements
        follow_up = f", and {_processes(new)} came instead" if new else ", and none came instead"
        yield Warning(
            kind=WORKERS_REPLACED,
            text=(
                f"{_processes(found.lost)} of the server's workers ended under load{follow_up}; "
                "its log says why"
            ),
        )


def _processes(pids: tuple[int, ...]) -> str:
    return f"process{'es' if len(pids) > 1 else ''} {', '.join(str(pid) for pid in pids)}"


def warnings_on_gil(found: Gil) -> Iterable[Warning]:
    """Yield that the threads of a free-threaded interpreter ran one at a time all the same."""
    if not found.is_on:
        return
    cause = (
        f"module {', '.join(found.modules)} demands it"
        if found.modules
        else "something that the server loads demands it"
    )
    yield Warning(
        kind=GIL_BACK,
        text=(
            f"the GIL came back on: {cause}, and threads took turns although Python is "
            "free-threaded; choose a version that can do without, with --with"
        ),
    )


def warnings_on_beside(found: BesideUse) -> Iterable[Warning]:
    """Yield a note where a program that was to run beside the server did not."""
    for program in found.programs:
        if not program.processes:
            yield Warning(
                kind=BESIDE_MISSING,
                text=(
                    f"{program.name}, which was named with --beside, did not run any more when the "
                    "load ended; see why it is gone, and measure again"
                ),
            )


def warnings_on_growth(
    *, memory_bytes: Growth | None, open_files: Growth | None, final_memory_bytes: int
) -> Iterable[Warning]:
    """Yield a note where a server surely went on taking more, long after the load began."""
    noted_bytes = max(MEMORY_GROWTH_NOTED_BYTES, MEMORY_GROWTH_NOTED_SHARE * final_memory_bytes)
    if memory_bytes is not None and memory_bytes.low > noted_bytes:
        yield Warning(
            kind=GROWS,
            text=(
                f"its memory went on growing by {memory_bytes.per_minute / 1e6:.1f} MB a minute "
                f"({memory_bytes.low / 1e6:.1f} to {memory_bytes.high / 1e6:.1f}, 95 %); measure "
                "longer to see whether it leaks"
            ),
        )
    if open_files is not None and open_files.low > OPEN_FILES_GROWTH_NOTED:
        yield Warning(
            kind=GROWS,
            text=(
                f"its open files went on growing by {open_files.per_minute:.0f} a minute "
                f"({open_files.low:.0f} to {open_files.high:.0f}, 95 %); measure longer to see "
                "whether it leaks"
            ),
        )


def status_of_strangers(
    strangers: Mapping[int, int], *, port: int | None
) -> tuple[TrialStatus, str | None]:
    """Return that answers of processes which are not the server's make a trial invalid."""
    return TrialStatus.INVALID, (
        f"{_processes(tuple(strangers))}, not of this server, gave {sum(strangers.values())} of "
        f"the answers on port {port}; stop that program, or choose another port with --port"
    )


def status_of(ledger: Mapping[str, int]) -> tuple[TrialStatus, str | None]:
    """Return whether a trial's failures make it failed or invalid, and the reason."""
    if short := ledger.get(Outcome.CLIENT_RESOURCE.label, 0):
        return TrialStatus.INVALID, (
            f"the generator ran out of ports or files for {short} requests; raise "
            "net.ipv4.ip_local_port_range or ulimit -n, or use --connections kept"
        )
    scheduled = ledger["scheduled"]
    failures = scheduled - ledger[Outcome.OK.label]
    if failures > FAILURE_LIMIT * scheduled:
        return TrialStatus.FAILED, (
            f"{failures} of {scheduled} requests failed, more than {FAILURE_LIMIT:.1%}"
        )
    if not scheduled:
        return TrialStatus.INVALID, "no request was made in the time given; raise --duration"
    return TrialStatus.OK, None
