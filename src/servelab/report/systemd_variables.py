"""What systemd reads in a file of variables, which is not what dotenv reads in it; pure.

The rules are those of EnvironmentFile= in systemd.exec(5): a value ends with its line and may be
quoted in parts, nothing behind it is a comment, and nothing in it refers to another variable.
"""

import re

_ENTRY = re.compile(
    r"""
    [ \t\r\n]*+
    (?: [#;] (?: \\. | [^\\\r\n] )*+                   # a comment; a backslash goes on with it
      | (?P<name> [^ \t\r\n#;] [^\r\n=]*+ )
        (?P<assigned> =
          (?P<quoted> (?: [ \t]*+ (?: '[^']*+(?:'|\Z) | "(?:\\.|[^"\\])*+(?:"|\\?\Z) ) )*+ )
          [ \t]*+
          (?P<plain> (?: [ \t]*+ (?: \\. | \\\Z | [^\\ \t\r\n] ) )*+ )
          [ \t]*+
        )?
    )
    (?: [\r\n] | \Z )
    """,
    re.VERBOSE | re.DOTALL,
)
_PART = re.compile(r"""'([^']*+)(?:'|\Z)|"((?:\\.|[^"\\])*+)(?:"|\\?\Z)""", re.DOTALL)
_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
_ESCAPED_IN_QUOTES = frozenset('"\\`$')
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def read(text: str) -> dict[str, str]:
    """Return the variables that systemd sets from a file with this text."""
    found: dict[str, str] = {}
    entry = _ENTRY.match(text)
    while entry is not None:
        if entry["assigned"] is not None:
            name = entry["name"].rstrip(" \t")
            value = _quoted(entry["quoted"]) + _plain(entry["plain"])
            if is_name(name) and not _CONTROL.search(value):
                found[name] = value
        entry = _ENTRY.match(text, entry.end()) if entry.end() < len(text) else None
    return found


def is_name(text: str) -> bool:
    """Tell whether systemd sets a variable of this name; it passes over all others."""
    return _NAME.fullmatch(text) is not None


def _quoted(text: str) -> str:
    return "".join(
        part[1] if part[1] is not None else _ESCAPE.sub(_in_quotes, part[2])
        for part in _PART.finditer(text)
    )


def _in_quotes(found: re.Match[str]) -> str:
    if found[1] in _ESCAPED_IN_QUOTES:
        return found[1]
    return "" if found[1] == "\n" else found[0]


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda found: found[1].strip("\r\n"), text)
