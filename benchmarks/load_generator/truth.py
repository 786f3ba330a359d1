"""Who tells the truth: response times as generators report them, beside those that were."""

import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from load_generator import outputs, peers, programs, targets
from load_generator.bench import Bench
from load_generator.costs import ECHO, HEADER, TIMEOUT_S
from load_generator.journal import TruthRow
from load_generator.outputs import Counts, Quantiles
from load_generator.services import NAMES, service
from servelab.load.generator import Records, read_records
from servelab.model.address import Address
from servelab.model.load import Connections, LoadPlan, OpenLoop, Protocol, Request
from servelab.model.outcome import Outcome

ANALYTIC = "analytic"
LOGGED = "the server's log"
_PERIOD_S = 5
_RUN_LENGTHS = 6
_SEED = 1
_CONNECTIONS = 10
"""Of the generators that keep a rate by themselves."""


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """The load on a service."""

    service: str
    rate_per_s: int
    arrivals: str
    """The stall's quantiles are known for arrivals spread evenly; the tail's for any."""
    callers: int
    """Of the closed loops: so many that they come near the rate."""


CASES = (
    Case(service="stalling", rate_per_s=200, arrivals="constant", callers=2),
    Case(service="heavy-tailed", rate_per_s=500, arrivals="poisson", callers=3),
)
if tuple(case.service for case in CASES) != NAMES:
    raise AssertionError("a service without a case")

Answer = tuple[Counts, Quantiles, float]
"""Counts, quantiles, and how long it took in seconds."""
Asker = Callable[[Address, Case, Bench], Answer]


def measure(bench: Bench) -> None:
    """Measure whatever rows the journal lacks."""
    seconds = _whole_periods_s(bench.seconds)
    held = {
        (line.service, line.generator)
        for line in bench.journal.lines()
        if isinstance(line, TruthRow) and line.seconds == bench.seconds
    }
    longer = dataclasses.replace(bench, seconds=seconds)
    for case in CASES:
        if (case.service, "servelab") not in held:
            for row in _servelab_rows(case, bench=longer, seconds=bench.seconds):
                bench.journal.add(row)
                bench.say(_words(row))
        for name, ask in _OTHERS.items():
            if (case.service, name) not in held:
                row = _row(case, name, ask=ask, bench=longer, seconds=bench.seconds)
                bench.journal.add(row)
                bench.say(_words(row))


def _whole_periods_s(seconds: float) -> int:
    """Return six times the length, in whole periods of the stalls."""
    return max(1, round(seconds * _RUN_LENGTHS / _PERIOD_S)) * _PERIOD_S


def _words(row: TruthRow) -> str:
    times = ", ".join(f"{time_s * 1e3:.2f}" for time_s in (row.p50_s, row.p90_s, row.p99_s))
    return f"truth, {row.service}, {row.generator}: {times} ms"


# ---- servelab


def _plan(case: Case, address: Address, seconds: float) -> LoadPlan:
    return LoadPlan(
        target=address,
        protocol=Protocol.HTTP,
        request=Request(path="/"),
        check=ECHO,
        load=OpenLoop(rate_per_s=case.rate_per_s, arrivals=case.arrivals, seed=_SEED),
        requests=round(case.rate_per_s * seconds),
        connections=Connections.KEPT,
        timeout_s=TIMEOUT_S,
    )


def _servelab_rows(case: Case, *, bench: Bench, seconds: float) -> Iterator[TruthRow]:
    """Yield the analytic truth, the server's log, and servelab's own word on one run."""
    log = bench.folder / "answers.log"
    with targets.slow_server(bench, service=case.service, log=log) as address:
        result = programs.generate_here(_plan(case, address, bench.seconds), bench=bench)
    known = service(case.service, start_ns=0)
    analytic = Quantiles(*(known.quantile_s(share) for share in (0.5, 0.9, 0.99)))
    seen_s, logged_s = response_times(read_records(result.records), log=log)
    result.records.unlink()
    rate_per_s = result.scheduled / (result.ended_s - result.started_s)
    ok = result.outcomes.get("ok", 0)
    for name, quantiles in (
        (ANALYTIC, analytic),
        (LOGGED, outputs.nearest_ranks(logged_s)),
        ("servelab", outputs.nearest_ranks(seen_s)),
    ):
        paired = outputs.nearest_ranks(
            [seen - logged for seen, logged in zip(seen_s, logged_s, strict=True)]
        )
        is_ours = name == "servelab"
        yield TruthRow(
            service=case.service,
            generator=name,
            seconds=seconds,
            machine=bench.machine,
            rate_per_s=rate_per_s,
            count=ok,
            failed=result.scheduled - ok,
            p50_s=quantiles.p50_s,
            p90_s=quantiles.p90_s,
            p99_s=quantiles.p99_s,
            paired_p50_s=paired.p50_s if is_ours else None,
            paired_p99_s=paired.p99_s if is_ours else None,
        )


def response_times(records: Records, *, log: Path) -> tuple[list[float], list[float]]:
    """Return, request by request, the response time as recorded, and as the server logged it."""
    finished_ns = {}
    for line in log.read_text(encoding="ascii").splitlines():
        nonce, _, finished = line.split()
        finished_ns[int(nonce)] = int(finished)
    ok = records.outcome == Outcome.OK
    planned_ns = records.planned_ns[ok].tolist()
    seen_s = records.response_time_s[ok].tolist()
    # A nonce is its request's number: what the server never logged is a KeyError, not a gap.
    logged_s = [
        (finished_ns[number] - planned) / 1e9
        for number, planned in zip(records.sequence[ok].tolist(), planned_ns, strict=True)
    ]
    return seen_s, logged_s


# ---- the others


def _row(case: Case, name: str, *, ask: Asker, bench: Bench, seconds: float) -> TruthRow:
    log = bench.folder / "answers.log"
    with targets.slow_server(bench, service=case.service, log=log) as address:
        counts, quantiles, wall_s = ask(address, case, bench)
    return TruthRow(
        service=case.service,
        generator=name,
        seconds=seconds,
        machine=bench.machine,
        rate_per_s=(counts.ok + counts.failed) / wall_s,
        count=counts.ok,
        failed=counts.failed,
        p50_s=quantiles.p50_s,
        p90_s=quantiles.p90_s,
        p99_s=quantiles.p99_s,
    )


def _ask_wrk(address: Address, case: Case, bench: Bench) -> Answer:
    command = ["wrk", "-t1", f"-c{case.callers}", f"-d{bench.seconds:g}s", "--latency"]
    command += [f"--timeout={TIMEOUT_S:g}s", "-H", HEADER, f"http://{address}/"]
    ran = programs.run(command, bench=bench)
    return outputs.wrk_counts(ran.output), outputs.wrk_quantiles(ran.output), bench.seconds


def _ask_ab(address: Address, case: Case, bench: Bench) -> Answer:
    most = round(bench.seconds * case.rate_per_s * 10)
    command = ["ab", "-q", "-k", "-c", str(case.callers), "-t", f"{bench.seconds:g}"]
    ran = programs.run([*command, "-n", str(most), "-H", HEADER, f"http://{address}/"], bench=bench)
    return outputs.ab_counts(ran.output), outputs.ab_quantiles(ran.output), bench.seconds


def _ask_h2load(address: Address, case: Case, bench: Bench) -> Answer:
    log = bench.folder / "h2load.log"
    log.unlink(missing_ok=True)
    command = ["h2load", "--h1", "-t1", f"-c{_CONNECTIONS}", f"-D{bench.seconds:g}"]
    command += [f"--rps={case.rate_per_s / _CONNECTIONS:g}", f"--log-file={log}"]
    ran = programs.run([*command, "-H", HEADER, f"http://{address}/"], bench=bench)
    quantiles = outputs.h2load_quantiles(log.read_text(encoding="ascii"))
    return outputs.h2load_counts(ran.output), quantiles, bench.seconds


def _ask_locust(address: Address, case: Case, bench: Bench) -> Answer:
    prefix = bench.folder / "locust"
    command = [peers.program("locust"), "--headless", "--only-summary", "--loglevel=ERROR"]
    command += ["--locustfile", str(Path(__file__).with_name("locustfile.py"))]
    command += [f"--users={_CONNECTIONS}", f"--spawn-rate={_CONNECTIONS}"]
    command += [f"--run-time={bench.seconds:g}s", f"--csv={prefix}", f"--host=http://{address}"]
    rate = {"BENCHMARK_RATE_PER_USER": f"{case.rate_per_s / _CONNECTIONS:g}"}
    programs.run(command, bench=bench, variables={**os.environ, **rate})
    table = prefix.with_name("locust_stats.csv").read_text(encoding="utf-8")
    return *outputs.locust_row(table), bench.seconds


_OTHERS: dict[str, Asker] = {
    "wrk": _ask_wrk,
    "ab": _ask_ab,
    "h2load": _ask_h2load,
    "Locust": _ask_locust,
}
