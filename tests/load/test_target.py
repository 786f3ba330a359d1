"""Where load may go, and where never."""

import socket
from collections.abc import Sequence

import pytest

from servelab.errors import UsageError
from servelab.load import target
from servelab.load.target import LoadTarget, Scheme
from servelab.model.address import Address


def resolved_to(*addresses: str) -> target.Resolve:
    def resolve(_host: str, _port: int) -> Sequence[str]:
        return addresses

    return resolve


def parse(url: str, *addresses: str, authorised_host: str | None = None) -> LoadTarget:
    """Parse with the system's own reading of numbers, or with a name's given addresses."""
    return target.parse(
        url,
        authorised_host=authorised_host,
        resolve=resolved_to(*addresses) if addresses else target.resolve,
    )


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:8000/", Address("127.0.0.1", 8000)),
        ("http://127.0.0.1", Address("127.0.0.1", 80)),
        ("https://127.0.0.1/", Address("127.0.0.1", 443)),
        ("http://127.1.2.3:1/", Address("127.1.2.3", 1)),
        ("http://127.1:8000/", Address("127.0.0.1", 8000)),
        ("http://2130706433:8000/", Address("127.0.0.1", 8000)),
        ("http://0x7f000001:8000/", Address("127.0.0.1", 8000)),
        ("http://0x7f.0.0.1:8000/", Address("127.0.0.1", 8000)),
        ("http://0177.0.0.1:8000/", Address("127.0.0.1", 8000)),
        ("http://[::1]:8000/", Address("::1", 8000)),
        ("http://[::ffff:127.0.0.1]:8000/", Address("::ffff:127.0.0.1", 8000)),
        ("http://localhost:8000/", Address("127.0.0.1", 8000)),
        ("http://LOCALHOST:8000/", Address("127.0.0.1", 8000)),
    ],
)
def test_loopback_may_be_loaded_in_every_notation(url: str, address: Address) -> None:
    found = parse(url)
    assert found.is_loopback
    if found.address.host != "::ffff:7f00:1":
        assert found.address == address


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.5",
        "192.168.1.1",
        "203.0.113.9",
        "128.0.0.1",
        "126.255.255.255",
        "167772165",
        "0x0a000005",
        "[fd00::1]",
        "[2001:db8::1]",
        "[::ffff:10.0.0.5]",
        "[::127.0.0.1]",
    ],
)
def test_other_hosts_are_refused_unless_named(host: str) -> None:
    with pytest.raises(UsageError, match=r"--authorised-host|never loaded"):
        parse(f"http://{host}:8000/")


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("169.254.169.254", "169.254.169.254"),
        ("2852039166", "169.254.169.254"),
        ("0xa9fea9fe", "169.254.169.254"),
        ("169.254.1.1", "169.254.1.1"),
        ("[::ffff:169.254.169.254]", "::ffff:169.254.169.254"),
        ("[64:ff9b::a9fe:a9fe]", "64:ff9b::a9fe:a9fe"),
        ("[2002:a9fe:a9fe::1]", "2002:a9fe:a9fe::1"),
        ("[fe80::1]", "fe80::1"),
        ("[fd00:ec2::254]", "fd00:ec2::254"),
        ("100.100.100.200", "100.100.100.200"),
        ("168.63.129.16", "168.63.129.16"),
        ("192.0.0.192", "192.0.0.192"),
        ("224.0.0.1", "224.0.0.1"),
        ("[ff02::1]", "ff02::1"),
        ("0.0.0.0", "0.0.0.0"),  # noqa: S104 - nothing is bound
        ("0", "0.0.0.0"),  # noqa: S104
        ("0.1.2.3", "0.1.2.3"),
        ("[::]", "::"),
        ("[::ffff:0.0.0.0]", "::ffff:0.0.0.0"),
        ("255.255.255.255", "255.255.255.255"),
        ("240.0.0.1", "240.0.0.1"),
        ("metadata.example", "169.254.169.254"),
        ("innocent.example", "fe80::1"),
    ],
)
def test_some_addresses_are_never_loaded_even_when_authorised(host: str, address: str) -> None:
    with pytest.raises(UsageError, match="never loaded"):
        parse(f"http://{host}/", address, authorised_host=host.strip("[]"))


@pytest.mark.parametrize("authorised", ["app.example", "APP.example", "app.example."])
def test_a_host_that_is_named_exactly_may_be_loaded(authorised: str) -> None:
    found = parse("http://app.example:8000/", "203.0.113.9", authorised_host=authorised)
    assert not found.is_loopback
    assert found.address == Address("203.0.113.9", 8000)


@pytest.mark.parametrize("authorised", ["", "example", "other.example", "203.0.113.9", "*"])
def test_a_host_that_is_named_otherwise_may_not(authorised: str) -> None:
    with pytest.raises(UsageError, match=r"--authorised-host app\.example"):
        parse("http://app.example/", "203.0.113.9", authorised_host=authorised)


def test_an_authorisation_does_not_turn_loopback_into_something_else() -> None:
    assert parse("http://127.0.0.1/", authorised_host="app.example").is_loopback


def test_fault_33_a_name_is_resolved_once_and_its_address_pinned() -> None:
    asked: list[str] = []

    def resolve(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return ("127.0.0.1",) if len(asked) == 1 else ("203.0.113.9",)

    found = target.parse("http://app.example:8000/x", resolve=resolve)
    assert asked == ["app.example"]
    assert found.address == Address("127.0.0.1", 8000)
    assert found.authority == "app.example:8000"


def test_of_several_addresses_the_first_of_ipv4_is_taken() -> None:
    assert parse("http://a.example/", "::1", "127.0.0.1", "127.0.0.2").address.host == "127.0.0.1"
    assert parse("http://a.example/", "::1").address.host == "::1"


def test_the_address_that_is_used_is_the_one_that_is_judged() -> None:
    with pytest.raises(UsageError, match="--authorised-host"):
        parse("http://a.example/", "::1", "203.0.113.9")


def test_a_name_without_an_address_is_named() -> None:
    def resolve(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(UsageError, match=r"nowhere\.example has no address"):
        target.parse("http://nowhere.example/", resolve=resolve)


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000",
        "localhost:8000/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "//127.0.0.1/",
        "",
        "http://",
        "http:///path",
        "http://127.0.0.1:x/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:0/",
        "http://[::1/",
        "http://[fe80::1%25eth0]/",
        "http://a b/",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/\r\nHost: evil",
        "http://127.0.0.1/\tx",
        "http://-x.example/",
        "http://a$b/",
        "http://x@/",
        "grpc://127.0.0.1/package.Service/Method",
        "grpc://127.0.0.1:50051/",
        "grpc://127.0.0.1:50051/Service",
        "grpc://127.0.0.1:50051/a/b/c",
    ],
)
def test_what_is_no_target_is_refused_in_a_sentence(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(url)
    assert str(refused.value).isprintable()


def test_user_and_password_become_a_header_and_are_shown_nowhere() -> None:
    found = parse("http://me:pass%2Fword@127.0.0.1:8000/x?token=abc&n=1")
    assert found.headers == (("Authorization", "Basic bWU6cGFzcy93b3Jk"),)
    assert found.shown == "http://***@127.0.0.1:8000/x?token=***&n=1"
    assert found.path == "/x?token=abc&n=1"
    assert "me" not in found.authority


def test_errors_do_not_tell_a_password_either() -> None:
    with pytest.raises(UsageError) as refused:
        parse("ftp://me:hunter2@127.0.0.1/")
    assert "hunter2" not in str(refused.value)
    with pytest.raises(UsageError) as refused:
        parse("http://me:hunter2@10.0.0.1/")
    assert "hunter2" not in str(refused.value)


def test_a_host_behind_an_at_sign_is_the_one_that_counts() -> None:
    with pytest.raises(UsageError, match=r"10\.0\.0\.1 is not this machine"):
        parse("http://127.0.0.1@10.0.0.1/")
    with pytest.raises(UsageError, match=r"10\.0\.0\.1"):
        parse("http://127.0.0.1:80@10.0.0.1:8000/")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://127.0.0.1", "/"),
        ("http://127.0.0.1/", "/"),
        ("http://127.0.0.1?a=b", "/?a=b"),
        ("http://127.0.0.1/a/b?c=d&e=%20#part", "/a/b?c=d&e=%20"),
        ("http://127.0.0.1/straße", "/stra%C3%9Fe"),
    ],
)
def test_paths_keep_their_query_and_become_ascii(url: str, path: str) -> None:
    assert parse(url).path == path


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("http://127.0.0.1/", "127.0.0.1"),
        ("http://127.0.0.1:80/", "127.0.0.1"),
        ("https://127.0.0.1:443/", "127.0.0.1"),
        ("https://127.0.0.1:80/", "127.0.0.1:80"),
        ("http://[::1]:8000/", "[::1]:8000"),
        ("grpc://127.0.0.1:50051/a.B/C", "127.0.0.1:50051"),
    ],
)
def test_the_server_is_told_the_host_as_it_was_typed(url: str, authority: str) -> None:
    assert parse(url).authority == authority


def test_a_grpc_target_names_its_method() -> None:
    found = parse("grpc://127.0.0.1:50051/servelab.Workloads/cpu")
    assert (found.scheme, found.path) == (Scheme.GRPC, "/servelab.Workloads/cpu")
    assert parse("grpcs://127.0.0.1:50051/a.B/C").scheme.is_encrypted


def test_a_name_in_another_script_is_asked_for_in_ascii() -> None:
    asked: list[str] = []

    def resolve(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return ("127.0.0.1",)

    target.parse("http://bücher.example/", resolve=resolve)
    assert asked == ["xn--bcher-kva.example"]
