"""Point 8: nothing that is stored tells a credential."""

import base64
import json
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import Distribution
from io import BytesIO
from pathlib import Path

import pytest
from tests.conftest import Run
from tests.fake_world import Script, World

from servelab.environment import build, uv_runs
from servelab.environment.interpreters import own_interpreter
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


def wheel() -> bytes:
    """Return the smallest package there is."""
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        about = "thing-1.0.dist-info"
        archive.writestr("thing.py", "")
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        files = ("thing.py", f"{about}/METADATA", f"{about}/WHEEL", f"{about}/RECORD")
        archive.writestr(f"{about}/RECORD", "".join(f"{name},,\n" for name in files))
    return content.getvalue()


class Guarded(BaseHTTPRequestHandler):
    """Gives the package to those who know the password."""

    def do_GET(self) -> None:
        known = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()
        is_known = self.headers.get("Authorization") == known
        content = wheel() if is_known else b""
        self.send_response(200 if is_known else 401)
        self.send_header("WWW-Authenticate", "Basic")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET  # noqa: N815 - the library calls it so

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.live
def test_point_8_no_receipt_of_an_installed_package_tells_where_it_came_from_in_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    with ThreadingHTTPServer(("127.0.0.1", 0), Guarded) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"127.0.0.1:{server.server_port}/thing-1.0-py3-none-any.whl"
        wanted = f"thing @ http://me:{SECRET}@{place}?token={SECRET}"
        spec = EnvironmentSpec(name="x", requirements=(wanted,), constraints="", lock=None)
        built = build.ensure(spec, interpreter=own_interpreter(), cache=tmp_path / "cache")
        server.shutdown()
    assert [package.name for package in built.packages] == ["thing"]
    assert told(tmp_path) == []
    (receipt,) = tmp_path.rglob("direct_url.json")
    assert json.loads(receipt.read_bytes())["url"] == f"http://{place}?token=***"
    assert distribution_files(receipt.parent) >= {
        "thing.py",
        f"{receipt.parent.name}/{receipt.name}",
    }


def distribution_files(folder: Path) -> set[str]:
    return {str(each) for each in Distribution.at(folder).files or ()}
