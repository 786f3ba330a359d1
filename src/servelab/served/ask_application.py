"""Import an application, see what it is, and write that down.

Run as `python ask_application.py ORDER`, in the project's folder, by the interpreter that will
serve it; ORDER is JSON: `answer` (the file that is to be written), `module`, `attribute`,
`arguments`, `further`, `shown_after_s`. Standard output belongs to the application, which may write
there.
"""

from __future__ import annotations

import ast
import faulthandler
import importlib
import importlib.util
import inspect
import json
import os
import sys
import traceback
from types import ModuleType
from typing import Any, NoReturn

_FOLDER = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
_APPLICATIONS = ("app", "application")
_FACTORIES = ("create_app", "make_app")
_SHOWN = 2000
_SHOWN_LINES = 8
_SHOWN_NAMES = 6


class Problem(Exception):  # noqa: N818  # a finding, which goes into the answer
    """Why there is no application; the facts go into the answer."""

    def __init__(self, problem: str, **facts: Any) -> None:
        super().__init__(problem)
        self.answer = {"problem": problem, **facts}


def main() -> None:
    """Answer, then end at once: threads of the application keep nothing alive."""
    order = json.loads(sys.argv[1])
    answer = order["answer"]
    faulthandler.enable()
    faulthandler.dump_traceback_later(order["shown_after_s"])
    sys.argv = [order["module"]]
    try:
        found = examine(
            order["module"], order["attribute"], order["arguments"], further=order["further"]
        )
    except Problem as problem:
        found = problem.answer
    faulthandler.cancel_dump_traceback_later()
    with open(f"{answer}.new", "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(found, file)
    os.rename(f"{answer}.new", answer)  # noqa: PTH104
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def examine(
    module_name: str, attribute: str, arguments: str | None, *, further: str
) -> dict[str, Any]:
    """Return what the application is; raise Problem where it is none."""
    module = imported(module_name)
    if not attribute:
        attribute = _chosen(module)
    named = _looked_up(module, attribute)
    application, is_factory = _application(named, attribute, arguments)
    expression = f"{attribute}({arguments or ''})" if is_factory else attribute
    application = _followed(application, further, expression=expression)
    expression += further
    name, version = recognition.framework(application)
    interface = recognition.kind(application)
    if interface not in {recognition.WSGI, recognition.ASGI, recognition.NEITHER}:
        interface = recognition.tried(application)
    if interface == recognition.NEITHER:
        raise Problem("neither", attribute=expression, name=name)
    if interface == recognition.UNKNOWN:
        raise _no_application(module, expression, application)
    return {
        "attribute": attribute,
        "is_factory": is_factory,
        "interface": interface,
        "framework": name,
        "framework_version": version,
    }


def imported(name: str) -> ModuleType:
    """Import the module; say exactly what kept it from being imported."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name == missing or name.startswith(f"{missing}."):
            raise Problem("no module", name=missing) from error
        raise Problem("missing import", name=missing, trace=_trace(error)) from error
    except SyntaxError as error:
        place = f"{error.filename}, line {error.lineno}"
        raise Problem("syntax", name=place, detail=_cut(error.msg)) from error
    except BaseException as error:
        raise _raised("import", error) from error


def _raised(doing: str, error: BaseException) -> Problem:
    if isinstance(error, SystemExit):
        return Problem(f"{doing} exits", detail=_cut(str(error.code)), trace=_trace(error))
    said = "".join(traceback.format_exception_only(type(error), error)).strip()
    return Problem(f"{doing} raises", detail=_cut(said.splitlines()[-1]), trace=_trace(error))


def _looked_up(module: ModuleType, attribute: str) -> Any:
    value: Any = module
    for part in attribute.split("."):
        try:
            value = getattr(value, part)
        except AttributeError as error:
            is_ours = error.obj is value if hasattr(error, "obj") else True
            if not is_ours:
                raise _raised("import", error) from error
            raise Problem("no attribute", name=part, **_hints(module)) from error
    return value


def _chosen(module: ModuleType) -> str:
    """Return the name that flask and uvicorn users would expect, or the only one that fits."""
    for name in _APPLICATIONS:
        if recognition.kind(getattr(module, name, None)) in {recognition.WSGI, recognition.ASGI}:
            return name
    for name in _FACTORIES:
        if callable(getattr(module, name, None)):
            return name
    for name in _APPLICATIONS:
        if callable(getattr(module, name, None)):
            return name
    candidates = _candidates(module)
    if len(candidates) == 1:
        return candidates[0]
    raise Problem("no name", **_hints(module))


def _hints(module: ModuleType) -> dict[str, Any]:
    hints: dict[str, Any] = {"candidates": _candidates(module)[:_SHOWN_NAMES]}
    if hasattr(module, "__path__"):
        beside = [f"{module.__name__}.{name}" for name in ("wsgi", "asgi", "app", "main")]
        hints["modules"] = [each for each in beside if importlib.util.find_spec(each)]
    return hints


def _candidates(module: ModuleType) -> list[str]:
    """List the names that look like applications and were made for this module."""
    fitting = {recognition.WSGI, recognition.ASGI}
    found = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and not inspect.isclass(value)
        and getattr(value, "__module__", module.__name__) is not None
        and not (inspect.isfunction(value) and value.__module__ != module.__name__)
        and (recognition.kind(value) in fitting)
    ]
    return sorted(found, key=lambda name: not recognition.framework(vars(module)[name])[0])


def _application(named: Any, attribute: str, arguments: str | None) -> tuple[Any, bool]:
    """Return the application, called for if what is named is a factory, and whether it is."""
    kind = recognition.kind(named)
    if arguments is not None:
        if not callable(named):
            raise Problem("not callable", attribute=attribute, name=type(named).__name__)
        return _called(named, attribute, _call(arguments)), True
    needed = recognition.required(named)
    is_named_so = kind == recognition.UNKNOWN and attribute.endswith(_FACTORIES)
    if kind == recognition.NEEDS_ARGUMENTS or (is_named_so and needed):
        raise Problem("needs arguments", attribute=attribute, candidates=needed[:_SHOWN_NAMES])
    if kind == recognition.FACTORY or (is_named_so and callable(named)):
        return _called(named, attribute, _call("")), True
    return named, False


def _followed(value: Any, further: str, *, expression: str) -> Any:
    """Return what further names and calls lead to from the value of an expression."""
    node, steps = ast.parse(f"f{further}", mode="eval").body, []
    while isinstance(node, (ast.Attribute, ast.Call)):
        steps.append(node)
        node = node.value if isinstance(node, ast.Attribute) else node.func
    for step in reversed(steps):
        if isinstance(step, ast.Attribute):
            value = _part(value, step.attr, expression=expression)
            expression += f".{step.attr}"
            continue
        if not callable(value):
            raise Problem("not callable", attribute=expression, name=type(value).__name__)
        value = _called(value, expression, step)
        expression += f"({_between(step)})"
    return value


def _part(value: Any, name: str, *, expression: str) -> Any:
    try:
        return getattr(value, name)
    except AttributeError as error:
        if error.obj is not value or error.name != name:
            raise _raised("factory", error) from error
        raise Problem(
            "no part",
            attribute=expression,
            name=name,
            detail=type(value).__name__,
            candidates=[f"{expression}.{each}" for each in _within(value)],
        ) from error
    except BaseException as error:
        raise _raised("factory", error) from error


def _call(arguments: str) -> ast.Call:
    call = ast.parse(f"f({arguments})", mode="eval").body
    assert isinstance(call, ast.Call)  # noqa: S101  # it was checked before it was sent
    return call


def _between(call: ast.Call) -> str:
    """Return what stands between the parentheses of a call."""
    named = [f"{each.arg}={ast.unparse(each.value)}" for each in call.keywords]
    return ", ".join([*map(ast.unparse, call.args), *named])


def _called(factory: Any, attribute: str, call: ast.Call) -> Any:
    positional = [ast.literal_eval(each) for each in call.args]
    named = {each.arg or "": ast.literal_eval(each.value) for each in call.keywords}
    try:
        inspect.signature(factory).bind(*positional, **named)
    except TypeError as error:
        needed = recognition.required(factory)
        raise Problem(
            "needs arguments",
            attribute=attribute,
            given=_between(call),
            detail=_cut(str(error)),
            candidates=needed,
        ) from error
    except ValueError:  # it has no signature: the call itself will tell
        pass
    try:
        made = factory(*positional, **named)
    except BaseException as error:
        raise _raised("factory", error) from error
    if inspect.iscoroutine(made):
        made.close()
        raise Problem("async factory", attribute=attribute)
    return made


def _no_application(module: ModuleType, attribute: str, value: Any) -> Problem:
    if inspect.isfunction(value) and (needed := recognition.required(value)):
        return Problem("needs arguments", attribute=attribute, candidates=needed[:_SHOWN_NAMES])
    inner = [f"{attribute}.{name}" for name in _within(value)]
    if recognition.kind(value) == recognition.FACTORY:
        inner = [f"{attribute}()"]
    makers = [name for name in ("app", "asgi", "wsgi") if callable(getattr(value, name, None))]
    return Problem(
        "no application",
        attribute=attribute,
        name=type(value).__name__,
        candidates=[*inner, *_candidates(module)][:_SHOWN_NAMES],
        detail="" if inner or not makers else makers[0],
    )


def _within(value: Any) -> list[str]:
    """List what is an application in what is none, by usual names."""
    return [
        name
        for name in ("wsgi_app", "asgi_app", "asgi", "wsgi", "server", "app")
        if recognition.kind(getattr(value, name, None)) in {recognition.WSGI, recognition.ASGI}
    ]


def _trace(error: BaseException) -> list[str]:
    """Return the last lines of the traceback, from the application's first frame on."""
    step = error.__traceback__
    while step is not None and _is_ours(step.tb_frame.f_code.co_filename):
        step = step.tb_next
    lines = "".join(traceback.format_exception(type(error), error, step)).splitlines()
    return [_cut(line) for line in lines[-_SHOWN_LINES:]]


def _is_ours(file: str) -> bool:
    return file == __file__ or "importlib" in file


def _cut(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()[:_SHOWN]


def _load_recognition() -> Any:
    """Load the neighbour under no name that the application could import by mistake."""
    path = os.path.join(_FOLDER, "recognition.py")  # noqa: PTH118
    specification = importlib.util.spec_from_file_location("_servelab_recognition", path)
    if specification is None or specification.loader is None:
        _fail(f"{path} is missing")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _fail(text: str) -> NoReturn:
    sys.exit(text)


recognition = _load_recognition()

if __name__ == "__main__":
    # As servers do; in the place of this file's folder, which is none of the application's.
    sys.path[:] = [os.getcwd(), *(each for each in sys.path if each != _FOLDER)]  # noqa: PTH109
    main()
