"""Where a race begins, and who stands beside whom."""

from collections.abc import Iterator, Sequence
from math import prod

from msgspec import structs

from servelab.model.tuning import Candidate, StackVariant
from servelab.model.variant import Axis, Value


def start(way: StackVariant) -> Candidate:
    """Return a variant where its search begins."""
    return Candidate(stack=way.stack, settings=way.variant.start, front=way.front)


def size(space: Sequence[StackVariant]) -> int:
    """Return how many settings there are in all."""
    return sum(prod(len(axis.values) for axis in way.variant.axes) for way in space)


def neighbours(candidate: Candidate, *, space: Sequence[StackVariant]) -> tuple[Candidate, ...]:
    """Return those which are one step away on one axis of the same variant, on all its axes."""
    return tuple(
        near
        for way in space
        if _is_of(candidate, way)
        for axis in way.variant.axes
        for value in _beside(dict(candidate.settings).get(axis.setting), axis=axis)
        if _is_on_the_axes(near := with_value(candidate, setting=axis.setting, value=value), way)
    )


def beyond(
    candidate: Candidate, *, origin: Candidate, space: Sequence[StackVariant]
) -> tuple[Candidate, ...]:
    """Return the neighbours of a candidate which lie further from an origin, straight on."""
    return tuple(
        each
        for each in neighbours(candidate, space=space)
        if each != origin and _differences(each, origin) == 1 == _differences(candidate, origin)
    )


def more(candidate: Candidate, *, space: Sequence[StackVariant]) -> tuple[Candidate, ...]:
    """Return the neighbours with more of something."""
    return tuple(
        each
        for each in neighbours(candidate, space=space)
        if _rank(each, space=space) > _rank(candidate, space=space)
    )


def holds(way: StackVariant, candidate: Candidate) -> bool:
    """Tell whether a candidate is one of a way, with values of its axes."""
    return _is_of(candidate, way) and _is_on_the_axes(candidate, way)


def with_value(candidate: Candidate, *, setting: str, value: Value) -> Candidate:
    """Return the same candidate but for one of its settings."""
    settings = tuple((key, value if key == setting else old) for key, old in candidate.settings)
    return structs.replace(candidate, settings=settings)


def _rank(candidate: Candidate, *, space: Sequence[StackVariant]) -> int:
    """Return how far up its axes a candidate is, all steps together; off an axis none."""
    settings = dict(candidate.settings)
    return sum(
        axis.values.index(settings[axis.setting])
        for way in space
        if _is_of(candidate, way)
        for axis in way.variant.axes
        if settings.get(axis.setting) in axis.values
    )


def _is_of(candidate: Candidate, way: StackVariant) -> bool:
    return candidate.way == way.name and set(way.variant.fixed) <= set(candidate.settings)


def _is_on_the_axes(candidate: Candidate, way: StackVariant) -> bool:
    settings = dict(candidate.settings)
    return all(settings.get(axis.setting) in axis.values for axis in way.variant.axes)


def _beside(value: Value, *, axis: Axis) -> Iterator[Value]:
    """Yield the next lower and the next higher value of an axis, also of one between two."""
    if value in axis.values:
        place = axis.values.index(value)
        yield from axis.values[max(0, place - 1) : place]
        yield from axis.values[place + 1 : place + 2]
    elif isinstance(value, int):
        numbers = [each for each in axis.values if isinstance(each, int)]
        yield from sorted(each for each in numbers if each < value)[-1:]
        yield from sorted(each for each in numbers if each > value)[:1]


def _differences(one: Candidate, other: Candidate) -> int:
    return len(set(one.settings) ^ set(other.settings)) // 2
