"""What the rest of servelab calls: run a load in processes of its own, and read its records."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from servelab.errors import AuditFailed, GeneratorKilled, UsageError
from servelab.load.conversion import Counts, WarmUpFile, convert, salvage
from servelab.load.crew import engines, follow
from servelab.load.ledger import SAMPLES
from servelab.load.records import Records, read_records
from servelab.load.shares import split
from servelab.model.load import LoadPlan, LoadProgress, LoadResult, Scheduling, Tls
from servelab.model.outcome import Outcome

__all__ = ["ProbeAnswer", "Records", "generate", "probe", "read_records", "warm_up_file"]


class ProbeAnswer(Struct, frozen=True, kw_only=True):
    """What came of one request."""

    outcome: Outcome
    worker_pid: int
    """0 where the answer named none."""
    reason: str
    """Why it is not ok; empty where it is."""

    @property
    def is_ok(self) -> bool:
        """Tell whether a correct answer came back."""
        return self.outcome is Outcome.OK


def probe(plan: LoadPlan, *, timeout_s: float) -> ProbeAnswer:
    """Send one request of the plan over a fresh connection; servers do not count it."""
    from servelab.load.probe import probe_once

    ended = probe_once(msgspec.to_builtins(plan), timeout_s=timeout_s)
    return ProbeAnswer(outcome=ended.outcome, worker_pid=ended.worker_pid, reason=ended.reason)


def _ignore(_progress: LoadProgress) -> None:
    """Tell nobody."""


def _never() -> str | None:
    """Have no reason to stop."""
    return None


def generate(
    plan: LoadPlan,
    *,
    records: Path,
    cpus: Sequence[tuple[int, ...]] = (),
    on_progress: Callable[[LoadProgress], None] = _ignore,
    should_stop: Callable[[], str | None] = _never,
) -> LoadResult:
    """Run a load to its end; write one record a request to ``records``, as Parquet.

    Those of a warm-up go to a file beside it, ``NAME.warm-up.parquet``.

    ``should_stop`` is asked a few times a second; a reason ends the load at once: requests in
    flight become ``abandoned``, those never started ``unsent`` (without a record). The n-th process
    that generates runs on the n-th of ``cpus``, from the start again where there are fewer; of none
    it runs anywhere. Whatever is raised meanwhile, KeyboardInterrupt too, is raised after those
    processes are gone. GeneratorKilled where somebody killed one of them: ``records`` then holds
    what they had recorded. AuditFailed where the books do not balance, StoreError where records
    cannot be written, UsageError where the authorities of TLS cannot be read.
    """
    if plan.tls is not None:
        _check_authorities(plan.tls)
    shares = split(plan)
    raws = [records.with_name(f"{records.name}.raw{index}") for index in range(len(shares))]
    try:
        with engines(len(shares)) as crew:
            for index, share in enumerate(shares):
                where = cpus[index % len(cpus)] if cpus else ()
                crew[index].order(share, raw=raws[index], cpus=where)
            results = follow(crew, plan=plan, on_progress=on_progress, should_stop=should_stop)
        cpu_before_s = time.process_time()
        counts = convert(
            raws,
            records,
            expected=[result["records"] for result in results],
            warm_up=_warm_up(plan, records=records, begun_ns=results[0]["begun_ns"]),
        )
        conversion_cpu_s = time.process_time() - cpu_before_s
    except GeneratorKilled:
        with suppress(OSError):  # that somebody killed it matters more than a full disk
            salvage(raws, records)
        raise
    finally:
        for unwanted in raws:
            unwanted.unlink(missing_ok=True)
    result = _balance(_add_up(results), counts, records=records)
    return msgspec.structs.replace(
        result,
        pacing=plan.pacing,
        conversion_cpu_s=conversion_cpu_s,
        warm_up_records=warm_up_file(records) if plan.warm_up_s else None,
    )


def warm_up_file(records: Path) -> Path:
    """Return where the records of a warm-up go."""
    return records.with_suffix(".warm-up.parquet")


def _warm_up(plan: LoadPlan, *, records: Path, begun_ns: int) -> WarmUpFile | None:
    if not plan.warm_up_s:
        return None
    return WarmUpFile(
        records=warm_up_file(records), until_ns=begun_ns + round(plan.warm_up_s * 1e9)
    )


def _check_authorities(tls: Tls) -> None:
    import ssl

    try:
        ssl.create_default_context(cafile=tls.authorities)
    except OSError as error:
        raise UsageError(
            f"{tls.authorities} is no file of certificates ({error.strerror or error}); name one "
            "in PEM format"
        ) from None


# ---- the books


class _Books(Struct, frozen=True, kw_only=True):
    """What the engines say of themselves, added up."""

    records: int
    unstarted: int
    failures: dict[Outcome, int]
    begun_ns: int
    started_ns: int
    ended_ns: int
    connections_opened: int
    idle_closes: int
    cpu_s: tuple[float, ...]
    busy_share: float | None
    scheduling: Scheduling
    area_ns: int
    samples: tuple[str, ...]
    was_interrupted: bool


def _add_up(results: Sequence[dict[str, Any]]) -> _Books:
    failures: dict[Outcome, int] = {}
    for result in results:
        for kind, number in result["failures"].items():
            if number:
                failures[Outcome(int(kind))] = failures.get(Outcome(int(kind)), 0) + number
    granted = {result["scheduling"] for result in results}
    shares = [result["busy_share"] for result in results if result["busy_share"] is not None]
    return _Books(
        records=sum(result["records"] for result in results),
        unstarted=sum(result["unstarted"] for result in results),
        failures=failures,
        begun_ns=results[0]["begun_ns"],
        started_ns=min(result["started_ns"] for result in results),
        ended_ns=max(result["ended_ns"] for result in results),
        connections_opened=sum(result["connections_opened"] for result in results),
        idle_closes=sum(result["idle_closes"] for result in results),
        cpu_s=tuple(result["cpu_s"] for result in results),
        busy_share=max(shares, default=None),
        scheduling=Scheduling.FIFO if granted == {Scheduling.FIFO.value} else Scheduling.NORMAL,
        area_ns=sum(result["area_ns"] for result in results),
        samples=tuple(sample for result in results for sample in result["samples"])[:SAMPLES],
        was_interrupted=any(result["was_interrupted"] for result in results),
    )


def _balance(books: _Books, counts: Counts, *, records: Path) -> LoadResult:
    """Hold the engines' books against their records; AuditFailed where they differ."""
    started = books.records
    if not started == counts.rows == counts.distinct:
        raise AuditFailed(
            f"{started} requests were started but {counts.rows} recorded, "
            f"{counts.distinct} of them distinct; please report this bug with {records}"
        )
    recorded = {kind: number for kind, number in counts.outcomes.items() if kind is not Outcome.OK}
    if books.failures != recorded:
        raise AuditFailed(
            f"the generator counted the failures {books.failures} but recorded {recorded}; "
            f"please report this bug with {records}"
        )
    outcomes = {kind.label: number for kind, number in sorted(counts.outcomes.items())}
    if books.unstarted:
        label = Outcome.UNSENT.label
        outcomes[label] = outcomes.get(label, 0) + books.unstarted
    return LoadResult(
        records=records,
        scheduled=started + books.unstarted,
        outcomes=outcomes,
        begun_s=books.begun_ns / 1e9,
        started_s=books.started_ns / 1e9,
        ended_s=books.ended_ns / 1e9,
        connections_opened=books.connections_opened,
        idle_closes=books.idle_closes,
        cpu_s=sum(books.cpu_s),
        cpu_s_by_process=books.cpu_s,
        generator_processes=len(books.cpu_s),
        in_flight_area_s=books.area_ns / 1e9,
        response_time_sum_s=counts.response_time_sum_ns / 1e9,
        samples=books.samples,
        was_interrupted=books.was_interrupted,
        busy_share=books.busy_share,
        scheduling=books.scheduling,
    )
