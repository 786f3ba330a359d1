"""How fast the work itself goes on this hardware, without any server in between."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import msgspec
from msgspec import Struct

from servelab import catalogue
from servelab.errors import ServerFailed, TrialInvalid
from servelab.measure import slow_api
from servelab.measure.attempt import load_plan
from servelab.measure.calibration import Calibrations
from servelab.measure.machinery import Machinery, Watch
from servelab.measure.subject import subject_of
from servelab.model.address import LOOPBACK, Address
from servelab.model.beside import BesideUse
from servelab.model.deployment import Interface
from servelab.model.environment import Environment
from servelab.model.launch import LaunchCommand
from servelab.model.limits import Limits
from servelab.model.load import ClosedLoop
from servelab.model.placement import Placement
from servelab.model.trial import Ceiling, TrialSpec
from servelab.stats.rates import median_rate_per_s
from servelab.store import scratch

BARE_SECONDS = 5.0
SHORT_WORK_S = 0.001
"""Below it a rate may say more about serving than about the work."""
_NULL_SOURCE = "generator and a server that does nothing"
MOSTLY_WORK = 0.85
"""CPU time over time of a call below which it waits."""
_POLL_S = 0.05


class _BareProcess(Struct, frozen=True):
    ended_s: list[float]
    cpu_s: float
    calls_each: int = 1
    """How many calls lie between two of the moments."""


class _BareRate(Struct, frozen=True, kw_only=True):
    processes: int
    per_s: float
    cpu_s_per_call: float
    beside_cpu_s_per_call: float | None = None
    waits: bool = False
    """The calls took much longer than the CPU time that they needed."""


class Ceilings:
    """Each ceiling once in each environment and round; the highest of a round counts for all.

    Environments on one interpreter share NumPy: their bare rates differ by the machine's mood
    alone, and a run of many minutes samples it as often as it has environments.
    """

    def __init__(self, machinery: Machinery, *, calibrations: Calibrations) -> None:
        self._machinery = machinery
        self._calibrations = calibrations
        self._bare: dict[tuple[object, ...], Ceiling] = {}
        self._known: dict[tuple[object, ...], dict[str, Ceiling]] = {}

    def find(
        self,
        spec: TrialSpec,
        *,
        placement: Placement,
        environment: Environment,
        tell: Callable[[str], None],
    ) -> Ceiling:
        """Return the ceiling in a trial's environment, measured now where it is not known yet."""
        subject = subject_of(spec)
        waiting_s = subject.waiting_s
        known = self._known.setdefault(_work(spec), {})
        place = _place(spec, environment=environment)
        if place not in known:
            measured = (
                self._of_waiting(spec, placement=placement, waiting_s=waiting_s, tell=tell)
                if waiting_s
                else self._of_bare_work(
                    spec, placement=placement, environment=environment, tell=tell
                )
            )
            known[place] = self._below_null_rate(
                measured, spec=spec, placement=placement, tell=tell
            )
        return known[place]

    def highest_per_s(self, spec: TrialSpec) -> float:
        """Return the highest ceiling that was found for the work of a trial."""
        return max(ceiling.per_s for ceiling in self._known[_work(spec)].values())

    def _below_null_rate(
        self,
        bare: Ceiling,
        *,
        spec: TrialSpec,
        placement: Placement,
        tell: Callable[[str], None],
    ) -> Ceiling:
        """Return the null server's rate instead where the work is short and that is lower.

        Both are upper limits; that of work which takes longer is the lower one anyway.
        """
        if bare.cpu_s_per_call is None or bare.cpu_s_per_call >= SHORT_WORK_S:
            return bare
        null_rate_per_s = self._null_rate_per_s(spec, placement=placement, tell=tell)
        if bare.per_s <= null_rate_per_s:
            return bare
        took_us = bare.cpu_s_per_call * 1e6
        took = f"only {took_us:.0f} µs" if took_us >= 1 else "less than 1 µs"
        return msgspec.structs.replace(
            bare, per_s=null_rate_per_s, source=f"{_NULL_SOURCE}, as the bare work takes {took}"
        )

    def _null_rate_per_s(
        self, spec: TrialSpec, *, placement: Placement, tell: Callable[[str], None]
    ) -> float:
        tell("what the generator reaches against a server that does nothing")
        # The port takes no part in it.
        plan = load_plan(spec, address=Address(LOOPBACK, 0))
        return self._calibrations.null_rate_per_s(
            plan, placement=placement, limits=of_cpu_time(spec.limits)
        )

    def _of_waiting(
        self,
        spec: TrialSpec,
        *,
        placement: Placement,
        waiting_s: float,
        tell: Callable[[str], None],
    ) -> Ceiling:
        """Return callers over waiting time, or what can be carried where that is less."""
        carried = self._carried(spec, placement=placement, tell=tell)
        if not isinstance(spec.load, ClosedLoop):
            return carried
        asked = Ceiling(
            per_s=spec.load.callers / waiting_s,
            source=f"{spec.load.callers} callers / {waiting_s:g} s of waiting",
        )
        return min(asked, carried, key=lambda ceiling: ceiling.per_s)

    def _carried(
        self, spec: TrialSpec, *, placement: Placement, tell: Callable[[str], None]
    ) -> Ceiling:
        """Return what the generator can carry, with the slow API where the work calls it."""
        calls = catalogue.slow_api_calls(spec.workload)
        if not calls:
            return Ceiling(
                per_s=self._null_rate_per_s(spec, placement=placement, tell=tell),
                source=_NULL_SOURCE,
            )
        tell("what the slow API can carry")
        rate_per_s = slow_api.measure_rate_per_s(self._machinery, placement=placement)
        return Ceiling(per_s=rate_per_s / calls, source="what generator and slow API can carry")

    def _of_bare_work(
        self,
        spec: TrialSpec,
        *,
        placement: Placement,
        environment: Environment,
        tell: Callable[[str], None],
    ) -> Ceiling:
        """Return it measured now, where it is not known yet, whatever the load."""
        bare = (*_bare_work(spec), environment.name)
        if bare not in self._bare:
            self._bare[bare] = self._measured(
                spec, placement=placement, environment=environment, tell=tell
            )
        return self._bare[bare]

    def _measured(
        self,
        spec: TrialSpec,
        *,
        placement: Placement,
        environment: Environment,
        tell: Callable[[str], None],
    ) -> Ceiling:
        rates = []
        # A part of a core is used by a process of its own.
        most = max(1, math.ceil(placement.server_cores))
        for processes in process_counts(most):
            tell(f"the bare work in {processes} of {most} processes")
            rates.append(
                self._bare_rate(
                    spec, placement=placement, environment=environment, processes=processes
                )
            )
        best = max(rates, key=lambda rate: rate.per_s)
        names = " and ".join(spec.beside)
        plural = "es" if best.processes > 1 else ""
        return Ceiling(
            per_s=best.per_s,
            source=f"the bare work in {best.processes} process{plural}"
            + (
                f", by its CPU time{f' and that of {names}' if names else ''}" if best.waits else ""
            ),
            rate_by_processes={rate.processes: rate.per_s for rate in rates},
            cpu_s_per_call=rates[0].cpu_s_per_call,
            beside_cpu_s_per_call=rates[0].beside_cpu_s_per_call,
        )

    def _bare_rate(
        self, spec: TrialSpec, *, placement: Placement, environment: Environment, processes: int
    ) -> _BareRate:
        with scratch.folder() as place:
            out = place / "bare.json"
            watch = self._machinery.watch(spec.beside) if spec.beside else None
            with _watched(watch) if watch else nullcontext():
                self._run_to_end(
                    spec,
                    command=subject_of(spec).bare(
                        processes=processes, seconds=BARE_SECONDS, out=out
                    ),
                    placement=placement,
                    environment=environment,
                    place=place,
                )
            reports = msgspec.json.decode(out.read_bytes(), type=list[_BareProcess])
        try:
            return _rate(
                reports,
                cores=placement.server_cores if subject_of(spec).may_wait else None,
                beside=watch.beside() if watch else None,
            )
        except ValueError as error:
            raise TrialInvalid(
                f"the bare work of {spec.workload} is too long for a rate ({error}); "
                "ask less work of a call with --param"
            ) from error

    def _run_to_end(
        self,
        spec: TrialSpec,
        *,
        command: LaunchCommand,
        placement: Placement,
        environment: Environment,
        place: Path,
    ) -> None:
        subject = subject_of(spec)
        assert subject.bare_directory is not None  # noqa: S101 - `find` has seen to it
        with self._machinery.launch(
            command,
            programs=environment.programs,
            directory=subject.bare_directory,
            python_path=subject.python_path,
            variables={
                **dict(environment.variables),
                **subject.variables(place / "counters", place),
            },
            log=place / "log",
            address=None,
            cpus=frozenset(placement.server_cpus),
            limits=of_cpu_time(spec.limits),
        ) as process:
            while process.is_alive():
                time.sleep(_POLL_S)
            if process.exit is None or process.exit.code != 0:
                tail = " / ".join(process.log_tail(3))
                raise ServerFailed(f"the bare work ended with {process.exit}: {tail}")


def _place(spec: TrialSpec, *, environment: Environment) -> str:
    """Return a name for all environments in which a ceiling is the same."""
    if subject_of(spec).waiting_s:
        return ""
    if spec.service is None:
        return environment.name
    # What a user's application calls is everywhere the same, but for the event loop it runs on.
    loops = {each.name for each in environment.packages} & {"uvloop"}
    return "".join(loops) if spec.service.interface is Interface.ASGI else ""


def _work(spec: TrialSpec) -> tuple[object, ...]:
    # What an open loop asks changes nothing in what the hardware could give.
    callers = spec.load if isinstance(spec.load, ClosedLoop) else None
    return (*_bare_work(spec), callers)


def _bare_work(spec: TrialSpec) -> tuple[object, ...]:
    return (
        *(spec.workload, spec.parameters, spec.interpreter),
        *(spec.placement, spec.limits, spec.generators),
        spec.ceiling_round,
    )


def of_cpu_time(limits: Limits | None) -> Limits | None:
    """Return the part of a server's limits under which its ceiling is measured.

    A limit of memory slows no work down, but could kill as many processes as there are cores.
    """
    if limits is None or limits.cpus is None:
        return None
    return Limits(cpus=limits.cpus)


def process_counts(cores: int) -> tuple[int, ...]:
    """Return the numbers of processes to try: 1, 2, 4, ... and all cores."""
    powers = []
    count = 1
    while count < cores:
        powers.append(count)
        count *= 2
    return (*powers, cores)


@contextmanager
def _watched(watch: Watch) -> Iterator[None]:
    with watch, watch.loading():
        yield


def _rate(
    reports: list[_BareProcess], *, cores: float | None, beside: BesideUse | None = None
) -> _BareRate:
    """Return how fast so many processes were, or could be on so many cores where calls wait.

    The calls of a process come one after another: while one waits, a server could work on others,
    so that only their CPU time sets a limit. `cores` is None of work that is known not to wait,
    whose time beyond its CPU time is what others took.

    Programs `beside` it, such as its database, had to work for these calls, too. They may run on
    any CPU of the trial, the application on so many cores only: neither limit can be passed.
    """
    import numpy as np

    completions = [np.asarray(report.ended_s) for report in reports]
    calls = sum((len(report.ended_s) - 1) * report.calls_each for report in reports)
    cpu_s = sum(report.cpu_s for report in reports)
    whole_s = sum(report.ended_s[-1] - report.ended_s[0] for report in reports)
    waits = cores is not None and (
        0 < cpu_s < MOSTLY_WORK * whole_s * min(1.0, cores / len(reports))
    )
    if waits and cores is not None:
        per_s = min(cores, len(reports)) * calls / cpu_s
        if beside is not None:
            per_s = min(per_s, beside.cpus * calls / (cpu_s + beside.shared_cpu_s))
    else:
        per_s = median_rate_per_s(
            completions,
            start_s=max(report.ended_s[0] for report in reports),
            end_s=min(report.ended_s[-1] for report in reports),
            calls_each=[report.calls_each for report in reports],
        )
    return _BareRate(
        processes=len(reports),
        per_s=per_s,
        cpu_s_per_call=cpu_s / calls,
        beside_cpu_s_per_call=None if beside is None else beside.cpu_s / calls,
        waits=waits,
    )
