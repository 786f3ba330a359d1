"""Text that servers and files wrote, made fit to be shown: it must not steer who reads it; pure."""

import re

STEERING = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
"""Of a class of signs: control codes, signs that turn the direction of writing, and halves of
signs, which cannot be written. Tabs and line breaks are left."""
LONGEST_TEXT = 20_000
LONGEST_NAME = 200
_STEERING = re.compile(f"[{STEERING}]")
_BREAKS = re.compile(r"\s+")


def plain(text: str) -> str:
    """Return text without what could steer a terminal, cut where it is endless."""
    return _STEERING.sub("\N{REPLACEMENT CHARACTER}", cut(text, most=LONGEST_TEXT))


def name(text: str) -> str:
    """Return text as the name of something: on one line, and short."""
    return _BREAKS.sub(" ", plain(cut(text, most=LONGEST_NAME))).strip()


def cut(text: str, *, most: int) -> str:
    """Return text of so many signs at most; what is missing is said."""
    if len(text) <= most:
        return text
    return f"{text[:most]}... ({len(text) - most:,} more characters)"
