"""Whether a free-threaded interpreter ran with the GIL all the same."""

from msgspec import Struct


class Gil(Struct, frozen=True, kw_only=True):
    """What is known of the GIL in a server on a free-threaded interpreter."""

    is_on: bool | None = None
    """None where neither the interpreter nor the workers said."""
    modules: tuple[str, ...] = ()
    """The extensions that demanded it, each the first one in its process; empty where nobody said.
    """
