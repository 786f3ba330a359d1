"""Point 3: nothing that servelab starts listens for other machines, and that is looked after."""

import ast
import json
import re
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.conftest import Run
from tests.fake_world import Script, World

import servelab
from servelab import catalogue
from servelab.launch.server import RunningServer
from servelab.linux import sockets
from servelab.linux.sockets import Listener
from servelab.model.address import LOOPBACK, Address
from servelab.model.deployment import Deployment

PORT = 3917
WIDE = re.compile(r"(?<![\d.])0\.0\.0\.0(?![\d.])|\[::\]|(?<![\w:])::(?![\w:])|(?<!\w)\*:\d")
DEPLOYMENTS = [each for stack in catalogue.stacks() for each in stack.deployments]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda each: each.name)
@pytest.mark.parametrize("host", [LOOPBACK, "127.0.0.2"])
def test_point_3_every_command_binds_to_the_address_that_it_is_given_and_no_wider(
    deployment: Deployment, host: str
) -> None:
    command = catalogue.launch_command(
        deployment,
        address=Address(host, PORT),
        longest_drain_s=60,
        cpu_count=2,
    )
    words = str(command)
    assert not WIDE.search(words)
    named = re.findall(r"(?<![\d.])\d+\.\d+\.\d+\.\d+(?![\d.])", words)
    assert named
    assert set(named) == {host}
    assert str(PORT) in words


def test_point_3_no_source_names_an_address_that_is_wider() -> None:
    for path in Path(servelab.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant):
                assert node.value not in {"0.0.0.0", "::", "[::]"}, path  # noqa: S104 - none is


@pytest.mark.parametrize(
    ("host", "is_wide"),
    [
        ("127.0.0.1", False),
        ("127.8.8.8", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("0.0.0.0", True),  # noqa: S104 - an example
        ("::", True),
        ("10.0.0.5", True),
        ("fe80::1", True),
    ],
)
def test_point_3_a_listener_of_the_servers_tree_is_judged_by_its_address(
    host: str, *, is_wide: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = object.__new__(RunningServer)
    server.address = Address(LOOPBACK, PORT)
    monkeypatch.setattr(RunningServer, "process_ids", lambda _self: frozenset({1}))
    monkeypatch.setattr(sockets, "socket_inodes", lambda _pids: frozenset({77}))
    listener = Listener(str(ip_address(host)), PORT + 1, 77, 0)
    monkeypatch.setattr(sockets, "listeners", lambda: (listener,))
    assert bool(server.wide_listeners()) is is_wide


def test_point_3_a_listener_that_comes_later_fails_the_trial(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = Listener("0.0.0.0", 4000, 77, 0)  # noqa: S104 - an example
    monkeypatch.setattr("tests.fake_world.FakeServer.wide_listeners", lambda _self: (late,))
    status, printed, _ = run(World({"flask": Script()}), "run", "sync-devserver", "cpu", "--json")
    (trial,) = json.loads(printed)["trials"]
    assert (status, trial["status"]) == (1, "failed")
    assert "0.0.0.0:4000, which other machines can reach" in trial["reason"]
