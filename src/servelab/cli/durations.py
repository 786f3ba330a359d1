"""A length of time as it was typed."""

import re

from servelab.errors import UsageError

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h)?")
_UNITS_S = {None: 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def seconds_of(text: str, *, option: str) -> float:
    """Return the seconds of ``15m``, ``90s``, ``2h`` or a bare number of seconds; UsageError."""
    found = _DURATION.fullmatch(text.strip())
    seconds = float(found[1]) * _UNITS_S[found[2]] if found else 0.0
    if not seconds:
        raise UsageError(f"{option} {text!r}: write it as 15m, 90s or 2h")
    return seconds
