"""Point 8: nothing that is stored tells a credential."""

from pathlib import Path

import pytest
from tests.conftest import Run
from tests.fake_world import Script, World

from servelab.environment import build, uv_runs
from servelab.model.environment import EnvironmentSpec
from servelab.model.launch import LaunchCommand

SECRET = "hunter2"  # noqa: S105 - an example


def told(folder: Path) -> list[Path]:
    files = [each for each in folder.rglob("*") if each.is_file()]
    assert len(files) >= 3
    return [each for each in files if SECRET.encode() in each.read_bytes()]


def test_point_8_no_argument_of_a_load_is_stored_with_its_credentials(
    run: Run, tmp_path: Path
) -> None:
    run(
        World({}),
        *("load", f"http://me:{SECRET}@127.0.0.1:8000/?access_token={SECRET}", "-n", "10"),
        *("-H", f"Authorization: Bearer {SECRET}", f"--header=Cookie: id={SECRET}"),
        *("-H", f"X-Unsuspicious: Bearer {SECRET}", f"-Hx-api-key:{SECRET}"),
        *("--body", f'{{"user": "me", "password": "{SECRET}"}}'),
        *("--expect-header", f"Set-Cookie: {SECRET}", f"--expect-json=token={SECRET}"),
        *("--out", "here"),
    )
    assert told(tmp_path / "here") == []


def test_point_8_requirements_are_stored_without_credentials(run: Run, tmp_path: Path) -> None:
    wanted = f"gunicorn @ https://me:{SECRET}@index.example/g.whl?token={SECRET}"
    status, printed, _ = run(
        World({"gunicorn": Script()}),
        *("run", "sync-gunicorn:threads=5", "cpu", "--with", wanted, "--json", "--out", "here"),
    )
    assert status == 0
    assert told(tmp_path / "here") == []
    assert SECRET not in printed


def test_point_8_what_a_dying_server_says_is_stored_without_credentials(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def last_words(*_: object) -> tuple[str, ...]:
        return (
            f"cannot connect to postgres://app:{SECRET}@db/app",
            f"Authorization: Bearer {SECRET}",
            f"API_TOKEN={SECRET}",
        )

    monkeypatch.setattr("tests.fake_world.FakeServer.log_tail", last_words)
    world = World({"flask": Script(dies_under_load=True)})
    status, printed, _ = run(world, "run", "sync-devserver", "cpu", "--out", "here")
    assert status == 1
    assert "cannot connect to postgres://***@db/app" in printed
    assert SECRET not in printed
    assert told(tmp_path / "here") == []


def test_point_8_variables_of_a_command_are_stored_without_credentials(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = LaunchCommand(
        argv=("flask", "run", f"--password={SECRET}", f"--database=pg://me:{SECRET}@db/x"),
        variables=(("API_KEY", SECRET), ("FLASK_APP", "auth:app")),
    )
    monkeypatch.setattr("servelab.catalogue.launch_command", lambda *_, **__: command)
    world = World({"flask": Script()})
    _, printed, _ = run(world, "run", "sync-devserver", "cpu", "--out", "here")
    assert told(tmp_path / "here") == []
    assert (
        "$ API_KEY='***' FLASK_APP=auth:app flask run '--password=***' '--database=pg://***@db/x'"
        in printed
    )
    # The server itself is told all of it.
    assert world.started == [str(command)]


def test_point_8_why_a_deployment_was_skipped_is_stored_without_credentials(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = EnvironmentSpec(
        name="x",
        requirements=(f"thing @ https://me:{SECRET}@index.example/thing.whl",),
        constraints="",
        lock=None,
    )
    output = f"error: thing not found at https://me:{SECRET}@index.example/thing.whl"
    error = uv_runs.not_built(spec, output=output)
    assert SECRET not in str(error)
    assert "https://***@index.example/thing.whl" in str(error)

    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(World, "ensure_environment", refuse)
    run(World({}), "run", "sync-devserver", "cpu", "--out", "here")
    assert told(tmp_path / "here") == []


def test_point_8_an_environment_keeps_no_credentials_of_its_requirements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, int]] = []

    def install(*_: object, **__: object) -> None:
        file = tmp_path / "requirements.txt"
        seen.append((file.read_text(), file.stat().st_mode & 0o077))

    monkeypatch.setattr(build, "run_uv", install)
    wanted = f"thing @ https://me:{SECRET}@index.example/thing.whl"
    spec = EnvironmentSpec(name="x", requirements=(wanted,), constraints="", lock=None)
    build._install(spec, tmp_path)
    assert seen == [(f"{wanted}\n", 0)]
    assert SECRET not in (tmp_path / "requirements.txt").read_text()
