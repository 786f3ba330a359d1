"""What systemd makes of a line, by the rules of systemd.syntax(7) and systemd.service(5)."""

import re

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|.)")


def words(line: str, *, is_command: bool = False) -> list[str]:
    """Return the words of a line; of a command, the arguments' dollar signs are single again."""
    found = [
        _without_escapes(quoted) if quoted or not plain else plain
        for quoted, plain in _WORD.findall(line)
    ]
    found = [word.replace("%%", "%") for word in found]
    if not is_command:
        return found
    return [found[0], *(word.replace("$$", "$") for word in found[1:])]


def settings(text: str, name: str) -> list[str]:
    """Return the values of a setting that may come more than once."""
    return [line.partition("=")[2] for line in text.splitlines() if line.partition("=")[0] == name]


def _without_escapes(text: str) -> str:
    def meant(found: re.Match[str]) -> str:
        code = found[1]
        return chr(int(code[1:], 16)) if len(code) > 1 else code

    return _ESCAPE.sub(meant, text)
