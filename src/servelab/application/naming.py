"""What was typed for an application, taken apart."""

import ast
import re
from typing import NamedTuple

from servelab.errors import UsageError
from servelab.model.application import ApplicationTarget

HOW_TO_NAME = "write it as MODULE:NAME, such as shop.web:app or shop.web:create_app()"
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def parse(text: str) -> ApplicationTarget:
    """Take apart what was typed: ``MODULE``, ``MODULE:NAME`` or ``MODULE:NAME(LITERALS)``.

    After a call the same may follow once more: ``MODULE:NAME(LITERALS).NAME(LITERALS)``.
    """
    module, colon, expression = text.strip().partition(":")
    if not _MODULE.fullmatch(module):
        raise UsageError(
            f"{module or text!r} is no name of a module{_path_hint(module)}; {HOW_TO_NAME}."
        )
    if not colon:
        return ApplicationTarget(module=module)
    try:
        first, *others = _steps(ast.parse(expression.strip(), mode="eval").body)
    except _NoChain:
        raise UsageError(
            f"{expression!r} is no name in a module, nor a call of one; {HOW_TO_NAME}."
        ) from None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise UsageError(f"{expression!r} is no name in a module; {HOW_TO_NAME}.") from None
    return ApplicationTarget(
        module=module,
        attribute=first.name,
        arguments=first.arguments,
        further="".join(f".{each}" for each in others),
    )


class _NoChain(Exception):  # noqa: N818  # of ours alone
    """An expression is something else than names and calls."""


class _Step(NamedTuple):
    name: str
    """Perhaps dotted."""
    arguments: str | None
    """Of its call; None where it is not called."""

    def __str__(self) -> str:
        return self.name if self.arguments is None else f"{self.name}({self.arguments})"


def _steps(node: ast.expr) -> list[_Step]:
    """Return an expression's names with their calls, the first first."""
    arguments = None
    if isinstance(node, ast.Call):
        arguments, node = _literals(node), node.func
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.insert(0, node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        return [_Step(".".join([node.id, *names]), arguments)]
    if isinstance(node, ast.Call) and names:
        return [*_steps(node), _Step(".".join(names), arguments)]
    raise _NoChain


def _path_hint(module: str) -> str:
    if module.endswith(".py") or "/" in module:
        parts = [part for part in module.removesuffix(".py").split("/") if part not in {"", "."}]
        return f", but a path: it could be {'.'.join(parts)}"
    return ""


def _literals(call: ast.Call) -> str:
    values = [*call.args, *(each.value for each in call.keywords)]
    for value in values:
        try:
            ast.literal_eval(value)
        except (ValueError, TypeError):  # the second: a list in a set, or as a key
            raise UsageError(
                f"{ast.unparse(value)!r} is no literal; a factory can be given texts, numbers, "
                "None, True, False, and lists, tuples and dictionaries of them."
            ) from None
    if any(each.arg is None for each in call.keywords):
        raise UsageError(
            "A factory's arguments cannot be unpacked with **; write each as NAME=VALUE."
        )
    named = [f"{each.arg}={ast.unparse(each.value)}" for each in call.keywords]
    return ", ".join([*map(ast.unparse, call.args), *named])
