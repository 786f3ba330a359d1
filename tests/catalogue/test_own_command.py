"""A program of the user's beside the servers of the catalogue."""

import msgspec
import pytest

from servelab import catalogue
from servelab.environment import own_interpreter
from servelab.errors import UnknownName, UsageError
from servelab.model.address import Address
from servelab.model.deployment import Interface
from servelab.model.environment import Interpreter
from servelab.model.load import Asked, Protocol, Request
from servelab.model.service import OwnCommand, Service
from servelab.model.variant import Axis

NODE = OwnCommand(name="node", argv=("node", "my server.js", "{host}:{port}", '{"a": {}}'))


def service(interface: Interface, *, application: str = "") -> Service:
    """Return a program of somebody's, beside an application or alone."""
    return Service(
        name="shop",
        application=application,
        interface=interface,
        framework="flask",
        directory="/srv/shop",
        commands=(NODE,),
        asked=(Asked(request=Request(path="/")),),
    )


def test_the_address_replaces_the_placeholders_and_nothing_else() -> None:
    asked = service(Interface.HTTP)
    (found,) = catalogue.own_deployments(asked, cpu_count=2)
    started = catalogue.launch_command(
        found, service=asked, address=Address("127.0.0.1", 8123), longest_drain_s=60, cpu_count=2
    )
    assert started.argv == ("node", "my server.js", "127.0.0.1:8123", '{"a": {}}')
    assert not started.departures


def test_it_is_titled_by_its_name_and_found_by_it() -> None:
    asked = service(Interface.HTTP)
    (found,) = catalogue.own_deployments(asked, cpu_count=2)
    assert (found.name, found.title, found.processes) == ("node", "node", None)
    assert catalogue.own_deployments_named(("node",), service=asked, cpu_count=4) == (found,)


def test_it_speaks_grpc_only_where_that_is_asked_for() -> None:
    for interface, protocol in (
        (Interface.HTTP, Protocol.HTTP),
        (Interface.GRPC, Protocol.GRPC),
    ):
        (found,) = catalogue.own_deployments(service(interface), cpu_count=2)
        assert catalogue.protocol_of(found) is protocol


def test_what_is_asked_of_it_is_said_in_the_words_of_its_protocol() -> None:
    call = Asked(request=Request(method="POST", path="/shop.Greeter/Greet"))
    over_grpc = msgspec.structs.replace(service(Interface.GRPC), asked=(call,))
    over_http = msgspec.structs.replace(service(Interface.HTTP), asked=(call,))
    assert over_grpc.label == "shop shop.Greeter/Greet"
    assert over_http.label == "shop POST /shop.Greeter/Greet"


def test_beside_an_application_it_comes_after_its_servers() -> None:
    *servers, last = catalogue.own_deployments(
        service(Interface.WSGI, application="shop:app"), cpu_count=2
    )
    assert {each.server for each in servers} >= {"gunicorn", "uwsgi"}
    assert (last.name, last.interface) == ("node", Interface.HTTP)


def test_alone_it_is_the_only_name_that_is_known() -> None:
    with pytest.raises(UnknownName, match="no command 'gunicorn'; there is node"):
        catalogue.find_own_deployments("gunicorn", service=service(Interface.HTTP), cpu_count=2)


def test_no_interpreter_is_chosen_for_it() -> None:
    with pytest.raises(UsageError, match=r"node is a command, .* leave @3\.13 out"):
        catalogue.find_own_deployments("node@3.13", service=service(Interface.HTTP), cpu_count=2)


def test_nothing_is_installed_for_it_and_any_interpreter_will_do() -> None:
    asked = service(Interface.HTTP)
    (found,) = catalogue.own_deployments(asked, cpu_count=2)
    spec = catalogue.own_environment_spec(found, service=asked)
    assert not spec.is_built
    old = Interpreter(path=own_interpreter().path, version="3.6.1")
    assert catalogue.why_not_here(found, interpreter=old) is None


def test_it_is_selected_behind_a_front_by_the_name_that_it_then_has() -> None:
    for interface in (Interface.HTTP, Interface.GRPC):
        asked = service(interface)
        (found,) = catalogue.find_own_deployments("node+nginx", service=asked, cpu_count=2)
        assert (found.name, found.front) == ("node+nginx", "nginx")
        assert catalogue.own_deployments_named((found.name,), service=asked, cpu_count=2) == (
            found,
        )


def test_no_server_is_missed_where_programs_alone_are_tried() -> None:
    assert catalogue.own_obstacles(service(Interface.GRPC)) == {}


def test_the_catalogue_does_not_list_it() -> None:
    assert "command" not in {each.name for each in catalogue.servers()}


WORKERS = Axis(setting="workers", values=("1", "2", "4"), start="2")
POOL = OwnCommand(name="pool", argv=("pool", "-w", "{workers}", "{host}:{port}"), axes=(WORKERS,))


def test_what_may_vary_of_it_are_its_settings() -> None:
    asked = msgspec.structs.replace(service(Interface.HTTP), commands=(POOL, NODE))
    first, _ = catalogue.own_deployments(asked, cpu_count=2)
    assert (first.name, first.title) == ("pool:workers=2", "pool workers=2")
    (found,) = catalogue.find_own_deployments("pool:workers=4+nginx", service=asked, cpu_count=2)
    assert (found.name, found.title) == ("pool:workers=4+nginx", "pool workers=4, behind nginx")
    assert catalogue.own_deployments_named((found.name,), service=asked, cpu_count=2) == (found,)
    started = catalogue.launch_command(
        found, service=asked, address=Address("127.0.0.1", 80), longest_drain_s=60, cpu_count=2
    )
    assert started.argv == ("pool", "-w", "4", "127.0.0.1:80")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pool:workers=3", "pool cannot have workers=3; workers is 1 or 2 or 4"),
        ("pool:threads=3", "no setting of pool called 'threads'; there is workers"),
        ("node:threads=3", "no setting of node called 'threads'; there is none at all"),
    ],
)
def test_a_value_that_its_command_does_not_name_is_refused(text: str, words: str) -> None:
    asked = msgspec.structs.replace(service(Interface.HTTP), commands=(POOL, NODE))
    with pytest.raises((UnknownName, UsageError), match=words):
        catalogue.find_own_deployments(text, service=asked, cpu_count=2)
