"""The generator's processes: started, given their orders, followed to their end, and never left."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

import msgspec

from servelab.errors import AuditFailed, GeneratorKilled, StoreError
from servelab.model.load import ClosedLoop, LoadPlan, LoadProgress

_POLL_S = 0.2
_END_S = 30.0
_LEAD_NS = 5_000_000
_LEAD_NS_PER_CALLER = 20_000
"""Making a caller's lane takes a few microseconds; all start together once the slowest is done."""
_PROGRESS_S = 0.2
_FROM_OUTSIDE = frozenset(
    {signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGXCPU}
)
"""Signals that no fault of its own ends a generator by; where memory is short, it is SIGKILL."""


class EngineProcess:
    """One engine, from the outside."""

    def __init__(
        self, process: subprocess.Popen[bytes], errors: IO[bytes], *, index: int, count: int
    ) -> None:
        self._process = process
        self._errors = errors
        self._index = index
        self._count = count
        self._unread = b""
        self._raw = Path()
        self.progress = LoadProgress(elapsed_s=0.0, finished=0, failed=0, in_flight=0)
        """What it told last."""
        self.has_begun = False
        """Whether it told anything yet."""

    @property
    def output(self) -> int:
        """Return the descriptor of what it says."""
        assert self._process.stdout is not None  # noqa: S101 - it was started with a pipe
        return self._process.stdout.fileno()

    def order(self, share: LoadPlan, *, raw: Path, cpus: Sequence[int]) -> None:
        """Say what its share of the load is."""
        self._raw = raw
        order = {
            "plan": msgspec.to_builtins(share),
            "records": str(raw.absolute()),
            "cpus": list(cpus),
            "index": self._index,
            "count": self._count,
        }
        self.tell(json.dumps(order))

    def tell(self, line: str) -> None:
        """Say something; an engine that is gone is noticed where its output ends."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(line.encode() + b"\n")
                self._process.stdin.flush()

    def listen(self) -> Iterator[dict[str, Any]]:
        """Yield what it has said; raise where it ended before its load did.

        GeneratorKilled where somebody killed it, AuditFailed otherwise; StoreError where it could
        not write.
        """
        received = os.read(self.output, 65536)
        if not received:
            self._raise_its_end()
        *lines, self._unread = (self._unread + received).split(b"\n")
        for line in lines:
            message: dict[str, Any] = json.loads(line)
            if "error" in message:
                raise StoreError(
                    f"the load's records cannot be written to {self._raw}: {message['error']}"
                )
            yield message

    def _raise_its_end(self) -> NoReturn:
        status = self._process.wait(_END_S)
        if -status in _FROM_OUTSIDE:
            raise GeneratorKilled(
                f"the load generator was killed by signal {-status} "
                f"({signal.Signals(-status).name}) before its load ended, which says nothing about "
                "the server; see who did it (the kernel does where memory is short: try dmesg), "
                "then measure again"
            )
        raise AuditFailed(self._obituary())

    def _obituary(self) -> str:
        self._errors.seek(0)
        last_line = self._errors.read().decode(errors="replace").strip().rpartition("\n")[2]
        return (
            f"the load generator ended with status {self._process.poll()} before its load did: "
            f"{last_line or 'it said nothing'}; please report this bug"
        )


@contextlib.contextmanager
def engines(count: int) -> Iterator[tuple[EngineProcess, ...]]:
    """Start the engines; whatever happens, they are gone after the block."""
    with contextlib.ExitStack() as stack:
        yield tuple(
            stack.enter_context(_engine(index=index, count=count)) for index in range(count)
        )


@contextlib.contextmanager
def _engine(*, index: int, count: int) -> Iterator[EngineProcess]:
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "servelab.load.engine"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        with process:
            try:
                yield EngineProcess(process, errors, index=index, count=count)
            except BaseException:
                process.kill()
                raise
            finally:
                _await_end(process)
                # What it did not live to be told is told nobody; how it ended says more.
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()  # type: ignore[union-attr]


def _await_end(process: subprocess.Popen[bytes]) -> None:
    """Let a process that has said its last word end."""
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()


def follow(
    crew: Sequence[EngineProcess],
    *,
    plan: LoadPlan,
    on_progress: Callable[[LoadProgress], None],
    should_stop: Callable[[], str | None],
) -> tuple[dict[str, Any], ...]:
    """Start all engines at one moment, relay their progress, and return their last words."""
    return _Following(crew, plan=plan, on_progress=on_progress, should_stop=should_stop).run()


class _Following:
    def __init__(
        self,
        crew: Sequence[EngineProcess],
        *,
        plan: LoadPlan,
        on_progress: Callable[[LoadProgress], None],
        should_stop: Callable[[], str | None],
    ) -> None:
        self._crew = crew
        self._plan = plan
        self._on_progress = on_progress
        self._should_stop = should_stop
        self._unready = len(crew)
        self._results: dict[EngineProcess, dict[str, Any]] = {}
        self._told_s = -_PROGRESS_S
        self._stop_by_s: float | None = None

    def run(self) -> tuple[dict[str, Any], ...]:
        """Return the results in the engines' order."""
        with selectors.DefaultSelector() as selector:
            for engine in self._crew:
                selector.register(engine.output, selectors.EVENT_READ, engine)
            while len(self._results) < len(self._crew):
                for key, _ in selector.select(_POLL_S):
                    self._hear(key.data)
                    if key.data in self._results:
                        selector.unregister(key.fd)
                self._consider_stopping()
        return tuple(self._results[engine] for engine in self._crew)

    def _hear(self, engine: EngineProcess) -> None:
        for message in engine.listen():
            if self._stop_by_s is not None:  # whoever says something is about to end
                self._stop_by_s = time.monotonic() + _END_S
            if "progress" in message:
                engine.progress = LoadProgress(**message["progress"])
                engine.has_begun = True
                self._relay()
            elif "result" in message:
                self._results[engine] = message["result"]
            else:
                self._unready -= 1
                if not self._unready:
                    self._start()

    def _start(self) -> None:
        load = self._plan.load
        callers = load.callers if isinstance(load, ClosedLoop) else 0
        start_ns = time.monotonic_ns() + _LEAD_NS + _LEAD_NS_PER_CALLER * callers
        for engine in self._crew:
            engine.tell(str(start_ns))

    def _relay(self) -> None:
        """Tell of all engines together, as often as one of them tells."""
        told = [engine.progress for engine in self._crew]
        elapsed_s = max(each.elapsed_s for each in told)
        if elapsed_s - self._told_s < _PROGRESS_S:
            return
        self._told_s = elapsed_s
        self._on_progress(
            LoadProgress(
                elapsed_s=elapsed_s,
                finished=sum(each.finished for each in told),
                failed=sum(each.failed for each in told),
                in_flight=sum(each.in_flight for each in told),
            )
        )

    def _consider_stopping(self) -> None:
        now_s = time.monotonic()
        if self._stop_by_s is None:
            running = [engine for engine in self._crew if engine not in self._results]
            if all(engine.has_begun for engine in running) and self._should_stop() is not None:
                self._stop_by_s = now_s + _END_S
                for engine in running:
                    engine.tell("stop")
        elif now_s > self._stop_by_s:
            raise AuditFailed(
                f"the load generator did not stop within {_END_S:g} s; please report this bug"
            )
