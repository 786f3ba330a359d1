"""Where a server listens."""

from msgspec import Struct

LOOPBACK = "127.0.0.1"


class Address(Struct, frozen=True):
    """A TCP address; the host is numeric, resolved once."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"
