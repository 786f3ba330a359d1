"""What is said of workers that never came up, were replaced, or were somebody else's."""

import numpy as np
import pytest

from servelab.load.generator import Records
from servelab.measure import audit, figures, gates
from servelab.model.outcome import Outcome
from servelab.model.trial import TrialStatus
from servelab.model.usage import Growth, MemoryKind, Moment, ProcessUsage
from servelab.model.worker import WorkerCount, Workforce


def workforce(asked: int | None, at_start: tuple[int, ...], at_end: tuple[int, ...]) -> Workforce:
    return Workforce(asked=asked, at_start=at_start, at_end=at_end)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (workforce(2, (1, 2), (1, 2)), []),
        (workforce(2, (1,), (1, 2)), []),  # the last one came up a little later
        (workforce(4, (1, 2, 3), (1, 2, 3)), ["3 of 4 workers came up"]),
        (workforce(None, (1,), (1,)), []),  # nobody knows how many there are to be
        (workforce(2, (1, 2), (1, 9)), [("process 2 of the server's workers ended under load, and "
                                        "process 9 came instead")]),
        (workforce(3, (1, 2, 3), (1, 8, 9)), [("processes 2, 3 of the server's workers ended under "
                                              "load, and processes 9, 8 came instead")]),
        (workforce(2, (1, 2), (1,)), [("process 2 of the server's workers ended under load, and "
                                      "none came instead")]),
        (workforce(2, (1, 2), ()), []),  # the server has ended, which is said elsewhere
    ],
)  # fmt: skip
def test_workers_that_are_missing_or_replaced_are_named(found: Workforce, words: list[str]) -> None:
    said = [warning.text for warning in gates.warnings_on_workforce(found)]
    assert len(said) == len(words)
    assert all(text.startswith(start) for text, start in zip(said, words, strict=True))


def records(*answers: tuple[int, Outcome]) -> Records:
    """Return records of answers by processes."""
    count = len(answers)
    zeros = np.zeros(count, dtype=np.int64)
    return Records(
        planned_ns=zeros,
        taken_up_ns=zeros,
        connection_ready_ns=zeros,
        sent_ns=zeros,
        first_byte_ns=zeros,
        finished_ns=zeros,
        sequence=np.arange(count),
        connection=zeros,
        body_bytes=zeros,
        worker_pid=np.array([pid for pid, _ in answers], dtype=np.int64),
        status=zeros,
        outcome=np.array([int(outcome) for _, outcome in answers], dtype=np.int64),
    )


OWN = (WorkerCount(pid=7, received=3, answered=3),)


def test_answers_by_others_are_found_in_the_warm_up_too() -> None:
    window = records((7, Outcome.OK), (9, Outcome.OK), (0, Outcome.TIMEOUT))
    assert audit.strangers(window, None, workers=OWN) == {9: 1}
    warm_up = records((9, Outcome.OK), (12, Outcome.OK))
    assert audit.strangers(window, warm_up, workers=OWN) == {9: 2, 12: 1}
    status, reason = gates.status_of_strangers({9: 2, 12: 1}, port=3000)
    assert status is TrialStatus.INVALID
    assert reason is not None
    assert "processes 9, 12, not of this server, gave 3 of the answers on port 3000" in reason


def test_nobody_is_a_stranger_where_nobody_counted_or_nobody_named_itself() -> None:
    assert audit.strangers(records((9, Outcome.OK)), None, workers=()) == {}
    assert audit.strangers(records((0, Outcome.OK)), None, workers=OWN) == {}


def usage(memory: list[int], files: list[int]) -> ProcessUsage:
    """Return what a tree used that was looked at once a second."""
    return ProcessUsage(
        seconds=float(len(memory)),
        user_s=1.0,
        system_s=0.0,
        peak_memory_bytes=max(memory),
        final_memory_bytes=memory[-1],
        memory_kind=MemoryKind.PROPORTIONAL,
        peak_threads=1,
        peak_processes=1,
        voluntary_switches=0,
        involuntary_switches=0,
        processes=(),
        samples=len(memory),
        course=tuple(
            Moment(float(at), memory_bytes, open_files)
            for at, (memory_bytes, open_files) in enumerate(zip(memory, files, strict=True))
        ),
    )  # fmt: skip


def test_growth_is_that_of_the_second_half() -> None:
    filling = [50_000_000 + 5_000_000 * second for second in range(15)]
    level, files = [filling[-1]] * 15, [20 + second for second in range(30)]
    found = usage(filling + level, files)
    memory = figures.memory_growth_bytes(found)
    assert memory is not None
    assert memory.per_minute == pytest.approx(0.0)
    growth = figures.open_files_growth(found)
    assert growth is not None
    assert growth.per_minute == pytest.approx(60.0)


def test_a_short_load_says_nothing_of_growth() -> None:
    assert figures.memory_growth_bytes(usage([1] * 18, [1] * 18)) is None
    assert figures.memory_growth_bytes(usage([1] * 19, [1] * 19)) is not None


@pytest.mark.parametrize(
    ("low_bytes", "is_noted"), [(900_000, False), (4_000_000, False), (6_000_000, True)]
)
def test_memory_must_surely_grow_by_a_twentieth_a_minute(
    low_bytes: float, *, is_noted: bool
) -> None:
    growth = Growth(per_minute=low_bytes * 1.2, low=low_bytes, high=low_bytes * 1.4)
    said = list(
        gates.warnings_on_growth(
            memory_bytes=growth, open_files=None, final_memory_bytes=100_000_000
        )
    )
    assert bool(said) is is_noted
