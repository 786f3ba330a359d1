"""One attempt at a trial, as servelab makes it, in which something is done to the server."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from servelab import catalogue
from servelab.environment import interpreters
from servelab.errors import PortBusy, ServerFailed
from servelab.experiment.plan import Planner
from servelab.launch.server import RunningServer
from servelab.linux import ports, procfs
from servelab.load.generator import Records
from servelab.measure import machinery
from servelab.measure.attempt import Attempt, Attempting
from servelab.measure.trial import TrialMeasurer
from servelab.model.address import LOOPBACK, Address
from servelab.model.deployment import Deployment
from servelab.model.environment import Environment
from servelab.model.load import ClosedLoop, LoadPlan, LoadProgress, LoadResult
from servelab.model.outcome import Outcome
from servelab.model.plan import Plan, RunOptions
from servelab.model.trial import TrialSpec
from servelab.store.folder import RunFolder

CALLERS = 16
DELAY_S = 0.3
LOAD_S = 3.0
ACT_AFTER_S = 1.0
_FIRST_PORT = 26_000
_PATIENCE_S = 20.0
_LONGEST_S = 60.0
_AFTERMATH_S = 0.7

Act = Callable[[RunningServer, Path], None]
"""Given the server and the file of its workers' counts, under load."""
Until = Callable[[LoadProgress], bool]
"""Given what the load told last, after the act: whether it may end."""


def never(_progress: LoadProgress) -> bool:
    """Leave it to servelab, which sees what was done, to end the load."""
    return False


def _world() -> machinery.Machinery:
    """Return the world, in which the slow API gets a port of this process's own, too."""
    return replace(machinery.real(), free_port=lambda _first: _port_apart(4))


def _port_apart(offset: int) -> int:
    """Return a free port, not the same for two programs that run at once."""
    return ports.next_free_port(_FIRST_PORT + os.getpid() % 500 * 8 + offset)


@dataclass(kw_only=True)
class Case:
    """A deployment under a light load of waiting work, on a port of its own."""

    deployment: Deployment
    folder: Path
    load_s: float = LOAD_S
    act_after_s: float = ACT_AFTER_S
    ports: list[int] = field(default_factory=list)
    """All that it has used."""
    world: machinery.Machinery = field(default_factory=_world)

    def attempt(
        self,
        act: Act | None = None,
        *,
        until: Until | None = None,
        stops_under_load: bool = False,
    ) -> Attempt:
        """Make a trial; act once under its load.

        With `until` the load does not end after its time, but once this is so: a machine that
        stands still for a moment then takes neither the act from it nor what comes of the act.
        """
        load_s = self.load_s if until is None else _LONGEST_S
        spec = self._spec(load_s=load_s, stops_under_load=stops_under_load)
        folder = self._run_folder()
        acting = _Acting(
            act,
            until=until or never,
            log=folder.log_file(spec.id),
            after_s=self.act_after_s,
            read_counts=self.world.read_counts,
        )
        return Attempting(
            spec,
            placement=TrialMeasurer(self.world).place(spec),
            environment=self._environment(spec),
            machinery=replace(
                self.world,
                launch=acting.launching(self.world.launch),
                generate=acting.generating(self.world.generate),
            ),
            folder=folder,
            observe=lambda _: None,
        ).make()

    def start_on_busy_port(self) -> str:
        """Start it although its port is taken, as in a race; return what it does, in words."""
        spec = self._spec()
        folder = self._run_folder()
        with self._taken_port() as address:
            command = catalogue.launch_command(
                self.deployment, address=address, longest_drain_s=1.0, cpu_count=2
            )
            with self.world.launch(
                command,
                programs=self._environment(spec).programs,
                directory=catalogue.application_directory(self.deployment),
                python_path=(catalogue.served_path(),),
                log=folder.log_file(spec.id),
                address=None,
            ) as server:
                began_s = time.monotonic()
                while server.is_alive() and time.monotonic() < began_s + _PATIENCE_S:
                    time.sleep(0.02)
                if server.is_alive():
                    return f"went on trying for {_PATIENCE_S:g} s"
                return f"{server.exit} after {time.monotonic() - began_s:.1f} s"

    def refuse_busy_port(self) -> str:
        """Ask servelab for a trial on a port that is taken; return how it refuses."""
        with self._taken_port() as address:
            try:
                self._attempt_at(address)
            except PortBusy as refusal:
                return str(refusal)
        raise ServerFailed(f"{self.deployment.name} was started on a port that was taken")

    def _attempt_at(self, address: Address) -> None:
        spec = self._spec(port=address.port)
        Attempting(
            spec,
            placement=TrialMeasurer(self.world).place(spec),
            environment=self._environment(spec),
            machinery=self.world,
            folder=self._run_folder(),
            observe=lambda _: None,
        ).make()

    def _environment(self, spec: TrialSpec) -> Environment:
        return self.world.ensure_environment(
            catalogue.environment_spec(self.deployment.server),
            interpreter=spec.interpreter,
            on_progress=lambda _: None,
        )

    def _spec(
        self,
        *,
        load_s: float | None = None,
        stops_under_load: bool = False,
        port: int | None = None,
    ) -> TrialSpec:
        options = RunOptions(
            workload="io",
            parameters=(("delay_s", str(DELAY_S)),),
            load=ClosedLoop(callers=CALLERS),
            requests=None,
            duration_s=load_s or self.load_s,
            timeout_s=30.0,
            port=port or self._new_port(),
            interpreter=interpreters.own_interpreter(),
            stops_under_load=stops_under_load,
        )
        plan = Plan(deployments=(self.deployment.name,), options=options)
        (spec,) = Planner(plan, deployments=(self.deployment,)).round(1, warm_up_s=0.0)
        return spec

    def _new_port(self) -> int:
        self.ports.append(_port_apart(0))
        return self.ports[-1]

    @contextmanager
    def _taken_port(self) -> Iterator[Address]:
        """Listen on a port, and answer nobody."""
        address = Address(LOOPBACK, self._new_port())
        with socket.socket() as holder:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind((address.host, address.port))
            holder.listen()
            yield address

    def _run_folder(self) -> RunFolder:
        for part in ("records", "logs"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        return RunFolder(self.folder)


ReadCounts = Callable[[Path], Sequence[Any]]


class _Acting:
    """Does something once, a while after the load has begun, when there are calls in work."""

    def __init__(
        self,
        act: Act | None,
        *,
        until: Until,
        log: Path,
        after_s: float,
        read_counts: ReadCounts,
    ) -> None:
        self._act = act
        self._until = until
        self._progress: LoadProgress | None = None
        self._log = log
        self._after_s = after_s
        self._read_counts = read_counts
        self._server: RunningServer | None = None

    def launching(self, launch: machinery.Launch) -> machinery.Launch:
        """Return a launch that remembers the server of the trial."""

        @contextmanager
        def remember(command: Any, **rest: Any) -> Iterator[RunningServer]:
            with launch(command, **rest) as server:
                if rest["log"] == self._log:
                    self._server = server
                yield server

        return remember

    def generating(self, generate: machinery.Generate) -> machinery.Generate:
        """Return a load under which the act happens."""

        def act_and_generate(plan: LoadPlan, **rest: Any) -> LoadResult:
            act_at_s = time.monotonic() + self._after_s
            ask = rest.pop("should_stop")
            tell = rest.pop("on_progress")

            def note(progress: LoadProgress) -> None:
                self._progress = progress
                tell(progress)

            def consider() -> str | None:
                if self._act and time.monotonic() > act_at_s and self._are_calls_in_work():
                    act, self._act = self._act, None
                    assert self._server is not None  # noqa: S101 - nothing is loaded before
                    act(self._server, self._counters)
                reason: str | None = ask()
                return reason or self._why_to_end()

            return generate(plan, should_stop=consider, on_progress=note, **rest)

        return act_and_generate

    def _why_to_end(self) -> str | None:
        if self._act is not None or self._progress is None or not self._until(self._progress):
            return None
        return "what was waited for has come"

    @property
    def _counters(self) -> Path:
        return self._log.with_suffix(".counters")

    def _are_calls_in_work(self) -> bool:
        """Tell whether the load has come through: a generator may start late."""
        if not self._counters.exists():
            return False
        return any(each.received > each.answered for each in self._read_counts(self._counters))


class WorkerKill:
    """Kills one process that has answered calls."""

    def __init__(self, read_counts: ReadCounts) -> None:
        self._read_counts = read_counts
        self.pid = 0
        self.before: frozenset[int] = frozenset()
        """The processes that had answered calls until then."""
        self.at_s = 0.0
        self.was_first = False
        """It was the process that the command started, so that the server is gone with it."""

    def __call__(self, server: RunningServer, counters: Path) -> None:
        """Kill the one that has most to do."""
        own = server.process_ids()
        workers = [each for each in self._read_counts(counters) if each.pid in own]
        self.before = frozenset(each.pid for each in workers)
        self.pid = max(workers, key=lambda each: each.received - each.answered).pid
        self.was_first = self.pid == server.pid
        self.at_s = time.monotonic()
        os.kill(self.pid, signal.SIGKILL)

    def has_cost_calls(self, progress: LoadProgress) -> bool:
        """Tell whether a load has failures and some time since; where the server is gone: never."""
        is_while_ago = time.monotonic() > self.at_s + _AFTERMATH_S
        return not self.was_first and progress.failed > 0 and is_while_ago

    def lost(self, attempt: Attempt) -> int:
        """Return how many requests failed."""
        if attempt.records is None:
            return 0
        return int(np.count_nonzero(attempt.records.outcome != Outcome.OK))

    def aftermath(self, attempt: Attempt) -> str:
        """Return what became of the server, in words."""
        if attempt.records is None or self.was_first:
            return "it was the server, which was gone"
        if attempt.reason is not None and "the server ended" in attempt.reason:
            return "the whole server ended"
        seconds = _first_answer_s(attempt.records, since_s=self.at_s, not_of=self.before)
        if seconds is not None:
            return f"another answered after {seconds:.2f} s"
        others = _answers(attempt.records, since_s=self.at_s, of=self.before - {self.pid})
        if others:
            return f"the others went on; no new one within {LOAD_S - ACT_AFTER_S:g} s"
        return "nobody answered any more"


def kill_master(server: RunningServer, _counters: Path) -> None:
    """Kill the process that the command started, and no other."""
    os.kill(server.pid, signal.SIGKILL)


def _first_answer_s(records: Records, *, since_s: float, not_of: frozenset[int]) -> float | None:
    is_new = _is_answered(records, since_s=since_s) & ~np.isin(records.worker_pid, list(not_of))
    ends_ns = records.finished_ns[is_new]
    return float(ends_ns.min()) / 1e9 - since_s if len(ends_ns) else None


def _answers(records: Records, *, since_s: float, of: frozenset[int]) -> int:
    is_theirs = np.isin(records.worker_pid, list(of))
    return int(np.count_nonzero(_is_answered(records, since_s=since_s) & is_theirs))


def _is_answered(records: Records, *, since_s: float) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    is_ok = records.outcome == Outcome.OK
    return np.asarray(is_ok & (records.planned_ns > since_s * 1e9))


def generators(parent: int) -> tuple[int, ...]:
    """Return the processes that put a load on a server for this one."""
    below = procfs.descendants((parent,), stats=procfs.all_stats())
    return tuple(
        stat.pid
        for stat in below
        if b"servelab.load.engine" in (procfs.read_bytes(f"/proc/{stat.pid}/cmdline") or b"")
    )


def kill_generators() -> None:
    """Kill what puts the load on the server."""
    for pid in generators(os.getpid()):
        os.kill(pid, signal.SIGKILL)


def left_processes(mark: bytes) -> tuple[str, ...]:
    """Return the command lines of processes whose environment holds this variable."""
    found = []
    for pid in procfs.process_ids():
        environment = procfs.read_bytes(f"/proc/{pid}/environ") or b""
        if pid != os.getpid() and mark in environment.split(b"\0"):
            command = procfs.read_bytes(f"/proc/{pid}/cmdline") or b""
            found.append(command.replace(b"\0", b" ").decode(errors="replace"))
    return tuple(found)
