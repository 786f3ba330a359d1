"""The measurer: one call, one trial."""

from collections.abc import Callable, Iterable

import msgspec
from msgspec import Struct

from servelab import catalogue
from servelab.errors import CannotRunHere, ServerFailed, TrialInvalid
from servelab.measure import audit, backlog, figures, gates
from servelab.measure.attempt import Attempt, Attempting, load_plan, log_name, trial_id
from servelab.measure.calibration import Calibrations
from servelab.measure.ceiling import Ceilings
from servelab.measure.machinery import Machinery
from servelab.model.environment import Environment
from servelab.model.load import LoadResult, Protocol
from servelab.model.progress import Event, Progress, Stage
from servelab.model.trial import Ceiling, Trial, TrialSpec, TrialStatus, Warning  # noqa: A004
from servelab.store.folder import RunFolder


class TrialMeasurer:
    """Makes trials, and remembers each ceiling."""

    def __init__(self, machinery: Machinery) -> None:
        self._machinery = machinery
        self._calibrations = Calibrations(machinery)
        self._ceilings = Ceilings(machinery, calibrations=self._calibrations)

    def measure(
        self, spec: TrialSpec, *, folder: RunFolder, observe: Callable[[Event], None]
    ) -> Trial:
        """Return the trial; raise CannotRunHere, or PortBusy for a port that is taken."""

        def tell(stage: Stage, detail: str) -> None:
            observe(Progress(title=spec.deployment.title, stage=stage, detail=detail))

        obstacle = catalogue.why_not_here(
            spec.deployment, interpreter=spec.interpreter, compiler=self._machinery.compiler
        )
        if obstacle is not None:
            raise CannotRunHere(obstacle)
        environment = self._machinery.ensure_environment(
            catalogue.environment_spec(
                spec.deployment.server, with_requirements=spec.with_requirements
            ),
            interpreter=spec.interpreter,
            on_progress=lambda detail: tell(Stage.ENVIRONMENT, detail),
        )
        try:
            ceiling = self._ceilings.find(
                spec, environment=environment, tell=lambda detail: tell(Stage.CEILING, detail)
            )
        except (ServerFailed, TrialInvalid) as error:
            raise CannotRunHere(f"its ceiling could not be measured: {error}") from error
        attempt = Attempting(
            spec,
            trial_id=trial_id(spec),
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
                ceiling_per_s=self._ceilings.highest_per_s(spec),
                null_rate_per_s=self._null_rate_per_s(spec, attempt=attempt, tell=tell),
                cores=self._machinery.cores,
            ),
        )

    def _null_rate_per_s(
        self, spec: TrialSpec, *, attempt: Attempt, tell: Callable[[Stage, str], None]
    ) -> float | None:
        """Return what the generator reaches against no server, where it was not mostly idle."""
        if attempt.load is None or attempt.records is None:
            return None
        return self._calibrations.limit_per_s(
            load_plan(spec, address=attempt.address),
            generator=figures.generator_usage(
                attempt.load,
                records=attempt.records,
                server=None,
                cores=self._machinery.cores,
            ),
            tell=lambda detail: tell(Stage.CEILING, detail),
        )


class Yardstick(Struct, frozen=True, kw_only=True):
    """What the figures of a trial are held against."""

    ceiling: Ceiling
    """Measured in the trial's own environment."""
    ceiling_per_s: float
    """The highest that is known for this work."""
    null_rate_per_s: float | None
    """What the generator reaches against no server; None where it was mostly idle."""
    cores: int


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
        log=log_name(folder.log_file(attempt.id), folder=folder),
    )
    if attempt.load is None or attempt.records is None:
        return trial
    records_file = log_name(folder.records_file(attempt.id), folder=folder)
    trial = msgspec.structs.replace(
        _with_figures(trial, attempt=attempt, load=attempt.load, yardstick=yardstick),
        records=records_file,
    )
    return _with_verdict(trial, attempt=attempt, load=attempt.load, spec=spec)


def _identity(spec: TrialSpec, *, attempt: Attempt, environment: Environment) -> Trial:
    deployment = spec.deployment
    is_grpc = catalogue.protocol_of(deployment) is Protocol.GRPC
    return Trial(
        id=attempt.id,
        deployment=deployment.name,
        stack=deployment.stack,
        heading=deployment.heading,
        summary=deployment.summary,
        workload=spec.workload,
        parameters=dict(spec.parameters),
        round=spec.round,
        step=spec.step,
        status=attempt.status,
        reason=attempt.reason,
        command=str(attempt.command),
        departures=list(attempt.command.departures),
        started_at=attempt.started_at,
        load=spec.load,
        connections=spec.connections,
        channels=spec.channels if is_grpc else None,
        timeout_s=spec.timeout_s,
        port=attempt.address.port,
        ledger={"scheduled": 0, "sent": 0, "ok": 0},
        start_s=attempt.start_s,
        stop=attempt.stop,
        interpreter=environment.interpreter.version,
        packages={package.name: package.version for package in environment.packages},
        usage=attempt.usage,
        audit_errors=[attempt.audit_error] if attempt.audit_error else [],
        calls_per_worker={str(worker.pid): worker.answered for worker in attempt.workers},
    )


def _with_figures(
    trial: Trial, *, attempt: Attempt, load: LoadResult, yardstick: Yardstick
) -> Trial:
    ledger = audit.ledger(load)
    rate_per_s = figures.throughput_per_s(load)
    usage, records = attempt.usage, attempt.records
    assert records is not None  # noqa: S101 - judge has seen to it
    cpu_s_per_call = figures.per_call(usage.cpu_s if usage else None, calls=ledger["ok"])
    bare_s = yardstick.ceiling.cpu_s_per_call
    return msgspec.structs.replace(
        trial,
        ledger=ledger,
        window_s=figures.window_s(load),
        throughput_per_s=rate_per_s,
        response_time_s=figures.response_times(records),
        **figures.parts_of_response_times(records),
        response_time_histogram=figures.response_time_histogram(records),
        backlog=backlog.of_records(records, load=trial.load),
        efficiency=figures.efficiency(rate_per_s, ceiling_per_s=yardstick.ceiling_per_s),
        work_share=bare_s / cpu_s_per_call if bare_s and cpu_s_per_call else None,
        cpu_s_per_call=cpu_s_per_call,
        peak_memory_bytes=usage.peak_memory_bytes if usage else None,
        voluntary_switches_per_call=figures.per_call(
            usage.voluntary_switches if usage else None, calls=ledger["ok"]
        ),
        generator=msgspec.structs.replace(
            figures.generator_usage(load, records=records, server=usage, cores=yardstick.cores),
            offered_share=figures.punctuality(records, load=trial.load).offered_share,
            null_rate_per_s=yardstick.null_rate_per_s,
        ),
        samples=list(load.samples),
    )


def _with_verdict(trial: Trial, *, attempt: Attempt, load: LoadResult, spec: TrialSpec) -> Trial:
    assert attempt.records is not None  # noqa: S101 - judge has seen to it
    recorded = len(attempt.records)
    bugs = [
        *audit.errors_of_generator(load, recorded=recorded),
        *audit.errors_of_workers(trial.ledger, attempt.workers),
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
    if status is TrialStatus.OK:
        status, reason = gates.status_of_generator(punctuality, load=spec.load)
    if status is TrialStatus.OK:
        status, reason = gates.status_of(load)
    warnings = [
        *_warnings(trial, spec=spec),
        *gates.warnings_on_lateness(punctuality, load=spec.load),
    ]
    return msgspec.structs.replace(trial, status=status, reason=reason, warnings=warnings)


def _warnings(trial: Trial, *, spec: TrialSpec) -> Iterable[Warning]:
    if trial.generator is not None:
        yield from gates.warnings_on_generator(trial.generator)
        yield from gates.warnings_on_shared_cores(trial.generator)
        yield from gates.warnings_on_null_rate(
            trial.generator, throughput_per_s=trial.throughput_per_s
        )
    yield from gates.warnings_on_efficiency(trial.efficiency)
    yield from gates.warnings_on_workers(
        asked=min(spec.deployment.processes, trial.ledger["ok"]),
        seen=len(trial.calls_per_worker),
    )
