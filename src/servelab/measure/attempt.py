"""One attempt at a trial: start, load, watch, stop; what was observed is kept, however it ends."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from servelab import catalogue
from servelab.errors import (
    AuditFailed,
    GeneratorKilled,
    PortBusy,
    ServerFailed,
    StoreError,
    TrialInvalid,
)
from servelab.launch.server import RunningServer
from servelab.linux.cgroups import GroupFigures
from servelab.load.generator import Records
from servelab.measure import fronting, gil, placing, slow_api, stopping
from servelab.measure.machinery import Machinery, Sampler
from servelab.measure.subject import subject_of
from servelab.model.address import LOOPBACK, Address
from servelab.model.beside import BesideUse
from servelab.model.environment import Environment
from servelab.model.front import FrontUse
from servelab.model.gil import Gil
from servelab.model.launch import GracefulStop, LaunchCommand, StopReport, longest_drain_s
from servelab.model.limits import mebibytes
from servelab.model.load import LoadPlan, LoadProgress, LoadResult
from servelab.model.noise import Noise
from servelab.model.outcome import Outcome
from servelab.model.placement import Placement
from servelab.model.progress import Event, Progress, Stage
from servelab.model.trial import TrialSpec, TrialStatus
from servelab.model.usage import ProcessUsage, Throttling
from servelab.model.worker import WorkerCount, Workforce
from servelab.served import workloads
from servelab.store import redaction, scratch
from servelab.store.folder import RunFolder
from servelab.store.ready_files import Existing, write_files

SEED_PORT = 3000
READY_TIMEOUT_S = 60.0
_PROBE_MARGIN_S = 5.0
_SHORTEST_STAY_S, _LONGEST_STAY_S, _STAY_POLL_S = 0.3, 10.0, 0.05
_STAY_FOR_MISSING_S = 3.0
"""A master that gives up takes its other workers with it, which takes a while."""
SPARE_MEMORY_SHARE = 0.9
"""Of what the machine could still give when the load began: a server that takes more is stopped."""
_TRIES = 3
"""Of all questions of a rehearsal."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What was observed of a trial; None is what it did not come to."""

    id: str
    started_at: str
    command: LaunchCommand
    address: Address
    status: TrialStatus = TrialStatus.OK
    reason: str | None = None
    audit_error: str | None = None
    start_s: float | None = None
    load: LoadResult | None = None
    records: Records | None = None
    warm_up: Records | None = None
    usage: ProcessUsage | None = None
    throttling: Throttling | None = None
    stop: StopReport | None = None
    graceful_stop: GracefulStop | None = None
    workers: tuple[WorkerCount, ...] = ()
    workforce: Workforce | None = None
    front: FrontUse | None = None
    gil: Gil | None = None
    noise: Noise | None = None
    beside: BesideUse | None = None


class Attempting:
    """Makes one attempt."""

    def __init__(
        self,
        spec: TrialSpec,
        *,
        placement: Placement,
        environment: Environment,
        machinery: Machinery,
        folder: RunFolder,
        observe: Callable[[Event], None],
    ) -> None:
        self._spec = spec
        self._placement = placement
        self._environment = environment
        self._machinery = machinery
        self._folder = folder
        self._observe = observe
        self._subject = subject_of(spec)
        self._id = spec.id
        self._counters = folder.path / "logs" / f"{spec.id}.counters"
        self._are_workers_counted = False
        self._watch = machinery.watch(spec.beside)
        self._front: fronting.RunningFront | None = None
        address = Address(LOOPBACK, spec.port or machinery.free_port(SEED_PORT))
        self._seen = Attempt(
            id=spec.id,
            started_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            command=self._launch_command(address),
            address=address,
        )
        self._listens_at: Address | Path = address

    def make(self) -> Attempt:
        """Return what was observed; a fault of server, generator or host is in its status."""
        # What is measured again after its line was damaged must not add to what was counted then.
        self._counters.unlink(missing_ok=True)
        self._serve(ask=self._ask, meanwhile=self._load)
        self._count_workers()
        if self._environment.interpreter.is_free_threaded:
            log = self._folder.log_file(self._id)
            self._note(gil=gil.seen(log, workers=self._seen.workers))
        usage = self._seen.usage
        self._note(
            noise=self._watch.noise(unwaited_cpu_s=usage.unwaited_cpu_s if usage else 0.0),
            beside=self._watch.beside(),
        )
        return self._seen

    def rehearse(
        self, ask: Callable[[Address], str | None], *, then: Callable[[Address], str | None]
    ) -> Attempt:
        """Return what was observed of a server that was only asked.

        `ask` returns why the server is not ready yet. Once it is, `then` asks all that there is to
        ask, however long it takes, and returns what has no answer; both keep what was answered.
        """

        def ask_all(server: RunningServer) -> None:
            address = self._seen.address
            reasons: list[str | None] = []
            while len(reasons) < _TRIES and None not in reasons and server.is_alive():
                reasons.append(then(address))
            self._see_others_start(server)
            if None not in reasons:
                raise ServerFailed(
                    f"it was ready, but did not answer everything ({reasons[-1]})"
                    f"{_end_of_output(server)}"
                )

        self._serve(ask=lambda: ask(self._seen.address), meanwhile=ask_all)
        return self._seen

    def _serve(
        self, *, ask: Callable[[], str | None], meanwhile: Callable[[RunningServer], None]
    ) -> None:
        """Have the server run while something is done; a fault of anybody's is in the status."""
        try:
            with self._watch, ExitStack() as stack:
                self._while_ready(stack, ask=ask, meanwhile=meanwhile)
        except PortBusy:
            raise
        except ServerFailed as error:
            self._note(status=TrialStatus.FAILED, reason=self._told(error))
        except TrialInvalid as error:
            self._note(status=TrialStatus.INVALID, reason=self._told(error))
        except AuditFailed as error:
            self._note(status=TrialStatus.INVALID, reason=str(error), audit_error=str(error))

    def _see_others_start(self, server: RunningServer) -> None:
        """Stay until further workers had the time to start that the first took.

        One that fails can end the server, which had already answered by then; where some are
        missing, that is waited for.
        """
        processes = self._spec.deployment.processes
        stay_s = min(max(self._seen.start_s or 0.0, _SHORTEST_STAY_S), _LONGEST_STAY_S)
        end_s = time.monotonic() + (0.0 if processes == 1 else stay_s)
        while server.is_alive() and time.monotonic() < end_s:
            time.sleep(_STAY_POLL_S)
        self._await_workers(server)
        if not server.is_alive():
            raise ServerFailed(
                f"the server ended with {server.exit} after its first answer"
                f"{_end_of_output(server)}"
            )
        self._judge_end(server)

    def _await_workers(self, server: RunningServer) -> frozenset[int]:
        """Return who takes connections, once that are as many as asked for, or none joins them."""
        asked = self._spec.deployment.processes or 1
        end_s = time.monotonic() + _STAY_FOR_MISSING_S
        while len(found := server.worker_ids()) < asked:
            if not server.is_alive() or time.monotonic() > end_s:
                break
            time.sleep(_STAY_POLL_S)
        return found

    def _told(self, error: Exception) -> str:
        """Return an error, which may repeat an application's words, without what was given it."""
        service = self._spec.service
        return redaction.without_values(
            str(error), variables=dict(service.variables) if service is not None else {}
        )

    def _while_ready(
        self,
        stack: ExitStack,
        *,
        ask: Callable[[], str | None],
        meanwhile: Callable[[RunningServer], None],
    ) -> None:
        place = stack.enter_context(scratch.folder())
        variables = {
            **dict(self._environment.variables),
            **self._subject.variables(self._counters, place),
        }
        if self._subject.slow_api_calls:
            log = self._folder.path / "logs" / f"{self._id}.slow_api.log"
            back_end = stack.enter_context(
                slow_api.running(self._machinery, placement=self._placement, log=log)
            )
            variables[workloads.SLOW_API_VARIABLE] = f"http://{back_end}"
        self._put_front(stack, place=place)
        self._keep_module()
        self._tell(Stage.STARTING)
        began_s = time.monotonic()
        with self._launched(variables) as server:
            server.wait_ready(ask, timeout_s=READY_TIMEOUT_S)
            self._note(start_s=time.monotonic() - began_s)
            meanwhile(server)

    def _put_front(self, stack: ExitStack, *, place: Path) -> None:
        """Have the front run, if there is one, and the server listen behind it."""
        if self._spec.deployment.front is None:
            return
        address = self._seen.address
        self._listens_at = fronting.upstream(
            self._spec.deployment, place=place, address=address, machinery=self._machinery
        )
        self._note(command=self._launch_command(self._listens_at))
        self._front = stack.enter_context(
            fronting.running(
                self._spec,
                place=place,
                address=address,
                upstream=self._listens_at,
                placement=self._placement,
                folder=self._folder,
                machinery=self._machinery,
            )
        )
        self._note(front=self._front and self._front.use)

    def _keep_module(self) -> None:
        """Have the module that names the application lie where the command says."""
        service = self._spec.service
        if service is None:
            return
        module = catalogue.own_module(self._spec.deployment, service=service)
        if module is not None:
            write_files((module,), folder=self._folder.module_folder, existing=Existing.REPLACE)

    def _load(self, server: RunningServer) -> None:
        self._put_load(server)
        self._judge_end(server)
        self._tell(Stage.STOPPING)
        if self._spec.stops_under_load:
            try:
                self._stop_under_load(server)
            except StoreError as error:
                # The load before it was measured, and is not lost with this one.
                raise TrialInvalid(f"its stop could not be measured: {error}") from error

    @contextmanager
    def _launched(self, variables: dict[str, str]) -> Iterator[RunningServer]:
        """Run the server, and note how it stopped once it has."""
        at = self._listens_at
        with self._machinery.launch(
            self._seen.command,
            programs=None if self._environment.is_the_machine else self._environment.programs,
            directory=self._subject.directory(self._spec.deployment),
            python_path=self._subject.python_path,
            variables=variables,
            log=self._folder.log_file(self._id),
            address=at if isinstance(at, Address) else None,
            unix_socket=None if isinstance(at, Address) else at,
            cpus=frozenset(self._placement.server_cpus),
            limits=self._spec.limits,
        ) as server:
            try:
                yield server
            except (AuditFailed, GeneratorKilled, StoreError):
                # The generator failed or was killed: nobody is left to whom an answer would go.
                server.kill()
                self._note_end(server)
                raise
            except Exception:
                self._note_end(server)
                raise
            self._note_end(server)

    def _note_end(self, server: RunningServer) -> None:
        """Stop the server; where its limit of memory had something killed, that is the reason."""
        self._note(stop=server.stop())
        limits = self._spec.limits
        if limits is not None and limits.memory_bytes and server.group_figures().oom_kills:
            raise ServerFailed(
                f"killed by the memory limit ({mebibytes(limits.memory_bytes)}); give it more with "
                "--memory, or ask less at a time"
            )

    def _count_workers(self) -> None:
        """Note what the workers counted; what a stop under load adds to it is not the trial's."""
        if not self._are_workers_counted and self._counters.exists():
            self._are_workers_counted = True
            self._note(workers=self._machinery.read_counts(self._counters))

    def _stop_under_load(self, server: RunningServer) -> None:
        self._count_workers()
        records = self._folder.stop_records_file(self._id)
        stop = stopping.under_load(
            server,
            plan=self._plan_under_load(),
            records=records,
            cpus=self._placement.generator_cpus,
            machinery=self._machinery,
            counters=self._counters,
        )
        if stop is None:
            self._judge_end(server)
            return
        file = log_name(records, folder=self._folder)
        self._note(graceful_stop=msgspec.structs.replace(stop, records=file))

    def _put_load(self, server: RunningServer) -> None:
        records = self._folder.records_file(self._id)
        # A server answers before its last worker is up, and would be measured with fewer.
        at_start = self._await_workers(server)
        self._tell(Stage.LOADING)
        counted = server.group_figures()
        with (
            self._watch.loading(),
            self._machinery.sample(server.supervisor_pid) as sampler,
            self._front_sampled() as front_sampler,
        ):
            cap = MemoryCap.of(sampler, spare_bytes=self._machinery.spare_memory_bytes())
            result = self._machinery.generate(
                self._plan_under_load(),
                records=records,
                cpus=self._placement.generator_cpus,
                on_progress=self._show_load,
                should_stop=lambda: self._why_to_stop(server) or cap.reason,
            )
        self._note_throttling(server, since=counted)
        self._note_workforce(at_start, at_end=server.worker_ids())
        self._note(
            load=result,
            records=self._machinery.read_records(result.records),
            warm_up=result.warm_up_records and self._machinery.read_records(result.warm_up_records),
            usage=sampler.usage,
            front=front_sampler and self._with_front_usage(front_sampler),
        )
        if cap.was_reached is not None:
            raise ServerFailed(cap.was_reached)

    def _front_sampled(self) -> AbstractContextManager[Sampler | None]:
        front = self._front
        return self._machinery.sample(front.server.supervisor_pid) if front else nullcontext()

    def _with_front_usage(self, sampler: Sampler) -> FrontUse | None:
        use = self._seen.front
        return use and msgspec.structs.replace(use, usage=sampler.usage)

    def _why_to_stop(self, server: RunningServer) -> str | None:
        """Return why a load has nobody left who answers it."""
        if not server.is_alive():
            return f"it ended with {server.exit}"
        if self._front is not None and not self._front.server.is_alive():
            return f"{self._front.use.name} ended with {self._front.server.exit}"
        return None

    def _note_workforce(self, at_start: frozenset[int], *, at_end: frozenset[int]) -> None:
        if not at_start and not at_end and not isinstance(self._listens_at, Address):
            # A path that the kernel shows otherwise: nothing is known, rather than nobody there.
            return
        self._note(
            workforce=Workforce(
                asked=self._spec.deployment.processes,
                at_start=tuple(sorted(at_start)),
                at_end=tuple(sorted(at_end)),
            )
        )

    def _plan_under_load(self) -> LoadPlan:
        spec = self._spec
        return msgspec.structs.replace(
            load_plan(spec, address=self._seen.address),
            scheduling=placing.scheduling(spec.load, pacing=spec.pacing, placement=self._placement),
        )

    def _note_throttling(self, server: RunningServer, *, since: GroupFigures) -> None:
        now, limits = server.group_figures(), self._spec.limits
        if limits is None or limits.cpus is None:
            return
        self._note(
            throttling=Throttling(
                periods=now.periods - since.periods,
                throttled_periods=now.throttled_periods - since.throttled_periods,
                throttled_s=now.throttled_s - since.throttled_s,
            )
        )

    def _judge_end(self, server: RunningServer) -> None:
        _judge_end(server, name="the server", at=self._listens_at)
        if self._front is not None:
            _judge_end(self._front.server, name=self._front.use.name, at=self._seen.address)

    def _ask(self) -> str | None:
        """Ask for one answer, as readiness does: the smallest work that proves the server."""
        timeout_s = self._spec.timeout_s + _PROBE_MARGIN_S
        plan = load_plan(self._spec, address=self._seen.address)
        answer = self._machinery.probe(plan, min(timeout_s, READY_TIMEOUT_S))
        return None if answer.outcome is Outcome.OK else answer.reason

    def _launch_command(self, at: Address | Path) -> LaunchCommand:
        address = at if isinstance(at, Address) else self._seen.address
        command = catalogue.launch_command(
            self._spec.deployment,
            service=self._spec.service,
            address=address,
            longest_drain_s=longest_drain_s(self._spec.timeout_s),
            cpu_count=self._placement.server_core_count,
            listen_limit=self._machinery.listen_limit,
            packages=self._environment.packages,
            unix_socket=None if isinstance(at, Address) else at,
            module_folder=self._folder.module_folder,
        )
        is_behind = self._spec.deployment.front is not None
        if is_behind or self._spec.port is not None or address.port == SEED_PORT:
            return command
        usual = f"the seed's {SEED_PORT}" if self._spec.service is None else str(SEED_PORT)
        moved = f"Port {address.port}: {usual} is taken."
        return msgspec.structs.replace(command, departures=(*command.departures, moved))

    def _show_load(self, progress: LoadProgress) -> None:
        requests = self._spec.requests
        seconds = self._spec.warm_up_s + (self._spec.duration_s or 0)
        self._observe(
            Progress(
                title=self._spec.deployment.title,
                stage=Stage.LOADING,
                detail="warm-up" if progress.elapsed_s < self._spec.warm_up_s else "",
                done=progress.finished if requests else min(progress.elapsed_s, seconds),
                total=requests or seconds,
                failed=progress.failed,
            )
        )

    def _tell(self, stage: Stage) -> None:
        self._observe(Progress(title=self._spec.deployment.title, stage=stage))

    def _note(self, **observed: object) -> None:
        self._seen = replace(self._seen, **observed)  # type: ignore[arg-type]


def _end_of_output(server: RunningServer, *, lines: int = 12) -> str:
    tail = "\n".join(f"  {line}" for line in server.log_tail(lines))
    return f"; the end of its output ({server.log}):\n{tail}"


def _judge_end(server: RunningServer, *, name: str, at: Address | Path) -> None:
    """Raise what a program's end, or another program, made of a load."""
    if not server.is_alive():
        raise ServerFailed(
            f"{name} ended with {server.exit} under load{_end_of_output(server, lines=5)}"
        )
    if foreign := server.foreign_listeners():
        raise TrialInvalid(
            f"{foreign[0]} took a part of the requests on {at}; stop it, or choose another port "
            "with --port"
        )
    if wide := server.wide_listeners():
        raise ServerFailed(
            f"{name} came to listen on {wide[0]}, which other machines can reach; bind it to "
            f"{LOOPBACK}"
        )


class MemoryCap:
    """Ends a load whose server takes nearly all memory that the machine could give."""

    def __init__(self, sampler: Sampler, *, cap_bytes: float) -> None:
        self._sampler = sampler
        self._cap_bytes = cap_bytes
        self.was_reached: str | None = None
        """In words, once it was."""

    @classmethod
    def of(cls, sampler: Sampler, *, spare_bytes: int | None) -> "MemoryCap":
        """Return the cap for a load that begins now."""
        if spare_bytes is None:
            return cls(sampler, cap_bytes=math.inf)
        spare_bytes = round(spare_bytes * SPARE_MEMORY_SHARE)
        return cls(sampler, cap_bytes=sampler.memory_bytes + spare_bytes)

    @property
    def reason(self) -> str | None:
        """Look, and return why the load must end; None where it need not."""
        taken_bytes = self._sampler.memory_bytes if self._cap_bytes < math.inf else 0
        if self.was_reached is None and taken_bytes > self._cap_bytes:
            self.was_reached = (
                f"stopped when it took {taken_bytes / 1e6:.0f} MB of memory, nearly all that this "
                f"machine could give ({self._cap_bytes / 1e6:.0f} MB); find what it keeps, or "
                "limit it with --memory"
            )
        return self.was_reached


def load_plan(spec: TrialSpec, *, address: Address) -> LoadPlan:
    """Return what the generator must know for a trial."""
    deployment = spec.deployment
    what = subject_of(spec).asking(deployment)
    return LoadPlan(
        target=address,
        protocol=catalogue.protocol_of(deployment),
        request=what.request,
        check=what.check,
        check_parameters=what.check_parameters,
        judged_statuses=what.judged_statuses,
        load=spec.load,
        requests=spec.requests,
        duration_s=spec.duration_s,
        warm_up_s=spec.warm_up_s,
        connections=spec.connections,
        channels=spec.channels,
        timeout_s=spec.timeout_s,
        pacing=spec.pacing,
        generators=spec.generators,
    )


def log_name(path: Path, *, folder: RunFolder) -> str:
    """Return a file of a run as its trial refers to it."""
    return str(path.relative_to(folder.path))
