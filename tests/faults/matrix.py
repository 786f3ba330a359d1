"""The faults that servelab survives, what it then does, and which tests prove it.

The tests are found by their names, ``test_fault_NN_...``, wherever they are. Run as a program
(``python -m tests.faults.matrix``) it writes docs/faults.md.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "faults.md"
MEASURED = ROOT / "benchmarks" / "measured" / "reactions.json"
_TEST = re.compile(r"^def (test_fault_(\d\d)_\w+)\(", re.MULTILINE)


class Fault(NamedTuple):
    """A fault, and what is made of it."""

    number: int
    what: str
    then: str


FAULTS = tuple(
    Fault(number, what, then)
    for number, (what, then) in enumerate(
        (
            (
                "the server ends at its start, or its command does not exist",
                (
                    "`failed` at once, with exit code or signal and its last lines; "
                    "the other deployments go on"
                ),
            ),
            ("it never opens its port", "`failed` after the start-up time; tree and port are free"),
            ("it listens and never answers", "ready means a correct answer: `failed`, not a rate"),
            (
                "another program has the port, or shares it",
                (
                    "refused before the start, with its pid, or its user where the pid cannot be "
                    "seen; shared during the load, also for a while: `invalid`; it is never killed"
                ),
            ),
            (
                "a readiness poll connects to itself",
                "such a socket is refused, and no server gets a port of that range",
            ),
            ("fewer workers come up than asked for", "flagged: 3 of 4 workers came up"),
            (
                "the server crashes under load",
                "what was answered is kept, the rest gets its class, `failed` at once",
            ),
            (
                "a worker dies and is replaced",
                "its requests get their class; flagged with both process numbers",
            ),
            (
                "the server stops responding",
                "the schedule goes on; over after the window and the time-out; killed",
            ),
            ("a connection is reset", "`reset`, not tried again"),
            ("the answer ends before its length", "`truncated`"),
            (
                "bytes come beyond its length",
                "`protocol error`, and the connection ends, so that no later answer is misread",
            ),
            ("chunks: right, wrong, or without an end", "ok; `protocol error`; `truncated`"),
            ("the answer drips", "the deadline is that of the whole: `timeout`"),
            ("4xx, 5xx", "classes of their own"),
            ("the answer is wrong, or another request's", "`wrong answer`, with a sample"),
            ("a redirect", "`redirect`; never followed"),
            ("an endless body, head or chunk", "`too big`; memory stays bounded"),
            (
                "the server closes an idle connection",
                "opened anew where nothing was sent, or else `closed early`; both are counted",
            ),
            ("it closes every connection", "works; connects are counted"),
            (
                "its listen queue overflows",
                "the kernel's second try counts in the response time; overflows are counted",
            ),
            (
                "the generator runs out of ports or files",
                "`invalid`, with the remedy: nothing is said about the server",
            ),
            (
                "the server leaks memory or files",
                "growth a minute, with its interval; stopped before the machine has no memory left",
            ),
            ("a process leaves its session and its parent", "found all the same, and killed"),
            ("the server ignores SIGTERM", "killed after the grace period, which is noted"),
            ("it floods its output", "a file of limited size: it never waits for a reader"),
            ("Ctrl-C, once or twice", "what was measured is stored and marked; status 130"),
            ("servelab is killed", "nothing of the server or the generator lives on"),
            ("the disk is full", "the run ends with status 2; earlier trials can be read"),
            (
                "a line of the results is damaged",
                "reported and skipped; `--resume` measures that trial again",
            ),
            (
                "the clock is set, or the machine sleeps",
                "durations do not change; noted, and the round is void",
            ),
            ("a time beyond the histogram's range", "counted in its outermost bin"),
            ("a name resolves slowly, or otherwise later", "asked for once; the address is kept"),
            (
                "two servelab at once",
                "the second is told so; both results are marked, even if one was brief",
            ),
            (
                "gRPC: GOAWAY, a reset stream, no stream free",
                "classes of their own; waiting for a stream is in the response time",
            ),
            (
                "the generator is too slow for the schedule",
                "`invalid`: nothing is said about the server",
            ),
        ),
        start=1,
    )
)


def tests_by_number() -> Mapping[int, tuple[str, ...]]:
    """Return number of a fault -> its tests, as pytest names them."""
    found: dict[int, list[str]] = {}
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for name, number in _TEST.findall(file.read_text(encoding="utf-8")):
            test = f"{file.relative_to(ROOT)}::{name}"
            found.setdefault(int(number), []).append(test)
    return {number: tuple(names) for number, names in found.items()}


def page() -> str:
    """Return docs/faults.md."""
    tests = tests_by_number()
    rows = (
        f"| {fault.number} | {fault.what} | {fault.then} | {_files(tests[fault.number])} |\n"
        for fault in FAULTS
    )
    return _HEAD + "".join(rows) + _TAIL + _reactions()


def _reactions() -> str:
    """Return the table of what `benchmarks/reactions.py` has measured."""
    found = json.loads(MEASURED.read_text(encoding="utf-8"))
    rows = (
        f"| {each['what']} | {each['median_s']:.2f} | {each['max_s']:.2f} | {each['times']} |\n"
        for each in found
    )
    return _REACTIONS + "".join(rows)


def _files(tests: tuple[str, ...]) -> str:
    names = dict.fromkeys(test.partition("::")[0] for test in tests)
    return ", ".join(f"[{Path(name).stem}](../{name})" for name in names)


_HEAD = """# Faults

What servelab does when something goes wrong. Each line is proved by tests that cause the fault for
real: `./test.sh -k fault_09` runs those of line 9. The faulty server keeps books of its own, which
must equal servelab's; after each test no process, no listener and no open file may be left.

| # | fault | what happens | proof |
|--:|---|---|---|
"""
_TAIL = """
Classes of requests are those of the ledger in [result-format.md](result-format.md).

`benchmarks/soak.py` mixes faults at random for a quarter of an hour: two loads over HTTP and gRPC
whose every answer is held against what its number foretells, and beside them servers that fail to
start, hang, flood, or leave processes behind. It demands that every request is accounted for (one
that the server never saw has to be the next one after a close without a word), that memory in the
last third is at most 2 MB above that in the second, and that no more files are open.
A minute of it is in `./test.sh --full`.
"""
_REACTIONS = """
How soon, in seconds, by `benchmarks/reactions.py` on a shared machine of two cores, where a second
is the aim; the deadlines of the tests are ten times that:

| | median | most | times |
|---|--:|--:|--:|
"""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
