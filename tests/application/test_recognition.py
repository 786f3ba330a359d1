# ruff: noqa: ARG001, ARG002  # signatures are what is tested
import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from servelab.served import recognition


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [environ["PATH_INFO"].encode()]


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    await send(scope)
    await receive()


def passing(inner: Callable[..., Any]) -> Callable[..., Any]:
    def anything(*args: Any, **kwargs: Any) -> Any:
        return inner(*args, **kwargs)

    return anything


def wrapping(inner: Callable[..., Any]) -> Callable[..., Any]:
    return functools.wraps(inner)(passing(inner))


class WsgiMiddleware:
    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self.app(environ, start_response)


class AsgiMiddleware:
    def __init__(self, app: Any = asgi) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


class WsgiClass:
    """As in PEP 3333."""

    def __init__(self, environ: Any, start_response: Any) -> None:
        self.start = start_response

    def __iter__(self) -> Iterator[bytes]:
        self.start("200 OK", [])
        yield b"hello"


class Asgi2:
    def __init__(self, scope: Any) -> None:
        self.scope = scope

    async def __call__(self, receive: Any, send: Any) -> None:
        pass


def returns_awaitable(scope: Any, receive: Any, send: Any) -> Any:
    return asgi(scope, receive, send)


def asgi2_function(scope: Any) -> Any:
    return Asgi2(scope)


def wsgi_with_more(environ: Any, start_response: Any, more: Any = None) -> Any:
    return wsgi(environ, start_response)


def factory(name: str = "dev") -> Any:
    return wsgi


def with_any_settings(**settings: Any) -> Any:
    return wsgi


def two_arguments(request: Any, number: Any) -> None:
    pass


def needs_one(config: Any) -> Any:
    return wsgi


def with_prefix(prefix: str, environ: Any, start_response: Any) -> Any:
    return wsgi(environ, start_response)


async def handler(request: Any) -> None:
    pass


async def async_factory() -> Any:
    return asgi


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (wsgi, "wsgi"),
        (wsgi_with_more, "wsgi"),
        (WsgiMiddleware(wsgi), "wsgi"),
        (WsgiMiddleware(wsgi).__call__, "wsgi"),
        (WsgiClass, "wsgi"),
        (functools.partial(with_prefix, "/x"), "wsgi"),
        (lambda _environ, _start_response: [], "wsgi"),
        (wrapping(wsgi), "wsgi"),
        (asgi, "asgi"),
        (returns_awaitable, "asgi"),
        (AsgiMiddleware(), "asgi"),
        (AsgiMiddleware().__call__, "asgi"),
        (functools.partial(asgi), "asgi"),
        (wrapping(asgi), "asgi"),
        (Asgi2, "asgi"),
        (asgi2_function, "asgi"),
        (factory, "factory"),
        (with_any_settings, "factory"),
        (async_factory, "factory"),
        (AsgiMiddleware, "factory"),
        (needs_one, "needs arguments"),
        (handler, "needs arguments"),
        (WsgiMiddleware, "needs arguments"),
        (two_arguments, "unknown"),
        (passing(wsgi), "unknown"),
        (wrapping(needs_one), "unknown"),
        ("app", "unknown"),
        (None, "unknown"),
    ],
)
def test_the_signature_tells_what_a_callable_is(value: object, kind: str) -> None:
    assert recognition.kind(value) == kind


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (passing(wsgi), "wsgi"),
        (passing(WsgiMiddleware(wsgi)), "wsgi"),
        (passing(WsgiClass), "wsgi"),
        (passing(asgi), "asgi"),
        (passing(AsgiMiddleware()), "asgi"),
        (passing(needs_one), "unknown"),
        (two_arguments, "unknown"),
        (passing(lambda *_: 3), "unknown"),
        ("app", "unknown"),
    ],
)
def test_what_no_signature_tells_is_tried_out(value: object, kind: str) -> None:
    assert recognition.tried(value) == kind


def framework_class(name: str, module: str) -> Any:
    return type(name, (), {"__module__": module, "__call__": lambda *_: None})


def test_a_framework_is_found_by_its_class_and_below_middleware() -> None:
    flask = framework_class("Flask", "flask.app")
    own = type("Shop", (flask,), {"__module__": "shop"})
    assert recognition.kind(own()) == "wsgi"
    for wrapped in (
        own(),
        WsgiMiddleware(WsgiMiddleware(own())),
        functools.partial(with_prefix, own()),
        passing(own()),
        wrapping(own()),
        own().__call__,
    ):
        assert recognition.framework(wrapped)[0] == "flask"
    assert recognition.framework(wsgi) == ("", "")


def test_a_framework_that_derives_from_another_goes_first() -> None:
    starlette = framework_class("Starlette", "starlette.applications")
    fastapi = type("FastAPI", (starlette,), {"__module__": "fastapi.applications"})
    assert recognition.framework(fastapi())[0] == "fastapi"
    falcon = framework_class("App", "falcon.app")
    falcon_asgi = type("App", (falcon,), {"__module__": "falcon.asgi.app"})
    assert (recognition.kind(falcon()), recognition.kind(falcon_asgi())) == ("wsgi", "asgi")


def test_what_speaks_neither_is_known() -> None:
    aiohttp = framework_class("Application", "aiohttp.web_app")
    assert recognition.kind(aiohttp()) == "neither"
