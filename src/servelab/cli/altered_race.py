"""A stored race that goes on with another budget, or with fewer ways."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from servelab import catalogue
from servelab.errors import UsageError
from servelab.model.tuning import StackVariant, TuningOrder


def altered(
    order: TuningOrder, *, most_s: float | None, only: Sequence[str], path: Path
) -> TuningOrder:
    """Return the race with what was typed anew; raise UsageError or UnknownName.

    `most_s` is the whole budget, what is spent of it included; None leaves it as it is. `only`
    names ways that stay, all where it is empty.
    """
    tuning = order.tuning
    if most_s is not None:
        tuning = msgspec.structs.replace(tuning, most_s=most_s)
    if only:
        kept = {way.name for text in only for way in _named(text, order=order, path=path)}
        tuning = msgspec.structs.replace(
            tuning,
            space=tuple(way for way in tuning.space if way.name in kept),
            benchmarks=tuple(each for each in tuning.benchmarks if each.way in kept),
        )
    return msgspec.structs.replace(order, tuning=tuning)


def _named(text: str, *, order: TuningOrder, path: Path) -> list[StackVariant]:
    """Return the ways of a race that a text names; raise UsageError where there is none."""
    if ":" in text:
        raise UsageError(
            f"--only {text}: beside --resume it names ways to go on with, whose settings are those "
            f"that {path} was begun with; leave what follows {text.partition(':')[0]} out"
        )
    service = order.options.service
    assert service is not None  # noqa: S101 - nothing else is raced
    found = catalogue.own_ways(service, only=(text,), cpu_count=order.cpu_count)
    named = [
        way
        for way in order.tuning.space
        if any(way.stack == each.stack and each.front in {None, way.front} for each in found)
    ]
    if not named:
        there = ", ".join(way.name for way in order.tuning.space)
        raise UsageError(f"--only {text} is not in the race that {path} holds; there are: {there}")
    return named
