"""Amounts as people type them: ``15m``, ``2%``."""

import re

from servelab.errors import UsageError

_UNITS_S = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)?")
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")


def seconds(text: str, *, option: str) -> float:
    """Return a duration such as ``90``, ``90s``, ``15m`` or ``1.5h`` in seconds; UsageError."""
    found = _DURATION.fullmatch(text.strip())
    amount = 0.0 if found is None else float(found[1]) * _UNITS_S[found[2] or "s"]
    if not amount:
        raise UsageError(f"{option} {text!r}: write a duration such as 90s, 15m or 1h")
    return amount


def share(text: str, *, option: str) -> float:
    """Return a percentage such as ``2%`` as a share, ``.02``; UsageError."""
    found = _SHARE.fullmatch(text.strip())
    amount = 0.0 if found is None else float(found[1]) / 100
    if not 0 < amount < 1:
        raise UsageError(f"{option} {text!r}: write a percentage such as 2%")
    return amount


def warm_up_s(text: str) -> float | None:
    """Return the length of a warm-up in seconds, None where a pilot is to tell; UsageError."""
    if text == "auto":
        return None
    if text == "0":
        return 0.0
    return seconds(text, option="--warm-up")
