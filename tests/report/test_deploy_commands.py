"""What serves with a program of the user's as it was measured."""

from typing import Any

import msgspec
import pytest

from servelab.model.deployment import Interface
from servelab.model.launch import LaunchCommand
from servelab.model.ready import Place, Ready
from servelab.model.service import OwnCommand, Service
from servelab.model.variant import Axis
from servelab.report import deploy
from servelab.store import redaction
from tests.report import units
from tests.report.own_runs import SERVICE, deployment, trial_of


def programs(*words: str, axes: tuple[Axis, ...] = (), **different: Any) -> Service:
    """Return a service of one program, in no environment."""
    return msgspec.structs.replace(
        SERVICE,
        name="mine",
        application="",
        interface=Interface.HTTP,
        **{
            "environment": None,
            "commands": (OwnCommand(name="mine", argv=words, axes=axes),),
            **different,
        },
    )


def ready(service: Service, *, text: str = "mine", place: Place | None = None) -> Ready:
    of = deployment(text, service=service)
    return deploy.ready(of, service=service, trial=trial_of(of, service=service), place=place)


def files(made: Ready) -> dict[str, str]:
    return {each.name: each.text for each in made.files}


def started(made: Ready) -> list[str]:
    (line,) = units.settings(files(made)["mine.service"], "ExecStart")
    return units.words(line, is_command=True)


NODE = programs("node", "shop.js", "{host}", "{port}")


def test_the_users_own_command_is_started_with_the_address_that_serves() -> None:
    made = ready(NODE, place=Place(program="/opt/node/bin/node"))
    assert set(files(made)) == {"mine.service", "Procfile"}
    assert started(made) == ["/opt/node/bin/node", "shop.js", "127.0.0.1", "8000"]
    assert files(made)["Procfile"] == "web: node shop.js 0.0.0.0 $PORT\n"
    assert made.command == "node shop.js 127.0.0.1 8000"
    assert made.install == ""
    assert made.differences == (
        "It listens on 127.0.0.1:8000; measured: 127.0.0.1:3000.",
        "The Procfile has it listen on 0.0.0.0 and the port that the platform gives.",
    )
    assert made.notes == ()


def test_it_finds_its_own_programs_and_no_environment_is_made_up_for_it() -> None:
    text = files(ready(NODE, place=Place(program="/opt/node/bin/node")))["mine.service"]
    assert units.settings(text, "Environment") == [
        "PATH=/opt/node/bin:/usr/local/bin:/usr/bin:/bin"
    ]
    text = files(ready(NODE, place=Place(program="/usr/bin/node")))["mine.service"]
    assert units.settings(text, "Environment") == ["PATH=/usr/local/bin:/usr/bin:/bin"]
    assert units.settings(text, "WorkingDirectory") == ["/srv/shop"]
    assert units.settings(text, "ExecStart")[0].startswith("/usr/bin/node ")


def test_with_an_environment_its_programs_come_first() -> None:
    service = msgspec.structs.replace(NODE, environment=SERVICE.environment)
    text = files(ready(service, place=Place(program="/srv/shop/.venv/bin/node")))["mine.service"]
    assert units.settings(text, "Environment") == [
        "PATH=/srv/shop/.venv/bin:/usr/local/bin:/usr/bin:/bin",
        "VIRTUAL_ENV=/srv/shop/.venv",
    ]


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("./serve", ["/srv/shop/serve"]),
        ("bin/serve", ["/srv/shop/bin/serve"]),
        ("/opt/serve", ["/opt/serve"]),
        ("serve", ["/usr/bin/env", "serve"]),
    ],
)
def test_a_program_that_was_not_found_is_named_so_that_systemd_finds_it(
    program: str, words: list[str]
) -> None:
    assert started(ready(programs(program, "{port}"))) == [*words, "8000"]


def test_the_values_that_won_stand_in_the_command() -> None:
    axis = Axis(setting="workers", values=("1", "2", "4"), start="2")
    service = programs("serve", "-w", "{workers}", "{port}", axes=(axis,))
    made = ready(service, text="mine:workers=4")
    assert started(made)[2:] == ["-w", "4", "8000"]
    assert files(made)["Procfile"] == "web: serve -w 4 $PORT\n"
    assert units.settings(files(made)["mine.service"], "Description") == ["mine workers=4"]


def test_of_a_program_that_cannot_be_told_a_port_no_other_is_claimed() -> None:
    made = ready(programs("serve", "--config", "a.toml"))
    assert made.differences == ("The Procfile has it listen where its command says.",)
    assert files(made)["Procfile"] == "web: serve --config a.toml\n"


def test_of_a_program_that_cannot_be_told_a_host_only_the_port_is_given() -> None:
    made = ready(programs("serve", "{port}"))
    assert made.differences[-1] == "The Procfile has it listen on the port that the platform gives."


def test_a_secret_in_a_command_stands_in_no_file_and_is_asked_for() -> None:
    typed = ("env", "API_TOKEN=hunter2", "serve", "--password", "hunter2")
    service = programs(*typed, "{port}")
    of = deployment("mine", service=service)
    launched = redaction.command(LaunchCommand(argv=(*typed, "3000")))
    trial = trial_of(of, service=service, command=str(launched))
    made = deploy.ready(of, service=service, trial=trial)
    assert not any("otherwise" in each for each in made.differences)
    assert "hunter2" not in repr(made)
    words = ["env", "API_TOKEN=***", "serve", "--password", "***", "8000"]
    assert started(made) == ["/usr/bin/env", *words]
    assert any("Its command has a secret" in each for each in made.notes)


def test_beside_an_application_it_is_called_by_its_own_name() -> None:
    service = msgspec.structs.replace(
        SERVICE, commands=(OwnCommand(name="mine", argv=("serve", "{port}")),)
    )
    assert "mine.service" in files(ready(service))
