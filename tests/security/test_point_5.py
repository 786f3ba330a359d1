"""Point 5: what servers, files and users wrote is shown as text, wherever it is shown.

There is no HTML report yet; its escaping belongs here when there is.
"""

import json
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from tests.conftest import Run
from tests.fake_world import Script, World
from tests.security.words import BREAKING, MARKUP, NAMES, STEERING
from tests.store.examples import FACTS, PLAN, trial

from servelab.cli import main
from servelab.model.progress import Progress, Skipped, Stage, TrialStarted
from servelab.model.times import Times
from servelab.model.trial import Histogram, Trial, TrialStatus, Warning  # noqa: A004
from servelab.report import json_text, load_view, markdown, tables, terminal, view
from servelab.report.plain_text import LONGEST_TEXT
from servelab.report.progress import LiveProgress
from servelab.store.folder import RunEnd, StoredRun
from servelab.store.lines import BrokenLine

TIMES = Times(
    mean=1.0, p50=1.0, p60=1.0, p70=1.0, p75=1.0, p80=1.0, p90=1.0, p95=1.0, p99=1.0, max=1.0
)
STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def hostile(words: str, *, is_load: bool = False) -> Trial:
    """Return a trial which says these words wherever it can."""
    return trial(
        "t1",
        deployment="load" if is_load else words,
        stack=words,
        heading=words,
        summary=words,
        workload=words,
        status=TrialStatus.FAILED,
        reason=words,
        command=words,
        departures=[words],
        samples=[words],
        warnings=[Warning(kind=words, text=words)],
        interpreter=words,
        started_at=words,
        packages={words: words},
        parameters={words: words},
        calls_per_worker={words: 1},
        ledger={"scheduled": 2, "sent": 2, "ok": 1, words: 1},
        audit_errors=[words],
        response_time_s=TIMES,
        response_time_histogram=Histogram(edges_s=(0.1, 1.0), counts=(2,)),
    )


def run_of(words: str, *, is_load: bool = False) -> StoredRun:
    facts = msgspec.structs.replace(
        FACTS,
        servelab=words,
        started_at=words,
        arguments=[words],
        host=msgspec.structs.replace(
            FACTS.host, cpu_model=words, kernel=words, architecture=words, virtualisation=words
        ),
    )
    return StoredRun(
        folder=Path("here"),
        facts=facts,
        trials=(hostile(words, is_load=is_load), msgspec.structs.replace(hostile(words), id="t2")),
        broken=(BrokenLine(file=Path("trials.jsonl"), number=1, reason=words),),
        end=RunEnd(planned=2, skipped={words: words}),
        plan=None if is_load else PLAN,
    )


def on_a_terminal(run: StoredRun, *, width: int) -> str:
    shown = StringIO()
    console = Console(
        file=shown, force_terminal=True, width=width, color_system=None, highlight=False
    )
    for each in run.trials:
        if each.is_load_alone:
            terminal.print_load(console, load_view.page(each))
        else:
            terminal.print_block(console, view.block(each))
    for table in tables.tables(run):
        terminal.print_table(console, table)
    return shown.getvalue()


@pytest.mark.parametrize("is_load", [False, True])
@pytest.mark.parametrize("words", NAMES, ids=range(len(NAMES)))
@pytest.mark.parametrize("width", [40, 80, 200])
def test_point_5_a_terminal_is_not_steered(words: str, width: int, *, is_load: bool) -> None:
    shown = on_a_terminal(run_of(words, is_load=is_load), width=width)
    assert not STEERS.search(shown)
    assert len(shown) < 60 * LONGEST_TEXT


def opens_no_markup(page: str) -> None:
    """Hold a page against CommonMark, line by line: nothing of it is markup but the page's own."""
    fence = ""
    for line in page.split("\n"):
        if fence:
            fence = "" if line == fence else fence
            continue
        if re.fullmatch(r"`{3,}", line):
            fence = line
            continue
        # Spans of code show what they hold; what is escaped is text.
        text = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", line)
        text = re.sub(r"\\[\\`*_{}\[\]<>#|&~$+=:.)-]", "", text)
        assert "<" not in text, line
        assert "](" not in text, line
        assert not re.match(r"\s*(~~~|```)", text), line
        assert not text.startswith(("    ", "\t", "=")), line
        assert "owned" not in line or not re.match(r"(#|\||-) ?owned", line), line
    assert not fence


@pytest.mark.parametrize("is_load", [False, True])
@pytest.mark.parametrize("words", NAMES, ids=range(len(NAMES)))
def test_point_5_a_markdown_page_has_no_markup_but_its_own(words: str, *, is_load: bool) -> None:
    page = markdown.render(run_of(words, is_load=is_load))
    assert not STEERS.search(page)
    assert len(page) < 60 * LONGEST_TEXT
    opens_no_markup(page)


@pytest.mark.parametrize("words", NAMES, ids=range(len(NAMES)))
def test_point_5_json_holds_every_word_and_steers_nobody(words: str) -> None:
    text = json_text.render(run_of(words))
    assert not STEERS.search(text)
    document = json.loads(text)
    assert document["trials"][0]["stack"] == words
    assert document["run"]["arguments"] == [words]
    assert document["skipped"] == {words: words}


@pytest.mark.parametrize("words", NAMES, ids=range(len(NAMES)))
def test_point_5_progress_and_notes_are_not_steered(words: str) -> None:
    shown = StringIO()
    console = Console(
        file=shown,
        force_terminal=True,
        width=80,
        color_system=None,
        highlight=False,
        legacy_windows=False,
    )
    bars = LiveProgress(console)
    bars.show(TrialStarted(title=words, index=1, count=2, round=1))
    bars.show(Progress(title=words, stage=Stage.STARTING, detail=words))
    bars.show(Skipped(deployment=words, reason=words))
    console.print(bars._bars.get_renderable())
    assert not STEERS.search(shown.getvalue())
    assert len(shown.getvalue()) < 100_000


@pytest.mark.parametrize("words", [MARKUP, STEERING, BREAKING, "\udcff", "x" * 1_000_000])
def test_point_5_an_error_repeats_words_without_being_steered(
    words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in (
        ["run", words, "cpu"],
        ["run", "sync-uwsgi", words],
        ["show", words],
        [words],
    ):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        told = capsys.readouterr()
        assert ended.value.code == 2
        assert not STEERS.search(told.err)
        assert "Traceback" not in told.err
        assert len(told.err) < 3 * LONGEST_TEXT


@pytest.mark.live
def test_point_5_a_folder_of_any_name_can_be_written_and_read(tmp_path: Path) -> None:
    """Names of files are bytes, which need not be text."""
    program = (
        "import sys; from servelab.cli import main; from servelab.measure import machinery\n"
        "from tests.fake_world import Script, World\n"
        "machinery.real = World({'flask': Script()}).machinery; main()"
    )

    def servelab(*arguments: bytes) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            check=False,
        )

    folder = bytes(tmp_path) + b"/\xff\x1b[31m" + "ü\u202e".encode()
    done = servelab(b"run", b"sync-devserver", b"cpu", b"--json", b"--out", folder)
    assert done.returncode == 0, done.stderr
    for arguments in ((b"show",), (b"show", b"--json"), (b"report",)):
        done = servelab(*arguments, folder)
        assert done.returncode == 0, done.stderr
        assert not STEERS.search(done.stdout.decode() + done.stderr.decode())


def test_point_5_a_servers_last_words_go_through_the_whole_tool(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def last_words(*_: object) -> tuple[str, ...]:
        return (MARKUP, STEERING, BREAKING)

    monkeypatch.setattr("tests.fake_world.FakeServer.log_tail", last_words)
    world = World({"flask": Script(dies_under_load=True)})
    for arguments in ([], ["--json"], ["-q"], ["-v"]):
        out = f"r{len(arguments)}{''.join(arguments)}"
        status, printed, notes = run(
            world, "run", "sync-devserver", "cpu", "--out", out, *arguments
        )
        assert status == 1
        assert not STEERS.search(printed + notes)
    _, page, _ = run(world, "report", "r0")
    opens_no_markup(page)
