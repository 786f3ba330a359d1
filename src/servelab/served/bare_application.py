"""Call a user's application without any server, in several processes at once.

Run as `python bare_application.py ORDER` in the project's folder by the interpreter that serves it;
ORDER is JSON: `out` (the file to be written), `module`, `attribute`, `arguments` (null where it is
no factory), `interface`, `requests` (each with method, path, headers, body in base64), `processes`,
`seconds`. Writes what `bare.py` writes. Standard library only, nothing of servelab.
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
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

_HOST, _PORT = "127.0.0.1", 80
_STARTING_PATIENCE_S = 60.0
_PEER_PORT = 50_000


def loaded(order: Mapping[str, Any]) -> Any:
    """Import the application as its servers do, and call it where it is a factory."""
    found: Any = importlib.import_module(order["module"])
    for part in order["attribute"].split("."):
        found = getattr(found, part)
    if order["arguments"] is None:
        return found
    call = ast.parse(f"f({order['arguments']})", mode="eval").body
    assert isinstance(call, ast.Call)  # noqa: S101  # it was checked before it was sent
    positional = [ast.literal_eval(each) for each in call.args]
    named = {each.arg or "": ast.literal_eval(each.value) for each in call.keywords}
    return found(*positional, **named)


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
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if body:
        environ["CONTENT_LENGTH"] = str(len(body))
    for name, value in request["headers"]:
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    return environ


def call_wsgi(application: Any, request: Mapping[str, Any]) -> None:
    """Do all that one call makes the application do, up to the last byte of its answer."""
    answer = application(environ_of(request), lambda *_: lambda _: None)
    try:
        for _ in answer:
            """Take it, as a server would."""
    finally:
        close = getattr(answer, "close", None)
        if close is not None:
            close()


def repeat_wsgi(
    application: Any, requests: list[dict[str, Any]], *, seconds: float, ready: Callable[[], None]
) -> tuple[list[float], float]:
    """Return when each call ended, and the CPU seconds from the first end to the last."""
    turn = _in_turn(requests)
    call_wsgi(application, next(turn))
    ready()
    call_wsgi(application, next(turn))
    ended, cpu_s = [time.monotonic()], time.process_time()
    while len(ended) <= len(requests) or ended[-1] - ended[0] < seconds:
        call_wsgi(application, next(turn))
        ended.append(time.monotonic())
    return ended, time.process_time() - cpu_s


def _in_turn(requests: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    while True:
        yield from requests


# ---- ASGI


def scope_of(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a server would tell of a request; ASGI 3.0, HTTP 2.3."""
    path, _, query = request["path"].partition("?")
    headers = [(b"host", _HOST.encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in request["headers"]]
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
        "state": {},
    }


async def call_asgi(application: Any, request: Mapping[str, Any]) -> None:
    """Do all that one call makes the application do, up to the last byte of its answer."""
    body = [{"type": "http.request", "body": base64.b64decode(request["body"])}]
    is_answered = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if body:
            return body.pop()
        await is_answered.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            is_answered.set()

    await application(scope_of(request), receive, send)


@contextlib.asynccontextmanager
async def _lifespan(application: Any) -> Any:
    """Tell the application that it starts, and at the end that it stops, if it listens to that."""
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
    task = asyncio.ensure_future(application(scope, inbox.get, said.put))

    async def tell(phase: str) -> None:
        await inbox.put({"type": f"lifespan.{phase}"})
        answer = asyncio.ensure_future(said.get())
        await asyncio.wait(
            {task, answer},
            timeout=_STARTING_PATIENCE_S,
            return_when=asyncio.FIRST_COMPLETED,
        )
        answer.cancel()

    await tell("startup")
    yield
    if not task.done():
        await tell("shutdown")
    task.cancel()
    with contextlib.suppress(BaseException):
        await task


async def repeat_asgi(
    application: Any, requests: list[dict[str, Any]], *, seconds: float, ready: Callable[[], None]
) -> tuple[list[float], float]:
    """Return when each call ended, and the CPU seconds from the first end to the last."""
    turn = _in_turn(requests)
    async with _lifespan(application):
        await call_asgi(application, next(turn))
        ready()
        await call_asgi(application, next(turn))
        ended, cpu_s = [time.monotonic()], time.process_time()
        while len(ended) <= len(requests) or ended[-1] - ended[0] < seconds:
            await call_asgi(application, next(turn))
            ended.append(time.monotonic())
        return ended, time.process_time() - cpu_s


# ---- several processes


def work_until_told(order: Mapping[str, Any], *, start: Barrier, results: Connection) -> None:
    """Call the application for some seconds from the moment all processes are ready."""

    def ready() -> None:
        start.wait(_STARTING_PATIENCE_S)

    application, seconds = loaded(order), order["seconds"]
    if order["interface"] == "wsgi":
        ended, cpu_s = repeat_wsgi(application, order["requests"], seconds=seconds, ready=ready)
    else:
        ended, cpu_s = asyncio.run(
            repeat_asgi(application, order["requests"], seconds=seconds, ready=ready)
        )
    results.send({"ended_s": ended, "cpu_s": cpu_s})
    results.close()
    # Threads of the application keep nothing alive.
    os._exit(0)


def measure(order: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what each of the processes reports; EOFError where one ended without a report."""
    # Each imports for itself, as the workers of a server do.
    context = multiprocessing.get_context("fork")
    start = context.Barrier(order["processes"])
    workers, ends = [], []
    for _ in range(order["processes"]):
        receiver, sender = context.Pipe(duplex=False)
        worker = context.Process(
            target=work_until_told, args=(order,), kwargs={"start": start, "results": sender}
        )
        worker.start()
        sender.close()
        workers.append(worker)
        ends.append(receiver)
    reports = [end.recv() for end in ends]
    for worker in workers:
        worker.join()
    return reports


def main() -> None:
    """Measure, and write the file."""
    order = json.loads(sys.argv[1])
    sys.argv = [order["module"]]
    reports = measure(order)
    with open(order["out"], "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(reports, file)


if __name__ == "__main__":
    # As servers do; in the place of this file's folder, which is none of the application's.
    sys.path[0] = os.getcwd()  # noqa: PTH109
    main()
