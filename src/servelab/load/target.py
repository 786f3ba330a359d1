"""Where load may go: what a URL names, resolved once, and refused where nobody may be loaded.

The one effect, asking for a name's addresses, is passed in.
"""

import base64
import re
import socket
from collections.abc import Callable, Sequence
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, quote, unquote_to_bytes, urlsplit

from msgspec import Struct

from servelab.errors import UsageError
from servelab.model.address import Address
from servelab.store import redaction

Resolve = Callable[[str, int], Sequence[str]]
"""From a name, or a number in any notation, and a port to addresses; OSError."""


class Scheme(Enum):
    """How a server is spoken to."""

    HTTP = "http"
    HTTPS = "https"
    GRPC = "grpc"
    GRPCS = "grpcs"

    @property
    def is_grpc(self) -> bool:
        """Tell whether calls are made, not requests."""
        return self in {Scheme.GRPC, Scheme.GRPCS}

    @property
    def is_encrypted(self) -> bool:
        """Tell whether connections use TLS."""
        return self in {Scheme.HTTPS, Scheme.GRPCS}


class LoadTarget(Struct, frozen=True, kw_only=True):
    """A target that may be loaded."""

    scheme: Scheme
    host: str
    """As the URL names it, in lower case, without brackets."""
    address: Address
    """The one address that every connection goes to."""
    is_loopback: bool
    authority: str
    """Host and port as the server is told them."""
    path: str
    """With the query."""
    headers: tuple[tuple[str, str], ...]
    """What the URL's user and password become."""
    shown: str
    """The URL as it may be printed and stored."""


_DEFAULT_PORTS = {Scheme.HTTP: 80, Scheme.HTTPS: 443}
_GRPC_PATH = re.compile(r"/[\w.]+/\w+", re.ASCII)
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?", re.ASCII)
_KEPT_IN_PATHS = "%/:?#[]@!$&'()*+,;=~-._"
_HIGHEST_CONTROL_CODE = 32
_DELETE = 127

# Source: the clouds' documentation of their instance metadata services; all but these are
# link-local.
_METADATA = frozenset(
    map(ip_address, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"))
)
_NAT64 = ip_network("64:ff9b::/96")


def parse(url: str, *, authorised_host: str | None = None, resolve: Resolve) -> LoadTarget:
    """Return the target of a URL; UsageError where it is none, or may not be loaded.

    Only loopback may be loaded unasked; any other host must be named by ``authorised_host``
    exactly as in the URL.
    """
    shown = redaction.url(url)
    scheme, parts = _split(url, shown=shown)
    host, port = _host_and_port(parts, scheme=scheme, shown=shown)
    address = _pin(host, port, resolve=resolve)
    is_loopback = _judge(host, address, authorised_host=authorised_host)
    return LoadTarget(
        scheme=scheme,
        host=host,
        address=Address(str(address), port),
        is_loopback=is_loopback,
        authority=_authority(host, port, scheme=scheme),
        path=_path(parts, scheme=scheme, shown=shown),
        headers=_credentials(parts),
        shown=shown,
    )


def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system for the addresses of a host."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(where[0]) for *_, where in found]


# ---- the URL


def _split(url: str, *, shown: str) -> tuple[Scheme, SplitResult]:
    # urlsplit drops some control codes silently: what is sent would not be what was typed.
    if any(ord(sign) <= _HIGHEST_CONTROL_CODE or ord(sign) == _DELETE for sign in url):
        raise UsageError(f"{shown!r}: a URL has no spaces or control codes; write them as %20, ...")
    try:
        parts = urlsplit(url)
        return Scheme(parts.scheme), parts
    except ValueError:
        raise UsageError(
            f"{shown!r} is no URL to load; it begins with http://, https:// or grpc://, such as "
            "http://127.0.0.1:8000/"
        ) from None


def _host_and_port(parts: SplitResult, *, scheme: Scheme, shown: str) -> tuple[str, int]:
    try:
        host = parts.hostname
        port = _DEFAULT_PORTS.get(scheme) if parts.port is None else parts.port
        if host is not None and not host.isascii():
            host = host.encode("idna").decode("ascii")
    except ValueError:
        raise UsageError(f"{shown!r}: its host or port is none; write HOST:PORT") from None
    if not host or not (":" in host or _NAME.fullmatch(host)):
        raise UsageError(f"{shown!r} names no host; write it as in http://127.0.0.1:8000/")
    if not port:
        raise UsageError(f"{shown!r} names no port; write it as in grpc://127.0.0.1:50051/...")
    return host, port


def _authority(host: str, port: int, *, scheme: Scheme) -> str:
    name = f"[{host}]" if ":" in host else host
    return name if port == _DEFAULT_PORTS.get(scheme) else f"{name}:{port}"


def _path(parts: SplitResult, *, scheme: Scheme, shown: str) -> str:
    if scheme.is_grpc and not _GRPC_PATH.fullmatch(parts.path):
        raise UsageError(
            f"{shown!r} names no method; write it as in "
            "grpc://127.0.0.1:50051/package.Service/Method"
        )
    path = parts.path or "/"
    return quote(f"{path}?{parts.query}" if parts.query else path, safe=_KEPT_IN_PATHS)


def _credentials(parts: SplitResult) -> tuple[tuple[str, str], ...]:
    """Return what a URL's user and password become (RFC 7617)."""
    if parts.username is None:
        return ()
    words = [unquote_to_bytes(word or "") for word in (parts.username, parts.password)]
    return (("Authorization", f"Basic {base64.b64encode(b':'.join(words)).decode()}"),)


# ---- the address


def _pin(host: str, port: int, *, resolve: Resolve) -> IPv4Address | IPv6Address:
    """Return the one address to use: the first of IPv4, or else the first."""
    try:
        found = [ip_address(text) for text in resolve(host, port)]
    except (OSError, ValueError, UnicodeError):
        found = []
    if not found:
        raise UsageError(f"{host} has no address; name a host that can be resolved here")
    return next((address for address in found if address.version == 4), found[0])  # noqa: PLR2004


def _judge(host: str, address: IPv4Address | IPv6Address, *, authorised_host: str | None) -> bool:
    """Tell whether an address is loopback; UsageError where it may not be loaded."""
    real = _behind(address)
    named = host if str(address) == host else f"{host} ({address})"
    why_never = _why_never(real)
    if why_never is not None:
        raise UsageError(f"{named} is {why_never}, which is never loaded; {_advice(real)}")
    if real.is_loopback:
        return True
    if authorised_host is None or _plain(authorised_host) != _plain(host):
        raise UsageError(
            f"{named} is not this machine, and load can hurt others; if it is yours to load, say "
            f"so with --authorised-host {host}"
        )
    return False


def _behind(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 address stands for, or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)


def _why_never(address: IPv4Address | IPv6Address) -> str | None:
    reasons = (
        (address in _METADATA, "the address of a metadata service"),
        (address.is_link_local, "a link-local address, where metadata services are"),
        (address.is_multicast, "a multicast address"),
        (address.is_unspecified, "no address of anybody"),
        (address.version == 4 and int(address) >> 24 == 0, "no address of anybody"),  # noqa: PLR2004
        (address.is_reserved and not address.is_loopback, "a reserved address"),
    )
    return next((reason for holds, reason in reasons if holds), None)


def _advice(address: IPv4Address | IPv6Address) -> str:
    return (
        "write 127.0.0.1 for a server on this machine"
        if int(address) >> 24 == 0
        else "name another host"
    )


def _plain(host: str) -> str:
    return host.lower().strip("[]").removesuffix(".")
