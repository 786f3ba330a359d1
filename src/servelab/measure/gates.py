"""Gates: what must hold before a trial's figures are believed; pure."""

from collections.abc import Iterable

from servelab.model.load import LoadResult
from servelab.model.outcome import Outcome
from servelab.model.trial import GeneratorUsage, TrialStatus, Warning  # noqa: A004

FAILURE_LIMIT = 0.001
GENERATOR_CPU_SHARE_LIMIT = 0.7
GENERATOR_PART_NOTED = 0.05
GENERATOR_PART_LIMIT = 0.15
EFFICIENCY_NOISE = 0.05
ABOVE_CEILING = "above-ceiling"
GENERATOR_HEAVY = "generator-heavy"
INCLUDES_GENERATOR = "includes-generator"


def warnings_on_generator(usage: GeneratorUsage) -> Iterable[Warning]:
    """Yield what the generator's own cost says about the figures."""
    if usage.cpu_share > GENERATOR_CPU_SHARE_LIMIT:
        yield Warning(
            kind="client-bound",
            text=(
                f"client-bound: the generator used {usage.cpu_share:.0%} of a core, so that the "
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


def warnings_on_efficiency(efficiency: float | None) -> Iterable[Warning]:
    """Yield a doubt where a deployment seems faster than the hardware."""
    if efficiency is not None and efficiency > 1 + EFFICIENCY_NOISE:
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
            kind="workers-missing",
            text=f"{seen} of {asked} workers answered requests; the others had none to answer",
        )


def status_of(result: LoadResult) -> tuple[TrialStatus, str | None]:
    """Return whether a trial's failures make it failed or invalid, and the reason."""
    counts = {outcome: result.outcomes.get(outcome.label, 0) for outcome in Outcome}
    if short := counts[Outcome.CLIENT_RESOURCE]:
        return TrialStatus.INVALID, (
            f"the generator ran out of ports or files for {short} requests; raise "
            "net.ipv4.ip_local_port_range or ulimit -n, or use --connections kept"
        )
    failures = result.scheduled - counts[Outcome.OK]
    if failures > FAILURE_LIMIT * result.scheduled:
        return TrialStatus.FAILED, (
            f"{failures} of {result.scheduled} requests failed, more than {FAILURE_LIMIT:.1%}"
        )
    if not result.scheduled:
        return TrialStatus.INVALID, "no request was made in the time given; raise --duration"
    return TrialStatus.OK, None
