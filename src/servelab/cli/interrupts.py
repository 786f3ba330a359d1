"""Ctrl-C, taken politely: the first one ends in good order, the second one at once."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def noticed() -> Iterator[Callable[[], str | None]]:
    """Note an interrupt while the block lasts; give what tells of it: a reason, or None."""
    seen: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: "it was interrupted" if seen else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
