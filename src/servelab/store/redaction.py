"""What may be stored: credentials in headers, URLs and arguments are replaced by ``***``."""

import re
from collections.abc import Iterable

HIDDEN = "***"
_TELLING_WORDS = r"auth|cookie|credential|key|passw|secret|session|signature|token"
_TELLING_NAME = re.compile(_TELLING_WORDS, re.IGNORECASE)
_USER_INFO = re.compile(r"(?<=://)[^/?#\s]*@")
_TELLING_QUERY = re.compile(rf"([?&;][^=&;#]*(?:{_TELLING_WORDS})[^=&;#]*=)[^&;#]+", re.IGNORECASE)
_HEADER = re.compile(r"^((?:-H|--header=)?\s*([!#$%&'*+.^_`|~\w-]+)\s*:)(?!//)\s*.*", re.DOTALL)


def url(text: str) -> str:
    """Return a URL without its user and password, and without secrets in its query."""
    return _TELLING_QUERY.sub(rf"\1{HIDDEN}", _USER_INFO.sub(f"{HIDDEN}@", text))


def is_secret(header: str) -> bool:
    """Tell whether a header of this name carries what nobody else should know."""
    return _TELLING_NAME.search(header) is not None


def argument(text: str) -> str:
    """Return an argument of a command line as it may be stored, be it a header or a URL."""
    found = _HEADER.match(text)
    if found is not None and is_secret(found[2]):
        return f"{found[1]} {HIDDEN}"
    return url(text)


def arguments(texts: Iterable[str]) -> list[str]:
    """Return a command line as it may be stored."""
    return [argument(text) for text in texts]
