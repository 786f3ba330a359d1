"""How late the generator itself is, at a rate that leaves its core mostly idle."""

from collections.abc import Sequence

from load_generator import outputs, programs, targets
from load_generator.bench import Bench
from load_generator.costs import ECHO, TIMEOUT_S
from load_generator.journal import DelayRun, Line
from servelab.load.generator import read_records
from servelab.model.address import Address
from servelab.model.load import Connections, LoadPlan, OpenLoop, Protocol, Request

RATE_PER_S = 2000
GOAL_S = 150e-6


def measure(bench: Bench) -> None:
    """Measure the runs that the journal lacks."""
    done = len(runs_of(bench.journal.lines(), seconds=bench.seconds))
    if done >= bench.pairs:
        return
    with targets.nginx(bench) as address:
        for number in range(done, bench.pairs):
            run = _run(address, seed=number, bench=bench)
            bench.journal.add(run)
            told = f"p50 {run.p50_s * 1e6:.0f} µs, p99 {run.p99_s * 1e6:.0f} µs"
            bench.say(f"delay {number + 1}/{bench.pairs}: {told}")


def _run(address: Address, *, seed: int, bench: Bench) -> DelayRun:
    plan = LoadPlan(
        target=address,
        protocol=Protocol.HTTP,
        request=Request(path="/"),
        check=ECHO,
        load=OpenLoop(rate_per_s=RATE_PER_S, arrivals="poisson", seed=seed),
        duration_s=bench.seconds,
        connections=Connections.KEPT,
        timeout_s=TIMEOUT_S,
    )
    result = programs.generate_here(plan, bench=bench)
    delays_s = read_records(result.records).generator_delay_s.tolist()
    result.records.unlink()
    quantiles = outputs.nearest_ranks(delays_s)
    ok = result.outcomes.get("ok", 0)
    return DelayRun(
        seconds=bench.seconds,
        machine=bench.machine,
        rate_per_s=RATE_PER_S,
        count=len(delays_s),
        failed=result.scheduled - ok,
        p50_s=quantiles.p50_s,
        p99_s=quantiles.p99_s,
        max_s=max(delays_s),
        core_share=result.cpu_s / (result.ended_s - result.started_s),
    )


def runs_of(lines: Sequence[Line], *, seconds: float) -> list[DelayRun]:
    """Choose the runs of one length."""
    return [line for line in lines if isinstance(line, DelayRun) and line.seconds == seconds]
