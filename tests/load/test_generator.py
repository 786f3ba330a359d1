import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from servelab.errors import AuditFailed, GeneratorKilled, StoreError
from servelab.load import crew
from servelab.load.dispatch import PAUSE_NS
from servelab.load.generator import ProbeAnswer, generate, probe, read_records
from servelab.load.request import NONCE_WIDTH, PROBE_PREFIX
from servelab.measure import audit
from servelab.model.load import ClosedLoop, Connections, LoadProgress, OpenLoop
from servelab.model.outcome import Outcome

from .fault_server import Connection, answer, right, serving
from .loads import plan_for, run

pytestmark = pytest.mark.live

DEADLINE_S = 30.0


def engines() -> set[str]:
    """Return the pids of the engines that are children of this process."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {
        pid
        for pid in children
        if b"servelab.load.engine" in Path(f"/proc/{pid}/cmdline").read_bytes()
    }


def test_the_engine_imports_little() -> None:
    code = "import servelab.load.engine, sys; print(*{m.partition('.')[0] for m in sys.modules})"
    names = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    assert {"msgspec", "numpy", "pyarrow", "psutil", "scipy"}.isdisjoint(names)
    assert {"httptools", "hpack", "servelab"} <= set(names)


def test_a_closed_loop_keeps_as_many_connections_as_callers(tmp_path: Path) -> None:
    with serving(right) as server:
        plan = plan_for(server.address, load=ClosedLoop(callers=7), requests=100)
        result, records = run(plan, tmp_path)

    assert result.outcomes == {"ok": 100}
    assert server.connections == result.connections_opened == 7
    assert len(set(records.connection)) == 7
    assert len(server.received) == server.answered == 100


def test_a_closed_loop_for_a_time_starts_nothing_after_it(tmp_path: Path) -> None:
    with serving(right) as server:
        plan = plan_for(server.address, requests=None, duration_s=0.3)
        result, records = run(plan, tmp_path)

    assert result.outcomes == {"ok": len(server.received)}
    assert (records.planned_ns < result.started_s * 1e9 + 0.3e9 + 1000).all()


def test_more_callers_than_requests_start_only_the_requests(tmp_path: Path) -> None:
    with serving(right) as server:
        plan = plan_for(server.address, load=ClosedLoop(callers=50), requests=3)
        result, _ = run(plan, tmp_path)

    assert result.outcomes == {"ok": 3}
    assert server.connections == 3


def test_a_fresh_connection_serves_one_request(tmp_path: Path) -> None:
    with serving(right) as server:
        plan = plan_for(server.address, connections=Connections.FRESH, requests=20)
        result, _ = run(plan, tmp_path)

    assert server.connections == result.connections_opened == 20


def test_callers_think_between_their_requests(tmp_path: Path) -> None:
    with serving(right) as server:
        load = ClosedLoop(callers=1, think_time_s=0.05)
        result, records = run(plan_for(server.address, load=load, requests=4), tmp_path)

    gaps_ns = records.planned_ns[1:] - records.finished_ns[:-1]
    assert result.outcomes == {"ok": 4}
    assert (gaps_ns == 50_000_000).all()


def test_an_open_loop_starts_what_is_planned_however_slow_the_server(tmp_path: Path) -> None:
    def slow(connection: Connection, nonce: bytes) -> bool:
        connection.stopped.wait(0.3)
        return right(connection, nonce)

    with serving(slow) as server:
        load = OpenLoop(rate_per_s=200, arrivals="constant")
        result, records = run(plan_for(server.address, load=load, requests=40), tmp_path)

    assert result.outcomes == {"ok": 40}
    planned_ns = sorted(records.planned_ns)
    assert [later - planned_ns[0] for later in planned_ns] == [n * 5_000_000 for n in range(40)]
    assert (records.response_time_s >= 0.3).all()
    assert server.connections == 40


def test_two_open_loops_of_one_seed_have_one_schedule(tmp_path: Path) -> None:
    def offsets(folder: Path, seed: int) -> list[int]:
        folder.mkdir()
        load = OpenLoop(rate_per_s=500, seed=seed)
        _, records = run(plan_for(server.address, load=load, requests=30), folder)
        planned_ns = sorted(records.planned_ns)
        return [later - planned_ns[0] for later in planned_ns]

    with serving(right) as server:
        first = offsets(tmp_path / "1", 5)
        assert offsets(tmp_path / "2", 5) == pytest.approx(first, abs=2)
        assert offsets(tmp_path / "3", 6) != pytest.approx(first, abs=2)


def test_arrivals_that_find_no_connection_queue_and_their_waiting_counts(tmp_path: Path) -> None:
    def slow(connection: Connection, nonce: bytes) -> bool:
        connection.stopped.wait(0.05)
        return right(connection, nonce)

    with serving(slow) as server:
        load = OpenLoop(rate_per_s=1000, arrivals="constant", connection_limit=1)
        result, records = run(plan_for(server.address, load=load, requests=5), tmp_path)

    assert result.outcomes == {"ok": 5}
    assert server.connections == 1
    assert max(records.connection_wait_s) > 0.15
    assert (records.response_time_s >= records.connection_wait_s).all()


def test_a_request_whose_time_runs_out_in_the_queue_is_a_timeout(tmp_path: Path) -> None:
    def silent(connection: Connection, _nonce: bytes) -> bool:
        connection.stopped.wait()
        return False

    with serving(silent) as server:
        load = OpenLoop(rate_per_s=1000, connection_limit=1)
        plan = plan_for(server.address, load=load, requests=5, timeout_s=0.4)
        result, records = run(plan, tmp_path)

    assert result.outcomes == {"timeout": 5}
    assert (records.sent_ns == -1).sum() + len(server.received) == 5


def test_an_arrival_beyond_the_limit_in_flight_is_unsent_and_recorded(tmp_path: Path) -> None:
    def silent(connection: Connection, _nonce: bytes) -> bool:
        connection.stopped.wait()
        return False

    with serving(silent) as server:
        load = OpenLoop(rate_per_s=1000, in_flight_limit=3)
        plan = plan_for(server.address, load=load, requests=10, timeout_s=0.5)
        result, records = run(plan, tmp_path)

    assert result.outcomes == {"timeout": 3, "unsent": 7}
    assert result.scheduled == 10
    assert records.sent == 3
    assert not list(audit.errors_of_generator(result, sent=records.sent))
    assert len(server.received) == 3


def test_a_refused_open_loop_keeps_its_schedule(tmp_path: Path) -> None:
    with serving(right) as server:
        address = server.address
    load = OpenLoop(rate_per_s=1000, arrivals="constant", connection_limit=4)
    result, _ = run(plan_for(address, load=load, requests=50), tmp_path)

    assert result.outcomes == {"refused": 50}


@pytest.mark.parametrize("load", [ClosedLoop(callers=3), OpenLoop(rate_per_s=300)])
def test_a_stopped_load_classifies_what_is_in_flight_and_what_is_not(
    load: ClosedLoop | OpenLoop, tmp_path: Path
) -> None:
    def answer_some(connection: Connection, nonce: bytes) -> bool:
        if nonce >= b"%016d" % 4:
            connection.stopped.wait()
        return right(connection, nonce)

    with serving(answer_some) as server:
        finished = 0

        def note(progress: LoadProgress) -> None:
            nonlocal finished
            finished = progress.finished

        def have_answers_come() -> str | None:
            # What was received may not have been answered yet, nor its answer have been read.
            return "enough" if finished == 4 and len(server.received) > 5 else None

        plan = plan_for(server.address, load=load, requests=1000)
        result, _ = run(plan, tmp_path, should_stop=have_answers_come, on_progress=note)

    assert result.was_interrupted
    assert result.scheduled == 1000
    assert result.outcomes["ok"] == 4
    assert result.outcomes["abandoned"] + result.outcomes["unsent"] == 996
    assert result.outcomes["abandoned"] >= 1
    assert set(result.outcomes) == {"ok", "abandoned", "unsent"}


def test_a_long_schedule_is_counted_however_long_that_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "_END_S", 2.0)
    with serving(right) as server:
        plan = plan_for(
            server.address, load=OpenLoop(rate_per_s=2000), requests=None, duration_s=3600
        )
        result, _ = run(
            plan, tmp_path, should_stop=lambda: "enough" if len(server.received) > 5 else None
        )

    assert result.was_interrupted
    assert result.scheduled == pytest.approx(7_200_000, rel=0.01)


@pytest.mark.parametrize(
    "load",
    [
        ClosedLoop(callers=20),
        ClosedLoop(callers=20, think_time_s=0.01),
        OpenLoop(rate_per_s=300),
    ],
)
def test_the_books_balance_where_a_stop_is_heard_late_and_with_everything_else(
    load: ClosedLoop | OpenLoop, tmp_path: Path
) -> None:
    with serving(right) as server:

        def stop_while_it_sleeps() -> str | None:
            if len(server.received) < 50:
                return None
            (engine,) = engines()
            os.kill(int(engine), signal.SIGSTOP)
            threading.Timer(0.1, os.kill, (int(engine), signal.SIGCONT)).start()
            return "enough"

        result, _ = run(
            plan_for(server.address, load=load, requests=100_000),
            tmp_path,
            should_stop=stop_while_it_sleeps,
        )

    assert result.was_interrupted
    assert result.scheduled == 100_000
    assert set(result.outcomes) <= {"ok", "abandoned", "unsent"}


def test_progress_is_told_while_the_load_runs(tmp_path: Path) -> None:
    told: list[LoadProgress] = []
    while_it_ran: list[LoadProgress] = []

    def is_told() -> str | None:
        while_it_ran[:] = told
        return "seen" if len(told) >= 2 and told[-1].in_flight == 2 else None

    with serving(right) as server:
        generate(
            plan_for(server.address, requests=None, duration_s=60),
            records=tmp_path / "records.parquet",
            on_progress=told.append,
            should_stop=is_told,
        )

    assert len(while_it_ran) >= 2
    assert while_it_ran[-1].in_flight == 2
    assert while_it_ran[-1].failed == 0
    assert [each.finished for each in told] == sorted(each.finished for each in told)


def test_the_engine_is_pinned_where_it_was_told(tmp_path: Path) -> None:
    cpu = min(os.sched_getaffinity(0))
    seen: list[set[int]] = []

    def look(_progress: LoadProgress) -> None:
        seen.extend(os.sched_getaffinity(int(pid)) for pid in engines())

    with serving(right) as server:
        generate(
            plan_for(server.address, requests=None, duration_s=60),
            records=tmp_path / "records.parquet",
            cpus=((cpu,),),
            on_progress=look,
            should_stop=lambda: "seen" if seen else None,
        )

    assert seen
    assert all(cpus == {cpu} for cpus in seen)


def test_an_interrupt_leaves_no_engine_and_no_file(tmp_path: Path) -> None:
    def interrupt(_progress: LoadProgress) -> None:
        raise KeyboardInterrupt

    with serving(right) as server, pytest.raises(KeyboardInterrupt):
        generate(
            plan_for(server.address, requests=None, duration_s=60),
            records=tmp_path / "records.parquet",
            on_progress=interrupt,
        )

    assert not engines()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_engine_that_is_killed_is_no_bug_and_what_it_recorded_is_kept(
    tmp_path: Path, number: signal.Signals
) -> None:
    records = tmp_path / "records.parquet"

    def kill(progress: LoadProgress) -> None:
        if progress.finished:
            for pid in engines():
                os.kill(int(pid), number)

    with serving(right) as server:
        plan = plan_for(server.address, requests=None, duration_s=60)
        with pytest.raises(GeneratorKilled, match=f"killed by signal {number:d} ") as killed:
            generate(plan, records=records, on_progress=kill)
    assert killed.value.exit_status == 3
    kept = read_records(records)
    assert len(kept) > 0
    assert set(kept.outcome) == {Outcome.OK}
    assert len(set(kept.sequence)) == len(kept) <= len(server.received)
    assert list(tmp_path.iterdir()) == [records]


def test_an_engine_that_is_killed_as_it_is_told_to_stop_is_no_other_error(tmp_path: Path) -> None:
    records = tmp_path / "records.parquet"

    def kill() -> str | None:
        if len(server.received) < 50:
            return None
        (engine,) = engines()
        os.kill(int(engine), signal.SIGKILL)
        # So that it is gone before a word reaches it.
        os.waitid(os.P_PID, int(engine), os.WEXITED | os.WNOWAIT)
        return "enough"

    with serving(right) as server:
        plan = plan_for(server.address, requests=None, duration_s=60)
        with pytest.raises(GeneratorKilled, match="killed by signal 9 "):
            generate(plan, records=records, should_stop=kill)
    assert list(tmp_path.iterdir()) == [records]


def test_an_engine_that_crashes_is_a_failed_audit_that_says_so(tmp_path: Path) -> None:
    def crash(_progress: LoadProgress) -> None:
        for pid in engines():
            os.kill(int(pid), signal.SIGSEGV)

    with serving(right) as server, pytest.raises(AuditFailed, match="status -11") as failed:
        generate(
            plan_for(server.address, requests=None, duration_s=60),
            records=tmp_path / "records.parquet",
            on_progress=crash,
        )
    assert failed.value.exit_status == 70
    assert not list(tmp_path.iterdir())


def test_records_that_cannot_be_written_are_a_store_error(tmp_path: Path) -> None:
    with serving(right) as server, pytest.raises(StoreError, match="No such file"):
        generate(plan_for(server.address), records=tmp_path / "missing" / "records.parquet")


def test_an_unknown_check_is_told_in_the_engines_words(tmp_path: Path) -> None:
    with serving(right) as server, pytest.raises(AuditFailed, match="no_such_check"):
        generate(
            plan_for(server.address, check="servelab.load.answers:no_such_check"),
            records=tmp_path / "records.parquet",
        )


PARENT = """
import sys
from pathlib import Path
from servelab.load.generator import generate
from servelab.model.address import Address
from servelab.model.load import ClosedLoop, LoadPlan, Protocol, Request
def tell(progress):
    print("running", flush=True)
generate(
    LoadPlan(
        target=Address("127.0.0.1", int(sys.argv[1])),
        protocol=Protocol.HTTP,
        request=Request(path="/"),
        check="servelab.load.answers:any_answer",
        load=ClosedLoop(callers=1, think_time_s=0.05),
        duration_s=600,
    ),
    records=Path(sys.argv[2]),
    on_progress=tell,
)
"""


def test_the_engine_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    with serving(right) as server:
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(server.address.port), str(tmp_path / "records")],
            stdout=subprocess.PIPE,
        )
        with parent:
            assert parent.stdout is not None
            assert parent.stdout.readline() == b"running\n"
            children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
            parent.kill()
        deadline_s = time.monotonic() + DEADLINE_S
        while any(is_running(pid) for pid in children) and time.monotonic() < deadline_s:
            threading.Event().wait(0.02)

    assert len(children) == 1
    assert not any(is_running(pid) for pid in children)


def is_running(pid: str) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_a_probe_says_that_a_server_answers_rightly() -> None:
    with serving(right) as server:
        said = probe(plan_for(server.address), timeout_s=DEADLINE_S)

    assert said == ProbeAnswer(outcome=Outcome.OK, worker_pid=0, reason="")
    (nonce,) = server.received
    assert nonce.startswith(PROBE_PREFIX)
    assert len(nonce) == NONCE_WIDTH


def test_a_probe_says_what_is_wrong() -> None:
    def unavailable(connection: Connection, nonce: bytes) -> bool:
        connection.send(answer(nonce, status="503 Starting"))
        return True

    with serving(unavailable) as server:
        said = probe(plan_for(server.address), timeout_s=DEADLINE_S)
        address = server.address
    refused = probe(plan_for(address), timeout_s=DEADLINE_S)

    assert said.outcome is Outcome.SERVER_ERROR
    assert "503" in said.reason
    assert refused.outcome is Outcome.REFUSED


def test_a_probe_ends_after_its_time() -> None:
    def silent(connection: Connection, _nonce: bytes) -> bool:
        connection.stopped.wait()
        return False

    with serving(silent) as server:
        assert probe(plan_for(server.address), timeout_s=0.2).outcome is Outcome.TIMEOUT


def test_a_refused_caller_pauses_for_a_stated_time() -> None:
    assert PAUSE_NS == 50_000_000
