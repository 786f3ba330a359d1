"""Options of `servelab try` about programs of one's own that do not go together."""

from pathlib import Path

import pytest
from tests.conftest import Run
from tests.fake_world import World

from servelab.cli import requested_service

SERVER = ("--command", "serve {port}")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "no application is named: give one, such as my.module:app"),
        (("--command", "node server.js"), "is not told where to listen"),
        ((*SERVER, "--proto", "shop.proto"), "--proto is about gRPC"),
        ((*SERVER, "--body", "{}"), "--body is about gRPC"),
        ((*SERVER, "--grpc", "Greet"), "write it as package.Service/Method"),
        (("app:app", "--grpc", "a.B/C"), "--grpc is about a program that listens by itself"),
        ((*SERVER, "--grpc", "a.B/C", "--path", "/"), "--path is about HTTP"),
        ((*SERVER, "--only", "nodejs"), "There is no command 'nodejs'; there is serve"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(
    run: Run, arguments: tuple[str, ...], reason: str
) -> None:
    status, printed, told = run(World({}), "try", *arguments)
    assert (status, printed) == (2, "")
    assert reason in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("command", ["try", "tune"])
@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        (("--ignore", "a{99999999999999999999}"), "is no regular expression"),
        (("--ignore", "(" * 100_000), "is nested too deep"),
        (("--ignore", "["), "is no regular expression"),
        (("--project", "sh\udcffp"), "bytes that are no UTF-8"),
        (("--env", "sh\udcffp"), "bytes that are no UTF-8"),
        (("--env-var", "A=sh\udcffp"), "--env-var 'A': it has bytes that are no UTF-8"),
    ],
)
def test_what_nothing_can_be_made_of_is_one_sentence(
    run: Run, tmp_path: Path, command: str, typed: tuple[str, str], reason: str
) -> None:
    (tmp_path / "sh\udcffp").mkdir()
    status, printed, told = run(World({}), command, *SERVER, *typed)
    assert (status, printed) == (2, "")
    assert reason in told
    assert told.count("\n") == 1
    assert not (tmp_path / "servelab-results").exists()


def test_what_is_ignored_may_be_any_bytes() -> None:
    (pattern,) = requested_service.patterns(["\udcff+"])
    assert pattern.sub(b"", b"a\xff\xffb") == b"ab"
