"""Deployments by the text that selects them."""

import pytest

from servelab import catalogue
from servelab.errors import UnknownName, UsageError
from servelab.model.deployment import Interface
from servelab.model.service import Service


def test_a_stack_alone_means_all_of_its_deployments() -> None:
    names = [each.name for each in catalogue.find_deployments("sync-uwsgi")]
    assert names == [
        "sync-uwsgi:processes=1,threads=50",
        "sync-uwsgi:processes=1,threads=200",
        "sync-uwsgi:processes=4,threads=50",
    ]


def test_settings_override_those_of_the_first_deployment() -> None:
    (deployment,) = catalogue.find_deployments("sync-uwsgi: processes=2, threads=7")
    assert deployment.heading == "2 processes * 7 threads"
    assert deployment.processes == 2
    (deployment,) = catalogue.find_deployments("async-gevent-gunicorn:processes=3")
    assert deployment.name == "async-gevent-gunicorn:processes=3,worker_class=gevent"


def test_what_follows_the_at_sign_is_the_interpreter() -> None:
    (deployment,) = catalogue.find_deployments("sync-uwsgi:processes=2@3.14t")
    assert deployment.name == "sync-uwsgi:processes=2,threads=50@3.14t"
    assert deployment.title == ("sync-uwsgi 2 processes * 50 threads, Python 3.14t (free-threaded)")
    assert catalogue.deployments_named([deployment.name]) == (deployment,)
    names = [each.name for each in catalogue.find_deployments("async-fastapi@3.13")]
    assert names == ["async-fastapi:processes=1@3.13", "async-fastapi:processes=4@3.13"]


def test_published_figures_are_of_a_deployment_on_whichever_interpreter() -> None:
    (here,) = catalogue.find_deployments("sync-uwsgi:processes=1")
    (there,) = catalogue.find_deployments("sync-uwsgi:processes=1@3.13")
    figures = catalogue.published(here, workload="cpu")
    assert figures is not None
    assert catalogue.published(there, workload="cpu") == figures


def test_a_users_application_is_on_an_interpreter_in_the_same_way() -> None:
    service = Service(
        name="mine:app", application="mine:app", interface=Interface.ASGI, directory="/", asked=()
    )
    found = catalogue.find_own_deployments("uvicorn:processes=2@3.13", service=service, cpu_count=2)
    assert found
    assert {each.python for each in found} == {"3.13"}
    names = tuple(each.name for each in found)
    assert all(name.endswith("@3.13") for name in names)
    assert catalogue.own_deployments_named(names, service=service, cpu_count=2) == found


def test_every_deployments_name_selects_exactly_it() -> None:
    for stack in catalogue.stacks():
        for deployment in stack.deployments:
            assert catalogue.find_deployments(deployment.name) == (deployment,)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sync-uwgsi", "There is no stack 'sync-uwgsi'; did you mean sync-uwsgi, "),
        (
            "sync-uwsgi:thread=5",
            "There is no setting of sync-uwsgi called 'thread'; did you mean threads?",
        ),
        ("async-fastapi:x=5", "There is no setting of async-fastapi called 'x'; there is proc"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(text: str, sentence: str) -> None:
    with pytest.raises(UnknownName) as caught:
        catalogue.find_deployments(text)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "sync-uwsgi:threads=0",
            "sync-uwsgi cannot have threads=0; threads is a whole number from 1 to 4096.",
        ),
        (
            "sync-uwsgi:processes=two",
            "sync-uwsgi cannot have processes=two; processes is a whole number from 1 to 512.",
        ),
        (
            "sync-uwsgi:processes=1.5",
            "sync-uwsgi cannot have processes=1.5; processes is a whole number from 1 to 512.",
        ),
        (
            "sync-devserver:threading=no",
            "sync-devserver cannot have threading=no; threading is with or without.",
        ),
        ("sync-uwsgi:threads=null", "sync-uwsgi cannot have threads=null; "),
        ("sync-uwsgi:async_cores=5", "sync-uwsgi: uwsgi takes threads or async_cores, not both."),
        ("async-grpc:threads=5", "async-grpc: gRPC on asyncio has no threads; "),
        ("sync-gunicorn:worker_class=asgi", "sync-gunicorn: worker_class=asgi cannot serve Flask."),
        ("sync-gunicorn:worker_class=sync", "sync-gunicorn: worker_class=sync has no threads; "),
        ("sync-uwsgi@", "'sync-uwsgi@' names no interpreter after @; "),
        ("sync-uwsgi:", "'' in 'sync-uwsgi:' sets nothing; write STACK:key=value,..."),
        ("sync-uwsgi:threads", "'threads' in 'sync-uwsgi:threads' sets nothing; "),
        ("sync-uwsgi:threads=5,threads=6", "'sync-uwsgi:threads=5,threads=6' sets threads twice"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        catalogue.find_deployments(text)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)
