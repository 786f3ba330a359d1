"""Load without anything else: one trial of a server that somebody else started."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from ipaddress import ip_address

import msgspec
from msgspec import Struct

from servelab.errors import GeneratorKilled
from servelab.explain import disturbance
from servelab.measure import audit, figures, gates, placing
from servelab.measure.attempt import log_name
from servelab.measure.calibration import Calibrations
from servelab.measure.machinery import Machinery
from servelab.model.load import LoadPlan, LoadProgress, LoadResult, Protocol
from servelab.model.noise import Noise
from servelab.model.placement import Placement
from servelab.model.progress import Event, Progress, Stage
from servelab.model.trial import (
    LOAD_ALONE,
    GeneratorUsage,
    Trial,
    TrialStatus,
    Warning,  # noqa: A004 - the word of the reports
)
from servelab.store.folder import RunFolder

TRIAL_ID = "load-1"


class LoadOrder(Struct, frozen=True, kw_only=True):
    """What is asked, and how it may be shown."""

    url: str
    """Without credentials."""
    requests: str
    """What is sent, in words."""
    plan: LoadPlan
    load_cpus: tuple[int, ...] | None = None
    """Where the generator runs; None: wherever the kernel puts it."""
    departures: tuple[str, ...] = ()


def measure(
    order: LoadOrder,
    *,
    machinery: Machinery,
    folder: RunFolder,
    observe: Callable[[Event], None],
    should_stop: Callable[[], str | None],
) -> Trial:
    """Return the trial; raise AuditFailed, StoreError, or UsageError for unfit CPUs.

    Where somebody killed the generator it is invalid and has no figures.
    """
    placement = placing.everywhere(machinery.cpus, load_cpus=order.load_cpus)
    started_at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    records = folder.records_file(TRIAL_ID)
    watch = machinery.watch(())
    plan = order.plan
    try:
        with watch, watch.loading():
            result = machinery.generate(
                _scheduled(plan, placement=placement),
                records=records,
                cpus=placement.generator_cpus,
                on_progress=lambda progress: observe(_shown(order, progress)),
                should_stop=should_stop,
            )
    except GeneratorKilled as killed:
        return _without_figures(order, started_at=started_at, folder=folder, reason=str(killed))
    observed = machinery.read_records(records)
    punctuality = figures.punctuality(observed, load=plan.load)
    generator = figures.generator_usage(
        result, records=observed, server_cpu_s=0.0, cores=machinery.cpus.cores
    )
    trial = msgspec.structs.replace(
        _identity(order, started_at=started_at),
        ledger=audit.ledger(result),
        load_s=figures.load_s(result),
        window_s=figures.load_s(result),
        throughput_per_s=figures.throughput_per_s(result),
        response_time_s=figures.response_times(observed),
        response_time_histogram=figures.response_time_histogram(observed),
        generator=msgspec.structs.replace(
            generator,
            offered_share=punctuality.offered_share,
            null_rate_per_s=_null_rate_per_s(
                order,
                result=result,
                placement=placement,
                generator=generator,
                machinery=machinery,
                observe=observe,
            ),
        ),
        noise=_of_the_machine(watch.noise()),
        records=log_name(records, folder=folder),
        samples=list(result.samples),
    )
    trial = msgspec.structs.replace(trial, **figures.parts_of_response_times(observed))
    return _judged(
        trial,
        result=result,
        sent=observed.sent,
        punctuality=punctuality,
        remedy=gates.remedy_of_lateness(result.scheduling, is_apart=placement.generator_is_apart),
    )


def _without_figures(order: LoadOrder, *, started_at: str, folder: RunFolder, reason: str) -> Trial:
    records = folder.records_file(TRIAL_ID)
    return msgspec.structs.replace(
        _identity(order, started_at=started_at),
        status=TrialStatus.INVALID,
        reason=reason,
        records=log_name(records, folder=folder) if records.exists() else None,
    )


def _identity(order: LoadOrder, *, started_at: str) -> Trial:
    """Return the trial as far as it is known before anything is sent."""
    plan = order.plan
    return Trial(
        id=TRIAL_ID,
        deployment=LOAD_ALONE,
        stack=LOAD_ALONE,
        heading="",
        workload=order.requests,
        status=TrialStatus.OK,
        command=order.url,
        departures=list(order.departures),
        started_at=started_at,
        load=plan.load,
        connections=plan.connections,
        channels=plan.channels if plan.protocol is Protocol.GRPC else None,
        timeout_s=plan.timeout_s,
        port=plan.target.port,
        ledger={"scheduled": 0, "sent": 0, "ok": 0},
        interpreter="",
    )


def _of_the_machine(noise: Noise | None) -> Noise | None:
    """Return noise without foreign CPU time: the loaded server is none of ours, and no noise."""
    if noise is None:
        return None
    return msgspec.structs.replace(noise, foreign_cpu_share=None, foreign_processes=())


def _scheduled(plan: LoadPlan, *, placement: Placement) -> LoadPlan:
    """Return the plan with the scheduling that it needs beside a server on this machine."""
    if not ip_address(plan.target.host).is_loopback:
        return plan
    how = placing.scheduling(plan.load, pacing=plan.pacing, placement=placement)
    return msgspec.structs.replace(plan, scheduling=how)


def _null_rate_per_s(
    order: LoadOrder,
    *,
    result: LoadResult,
    placement: Placement,
    generator: GeneratorUsage,
    machinery: Machinery,
    observe: Callable[[Event], None],
) -> float | None:
    """Return what the generator reaches against no server, where it loaded this machine.

    None after an interrupt: whoever sent it wants the end, not one more load.
    """
    if result.was_interrupted or not ip_address(order.plan.target.host).is_loopback:
        return None
    return Calibrations(machinery).limit_per_s(
        order.plan,
        placement=placement,
        generator=generator,
        tell=lambda detail: observe(Progress(title=order.url, stage=Stage.CEILING, detail=detail)),
    )


def _shown(order: LoadOrder, progress: LoadProgress) -> Progress:
    plan = order.plan
    rate_per_s = progress.finished / progress.elapsed_s if progress.elapsed_s else 0.0
    return Progress(
        title=order.url,
        stage=Stage.LOADING,
        detail=f"{rate_per_s:.0f}/s, {progress.in_flight} in flight",
        done=progress.finished
        if plan.requests
        else min(progress.elapsed_s, plan.duration_s or progress.elapsed_s),
        total=plan.requests or plan.duration_s,
        failed=progress.failed,
    )


def _judged(
    trial: Trial, *, result: LoadResult, sent: int, punctuality: gates.Punctuality, remedy: str
) -> Trial:
    bugs = list(audit.errors_of_generator(result, sent=sent))
    if bugs:
        return msgspec.structs.replace(
            trial,
            status=TrialStatus.INVALID,
            reason="the books do not balance, a bug in servelab: " + "; ".join(bugs),
            audit_errors=bugs,
        )
    status, reason = gates.status_of_generator(punctuality, load=trial.load, remedy=remedy)
    if status is TrialStatus.OK:
        status, reason = gates.status_of(trial.ledger)
    if result.was_interrupted:
        status, reason = TrialStatus.INVALID, "interrupted; the figures are those until then"
    warnings = [*_warnings(trial), *gates.warnings_on_lateness(punctuality, load=trial.load)]
    return msgspec.structs.replace(trial, status=status, reason=reason, warnings=warnings)


def _warnings(trial: Trial) -> Iterable[Warning]:
    if trial.generator is not None:
        yield from gates.warnings_on_generator(trial.generator)
        yield from gates.warnings_on_null_rate(
            trial.generator, throughput_per_s=trial.throughput_per_s
        )
    if trial.noise is not None:
        yield from disturbance.warnings(trial.noise)
