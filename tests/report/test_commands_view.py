"""The commands of a run are shown to be copied, whole and in the order of the table."""

import json
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from servelab import catalogue
from servelab.model.deployment import Interface
from servelab.model.front import FrontUse
from servelab.model.service import OwnCommand
from servelab.model.trial import Role, Trial, TrialStatus
from servelab.model.verdict import Judging
from servelab.report import commands_view, json_text, markdown, rounds_view, tables, terminal, view
from servelab.report.printers import JsonPrinter, TextPrinter
from servelab.store.folder import StoredRun
from tests.fake_world import QUIET
from tests.report.own_runs import SERVICE, deployment, environment_in, run_of, trial_of

SYNC, GEVENT = "gunicorn-sync:processes=2", "gunicorn-gevent:processes=2"


def rounds(count: int, **rates: float) -> list[Trial]:
    """Return rounds of the two deployments with these rates."""
    return [
        trial_of(deployment(text), number=number, throughput_per_s=rate + number / 100)
        for number in range(1, count + 1)
        for text, rate in ((SYNC, rates.get("sync", 10.0)), (GEVENT, rates.get("gevent", 20.0)))
    ]


def typed(text: str) -> str:
    """Return the command with the address of one that serves."""
    return trial_of(deployment(text)).command.replace("127.0.0.1:3000", "127.0.0.1:8000")


def shown(run: StoredRun, *, width: int = 200, blocks: bool = True) -> str:
    text = StringIO()
    console = Console(
        file=text, force_terminal=True, width=width, color_system=None, highlight=False
    )
    notes = Console(file=StringIO())
    TextPrinter(console, notes, blocks=blocks, verbose=False).finish(run)
    return text.getvalue()


def test_the_best_comes_first_with_what_to_install() -> None:
    (found,) = commands_view.commands(run_of(rounds(3)))
    assert found.heading == (
        "To copy, best first, as measured but for the address; in /srv/shop, the environment "
        "/srv/shop/.venv being active:"
    )
    assert [each.title for each in found.commands] == [
        "gunicorn-gevent 2 processes",
        "gunicorn-sync 2 processes",
    ]
    assert found.commands[0].install == "pip install 'gunicorn[gevent]==27.0.1' gevent==26.9.0"
    assert found.commands[0].command == typed(GEVENT)


def test_without_pip_in_the_environment_uv_installs_into_it() -> None:
    environment = msgspec.structs.replace(environment_in("/srv/shop/.venv"), packages=())
    service = msgspec.structs.replace(SERVICE, environment=environment)
    (found,) = commands_view.commands(run_of(rounds(1), service=service))
    assert found.commands[1].install == (
        "uv pip install --python /srv/shop/.venv/bin/python gunicorn==27.0.1"
    )


def test_of_a_single_round_the_best_comes_first_too() -> None:
    (found,) = commands_view.commands(run_of(rounds(1)))
    assert [each.title.split()[0] for each in found.commands] == [
        "gunicorn-gevent",
        "gunicorn-sync",
    ]


def test_variables_that_the_application_needs_are_named_without_values() -> None:
    service = msgspec.structs.replace(SERVICE, variables=(("API_KEY", "s3cret"),), environment=None)
    (found,) = commands_view.commands(run_of(rounds(1), service=service))
    assert found.heading.endswith("a virtual environment being active, with API_KEY set:")
    assert "s3cret" not in str(found)


def test_what_failed_and_the_twin_of_the_control_have_no_command() -> None:
    failed = trial_of(deployment(SYNC), status=TrialStatus.FAILED, reason="it died")
    twin = trial_of(deployment(GEVENT), role=Role.CONTROL)
    run = run_of([failed, trial_of(deployment(GEVENT)), twin])
    (found,) = commands_view.commands(run)
    assert [each.deployment for each in found.commands] == [deployment(GEVENT).name]
    assert commands_view.commands(run_of([failed])) == ()


def test_a_command_that_is_not_known_anew_is_shown_as_it_was_measured() -> None:
    measured = "gunicorn --workers 17 --bind 127.0.0.1:3000 shop.site:app"
    (found,) = commands_view.commands(run_of([trial_of(deployment(SYNC), command=measured)]))
    assert found.commands[0].command == measured


@pytest.mark.parametrize(
    "name", ["uwsgi-threads:processes=2,threads=8", "uwsgi-processes", "uwsgi-gevent+nginx@3.13"]
)
def test_what_won_with_a_setting_off_that_a_search_begins_with_gets_its_address(name: str) -> None:
    (of,) = catalogue.own_deployments_named((name,), service=SERVICE, cpu_count=2)
    (found,) = commands_view.commands(run_of([trial_of(of)]))
    assert " --socket 127.0.0.1:8000 " in found.commands[0].command
    assert "lazy" not in found.commands[0].command


def test_where_every_round_is_voided_nothing_is_said_and_nothing_ordered() -> None:
    stolen = msgspec.structs.replace(QUIET, steal_share=0.2)
    run = run_of([msgspec.structs.replace(each, noise=stolen) for each in rounds(2)])
    assert table_of(run).verdict == (
        "Nothing can be said: 2 of 2 rounds were voided by what went on beside them. Quiet this "
        "machine, or ask: servelab doctor."
    )
    (found,) = commands_view.commands(run)
    assert found.heading.startswith("To copy, in no order")


def test_of_the_catalogues_applications_nothing_is_to_be_copied() -> None:
    assert commands_view.commands(run_of(rounds(1), service=None)) == ()


def test_a_server_that_is_not_known_any_more_is_shown_without_what_to_install() -> None:
    gone = trial_of(deployment(SYNC), deployment="gone:processes=2", stack="gone")
    (found,) = commands_view.commands(run_of([gone]))
    assert found.commands[0].install == ""
    assert "pip" not in shown(run_of([gone]))


@pytest.mark.parametrize("blocks", [True, False])
def test_they_stand_below_the_table_also_where_little_is_to_be_said(*, blocks: bool) -> None:
    text = shown(run_of(rounds(3)), blocks=blocks)
    assert text.index("requests/s") < text.index("To copy, best first")


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_narrow_terminal_does_not_break_a_command(width: int) -> None:
    lines = shown(run_of(rounds(3)), width=width).splitlines()
    for text in (SYNC, GEVENT):
        assert f"  {typed(text)}" in lines
    assert "  pip install 'gunicorn[gevent]==27.0.1' gevent==26.9.0" in lines


def test_what_a_file_claims_does_not_steer_the_terminal() -> None:
    hostile = trial_of(deployment(SYNC), command="\x1b[2Jrm -rf", heading="\x1b[2J")
    assert "\x1b" not in shown(run_of([hostile]))


def test_the_page_has_them_as_code() -> None:
    page = markdown.render(run_of(rounds(3)))
    assert "To copy, best first, as measured but for the address; in /srv/shop" in page
    command = typed(GEVENT)
    assert f"  ```\n  pip install 'gunicorn[gevent]==27.0.1' gevent==26.9.0\n  {command}\n" in page


def test_the_object_has_them(capsys: pytest.CaptureFixture[str]) -> None:
    JsonPrinter(Console(file=StringIO()), verbose=False).finish(run_of(rounds(3)))
    found = json.loads(capsys.readouterr().out)["commands"][0]
    assert found["workload"] == "shop.site:app"
    of_command = {"deployment", "title", "activate", "install", "command", "front"}
    assert set(found["commands"][0]) == of_command
    assert json.loads(json_text.render(run_of(rounds(1), service=None)))["commands"] == []


# ---- the table of an application of the user's


def table_of(run: StoredRun) -> view.Table:
    (table,) = tables.tables(run)
    return table


@pytest.mark.parametrize("count", [1, 3])
def test_without_any_ceiling_there_is_no_column_for_it(count: int) -> None:
    table = table_of(run_of(rounds(count)))
    headings = [column.heading for column in table.columns]
    assert "of ceiling" not in headings
    assert all(len(row.cells) == len(headings) for row in table.rows)
    assert "requests/s" in headings


@pytest.mark.parametrize("count", [1, 3])
def test_one_ceiling_brings_the_column_for_all(count: int) -> None:
    known = [*rounds(count)]
    known[0] = msgspec.structs.replace(known[0], efficiency=0.5)
    headings = [column.heading for column in table_of(run_of(known)).columns]
    assert "of ceiling" in headings


def test_the_way_to_a_verdict_is_more_rounds_of_the_same() -> None:
    table = table_of(run_of(rounds(3)))
    assert table.verdict.endswith(
        "Whether it is better than the others takes more rounds: "
        "servelab try shop.site:app ... --rounds 8."
    )
    assert "servelab compare" not in table.verdict


def test_of_the_catalogues_applications_it_is_still_a_comparison() -> None:
    assert "servelab compare" in table_of(run_of(rounds(3), service=None)).verdict


@pytest.mark.parametrize("trials", [rounds(8), rounds(3)[::2]], ids=["enough", "alone"])
def test_where_more_rounds_would_tell_nothing_nobody_is_sent_there(trials: list[Trial]) -> None:
    assert "--rounds" not in table_of(run_of(trials)).verdict


def test_with_enough_rounds_and_judging_the_verdict_is_given() -> None:
    run = run_of(rounds(8), judging=Judging())
    table = table_of(run)
    assert table.verdict.startswith(
        "gunicorn-gevent 2 processes beats gunicorn-sync 2 processes by "
    )
    assert "beside the best" in [column.heading for column in table.columns]
    assert rounds_view.is_decided(run)


def test_the_commands_of_a_doubtful_comparison_are_in_no_order() -> None:
    trials = rounds(8)
    twins = [
        msgspec.structs.replace(
            each, id=f"{each.id}-control", role=Role.CONTROL, throughput_per_s=5.0 * each.round
        )
        for each in trials[::2]
    ]
    (found,) = commands_view.commands(run_of([*trials, *twins], judging=Judging()))
    assert found.heading.startswith("To copy, in no order, ")
    assert len(found.commands) == 2


def test_a_console_gets_the_lines_as_they_are(tmp_path: Path) -> None:
    (found,) = commands_view.commands(run_of(rounds(1)))
    with (tmp_path / "out").open("w+") as out:
        terminal.print_commands(Console(file=out, width=terminal.WIDE), found)
        out.seek(0)
        assert f"  {found.commands[0].command}\n" in out.read()


def test_a_front_is_named_with_its_file_before_the_command() -> None:
    front = FrontUse(
        name="nginx",
        command="nginx -p . -c nginx.conf",
        configuration="logs/a.nginx.conf",
        upstream="unix:/tmp/gone/server.sock",
        log="logs/a.nginx.log",
    )
    run = run_of([trial_of(deployment(f"{SYNC}+nginx"), front=front)])
    ((found,),) = (each.commands for each in commands_view.commands(run))
    assert found.install == "pip install gunicorn==27.0.1"
    assert found.front.startswith("# nginx before it, as in ")
    assert found.front.endswith("/logs/a.nginx.conf, with the address below as its server")
    assert "--bind 127.0.0.1:" in found.command
    lines = [line.strip() for line in shown(run).splitlines()]
    assert lines.index(found.front) == lines.index(found.install) + 1


FACTORY = msgspec.structs.replace(
    SERVICE, application="shop.site:make", is_factory=True, arguments="'it'"
)


def test_a_module_that_names_the_application_is_shown_and_where_it_lies() -> None:
    named = [deployment(each, service=FACTORY) for each in ("cheroot", "gunicorn-sync")]
    run = run_of([trial_of(each, service=FACTORY) for each in named], service=FACTORY)
    (found,) = commands_view.commands(run)
    cheroot, gunicorn = found.commands
    assert cheroot.command.startswith("PYTHONPATH=/results/application python -m cheroot ")
    assert ":8000 " in cheroot.command
    assert gunicorn.command.endswith(" \"shop.site:make('it')\"")
    assert found.module_file == "/results/application/servelab_application.py"
    text = shown(run)
    assert "its server imports /results/application/servelab_application.py, which names" in text
    assert "  from shop.site import make\n" in text
    assert "  application = make('it')\n" in text
    assert "\napplication = make('it')\n" in markdown.render(run)


def test_where_no_server_needs_a_module_none_is_shown() -> None:
    of = deployment("gunicorn-sync", service=FACTORY)
    run = run_of([trial_of(of, service=FACTORY)], service=FACTORY)
    (found,) = commands_view.commands(run)
    assert (found.module, found.module_file) == ("", "")
    assert "imports" not in shown(run)


def test_a_command_of_the_users_is_copied_as_typed_and_nothing_is_installed_for_it() -> None:
    service = msgspec.structs.replace(
        SERVICE,
        application="",
        interface=Interface.HTTP,
        environment=None,
        commands=(OwnCommand(name="gunicorn", argv=("./serve", "--on={host}:{port}")),),
    )
    trial = trial_of(deployment("gunicorn", service=service), service=service, number=1)
    (found,) = commands_view.commands(run_of([trial], service=service))
    assert found.heading == "To copy, best first, as measured but for the address; in /srv/shop:"
    (shown,) = found.commands
    assert (shown.install, shown.command) == ("", "./serve --on=127.0.0.1:8000")
