"""How a server took SIGTERM under load, in words."""

from collections.abc import Mapping, Sequence

from servelab.model.launch import GracefulStop
from servelab.report import quantities


def sentence(stop: GracefulStop) -> str:
    """Return in a line what became of the requests, and how long it took."""
    of_them = "" if stop.in_work is None else f" ({stop.in_work} being worked on)"
    text = f"{stop.answered} of {stop.in_flight} requests in flight{of_them} answered"
    if stop.lost:
        text += f", {classes(stop.lost)}"
    return f"{text}; {end(stop)} {quantities.duration(stop.seconds)} after SIGTERM"


def end(stop: GracefulStop) -> str:
    """Return how it ended."""
    return "killed" if stop.was_killed else "gone"


def classes(counts: Mapping[str, int]) -> str:
    """Return outcome classes with their counts, most frequent first."""
    found = sorted(((number, name) for name, number in counts.items() if number), reverse=True)
    return ", ".join(f"{number} {name}" for number, name in found)


def together(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Add up outcome classes."""
    names = dict.fromkeys(name for each in counts for name in each)
    return {name: sum(each.get(name, 0) for each in counts) for name in names}
