"""A search kept to what the user allows: ``processes=1/2/4,threads=16``."""

from collections.abc import Mapping
from typing import Any

import msgspec

from servelab.catalogue.server import Server
from servelab.catalogue.settings import convert_settings
from servelab.errors import UsageError
from servelab.model.variant import Axis, Value, Variant

BETWEEN = "/"
_OFF = "off"


def narrow(variant: Variant, *, on: Server[Any], allowed: Mapping[str, str], of: str) -> Variant:
    """Return a variant whose axes hold only what is allowed; what is no axis becomes one.

    `allowed` holds for a setting its values with slashes between. Raise UnknownName or UsageError,
    which names the stack by `of`.
    """
    for setting, text in allowed.items():
        values = tuple(
            _value(each.strip(), setting=setting, variant=variant, on=on, of=of)
            for each in text.split(BETWEEN)
        )
        variant = _with_axis(variant, setting=setting, values=_in_order(values), of=of)
    return variant


def _value(text: str, *, setting: str, variant: Variant, on: Server[Any], of: str) -> Value:
    for axis in variant.axes:
        if axis.setting == setting and text == _OFF and None in axis.values:
            return None
    starts = {axis.setting: axis.start for axis in variant.axes if axis.start is not None}
    values = {**dict(variant.fixed), **starts, setting: text}
    value: Value = getattr(convert_settings(on, values, of=of), setting)
    return value


def _in_order(values: tuple[Value, ...]) -> tuple[Value, ...]:
    """Return each value once; numbers from little to much, others as they were typed."""
    unique = tuple(dict.fromkeys(values))
    numbers = [each for each in unique if isinstance(each, int)]
    return tuple(sorted(numbers)) if len(numbers) == len(unique) else unique


def _with_axis(variant: Variant, *, setting: str, values: tuple[Value, ...], of: str) -> Variant:
    fixed = dict(variant.fixed)
    if setting in fixed:
        if values == (fixed[setting],):
            return variant
        raise UsageError(f"{of} has {setting}={fixed[setting]}; leave {setting} out.")
    before = {axis.setting: axis for axis in variant.axes}
    start = _nearest(values, to=before[setting].start) if setting in before else values[0]
    axis = Axis(setting=setting, values=values, start=start)
    return msgspec.structs.replace(variant, axes=tuple({**before, setting: axis}.values()))


def _nearest(values: tuple[Value, ...], *, to: Value) -> Value:
    """Return where the search began, or the number closest to that."""
    if to in values or not isinstance(to, int):
        return to if to in values else values[0]
    numbers = [each for each in values if isinstance(each, int)]
    return min(numbers, key=lambda each: abs(each - to), default=values[0])
