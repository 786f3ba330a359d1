"""Commands of the user's own, as they are typed."""

import pytest

from servelab.cli.typed_commands import commands_of
from servelab.errors import UsageError


def typed(*texts: str, has_port: bool = False) -> dict[str, tuple[str, ...]]:
    """Return the arguments of each command by its name."""
    return {each.name: each.argv for each in commands_of(texts, has_port=has_port)}


def test_a_command_is_split_as_a_shell_would_and_called_after_its_program() -> None:
    assert typed("/usr/bin/node 'my server.js' {host} --port={port}") == {
        "node": ("/usr/bin/node", "my server.js", "{host}", "--port={port}")
    }


def test_what_stands_before_an_equals_sign_is_its_name() -> None:
    assert typed("web-1=./serve {port}", "./serve --a=b {port}") == {
        "web-1": ("./serve", "{port}"),
        "serve": ("./serve", "--a=b", "{port}"),
    }


def test_several_of_one_program_are_told_apart() -> None:
    texts = ("node a.js {port}", "node b.js {port}", "node=node c.js {port}")
    assert typed(*texts) == {
        "node-2": ("node", "a.js", "{port}"),
        "node-3": ("node", "b.js", "{port}"),
        "node": ("node", "c.js", "{port}"),
    }


def test_two_of_one_typed_name_are_refused() -> None:
    with pytest.raises(UsageError, match="2 of them are called web; name them apart"):
        typed("web=a {port}", "web=b {port}")


def test_one_without_a_port_is_refused_unless_the_port_is_known() -> None:
    with pytest.raises(UsageError, match=r"not told where to listen; write \{port\} .* --port"):
        typed("node server.js")
    assert typed("node server.js", has_port=True) == {"node": ("node", "server.js")}


@pytest.mark.parametrize("text", ["PORT={port} node server.js", "PORT=3000 node server.js"])
def test_a_variable_before_the_program_is_refused_with_what_sets_it_without_a_shell(
    text: str,
) -> None:
    with pytest.raises(UsageError, match=f"no shell reads it.* write 'env {text}'"):
        typed(text)
    assert typed("env PORT={port} node server.js")["env"][1] == "PORT={port}"


@pytest.mark.parametrize("text", ["cd web && ./run {port}", "./run {port} > log"])
def test_what_only_a_shell_understands_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is for a shell, and none reads it"):
        typed(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "names no program"),
        ("web=", "names no program"),
        ("'' {port}", "names no program"),
        ("node 'server.js {port}", "no closing quotation"),
    ],
)
def test_what_is_no_command_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        typed(text)
