"""Options of `servelab try` about programs of one's own that do not go together."""

import pytest
from tests.conftest import Run
from tests.fake_world import World

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
