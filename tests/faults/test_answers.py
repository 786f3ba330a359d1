"""Wrong answers: one behaviour a test; the server's books must equal the generator's."""

import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import pytest

from servelab.load.generator import Records
from servelab.load.room import ROOM_BYTES
from servelab.model.load import ClosedLoop, Connections, LoadResult
from servelab.model.outcome import Outcome
from tests.faults import behaviours
from tests.faults.behaviours import chunked, in_turn, status
from tests.load.fault_server import Behaviour, Connection, FaultServer, right, serving
from tests.load.loads import plan_for, run

pytestmark = pytest.mark.live

FRESH, KEPT = Connections.FRESH, Connections.KEPT
LONG_IDLE_S = 2.0
"""A server that answers and then closes may stand still between the two."""
both_connections = pytest.mark.parametrize("connections", [KEPT, FRESH])


def require_class(
    behaviour: Behaviour,
    label: str,
    *,
    connections: Connections,
    folder: Path,
    requests: int = 10,
    timeout_s: float = 30.0,
) -> tuple[FaultServer, LoadResult, Records]:
    """Load a server that always does the same; demand one class, and equal books."""
    with serving(behaviour) as server:
        plan = plan_for(
            server.address, connections=connections, requests=requests, timeout_s=timeout_s
        )
        result, records = run(plan, folder)
    assert result.outcomes == {label: requests}
    # Each request reached the server once: nothing was tried again.
    assert sorted(server.received) == [b"%016d" % number for number in range(requests)]
    assert server.connections == result.connections_opened
    assert bool(result.samples) == (label != "ok")
    return server, result, records


@both_connections
@pytest.mark.parametrize("behaviour", [behaviours.reset_before, behaviours.reset_inside])
def test_fault_10_a_reset_before_or_inside_the_answer_is_a_reset_and_not_tried_again(
    behaviour: Behaviour, connections: Connections, tmp_path: Path
) -> None:
    require_class(behaviour, "reset", connections=connections, folder=tmp_path)


@both_connections
@pytest.mark.parametrize(
    "behaviour",
    [
        behaviours.close_inside_head,
        behaviours.close_inside_body,
        behaviours.half_close_inside_body,
    ],
)
def test_fault_11_an_answer_cut_short_is_truncated_and_never_ok(
    behaviour: Behaviour, connections: Connections, tmp_path: Path
) -> None:
    require_class(behaviour, "truncated", connections=connections, folder=tmp_path)


@both_connections
@pytest.mark.parametrize(
    "behaviour", [behaviours.say_too_much, behaviours.answer_twice, behaviours.answer_ssh]
)
def test_fault_12_bytes_beyond_the_answer_are_a_protocol_error_and_end_the_connection(
    behaviour: Behaviour, connections: Connections, tmp_path: Path
) -> None:
    server, _, _ = require_class(
        behaviour, "protocol error", connections=connections, folder=tmp_path
    )
    assert server.connections == 10


@both_connections
@pytest.mark.parametrize("wrong", [behaviours.say_too_much, behaviours.answer_twice])
def test_fault_12_the_answer_after_too_many_bytes_is_not_misread(
    wrong: Behaviour, connections: Connections, tmp_path: Path
) -> None:
    with serving(in_turn(right, wrong)) as server:
        result, records = run(plan_for(server.address, connections=connections), tmp_path)
    assert result.outcomes == {"ok": 5, "protocol error": 5}
    assert set(records.sequence[records.outcome == Outcome.OK] % 2) == {0}
    assert server.answered == 10


@both_connections
@pytest.mark.parametrize(
    ("behaviour", "label"),
    [
        (chunked(b"10\r\nNONCE\r\n0\r\n\r\n"), "ok"),
        (chunked(b"10\r\nNONCE\r\n0\r\nX-Sum: 1\r\n\r\n"), "ok"),
        (chunked(b"8\r\n", b"NONCE\r\n0\r\n\r\n"), "protocol error"),
        (chunked(b"zz\r\n\r\n"), "protocol error"),
        (chunked(b"10\r\nNONCE\r\n"), "truncated"),
    ],
    ids=["valid", "trailers", "wrong size", "bad size", "no last chunk"],
)
def test_fault_13_chunks_are_read_to_their_end(
    behaviour: Behaviour, label: str, connections: Connections, tmp_path: Path
) -> None:
    require_class(behaviour, label, connections=connections, folder=tmp_path)


@both_connections
@pytest.mark.parametrize("behaviour", [behaviours.drip, behaviours.never_answer])
def test_fault_14_an_answer_that_drips_meets_the_deadline_of_the_whole(
    behaviour: Behaviour, connections: Connections, tmp_path: Path
) -> None:
    _, result, records = require_class(
        behaviour,
        "timeout",
        connections=connections,
        folder=tmp_path,
        requests=2,
        timeout_s=0.3,
    )
    # A byte each 50 ms: no single wait came near the deadline.
    assert (records.response_time_s >= 0.3).all()
    assert result.ended_s - result.started_s < 10 * 0.3


@both_connections
@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("400 Bad Request", "4xx"),
        ("404 Not Found", "4xx"),
        ("500 Internal Server Error", "5xx"),
        ("503 Service Unavailable", "5xx"),
    ],
)
def test_fault_15_errors_by_status_have_classes_of_their_own(
    line: str, label: str, connections: Connections, tmp_path: Path
) -> None:
    _, _, records = require_class(status(line), label, connections=connections, folder=tmp_path)
    assert set(records.status) == {int(line[:3])}


@both_connections
@pytest.mark.parametrize(
    "behaviour", [behaviours.answer_another, chunked(b"3\r\nno!\r\n0\r\n\r\n")]
)
def test_fault_16_an_answer_that_is_not_the_requests_own_is_wrong_and_shown(
    behaviour: Behaviour, connections: Connections, tmp_path: Path
) -> None:
    _, result, _ = require_class(
        behaviour, "wrong answer", connections=connections, folder=tmp_path
    )
    assert result.samples[0].startswith("wrong answer: not the nonce b'0000")
    assert "but b'" in result.samples[0]


@both_connections
@pytest.mark.parametrize("code", [301, 302, 307])
def test_fault_17_a_redirect_is_counted_and_never_followed(
    code: int, connections: Connections, tmp_path: Path
) -> None:
    with serving(right) as elsewhere:
        moved = status(f"{code} Moved", f"Location: http://{elsewhere.address}/\r\n")
        require_class(moved, "redirect", connections=connections, folder=tmp_path)
        assert elsewhere.connections == 0


@both_connections
@pytest.mark.parametrize(
    "behaviour",
    [behaviours.endless_body, behaviours.header_bomb, behaviours.header_lines],
)
def test_fault_18_an_endless_answer_is_too_big(
    behaviour: Behaviour, connections: Connections, tmp_path: Path
) -> None:
    require_class(behaviour, "too big", connections=connections, folder=tmp_path, requests=2)


PEAK_OF_A_CHILD = """
import resource
import subprocess
import sys

subprocess.run([sys.executable, "-m", "servelab", *sys.argv[1:]], stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024, file=sys.stderr)
"""
"""By way of a small process: what the tests themselves take would count as the child's own, which
the kernel begins to count before the child becomes another program."""


def peak_memory_bytes(words: Sequence[str], *, out: BinaryIO, folder: Path) -> int:
    """Return what servelab took at most, or a process of its own if that took more."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK_OF_A_CHILD, *words],
        stdout=out,
        stderr=subprocess.PIPE,
        cwd=folder,
        check=True,
    )
    return int(done.stderr)


@pytest.mark.parametrize("behaviour", [behaviours.endless_body, behaviours.header_lines])
def test_fault_18_an_endless_answer_does_not_fill_the_memory(
    behaviour: Behaviour, tmp_path: Path
) -> None:
    highest = {}
    for name, does in (("right", right), ("endless", behaviour)):
        with serving(does) as server, (tmp_path / name).open("wb") as out:
            words = ["load", f"http://{server.address}/", "-n", "4", "-c", "1", "--json"]
            highest[name] = peak_memory_bytes(words, out=out, folder=tmp_path)
    (trial,) = json.loads((tmp_path / "endless").read_bytes())["trials"]
    assert trial["ledger"] == {"scheduled": 4, "sent": 4, "ok": 0, "too big": 4}
    # A body may have 64 MiB; four of them come, one after another.
    assert highest["endless"] - highest["right"] < 3 * (64 << 20)


def test_fault_18_endless_answers_on_64_connections_share_a_quarter_of_a_gigabyte(
    tmp_path: Path,
) -> None:
    with serving(behaviours.endless_body) as server, (tmp_path / "printed").open("wb") as out:
        words = ["load", f"http://{server.address}/", "-n", "64", "-c", "64", "--timeout", "300",
                 "--json"]  # fmt: skip
        peak_bytes = peak_memory_bytes(words, out=out, folder=tmp_path)
    (trial,) = json.loads((tmp_path / "printed").read_bytes())["trials"]
    assert trial["ledger"] == {"scheduled": 64, "sent": 64, "ok": 0, "too big": 64}
    # Without a common limit it would be 64 times 64 MiB.
    assert peak_bytes < ROOM_BYTES + (192 << 20)


def test_fault_19_a_connection_closed_while_idle_is_opened_anew_and_loses_nothing(
    tmp_path: Path,
) -> None:
    with serving(behaviours.close_silently) as server:
        load = ClosedLoop(callers=2, think_time_s=LONG_IDLE_S)
        result, _ = run(plan_for(server.address, load=load, requests=6), tmp_path)
    assert result.outcomes == {"ok": 6}
    assert server.answered == 6
    assert server.connections == result.connections_opened == 6
    # Of the last two the run does not wait to see the end.
    assert 4 <= result.idle_closes <= 6


def test_fault_19_a_connection_closed_once_the_request_was_sent_is_closed_early(
    tmp_path: Path,
) -> None:
    server, result, _ = require_class(
        behaviours.close_early, "closed early", connections=KEPT, folder=tmp_path
    )
    assert server.connections == 10
    assert result.idle_closes == 0


def test_fault_20_connection_close_on_every_answer_works_and_its_connects_are_counted(
    tmp_path: Path,
) -> None:
    server, result, records = require_class(
        behaviours.close_after, "ok", connections=KEPT, folder=tmp_path
    )
    assert server.connections == result.connections_opened == len(set(records.connection)) == 10


def test_fault_19_a_half_closed_idle_connection_is_not_used_again(tmp_path: Path) -> None:
    def half_close_after(connection: Connection, nonce: bytes) -> bool:
        right(connection, nonce)
        connection.raw.shutdown(socket.SHUT_WR)
        return True

    with serving(half_close_after) as server:
        load = ClosedLoop(callers=2, think_time_s=LONG_IDLE_S)
        result, _ = run(plan_for(server.address, load=load, requests=4), tmp_path)
    assert result.outcomes == {"ok": 4}
    assert server.connections == result.connections_opened == 4
