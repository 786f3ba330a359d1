"""Where a server listens behind its front, and what is said of its books."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.fake_world import World

from servelab import catalogue
from servelab.measure import audit, fronting
from servelab.measure.machinery import Machinery
from servelab.model.address import LOOPBACK, Address
from servelab.model.worker import WorkerCount

FRONT = Address(LOOPBACK, 3000)


@pytest.fixture
def machinery() -> Machinery:
    return World({}).machinery()


def upstream(name: str, *, place: Path, machinery: Machinery) -> Address | Path:
    (found, *_) = catalogue.find_deployments(name)
    return fronting.upstream(found, place=place, address=FRONT, machinery=machinery)


def test_the_longest_path_that_a_unix_socket_can_have_is_taken(machinery: Machinery) -> None:
    length = fronting.LONGEST_SOCKET_PATH_BYTES - len("/server.sock")
    place = Path("/" + "x" * (length - 1))
    found = upstream("sync-gunicorn-sync", place=place, machinery=machinery)
    assert found == place / "server.sock"
    assert len(bytes(place / "server.sock")) == 107
    longer = Path(f"{place}x")
    port = upstream("sync-gunicorn-sync", place=longer, machinery=machinery)
    assert port == Address(LOOPBACK, 3200)


def test_bytes_are_counted_and_not_letters(machinery: Machinery) -> None:
    place = Path("/" + "é" * 60)
    found = upstream("sync-gunicorn-sync", place=place, machinery=machinery)
    assert isinstance(found, Address)


def test_two_ports_are_never_one(machinery: Machinery) -> None:
    # As where the ports between are taken, and the front got the first that a server would get.
    crowded = replace(machinery, free_port=lambda first: max(first, 3000) - 200)
    found = upstream("sync-devserver", place=Path("/run"), machinery=crowded)
    assert found != FRONT


def test_a_request_that_a_front_sent_twice_is_no_contradiction() -> None:
    books = {"scheduled": 10, "sent": 10, "ok": 9}
    workers = [WorkerCount(pid=7, received=11, answered=9)]
    assert list(audit.errors_of_workers(books, workers)) != []
    assert list(audit.errors_of_workers(books, workers, may_be_sent_again=True)) == []
    lost = [WorkerCount(pid=7, received=11, answered=8)]
    assert list(audit.errors_of_workers(books, lost, may_be_sent_again=True)) != []
