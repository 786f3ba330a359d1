"""Why each loser of a race lost, in a line; pure."""

from collections.abc import Iterable, Mapping, Sequence
from math import floor

from msgspec import Struct

from servelab.explain import causes
from servelab.model.slo import Slo
from servelab.model.trial import Trial
from servelab.model.tuning import Candidate, Loss, LossCause, Tuned
from servelab.model.verdict import RatioInterval

_NOTHING_TO_SAY = frozenset({"near the ceiling", "faster than its ceiling", "small losses"})
"""Short causes that do not tell why one is slower than another."""
_MB = 1e6
_GB = 1e9


class Loser(Struct, frozen=True, kw_only=True):
    """One loser, in words."""

    candidate: Candidate
    title: str
    """Stack and settings, as tables print them."""
    line: str


def losers(
    tuned: Tuned,
    *,
    trials: Mapping[Candidate, Sequence[Trial]],
    slo: Slo | None = None,
    memory_limit_bytes: int | None = None,
) -> tuple[Loser, ...]:
    """Return a line for each loser: what was seen, how often, and what held it back.

    `trials` are those of each candidate; without any its name stands for its title.
    """
    titles = {each: made[0].title for each, made in trials.items() if made}
    found = []
    for loss in tuned.losses:
        seen = _seen(loss, tuned=tuned, titles=titles, slo=slo, limit_bytes=memory_limit_bytes)
        cause = _cause(trials.get(loss.candidate, ()), loss=loss)
        title = titles.get(loss.candidate, loss.candidate.name)
        line = f"{seen}; {cause}" if cause else seen
        found.append(Loser(candidate=loss.candidate, title=title, line=line))
    return tuple(found)


def _seen(
    loss: Loss,
    *,
    tuned: Tuned,
    titles: Mapping[Candidate, str],
    slo: Slo | None,
    limit_bytes: int | None,
) -> str:
    reason = f": {loss.reason}" if loss.reason else ""
    match loss.cause:
        case LossCause.FAILED:
            return f"failed in round {loss.round}{reason}"
        case LossCause.UNMEASURABLE:
            return f"most of its trials were invalid{reason}"
        case LossCause.OVER_MEMORY:
            limit = f" of {_bytes(limit_bytes)}" if limit_bytes else ""
            return f"took {_bytes(loss.peak_memory_bytes or 0)}, over the limit{limit}"
        case LossCause.MISSES_SLO:
            return f"misses {slo or 'the objective'}{_by(loss)} ({_rounds(loss)})"
        case LossCause.WORSE | LossCause.OUTPLACED:
            return f"{_slower(loss)} {_other(loss, tuned=tuned, titles=titles)}{_end(loss)}"


def _by(loss: Loss) -> str:
    if loss.slo_value_s is None:
        return ""
    time_s = loss.slo_value_s
    return f" with {time_s:.3g} s" if time_s >= 1 else f" with {1e3 * time_s:.3g} ms"


def _slower(loss: Loss) -> str:
    if loss.ratio is not None:
        return slower(loss.ratio)
    return "slower than" if loss.share is None else f"{_percent(1 - loss.share)} % slower than"


def slower(ratio: RatioInterval) -> str:
    """Return by how much a ratio is below 1, such as ``12 to 18 % slower than``."""
    least, most = _percent(1 - ratio.high), _percent(1 - ratio.low)
    middle = _percent(1 - ratio.estimate)
    if middle <= 0:
        return "about as fast as"
    if least <= 0 or least == most:
        return f"about {middle} % slower than"
    return f"{least} to {most} % slower than"


def _other(loss: Loss, *, tuned: Tuned, titles: Mapping[Candidate, str]) -> str:
    if loss.beside is None or loss.beside == tuned.winner:
        return "the winner"
    return f"{titles.get(loss.beside, loss.beside.name)}, which then led"


def _end(loss: Loss) -> str:
    if loss.cause is LossCause.OUTPLACED:
        return f" ({_rounds(loss)}): others were closer"
    return f" ({_rounds(loss)})"


def _cause(trials: Iterable[Trial], *, loss: Loss) -> str | None:
    """Return the short cause that most of its trials name first; None where none says anything."""
    if loss.cause not in {LossCause.WORSE, LossCause.OUTPLACED, LossCause.MISSES_SLO}:
        return None
    named = [found[0].short for trial in trials if (found := causes.explain(trial))]
    telling = [short for short in named if short not in _NOTHING_TO_SAY]
    return max(telling, key=telling.count) if telling else None


def _rounds(loss: Loss) -> str:
    return "1 round" if loss.rounds == 1 else f"{loss.rounds} rounds"


def _percent(share: float) -> int:
    """Return whole percent, rounded half up."""
    return floor(100 * share + 0.5)


def _bytes(number: int) -> str:
    return f"{number / _GB:.2g} GB" if number >= _GB else f"{number / _MB:.0f} MB"
