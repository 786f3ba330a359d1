"""Point 5: what a user's application, its folder and its servers say is shown as text, too."""

import json
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from tests.report.own_runs import SERVICE, deployment, run_of, trial_of
from tests.security.test_point_5 import STEERS, opens_no_markup
from tests.security.words import BREAKING, MARKUP, NAMES, STEERING

from servelab.application.naming import parse
from servelab.errors import UsageError
from servelab.load.fetch import Answer
from servelab.measure.agreement import Heard, agree
from servelab.model.load import Asked, Request
from servelab.model.service import Service
from servelab.report import (
    agreement_words,
    commands_view,
    deploy,
    json_text,
    markdown,
    printers,
    terminal,
)
from servelab.report.plain_text import LONGEST_TEXT
from servelab.store.folder import StoredRun

SHOWN = [word for word in NAMES if word.strip()]


def hostile(words: str) -> Service:
    """Return a service which says these words wherever it can."""
    assert SERVICE.environment is not None
    return msgspec.structs.replace(
        SERVICE,
        name=words,
        framework=words,
        directory=f"/srv/{words}",
        environment=msgspec.structs.replace(
            SERVICE.environment, directory=Path("/srv") / words.replace("\0", "")
        ),
        variables=((words, words), ("SHOP", words)),
        asked=(Asked(request=Request(path=f"/{words}")),),
    )


def stored(words: str) -> StoredRun:
    service = hostile(words)
    trials = [
        msgspec.structs.replace(
            trial_of(deployment(each, service=service), service=service),
            workload=service.label,
            command=words,
            heading=words,
            summary=words,
            reason=words,
        )
        for each in ("gunicorn-sync", "uwsgi-threads")
    ]
    return run_of(trials, service=service)


def without_indentation(page: str) -> Iterator[str]:
    """Yield the lines of a page, with the code of its lists as if it were in none."""
    fence = ""
    for line in page.split("\n"):
        shorter = line.removeprefix("  ")
        if fence:
            assert line.startswith("  "), "this ends the item, and the code with it"
            yield shorter
            fence = "" if shorter == fence else fence
        elif re.fullmatch(r"  `{3,}", line):
            fence = shorter
            yield shorter
        else:
            yield line


def console_to(shown: StringIO) -> Console:
    return Console(file=shown, force_terminal=True, width=120, color_system=None, highlight=False)


@pytest.mark.parametrize("words", SHOWN, ids=range(len(SHOWN)))
def test_point_5_commands_to_copy_steer_nobody(words: str) -> None:
    shown = StringIO()
    found = commands_view.commands(stored(words))
    assert found
    for each in found:
        terminal.print_commands(console_to(shown), each)
    assert not STEERS.search(shown.getvalue())
    assert len(shown.getvalue()) < 60 * LONGEST_TEXT


@pytest.mark.parametrize("words", SHOWN, ids=range(len(SHOWN)))
def test_point_5_the_whole_report_of_an_application_is_text(words: str) -> None:
    run = stored(words)
    shown = StringIO()
    printers.TextPrinter(console_to(shown), console_to(shown), blocks=True, verbose=True).finish(
        run
    )
    assert not STEERS.search(shown.getvalue())
    page = markdown.render(run)
    assert not STEERS.search(page)
    opens_no_markup("\n".join(without_indentation(page)))
    text = json_text.render(run)
    assert not STEERS.search(text)
    assert json.loads(text)["trials"][0]["workload"] == hostile(words).label


@pytest.mark.parametrize("words", SHOWN, ids=range(len(SHOWN)))
def test_point_5_what_servers_answered_is_told_as_text(words: str) -> None:
    body = words.encode(errors="replace")
    heard = [
        Heard(deployment=f"one {words}", title=words, answers=((Answer(status=200, body=body),),)),
        Heard(
            deployment="two", title="two", answers=((Answer(status=200, body=b"-" + body * 2),),)
        ),
        Heard(
            deployment="three",
            title=words,
            answers=((Answer(status=302, body=b"", location=words),),),
        ),
        Heard(deployment="four", title=words, failure=words),
    ]
    asked = (Asked(request=Request(path=f"/{words}")),)
    found = agree(heard, asked=asked)
    shown = StringIO()
    printer = printers.TextPrinter(console_to(shown), console_to(shown), blocks=True, verbose=False)
    titles = {each.deployment: each.title for each in heard}
    for line in agreement_words.lines(found, titles=titles):
        printer.note(line)
    printer.note(agreement_words.refusal(found, name=words))
    assert not STEERS.search(shown.getvalue())
    assert len(shown.getvalue()) < 20 * LONGEST_TEXT


@pytest.mark.parametrize("words", SHOWN, ids=range(len(SHOWN)))
def test_point_5_files_to_serve_with_hold_no_line_of_anybody_elses(words: str) -> None:
    service = hostile(words)
    of = deployment("gunicorn-sync", service=service)
    if "\n" in words or words == STEERING:
        with pytest.raises(UsageError, match=r"line break|cannot stand"):
            deploy.ready(of, service=service, trial=trial_of(of, service=service))
        return
    made = deploy.ready(of, service=service, trial=trial_of(of, service=service))
    for file in made.files:
        assert "/" not in file.name
        assert "\n# owned" not in file.text
        assert "\x1b" not in file.text


@pytest.mark.parametrize(
    "words",
    [MARKUP, STEERING, BREAKING, "\udcff", "x" * 1_000_000 + "!", "a:" + "(" * 100_000, "a:\0"],
    ids=range(7),
)
def test_point_5_a_module_of_any_name_is_refused_in_a_sentence(words: str) -> None:
    with pytest.raises(UsageError):
        parse(words)
