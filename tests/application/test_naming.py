import pytest

from servelab.application import parse
from servelab.errors import UsageError


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("shop", ("shop", "", None)),
        ("shop.web:app", ("shop.web", "app", None)),
        ("shop:site.wsgi_app", ("shop", "site.wsgi_app", None)),
        ("shop:create_app()", ("shop", "create_app", "")),
        ("shop:create_app( 'dev', debug = True )", ("shop", "create_app", "'dev', debug=True")),
        ("shop:create_app({'a': [1, -2]})", ("shop", "create_app", "{'a': [1, -2]}")),
    ],
)
def test_what_was_typed_is_taken_apart(text: str, parts: tuple[str, str, str | None]) -> None:
    target = parse(text)
    assert (target.module, target.attribute, target.arguments) == parts
    assert not target.further


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("shop:Shop().app", ("Shop", "", ".app")),
        ("shop:Shop( 'x' ).app( )", ("Shop", "'x'", ".app()")),
        ('shop:a.Shop(["x"]).b.c(1, n = 2).d().e', ("a.Shop", "['x']", ".b.c(1, n=2).d().e")),
    ],
)
def test_names_and_calls_may_follow_a_call(text: str, parts: tuple[str, str, str]) -> None:
    target = parse(text)
    assert (target.attribute, target.arguments, target.further) == parts
    assert parse(str(target)) == target


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "shop/web.py:app",
            "'shop/web.py' is no name of a module, but a path: it could be shop.web",
        ),
        ("", "'' is no name of a module; write it as MODULE:NAME"),
        ("shop:", "'' is no name in a module"),
        ("shop:app[0]", "'app[0]' is no name in a module, nor a call of one"),
        ("shop:app; import os", "is no name in a module"),
        ("shop:create_app(os.environ)", "'os.environ' is no literal"),
        ("shop:create_app(__import__('os'))", "is no literal"),
        ("shop:create_app({[]: 1})", "'{[]: 1}' is no literal"),
        ("shop:create_app({[]})", "'{[]}' is no literal"),
        ("shop:create_app(**{'a': 1})", "cannot be unpacked"),
        ("shop:create_app()()", "nor a call of one"),
        ("shop:create_app()[0].app", "nor a call of one"),
        ("shop:'text'.upper()", "nor a call of one"),
        ("shop:Shop(x).app()", "'x' is no literal"),
        ("shop:Shop().app(os.environ)", "'os.environ' is no literal"),
        ("shop:a" + "()" * 9000, "no name in a module"),
        ("shop:a" + ".b()" * 9000, "no name in a module"),
    ],
)
def test_what_names_nothing_is_said_with_the_form_that_does(text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(text)
    assert said in str(error.value)
