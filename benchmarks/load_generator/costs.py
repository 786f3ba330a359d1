"""What a request costs its generator: servelab beside others, in alternating rounds."""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from load_generator import outputs, targets
from load_generator.bench import Bench, CannotMeasure
from load_generator.checks import FIELD
from load_generator.journal import CostRound, Line, Reading
from load_generator.programs import read_grpc_aio, read_program, read_servelab
from servelab.model.address import Address
from servelab.model.load import ClosedLoop, Connections, LoadPlan, Protocol, Request

NONCE = "0" * 16
"""What the others send in each request: servelab's differs in the digits, not in their number."""
HEADER = f"x-servelab-nonce: {NONCE}"
ECHO = "servelab.load.answers:echoed_nonce"
TIMEOUT_S = 10.0
_WARM_UP_S = 1.0
_AB_MOST_PER_SECOND = 100_000

Contender = Callable[[Address, Bench], Reading]


@dataclass(frozen=True, slots=True)
class Rival:
    """Whom servelab is compared with, and how much of its CPU time per answer is the goal."""

    name: str
    run: Contender
    goal: float


@dataclass(frozen=True, slots=True)
class CostClaim:
    """What is compared."""

    name: str
    summary: str
    target: Callable[[Bench], contextlib.AbstractContextManager[Address]]
    servelab: Contender
    rivals: tuple[Rival, ...]

    @property
    def contenders(self) -> tuple[Contender, ...]:
        """Return all generators, servelab's first."""
        return self.servelab, *(rival.run for rival in self.rivals)


def measure(claim: CostClaim, *, bench: Bench) -> None:
    """Measure the rounds that the journal lacks; every other one in reverse order."""
    done = len(rounds_of(bench.journal.lines(), claim=claim.name, seconds=bench.seconds))
    if done >= bench.pairs:
        return
    with claim.target(bench) as address:
        warm_up = dataclasses.replace(bench, seconds=min(bench.seconds, _WARM_UP_S))
        for contender in claim.contenders:
            contender(address, warm_up)
        for number in range(done, bench.pairs):
            order = claim.contenders if number % 2 == 0 else claim.contenders[::-1]
            readings = tuple(_sound(contender(address, bench)) for contender in order)
            bench.journal.add(
                CostRound(
                    claim=claim.name,
                    seconds=bench.seconds,
                    machine=bench.machine,
                    readings=readings,
                )
            )
            told = ", ".join(f"{each.generator} {each.cpu_us:.2f}" for each in readings)
            bench.say(f"{claim.name} {number + 1}/{bench.pairs}: {told} µs per answer")


def _sound(reading: Reading) -> Reading:
    if not reading.ok:
        raise CannotMeasure(f"{reading.generator}: none of {reading.failed} requests went well")
    return reading


def rounds_of(lines: Sequence[Line], *, claim: str, seconds: float) -> list[CostRound]:
    """Choose a claim's rounds of one length."""
    return [
        line
        for line in lines
        if isinstance(line, CostRound) and line.claim == claim and line.seconds == seconds
    ]


# ---- the generators


def http_plan(
    address: Address, *, callers: int, seconds: float, connections: Connections
) -> LoadPlan:
    """Plan a closed loop over HTTP whose every answer must be its nonce."""
    return LoadPlan(
        target=address,
        protocol=Protocol.HTTP,
        request=Request(path="/"),
        check=ECHO,
        load=ClosedLoop(callers=callers),
        duration_s=seconds,
        connections=connections,
        timeout_s=TIMEOUT_S,
    )


def _servelab_http(*, callers: int, connections: Connections) -> Contender:
    def run(address: Address, bench: Bench) -> Reading:
        plan = http_plan(address, callers=callers, seconds=bench.seconds, connections=connections)
        return read_servelab(plan, bench=bench)

    return run


def _wrk(*, callers: int) -> Contender:
    def run(address: Address, bench: Bench) -> Reading:
        command = ["wrk", "-t1", f"-c{callers}", f"-d{round(bench.seconds)}s"]
        command += [f"--timeout={TIMEOUT_S:g}s", "-H", HEADER, f"http://{address}/"]
        return read_program("wrk", command, counts=outputs.wrk_counts, bench=bench)

    return run


def _ab(*, callers: int) -> Contender:
    def run(address: Address, bench: Bench) -> Reading:
        seconds = round(bench.seconds)
        # -t alone would stop after 50,000 requests; -n must come after it.
        command = ["ab", "-q", "-c", str(callers), "-t", str(seconds)]
        command += ["-n", str(seconds * _AB_MOST_PER_SECOND), "-H", HEADER, f"http://{address}/"]
        return read_program("ab", command, counts=outputs.ab_counts, bench=bench)

    return run


def _servelab_grpc(*, channels: int, calls: int) -> Contender:
    def run(address: Address, bench: Bench) -> Reading:
        plan = LoadPlan(
            target=address,
            protocol=Protocol.GRPC,
            request=Request(method="POST", path=targets.GRPC_PATH),
            check="load_generator.checks:echoed_message",
            load=ClosedLoop(callers=channels * calls),
            duration_s=bench.seconds,
            connections=Connections.KEPT,
            channels=channels,
            timeout_s=TIMEOUT_S,
        )
        return read_servelab(plan, bench=bench)

    return run


def _h2load(*, channels: int, calls: int) -> Contender:
    def run(address: Address, bench: Bench) -> Reading:
        message = FIELD + NONCE.encode()
        body = bench.folder / "message.bin"
        body.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
        command = ["h2load", "-t1", f"-c{channels}", f"-m{calls}", f"-D{round(bench.seconds)}"]
        command += ["-H", "content-type: application/grpc", "-H", "te: trailers"]
        command += ["-d", str(body), f"http://{address}{targets.GRPC_PATH}"]
        return read_program("h2load", command, counts=outputs.h2load_counts, bench=bench)

    return run


def _grpc_aio(*, channels: int, calls: int) -> Contender:
    def run(address: Address, bench: Bench) -> Reading:
        arguments = [str(address), targets.GRPC_PATH, str(channels), str(calls)]
        return read_grpc_aio([*arguments, str(bench.seconds)], bench=bench)

    return run


# ---- the claims


def _grpc_claim(*, channels: int, calls: int) -> CostClaim:
    shape = f"{channels} channel{'s' * (channels > 1)} of {calls} call{'s' * (calls > 1)}"
    return CostClaim(
        name=f"grpc-{channels}x{calls}",
        summary=f"gRPC, {shape}",
        target=targets.grpc_echo,
        servelab=_servelab_grpc(channels=channels, calls=calls),
        rivals=(
            Rival("h2load", _h2load(channels=channels, calls=calls), goal=1.6),
            Rival("grpc.aio", _grpc_aio(channels=channels, calls=calls), goal=1 / 8),
        ),
    )


KEPT = CostClaim(
    name="kept",
    summary="HTTP/1.1, 64 kept connections",
    target=targets.nginx,
    servelab=_servelab_http(callers=64, connections=Connections.KEPT),
    rivals=(Rival("wrk", _wrk(callers=64), goal=1.2),),
)
FRESH = CostClaim(
    name="fresh",
    summary="HTTP, a fresh connection for each request, 16 callers",
    target=targets.nginx,
    servelab=_servelab_http(callers=16, connections=Connections.FRESH),
    rivals=(Rival("ab", _ab(callers=16), goal=1.1),),
)
GRPC = (_grpc_claim(channels=4, calls=16), _grpc_claim(channels=64, calls=1))
CLAIMS = (KEPT, FRESH, *GRPC)
