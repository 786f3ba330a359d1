"""A user's application called without a server, in processes of their own, as a server would."""

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from servelab.catalogue import served_path

pytestmark = pytest.mark.live

SEEN = """
import json, os
def note(**said):
    with open("seen", "a") as file:
        file.write(json.dumps(said) + chr(10))
"""


class Ended(NamedTuple):
    """How it ended, and what was written."""

    code: int
    said: str


def asked(path: str, method: str = "GET", body: bytes = b"", **headers: str) -> dict[str, Any]:
    pairs = [[name.replace("_", "-"), value] for name, value in headers.items()]
    text = base64.b64encode(body).decode()
    return {"method": method, "path": path, "headers": pairs, "body": text}


def called(folder: Path, source: str, *requests: dict[str, Any], **order: Any) -> Ended:
    """Have the application in `source` called; what it notes is in the folder's file `seen`."""
    (folder / "shop.py").write_text(SEEN + source)
    said = {
        "out": str(folder / "out"),
        "module": "shop",
        "attribute": "app",
        "arguments": None,
        "further": "",
        "interface": "wsgi",
        "requests": list(requests or [asked("/")]),
        "statuses": [None] * max(1, len(requests)),
        "processes": 1,
        "seconds": 0.01,
        "patience_s": 60.0,
        **order,
    }
    (folder / "order").write_text(json.dumps(said))
    program = str(served_path() / "bare_application.py")
    # Into a file: what it leaves running keeps a pipe open.
    with (folder / "log").open("w") as log:
        done = subprocess.run(
            [sys.executable, program, str(folder / "order")],
            cwd=folder,
            stdout=log,
            stderr=log,
            check=False,
            timeout=100,
        )
    return Ended(code=done.returncode, said=(folder / "log").read_text())


def reports(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "out").read_text())
    return found


def seen(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "seen").read_text().splitlines()]


WSGI = """
def app(environ, start_response):
    note(
        method=environ["REQUEST_METHOD"], path=environ["PATH_INFO"], query=environ["QUERY_STRING"],
        length=environ.get("CONTENT_LENGTH"), type=environ.get("CONTENT_TYPE"),
        host=environ["HTTP_HOST"], word=environ.get("HTTP_X_WORD"),
        body=environ["wsgi.input"].read().decode(),
    )
    start_response("200 OK", [])
    return [b"hi"]
"""


def test_a_wsgi_application_is_told_method_path_query_headers_and_body(tmp_path: Path) -> None:
    request = asked("/a%20b?c=%20d", "POST", b"12", Content_Type="text/x", X_Word="w", Host="h")
    assert called(tmp_path, WSGI, request).code == 0
    told = seen(tmp_path)
    assert len(told) >= 3
    assert all(each == told[0] for each in told)
    assert told[0] == {
        "method": "POST",
        "path": "/a b",
        "query": "c=%20d",
        "length": "2",
        "type": "text/x",
        "host": "h",
        "word": "w",
        "body": "12",
    }


def test_several_requests_are_called_in_turn_and_all_of_them_are_timed(tmp_path: Path) -> None:
    requests = [asked(f"/{number}") for number in range(5)]
    assert called(tmp_path, WSGI, *requests, seconds=0.0).code == 0
    paths = [each["path"] for each in seen(tmp_path)]
    assert paths == [f"/{number % 5}" for number in range(len(paths))]
    (report,) = reports(tmp_path)
    assert len(report["ended_s"]) == 6
    assert report["ended_s"] == sorted(report["ended_s"])
    assert report["cpu_s"] >= 0


def test_an_answer_is_taken_whole_and_closed(tmp_path: Path) -> None:
    source = """
class Answer:
    def __iter__(self):
        for number in range(3):
            note(part=number)
            yield b"x"
    def close(self):
        note(part="closed")
def app(environ, start_response):
    start_response("200 OK", [], exc_info=None)(b"written")
    return Answer()
"""
    assert called(tmp_path, source).code == 0
    parts = [each["part"] for each in seen(tmp_path)]
    assert parts[:8] == [0, 1, 2, "closed"] * 2


def test_an_answer_of_a_file_can_be_given_through_the_servers_wrapper(tmp_path: Path) -> None:
    source = """
def app(environ, start_response):
    start_response("200 OK", [])
    return environ["wsgi.file_wrapper"](open(__file__, "rb"), 8192)
"""
    assert called(tmp_path, source).code == 0


ASGI = """
import asyncio
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        assert (await receive())["type"] == "lifespan.startup"
        scope["state"]["word"] = "kept"
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        note(end=True)
        return await send({"type": "lifespan.shutdown.complete"})
    message = await receive()
    note(
        path=scope["path"], query=scope["query_string"].decode(), method=scope["method"],
        headers=[[name.decode(), value.decode()] for name, value in scope["headers"]],
        body=message["body"].decode(), word=scope["state"]["word"],
    )
    scope["state"]["word"] = "of this request alone"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"a", "more_body": True})
    await asyncio.to_thread(lambda: None)
    await send({"type": "http.response.body", "body": b"b"})
    assert (await receive())["type"] == "http.disconnect"
"""


def test_an_asgi_application_is_started_told_each_request_and_stopped(tmp_path: Path) -> None:
    request = asked("/a%20b?c=d", "POST", b"12", X_Word="w")
    done = called(tmp_path, ASGI, request, interface="asgi")
    assert done.code == 0, done.said
    *told, last = seen(tmp_path)
    assert last == {"end": True}
    assert len(told) >= 3
    assert all(each == told[0] for each in told)
    assert told[0] == {
        "method": "POST",
        "path": "/a b",
        "query": "c=d",
        "headers": [["host", "127.0.0.1"], ["x-word", "w"], ["content-length", "2"]],
        "body": "12",
        "word": "kept",
    }


def test_an_asgi_application_without_lifespan_is_called_and_one_of_ones_own_host_once(
    tmp_path: Path,
) -> None:
    source = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    note(hosts=[value.decode() for name, value in scope["headers"] if name == b"host"])
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})
"""
    done = called(tmp_path, source, asked("/", Host="shop.example"), interface="asgi")
    assert done.code == 0, done.said
    assert seen(tmp_path)[0] == {"hosts": ["shop.example"]}


def test_an_asgi_application_that_fails_to_start_is_not_called(tmp_path: Path) -> None:
    source = """
async def app(scope, receive, send):
    note(type=scope["type"])
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})
"""
    done = called(tmp_path, source, interface="asgi")
    assert done.code == 1
    assert "failed to start" in done.said
    assert seen(tmp_path) == [{"type": "lifespan"}]


def test_a_factory_is_called_with_its_arguments_in_each_process(tmp_path: Path) -> None:
    source = """
class Shop:
    def make(self, name, *, debug=False):
        note(name=name, debug=debug, pid=os.getpid())
        def app(environ, start_response):
            start_response("200 OK", [])
            return [name.encode()]
        return app
shop = Shop()
"""
    order = {"attribute": "shop.make", "arguments": "'x', debug=True", "processes": 2}
    assert called(tmp_path, source, **order).code == 0
    told = seen(tmp_path)
    assert [(each["name"], each["debug"]) for each in told] == [("x", True)] * 2
    assert len({each["pid"] for each in told}) == 2
    first, second = reports(tmp_path)
    assert first["ended_s"][0] <= second["ended_s"][-1]
    assert second["ended_s"][0] <= first["ended_s"][-1]


def test_what_a_call_leads_to_is_called_as_it_was_named(tmp_path: Path) -> None:
    source = """
class Shop:
    def __init__(self, *names):
        self.names = names
    def app(self, *, debug):
        note(names=self.names, debug=debug)
        return type("Made", (), {"wsgi": staticmethod(answer)})
def answer(environ, start_response):
    start_response("200 OK", [])
    return [b""]
"""
    order = {"attribute": "Shop", "arguments": "'x', 2", "further": ".app(debug=True).wsgi"}
    assert called(tmp_path, source, **order).code == 0
    assert seen(tmp_path) == [{"names": ["x", 2], "debug": True}]


CALL = "def app(environ, start_response):\n    start_response('200 OK', [])\n    "


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (f"{CALL}raise ValueError('no such thing')", "no such thing"),
        (f"{CALL}import sys; sys.exit(0)", "SystemExit"),
        (f"{CALL}os._exit(0)", "ended early"),
        (f"{CALL}os.abort()", "ended early"),
        ("raise ImportError('no module')", "no module"),
        ("app = None", "not callable"),
    ],
    ids=["raises", "exits", "vanishes", "aborts", "cannot be imported", "is none"],
)
@pytest.mark.parametrize("processes", [1, 2])
def test_an_application_that_fails_ends_it_at_once_with_an_error(
    tmp_path: Path, source: str, said: str, processes: int
) -> None:
    began_s = time.monotonic()
    done = called(tmp_path, source, processes=processes)
    assert done.code == 1
    assert said in done.said
    assert not (tmp_path / "out").exists()
    assert time.monotonic() - began_s < 40


def test_an_application_that_fails_in_one_of_two_processes_ends_both(tmp_path: Path) -> None:
    source = f"""
open(f"pid-{{os.getpid()}}", "x")
{CALL}import time, glob
    time.sleep(0.5)
    if sorted(glob.glob("pid-*"))[0] == f"pid-{{os.getpid()}}":
        import threading
        threading.Thread(target=time.sleep, args=(1000,)).start()
        raise ValueError("the first one")
    return []
"""
    done = called(tmp_path, source, processes=2)
    assert done.code == 1
    assert "the first one" in done.said


def test_a_call_that_never_ends_is_given_up(tmp_path: Path) -> None:
    done = called(tmp_path, f"{CALL}import time; time.sleep(1000)", patience_s=1.0)
    assert done.code == 1
    assert "did not end within 1 s" in done.said
    _kill_what_it_left(tmp_path)


def test_an_answer_of_another_status_than_on_servers_is_no_bare_work(tmp_path: Path) -> None:
    assert called(tmp_path, WSGI, statuses=[200]).code == 0
    done = called(tmp_path, WSGI, statuses=[201])
    assert done.code == 1
    assert "it answers 200 without a server, and 201 on one" in done.said


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_threads_that_an_application_leaves_keep_nothing_alive(
    tmp_path: Path, interface: str
) -> None:
    source = """
import threading, time
threading.Thread(target=time.sleep, args=(1000,)).start()
def answer(environ, start_response):
    start_response("200 OK", [])
    return []
async def answer_async(scope, receive, send):
    assert scope["type"] == "http"
    import asyncio
    task = asyncio.ensure_future(asyncio.to_thread(time.sleep, 1000))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body"})
"""
    name = "answer" if interface == "wsgi" else "answer_async"
    done = called(tmp_path, source, attribute=name, interface=interface)
    assert done.code == 0, done.said
    assert len(reports(tmp_path)) == 1


def test_the_cpu_time_of_programs_that_a_call_runs_counts(tmp_path: Path) -> None:
    source = f"""
import subprocess, sys
{CALL}subprocess.run([sys.executable, "-S", "-c", "sum(range(3_000_000))"], check=True)
    return []
"""
    assert called(tmp_path, source, seconds=0.0).code == 0
    (report,) = reports(tmp_path)
    calls = len(report["ended_s"]) - 1
    assert report["cpu_s"] / calls > 0.01


def test_the_project_is_imported_and_not_what_lies_beside_the_script(tmp_path: Path) -> None:
    (tmp_path / "recognition.py").write_text("mine = True")
    source = (
        f"import recognition, sys\nassert recognition.mine\nassert sys.argv == ['shop']\n{CALL}"
    )
    done = called(tmp_path, source + "return []")
    assert done.code == 0, done.said


def _kill_what_it_left(folder: Path) -> None:
    """Do what its supervisor does, for processes that have this folder as their own."""
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            try:
                here = (each / "cwd").readlink() == folder
            except OSError:
                continue
            if here:
                os.kill(int(each.name), 9)
