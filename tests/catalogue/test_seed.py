"""The seed's page, as the catalogue has it."""

import pytest

from servelab import catalogue
from servelab.model.address import Address
from servelab.model.deployment import Deployment
from servelab.model.launch import LaunchCommand

ADDRESS = Address("127.0.0.1", 3000)
SEED_STACKS = (
    "sync-devserver",
    "sync-devserver-threaded",
    "sync-uwsgi",
    "sync-gunicorn",
    "sync-grpc",
    "async-gevent-pywsgi",
    "async-gevent-uwsgi",
    "async-gevent-gunicorn",
    "async-fastapi",
    "async-fastapi-gunicorn",
    "async-grpc",
)
UWSGI = "--protocol http --socket 127.0.0.1:3000 --module"
UWSGI_GREENLETS = "uwsgi --master --single-interpreter"
UWSGI_QUIET = "--die-on-term --listen 1024 --disable-logging"
GUNICORN = "--bind 127.0.0.1:3000 --timeout 61 --no-control-socket"
GEVENT = "--worker-class gevent"
UVICORN_WORKER = "--worker-class uvicorn_worker.UvicornWorker"
COMMANDS = (
    "flask run --no-reload --without-threads --host 127.0.0.1 --port 3000",
    "flask run --no-reload --with-threads --host 127.0.0.1 --port 3000",
    f"uwsgi --master --workers 1 --threads 50 {UWSGI} app:app {UWSGI_QUIET}",
    f"uwsgi --master --workers 1 --threads 200 {UWSGI} app:app {UWSGI_QUIET}",
    f"uwsgi --master --workers 4 --threads 50 {UWSGI} app:app {UWSGI_QUIET}",
    f"gunicorn --workers 1 --threads 50 {GUNICORN} app:app",
    f"gunicorn --workers 1 --threads 200 {GUNICORN} app:app",
    f"gunicorn --workers 4 --threads 50 {GUNICORN} app:app",
    "python app.py --bind 127.0.0.1:3000 --processes 1 --threads 50",
    "python -m serve_pywsgi --bind 127.0.0.1:3000 patched:app",
    f"{UWSGI_GREENLETS} --workers 1 --gevent 2000 {UWSGI} patched:app {UWSGI_QUIET}",
    f"{UWSGI_GREENLETS} --workers 4 --gevent 2000 {UWSGI} patched:app {UWSGI_QUIET}",
    f"gunicorn {GEVENT} --workers 1 {GUNICORN} patched:app",
    f"gunicorn {GEVENT} --workers 4 {GUNICORN} patched:app",
    "uvicorn --host 127.0.0.1 --port 3000 --workers 1 app:app",
    "uvicorn --host 127.0.0.1 --port 3000 --workers 4 app:app",
    f"gunicorn {UVICORN_WORKER} --workers 1 {GUNICORN} app:app",
    f"gunicorn {UVICORN_WORKER} --workers 4 {GUNICORN} app:app",
    "python app.py --bind 127.0.0.1:3000 --processes 1",
)


def seed_deployments() -> list[Deployment]:
    return [
        deployment
        for stack in catalogue.stacks()
        if not stack.is_beyond_the_seed
        for deployment in stack.deployments
    ]


def command(deployment: Deployment) -> LaunchCommand:
    return catalogue.launch_command(deployment, address=ADDRESS, longest_drain_s=60, cpu_count=2)


def test_the_seeds_stacks_come_first_and_in_its_order() -> None:
    names = [stack.name for stack in catalogue.stacks()]
    assert tuple(names[: len(SEED_STACKS)]) == SEED_STACKS
    assert names[len(SEED_STACKS) :] == sorted(names[len(SEED_STACKS) :])


def test_every_seed_deployment_is_started_with_the_seeds_command() -> None:
    assert tuple(str(command(each)) for each in seed_deployments()) == COMMANDS


def test_eighteen_of_nineteen_deployments_have_published_figures() -> None:
    figures = [catalogue.published(each, workload="cpu") for each in seed_deployments()]
    missing = [figure is None for figure in figures]
    assert len(figures) == 19
    assert missing.index(True) == COMMANDS.index(
        "python -m serve_pywsgi --bind 127.0.0.1:3000 patched:app"
    )
    assert sum(missing) == 1


def test_published_figures_are_those_of_the_page() -> None:
    (deployment,) = catalogue.find_deployments("sync-gunicorn:processes=4,threads=50")
    figures = catalogue.published(deployment, workload="cpu")
    assert figures == catalogue.Published(
        failures=218,
        requests_per_s=12.333039505910937,
        mean_ms=5228.97303395155,
        p50_ms=5333.8282108306885,
        p100_ms=6021.569013595581,
    )


def test_no_figures_were_published_for_io_nor_beyond_the_seed() -> None:
    (deployment,) = catalogue.find_deployments("sync-gunicorn:processes=2,threads=50")
    assert catalogue.published(deployment, workload="cpu") is None
    assert catalogue.published(seed_deployments()[0], workload="io") is None


@pytest.mark.parametrize(
    ("text", "heading"),
    [
        ("sync-uwsgi:processes=1", "1 process * 50 threads"),
        ("sync-uwsgi:processes=4", "4 processes * 50 threads"),
        ("async-gevent-uwsgi:processes=4", "4 processes * 2000 async cores"),
        ("async-fastapi:processes=1", "1 process"),
        ("sync-grpc", "1 process * 50 threads"),
        ("sync-devserver", "without threads"),
        ("async-gevent-pywsgi", ""),
    ],
)
def test_settings_are_said_in_the_seeds_words(text: str, heading: str) -> None:
    assert catalogue.find_deployments(text)[0].heading == heading


def test_every_departure_from_the_seed_is_one_sentence() -> None:
    for stack in catalogue.stacks():
        for deployment in stack.deployments:
            departures = command(deployment).departures
            assert any("127.0.0.1" in each for each in departures)
            assert all(each.endswith(".") for each in departures)


def test_beyond_the_seed_each_deployment_can_be_started() -> None:
    beyond = [stack for stack in catalogue.stacks() if stack.is_beyond_the_seed]
    assert {stack.name for stack in beyond} >= {
        "async-fastapi-def",
        "async-fastapi-process-pool",
        "async-grpc-processes",
        "sync-grpc-processes",
        "sync-gunicorn-sync",
        "sync-uwsgi-processes",
    }
    for stack in beyond:
        for deployment in stack.deployments:
            assert "3000" in str(command(deployment))


def test_a_stack_can_give_its_command_variables() -> None:
    (deployment,) = catalogue.find_deployments("async-fastapi-process-pool")
    assert command(deployment).variables == (("POOL_PROCESSES", "2"),)


def test_every_application_exists() -> None:
    for stack in catalogue.stacks():
        for deployment in stack.deployments:
            module, _, name = deployment.application.partition(":")
            source = catalogue.application_directory(deployment) / f"{module}.py"
            assert source.is_file()
            assert name
