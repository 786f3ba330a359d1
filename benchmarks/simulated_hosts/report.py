"""The tables of docs/method.md, made of what was counted: pure."""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from math import expm1

from simulated_hosts.cases import Candidate, Comparisons, Quantiles, SelfTest

LEAST_COVERAGE = 0.93
MOST_WIDTH = 1.3
MOST_FALSE = 0.05
LEAST_POWER = 0.8


def renewed(page: str, *, counted: SelfTest) -> str:
    """Return a page with every table between its markers made anew; ValueError without marker."""
    for name, make in TABLES.items():
        begin, end = f"<!-- table: {name} -->\n", f"<!-- end of table: {name} -->"
        pieces = re.split(f"{re.escape(begin)}.*?{re.escape(end)}", page, flags=re.DOTALL)
        if len(pieces) != 2:  # noqa: PLR2004 - before and after the one place
            raise ValueError(f"the page has {len(pieces) - 1} places for the table {name!r}")
        page = f"{begin}{make(counted)}\n{end}".join(pieces)
    return page


def goals_table(counted: SelfTest) -> str:
    """Return each goal beside the worst figure that was counted."""
    equal = [case for case in counted.comparisons if case.truth == "equal"]
    held = min(case.held / case.intervals for case in counted.comparisons)
    quantile = min(case.held / case.hosts for case in counted.quantiles)
    widths = {
        number: max(width_ratio(case) for case in counted.comparisons if case.deployments == number)
        for number in (2, 6)
    }
    winners = {
        number: max(case.false_winners / case.hosts for case in equal if case.deployments == number)
        for number in (2, 6)
    }
    found = next(case for case in counted.power if abs(case.spread - 0.05) < 1e-9)  # noqa: PLR2004
    power = found.found / found.hosts
    rows = [
        _goal("95 % interval of a ratio holds the truth", held, "at least", LEAST_COVERAGE),
        _goal("95 % interval of a quantile holds the truth", quantile, "at least", LEAST_COVERAGE),
        _width_goal("width, of two, over that of the narrowest that holds", widths[2]),
        _width_goal("width, of six, over that of the narrowest whose five hold", widths[6]),
        _goal("a false winner among two equals", winners[2], "at most", MOST_FALSE),
        _goal("a false winner among six equals", winners[6], "at most", MOST_FALSE),
        _goal("10 % found in 8 rounds at a spread of 5 %", power, "at least", LEAST_POWER),
    ]
    return _table(("what", "worst case", "goal", "met"), rows)


def _goal(name: str, value: float, word: str, goal: float) -> tuple[str, ...]:
    is_met = value >= goal if word == "at least" else value <= goal
    return name, _percent(value), f"{word} {goal:.0%}".replace("%", " %"), _met(is_met)


def _width_goal(name: str, ratio: float) -> tuple[str, ...]:
    return name, f"{ratio:.2f}", f"at most {MOST_WIDTH:g}", _met(ratio <= MOST_WIDTH)


def _met(is_met: bool) -> str:  # noqa: FBT001 - a word for a truth value
    return "yes" if is_met else "no"


def comparisons_table(counted: SelfTest) -> str:
    """Return what servelab said of simulated deployments, a row for each kind of hosts."""
    head = (
        "deployments", "truth", "disturbance", "hosts", "rounds", "interval holds",
        "all of a host hold", "false winner", "wrong verdict", "decided",
    )  # fmt: skip
    rows = [
        (
            str(case.deployments),
            case.truth,
            _disturbance(case),
            f"{case.hosts:,}",
            f"{case.mean_rounds:.1f} of {case.most_rounds}",
            _percent(case.held / case.intervals),
            _percent(case.all_held / case.hosts),
            _percent(case.false_winners / case.hosts),
            _percent(case.wrong / case.hosts),
            _percent(case.decided / case.intervals),
        )
        for case in counted.comparisons
    ]
    return _table(head, rows, words=3)


def candidates_table(counted: SelfTest) -> str:
    """Return coverage and width of the ways to make an interval, over all kinds of hosts.

    A row for each number of deployments and each disturbance, a column for each way.
    """
    parts = []
    ordered = sorted(counted.comparisons, key=lambda case: case.deployments)
    for deployments, group in groupby(ordered, key=lambda case: case.deployments):
        cases = list(group)
        names = [each.name for each in cases[0].candidates]
        rows = [
            (case.truth, _disturbance(case), *(_cell(each) for each in case.candidates))
            for case in cases
        ]
        title = f"{deployments} deployments"
        parts.append(_table((title, "disturbance", *names), rows, words=2))
    return "\n\n".join(parts)


def _disturbance(case: Comparisons) -> str:
    if case.spread is None:
        return case.weather
    return f"{case.weather}, spread {case.spread * 100:g} %"


def _cell(candidate: Candidate) -> str:
    half_width = expm1(candidate.mean_width / 2)
    return f"{_percent(candidate.held / candidate.hosts)} (±{_percent(half_width)})"


def quantiles_table(counted: SelfTest) -> str:
    """Return how often the interval of a quantile holds, a row for each queue."""
    rows = [_quantile_row(case) for case in counted.quantiles]
    head = (
        "load", "quantile", "rounds", "holds", "half-width", "bias", "uncorrected holds",
        "its bias", "order statistics hold",
    )  # fmt: skip
    return _table(head, rows, words=0)


def _quantile_row(case: Quantiles) -> tuple[str, ...]:
    return (
        f"{case.load:g}",
        f"p{case.probability * 100:g}",
        str(case.rounds),
        _percent(case.held / case.hosts),
        f"±{_percent(expm1(case.mean_width / 2))}",
        _percent(case.bias),
        _percent(case.held_without_correction / case.hosts),
        _percent(case.bias_without_correction),
        _percent(case.held_by_order_statistics / case.hosts),
    )


def power_table(counted: SelfTest) -> str:
    """Return how often a true difference was found."""
    rows = [
        (
            _percent(case.ratio - 1),
            _percent(case.spread),
            str(case.rounds),
            _percent(case.found / case.hosts),
            _percent(case.excludes_equality / case.hosts),
        )
        for case in counted.power
    ]
    head = ("true difference", "spread of the ratio", "rounds", "better", "interval excludes 1")
    return _table(head, rows, words=0)


def narrowest(case: Comparisons) -> Candidate:
    """Return the narrowest way that holds the truth as often as is asked, servelab's included."""
    holding = [each for each in case.candidates if each.held / each.hosts >= LEAST_COVERAGE]
    return min(holding or case.candidates[:1], key=lambda each: each.mean_width)


def width_ratio(case: Comparisons) -> float:
    """Return servelab's mean width over that of the narrowest way that holds."""
    return case.candidates[0].mean_width / narrowest(case).mean_width


def _percent(value: float) -> str:
    return f"{value * 100:.1f} %"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> str:
    marks = ["---"] * words + ["--:"] * (len(head) - words)
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, marks, *rows))


TABLES: dict[str, Callable[[SelfTest], str]] = {
    "goals": goals_table,
    "comparisons": comparisons_table,
    "candidates": candidates_table,
    "quantiles": quantiles_table,
    "power": power_table,
}
"""Markers of docs/method.md -> what is between them."""
