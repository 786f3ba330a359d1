"""pip's index, proxy and certificate settings, in the words of uv, which does not read them.

Source: pip's user guide, "Configuration"; files are read in its order, later ones win.
"""

import configparser
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from msgspec import Struct

_SECTIONS = ("global", "install")
_TRUE = frozenset({"1", "true", "yes", "on", "y", "t"})


class UvSettings(Struct, frozen=True):
    """What to add to uv's environment and to the command line of ``uv pip install``."""

    variables: tuple[tuple[str, str], ...] = ()
    arguments: tuple[str, ...] = ()


class _Translation(Struct, frozen=True):
    option: str
    variable: str
    unless: tuple[str, ...] = ()
    """Variables of uv that say the same; where one is set, uv's own setting stands."""
    convert: Callable[[str], str] = str.strip


def uv_settings(variables: Mapping[str, str], *, files: tuple[Path, ...]) -> UvSettings:
    """Translate pip's settings; what is set for uv in the variables stands."""
    options = pip_options(variables, files=files)
    translated = [
        (each.variable, value)
        for each in _TRANSLATIONS
        if not any(variables.get(name) for name in (each.variable, *each.unless))
        and (value := each.convert(options.get(each.option, "")))
    ]
    # pip takes the best version of all indexes, uv the first index that knows the name.
    if any(name == "UV_INDEX" for name, _ in translated) and not variables.get("UV_INDEX_STRATEGY"):
        translated.append(("UV_INDEX_STRATEGY", "unsafe-best-match"))
    is_offline = options.get("no-index", "").strip().lower() in _TRUE
    return UvSettings(tuple(translated), ("--no-index",) if is_offline else ())


def pip_options(variables: Mapping[str, str], *, files: tuple[Path, ...]) -> Mapping[str, str]:
    """Read the options of ``pip install``: files, ``install`` over ``global``, then PIP_*."""
    sections: dict[str, dict[str, str]] = {name: {} for name in _SECTIONS}
    for file in files:
        for section, option, value in _read(file):
            if section in sections:
                sections[section][_normal(option)] = value
    from_variables = {
        _normal(name.removeprefix("PIP_")): value
        for name, value in variables.items()
        if name.startswith("PIP_") and value
    }
    return {**sections["global"], **sections["install"], **from_variables}


def configuration_files(
    variables: Mapping[str, str], *, prefix: str = sys.prefix
) -> tuple[Path, ...]:
    """List pip's configuration files, the weakest first, whether or not they exist."""
    named = variables.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return ()
    home = Path(variables.get("HOME") or "~").expanduser()
    own = Path(variables.get("XDG_CONFIG_HOME") or home / ".config")
    shared = (variables.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
    everybody = [*(Path(each) / "pip" / "pip.conf" for each in shared), Path("/etc/pip.conf")]
    user = [home / ".pip" / "pip.conf", own / "pip" / "pip.conf"]
    site = [Path(prefix) / "pip.conf"]
    if named and Path(named).exists():
        return (*everybody, *site, Path(named))
    return (*everybody, *user, *site)


def _read(file: Path) -> Iterator[tuple[str, str, str]]:
    parser = configparser.RawConfigParser()
    try:
        parser.read(file, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError, PermissionError):
        return  # pip says what is wrong with its files
    for section in parser.sections():
        for option, value in parser.items(section):
            yield section, option, value


def _normal(option: str) -> str:
    name = option.lower().replace("_", "-").removeprefix("--")
    # Two names of one option.
    return "timeout" if name == "default-timeout" else name


def _existing(value: str) -> list[str]:
    """Leave out folders that do not exist: pip passes over them, uv stops there."""
    return [each for each in value.split() if not _is_missing_folder(each)]


def _is_missing_folder(place: str) -> bool:
    parts = urlsplit(place)
    if parts.scheme == "file":
        return not Path(unquote(parts.path)).exists()
    return not parts.scheme and not Path(place).expanduser().exists()


def _spaced(value: str) -> str:
    return " ".join(_existing(value))


def _comma_separated(value: str) -> str:
    return ",".join(_existing(value))


def _words(value: str) -> str:
    return " ".join(value.split())


def _whole_seconds(value: str) -> str:
    try:
        return str(round(float(value)))
    except ValueError:
        return ""


def _keyring(value: str) -> str:
    return value if value == "subprocess" else ""


_TRANSLATIONS = (
    _Translation("index-url", "UV_DEFAULT_INDEX", ("UV_INDEX_URL",)),
    _Translation("extra-index-url", "UV_INDEX", ("UV_EXTRA_INDEX_URL",), _spaced),
    _Translation("find-links", "UV_FIND_LINKS", (), _comma_separated),
    _Translation("trusted-host", "UV_INSECURE_HOST", (), _words),
    _Translation("timeout", "UV_HTTP_TIMEOUT", (), _whole_seconds),
    _Translation("keyring-provider", "UV_KEYRING_PROVIDER", (), _keyring),
    _Translation("cert", "SSL_CERT_FILE", ("SSL_CERT_DIR",)),
    _Translation("client-cert", "SSL_CLIENT_CERT"),
    _Translation("proxy", "ALL_PROXY", ("HTTPS_PROXY", "https_proxy", "all_proxy")),
)
