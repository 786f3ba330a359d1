"""Tell what an object is: an application for WSGI, for ASGI, a factory of one, or none.

What a framework's class or the signature says is believed first. Only a callable that takes any
arguments is tried out, as the last resort: see `_tried`.
"""

from __future__ import annotations

import functools
import importlib.metadata
import inspect
import io
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

WSGI, ASGI, NEITHER, FACTORY, UNKNOWN = "wsgi", "asgi", "neither", "factory", "unknown"
NEEDS_ARGUMENTS = "needs arguments"


class _Framework(NamedTuple):
    name: str
    interface: str
    distribution: str = ""


# A framework's class, by its root package and its own name. A more special framework comes before
# the one that it derives from.
_FRAMEWORKS = {
    ("quart", "Quart"): _Framework("quart", ASGI),
    ("flask", "Flask"): _Framework("flask", WSGI),
    ("fastapi", "FastAPI"): _Framework("fastapi", ASGI),
    ("litestar", "Litestar"): _Framework("litestar", ASGI),
    ("starlette", "Starlette"): _Framework("starlette", ASGI),
    ("django", "WSGIHandler"): _Framework("django", WSGI),
    ("django", "ASGIHandler"): _Framework("django", ASGI),
    ("channels", "ProtocolTypeRouter"): _Framework("django", ASGI),
    ("bottle", "Bottle"): _Framework("bottle", WSGI),
    ("pyramid", "Router"): _Framework("pyramid", WSGI),
    ("sanic", "Sanic"): _Framework("sanic", ASGI),
    ("blacksheep", "Application"): _Framework("blacksheep", ASGI),
    ("connexion", "AsyncApp"): _Framework("connexion", ASGI),
    ("cherrypy", "Tree"): _Framework("cherrypy", WSGI),
    ("cherrypy", "Application"): _Framework("cherrypy", WSGI),
    ("datasette", "DatasetteRouter"): _Framework("datasette", ASGI),
    ("aiohttp", "Application"): _Framework("aiohttp", NEITHER),
    ("tornado", "Application"): _Framework("tornado", NEITHER),
    ("robyn", "Robyn"): _Framework("robyn", NEITHER),
    ("dash", "Dash"): _Framework("dash", NEITHER),
}
_LOOKED_AT = 400
_ASGI_ARGUMENTS = 3
_WSGI_ARGUMENTS = 2


def kind(value: Any) -> str:
    """Return one of wsgi, asgi, neither (another protocol), factory, needs arguments, unknown.

    Nothing is called. A factory is anything else that can be called without arguments.
    """
    if (known := _known(value)) is not None:
        return known.interface
    if not callable(value):
        return UNKNOWN
    if inspect.isclass(value):
        return _kind_of_class(value)
    return _kind_of_callable(value)


def tried(value: Any) -> str:
    """Return wsgi, asgi or unknown for a callable whose signature says nothing, by calling it.

    First with an ASGI scope, which makes a coroutine that is closed before it runs; then, where
    that is no coroutine, with one real WSGI request, ``GET /``.
    """
    if not callable(value):
        return UNKNOWN
    try:
        made = value({"type": "lifespan", "asgi": {"version": "3.0"}}, _nothing, _nothing)
    except Exception:  # noqa: BLE001  # whatever it raises, it is no answer
        return WSGI if _answers_wsgi(value) else UNKNOWN
    if inspect.iscoroutine(made):
        made.close()
    return ASGI if inspect.isawaitable(made) else UNKNOWN


def framework(value: Any) -> tuple[str, str]:
    """Return name and version of the framework, also where middleware is wrapped around it."""
    for each in _within(value):
        if (known := _known(each)) is not None:
            return known.name, _version(known.distribution or known.name)
    return "", ""


def _known(value: Any) -> _Framework | None:
    bases = {
        # All parts of the module's name: some libraries bring a framework along.
        (part, base.__name__)
        for base in type(value).__mro__
        for part in base.__module__.split(".")
    }
    found = next((known for name, known in _FRAMEWORKS.items() if name in bases), None)
    if found is not None:
        return found
    roots = {base.__module__ for base in type(value).__mro__ if base.__name__ in {"App", "API"}}
    if any(root.startswith("falcon.asgi") for root in roots):
        return _Framework("falcon", ASGI)
    return _Framework("falcon", WSGI) if any(r.startswith("falcon.") for r in roots) else None


def _kind_of_class(value: type) -> str:
    """Classes can be applications: PEP 3333's own example, and those of ASGI 2."""
    if _takes(value, 0):
        return FACTORY
    call = vars(value).get("__call__") or getattr(value, "__call__", None)  # noqa: B004
    if _takes(value, 1) and inspect.iscoroutinefunction(call):
        return ASGI
    has_body = hasattr(value, "__iter__") or hasattr(value, "__next__")
    return WSGI if _takes(value, _WSGI_ARGUMENTS) and has_body else NEEDS_ARGUMENTS


def _kind_of_callable(value: Any) -> str:
    is_coroutine = _is_coroutine(value)
    if _takes_anything(value):
        return ASGI if is_coroutine else _kind_of_wrapped(value)
    names = required(value)
    if not names:
        return FACTORY
    if is_coroutine:
        return ASGI if _takes(value, _ASGI_ARGUMENTS) else NEEDS_ARGUMENTS
    is_asgi = _takes(value, _ASGI_ARGUMENTS) and len(names) == _ASGI_ARGUMENTS
    if is_asgi or names[0] == "scope":  # a scope alone is what ASGI 2 passes first
        return ASGI
    if not _takes(value, _WSGI_ARGUMENTS):
        return NEEDS_ARGUMENTS
    # Many functions take two arguments, but for an object that can be called that is telling.
    return WSGI if _is_named_as_wsgi(names) or not inspect.isroutine(value) else UNKNOWN


def _is_named_as_wsgi(names: list[str]) -> bool:
    return "env" in names[0].lower() or any("start" in each.lower() for each in names[1:2])


def _kind_of_wrapped(value: Any) -> str:
    """Ask what is wrapped, which tells more than a wrapper that passes all on."""
    inner = getattr(value, "__wrapped__", None)
    inner_kind = kind(inner) if inner is not None else UNKNOWN
    return inner_kind if inner_kind in {WSGI, ASGI} else UNKNOWN


def _is_coroutine(value: Any) -> bool:
    while isinstance(value, functools.partial):
        value = value.func
    if inspect.iscoroutinefunction(value):
        return True
    return inspect.iscoroutinefunction(getattr(value, "__call__", None))  # noqa: B004


def _signature(value: Any) -> inspect.Signature | None:
    try:
        # Not of what is wrapped: the wrapper is what a server calls.
        return inspect.signature(value, follow_wrapped=False)
    except (TypeError, ValueError):
        return None


def _takes(value: Any, count: int) -> bool:
    """Tell whether a call with that many positional arguments fits the signature."""
    signature = _signature(value)
    if signature is None:
        return False
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def _takes_anything(value: Any) -> bool:
    signature = _signature(value)
    if signature is None:
        return True
    kinds = {each.kind for each in signature.parameters.values()}
    return inspect.Parameter.VAR_POSITIONAL in kinds and not required(value)


def required(value: Any) -> list[str]:
    """List the parameters that must be given, in order; none where nothing is known."""
    signature = _signature(value)
    if signature is None:
        return []
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = signature.parameters.values()
    return [
        each.name for each in parameters if each.default is each.empty and each.kind not in variable
    ]


async def _nothing(*_: Any) -> dict[str, Any]:
    return {"type": "lifespan.shutdown"}


def _answers_wsgi(value: Any) -> bool:
    started: list[str] = []

    def start_response(status: str, _headers: Any, _error: Any = None) -> Any:
        started.append(status)
        return lambda _: None

    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "HTTP_HOST": "localhost",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": True,
    }
    try:
        body = value(environ, start_response)
        next(iter(body), b"")
    except Exception:  # noqa: BLE001  # whatever it raises, it is no answer
        return bool(started)
    return bool(started)


def _within(value: Any) -> Iterator[Any]:
    """Yield an object and, the nearest first, what it is wrapped around."""
    waiting, seen = [value], {id(value)}
    while waiting and len(seen) < _LOOKED_AT:
        each = waiting.pop(0)
        yield each
        for inner in _held(each):
            if id(inner) not in seen and not isinstance(inner, (str, bytes, int, float, type)):
                seen.add(id(inner))
                waiting.append(inner)


def _held(value: Any) -> list[Any]:
    """List what a middleware, a partial, a bound method or a closure holds."""
    if isinstance(value, functools.partial):
        return [value.func, *value.args, *value.keywords.values()]
    if inspect.ismethod(value):
        return [value.__self__]
    held: list[Any] = []
    if inspect.isfunction(value):
        for cell in value.__closure__ or ():
            try:
                held.append(cell.cell_contents)
            except ValueError:  # not filled yet
                continue
        held.append(getattr(value, "__wrapped__", None))
        # A plain function calls an application that stands beside it.
        held += [value.__globals__.get(name) for name in value.__code__.co_names]
    elif callable(value) and not inspect.isbuiltin(value):
        held += getattr(value, "__dict__", {}).values()
    return [each for each in held if callable(each) and not inspect.ismodule(each)]


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return str(getattr(sys.modules.get(distribution), "__version__", ""))
