"""Runs other programs, and servelab's own generator, on the generator's core; takes their CPU."""

import json
import resource
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from load_generator import peers
from load_generator.bench import Bench, CannotMeasure
from load_generator.journal import Reading
from load_generator.outputs import Counts
from servelab.load.generator import generate
from servelab.model.load import LoadPlan, LoadProgress, LoadResult

_GRACE_S = 60.0
_SHOWN = 300


class Cpu(NamedTuple):
    """CPU time."""

    user_s: float
    system_s: float

    @classmethod
    def spent(cls, whose: int) -> "Cpu":
        """Read what was spent so far; of children, by those that have ended."""
        usage = resource.getrusage(whose)
        return cls(usage.ru_utime, usage.ru_stime)

    def since(self, before: "Cpu") -> "Cpu":
        """Return what was spent in between."""
        return Cpu(self.user_s - before.user_s, self.system_s - before.system_s)

    @property
    def together_s(self) -> float:
        """Return user and system time."""
        return self.user_s + self.system_s


@dataclass(frozen=True, slots=True)
class Ran:
    """What a program printed and took."""

    output: str
    wall_s: float
    cpu: Cpu


def run(command: list[str], *, bench: Bench, variables: dict[str, str] | None = None) -> Ran:
    """Run a program on the generator's core to its end; CannotMeasure where it fails."""
    pinned = ["taskset", "--cpu-list", str(bench.generator_core), *command]
    before, started_s = Cpu.spent(resource.RUSAGE_CHILDREN), time.monotonic()
    ended = subprocess.run(
        pinned,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=variables,
        timeout=bench.seconds * 10 + _GRACE_S,
        check=False,
    )
    wall_s = time.monotonic() - started_s
    cpu = Cpu.spent(resource.RUSAGE_CHILDREN).since(before)
    if ended.returncode:
        words = ended.stdout.strip()[-_SHOWN:]
        raise CannotMeasure(f"{command[0]} ended with status {ended.returncode}: {words}")
    return Ran(ended.stdout, wall_s, cpu)


def read_program(
    name: str, command: list[str], *, counts: Callable[[str], Counts], bench: Bench
) -> Reading:
    """Run a generator written in C; all the CPU time that its process took counts."""
    resets = resets_sent()
    ran = run(command, bench=bench)
    told = counts(ran.output)
    return Reading(
        generator=name,
        ok=told.ok,
        failed=told.failed,
        wall_s=ran.wall_s,
        cpu_s=ran.cpu.together_s,
        user_s=ran.cpu.user_s,
        system_s=ran.cpu.system_s,
        resets_sent=resets_sent() - resets,
    )


def read_grpc_aio(arguments: list[str], *, bench: Bench) -> Reading:
    """Run grpc.aio's client; its CPU time counts from the first call to the last answer."""
    script = str(Path(__file__).with_name("grpc_aio_client.py"))
    resets = resets_sent()
    ran = run([peers.program("python"), script, *arguments], bench=bench)
    told = json.loads(ran.output.splitlines()[-1])
    return Reading(
        generator="grpc.aio",
        ok=told["ok"],
        failed=told["failed"],
        wall_s=told["wall_s"],
        cpu_s=told["cpu_s"],
        user_s=ran.cpu.user_s,
        system_s=ran.cpu.system_s,
        start_up_cpu_s=ran.cpu.together_s - told["cpu_s"],
        resets_sent=resets_sent() - resets,
    )


def _ignore(_progress: LoadProgress) -> None:
    """Watch nothing."""


def generate_here(
    plan: LoadPlan,
    *,
    bench: Bench,
    on_progress: Callable[[LoadProgress], None] = _ignore,
) -> LoadResult:
    """Run servelab's generator on the generator's core, and keep its records for now."""
    return generate(
        plan,
        records=bench.folder / "records.parquet",
        cpus=((bench.generator_core,),),
        on_progress=on_progress,
    )


def read_servelab(plan: LoadPlan, *, bench: Bench) -> Reading:
    """Run servelab's generator, and hold its CPU time apart by what it was spent on."""
    resets = resets_sent()
    children, parent = Cpu.spent(resource.RUSAGE_CHILDREN), Cpu.spent(resource.RUSAGE_SELF)
    result = generate_here(plan, bench=bench)
    engine = Cpu.spent(resource.RUSAGE_CHILDREN).since(children)
    storing = Cpu.spent(resource.RUSAGE_SELF).since(parent)
    result.records.unlink()
    ok = result.outcomes.get("ok", 0)
    return Reading(
        generator="servelab",
        ok=ok,
        failed=result.scheduled - ok,
        wall_s=result.ended_s - result.started_s,
        cpu_s=result.cpu_s,
        user_s=engine.user_s,
        system_s=engine.system_s,
        start_up_cpu_s=engine.together_s - result.cpu_s,
        storing_cpu_s=storing.together_s,
        resets_sent=resets_sent() - resets,
    )


def resets_sent() -> int:
    """Read how many TCP resets this machine has sent; a generator that closes so cheats."""
    names, numbers = (
        line.split()
        for line in Path("/proc/net/snmp").read_text(encoding="ascii").splitlines()
        if line.startswith("Tcp:")
    )
    return int(numbers[names.index("OutRsts")])
