"""How a request can end; standard library only, because the generator's process imports it."""

from enum import IntEnum


class Outcome(IntEnum):
    """The one class in which each scheduled request ends; the number is what the records store."""

    OK = 0
    WRONG_ANSWER = 1
    REDIRECT = 2
    CLIENT_ERROR = 3
    SERVER_ERROR = 4
    GRPC_STATUS = 5
    TIMEOUT = 6
    REFUSED = 7
    RESET = 8
    CLOSED_EARLY = 9
    TRUNCATED = 10
    PROTOCOL_ERROR = 11
    TOO_BIG = 12
    TLS_ERROR = 13
    GOAWAY = 14
    STREAM_RESET = 15
    CLIENT_RESOURCE = 16
    ABANDONED = 17
    UNSENT = 18

    @property
    def label(self) -> str:
        """Return the name that the ledger and the reports use, such as ``wrong answer``."""
        return _LABELS.get(self, self.name.lower().replace("_", " "))


_LABELS = {
    Outcome.CLIENT_ERROR: "4xx",
    Outcome.SERVER_ERROR: "5xx",
    Outcome.GRPC_STATUS: "gRPC status",
    Outcome.TLS_ERROR: "TLS error",
    Outcome.GOAWAY: "GOAWAY",
}
