"""What the user allows of a server's settings: ``processes=1/2/4,threads=16``."""

from collections.abc import Mapping
from typing import Any

import msgspec

from servelab.catalogue.server import Server
from servelab.catalogue.settings import OFF, can_be_left_out, convert_settings
from servelab.errors import UsageError
from servelab.model.variant import Axis, Value, Variant, given

BETWEEN = "/"


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
        variant = _with_axis(variant, setting=setting, values=tuple(dict.fromkeys(values)), of=of)
    return variant


def _value(text: str, *, setting: str, variant: Variant, on: Server[Any], of: str) -> Value:
    has_none = any(axis.setting == setting and None in axis.values for axis in variant.axes)
    if text == OFF and (has_none or can_be_left_out(on, setting)):
        return None
    values = {**given(variant.start), setting: text}
    value: Value = getattr(convert_settings(on, values, of=of), setting)
    return value


def _in_order(values: tuple[Value, ...], *, axis: Axis | None) -> tuple[Value, ...]:
    """Return them from little to much, as far as that is known; else as they were typed."""
    numbers = [each for each in values if isinstance(each, int)]
    if len(numbers) == len(values):
        return tuple(sorted(numbers))
    if axis is not None and set(values) <= set(axis.values):
        return tuple(each for each in axis.values if each in values)
    return values


def _with_axis(variant: Variant, *, setting: str, values: tuple[Value, ...], of: str) -> Variant:
    fixed = dict(variant.fixed)
    if setting in fixed:
        if fixed[setting] in values:  # which is what makes it this variant
            return variant
        raise UsageError(f"{of} has {setting}={fixed[setting]}; leave {setting} out.")
    before = {axis.setting: axis for axis in variant.axes}
    values = _in_order(values, axis=before.get(setting))
    start = _nearest(values, to=before[setting].start) if setting in before else values[0]
    axis = Axis(setting=setting, values=values, start=start)
    return msgspec.structs.replace(variant, axes=tuple({**before, setting: axis}.values()))


def _nearest(values: tuple[Value, ...], *, to: Value) -> Value:
    """Return where the search began, or the number closest to that."""
    if to in values or not isinstance(to, int):
        return to if to in values else values[0]
    numbers = [each for each in values if isinstance(each, int)]
    return min(numbers, key=lambda each: abs(each - to), default=values[0])
