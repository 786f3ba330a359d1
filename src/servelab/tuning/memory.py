"""A race within a memory limit: whoever takes too much makes room for one that takes less."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from servelab.model.tuning import Candidate, Loss, LossCause, StackVariant, Tuning
from servelab.model.variant import Value
from servelab.tuning import space
from servelab.tuning.state import State

_FOR_GOOD = frozenset({LossCause.FAILED, LossCause.UNMEASURABLE})


def lighter_ones(state: State, *, tuning: Tuning) -> dict[StackVariant, Candidate]:
    """Return where each way goes on that has lost its start to the limit, or just its last one.

    A way is not in it where the least that it can be has been over the limit, too, or cannot run.
    """
    if tuning.memory_limit_bytes is None:
        return {}
    over = {each.candidate: each for each in over_limit(state.losses)}
    useless = {each.candidate for each in state.losses if each.cause in _FOR_GOOD}
    found = {}
    for way in tuning.space:
        origin = _origin(way, state, over=over)
        while origin in over:
            peak_bytes = over[origin].peak_memory_bytes or tuning.memory_limit_bytes
            origin = _less(origin, way=way, share=tuning.memory_limit_bytes / peak_bytes)
        if origin is not None and origin not in useless:
            found[way] = origin
    return found


def over_limit(losses: Sequence[Loss]) -> list[Loss]:
    """Return the losses of those that took too much memory."""
    return [each for each in losses if each.cause is LossCause.OVER_MEMORY]


def is_hopeless(candidate: Candidate, state: State) -> bool:
    """Tell whether another one was over the limit that has no more of anything."""
    return any(_is_as_much(candidate, beside=each.candidate) for each in over_limit(state.losses))


def with_lighter(state: State, found: dict[StackVariant, Candidate], *, room: int) -> State:
    """Return the race in which ways begin anew with these, as far as there is room for them.

    One that left because it was slow comes back: whom it was held against may be out itself.
    """
    new = [each for each in dict.fromkeys(found.values()) if each not in state.running][:room]
    running = (*state.running, *new)
    begun = {way: each for way, each in found.items() if each in running}
    names = {way.name for way in begun}
    return replace(
        state,
        running=running,
        tried=state.tried | frozenset(new),
        losses=tuple(each for each in state.losses if each.candidate not in new),
        lightened=tuple((dict(state.lightened) | begun).items()),
        centres=tuple(each for each in state.centres if each[0] not in names),
    )


def _origin(way: StackVariant, state: State, *, over: Mapping[Candidate, Loss]) -> Candidate | None:
    """Return from whom to go down: the start, or the lightest of those that were the last."""
    start = state.start(way)
    if start in over:
        return start
    if any(space.holds(way, each) for each in state.running):
        return None
    last = [
        each
        for each in over.values()
        if each.round == state.book.rounds and space.holds(way, each.candidate)
    ]
    lightest = min(last, key=lambda each: each.peak_memory_bytes or 0, default=None)
    return None if lightest is None else lightest.candidate


def _less(candidate: Candidate, *, way: StackVariant, share: float) -> Candidate | None:
    """Return one that may take this share of the memory; None of one that has the least of all.

    The first axis with numbers is that of processes, and each takes as much as another: no value
    is left out that would fit. At its end the least of the other axes is all that can help.
    """
    present = dict(candidate.settings)
    numeric = [axis for axis in way.variant.axes if _number(present[axis.setting]) is not None]
    least = candidate
    for axis in numeric:
        number = _number(present[axis.setting]) or 0
        values = {found: value for value in axis.values if (found := _number(value)) is not None}
        below = sorted(each for each in values if each < number)
        if below and axis is numeric[0]:
            fits = [each for each in below if each <= share * number]
            value = values[max(fits, default=below[0])]
            return space.with_value(candidate, setting=axis.setting, value=value)
        if below:
            least = space.with_value(least, setting=axis.setting, value=values[below[0]])
    return None if least == candidate else least


def _is_as_much(candidate: Candidate, *, beside: Candidate) -> bool:
    settings, others = dict(candidate.settings), dict(beside.settings)
    return (
        candidate.way == beside.way
        and settings.keys() == others.keys()
        and all(_reaches(settings[key], other) for key, other in others.items())
    )


def _reaches(value: Value, other: Value) -> bool:
    number, least = _number(value), _number(other)
    return value == other if number is None or least is None else number >= least


def _number(value: Value) -> int | None:
    """Return what counts something, also one that was typed for a command."""
    if isinstance(value, str):
        return int(value) if value.isdecimal() else None
    return value
