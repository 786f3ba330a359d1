"""Commands of the user's own, as they are typed."""

import re

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


def test_a_number_that_somebody_has_is_nobody_elses() -> None:
    texts = ("python a {port}", "python b {port}", "python-2=run c {port}", "python d {port}")
    assert {name: words[1] for name, words in typed(*texts).items()} == {
        "python": "a",
        "python-3": "b",
        "python-2": "c",
        "python-4": "d",
    }
    # A program that is called so comes to its number, too.
    assert list(typed("node-2 a {port}", "node b {port}", "node c {port}")) == [
        "node-2",
        "node",
        "node-3",
    ]


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


def test_values_between_bars_are_an_axis_that_begins_in_its_middle() -> None:
    text = "serve --workers={workers=1|2|4} --loop {loop=asyncio|uvloop} -w {workers} {port}"
    (found,) = commands_of((text,), has_port=False)
    assert found.argv == (
        "serve", "--workers={workers}", "--loop", "{loop}", "-w", "{workers}", "{port}"
    )  # fmt: skip
    assert [(each.setting, each.values, each.start) for each in found.axes] == [
        ("workers", ("1", "2", "4"), "2"),
        ("loop", ("asyncio", "uvloop"), "asyncio"),
    ]


@pytest.mark.parametrize("word", ['{"a":{}}', "{workers}", "{workers=4}", "{=1|2}", "{a b=1|2}"])
def test_other_braces_go_to_the_program_as_they_are(word: str) -> None:
    (found,) = commands_of((f"serve '{word}' {{port}}",), has_port=False)
    assert (found.argv[1], found.axes) == (word, ())


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("{n=1|}", "n cannot have the value ''"),
        ("{n=1|2,3}", "n cannot have the value '2,3'"),
        ("{n=1|1}", "n cannot have the value '1'; write different ones"),
        ("{port=1|2}", "port is servelab's to say"),
        ("{n=1|2} {n=3|4}", "has the values of n 2 times; write {n} where they go again"),
    ],
)
def test_values_that_cannot_be_searched_are_refused(word: str, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        typed(f"serve {word} {{port}}")
