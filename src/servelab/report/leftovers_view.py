"""What `servelab leftovers` says, and what a run says of them before it begins."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from servelab.model.finding import Finding, Verdict
from servelab.model.leftover import Leftover, LeftProcess, Removal
from servelab.report import quantities, terminal
from servelab.report.plain_text import plain
from servelab.store.folder import TUNING_FILE

_REMEDY = "servelab leftovers"
_ASKED = "remove them with: servelab leftovers --remove"


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    format: int = 1
    leftovers: tuple[Leftover, ...]
    removed: tuple[Removal, ...] = ()


def note(leftovers: Sequence[Leftover]) -> str | None:
    """Return in a sentence that there is something, for a run which is about to begin."""
    if not leftovers:
        return None
    return f"! {_fact(leftovers)}; see: {_REMEDY}"


def findings(leftovers: Sequence[Leftover]) -> tuple[Finding, ...]:
    """Return what leftovers mean for measuring: their processes take CPU time and ports."""
    if not leftovers:
        return ()
    still_run = any(leftover.processes for leftover in leftovers)
    return (
        Finding(
            subject="leftovers",
            fact=_fact(leftovers),
            verdict=Verdict.BAD if still_run else Verdict.NOTE,
            advice=_ASKED,
        ),
    )


def lines(leftovers: Sequence[Leftover]) -> Iterable[str]:
    """Yield what is left, server by server, and how to be rid of it."""
    if not leftovers:
        yield "Nothing is left of earlier runs."
        return
    for leftover in leftovers:
        yield f"{leftover.program}, started {leftover.started_at}, output in {leftover.log}"
        yield from (f"  {each}" for each in _parts(leftover))
    if any(_is_removable(leftover) for leftover in leftovers):
        yield f"What is left was not touched; {_ASKED}"
    else:
        yield "Nothing of it runs; forget it with: servelab leftovers --remove"


def removal_lines(removals: Sequence[Removal]) -> Iterable[str]:
    """Yield what came of each removal."""
    if not removals:
        yield "Nothing is left of earlier runs."
    for removal in removals:
        gone = [f"{quantities.counted(removal.killed, 'process', 'processes')} killed"]
        if removal.leftover.files:
            gone.append(f"{_files(removal.leftover.files)} removed")
        what = f"{removal.leftover.program}, started {removal.leftover.started_at}"
        if removal.is_complete:
            yield f"{what}: {', '.join(gone)}; nothing is left."
        else:
            yield f"{what}: {', '.join(gone)}, but something is still there; look: {_REMEDY}"
        if removal.leftover.unfinished:
            yield f"  {_resume(removal.leftover.unfinished)}"


def json_text(leftovers: Sequence[Leftover], *, removals: Sequence[Removal] = ()) -> str:
    """Return one object: ``leftovers`` as they were found, ``removed`` with what came of it."""
    document = _Document(leftovers=tuple(leftovers), removed=tuple(removals))
    encoded = msgspec.json.encode(document, enc_hook=str)
    return msgspec.json.format(encoded, indent=2).decode() + "\n"


def print_lines(texts: Iterable[str]) -> None:
    """Print lines on standard output."""
    terminal.write("".join(f"{plain(text)}\n" for text in texts))


def _fact(leftovers: Sequence[Leftover]) -> str:
    processes = [each for leftover in leftovers for each in leftover.processes]
    if processes:
        number = quantities.counted(len(processes), "process", "processes")
        return f"an earlier run that was killed left {number} running: {_named(processes)}"
    return "an earlier run ended without good order and left something behind"


def _parts(leftover: Leftover) -> Iterable[str]:
    if leftover.is_from_another_boot:
        yield "the machine was restarted since; nothing of it runs"
    if leftover.processes:
        yield f"still running: {_named(leftover.processes)}"
    if leftover.groups:
        yield f"control groups: {', '.join(leftover.groups)}"
    if leftover.files:
        yield f"{_files(leftover.files)}: {', '.join(map(str, leftover.files))}"
    if leftover.unfinished is not None:
        yield _resume(leftover.unfinished)


def _is_removable(leftover: Leftover) -> bool:
    return bool(leftover.processes or leftover.groups or leftover.files)


def _named(processes: Sequence[LeftProcess]) -> str:
    return ", ".join(f"{each.name} ({each.pid})" for each in processes)


def _files(files: Sequence[Path]) -> str:
    return quantities.counted(len(files), "half-written file", "half-written files")


def _resume(folder: Path) -> str:
    command = "tune" if (folder / TUNING_FILE).is_file() else "run"
    return f"its results are unfinished, and kept; go on with: servelab {command} --resume {folder}"
