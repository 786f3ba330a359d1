"""Point 6: files of results are untrusted; whatever is in them, they give an answer or an error."""

import copy
import json
import random
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.conftest import Run
from tests.fake_world import Script, World
from tests.own_world import know, serving
from tests.security.words import BREAKING, MARKUP, STEERING

from servelab.errors import ServelabError, StoreError
from servelab.load.conversion import convert
from servelab.load.generator import read_records
from servelab.load.record import ROW, Recorder
from servelab.report import json_text, load_view, markdown, runs, tables, terminal, view

CASES = 10_000
DOCUMENTS = ("run.json", "plan.json", "end.json", "tuning.json")
LINES = "trials.jsonl"
TIMED = {"compare", "try", "tune"}
NUMBERS = (0, -1, 1, 2, 0.0, -0.5, 1e-300, 5e-324, 1e15, -1e15, 1e300, 10**18, 10**40, 0.999, 10**9)
TEXTS = (
    *("", " ", MARKUP, STEERING, BREAKING, "x" * 2000, "../../../etc/passwd", "/dev/zero", "load"),
    *(
        "sync-devserver",
        "io",
        "cpu",
        "nan",
        "1e999",
        "9" * 5000,
        "ok",
        "failed",
        "control",
        "closed",
        "waitress",
        "gunicorn-gthread",
    ),
    "__import__('pathlib').Path('canary').touch()",
    "{0.__class__.__mro__}",
)
OTHERS: tuple[Any, ...] = (None, True, False, [], {}, [[]], {"a": 1}, [None], [1, 2, 3])

Files = dict[str, bytes]


@pytest.fixture
def own_application(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have `shop:app` found at once."""
    project = tmp_path / "shop"
    project.mkdir()
    know(monkeypatch, project)


def of_runs(run: Run, tmp_path: Path) -> list[Files]:
    """Return the files of a few short runs of each kind."""
    world = World(
        {
            "waitress": serving(service_s=0.05),
            "flask": Script(service_s=0.05),
            "uvicorn": Script(service_s=0.02, workers=2),
        }
    )
    asked = (
        ("run", "sync-devserver", "async-fastapi:processes=2", "cpu", "-n", "50"),
        ("run", "sync-devserver", "io", "-n", "50", "--param", "delay_s=0.5"),
        ("compare", "sync-devserver", "async-fastapi:processes=2", "cpu", "--rounds", "3"),
        ("load", "http://127.0.0.1:8000/", "-n", "50"),
        ("try", "shop:app", "--only", "waitress"),
        ("tune", "shop:app", "--only", "waitress", "--slo", "p50<1s"),
    )
    found = []
    for number, arguments in enumerate(asked):
        folder = tmp_path / f"run-{number}"
        short = ("--duration", "5", "-c", "4") if arguments[0] in TIMED else ()
        status, _, notes = run(world, *arguments, *short, "--out", str(folder))
        assert status in {0, 3}, notes
        found.append({each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()})
    return found


def sealed(value: Any) -> bytes:
    body = json.dumps(value, separators=(",", ":")).encode()
    return body[:-1] + b',"checksum":"%08x"}\n' % zlib.crc32(body)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each container in a value with each of its keys."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


def another(value: Any, *, chance: random.Random) -> Any:
    """Return something else: mostly of the same type, so that it gets beyond the first check."""
    if chance.random() < 0.15:
        return chance.choice((*OTHERS, *NUMBERS, *TEXTS))
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return chance.choice((*NUMBERS, value * 1000, -value))
    if isinstance(value, str):
        return chance.choice(TEXTS)
    if isinstance(value, list | dict):
        parts = list(value.items()) if isinstance(value, dict) else value
        return type(value)(chance.choice(([], parts[:-1], parts * 3, parts[::-1])))
    return chance.choice((*NUMBERS, *TEXTS))


def with_other_values(text: bytes, *, chance: random.Random) -> Any:
    value = json.loads(text)
    value.pop("checksum", None)
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        where, key = chance.choice(list(places(value)) or [({"": 0}, "")])
        action = chance.random()
        if action < 0.1 and isinstance(where, dict):
            del where[key]
        elif action < 0.2:
            where[key] = copy.deepcopy(chance.choice([*places(value), ({}, "")])[0])
        else:
            where[key] = another(where[key], chance=chance)
    return value


def with_other_bytes(content: bytes, *, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 3, 20))):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(5):
            case 0 if at < len(changed):
                changed[at] = chance.randrange(256)
            case 1:
                changed[at:at] = chance.randbytes(chance.choice((1, 4, 300)))
            case 2:
                del changed[at : at + chance.choice((1, 10, 1000))]
            case 3:
                del changed[at:]
            case _:
                changed[at:at] = changed[at : at + 200]
    return bytes(changed)


def mutated(files: Files, *, chance: random.Random) -> Files:
    name = chance.choice((*DOCUMENTS, LINES, LINES, LINES, LINES, LINES))
    if name == "tuning.json" and name not in files:
        name = LINES
    content = files.get(name, b"{}")
    if chance.random() < 0.3:
        return {**files, name: with_other_bytes(content, chance=chance)}
    if name != LINES:
        return {**files, name: json.dumps(with_other_values(content, chance=chance)).encode()}
    lines = content.splitlines(keepends=True)
    at = chance.randrange(len(lines))
    lines[at] = sealed(with_other_values(lines[at], chance=chance))
    return {**files, name: b"".join(lines)}


def tell_all(folder: Path, *, on_terminal: bool) -> None:
    run = runs.read(folder)
    json.loads(json_text.render(run))
    markdown.render(run)
    if on_terminal:
        console = Console(file=StringIO(), force_terminal=True, width=72, color_system=None)
        for each in run.trials:
            if each.is_load_alone:
                terminal.print_load(console, load_view.page(each))
            else:
                terminal.print_block(console, view.block(each))
        for table in tables.tables(run):
            terminal.print_table(console, table)


@pytest.mark.parametrize("cases", [1_000, pytest.param(CASES, marks=pytest.mark.slow)])
@pytest.mark.usefixtures("own_application")
def test_point_6_files_mutated_at_random_give_an_answer_or_an_error(
    run: Run, tmp_path: Path, cases: int
) -> None:
    of_all = of_runs(run, tmp_path)
    folder = tmp_path / "mutated"
    folder.mkdir()
    told = refused = 0
    for case in range(cases):
        chance = random.Random(case)  # noqa: S311 - no secret
        for name, content in mutated(chance.choice(of_all), chance=chance).items():
            (folder / name).write_bytes(content)
        try:
            tell_all(folder, on_terminal=case % 10 == 0)
            told += 1
        except ServelabError:
            refused += 1
        except Exception as error:
            raise AssertionError(f"case {case}: {error!r}") from error
        for each in folder.iterdir():
            each.unlink()
    assert told + refused == cases
    assert min(told, refused) > cases / 50
    assert not list(tmp_path.rglob("canary"))
    assert not Path("canary").exists()


@pytest.mark.usefixtures("own_application")
def test_point_6_through_the_commands_it_is_a_status_and_a_sentence(
    run: Run, tmp_path: Path
) -> None:
    of_all = of_runs(run, tmp_path)
    folder = tmp_path / "mutated"
    folder.mkdir()
    for case in range(CASES, CASES + 50):
        chance = random.Random(case)  # noqa: S311
        for name, content in mutated(chance.choice(of_all), chance=chance).items():
            (folder / name).write_bytes(content)
        for arguments in (("show",), ("show", "--json"), ("report",)):
            status, _, notes = run(World({}), *arguments, str(folder))
            assert status in {0, 2}, (case, notes)
            assert "Traceback" not in notes


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    raw = Recorder(tmp_path / "raw")
    for number in range(100):
        raw.keep(ROW.pack(1, 1, 1, 1, 1, 2 + number, number, 0, 0, 0, 200, 0))
    raw.close()
    convert([tmp_path / "raw"], tmp_path / "it.parquet", expected=[100])
    return tmp_path / "it.parquet"


def test_point_6_records_mutated_at_random_are_read_or_refused(parquet: Path) -> None:
    whole = parquet.read_bytes()
    for case in range(200):
        parquet.write_bytes(with_other_bytes(whole, chance=random.Random(case)))  # noqa: S311
        with suppress(StoreError):
            read_records(parquet)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"PAR1" * 100),
    ],
)
def test_point_6_records_that_are_none_are_an_error(
    parquet: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(parquet)
    with pytest.raises(StoreError, match=r"it\.parquet"):
        read_records(parquet)


def test_point_6_records_of_another_form_or_beyond_all_measure_are_an_error(
    parquet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    other = tmp_path / "other.parquet"
    pq.write_table(pa.table({"planned_ns": ["text"]}), other)
    with pytest.raises(StoreError, match="no records of a load"):
        read_records(other)
    monkeypatch.setattr("servelab.load.records.MOST_RECORDS", 99)
    with pytest.raises(StoreError, match="100 records"):
        read_records(parquet)


@pytest.mark.usefixtures("own_application")
@pytest.mark.parametrize("cases", [200, pytest.param(1_000, marks=pytest.mark.slow)])
def test_point_6_what_a_race_was_to_be_mutated_at_random_gives_an_answer_or_an_error(
    run: Run, tmp_path: Path, cases: int
) -> None:
    mutate_race(of_runs(run, tmp_path)[-1], cases=cases, folder=tmp_path / "mutated")


@pytest.mark.parametrize("cases", [50, pytest.param(1_000, marks=pytest.mark.slow)])
def test_point_6_what_a_race_of_commands_behind_a_front_was_to_be_may_be_mutated_too(
    run: Run, tmp_path: Path, cases: int
) -> None:
    world = World({"pool": serving(service_s=0.05)})
    status, _, notes = run(
        world,
        *("tune", "--command", "pool --workers {workers=1|2|4} {port}", "--front", "nginx"),
        *("--slo", "p50<10ms", "--duration", "5", "-c", "4", "--out", str(tmp_path / "race")),
    )
    assert status == 3, notes
    files = [each for each in (tmp_path / "race").iterdir() if each.is_file()]
    race = {each.name: each.read_bytes() for each in files}
    mutate_race(race, cases=cases, folder=tmp_path / "mutated")


def mutate_race(race: Files, *, cases: int, folder: Path) -> None:
    """Tell a race with other values in what it was to be: an answer, or an error of servelab's."""
    folder.mkdir()
    told = 0
    for case in range(cases):
        chance = random.Random(case)  # noqa: S311
        order = json.dumps(with_other_values(race["tuning.json"], chance=chance)).encode()
        for name, content in {**race, "tuning.json": order}.items():
            (folder / name).write_bytes(content)
        try:
            tell_all(folder, on_terminal=case % 10 == 0)
            told += 1
        except ServelabError:
            pass
        except Exception as error:
            raise AssertionError(f"case {case}: {error!r}") from error
    assert cases / 50 < told < cases
