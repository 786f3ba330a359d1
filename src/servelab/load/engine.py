"""The generator's own process: a plan on standard input, records in a file, a result on output.

``python -m servelab.load.engine`` imports the standard library, httptools, hpack and what the plan
names as check. Input: one JSON line, the order; then, in an answer to ``{"ready": true}``, a line
with the moment to start at in nanoseconds of the monotonic clock; later perhaps ``stop``; end of
file means that the parent is gone, and ends this process too. Output: JSON lines,
``{"progress": ...}`` several times a second and one ``{"result": ...}`` or ``{"error": ...}`` at
the end.
"""

import gc
import heapq
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from servelab.load import allocator, realtime, schedule
from servelab.load.answers import load_check
from servelab.load.dispatch import ClosedDispatch, GrowingPool, OpenDispatch, SharedLanes
from servelab.load.lane import Dispatch, Lane, Reuse
from servelab.load.ledger import Ledger
from servelab.load.loop import Loop, SpinningLoop
from servelab.load.punctual_loop import PunctualLoop
from servelab.load.record import Recorder
from servelab.load.wire import Wire, new_gear, new_lane

_PROGRESS_NS = 250_000_000
_SHORTEST_TICK_NS = 10_000_000
_LONGEST_TICK_NS = 20_000_000
_TICKS_PER_TIMEOUT = 20
_SECOND_NS = 1_000_000_000
_COUNTED_AT_ONCE = 100_000
"""Arrivals; about a tenth of a second."""


@dataclass(frozen=True, slots=True)
class Order:
    """A load plan as it came over the pipe, with where to run and where to write."""

    plan: dict[str, Any]
    records: Path
    cpus: tuple[int, ...]
    index: int
    """Of this process among the ``count`` which share the load."""
    count: int

    @classmethod
    def parse(cls, line: str) -> "Order":
        """Read the order from its JSON."""
        order = json.loads(line)
        return cls(
            plan=order["plan"],
            records=Path(order["records"]),
            cpus=tuple(order["cpus"]),
            index=order["index"],
            count=order["count"],
        )


class Run:
    """One load, from its first planned start until its last request has ended."""

    def __init__(self, order: Order) -> None:
        plan = order.plan
        self._order = order
        self._plan = plan
        self._timeout_ns = round(plan["timeout_s"] * _SECOND_NS)
        check = load_check(plan["check"], json.loads(plan["check_parameters"]))
        tick_ns = self._timeout_ns // _TICKS_PER_TIMEOUT
        tick_ns = min(max(tick_ns, _SHORTEST_TICK_NS), _LONGEST_TICK_NS)
        self._loop = _loop_type(plan)(tick_ns=tick_ns)
        self._recorder = Recorder(order.records)
        self._ledger = Ledger(
            self._recorder,
            check=check,
            timeout_ns=self._timeout_ns,
            first_number=order.index,
            step=order.count,
        )
        self._wire = Wire.parse(plan)
        self._gear = new_gear(
            self._wire, loop=self._loop, ledger=self._ledger, generators=order.count
        )
        self._lanes: list[Lane] = []
        self._watched: list[tuple[int, int, Lane]] = []
        self._is_stopped = False
        self._next_progress_ns = 0
        self._start_ns = 0
        self._dispatch: ClosedDispatch | OpenDispatch

    def run(self, *, start_ns: int) -> dict[str, Any]:
        """Drive the load to its end; return the result as it goes over the pipe."""
        self._start_ns = start_ns
        os.set_blocking(sys.stdin.fileno(), False)
        self._loop.add(sys.stdin.fileno(), self._on_order)
        self._dispatch = self._build_dispatch()
        cpu_before_s = _cpu_s()
        with realtime.scheduled(self._plan["scheduling"]) as scheduling:
            self._dispatch.begin(self._start_ns)
            self._loop.run(is_over=self._is_over, tick=self._tick)
        self._recorder.close()
        cpu_s = _cpu_s() - cpu_before_s
        unstarted = self._count_unstarted()
        self._loop.close()
        ledger = self._ledger
        return {
            "records": (ledger.next_sequence() - self._order.index) // self._order.count,
            "unstarted": unstarted,
            "failures": {str(int(kind)): number for kind, number in ledger.failures.items()},
            "begun_ns": self._start_ns,
            "started_ns": ledger.first_planned_ns or self._start_ns,
            "ended_ns": ledger.last_finished_ns or self._start_ns,
            "connections_opened": ledger.connections_opened,
            "idle_closes": ledger.idle_closes,
            "cpu_s": cpu_s,
            "busy_share": _busy_share(self._loop),
            "scheduling": scheduling,
            "area_ns": ledger.area_ns,
            "samples": ledger.samples,
            "was_interrupted": self._is_stopped,
        }

    # ---- building

    def _build_dispatch(self) -> ClosedDispatch | OpenDispatch:
        plan = self._plan
        duration_s = plan["duration_s"]
        end_ns = None
        if duration_s is not None:
            end_ns = self._start_ns + round((plan["warm_up_s"] + duration_s) * _SECOND_NS)
        load = plan["load"]
        if load["type"] == "closed":
            return self._build_closed(load, requests=plan["requests"], end_ns=end_ns)
        return self._build_open(load, requests=plan["requests"], end_ns=end_ns)

    def _build_closed(
        self, load: dict[str, Any], *, requests: int | None, end_ns: int | None
    ) -> ClosedDispatch:
        callers: list[Lane] = []
        dispatch = ClosedDispatch(
            schedule.ClosedSchedule(
                requests=requests, end_ns=end_ns, think_ns=round(load["think_time_s"] * _SECOND_NS)
            ),
            ledger=self._ledger,
            loop=self._loop,
            callers=callers,
        )
        new_lane = self._lane_maker(lambda: dispatch)
        number = load["callers"]
        if self._wire.is_grpc and self._wire.reuse is Reuse.KEEP:
            channels = [new_lane() for _ in range(min(self._plan["channels"], number))]
            callers += [channels[caller % len(channels)] for caller in range(number)]
        else:
            callers += [new_lane() for _ in range(number)]
        return dispatch

    def _build_open(
        self, load: dict[str, Any], *, requests: int | None, end_ns: int | None
    ) -> OpenDispatch:
        rate_per_s = load["rate_per_s"]
        if load["arrivals"] == "constant":
            arrivals = schedule.constant_arrivals(rate_per_s=rate_per_s, start_ns=self._start_ns)
        else:
            arrivals = schedule.poisson_arrivals(
                rate_per_s=rate_per_s, start_ns=self._start_ns, seed=load["seed"]
            )
        new_lane = self._lane_maker(lambda: dispatch)
        channels: list[Lane] = []
        if self._wire.is_grpc and self._wire.reuse is Reuse.KEEP:
            pool: GrowingPool | SharedLanes = SharedLanes(channels)
        else:
            limit = load["in_flight_limit"]
            pool = GrowingPool(new_lane, limit=min(load["connection_limit"] or limit, limit))
        arrivals = schedule.bounded(arrivals, requests=requests, end_ns=end_ns)
        dispatch = OpenDispatch(
            # All processes see the whole schedule; each deals itself every n-th arrival.
            islice(arrivals, self._order.index, None, self._order.count),
            ledger=self._ledger,
            loop=self._loop,
            pool=pool,
            in_flight_limit=load["in_flight_limit"],
        )
        if isinstance(pool, SharedLanes):
            channels += [new_lane() for _ in range(self._plan["channels"])]
        return dispatch

    def _lane_maker(self, dispatch: Callable[[], Dispatch]) -> Callable[[], Lane]:
        """Return what makes lanes, each of them known to this run."""

        def make() -> Lane:
            lane = new_lane(self._gear, dispatch())
            # The number keeps the heap from comparing lanes.
            heapq.heappush(self._watched, (self._loop.clock(), len(self._lanes), lane))
            self._lanes.append(lane)
            return lane

        return make

    # ---- running

    def _is_over(self) -> bool:
        return self._is_stopped or self._dispatch.is_over

    def _tick(self, now_ns: int) -> None:
        self._dispatch.expire(now_ns)
        watched = self._watched
        while watched and watched[0][0] < now_ns:
            _, number, lane = heapq.heappop(watched)
            heapq.heappush(watched, (lane.expire(now_ns), number, lane))
        self._recorder.flush()
        if now_ns >= self._next_progress_ns:
            self._next_progress_ns = now_ns + _PROGRESS_NS
            self._tell_progress(now_ns)

    def _count_unstarted(self) -> int:
        """Count what a stop left unstarted, and go on telling that somebody is there."""
        unstarted = 0
        while counted := self._dispatch.forgo(_COUNTED_AT_ONCE):
            unstarted += counted
            if counted == _COUNTED_AT_ONCE:
                self._tell_progress(self._loop.clock())
        return unstarted

    def _tell_progress(self, now_ns: int) -> None:
        ledger = self._ledger
        _say(
            {
                "progress": {
                    "elapsed_s": max(0, now_ns - self._start_ns) / _SECOND_NS,
                    "finished": self._recorder.kept,
                    "failed": ledger.failed,
                    "in_flight": ledger.in_flight,
                }
            }
        )

    def _on_order(self, _mask: int) -> None:
        """Stop in good order on a word; at the end of file nobody is left to tell."""
        if not os.read(sys.stdin.fileno(), 4096):
            os._exit(1)
        self._is_stopped = True
        self._dispatch.stop()
        now_ns = self._loop.clock()
        for lane in self._lanes:
            lane.abandon(now_ns)


def _loop_type(plan: dict[str, Any]) -> type[Loop]:
    """Choose how to wait; only planned moments are worth waking early for."""
    if plan["pacing"] == "spin":
        return SpinningLoop
    return PunctualLoop if plan["load"]["type"] == "open" else Loop


def _busy_share(loop: Loop) -> float | None:
    """Return what share of its time a spinning loop had work to do."""
    if not isinstance(loop, SpinningLoop):
        return None
    return loop.busy_ns / loop.total_ns if loop.total_ns else 0.0


def _read_line(fd: int) -> str:
    """Read a line; the parent says no more before it has heard from us."""
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = os.read(fd, 1 << 20)
        if not piece:
            sys.exit("no order came")
        line += piece
    return line.decode()


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)  # noqa: T201 - this is the pipe to the parent


def _raise_file_limit() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main(argv: Sequence[str] = ()) -> int:
    """Run one order; 0 where a result was given."""
    del argv
    # Ctrl-C reaches the whole terminal group: the parent decides what becomes of this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    order = Order.parse(_read_line(sys.stdin.fileno()))
    if order.cpus:
        os.sched_setaffinity(0, order.cpus)
    _raise_file_limit()
    allocator.give_large_blocks_back()
    try:
        run = Run(order)
        # What exists now stays; what comes later is freed by counting.
        gc.collect()
        gc.freeze()
        gc.disable()
        _say({"ready": True})
        result = run.run(start_ns=int(_read_line(sys.stdin.fileno())))
    except OSError as error:
        _say({"error": str(error)})
        return 1
    _say({"result": result})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
