"""How much memory the answers under way may take together, whatever servers send."""

ROOM_BYTES = 256 << 20
"""Of one load, over all of its generators and connections."""
SMALL_BYTES = 64 << 10
"""What an answer may hold uncounted; nearly all are smaller, and cost nothing here."""


class Room:
    """Counts what unfinished answers hold, and tells which of them takes too much.

    Where they hold more than there is, those above their equal share must go, each when it grows:
    an answer of an ordinary size does not suffer from endless ones beside it.
    """

    def __init__(self, capacity_bytes: int = ROOM_BYTES) -> None:
        self._capacity_bytes = capacity_bytes
        self._taken_bytes = 0
        self._answers = 0

    @property
    def taken_bytes(self) -> int:
        """Return what all of them hold."""
        return self._taken_bytes

    def grow(self, held_bytes: int, to_bytes: int) -> bool:
        """Let an answer hold more than before; tell whether it may go on."""
        if not held_bytes:
            self._answers += 1
        self._taken_bytes += to_bytes - held_bytes
        is_full = self._taken_bytes > self._capacity_bytes
        return not is_full or to_bytes * self._answers <= self._capacity_bytes

    def give_back(self, held_bytes: int) -> None:
        """Take back what an answer held that has ended."""
        if held_bytes:
            self._answers -= 1
            self._taken_bytes -= held_bytes
