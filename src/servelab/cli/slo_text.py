"""An objective as it was typed: ``p99<200ms``, ``p99.9<=1s, failures<0.1%``."""

import re

from servelab.errors import UsageError
from servelab.model.slo import QUANTILES, Slo

_EXAMPLE = "write it as p99<200ms, or p99<200ms,failures<0.1%"
_NUMBER = r"(\d+(?:\.\d+)?|\.\d+)"
_QUANTILE = re.compile(rf"(p\d+(?:\.\d+)?)\s*<=?\s*{_NUMBER}\s*(us|ms|s)")
_FAILURES = re.compile(rf"failures\s*<=?\s*{_NUMBER}\s*%")
_UNITS_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


def parse(text: str) -> Slo:
    """Return the objective; raise UsageError. Whether < or <= makes no difference to times."""
    first, *others = (part.strip() for part in text.split(","))
    quantile, target_s = _target(first, text=text)
    if not others:
        return Slo(quantile=quantile, target_s=target_s)
    if len(others) > 1:
        raise UsageError(f"--slo {text!r}: it has {len(others) + 1} parts; {_EXAMPLE}")
    return Slo(
        quantile=quantile, target_s=target_s, failure_limit=_failure_limit(others[0], text=text)
    )


def _target(part: str, *, text: str) -> tuple[str, float]:
    found = _QUANTILE.fullmatch(part)
    if found is None:
        raise UsageError(f"--slo {text!r}: {part!r} is no target for a quantile; {_EXAMPLE}")
    quantile, number, unit = found.groups()
    if quantile not in QUANTILES:
        raise UsageError(
            f"--slo {text!r}: {quantile} is not measured; there are {', '.join(QUANTILES)}"
        )
    target_s = float(number) * _UNITS_S[unit]
    if target_s <= 0:
        raise UsageError(f"--slo {text!r}: no request takes less than {number}{unit}; {_EXAMPLE}")
    return quantile, target_s


def _failure_limit(part: str, *, text: str) -> float:
    found = _FAILURES.fullmatch(part)
    if found is None:
        raise UsageError(f"--slo {text!r}: {part!r} is no limit for failures; {_EXAMPLE}")
    share = float(found[1]) / 100
    if share >= 1:
        raise UsageError(f"--slo {text!r}: at {found[1]} % every request may fail; {_EXAMPLE}")
    return share
