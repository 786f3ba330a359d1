"""What wrk, ab, h2load and Locust print, read into values: pure."""

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True, slots=True)
class Counts:
    """How many requests a generator says went well, and how many did not."""

    ok: int
    failed: int


@dataclass(frozen=True, slots=True)
class Quantiles:
    """The response times that a generator reports, in seconds."""

    p50_s: float
    p90_s: float
    p99_s: float


def _number(pattern: str, text: str, *, default: str | None = None) -> int:
    """Return the sum of the groups of the first match; ValueError where there is none."""
    found = re.search(pattern, text)
    if found is None:
        if default is None:
            raise ValueError(f"no {pattern!r} in {text!r}")
        return int(default)
    return sum(int(group) for group in found.groups())


def wrk_counts(text: str) -> Counts:
    """Read the counts that wrk prints; ValueError."""
    answered = _number(r"(\d+) requests in", text)
    bad = _number(r"Non-2xx or 3xx responses: (\d+)", text, default="0")
    errors = _number(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", text, default="0")
    return Counts(ok=answered - bad, failed=bad + errors)


def wrk_quantiles(text: str) -> Quantiles:
    """Read what ``wrk --latency`` prints; ValueError."""
    found = dict(re.findall(r"^\s+(50|90|99)%\s+([\d.]+[a-z]+)$", text, re.MULTILINE))
    if len(found) != len(("50", "90", "99")):
        raise ValueError(f"no quantiles in {text!r}")
    return Quantiles(*(_wrk_seconds(found[share]) for share in ("50", "90", "99")))


def _wrk_seconds(text: str) -> float:
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    return float(number) * _SECONDS[text[len(number) :]]


def ab_counts(text: str) -> Counts:
    """Read the counts that ab prints; ValueError."""
    done = _number(r"Complete requests:\s+(\d+)", text)
    failed = _number(r"Failed requests:\s+(\d+)", text)
    bad = _number(r"Non-2xx responses:\s+(\d+)", text, default="0")
    return Counts(ok=done - failed - bad, failed=failed + bad)


def ab_quantiles(text: str) -> Quantiles:
    """Read the quantiles that ab prints, in whole milliseconds; ValueError."""
    return Quantiles(*(_number(rf"\s{share}%\s+(\d+)", text) / 1000 for share in (50, 90, 99)))


def h2load_counts(text: str) -> Counts:
    """Read the counts that h2load prints; ValueError."""
    return Counts(
        ok=_number(r"(\d+) succeeded", text),
        failed=_number(r"(\d+) failed, (\d+) errored, (\d+) timeout", text),
    )


def h2load_quantiles(log: str) -> Quantiles:
    """Compute the quantiles of ``h2load --log-file``: start, status, microseconds; ValueError."""
    return nearest_ranks([int(line.split("\t")[2]) / 1e6 for line in log.splitlines()])


def locust_row(text: str) -> tuple[Counts, Quantiles]:
    """Read the last line of Locust's ``_stats.csv``, in milliseconds; ValueError."""
    row: dict[str, str] = {}
    for row in csv.DictReader(text.splitlines()):  # noqa: B007 - the last one is what counts
        pass
    if row.get("Name") != "Aggregated":
        raise ValueError(f"no sum in {text!r}")
    total, failed = int(row["Request Count"]), int(row["Failure Count"])
    quantiles = Quantiles(*(float(row[share]) / 1000 for share in ("50%", "90%", "99%")))
    return Counts(ok=total - failed, failed=failed), quantiles


def nearest_ranks(samples_s: Sequence[float]) -> Quantiles:
    """Return the nearest-rank quantiles of samples; ValueError of none."""
    if not samples_s:
        raise ValueError("no samples, no quantiles")
    ordered = sorted(samples_s)
    last = len(ordered)
    return Quantiles(*(ordered[math.ceil(last * share / 100) - 1] for share in (50, 90, 99)))
