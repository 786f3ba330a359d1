"""A deterministic world for trials: no process, no socket, no waiting, exact numbers.

Time stands still but for what a script says. One server answers one request after another, each
after `service_s`; some fail. All figures of a report follow from that by hand.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from servelab.errors import CannotRunHere, EnvironmentNotBuilt, PortBusy, ServerExited, UsageError
from servelab.launch.server import Exit
from servelab.linux.cgroups import GroupFigures
from servelab.load.fetch import Answer
from servelab.load.generator import ProbeAnswer, Records
from servelab.measure import stopping
from servelab.measure.machinery import Machinery
from servelab.model.address import Address
from servelab.model.beside import BesideProgram, BesideUse
from servelab.model.environment import Environment, EnvironmentSpec, Interpreter, Package
from servelab.model.launch import LaunchCommand, StopReport
from servelab.model.limits import Limits
from servelab.model.load import (
    ClosedLoop,
    LoadPlan,
    LoadProgress,
    LoadResult,
    OpenLoop,
    Request,
    Scheduling,
)
from servelab.model.noise import Calibration, Noise
from servelab.model.outcome import Outcome
from servelab.model.placement import HostCpus
from servelab.model.usage import MemoryKind, ProcessUsage
from servelab.model.worker import WorkerCount

START_S = 1000.0
TWO_CPUS = HostCpus(allowed=(0, 1), online=(0, 1))


@dataclass(frozen=True, kw_only=True)
class Script:
    """How one server behaves."""

    service_s: float = 0.1
    failures: int = 0
    failure: Outcome = Outcome.RESET
    cpu_s_per_call: float = 0.125
    workers: int = 1
    """Who answer."""
    workers_up: int = 64
    """Who take connections, at least."""
    up_after: int = 0
    """How many times somebody looks for workers before the last is up."""
    dies_at_start: bool = False
    dies_under_load: bool = False
    oom_kills: int = 0
    cannot_be_built: bool = False
    finds_port_taken: bool = False
    peak_memory_bytes: int = 50_000_000
    answers: Mapping[str, Answer] = field(default_factory=dict)
    """To what a rehearsal asks, by path."""
    writes: str = ""
    """Into its log, when it starts."""
    lost_by_workers: int = 0
    """Answers that the workers forget to count: the books will not balance."""


QUIET = Noise(
    seconds=30.0,
    cpus=2,
    steal_share=0.0,
    foreign_cpu_share=0.01,
    calibration_before=Calibration(wall_per_cpu=1.01, loops_per_cpu_s=40_000.0),
    calibration_after=Calibration(wall_per_cpu=1.0, loops_per_cpu_s=41_000.0),
    listen_overflows=0,
    clock_step_s=0.001,
    suspended_s=0.0,
    other_runs=0,
)
"""What a quiet machine does."""


@dataclass
class World:
    """What the fake servers do, by a word of their command line."""

    scripts: Mapping[str, Script]
    by_python: Mapping[str, Script] = field(default_factory=dict)
    """What they do on an interpreter, by its full version, whatever their command line."""
    bare_call_s: float = 0.05
    bare_fails: bool = False
    bare_call_s_by_python: Mapping[str, float] = field(default_factory=dict)
    interrupt_after: int | None = None
    """Press Ctrl-C during this trial, counted from 1."""
    load_failures: Mapping[int, Exception] = field(default_factory=dict)
    """How loads fail, by their number, counted from 1."""
    started: list[str] = field(default_factory=list)
    current: Script = field(default_factory=Script)
    python: str = ""
    """Full version of the interpreter whose environment was asked for last."""
    busy_ports: int = 0
    """How many ports from the seed's on are taken."""
    told: list[Path] = field(default_factory=list)
    """Every path that a server was told."""
    loads: int = 0
    noise: Noise | None = QUIET
    beside: Sequence[str] = ("postgres", "redis-server")
    """Programs that run on the machine already."""
    plans: list[LoadPlan] = field(default_factory=list)
    cpus: HostCpus = TWO_CPUS
    grants: Scheduling = Scheduling.NORMAL
    """What the kernel permits to the generator."""
    server_cpus: list[frozenset[int] | None] = field(default_factory=list)
    """Where each program was to run."""
    limits: list[Limits | None] = field(default_factory=list)
    """Of each program."""
    variables: list[Mapping[str, str]] = field(default_factory=list)
    """What each server found in its environment."""
    has_nginx: bool = True
    front_dies: bool = False
    """Whether a front ends under load."""
    fronts: list[str] = field(default_factory=list)
    """The configuration of each front that was started."""
    cannot_limit: str = ""
    other_runs: int = 0
    load_cpus: list[Sequence[tuple[int, ...]]] = field(default_factory=list)
    """Where each load was to run."""
    _counts: tuple[WorkerCount, ...] = ()
    _records: dict[Path, Records] = field(default_factory=dict)

    def machinery(self) -> Machinery:
        """Return this world as a trial sees it."""
        return Machinery(
            ensure_environment=self.ensure_environment,
            launch=self.launch,
            probe=lambda _plan, _timeout_s: ProbeAnswer(
                outcome=Outcome.OK, worker_pid=7, reason=""
            ),
            fetch=self.fetch,
            call=self.fetch,
            generate=self.generate,
            read_records=self.read_records,
            sample=self.sample,
            watch=lambda named: FakeWatch(self.noise, named=named),
            read_counts=lambda _path: self._counts,
            free_port=lambda first: first + self.busy_ports,
            cpus=self.cpus,
            require_limits=self.require_limits,
            require_beside=self.require_beside,
            other_runs=lambda: self.other_runs,
            listen_limit=4096,
            find_program=lambda name: Path("/usr/sbin") / name if self.has_nginx else None,
        )

    def require_limits(self, _limits: Limits) -> None:
        """Refuse where the script says so."""
        if self.cannot_limit:
            raise CannotRunHere(self.cannot_limit)

    def require_beside(self, names: Sequence[str]) -> None:
        """Refuse programs that do not run."""
        for name in set(names) - set(self.beside):
            raise UsageError(f"--beside {name}: no other program of this name runs here")

    def fetch(self, _address: Address, request: Request, _timeout_s: float) -> Answer | str:
        """Answer as the script says."""
        return self.current.answers.get(request.path, Answer(status=404, body=b"nothing here"))

    def ensure_environment(
        self, spec: EnvironmentSpec, *, interpreter: Interpreter, on_progress: Callable[[str], None]
    ) -> Environment:
        """Have every environment at once, but for those that cannot be built."""
        on_progress(f"the environment of {spec.name} is ready")
        self.python = interpreter.full_version
        if any(
            script.cannot_be_built for word, script in self.scripts.items() if word == spec.name
        ):
            raise EnvironmentNotBuilt(f"the environment of {spec.name} could not be built")
        return Environment(
            name=spec.name,
            directory=Path("/nowhere") / spec.name,
            interpreter=interpreter,
            packages=(Package(name=spec.name, version="1.2.3"),),
        )

    @contextmanager
    def launch(
        self,
        command: LaunchCommand,
        *,
        programs: Path | None,
        directory: Path,
        python_path: tuple[Path, ...] = (),
        variables: Mapping[str, str] | None = None,
        log: Path,
        address: Address | None,
        unix_socket: Path | None = None,
        cpus: frozenset[int] | None = None,
        limits: Limits | None = None,
    ) -> Iterator[Any]:
        """Run nothing; the bare work writes its file, a server follows its script."""
        assert directory.is_dir()
        self.server_cpus.append(cpus)
        self.limits.append(limits)
        assert all(path.is_dir() for path in python_path)
        assert programs is None or programs.name == "bin"
        if any(word.endswith(("bare.py", "bare_application.py")) for word in command.argv):
            self._write_bare(command)
            code = 1 if self.bare_fails else 0
            yield FakeServer(script=Script(), log=log, exit=Exit(code=code, at_s=0.0))
            return
        if command.argv[-1] == "nginx.conf":
            assert address is not None
            self.fronts.append((directory / "nginx.conf").read_text())
            yield FakeServer(script=Script(dies_under_load=self.front_dies), log=log)
            return
        if not any(word.endswith(("slow_api.py", "null_server.py")) for word in command.argv):
            assert (address is None) is not (unix_socket is None)
            self.started.append(str(command))
            self.current = self.by_python.get(self.python) or next(
                script for word, script in self.scripts.items() if word in str(command)
            )
            if self.current.writes:
                log.write_text(self.current.writes)
            if self.current.finds_port_taken:
                raise PortBusy("port 3000 is taken; choose another with --port")
            self.variables.append(dict(variables or {}))
            self.told.append(log)
            if "SERVELAB_COUNTERS" in self.variables[-1]:  # an application of the catalogue
                counters = Path(self.variables[-1]["SERVELAB_COUNTERS"])
                counters.write_bytes(b"")
                self.told.append(counters)
        yield FakeServer(script=self.current, log=log)

    def _write_bare(self, command: LaunchCommand) -> None:
        if command.argv[1].endswith("bare_application.py"):
            order = json.loads(Path(command.argv[2]).read_text())
            processes, seconds, out = order["processes"], order["seconds"], order["out"]
        else:
            words = dict(zip(command.argv, command.argv[1:], strict=False))
            processes, seconds = int(words["--processes"]), float(words["--seconds"])
            out = words["--out"]
        call_s = self.bare_call_s_by_python.get(self.python, self.bare_call_s)
        calls = round(seconds / call_s)
        ended = [START_S + n * call_s for n in range(calls + 1)]
        report = {"ended_s": ended, "cpu_s": calls * call_s}
        Path(out).write_text(json.dumps([report] * processes))

    def generate(
        self,
        plan: LoadPlan,
        *,
        records: Path,
        cpus: Sequence[tuple[int, ...]] = (),
        on_progress: Callable[[LoadProgress], None],
        should_stop: Callable[[], str | None],
    ) -> LoadResult:
        """Answer request after request, each after the script's time; the last ones fail."""
        assert should_stop() is None or self.current.dies_under_load or self.front_dies
        if plan.duration_s == stopping.LONGEST_S:
            while should_stop() is None:
                """Go on: under this load the server is to be stopped."""
        self.loads += 1
        self.load_cpus.append(cpus)
        if self.loads == self.interrupt_after:
            raise KeyboardInterrupt
        if self.loads in self.load_failures:
            raise self.load_failures[self.loads]
        script = self.current
        self.plans.append(plan)
        if isinstance(plan.load, ClosedLoop):
            seconds = plan.warm_up_s + (plan.duration_s or 0)
            count = plan.requests or round(seconds / script.service_s)
            callers = plan.load.callers
            finished = [START_S + (n + 1) * script.service_s for n in range(count)]
            planned = [START_S if n < callers else finished[n - callers] for n in range(count)]
        else:
            planned, finished = _open_loop(plan, plan.load, service_s=script.service_s)
            count = len(planned)
        outcomes = [Outcome.OK] * (count - script.failures) + [script.failure] * script.failures
        on_progress(
            LoadProgress(elapsed_s=1.0, finished=count, failed=script.failures, in_flight=0)
        )
        warm = sum(start < START_S + plan.warm_up_s for start in planned)
        warm_up_records = records.with_suffix(".warm-up.parquet")
        self._records[warm_up_records] = _records(planned[:warm], finished[:warm], outcomes[:warm])
        self._records[records] = _records(planned[warm:], finished[warm:], outcomes[warm:])
        ok = count - script.failures
        self._counts = tuple(
            WorkerCount(pid=100 + n, received=share, answered=share)
            for n, share in enumerate(_shares(ok - script.lost_by_workers, script.workers))
        )
        times_s = float(np.sum(np.array(finished) - np.array(planned)))
        return LoadResult(
            records=records,
            warm_up_records=warm_up_records if plan.warm_up_s else None,
            scheduled=count,
            was_interrupted=should_stop() is not None,
            outcomes={outcome.label: outcomes.count(outcome) for outcome in set(outcomes)},
            begun_s=START_S,
            started_s=START_S,
            ended_s=finished[-1],
            connections_opened=count,
            cpu_s=0.001 * count,
            generator_processes=1,
            scheduling=self.grants if plan.scheduling is self.grants else Scheduling.NORMAL,
            in_flight_area_s=times_s,
            response_time_sum_s=times_s,
        )

    def read_records(self, path: Path) -> Records:
        """Return the records that a load left there."""
        return self._records[path]

    @contextmanager
    def sample(self, _root: int) -> Iterator[Any]:
        """Report what the script's server used."""
        yield _Sampler(self)


@dataclass
class FakeServer:
    """A server that does what its script says."""

    script: Script
    log: Path
    exit: Exit | None = None
    supervisor_pid: int = 1
    terminated_s: float | None = None
    stopped: int = 0
    looks: int = 0
    looks_for_workers: int = 0

    def is_alive(self) -> bool:
        """Tell whether it lives: it may die under load."""
        if self.script.dies_under_load:
            self.exit = Exit(code=-11, at_s=0.0)
        return self.exit is None

    def wait_ready(self, probe: Callable[[], str | None], *, timeout_s: float) -> None:
        """Be ready at once, or dead."""
        assert timeout_s > 0
        if self.script.dies_at_start:
            raise ServerExited("it ended with exit code 3 before it was ready; last words: no")
        assert probe() is None

    def foreign_listeners(self) -> tuple[object, ...]:
        """Share the port with nobody."""
        return ()

    def wide_listeners(self) -> tuple[object, ...]:
        """Listen on loopback only."""
        return ()

    def worker_ids(self) -> frozenset[int]:
        """Have all workers that there are to be, but for one that comes later."""
        self.looks_for_workers += 1
        is_late = self.looks_for_workers <= self.script.up_after
        up = max(self.script.workers, self.script.workers_up) - is_late
        return frozenset(range(100, 100 + up))

    def group_figures(self) -> GroupFigures:
        """Have been stopped in three of four periods since the last look."""
        self.looks += 1
        return GroupFigures(
            periods=4 * self.looks,
            throttled_periods=3 * self.looks,
            throttled_s=0.5 * self.looks,
            oom_kills=self.script.oom_kills,
        )

    def log_tail(self, _lines: int = 12) -> tuple[str, ...]:
        """Have written two lines."""
        return ("line one", "line two")

    def terminate(self) -> None:
        """Be gone at once, and have been asked in the middle of the requests."""
        self.terminated_s = START_S + 10.5 * self.script.service_s

    def is_gone(self) -> bool:
        """Tell whether it was asked to end."""
        return self.terminated_s is not None

    def stop(self) -> StopReport:
        """End."""
        return StopReport(seconds=0.5, exit_code=0, exited_before_stop=False, was_killed=False)


@dataclass
class FakeWatch:
    """Sees what the world says."""

    seen: Noise | None
    named: Sequence[str] = ()
    is_open: bool = False
    has_loaded: bool = False

    def __enter__(self) -> Self:
        self.is_open = True
        return self

    def __exit__(self, *_: object) -> None:
        self.is_open = False

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Watch a load inside the block of its trial."""
        assert self.is_open
        yield
        self.has_loaded = True

    def beside(self) -> BesideUse | None:
        """Have each named program use a quarter of a core, once the trial is over."""
        assert not self.is_open
        if not self.has_loaded or not self.named:
            return None
        programs = tuple(
            BesideProgram(name=name, cpu_s=2.5, shared_cpu_s=2.5, processes=3)
            for name in self.named
        )
        return BesideUse(seconds=10.0, cpus=2, programs=programs)

    def noise(self, *, unwaited_cpu_s: float = 0.0) -> Noise | None:
        """Tell, once the trial is over."""
        assert not self.is_open
        assert unwaited_cpu_s == 0.0
        return self.seen if self.has_loaded else None


@dataclass
class _Sampler:
    world: World
    memory_bytes: int = 40_000_000

    @property
    def usage(self) -> ProcessUsage:
        script = self.world.current
        ok = sum(count.answered for count in self.world._counts) + script.lost_by_workers
        return ProcessUsage(
            seconds=1.0,
            user_s=ok * script.cpu_s_per_call,
            system_s=0.0,
            peak_memory_bytes=script.peak_memory_bytes,
            final_memory_bytes=40_000_000,
            memory_kind=MemoryKind.PROPORTIONAL,
            peak_threads=5,
            peak_processes=2,
            voluntary_switches=3 * ok,
            involuntary_switches=0,
            processes=(),
            samples=2,
        )


def _open_loop(
    plan: LoadPlan, load: OpenLoop, *, service_s: float
) -> tuple[list[float], list[float]]:
    """Return planned starts at equal distances, and the ends of one server's work in that order."""
    count = plan.requests or round((plan.warm_up_s + (plan.duration_s or 1)) * load.rate_per_s)
    planned = [START_S + n / load.rate_per_s for n in range(count)]
    finished: list[float] = []
    for start in planned:
        finished.append(max(start, finished[-1] if finished else start) + service_s)
    return planned, finished


def _shares(total: int, parts: int) -> list[int]:
    return [total // parts + (n < total % parts) for n in range(parts)]


def _records(planned: list[float], finished: list[float], outcomes: list[Outcome]) -> Records:
    def ns(moments_s: list[float]) -> "np.ndarray[Any, np.dtype[np.int64]]":
        return np.round(np.array(moments_s) * 1e9).astype(np.int64)

    zeros = np.zeros(len(planned), dtype=np.int64)
    return Records(
        planned_ns=ns(planned),
        taken_up_ns=ns(planned),
        connection_ready_ns=ns(planned),
        sent_ns=ns(planned),
        first_byte_ns=ns(finished),
        finished_ns=ns(finished),
        sequence=np.arange(len(planned)),
        connection=zeros,
        body_bytes=zeros,
        worker_pid=zeros,
        status=zeros + 200,
        outcome=np.array([int(outcome) for outcome in outcomes]),
    )
