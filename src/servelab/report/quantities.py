"""Numbers as people read them."""

MISSING = "-"


def rate(per_s: float | None) -> str:
    """Return calls per second with three significant digits or more."""
    if per_s is None:
        return MISSING
    return f"{per_s:.2f}" if per_s < 100 else f"{per_s:.1f}" if per_s < 1000 else f"{per_s:.0f}"  # noqa: PLR2004


def milliseconds(seconds: float | None) -> str:
    """Return a time in milliseconds with one decimal, below one millisecond with two."""
    if seconds is None:
        return MISSING
    decimals = 2 if 0 < seconds < 0.001 else 1  # noqa: PLR2004
    return f"{seconds * 1000:.{decimals}f}"


def percent(share: float | None) -> str:
    """Return a share as a percentage with one decimal."""
    return MISSING if share is None else f"{share * 100:.1f} %"


def difference(share: float, *, sign: str = "") -> str:
    """Return a relative difference as a percentage, the finer the smaller it is.

    `sign` is ``+`` where an increase is to be marked.
    """
    decimals = 0 if abs(share) >= 0.1 else 1  # noqa: PLR2004
    return f"{share * 100:{sign}.{decimals}f} %"


def span(low: str, high: str) -> str:
    """Return ``LOW to HIGH``, with a unit that both have said once."""
    low_number, _, low_unit = low.partition(" ")
    _, _, high_unit = high.partition(" ")
    return f"{low_number if low_unit == high_unit else low} to {high}"


def megabytes(count: int | None) -> str:
    """Return bytes as megabytes (10^6)."""
    return MISSING if count is None else f"{count / 1e6:.0f} MB"


def count(number: float | None) -> str:
    """Return a count; fractions only where it is small."""
    if number is None:
        return MISSING
    return f"{number:.1f}" if number < 10 and number != int(number) else f"{number:.0f}"  # noqa: PLR2004


def counted(number: int, one: str, many: str) -> str:
    """Return a number with its noun: ``1 process``, ``4 processes``."""
    return f"{number} {one if number == 1 else many}"


def duration(seconds: float) -> str:
    """Return a duration in the largest fitting units, such as ``2 min 5 s``."""
    if seconds < 60:  # noqa: PLR2004
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def fine_milliseconds(seconds: float | None) -> str:
    """Return a time in milliseconds with three significant digits or more."""
    if seconds is None:
        return MISSING
    milliseconds = seconds * 1000
    decimals = 3 if milliseconds < 1 else 2 if milliseconds < 10 else 1 if milliseconds < 100 else 0  # noqa: PLR2004
    return f"{milliseconds:.{decimals}f}"
