"""Which servers can serve a user's application, and how they are selected."""

import pytest

from servelab import catalogue
from servelab.errors import UnknownName, UsageError
from servelab.model.address import Address
from servelab.model.deployment import Interface
from servelab.model.load import Asked, Request
from servelab.model.service import Service
from servelab.model.tuning import Candidate
from servelab.tuning.space import start


def service(
    interface: Interface = Interface.WSGI, *, is_factory: bool = False, framework: str = "flask"
) -> Service:
    """Return an application of somebody's."""
    return Service(
        name="shop.web:app",
        application="shop.web:app",
        interface=interface,
        is_factory=is_factory,
        framework=framework,
        directory="/srv/shop",
        asked=(Asked(request=Request(path="/")),),
    )


def test_each_server_of_its_interface_has_a_deployment_and_no_other_has() -> None:
    for interface in (Interface.WSGI, Interface.ASGI):
        found = catalogue.own_deployments(service(interface), cpu_count=2)
        servers = {each.server for each in found}
        assert servers
        for on in catalogue.servers():
            assert interface in on.interfaces or on.name not in servers


def test_names_select_exactly_their_deployment_again() -> None:
    asked = service()
    found = catalogue.own_deployments(asked, cpu_count=2)
    assert len({each.name for each in found}) == len(found)
    names = tuple(each.name for each in found)
    assert catalogue.own_deployments_named(names, service=asked, cpu_count=2) == found
    # What was planned on another machine is what it says, not what this machine would start with.
    assert catalogue.own_deployments_named(names, service=asked, cpu_count=5) == found


def test_a_name_without_a_setting_means_without_it_wherever_a_search_begins() -> None:
    asked = service()
    ways = catalogue.own_ways(asked, only=("uwsgi-processes",), cpu_count=2)
    begun = dict(start(ways[0]).settings)
    assert begun["lazy_apps"] == "on"
    candidate = Candidate(
        stack="uwsgi-processes", settings=tuple({**begun, "lazy_apps": None}.items())
    )
    found = catalogue.own_deployment(candidate, service=asked, cpu_count=2)
    assert "lazy_apps" not in found.name
    assert catalogue.own_deployments_named((found.name,), service=asked, cpu_count=2) == (found,)


def test_names_select_exactly_their_deployment_behind_a_front_again() -> None:
    asked = service()
    found = catalogue.behind(catalogue.own_deployments(asked, cpu_count=2), name="nginx")
    names = tuple(each.name for each in found)
    assert catalogue.own_deployments_named(names, service=asked, cpu_count=2) == tuple(found)


def test_settings_replace_where_a_variant_begins() -> None:
    (found,) = catalogue.find_own_deployments(
        "uwsgi-threads:processes=3,threads=7", service=service(), cpu_count=2
    )
    assert (found.processes, found.stack) == (3, "uwsgi-threads")
    assert "threads=7" in found.name


def test_each_of_several_values_is_one_deployment() -> None:
    found = catalogue.find_own_deployments(
        "gunicorn-gthread:processes=4/1,preload=off/on", service=service(), cpu_count=2
    )
    assert [each.name for each in found] == [
        "gunicorn-gthread:processes=1,threads=8,worker_class=gthread",
        "gunicorn-gthread:processes=1,threads=8,worker_class=gthread,preload=on",
        "gunicorn-gthread:processes=4,threads=8,worker_class=gthread",
        "gunicorn-gthread:processes=4,threads=8,worker_class=gthread,preload=on",
    ]


def test_a_switch_with_which_a_search_begins_can_be_off() -> None:
    begun, off = (
        catalogue.find_own_deployments(text, service=service(), cpu_count=2)[0].name
        for text in ("uwsgi-processes", "uwsgi-processes:lazy_apps=off")
    )
    assert begun == f"{off},lazy_apps=on"


def test_the_command_names_the_users_application() -> None:
    asked = service()
    (found,) = catalogue.find_own_deployments("gunicorn-sync", service=asked, cpu_count=2)
    command = catalogue.launch_command(
        found,
        service=asked,
        address=Address("127.0.0.1", 8000),
        longest_drain_s=60,
        cpu_count=2,
    )
    assert command.argv[0] == "gunicorn"
    assert command.argv[-1] == "shop.web:app"


def test_what_a_variant_fixes_cannot_be_set_otherwise() -> None:
    with pytest.raises(UsageError, match="gunicorn-gevent has worker_class=gevent"):
        catalogue.find_own_deployments(
            "gunicorn-gevent:worker_class=sync", service=service(), cpu_count=2
        )


def test_a_server_of_another_interface_is_refused_with_the_reason() -> None:
    with pytest.raises(UsageError, match="uwsgi serves no ASGI applications"):
        catalogue.find_own_deployments("uwsgi", service=service(Interface.ASGI), cpu_count=2)


def test_an_unknown_server_is_refused_with_a_guess() -> None:
    with pytest.raises(UnknownName, match="gunicorn"):
        catalogue.find_own_deployments("gunicron", service=service(), cpu_count=2)
