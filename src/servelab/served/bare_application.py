"""Call a user's application without any server, in several processes at once.

Run as `python bare_application.py FILE` in the project's folder by the interpreter that serves it.
FILE is JSON: `out` (the file to be written), `module`, `attribute`, `arguments` (null where it is
no factory), `further` (what is taken of what the factory returns), `interface`, `requests` (each
with method, path, headers, body in base64), `statuses` (what each must be answered; null: any),
`processes`, `seconds`, `patience_s`. Writes what `bare.py` writes, or ends with an exit code other
than 0: also where it is not done after `patience_s`.
Standard library only, nothing of servelab.
"""

from __future__ import annotations

import ast
import asyncio
import base64
import contextlib
import importlib
import io
import json
import multiprocessing
import os
import resource
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import Any, NoReturn
from urllib.parse import unquote, unquote_to_bytes
from wsgiref.util import FileWrapper

_HOST, _PORT = "127.0.0.1", 80
_STARTING_PATIENCE_S = 60.0
_STOPPING_PATIENCE_S = 10.0
_PEER_PORT = 50_000
_WITH_BODIES = frozenset({"POST", "PUT", "PATCH"})
"""The generator sends a length with these, be it 0."""


Turn = tuple[dict[str, Any], "int | None"]
"""A request, and the status with which it must be answered; None: any."""


def loaded(order: Mapping[str, Any]) -> Any:
    """Import the application as its servers do, and call it where it is a factory."""
    found: Any = importlib.import_module(order["module"])
    for part in order["attribute"].split("."):
        found = getattr(found, part)
    if order["arguments"] is None:
        return found
    text = f"f({order['arguments']}){order['further']}"
    return _reached(ast.parse(text, mode="eval").body, first=found)


def _reached(node: ast.expr, *, first: Any) -> Any:
    """Return what a chain of names and calls with literals leads to from its first name."""
    if isinstance(node, ast.Name):
        return first
    if isinstance(node, ast.Attribute):
        return getattr(_reached(node.value, first=first), node.attr)
    assert isinstance(node, ast.Call)  # noqa: S101  # it was checked before it was sent
    positional = [ast.literal_eval(each) for each in node.args]
    named = {each.arg or "": ast.literal_eval(each.value) for each in node.keywords}
    return _reached(node.func, first=first)(*positional, **named)


# ---- WSGI


def environ_of(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a server would tell of a request; PEP 3333."""
    path, _, query = request["path"].partition("?")
    body = base64.b64decode(request["body"])
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": _HOST,
        "SERVER_PORT": str(_PORT),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": _HOST,
        "HTTP_HOST": _HOST,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.file_wrapper": FileWrapper,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if body or request["method"] in _WITH_BODIES:
        environ["CONTENT_LENGTH"] = str(len(body))
    given: dict[str, str] = {}
    for name, value in request["headers"]:
        key = name.upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        given[key] = f"{given[key]}, {value}" if key in given else value
    return {**environ, **given}


def call_wsgi(application: Any, request: Mapping[str, Any]) -> int:
    """Do all that one call makes the application do; return the status of its answer."""
    statuses: list[str] = []

    def start_response(status: str, _headers: Any, exc_info: Any = None) -> Callable[[bytes], None]:
        del exc_info
        statuses.append(status)
        return lambda _: None

    answer = application(environ_of(request), start_response)
    try:
        for _ in answer:
            """Take it, as a server would."""
    finally:
        close = getattr(answer, "close", None)
        if close is not None:
            close()
    return int(statuses[-1].split(" ", 1)[0]) if statuses else 0


def repeat_wsgi(
    application: Any, turns: list[Turn], *, seconds: float, ready: Callable[[], None]
) -> tuple[list[float], float]:
    """Return when each call ended, and the CPU seconds from the first end to the last."""
    turn = _in_turn(turns)

    def call() -> None:
        request, wanted = next(turn)
        _check(call_wsgi(application, request), wanted=wanted)

    call()
    ready()
    call()
    ended, began_s = [time.monotonic()], _cpu_s()
    while len(ended) <= len(turns) or ended[-1] - ended[0] < seconds:
        call()
        ended.append(time.monotonic())
    return ended, _cpu_s() - began_s


def _in_turn(turns: list[Turn]) -> Iterator[Turn]:
    while True:
        yield from turns


def _check(status: int, *, wanted: int | None) -> None:
    """Raise where a call was answered otherwise than on a server: it did other work."""
    if wanted is not None and status != wanted:
        raise ValueError(f"it answers {status} without a server, and {wanted} on one")


def _cpu_s() -> float:
    """Return the CPU seconds of this process, and of those that it began and that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


# ---- ASGI


def scope_of(request: Mapping[str, Any], *, state: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a server would tell of a request; ASGI 3.0, HTTP 2.3."""
    path, _, query = request["path"].partition("?")
    headers = [(name.lower().encode(), value.encode()) for name, value in request["headers"]]
    names = {name for name, _ in headers}
    if b"host" not in names:
        headers.insert(0, (b"host", _HOST.encode()))
    length = len(base64.b64decode(request["body"]))
    if length or request["method"] in _WITH_BODIES:
        headers.append((b"content-length", str(length).encode()))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request["method"],
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": headers,
        "client": (_HOST, _PEER_PORT),
        "server": (_HOST, _PORT),
        "state": dict(state),
    }


async def call_asgi(
    application: Any, request: Mapping[str, Any], *, state: Mapping[str, Any]
) -> int:
    """Do all that one call makes the application do; return the status of its answer."""
    body = [{"type": "http.request", "body": base64.b64decode(request["body"])}]
    is_answered = asyncio.Event()
    statuses = [0]

    async def receive() -> dict[str, Any]:
        if body:
            return body.pop()
        await is_answered.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])
        elif message["type"] == "http.response.body" and not message.get("more_body"):
            is_answered.set()

    await application(scope_of(request, state=state), receive, send)
    return statuses[-1]


@contextlib.asynccontextmanager
async def _lifespan(application: Any) -> Any:
    """Tell the application that it starts, and at the end that it stops, if it listens to that.

    The block's value is what the application keeps for its requests.
    """
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    state: dict[str, Any] = {}
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
    task = asyncio.ensure_future(application(scope, inbox.get, said.put))

    async def tell(phase: str, *, patience_s: float) -> str:
        await inbox.put({"type": f"lifespan.{phase}"})
        answer = asyncio.ensure_future(said.get())
        await asyncio.wait({task, answer}, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return str(answer.result()["type"])
        answer.cancel()
        return ""

    # It may also end without a word, as those do that know nothing of it.
    if await tell("startup", patience_s=_STARTING_PATIENCE_S) == "lifespan.startup.failed":
        raise RuntimeError("the application says that it failed to start")
    yield state
    if not task.done():
        await tell("shutdown", patience_s=_STOPPING_PATIENCE_S)
    task.cancel()
    with contextlib.suppress(BaseException):
        await task


async def repeat_asgi(
    application: Any, turns: list[Turn], *, seconds: float, ready: Callable[[], None]
) -> tuple[list[float], float]:
    """Return when each call ended, and the CPU seconds from the first end to the last."""
    turn = _in_turn(turns)
    async with _lifespan(application) as state:

        async def call() -> None:
            request, wanted = next(turn)
            _check(await call_asgi(application, request, state=state), wanted=wanted)

        await call()
        ready()
        await call()
        ended, began_s = [time.monotonic()], _cpu_s()
        while len(ended) <= len(turns) or ended[-1] - ended[0] < seconds:
            await call()
            ended.append(time.monotonic())
        return ended, _cpu_s() - began_s


def run_asgi(awaited: Any) -> Any:
    """Run it as servers do: on uvloop where the environment has that."""
    try:
        from uvloop import new_event_loop  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        from asyncio import new_event_loop
    loop = new_event_loop()
    asyncio.set_event_loop(loop)
    # What it leaves running ends with the process.
    return loop.run_until_complete(awaited)


# ---- several processes


def work_until_told(order: Mapping[str, Any], *, start: Barrier, results: Connection) -> NoReturn:
    """Call the application for some seconds from the moment all processes are ready."""
    try:
        results.send(_report(order, start=start))
    except BaseException:  # noqa: BLE001  # also sys.exit: what ends the calls ends this process
        start.abort()
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    # Threads of the application keep nothing alive.
    os._exit(0)


def _report(order: Mapping[str, Any], *, start: Barrier) -> dict[str, Any]:
    def ready() -> None:
        start.wait(order["patience_s"])

    application, seconds = loaded(order), order["seconds"]
    statuses = order["statuses"]
    turns = [(request, statuses[number]) for number, request in enumerate(order["requests"])]
    if order["interface"] == "wsgi":
        ended, cpu_s = repeat_wsgi(application, turns, seconds=seconds, ready=ready)
    else:
        ended, cpu_s = run_asgi(repeat_asgi(application, turns, seconds=seconds, ready=ready))
    return {"ended_s": ended, "cpu_s": cpu_s}


def measure(order: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what each of the processes reports; EOFError where one ended without a report."""
    # Each imports for itself, as the workers of a server do.
    context = multiprocessing.get_context("fork")
    start = context.Barrier(order["processes"])
    ends = []
    for _ in range(order["processes"]):
        receiver, sender = context.Pipe(duplex=False)
        worker = context.Process(
            target=work_until_told, args=(order,), kwargs={"start": start, "results": sender}
        )
        worker.start()
        sender.close()
        ends.append(receiver)
    # No thread may be there before the last fork.
    end_after(order["patience_s"])
    return [end.recv() for end in ends]


def end_after(seconds: float) -> None:
    """End this process if it still runs by then; its supervisor ends the rest."""

    def end() -> None:
        _give_up(f"the calls did not end within {seconds:g} s")

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def _give_up(reason: str) -> NoReturn:
    sys.stderr.write(f"{reason}\n")
    sys.stderr.flush()
    os._exit(1)


def main() -> None:
    """Measure, and write the file."""
    with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123
        order = json.load(file)
    sys.argv = [order["module"]]
    try:
        reports = measure(order)
    except EOFError:
        _give_up("a process that called the application ended early")
    with open(order["out"], "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(reports, file)
        file.flush()
    # What the application's processes began, and whoever waits for it, is the supervisor's to end.
    os._exit(0)


if __name__ == "__main__":
    # As servers do; in the place of this file's folder, which is none of the application's.
    sys.path[0] = os.getcwd()  # noqa: PTH109
    main()
