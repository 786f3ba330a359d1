"""The measurer: one call, one trial."""

import math
from collections.abc import Callable, Iterable

import msgspec
from msgspec import Struct

from servelab import catalogue
from servelab.errors import CannotRunHere, ServerFailed, TrialInvalid
from servelab.explain import disturbance
from servelab.load.generator import Records
from servelab.measure import audit, backlog, figures, gates, placing, rehearsal
from servelab.measure.agreement import Heard
from servelab.measure.attempt import Attempt, Attempting, load_plan, log_name
from servelab.measure.calibration import Calibrations
from servelab.measure.ceiling import Ceilings
from servelab.measure.machinery import Machinery
from servelab.measure.preparing import environment_of
from servelab.measure.subject import subject_of
from servelab.model.environment import Environment, Interpreter
from servelab.model.load import LoadResult, Protocol
from servelab.model.noise import Noise
from servelab.model.outcome import Outcome
from servelab.model.placement import Placement
from servelab.model.plan import RunOptions
from servelab.model.progress import Event, Progress, Stage
from servelab.model.trial import (
    Ceiling,
    Trial,
    TrialSpec,
    TrialStatus,
    WarmUpLoad,
    Warning,  # noqa: A004 - the word of the reports
)
from servelab.model.warm_up import WarmUp
from servelab.stats.warm_up import find_warm_up, steadiness
from servelab.store import redaction
from servelab.store.folder import RunFolder


class TrialMeasurer:
    """Makes trials, and remembers each ceiling."""

    def __init__(self, machinery: Machinery) -> None:
        self._machinery = machinery
        self._calibrations = Calibrations(machinery)
        self._ceilings = Ceilings(machinery, calibrations=self._calibrations)
        self._without_ceiling: set[tuple[str, Interpreter]] = set()

    def place(self, spec: TrialSpec | RunOptions) -> Placement:
        """Return where the processes of a trial run; raise UsageError."""
        placement = placing.choose(
            spec.placement,
            cpus=self._machinery.cpus,
            generators=spec.generators,
            back_ends=1 if subject_of(spec).slow_api_calls else 0,
        )
        return placing.limited(placement, limits=spec.limits)

    def other_runs(self) -> int:
        """Return how many other servelab measure on this machine just now."""
        return self._machinery.other_runs()

    def check(self, options: RunOptions) -> None:
        """Raise UsageError or CannotRunHere where trials cannot be made here as asked."""
        self.place(options)
        if options.limits is not None:
            self._machinery.require_limits(options.limits)
        self._machinery.require_beside(options.beside)

    def hear(
        self, spec: TrialSpec, *, folder: RunFolder, observe: Callable[[Event], None]
    ) -> Heard:
        """Return what a deployment answers to what will be asked of it; nothing is timed."""
        return rehearsal.hear(
            spec,
            placement=self.place(spec),
            machinery=self._machinery,
            folder=folder,
            observe=observe,
        )

    def measure(
        self, spec: TrialSpec, *, folder: RunFolder, observe: Callable[[Event], None]
    ) -> Trial:
        """Return the trial; raise CannotRunHere, or PortBusy for a port that is taken."""

        def tell(stage: Stage, detail: str) -> None:
            observe(Progress(title=spec.deployment.title, stage=stage, detail=detail))

        placement = self.place(spec)
        environment = environment_of(spec, machinery=self._machinery, observe=observe)
        ceiling = self._ceiling(spec, placement=placement, environment=environment, tell=tell)
        attempt = Attempting(
            spec,
            placement=placement,
            environment=environment,
            machinery=self._machinery,
            folder=folder,
            observe=observe,
        ).make()
        return judge(
            spec,
            attempt=attempt,
            environment=environment,
            folder=folder,
            yardstick=Yardstick(
                ceiling=ceiling,
                ceiling_per_s=None if ceiling is None else self._ceilings.highest_per_s(spec),
                null_rate_per_s=self._null_rate_per_s(
                    spec, placement=placement, attempt=attempt, tell=tell
                ),
                placement=placement,
            ),
        )

    def _ceiling(
        self,
        spec: TrialSpec,
        *,
        placement: Placement,
        environment: Environment,
        tell: Callable[[Stage, str], None],
    ) -> Ceiling | None:
        """Return what the hardware could do; None where nobody knows the bare work."""
        work = (spec.workload, spec.interpreter)
        if subject_of(spec).bare_directory is None or work in self._without_ceiling:
            return None
        try:
            return self._ceilings.find(
                spec,
                placement=placement,
                environment=environment,
                tell=lambda detail: tell(Stage.CEILING, detail),
            )
        except (ServerFailed, TrialInvalid) as error:
            if spec.service is None:
                raise CannotRunHere(f"its ceiling could not be measured: {error}") from error
            # What serves may still not run alone: its trials have no ceiling, then.
            self._without_ceiling.add(work)
            return None

    def _null_rate_per_s(
        self,
        spec: TrialSpec,
        *,
        placement: Placement,
        attempt: Attempt,
        tell: Callable[[Stage, str], None],
    ) -> float | None:
        """Return what the generator reaches against no server, where it was not mostly idle."""
        if attempt.load is None or attempt.records is None:
            return None
        return self._calibrations.limit_per_s(
            load_plan(spec, address=attempt.address),
            placement=placement,
            generator=figures.generator_usage(
                attempt.load,
                records=attempt.records,
                server_cpu_s=0.0,
                cores=None,
            ),
            tell=lambda detail: tell(Stage.CEILING, detail),
        )


class Yardstick(Struct, frozen=True, kw_only=True):
    """What the figures of a trial are held against."""

    ceiling: Ceiling | None
    """Measured in the trial's own environment; None where nobody knows the bare work."""
    ceiling_per_s: float | None
    """The highest that is known for this work."""
    null_rate_per_s: float | None
    """What the generator reaches against no server; None where it was mostly idle."""
    placement: Placement


def judge(
    spec: TrialSpec,
    *,
    attempt: Attempt,
    environment: Environment,
    folder: RunFolder,
    yardstick: Yardstick,
) -> Trial:
    """Return the trial with its figures, its status and its warnings; pure."""
    trial = msgspec.structs.replace(
        _identity(spec, attempt=attempt, environment=environment),
        ceiling=yardstick.ceiling,
        ceiling_per_s=yardstick.ceiling_per_s,
        placement=yardstick.placement,
        log=log_name(folder.log_file(attempt.id), folder=folder),
    )
    if attempt.load is None or attempt.records is None:
        return trial
    records_file = log_name(folder.records_file(attempt.id), folder=folder)
    trial = msgspec.structs.replace(
        _with_figures(trial, attempt=attempt, load=attempt.load, spec=spec, yardstick=yardstick),
        records=records_file,
        warm_up=_warm_up(attempt, load=attempt.load, spec=spec, folder=folder),
        settling=_settling(attempt.records, load=attempt.load, spec=spec),
    )
    return _with_verdict(trial, attempt=attempt, load=attempt.load, spec=spec)


def _identity(spec: TrialSpec, *, attempt: Attempt, environment: Environment) -> Trial:
    deployment = spec.deployment
    is_grpc = catalogue.protocol_of(deployment) is Protocol.GRPC
    return Trial(
        id=attempt.id,
        deployment=deployment.name,
        stack=deployment.stack,
        heading=deployment.particulars,
        summary=deployment.summary,
        workload=spec.workload,
        parameters=dict(spec.parameters),
        round=spec.round,
        role=spec.role,
        step=spec.step,
        status=attempt.status,
        reason=attempt.reason,
        command=str(redaction.command(attempt.command)),
        departures=list(attempt.command.departures),
        started_at=attempt.started_at,
        load=spec.load,
        slo=spec.slo,
        connections=spec.connections,
        channels=spec.channels if is_grpc else None,
        timeout_s=spec.timeout_s,
        port=attempt.address.port,
        ledger={"scheduled": 0, "sent": 0, "ok": 0},
        start_s=attempt.start_s,
        stop=attempt.stop,
        graceful_stop=attempt.graceful_stop,
        interpreter=environment.python_version,
        gil=attempt.gil,
        packages={package.name: package.version for package in environment.packages},
        limits=spec.limits,
        workforce=attempt.workforce,
        front=attempt.front,
        beside=attempt.beside,
        usage=attempt.usage,
        throttling=attempt.throttling,
        noise=attempt.noise,
        audit_errors=[attempt.audit_error] if attempt.audit_error else [],
        calls_per_worker={str(worker.pid): worker.answered for worker in attempt.workers},
    )


def _warm_up(
    attempt: Attempt, *, load: LoadResult, spec: TrialSpec, folder: RunFolder
) -> WarmUpLoad | None:
    if attempt.warm_up is None or load.warm_up_records is None:
        return None
    return WarmUpLoad(
        seconds=spec.warm_up_s,
        ledger=audit.ledger_of(attempt.warm_up, unstarted=0),
        records=log_name(load.warm_up_records, folder=folder),
    )


def _settling(records: Records, *, load: LoadResult, spec: TrialSpec) -> WarmUp | None:
    if not spec.is_pilot or spec.duration_s is None:
        return None
    return find_warm_up(figures.completions_s(records, since=load), length_s=spec.duration_s)


def _measured(trial: Trial, *, attempt: Attempt, load: LoadResult, spec: TrialSpec) -> Trial:
    """Return the trial with the ledger, the window and the rate of what was measured of its load.

    Without a warm-up that is the whole load, its beginning and its end included.
    """
    assert attempt.records is not None  # noqa: S101 - judge has seen to it
    if attempt.warm_up is None:
        return msgspec.structs.replace(
            trial,
            ledger=audit.ledger(load),
            window_s=figures.load_s(load),
            throughput_per_s=figures.throughput_per_s(load),
            goodput_per_s=None
            if spec.slo is None
            else figures.goodput_per_s(load, records=attempt.records, target_s=spec.slo.target_s),
        )
    window = figures.window_after(
        spec.warm_up_s, duration_s=spec.duration_s or math.inf, result=load
    )
    recorded = len(attempt.records) + len(attempt.warm_up)
    return msgspec.structs.replace(
        trial,
        ledger=audit.ledger_of(attempt.records, unstarted=load.scheduled - recorded),
        window_s=window.seconds,
        throughput_per_s=window.rate_per_s(attempt.warm_up, attempt.records),
        goodput_per_s=None
        if spec.slo is None
        else window.rate_per_s(attempt.warm_up, attempt.records, target_s=spec.slo.target_s),
        corrected_response_time_s=figures.corrected_response_times(attempt.records),
        steadiness=steadiness(
            figures.completions_s(attempt.warm_up, attempt.records, since=load),
            start_s=spec.warm_up_s,
            end_s=spec.warm_up_s + window.seconds,
        ),
    )


def _kinds(spec: TrialSpec) -> tuple[str, ...]:
    """Return the kinds of the calls in their turns; empty where nothing is known of them."""
    if spec.service is not None:
        return ()
    return catalogue.kinds_in_turn(spec.workload, dict(spec.parameters))


def _with_figures(
    trial: Trial, *, attempt: Attempt, load: LoadResult, spec: TrialSpec, yardstick: Yardstick
) -> Trial:
    trial = _measured(trial, attempt=attempt, load=load, spec=spec)
    usage, records = attempt.usage, attempt.records
    assert records is not None  # noqa: S101 - judge has seen to it
    # What the server used is known of the whole load only.
    calls = load.outcomes.get(Outcome.OK.label, 0)
    cpu_s_per_call = figures.per_call(usage.cpu_s if usage else None, calls=calls)
    bare_s = yardstick.ceiling.cpu_s_per_call if yardstick.ceiling else None
    return msgspec.structs.replace(
        trial,
        load_s=figures.load_s(load),
        response_time_s=figures.response_times(records),
        kinds=figures.by_kind(records, kinds=_kinds(spec)),
        **figures.parts_of_response_times(records),
        response_time_histogram=figures.response_time_histogram(records),
        backlog=backlog.of_records(records, load=trial.load),
        efficiency=figures.efficiency(
            trial.throughput_per_s, ceiling_per_s=yardstick.ceiling_per_s
        ),
        work_share=bare_s / cpu_s_per_call if bare_s and cpu_s_per_call else None,
        cpu_s_per_call=cpu_s_per_call,
        beside_cpu_s_per_call=figures.per_call(
            trial.beside.cpu_s if trial.beside else None, calls=calls
        ),
        peak_memory_bytes=usage.peak_memory_bytes if usage else None,
        memory_growth_bytes=figures.memory_growth_bytes(usage) if usage else None,
        open_files_growth=figures.open_files_growth(usage) if usage else None,
        voluntary_switches_per_call=figures.per_call(
            usage.voluntary_switches if usage else None, calls=calls
        ),
        generator=msgspec.structs.replace(
            figures.generator_usage(
                load,
                records=records,
                server_cpu_s=figures.cpu_s(usage, trial.front.usage if trial.front else None),
                cores=yardstick.placement.shared_cores,
            ),
            offered_share=figures.punctuality(records, load=trial.load).offered_share,
            null_rate_per_s=yardstick.null_rate_per_s,
        ),
        samples=list(load.samples),
    )


def _with_verdict(trial: Trial, *, attempt: Attempt, load: LoadResult, spec: TrialSpec) -> Trial:
    assert attempt.records is not None  # noqa: S101 - judge has seen to it
    sent = attempt.records.sent + (attempt.warm_up.sent if attempt.warm_up else 0)
    strangers = audit.strangers(attempt.records, attempt.warm_up, workers=attempt.workers)
    bugs = [
        *audit.errors_of_generator(load, sent=sent),
        # Answers of others are in the ledger, and not in the workers' books.
        *(
            audit.errors_of_workers(
                audit.ledger(load),
                attempt.workers,
                may_be_sent_again=spec.deployment.front is not None,
            )
            if subject_of(spec).counts_calls and not strangers
            else ()
        ),
    ]
    if bugs:
        return msgspec.structs.replace(
            trial,
            status=TrialStatus.INVALID,
            reason="the books do not balance, a bug in servelab: " + "; ".join(bugs),
            audit_errors=bugs,
        )
    status, reason = attempt.status, attempt.reason
    punctuality = figures.punctuality(attempt.records, load=spec.load)
    if strangers and status is not TrialStatus.INVALID:
        status, reason = gates.status_of_strangers(strangers, port=trial.port)
    if status is TrialStatus.OK:
        status, reason = gates.status_of_generator(
            punctuality,
            load=spec.load,
            remedy=gates.remedy_of_lateness(
                load.scheduling,
                is_apart=trial.placement is not None and trial.placement.generator_is_apart,
            ),
        )
    if status is TrialStatus.OK:
        status, reason = gates.status_of(trial.ledger)
    warnings = [
        *_warnings(trial, spec=spec),
        *gates.warnings_on_lateness(punctuality, load=spec.load),
    ]
    return msgspec.structs.replace(trial, status=status, reason=reason, warnings=warnings)


def _remedy(spec: TrialSpec, *, noise: Noise) -> str:
    """Return what helps against other programs, some of which the application may need."""
    if spec.service is None:
        return disturbance.STOP_THEM
    return disturbance.remedy_of_own(noise)


def _warnings(trial: Trial, *, spec: TrialSpec) -> Iterable[Warning]:
    if trial.generator is not None:
        yield from gates.warnings_on_generator(trial.generator)
        yield from gates.warnings_on_shared_cores(trial.generator)
        yield from gates.warnings_on_null_rate(
            trial.generator, throughput_per_s=trial.throughput_per_s
        )
    if trial.steadiness is not None:
        yield from gates.warnings_on_steadiness(trial.steadiness)
    if trial.noise is not None:
        yield from disturbance.warnings(trial.noise, remedy=_remedy(spec, noise=trial.noise))
    if trial.beside is not None:
        yield from gates.warnings_on_beside(trial.beside)
    yield from gates.warnings_on_efficiency(trial.efficiency)
    if trial.workforce is not None:
        yield from gates.warnings_on_workforce(trial.workforce)
    came_up = trial.workforce is None or not trial.workforce.missing
    processes = spec.deployment.processes
    if came_up and processes is not None and subject_of(spec).counts_calls:
        yield from gates.warnings_on_workers(
            asked=min(processes, trial.ledger["ok"]),
            seen=len(trial.calls_per_worker),
        )
    if trial.gil is not None:
        yield from gates.warnings_on_gil(trial.gil)
    yield from gates.warnings_on_growth(
        memory_bytes=trial.memory_growth_bytes,
        open_files=trial.open_files_growth,
        final_memory_bytes=trial.usage.final_memory_bytes if trial.usage else 0,
    )
