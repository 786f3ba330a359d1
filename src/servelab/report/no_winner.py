"""Why a race has no winner, in words."""

from collections.abc import Callable, Iterator, Sequence

from servelab.model.tuning import Candidate, Loss, LossCause, RaceEnding, Tuned
from servelab.report import quantities

_QUIET = "Quiet this machine, or ask: servelab doctor."
_ROWS = "the rows below say why"


def nothing_serves(found: Tuned) -> bool:
    """Tell whether all have failed: no limit, no machine and no generator was in their way."""
    is_over = found.ending is RaceEnding.NOTHING_RUNS
    return is_over and all(each.cause is LossCause.FAILED for each in found.losses)


def sentence(
    found: Tuned,
    *,
    label: str,
    memory_limit_bytes: int | None,
    title: Callable[[Candidate], str],
) -> str:
    """Return why nobody has won, by what became of those that were raced."""
    if nothing_serves(found):
        return f"Nothing serves {label} as it should; {_ROWS}."
    if not found.rounds:
        return f"Nothing can be said of {label} yet: no round is complete."
    if not found.losses:
        rounds = quantities.counted(found.rounds, "round", "rounds")
        return (
            f"Nothing can be said of {label}: in each of {rounds} something else disturbed a "
            f"trial. {_QUIET}"
        )
    limit = quantities.megabytes(memory_limit_bytes)
    causes = {each.cause for each in found.losses}
    if causes == {LossCause.OVER_MEMORY}:
        least = _least(found.losses, title=title)
        return (
            f"All that were raced for {label} took more than {limit}; the least was {least}."
            f"{_more(found)}"
        )
    if causes == {LossCause.UNMEASURABLE}:
        return (
            f"Nothing can be said of {label}: most trials of each were invalid, by no fault of a "
            f"server; {_ROWS}. {_QUIET}{_more(found)}"
        )
    parts = ", ".join(_parts(found.losses, limit=limit, title=title))
    return f"Nothing is left that serves {label} as asked: {parts}; {_ROWS}.{_more(found)}"


def _more(found: Tuned) -> str:
    """Return what is still to be tried, where a race did not come to its own end."""
    if found.ending is RaceEnding.SPENT:
        return " The budget was spent before others could be tried: raise --budget."
    return " The race is not over." if found.ending is None else ""


def _parts(
    losses: Sequence[Loss], *, limit: str, title: Callable[[Candidate], str]
) -> Iterator[str]:
    of = {cause: [each for each in losses if each.cause is cause] for cause in LossCause}
    failed, invalid = len(of[LossCause.FAILED]), len(of[LossCause.UNMEASURABLE])
    if failed:
        yield f"{failed} failed"
    if over := of[LossCause.OVER_MEMORY]:
        yield f"{len(over)} took more than {limit} (the least {_least(over, title=title)})"
    if invalid:
        yield f"most trials of {invalid} were invalid"
    if slower := len(losses) - failed - invalid - len(over):
        yield f"{slower} had left before"


def _least(losses: Sequence[Loss], *, title: Callable[[Candidate], str]) -> str:
    """Return who took the least memory, and how much."""
    lightest = min(losses, key=lambda each: each.peak_memory_bytes or 0)
    return f"{quantities.megabytes(lightest.peak_memory_bytes)} with {title(lightest.candidate)}"
